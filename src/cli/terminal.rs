//! How the commands show progress: one line on a terminal that is drawn again and again, plain lines on standard error elsewhere.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::live::Live;
use super::output::{self, errln, outln};
use crate::support::context::{Cancel, Context, Reporter};
use crate::support::progress::Task;

/// How soon the first plain line is written; each later one takes twice as long, up to [`LONGEST_INTERVAL`].
const FIRST_INTERVAL: Duration = Duration::from_secs(10);
const LONGEST_INTERVAL: Duration = Duration::from_mins(1);
/// Time between two drawings of the line.
const REDRAW: Duration = Duration::from_millis(100);
/// Characters of a plain line at most.
const PLAIN_WIDTH: usize = 200;

/// Shows progress and lines to the person who runs a command.
pub(crate) struct Terminal(Arc<Screen>);

/// The work under way, and how it is shown.
struct Screen {
    /// Whether there is a terminal that can show a line and take it away again.
    is_live: bool,
    state: Mutex<State>,
}

struct State {
    live: Live,
    is_ticking: bool,
    drawn: Instant,
    /// When the next plain line is due, and how long after it the one that follows.
    due: Instant,
    interval: Duration,
}

impl Terminal {
    /// A context that shows progress and lines, and stops when `cancel` is requested.
    pub(crate) fn context(cancel: Cancel) -> Context {
        let now = Instant::now();
        let state = State {
            live: Live::default(),
            is_ticking: false,
            drawn: now,
            due: now + FIRST_INTERVAL,
            interval: FIRST_INTERVAL,
        };
        let screen = Screen { is_live: output::has_live_line(), state: Mutex::new(state) };
        Context::new(Arc::new(Self(Arc::new(screen))), cancel)
    }
}

impl Reporter for Terminal {
    fn begin(&self, label: &str, total: u64, unit: &'static str) -> Box<dyn Task> {
        let screen = &self.0;
        let id = {
            let mut state = screen.state();
            if !state.is_ticking {
                state.is_ticking = true;
                tick(Arc::downgrade(screen));
            }
            state.live.begin(label, total, unit, Instant::now())
        };
        Box::new(Shown { id, screen: Arc::clone(screen) })
    }

    fn line(&self, text: &str) {
        outln!("{text}");
    }
}

impl Screen {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws the line, or writes a plain one where it is due.
    fn show(&self) {
        let mut state = self.state();
        let now = Instant::now();
        if state.live.is_idle() {
            return;
        }
        if self.is_live {
            state.drawn = now;
            output::draw(|width| state.live.line(width, now));
        } else if now >= state.due {
            state.interval = (2 * state.interval).min(LONGEST_INTERVAL);
            state.due = now + state.interval;
            let line = state.live.plain_line(PLAIN_WIDTH, now);
            drop(state);
            errln!("{line}");
        }
    }
}

/// Shows the progress several times a second, also while nothing advances: time passes, and terminals change their size.
fn tick(screen: Weak<Screen>) {
    let body = move || {
        loop {
            std::thread::sleep(2 * REDRAW);
            let Some(screen) = screen.upgrade() else { return };
            screen.show();
        }
    };
    // Without the thread the line is drawn whenever the work advances.
    let _ = std::thread::Builder::new().name("progress".to_owned()).spawn(body);
}

/// A piece of work that is shown.
struct Shown {
    id: u64,
    screen: Arc<Screen>,
}

impl Task for Shown {
    fn advance(&mut self, count: u64) {
        let is_due = {
            let mut state = self.screen.state();
            state.live.advance(self.id, count, Instant::now());
            self.screen.is_live && state.drawn.elapsed() >= REDRAW
        };
        if is_due {
            self.screen.show();
        }
    }

    fn message(&mut self, text: &str) {
        self.screen.state().live.message(self.id, text);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut state = self.screen.state();
        state.live.end(self.id);
        if self.screen.is_live && state.live.is_idle() {
            output::clear();
        }
    }
}
