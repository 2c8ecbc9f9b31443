//! The weight of each class in the labels' loss.

use super::Error;
use crate::config::{ClassRule, ClassWeights};

/// One weight a class, or `None` where all count the same. `labels` are those of the train split, -1 for unlabelled.
///
/// # Errors
/// A list of another length than there are classes.
pub(crate) fn class_weights(
    asked: Option<&ClassWeights>,
    classes: &[String],
    labels: impl Iterator<Item = i32>,
) -> Result<Option<Vec<f32>>, Error> {
    match asked {
        None => Ok(None),
        Some(ClassWeights::List(weights)) if weights.len() == classes.len() => Ok(Some(weights.clone())),
        Some(ClassWeights::List(weights)) => {
            Err(Error::ClassWeights { weights: weights.len(), classes: classes.to_vec() })
        }
        Some(ClassWeights::Rule(ClassRule::Balanced)) => {
            let mut counts = vec![0_usize; classes.len()];
            for label in labels {
                // -1 is of no class.
                if let Some(count) = usize::try_from(label).ok().and_then(|label| counts.get_mut(label)) {
                    *count += 1;
                }
            }
            let mean = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
            // A class without samples is never weighed.
            Ok(Some(counts.into_iter().map(|count| (mean / count.max(1) as f64) as f32).collect()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(asked: Option<&ClassWeights>, labels: &[i32]) -> Result<Option<Vec<f32>>, Error> {
        class_weights(asked, &["a", "b", "c"].map(str::to_owned), labels.iter().copied())
    }

    #[test]
    fn balanced_weights_are_scikit_learns() {
        let balanced = ClassWeights::Rule(ClassRule::Balanced);
        // compute_class_weight("balanced", classes=[0, 1, 2], y=[0, 0, 0, 1, 2, 2])
        let found = weights(Some(&balanced), &[0, 0, 0, 1, 2, 2, -1]).unwrap().unwrap();
        assert_eq!(found, [2.0 / 3.0, 2.0, 1.0]);
        assert!(weights(Some(&balanced), &[0, -1]).unwrap().unwrap().iter().all(|weight| weight.is_finite()));
    }

    #[test]
    fn a_list_has_a_weight_for_each_class() {
        let list = |weights: &[f32]| ClassWeights::List(weights.to_vec());
        assert_eq!(weights(Some(&list(&[1.0, 2.0, 3.0])), &[]).unwrap().unwrap(), [1.0, 2.0, 3.0]);
        let said = weights(Some(&list(&[1.0])), &[]).unwrap_err().to_string();
        assert_eq!(
            said,
            "train.class-weights has 1 weights for 3 classes; give one for each, in this order: a, b, c"
        );
        assert!(weights(None, &[0]).unwrap().is_none());
    }
}
