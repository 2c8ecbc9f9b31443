//! A student's tensors by name. The names are the module's own paths, which are those of the Hugging Face checkpoint.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Tensor, TensorData},
};

/// Calls `each` with name and values of every parameter and running statistic, in the model's order.
pub fn visit_parameters<M: Module>(module: &M, each: impl FnMut(&str, TensorData)) {
    module.visit(&mut Visitor { path: Vec::new(), each });
}

/// Number of trained values: weights and biases, without the running statistics.
pub(crate) fn parameter_count<M: Module>(module: &M) -> usize {
    let mut count = 0;
    visit_parameters(module, |name, data| {
        if !name.contains(".running_") {
            count += data.num_elements();
        }
    });
    count
}

/// The module with every tensor for which `value` returns one replaced; `value` gets name and shape.
///
/// A value must have the shape of what it replaces.
pub(super) fn replace<M: Module>(module: M, value: impl FnMut(&str, &[usize]) -> Option<TensorData>) -> M {
    module.map(&mut Mapper { path: Vec::new(), value })
}

struct Visitor<F> {
    path: Vec<String>,
    each: F,
}

impl<F: FnMut(&str, TensorData)> ModuleVisitor for Visitor<F> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        (self.each)(&self.path.join("."), parameter.val().into_data());
    }
}

struct Mapper<F> {
    path: Vec<String>,
    value: F,
}

impl<F: FnMut(&str, &[usize]) -> Option<TensorData>> ModuleMapper for Mapper<F> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(data) = (self.value)(&self.path.join("."), &parameter.dims()) else { return parameter };
        let (trained, device) = (parameter.is_require_grad(), parameter.device());
        parameter.map(|_| Tensor::from_data(data, &device).set_require_grad(trained))
    }
}
