//! The moving average of a student's weights, which is often better than where the last step left them (arXiv 1803.05407
//! and before it Polyak's).

use burn::{
    backend::DispatchTensor,
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};

use crate::student::kernels::move_average;

/// An exponential moving average of weights and running statistics: timm's `ModelEmaV3`, which begins at the first weights.
///
/// The first steps keep less, `(1 + step) / (10 + step)` as TensorFlow's `ExponentialMovingAverage` has it: else the random first
/// weights would stay in the average for thousands of steps.
#[derive(Debug)]
pub struct Ema<M> {
    /// On the inner device of the model's. Absent only while it is moved.
    average: Option<M>,
    decay: f64,
}

impl<M: Module> Ema<M> {
    /// The average before the first step; each step keeps `decay` of it.
    pub fn new(model: &M, decay: f64) -> Self {
        Self { average: Some(model.valid()), decay }
    }

    /// Takes in the weights and running statistics after step `step`, counted from 0.
    pub fn update(&mut self, model: &M, step: usize) {
        let warm = (1 + step) as f64 / (10 + step) as f64;
        let mut values = Values(Vec::new());
        model.visit(&mut values);
        let mut towards =
            Towards { values: values.0.into_iter(), share: (1.0 - self.decay.min(warm)) as f32 };
        // Taken, not cloned: a tensor with one owner is moved in place.
        self.average = self.average.take().map(|average| average.map(&mut towards));
    }

    /// The average, which shares nothing that changes with the one that is kept here.
    pub fn model(&self) -> M {
        self.average.as_ref().expect("it is back after each update").valid()
    }

    /// The average of a run that resumes.
    pub fn set(&mut self, average: M) {
        self.average = Some(average);
    }
}

/// A model's tensors in order, without their gradients.
struct Values(Vec<DispatchTensor>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        self.0.push(parameter.val().without_autodiff().into_dispatch());
    }
}

struct Towards {
    values: std::vec::IntoIter<DispatchTensor>,
    share: f32,
}

impl ModuleMapper for Towards {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = Tensor::from_dispatch(self.values.next().expect("both models have the same tensors"));
        parameter.map(|average| move_average(average, value, self.share))
    }
}
