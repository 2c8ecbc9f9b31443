//! The most important numbers, at the top of the page.

use maud::{Markup, html};

use crate::report::Teacher;
use crate::report::contents::{Contents, Kind};
use crate::runs::compare::{Probability, Verdict};
use crate::runs::{Run, Spread};
use crate::support::statistics::wilson;
use crate::support::text::{
    bytes, count, number_or_dash, numbers, percent, percent_or_dash, seconds, signed, without_absolute_paths,
};
use crate::train::metrics::Metrics;

/// One number with its name and what it is beside.
struct Fact(&'static str, String, String);

/// The rest of the line under the title, after the kind.
pub(crate) fn lead(contents: &Contents) -> Markup {
    let student = |run: &Run| run.description.student();
    html! {
        @if let Some(run) = contents.runs.first() {
            " · teacher " (without_absolute_paths(&run.description.teacher)) " · student " (student(run))
        } @else if let Some(teacher) = &contents.teacher {
            " · dataset " (teacher.manifest.dataset.name) " · teacher " (without_absolute_paths(&teacher.manifest.teacher.name))
        }
    }
}

pub(crate) fn facts(contents: &Contents) -> Markup {
    let facts = match contents.kind {
        Kind::Cache => contents.teacher.as_ref().map(of_cache),
        Kind::Run => contents.runs.first().map(of_run),
        Kind::Sweep => Some(of_sweep(contents)),
    };
    html! {
        dl.facts.verdict[contents.kind == Kind::Sweep] {
            @for Fact(name, value, beside) in facts.into_iter().flatten() {
                div { dt { (name) } dd { (value) @if !beside.is_empty() { small { (beside) } } } }
            }
        }
    }
}

fn of_cache(teacher: &Teacher) -> Vec<Fact> {
    let samples: u64 = teacher.splits.iter().map(|split| split.samples).sum();
    let rows: u64 = teacher.splits.iter().map(|split| split.rows).sum();
    let mut facts = vec![
        Fact(
            "Images",
            samples.to_string(),
            format!(
                "{rows} rows, {} of each in train",
                count(usize::from(teacher.manifest.view.views), "view")
            ),
        ),
        Fact("Classes", teacher.manifest.classes().to_string(), String::new()),
        Fact("Temperatures", numbers(&teacher.manifest.temperatures), String::new()),
        Fact("Size", bytes(teacher.bytes), teacher.manifest.storage()),
    ];
    let quality = teacher.splits.iter().find(|split| split.name == teacher.measured);
    if let Some(quality) = quality.and_then(|split| split.quality.as_ref()) {
        facts.push(Fact(
            "Teacher's accuracy",
            percent(quality.accuracy),
            format!("on {}, ECE {}", quality.split, percent(quality.ece)),
        ));
    }
    facts
}

fn of_run(run: &Run) -> Vec<Fact> {
    let train = &run.description.pipeline.train;
    let mut facts = Vec::new();
    if let Some(result) = &run.result {
        if let Some(test) = &result.test {
            facts.push(Fact(
                "Test accuracy",
                percent_or_dash(test.accuracy),
                format!(
                    "{}{} images, macro F1 {}",
                    interval(test),
                    test.samples,
                    percent_or_dash(test.macro_f1)
                ),
            ));
        }
        let validation = &result.validation;
        facts.push(Fact(
            "Validation accuracy",
            percent_or_dash(validation.accuracy),
            format!(
                "{}epoch {}, the best of {} by {}",
                interval(validation),
                result.best_epoch,
                run.epochs.len(),
                result.chosen_by.name()
            ),
        ));
        let last = result.test.as_ref().unwrap_or(validation);
        facts.push(Fact(
            "Agreement with the teacher",
            percent(last.teacher_agreement),
            format!("KL to it {} nats", number_or_dash(Some(last.teacher_kl).filter(|kl| !kl.is_nan()))),
        ));
        facts.push(Fact(
            "Calibration error",
            percent_or_dash(last.calibration_error),
            "expected, 15 bins".to_owned(),
        ));
    }
    let weights = if train.is_taught() {
        format!("temperature {}, seed {}", train.temperature, train.seed)
    } else {
        format!("labels only, seed {}", train.seed)
    };
    facts.push(Fact("lambda", train.lambda.to_string(), weights));
    facts.push(Fact(
        "Trained in",
        seconds(run.timing.seconds),
        format!("on {}, {:.0} images/s", run.timing.device, run.timing.images_per_second()),
    ));
    facts
}

/// The 95 % interval of an accuracy, for the images that it is over.
fn interval(metrics: &Metrics) -> String {
    let Some(accuracy) = metrics.accuracy else { return String::new() };
    let [low, high] = wilson(accuracy, metrics.labelled());
    format!("95 % interval {:.1} to {:.1}, ", 100.0 * low, 100.0 * high)
}

fn spread(measure: &Spread) -> String {
    format!("{} %", measure.percents())
}

fn of_sweep(contents: &Contents) -> Vec<Fact> {
    let Some(comparison) = &contents.comparison else { return Vec::new() };
    let mut facts =
        vec![Fact("Runs", contents.runs.len().to_string(), count(comparison.groups.len(), "configuration"))];
    if let Some(best) = comparison.groups.first() {
        let beside = format!("{}; the best mean {}", best.label, comparison.measure.name());
        facts.push(Fact("Best on validation", spread(&best.validation), beside));
        if let Some(test) = &best.test {
            facts.push(Fact(
                "The same on test",
                spread(test),
                format!("{}; test chose nothing", count(best.runs.len(), "seed")),
            ));
        }
    }
    let baseline = comparison.best_distilled().and_then(|best| comparison.labels_only_of(best));
    if let Some(baseline) = baseline {
        facts.push(Fact(
            "Labels only",
            spread(baseline.final_measure()),
            "the same student, lambda = 0".to_owned(),
        ));
    }
    let gain = comparison.best_distilled().and_then(|best| {
        let gain = &best.gain.as_ref()?.comparison;
        Some((best, gain, gain.accuracy.as_ref()?))
    });
    let Some((best, gain, accuracy)) = gain else {
        let why = match comparison.best_distilled() {
            Some(best) => format!(
                "{} has no run from the labels only (lambda = 0) with the same settings and seed beside it",
                best.label
            ),
            None => "no run learned from the teacher".to_owned(),
        };
        facts.insert(0, Fact("Gain over labels only", "no verdict".to_owned(), why));
        return facts;
    };
    let verdict = match gain.verdict {
        Verdict::NotSignificant => "not significant",
        Verdict::OnTheseImages => "significant on these images only",
        Verdict::Significant => "significant",
    };
    let p = gain.paired.map_or(String::new(), |paired| format!(", {:#}", Probability(paired.p)));
    let interval = gain.paired.map_or(String::new(), |paired| {
        format!("95 % interval {} to {}, ", signed(100.0 * paired.ci[0]), signed(100.0 * paired.ci[1]))
    });
    let corrected = gain.corrected.map_or(String::new(), |one| {
        format!(" ({:#} corrected for {} configurations)", Probability(one.p), one.comparisons)
    });
    // What a reader came for.
    let beside = format!("{verdict}: {interval}n = {}{p}{corrected}; {}", gain.pairs, best.label);
    facts.insert(
        0,
        Fact("Gain over labels only", format!("{} points", signed(100.0 * accuracy.mean)), beside),
    );
    facts
}
