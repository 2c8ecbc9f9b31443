//! Stage one: a dataset and a teacher become a cache.
//!
//! [`run`] asks the store which shards are missing, prepares batches on other threads ahead of the teacher, runs the
//! teacher on the calling thread and writes the rows shard by shard, each while the next is being filled. A shard that was begun and not finished leaves
//! nothing behind, so a rerun goes on from the finished ones. Batches never cross shards, so what a shard holds depends
//! neither on where a run was interrupted nor on how many threads or processes share the work.

mod error;
mod identity;
mod prepare;
mod recompute;
mod summary;

use std::path::Path;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::config;
use crate::dataset::Dataset;
use crate::store::{self, Committer, Manifest, Row, ShardSpec, ShardWriter};
use crate::support::progress::Progress;
use crate::teacher::{Teacher, class_order};

pub use error::Error;
pub use identity::manifest;
pub use recompute::{Difference, Recomputed, recompute};
pub use summary::{State, Summary, at_chance};

use prepare::{Batch, Recipe};

/// Batches that may wait for the teacher; with the one being made and the one being used they bound the memory.
const WAITING_BATCHES: usize = 2;

/// What stage one is told beside the dataset and the teacher.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    /// The pipeline's `[cache]`.
    pub cache: &'a config::Cache,
    /// Rows that the teacher is given at once.
    pub batch_size: usize,
    /// Which of how many parts to do, such as `(0, 1)` for everything: of the shards `i`, those with `i % of == part`.
    pub part: (usize, usize),
    /// Asked between batches; once it says so, the shard in hand is given up and [`run`] returns.
    pub interrupted: &'a dyn Fn() -> bool,
}

/// Makes what is missing of the cache of `dataset` under `teacher`, and closes it once every shard is there.
///
/// # Errors
/// Classes that are not the dataset's, another cache under the same name, an image that can't be read or decoded (named),
/// a teacher that fails, a disk that is full. Finished shards stay.
pub fn run(dataset: &Dataset, teacher: &mut dyn Teacher, settings: &Settings) -> Result<Summary, Error> {
    let order = class_order(teacher.classes(), &dataset.classes)?;
    let description = teacher.describe();
    let manifest = identity::manifest(
        dataset,
        &description,
        teacher.fingerprint(),
        &teacher.preprocess().resizing(),
        settings,
    )?;
    let (dir, manifest) = store::create_or_open(&settings.cache.dir, &manifest)?;

    let (part, parts) = settings.part;
    let shards = manifest.shards();
    let missing = store::missing_shards(&dir, &manifest)?;
    let done_before = shards.len() - missing.len();
    let ours =
        |spec: &ShardSpec| shards.iter().position(|shard| shard == spec).is_some_and(|i| i % parts == part);
    let to_do: Vec<ShardSpec> = missing.into_iter().filter(ours).collect();

    let rows: u64 = to_do.iter().map(|spec| spec.rows).sum();
    let mut progress = Progress::new("teacher", rows, "images");
    let recipe = Recipe::new(dataset, teacher.preprocess(), settings);
    let work = Work { dir: &dir, manifest: &manifest, order: &order, interrupted: settings.interrupted };
    let done = work.all(&to_do, &recipe, teacher, &mut progress)?;
    let images_per_second = progress.rate();
    let seconds = progress.seconds();
    drop(progress);

    let state = if done.interrupted {
        State::Interrupted
    } else if store::missing_shards(&dir, &manifest)?.is_empty() {
        State::Complete(store::complete(&dir)?)
    } else {
        State::PartDone
    };
    let mut summary = Summary {
        dir,
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
    summary.judge(dataset, teacher.classes(), &order);
    Ok(summary)
}

/// Where rows go, and how logits become the dataset's order.
struct Work<'a> {
    dir: &'a Path,
    manifest: &'a Manifest,
    order: &'a [usize],
    interrupted: &'a dyn Fn() -> bool,
}

/// What was done in one run.
#[derive(Default)]
struct Done {
    shards: usize,
    rows: u64,
    interrupted: bool,
}

impl Work<'_> {
    /// Fills the shards `to_do` in order, preparing batches on another thread.
    fn all(
        &self,
        to_do: &[ShardSpec],
        recipe: &Recipe,
        teacher: &mut dyn Teacher,
        progress: &mut Progress,
    ) -> Result<Done, Error> {
        let mut done = Done::default();
        std::thread::scope(|scope| {
            let (ready, batches) = bounded(WAITING_BATCHES);
            let (give_back, used) = bounded(WAITING_BATCHES + 2);
            scope.spawn(move || recipe.prepare_all(to_do, &ready, &used));
            let mut committer = Committer::default();
            // Returning drops the channels, which ends the other thread at its next batch.
            for spec in to_do {
                let Some(shard) = self.shard(spec, teacher, &batches, &give_back, progress)? else {
                    done.interrupted = true;
                    break;
                };
                committer.commit(shard)?;
                done.shards += 1;
                done.rows += spec.rows;
            }
            committer.wait()?;
            Ok(done)
        })
    }

    /// Fills one shard; none when the user asked to stop before it was full.
    fn shard(
        &self,
        spec: &ShardSpec,
        teacher: &mut dyn Teacher,
        batches: &Receiver<Result<Batch, Error>>,
        give_back: &Sender<Batch>,
        progress: &mut Progress,
    ) -> Result<Option<ShardWriter>, Error> {
        let mut writer = ShardWriter::create(self.dir, self.manifest, spec);
        let mut logits = vec![0.0; self.order.len()];
        let mut written = 0;
        while written < spec.rows {
            if (self.interrupted)() {
                return Ok(None);
            }
            let batch = batches.recv().expect("every batch of every shard is prepared")?;
            let raw = teacher.logits(&batch.pixels, batch.rows.len())?;
            for (row, raw) in batch.rows.iter().zip(raw.chunks_exact(self.order.len())) {
                for (logit, &class) in logits.iter_mut().zip(self.order) {
                    *logit = raw[class];
                }
                writer.push(Row { logits: &logits, ..row.as_row() })?;
            }
            written += batch.rows.len() as u64;
            progress.advance(batch.rows.len() as u64);
            // Full only if the other thread has all the buffers it needs.
            let _ = give_back.try_send(batch);
        }
        Ok(Some(writer))
    }
}
