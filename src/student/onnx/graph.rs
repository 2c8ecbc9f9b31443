//! The student's layers as ONNX operators.

use super::proto::{Attribute, Dim, Graph, attribute, node, tensor, value};
use crate::student::MobileNetV2;
use crate::student::layer::{Ending, Folded};
use crate::student::model::Chain;

const INPUT: &str = "pixel_values";
const OUTPUT: &str = "logits";

/// The graph of `model` for square images of its own size.
pub(super) fn of(model: &MobileNetV2) -> Graph {
    let shape = model.shape();
    let side = shape.image_size;
    let mut builder = Builder { size: side, ..Builder::default() };
    builder.graph.name = "MobileNetV2ForImageClassification";
    builder.graph.weights.push(tensor("relu6.min", &[], &[0.0]));
    builder.graph.weights.push(tensor("relu6.max", &[], &[6.0]));

    let mut last = INPUT.to_owned();
    let blocks = model.chains().count() - 2;
    for (index, chain) in model.chains().enumerate() {
        let name = match index {
            0 => "conv_stem".to_owned(),
            index if index > blocks => "conv_1x1".to_owned(),
            index => format!("layer.{}", index - 1),
        };
        last = builder.chain(&name, &chain, last);
    }
    let (weight, bias) = model.classifier();
    let floats = |data: &burn::tensor::TensorData| data.iter::<f32>().collect::<Vec<_>>();
    let mut graph = builder.graph;
    graph.weights.push(tensor("classifier.weight", weight.shape(), &floats(&weight)));
    graph.weights.push(tensor("classifier.bias", bias.shape(), &floats(&bias)));
    let transposed = vec![attribute("transB", Attribute::Int(1))];
    graph.nodes.push(node("Gemm", &[&last, "classifier.weight", "classifier.bias"], OUTPUT, transposed));
    graph
        .inputs
        .push(value(INPUT, &[Dim::Named("batch"), Dim::Fixed(3), Dim::Fixed(side), Dim::Fixed(side)]));
    graph.outputs.push(value(OUTPUT, &[Dim::Named("batch"), Dim::Fixed(shape.classes)]));
    graph
}

#[derive(Default)]
struct Builder {
    graph: Graph,
    /// Height and width of the last output, in pixels.
    size: usize,
}

impl Builder {
    /// Adds a chain's operators to what `input` names, and gives the name of what comes out.
    fn chain(&mut self, name: &str, chain: &Chain, input: String) -> String {
        let mut last = input.clone();
        for (part, layer) in &chain.layers {
            let name = if part.is_empty() { name.to_owned() } else { format!("{name}.{part}") };
            last = self.layer(&name, &layer.folded(), &last);
        }
        match chain.ending {
            Ending::Nothing => last,
            Ending::Residual => self.push("Add", &[&input, &last], format!("{name}.residual"), Vec::new()),
            Ending::Pool => {
                let pooled = self.push("GlobalAveragePool", &[&last], "pooled".to_owned(), Vec::new());
                let axis = vec![attribute("axis", Attribute::Int(1))];
                self.push("Flatten", &[&pooled], "features".to_owned(), axis)
            }
        }
    }

    fn layer(&mut self, name: &str, layer: &Folded, input: &str) -> String {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        self.graph.weights.push(tensor(&weight, &layer.dims, &layer.weight));
        self.graph.weights.push(tensor(&bias, &layer.dims[..1], &layer.bias));
        let kernel = layer.dims[2];
        let attributes = vec![
            attribute("group", Attribute::Int(layer.groups)),
            attribute("kernel_shape", Attribute::Ints(vec![kernel; 2])),
            attribute("pads", Attribute::Ints(same_padding(self.size, kernel, layer.stride))),
            attribute("strides", Attribute::Ints(vec![layer.stride; 2])),
        ];
        self.size = self.size.div_ceil(layer.stride);
        let convolved = self.push("Conv", &[input, &weight, &bias], format!("{name}.conv"), attributes);
        if !layer.relu6 {
            return convolved;
        }
        self.push("Clip", &[&convolved, "relu6.min", "relu6.max"], format!("{name}.relu6"), Vec::new())
    }

    fn push(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: String,
        attributes: Vec<crate::support::protobuf::Message>,
    ) -> String {
        self.graph.nodes.push(node(operator, inputs, &output, attributes));
        output
    }
}

/// TensorFlow's "SAME" padding as ONNX writes it, `[top, left, bottom, right]`: what is odd goes to bottom and right.
fn same_padding(size: usize, kernel: usize, stride: usize) -> Vec<usize> {
    let whole = ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size);
    let before = whole / 2;
    vec![before, before, whole - before, whole - before]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_tensorflows() {
        assert_eq!(same_padding(224, 3, 2), [0, 0, 1, 1]);
        assert_eq!(same_padding(15, 3, 2), [1, 1, 1, 1]);
        assert_eq!(same_padding(7, 3, 1), [1, 1, 1, 1]);
        assert_eq!(same_padding(7, 1, 1), [0, 0, 0, 0]);
    }
}
