//! One run: a student trained from a cache, in a folder of its own.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use super::checkpoint::{self, State};
use super::evaluate::evaluate;
use super::images::Images;
use super::loader::{self, Source};
use super::log::{self, EpochRecord, RunResult, Timing};
use super::setup::Setup;
use super::step::{Batch, Learner};
use super::targets::Column;
use super::tensorboard::Board;
use super::{Error, order, schedule};
use crate::config::{self, Control};
use crate::dataset::SplitName;
use crate::student::{hf, parameter_count};
use crate::support::hash::Digest;
use crate::support::interrupt;
use crate::support::progress::{Progress, clock_time};

/// The folder of a run that holds the kept weights, as Hugging Face tools open it.
pub const BEST: &str = "best";

/// What happens on the way.
pub enum Event<'a> {
    /// The student got the weights of `student.init`; this is where its classifier is from.
    Initialised(hf::Head),
    /// Training goes on from a checkpoint, in this epoch after this many batches, both from 0.
    Resumed {
        /// The epoch.
        epoch: usize,
        /// Batches of it that are done.
        batch: usize,
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
/// A dataset or cache that is damaged, a device that fails, a loss that is no number, a file that can't be written.
pub fn train(setup: &Setup, watch: &mut dyn FnMut(Event<'_>)) -> Result<Outcome, Error> {
    let run = &setup.folder;
    if let Some(result) = log::read_json::<RunResult>(run, "result.json")? {
        let timing = log::read_json(run, "timing.json")?.unwrap_or_default();
        // It may have died between its result and this.
        checkpoint::clear(run)?;
        return Ok(Outcome::Done { result: Box::new(result), timing, already: true });
    }
    fs::create_dir_all(run).map_err(Error::file("create", run))?;
    log::write_json(run, "run.json", &setup.description())?;
    setup.check_content()?;
    Trainer::new(setup, watch)?.run(watch)
}

struct Trainer<'a> {
    setup: &'a Setup,
    validation: Images<'a>,
    learner: Learner,
    state: State,
    timing: Timing,
    board: Board,
}

impl<'a> Trainer<'a> {
    fn new(setup: &'a Setup, watch: &mut dyn FnMut(Event<'_>)) -> Result<Self, Error> {
        let train = &setup.pipeline.train;
        let device = setup.device.device.clone().autodiff();
        let (model, head) = setup.student(&device)?;
        if let Some(head) = head {
            watch(Event::Initialised(head));
        }
        let mut learner = Learner::new(model, train, &setup.device.device);
        let state = checkpoint::load(&setup.folder, &mut learner)?;
        if state != State::default() {
            watch(Event::Resumed { epoch: state.epoch, batch: state.batch });
        }
        let steps = setup.rows(SplitName::Train)?.samples() as usize;
        let done = state.epoch * steps.div_ceil(train.batch_size) + state.batch;
        let board = Board::open(&setup.folder, &setup.pipeline, done, &state.log)?;
        let mut timing: Timing = log::read_json(&setup.folder, "timing.json")?.unwrap_or_default();
        timing.device.clone_from(&setup.device.name);
        Ok(Self { setup, validation: setup.images(SplitName::Validation)?, learner, state, timing, board })
    }

    fn run(mut self, watch: &mut dyn FnMut(Event<'_>)) -> Result<Outcome, Error> {
        let started = Instant::now();
        let before = self.timing.seconds;
        let finished = self.epochs(watch)?;
        self.timing.seconds = before + started.elapsed().as_secs_f64();
        let run = &self.setup.folder;
        if !finished {
            checkpoint::save(run, &self.state, &self.learner)?;
            log::write_json(run, "timing.json", &self.timing)?;
            return Ok(Outcome::Interrupted { epochs: self.state.log.len() });
        }
        let result = self.result()?;
        self.timing.seconds = before + started.elapsed().as_secs_f64();
        log::write_json(run, "timing.json", &self.timing)?;
        log::write_json(run, "result.json", &result)?;
        checkpoint::clear(run)?;
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
            seed: config.seed,
        };
        std::thread::scope(|scope| {
            let start = (self.state.epoch, self.state.batch);
            let batches = loader::spawn(scope, source, start, config.epochs);
            while self.state.epoch < config.epochs {
                let label = format!("epoch {}/{}", self.state.epoch + 1, config.epochs);
                let left = source.batches() - self.state.batch;
                let mut progress = Progress::new(label, left as u64, "steps");
                let clock = Instant::now();
                while self.state.batch < source.batches() {
                    if interrupt::requested() {
                        self.timing.train_seconds += clock.elapsed().as_secs_f64();
                        return Ok(false);
                    }
                    let batch = batches.recv().expect("the loader sends every batch or an error")?;
                    self.step(batch, source.batches())?;
                    progress.advance(1);
                    progress.message(self.live(source.batches(), source.batches() - left, &clock));
                }
                self.timing.train_seconds += clock.elapsed().as_secs_f64();
                drop(progress);
                self.end_epoch(source.batches())?;
                watch(Event::Epoch(self.state.log.last().expect("an epoch has just ended")));
            }
            Ok(true)
        })
    }

    fn step(&mut self, batch: Batch, batches: usize) -> Result<(), Error> {
        let steps = batches * self.setup.pipeline.train.epochs;
        let step = self.state.epoch * batches + self.state.batch;
        let samples = batch.labels.len();
        let labelled = batch.labels.iter().filter(|&&label| label >= 0).count();
        let loss = self.learner.step(batch, step, steps);
        if !loss.total.is_finite() {
            return Err(Error::Diverged {
                loss: loss.total,
                step: step + 1,
                steps,
                run: self.setup.folder.clone(),
            });
        }
        let lr = schedule::learning_rate(&self.setup.pipeline.train, step, steps);
        self.board.step(step + 1, &loss, lr, samples)?;
        self.state.sums.add(loss, samples, labelled);
        self.state.batch += 1;
        self.timing.train_images += samples;
        Ok(())
    }

    /// How the epoch goes, in a line; `clock` has run since its batch `first`.
    fn live(&self, batches: usize, first: usize, clock: &Instant) -> String {
        let (state, config) = (&self.state, &self.setup.pipeline.train);
        let steps = batches * config.epochs;
        let step = state.epoch * batches + state.batch;
        let a_second = (state.batch - first) as f64 / clock.elapsed().as_secs_f64().max(1e-9);
        let sums = &state.sums;
        format!(
            "loss {:.3} (hard {:.3}, soft {:.3}), accuracy {:.1} %, lr {:.1e}, {:.0} images/s, run {} left",
            sums.mean(sums.total),
            sums.mean(sums.hard),
            sums.mean(sums.soft),
            100.0 * sums.accuracy(),
            schedule::learning_rate(config, step - 1, steps),
            a_second * config.batch_size as f64,
            clock_time((steps - step) as f64 / a_second)
        )
    }

    /// Validates, keeps the weights if they are the best yet, writes the log and a checkpoint.
    fn end_epoch(&mut self, batches: usize) -> Result<(), Error> {
        let setup = self.setup;
        let config = &setup.pipeline.train;
        let step = (self.state.epoch + 1) * batches;
        let model = self.learner.evaluating();
        let validation = evaluate(&model, &self.validation, config.temperature, &setup.device.device)?;
        let best_before =
            self.state.log.iter().map(|record| record.validation.accuracy).fold(f64::NEG_INFINITY, f64::max);
        let best = validation.accuracy > best_before;
        if best {
            hf::save_folder(&setup.folder.join(BEST), &model, setup.card(step))?;
        }
        let sums = self.state.sums;
        self.state.log.push(EpochRecord {
            epoch: self.state.epoch + 1,
            step,
            lr: schedule::learning_rate(config, step - 1, batches * config.epochs),
            train_loss: sums.mean(sums.total),
            train_hard: sums.mean(sums.hard),
            train_soft: sums.mean(sums.soft),
            train_accuracy: sums.accuracy(),
            validation,
            best,
        });
        self.board.epoch(self.state.log.last().expect("it was just pushed"))?;
        self.state.epoch += 1;
        self.state.batch = 0;
        self.state.sums = checkpoint::LossSums::default();
        log::write_epochs(&setup.folder, &self.state.log)?;
        checkpoint::save(&setup.folder, &self.state, &self.learner)?;
        log::write_json(&setup.folder, "timing.json", &self.timing)
    }

    /// Measures the kept weights, read back from their file, on validation and test.
    fn result(&mut self) -> Result<RunResult, Error> {
        let setup = self.setup;
        let config = &setup.pipeline.train;
        let record =
            self.state.log.iter().rev().find(|record| record.best).expect("the first epoch is the best yet");
        let weights = setup.folder.join(BEST).join(hf::WEIGHTS);
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
        let hash = Digest::of_file(&weights).map_err(Error::file("read", &weights))?;
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
            weights: hash.to_string(),
        })
    }
}

/// The run's folder: its readable name, the control that it is, if one, and the first 12 digits of its key.
pub(super) fn folder(train: &config::Train, name: &str, key: &Digest) -> PathBuf {
    let control = match train.control {
        Control::None => String::new(),
        control => format!("-{}", control.as_str()),
    };
    train.dir.join(format!("{name}{control}-{}", key.short(12)))
}
