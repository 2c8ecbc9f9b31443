//! A run as TensorBoard shows it: one event file under `tensorboard/` in the run's folder.
//!
//! Points of the training curves every few steps, the validation measures of each epoch, the resolved configuration as
//! text and as hyper-parameters (HParams), and at the end pictures of the worst mistakes on validation. Only the wall times and the images a second differ
//! from one run to the same run again.
//!
//! A run that resumes from a checkpoint cuts the file back to that step, and adds what a
//! crash may have lost of the finished epochs: no step comes twice, and none is missing.

mod event;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Cursor, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use event::{Event, Value};
use image::ImageFormat;
use prost::Message;

use super::evaluate::Mistake;
use super::images::Images;
use super::record::EpochRecord;
use super::step::StepLoss;
use super::{Error, Setup};
use crate::config::Pipeline;
use crate::dataset::SplitName;
use crate::support::files;
use crate::support::tfrecord::{Records, framed};

/// The folder of the event file in a run's.
const FOLDER: &str = "tensorboard";
/// TensorBoard takes every file for one of events that has `tfevents` in its name.
const FILE: &str = "events.out.tfevents.decant";
/// How many mistakes are kept as pictures.
pub(crate) const MISTAKES: usize = 8;
/// The largest event file that is read, in bytes.
const LIMIT: u64 = 4 << 30;
/// The mark of the events of finished epochs, and of the pictures of the end.
const EPOCH_TAG: &str = "validation/";
const MISTAKE_TAG: &str = "mistakes/";

/// The event file of a run; nothing where `train.tensorboard` is 0.
pub(crate) struct Board(Option<Open>);

struct Open {
    file: File,
    path: PathBuf,
    /// Steps from one point to the next.
    every: usize,
    /// Images since `clock`.
    images: usize,
    clock: Instant,
}

impl Board {
    /// The event file of the run in `folder`, which continues after `step` optimiser steps and the epochs in `log`.
    ///
    /// # Errors
    /// A file that can't be read or written.
    pub(crate) fn open(
        folder: &Path,
        pipeline: &Pipeline,
        step: usize,
        log: &[EpochRecord],
    ) -> Result<Self, Error> {
        let every = pipeline.train.tensorboard;
        if every == 0 {
            return Ok(Self(None));
        }
        let folder = folder.join(FOLDER);
        fs::create_dir_all(&folder).map_err(Error::file("create", &folder))?;
        let path = folder.join(FILE);
        let failed = |action: &'static str| Error::file(action, &path);
        let old = match files::read_regular(&path, LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed("read")(error)),
        };
        let kept = Kept::of(&old, step);
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let mut file = file.map_err(failed("open"))?;
        file.set_len(kept.bytes as u64).map_err(failed("cut back"))?;
        file.seek(std::io::SeekFrom::End(0)).map_err(failed("open"))?;
        let mut open = Open { file, path, every, images: 0, clock: Instant::now() };
        if kept.bytes == 0 {
            open.write(&Event::version(now()))?;
            let config = toml::to_string(pipeline).expect("a configuration is plain data");
            // Markdown shows indented lines as they are.
            let config = format!("    {}", config.trim_end().replace('\n', "\n    "));
            open.write(&Event::summary(now(), 0, vec![Value::text("config", &config)]))?;
            let parameters = hyper_parameters(pipeline);
            open.write(&Event::summary(now(), 0, vec![Value::hyper_parameters(&parameters)]))?;
        }
        for record in log.iter().filter(|record| !kept.epochs.contains(&record.step)) {
            open.write_epoch(record)?;
        }
        Ok(Self(Some(open)))
    }

    /// Step `step`, counted from 1, of `samples` images was taken at the learning rate `lr`.
    ///
    /// # Errors
    /// A file that can't be written.
    pub(crate) fn step(
        &mut self,
        step: usize,
        loss: &StepLoss,
        lr: f64,
        samples: usize,
    ) -> Result<(), Error> {
        let Some(open) = &mut self.0 else { return Ok(()) };
        open.images += samples;
        if !step.is_multiple_of(open.every) {
            return Ok(());
        }
        let rate = open.images as f64 / open.clock.elapsed().as_secs_f64().max(1e-9);
        (open.images, open.clock) = (0, Instant::now());
        open.write(&Event::summary(
            now(),
            step,
            vec![
                Value::scalar("train/loss", f64::from(loss.total)),
                Value::scalar("train/ce_loss", f64::from(loss.ce)),
                Value::scalar("train/kd_loss", f64::from(loss.kd)),
                Value::scalar("train/gradient_norm", f64::from(loss.gradient_norm)),
                Value::scalar("train/lr", lr),
                Value::scalar("train/images_per_second", rate),
            ],
        ))
    }

    /// An epoch ended.
    ///
    /// # Errors
    /// A file that can't be written.
    pub(crate) fn epoch(&mut self, record: &EpochRecord) -> Result<(), Error> {
        let Some(open) = &mut self.0 else { return Ok(()) };
        open.write_epoch(record)?;
        (open.images, open.clock) = (0, Instant::now());
        Ok(())
    }

    /// Brings what was written to the disk, before the checkpoint that counts on it.
    ///
    /// # Errors
    /// A file that can't be written.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let Some(open) = &self.0 else { return Ok(()) };
        open.file.sync_data().map_err(Error::file("sync", &open.path))
    }

    /// The run ended after `step` steps: the pictures of its worst mistakes on validation, worst first, and that it ended.
    ///
    /// # Errors
    /// A file that can't be written, an image that can't be read.
    pub(crate) fn mistakes(
        &mut self,
        step: usize,
        setup: &Setup,
        mistakes: &[Mistake],
        validation: &Images<'_>,
    ) -> Result<(), Error> {
        let Some(open) = &mut self.0 else { return Ok(()) };
        let classes = &setup.dataset.classes;
        for (index, mistake) in mistakes.iter().enumerate() {
            let (label, predicted) = (&classes[mistake.label], &classes[mistake.predicted]);
            let (sample, _) = validation.rows().identity(mistake.row);
            let tag = format!("{MISTAKE_TAG}{} {label} taken for {predicted}", index + 1);
            let description = format!(
                "{}: {predicted} {:.1} %, {label} {:.1} %",
                setup.dataset.sample_name(SplitName::Validation, sample as usize),
                100.0 * mistake.predicted_probability,
                100.0 * mistake.label_probability
            );
            let picture = validation.resized(mistake.row)?;
            let mut png = Cursor::new(Vec::new());
            picture.write_to(&mut png, ImageFormat::Png).expect("memory takes any picture");
            let value = Value::image(&tag, &description, picture.dimensions(), png.into_inner());
            open.write(&Event::summary(now(), step, vec![value]))?;
        }
        open.write(&Event::summary(now(), step, vec![Value::end_of_run()]))
    }
}

/// Keys that name a run or decide how it is kept, not what it learns.
const NOT_TUNED: [&str; 8] = [
    "train.name",
    "train.tags",
    "train.dir",
    "train.device",
    "train.tensorboard",
    "train.keep-checkpoints",
    "train.checkpoint-steps",
    "train.checkpoint-minutes",
];

/// The settings of the student and its training, by dotted key.
fn hyper_parameters(pipeline: &Pipeline) -> BTreeMap<String, serde_json::Value> {
    // By way of text, where a float32 is as short as it was written.
    let text = serde_json::to_string(pipeline).expect("a configuration is plain data");
    let value: serde_json::Value = serde_json::from_str(&text).expect("it was just written");
    let mut found = BTreeMap::new();
    for section in ["student", "train"] {
        for (key, value) in value.get(section).and_then(|section| section.as_object()).into_iter().flatten() {
            found.insert(format!("{section}.{key}"), value.clone());
        }
    }
    found.insert("cache.views".to_owned(), value["cache"]["views"].clone());
    found.retain(|key, _| !NOT_TUNED.contains(&key.as_str()));
    found
}

impl Open {
    /// Appends one event, by a single write: a process that is killed leaves whole events, or one that is cut short.
    fn write(&mut self, event: &Event) -> Result<(), Error> {
        self.file.write_all(&framed(&event.encode_to_vec())).map_err(Error::file("write", &self.path))
    }

    fn write_epoch(&mut self, record: &EpochRecord) -> Result<(), Error> {
        let validation = &record.validation;
        // Measures that need labels are left out where there are none.
        let values = vec![
            ("validation/accuracy", validation.accuracy),
            ("validation/macro_f1", validation.macro_f1),
            ("validation/negative_log_likelihood", validation.negative_log_likelihood),
            ("validation/calibration_error", validation.calibration_error),
            ("validation/teacher_agreement", Some(validation.teacher_agreement)),
            ("validation/teacher_kl", Some(validation.teacher_kl)),
            ("epoch/loss", Some(record.train_loss)),
            ("epoch/ce_loss", Some(record.ce_loss)),
            ("epoch/kd_loss", Some(record.kd_loss)),
            ("epoch/accuracy", record.train_accuracy),
            ("epoch/temperature", Some(f64::from(record.temperature))),
            ("epoch/lambda", Some(f64::from(record.lambda))),
        ];
        let values: Vec<_> =
            values.into_iter().filter_map(|(tag, value)| Some(Value::scalar(tag, value?))).collect();
        self.write(&Event::summary(now(), record.step, values))
    }
}

/// The part of an event file that stays when its run resumes after some step.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    /// Its length from the beginning.
    bytes: usize,
    /// The steps at which it holds an epoch's measures.
    epochs: BTreeSet<usize>,
}

impl Kept {
    fn of(file: &[u8], step: usize) -> Self {
        let mut kept = Self::default();
        for (content, end) in Records::new(file) {
            match event::step_and_tag(content) {
                Some((at, tag)) if at <= step && !tag.starts_with(MISTAKE_TAG) && tag != event::END_TAG => {
                    if tag.starts_with(EPOCH_TAG) {
                        kept.epochs.insert(at);
                    }
                    kept.bytes = end;
                }
                _ => break,
            }
        }
        kept
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
