//! The progress of one piece of work: what is done, how fast, and where that is shown.

use std::time::Instant;

/// One task that a [`Reporter`](super::context::Reporter) shows until it is dropped.
pub trait Task: Send {
    /// `count` more things are done.
    fn advance(&mut self, count: u64);

    /// Replaces the text beside the counts.
    fn message(&mut self, text: &str);
}

/// Progress over a known number of things. [`Context::progress`](super::context::Context::progress) makes it.
pub(crate) struct Progress {
    task: Box<dyn Task>,
    done: u64,
    started: Instant,
}

impl Progress {
    /// Progress that is shown in `task`.
    pub(super) fn new(task: Box<dyn Task>) -> Self {
        Self { task, done: 0, started: Instant::now() }
    }

    /// `count` more are done.
    pub(crate) fn advance(&mut self, count: u64) {
        self.done += count;
        self.task.advance(count);
    }

    /// Shows `message` beside the counts.
    pub(crate) fn message(&mut self, message: impl AsRef<str>) {
        self.task.message(message.as_ref());
    }

    /// Seconds since the start.
    pub(crate) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// How many were done each second so far.
    pub(crate) fn rate(&self) -> f64 {
        self.done as f64 / self.seconds().max(1e-9)
    }
}

/// Seconds as a clock shows them: `0:42`, `12:05`, `1:02:05`.
pub(crate) fn clock_time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole % 3600 / 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_clocks_show_them() {
        assert_eq!([0.4, 59.6, 725.0, 3725.0].map(clock_time), ["0:00", "1:00", "12:05", "1:02:05"]);
    }
}
