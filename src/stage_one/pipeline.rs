//! The threads and queues of stage one.
//!
//! Workers read, decode and resize; every teacher has a thread of its own; answers come back in the order of the rows to the thread that runs
//! the pipeline, which writes them. A batch's pixels live in one of a few buffers that go round between workers and
//! teachers, so memory is bounded by their number: workers that are ahead wait for one. What the rows say and the logits are small and
//! have a longer round of their own, so that a slow teacher does not hold up a fast one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use super::Error;
use super::batches::{Batch, Buffers, Filled, Piece, Planner};
use super::known::Task;
use super::prepare::{Prepare, ViewRow};
use crate::support::priority;
use crate::teacher::{self, Teacher};

/// Batches of pixels beside those of the teachers, one in hand and one waiting for each.
const BATCHES_AHEAD: usize = 2;

/// Batches for each teacher that may be begun and not yet written.
const WINDOW: usize = 16;

/// How many batches of pixels `teachers` teachers have at most: what bounds the memory.
pub(crate) fn batches_alive(teachers: usize) -> usize {
    2 * teachers + BATCHES_AHEAD
}

/// The work, and how it is done.
pub(super) struct Pipeline<'a> {
    pub shards: &'a [Task],
    pub prepare: &'a dyn Prepare,
    /// Images in every call of a teacher.
    pub batch_size: usize,
    /// Threads that prepare images.
    pub workers: usize,
}

/// A teacher's logits for one batch.
pub(super) struct Answer {
    pub rows: Vec<ViewRow>,
    /// `[rows, classes]`, in the teacher's class order.
    pub logits: Vec<f32>,
}

/// A message of one of the pipeline's threads.
enum Message {
    Answer(u64, Result<Answer, Error>),
    /// A thread panicked: nothing more is to be waited for.
    Panic,
}

/// The ways between the threads.
#[derive(Clone)]
struct Channels {
    pixels: (Sender<Vec<f32>>, Receiver<Vec<f32>>),
    rows: (Sender<Vec<ViewRow>>, Receiver<Vec<ViewRow>>),
    logits: (Sender<Vec<f32>>, Receiver<Vec<f32>>),
    ready: Receiver<Batch>,
    messages: Sender<Message>,
    /// Nothing is ever sent on it: closing it ends every wait.
    stop: Receiver<Infallible>,
}

impl Pipeline<'_> {
    /// Runs `consume` on this thread, with the answers to every batch of every shard in order. It may stop asking at any time.
    ///
    /// # Errors
    /// The errors of `consume`.
    pub(crate) fn run<T>(
        &self,
        teachers: &mut [&mut dyn Teacher],
        consume: impl FnOnce(&mut Answers) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let (alive, window) = (batches_alive(teachers.len()), WINDOW * teachers.len());
        let (fill, ready) = bounded(alive);
        let (messages, messages_out) = bounded(window + self.workers + teachers.len());
        let (running, stop) = bounded(0);
        let channels = Channels {
            pixels: bounded(alive),
            rows: bounded(window),
            logits: bounded(window),
            ready,
            messages,
            stop,
        };
        (0..alive).for_each(|_| give(&channels.pixels.0, Vec::new()));
        (0..window).for_each(|_| give(&channels.rows.0, Vec::new()));
        let give_back = (channels.rows.0.clone(), channels.logits.0.clone());
        let planner = Mutex::new(Planner::new(self.shards, self.batch_size, self.prepare.values()));
        std::thread::scope(|scope| {
            for _ in 0..self.workers {
                let (channels, fill, planner) = (channels.clone(), fill.clone(), &planner);
                scope.spawn(move || self.work(planner, &fill, &channels));
            }
            for teacher in teachers {
                let channels = channels.clone();
                scope.spawn(move || self.teach(*teacher, &channels));
            }
            // The channels stay open only while the threads hold their ends.
            drop((channels, fill));
            let mut answers = Answers {
                next: 0,
                early: BTreeMap::new(),
                messages: messages_out,
                give_back,
                _running: running,
            };
            consume(&mut answers)
        })
    }

    /// Prepares piece after piece.
    fn work(&self, planner: &Mutex<Planner>, fill: &Sender<Batch>, channels: &Channels) {
        let _guard = PanicGuard(&channels.messages);
        // A teacher that runs on the same cores comes first: it is what the others wait for.
        priority::lower();
        let buffers = || {
            let rows = take(&channels.rows.1, &channels.stop)?;
            Some(Buffers { pixels: take(&channels.pixels.1, &channels.stop)?, rows })
        };
        loop {
            let next = planner.lock().unwrap_or_else(PoisonError::into_inner).next(buffers);
            let Some(mut piece) = next else { return };
            let seen = self.piece(&mut piece);
            match piece.finish(seen) {
                None => {}
                Some(Filled { batch, failed: None }) => give(fill, batch),
                Some(Filled { batch, failed: Some(error) }) => {
                    give(&channels.messages, Message::Answer(batch.number, Err(error)));
                    give(&channels.pixels.0, batch.buffers.pixels);
                }
            }
        }
    }

    fn piece(&self, piece: &mut Piece) -> Result<Vec<ViewRow>, Error> {
        let (split, sample) = (piece.sample.split, piece.sample.index);
        let image = piece.sample.decoded(|| self.prepare.decode(split, sample))?;
        let outs = piece.pixels.chunks_exact_mut(self.prepare.values());
        let views = piece.views.iter().zip(outs);
        views.map(|(&view, out)| self.prepare.view(split, (sample, view), &image, out)).collect()
    }

    /// Gives a teacher batch after batch.
    fn teach(&self, teacher: &mut dyn Teacher, channels: &Channels) {
        let _guard = PanicGuard(&channels.messages);
        let classes = teacher.classes().len();
        while let Some(Batch { number, buffers: Buffers { mut pixels, rows } }) =
            take(&channels.ready, &channels.stop)
        {
            fill_up(&mut pixels, rows.len(), self.batch_size);
            let mut logits = channels.logits.1.try_recv().unwrap_or_default();
            let answer = match teacher.logits_into(&pixels, self.batch_size, &mut logits) {
                Ok(()) => {
                    logits.truncate(rows.len() * classes);
                    Ok(Answer { rows, logits })
                }
                Err(error) => Err(self.culprit(teacher, &pixels, &rows, error)),
            };
            give(&channels.pixels.0, pixels);
            give(&channels.messages, Message::Answer(number, answer));
        }
    }
}

impl Pipeline<'_> {
    /// The first image of a batch on which the teacher fails by itself, or the batch's `error`, where it fails on all of them or none.
    fn culprit(
        &self,
        teacher: &mut dyn Teacher,
        pixels: &[f32],
        rows: &[ViewRow],
        error: teacher::Error,
    ) -> Error {
        let image = pixels.len() / self.batch_size;
        let mut failing = Vec::new();
        for (row, one) in rows.iter().zip(pixels.chunks_exact(image)) {
            if let Err(source) = teacher.logits(&one.repeat(self.batch_size), self.batch_size) {
                failing.push((row, source));
            }
        }
        // A batch may hold nothing but views of one image.
        let has_others = rows.iter().any(|row| row.sample != rows[0].sample);
        if failing.is_empty() || failing.len() == rows.len() && has_others {
            return error.into();
        }
        let (row, source) = failing.swap_remove(0);
        Error::OnImage { name: row.sample.to_string(), source: Box::new(source) }
    }
}

/// Every call has the same size, so that a row's logits do not depend on how many others its shard's last batch has: the batch
/// is filled up with its own first images, whose answers are not read.
fn fill_up(pixels: &mut [f32], rows: usize, batch_size: usize) {
    let image = pixels.len() / batch_size;
    for row in rows..batch_size {
        let source = row % rows * image;
        pixels.copy_within(source..source + image, row * image);
    }
}

/// The next thing that comes this way; none once nothing more will, or once the run is over.
fn take<T>(from: &Receiver<T>, stop: &Receiver<Infallible>) -> Option<T> {
    select! {
        recv(from) -> thing => thing.ok(),
        recv(stop) -> _ => None,
    }
}

/// Each way has room for all that can be on it, so this never waits; at the end of a run the receiver may be gone.
fn give<T>(to: &Sender<T>, thing: T) {
    let _ = to.send(thing);
}

/// Says so if its thread panics.
struct PanicGuard<'a>(&'a Sender<Message>);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.try_send(Message::Panic);
        }
    }
}

/// The answers in the order of the batches; dropping it ends the run.
pub(super) struct Answers {
    next: u64,
    early: BTreeMap<u64, Result<Answer, Error>>,
    messages: Receiver<Message>,
    give_back: (Sender<Vec<ViewRow>>, Sender<Vec<f32>>),
    _running: Sender<Infallible>,
}

impl Answers {
    /// Waits for the answer to the next batch; none after the last, and none after a thread panicked, whose panic goes on once
    /// the run is over.
    ///
    /// # Errors
    /// An image of it can't be prepared, or the teacher failed on it.
    pub(crate) fn next(&mut self) -> Result<Option<Answer>, Error> {
        while !self.early.contains_key(&self.next) {
            match self.messages.recv() {
                Ok(Message::Answer(number, answer)) => self.early.insert(number, answer),
                Ok(Message::Panic) | Err(_) => return Ok(None),
            };
        }
        let answer = self.early.remove(&self.next);
        self.next += 1;
        answer.transpose()
    }

    /// Gives back what a written answer needs no more.
    pub(crate) fn give_back(&self, answer: Answer) {
        let (rows, logits) = &self.give_back;
        give(rows, answer.rows);
        // A teacher may have taken new memory before this came back: then it is one too many.
        let _ = logits.try_send(answer.logits);
    }
}

#[cfg(test)]
mod tests;
