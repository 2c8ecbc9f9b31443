//! The student's layers as ONNX operators.

use crate::student::block::{Block, Ending};
use crate::student::kernels::{Activation, Padding};
use crate::student::layer::Folded;
use crate::student::{Student, format};
use crate::support::onnx::{Attribute, Dim, ElementType, Graph, Node, Tensor, ValueInfo};

const INPUT: &str = "pixel_values";
const OUTPUT: &str = "logits";

/// The graph of `model` for square images of its own size.
pub(super) fn of(model: &Student) -> Graph {
    let shape = model.shape();
    let side = shape.image_size;
    let mut builder = Builder { size: side, ..Builder::default() };
    format(shape.architecture).class.clone_into(&mut builder.graph.name);
    let blocks = model.layers().blocks();
    let mut layers = blocks.iter().flat_map(Block::all_layers);
    if layers.any(|(_, layer)| layer.kind().activation == Activation::Relu6) {
        builder.graph.weights.push(Tensor::new("relu6.min", &[], &[0.0]));
        builder.graph.weights.push(Tensor::new("relu6.max", &[], &[6.0]));
    }
    let last = blocks.iter().fold(INPUT.to_owned(), |last, block| builder.block(block, last));
    let (weight, bias) = model.layers().classifier().values();
    let floats = |data: &burn::tensor::TensorData| data.iter::<f32>().collect::<Vec<_>>();
    let mut graph = builder.graph;
    graph.weights.push(Tensor::new("classifier.weight", weight.shape(), &floats(&weight)));
    graph.weights.push(Tensor::new("classifier.bias", bias.shape(), &floats(&bias)));
    let transposed = vec![Attribute::int("transB", 1)];
    graph.nodes.push(Node::new("Gemm", &[&last, "classifier.weight", "classifier.bias"], OUTPUT, transposed));
    graph.inputs.push(ValueInfo::new(
        INPUT,
        ElementType::Float32,
        [Dim::named("batch"), Dim::fixed(3), Dim::fixed(side), Dim::fixed(side)],
    ));
    graph.outputs.push(ValueInfo::new(
        OUTPUT,
        ElementType::Float32,
        [Dim::named("batch"), Dim::fixed(shape.classes)],
    ));
    graph
}

#[derive(Default)]
struct Builder {
    graph: Graph,
    /// Height and width of the last output, in pixels.
    size: usize,
}

impl Builder {
    /// Adds a block's operators to what `input` names, and gives the name of what comes out.
    fn block(&mut self, block: &Block, input: String) -> String {
        let (name, size) = (&block.name, self.size);
        let mut last = input.clone();
        for (part, layer) in &block.layers {
            let name = if part.is_empty() { name.clone() } else { format!("{name}.{part}") };
            last = self.layer(&name, &layer.folded(), &last);
        }
        match block.ending {
            Ending::Nothing => last,
            Ending::Residual => self.push("Add", &[&input, &last], format!("{name}.residual"), Vec::new()),
            Ending::Shortcut(layer) => {
                let input = match layer {
                    Some((part, layer)) => {
                        // It takes the size of the block's input to that of its output too.
                        self.size = size;
                        self.layer(&format!("{name}.{part}"), &layer.folded(), &input)
                    }
                    None => input,
                };
                let sum = self.push("Add", &[&input, &last], format!("{name}.residual"), Vec::new());
                self.push("Relu", &[&sum], format!("{name}.relu"), Vec::new())
            }
            Ending::MaxPool => {
                let (pads, size) = padded(Padding::Centred, self.size, 3, 2);
                self.size = size;
                let attributes = vec![
                    Attribute::ints("kernel_shape", [3; 2]),
                    Attribute::ints("pads", pads),
                    Attribute::ints("strides", [2; 2]),
                ];
                self.push("MaxPool", &[&last], format!("{name}.pooled"), attributes)
            }
            Ending::Pool => {
                let pooled = self.push("GlobalAveragePool", &[&last], "pooled".to_owned(), Vec::new());
                let axis = vec![Attribute::int("axis", 1)];
                self.push("Flatten", &[&pooled], "features".to_owned(), axis)
            }
        }
    }

    fn layer(&mut self, name: &str, layer: &Folded, input: &str) -> String {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        self.graph.weights.push(Tensor::new(&weight, &layer.dims, &layer.weight));
        self.graph.weights.push(Tensor::new(&bias, &layer.dims[..1], &layer.bias));
        let kernel = layer.dims[2];
        let (pads, size) = padded(layer.padding, self.size, kernel, layer.stride);
        let attributes = vec![
            Attribute::int("group", layer.groups as i64),
            Attribute::ints("kernel_shape", [kernel; 2]),
            Attribute::ints("pads", pads),
            Attribute::ints("strides", [layer.stride; 2]),
        ];
        self.size = size;
        let convolved = self.push("Conv", &[input, &weight, &bias], format!("{name}.conv"), attributes);
        match layer.activation {
            Activation::Linear => convolved,
            Activation::Relu => self.push("Relu", &[&convolved], format!("{name}.relu"), Vec::new()),
            Activation::Relu6 => {
                let inputs = [&convolved, "relu6.min", "relu6.max"];
                self.push("Clip", &inputs, format!("{name}.relu6"), Vec::new())
            }
        }
    }

    fn push(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: String,
        attributes: Vec<Attribute>,
    ) -> String {
        self.graph.nodes.push(Node::new(operator, inputs, &output, attributes));
        output
    }
}

/// The zeros around a square image of `size` as ONNX writes them, `[top, left, bottom, right]`, and the size of the output.
fn padded(padding: Padding, size: usize, kernel: usize, stride: usize) -> (Vec<usize>, usize) {
    let (before, outputs) = padding.along(size, kernel, stride);
    let after = match padding {
        Padding::Same => ((outputs - 1) * stride + kernel).saturating_sub(before + size),
        Padding::Centred => before,
    };
    (vec![before, before, after, after], outputs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_tensorflows_or_pytorchs() {
        assert_eq!(padded(Padding::Same, 224, 3, 2), (vec![0, 0, 1, 1], 112));
        assert_eq!(padded(Padding::Same, 15, 3, 2), (vec![1, 1, 1, 1], 8));
        assert_eq!(padded(Padding::Same, 7, 3, 1), (vec![1, 1, 1, 1], 7));
        assert_eq!(padded(Padding::Same, 7, 1, 1), (vec![0, 0, 0, 0], 7));
        assert_eq!(padded(Padding::Centred, 224, 7, 2), (vec![3, 3, 3, 3], 112));
        assert_eq!(padded(Padding::Centred, 56, 1, 2), (vec![0, 0, 0, 0], 28));
    }
}
