//! Dropout (arXiv 1207.0580) whose mask is drawn on the host, so that a run can be repeated and resumed to the bit.

use burn::tensor::{Device, Tensor, TensorData};
use rand::RngCore;

use crate::support::rng;

/// A mask `[batch, features]` for one training step: 0 with `probability`, else `1 / (1 - probability)`. It depends on
/// only `seed` and `step`. None where nothing is dropped.
pub(crate) fn mask(
    probability: f64,
    [batch, features]: [usize; 2],
    seed: u64,
    step: u64,
    device: &Device,
) -> Option<Tensor<2>> {
    if probability == 0.0 {
        return None;
    }
    let mut rng = rng::keyed("dropout", &[seed, step]);
    let dropped_below = (probability * f64::from(u32::MAX)) as u32;
    // With everything dropped the scale is infinite, but nothing is multiplied by it.
    let kept = (1.0 / (1.0 - probability)) as f32;
    let values: Vec<f32> =
        (0..batch * features).map(|_| if rng.next_u32() <= dropped_below { 0.0 } else { kept }).collect();
    Some(Tensor::from_data(TensorData::new(values, [batch, features]), device))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(probability: f64, seed: u64, step: u64) -> Vec<f32> {
        mask(probability, [16, 1280], seed, step, &Device::flex()).unwrap().into_data().try_to_vec().unwrap()
    }

    #[test]
    fn the_asked_for_share_is_dropped_and_the_rest_scaled_up() {
        let values = values(0.8, 1, 2);
        let kept = values.iter().filter(|&&value| value != 0.0).count() as f64 / values.len() as f64;
        assert!((kept - 0.2).abs() < 0.01, "{kept}");
        assert!(values.iter().all(|&value| value == 0.0 || (value - 5.0).abs() < 1e-5));
    }

    #[test]
    fn the_mask_depends_on_seed_and_step_alone() {
        assert_eq!(values(0.5, 1, 2), values(0.5, 1, 2));
        assert_ne!(values(0.5, 1, 2), values(0.5, 1, 3));
        assert_ne!(values(0.5, 1, 2), values(0.5, 2, 2));
    }

    #[test]
    fn everything_or_nothing_can_be_dropped() {
        assert!(values(1.0, 0, 0).iter().all(|&value| value == 0.0));
        assert!(mask(0.0, [2, 3], 0, 0, &Device::flex()).is_none());
    }
}
