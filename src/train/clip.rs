//! Gradient clipping by the global norm.
//!
//! burn's own `GradientClipping::Norm` looks at one tensor at a time; the Hugging Face `Trainer`, through PyTorch's
//! `clip_grad_norm_`, at all of them together.

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{DType, Tensor},
};

use super::read;

/// Scales all gradients of `model` by one factor so that their joint L2 norm is at most `max_norm`, and returns them with
/// the norm before. Nothing is scaled where `max_norm` is 0. A norm that is not finite is returned as it is, with
/// gradients that are of no use: the caller stops there.
///
/// PyTorch's factor is used to the letter: `min(1, max_norm / (norm + 1e-6))`.
pub fn clip_global_norm<M: Module>(
    gradients: GradientsParams,
    model: &M,
    max_norm: f32,
) -> (GradientsParams, f32) {
    let norm = global_norm(&gradients, model).map_or(0.0, |norm| read::values(norm)[0]);
    let factor = max_norm / (norm + 1e-6);
    if max_norm == 0.0 || factor >= 1.0 {
        return (gradients, norm);
    }
    let mut scale = Scale { gradients, factor: Factor::Known(factor) };
    model.visit(&mut scale);
    (scale.gradients, norm)
}

/// The same without waiting for the device: the norm, `[1]`, and the factor stay there. Missing where there is no gradient.
pub fn clip_on_device<M: Module>(
    gradients: GradientsParams,
    model: &M,
    max_norm: f32,
) -> (GradientsParams, Option<Tensor<1>>) {
    let norm = global_norm(&gradients, model);
    let Some(norm) = norm else { return (gradients, None) };
    if max_norm == 0.0 {
        return (gradients, Some(norm));
    }
    let factor = norm.full_like(max_norm) / (norm.clone() + 1e-6);
    let mut scale = Scale { gradients, factor: Factor::OnDevice(factor.clamp_max(1.0)) };
    model.visit(&mut scale);
    (scale.gradients, Some(norm))
}

/// The L2 norm over all gradients of `model`, `[1]`, on the device; missing where there is none. The order of the sum is the
/// model's, and the sum is in float64 where the device has it.
fn global_norm<M: Module>(gradients: &GradientsParams, model: &M) -> Option<Tensor<1>> {
    let mut squares = Squares { gradients, sums: Vec::new() };
    model.visit(&mut squares);
    let device = squares.sums.first()?.device();
    let sums = Tensor::cat(squares.sums, 0);
    let precise = device.supports_dtype(DType::F64);
    let sums = if precise { sums.cast(DType::F64) } else { sums };
    Some(sums.sum().sqrt().cast(DType::F32))
}

struct Squares<'a> {
    gradients: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(parameter.id) {
            self.sums.push(gradient.square().sum());
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: Factor,
}

#[expect(clippy::large_enum_variant, reason = "there is one a step")]
enum Factor {
    Known(f32),
    /// `[1]`
    OnDevice(Tensor<1>),
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(parameter.id) {
            let scaled = match &self.factor {
                Factor::Known(factor) => gradient * *factor,
                Factor::OnDevice(factor) => gradient * factor.clone().reshape([1; D]),
            };
            self.gradients.register(parameter.id, scaled);
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::{module::ParamId, tensor::Device};

    use super::*;

    #[derive(Module, Debug)]
    struct Pair {
        first: Param<Tensor<1>>,
        second: Param<Tensor<2>>,
    }

    /// Gradients 3 and [0, 4]: 5 together.
    fn pair() -> (Pair, GradientsParams) {
        let device = Device::flex();
        let zeros = |id| (ParamId::from(id), Tensor::<1>::zeros([1], &device));
        let (id, first) = zeros(1);
        let pair = Pair {
            first: Param::initialized(id, first),
            second: Param::initialized(ParamId::from(2), Tensor::zeros([1, 2], &device)),
        };
        let mut gradients = GradientsParams::new();
        gradients.register(pair.first.id, Tensor::<1>::from_data([3.0], &device));
        gradients.register(pair.second.id, Tensor::<2>::from_data([[0.0, 4.0]], &device));
        (pair, gradients)
    }

    fn values(pair: &Pair, gradients: &GradientsParams) -> Vec<f32> {
        let first = gradients.get::<1>(pair.first.id).unwrap().into_data();
        let second = gradients.get::<2>(pair.second.id).unwrap().into_data();
        first.iter::<f32>().chain(second.iter::<f32>()).collect()
    }

    #[test]
    fn one_norm_over_all_tensors_is_clipped() {
        let (pair, gradients) = pair();
        let (clipped, norm) = clip_global_norm(gradients, &pair, 1.0);
        assert!((norm - 5.0).abs() < 1e-6, "{norm}");
        for (found, expected) in values(&pair, &clipped).into_iter().zip([0.6, 0.0, 0.8]) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn clipping_on_the_device_is_that_on_the_host() {
        for limit in [0.0, 1.0, 5.1] {
            let (pair, gradients) = pair();
            let (expected, norm) = clip_global_norm(gradients, &pair, limit);
            let (_, same) = self::pair();
            let before = read::reads();
            let (found, found_norm) = clip_on_device(same, &pair, limit);
            assert_eq!(read::reads(), before);
            assert_eq!(read::values(found_norm.unwrap()), [norm]);
            assert_eq!(values(&pair, &found), values(&pair, &expected));
        }
    }

    #[test]
    fn short_gradients_and_a_limit_of_0_change_nothing() {
        for limit in [0.0, 5.1] {
            let (pair, gradients) = pair();
            let (same, norm) = clip_global_norm(gradients, &pair, limit);
            assert_eq!((norm, values(&pair, &same)), (5.0, vec![3.0, 0.0, 4.0]));
        }
    }
}
