//! A short measurement: stage one over a few images of the dataset, for real, in a folder that is gone afterwards.

use std::path::Path;
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::encodings::{encodings, level};
use super::{Error, PlannedCache};
use crate::config::{self, Pipeline};
use crate::dataset::{Dataset, Sample, Split, SplitName};
use crate::stage_one::{self, Settings, State, TunedTeacher, Tuner};
use crate::store::{self, Cache, Encoding, Lost, Manifest, ShardRecord, ShardWriter};
use crate::support::context::Context;
use crate::support::memory;
use crate::support::scratch::{self, Unusable};
use crate::teacher::OnnxModel;
use crate::view::{self, Preprocess};

/// How long the teacher is run for.
const MEASURE: Duration = Duration::from_secs(4);
/// Rows of the measurement at most: what an encoding loses is known well enough then.
const MOST_ROWS: usize = 4096;
/// Images whose decoding for the student is measured.
const DECODED: usize = 64;

/// The measurements of a probe.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    /// Seconds until the teacher could be run.
    pub open_seconds: f64,
    /// Rows of stage one that were made.
    pub rows: usize,
    /// Seconds of stage one for a row: read, decoded, resized, through the teacher, written.
    pub row_seconds: f64,
    /// The most memory that this process has held, with teacher, dataset and batches; none where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
    /// Seconds for an image as the student sees it, on every core: read, decoded, resized.
    pub decode_seconds: f64,
    /// The measured rows under each of the encodings that were asked for.
    pub encoded: Vec<Encoded>,
}

/// The measured rows under one encoding.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    /// Which.
    pub encoding: Encoding,
    /// Bytes of a row in columns that zstd compressed; none where the teacher's logits don't fit the encoding.
    pub zstd_row_bytes: Option<f64>,
    /// The loss of the targets at each temperature, summed over the rows; nothing for float32.
    pub lost: Vec<Lost>,
}

impl Probe {
    /// Runs stage one over as many images of train as take a few seconds, as it would be run for all of `planned`, and writes
    /// what came out under each encoding that is compared.
    ///
    /// # Errors
    /// Whatever would stop stage one; [`Error::Interrupted`]; a temporary folder that can't be written.
    pub(crate) fn take(
        pipeline: &Pipeline,
        dataset: &Dataset,
        planned: &PlannedCache,
        context: &Context,
    ) -> Result<Self, Error> {
        let scratch = scratch::folder()?;
        let clock = Instant::now();
        let model = OnnxModel::read(&pipeline.teacher)?;
        let open = |tuning| model.open_team(tuning);
        let tuner = Tuner::open(&pipeline.teacher, &open)?;
        let open_seconds = clock.elapsed().as_secs_f64();
        let batch = pipeline.teacher.batch(tuner.teacher().describe().device.provider);
        let mut tuned = tuner.tune(planned.rows(), batch)?;

        let views = usize::from(pipeline.cache.views);
        let least = 2 * tuned.teachers.len() * batch.max(tuned.batch_size);
        let mut run = |name: &str, rows: usize| {
            let some = some_of_train(dataset, rows.div_ceil(views));
            stage_one(pipeline, &some, &mut tuned, batch, &scratch.path().join(name), context)
        };
        // The first batches warm up.
        let (_, seconds) = run("first", least)?;
        let rate = least as f64 / seconds;
        let rows = (rate * MEASURE.as_secs_f64()) as usize;
        let (cache, seconds) = run("second", rows.clamp(least, MOST_ROWS.max(least)))?;

        let peak_memory_bytes = memory::peak_bytes();
        let cache = Cache::open(&cache)?;
        let rows = cache.split(SplitName::Train.as_str())?.len();
        let level = level(&planned.manifest);
        let encodings = encodings(&planned.manifest).into_iter();
        let encoded = encodings.map(|encoding| encoded(&cache, encoding, level, scratch.path()));
        let encoded = encoded.collect::<Result<_, _>>()?;
        let decode_seconds = decode(pipeline, dataset)?;
        let row_seconds = seconds / rows as f64;
        Ok(Self { open_seconds, rows, row_seconds, peak_memory_bytes, decode_seconds, encoded })
    }
}

/// The dataset with only this many images of train, spread evenly over it.
fn some_of_train(dataset: &Dataset, images: usize) -> Dataset {
    let all = dataset.split(SplitName::Train).map_or(&[][..], |split| &split.samples);
    let count = images.clamp(1, all.len().max(1));
    let samples: Vec<Sample> =
        (0..count).filter_map(|index| all.get(index * all.len() / count)).cloned().collect();
    Dataset {
        name: dataset.name.clone(),
        classes: dataset.classes.clone(),
        splits: vec![Split { name: SplitName::Train, samples }],
        notes: Vec::new(),
        duplicates: Vec::new(),
        left_out: Vec::new(),
    }
}

/// Makes the cache of `dataset` under `root`, as the pipeline would but for its encoding; its folder, and the seconds.
fn stage_one(
    pipeline: &Pipeline,
    dataset: &Dataset,
    tuned: &mut TunedTeacher,
    batch_size: usize,
    root: &Path,
    context: &Context,
) -> Result<(std::path::PathBuf, f64), Error> {
    let cache = config::Cache {
        dir: root.to_path_buf(),
        encoding: Encoding::FLOAT32,
        zstd: 0,
        ..pipeline.cache.clone()
    };
    let settings = Settings { cache: &cache, batch_size, part: (0, 1), context };
    let call_size = tuned.batch_size;
    let summary = stage_one::run_all(dataset, &mut tuned.each(), call_size, &settings)?;
    match summary.state {
        State::Complete(_) => Ok((summary.dir, summary.seconds)),
        State::Interrupted | State::PartDone => Err(Error::Interrupted),
    }
}

/// Writes the rows of `cache` under another encoding.
fn encoded(cache: &Cache, encoding: Encoding, level: u8, root: &Path) -> Result<Encoded, Error> {
    let manifest = Manifest { encoding, name: "encoded".to_owned(), ..cache.manifest().clone() };
    let manifest = manifest.with_zstd(level)?;
    let (dir, manifest) = store::create_or_open(root, &manifest)?;
    let (mut bytes, mut rows, mut lost) = (0, 0, Vec::new());
    for spec in manifest.shards() {
        let mut writer = ShardWriter::create(&dir, &manifest, &spec);
        match writer.push_from(&*cache.split(&spec.split)?) {
            Err(store::Error::Mismatch(store::Mismatch::LogitTooLarge { .. })) => {
                return Ok(Encoded { encoding, zstd_row_bytes: None, lost });
            }
            filled => filled?,
        }
        let record: ShardRecord = writer.commit()?;
        bytes += record.bytes - footer_bytes(&dir.join(&spec.path))?;
        rows += spec.rows;
        Lost::add_all(&mut lost, record.lost);
    }
    Ok(Encoded { encoding, zstd_row_bytes: Some(bytes as f64 / rows.max(1) as f64), lost })
}

/// The footer's length stands before the closing magic.
fn footer_bytes(path: &Path) -> Result<u64, Error> {
    let bytes = std::fs::read(path).map_err(Unusable::at(path))?;
    let length = bytes.last_chunk::<8>().map_or(0, |[a, b, c, d, ..]| u32::from_le_bytes([*a, *b, *c, *d]));
    Ok(u64::from(length) + 8)
}

/// Seconds for an image at the student's size, on every core.
fn decode(pipeline: &Pipeline, dataset: &Dataset) -> Result<f64, Error> {
    let student = &pipeline.student;
    let side = student.image_size as u32;
    let preprocess = Preprocess::for_student(side, student.image_mean, student.image_std);
    let some = some_of_train(dataset, DECODED);
    let samples = some.splits[0].samples.len();
    let clock = Instant::now();
    (0..samples).into_par_iter().try_for_each(|index| {
        let bad =
            |source| stage_one::Error::Image { name: some.sample_name(SplitName::Train, index), source };
        view::render_whole(&some.read(SplitName::Train, index)?, &preprocess).map_err(bad)?;
        Ok::<(), stage_one::Error>(())
    })?;
    Ok(clock.elapsed().as_secs_f64() / samples.max(1) as f64)
}
