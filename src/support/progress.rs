//! Progress of long work: a bar with rate and time left on a terminal, a plain line now and then otherwise.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

thread_local! {
    /// The bar that shows all progress of this thread, where several threads have one each.
    static WITHIN: RefCell<Option<ProgressBar>> = const { RefCell::new(None) };
}

/// Runs `work` with every [`Progress`] of this thread shown in `bar` alone: it advances, and its message is theirs.
pub fn within<T>(bar: &ProgressBar, work: impl FnOnce() -> T) -> T {
    let before = WITHIN.replace(Some(bar.clone()));
    let result = work();
    WITHIN.set(before);
    result
}

/// How often a plain line is written where standard error is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// The progress of one piece of work, on standard error.
pub struct Progress {
    bar: Option<ProgressBar>,
    /// The bar is another's, and stays.
    shared: bool,
    label: String,
    unit: &'static str,
    total: u64,
    done: u64,
    started: Instant,
    last_line: Instant,
    message: String,
}

impl Progress {
    /// Progress over `total` things called `unit` ("images"), headed by `label`.
    pub fn new(label: impl Into<String>, total: u64, unit: &'static str) -> Self {
        let label = label.into();
        let within = WITHIN.with_borrow(Clone::clone);
        let shared = within.is_some();
        let own = || {
            std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
            let template = format!("{{prefix:<12}} {{bar:24}} {{human_pos}}/{{human_len}} {unit}  {{rate}}/s  {{eta}} left  {{msg}}");
            let style = ProgressStyle::with_template(&template)
                .expect("the template is ours")
                .with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                    let _ = write!(out, "{:.1}", state.per_sec());
                });
            bar.set_style(style);
            bar.set_prefix(label.clone());
            bar
        })
        };
        let bar = within.or_else(own);
        let now = Instant::now();
        Self {
            bar,
            shared,
            label,
            unit,
            total,
            done: 0,
            started: now,
            last_line: now,
            message: String::new(),
        }
    }

    /// `count` more are done.
    pub fn advance(&mut self, count: u64) {
        self.done += count;
        if let Some(bar) = &self.bar {
            bar.inc(count);
        } else if self.last_line.elapsed() >= PLAIN_INTERVAL && self.done < self.total {
            self.last_line = Instant::now();
            let left = self.seconds() * (self.total - self.done) as f64 / self.done.max(1) as f64;
            let separator = if self.message.is_empty() { "" } else { "; " };
            eprintln!(
                "{}: {}/{} {} at {:.1}/s, {} left{separator}{}",
                self.label,
                self.done,
                self.total,
                self.unit,
                self.rate(),
                clock_time(left),
                self.message
            );
        }
    }

    /// Shows `message` behind the bar, or in the next plain line.
    pub fn message(&mut self, message: impl Into<String>) {
        match &self.bar {
            Some(bar) => bar.set_message(message.into()),
            None => self.message = message.into(),
        }
    }

    /// Seconds since the start.
    pub fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// How many a second so far.
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.seconds().max(1e-9)
    }
}

/// Seconds as a clock shows them: `0:42`, `12:05`, `1:02:05`.
pub fn clock_time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole % 3600 / 60, whole % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.as_ref().filter(|_| !self.shared) {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_a_bar_all_progress_is_shown_there_and_the_bar_stays() {
        let bar = ProgressBar::with_draw_target(Some(5), ProgressDrawTarget::hidden());
        within(&bar, || {
            Progress::new("first", 3, "steps").advance(3);
            Progress::new("second", 2, "steps").advance(1);
        });
        assert_eq!((bar.position(), bar.is_finished()), (4, false));
        assert!(WITHIN.with_borrow(Option::is_none));
    }

    #[test]
    fn times_are_written_as_clocks_show_them() {
        assert_eq!([0.4, 59.6, 725.0, 3725.0].map(clock_time), ["0:00", "1:00", "12:05", "1:02:05"]);
    }
}
