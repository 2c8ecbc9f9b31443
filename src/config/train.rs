//! `[train]`: how a student is trained.

use std::f64::consts::PI;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rule::{Invalid, within};
use super::{ClassWeights, Control, Optimizer, Precision, Ramp, StudentDevice};
use crate::loss::{Loss, LossParameters, Reads};

/// `[train]`: how a student is trained. The defaults suit a student that starts from random weights.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Train {
    /// The distillation term of the loss.
    pub loss: Loss,
    /// Softens teacher and student alike in the teacher's term. For `loss = "kd"` the cache must hold it; `mse` has no use
    /// for it.
    pub temperature: f32,
    /// The temperature of the last epoch, where it is to move over the epochs; every one is then made from the cache's logits.
    pub temperature_end: Option<f32>,
    /// Weight of the teacher's term, the labels' is one minus it; 0 trains from the labels only, as `loss = "ce"` does.
    pub lambda: f32,
    /// The lambda of the last epoch, where it is to move over the epochs.
    pub lambda_end: Option<f32>,
    /// How temperature and lambda move, epoch by epoch, where they have an end.
    pub ramp: Ramp,
    /// The share of each label that is spread evenly over all classes in the cross-entropy (arXiv 1512.00567).
    pub label_smoothing: f32,
    /// The parameters of losses besides temperature and lambda: `[train.dkd]`, `[train.dist]`. An unknown key of `[train]` ends up here, and is refused.
    #[serde(flatten)]
    pub parameters: LossParameters,
    /// Makes the run a control of itself; `--control` on the command line.
    pub control: Control,
    /// Passes over the train split; 0, the default, takes as many as suit the number of images.
    pub epochs: usize,
    /// Images in one forward pass.
    pub batch_size: usize,
    /// Batches of one step: their gradients are joined as those of one large batch, but for BatchNorm, which sees each by itself.
    pub accumulate: usize,
    /// Whether the images that are too few for a last full step of an epoch are left out of it.
    pub drop_last: bool,
    /// The precision in which the products of the student's layers are computed while it trains, on a GPU.
    #[serde(skip_serializing_if = "Precision::is_float32")]
    pub precision: Precision,
    /// How gradients become steps.
    pub optimizer: Optimizer,
    /// Peak learning rate; 0, the default, takes one that suits the optimiser and the batch.
    pub lr: f64,
    /// The learning rate at the end of the schedule.
    pub min_lr: f64,
    /// Weight decay: decoupled with adamw and lion, else added to the gradient or, with lamb, to the update.
    pub weight_decay: f64,
    /// Whether weight decay is for every parameter, or for none with one dimension: BatchNorm's and the biases.
    pub decay_norm_and_bias: bool,
    /// Decay rates of the two moments of adamw, adam, lamb and lion (whose paper has 0.9 and 0.99).
    pub betas: [f32; 2],
    /// Keeps a denominator from 0: adamw, adam, rmsprop and lamb.
    pub eps: f32,
    /// How much of the last step goes into the next: sgd and rmsprop.
    pub momentum: f64,
    /// Nesterov's momentum: sgd.
    pub nesterov: bool,
    /// Decay rate of rmsprop's mean square.
    pub alpha: f32,
    /// The gradient's global L2 norm is scaled down to this; 0 leaves it as it is.
    pub max_grad_norm: f32,
    /// How the learning rate goes from its peak to the end.
    pub schedule: Schedule,
    /// Steps over which the learning rate rises from 0 to its peak first.
    pub warmup_steps: usize,
    /// The same in epochs, which need not be whole.
    pub warmup_epochs: f64,
    /// The same as a share of all steps; 0.05 where no key says how long the warm-up is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_ratio: Option<f64>,
    /// How much of the weights' moving average each step keeps; the average is then what is validated and kept. 0 keeps none.
    pub ema: f64,
    /// Images over which BatchNorm's statistics are taken anew before each validation, as the student that is validated sees them:
    /// the first of the epoch's. 0 validates with the running statistics of training.
    pub precise_bn: usize,
    /// The weight of each class in the cross-entropy: `"balanced"` or a weight a class; the same where it is left out.
    pub class_weights: Option<ClassWeights>,
    /// Fixes initial weights, order and dropout.
    pub seed: u64,
    /// Steps between two points of the training curves in TensorBoard's event file; 0 writes none.
    pub tensorboard: usize,
    /// Steps between checkpoints, in addition to the one after every epoch; 0 for none.
    pub checkpoint_steps: usize,
    /// Minutes after which a checkpoint is written if there was none; 0 for never.
    pub checkpoint_minutes: f64,
    /// How many checkpoints are kept, the last ones and that of the best epoch, also when the run is finished. 0 keeps the last
    /// two, and none of a finished run.
    pub keep_checkpoints: usize,
    /// Where the student trains.
    pub device: StudentDevice,
    /// The folder that holds runs; `--runs-dir` and `DECANT_RUNS` come before it.
    pub dir: PathBuf,
    /// The run's name for people; no part of its key or its files' bytes. `--name` on the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Words to find the run by; no part of its key or its files' bytes. `--tag` on the command line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Default for Train {
    fn default() -> Self {
        Self {
            loss: Loss::Kd,
            temperature: 2.0,
            temperature_end: None,
            lambda: 0.9,
            lambda_end: None,
            ramp: Ramp::Linear,
            label_smoothing: 0.0,
            parameters: LossParameters::default(),
            control: Control::None,
            epochs: 0,
            batch_size: 32,
            accumulate: 1,
            drop_last: false,
            precision: Precision::default(),
            optimizer: Optimizer::AdamW,
            lr: 0.0,
            min_lr: 0.0,
            weight_decay: 0.05,
            decay_norm_and_bias: false,
            betas: [0.9, 0.999],
            eps: 1e-8,
            momentum: 0.0,
            nesterov: false,
            alpha: 0.99,
            max_grad_norm: 1.0,
            schedule: Schedule::Cosine,
            warmup_steps: 0,
            warmup_epochs: 0.0,
            warmup_ratio: None,
            ema: 0.0,
            precise_bn: 1024,
            class_weights: None,
            seed: 42,
            tensorboard: 10,
            checkpoint_steps: 0,
            checkpoint_minutes: 10.0,
            keep_checkpoints: 0,
            device: StudentDevice::Auto,
            dir: PathBuf::from("runs"),
            name: None,
            tags: Vec::new(),
        }
    }
}

impl Train {
    /// The same with every key that has no part in the trained bytes at its default.
    #[must_use]
    pub fn deciding(&self) -> Self {
        let plain = Self::default();
        Self {
            tensorboard: plain.tensorboard,
            checkpoint_steps: plain.checkpoint_steps,
            checkpoint_minutes: plain.checkpoint_minutes,
            keep_checkpoints: plain.keep_checkpoints,
            device: plain.device,
            dir: plain.dir,
            name: plain.name,
            tags: plain.tags,
            ..self.clone()
        }
    }
}

/// The rule for a run's name or tag.
pub(crate) const RUN_NAME: &str =
    "1 to 100 letters, digits, '-', '_', '.' and '=', the first a letter or digit, and not \"latest\"";

/// Whether a run may have this name or tag.
pub(crate) fn is_run_name(name: &str) -> bool {
    let plain = |letter: char| letter.is_alphanumeric() || "-_.=".contains(letter);
    name.chars().next().is_some_and(char::is_alphanumeric)
        && name.len() <= 100
        && name != "latest"
        && name.chars().all(plain)
}

/// How the learning rate falls after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// In a straight line to `min-lr`.
    Linear,
    /// Along half a cosine to `min-lr` (arXiv 1608.03983, without restarts).
    Cosine,
    /// Not at all.
    Constant,
}

impl Train {
    /// The temperature in `epoch`, from 0.
    pub(crate) fn temperature_at(&self, epoch: usize) -> f32 {
        self.between(self.temperature, self.temperature_end, epoch)
    }

    /// The weight of the teacher's term in `epoch`, from 0; the labels' weight is one minus it.
    pub(crate) fn lambda_at(&self, epoch: usize) -> f32 {
        match (self.loss.declaration().reads, self.control) {
            (Reads::Nothing, _) | (_, Control::LabelsOnly) => 0.0,
            _ => self.between(self.lambda, self.lambda_end, epoch),
        }
    }

    /// Whether any epoch looks at what the teacher said.
    pub(crate) fn is_taught(&self) -> bool {
        let is_off = self.loss == Loss::Ce || self.control == Control::LabelsOnly;
        !is_off && (self.lambda > 0.0 || self.lambda_end.is_some_and(|end| end > 0.0))
    }

    /// The temperature whose soft targets are read from the cache, which must hold them. Whatever else is taught reads
    /// the logits.
    pub(crate) fn cached_temperature(&self) -> Option<f32> {
        let cached = self.is_taught()
            && self.loss.declaration().reads == Reads::SoftTargets
            && self.temperature_end.is_none();
        cached.then_some(self.temperature)
    }

    fn between(&self, first: f32, last: Option<f32>, epoch: usize) -> f32 {
        let (Some(last), true) = (last, self.epochs > 1) else { return first };
        let done = epoch as f64 / (self.epochs - 1) as f64;
        let share = match self.ramp {
            Ramp::Linear => done,
            Ramp::Cosine => 0.5 * (1.0 - (PI * done).cos()),
        };
        (f64::from(first) * (1.0 - share) + f64::from(last) * share) as f32
    }
}

impl Train {
    /// Checks what one value asks of another.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        within("train.min-lr", self.min_lr, self.min_lr <= self.lr, "at most train.lr")?;
        let (steps, epochs, ratio) =
            (self.warmup_steps, self.warmup_epochs, self.warmup_ratio.unwrap_or(0.0));
        within(
            "train.warmup-epochs",
            epochs,
            self.epochs == 0 || epochs <= self.epochs as f64,
            "at most train.epochs",
        )?;
        let rule = "left out: set only one of warmup-steps, warmup-epochs and warmup-ratio";
        within("train.warmup-ratio", ratio, ratio == 0.0 || (epochs == 0.0 && steps == 0), rule)?;
        within("train.warmup-epochs", epochs, epochs == 0.0 || steps == 0, rule)?;
        if let Some(name) = &self.name {
            within("train.name", name, is_run_name(name), RUN_NAME)?;
        }
        if let Some(tag) = self.tags.iter().find(|tag| !is_run_name(tag)) {
            within("train.tags", tag, false, &format!("a list of words, each {RUN_NAME}"))?;
        }
        let permuted = self.control == Control::PermutedTargets;
        let rule = "left out where the student does not learn from the teacher: set train.lambda above 0 and a train.loss other than \"ce\"";
        within("train.control", "\"permuted-targets\"", !permuted || self.is_taught(), rule)
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the ends and the middle are exact")]
mod tests {
    use super::*;

    #[test]
    fn what_one_value_asks_of_another_is_checked() {
        let refused = |train: Train| train.check().err().map_or("nothing", |invalid| invalid.key);
        let train = Train::default;
        assert_eq!(refused(train()), "nothing");
        assert_eq!(refused(Train { min_lr: 1.0, ..train() }), "train.min-lr");
        assert_eq!(refused(Train { epochs: 30, warmup_epochs: 31.0, ..train() }), "train.warmup-epochs");
        assert_eq!(refused(Train { warmup_steps: 1, warmup_epochs: 1.0, ..train() }), "train.warmup-epochs");
        assert_eq!(
            refused(Train { warmup_ratio: Some(0.1), warmup_epochs: 1.0, ..train() }),
            "train.warmup-ratio"
        );
        let control = Control::PermutedTargets;
        assert_eq!(refused(Train { control, lambda: 0.0, ..train() }), "train.control");
    }

    #[test]
    fn temperature_and_lambda_go_from_their_first_value_to_their_last() {
        let mut train = Train {
            epochs: 5,
            temperature: 9.0,
            temperature_end: Some(1.0),
            lambda: 0.0,
            lambda_end: Some(1.0),
            ..Train::default()
        };
        let temperatures =
            |train: &Train| (0..5).map(|epoch| train.temperature_at(epoch)).collect::<Vec<_>>();
        assert_eq!(temperatures(&train), [9.0, 7.0, 5.0, 3.0, 1.0]);
        assert_eq!(train.lambda_at(3), 0.75);
        assert!(train.is_taught());
        train.ramp = Ramp::Cosine;
        let cosine = temperatures(&train);
        assert_eq!([cosine[0], cosine[2], cosine[4]], [9.0, 5.0, 1.0]);
        assert!((cosine[1] - 7.828_427).abs() < 1e-6);
        train.epochs = 1;
        assert_eq!((train.temperature_at(0), train.lambda_at(0)), (9.0, 0.0));
    }

    #[test]
    fn the_labels_alone_have_no_use_for_a_teacher() {
        for (loss, control) in [(Loss::Ce, Control::None), (Loss::Dkd, Control::LabelsOnly)] {
            let train = Train { loss, control, lambda_end: Some(1.0), ..Train::default() };
            assert!((0..train.epochs).all(|epoch| train.lambda_at(epoch) == 0.0));
            assert!(!train.is_taught() && train.cached_temperature().is_none());
        }
        assert_eq!(Train::default().cached_temperature(), Some(2.0));
        assert_eq!(Train { loss: Loss::Mse, ..Train::default() }.cached_temperature(), None);
        assert_eq!(Train { temperature_end: Some(1.0), ..Train::default() }.cached_temperature(), None);
    }
}
