//! The display of a sweep while it runs: progress of the whole and of each run that trains, and a line for every run that ends.

use std::sync::Mutex;
use std::sync::PoisonError;

use crate::support::context::Context;
use crate::support::progress::Progress;
use crate::support::text::percent;
use crate::train::EpochRecord;
use crate::train::metrics::Criterion;

/// Characters of a run's name.
const NAME: usize = 34;

/// Shows the runs of a sweep through a context.
pub(crate) struct Display<'a> {
    context: &'a Context,
    total: usize,
    /// The whole sweep, and how many runs have ended.
    whole: Mutex<(Progress, usize)>,
}

impl<'a> Display<'a> {
    /// A display for `total` runs.
    pub(crate) fn new(context: &'a Context, total: usize) -> Self {
        let whole = context.progress("sweep", total as u64, "runs");
        Self { context, total, whole: Mutex::new((whole, 0)) }
    }

    /// The context that the display shows itself through.
    pub(crate) fn context(&self) -> &Context {
        self.context
    }

    /// The context of a run of `steps` steps: all its progress is shown under `name`.
    pub(crate) fn start(&self, name: &str, steps: u64) -> Context {
        self.context.within(self.context.task(cut(name), steps, "steps"))
    }

    /// Writes the line of a run that ended.
    pub(crate) fn end(&self, name: &str, outcome: &str) {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        whole.1 += 1;
        let digits = self.total.to_string().len();
        self.line(&format!("[{:>digits$}/{}] {:<NAME$} {outcome}", whole.1, self.total, cut(name)));
        whole.0.advance(1);
    }

    /// Writes one line.
    pub(crate) fn line(&self, text: &str) {
        self.context.line(text);
    }
}

/// The text about the epoch that ended.
pub(super) fn epoch(record: &EpochRecord, epochs: usize) -> String {
    let criterion = Criterion::of(&record.validation);
    let measure = criterion.measure(&record.validation).map_or("-".to_owned(), percent);
    format!("{}/{epochs}, val {measure}", record.epoch)
}

/// A name that fits its column.
fn cut(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    name.chars().take(NAME - 1).chain(['…']).collect()
}
