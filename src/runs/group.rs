//! Runs that differ in their seed only are one configuration. Configurations are compared and ordered here, for `sweep`, `report`,
//! `compare` and `demo` alike, so that no two of them can name different winners.

use std::cmp::Ordering;

use super::compare::Comparison;
use super::{Recipe, Spread};
use crate::support::statistics::holm;
use crate::train::RunResult;
use crate::train::metrics::{Criterion, Metrics};

/// A run that is to be grouped.
pub(crate) struct Entry<'a> {
    /// The keys that decide it.
    pub recipe: Recipe,
    /// Its seed.
    pub seed: u64,
    /// Its results, once it is finished.
    pub result: Option<&'a RunResult>,
}

/// The runs of one configuration.
#[derive(Clone, Debug)]
pub(crate) struct Configuration {
    /// The keys that decide it.
    pub recipe: Recipe,
    /// Its runs as indices into the entries, by seed.
    pub members: Vec<usize>,
    /// Those that are finished.
    pub finished: Vec<usize>,
    /// The criterion's measure on validation, over the finished runs.
    pub validation: Option<Spread>,
    /// The mean of what decides between configurations of the same measure; smaller for the better one.
    pub tie_breaker: f64,
    /// The criterion's measure on test, where every finished run has it.
    pub test: Option<Spread>,
    /// Against the same configuration from the labels only, seed by seed.
    pub gain: Option<Gain>,
}

/// A configuration against its baseline from the labels only.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub(crate) struct Gain {
    /// The split that it was measured on.
    pub split: &'static str,
    /// The comparison, the configuration first.
    #[serde(flatten)]
    pub comparison: Comparison,
}

/// Every configuration of some runs.
#[derive(Clone, Debug)]
pub(crate) struct Configurations {
    /// The measure that orders them: accuracy, or agreement with the teacher where validation has no labels.
    pub criterion: Criterion,
    /// The best first by the mean over its seeds on validation; those without a finished run last. Test orders nothing.
    pub configurations: Vec<Configuration>,
}

impl Configurations {
    /// Groups the entries by their recipes.
    pub(crate) fn of(entries: &[Entry<'_>]) -> Self {
        let results = || entries.iter().filter_map(|entry| entry.result);
        let is_labelled = results().all(|result| result.validation.accuracy.is_some());
        let criterion = if is_labelled { Criterion::Accuracy } else { Criterion::TeacherAgreement };
        let mut groups: Vec<(&Recipe, Vec<usize>)> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            match groups.iter_mut().find(|(recipe, _)| recipe.is_same(&entry.recipe)) {
                Some((_, members)) => members.push(index),
                None => groups.push((&entry.recipe, vec![index])),
            }
        }
        let mut configurations: Vec<Configuration> = groups
            .into_iter()
            .map(|(recipe, members)| configuration(recipe, members, entries, criterion))
            .collect();
        let gains: Vec<Option<Gain>> =
            configurations.iter().map(|one| gain(one, &configurations, entries)).collect();
        for (configuration, gain) in configurations.iter_mut().zip(gains) {
            configuration.gain = gain;
        }
        correct(&mut configurations);
        configurations.sort_by(better);
        Self { criterion, configurations }
    }

    /// The best configuration, if a run is finished.
    pub(crate) fn best(&self) -> Option<&Configuration> {
        self.configurations.first().filter(|best| !best.finished.is_empty())
    }

    /// The run of the best configuration to take: its best seed on validation, as an index into `entries`.
    pub(crate) fn run_to_take(&self, entries: &[Entry<'_>]) -> Option<usize> {
        let validation = |index: usize| entries[index].result.map(|result| &result.validation);
        let measure = |index: usize| validation(index).and_then(|metrics| self.criterion.measure(metrics));
        let tie_breaker =
            |index: usize| validation(index).and_then(|metrics| self.criterion.tie_breaker(metrics));
        let order = |a: usize, b: usize| {
            let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
            descending(number(measure(a)), number(measure(b)))
                .then(descending(number(tie_breaker(b)), number(tie_breaker(a))))
        };
        // Of equal ones the first seed.
        self.best()?
            .finished
            .iter()
            .copied()
            .reduce(|best, next| if order(next, best).is_lt() { next } else { best })
    }

    /// The best configuration that hears the teacher, if one is finished.
    pub(crate) fn best_taught(&self) -> Option<&Configuration> {
        self.configurations.iter().find(|one| one.recipe.is_taught() && !one.finished.is_empty())
    }
}

fn configuration(
    recipe: &Recipe,
    mut members: Vec<usize>,
    entries: &[Entry<'_>],
    criterion: Criterion,
) -> Configuration {
    members.sort_by_key(|&index| (entries[index].seed, index));
    let finished: Vec<usize> =
        members.iter().copied().filter(|&index| entries[index].result.is_some()).collect();
    let results = || finished.iter().filter_map(|&index| entries[index].result);
    let ties = Spread::of_all(results().map(|result| criterion.tie_breaker(&result.validation)));
    Configuration {
        recipe: recipe.clone(),
        validation: Spread::of_all(results().map(|result| criterion.measure(&result.validation))),
        tie_breaker: ties.map_or(f64::NAN, |ties| ties.mean),
        test: Spread::of_all(results().map(|result| criterion.measure(result.test.as_ref()?))),
        members,
        finished,
        gain: None,
    }
}

/// The gain of `configuration` over its baseline, on test where every pair has it, else on validation.
fn gain(configuration: &Configuration, all: &[Configuration], entries: &[Entry<'_>]) -> Option<Gain> {
    let baseline = all.iter().find(|other| other.recipe.is_baseline_of(&configuration.recipe))?;
    let runs = |of: &Configuration,
                metrics: &dyn Fn(&RunResult) -> Option<&Metrics>|
     -> Option<Vec<(u64, f64)>> {
        let run = |&index: &usize| Some((entries[index].seed, metrics(entries[index].result?)?.accuracy?));
        of.finished.iter().map(run).collect()
    };
    let on = |split: &'static str, metrics: &dyn Fn(&RunResult) -> Option<&Metrics>| {
        let comparison = Comparison::new(
            &runs(configuration, metrics)?,
            &runs(baseline, metrics)?,
            images(entries[*configuration.finished.first()?].result.and_then(metrics)?),
        );
        (comparison.pairs > 0).then_some(Gain { split, comparison })
    };
    on("test", &|result| result.test.as_ref())
        .or_else(|| on("validation", &|result| Some(&result.validation)))
}

/// Corrects the gains' p for how many gains there are, where there are several.
fn correct(configurations: &mut [Configuration]) {
    let mut tested: Vec<&mut Comparison> =
        configurations.iter_mut().filter_map(|one| Some(&mut one.gain.as_mut()?.comparison)).collect();
    tested.retain(|comparison| comparison.paired.is_some());
    if tested.len() < 2 {
        return;
    }
    let ps: Vec<f64> = tested.iter().filter_map(|comparison| Some(comparison.paired?.p)).collect();
    for (comparison, p) in tested.into_iter().zip(holm(&ps)) {
        comparison.correct(p, ps.len());
    }
}

/// The labelled images behind an accuracy.
fn images(metrics: &Metrics) -> usize {
    metrics.labelled()
}

/// Orders configurations, the better one first; of equal ones by their recipes, so that the order never depends on that of the runs.
pub(crate) fn better(a: &Configuration, b: &Configuration) -> Ordering {
    let mean = |one: &Configuration| one.validation.as_ref().map_or(f64::NAN, |validation| validation.mean);
    descending(mean(a), mean(b))
        .then(descending(b.tie_breaker, a.tie_breaker))
        .then_with(|| a.recipe.cmp(&b.recipe))
}

/// The larger first, and what is not a number last.
fn descending(a: f64, b: f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then(b.partial_cmp(&a).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Pipeline;
    use crate::support::confusion::Confusion;

    /// A result with these accuracies on validation and test.
    pub(crate) fn result(seed: u64, validation: f64, nll: f64, test: f64) -> RunResult {
        let metrics = |accuracy, nll| Metrics {
            samples: 100,
            accuracy: Some(accuracy),
            negative_log_likelihood: Some(nll),
            confusion: Confusion::new(3),
            ..Metrics::default()
        };
        RunResult {
            key: String::new(),
            name: String::new(),
            temperature: 5.0,
            lambda: 0.5,
            seed,
            parameters: 1,
            best_epoch: 1,
            chosen_by: Criterion::Accuracy,
            validation: metrics(validation, nll),
            test: Some(metrics(test, 1.0)),
            weights: String::new(),
            configs: BTreeMap::new(),
        }
    }

    fn entry(temperature: f32, lambda: f32, result: &RunResult) -> Entry<'_> {
        let mut pipeline = Pipeline::default();
        (pipeline.train.temperature, pipeline.train.lambda) = (temperature, lambda);
        pipeline.train.seed = result.seed;
        Entry { recipe: Recipe::of(&pipeline, None), seed: result.seed, result: Some(result) }
    }

    #[test]
    fn the_best_configuration_is_that_of_the_best_mean_and_not_of_the_luckiest_seed() {
        let results = [
            result(0, 0.70, 0.5, 0.1),
            result(1, 0.58, 0.5, 0.1),
            result(0, 0.66, 0.5, 0.1),
            result(1, 0.67, 0.5, 0.1),
        ];
        let temperatures = [2.0, 2.0, 5.0, 5.0];
        let entries: Vec<Entry<'_>> =
            temperatures.iter().zip(&results).map(|(&t, result)| entry(t, 0.5, result)).collect();
        let found = Configurations::of(&entries);
        assert_eq!(found.best().unwrap().members, [2, 3]);
        assert_eq!(found.run_to_take(&entries), Some(3));
    }

    #[test]
    fn equal_means_are_told_by_likelihood_and_equal_seeds_too_and_test_tells_nothing() {
        let results = [result(0, 0.8, 0.9, 0.99), result(1, 0.8, 0.8, 0.99), result(0, 0.8, 0.6, 0.1)];
        let entries =
            [entry(1.0, 0.5, &results[0]), entry(1.0, 0.5, &results[1]), entry(5.0, 0.5, &results[2])];
        let found = Configurations::of(&entries);
        assert_eq!(found.best().unwrap().members, [2]);
        let entries = &entries[..2];
        assert_eq!(Configurations::of(entries).run_to_take(entries), Some(1));
    }

    #[test]
    fn the_gain_pairs_runs_of_one_seed_and_needs_both() {
        let results = [
            result(0, 0.7, 0.5, 0.60),
            result(1, 0.7, 0.5, 0.80),
            result(1, 0.8, 0.6, 0.83),
            result(0, 0.8, 0.6, 0.61),
            result(2, 0.8, 0.6, 0.10),
        ];
        let lambdas = [0.0, 0.0, 0.5, 0.5, 0.5];
        let entries: Vec<Entry<'_>> =
            lambdas.iter().zip(&results).map(|(&lambda, result)| entry(5.0, lambda, result)).collect();
        let found = Configurations::of(&entries);
        let gain = found.configurations[0].gain.as_ref().unwrap();
        assert_eq!((gain.comparison.pairs, gain.split), (2, "test"));
        assert!((gain.comparison.accuracy.as_ref().unwrap().mean - 0.02).abs() < 1e-12);
        assert!(gain.comparison.paired.is_some() && found.configurations[1].gain.is_none());
    }

    #[test]
    fn without_labels_the_agreement_with_the_teacher_decides() {
        let mut results = [result(0, 0.0, 0.0, 0.0), result(0, 0.0, 0.0, 0.0)];
        for (result, agreement) in results.iter_mut().zip([0.4, 0.6]) {
            result.validation.accuracy = None;
            result.validation.teacher_agreement = agreement;
        }
        let entries = [entry(1.0, 0.5, &results[0]), entry(5.0, 0.5, &results[1])];
        let found = Configurations::of(&entries);
        assert_eq!((found.criterion, found.run_to_take(&entries)), (Criterion::TeacherAgreement, Some(1)));
    }
}
