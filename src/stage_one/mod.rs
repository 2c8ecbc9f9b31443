//! Stage one: a dataset and a teacher become a cache.
//!
//! [`run`] asks the store which shards are missing, prepares batches on threads of low priority, runs the teacher, or several at
//! once, each on a thread of its own, and writes the rows shard by shard on the calling thread, each shard while the next is being
//! filled. A shard that was begun and not finished leaves nothing behind, so a rerun goes on from the finished ones. Batches never
//! cross shards and every call has the same size, so what a shard holds depends neither on where a run was interrupted nor on
//! how many threads, teachers or processes share the work.

mod batches;
mod error;
mod identity;
mod parts;
mod pipeline;
mod prepare;
mod recompute;
mod summary;
mod trial;
mod tune;
mod tuned;

use std::thread::available_parallelism;

use crate::config;
use crate::dataset::{Dataset, SplitName};
use crate::store::{CacheBuilder, ShardSpec, ShardWriter};
use crate::support::context::Context;
use crate::support::progress::Progress;
use crate::teacher::Teacher;

pub use error::Error;
pub use identity::{Left, left, manifest};
pub use pipeline::batches_alive;
pub use recompute::{Difference, Recomputed, recompute};
pub use summary::{State, Summary, at_chance};
pub use tune::{Open, Tuner};
pub use tuned::{Measured, Team, Tuned};

use pipeline::{Answers, Pipeline};
use prepare::Recipe;

/// What stage one is told beside the dataset and the teacher.
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
    let site = CacheBuilder::create_or_open(&settings.cache.dir, &manifest, settings.context)?;

    let shards = site.manifest().shards();
    let missing = site.missing_shards()?;
    let done_before = shards.len() - missing.len();
    let to_do = identity::of_part(site.manifest(), missing, settings.part);

    let rows: u64 = to_do.iter().map(|spec| spec.rows).sum();
    let mut progress = settings.context.progress("teacher", rows, "images");
    let recipe = Recipe::new(dataset, teacher.preprocess(), settings);
    let work = Work { site: &site, dataset, order: &order, context: settings.context };
    let workers = available_parallelism().map_or(1, Into::into);
    let pipeline = Pipeline { shards: &to_do, prepare: &recipe, batch_size: call_size, workers };
    let done = pipeline.run(teachers, |answers| work.all(&to_do, answers, &mut progress))?;
    let images_per_second = progress.rate();
    let seconds = progress.seconds();
    drop(progress);

    let state = if done.interrupted {
        State::Interrupted
    } else if site.missing_shards()?.is_empty() {
        State::Complete(site.complete()?)
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
        seconds,
        images_per_second,
        notes: Vec::new(),
        warnings: Vec::new(),
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
}

/// What was done in one run.
#[derive(Default)]
struct Done {
    shards: usize,
    rows: u64,
    interrupted: bool,
}

impl Work<'_> {
    /// Fills the shards `to_do` in order.
    fn all(
        &self,
        to_do: &[ShardSpec],
        answers: &mut Answers,
        progress: &mut Progress,
    ) -> Result<Done, Error> {
        let mut done = Done::default();
        let mut committer = self.site.committer();
        for spec in to_do {
            let Some(shard) = self.shard(spec, answers, progress)? else {
                done.interrupted = true;
                break;
            };
            committer.commit(shard)?;
            done.shards += 1;
            done.rows += spec.rows;
        }
        committer.wait()?;
        Ok(done)
    }

    /// Fills one shard; none when the user asked to stop before it was full.
    fn shard(
        &self,
        spec: &ShardSpec,
        answers: &mut Answers,
        progress: &mut Progress,
    ) -> Result<Option<ShardWriter>, Error> {
        let mut writer = ShardWriter::create(self.site.dir(), self.site.manifest(), spec);
        let split: SplitName = spec.split.parse().expect("the manifest has the splits of the dataset");
        let mut logits = vec![0.0; self.order.len()];
        let mut written = 0;
        while written < spec.rows {
            if self.context.is_cancelled() {
                return Ok(None);
            }
            let Some(answer) = answers.next()? else { return Ok(None) };
            for (row, raw) in answer.rows.iter().zip(answer.logits.chunks_exact(self.order.len())) {
                for (logit, &class) in logits.iter_mut().zip(self.order) {
                    *logit = raw[class];
                }
                let path = self.dataset.path(split, row.sample() as usize);
                writer.push(row.row(&path, &logits))?;
            }
            let rows = answer.rows.len() as u64;
            written += rows;
            progress.advance(rows);
            answers.give_back(answer);
        }
        Ok(Some(writer))
    }
}
