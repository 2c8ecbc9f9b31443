//! Which classes are taken for which, in memory that grows with the images and not with the square of the classes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A confusion matrix of more classes is written as a list of its counts above 0.
const DENSE: usize = 100;
/// Classes at most.
const MOST_CLASSES: usize = 1 << 24;

/// How many images of each class were taken for each class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Confusion {
    classes: usize,
    /// By label and predicted class, only what is above 0.
    counts: BTreeMap<(usize, usize), u64>,
}

/// A model's results on the images of one class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ClassMeasures {
    /// Images with this label.
    pub images: u64,
    /// Share of the images taken for this class that belong to it; nothing where none is taken for it.
    pub precision: Option<f64>,
    /// Share of the images of this class that are taken for it; nothing where there are none.
    pub recall: Option<f64>,
    /// The harmonic mean of the two; nothing for a class that no image has and that none is taken for.
    pub f1: Option<f64>,
}

impl Confusion {
    /// No images yet, of `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: BTreeMap::new() }
    }

    /// Adds one image.
    pub(crate) fn add(&mut self, label: usize, predicted: usize) {
        *self.counts.entry((label, predicted)).or_default() += 1;
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Whether there is no matrix at all.
    pub fn is_empty(&self) -> bool {
        self.classes == 0
    }

    /// Images with `label` that were taken for `predicted`.
    pub fn count(&self, label: usize, predicted: usize) -> u64 {
        self.counts.get(&(label, predicted)).copied().unwrap_or(0)
    }

    /// Labelled images.
    pub fn labelled(&self) -> u64 {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Labelled images that were taken for their own class.
    pub(crate) fn correct(&self) -> u64 {
        let right = self.counts.iter().filter(|((label, predicted), _)| label == predicted);
        right.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Images of each label.
    pub fn images(&self) -> Vec<u64> {
        let mut images = vec![0u64; self.classes];
        for (&(label, _), count) in &self.counts {
            images[label] = images[label].saturating_add(*count);
        }
        images
    }

    /// Precision, recall and F1 of each class.
    pub(crate) fn per_class(&self) -> Vec<ClassMeasures> {
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let labelled = self.images();
        let mut predicted = vec![0u64; self.classes];
        for (&(_, class), count) in &self.counts {
            predicted[class] = predicted[class].saturating_add(*count);
        }
        let measures = |class: usize| {
            let (hit, images, taken) = (self.count(class, class), labelled[class], predicted[class]);
            ClassMeasures {
                images,
                precision: ratio(hit, taken),
                recall: ratio(hit, images),
                f1: ratio(hit.saturating_mul(2), images.saturating_add(taken)),
            }
        };
        (0..self.classes).map(measures).collect()
    }

    /// The mean of the F1 of the classes that have one, as scikit-learn takes it; nothing without a labelled image.
    pub(crate) fn macro_f1(&self) -> Option<f64> {
        let measured: Vec<f64> = self.per_class().iter().filter_map(|class| class.f1).collect();
        (!measured.is_empty()).then(|| measured.iter().sum::<f64>() / measured.len() as f64)
    }

    /// The other class that each class is most often taken for, the last of equals, with how many images.
    pub(crate) fn most_often_taken_for(&self) -> Vec<Option<(usize, u64)>> {
        let mut most: Vec<Option<(usize, u64)>> = vec![None; self.classes];
        for (&(label, predicted), &count) in self.counts.iter().filter(|((label, other), _)| label != other) {
            if most[label].is_none_or(|(_, best)| count >= best) {
                most[label] = Some((predicted, count));
            }
        }
        most
    }

    /// Count, label and predicted class of what was taken for another class, the most frequent first.
    pub(crate) fn mistakes(&self) -> Vec<(u64, usize, usize)> {
        let wrong = self.counts.iter().filter(|((label, predicted), _)| label != predicted);
        let mut wrong: Vec<_> =
            wrong.map(|(&(label, predicted), &count)| (count, label, predicted)).collect();
        wrong.sort_by_key(|&(count, label, predicted)| (std::cmp::Reverse(count), label, predicted));
        wrong
    }

    /// The whole matrix, `[label][predicted]`: for few classes only.
    pub fn rows(&self) -> Vec<Vec<u64>> {
        let mut rows = vec![vec![0; self.classes]; self.classes];
        for (&(label, predicted), &count) in &self.counts {
            rows[label][predicted] = count;
        }
        rows
    }
}

/// The matrix in a file: rows for few classes, `[label, predicted, count]` for many.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Rows(Vec<Vec<u64>>),
    Counts { classes: usize, counts: Vec<(usize, usize, u64)> },
}

impl From<Confusion> for Stored {
    fn from(confusion: Confusion) -> Self {
        if confusion.classes <= DENSE {
            return Self::Rows(confusion.rows());
        }
        let counts =
            confusion.counts.into_iter().map(|((label, predicted), count)| (label, predicted, count));
        Self::Counts { classes: confusion.classes, counts: counts.collect() }
    }
}

impl TryFrom<Stored> for Confusion {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let (classes, counts) = match stored {
            Stored::Rows(rows) => {
                let classes = rows.len();
                if let Some(row) = rows.iter().find(|row| row.len() != classes) {
                    return Err(format!(
                        "expected a confusion matrix of {classes} columns, found {}",
                        row.len()
                    ));
                }
                let cells = rows.into_iter().enumerate().flat_map(|(label, row)| {
                    row.into_iter().enumerate().map(move |(predicted, count)| (label, predicted, count))
                });
                (classes, cells.filter(|cell| cell.2 > 0).collect())
            }
            Stored::Counts { classes, counts } => (classes, counts),
        };
        if classes > MOST_CLASSES {
            return Err(format!("expected at most {MOST_CLASSES} classes, found {classes}"));
        }
        let mut confusion = Self::new(classes);
        for (label, predicted, count) in counts {
            let is_new = confusion.counts.insert((label, predicted), count).is_none();
            if label >= classes || predicted >= classes || count == 0 || !is_new {
                return Err(format!(
                    "a confusion matrix of {classes} classes can't hold [{label}, {predicted}, {count}]"
                ));
            }
        }
        Ok(confusion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion(classes: usize, images: &[(usize, usize)]) -> Confusion {
        let mut confusion = Confusion::new(classes);
        for &(label, predicted) in images {
            confusion.add(label, predicted);
        }
        confusion
    }

    #[test]
    fn the_measures_are_their_formulas() {
        let found = confusion(3, &[(0, 0), (1, 1), (2, 2), (1, 0)]);
        assert_eq!((found.labelled(), found.correct(), found.images()), (4, 3, vec![1, 2, 1]));
        assert!((found.macro_f1().unwrap() - 7.0 / 9.0).abs() < 1e-12);
        assert_eq!(found.mistakes(), [(1, 1, 0)]);
        assert_eq!(found.most_often_taken_for(), [None, Some((0, 1)), None]);
        assert_eq!(Confusion::new(3).macro_f1(), None);
    }

    #[test]
    fn a_class_without_images_is_measured_by_what_is_taken_for_it_only() {
        let measures = |found: &Confusion| {
            let class = found.per_class()[2];
            (class.precision, class.recall, class.f1, found.macro_f1())
        };
        assert_eq!(measures(&confusion(3, &[(0, 0), (1, 1)])), (None, None, None, Some(1.0)));
        let (precision, recall, f1, mean) = measures(&confusion(3, &[(0, 0), (1, 1), (1, 2)]));
        assert_eq!((precision, recall, f1), (Some(0.0), None, Some(0.0)));
        assert!((mean.unwrap() - (1.0 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn few_classes_are_written_as_rows_and_many_by_what_is_there() {
        let few = confusion(2, &[(0, 1)]);
        assert_eq!(serde_json::to_string(&few).unwrap(), "[[0,1],[0,0]]");
        let many = confusion(21_841, &[(0, 7), (0, 7), (21_840, 3)]);
        let text = serde_json::to_string(&many).unwrap();
        assert_eq!(text, r#"{"classes":21841,"counts":[[0,7,2],[21840,3,1]]}"#);
        for found in [few, many] {
            let text = serde_json::to_string(&found).unwrap();
            assert_eq!(serde_json::from_str::<Confusion>(&text).unwrap(), found);
        }
    }

    #[test]
    fn what_is_not_a_matrix_is_refused() {
        for text in [
            "[[1,2],[3]]",
            "[[1]]x",
            r#"{"classes":2,"counts":[[2,0,1]]}"#,
            r#"{"classes":2,"counts":[[0,0,0]]}"#,
            r#"{"classes":2,"counts":[[0,0,1],[0,0,1]]}"#,
            r#"{"classes":99999999999,"counts":[]}"#,
        ] {
            assert!(serde_json::from_str::<Confusion>(text).is_err(), "{text}");
        }
    }
}
