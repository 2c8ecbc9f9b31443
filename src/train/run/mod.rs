//! The training loop of one run: its steps are in `steps`, and the end of each epoch and of the run in `ending`.

mod ending;
mod steps;

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::checkpoint::{self, State};
use super::class_weights::class_weights;
use super::images::Images;
use super::layout::{RESULT_FILE, RUN_FILE, TIMING_FILE};
use super::loader::{self, Source};
use super::plan::Plan;
use super::record::{self, EpochRecord, RunResult, Timing};
use super::setup::Setup;
use super::step::{Learner, Pending};
use super::targets::Column;
use super::tensorboard::Board;
use super::{Error, order};
use crate::config::{self, Control};
use crate::dataset::SplitName;
use crate::store::SplitRows;
use crate::student::hf;
use crate::support::context::Context;

/// An event of training.
pub enum Event<'a> {
    /// A checkpoint is damaged, and the one before it is taken: its folder and its fault.
    Damaged(&'a Path, &'a str),
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
pub(crate) fn run(
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
pub(crate) fn clear(folder: &Path, keep: usize) -> Result<(), Error> {
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
        let labels = rows.plain().map(|row| rows.label(row));
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
    let best = ending::best_weights(setup);
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
            Err(Error::Checkpoint { path, reason }) if index > 0 => watch(Event::Damaged(&path, &reason)),
            Err(error) => return Err(error),
        }
    }
    Ok(State::new(setup.key))
}
