//! Reading tensors back to the host: the one place of training and evaluation that waits for the device.

use std::cell::Cell;

use burn::tensor::Tensor;

thread_local! {
    static READS: Cell<usize> = const { Cell::new(0) };
}

/// A tensor's values in order; waits until the device has computed them.
pub(super) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    READS.set(READS.get() + 1);
    tensor.into_data().iter::<f32>().collect()
}

/// How many times this thread has waited for a device to give values back.
pub fn reads() -> usize {
    READS.get()
}
