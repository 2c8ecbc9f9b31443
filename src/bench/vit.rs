//! A ViT with random weights as an ONNX file, so that a teacher of a real size can be measured where none is at hand.
//!
//! It computes what `transformers`' `ViTForImageClassification` does, with the mean of the patches in the place of the class token.

use half::f16;
use rand::Rng;

use crate::support::onnx::{self, Attribute, Dim, ElementType, Graph, Node, Tensor, ValueInfo};
use crate::support::rng;

/// The shape of a ViT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VitShape {
    /// Its name for people.
    pub name: &'static str,
    /// Transformer blocks.
    pub depth: usize,
    /// Values of a token.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Side of the square input, in pixels.
    pub side: usize,
}

impl VitShape {
    /// ViT-B/16 (arXiv 2010.11929): 86 million weights, 17.6 billion multiplications an image.
    pub(crate) const BASE: Self = Self { name: "ViT-B/16", depth: 12, width: 768, heads: 12, side: 224 };
    /// A small one, for a test of the command.
    pub(crate) const TINY: Self =
        Self { name: "ViT of 2 small blocks", depth: 2, width: 64, heads: 2, side: 64 };
}

/// The element type of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// float32.
    Fp32,
    /// float16.
    Fp16,
}

impl Element {
    /// As a manifest writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
        }
    }

    fn of_onnx(self) -> ElementType {
        match self {
            Self::Fp32 => ElementType::Float32,
            Self::Fp16 => ElementType::Float16,
        }
    }

    fn bytes(self, values: impl Iterator<Item = f32>) -> Vec<u8> {
        match self {
            Self::Fp32 => values.flat_map(f32::to_le_bytes).collect(),
            Self::Fp16 => values.flat_map(|value| f16::from_f32(value).to_le_bytes()).collect(),
        }
    }
}

/// The side of a patch, in pixels.
const PATCH: usize = 16;

/// The bytes of `model.onnx`: input `pixel_values` `[batch_size, 3, side, side]`, output `logits` `[batch_size, classes]`.
pub(crate) fn model(shape: VitShape, classes: usize, element: Element) -> Vec<u8> {
    let mut builder = Builder { element, graph: Graph::default(), seed: 0 };
    builder.classifier(shape, classes);
    let mut graph = builder.graph;
    "vit".clone_into(&mut graph.name);
    let value = |name: &str, dims: &[usize]| {
        let dims = std::iter::once(Dim::named("batch_size")).chain(dims.iter().copied().map(Dim::fixed));
        ValueInfo::new(name, element.of_onnx(), dims)
    };
    graph.inputs.push(value("pixel_values", &[3, shape.side, shape.side]));
    graph.outputs.push(value("logits", &[classes]));
    onnx::model(graph, Vec::new())
}

struct Builder {
    element: Element,
    graph: Graph,
    seed: u64,
}

impl Builder {
    fn classifier(&mut self, shape: VitShape, classes: usize) {
        let VitShape { depth, width, heads, side, .. } = shape;
        let patches = (side / PATCH) * (side / PATCH);
        let patch = self.random("patch.weight", &[width, 3, PATCH, PATCH]);
        let strides = [Attribute::ints("strides", [PATCH; 2]), Attribute::ints("kernel_shape", [PATCH; 2])];
        let x = self.node("Conv", &["pixel_values", &patch], "patch", strides);
        let rows = self.shape("patch.shape", &[0, width as i64, -1]);
        let x = self.node("Reshape", &[&x, &rows], "patch.rows", []);
        let x = self.node("Transpose", &[&x], "patch.tokens", [Attribute::ints("perm", [0, 2, 1])]);
        let position = self.random("position", &[1, patches, width]);
        let mut x = self.node("Add", &[&x, &position], "tokens", []);
        for block in 0..depth {
            x = self.block(&format!("block{block}"), x, width, heads);
        }
        let x = self.norm("last", &x, width);
        let x = self.node(
            "ReduceMean",
            &[&x],
            "mean",
            [Attribute::ints("axes", [1]), Attribute::int("keepdims", 0)],
        );
        self.linear("logits", &x, width, classes);
    }

    fn block(&mut self, name: &str, x: String, width: usize, heads: usize) -> String {
        let at = |part: &str| format!("{name}.{part}");
        let normed = self.norm(&at("before"), &x, width);
        let split = self.shape(&at("split"), &[0, 0, heads as i64, (width / heads) as i64]);
        let [query, key, value] = [("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])]
            .map(|(part, order)| {
                let projected = self.linear(&at(part), &normed, width, width);
                let parts = self.node("Reshape", &[&projected, &split], &at(&format!("{part}.heads")), []);
                self.node(
                    "Transpose",
                    &[&parts],
                    &at(&format!("{part}.ready")),
                    [Attribute::ints("perm", order)],
                )
            });
        let scale = self.constant(&at("scale"), ((width / heads) as f32).sqrt().recip());
        let scores = self.node("MatMul", &[&query, &key], &at("scores"), []);
        let scores = self.node("Mul", &[&scores, &scale], &at("scaled"), []);
        let shares = self.node("Softmax", &[&scores], &at("shares"), [Attribute::int("axis", -1)]);
        let mixed = self.node("MatMul", &[&shares, &value], &at("mixed"), []);
        let mixed =
            self.node("Transpose", &[&mixed], &at("together"), [Attribute::ints("perm", [0, 2, 1, 3])]);
        let joined = self.shape(&at("joined"), &[0, 0, width as i64]);
        let mixed = self.node("Reshape", &[&mixed, &joined], &at("rows"), []);
        let mixed = self.linear(&at("out"), &mixed, width, width);
        let x = self.node("Add", &[&x, &mixed], &at("attended"), []);

        let normed = self.norm(&at("after"), &x, width);
        let wide = self.linear(&at("wide"), &normed, width, 4 * width);
        let wide = self.gelu(&at("gelu"), &wide);
        let narrow = self.linear(&at("narrow"), &wide, 4 * width, width);
        self.node("Add", &[&x, &narrow], name, [])
    }

    /// `x (1 + erf(x / sqrt(2))) / 2`, which ONNX Runtime fuses.
    fn gelu(&mut self, name: &str, x: &str) -> String {
        let at = |part: &str| format!("{name}.{part}");
        let root = self.constant(&at("root"), std::f32::consts::SQRT_2);
        let (one, half) = (self.constant(&at("one"), 1.0), self.constant(&at("half"), 0.5));
        let scaled = self.node("Div", &[x, &root], &at("scaled"), []);
        let error = self.node("Erf", &[&scaled], &at("erf"), []);
        let error = self.node("Add", &[&error, &one], &at("sum"), []);
        let product = self.node("Mul", &[x, &error], &at("product"), []);
        self.node("Mul", &[&product, &half], name, [])
    }

    fn norm(&mut self, name: &str, x: &str, width: usize) -> String {
        let scale = self.tensor(&format!("{name}.scale"), &[width], vec![1.0; width].into_iter());
        let shift = self.tensor(&format!("{name}.shift"), &[width], vec![0.0; width].into_iter());
        let attributes = [Attribute::int("axis", -1), Attribute::float("epsilon", 1e-6)];
        self.node("LayerNormalization", &[x, &scale, &shift], &format!("{name}.norm"), attributes)
    }

    /// `x W + b`, called `name`.
    fn linear(&mut self, name: &str, x: &str, inputs: usize, outputs: usize) -> String {
        let weight = self.random(&format!("{name}.weight"), &[inputs, outputs]);
        let bias = self.random(&format!("{name}.bias"), &[outputs]);
        let product = self.node("MatMul", &[x, &weight], &format!("{name}.product"), []);
        self.node("Add", &[&product, &bias], name, [])
    }

    /// Adds a node and gives its output's name.
    fn node(
        &mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: impl IntoIterator<Item = Attribute>,
    ) -> String {
        let attributes = attributes.into_iter().collect();
        self.graph.nodes.push(Node::new(operator, inputs, output, attributes));
        output.to_owned()
    }

    /// A weight of `transformers`' spread: deviation 0.02.
    fn random(&mut self, name: &str, dims: &[usize]) -> String {
        self.seed += 1;
        let mut rng = rng::keyed("bench vit", &[self.seed]);
        let spread = 0.02 * 3f32.sqrt();
        let values = (0..dims.iter().product()).map(move |_: usize| rng.random_range(-spread..spread));
        self.tensor(name, dims, values)
    }

    fn constant(&mut self, name: &str, value: f32) -> String {
        self.tensor(name, &[], std::iter::once(value))
    }

    fn tensor(&mut self, name: &str, dims: &[usize], values: impl Iterator<Item = f32>) -> String {
        let bytes = self.element.bytes(values);
        self.weight(Tensor::of_bytes(name, dims, self.element.of_onnx(), bytes), name)
    }

    /// The second input of a `Reshape`.
    fn shape(&mut self, name: &str, dims: &[i64]) -> String {
        let bytes = dims.iter().flat_map(|dim| dim.to_le_bytes()).collect();
        self.weight(Tensor::of_bytes(name, &[dims.len()], ElementType::Int64, bytes), name)
    }

    fn weight(&mut self, tensor: Tensor, name: &str) -> String {
        self.graph.weights.push(tensor);
        name.to_owned()
    }
}
