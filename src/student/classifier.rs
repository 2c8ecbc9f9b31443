//! The head of every student.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData},
};

use super::layer::Slots;

/// A linear layer in PyTorch's layout.
#[derive(Module, Debug)]
pub(super) struct Classifier {
    /// `[classes, features]`
    weight: Param<Tensor<2>>,
    /// `[classes]`
    bias: Param<Tensor<1>>,
}

impl Classifier {
    pub(crate) fn new(features: usize, classes: usize, slots: &mut Slots) -> Self {
        Self { weight: slots.parameter([classes, features]), bias: slots.parameter([classes]) }
    }

    pub(crate) fn features(&self) -> usize {
        self.weight.dims()[1]
    }

    pub(crate) fn is_autodiff(&self) -> bool {
        self.weight.val().is_autodiff()
    }

    /// From `[batch, features]` to `[batch, classes]`.
    pub(crate) fn forward(&self, features: Tensor<2>) -> Tensor<2> {
        features.matmul(self.weight.val().transpose()) + self.bias.val().unsqueeze()
    }

    /// Weight and bias.
    pub(crate) fn values(&self) -> (TensorData, TensorData) {
        (self.weight.val().into_data(), self.bias.val().into_data())
    }
}
