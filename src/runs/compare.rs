//! Two configurations over the same seeds: the mean difference, and whether it is significant.

use std::fmt;

use serde::Serialize;

use super::Spread;
use crate::support::statistics::{self, Paired, paired};

/// The largest p that counts as significant.
const LEVEL: f64 = 0.05;

/// A configuration's runs: the seed of each and its accuracy on the same images.
pub(crate) type Measured = (u64, f64);

/// The accuracy of a configuration beside that of another one, seed by seed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Comparison {
    /// The first configuration, over all its seeds.
    pub a: Option<Spread>,
    /// The second.
    pub b: Option<Spread>,
    /// The seeds of both.
    pub seeds: Vec<u64>,
    /// How many seeds both have.
    pub pairs: usize,
    /// The first's accuracy less the second's, seed by seed; nothing without a common seed.
    pub accuracy: Option<Spread>,
    /// Seeds with which the first is ahead.
    pub ahead: usize,
    /// The paired t-test; nothing of fewer than two seeds.
    pub paired: Option<Paired>,
    /// Images that the accuracies are over.
    pub images: usize,
    /// The difference that two equally good students may have on this many images by chance, as a share, at 95 %.
    pub resolution: f64,
    /// The test's p corrected for the comparisons that were made beside it, and how many they were; nothing of a single one.
    pub corrected: Option<Corrected>,
    /// Whether the difference is significant, by the corrected p where there is one.
    pub verdict: Verdict,
}

/// A p among others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Corrected {
    /// The p by Holm's method.
    pub p: f64,
    /// How many comparisons were made.
    pub comparisons: usize,
}

/// Whether a difference is significant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// It is not: too few seeds, or a spread that explains it.
    NotSignificant,
    /// It is on these images; on others it need not be.
    OnTheseImages,
    /// It is.
    Significant,
}

impl Comparison {
    /// Compares the accuracies of `a` with those of `b`, paired by seed: the first run of each seed counts. Both are over the same
    /// `images` images.
    pub(crate) fn new(a: &[Measured], b: &[Measured], images: usize) -> Self {
        let of = |runs: &[Measured], seed: u64| {
            runs.iter().find(|(other, _)| *other == seed).map(|(_, accuracy)| *accuracy)
        };
        let mut pairs: Vec<(u64, f64, f64)> = Vec::new();
        for &(seed, first) in a {
            if let Some(second) = of(b, seed).filter(|_| pairs.iter().all(|pair| pair.0 != seed)) {
                pairs.push((seed, first, second));
            }
        }
        let first: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
        let second: Vec<f64> = pairs.iter().map(|pair| pair.2).collect();
        let differences: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a - b).collect();
        let paired = paired(&first, &second);
        let [a, b] = [a, b].map(|runs| Spread::of(runs.iter().map(|run| run.1).collect()));
        let mean = |spread: &Option<Spread>| spread.as_ref().map_or(0.0, |spread| spread.mean);
        let resolution = statistics::resolution(mean(&a), mean(&b), images);
        let verdict = verdict(paired, None, resolution);
        Self {
            a,
            b,
            seeds: pairs.iter().map(|pair| pair.0).collect(),
            pairs: pairs.len(),
            ahead: differences.iter().filter(|&&difference| difference > 0.0).count(),
            accuracy: Spread::of(differences),
            paired,
            images,
            resolution,
            corrected: None,
            verdict,
        }
    }

    /// The same as one of `comparisons`, whose p by Holm's method is `p`.
    pub(crate) fn correct(&mut self, p: f64, comparisons: usize) {
        self.corrected = Some(Corrected { p, comparisons });
        self.verdict = verdict(self.paired, self.corrected, self.resolution);
    }

    /// The comparison in one sentence.
    pub(crate) fn words(&self) -> String {
        let by_chance = format!(
            "on {} images two equally good students may differ by {:.1} points by chance",
            self.images,
            100.0 * self.resolution
        );
        let Some(difference) = &self.accuracy else {
            return "not comparable: no seed is on both sides, so there are no pairs".to_owned();
        };
        let points = format!("{:+.1} points", 100.0 * difference.mean);
        let Some(Paired { pairs, p, ci: [low, high], .. }) = self.paired else {
            return format!("not significant: {points} with a single seed, which has no spread; {by_chance}");
        };
        let corrected = self.corrected.map_or(String::new(), |Corrected { p, comparisons }| {
            let p = format!("{:#}", Probability(p));
            format!(" ({} by Holm for {comparisons} configurations)", p.trim_start_matches("p = "))
        });
        let test = format!(
            "{points}, 95 % interval {:+.1} to {:+.1}, {:#}{corrected}, n = {pairs}",
            100.0 * low,
            100.0 * high,
            Probability(p)
        );
        match self.verdict {
            Verdict::NotSignificant => format!("not significant: {test}"),
            Verdict::OnTheseImages => format!("significant on these images only: {test}; {by_chance}"),
            Verdict::Significant => format!("significant: {test}; {by_chance}"),
        }
    }
}

fn verdict(paired: Option<Paired>, corrected: Option<Corrected>, resolution: f64) -> Verdict {
    let Some(paired) = paired else { return Verdict::NotSignificant };
    let p = corrected.map_or(paired.p, |corrected| corrected.p);
    match p < LEVEL {
        true if paired.mean.abs() > resolution => Verdict::Significant,
        true => Verdict::OnTheseImages,
        false => Verdict::NotSignificant,
    }
}

/// A p as people read it: `0.031` or `<0.001` in a table, `p = 0.031` or `p < 0.001` in a sentence, where it is `{:#}`.
pub(crate) struct Probability(pub f64);

impl fmt::Display for Probability {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(p) = *self;
        match (p < 0.001, formatter.alternate()) {
            (true, true) => formatter.write_str("p < 0.001"),
            (true, false) => formatter.write_str("<0.001"),
            (false, true) => write!(formatter, "p = {p:.3}"),
            (false, false) => write!(formatter, "{p:.3}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(accuracies: &[f64]) -> Vec<Measured> {
        (1..).zip(accuracies.iter().copied()).collect()
    }

    #[test]
    fn the_guides_72_against_63_is_not_significant() {
        let comparison = Comparison::new(&[(42, 92.0 / 128.0)], &[(42, 81.0 / 128.0)], 128);
        assert_eq!(comparison.verdict, Verdict::NotSignificant);
        insta::assert_snapshot!(comparison.words(), @"not significant: +8.6 points with a single seed, which has no spread; on 128 images two equally good students may differ by 11.4 points by chance");
    }

    #[test]
    fn a_difference_that_the_seeds_explain_is_not_significant() {
        let comparison = Comparison::new(&runs(&[0.80, 0.86, 0.78]), &runs(&[0.79, 0.77, 0.81]), 1000);
        assert_eq!(comparison.verdict, Verdict::NotSignificant);
        insta::assert_snapshot!(comparison.words(), @"not significant: +2.3 points, 95 % interval -12.8 to +17.5, p = 0.576, n = 3");
    }

    #[test]
    fn a_difference_below_what_the_images_resolve_is_on_these_images_only() {
        let comparison =
            Comparison::new(&runs(&[0.83, 0.84, 0.82, 0.85]), &runs(&[0.79, 0.81, 0.79, 0.81]), 128);
        assert_eq!(comparison.verdict, Verdict::OnTheseImages);
        insta::assert_snapshot!(comparison.words(), @"significant on these images only: +3.5 points, 95 % interval +2.6 to +4.4, p = 0.001, n = 4; on 128 images two equally good students may differ by 9.5 points by chance");
    }

    #[test]
    fn a_difference_beyond_seeds_and_images_is_significant() {
        let comparison = Comparison::new(&runs(&[0.90, 0.91, 0.89]), &runs(&[0.70, 0.72, 0.71]), 300);
        assert_eq!(comparison.verdict, Verdict::Significant);
        insta::assert_snapshot!(comparison.words(), @"significant: +19.0 points, 95 % interval +16.5 to +21.5, p < 0.001, n = 3; on 300 images two equally good students may differ by 6.2 points by chance");
    }

    #[test]
    fn one_of_many_comparisons_is_judged_by_its_corrected_p() {
        let mut comparison = Comparison::new(&runs(&[0.90, 0.93, 0.86]), &runs(&[0.70, 0.72, 0.71]), 300);
        assert_eq!(comparison.verdict, Verdict::Significant);
        comparison.correct(0.21, 8);
        assert_eq!(comparison.verdict, Verdict::NotSignificant);
        assert!(
            comparison.words().contains("(0.210 by Holm for 8 configurations)"),
            "{}",
            comparison.words()
        );
    }

    #[test]
    fn runs_are_paired_by_seed_and_the_others_left_out() {
        let comparison =
            Comparison::new(&[(1, 0.9), (2, 0.8), (3, 0.7)], &[(3, 0.6), (2, 0.5), (9, 0.1)], 100);
        assert_eq!((comparison.seeds.as_slice(), comparison.pairs, comparison.ahead), (&[2, 3][..], 2, 2));
        assert!((comparison.accuracy.unwrap().mean - 0.2).abs() < 1e-12);
        let apart = Comparison::new(&[(1, 0.9)], &[(2, 0.1)], 100);
        assert_eq!((apart.verdict, &apart.accuracy), (Verdict::NotSignificant, &None));
        insta::assert_snapshot!(apart.words(), @"not comparable: no seed is on both sides, so there are no pairs");
    }
}
