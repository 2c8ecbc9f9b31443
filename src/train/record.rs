//! The records of a run: one line an epoch, its result and its times, each sealed with a checksum. No line but those of `timing.json`
//! holds a time, so that a rerun's files are the same.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Error;
use super::layout::{METRICS_FILE, TIMING_FILE};
use super::metrics::{Criterion, Metrics};
use crate::support::checksummed_json::{self, Damage};
use crate::support::hash::Digest;
use crate::support::{atomic, files};

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
    /// Its cross-entropy with the labels, before weighting.
    #[serde(alias = "train_hard")]
    pub ce_loss: f64,
    /// Its distillation loss, before weighting.
    #[serde(alias = "train_soft")]
    pub kd_loss: f64,
    /// Share of the epoch's labelled samples whose most likely class was the label, as each step saw them: with its dropout,
    /// its batch's statistics, and the weights before it. Nothing where no sample has a label.
    pub train_accuracy: Option<f64>,
    /// The validation split after the epoch.
    pub validation: Metrics,
    /// Whether no epoch before was better on validation.
    pub best: bool,
}

impl EpochRecord {
    /// Marks each epoch of `log` that is better than all before it.
    pub(crate) fn best_of(log: &[Self]) -> Vec<bool> {
        let mut best: Option<&Self> = None;
        let mut marks = Vec::with_capacity(log.len());
        for record in log {
            let is_best = record.is_better_than(best);
            if is_best {
                best = Some(record);
            }
            marks.push(is_best);
        }
        marks
    }

    /// Whether it is better on validation than the best epoch before it.
    pub(crate) fn is_better_than(&self, best: Option<&Self>) -> bool {
        let criterion = Criterion::of(&self.validation);
        best.is_none_or(|best| criterion.is_better(&self.validation, &best.validation))
    }
}

/// `result.json`: the results of a finished run.
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
    /// The measure on validation by which it was chosen; accuracy unless it says otherwise.
    #[serde(default, skip_serializing_if = "Criterion::is_accuracy")]
    pub chosen_by: Criterion,
    /// Those weights on the validation split.
    pub validation: Metrics,
    /// Those weights on the test split, where the dataset has one.
    pub test: Option<Metrics>,
    /// BLAKE3 of the kept weights' file.
    pub weights: String,
    /// BLAKE3 of each file beside them, by its name; runs of decant 0.1.0 name none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<String, Digest>,
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

    /// The times of a run; zeros where they are missing or damaged, since times never decide anything.
    pub(crate) fn read_or_default(run: &Path) -> Self {
        read_json(run, TIMING_FILE, Seal::Optional).ok().flatten().unwrap_or_default()
    }
}

/// Whether a file must be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// It must be.
    Required,
    /// It need not be: decant 0.1.0 wrote none.
    Optional,
}

/// Writes every epoch's line to `metrics.jsonl`.
///
/// # Errors
/// A file that can't be written.
pub(crate) fn write_epochs(run: &Path, log: &[EpochRecord]) -> Result<(), Error> {
    let mut text = Vec::new();
    for record in log {
        text.extend(checksummed_json::to_line(record));
        text.push(b'\n');
    }
    let path = run.join(METRICS_FILE);
    atomic::write(&path, &text).map_err(Error::file("write", path))
}

/// Reads every epoch's line of `metrics.jsonl`; none before the first epoch has ended.
///
/// # Errors
/// A file that can't be read, or a line that is damaged, by its number.
pub fn read_epochs(run: &Path, seal: Seal) -> Result<Vec<EpochRecord>, Error> {
    let path = run.join(METRICS_FILE);
    let Some(text) = read_bytes(&path)? else { return Ok(Vec::new()) };
    let lines = text.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let record = |(index, line): (usize, &[u8])| {
        let parsed: Result<EpochRecord, Damage> = match checksummed_json::parse_line(line) {
            Err(Damage::Unsealed) if seal == Seal::Optional => unsealed(line),
            parsed => parsed,
        };
        let mut record = parsed.map_err(|damage| Error::Damaged {
            path: path.clone(),
            reason: format!("line {}: {damage}", index + 1),
        })?;
        record.validation = record.validation.without_confusion();
        Ok(record)
    };
    lines.map(record).collect()
}

/// Writes one value as a sealed JSON file of the run.
///
/// # Errors
/// A file that can't be written.
pub(crate) fn write_json(run: &Path, name: &str, value: &impl Serialize) -> Result<(), Error> {
    let path = run.join(name);
    atomic::write(&path, &checksummed_json::to_bytes(value)).map_err(Error::file("write", path))
}

/// Reads one JSON file of a run, if it is there.
///
/// # Errors
/// A file that can't be read, or that is damaged.
pub(crate) fn read_json<T: DeserializeOwned>(run: &Path, name: &str, seal: Seal) -> Result<Option<T>, Error> {
    Ok(read_sealed(&run.join(name), seal)?.map(|(value, _)| value))
}

/// Reads a JSON file, if it is there, and says whether it is sealed.
///
/// # Errors
/// A file that can't be read, or that is damaged.
pub(crate) fn read_sealed<T: DeserializeOwned>(path: &Path, seal: Seal) -> Result<Option<(T, bool)>, Error> {
    let Some(bytes) = read_bytes(path)? else { return Ok(None) };
    let parsed = match checksummed_json::parse(&bytes) {
        Err(Damage::Unsealed) if seal == Seal::Optional => unsealed(&bytes).map(|value| (value, false)),
        parsed => parsed.map(|value| (value, true)),
    };
    parsed.map(Some).map_err(|damage| Error::Damaged { path: path.to_owned(), reason: damage.to_string() })
}

fn unsealed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Damage> {
    serde_json::from_slice(bytes).map_err(|error| Damage::Malformed(error.to_string()))
}

/// The bytes of a file of a run, if it is there. What is not a regular file is damage: nothing else belongs under such a name.
fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match files::read_regular(path, checksummed_json::LIMIT) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::read(path, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::confusion::Confusion;
    use crate::train::metrics::Meter;

    /// The measures of an epoch over images of this many classes.
    fn epoch(classes: usize, images: usize) -> EpochRecord {
        let mut meter = Meter::new(classes, 5.0);
        let mut logits = vec![0.0; classes];
        for image in 0..images {
            logits[image % classes] = image as f32;
            meter.add(&logits, &logits, &[((image * 7) % classes) as i32]);
        }
        let metrics = meter.finish();
        assert_eq!((metrics.confusion.labelled(), metrics.confusion.classes()), (images as u64, classes));
        EpochRecord {
            epoch: 90,
            step: 123_456,
            lr: 1.0 / 3.0,
            temperature: 5.0,
            lambda: 0.9,
            train_loss: 1.0 / 3.0,
            ce_loss: 1.0 / 3.0,
            kd_loss: 1.0 / 3.0,
            train_accuracy: Some(1.0 / 3.0),
            validation: metrics.without_confusion(),
            best: true,
        }
    }

    #[test]
    fn an_epoch_takes_as_many_bytes_for_any_number_of_classes() {
        for (classes, images) in [(3, 60), (1000, 300), (21_841, 40)] {
            let record = epoch(classes, images);
            let (line, pretty) = (checksummed_json::to_line(&record), checksummed_json::to_bytes(&record));
            // Ninety epochs, in the log and in a checkpoint's state, which is indented more.
            assert!(
                90 * line.len() < 100_000 && 90 * pretty.len() < 200_000,
                "{} {}",
                line.len(),
                pretty.len()
            );
        }
        assert_eq!(epoch(3, 9).validation.confusion, Confusion::default());
    }
}
