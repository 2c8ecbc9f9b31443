//! The training loop of one run.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::checkpoint::{self, State};
use super::class_weights::class_weights;
use super::evaluate::{evaluate, examine};
use super::images::Images;
use super::layout::{BEST, RESULT_FILE, RUN_FILE, TIMING_FILE};
use super::loader::{self, Source};
use super::metrics::Criterion;
use super::plan::Plan;
use super::record::{self, EpochRecord, RunResult, Timing};
use super::setup::Setup;
use super::step::{Batch, Learner, Pending, StepLoss};
use super::targets::Column;
use super::tensorboard::{Board, MISTAKES};
use super::{Error, order, schedule, statistics};
use crate::config::{self, Control};
use crate::dataset::SplitName;
use crate::store::SplitRows;
use crate::student::{hf, parameter_count};
use crate::support::context::Context;
use crate::support::hash::Digest;
use crate::support::progress::clock_time;
use crate::support::text::percent;

/// Steps on a GPU between two reads of the losses, at most.
const READ_EVERY: usize = 100;

/// An event of training.
pub enum Event<'a> {
    /// A checkpoint is damaged, and the one before it is taken.
    Damaged(&'a Error),
    /// The student got the weights of `student.init`; this is the source of its classifier.
    Initialised(hf::Head),
    /// Training resumes from a checkpoint, in this epoch after this many steps, both from 0.
    Resumed {
        /// The epoch.
        epoch: usize,
        /// Steps of it that are done.
        step: usize,
    },
    /// An epoch ended.
    Epoch(&'a EpochRecord),
}

/// How a run ended.
pub enum Outcome {
    /// It is done.
    Done {
        /// Its result.
        result: Box<RunResult>,
        /// Its cost.
        timing: Timing,
        /// It was done before this call.
        already: bool,
    },
    /// Stopped by the user; the same command resumes it.
    Interrupted {
        /// Finished epochs.
        epochs: usize,
    },
}

/// Trains a prepared run to its end, from the newest of `checkpoints` (oldest first) that is sound, in its folder, which the caller
/// has locked. `watch` sees what happens on the way.
///
/// # Errors
/// A dataset or cache that is damaged, a device that fails, a loss that is not a number, a file that can't be written; checkpoints of
/// which none is sound.
pub fn run(
    setup: &Setup,
    context: &Context,
    checkpoints: &[PathBuf],
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, Error> {
    record::write_json(&setup.folder, RUN_FILE, &setup.description())?;
    setup.check_content()?;
    setup.device.guarded(|| Trainer::new(setup, context, checkpoints, watch)?.run(watch))
}

/// Deletes what a finished run no longer needs: its checkpoints unless `keep` is above 0, and temporary files of processes that died.
///
/// # Errors
/// A file that can't be deleted.
pub fn clear(folder: &Path, keep: usize) -> Result<(), Error> {
    checkpoint::clear(folder, keep)
}

struct Trainer<'a> {
    setup: &'a Setup,
    context: &'a Context,
    validation: Images<'a>,
    plan: Plan,
    learner: Learner,
    state: State,
    timing: Timing,
    board: Board,
    /// Steps whose losses are still on the device.
    pending: Vec<PendingStep>,
    /// When the last checkpoint was written.
    saved: Instant,
}

/// A step that was begun.
struct PendingStep {
    losses: Pending,
    /// Which of the run's steps it is, from 1.
    step: usize,
    /// Its learning rate.
    lr: f64,
    samples: usize,
    labelled: usize,
}

impl<'a> Trainer<'a> {
    fn new(
        setup: &'a Setup,
        context: &'a Context,
        checkpoints: &[PathBuf],
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<Self, Error> {
        let config = &setup.pipeline.train;
        let rows = setup.rows(SplitName::Train)?;
        let samples = rows.samples() as usize;
        let plan = Plan::new(config, samples);
        if plan.steps() == 0 {
            return Err(Error::NoStep { samples, step: plan.step_samples() });
        }
        let labels = (0..rows.samples()).filter_map(|sample| rows.row(sample, 0)).map(|row| rows.label(row));
        let class_weights = class_weights(config.class_weights.as_ref(), &setup.dataset.classes, labels)?;
        let device = setup.device.device.clone().autodiff();
        let (model, head) = setup.student(&device)?;
        if let Some(head) = head {
            watch(Event::Initialised(head));
        }
        let mut learner =
            Learner::new(model, config, class_weights, &setup.device.device).deferring(!setup.device.is_host);
        if let (Some(path), Some(value)) = (&setup.pipeline.student.init, learner.not_finite()) {
            return Err(Error::BadInit { path: path.clone(), value });
        }
        let state = resumed(setup, checkpoints, &plan, &mut learner, watch)?;
        let done = state.epoch * plan.steps() + state.step;
        let board = Board::open(&setup.folder, &setup.pipeline, done, &state.log)?;
        let mut timing = Timing::read_or_default(&setup.folder);
        timing.device = setup.device.name;
        let validation = setup.images(SplitName::Validation)?;
        let (pending, saved) = (Vec::new(), Instant::now());
        Ok(Self { setup, context, validation, plan, learner, state, timing, board, pending, saved })
    }

    fn run(mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<Outcome, Error> {
        let started = Instant::now();
        let before = self.timing.seconds;
        let finished = self.epochs(watch)?;
        self.timing.seconds = before + started.elapsed().as_secs_f64();
        let run = &self.setup.folder;
        if !finished {
            self.save()?;
            return Ok(Outcome::Interrupted { epochs: self.state.log.len() });
        }
        let result = self.result()?;
        self.timing.seconds = before + started.elapsed().as_secs_f64();
        record::write_json(run, TIMING_FILE, &self.timing)?;
        record::write_json(run, RESULT_FILE, &result)?;
        checkpoint::clear(run, self.setup.pipeline.train.keep_checkpoints)?;
        Ok(Outcome::Done { result: Box::new(result), timing: self.timing, already: false })
    }

    /// Trains to the end, or until the user interrupts: then `false`.
    fn epochs(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<bool, Error> {
        let setup = self.setup;
        let config = &setup.pipeline.train;
        let images = setup.images(SplitName::Train)?;
        let samples = trained_on(config, images.rows());
        let permuted = config.control == Control::PermutedTargets;
        let others = permuted.then(|| order::others(config.seed, images.rows().samples() as usize));
        let source = Source {
            images: &images,
            column: Column::of(config),
            others: others.as_deref(),
            samples: &samples,
            batch_size: config.batch_size,
            used: self.plan.samples(),
            seed: config.seed,
            device: (!setup.device.is_host).then_some(&setup.device.device),
        };
        let steps = self.plan.steps();
        std::thread::scope(|scope| {
            let start = (self.state.epoch, self.plan.batches_before(self.state.step));
            let batches = loader::spawn(scope, source, start, config.epochs);
            while self.state.epoch < config.epochs {
                let label = format!("epoch {}/{}", self.state.epoch + 1, config.epochs);
                let left = steps - self.state.step;
                let mut progress = self.context.progress(label, left as u64, "steps");
                let clock = Instant::now();
                while self.state.step < steps {
                    if self.context.is_cancelled() {
                        self.timing.train_seconds += clock.elapsed().as_secs_f64();
                        return Ok(false);
                    }
                    let parts = self.plan.batches(self.state.step);
                    let receive = |_| batches.recv().expect("the loader sends every batch or an error");
                    self.step((0..parts).map(receive).collect::<Result<_, _>>()?)?;
                    if self.is_due() {
                        self.save()?;
                    }
                    progress.advance(1);
                    progress.message(self.live(steps - left, &clock));
                }
                self.timing.train_seconds += clock.elapsed().as_secs_f64();
                drop(progress);
                watch(Event::Epoch(self.end_epoch(&source)?));
            }
            Ok(true)
        })
    }

    fn step(&mut self, batches: Vec<Batch>) -> Result<(), Error> {
        let labels = batches.iter().flat_map(|batch| &batch.labels);
        let (samples, labelled) = (labels.clone().count(), labels.filter(|&&label| label >= 0).count());
        let (step, steps) = (self.steps_done(), self.steps());
        let losses = self.learner.begin(batches, step, steps);
        let lr = schedule::learning_rate(&self.setup.pipeline.train, step, steps);
        self.pending.push(PendingStep { losses, step: step + 1, lr, samples, labelled });
        self.state.step += 1;
        self.timing.train_images += samples;
        if self.steps_done().is_multiple_of(self.read_every()) { self.read_losses() } else { Ok(()) }
    }

    /// Steps after which losses are read. The CPU has them at once; a GPU would stand still until it is asked for the next step.
    fn read_every(&self) -> usize {
        match self.setup.pipeline.train.tensorboard {
            _ if self.setup.device.is_host => 1,
            0 => READ_EVERY,
            every => every.min(READ_EVERY),
        }
    }

    /// Reads the losses of the steps since the last time: they are checked, logged and added to the epoch's.
    fn read_losses(&mut self) -> Result<(), Error> {
        let mut steps = Vec::new();
        let losses = self.pending.drain(..).map(|PendingStep { losses, step, lr, samples, labelled }| {
            steps.push((step, lr, samples, labelled));
            losses
        });
        let losses = StepLoss::read(losses.collect());
        for (loss, (step, lr, samples, labelled)) in losses.into_iter().zip(steps) {
            self.check("the loss", loss.total, step)?;
            self.check("the gradient's norm", loss.gradient_norm, step)?;
            self.board.step(step, &loss, lr, samples)?;
            self.state.sums.add(loss, samples, labelled);
        }
        Ok(())
    }

    /// The progress of the epoch in a line; `clock` has run since its step `first`.
    fn live(&self, first: usize, clock: &Instant) -> String {
        let (state, config) = (&self.state, &self.setup.pipeline.train);
        let (step, steps) = (self.steps_done(), self.steps());
        let a_second = (state.step - first) as f64 / clock.elapsed().as_secs_f64().max(1e-9);
        let sums = &state.sums;
        if sums.samples == 0 {
            return "the first losses are not read yet".to_owned();
        }
        let accuracy = sums.accuracy().map_or("-".to_owned(), percent);
        format!(
            "loss {:.3}, accuracy {accuracy}, whole run {} left, {:.0} images/s, ce {:.3}, kd {:.3}, lr {:.1e}",
            sums.mean(sums.total),
            clock_time((steps - step) as f64 / a_second),
            a_second * self.plan.step_samples() as f64,
            sums.mean(sums.ce),
            sums.mean(sums.kd),
            schedule::learning_rate(config, step - 1, steps),
        )
    }

    /// Steps of the run before the next one.
    fn steps_done(&self) -> usize {
        self.state.epoch * self.plan.steps() + self.state.step
    }

    /// Steps of the whole run.
    fn steps(&self) -> usize {
        self.plan.steps() * self.setup.pipeline.train.epochs
    }

    /// Stops when a value of step `step`, from 1, is not a number.
    fn check(&self, what: &'static str, value: f32, step: usize) -> Result<(), Error> {
        if value.is_finite() { Ok(()) } else { Err(self.diverged(what, value, step)) }
    }

    fn diverged(&self, what: &'static str, value: f32, step: usize) -> Error {
        let run = self.setup.folder.clone();
        let is_kept = checkpoint::folders(&run).is_ok_and(|folders| !folders.is_empty());
        Error::Diverged { what, value, step, steps: self.steps(), run, is_kept }
    }

    /// Whether a checkpoint is to be written in the middle of the epoch.
    fn is_due(&self) -> bool {
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
    fn save(&mut self) -> Result<(), Error> {
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
    fn end_epoch(&mut self, source: &Source<'_>) -> Result<&EpochRecord, Error> {
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
    fn result(&mut self) -> Result<RunResult, Error> {
        let setup = self.setup;
        let (config, device) = (&setup.pipeline.train, &setup.device.device);
        let weights = best_weights(setup);
        let model = hf::load_weights(self.learner.evaluating(), &weights)?.model;
        let best = best_epoch(&self.state.log);
        // A checkpoint brings back the weights only.
        let beside = ["config.json", "preprocessor_config.json"];
        if beside.iter().any(|name| !weights.with_file_name(name).exists()) {
            let steps = best.map_or(0, |record| record.step);
            hf::save_folder(&setup.folder.join(BEST), &model, setup.card(steps))?;
        }
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
        })
    }
}

/// The samples that a run trains on: all, or, where only the labels are learnt from, those that have one.
fn trained_on(config: &config::Train, rows: &SplitRows) -> Vec<usize> {
    let is_labelled = |sample: &usize| rows.row(*sample as u64, 0).is_some_and(|row| rows.label(row) >= 0);
    let all = 0..rows.samples() as usize;
    let labelled: Vec<usize> = all.clone().filter(is_labelled).collect();
    if config.is_taught() || labelled.is_empty() { all.collect() } else { labelled }
}

/// The state from which the run resumes: that of the newest sound checkpoint, or the first.
fn resumed(
    setup: &Setup,
    checkpoints: &[PathBuf],
    plan: &Plan,
    learner: &mut Learner,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<State, Error> {
    let best = best_weights(setup);
    let run = (plan, setup.pipeline.train.epochs);
    for (index, checkpoint) in checkpoints.iter().enumerate().rev() {
        match checkpoint::load(checkpoint, setup.key, run, learner, &best) {
            Ok(state) => {
                for damaged in &checkpoints[index + 1..] {
                    checkpoint::set_aside(damaged)?;
                }
                watch(Event::Resumed { epoch: state.epoch, step: state.step });
                return Ok(state);
            }
            Err(error @ Error::Checkpoint { .. }) if index > 0 => watch(Event::Damaged(&error)),
            Err(error) => return Err(error),
        }
    }
    Ok(State::new(setup.key))
}

/// The best epoch on validation so far.
fn best_epoch(log: &[EpochRecord]) -> Option<&EpochRecord> {
    log.iter().rev().find(|record| record.best)
}

/// The file of the kept weights.
fn best_weights(setup: &Setup) -> PathBuf {
    setup.folder.join(BEST).join(hf::WEIGHTS)
}

fn best_digest(setup: &Setup) -> Result<Digest, Error> {
    let path = best_weights(setup);
    Digest::of_file(&path).map_err(Error::file("read", path))
}
