//! The work that is under way as one line: what, how much of it, and how long it will take.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::support::progress::clock_time;

/// The time over which a pace is taken.
const WINDOW: Duration = Duration::from_secs(30);
/// Marks within the window.
const MARKS: u32 = 30;
/// Cells of the bar, and the width from which there is one.
const BAR: usize = 16;
const BAR_FROM: usize = 72;

/// One piece of work.
struct Work {
    id: u64,
    label: String,
    unit: &'static str,
    total: u64,
    done: u64,
    message: String,
    pace: Pace,
}

/// How fast things are done, over the last half minute.
struct Pace {
    marks: VecDeque<(Instant, f64)>,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self { marks: VecDeque::from([(now, 0.0)]) }
    }

    fn mark(&mut self, now: Instant, done: f64) {
        let (last, _) = *self.marks.back().expect("it begins with one");
        if now - last < WINDOW / MARKS {
            return;
        }
        self.marks.push_back((now, done));
        // One mark older than the window stays, so that the pace is over all of it.
        while self.marks.len() > 2 && now - self.marks[1].0 > WINDOW {
            self.marks.pop_front();
        }
    }

    /// Things a second; nothing before any are done.
    fn rate(&self, now: Instant, done: f64) -> Option<f64> {
        let (since, before) = *self.marks.front()?;
        let rate = (done - before) / (now - since).as_secs_f64().max(1e-3);
        (rate > 0.0).then_some(rate)
    }
}

/// Every piece of work that is under way, the outermost first.
#[derive(Default)]
pub(crate) struct Live {
    works: Vec<Work>,
    begun: u64,
}

impl Live {
    /// Adds a piece of work over `total` things called `unit`, and gives its id.
    pub(crate) fn begin(&mut self, label: &str, total: u64, unit: &'static str, now: Instant) -> u64 {
        self.begun += 1;
        self.works.push(Work {
            id: self.begun,
            label: label.to_owned(),
            unit,
            total,
            done: 0,
            message: String::new(),
            pace: Pace::new(now),
        });
        self.begun
    }

    /// `count` more things of a piece of work are done.
    pub(crate) fn advance(&mut self, id: u64, count: u64, now: Instant) {
        if let Some(work) = self.works.iter_mut().find(|work| work.id == id) {
            work.done += count;
            let done = work.done as f64;
            work.pace.mark(now, done);
        }
    }

    /// Replaces the text beside the counts.
    pub(crate) fn message(&mut self, id: u64, text: &str) {
        if let Some(work) = self.works.iter_mut().find(|work| work.id == id) {
            text.clone_into(&mut work.message);
        }
    }

    /// Takes a piece of work away.
    pub(crate) fn end(&mut self, id: u64) {
        self.works.retain(|work| work.id != id);
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.works.is_empty()
    }

    /// One line of at most `width` characters: the whole with its time left, then the part that is in hand, then as much of the rest as
    /// fits.
    pub(crate) fn line(&self, width: usize, now: Instant) -> String {
        cut(&self.text(width >= BAR_FROM, now), width)
    }

    /// The same for a log: without a bar.
    pub(crate) fn plain_line(&self, width: usize, now: Instant) -> String {
        cut(&self.text(false, now), width)
    }

    fn text(&self, has_bar: bool, now: Instant) -> String {
        let Some(outer) = self.works.first() else { return String::new() };
        let inner = self.works.get(1);
        let mut line = format!("{}{}", outer.counts(), outer.left(inner, now));
        if let Some(inner) = inner {
            let _ = write!(line, "; {}{}", inner.counts(), inner.left(None, now));
        } else if has_bar && outer.total > 0 {
            line = format!("{}{}{}", outer.bar(), outer.counts(), outer.left(None, now));
        }
        let last = inner.unwrap_or(outer);
        if !last.message.is_empty() {
            let _ = write!(line, ", {}", last.message);
        }
        line
    }
}

impl Work {
    fn counts(&self) -> String {
        let separator = if self.label.is_empty() { "" } else { " " };
        format!("{}{separator}{}/{} {}", self.label, self.done, self.total, self.unit)
    }

    fn bar(&self) -> String {
        let full = (BAR as u64 * self.done.min(self.total) / self.total.max(1)) as usize;
        format!("{}{} ", "█".repeat(full), "░".repeat(BAR - full))
    }

    /// `, 1:05 left`, once that is known. A part that is half done counts as half a thing.
    fn left(&self, part: Option<&Self>, now: Instant) -> String {
        let of_part = part.map_or(0.0, |part| part.done as f64 / part.total.max(1) as f64);
        let done = self.done as f64 + of_part.min(1.0);
        let left = (self.total as f64 - done).max(0.0);
        match self.pace.rate(now, done) {
            Some(rate) => format!(", {} left", clock_time(left / rate)),
            None => String::new(),
        }
    }
}

/// The text, cut to `width` characters.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(seconds: u64) -> (Instant, Instant) {
        let start = Instant::now();
        (start, start + Duration::from_secs(seconds))
    }

    #[test]
    fn a_line_has_counts_and_time_left_and_never_more_than_its_width() {
        let (start, now) = after(10);
        let mut live = Live::default();
        let id = live.begin("epoch 1/3", 100, "steps", start);
        live.advance(id, 20, now);
        live.message(
            id,
            "loss 1.234, accuracy 50.0 %, lr 1e-3, a long message that has no place on a narrow terminal",
        );
        insta::assert_snapshot!(live.line(79, now), @"███░░░░░░░░░░░░░ epoch 1/3 20/100 steps, 0:40 left, loss 1.234, accuracy 50.0 …");
        insta::assert_snapshot!(live.line(45, now), @"epoch 1/3 20/100 steps, 0:40 left, loss 1.23…");
        assert!(live.plain_line(200, now).starts_with("epoch 1/3 20/100 steps, 0:40 left, loss 1.234"));
        for width in 1..200 {
            assert!(live.line(width, now).chars().count() <= width);
        }
        live.end(id);
        assert!(live.is_idle() && live.line(80, now).is_empty());
    }

    #[test]
    fn a_part_is_shown_beside_the_whole_and_counts_for_its_time_left() {
        let (start, now) = after(10);
        let mut live = Live::default();
        let whole = live.begin("sweep", 4, "runs", start);
        let part = live.begin("T=5", 50, "steps", start);
        live.advance(part, 25, now);
        live.message(part, "val 61.0 %");
        insta::assert_snapshot!(live.line(200, now), @"sweep 0/4 runs, 1:10 left; T=5 25/50 steps, 0:10 left, val 61.0 %");
        live.end(part);
        live.advance(whole, 1, now);
        insta::assert_snapshot!(live.line(60, now), @"sweep 1/4 runs, 0:30 left");
    }

    #[test]
    fn the_pace_forgets_what_is_long_ago() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut live = Live::default();
        let id = live.begin("run", 10_000, "steps", start);
        // A resumed run is given all its earlier steps at once.
        live.advance(id, 5000, at(1));
        for second in 2..=100 {
            live.advance(id, 10, at(second));
        }
        let line = live.line(60, at(100));
        assert!(line.contains("6:41 left") || line.contains("6:40 left"), "{line}");
    }
}
