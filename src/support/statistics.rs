//! Means, spreads and paired comparisons of a handful of runs.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// The mean and the sample standard deviation (0 of a single value, and both NaN of none).
pub(crate) fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, if values.len() == 1 { 0.0 } else { (squares / (count - 1.0)).sqrt() })
}

/// The value in the middle, of an even number the larger of the two.
///
/// # Panics
/// If there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The difference of two series of measurements that belong together, one pair a seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Paired {
    /// Mean of `a - b`.
    pub mean: f64,
    /// Sample standard deviation of `a - b`.
    pub deviation: f64,
    /// How many pairs.
    pub pairs: usize,
    /// Two-sided p of Student's paired t-test: how likely a mean this far from 0 is where there is no difference.
    pub p: f64,
    /// The 95 % confidence interval of the mean, lower end first.
    pub ci: [f64; 2],
}

/// Student's paired t-test of `a` against `b`, whose values of one index belong together.
///
/// `None` of fewer than two pairs, which have no spread to compare with, and of series of different lengths. Where every
/// pair differs by the same there is no t, and p is the sign test's, `2^(1 - pairs)`, or 1 where that is nothing.
pub(crate) fn paired(a: &[f64], b: &[f64]) -> Option<Paired> {
    if a.len() != b.len() || a.len() < 2 {
        return None;
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let (mean, deviation) = mean_and_deviation(&differences);
    let pairs = differences.len();
    let student = StudentsT::new(0.0, 1.0, (pairs - 1) as f64).expect("one degree of freedom at least");
    // A spread that only the rounding of binary fractions makes is none.
    let largest = a.iter().chain(b).fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let deviation = if deviation > 1e-12 * largest { deviation } else { 0.0 };
    let error = deviation / (pairs as f64).sqrt();
    let p = if error > 0.0 {
        2.0 * student.sf((mean / error).abs())
    } else if mean == 0.0 {
        1.0
    } else {
        0.5f64.powi(pairs as i32 - 1)
    };
    let half = error * student.inverse_cdf(0.975);
    Some(Paired { mean, deviation, pairs, p, ci: [mean - half, mean + half] })
}

/// The p values corrected for how many they are (Holm, Scand. J. Statist. 6, 1979): what each is below keeps the chance of any false one.
pub(crate) fn holm(ps: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..ps.len()).collect();
    order.sort_by(|&a, &b| ps[a].total_cmp(&ps[b]));
    let mut corrected = vec![1.0; ps.len()];
    let mut largest: f64 = 0.0;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max((ps.len() - rank) as f64 * ps[index]).min(1.0);
        corrected[index] = largest;
    }
    corrected
}

/// The 95 % interval of a share of `images` images by Wilson's score (J. Am. Stat. Assoc. 22, 1927), lower end first.
pub(crate) fn wilson(share: f64, images: usize) -> [f64; 2] {
    const Z: f64 = 1.959_963_984_540_054;
    let n = images.max(1) as f64;
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    [((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0)]
}

/// The most that two accuracies, shares of the same `images` images, differ by at 95 % where only the images make the difference:
/// the normal approximation of two binomials. It is an upper bound, since students tend to fail on the same images.
pub(crate) fn resolution(a: f64, b: f64, images: usize) -> f64 {
    1.96 * ((a * (1.0 - a) + b * (1.0 - b)) / images as f64).sqrt()
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact values come out exact")]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
    }

    #[test]
    fn the_paired_test_is_scipys() {
        // scipy.stats.ttest_rel and its confidence_interval().
        let found = paired(&[0.81, 0.79, 0.84, 0.77], &[0.78, 0.77, 0.79, 0.78]).unwrap();
        close(found.mean, 0.0225);
        close(found.p, 0.169_679_928_901);
        close(found.ci[0], -0.017_280_578_816);
        close(found.ci[1], 0.062_280_578_816);
        let two = paired(&[1.0, 4.0], &[0.5, 1.0]).unwrap();
        close(two.p, 0.394_863_086_577);
        close(two.ci[1], 17.632_755_920_218);
    }

    #[test]
    fn holms_correction_is_that_of_the_paper() {
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in found.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            close(*found, expected);
        }
        assert_eq!((holm(&[0.6, 0.7]), holm(&[])), (vec![1.0, 1.0], vec![]));
    }

    #[test]
    fn the_interval_of_a_share_is_wilsons() {
        // The formula by hand, in Python.
        let [low, high] = wilson(92.0 / 128.0, 128);
        assert!((low - 0.635_366).abs() < 1e-5 && (high - 0.789_387).abs() < 1e-5, "{low} {high}");
        let [low, high] = wilson(1.0, 10);
        assert!((high - 1.0).abs() < 1e-12 && (low - 0.722_467).abs() < 1e-5, "{low} {high}");
    }

    #[test]
    fn few_images_resolve_little() {
        assert!((resolution(0.5, 0.5, 128) - 0.122_5).abs() < 1e-4);
        assert_eq!(resolution(1.0, 1.0, 10), 0.0);
    }

    #[test]
    fn a_comparison_needs_two_pairs_and_a_spread() {
        assert_eq!(paired(&[0.72], &[0.63]), None);
        assert_eq!(paired(&[1.0, 2.0], &[1.0]), None);
        // 4 of 60 images with both seeds, which binary fractions round apart.
        let found = paired(&[20.0 / 60.0, 23.0 / 60.0], &[24.0 / 60.0, 27.0 / 60.0]).unwrap();
        assert_eq!((found.p, found.ci[0]), (0.5, found.mean));
        let same = paired(&[1.0, 2.0], &[0.5, 1.5]).unwrap();
        assert_eq!((same.p, same.ci), (0.5, [0.5, 0.5]));
        close(paired(&[1.0, 2.0], &[1.0, 2.0]).unwrap().p, 1.0);
    }

    #[test]
    fn the_deviation_is_the_samples() {
        let (mean, deviation) = mean_and_deviation(&[1.0, 2.0, 3.0, 4.0]);
        assert!((mean - 2.5).abs() < 1e-12 && (deviation - 1.290_994_448_735_805_6).abs() < 1e-12);
        assert_eq!(mean_and_deviation(&[7.0]), (7.0, 0.0));
    }
}
