//! How the commands show progress: bars on a terminal, plain lines on standard error elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::output::{errln, outln};
use crate::support::context::{Cancel, Context, Reporter};
use crate::support::progress::{Task, clock_time};

/// How soon the first plain line is written; each later one takes twice as long, up to [`LONGEST_INTERVAL`].
const FIRST_INTERVAL: Duration = Duration::from_secs(10);
const LONGEST_INTERVAL: Duration = Duration::from_mins(1);

/// Shows progress and lines to the person who runs a command.
pub struct Terminal {
    /// None where standard error cannot show bars.
    bars: Option<MultiProgress>,
}

impl Terminal {
    /// A context that shows progress and lines, and stops when `cancel` is requested.
    pub fn context(cancel: Cancel) -> Context {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let shows_bars = std::io::stderr().is_terminal() && !dumb;
        let bars = shows_bars.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Context::new(Arc::new(Self { bars }), cancel)
    }
}

impl Reporter for Terminal {
    fn begin(&self, label: &str, total: u64, unit: &'static str) -> Box<dyn Task> {
        match &self.bars {
            Some(bars) => {
                // The task that was begun first, such as a whole sweep, stays at the bottom.
                let bar = bars.insert(0, ProgressBar::new(total));
                bar.set_style(style(unit));
                bar.set_prefix(label.to_owned());
                bar.tick();
                Box::new(Bar(bar))
            }
            None => Box::new(Plain::new(label, total, unit)),
        }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| outln!("{text}")),
            None => outln!("{text}"),
        }
    }
}

/// One line: counts, rate and time left, then as much of the message as fits.
fn style(unit: &str) -> ProgressStyle {
    let template = format!(
        "{{prefix:<12}} {{bar:16}} {{human_pos}}/{{human_len}} {unit}  {{rate}}/s  {{left}} left  {{wide_msg}}"
    );
    ProgressStyle::with_template(&template)
        .expect("the template is valid")
        .with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = write!(out, "{:.1}", state.per_sec());
        })
        .with_key("left", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = out.write_str(&clock_time(state.eta().as_secs_f64()));
        })
}

/// A task as a bar.
struct Bar(ProgressBar);

impl Task for Bar {
    fn advance(&mut self, count: u64) {
        self.0.inc(count);
    }

    fn message(&mut self, text: &str) {
        self.0.set_message(text.to_owned());
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A task as a line now and then.
struct Plain {
    label: String,
    unit: &'static str,
    total: u64,
    done: u64,
    started: Instant,
    last_line: Instant,
    interval: Duration,
    message: String,
}

impl Plain {
    fn new(label: &str, total: u64, unit: &'static str) -> Self {
        let now = Instant::now();
        Self {
            label: label.to_owned(),
            unit,
            total,
            done: 0,
            started: now,
            last_line: now,
            interval: FIRST_INTERVAL,
            message: String::new(),
        }
    }

    fn line(&self) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
        let left = seconds * self.total.saturating_sub(self.done) as f64 / self.done.max(1) as f64;
        let separator = if self.message.is_empty() { "" } else { "; " };
        format!(
            "{}: {}/{} {} at {:.1}/s, {} left{separator}{}",
            self.label,
            self.done,
            self.total,
            self.unit,
            self.done as f64 / seconds,
            clock_time(left),
            self.message
        )
    }
}

impl Task for Plain {
    fn advance(&mut self, count: u64) {
        self.done += count;
        if self.last_line.elapsed() >= self.interval && self.done < self.total {
            self.last_line = Instant::now();
            self.interval = (2 * self.interval).min(LONGEST_INTERVAL);
            errln!("{}", self.line());
        }
    }

    fn message(&mut self, text: &str) {
        text.clone_into(&mut self.message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_has_counts_rate_and_time_left() {
        let mut task = Plain::new("teacher", 10, "images");
        task.advance(4);
        task.message("loss 0.1");
        let line = task.line();
        assert!(line.starts_with("teacher: 4/10 images at ") && line.ends_with(" left; loss 0.1"), "{line}");
    }
}
