//! Two recipes over the same seeds: what their runs differ by, and whether that shows anything.

use serde::Serialize;

use crate::support::statistics::{self, Paired, mean_and_deviation, paired};

/// The largest p that counts as shown.
const LEVEL: f64 = 0.05;

/// A recipe's runs: each one's seed and its accuracy on the same images.
pub type Measured = (u64, f64);

/// Accuracies of one recipe over its seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// How many runs.
    pub runs: usize,
    /// Their mean accuracy.
    pub mean: f64,
    /// Its sample standard deviation.
    pub deviation: f64,
}

/// What a recipe's accuracy is beside another's, seed by seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The first recipe.
    pub a: Spread,
    /// The second.
    pub b: Spread,
    /// Seeds that both have.
    pub seeds: Vec<u64>,
    /// Mean of the first's accuracy less the second's over those seeds; nothing where there are none.
    pub difference: Option<f64>,
    /// The paired test; nothing of fewer than two seeds.
    pub paired: Option<Paired>,
    /// Images that the accuracies are over.
    pub images: usize,
    /// What two equally good students may differ by on so many images by chance, as a share, at 95 %.
    pub resolution: f64,
    /// Whether it shows anything.
    pub verdict: Verdict,
}

/// Whether a comparison shows anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing: too few seeds, or a spread that explains the difference.
    Nothing,
    /// One recipe is ahead on these images; on others it need not be.
    OnTheseImages,
    /// One recipe is ahead.
    Shown,
}

impl Comparison {
    /// Compares the accuracies of `a` with those of `b`, paired by seed. Both are over the same `images` images, and neither
    /// has a seed twice.
    pub fn new(a: &[Measured], b: &[Measured], images: usize) -> Self {
        let of = |runs: &[Measured], seed: u64| {
            runs.iter().find(|(other, _)| *other == seed).map(|(_, accuracy)| *accuracy)
        };
        let pairs: Vec<(u64, f64, f64)> =
            a.iter().filter_map(|&(seed, first)| Some((seed, first, of(b, seed)?))).collect();
        let first: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
        let second: Vec<f64> = pairs.iter().map(|pair| pair.2).collect();
        let difference = mean_and_deviation(&first).0 - mean_and_deviation(&second).0;
        let paired = paired(&first, &second);
        let (a, b) = (spread(a), spread(b));
        let resolution = statistics::resolution(a.mean, b.mean, images);
        let verdict = match paired {
            Some(paired) if paired.p < LEVEL && paired.mean.abs() > resolution => Verdict::Shown,
            Some(paired) if paired.p < LEVEL => Verdict::OnTheseImages,
            _ => Verdict::Nothing,
        };
        Self {
            a,
            b,
            seeds: pairs.iter().map(|pair| pair.0).collect(),
            difference: (!pairs.is_empty()).then_some(difference),
            paired,
            images,
            resolution,
            verdict,
        }
    }

    /// What it comes to, in one sentence.
    pub fn words(&self) -> String {
        let points = |share: f64| format!("{:+.1} points", 100.0 * share);
        let by_chance = format!(
            "on {} images two students that are equally good differ by up to {:.1} points by chance",
            self.images,
            100.0 * self.resolution
        );
        let Some(difference) = self.difference else {
            return "this shows nothing: no seed is on both sides, so nothing can be paired".to_owned();
        };
        let Some(Paired { pairs, p, ci: [low, high], .. }) = self.paired else {
            return format!(
                "this shows nothing: {} with one seed, which has no spread to be compared with, and {by_chance}",
                points(difference)
            );
        };
        let test = format!(
            "{} over {pairs} seeds, p = {} (paired t-test; 95 % interval {:+.1} to {:+.1})",
            points(difference),
            probability(p),
            100.0 * low,
            100.0 * high
        );
        match self.verdict {
            Verdict::Nothing => {
                format!("this shows nothing: {test}, which the spread between seeds explains")
            }
            Verdict::OnTheseImages => {
                format!("this shows something on these images alone: {test}, but {by_chance}")
            }
            Verdict::Shown => format!("this shows a difference: {test}; {by_chance}"),
        }
    }
}

fn spread(runs: &[Measured]) -> Spread {
    let accuracies: Vec<f64> = runs.iter().map(|run| run.1).collect();
    let (mean, deviation) = mean_and_deviation(&accuracies);
    Spread { runs: runs.len(), mean, deviation }
}

/// `0.031`, or `below 0.001`.
fn probability(p: f64) -> String {
    if p < 0.001 { "below 0.001".to_owned() } else { format!("{p:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(accuracies: &[f64]) -> Vec<Measured> {
        (1..).zip(accuracies.iter().copied()).collect()
    }

    #[test]
    fn the_guides_72_against_63_shows_nothing() {
        let comparison = Comparison::new(&[(42, 92.0 / 128.0)], &[(42, 81.0 / 128.0)], 128);
        assert_eq!(comparison.verdict, Verdict::Nothing);
        insta::assert_snapshot!(comparison.words(), @"this shows nothing: +8.6 points with one seed, which has no spread to be compared with, and on 128 images two students that are equally good differ by up to 11.4 points by chance");
    }

    #[test]
    fn a_difference_that_the_seeds_explain_shows_nothing() {
        let comparison = Comparison::new(&runs(&[0.80, 0.86, 0.78]), &runs(&[0.79, 0.77, 0.81]), 1000);
        assert_eq!(comparison.verdict, Verdict::Nothing);
        insta::assert_snapshot!(comparison.words(), @"this shows nothing: +2.3 points over 3 seeds, p = 0.576 (paired t-test; 95 % interval -12.8 to +17.5), which the spread between seeds explains");
    }

    #[test]
    fn a_difference_below_what_the_images_resolve_is_on_these_images_alone() {
        let comparison =
            Comparison::new(&runs(&[0.83, 0.84, 0.82, 0.85]), &runs(&[0.79, 0.81, 0.79, 0.81]), 128);
        assert_eq!(comparison.verdict, Verdict::OnTheseImages);
        insta::assert_snapshot!(comparison.words(), @"this shows something on these images alone: +3.5 points over 4 seeds, p = 0.001 (paired t-test; 95 % interval +2.6 to +4.4), but on 128 images two students that are equally good differ by up to 9.5 points by chance");
    }

    #[test]
    fn a_difference_beyond_seeds_and_images_is_shown() {
        let comparison = Comparison::new(&runs(&[0.90, 0.91, 0.89]), &runs(&[0.70, 0.72, 0.71]), 300);
        assert_eq!(comparison.verdict, Verdict::Shown);
        insta::assert_snapshot!(comparison.words(), @"this shows a difference: +19.0 points over 3 seeds, p = below 0.001 (paired t-test; 95 % interval +16.5 to +21.5); on 300 images two students that are equally good differ by up to 6.2 points by chance");
    }

    #[test]
    fn runs_are_paired_by_seed_and_the_others_left_out() {
        let comparison =
            Comparison::new(&[(1, 0.9), (2, 0.8), (3, 0.7)], &[(3, 0.6), (2, 0.5), (9, 0.1)], 100);
        assert_eq!(comparison.seeds, [2, 3]);
        assert!((comparison.difference.unwrap() - 0.2).abs() < 1e-12);
        let apart = Comparison::new(&[(1, 0.9)], &[(2, 0.1)], 100);
        assert_eq!((apart.verdict, apart.difference), (Verdict::Nothing, None));
        insta::assert_snapshot!(apart.words(), @"this shows nothing: no seed is on both sides, so nothing can be paired");
    }
}
