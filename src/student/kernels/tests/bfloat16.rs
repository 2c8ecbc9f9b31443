//! The composed chain in bfloat16 against the same in float32 on numbers that bfloat16 has.
//!
//! bfloat16 has 8 bits, so rounding to the nearest moves a value by up to [`UNIT`] of it. Products of two such values are exact in
//! float32, where they are added up. What is rounded is the result of each convolution and of each normalisation, and a sum with the
//! input: forward up to `2 layers + 1` roundings in a row, and as many on the way back. A normalisation keeps the share by which a
//! value is off about as it is, and roundings that partly cancel leave room for where it does not.

use burn::tensor::{DType, Tensor};
use half::bf16;

use super::super::{Activation, BatchStatistics, ChainSpec, LayerTensors, composition};
use super::{Case, Results};

/// The largest relative error of a rounding.
const UNIT: f64 = 1.0 / 256.0;

impl Case {
    /// The same with an input and weights that bfloat16 has.
    fn rounded(mut self) -> Self {
        let round = |values: &mut Vec<f32>| {
            for value in values {
                *value = bf16::from_f32(*value).to_f32();
            }
        };
        round(&mut self.x);
        for layer in &mut self.layers {
            round(&mut layer.weight);
        }
        self
    }
}

fn in_bfloat16(
    x: Tensor<4>,
    spec: &ChainSpec,
    layers: Vec<LayerTensors>,
) -> (Tensor<4>, Vec<BatchStatistics>) {
    let (out, statistics) = composition::run(x.cast(DType::BF16), spec, layers);
    (out.cast(DType::F32), statistics)
}

/// The length of the difference, as a share of the length of `expected`.
fn distance(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let square = |value: f32| f64::from(value).powi(2);
    let difference: f64 = found.iter().zip(expected).map(|(found, expected)| square(found - expected)).sum();
    let length: f64 = expected.iter().copied().map(square).sum();
    (difference / length).sqrt()
}

/// The values whose name begins so, of all layers.
fn of(results: &Results, name: &str) -> Vec<f32> {
    let found = results.iter().filter(|(found, _)| found.starts_with(name));
    found.flat_map(|(_, values)| values).copied().collect()
}

#[test]
fn a_chain_in_bfloat16_is_rounded_and_no_more() {
    for number in 0..80 {
        let case = Case::random(number);
        let roundings = 2.0 * case.spec.layers.len() as f64 + 1.0;
        // A mean over all positions takes most of it away.
        let least = if case.spec.pool { UNIT / 100.0 } else { UNIT / 4.0 };
        let float32 = of(&case.train(composition::run), "output");
        let found = of(&case.train(in_bfloat16), "output");
        let expected = of(&case.rounded().train(composition::run), "output");
        let off = distance(&found, &expected);
        assert!(off <= roundings * UNIT, "case {number}: {off} after {roundings} roundings");
        assert!(off > 0.0, "case {number}: what is between the layers was not rounded");
        let ignored = distance(&found, &float32);
        assert!(ignored >= least, "case {number}: {ignored}, so the precision was ignored");
    }
}

/// Without activations: at a corner, a value that is off by little lets its gradient pass or not, which moves the whole gradient by
/// the root of the share of such values. The activations and their gradients are computed in float32.
#[test]
fn gradients_in_bfloat16_are_rounded_and_no_more() {
    for number in 0..80 {
        let mut case = Case::random(number);
        // The mean of normalised values has no gradient but in its rounding.
        if case.spec.pool {
            continue;
        }
        for layer in &mut case.spec.layers {
            layer.activation = Activation::Linear;
        }
        let roundings = 2.0 * (2.0 * case.spec.layers.len() as f64 + 1.0);
        let (float32, found) = (case.train(composition::run), case.train(in_bfloat16));
        let expected = case.rounded().train(composition::run);
        for name in ["input gradient", "weight gradient", "gamma gradient", "beta gradient"] {
            let found = of(&found, name);
            let off = distance(&found, &of(&expected, name));
            assert!(off <= roundings * UNIT, "case {number}: {name}: {off} after {roundings} roundings");
            let ignored = distance(&found, &of(&float32, name));
            assert!(ignored > UNIT / 100.0, "case {number}: {name}: the precision was ignored");
        }
    }
}
