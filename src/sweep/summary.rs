//! The results of a sweep summed up: the best configuration, each configuration, each axis, and the gain over the labels only.

use serde::Serialize;

use super::axes::{Grid, Marginal, grid, marginals};
use super::points::label;
use super::results::{Results, Row, Rung};
use crate::runs::{Gain, Spread};
use crate::store::TeacherQuality;
use crate::train::metrics::Criterion;

/// One configuration over its seeds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Configuration {
    /// Its values, such as `T=5 lambda=0.9`.
    pub values: String,
    /// Runs that are done.
    pub runs: usize,
    /// The measure on validation: accuracy, unless the summary says otherwise.
    pub validation: Spread,
    /// Mean negative log-likelihood on validation, in nats, where its images have labels.
    pub validation_nll: Option<f64>,
    /// The measure on test, where there is one.
    pub test: Option<Spread>,
    /// Accuracy against that of the labels only, same seeds, all else equal.
    pub gain: Option<Gain>,
}

/// The best configuration, and which of its runs to take.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Best {
    /// Its values.
    pub values: String,
    /// The measure on validation over its seeds.
    pub validation: Spread,
    /// The same on test.
    pub test: Option<Spread>,
    /// The run of its best seed on validation.
    pub run: BestRun,
}

/// The run to take of the best configuration.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BestRun {
    /// Its folder's name.
    pub run: String,
    /// Its seed.
    pub seed: u64,
    /// The measure on validation.
    pub validation: Option<f64>,
    /// The measure on test.
    pub test: Option<f64>,
}

/// A sweep's results, summed up. Test is reported and never chosen by.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    /// The sweep's name.
    pub name: String,
    /// Runs in all.
    pub runs: usize,
    /// Runs that are done.
    pub done: usize,
    /// The measure of `validation` and `test`.
    pub measure: Criterion,
    /// The configuration with the best mean over its seeds on validation.
    pub best: Option<Best>,
    /// The configurations of the last rung, the best first.
    pub configurations: Vec<Configuration>,
    /// The best configuration that hears the teacher against the labels only, in words.
    pub verdict: Option<String>,
    /// The teacher on each split, from its cached logits.
    pub teacher: Vec<TeacherQuality>,
    /// One entry for each value of each axis.
    pub marginals: Vec<Marginal>,
    /// Runs that failed, each with its error.
    pub failures: Vec<(String, String)>,
    #[serde(skip)]
    pub(super) grid: Option<Grid>,
}

impl Summary {
    /// Sums results up; `teacher` is the quality of the teacher on each split.
    pub(crate) fn of(results: &Results, teacher: &[TeacherQuality]) -> Self {
        let rung = results.last_rung();
        let measure = rung.configurations.criterion;
        let configurations = rung.configurations.configurations.iter().filter_map(|configuration| {
            let nll = rung.finished(configuration).map(|run| run.validation.negative_log_likelihood);
            Some(Configuration {
                values: rung.label(configuration),
                runs: configuration.finished.len(),
                validation: configuration.validation.clone()?,
                validation_nll: Spread::of_all(nll).map(|nll| nll.mean),
                test: configuration.test.clone(),
                gain: configuration.gain.clone(),
            })
        });
        let failures = results.failures();
        Self {
            name: results.name.clone(),
            runs: results.rows.len(),
            done: results.rows.iter().filter(|row| row.result().is_some()).count(),
            measure,
            best: best(&rung),
            verdict: verdict(&rung),
            teacher: teacher.iter().filter(|quality| quality.labelled > 0).cloned().collect(),
            configurations: configurations.collect(),
            marginals: marginals(results, measure),
            failures: failures
                .map(|(row, error)| (label(&results.axes, &row.values), error.to_owned()))
                .collect(),
            grid: grid(results, measure),
        }
    }
}

/// The gain of the best configuration with the teacher over the labels only, as `compare` says it.
fn verdict(rung: &Rung<'_>) -> Option<String> {
    let best = rung.configurations.best_taught()?;
    let gain = best.gain.as_ref()?;
    let label = rung.label(best);
    Some(format!("{label} against the labels only, on {}: {}", gain.split, gain.comparison.words()))
}

fn best(rung: &Rung<'_>) -> Option<Best> {
    let (best, measure) = (rung.configurations.best()?, rung.configurations.criterion);
    let row: &Row = rung.run_to_take()?;
    let result = row.result()?;
    Some(Best {
        values: rung.label(best),
        validation: best.validation.clone()?,
        test: best.test.clone(),
        run: BestRun {
            run: row.run.clone(),
            seed: row.seed,
            validation: measure.measure(&result.validation),
            test: result.test.as_ref().and_then(|test| measure.measure(test)),
        },
    })
}

#[cfg(test)]
mod tests {
    use toml::Value;

    use super::*;
    use crate::config::Pipeline;
    use crate::runs::{Recipe, example_result};
    use crate::sweep::State;
    use crate::sweep::value::{LAMBDA, TEMPERATURE};

    const AXES: [&str; 3] = [LAMBDA, TEMPERATURE, "train.seed"];

    /// A run of these values: accuracy and negative log-likelihood on validation, accuracy on test.
    fn row(lambda: f64, temperature: Option<f64>, seed: u64, [accuracy, nll, test]: [f64; 3]) -> Row {
        let mut pipeline = Pipeline::default();
        pipeline.train.lambda = lambda as f32;
        pipeline.train.temperature = temperature.unwrap_or(5.0) as f32;
        let values = vec![
            Some(Value::Float(lambda)),
            temperature.map(Value::Float),
            Some(Value::Integer(seed as i64)),
        ];
        Row {
            key: String::new(),
            run: format!("grid-{lambda}-{}-{seed}", temperature.unwrap_or(0.0)),
            rung: 0,
            values,
            always: vec![None; 4],
            recipe: Recipe::of(&pipeline, None),
            seed,
            state: State::Done(Box::new(example_result(seed, accuracy, nll, test))),
        }
    }

    fn summary(rows: Vec<Row>) -> Summary {
        let axes = AXES.map(str::to_owned).to_vec();
        Summary::of(&Results { name: "grid".to_owned(), axes, rungs: 1, rows }, &[])
    }

    #[test]
    fn the_best_is_chosen_by_validation_then_by_its_likelihood_and_never_by_test() {
        let summary = summary(vec![
            row(0.0, None, 0, [0.7, 0.5, 0.99]),
            row(0.5, Some(1.0), 0, [0.8, 0.9, 0.98]),
            row(0.5, Some(5.0), 0, [0.8, 0.6, 0.1]),
        ]);
        assert_eq!(summary.best.unwrap().values, "lambda=0.5 T=5");
        let order = summary.configurations.iter().map(|one| one.values.as_str());
        assert_eq!(order.collect::<Vec<_>>(), ["lambda=0.5 T=5", "lambda=0.5 T=1", "lambda=0"]);
    }

    #[test]
    fn a_lucky_seed_does_not_make_its_configuration_the_best() {
        let summary = summary(vec![
            row(0.9, Some(2.0), 0, [0.707, 0.5, 0.742]),
            row(0.9, Some(2.0), 1, [0.579, 0.5, 0.586]),
            row(0.9, Some(5.0), 0, [0.646, 0.5, 0.711]),
            row(0.9, Some(5.0), 1, [0.684, 0.5, 0.719]),
        ]);
        insta::assert_snapshot!(summary.best_lines(), @r"
        best     lambda=0.9 T=5, the best mean on validation over its 2 seeds:
                 66.5 ± 2.7 % on validation, 71.5 ± 0.6 % on test
        export   grid-0.9-5-1, its best seed on validation (1):
                 68.4 % on validation, 71.9 % on test
        ");
    }

    #[test]
    fn a_sweep_ends_in_the_verdict_of_compare_corrected_for_its_configurations() {
        let mut rows = Vec::new();
        for (seed, [scratch, low, high]) in
            (0..).zip([[0.70, 0.74, 0.80], [0.71, 0.73, 0.79], [0.69, 0.75, 0.82]])
        {
            rows.push(row(0.0, None, seed, [scratch, 0.5, scratch]));
            rows.push(row(0.5, Some(1.0), seed, [low, 0.5, low]));
            rows.push(row(0.5, Some(5.0), seed, [high, 0.5, high]));
        }
        let summary = summary(rows);
        let verdict = summary.verdict.as_ref().unwrap();
        assert!(verdict.starts_with("lambda=0.5 T=5 against the labels only, on test: "), "{verdict}");
        assert!(
            verdict.contains("+10.3 points") && verdict.contains("by Holm for 2 configurations"),
            "{verdict}"
        );
        let corrected =
            |index: usize| summary.configurations[index].gain.as_ref().unwrap().comparison.corrected.unwrap();
        assert!(
            corrected(0).p >= summary.configurations[0].gain.as_ref().unwrap().comparison.paired.unwrap().p
        );
        assert_eq!(corrected(1).comparisons, 2);
        assert!(summary.best_lines().contains("\nverdict  "), "{}", summary.best_lines());
    }

    #[test]
    fn the_gain_pairs_runs_of_one_seed_and_needs_both() {
        let summary = summary(vec![
            row(0.0, None, 0, [0.7, 0.5, 0.60]),
            row(0.0, None, 1, [0.7, 0.5, 0.80]),
            row(0.5, Some(5.0), 1, [0.8, 0.6, 0.83]),
            row(0.5, Some(5.0), 0, [0.8, 0.6, 0.61]),
            row(0.5, Some(5.0), 2, [0.8, 0.6, 0.10]),
        ]);
        let gain = summary.configurations[0].gain.as_ref().unwrap();
        assert_eq!((gain.comparison.pairs, gain.split), (2, "test"));
        assert!((gain.comparison.accuracy.as_ref().unwrap().mean - 0.02).abs() < 1e-12);
        assert!(gain.comparison.paired.is_some() && summary.configurations[1].gain.is_none());
    }

    #[test]
    fn the_labels_only_stand_under_every_temperature() {
        let summary = summary(vec![
            row(0.0, None, 0, [0.7, 0.5, 0.60]),
            row(0.5, Some(1.0), 0, [0.7, 0.5, 0.80]),
            row(0.5, Some(5.0), 0, [0.8, 0.6, 0.83]),
        ]);
        insta::assert_snapshot!(summary.grid.unwrap().markdown(), @r"
        | lambda | T = 1 | T = 5 |
        | --- | ---: | ---: |
        | 0 | 60.0 | 60.0 |
        | 0.5 | 80.0 | 83.0 |
        ");
    }
}
