//! Defaults that follow from other keys, or from the dataset.
//!
//! They are for a student that starts from random weights; one that starts from `student.init` trains shorter and with smaller steps.
//! docs/evidence.md says what they gave, and how `AdamW`'s rate was chosen; no other value was searched for.

use super::{Optimizer, Pipeline, Student, Train};

/// The peak learning rate of AdamW for a step of 32 images, from random weights.
const ADAM_LR: f64 = 4e-3;
/// The same of SGD.
const SGD_LR: f64 = 0.1;
/// The images of a step that those rates are for.
const STEP: f64 = 32.0;
/// The factor of a rate where the student starts from trained weights.
const FINE_TUNING: f64 = 0.25;
/// The share of all steps over which the rate rises.
const WARMUP: f64 = 0.05;
/// The width of a network that can be scaled, from random weights.
const WIDTH: f64 = 0.5;

impl Pipeline {
    /// Fills in what was left out and depends on other keys.
    pub(super) fn settle(&mut self) {
        let is_trained = self.student.init.is_some();
        self.student.settle(if is_trained { 1.0 } else { WIDTH });
        let train = &mut self.train;
        if train.warmup_ratio.is_none() && train.warmup_steps == 0 && train.warmup_epochs == 0.0 {
            train.warmup_ratio = Some(WARMUP);
        }
        if self.train.lr == 0.0 {
            self.train.lr = learning_rate(&self.train, is_trained);
        }
    }

    /// Fills in what was left out and depends on the number of images in the train split.
    pub(crate) fn settle_for(&mut self, images: usize) {
        if self.train.epochs == 0 {
            self.train.epochs = epochs(&self.student, images);
        }
    }
}

/// The learning rate where none is given: it grows with the images of a step, in proportion for SGD (arXiv 1706.02677) and with their root
/// for those that divide by the gradient's size (arXiv 2205.10287). Two digits are kept.
fn learning_rate(train: &Train, is_trained: bool) -> f64 {
    let step = (train.batch_size * train.accumulate) as f64 / STEP;
    let rate = match train.optimizer {
        Optimizer::Sgd => SGD_LR * step,
        Optimizer::RmsProp | Optimizer::Lion => 0.1 * ADAM_LR * step.sqrt(),
        Optimizer::AdamW | Optimizer::Adam | Optimizer::Lamb => ADAM_LR * step.sqrt(),
    };
    let rate = if is_trained { FINE_TUNING * rate } else { rate };
    format!("{:.1e}", rate.min(1.0)).parse().expect("it was a number")
}

/// The epochs where none are given: the fewer images, the more, so that a thousand are seen 80 times and ten thousand 30 times.
fn epochs(student: &Student, images: usize) -> usize {
    let (scale, least, most) = if student.init.is_some() { (800.0, 10, 100) } else { (2500.0, 30, 300) };
    ((scale / (images.max(1) as f64).sqrt()).round() as usize).clamp(least, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(edit: impl Fn(&mut Pipeline), images: usize) -> (f64, usize) {
        let mut pipeline = Pipeline::default();
        edit(&mut pipeline);
        pipeline.settle();
        pipeline.settle_for(images);
        (pipeline.train.lr, pipeline.train.epochs)
    }

    #[test]
    fn the_rate_grows_with_the_step_and_the_epochs_shrink_with_the_images() {
        let batch = |size| move |pipeline: &mut Pipeline| pipeline.train.batch_size = size;
        assert_eq!(settled(batch(32), 1034), (4e-3, 78));
        assert_eq!(settled(batch(128), 9469), (8e-3, 30));
        assert_eq!(settled(batch(8), 85), (2e-3, 271));
        let sgd = |pipeline: &mut Pipeline| {
            pipeline.train.optimizer = Optimizer::Sgd;
            pipeline.train.batch_size = 64;
        };
        assert_eq!(settled(sgd, 1_000_000), (0.2, 30));
    }

    #[test]
    fn trained_weights_take_smaller_steps_and_fewer_epochs() {
        let init = |pipeline: &mut Pipeline| pipeline.student.init = Some("model.safetensors".into());
        assert_eq!(settled(init, 1034), (1e-3, 25));
    }

    #[test]
    fn what_is_given_stays() {
        let given = |pipeline: &mut Pipeline| {
            pipeline.train.lr = 3e-4;
            pipeline.train.epochs = 7;
        };
        assert_eq!(settled(given, 10), (3e-4, 7));
    }
}
