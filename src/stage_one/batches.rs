//! Which rows make which batch, and a batch while it is being filled.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use image::RgbImage;

use super::Error;
use super::known::Task;
use super::parts::{BatchSlice, LentBuffer, lend};
use super::prepare::ViewRow;
use crate::dataset::SplitName;

/// The buffers of one batch, reused from batch to batch.
#[derive(Default)]
pub(super) struct Buffers {
    /// `[batch, 3, height, width]`.
    pub pixels: Vec<f32>,
    /// The rows without their logits.
    pub rows: Vec<ViewRow>,
}

/// A batch that is ready for a teacher.
pub(super) struct Batch {
    /// Its place among all batches.
    pub number: u64,
    /// Its pixels; only the first `rows.len()` images count.
    pub buffers: Buffers,
}

/// The rows of the shards cut into batches, and these into pieces: consecutive views of one sample.
///
/// Batches never cross shards, so what a shard holds depends on nothing but its own rows.
pub(super) struct Planner<'a> {
    shards: &'a [Task],
    batch_size: usize,
    /// Values of one image.
    image: usize,
    next_row: usize,
    next_number: u64,
    pieces: VecDeque<Piece>,
    /// Its next views may stand in the next batch.
    last: Option<Arc<Sample>>,
}

impl<'a> Planner<'a> {
    pub(crate) fn new(shards: &'a [Task], batch_size: usize, image: usize) -> Self {
        let (pieces, last) = (VecDeque::new(), None);
        Self { shards, batch_size, image, next_row: 0, next_number: 0, pieces, last }
    }

    /// The next piece; `buffers` is asked for those of a new batch, and says when to stop. None once all are given out.
    pub(crate) fn next(&mut self, buffers: impl FnOnce() -> Option<Buffers>) -> Option<Piece> {
        if self.pieces.is_empty() {
            while self.shards.first()?.asked() == 0 {
                self.shards = &self.shards[1..];
            }
            let task = self.shards.first()?;
            let rows = self.next_row..(self.next_row + self.batch_size).min(task.asked());
            self.open(task, rows.clone(), buffers()?);
            self.next_row = rows.end;
            if self.next_row == task.asked() {
                self.shards = &self.shards[1..];
                self.next_row = 0;
                self.last = None;
            }
        }
        self.pieces.pop_front()
    }

    /// Cuts the rows of one batch into pieces.
    fn open(&mut self, task: &Task, rows: Range<usize>, mut buffers: Buffers) {
        let split = task.spec.split.parse().expect("the manifest's splits are the dataset's");
        let identities: Vec<(u64, u16)> = rows.map(|row| task.spec.identity(task.row(row))).collect();
        let samples: Vec<&[(u64, u16)]> = identities.chunk_by(|a, b| a.0 == b.0).collect();
        buffers.pixels.resize(self.batch_size * self.image, 0.0);
        buffers.rows.clear();
        buffers.rows.resize(identities.len(), ViewRow::default());
        let (lent, parts) = lend(buffers.pixels, samples.iter().map(|views| views.len() * self.image));
        let filling =
            Filling { pixels: Some(lent), rows: buffers.rows, missing: samples.len(), failed: None };
        let batch = Arc::new(Open { number: self.next_number, filling: Mutex::new(filling) });
        self.next_number += 1;
        let mut first_row = 0;
        for (views, pixels) in samples.into_iter().zip(parts) {
            let index = views[0].0;
            let sample = match &self.last {
                Some(last) if last.index == index => Arc::clone(last),
                _ => Arc::new(Sample { split, index, decoded: Mutex::new(None) }),
            };
            self.last = Some(Arc::clone(&sample));
            let views = views.iter().map(|&(_, view)| view).collect::<Vec<u16>>();
            let batch = Arc::clone(&batch);
            let rows = first_row..first_row + views.len();
            first_row = rows.end;
            self.pieces.push_back(Piece { sample, views, pixels, rows, batch });
        }
    }
}

/// A sample, decoded once for all its views that are on their way, whichever batches they stand in.
pub(super) struct Sample {
    pub split: SplitName,
    pub index: u64,
    decoded: Mutex<Option<Arc<RgbImage>>>,
}

impl Sample {
    /// The image, from `decode` if it is not decoded yet; other threads that want it wait.
    pub(crate) fn decoded(
        &self,
        decode: impl FnOnce() -> Result<RgbImage, Error>,
    ) -> Result<Arc<RgbImage>, Error> {
        let mut decoded = lock(&self.decoded);
        if let Some(image) = &*decoded {
            return Ok(Arc::clone(image));
        }
        let image = Arc::new(decode()?);
        *decoded = Some(Arc::clone(&image));
        Ok(image)
    }
}

/// Views of one sample that stand together in one batch: what a thread prepares at a time.
pub(super) struct Piece {
    pub sample: Arc<Sample>,
    pub views: Vec<u16>,
    /// Where its views' images are written, one behind the other.
    pub pixels: BatchSlice,
    rows: Range<usize>,
    batch: Arc<Open>,
}

/// A batch that still lacks pieces.
struct Open {
    number: u64,
    filling: Mutex<Filling>,
}

struct Filling {
    pixels: Option<LentBuffer>,
    rows: Vec<ViewRow>,
    missing: usize,
    /// The error of the first row that could not be prepared.
    failed: Option<(usize, Error)>,
}

/// The outcome of a batch: full, or the error of its first bad row.
pub(super) struct Filled {
    pub batch: Batch,
    pub failed: Option<Error>,
}

impl Piece {
    /// Says what the rows of this piece are; the last piece of a batch makes it ready.
    pub(crate) fn finish(self, seen: Result<Vec<ViewRow>, Error>) -> Option<Filled> {
        let Self { pixels, rows, batch, .. } = self;
        drop(pixels);
        let mut filling = lock(&batch.filling);
        match seen {
            Ok(seen) => filling.rows[rows].clone_from_slice(&seen),
            Err(error) if filling.failed.as_ref().is_none_or(|(row, _)| rows.start < *row) => {
                filling.failed = Some((rows.start, error));
            }
            Err(_) => {}
        }
        filling.missing -= 1;
        if filling.missing > 0 {
            return None;
        }
        let pixels = filling.pixels.take().and_then(LentBuffer::whole).expect("every part came back");
        let buffers = Buffers { pixels, rows: std::mem::take(&mut filling.rows) };
        let failed = filling.failed.take().map(|(_, error)| error);
        Some(Filled { batch: Batch { number: batch.number, buffers }, failed })
    }
}

/// The guarded value: it is whole even if a thread that held the lock panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
