//! Training what is not done, one run after another or several side by side.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::display::{self, Display};
use super::plan::Planned;
use crate::dataset::SplitName;
use crate::support::context::Context;
use crate::train::plan::Plan;
use crate::train::{self, Event, Outcome};

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ending {
    /// It is done, or was before.
    Done,
    /// It failed, with this error; the others went on.
    Failed(String),
    /// The user stopped it, or it never began.
    Interrupted,
    /// Another process trains it.
    Held,
}

/// How long a run that another process trains is left alone before it is looked at again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Trains `runs`, which have these names, `jobs` at a time, and gives how each ended, in their order. The threads of this
/// machine are divided among the jobs. The bytes of a run don't depend on how many there are.
///
/// A run that another process trains is left for last, and then waited for: it ends as that process ends it, or is gone on
/// with here where that process dies.
///
/// # Panics
/// When the names are not as many as the runs, or no thread can be started.
pub(super) fn execute(runs: &[&Planned], names: &[String], jobs: usize, context: &Context) -> Vec<Ending> {
    assert_eq!(runs.len(), names.len(), "a name a run");
    let display = &Display::new(context, runs.len());
    let next = AtomicUsize::new(0);
    let endings = Mutex::new(vec![Ending::Interrupted; runs.len()]);
    let work = || loop {
        let index = next.fetch_add(1, Ordering::SeqCst);
        let Some(run) = runs.get(index) else { return };
        let ending = one(run, &names[index], display);
        let stop = ending == Ending::Interrupted;
        endings.lock().expect("no worker panics with it")[index] = ending;
        if stop {
            return;
        }
    };
    let jobs = jobs.clamp(1, runs.len().max(1));
    if jobs == 1 {
        work();
    } else {
        let threads = (rayon::current_num_threads() / jobs).max(1);
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let pool = pool.expect("threads can be started");
                let work = &work;
                scope.spawn(move || pool.install(work));
            }
        });
    }
    let mut endings = endings.into_inner().expect("no worker panics with it");
    await_others(runs, names, display, &mut endings);
    endings
}

/// Waits for the runs that other processes train.
fn await_others(runs: &[&Planned], names: &[String], display: &Display, endings: &mut [Ending]) {
    let held = |endings: &[Ending]| endings.iter().position(|ending| *ending == Ending::Held);
    if held(endings).is_some() && !endings.contains(&Ending::Interrupted) {
        let count = endings.iter().filter(|ending| **ending == Ending::Held).count();
        display.line(&format!("waiting for {count} of them, which another process trains"));
    }
    while let Some(first) = held(endings) {
        if display.context().is_cancelled() {
            endings[first] = Ending::Interrupted;
            return;
        }
        std::thread::sleep(PATIENCE);
        for index in 0..runs.len() {
            if endings[index] == Ending::Held {
                endings[index] = one(runs[index], &names[index], display);
            }
        }
    }
}

fn one(run: &Planned, name: &str, display: &Display) -> Ending {
    let setup = &run.setup;
    let epochs = setup.pipeline.train.epochs;
    let images = setup.dataset.split(SplitName::Train).map_or(0, |split| split.samples.len());
    let steps = Plan::new(&setup.pipeline.train, images).steps();
    let context = display.start(name, (steps * epochs) as u64);
    let outcome = train::train(setup, &context, &mut |event| match event {
        Event::Resumed { epoch, step } => {
            context.progress("", 0, "steps").advance((epoch * steps + step) as u64)
        }
        Event::Epoch(record) => context.progress("", 0, "steps").message(display::epoch(record, epochs)),
        Event::Initialised(_) => {}
    });
    drop(context);
    match outcome {
        Ok(Outcome::Done { result, timing, already }) => {
            let test = result.test.as_ref();
            let test = test.map_or(String::new(), |test| format!(", test {:.1} %", 100.0 * test.accuracy));
            let time =
                if already { "already trained".to_owned() } else { format!("{:.1} s", timing.seconds) };
            display.end(name, &format!("val {:.1} %{test}, {time}", 100.0 * result.validation.accuracy));
            run.forget_failure();
            Ending::Done
        }
        Ok(Outcome::Interrupted { .. }) => Ending::Interrupted,
        Err(train::Error::Busy { .. }) => Ending::Held,
        Err(error) => {
            run.note_failure(&error.to_string());
            display.end(name, &format!("failed: {error}"));
            Ending::Failed(error.to_string())
        }
    }
}
