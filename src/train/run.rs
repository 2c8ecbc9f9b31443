//! One run: a student trained from a cache, in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::checkpoint::{self, State};
use super::class_weights::class_weights;
use super::evaluate::evaluate;
use super::images::Images;
use super::loader::{self, Source};
use super::lock::RunLock;
use super::plan::Plan;
use super::record::{self, EpochRecord, RunResult, Timing};
use super::resume::{self, Resume};
use super::setup::{Description, Setup};
use super::step::{Batch, Learner};
use super::targets::Column;
use super::tensorboard::Board;
use super::{Error, order, schedule};
use crate::config::{self, Control};
use crate::dataset::SplitName;
use crate::student::{hf, parameter_count};
use crate::support::context::Context;
use crate::support::hash::Digest;
use crate::support::progress::clock_time;

/// The folder of a run that holds the kept weights, as Hugging Face tools open it.
pub const BEST: &str = "best";

/// What happens on the way.
pub enum Event<'a> {
    /// The student got the weights of `student.init`; this is where its classifier is from.
    Initialised(hf::Head),
    /// Training goes on from a checkpoint, in this epoch after this many steps, both from 0.
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
    /// It is done; whether it had been before this call.
    Done {
        /// What it comes to.
        result: Box<RunResult>,
        /// What it cost.
        timing: Timing,
        /// Nothing was left to do.
        already: bool,
    },
    /// Stopped by the user; the same command goes on from here.
    Interrupted {
        /// Finished epochs.
        epochs: usize,
    },
}

/// Trains a prepared run, or what is left of it. `watch` sees what happens on the way.
///
/// # Errors
/// A dataset or cache that is damaged, a device that fails, a loss that is no number, a file that can't be written; a folder
/// that another process trains in, or that another run has.
pub fn train(setup: &Setup, context: &Context, watch: &mut dyn FnMut(Event<'_>)) -> Result<Outcome, Error> {
    resume(setup, &Resume::Auto, context, watch)
}

/// [`train`], from where `from` says.
///
/// # Errors
/// As [`train`]; what `from` does not want, or names and is not there.
pub fn resume(
    setup: &Setup,
    from: &Resume,
    context: &Context,
    watch: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome, Error> {
    let run = &setup.folder;
    resume::start(setup, from)?;
    if let Some(done) = finished(setup)? {
        // It may have died between its result and this; whoever has the lock is doing it.
        if let Ok(_lock) = RunLock::take(run) {
            // What is kept is what was asked for when it was trained.
            let trained = record::read_json::<Description>(run, "run.json")?;
            let trained = trained.as_ref().map_or(&setup.pipeline, |run| &run.pipeline);
            checkpoint::clear(run, trained.train.keep_checkpoints)?;
        }
        return Ok(done);
    }
    fs::create_dir_all(run).map_err(Error::file("create", run))?;
    let _lock = RunLock::take(run)?;
    if let Some(done) = finished(setup)? {
        return Ok(done);
    }
    // Whoever had the lock may have moved on.
    let checkpoint = resume::start(setup, from)?;
    record::write_json(run, "run.json", &setup.description())?;
    setup.check_content()?;
    Trainer::new(setup, context, checkpoint.as_deref(), watch)?.run(watch)
}

/// What the run came to, if it did before.
fn finished(setup: &Setup) -> Result<Option<Outcome>, Error> {
    let Some(result) = record::read_json::<RunResult>(&setup.folder, "result.json")? else { return Ok(None) };
    let timing = record::read_json(&setup.folder, "timing.json")?.unwrap_or_default();
    Ok(Some(Outcome::Done { result: Box::new(result), timing, already: true }))
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
    /// When the last checkpoint was written.
    saved: Instant,
}

impl<'a> Trainer<'a> {
    fn new(
        setup: &'a Setup,
        context: &'a Context,
        checkpoint: Option<&Path>,
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
        let mut learner = Learner::new(model, config, class_weights, &setup.device.device);
        let mut state = State::new(setup.key);
        if let Some(checkpoint) = checkpoint {
            state = checkpoint::load(checkpoint, setup.key, &mut learner, &best_weights(setup))?;
            watch(Event::Resumed { epoch: state.epoch, step: state.step });
        }
        let done = state.epoch * plan.steps() + state.step;
        let board = Board::open(&setup.folder, &setup.pipeline, done, &state.log)?;
        let mut timing: Timing = record::read_json(&setup.folder, "timing.json")?.unwrap_or_default();
        timing.device = setup.device.name;
        let validation = setup.images(SplitName::Validation)?;
        Ok(Self { setup, context, validation, plan, learner, state, timing, board, saved: Instant::now() })
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
        record::write_json(run, "timing.json", &self.timing)?;
        record::write_json(run, "result.json", &result)?;
        checkpoint::clear(run, self.setup.pipeline.train.keep_checkpoints)?;
        Ok(Outcome::Done { result: Box::new(result), timing: self.timing, already: false })
    }

    /// Trains to the end, or until the user interrupts: then `false`.
    fn epochs(&mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<bool, Error> {
        let setup = self.setup;
        let config = &setup.pipeline.train;
        let images = setup.images(SplitName::Train)?;
        let permuted = config.control == Control::PermutedTargets;
        let others = permuted.then(|| order::others(config.seed, images.rows().samples() as usize));
        let source = Source {
            images: &images,
            column: Column::of(config),
            others: others.as_deref(),
            batch_size: config.batch_size,
            used: self.plan.samples(),
            seed: config.seed,
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
                self.end_epoch()?;
                watch(Event::Epoch(self.state.log.last().expect("an epoch has just ended")));
            }
            Ok(true)
        })
    }

    fn step(&mut self, batches: Vec<Batch>) -> Result<(), Error> {
        let labels = batches.iter().flat_map(|batch| &batch.labels);
        let (samples, labelled) = (labels.clone().count(), labels.filter(|&&label| label >= 0).count());
        let (step, steps) = (self.steps_done(), self.steps());
        let loss = self.learner.step(batches, step, steps);
        self.check("the loss", loss.total)?;
        self.check("the gradient's norm", loss.gradient_norm)?;
        let lr = schedule::learning_rate(&self.setup.pipeline.train, step, steps);
        self.board.step(step + 1, &loss, lr, samples)?;
        self.state.sums.add(loss, samples, labelled);
        self.state.step += 1;
        self.timing.train_images += samples;
        Ok(())
    }

    /// How the epoch goes, in a line; `clock` has run since its step `first`.
    fn live(&self, first: usize, clock: &Instant) -> String {
        let (state, config) = (&self.state, &self.setup.pipeline.train);
        let (step, steps) = (self.steps_done(), self.steps());
        let a_second = (state.step - first) as f64 / clock.elapsed().as_secs_f64().max(1e-9);
        let sums = &state.sums;
        format!(
            "loss {:.3} (hard {:.3}, soft {:.3}), accuracy {:.1} %, lr {:.1e}, {:.0} images/s, run {} left",
            sums.mean(sums.total),
            sums.mean(sums.hard),
            sums.mean(sums.soft),
            100.0 * sums.accuracy(),
            schedule::learning_rate(config, step - 1, steps),
            a_second * self.plan.step_samples() as f64,
            clock_time((steps - step) as f64 / a_second)
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

    /// Stops where a value of the step that was just tried is no number.
    fn check(&self, what: &'static str, value: f32) -> Result<(), Error> {
        if value.is_finite() {
            return Ok(());
        }
        let (step, steps) = (self.steps_done() + 1, self.steps());
        Err(Error::Diverged { what, value, step, steps, run: self.setup.folder.clone() })
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

    /// Writes a checkpoint and deletes those that need not be kept. Weights that are no numbers never replace good ones.
    fn save(&mut self) -> Result<(), Error> {
        let run = &self.setup.folder;
        if let Some(value) = self.learner.not_finite() {
            let (step, steps) = (self.steps_done(), self.steps());
            return Err(Error::Diverged { what: "a weight", value, step, steps, run: run.clone() });
        }
        self.board.sync()?;
        checkpoint::save(run, &self.state, &self.learner, &best_weights(self.setup))?;
        checkpoint::prune(run, &self.state, self.setup.pipeline.train.keep_checkpoints)?;
        self.saved = Instant::now();
        record::write_json(run, "timing.json", &self.timing)
    }

    /// Validates, keeps the weights if they are the best yet, writes the log and a checkpoint.
    fn end_epoch(&mut self) -> Result<(), Error> {
        let setup = self.setup;
        let config = &setup.pipeline.train;
        let step = self.steps_done();
        let model = self.learner.evaluating();
        let validation = evaluate(&model, &self.validation, config.temperature, &setup.device.device)?;
        let best_before =
            self.state.log.iter().map(|record| record.validation.accuracy).fold(f64::NEG_INFINITY, f64::max);
        let best = validation.accuracy > best_before;
        if best {
            hf::save_folder(&setup.folder.join(BEST), &model, setup.card(step))?;
            self.state.best = Some(best_digest(setup)?);
        }
        let sums = self.state.sums;
        self.state.log.push(EpochRecord {
            epoch: self.state.epoch + 1,
            step,
            lr: schedule::learning_rate(config, step - 1, self.steps()),
            temperature: config.temperature_at(self.state.epoch),
            lambda: config.lambda_at(self.state.epoch),
            train_loss: sums.mean(sums.total),
            train_hard: sums.mean(sums.hard),
            train_soft: sums.mean(sums.soft),
            train_accuracy: sums.accuracy(),
            validation,
            best,
        });
        self.board.epoch(self.state.log.last().expect("it was just pushed"))?;
        self.state.epoch += 1;
        self.state.step = 0;
        self.state.sums = checkpoint::LossSums::default();
        record::write_epochs(&setup.folder, &self.state.log)?;
        self.save()
    }

    /// Measures the kept weights, read back from their file, on validation and test.
    fn result(&mut self) -> Result<RunResult, Error> {
        let setup = self.setup;
        let config = &setup.pipeline.train;
        let record =
            self.state.log.iter().rev().find(|record| record.best).expect("the first epoch is the best yet");
        let weights = best_weights(setup);
        let model = hf::load_weights(self.learner.evaluating(), &weights)?.model;
        let last = self.state.log.last().map_or(0, |record| record.step);
        self.board.mistakes(last, setup, &model, &self.validation)?;
        let test = match setup.dataset.split(SplitName::Test) {
            Some(_) => {
                let images = setup.images(SplitName::Test)?;
                Some(evaluate(&model, &images, config.temperature, &setup.device.device)?)
            }
            None => None,
        };
        Ok(RunResult {
            key: setup.key.to_string(),
            name: setup.pipeline.name.clone(),
            temperature: config.temperature,
            lambda: config.lambda_at(0),
            seed: config.seed,
            parameters: parameter_count(&model),
            best_epoch: record.epoch,
            validation: record.validation.clone(),
            test,
            weights: best_digest(setup)?.to_string(),
        })
    }
}

/// The file of the kept weights.
fn best_weights(setup: &Setup) -> PathBuf {
    setup.folder.join(BEST).join(hf::WEIGHTS)
}

fn best_digest(setup: &Setup) -> Result<Digest, Error> {
    let path = best_weights(setup);
    Digest::of_file(&path).map_err(Error::file("read", path))
}

/// The run's folder: its readable name, the control that it is, if one, and the first 12 digits of its key.
pub(super) fn folder(train: &config::Train, name: &str, key: &Digest) -> PathBuf {
    let control = match train.control {
        Control::None => String::new(),
        control => format!("-{}", control.as_str()),
    };
    train.dir.join(format!("{name}{control}-{}", key.short(12)))
}
