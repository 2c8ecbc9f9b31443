//! The chain as an operation of burn's Flex backend, with its gradient.

use std::sync::Arc;

use burn::{
    backend::{
        AutodiffBackend, Backend, Flex, TensorMetadata,
        autodiff::{
            Autodiff,
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, NodeGuard, Ops, OpsKind},
        },
        backend_extension,
        tensor::FloatTensor,
    },
    tensor::{Shape, TensorData},
};
use burn_flex::FlexTensor;

use super::{
    chain::{Output, Parameters, Saved, Source},
    chain_spec::ChainSpec,
    tensors::TensorList,
};

/// A chain of convolutions with batch statistics.
#[backend_extension(Autodiff, Flex)]
pub(super) trait TrainChain: Backend {
    /// From the input and each layer's weight, gamma and beta, to the output and each layer's batch mean and variance.
    fn train_chain(#[extension_type] inputs: TensorList<Self>, spec: ChainSpec) -> TensorList<Self>;
}

/// A chain of convolutions with running statistics.
#[backend_extension(Flex)]
pub(super) trait EvaluateChain: Backend {
    /// From the input and each layer's weight, gamma, beta, running mean and running variance, to the output.
    fn evaluate_chain(#[extension_type] inputs: TensorList<Self>, spec: ChainSpec) -> TensorList<Self>;
}

impl TrainChain for Flex {
    fn train_chain(inputs: TensorList<Self>, spec: ChainSpec) -> TensorList<Self> {
        let inputs: Vec<FlexTensor> = inputs.0.iter().map(FlexTensor::to_contiguous).collect();
        let (output, statistics, _) = forward(&inputs, &spec, false);
        TensorList(std::iter::once(output).chain(statistics).collect())
    }
}

impl EvaluateChain for Flex {
    fn evaluate_chain(inputs: TensorList<Self>, spec: ChainSpec) -> TensorList<Self> {
        let inputs: Vec<FlexTensor> = inputs.0.iter().map(FlexTensor::to_contiguous).collect();
        let layers: Vec<Parameters<'_>> = inputs[1..]
            .chunks_exact(5)
            .map(|layer| Parameters {
                weight: values(&layer[0]),
                gamma: values(&layer[1]),
                beta: values(&layer[2]),
                statistics: Source::Running { mean: values(&layer[3]), variance: values(&layer[4]) },
            })
            .collect();
        let output = spec.forward(inputs[0].shape().dims(), values(&inputs[0]), &layers, false);
        TensorList(vec![tensor(output.values, output.shape)])
    }
}

impl<C: CheckpointStrategy> TrainChain for Autodiff<Flex, C> {
    fn train_chain(inputs: TensorList<Self>, spec: ChainSpec) -> TensorList<Self> {
        // The autodiff graph wants the number of parents at compile time.
        let outputs = match spec.layers.len() {
            1 => tracked::<C, 4>(inputs, spec),
            2 => tracked::<C, 7>(inputs, spec),
            3 => tracked::<C, 10>(inputs, spec),
            layers => unreachable!("a chain has one to three layers, not {layers}"),
        };
        TensorList(outputs)
    }
}

fn tracked<C: CheckpointStrategy, const N: usize>(
    inputs: TensorList<Autodiff<Flex, C>>,
    spec: ChainSpec,
) -> Vec<FloatTensor<Autodiff<Flex, C>>> {
    let (inputs, nodes): (Vec<FlexTensor>, Vec<NodeGuard>) = (inputs.0.into_iter())
        .map(|input| {
            let (primitive, node) = input.into_parts();
            (primitive.to_contiguous(), node)
        })
        .unzip();
    let Ok(nodes) = <[NodeGuard; N]>::try_from(nodes) else { unreachable!("three parameters a layer") };
    let (output, statistics) = match ChainBackward.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => {
            let (output, statistics, saved) = forward(&inputs, &spec, true);
            let state = State { inputs, spec, saved: Arc::new(saved) };
            (prep.finish(state, output), statistics)
        }
        OpsKind::UnTracked(prep) => {
            let (output, statistics, _) = forward(&inputs, &spec, false);
            (prep.finish(output), statistics)
        }
    };
    let constants = statistics.into_iter().map(<Autodiff<Flex, C> as AutodiffBackend>::from_inner);
    std::iter::once(output).chain(constants).collect()
}

/// The output, each layer's mean and variance, and what backward needs.
fn forward(inputs: &[FlexTensor], spec: &ChainSpec, keep: bool) -> (FlexTensor, Vec<FlexTensor>, Saved) {
    let layers: Vec<Parameters<'_>> = inputs[1..]
        .chunks_exact(3)
        .map(|layer| Parameters {
            weight: values(&layer[0]),
            gamma: values(&layer[1]),
            beta: values(&layer[2]),
            statistics: Source::Batch,
        })
        .collect();
    let Output { shape, values, moments, saved } =
        spec.forward(inputs[0].shape().dims(), values(&inputs[0]), &layers, keep);
    let statistics = moments.into_iter().flat_map(|moments| {
        let channels = moments.mean.len();
        [tensor(moments.mean, [channels]), tensor(moments.variance, [channels])]
    });
    (tensor(values, shape), statistics.collect(), saved)
}

#[derive(Debug)]
struct ChainBackward;

#[derive(Clone, Debug)]
struct State {
    inputs: Vec<FlexTensor>,
    spec: ChainSpec,
    saved: Arc<Saved>,
}

impl<const N: usize> Backward<Flex, N> for ChainBackward {
    type State = State;

    fn backward(self, ops: Ops<State, N>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dout = grads.consume::<Flex>(&ops.node).to_contiguous();
        let State { inputs, spec, saved } = ops.state;
        let weights: Vec<&[f32]> = inputs[1..].chunks_exact(3).map(|layer| values(&layer[0])).collect();
        let gradients = spec.backward(
            inputs[0].shape().dims(),
            values(&inputs[0]),
            &weights,
            Arc::unwrap_or_clone(saved),
            values(&dout),
            ops.parents[0].is_some(),
        );
        let all = std::iter::once(gradients.input).chain(gradients.layers.into_iter().flatten().map(Some));
        for ((parent, input), gradient) in ops.parents.into_iter().zip(&inputs).zip(all) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, tensor(gradient, input.shape()));
            }
        }
    }
}

/// A contiguous tensor's floats.
fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("the inputs are contiguous float32")
}

fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}
