//! How often answers of each confidence are right.

use serde::Serialize;

/// Bins of a reliability diagram, of equal width, as Guo et al. use (arXiv 1706.04599).
const BINS: usize = 15;

/// The answers whose confidence lies in one part of 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bin {
    /// How many there are.
    pub count: u64,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that is right.
    pub accuracy: f64,
}

/// Sorts answers, each a confidence and whether it is right, into 15 bins.
pub(crate) fn bins(answers: impl IntoIterator<Item = (f64, bool)>) -> Vec<Bin> {
    let mut bins = vec![Bin::default(); BINS];
    for (confidence, right) in answers {
        let bin = &mut bins[((confidence * BINS as f64) as usize).min(BINS - 1)];
        bin.count += 1;
        bin.confidence += confidence;
        bin.accuracy += f64::from(u8::from(right));
    }
    for bin in bins.iter_mut().filter(|bin| bin.count > 0) {
        bin.confidence /= bin.count as f64;
        bin.accuracy /= bin.count as f64;
    }
    bins
}

/// The expected calibration error: the bins' gaps between confidence and accuracy, weighted by their answers.
pub(crate) fn calibration_error(bins: &[Bin]) -> f64 {
    let all: u64 = bins.iter().map(|bin| bin.count).sum();
    let gaps = bins.iter().map(|bin| bin.count as f64 * (bin.confidence - bin.accuracy).abs());
    gaps.sum::<f64>() / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_in_the_bin_of_its_confidence() {
        let bins = bins([(0.0, false), (0.5, true), (0.5, false), (1.0, true)]);
        assert_eq!((bins[0].count, bins[7].count, bins[14].count), (1, 2, 1));
        assert!((bins[7].accuracy - 0.5).abs() < 1e-12 && (bins[14].confidence - 1.0).abs() < 1e-12);
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 4);
    }

    #[test]
    fn the_error_is_the_mean_gap() {
        let bins = bins([(0.9, true), (0.9, true), (0.6, false), (0.6, true)]);
        assert!((calibration_error(&bins) - (2.0 * 0.1 + 2.0 * 0.1) / 4.0).abs() < 1e-12);
        assert!(calibration_error(&[]).abs() < 1e-12);
    }
}
