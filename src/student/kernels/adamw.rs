//! `AdamW` (arXiv 1711.05101), one pass over each parameter on burn's Flex backend.
//!
//! burn's own makes some fifteen passes, each with a tensor of its own; the whole optimiser then costs a third of a step
//! at 32 px. The numbers are the same formula's:
//!
//! ```text
//! m = β1 m + (1 - β1) g            v = β2 v + (1 - β2) g²
//! w = w (1 - η λ) - η (m / (1 - β1ᵗ)) / (√(v / (1 - β2ᵗ)) + ε)
//! ```

use burn::{
    backend::{Backend, Dispatch, Flex, backend_extension},
    optim::{AdamWConfig, AdamWState, AdaptiveMomentumState, LearningRate, Optimizer},
    tensor::{Device, Tensor},
};
use burn_flex::FlexTensor;
use macerator::Simd;
use rayon::prelude::*;

use super::{
    on_flex,
    simd::{load, splat, store, strips},
    tensors::TensorList,
};

/// Floats of one task: small enough to share a layer between cores, large enough to be worth it.
pub(super) const TASK: usize = 16 * 1024;

/// `AdamW` as PyTorch has it. `burn::optim::ModuleOptimizer::from` makes an optimiser for a whole module; its state is
/// that of burn's own `AdamW`, so either continues the other's checkpoint.
#[derive(Clone)]
pub struct AdamW {
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    weight_decay: f32,
    elsewhere: burn::optim::AdamW,
}

/// The numbers of one step that are the same for every parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    beta_1: f32,
    beta_2: f32,
    epsilon: f32,
    /// `1 - η λ`
    keep: f32,
    /// `η / (1 - β1ᵗ)`
    rate: f32,
    /// `1 / (1 - β2ᵗ)`
    correction: f32,
}

/// One step of `AdamW`.
#[backend_extension(Flex)]
pub(super) trait AdamWStep: Backend {
    /// From weight, first moment, second moment and gradient to the new weight and moments.
    fn adamw_step(#[extension_type] tensors: TensorList<Self>, step: Step) -> TensorList<Self>;
}

impl AdamW {
    /// `betas` are the decay rates of the two moments; `weight_decay` is taken times the learning rate.
    pub fn new(betas: [f32; 2], epsilon: f32, weight_decay: f32) -> Self {
        let [beta_1, beta_2] = betas;
        let elsewhere = AdamWConfig::new()
            .with_beta_1(beta_1)
            .with_beta_2(beta_2)
            .with_epsilon(epsilon)
            .with_weight_decay(weight_decay)
            .build();
        Self { beta_1, beta_2, epsilon, weight_decay, elsewhere }
    }
}

impl Optimizer for AdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<Self::State<D>>,
    ) -> (Tensor<D>, Option<Self::State<D>>) {
        if weight.is_autodiff() || gradient.is_autodiff() || !on_flex(&weight) || !on_flex(&gradient) {
            return self.elsewhere.step(learning_rate, weight, gradient, state);
        }
        let (time, first, second) = match state {
            Some(AdamWState { momentum }) => (momentum.time + 1, momentum.moment_1, momentum.moment_2),
            None => (1, weight.zeros_like(), weight.zeros_like()),
        };
        let power = |beta: f32| f64::from(beta).powi(time as i32);
        let step = Step {
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            epsilon: self.epsilon,
            keep: (1.0 - learning_rate * f64::from(self.weight_decay)) as f32,
            rate: (learning_rate / (1.0 - power(self.beta_1))) as f32,
            correction: (1.0 / (1.0 - power(self.beta_2))) as f32,
        };
        let tensors = [weight, first, second, gradient].map(Tensor::into_dispatch);
        let outputs = Dispatch::adamw_step(TensorList(tensors.into()), step).0;
        let [weight, first, second] =
            <[_; 3]>::try_from(outputs).unwrap_or_else(|_| unreachable!("a step has three outputs"));
        let momentum =
            AdaptiveMomentumState::new(time, Tensor::from_dispatch(first), Tensor::from_dispatch(second));
        (Tensor::from_dispatch(weight), Some(AdamWState::new(momentum)))
    }

    fn to_device<const D: usize>(state: Self::State<D>, device: &Device) -> Self::State<D> {
        burn::optim::AdamW::to_device(state, device)
    }
}

impl AdamWStep for Flex {
    fn adamw_step(tensors: TensorList<Self>, step: Step) -> TensorList<Self> {
        let mut tensors = tensors.0.into_iter().map(whole);
        let mut next = || tensors.next().expect("a step takes four tensors");
        let (mut weight, mut first, mut second, gradient) = (next(), next(), next(), next());
        let gradient = gradient.storage::<f32>();
        // In place, unless somebody else holds the tensor too.
        let moments = first
            .storage_mut::<f32>()
            .par_chunks_mut(TASK)
            .zip(second.storage_mut::<f32>().par_chunks_mut(TASK));
        (weight.storage_mut::<f32>().par_chunks_mut(TASK))
            .zip(moments)
            .zip(gradient.par_chunks(TASK))
            .for_each(|((weight, (first, second)), gradient)| update(weight, first, second, gradient, step));
        TensorList(vec![weight, first, second])
    }
}

/// The tensor, copied unless it is contiguous and owns its storage.
pub(super) fn whole(tensor: FlexTensor) -> FlexTensor {
    let all = tensor.as_slice::<f32>().is_some_and(|values| size_of_val(values) == tensor.bytes().len());
    if all { tensor } else { tensor.to_contiguous() }
}

#[macerator::with_simd]
fn update<S: Simd>(weight: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32], step: Step) {
    let [beta_1, beta_2] = [splat::<S>(step.beta_1), splat::<S>(step.beta_2)];
    let [fresh_1, fresh_2] = [splat::<S>(1.0 - step.beta_1), splat::<S>(1.0 - step.beta_2)];
    let [keep, rate] = [splat::<S>(step.keep), splat::<S>(-step.rate)];
    let [correction, epsilon] = [splat::<S>(step.correction), splat::<S>(step.epsilon)];
    for strip in strips::<S>(weight.len()) {
        let g = load::<S>(gradient, 0, strip);
        let m = load::<S>(first, 0, strip).fma(beta_1, g * fresh_1);
        let v = load::<S>(second, 0, strip).fma(beta_2, g * g * fresh_2);
        let delta = m / ((v * correction).sqrt() + epsilon);
        store(first, 0, strip, m);
        store(second, 0, strip, v);
        store(weight, 0, strip, rate.fma(delta, load::<S>(weight, 0, strip) * keep));
    }
}
