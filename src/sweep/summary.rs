//! What the results come to: the best by validation, each configuration, each axis, and against the labels alone.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use toml::Value;

use super::halving::{better, descending};
use super::points::{is_teachers, label};
use super::results::{Group, Results, Row, all_same, put};
use super::value::{LAMBDA, TEMPERATURE, same, short, text};
use super::{Error, Plan};
use crate::support::statistics::{mean_and_deviation, paired};
use crate::support::table::Table;
use crate::train::RunResult;

/// Configurations that the terminal shows.
const SHOWN: usize = 12;

/// A mean over seeds with the sample standard deviation, both as shares.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation, 0 of a single run.
    pub deviation: f64,
}

/// One configuration over its seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Configuration {
    /// Its values, such as `T=5 lambda=0.9`.
    pub values: String,
    /// Runs that are done.
    pub runs: usize,
    /// Accuracy on validation.
    pub validation: Spread,
    /// Mean negative log-likelihood on validation, in nats.
    pub validation_nll: f64,
    /// Accuracy on test, where there is one.
    pub test: Option<Spread>,
    /// Accuracy against that of the labels alone, same seeds, same everything else.
    pub gain: Option<Gain>,
}

/// A configuration against the same one from the labels alone, paired by seed.
#[derive(Clone, Debug, Serialize)]
pub struct Gain {
    /// The split that it was measured on.
    pub split: &'static str,
    /// Pairs of runs.
    pub pairs: usize,
    /// Mean difference of accuracy, as a share.
    pub mean: f64,
    /// Sample standard deviation of the differences.
    pub deviation: f64,
    /// 95 % confidence interval of the mean, of two pairs or more.
    pub interval: Option<[f64; 2]>,
    /// Two-sided p of the paired t-test, of two pairs or more.
    pub p: Option<f64>,
}

/// The runs that have one value of an axis.
#[derive(Clone, Debug, Serialize)]
pub struct Marginal {
    /// The axis.
    pub axis: String,
    /// The value.
    pub value: String,
    /// How many runs.
    pub runs: usize,
    /// Their accuracy on validation.
    pub validation: Spread,
    /// Their accuracy on test.
    pub test: Option<Spread>,
}

/// The run whose student one would take.
#[derive(Clone, Debug, Serialize)]
pub struct BestRun {
    /// Its values.
    pub values: String,
    /// Its folder's name.
    pub run: String,
    /// Accuracy on validation.
    pub validation: f64,
    /// Accuracy on test.
    pub test: Option<f64>,
}

/// A sweep's results, summed up. The test split is reported and never chosen by.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The sweep's name.
    pub name: String,
    /// Runs in all.
    pub runs: usize,
    /// Runs that are done.
    pub done: usize,
    /// The run with the best validation accuracy; of equal ones the one with the lower negative log-likelihood.
    pub best_run: Option<BestRun>,
    /// The configurations of the last rung, best first by mean validation accuracy.
    pub configurations: Vec<Configuration>,
    /// One entry for each value of each axis.
    pub marginals: Vec<Marginal>,
    /// Runs that failed, each with its error.
    pub failures: Vec<(String, String)>,
    #[serde(skip)]
    grid: Option<Grid>,
}

/// Mean accuracies by temperature and lambda.
#[derive(Clone, Debug)]
struct Grid {
    temperatures: Vec<String>,
    rows: Vec<(String, Vec<Option<Spread>>)>,
    split: &'static str,
}

impl Summary {
    /// Sums results up.
    pub fn of(results: &Results) -> Self {
        let axes: Vec<String> = results.configuration_axes().cloned().collect();
        let mut groups = results.last_rung();
        groups.retain(|group| !group.done.is_empty());
        groups.sort_by(better);
        let configurations = groups.iter().map(|group| Configuration {
            values: label(&axes, &group.values),
            runs: group.done.len(),
            validation: spread(group.done.iter().map(|(_, run)| run), validation).expect("one run at least"),
            validation_nll: group.mean(|run| run.validation.negative_log_likelihood),
            test: spread(group.done.iter().map(|(_, run)| run), test),
            gain: gain(&axes, &groups, group),
        });
        let failures = results.failures();
        Self {
            name: results.name.clone(),
            runs: results.rows.len(),
            done: results.rows.iter().filter(|row| row.result().is_some()).count(),
            best_run: best_run(results),
            configurations: configurations.collect(),
            marginals: marginals(results),
            failures: failures
                .map(|(row, error)| (label(&results.axes, &row.values), error.to_owned()))
                .collect(),
            grid: grid(results),
        }
    }

    /// What the terminal shows, in 80 columns.
    pub fn tables(&self) -> String {
        let mut out = String::new();
        let mut table = Table::new(["configuration", "runs", "validation", "test", "gain"]);
        for configuration in self.configurations.iter().take(SHOWN) {
            let gain = configuration.gain.as_ref();
            table.row([
                cut(&configuration.values, 32),
                configuration.runs.to_string(),
                percents(configuration.validation),
                configuration.test.map_or("-".to_owned(), percents),
                gain.map_or("-".to_owned(), |gain| format!("{:+.1}", 100.0 * gain.mean)),
            ]);
        }
        let _ = write!(out, "{table}");
        if self.configurations.len() > SHOWN {
            let _ = writeln!(out, "... and {} more in summary.md", self.configurations.len() - SHOWN);
        }
        if self.configurations.iter().any(|configuration| configuration.gain.is_some()) {
            out += "gain: points of accuracy over the labels alone, seed by seed\n";
        }
        if let Some(grid) = &self.grid {
            let _ = write!(out, "\n{} accuracy, %, by temperature and lambda:\n{}", grid.split, grid.table());
        }
        out
    }

    /// Writes `summary.md` and `summary.json`, which hold no time.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self, folder: &Path, plan: &Plan) -> Result<(), Error> {
        put(&folder.join("summary.md"), &self.markdown(plan))?;
        let json = serde_json::to_string_pretty(self).expect("plain data") + "\n";
        put(&folder.join("summary.json"), &json)
    }

    fn markdown(&self, plan: &Plan) -> String {
        let manifest = plan.own.manifest();
        let mut out = format!("# {}\n\n", self.name);
        let _ = writeln!(
            out,
            "{} of {} runs are done; teacher {}, dataset {} ({}), cache {}.",
            self.done,
            self.runs,
            manifest.teacher.name,
            manifest.dataset.name,
            manifest.dataset.fingerprint.short(12),
            plan.own.complete().content.short(12),
        );
        if let Some(best) = &self.best_run {
            let test = best.test.map_or(String::new(), |test| format!(", {:.1} % on test", 100.0 * test));
            let _ = writeln!(
                out,
                "\nBest run by validation accuracy: {} (`{}`), {:.1} % on validation{test}. The test split chose nothing.",
                best.values,
                best.run,
                100.0 * best.validation
            );
        }
        out += "\n## Configurations\n\nAccuracy in percent, mean ± sample standard deviation over the seeds, best validation first.\n\n";
        out += "| configuration | runs | validation | NLL | test |\n| --- | ---: | ---: | ---: | ---: |\n";
        for configuration in &self.configurations {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {:.3} | {} |",
                configuration.values,
                configuration.runs,
                percents(configuration.validation),
                configuration.validation_nll,
                configuration.test.map_or("-".to_owned(), percents)
            );
        }
        if let Some(grid) = &self.grid {
            let _ = writeln!(
                out,
                "\n## Temperature and lambda\n\n{} accuracy in percent, over everything else.\n",
                grid.split
            );
            out += &grid.markdown();
        }
        let gains = || self.configurations.iter().filter_map(|one| Some((&one.values, one.gain.as_ref()?)));
        if gains().next().is_some() {
            out += "\n## Against the labels alone\n\nPoints of accuracy over lambda = 0, with the same seed and the same everything else; p is that of the paired t-test.\n\n";
            out += "| configuration | split | pairs | gain | 95 % interval | p |\n| --- | --- | ---: | ---: | ---: | ---: |\n";
            for (name, gain) in gains() {
                let interval = gain.interval.map_or("-".to_owned(), |[low, high]| {
                    format!("{:+.1} to {:+.1}", 100.0 * low, 100.0 * high)
                });
                let p = gain.p.map_or("-".to_owned(), |p| format!("{p:.3}"));
                let (mean, deviation) = (100.0 * gain.mean, 100.0 * gain.deviation);
                let _ = writeln!(
                    out,
                    "| {name} | {} | {} | {mean:+.1} ± {deviation:.1} | {interval} | {p} |",
                    gain.split, gain.pairs
                );
            }
        }
        if !self.marginals.is_empty() {
            out += "\n## Each axis\n\nAccuracy in percent over every run that has the value.\n\n";
            out += "| axis | value | runs | validation | test |\n| --- | ---: | ---: | ---: | ---: |\n";
            for marginal in &self.marginals {
                let Marginal { axis, value, runs, validation, test } = marginal;
                let test = test.map_or("-".to_owned(), percents);
                let _ = writeln!(out, "| {axis} | {value} | {runs} | {} | {test} |", percents(*validation));
            }
        }
        if !self.failures.is_empty() {
            out += "\n## Failed\n\n";
            for (run, error) in &self.failures {
                let _ = writeln!(out, "- {run}: {error}");
            }
        }
        out
    }
}

impl Grid {
    fn cells(cells: &[Option<Spread>]) -> impl Iterator<Item = String> {
        cells.iter().map(|cell| cell.map_or("-".to_owned(), percents))
    }

    fn table(&self) -> Table {
        let heads = self.temperatures.iter().map(|temperature| format!("T = {temperature}"));
        let mut table = Table::new([String::new()].into_iter().chain(heads));
        for (lambda, cells) in &self.rows {
            table.row([format!("lambda {lambda}")].into_iter().chain(Self::cells(cells)));
        }
        table
    }

    fn markdown(&self) -> String {
        let mut out = String::from("| lambda |");
        for temperature in &self.temperatures {
            let _ = write!(out, " T = {temperature} |");
        }
        let _ = writeln!(out, "\n| --- |{}", " ---: |".repeat(self.temperatures.len()));
        for (lambda, cells) in &self.rows {
            let _ = writeln!(out, "| {lambda} | {} |", Self::cells(cells).collect::<Vec<_>>().join(" | "));
        }
        out
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands beside the measure on test, which may be missing")]
fn validation(run: &RunResult) -> Option<f64> {
    Some(run.validation.accuracy)
}

fn test(run: &RunResult) -> Option<f64> {
    run.test.as_ref().map(|test| test.accuracy)
}

/// The spread of a measure that every run has; nothing of no run.
fn spread<'a>(
    runs: impl Iterator<Item = &'a RunResult>,
    of: fn(&RunResult) -> Option<f64>,
) -> Option<Spread> {
    let values: Vec<f64> = runs.map(of).collect::<Option<_>>()?;
    let (mean, deviation) = mean_and_deviation(&values);
    (!values.is_empty()).then_some(Spread { mean, deviation })
}

fn done_in_last_rung(results: &Results) -> impl Iterator<Item = (&Row, &RunResult)> {
    let rows = results.rows.iter().filter(|row| row.rung + 1 == results.rungs);
    rows.filter_map(|row| Some((row, row.result()?)))
}

fn best_run(results: &Results) -> Option<BestRun> {
    let mut runs: Vec<_> = done_in_last_rung(results).collect();
    runs.sort_by(|(_, a), (_, b)| {
        let (a, b) = (&a.validation, &b.validation);
        descending(a.accuracy, b.accuracy)
            .then(descending(b.negative_log_likelihood, a.negative_log_likelihood))
    });
    runs.first().map(|(row, result)| BestRun {
        values: label(&results.axes, &row.values),
        run: row.run.clone(),
        validation: result.validation.accuracy,
        test: test(result),
    })
}

/// The group from the labels alone that has every value of `group` that they depend on.
fn baseline<'a>(axes: &[String], groups: &'a [Group], group: &Group) -> Option<&'a Group> {
    let shared = |group: &Group| -> Vec<Option<Value>> {
        let values = axes.iter().zip(&group.values).filter(|(axis, _)| !is_teachers(axis));
        values.map(|(_, value)| value.clone()).collect()
    };
    let own = shared(group);
    groups.iter().find(|other| group.is_taught && !other.is_taught && all_same(&shared(other), &own))
}

fn gain(axes: &[String], groups: &[Group], group: &Group) -> Option<Gain> {
    let baseline = baseline(axes, groups, group)?;
    let pairs: Vec<(&RunResult, &RunResult)> = group
        .done
        .iter()
        .filter_map(|(seed, run)| Some((run, &baseline.done.iter().find(|(other, _)| other == seed)?.1)))
        .collect();
    let on = |of: fn(&RunResult) -> Option<f64>| -> Option<(Vec<f64>, Vec<f64>)> {
        pairs.iter().map(|(a, b)| Some((of(a)?, of(b)?))).collect()
    };
    if pairs.is_empty() {
        return None;
    }
    let (split, (ours, theirs)) = match on(test) {
        Some(values) => ("test", values),
        None => ("validation", on(validation)?),
    };
    let differences: Vec<f64> = ours.iter().zip(&theirs).map(|(a, b)| a - b).collect();
    let (mean, deviation) = mean_and_deviation(&differences);
    let paired = paired(&ours, &theirs);
    Some(Gain {
        split,
        pairs: differences.len(),
        mean,
        deviation,
        interval: paired.map(|paired| paired.ci),
        p: paired.map(|paired| paired.p),
    })
}

fn marginals(results: &Results) -> Vec<Marginal> {
    let mut marginals = Vec::new();
    for (index, axis) in results.axes.iter().enumerate() {
        for value in distinct(done_in_last_rung(results).filter_map(|(row, _)| row.values[index].as_ref())) {
            let has = |row: &Row| row.values[index].as_ref().is_some_and(|own| same(own, value));
            let runs = || done_in_last_rung(results).filter(|(row, _)| has(row)).map(|(_, run)| run);
            let (axis, value, count) = (short(axis).to_owned(), text(value), runs().count());
            let Some(validation) = spread(runs(), validation) else { continue };
            marginals.push(Marginal { axis, value, runs: count, validation, test: spread(runs(), test) });
        }
    }
    marginals
}

/// Mean accuracy on test, else on validation, by temperature and lambda where both are axes.
fn grid(results: &Results) -> Option<Grid> {
    let position = |key: &str| results.axes.iter().position(|axis| axis == key);
    let (temperature, lambda) = (position(TEMPERATURE)?, position(LAMBDA)?);
    let runs = || done_in_last_rung(results);
    let temperatures = distinct(runs().filter_map(|(row, _)| row.values[temperature].as_ref()));
    let lambdas = distinct(runs().filter_map(|(row, _)| row.values[lambda].as_ref()));
    if temperatures.is_empty() || lambdas.is_empty() {
        return None;
    }
    let has_test = runs().all(|(_, run)| run.test.is_some());
    let (split, of): (_, fn(&RunResult) -> Option<f64>) =
        if has_test { ("test", test) } else { ("validation", validation) };
    let cell = |on_lambda: &Value, on_temperature: &Value| {
        let matches = |own: Option<&Value>, wanted: &Value| own.is_some_and(|own| same(own, wanted));
        let fits = |row: &Row| {
            // From the labels alone, every temperature is the same.
            let any = row.values[temperature].is_none();
            matches(row.values[lambda].as_ref(), on_lambda)
                && (any || matches(row.values[temperature].as_ref(), on_temperature))
        };
        spread(runs().filter(|(row, _)| fits(row)).map(|(_, run)| run), of)
    };
    let row = |lambda: &&Value| {
        (text(lambda), temperatures.iter().map(|temperature| cell(lambda, temperature)).collect())
    };
    let rows = lambdas.iter().map(row).collect();
    Some(Grid { temperatures: temperatures.iter().map(|value| text(value)).collect(), rows, split })
}

/// Values once each: numbers ascending, others in the order in which they come.
fn distinct<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<&'a Value> {
    let mut once: Vec<&Value> = Vec::new();
    for value in values {
        if !once.iter().any(|known| same(known, value)) {
            once.push(value);
        }
    }
    let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    let infinite = f64::INFINITY;
    once.sort_by(|a, b| number(a).unwrap_or(infinite).total_cmp(&number(b).unwrap_or(infinite)));
    once
}

fn percents(spread: Spread) -> String {
    format!("{:.1} ± {:.1}", 100.0 * spread.mean, 100.0 * spread.deviation)
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::State;
    use crate::train::metrics::Metrics;

    const AXES: [&str; 3] = [LAMBDA, TEMPERATURE, "train.seed"];

    /// A run of these values: accuracy and negative log-likelihood on validation, accuracy on test.
    fn row(lambda: f64, temperature: Option<f64>, seed: u64, [accuracy, nll, test]: [f64; 3]) -> Row {
        let metrics = |accuracy, negative_log_likelihood| Metrics {
            accuracy,
            negative_log_likelihood,
            ..Metrics::default()
        };
        let result = RunResult {
            key: String::new(),
            name: "grid".to_owned(),
            temperature: temperature.unwrap_or(5.0) as f32,
            lambda: lambda as f32,
            seed,
            parameters: 1,
            best_epoch: 1,
            validation: metrics(accuracy, nll),
            test: Some(metrics(test, 1.0)),
            weights: String::new(),
        };
        let values = vec![
            Some(Value::Float(lambda)),
            temperature.map(Value::Float),
            Some(Value::Integer(seed as i64)),
        ];
        Row {
            key: String::new(),
            run: format!("grid-{lambda}-{seed}"),
            rung: 0,
            values,
            always: vec![None; 4],
            is_taught: lambda > 0.0,
            state: State::Done(Box::new(result)),
        }
    }

    fn summary(rows: Vec<Row>) -> Summary {
        let axes = AXES.map(str::to_owned).to_vec();
        Summary::of(&Results { name: "grid".to_owned(), axes, rungs: 1, rows })
    }

    #[test]
    fn the_best_is_chosen_by_validation_then_by_its_likelihood_and_never_by_test() {
        let summary = summary(vec![
            row(0.0, None, 0, [0.7, 0.5, 0.99]),
            row(0.5, Some(1.0), 0, [0.8, 0.9, 0.98]),
            row(0.5, Some(5.0), 0, [0.8, 0.6, 0.1]),
        ]);
        assert_eq!(summary.best_run.unwrap().values, "lambda=0.5 T=5 seed=0");
        let order = summary.configurations.iter().map(|one| one.values.as_str());
        assert_eq!(order.collect::<Vec<_>>(), ["lambda=0.5 T=5", "lambda=0.5 T=1", "lambda=0"]);
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
        assert_eq!((gain.pairs, gain.split), (2, "test"));
        assert!((gain.mean - 0.02).abs() < 1e-12 && gain.p.is_some());
        assert!(summary.configurations[1].gain.is_none());
    }

    #[test]
    fn the_labels_alone_stand_under_every_temperature() {
        let summary = summary(vec![
            row(0.0, None, 0, [0.7, 0.5, 0.60]),
            row(0.5, Some(1.0), 0, [0.7, 0.5, 0.80]),
            row(0.5, Some(5.0), 0, [0.8, 0.6, 0.83]),
        ]);
        insta::assert_snapshot!(summary.grid.unwrap().markdown(), @r"
        | lambda | T = 1 | T = 5 |
        | --- | ---: | ---: |
        | 0 | 60.0 ± 0.0 | 60.0 ± 0.0 |
        | 0.5 | 80.0 ± 0.0 | 83.0 ± 0.0 |
        ");
    }
}
