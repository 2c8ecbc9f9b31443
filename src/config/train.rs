//! `[train]`: how a student is trained.

use std::f64::consts::PI;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::rule::{Invalid, is_temperature, list, number, within};
use super::{ClassWeights, Control, Dist, Dkd, Loss, Optimizer, Ramp, StudentDevice};

/// `[train]`: how a student is trained. The defaults are those of the Hugging Face `Trainer`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Train {
    /// What is learnt from the teacher.
    pub loss: Loss,
    /// Softens teacher and student alike in the teacher's term. For `loss = "kd"` the cache must hold it; `mse` has no use
    /// for it.
    pub temperature: f32,
    /// The temperature of the last epoch, where it is to move over the epochs; every one is then made from the cache's logits.
    pub temperature_end: Option<f32>,
    /// Weight of the teacher's term, the labels' is one minus it; 0 trains from the labels alone, as `loss = "ce"` does.
    pub lambda: f32,
    /// The lambda of the last epoch, where it is to move over the epochs.
    pub lambda_end: Option<f32>,
    /// How temperature and lambda move, epoch by epoch, where they have an end.
    pub ramp: Ramp,
    /// The share of each label that is spread evenly over all classes in the cross-entropy (arXiv 1512.00567).
    pub label_smoothing: f32,
    /// Weights that `loss = "dkd"` reads.
    pub dkd: Dkd,
    /// Weights that `loss = "dist"` reads.
    pub dist: Dist,
    /// Makes the run a control of itself; `--control` on the command line.
    pub control: Control,
    /// Passes over the train split.
    pub epochs: usize,
    /// Images in one forward pass.
    pub batch_size: usize,
    /// Batches of one step: their gradients are joined as those of one large batch, but for BatchNorm, which sees each alone.
    pub accumulate: usize,
    /// Whether the images that are too few for a last full step of an epoch are left out of it.
    pub drop_last: bool,
    /// How gradients become steps.
    pub optimizer: Optimizer,
    /// Peak learning rate.
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
    /// The gradient's global L2 norm is scaled down to this; 0 leaves it alone.
    pub max_grad_norm: f32,
    /// How the learning rate goes from its peak to the end.
    pub schedule: Schedule,
    /// Steps over which the learning rate rises from 0 to its peak first.
    pub warmup_steps: usize,
    /// The same in epochs, which need not be whole.
    pub warmup_epochs: f64,
    /// The same as a share of all steps.
    pub warmup_ratio: f64,
    /// How much of the weights' moving average each step keeps; the average is then what is validated and kept. 0 keeps none.
    pub ema: f64,
    /// What each class counts for in the labels' loss: `"balanced"` or a weight a class; the same where it is left out.
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
    /// one, and none of a finished run.
    pub keep_checkpoints: usize,
    /// Where the student trains.
    pub device: StudentDevice,
    /// The folder that holds runs; `--runs-dir` and `DECANT_RUNS` come before it.
    pub dir: PathBuf,
    /// What people call the run; no part of its key or its files' bytes. `--name` on the command line.
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
            temperature: 5.0,
            temperature_end: None,
            lambda: 0.5,
            lambda_end: None,
            ramp: Ramp::Linear,
            label_smoothing: 0.0,
            dkd: Dkd::default(),
            dist: Dist::default(),
            control: Control::None,
            epochs: 30,
            batch_size: 8,
            accumulate: 1,
            drop_last: false,
            optimizer: Optimizer::AdamW,
            lr: 5e-5,
            min_lr: 0.0,
            weight_decay: 0.0,
            decay_norm_and_bias: true,
            betas: [0.9, 0.999],
            eps: 1e-8,
            momentum: 0.0,
            nesterov: false,
            alpha: 0.99,
            max_grad_norm: 1.0,
            schedule: Schedule::Linear,
            warmup_steps: 0,
            warmup_epochs: 0.0,
            warmup_ratio: 0.0,
            ema: 0.0,
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

/// What a run's name or tag must be.
pub const RUN_NAME: &str =
    "1 to 100 letters, digits, '-', '_', '.' and '=', the first a letter or digit, and not \"latest\"";

/// Whether a run may have this name or tag.
pub fn is_run_name(name: &str) -> bool {
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
    pub fn temperature_at(&self, epoch: usize) -> f32 {
        self.between(self.temperature, self.temperature_end, epoch)
    }

    /// The weight of the teacher's term in `epoch`, from 0; the labels' weight is one minus it.
    pub fn lambda_at(&self, epoch: usize) -> f32 {
        match (self.loss, self.control) {
            (Loss::Ce, _) | (_, Control::LabelsOnly) => 0.0,
            _ => self.between(self.lambda, self.lambda_end, epoch),
        }
    }

    /// Whether any epoch looks at what the teacher said.
    pub fn is_taught(&self) -> bool {
        self.lambda_at(0) > 0.0 || self.lambda_at(self.epochs - 1) > 0.0
    }

    /// The temperature whose soft targets are read from the cache, which must hold them. Whatever else is taught reads
    /// the logits.
    pub fn cached_temperature(&self) -> Option<f32> {
        let cached = self.is_taught() && self.loss == Loss::Kd && self.temperature_end.is_none();
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
    /// Checks every value that a type alone does not bound.
    pub(super) fn check(&self) -> Result<(), Invalid> {
        within("train.temperature", self.temperature, is_temperature(self.temperature), "from 0.01 to 1000")?;
        within("train.lambda", self.lambda, (0.0..=1.0).contains(&self.lambda), "0 to 1")?;
        within("train.epochs", self.epochs, (1..=100_000).contains(&self.epochs), "1 to 100000")?;
        within(
            "train.batch-size",
            self.batch_size,
            (2..=65_536).contains(&self.batch_size),
            "2 to 65536, since BatchNorm needs two images",
        )?;
        self.check_optimizer()?;
        self.check_schedule()?;
        let share = |value: f64| (0.0..1.0).contains(&value);
        within("train.accumulate", self.accumulate, (1..=1024).contains(&self.accumulate), "1 to 1024")?;
        within("train.ema", self.ema, share(self.ema), "0 (no average) to below 1")?;
        let minutes = self.checkpoint_minutes;
        let a_week = 7.0 * 24.0 * 60.0;
        within("train.checkpoint-minutes", minutes, (0.0..=a_week).contains(&minutes), "0 (none) to 10080")?;
        if let Some(ClassWeights::List(weights)) = &self.class_weights {
            let fine = weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0);
            let some = weights.iter().any(|weight| *weight > 0.0);
            within(
                "train.class-weights",
                list(weights),
                fine && some,
                "numbers from 0, one of them above 0",
            )?;
        }
        self.check_names()?;
        self.check_loss()
    }

    /// A name is one word, so that it can be given wherever a run is asked for.
    fn check_names(&self) -> Result<(), Invalid> {
        if let Some(name) = &self.name {
            within("train.name", name, is_run_name(name), RUN_NAME)?;
        }
        match self.tags.iter().find(|tag| !is_run_name(tag)) {
            Some(tag) => within("train.tags", tag, false, RUN_NAME),
            None => Ok(()),
        }
    }

    fn check_loss(&self) -> Result<(), Invalid> {
        let end = self.temperature_end;
        within("train.temperature-end", number(end), end.is_none_or(is_temperature), "from 0.01 to 1000")?;
        let end = self.lambda_end;
        let is_share = |value: f32| (0.0..=1.0).contains(&value);
        within("train.lambda-end", number(end), end.is_none_or(is_share), "0 to 1")?;
        let smoothing = self.label_smoothing;
        within("train.label-smoothing", smoothing, (0.0..1.0).contains(&smoothing), "from 0 to below 1")?;
        for (key, weight) in [
            ("train.dkd.alpha", self.dkd.alpha),
            ("train.dkd.beta", self.dkd.beta),
            ("train.dist.beta", self.dist.beta),
            ("train.dist.gamma", self.dist.gamma),
        ] {
            within(key, weight, (0.0..=1000.0).contains(&weight), "0 to 1000")?;
        }
        if self.control == Control::PermutedTargets {
            let rule = "left out where no targets are read, with train.lambda = 0 or train.loss = \"ce\"";
            within("train.control", self.control.as_str(), self.is_taught(), rule)?;
        }
        Ok(())
    }

    fn check_optimizer(&self) -> Result<(), Invalid> {
        within("train.lr", self.lr, self.lr > 0.0 && self.lr <= 10.0, "above 0 and at most 10")?;
        within(
            "train.weight-decay",
            self.weight_decay,
            (0.0..=10.0).contains(&self.weight_decay),
            "0 to 10",
        )?;
        within(
            "train.betas",
            list(&self.betas),
            self.betas.iter().all(|beta| (0.0..1.0).contains(beta)),
            "two numbers from 0 to below 1",
        )?;
        within("train.eps", self.eps, self.eps > 0.0 && self.eps < 1.0, "between 0 and 1")?;
        within("train.alpha", self.alpha, (0.0..1.0).contains(&self.alpha), "0 to below 1")?;
        within("train.momentum", self.momentum, (0.0..1.0).contains(&self.momentum), "0 to below 1")?;
        within(
            "train.momentum",
            self.momentum,
            self.momentum == 0.0 || self.optimizer.has_momentum(),
            "0 unless self.optimizer is \"sgd\" or \"rmsprop\": the others have train.betas",
        )?;
        within(
            "train.nesterov",
            self.nesterov,
            !self.nesterov || (self.optimizer == Optimizer::Sgd && self.momentum > 0.0),
            "false unless self.optimizer is \"sgd\" and train.momentum above 0",
        )?;
        within(
            "train.max-grad-norm",
            self.max_grad_norm,
            self.max_grad_norm >= 0.0 && self.max_grad_norm.is_finite(),
            "0 (no clipping) or more",
        )
    }

    fn check_schedule(&self) -> Result<(), Invalid> {
        let falls = self.schedule != Schedule::Constant;
        within("train.min-lr", self.min_lr, (0.0..=self.lr).contains(&self.min_lr), "0 to train.lr")?;
        within(
            "train.min-lr",
            self.min_lr,
            falls || self.min_lr == 0.0,
            "0 with train.schedule = \"constant\"",
        )?;
        let (epochs, ratio) = (self.warmup_epochs, self.warmup_ratio);
        within("train.warmup-ratio", ratio, (0.0..=1.0).contains(&ratio), "0 to 1")?;
        within(
            "train.warmup-epochs",
            epochs,
            (0.0..=self.epochs as f64).contains(&epochs),
            "0 to train.epochs",
        )?;
        let alone = "0 where another key says how long the warm-up is";
        within(
            "train.warmup-ratio",
            ratio,
            ratio == 0.0 || (epochs == 0.0 && self.warmup_steps == 0),
            alone,
        )?;
        within("train.warmup-epochs", epochs, epochs == 0.0 || self.warmup_steps == 0, alone)
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the ends and the middle are exact")]
mod tests {
    use super::*;

    fn refused(train: Train) -> &'static str {
        train.check().err().map_or("nothing", |invalid| invalid.key)
    }

    #[test]
    fn a_key_that_would_do_nothing_is_refused() {
        let train = Train::default;
        assert_eq!(refused(train()), "nothing");
        assert_eq!(refused(Train { momentum: 0.9, ..train() }), "train.momentum");
        assert_eq!(refused(Train { optimizer: Optimizer::Sgd, nesterov: true, ..train() }), "train.nesterov");
        assert_eq!(
            refused(Train { optimizer: Optimizer::Sgd, momentum: 0.9, nesterov: true, ..train() }),
            "nothing"
        );
        let constant = Schedule::Constant;
        assert_eq!(refused(Train { schedule: constant, min_lr: 1e-6, ..train() }), "train.min-lr");
        assert_eq!(refused(Train { min_lr: 1.0, ..train() }), "train.min-lr");
        assert_eq!(refused(Train { warmup_steps: 1, warmup_epochs: 1.0, ..train() }), "train.warmup-epochs");
        assert_eq!(refused(Train { warmup_ratio: 0.1, warmup_epochs: 1.0, ..train() }), "train.warmup-ratio");
    }

    #[test]
    fn class_weights_that_leave_nothing_to_learn_are_refused() {
        let with = |weights: Vec<f32>| Train {
            class_weights: Some(ClassWeights::List(weights)),
            ..Train::default()
        };
        assert_eq!(refused(with(vec![1.0, 0.0, 2.5])), "nothing");
        for weights in [vec![0.0, 0.0], vec![1.0, -1.0], vec![f32::NAN], vec![]] {
            assert_eq!(refused(with(weights)), "train.class-weights");
        }
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
        assert_eq!(Train::default().cached_temperature(), Some(5.0));
        assert_eq!(Train { loss: Loss::Mse, ..Train::default() }.cached_temperature(), None);
        assert_eq!(Train { temperature_end: Some(1.0), ..Train::default() }.cached_temperature(), None);
    }
}
