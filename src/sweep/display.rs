//! What is seen of a sweep while it runs: a line for every run that ends, and on a terminal a bar for each that trains.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::train::EpochRecord;

/// Characters of a run's name beside its bar.
const NAME: usize = 34;

/// Where the runs are shown.
pub struct Board {
    bars: Option<(MultiProgress, ProgressBar)>,
    total: usize,
    ended: AtomicUsize,
    quiet: bool,
}

impl Board {
    /// A board for `total` runs; a `quiet` one shows nothing.
    pub fn new(total: usize, quiet: bool) -> Self {
        let is_shown = !quiet && std::io::stderr().is_terminal() && std::io::stdout().is_terminal();
        let bars = is_shown.then(|| {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
            let whole = all.add(ProgressBar::new(total as u64));
            whole.set_style(style("{prefix:<34} {bar:14} {pos}/{len} runs, {elapsed} so far"));
            whole.set_prefix("sweep");
            whole.tick();
            (all, whole)
        });
        Self { bars, total, ended: AtomicUsize::new(0), quiet }
    }

    /// The bar of a run of so many steps. A hidden one where there is no terminal.
    pub fn start(&self, name: &str, steps: u64) -> ProgressBar {
        let Some((all, whole)) = &self.bars else { return ProgressBar::hidden() };
        let bar = all.insert_before(whole, ProgressBar::new(steps));
        bar.set_style(style("{prefix:<34} {bar:14} {percent:>3} %  {wide_msg}"));
        bar.set_prefix(cut(name));
        bar
    }

    /// Takes the bar of a run away and writes its line.
    pub fn end(&self, bar: &ProgressBar, name: &str, outcome: &str) {
        bar.finish_and_clear();
        let ended = self.ended.fetch_add(1, Ordering::SeqCst) + 1;
        let digits = self.total.to_string().len();
        self.line(&format!("[{ended:>digits$}/{}] {:<NAME$} {outcome}", self.total, cut(name)));
        if let Some((_, whole)) = &self.bars {
            whole.inc(1);
        }
    }

    /// Writes one line, above the bars.
    pub fn line(&self, text: &str) {
        match &self.bars {
            _ if self.quiet => {}
            Some((all, _)) => {
                let _ = all.println(text);
            }
            None => println!("{text}"),
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if let Some((_, whole)) = &self.bars {
            whole.finish_and_clear();
        }
    }
}

/// What a bar says of the epoch that ended.
pub(super) fn epoch(record: &EpochRecord, epochs: usize) -> String {
    format!("{}/{epochs}, val {:.1} %", record.epoch, 100.0 * record.validation.accuracy)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is ours")
}

/// A name that fits beside its bar.
fn cut(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    name.chars().take(NAME - 1).chain(['…']).collect()
}
