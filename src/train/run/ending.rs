//! The checkpoints of a run, and the ends of its epochs and of itself.

use std::path::PathBuf;
use std::time::Instant;

use super::Trainer;
use crate::dataset::SplitName;
use crate::student::{hf, parameter_count};
use crate::support::hash::Digest;
use crate::train::evaluate::{evaluate, examine};
use crate::train::layout::{BEST, TIMING_FILE};
use crate::train::loader::Source;
use crate::train::metrics::Criterion;
use crate::train::record::{self, EpochRecord, RunResult};
use crate::train::setup::Setup;
use crate::train::tensorboard::MISTAKES;
use crate::train::{Error, checkpoint, schedule, statistics};

impl Trainer<'_> {
    /// Whether a checkpoint is to be written in the middle of the epoch.
    pub(super) fn is_due(&self) -> bool {
        let config = &self.setup.pipeline.train;
        let steps = config.checkpoint_steps;
        let by_steps = steps > 0 && self.steps_done().is_multiple_of(steps);
        let minutes = config.checkpoint_minutes;
        let by_time = minutes > 0.0 && self.saved.elapsed().as_secs_f64() >= 60.0 * minutes;
        // At its end there is one anyway.
        (by_steps || by_time) && self.state.step < self.plan.steps()
    }

    /// Writes a checkpoint and deletes those that need not be kept. Weights that are not numbers never replace good ones, and neither do
    /// weights of a cache that changed under the run.
    pub(super) fn save(&mut self) -> Result<(), Error> {
        self.read_losses()?;
        let run = &self.setup.folder;
        if let Some(value) = self.learner.not_finite() {
            return Err(self.diverged("a weight", value, self.steps_done()));
        }
        self.setup.recheck()?;
        self.board.sync()?;
        checkpoint::save(run, &self.state, &self.learner, &best_weights(self.setup))?;
        checkpoint::prune(run, &self.state, self.setup.pipeline.train.keep_checkpoints)?;
        self.saved = Instant::now();
        record::write_json(run, TIMING_FILE, &self.timing)
    }

    /// Takes BatchNorm's statistics anew, validates, keeps the weights if they are the best yet, writes the log and a checkpoint. Gives the
    /// epoch's line.
    pub(super) fn end_epoch(&mut self, source: &Source<'_>) -> Result<&EpochRecord, Error> {
        self.read_losses()?;
        let setup = self.setup;
        let config = &setup.pipeline.train;
        let step = self.steps_done();
        let model = self.learner.evaluating();
        let rows = source.epoch_rows(self.state.epoch);
        statistics::measure(&model, source.images, &rows, config, &setup.device.device)?;
        let validation = evaluate(&model, &self.validation, config.temperature, &setup.device.device)?;
        // Before any file says what a changed cache made of the student.
        setup.recheck()?;
        let sums = self.state.sums;
        let mut record = EpochRecord {
            epoch: self.state.epoch + 1,
            step,
            lr: schedule::learning_rate(config, step - 1, self.steps()),
            temperature: config.temperature_at(self.state.epoch),
            lambda: config.lambda_at(self.state.epoch),
            train_loss: sums.mean(sums.total),
            ce_loss: sums.mean(sums.ce),
            kd_loss: sums.mean(sums.kd),
            train_accuracy: sums.accuracy(),
            validation: validation.without_confusion(),
            best: false,
        };
        record.best = record.is_better_than(best_epoch(&self.state.log));
        if record.best {
            hf::save_folder(&setup.folder.join(BEST), &model, setup.card(step))?;
            self.state.best = Some(best_digest(setup)?);
        }
        self.board.epoch(&record)?;
        self.state.log.push(record);
        self.state.epoch += 1;
        self.state.step = 0;
        self.state.sums = checkpoint::LossSums::default();
        record::write_epochs(&setup.folder, &self.state.log)?;
        self.save()?;
        Ok(&self.state.log[self.state.log.len() - 1])
    }

    /// Measures the kept weights, read back from their file, on validation and test.
    pub(super) fn result(&mut self) -> Result<RunResult, Error> {
        let setup = self.setup;
        let (config, device) = (&setup.pipeline.train, &setup.device.device);
        let weights = best_weights(setup);
        let model = hf::load_weights(self.learner.evaluating(), &weights)?.model;
        let best = best_epoch(&self.state.log);
        // A checkpoint brings back the weights only.
        let card = setup.card(best.map_or(0, |record| record.step));
        let configs = hf::save_configs(&setup.folder.join(BEST), model.shape(), &card)?;
        let configs = configs.map(|(name, bytes)| (name.to_owned(), Digest::of(&bytes)));
        let (validation, mistakes) = examine(&model, &self.validation, config.temperature, device, MISTAKES)?;
        let best_epoch = best.map_or(0, |record| record.epoch);
        let last = self.state.log.last().map_or(0, |record| record.step);
        self.board.mistakes(last, setup, &mistakes, &self.validation)?;
        let test = match setup.dataset.split(SplitName::Test) {
            Some(_) => Some(evaluate(&model, &setup.images(SplitName::Test)?, config.temperature, device)?),
            None => None,
        };
        setup.recheck_content()?;
        Ok(RunResult {
            key: setup.key.to_string(),
            name: setup.pipeline.name.clone(),
            temperature: config.temperature,
            lambda: config.lambda_at(0),
            seed: config.seed,
            parameters: parameter_count(&model),
            best_epoch,
            chosen_by: Criterion::of(&validation),
            validation,
            test,
            weights: best_digest(setup)?.to_string(),
            configs: configs.into(),
        })
    }
}

/// The best epoch on validation so far.
fn best_epoch(log: &[EpochRecord]) -> Option<&EpochRecord> {
    log.iter().rev().find(|record| record.best)
}

/// The file of the kept weights.
pub(super) fn best_weights(setup: &Setup) -> PathBuf {
    setup.folder.join(BEST).join(hf::WEIGHTS)
}

fn best_digest(setup: &Setup) -> Result<Digest, Error> {
    let path = best_weights(setup);
    Digest::of_file(&path).map_err(Error::file("read", path))
}
