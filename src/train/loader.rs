//! The epoch loader: one thread that prepares batches ahead of the step, in an order that (seed, epoch) fixes.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use burn::tensor::Device;

use super::Error;
use super::images::Images;
use super::order::{epoch_samples, view_of};
use super::pixels::{DevicePixels, Pixels};
use super::step::Batch;
use super::targets::Column;

/// Batches prepared ahead of the step at most.
const AHEAD: usize = 3;
/// The same where they wait in a device's memory: beside the one that is being sent, it makes two in flight.
const AHEAD_ON_DEVICE: usize = 1;

/// The source of the batches.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The pixels.
    pub images: &'a Images<'a>,
    /// The part of the teacher's outputs that is read.
    pub column: Column,
    /// For each sample whose targets it is given, if not its own.
    pub others: Option<&'a [usize]>,
    /// The samples that are trained on.
    pub samples: &'a [usize],
    /// Samples in one batch; the last of an epoch may hold fewer.
    pub batch_size: usize,
    /// How many of an epoch's samples are used: the first of its order.
    pub used: usize,
    /// Fixes order and views.
    pub seed: u64,
    /// The device that pixels are sent to and normalised on, while it computes the step before; without one they stay on the host.
    pub device: Option<&'a Device>,
}

impl Source<'_> {
    /// The samples of an epoch in its order, each with the pass over the samples that it belongs to.
    fn epoch(&self, epoch: usize) -> Vec<(usize, usize)> {
        let mut samples =
            epoch_samples(self.seed, epoch, self.images.rows().samples() as usize, self.samples);
        samples.truncate(self.used);
        samples
    }

    /// The cache rows of an epoch, in its order.
    pub(crate) fn epoch_rows(&self, epoch: usize) -> Vec<usize> {
        self.rows(&self.epoch(epoch))
    }

    fn batch(
        &self,
        epoch: usize,
        samples: &[(usize, usize)],
        device: Option<&DevicePixels>,
    ) -> Result<Batch, Error> {
        let cached = self.images.rows();
        let rows = self.rows(samples);
        let pixels = Pixels::of(self.images, &rows, device)?;
        let targets = match self.others {
            Some(others) => self.other_rows(samples, others),
            None => rows.clone(),
        };
        let targets = self.column.gather(cached, &targets)?;
        let labels = rows.iter().map(|&row| cached.label(row)).collect();
        let (height, width) = self.images.size();
        Ok(Batch { pixels, size: [height, width], labels, targets, epoch })
    }

    /// The cache rows of `samples` in the views that they have in their passes.
    fn rows(&self, samples: &[(usize, usize)]) -> Vec<usize> {
        self.rows_of(samples.iter().map(|&(sample, pass)| (sample, self.view(pass, sample))))
    }

    /// The rows of those whose targets `samples` are given, in the views that `samples` themselves have.
    fn other_rows(&self, samples: &[(usize, usize)], others: &[usize]) -> Vec<usize> {
        self.rows_of(samples.iter().map(|&(sample, pass)| (others[sample], self.view(pass, sample))))
    }

    fn view(&self, pass: usize, sample: usize) -> u16 {
        view_of(self.seed, sample, pass, self.images.rows().views())
    }

    fn rows_of(&self, samples: impl Iterator<Item = (usize, u16)>) -> Vec<usize> {
        let rows = self.images.rows();
        let row = |(sample, view)| rows.row(sample as u64, view);
        samples.map(|sample| row(sample).expect("the cache holds every sample and view")).collect()
    }

    fn send_all(&self, start: (usize, usize), epochs: usize, out: &SyncSender<Result<Batch, Error>>) {
        let device = self.device.map(|device| DevicePixels::new(self.images.preprocess(), device));
        for epoch in start.0..epochs {
            let skip = if epoch == start.0 { start.1 } else { 0 };
            for samples in self.epoch(epoch).chunks(self.batch_size).skip(skip) {
                let batch = self.batch(epoch, samples, device.as_ref());
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
    let (sender, receiver) = sync_channel(if source.device.is_some() { AHEAD_ON_DEVICE } else { AHEAD });
    scope.spawn(move || source.send_all(start, epochs, &sender));
    receiver
}
