//! Weights before training.

use burn::{module::Module, tensor::TensorData};
use rand::Rng;

use super::parameters;
use crate::support::rng;

/// How a parameter or running statistic starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Initial {
    /// Every value the same.
    Constant(f32),
    /// Normal around 0 with this standard deviation.
    Normal(f64),
    /// Even from minus this to this.
    Uniform(f64),
}

/// torchvision's initial weights of a MobileNetV2 and a ResNet: convolutions Kaiming-normal by their outputs (`kaiming_normal_` with
/// `mode="fan_out"`, arXiv 1502.01852), which PyTorch counts without regard to groups, and the classifier normal with 0.01.
pub(super) fn kaiming(name: &str, dims: &[usize]) -> Initial {
    match dims {
        &[channels_out, _, height, width] => {
            Initial::Normal((2.0 / (channels_out * height * width) as f64).sqrt())
        }
        [_, _] => Initial::Normal(0.01),
        _ if name.ends_with("normalization.weight") || name.ends_with("running_var") => {
            Initial::Constant(1.0)
        }
        _ => Initial::Constant(0.0),
    }
}

/// The module with fresh weights, each a function of `seed` and its own name.
pub(super) fn randomise<M: Module>(module: M, initial: fn(&str, &[usize]) -> Initial, seed: u64) -> M {
    parameters::replace(module, |name, dims| {
        Some(TensorData::new(initial(name, dims).values(name, dims.iter().product(), seed), dims.to_vec()))
    })
}

impl Initial {
    fn values(self, name: &str, count: usize, seed: u64) -> Vec<f32> {
        let mut rng = rng::keyed(&format!("initial {name}"), &[seed]);
        match self {
            Self::Constant(value) => vec![value; count],
            Self::Normal(deviation) => {
                // Box and Muller's transform, in double precision.
                let pairs = std::iter::repeat_with(|| {
                    // 1 - u is in (0, 1], where u is in [0, 1).
                    let radius = deviation * (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
                    let (sine, cosine) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
                    [(radius * cosine) as f32, (radius * sine) as f32]
                });
                pairs.flatten().take(count).collect()
            }
            Self::Uniform(bound) => {
                (0..count).map(|_| (bound * (2.0 * rng.random::<f64>() - 1.0)) as f32).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(values: &[f32], power: i32) -> f64 {
        values.iter().map(|&x| f64::from(x).powi(power)).sum::<f64>() / values.len() as f64
    }

    #[test]
    fn normal_values_have_the_given_deviation() {
        let values = Initial::Normal(0.02).values("layer.0.expand_1x1.convolution.weight", 100_001, 7);
        assert!(moment(&values, 1).abs() < 3e-4);
        assert!((moment(&values, 2).sqrt() - 0.02).abs() < 2e-4);
        assert!((moment(&values, 4) / moment(&values, 2).powi(2) - 3.0).abs() < 0.1);
    }

    #[test]
    fn uniform_values_are_even_between_the_bounds() {
        let values = Initial::Uniform(0.5).values("classifier.1.weight", 100_000, 7);
        assert!(values.iter().all(|value| value.abs() <= 0.5));
        assert!(moment(&values, 1).abs() < 5e-3);
        assert!((moment(&values, 2) - 0.25 / 3.0).abs() < 1e-3);
    }

    #[test]
    fn another_seed_or_name_gives_other_weights() {
        let values = |name, seed| Initial::Normal(0.02).values(name, 4, seed);
        let first = values("a.convolution.weight", 0);
        assert_eq!(first, values("a.convolution.weight", 0));
        assert_ne!(first, values("a.convolution.weight", 1));
        assert_ne!(first, values("b.convolution.weight", 0));
    }
}
