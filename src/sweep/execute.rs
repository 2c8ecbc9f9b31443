//! Training what is not done, one run after another or several side by side.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::display::{self, Display};
use super::plan::Planned;
use crate::dataset::SplitName;
use crate::runs;
use crate::support::context::Context;
use crate::support::text::percent;
use crate::train::plan::Plan;
use crate::train::{self, Event, Outcome};

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum RunOutcome {
    /// It is done, or was before.
    Done,
    /// It failed, with this error; the others went on.
    Failed(String),
    /// The user stopped it, or it never began.
    Interrupted,
    /// Another process trains it.
    Held,
}

/// Time between two looks at a run that another process trains.
const PATIENCE: Duration = Duration::from_secs(1);

/// Trains `runs`, which have these names, `jobs` at a time, and gives the outcome of each, in their order. The threads of this
/// machine are divided among the jobs. The bytes of a run don't depend on how many there are.
///
/// A run that another process trains is left for last, and then waited for: it ends as that process ends it, or is resumed here if
/// that process dies.
///
/// # Panics
/// When there are more or fewer names than runs.
pub(super) fn execute(
    runs: &[&Planned],
    names: &[String],
    jobs: usize,
    context: &Context,
) -> Vec<RunOutcome> {
    assert_eq!(runs.len(), names.len(), "a name a run");
    let display = &Display::new(context, runs.len());
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(vec![RunOutcome::Interrupted; runs.len()]);
    let work = || loop {
        let index = next.fetch_add(1, Ordering::SeqCst);
        let Some(run) = runs.get(index) else { return };
        let outcome = one(run, &names[index], display);
        let stop = outcome == RunOutcome::Interrupted;
        outcomes.lock().expect("no worker panics with it")[index] = outcome;
        if stop {
            return;
        }
    };
    let jobs = jobs.clamp(1, runs.len().max(1));
    if jobs == 1 {
        work();
    } else {
        let threads = (rayon::current_num_threads() / jobs).max(1);
        let started = std::thread::scope(|scope| {
            for started in 0..jobs {
                // Where the system starts no more threads, fewer jobs do the work.
                let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(threads).build() else {
                    return started;
                };
                let work = &work;
                scope.spawn(move || pool.install(work));
            }
            jobs
        });
        if started == 0 {
            work();
        }
    }
    let mut outcomes = outcomes.into_inner().expect("no worker panics with it");
    await_others(runs, names, display, &mut outcomes);
    outcomes
}

/// Waits for the runs that other processes train.
fn await_others(runs: &[&Planned], names: &[String], display: &Display, outcomes: &mut [RunOutcome]) {
    let held = |outcomes: &[RunOutcome]| outcomes.iter().position(|outcome| *outcome == RunOutcome::Held);
    if held(outcomes).is_some() && !outcomes.contains(&RunOutcome::Interrupted) {
        let count = outcomes.iter().filter(|outcome| **outcome == RunOutcome::Held).count();
        display.line(&format!("waiting for {count} of them, which another process trains"));
    }
    while let Some(first) = held(outcomes) {
        if display.context().is_cancelled() {
            outcomes[first] = RunOutcome::Interrupted;
            return;
        }
        std::thread::sleep(PATIENCE);
        for index in 0..runs.len() {
            if outcomes[index] == RunOutcome::Held {
                outcomes[index] = one(runs[index], &names[index], display);
            }
        }
    }
}

fn one(run: &Planned, name: &str, display: &Display) -> RunOutcome {
    let setup = &run.setup;
    let epochs = setup.pipeline.train.epochs;
    let images = setup.dataset.split(SplitName::Train).map_or(0, |split| split.samples.len());
    let steps = Plan::new(&setup.pipeline.train, images).steps();
    let context = display.start(name, (steps * epochs) as u64);
    let outcome = runs::train(setup, &context, &mut |event| match event {
        Event::Resumed { epoch, step } => {
            context.progress("", 0, "steps").advance((epoch * steps + step) as u64);
        }
        Event::Epoch(record) => context.progress("", 0, "steps").message(display::epoch(record, epochs)),
        Event::Damaged(path, reason) => {
            let path = path.display();
            display.line(&format!(
                "warning: {name}: the checkpoint {path} is damaged ({reason}); the one before it is used"
            ));
        }
        Event::Initialised(_) => {}
    });
    drop(context);
    match outcome {
        Ok(Outcome::Done { result, timing, already }) => {
            let measure = |metrics| result.chosen_by.measure(metrics).map_or("-".to_owned(), percent);
            let test = result.test.as_ref().map_or(String::new(), |test| format!(", test {}", measure(test)));
            let time =
                if already { "already trained".to_owned() } else { format!("{:.1} s", timing.seconds) };
            display.end(name, &format!("val {}{test}, {time}", measure(&result.validation)));
            run.forget_failure();
            RunOutcome::Done
        }
        Ok(Outcome::Interrupted { .. }) => RunOutcome::Interrupted,
        Err(train::Error::Busy { .. }) => RunOutcome::Held,
        Err(error) => {
            run.note_failure(&error.to_string());
            display.end(name, &format!("failed: {error}"));
            RunOutcome::Failed(error.to_string())
        }
    }
}
