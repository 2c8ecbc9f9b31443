//! The context that a caller gives to long work: where its progress goes, and whether it is to stop.
//!
//! The library writes nothing to the terminal itself. The commands give a context that draws on one; tests and programs
//! that embed the library give [`Context::silent`] or a [`Reporter`] of their own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::progress::{Progress, Task};

/// A request to stop, shared by all that look at it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks all work under this request to stop; returns whether it was asked before.
    pub(crate) fn request(&self) -> bool {
        self.0.swap(true, Ordering::SeqCst)
    }

    /// Whether the work is to stop.
    pub(crate) fn is_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Shows how work goes.
pub trait Reporter: Send + Sync {
    /// Begins to show a task over `total` things called `unit`, such as `images`.
    fn begin(&self, label: &str, total: u64, unit: &'static str) -> Box<dyn Task>;

    /// Shows one line, without disturbing the tasks that are shown.
    fn line(&self, text: &str);
}

/// Where progress goes, and whether to stop.
#[derive(Clone)]
pub struct Context {
    reporter: Arc<dyn Reporter>,
    is_cancelled: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Context {
    /// A context that shows progress through `reporter` and stops when `cancel` is requested.
    pub fn new(reporter: Arc<dyn Reporter>, cancel: Cancel) -> Self {
        Self { reporter, is_cancelled: Arc::new(move || cancel.is_requested()) }
    }

    /// A context that shows nothing and never stops.
    pub fn silent() -> Self {
        Self::new(Arc::new(Silent), Cancel::default())
    }

    /// The same context, showing nothing.
    #[must_use]
    pub(crate) fn silenced(&self) -> Self {
        Self { reporter: Arc::new(Silent), is_cancelled: Arc::clone(&self.is_cancelled) }
    }

    /// The same context, showing progress and no lines.
    #[must_use]
    pub(crate) fn without_lines(&self) -> Self {
        Self {
            reporter: Arc::new(WithoutLines(Arc::clone(&self.reporter))),
            is_cancelled: Arc::clone(&self.is_cancelled),
        }
    }

    /// The same context, with the progress of all work shown in `task` only.
    #[must_use]
    pub(crate) fn within(&self, task: Box<dyn Task>) -> Self {
        let inner = Within { task: Arc::new(Mutex::new(task)), outer: Arc::clone(&self.reporter) };
        Self { reporter: Arc::new(inner), is_cancelled: Arc::clone(&self.is_cancelled) }
    }

    /// The same context, stopping once `is_cancelled` says so.
    #[must_use]
    pub fn until(&self, is_cancelled: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { reporter: Arc::clone(&self.reporter), is_cancelled: Arc::new(is_cancelled) }
    }

    /// Begins progress over `total` things called `unit`, headed by `label`.
    pub(crate) fn progress(&self, label: impl AsRef<str>, total: u64, unit: &'static str) -> Progress {
        Progress::new(self.task(label, total, unit))
    }

    /// Begins a task without a clock of its own.
    pub(crate) fn task(&self, label: impl AsRef<str>, total: u64, unit: &'static str) -> Box<dyn Task> {
        self.reporter.begin(label.as_ref(), total, unit)
    }

    /// Shows one line.
    pub(crate) fn line(&self, text: impl AsRef<str>) {
        self.reporter.line(text.as_ref());
    }

    /// Whether the work is to stop at the next point where nothing is lost.
    pub(crate) fn is_cancelled(&self) -> bool {
        (self.is_cancelled)()
    }
}

impl Default for Context {
    /// [`Context::silent`].
    fn default() -> Self {
        Self::silent()
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Context").field("is_cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}

/// A reporter that shows nothing.
struct Silent;

impl Reporter for Silent {
    fn begin(&self, _label: &str, _total: u64, _unit: &'static str) -> Box<dyn Task> {
        Box::new(Silent)
    }

    fn line(&self, _text: &str) {}
}

impl Task for Silent {
    fn advance(&mut self, _count: u64) {}

    fn message(&mut self, _text: &str) {}
}

/// A reporter that shows no lines.
struct WithoutLines(Arc<dyn Reporter>);

impl Reporter for WithoutLines {
    fn begin(&self, label: &str, total: u64, unit: &'static str) -> Box<dyn Task> {
        self.0.begin(label, total, unit)
    }

    fn line(&self, _text: &str) {}
}

/// A reporter whose tasks are all one task of another reporter.
struct Within {
    task: Arc<Mutex<Box<dyn Task>>>,
    outer: Arc<dyn Reporter>,
}

impl Reporter for Within {
    fn begin(&self, _label: &str, _total: u64, _unit: &'static str) -> Box<dyn Task> {
        Box::new(Part(Arc::clone(&self.task)))
    }

    fn line(&self, text: &str) {
        self.outer.line(text);
    }
}

/// A task that is a part of a larger one.
struct Part(Arc<Mutex<Box<dyn Task>>>);

impl Task for Part {
    fn advance(&mut self, count: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).advance(count);
    }

    fn message(&mut self, text: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).message(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes what it is asked to show.
    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Vec<String>>>);

    impl Notes {
        fn note(&self, text: String) {
            self.0.lock().unwrap().push(text);
        }
    }

    impl Reporter for Notes {
        fn begin(&self, label: &str, total: u64, unit: &'static str) -> Box<dyn Task> {
            self.note(format!("begin {label} {total} {unit}"));
            Box::new(self.clone())
        }

        fn line(&self, text: &str) {
            self.note(format!("line {text}"));
        }
    }

    impl Task for Notes {
        fn advance(&mut self, count: u64) {
            self.note(format!("advance {count}"));
        }

        fn message(&mut self, text: &str) {
            self.note(format!("message {text}"));
        }
    }

    #[test]
    fn within_a_task_all_progress_advances_that_task() {
        let notes = Notes::default();
        let context = Context::new(Arc::new(notes.clone()), Cancel::default());
        let inner = context.within(context.task("run", 5, "steps"));
        inner.progress("first", 3, "steps").advance(3);
        inner.progress("second", 2, "steps").message("half");
        inner.line("a line");
        assert_eq!(
            *notes.0.lock().unwrap(),
            ["begin run 5 steps", "advance 3", "message half", "line a line"]
        );
    }

    #[test]
    fn a_request_to_stop_reaches_every_context_made_from_one() {
        let cancel = Cancel::default();
        let context = Context::new(Arc::new(Silent), cancel.clone());
        let inner = context.silenced();
        assert!(!inner.is_cancelled());
        assert!(!cancel.request());
        assert!(inner.is_cancelled() && cancel.request());
    }
}
