//! What each batch of a step counts for, where several are joined as one large batch.
//!
//! A batch is given by its labels, class indices with -1 for an unlabelled sample.

/// The share of a batch in the step that it is part of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Share {
    /// Of what its labels count for.
    pub hard: f64,
    /// Of the samples.
    pub soft: f64,
}

/// The share of each batch. A label counts for its class's weight, or all count the same.
pub(super) fn shares(batches: &[&[i32]], class_weights: Option<&[f32]>) -> Vec<Share> {
    let weight = |&label: &i32| match usize::try_from(label) {
        Ok(class) => class_weights.map_or(1.0, |weights| f64::from(weights[class])),
        Err(_) => 0.0,
    };
    let labelled: Vec<f64> = batches.iter().map(|labels| labels.iter().map(weight).sum()).collect();
    let all_labelled: f64 = labelled.iter().sum();
    let samples: usize = batches.iter().map(|labels| labels.len()).sum();
    let share = |(labels, labelled): (&&[i32], f64)| Share {
        hard: if all_labelled > 0.0 { labelled / all_labelled } else { 0.0 },
        soft: labels.len() as f64 / samples as f64,
    };
    batches.iter().zip(labelled).map(share).collect()
}

/// The share of all batches' samples that have a label.
pub(super) fn labelled(batches: &[&[i32]]) -> f32 {
    let labels = batches.concat();
    labels.iter().filter(|&&label| label >= 0).count() as f32 / labels.len() as f32
}
