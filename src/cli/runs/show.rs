//! `decant runs show`: what a run was made of, and its results.

use std::path::Path;

use crate::cli::Failure;
use crate::cli::output::{bytes, fitted, out, outln, print_json, seconds};
use crate::cli::recipe_line::recipe;
use crate::cli::run_header;
use crate::cli::train_student::results;
use crate::runs::{Label, Run};
use crate::support::text::grouped;
use crate::train::Imported;

pub(crate) fn run(folder: &Path, json: bool) -> Result<(), Failure> {
    let run = Run::read(folder)?;
    if json {
        print_json(&run);
        return Ok(());
    }
    let (description, pipeline) = (&run.description, run.pipeline());
    outln!("run      {}", run.folder.display());
    if !run.label.is_empty() {
        outln!("label    {}", label(&run.label));
    }
    outln!("key      {}", description.key);
    outln!("data     {}", pipeline.dataset.source);
    outln!("teacher  {}", description.teacher);
    outln!("cache    {} (content {})", description.cache.display(), description.cache_content.short(12));
    outln!("student  {}, seed {}", description.student(), pipeline.train.seed);
    if let Some(imported) = &description.imported {
        shown_imported(&run, imported);
        return Ok(());
    }
    outln!("loss     {}", run_header::loss(&pipeline.train));
    outln!("recipe   {}", recipe(&pipeline.student, &pipeline.train));
    outln!("device   {}, decant {}", description.device, description.decant);
    let Some(result) = &run.result else {
        outln!("state    {} of {} epochs are done", run.epochs.len(), pipeline.train.epochs);
        return Ok(());
    };
    let size = run.weights_bytes.map_or(String::new(), |size| format!(", {}", bytes(size)));
    outln!(
        "weights  {} parameters{size}, BLAKE3 {}",
        grouped(result.parameters),
        &result.weights[..12.min(result.weights.len())]
    );
    outln!(
        "time     {} ({:.1} images/s in training steps)",
        seconds(run.timing.seconds),
        run.timing.images_per_second()
    );
    outln!("results  epoch {}, the best by {} on validation:", result.best_epoch, result.chosen_by.name());
    out!("{}", fitted(&results(result)));
    Ok(())
}

/// The facts that another tool gave of its run.
fn shown_imported(run: &Run, imported: &Imported) {
    let settings = imported.settings.iter().map(|(key, value)| format!("{key} = {value}"));
    outln!("settings {}", settings.collect::<Vec<_>>().join(", "));
    outln!("imported from {}, by decant {}", imported.tool, run.description.decant);
    if let Some(result) = &run.result {
        outln!("weights  {} parameters, not here", grouped(result.parameters));
        outln!("time     {}", seconds(run.timing.seconds));
        out!("{}", fitted(&results(result)));
    }
}

/// A run's name and tags in words.
pub(super) fn label(label: &Label) -> String {
    let name = label.name.as_ref().map(|name| format!("name {name}"));
    let tags = (!label.tags.is_empty()).then(|| format!("tags {}", label.tags.join(", ")));
    let parts: Vec<String> = name.into_iter().chain(tags).collect();
    if parts.is_empty() { "no name, no tags".to_owned() } else { parts.join("; ") }
}
