//! The cost of stage one and its students, from how much there is and how fast it goes.
//!
//! With `r` seconds a row in stage one, `i` train images, `e` epochs and `s` seconds for an image of an epoch in training:
//!
//! - stage one takes `rows * r`;
//! - a student trained from the cache takes `e * i * s`;
//! - a student that asks the teacher in every step takes `e * i * (s + r)`;
//! - so the cache has paid for itself after `rows / i` epochs, of one student or of several: one for every view, and a bit for
//!   the splits that a student is only measured on.

use serde::Serialize;

use super::encodings::{encodings, level};
use super::{PlannedCache, Probe};
use crate::config::Pipeline;
use crate::dataset::{Dataset, SplitName};
use crate::store::Manifest;
use crate::train::keeps_pixels;

/// Everything that is known of a pipeline's cost. Times are in seconds, on this machine.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Cost {
    /// Images of every split.
    pub images: u64,
    /// Images that students are trained on.
    pub train_images: u64,
    /// Rows of the cache: a view of an image each.
    pub rows: u64,
    /// Of those the ones that are not there yet.
    pub rows_left: u64,
    /// The size of the cache under every encoding.
    pub encodings: Vec<EncodingCost>,
    /// Bytes of logits and columns that stage one holds beside teacher, dataset and batches: see `cache/README.md`.
    pub shard_memory_bytes: u64,
    /// Stage one; none where nothing was measured or assumed.
    pub stage_one: Option<StageOneCost>,
    /// One student of the pipeline; none where nothing was measured.
    pub student: Option<StudentCost>,
    /// After how many epochs, of one student or of several together, the cache has cost less than the teacher in every step.
    pub pays_off_epochs: f64,
    /// The sweep, where the file has one.
    pub sweep: Option<SweepCost>,
}

/// A cache under one encoding.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EncodingCost {
    /// `float32`, `float16` or `top-50`.
    pub encoding: String,
    /// Whether it is the pipeline's.
    pub chosen: bool,
    /// Bytes of all shards as they are read straight from the map, to the byte.
    pub bytes: u64,
    /// The level of zstd that was measured.
    pub zstd_level: u8,
    /// Bytes of all shards at that level, from the measured rows.
    pub zstd_bytes: Option<u64>,
    /// The temperature of what follows.
    pub temperature: f32,
    /// Mean KL in nats from the teacher's targets to those as they are read, over the measured rows.
    pub mean_kl: Option<f64>,
    /// Where classes are dropped, the mean mass of those that are kept.
    pub mean_kept: Option<f64>,
}

/// Stage one.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StageOneCost {
    /// Rows that were measured; 0 where the rate was given.
    pub measured_rows: usize,
    /// Rows a second.
    pub rows_per_second: f64,
    /// Every row, from nothing.
    pub cold_seconds: f64,
    /// The rows that are left.
    pub left_seconds: f64,
    /// The most memory that it takes, about: what the measurement took, and the shards in hand.
    pub memory_bytes: Option<u64>,
    /// Once the cache is there: dataset and teacher are read and hashed, nothing is run.
    pub warm_seconds: Option<f64>,
}

/// One student.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StudentCost {
    /// Its epochs.
    pub epochs: usize,
    /// From the cache.
    pub seconds: f64,
    /// Of those, reading, decoding and resizing images.
    pub decode_seconds: f64,
    /// With the teacher in every step.
    pub online_seconds: Option<f64>,
}

/// A whole sweep, one run after another.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct SweepCost {
    /// Runs that are known.
    pub runs: usize,
    /// Of those done.
    pub done: usize,
    /// Rungs of successive halving whose runs are not known yet, and not counted.
    pub rungs_left: usize,
    /// The runs that are not done, from the cache; images are decoded once.
    pub left_seconds: Option<f64>,
    /// All runs.
    pub seconds: Option<f64>,
    /// All runs, with the teacher in every step.
    pub online_seconds: Option<f64>,
}

impl Cost {
    /// The costs that follow from the sizes only.
    pub(crate) fn of(pipeline: &Pipeline, dataset: &Dataset, cache: &PlannedCache) -> Self {
        let images = |split| dataset.split(split).map_or(0, |split| split.samples.len()) as u64;
        let train_images = images(SplitName::Train);
        let (rows, manifest) = (cache.rows(), &cache.manifest);
        let read = pipeline.train.cached_temperature();
        let temperature = read.or(manifest.temperatures.first().copied()).unwrap_or(1.0);
        let path_bytes = |split: &str, sample: u64| {
            let split: SplitName = split.parse().expect("the manifest has the splits of the dataset");
            dataset.path(split, sample as usize).len()
        };
        let encodings = encodings(manifest).into_iter().map(|encoding| EncodingCost {
            encoding: encoding.to_string(),
            chosen: encoding == manifest.encoding,
            bytes: Manifest { encoding, ..manifest.clone() }.plain_bytes(&path_bytes),
            zstd_level: level(manifest),
            zstd_bytes: None,
            temperature,
            mean_kl: None,
            mean_kept: None,
        });
        let shard_rows = cache.shards.iter().map(|shard| shard.spec.rows).max().unwrap_or(0);
        Self {
            images: SplitName::ALL.into_iter().map(images).sum(),
            train_images,
            rows,
            rows_left: cache.rows_left(),
            encodings: encodings.collect(),
            // The logits of two shards, and two columns of one.
            shard_memory_bytes: 4 * shard_rows * manifest.classes() as u64 * 4,
            stage_one: None,
            student: None,
            pays_off_epochs: rows as f64 / train_images.max(1) as f64,
            sweep: None,
        }
    }

    /// Adds what stage one takes at `rows_per_second`.
    pub(crate) fn at_rate(&mut self, rows_per_second: f64, warm_seconds: Option<f64>) {
        self.stage_one = Some(StageOneCost {
            measured_rows: 0,
            rows_per_second,
            cold_seconds: self.rows as f64 / rows_per_second,
            left_seconds: self.rows_left as f64 / rows_per_second,
            memory_bytes: None,
            warm_seconds,
        });
    }

    /// Adds what was measured of stage one; opening the dataset took `dataset_seconds`.
    pub(crate) fn measured(&mut self, probe: &Probe, dataset_seconds: f64) {
        self.at_rate(1.0 / probe.row_seconds, Some(dataset_seconds + probe.open_seconds));
        if let Some(stage_one) = &mut self.stage_one {
            stage_one.measured_rows = probe.rows;
            stage_one.memory_bytes = probe.peak_memory_bytes.map(|peak| peak + self.shard_memory_bytes);
        }
        for (cost, encoded) in self.encodings.iter_mut().zip(&probe.encoded) {
            cost.zstd_bytes = encoded.zstd_row_bytes.map(|bytes| (bytes * self.rows as f64) as u64);
            let lost = encoded.lost.iter().find(|lost| lost.temperature.total_cmp(&cost.temperature).is_eq());
            let rows = probe.rows as f64;
            let exact = encoded.encoding.is_exact();
            cost.mean_kl = lost.map(|lost| lost.kl_sum / rows).or(exact.then_some(0.0));
            cost.mean_kept = lost.and_then(|lost| lost.kept_sum).map(|kept| kept / rows);
        }
    }

    /// Adds a student whose steps and validation take `seconds`, and the runs of a sweep.
    pub(crate) fn students(
        &mut self,
        pipeline: &Pipeline,
        seconds: f64,
        decoding: Decoding,
        sweep: Option<&[Run]>,
    ) {
        let epochs = pipeline.train.epochs;
        let side = pipeline.student.image_size as u32;
        let train_rows = self.train_images * u64::from(pipeline.cache.views);
        let once = if keeps_pixels(train_rows as usize, (side, side)) { train_rows } else { u64::MAX };
        // Every image of every epoch, or each row once where the pixels are kept.
        let decode =
            |epochs: usize| decoding.image_seconds * once.min(epochs as u64 * self.train_images) as f64;
        let row_seconds = self.stage_one.as_ref().map(|stage_one| 1.0 / stage_one.rows_per_second);
        let teacher = |epochs: usize| row_seconds.map(|row| row * (epochs as u64 * self.train_images) as f64);
        let decode_seconds = decode(epochs);
        let join =
            |steps: f64, decode: f64| if decoding.overlaps { steps.max(decode) } else { steps + decode };
        let from_cache = join(seconds, decode_seconds);
        self.student = Some(StudentCost {
            epochs,
            seconds: from_cache,
            decode_seconds,
            online_seconds: teacher(epochs).map(|teacher| from_cache + teacher),
        });
        if let (Some(runs), Some(cost)) = (sweep, &mut self.sweep) {
            let all: usize = runs.iter().map(|run| run.epochs).sum();
            let left: usize = runs.iter().filter(|run| !run.done).map(|run| run.epochs).sum();
            let sum = |of: &dyn Fn(&&Run) -> bool| runs.iter().filter(of).map(|run| run.seconds).sum::<f64>();
            let whole = join(sum(&|_| true), decode(all));
            cost.left_seconds = Some(join(sum(&|run| !run.done), decode(left)));
            cost.seconds = Some(whole);
            cost.online_seconds = teacher(all).map(|teacher| whole + teacher);
        }
    }
}

/// The cost of images to a student.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoding {
    /// Seconds for one to be read, decoded and resized, on every core; 0 where the runs' seconds have it in them.
    pub image_seconds: f64,
    /// Whether that goes on beside the steps, which another device takes.
    pub overlaps: bool,
}

/// A run of a sweep, as its cost is added up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// Seconds of its steps and validations.
    pub seconds: f64,
    /// Its epochs.
    pub epochs: usize,
    /// Whether it is done.
    pub done: bool,
}
