//! Runs that differ in their seed alone are one group; groups are compared with the same student trained from the labels alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use super::Run;
use crate::config::Pipeline;
use crate::support::statistics::{Paired, mean_and_deviation, paired};

const TEMPERATURE: &str = "train.temperature";
const LAMBDA: &str = "train.lambda";
/// Keys that name places and devices, or the seed, over which a group's runs are repeated.
const NOT_COMPARED: [&str; 12] = [
    "name",
    "cache.name",
    "cache.dir",
    "train.dir",
    "train.device",
    "train.seed",
    "train.tensorboard",
    "teacher.device",
    "teacher.threads",
    "teacher.sessions",
    "teacher.gpu.graph",
    "teacher.gpu.tensorrt-cache",
];
/// Keys of the teacher's term of the loss, and sections of them: nothing that students from the labels alone differ by.
const TEACHERS_TERM: [&str; 8] = [
    TEMPERATURE,
    "train.temperature-end",
    LAMBDA,
    "train.lambda-end",
    "train.ramp",
    "train.loss",
    "train.dkd",
    "train.dist",
];
/// A run from the labels alone may be one's control.
const CONTROL: &str = "train.control";

/// Finished runs, group by group.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// The keys in which the runs differ, the seed left out.
    pub axes: Vec<String>,
    /// From the best mean validation accuracy to the worst.
    pub groups: Vec<Group>,
    /// The index, in the report's runs, of the best group's best run on validation.
    pub best_run: usize,
}

/// Runs that differ in their seed alone.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// What tells it from the others.
    pub label: String,
    /// The temperature; none for students that learn from the labels alone, whom it does not concern.
    pub temperature: Option<f32>,
    /// Weight of the distillation term.
    pub lambda: f32,
    /// What else differs between the runs, by key.
    pub others: BTreeMap<String, String>,
    /// Indices into the report's runs, by seed.
    pub runs: Vec<usize>,
    /// Validation accuracy.
    pub validation: Measure,
    /// Test accuracy, where every run has a test split.
    pub test: Option<Measure>,
    /// Against the same student from the labels alone, seed by seed.
    pub gain: Option<Gain>,
}

/// One number of several runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measure {
    /// One a run.
    pub values: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation.
    pub deviation: f64,
}

/// What distillation bought.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// Seeds that both have.
    pub seeds: Vec<u64>,
    /// Accuracy on test, or on validation where there is no test split, above that from scratch; one a seed.
    pub accuracy: Measure,
    /// Seeds with which the distilled student is ahead.
    pub ahead: usize,
    /// Student's paired t-test of the two; none of a single seed.
    pub test: Option<Paired>,
}

impl Measure {
    fn of(values: Vec<f64>) -> Self {
        let (mean, deviation) = mean_and_deviation(&values);
        Self { values, mean, deviation }
    }
}

impl Group {
    /// Whether it learns from the labels alone.
    pub fn is_scratch(&self) -> bool {
        self.temperature.is_none()
    }

    /// Whether it is the same student as `group`'s, but from the labels alone.
    pub fn is_scratch_of(&self, group: &Self) -> bool {
        self.is_scratch() && self.others.iter().all(|(key, value)| group.others.get(key) == Some(value))
    }

    /// Test accuracy, or validation's where there is no test split.
    pub fn final_measure(&self) -> &Measure {
        self.test.as_ref().unwrap_or(&self.validation)
    }
}

impl Comparison {
    /// Groups the finished ones of `runs`; none when no run has finished.
    pub fn of(runs: &[Run]) -> Option<Self> {
        let finished: Vec<usize> = (0..runs.len()).filter(|&index| runs[index].result.is_some()).collect();
        let configs: BTreeMap<usize, BTreeMap<String, String>> =
            finished.iter().map(|&index| (index, flat(&runs[index].description.pipeline))).collect();
        let axes = axes(configs.values());
        let mut by_config: BTreeMap<&BTreeMap<String, String>, Vec<usize>> = BTreeMap::new();
        for (&index, config) in &configs {
            by_config.entry(config).or_default().push(index);
        }
        let mut groups: Vec<Group> =
            by_config.into_iter().map(|(config, members)| group(config, members, runs, &axes)).collect();
        let gains: Vec<Option<Gain>> = groups.iter().map(|group| gain(group, &groups, runs)).collect();
        for (group, gain) in groups.iter_mut().zip(gains) {
            group.gain = gain;
        }
        groups.sort_by(|a, b| b.validation.mean.total_cmp(&a.validation.mean));
        let best = groups.first()?;
        let accuracy =
            |index: usize| runs[index].result.as_ref().map_or(0.0, |result| result.validation.accuracy);
        let best_run = best
            .runs
            .iter()
            .copied()
            .reduce(|best, next| if accuracy(next) > accuracy(best) { next } else { best })?;
        Some(Self { axes, groups, best_run })
    }

    /// The best group that learns from the teacher, if any does.
    pub fn best_distilled(&self) -> Option<&Group> {
        self.groups.iter().find(|group| !group.is_scratch())
    }

    /// The group from the labels alone that `group` is compared with.
    pub fn scratch_of(&self, group: &Group) -> Option<&Group> {
        self.groups.iter().find(|other| other.is_scratch_of(group))
    }
}

fn group(config: &BTreeMap<String, String>, mut members: Vec<usize>, runs: &[Run], axes: &[String]) -> Group {
    members.sort_by_key(|&index| (runs[index].seed(), index));
    let results: Vec<_> = members.iter().filter_map(|&index| runs[index].result.as_ref()).collect();
    let validation = Measure::of(results.iter().map(|result| result.validation.accuracy).collect());
    let test: Option<Vec<f64>> =
        results.iter().map(|result| result.test.as_ref().map(|test| test.accuracy)).collect();
    let train = &runs[members[0]].description.pipeline.train;
    let temperature = train.is_taught().then_some(train.temperature);
    let others: BTreeMap<String, String> = axes
        .iter()
        .filter(|key| ![TEMPERATURE, LAMBDA].contains(&key.as_str()))
        .filter_map(|key| Some((key.clone(), config.get(key)?.clone())))
        .collect();
    let mut label = match temperature {
        Some(temperature) => format!("T = {temperature}, lambda = {}", train.lambda),
        None => "from scratch (lambda = 0)".to_owned(),
    };
    for (key, value) in &others {
        let key = key.strip_prefix("train.").unwrap_or(key);
        let _ = write!(label, ", {key} = {value}");
    }
    Group {
        label,
        temperature,
        lambda: if train.is_taught() { train.lambda } else { 0.0 },
        others,
        runs: members,
        validation,
        test: test.map(Measure::of),
        gain: None,
    }
}

/// What `group` has above its like from scratch, over the seeds of both.
fn gain(group: &Group, groups: &[Group], runs: &[Run]) -> Option<Gain> {
    if group.is_scratch() {
        return None;
    }
    let scratch = groups.iter().find(|other| other.is_scratch_of(group))?;
    let accuracies = |group: &Group| -> BTreeMap<u64, f64> {
        let seeds = group.runs.iter().map(|&index| runs[index].seed());
        seeds.zip(group.final_measure().values.iter().copied()).collect()
    };
    if group.test.is_some() != scratch.test.is_some() {
        return None;
    }
    let (ours, theirs) = (accuracies(group), accuracies(scratch));
    let pairs: Vec<(u64, f64, f64)> =
        ours.into_iter().filter_map(|(seed, ours)| Some((seed, ours, *theirs.get(&seed)?))).collect();
    if pairs.is_empty() {
        return None;
    }
    let ours: Vec<f64> = pairs.iter().map(|pair| pair.1).collect();
    let theirs: Vec<f64> = pairs.iter().map(|pair| pair.2).collect();
    let gains: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours - theirs).collect();
    Some(Gain {
        seeds: pairs.iter().map(|pair| pair.0).collect(),
        ahead: gains.iter().filter(|&&gain| gain > 0.0).count(),
        accuracy: Measure::of(gains),
        test: paired(&ours, &theirs),
    })
}

/// The keys with more than one value.
fn axes<'a>(configs: impl Iterator<Item = &'a BTreeMap<String, String>>) -> Vec<String> {
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for config in configs {
        for (key, value) in config {
            values.entry(key).or_default().insert(value);
        }
    }
    values.into_iter().filter(|(_, values)| values.len() > 1).map(|(key, _)| key.to_owned()).collect()
}

/// A pipeline's keys and values, as far as they decide what a student learns.
fn flat(pipeline: &Pipeline) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    let value = serde_json::to_value(pipeline).expect("a pipeline is plain data");
    flatten(String::new(), &value, &mut flat);
    let within = |key: &str, section: &str| {
        key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    flat.retain(|key, _| !NOT_COMPARED.contains(&key.as_str()) && !within(key, "sweep"));
    if !pipeline.train.is_taught() {
        flat.retain(|key, _| key != CONTROL && !TEACHERS_TERM.iter().any(|section| within(key, section)));
    }
    flat
}

fn flatten(key: String, value: &Value, out: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(key, value, out);
            }
        }
        Value::String(text) => {
            out.insert(key, text.clone());
        }
        // `0.9` of a float32, not what it is in float64.
        Value::Number(number) => {
            let shown = number.as_f64().filter(|_| number.is_f64()).map(|value| (value as f32).to_string());
            out.insert(key, shown.unwrap_or_else(|| number.to_string()));
        }
        Value::Null => {
            out.insert(key, "none".to_owned());
        }
        other => {
            out.insert(key, other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::support::hash::Digest;
    use crate::train::metrics::Metrics;
    use crate::train::{Description, RunResult, Timing};

    fn run(lambda: f32, temperature: f32, seed: u64, [validation, test]: [f64; 2], width: f64) -> Run {
        let mut pipeline = Pipeline::default();
        pipeline.train.lambda = lambda;
        pipeline.train.temperature = temperature;
        pipeline.train.seed = seed;
        pipeline.train.dir = PathBuf::from(format!("runs-{seed}"));
        pipeline.student.width = width;
        let metrics = |accuracy| Metrics { accuracy, ..Metrics::default() };
        let result = serde_json::json!({
            "key": "", "name": "", "temperature": temperature, "lambda": lambda, "seed": seed, "parameters": 1,
            "best_epoch": 1, "validation": metrics(validation), "test": metrics(test), "weights": "",
        });
        let result: RunResult = serde_json::from_value(result).unwrap();
        let zero = Digest([0; 32]);
        let description = Description {
            decant: String::new(),
            key: zero,
            cache: PathBuf::new(),
            cache_content: zero,
            init: None,
            teacher: String::new(),
            device: crate::config::StudentDevice::Auto,
            pipeline,
        };
        let folder = PathBuf::from(format!("{lambda}-{temperature}-{seed}-{width}"));
        let timing = Timing::default();
        Run { folder, description, result: Some(result), timing, weights_bytes: None, epochs: Vec::new() }
    }

    #[test]
    fn seeds_make_a_group_and_the_temperature_tells_no_students_from_scratch_apart() {
        let runs = [
            run(0.5, 5.0, 1, [0.8, 0.7], 1.0),
            run(0.5, 5.0, 0, [0.6, 0.5], 1.0),
            run(0.0, 5.0, 0, [0.5, 0.4], 1.0),
            run(0.0, 10.0, 1, [0.5, 0.5], 1.0),
        ];
        let comparison = Comparison::of(&runs).unwrap();
        assert_eq!(comparison.groups.len(), 2);
        let (best, scratch) = (&comparison.groups[0], &comparison.groups[1]);
        assert_eq!((best.runs.as_slice(), scratch.runs.as_slice()), (&[1, 0][..], &[2, 3][..]));
        assert!((best.validation.mean - 0.7).abs() < 1e-12);
        let gain = best.gain.as_ref().unwrap();
        assert_eq!((gain.seeds.as_slice(), gain.ahead), (&[0, 1][..], 2));
        assert!((gain.accuracy.mean - 0.15).abs() < 1e-12);
        assert_eq!(comparison.best_run, 0);
    }

    #[test]
    fn the_best_is_chosen_on_validation_never_on_test() {
        let runs = [run(0.5, 1.0, 0, [0.7, 0.9], 1.0), run(0.5, 5.0, 0, [0.8, 0.1], 1.0)];
        let comparison = Comparison::of(&runs).unwrap();
        assert_eq!(comparison.best_run, 1);
        assert_eq!(comparison.groups[0].label, "T = 5, lambda = 0.5");
    }

    #[test]
    fn a_student_is_compared_with_its_like_from_scratch() {
        let runs = [
            run(0.5, 5.0, 0, [0.8, 0.8], 1.0),
            run(0.0, 5.0, 0, [0.3, 0.3], 0.5),
            run(0.0, 5.0, 0, [0.6, 0.6], 1.0),
        ];
        let comparison = Comparison::of(&runs).unwrap();
        let best = &comparison.groups[0];
        assert_eq!(best.label, "T = 5, lambda = 0.5, student.width = 1");
        assert!((best.gain.as_ref().unwrap().accuracy.mean - 0.2).abs() < 1e-12);
        assert_eq!(comparison.scratch_of(best).unwrap().runs, [2]);
    }

    #[test]
    fn students_from_the_labels_alone_are_one_group_whatever_the_teachers_term_would_be() {
        let mut runs = [
            run(0.5, 5.0, 0, [0.8, 0.8], 1.0),
            run(0.5, 5.0, 0, [0.7, 0.7], 1.0),
            run(0.0, 5.0, 0, [0.6, 0.6], 1.0),
            run(0.5, 5.0, 1, [0.5, 0.5], 1.0),
        ];
        runs[1].description.pipeline.train.loss = crate::config::Loss::Dkd;
        runs[3].description.pipeline.train.loss = crate::config::Loss::Ce;
        let comparison = Comparison::of(&runs).unwrap();
        let labels: Vec<&str> = comparison.groups.iter().map(|group| &*group.label).collect();
        let expected = [
            "T = 5, lambda = 0.5, loss = kd",
            "T = 5, lambda = 0.5, loss = dkd",
            "from scratch (lambda = 0)",
        ];
        assert_eq!(labels, expected);
        assert!(comparison.groups.iter().take(2).all(|group| group.gain.is_some()));
    }

    #[test]
    fn runs_that_have_not_finished_are_in_no_group() {
        let mut runs = [run(0.5, 5.0, 0, [0.8, 0.8], 1.0), run(0.5, 5.0, 1, [0.8, 0.8], 1.0)];
        runs[1].result = None;
        assert_eq!(Comparison::of(&runs).unwrap().groups[0].runs, [0]);
        runs[0].result = None;
        assert!(Comparison::of(&runs).is_none());
    }
}
