//! The epoch loader: one thread that prepares batches ahead of the step, in an order that (seed, epoch) fixes.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use super::Error;
use super::images::Images;
use super::order::{epoch_order, view_of};
use super::step::{Batch, SoftTargets};

/// Batches prepared ahead of the step at most.
const AHEAD: usize = 3;

/// What the batches are made from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The pixels.
    pub images: &'a Images<'a>,
    /// Whose soft targets; none leaves them at zero, for a run that does not look at them.
    pub temperature: Option<f32>,
    /// Samples in one batch; the last of an epoch may hold fewer.
    pub batch_size: usize,
    /// Fixes order and views.
    pub seed: u64,
}

impl Source<'_> {
    /// Steps in one epoch.
    pub fn batches(&self) -> usize {
        self.samples().div_ceil(self.batch_size)
    }

    fn samples(&self) -> usize {
        self.images.rows().samples() as usize
    }

    /// The cache rows of each batch of one epoch.
    fn epoch(&self, epoch: usize) -> Vec<Vec<usize>> {
        let rows = self.images.rows();
        let row = |&sample: &usize| {
            let view = view_of(self.seed, sample, epoch, rows.views());
            rows.row(sample as u64, view).expect("the cache holds every sample and view")
        };
        let order = epoch_order(self.seed, epoch, self.samples());
        order.chunks(self.batch_size).map(|batch| batch.iter().map(row).collect()).collect()
    }

    fn batch(&self, rows: &[usize]) -> Result<Batch, Error> {
        let cached = self.images.rows();
        let mut pixels = vec![0.0; rows.len() * self.images.values()];
        self.images.fill(rows, &mut pixels)?;
        let soft_targets = self.soft_targets(rows)?;
        let labels = rows.iter().map(|&row| cached.label(row)).collect();
        let (height, width) = self.images.size();
        Ok(Batch { pixels, size: [height, width], labels, soft_targets })
    }

    fn soft_targets(&self, rows: &[usize]) -> Result<SoftTargets, Error> {
        let cached = self.images.rows();
        match (self.temperature, cached.kept()) {
            (Some(temperature), Some(kept)) => {
                let mut classes = vec![0; rows.len() * kept];
                let mut masses = vec![0.0; rows.len() * (kept + 1)];
                cached.gather_top(temperature, rows, &mut classes, &mut masses)?;
                Ok(SoftTargets::Top { classes, masses })
            }
            (Some(temperature), None) => {
                let mut targets = vec![0.0; rows.len() * cached.classes()];
                cached.gather_soft(temperature, rows, &mut targets)?;
                Ok(SoftTargets::Dense(targets))
            }
            (None, _) => Ok(SoftTargets::Dense(vec![0.0; rows.len() * cached.classes()])),
        }
    }

    fn send_all(&self, start: (usize, usize), epochs: usize, out: &SyncSender<Result<Batch, Error>>) {
        for epoch in start.0..epochs {
            let skip = if epoch == start.0 { start.1 } else { 0 };
            for rows in self.epoch(epoch).iter().skip(skip) {
                let batch = self.batch(rows);
                let failed = batch.is_err();
                // The step's side hangs up when it stops early.
                if out.send(batch).is_err() || failed {
                    return;
                }
            }
        }
    }
}

/// Starts the thread, at epoch and batch `start`, and gives what it prepares, in order.
pub fn spawn<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    source: Source<'env>,
    start: (usize, usize),
    epochs: usize,
) -> Receiver<Result<Batch, Error>> {
    let (sender, receiver) = sync_channel(AHEAD);
    scope.spawn(move || source.send_all(start, epochs, &sender));
    receiver
}
