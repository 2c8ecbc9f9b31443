//! What a run writes down: one line an epoch, and its result. No line holds a time, so that a rerun's log is the same.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Error;
use super::metrics::Metrics;
use crate::support::atomic;

/// One line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Optimiser steps so far.
    pub step: usize,
    /// The learning rate of the epoch's last step.
    pub lr: f64,
    /// The temperature of the epoch.
    pub temperature: f32,
    /// The weight of the teacher's term in the epoch.
    pub lambda: f32,
    /// Mean loss over the epoch's samples.
    pub train_loss: f64,
    /// Its labels' part, before weighting.
    pub train_hard: f64,
    /// Its teacher's part, before weighting.
    pub train_soft: f64,
    /// Share of the epoch's labelled samples whose most likely class was the label, as each step saw them: with its dropout,
    /// its batch's statistics, and the weights before it.
    pub train_accuracy: f64,
    /// The validation split after the epoch.
    pub validation: Metrics,
    /// Whether no epoch before had a better validation accuracy.
    pub best: bool,
}

/// `result.json`: what a finished run comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunResult {
    /// The run's key.
    pub key: String,
    /// The run's readable name.
    pub name: String,
    /// Temperature of the distillation term.
    pub temperature: f32,
    /// Weight of the distillation term.
    pub lambda: f32,
    /// The run's seed.
    pub seed: u64,
    /// Parameters of the student that are trained.
    pub parameters: usize,
    /// The epoch whose weights were kept, from 1.
    pub best_epoch: usize,
    /// Those weights on the validation split.
    pub validation: Metrics,
    /// Those weights on the test split, where the dataset has one.
    pub test: Option<Metrics>,
    /// BLAKE3 of the kept weights' file.
    pub weights: String,
}

/// `timing.json`: what a run cost. It stands apart from the result because no two runs take the same time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Seconds of training steps, validation left out, over every part of a run that was interrupted.
    pub train_seconds: f64,
    /// Images in those steps.
    pub train_images: usize,
    /// Seconds in all.
    pub seconds: f64,
    /// The device.
    pub device: crate::config::StudentDevice,
}

impl Timing {
    /// Images a second in training steps.
    pub fn images_per_second(&self) -> f64 {
        self.train_images as f64 / self.train_seconds.max(1e-9)
    }
}

/// Writes every epoch's line to `metrics.jsonl`.
///
/// # Errors
/// A file that can't be written.
pub fn write_epochs(run: &Path, log: &[EpochRecord]) -> Result<(), Error> {
    let line = |record: &EpochRecord| serde_json::to_string(record).expect("a record is plain data") + "\n";
    let text: String = log.iter().map(line).collect();
    let path = run.join("metrics.jsonl");
    atomic::write(&path, text.as_bytes()).map_err(Error::file("write", path))
}

/// Reads every epoch's line of `metrics.jsonl`; none before the first epoch has ended.
///
/// # Errors
/// A file that can't be read, or a line that is no epoch's, by its number.
pub fn read_epochs(run: &Path) -> Result<Vec<EpochRecord>, Error> {
    let path = run.join("metrics.jsonl");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    let lines = text.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let record = |(index, line)| {
        serde_json::from_slice(line).map_err(|error| Error::Damaged {
            path: path.clone(),
            reason: format!("line {}: {error}", index + 1),
        })
    };
    lines.map(record).collect()
}

/// Writes one value as an indented JSON file of the run.
///
/// # Errors
/// A file that can't be written.
pub fn write_json(run: &Path, name: &str, value: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_string_pretty(value).expect("plain data");
    text.push('\n');
    let path = run.join(name);
    atomic::write(&path, text.as_bytes()).map_err(Error::file("write", path))
}

/// Reads one JSON file of a run, if it is there.
///
/// # Errors
/// A file that can't be read, or that holds something else.
pub fn read_json<T: for<'de> Deserialize<'de>>(run: &Path, name: &str) -> Result<Option<T>, Error> {
    let path = run.join(name);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    match serde_json::from_slice(&text) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(Error::Damaged { path, reason: error.to_string() }),
    }
}
