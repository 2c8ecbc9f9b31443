//! The weights before training, as `transformers` draws them: normal with `initializer_range` for convolutions and the
//! classifier, 1 and 0 for batch normalisation.

use burn::{module::Module, tensor::TensorData};
use rand::Rng;

use super::parameters;
use crate::support::rng;

/// `initializer_range` of `MobileNetV2Config`.
const STANDARD_DEVIATION: f64 = 0.02;

/// The module with fresh weights, each a function of `seed` and its own name.
pub(super) fn randomise<M: Module>(module: M, seed: u64) -> M {
    parameters::replace(module, |name, dims| Some(tensor(name, dims, seed)))
}

/// The fresh values of one parameter.
pub(super) fn tensor(name: &str, dims: &[usize], seed: u64) -> TensorData {
    let count = dims.iter().product();
    let values = match name {
        "classifier.weight" => normal(name, count, seed),
        _ if name.ends_with("convolution.weight") => normal(name, count, seed),
        _ if name.ends_with("normalization.weight") || name.ends_with("running_var") => vec![1.0; count],
        _ => vec![0.0; count],
    };
    TensorData::new(values, dims.to_vec())
}

/// Box and Muller's transform, in double precision.
fn normal(name: &str, count: usize, seed: u64) -> Vec<f32> {
    let mut rng = rng::keyed(&format!("initial {name}"), &[seed]);
    let pairs = std::iter::repeat_with(|| {
        // 1 - u is in (0, 1], where u is in [0, 1).
        let radius = STANDARD_DEVIATION * (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
        [(radius * cosine) as f32, (radius * sine) as f32]
    });
    pairs.flatten().take(count).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convolution_starts_normal_with_deviation_0_02() {
        let values = normal("layer.0.expand_1x1.convolution.weight", 100_001, 7);
        let mean = values.iter().map(|&x| x as f64).sum::<f64>() / values.len() as f64;
        let moment =
            |power| values.iter().map(|&x| (x as f64).powi(power)).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 3e-4, "{mean}");
        assert!((moment(2).sqrt() - 0.02).abs() < 2e-4, "{}", moment(2));
        assert!((moment(4) / moment(2).powi(2) - 3.0).abs() < 0.1, "{}", moment(4));
    }

    #[test]
    fn another_seed_or_name_gives_other_weights() {
        let first = normal("a.convolution.weight", 4, 0);
        assert_eq!(first, normal("a.convolution.weight", 4, 0));
        assert_ne!(first, normal("a.convolution.weight", 4, 1));
        assert_ne!(first, normal("b.convolution.weight", 4, 0));
    }
}
