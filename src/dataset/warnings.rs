//! Warnings about a dataset that is likely to mislead.

use super::{Dataset, SplitName};
use crate::support::statistics::resolution;

/// A difference that chance makes at most, as a share, goes without a warning.
const FINE: f64 = 0.02;

impl Dataset {
    /// The probable faults of the dataset, a sentence each: a single class, and images that are there twice.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let [only] = self.classes.as_slice() {
            warnings.push(format!(
                "{only} is the only class, so that every answer is right; expected <split>/<class>/<image>"
            ));
        }
        let name = |split, index| self.path(split, index);
        warnings.extend(self.duplicates.iter().map(|duplicates| duplicates.sentence(name)));
        warnings
    }

    /// The splits that are too small to tell two good students apart, a sentence each.
    pub(crate) fn small_splits(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for split in [SplitName::Validation, SplitName::Test].into_iter().filter_map(|name| self.split(name))
        {
            warnings.extend(few_images(split.name, split.labelled()));
        }
        warnings
    }
}

/// A split on which the accuracies of equally good students differ by chance.
fn few_images(split: SplitName, labelled: usize) -> Option<String> {
    let chance = resolution(0.5, 0.5, labelled);
    (labelled > 0 && chance > FINE).then(|| {
        format!(
            "{split} has {labelled} labelled images: two equally good students may differ by {:.0} points of accuracy by chance (95 %)",
            100.0 * chance
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_images_are_warned_about_and_many_are_not() {
        insta::assert_snapshot!(few_images(SplitName::Validation, 133).unwrap(), @"validation has 133 labelled images: two equally good students may differ by 12 points of accuracy by chance (95 %)");
        insta::assert_snapshot!(few_images(SplitName::Test, 4000).unwrap(), @"test has 4000 labelled images: two equally good students may differ by 2 points of accuracy by chance (95 %)");
        assert_eq!(few_images(SplitName::Validation, 50_000), None);
        assert_eq!(few_images(SplitName::Validation, 0), None);
    }
}
