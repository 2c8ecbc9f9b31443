//! A block of layers as one operation: an inverted residual, a stem, the last convolution.

use burn::tensor::Tensor;

use super::{
    kernels::{self, LayerTensors, Structure},
    layer::{ConvLayer, Phase},
};

/// Layers that run one after another, and what follows them.
pub(super) struct Block<'a> {
    /// Its name in an ONNX graph.
    pub name: String,
    /// Each with its name in the block; a block's only layer may have none.
    pub layers: Vec<(&'static str, &'a ConvLayer)>,
    pub ending: Ending,
}

/// What follows the last layer of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Nothing,
    /// The block's input is added.
    Residual,
    /// The mean over all positions.
    Pool,
}

impl Block<'_> {
    /// Runs the block: `[batch, height, width, channels]`, channels last, in and out; in is `[batch, 3, height, width]`
    /// where the first layer is the network's.
    pub fn forward(&self, input: Tensor<4>, phase: Phase) -> Tensor<4> {
        let layers: Vec<&ConvLayer> = self.layers.iter().map(|(_, layer)| *layer).collect();
        let structure = Structure {
            layers: layers.iter().map(|layer| layer.kind()).collect(),
            padding: layers[0].padding(),
            epsilon: layers[0].epsilon(),
            residual: self.ending == Ending::Residual,
            pool: self.ending == Ending::Pool,
        };
        let tensors: Vec<LayerTensors> = layers.iter().map(|layer| layer.tensors(phase)).collect();
        let input = match phase {
            Phase::Frozen => input.without_autodiff(),
            // It may come from frozen layers.
            Phase::Train if tensors[0].weight.is_autodiff() => input.autodiff(),
            Phase::Train | Phase::Evaluate => input,
        };
        let (output, statistics) = kernels::run(input, &structure, tensors);
        for (layer, statistics) in layers.iter().zip(statistics) {
            layer.update_running(statistics);
        }
        output
    }

    /// Multiplications for one image of `size`, height and width in pixels, which becomes that of the output.
    pub fn multiplications(&self, size: &mut [usize; 2]) -> usize {
        self.layers.iter().map(|(_, layer)| layer.multiplications(size)).sum()
    }
}
