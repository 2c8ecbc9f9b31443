//! From a model's output to logits that can be kept.

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::value::DynValue;

use super::signature::Precision;

/// Appends the values of an output to `out`. They must be finite and of the shape `[batch, classes]`; the text says what is wrong.
pub(super) fn append(
    output: &DynValue,
    precision: Precision,
    expected: [usize; 2],
    out: &mut Vec<f32>,
) -> Result<(), String> {
    let start = out.len();
    let shape = match precision {
        Precision::Fp32 => output.try_extract_tensor::<f32>().map(|(shape, values)| {
            out.extend_from_slice(values);
            shape
        }),
        Precision::Fp16 => output.try_extract_tensor::<f16>().map(|(shape, values)| {
            out.resize(start + values.len(), 0.0);
            values.convert_to_f32_slice(&mut out[start..]);
            shape
        }),
    }
    .map_err(|error| error.to_string())?;
    if !shape.iter().copied().eq(expected.map(|dimension| dimension as i64)) {
        return Err(format!("expected logits of shape {expected:?}, found {:?}", &shape[..]));
    }
    let values = &out[start..];
    // Without a branch a value, which the compiler turns into a few vector instructions.
    if values.iter().fold(true, |finite, value| finite & value.is_finite()) {
        return Ok(());
    }
    let value = values.iter().find(|value| !value.is_finite()).expect("one is not finite");
    Err(format!("expected finite logits, found {value}"))
}

/// Takes the logarithm of probabilities. One of 0 becomes that of the smallest float; the text names a value that is not a probability.
pub(super) fn of_probabilities(values: &mut [f32]) -> Result<(), String> {
    // A half-precision softmax rounds.
    if let Some(value) = values.iter().find(|value| !(0.0..=1.001).contains(*value)) {
        return Err(format!("expected probabilities, as teacher.outputs says, found {value}"));
    }
    for value in values {
        *value = libm::logf(value.max(f32::MIN_POSITIVE));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_become_logits_with_the_same_softmax() {
        let logits = [2.0f32, -1.0, 0.5];
        let sum: f32 = logits.iter().map(|logit| logit.exp()).sum();
        let mut values = logits.map(|logit| logit.exp() / sum);
        of_probabilities(&mut values).unwrap();
        for (value, logit) in values.iter().zip(logits) {
            assert!((value - values[0] - (logit - logits[0])).abs() < 1e-5);
        }
        let mut sure = [1.0, 0.0];
        of_probabilities(&mut sure).unwrap();
        assert!(sure.iter().all(|value| value.is_finite()));
        assert!(of_probabilities(&mut [3.0]).unwrap_err().contains("expected probabilities"));
    }
}
