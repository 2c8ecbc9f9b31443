//! A block of layers as one operation: a stem, an inverted residual, a residual with a shortcut.

use burn::tensor::{Tensor, activation::relu};

use super::{
    kernels::{self, ChainSpec, LayerTensors, max_pool},
    layer::{ConvLayer, Phase},
};

/// A layer and its name in its block.
pub(super) type Named<'a> = (&'static str, &'a ConvLayer);

/// Layers that run one after another, and what follows them.
pub(super) struct Block<'a> {
    /// Its name in an ONNX graph.
    pub name: String,
    /// A block's only layer may have an empty name.
    pub layers: Vec<Named<'a>>,
    pub ending: Ending<'a>,
}

/// The end of a block, after its last layer.
pub(super) enum Ending<'a> {
    Nothing,
    /// The block's input is added.
    Residual,
    /// The block's input is added, by way of a layer where its shape changes, and a ReLU follows.
    Shortcut(Option<Named<'a>>),
    /// The largest value of each 3 x 3 window at every second pixel.
    MaxPool,
    /// The mean over all positions.
    Pool,
}

impl Block<'_> {
    /// Runs the block: `[batch, height, width, channels]`, channels last, in and out; in is `[batch, 3, height, width]`
    /// where the first layer is the network's.
    pub(crate) fn forward(&self, input: Tensor<4>, phase: Phase) -> Tensor<4> {
        let layers: Vec<&ConvLayer> = self.layers.iter().map(|(_, layer)| *layer).collect();
        let (residual, pool) = (matches!(self.ending, Ending::Residual), matches!(self.ending, Ending::Pool));
        match self.ending {
            Ending::Nothing | Ending::Residual | Ending::Pool => chain(&layers, residual, pool, input, phase),
            Ending::MaxPool => max_pool(chain(&layers, false, false, input, phase)),
            Ending::Shortcut(layer) => {
                let shortcut = match layer {
                    Some((_, layer)) => chain(&[layer], false, false, input.clone(), phase),
                    None => input.clone(),
                };
                relu(chain(&layers, false, false, input, phase) + shortcut)
            }
        }
    }

    /// Every layer of the block.
    pub(crate) fn all_layers(&self) -> impl Iterator<Item = Named<'_>> {
        let shortcut = if let Ending::Shortcut(layer) = self.ending { layer } else { None };
        self.layers.iter().copied().chain(shortcut)
    }
}

/// Layers one after another, then `residual` adds the input and `pool` takes the mean over all positions.
fn chain(layers: &[&ConvLayer], residual: bool, pool: bool, input: Tensor<4>, phase: Phase) -> Tensor<4> {
    let Some(first) = layers.first() else {
        return if pool { mean(input) } else { input };
    };
    let spec = ChainSpec {
        layers: layers.iter().map(|layer| layer.kind()).collect(),
        padding: first.padding(),
        epsilon: first.epsilon(),
        residual,
        pool,
    };
    let tensors: Vec<LayerTensors> = layers.iter().map(|layer| layer.tensors(phase)).collect();
    let input = match phase {
        Phase::Frozen => input.without_autodiff(),
        // It may come from frozen layers.
        Phase::Train if tensors[0].weight.is_autodiff() => input.autodiff(),
        Phase::Train | Phase::Measure { .. } | Phase::Evaluate => input,
    };
    let (output, statistics) = kernels::run(input, &spec, tensors);
    for (layer, statistics) in layers.iter().zip(statistics) {
        layer.update_running(statistics, phase);
    }
    output
}

/// `[batch, height, width, channels]` to `[batch, 1, 1, channels]`.
fn mean(input: Tensor<4>) -> Tensor<4> {
    let [batch, height, width, channels] = input.dims();
    input.reshape([batch, 1, height * width, channels]).mean_dim(2)
}
