//! `decant runs ls`: one line for each run. Those that can't be read are listed too, with the reason.

use std::path::Path;

use serde::Serialize;

use crate::cli::Failure;
use crate::cli::output::{age, fitted, out, outln, print_json};
use crate::runs::{self, Listed, RunState};
use crate::support::table::Table;
use crate::train::metrics::Metrics;

/// One run, for programs.
#[derive(Serialize)]
struct Entry<'a> {
    run: String,
    #[serde(flatten)]
    listed: &'a Listed,
    seed: Option<u64>,
    best_epoch: Option<usize>,
    validation: Option<Metrics>,
    test: Option<Metrics>,
    seconds: Option<f64>,
}

pub(crate) fn run(is_named: bool, runs_dir: &Path, tags: &[String], json: bool) -> Result<(), Failure> {
    if is_named && !runs_dir.try_exists().unwrap_or(true) {
        return Err(Failure::usage(format!("there is no folder {}; check --runs-dir", runs_dir.display())));
    }
    let mut listed = runs::list(runs_dir)?;
    listed.retain(|run| tags.iter().all(|tag| run.label.tags.contains(tag)));
    if json {
        print_json(&listed.iter().map(entry).collect::<Vec<_>>());
    } else if listed.is_empty() {
        let tagged =
            if tags.is_empty() { String::new() } else { format!(" with the tag {}", tags.join(", ")) };
        outln!("no run in {}{tagged}", runs_dir.display());
    } else {
        out!("{}", fitted(&table(&listed)));
        for run in &listed {
            if let RunState::Damaged(reason) | RunState::Unreadable(reason) = &run.state {
                outln!("{reason}");
            }
        }
    }
    match listed.iter().filter(|run| matches!(run.state, RunState::Unreadable(_))).count() {
        0 => Ok(()),
        count => Err(Failure::run(format!("{count} of {} runs could not be read", listed.len()))),
    }
}

/// A table that fits 80 columns; names and tags have a column where a run has one.
fn table(listed: &[Listed]) -> Table {
    let has_names = listed.iter().any(|run| run.label.name.is_some());
    let has_tags = listed.iter().any(|run| !run.label.tags.is_empty());
    let head = [
        Some("run"),
        has_names.then_some("name"),
        Some("state"),
        Some("validation"),
        Some("test"),
        Some("age"),
    ];
    let head = head.into_iter().chain([has_tags.then_some("tags")]);
    let mut table = Table::new(head.flatten());
    for run in listed {
        let result = run.run.as_ref().and_then(|run| run.result.as_ref());
        let measure = |metrics: Option<&Metrics>| {
            let share = result.and_then(|result| result.chosen_by.measure(metrics?));
            share.map_or("-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
        };
        let cells = [
            Some(run.name()),
            has_names.then(|| run.label.name.clone().unwrap_or_default()),
            Some(state(run)),
            Some(measure(result.map(|result| &result.validation))),
            Some(measure(result.and_then(|result| result.test.as_ref()))),
            Some(run.age_seconds.map_or("-".to_owned(), age)),
            has_tags.then(|| run.label.tags.join(",")),
        ];
        table.row(cells.into_iter().flatten());
    }
    table
}

fn state(listed: &Listed) -> String {
    let is_imported = listed.run.as_ref().is_some_and(|run| run.description.imported.is_some());
    match &listed.state {
        RunState::Done if is_imported => "imported".to_owned(),
        RunState::Done => "done".to_owned(),
        RunState::Begun { epochs, of } => format!("{epochs}/{of} epochs"),
        RunState::Damaged(_) => "damaged".to_owned(),
        RunState::Unreadable(_) => "unreadable".to_owned(),
    }
}

fn entry(listed: &Listed) -> Entry<'_> {
    let run = listed.run.as_deref();
    let result = run.and_then(|run| run.result.as_ref());
    Entry {
        run: listed.name(),
        listed,
        seed: run.map(runs::Run::seed),
        best_epoch: result.map(|result| result.best_epoch),
        validation: result.map(|result| result.validation.without_confusion()),
        test: result.and_then(|result| Some(result.test.as_ref()?.without_confusion())),
        seconds: run.map(|run| run.timing.seconds),
    }
}
