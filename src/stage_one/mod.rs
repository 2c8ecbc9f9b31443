//! Stage one: a dataset and a teacher become a cache.
//!
//! [`run`] asks the store which shards are missing, prepares batches on threads of low priority, runs the teacher, or several at
//! once, each on a thread of its own, and writes the rows shard by shard on the calling thread, each shard while the next is being
//! filled. The rows of a shard that was begun are kept beside it at least every half minute, so a rerun goes on from there, and rows that
//! another cache of the same teacher holds are copied. Batches never
//! cross shards and every call has the same size, so what a shard holds depends neither on where a run was interrupted nor on
//! how many threads, teachers or processes share the work.

mod batches;
mod error;
mod identity;
mod known;
mod known_row;
mod partial;
mod parts;
mod pipeline;
mod prepare;
mod probe;
mod recompute;
mod reuse;
mod skip;
mod summary;
mod trial;
mod tune;
mod tuned;

use std::thread::available_parallelism;

use crate::config;
use crate::dataset::{Dataset, SplitName};
use crate::store::{CacheBuilder, Row, ShardWriter};
use crate::support::context::Context;
use crate::support::progress::Progress;
use crate::teacher::Teacher;

pub(crate) use error::Error;
pub(crate) use identity::done_or_missing;
pub use identity::{Left, left, manifest};
pub(crate) use recompute::{Recomputed, recompute};
pub(crate) use reuse::reuse;
pub use skip::{run_all_skipping, without_left_out};
pub(crate) use summary::at_chance;
pub use summary::{State, Summary};
pub use tune::Tuner;
pub use tuned::{Sessions, TunedTeacher};

use known::{Known, Task};
use partial::Partial;
use pipeline::{Answers, Pipeline};
use prepare::Recipe;

/// The settings of stage one beside the dataset and the teacher.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// The pipeline's `[cache]`.
    pub cache: &'a config::Cache,
    /// The batch size whose logits the cache holds, as its manifest says; [`run`] gives the teacher as many rows at once.
    pub batch_size: usize,
    /// Which of how many parts to do, such as `(0, 1)` for everything: of the shards `i`, those with `i % of == part`.
    pub part: (usize, usize),
    /// Where progress goes; once it is cancelled, the shard in hand is given up and [`run`] returns.
    pub context: &'a Context,
}

/// [`run_all`] with one teacher that is given `settings.batch_size` images at once.
///
/// # Errors
/// As [`run_all`].
pub fn run(dataset: &Dataset, teacher: &mut dyn Teacher, settings: &Settings) -> Result<Summary, Error> {
    run_all(dataset, &mut [teacher], settings.batch_size, settings)
}

/// Makes what is missing of the cache of `dataset` under the teachers, and closes it once every shard is there.
///
/// The teachers are the same model, opened once for each device or core; they take batches as they can, and the cache's bytes are
/// those of any one of them. `call_size` is how many images each is given at once. The manifest says `settings.batch_size`: where
/// they differ, the caller knows that the logits do not.
///
/// # Panics
/// There must be a teacher.
///
/// # Errors
/// Classes that are not the dataset's, another cache under the same name, an image that can't be read or decoded (named),
/// a teacher that fails, a disk that is full. Finished shards stay.
pub fn run_all(
    dataset: &Dataset,
    teachers: &mut [&mut dyn Teacher],
    call_size: usize,
    settings: &Settings,
) -> Result<Summary, Error> {
    let teacher = &*teachers[0];
    let order = teacher.class_order(&dataset.classes)?;
    let classes = teacher.classes().to_vec();
    let description = teacher.describe();
    let manifest = identity::manifest(
        dataset,
        &description,
        teacher.fingerprint(),
        &teacher.preprocess().resize(),
        settings,
    )?;
    // A teacher that is refused leaves no folder behind.
    let is_begun = settings.cache.dir.join(manifest.folder_name()).exists();
    let mut warning = None;
    if !is_begun {
        warning = probe::check(&mut *teachers[0], call_size, dataset, settings)?;
    }
    let site = CacheBuilder::create_or_open(&settings.cache.dir, &manifest, settings.context)?;

    let shards = site.manifest().shards();
    let missing = site.missing_shards()?;
    let done_before = shards.len() - missing.len();
    let to_do = identity::of_part(site.manifest(), missing, settings.part);
    let known = Known::find(&site, dataset, to_do, settings)?;

    let rows: u64 = known.tasks.iter().map(|task| task.asked() as u64).sum();
    if rows > 0 && is_begun {
        warning = probe::check(&mut *teachers[0], call_size, dataset, settings)?;
    }
    let teacher = &*teachers[0];
    let mut progress = settings.context.progress("teacher", rows, "images");
    let recipe = Recipe::new(dataset, teacher.preprocess(), settings);
    let work = Work { site: &site, dataset, order: &order, context: settings.context, known: &known };
    let workers = available_parallelism().map_or(1, Into::into);
    let pipeline = Pipeline { shards: &known.tasks, prepare: &recipe, batch_size: call_size, workers };
    let done = pipeline.run(teachers, |answers| work.all(answers, &mut progress))?;
    let images_per_second = progress.rate();
    let seconds = progress.seconds();
    drop(progress);

    let state = if done.interrupted {
        State::Interrupted
    } else if site.missing_shards()?.is_empty() {
        let complete = site.complete()?;
        partial::remove_all(site.dir(), site.manifest());
        State::Complete(complete)
    } else {
        State::PartDone
    };
    let mut summary = Summary {
        dir: site.dir().to_path_buf(),
        state,
        teacher: description,
        shards: shards.len(),
        shards_done_before: done_before,
        shards_done_now: done.shards,
        images: done.rows,
        reused: done.reused,
        seconds,
        images_per_second,
        notes: Vec::new(),
        warnings: warning.into_iter().collect(),
    };
    summary.judge(dataset, &classes, &order);
    Ok(summary)
}

/// Where rows go, and how logits become the dataset's order.
struct Work<'a> {
    site: &'a CacheBuilder,
    dataset: &'a Dataset,
    order: &'a [usize],
    context: &'a Context,
    known: &'a Known,
}

/// The work that one run did.
#[derive(Default)]
struct Done {
    shards: usize,
    rows: u64,
    reused: u64,
    interrupted: bool,
}

impl Work<'_> {
    /// Fills the shards in order.
    fn all(&self, answers: &mut Answers, progress: &mut Progress) -> Result<Done, Error> {
        let mut done = Done::default();
        let mut committer = self.site.committer();
        let mut committing: Option<Partial> = None;
        for task in &self.known.tasks {
            let mut partial = Partial::new(self.site.dir(), self.site.manifest(), &task.spec);
            let shard = match self.shard(task, &mut partial, answers, progress) {
                Ok(Some(shard)) => shard,
                unfinished => {
                    partial.keep();
                    unfinished?;
                    done.interrupted = true;
                    break;
                }
            };
            committer.commit(shard)?;
            // The shard before is safe on disk now.
            committing.replace(partial).into_iter().for_each(Partial::remove);
            done.shards += 1;
            done.rows += task.asked() as u64;
            done.reused += task.spec.rows - task.asked() as u64;
        }
        committer.wait()?;
        committing.into_iter().for_each(Partial::remove);
        Ok(done)
    }

    /// Fills one shard; none when the user asked to stop before it was full.
    fn shard(
        &self,
        task: &Task,
        partial: &mut Partial,
        answers: &mut Answers,
        progress: &mut Progress,
    ) -> Result<Option<ShardWriter>, Error> {
        let spec = &task.spec;
        let mut writer = ShardWriter::create(self.site.dir(), self.site.manifest(), spec);
        let split: SplitName = spec.split.parse().expect("the manifest has the splits of the dataset");
        let path = |sample: u64| self.dataset.path(split, sample as usize);
        let mut logits = vec![0.0; self.order.len()];
        // Rows up to here are written.
        let mut next = 0;
        let mut asked = 0;
        while asked < task.asked() {
            if self.context.is_cancelled() {
                return Ok(None);
            }
            let Some(answer) = answers.next().map_err(|error| self.named(error, split))? else {
                return Ok(None);
            };
            for (row, raw) in answer.rows.iter().zip(answer.logits.chunks_exact(self.order.len())) {
                let position = task.row(asked);
                self.copy(task, next..position, split, &mut writer)?;
                for (logit, &class) in logits.iter_mut().zip(self.order) {
                    *logit = raw[class];
                }
                writer.push(row.row(&path(row.sample), &logits))?;
                partial.add(position, row, &logits);
                next = position + 1;
                asked += 1;
            }
            progress.advance(answer.rows.len() as u64);
            answers.give_back(answer);
            partial.keep_now_and_then();
        }
        self.copy(task, next..spec.rows, split, &mut writer)?;
        Ok(Some(writer))
    }

    /// Adds rows whose logits are known.
    fn copy(
        &self,
        task: &Task,
        positions: std::ops::Range<u64>,
        split: SplitName,
        writer: &mut ShardWriter,
    ) -> Result<(), Error> {
        for position in positions {
            let (sample, view) = task.spec.identity(position);
            let of_sample = known::sample(self.dataset, split, sample);
            let image_hash = known::image_hash(of_sample);
            let known_row::KnownRow { crop, flip, operations, input_hash, logits, stored } =
                self.known.row(task, position, view, image_hash)?;
            let (label, path) = (of_sample.label, self.dataset.path(split, sample as usize));
            let row = Row {
                sample,
                path: &path,
                image_hash,
                label,
                view,
                crop,
                flip,
                operations: &operations,
                input_hash,
                logits: &logits,
            };
            match stored {
                Some(values) => writer.push_stored(row, values)?,
                None => writer.push(row)?,
            }
        }
        Ok(())
    }

    /// An error on an image with the image's name, which the pipeline does not know.
    fn named(&self, error: Error, split: SplitName) -> Error {
        match error {
            Error::OnImage { name, source } => {
                let name = name.parse().map_or(name, |sample| self.dataset.sample_name(split, sample));
                Error::OnImage { name, source }
            }
            other => other,
        }
    }
}
