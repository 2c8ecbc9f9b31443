//! Runs that differ in their seed only, side by side, with the names that the page calls them by.

use std::collections::BTreeMap;

use serde::Serialize;

use super::settings::{LAMBDA, TEMPERATURE, axes, shared, short};
use crate::runs::{self, Configurations, Entry, Gain, Recipe, Run, Spread, shown};
use crate::train::metrics::Criterion;

/// Finished runs, configuration by configuration.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Comparison {
    /// The measure by which configurations are ordered.
    pub measure: Criterion,
    /// The keys in which the runs differ, the seed left out.
    pub axes: Vec<String>,
    /// The settings that all of them share, of those that a reader wants to know.
    pub shared: Vec<String>,
    /// The most common value of each axis, where labels name only what differs from it.
    pub common: Vec<String>,
    /// From the best mean on validation to the worst.
    pub groups: Vec<Group>,
    /// The index, in the report's runs, of the best configuration's best run on validation.
    pub best_run: usize,
}

/// Runs that differ in their seed only.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Group {
    /// The settings that tell it from the others.
    pub label: String,
    /// The temperature; nothing for students from the labels only, which don't depend on it.
    pub temperature: Option<f32>,
    /// Weight of the distillation term.
    pub lambda: f32,
    /// The other differences between the runs, by key.
    pub others: BTreeMap<String, String>,
    /// Indices into the report's runs, by seed.
    pub runs: Vec<usize>,
    /// The measure on validation.
    pub validation: Spread,
    /// The measure on test, where every run has it.
    pub test: Option<Spread>,
    /// Accuracy against the same student from the labels only, seed by seed.
    pub gain: Option<Gain>,
    #[serde(skip)]
    recipe: Recipe,
}

impl Group {
    /// The value of each of `axes`; nothing where its runs do not depend on it.
    pub(crate) fn values(&self, axes: &[String]) -> Vec<Option<String>> {
        axes.iter().map(|key| self.recipe.get(key).map(shown)).collect()
    }

    /// Whether it learns from the labels only.
    pub(crate) fn is_labels_only(&self) -> bool {
        self.temperature.is_none()
    }

    /// Whether it is the same student as `group`'s, but from the labels only.
    pub(crate) fn is_labels_only_of(&self, group: &Self) -> bool {
        self.recipe.is_baseline_of(&group.recipe)
    }

    /// The measure on test, or on validation where not every run has it.
    pub(crate) fn final_measure(&self) -> &Spread {
        self.test.as_ref().unwrap_or(&self.validation)
    }
}

impl Comparison {
    /// Groups the finished ones of `runs`; nothing when no run has finished.
    pub(crate) fn of(runs: &[Run]) -> Option<Self> {
        let finished: Vec<usize> = (0..runs.len()).filter(|&index| runs[index].result.is_some()).collect();
        let entries: Vec<Entry<'_>> = finished.iter().map(|&index| entry(&runs[index])).collect();
        let all = Configurations::of(&entries);
        let recipes: Vec<&Recipe> = all.configurations.iter().map(|one| &one.recipe).collect();
        let axes = axes(&recipes);
        let shared = shared(&recipes, &axes);
        let groups = all.configurations.iter().filter_map(|configuration| {
            let members: Vec<usize> = configuration.finished.iter().map(|&index| finished[index]).collect();
            let first = runs.get(*members.first()?)?;
            Some(group(configuration, first, members, &axes))
        });
        let mut groups: Vec<Group> = groups.collect::<Option<_>>()?;
        let common = shorten(&mut groups, &axes);
        let best_run = finished[all.run_to_take(&entries)?];
        Some(Self { measure: all.criterion, axes, shared, common, groups, best_run })
    }

    /// The best group that learns from the teacher, if any does.
    pub(crate) fn best_distilled(&self) -> Option<&Group> {
        self.groups.iter().find(|group| !group.is_labels_only())
    }

    /// The group from the labels only that `group` is compared with.
    pub(crate) fn labels_only_of(&self, group: &Group) -> Option<&Group> {
        self.groups.iter().find(|other| other.is_labels_only_of(group))
    }

    /// The name of the measure in a title: `Accuracy`.
    pub(crate) fn measured(&self) -> &'static str {
        match self.measure {
            Criterion::Accuracy => "Accuracy",
            Criterion::TeacherAgreement => "Agreement with the teacher",
        }
    }
}

fn entry(run: &Run) -> Entry<'_> {
    let recipe = Recipe::of_run(&run.description);
    Entry { recipe, seed: run.seed(), result: run.result.as_ref() }
}

fn group(
    configuration: &runs::Configuration,
    first: &Run,
    members: Vec<usize>,
    axes: &[String],
) -> Option<Group> {
    let train = &first.pipeline().train;
    let recipe = &configuration.recipe;
    let temperature = recipe.is_taught().then_some(train.temperature);
    let others: BTreeMap<String, String> = axes
        .iter()
        .filter(|key| ![TEMPERATURE, LAMBDA].contains(&key.as_str()))
        .filter_map(|key| Some((key.clone(), shown(recipe.get(key)?))))
        .collect();
    // Only what tells it from the others; where nothing does, temperature and weight.
    let differs = |key: &str| axes.iter().any(|axis| axis == key);
    let taught = match temperature {
        Some(temperature) => {
            let parts =
                [(TEMPERATURE, format!("T = {temperature}")), (LAMBDA, format!("lambda = {}", train.lambda))];
            let all = others.is_empty() && !differs(TEMPERATURE) && !differs(LAMBDA);
            parts.into_iter().filter(|(key, _)| all || differs(key)).map(|(_, text)| text).collect()
        }
        None => vec!["labels only (lambda = 0)".to_owned()],
    };
    let rest = others.iter().map(|(key, value)| format!("{} = {value}", short(key)));
    let label = taught.into_iter().chain(rest).collect::<Vec<_>>().join(", ");
    Some(Group {
        label,
        temperature,
        lambda: if recipe.is_taught() { train.lambda } else { 0.0 },
        others,
        runs: members,
        validation: configuration.validation.clone()?,
        test: configuration.test.clone(),
        gain: configuration.gain.clone(),
        recipe: recipe.clone(),
    })
}

/// Characters of a label that a chart has a place for.
const LONG: usize = 44;

/// Names each group whose whole label is too long for a chart by its number and by what is not as in most groups. Gives what most have in
/// common, or nothing where all labels stay as they are.
fn shorten(groups: &mut [Group], axes: &[String]) -> Vec<String> {
    let is_long = |group: &Group| group.label.chars().count() > LONG;
    if !groups.iter().any(is_long) {
        return Vec::new();
    }
    let mut common: BTreeMap<&str, String> = BTreeMap::new();
    for axis in axes {
        // In the order of the groups, so that of equally frequent values the better group's is taken.
        let mut counts: Vec<(String, usize)> = Vec::new();
        for value in groups.iter().filter_map(|group| group.recipe.get(axis).map(shown)) {
            match counts.iter_mut().find(|(known, _)| *known == value) {
                Some((_, count)) => *count += 1,
                None => counts.push((value, 1)),
            }
        }
        let most = counts.iter().map(|(_, count)| *count).max();
        if let Some((value, _)) = counts.into_iter().find(|(_, count)| Some(*count) == most) {
            common.insert(axis, value);
        }
    }
    for (index, group) in groups.iter_mut().enumerate().filter(|(_, group)| is_long(group)) {
        let baseline = group.is_labels_only().then(|| "labels only".to_owned());
        let other = axes.iter().filter_map(|axis| {
            let value = shown(group.recipe.get(axis)?);
            let is_other = common.get(axis.as_str()) != Some(&value);
            is_other.then(|| format!("{} = {value}", short(axis)))
        });
        let mut parts: Vec<String> = baseline.into_iter().chain(other).collect();
        if parts.is_empty() {
            parts.push("the most common values".to_owned());
        }
        group.label = format!("{}. {}", index + 1, parts.join(", "));
    }
    common.into_iter().map(|(axis, value)| format!("{} = {value}", short(axis))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Pipeline, StudentDevice};
    use crate::runs::example_result;
    use crate::support::hash::Digest;
    use crate::train::{Description, Timing};

    fn run(lambda: f32, temperature: f32, seed: u64, [validation, test]: [f64; 2], width: f64) -> Run {
        let mut pipeline = Pipeline::default();
        pipeline.train.lambda = lambda;
        pipeline.train.temperature = temperature;
        pipeline.train.seed = seed;
        pipeline.train.dir = PathBuf::from(format!("runs-{seed}"));
        pipeline.student.width = Some(width);
        let zero = Digest([0; 32]);
        let description = Description {
            format: Description::FORMAT,
            revision: 1,
            decant: String::new(),
            key: zero,
            cache: PathBuf::new(),
            cache_content: zero,
            init: None,
            imported: None,
            teacher: String::new(),
            device: StudentDevice::Cpu,
            pipeline,
        };
        let folder = PathBuf::from(format!("{lambda}-{temperature}-{seed}-{width}"));
        let timing = Timing::default();
        let result = Some(example_result(seed, validation, 0.5, test));
        Run {
            folder,
            description,
            result,
            timing,
            weights_bytes: None,
            epochs: Vec::new(),
            label: crate::runs::Label::default(),
        }
    }

    fn mean(gain: &Gain) -> f64 {
        gain.comparison.accuracy.as_ref().unwrap().mean
    }

    #[test]
    fn seeds_make_a_group_and_the_temperature_tells_no_students_from_the_labels_apart() {
        let runs = [
            run(0.5, 5.0, 1, [0.8, 0.7], 1.0),
            run(0.5, 5.0, 0, [0.6, 0.5], 1.0),
            run(0.0, 5.0, 0, [0.5, 0.4], 1.0),
            run(0.0, 10.0, 1, [0.5, 0.5], 1.0),
        ];
        let comparison = Comparison::of(&runs).unwrap();
        assert_eq!(comparison.groups.len(), 2);
        let (best, baseline) = (&comparison.groups[0], &comparison.groups[1]);
        assert_eq!((best.runs.as_slice(), baseline.runs.as_slice()), (&[1, 0][..], &[2, 3][..]));
        assert!((best.validation.mean - 0.7).abs() < 1e-12);
        let gain = best.gain.as_ref().unwrap();
        assert_eq!((gain.comparison.seeds.as_slice(), gain.comparison.ahead), (&[0, 1][..], 2));
        assert!((mean(gain) - 0.15).abs() < 1e-12);
        assert_eq!(comparison.best_run, 0);
        let shared = &comparison.shared;
        assert!(shared.contains(&"lambda = 0.5 (with the teacher)".to_owned()), "{shared:?}");
    }

    #[test]
    fn the_best_is_chosen_on_validation_never_on_test() {
        let runs = [run(0.5, 1.0, 0, [0.7, 0.9], 1.0), run(0.5, 5.0, 0, [0.8, 0.1], 1.0)];
        let comparison = Comparison::of(&runs).unwrap();
        assert_eq!(comparison.best_run, 1);
        assert_eq!(comparison.groups[0].label, "T = 5");
        assert!(comparison.shared.contains(&"lambda = 0.5".to_owned()), "{:?}", comparison.shared);
    }

    #[test]
    fn a_student_is_compared_with_its_like_from_the_labels() {
        let runs = [
            run(0.5, 5.0, 0, [0.8, 0.8], 1.0),
            run(0.0, 5.0, 0, [0.3, 0.3], 0.5),
            run(0.0, 5.0, 0, [0.6, 0.6], 1.0),
        ];
        let comparison = Comparison::of(&runs).unwrap();
        let best = &comparison.groups[0];
        assert_eq!(best.label, "student.width = 1");
        assert!((mean(best.gain.as_ref().unwrap()) - 0.2).abs() < 1e-12);
        assert_eq!(comparison.labels_only_of(best).unwrap().runs, [2]);
    }

    #[test]
    fn students_from_the_labels_only_are_one_group_whatever_the_teachers_term_would_be() {
        let mut runs = [
            run(0.5, 5.0, 0, [0.8, 0.8], 1.0),
            run(0.5, 5.0, 0, [0.7, 0.7], 1.0),
            run(0.0, 5.0, 0, [0.6, 0.6], 1.0),
            run(0.5, 5.0, 1, [0.5, 0.5], 1.0),
        ];
        runs[1].description.pipeline.train.loss = crate::loss::Loss::Dkd;
        runs[3].description.pipeline.train.loss = crate::loss::Loss::Ce;
        let comparison = Comparison::of(&runs).unwrap();
        let labels: Vec<&str> = comparison.groups.iter().map(|group| &*group.label).collect();
        let expected = ["loss = kd", "loss = dkd", "labels only (lambda = 0)"];
        assert_eq!(labels, expected);
        assert!(comparison.groups.iter().take(2).all(|group| group.gain.is_some()));
    }

    #[test]
    fn how_often_a_run_is_saved_and_which_temperatures_are_cached_tell_no_seeds_apart() {
        let mut runs = [run(0.5, 5.0, 0, [0.8, 0.8], 1.0), run(0.5, 5.0, 1, [0.7, 0.7], 1.0)];
        let pipeline = &mut runs[1].description.pipeline;
        pipeline.train.checkpoint_steps = 10;
        pipeline.train.checkpoint_minutes = 1.0;
        pipeline.train.keep_checkpoints = 3;
        pipeline.cache.temperatures = vec![5.0];
        assert_eq!(Comparison::of(&runs).unwrap().groups.len(), 1);
    }

    #[test]
    fn labels_too_long_for_a_chart_name_only_what_is_not_as_in_most() {
        let mut runs = [
            run(0.5, 5.0, 0, [0.8, 0.8], 1.0),
            run(0.5, 5.0, 0, [0.7, 0.7], 1.0),
            run(0.9, 5.0, 0, [0.6, 0.6], 1.0),
            run(0.0, 5.0, 0, [0.5, 0.5], 1.0),
        ];
        for (run, lr) in runs.iter_mut().zip([1e-3, 1e-3, 1e-2, 1e-3]) {
            run.description.pipeline.train.lr = lr;
        }
        runs[0].description.pipeline.train.batch_size = 7;
        for (run, dropout) in runs.iter_mut().zip([0.25, 0.1, 0.1, 0.1]) {
            run.description.pipeline.student.dropout = Some(dropout);
        }
        let comparison = Comparison::of(&runs).unwrap();
        let labels: Vec<&str> = comparison.groups.iter().map(|group| &*group.label).collect();
        assert_eq!(labels[0], "1. student.dropout = 0.25, batch-size = 7");
        assert_eq!(
            labels[1..],
            ["2. the most common values", "3. lambda = 0.9, lr = 0.01", "4. labels only"]
        );
        assert!(comparison.common.contains(&"lr = 0.001".to_owned()), "{:?}", comparison.common);
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
