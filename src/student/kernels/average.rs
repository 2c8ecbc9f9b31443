//! A moving average's step, in place on burn's Flex backend: three passes of burn's own operations would cost a tenth of a
//! training step at 32 px.

use burn::{
    backend::{Backend, Dispatch, Flex, backend_extension},
    tensor::Tensor,
};
use macerator::Simd;
use rayon::prelude::*;

use super::{
    adamw::{TASK, whole},
    on_flex,
    simd::{load, splat, store, strips},
    tensors::TensorList,
};

/// Moves an average.
#[backend_extension(Flex)]
pub(super) trait MoveAverage: Backend {
    /// From average and value to the average moved by `share` of the way to the value.
    fn move_average(#[extension_type] tensors: TensorList<Self>, share: f32) -> TensorList<Self>;
}

/// `average + share * (value - average)`: PyTorch's `lerp`. Where both are equal, they stay so to the last bit.
pub(crate) fn move_average<const D: usize>(average: Tensor<D>, value: Tensor<D>, share: f32) -> Tensor<D> {
    if average.is_autodiff() || value.is_autodiff() || !on_flex(&average) || !on_flex(&value) {
        return average.clone() + (value - average) * share;
    }
    let tensors = [average, value].map(Tensor::into_dispatch);
    let mut outputs = Dispatch::move_average(TensorList(tensors.into()), share).0;
    Tensor::from_dispatch(outputs.pop().expect("an average has one output"))
}

impl MoveAverage for Flex {
    fn move_average(tensors: TensorList<Self>, share: f32) -> TensorList<Self> {
        let mut tensors = tensors.0.into_iter().map(whole);
        let mut next = || tensors.next().expect("an average takes two tensors");
        let (mut average, value) = (next(), next());
        (average.storage_mut::<f32>().par_chunks_mut(TASK))
            .zip(value.storage::<f32>().par_chunks(TASK))
            .for_each(|(average, value)| towards(average, value, share));
        TensorList(vec![average])
    }
}

#[macerator::with_simd]
fn towards<S: Simd>(average: &mut [f32], value: &[f32], share: f32) {
    let share = splat::<S>(share);
    for strip in strips::<S>(average.len()) {
        let old = load::<S>(average, 0, strip);
        store(average, 0, strip, (load::<S>(value, 0, strip) - old).fma(share, old));
    }
}
