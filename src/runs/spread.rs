//! One measure of several runs.

use serde::Serialize;

use crate::support::statistics::mean_and_deviation;

/// The values of a measure over the seeds of a configuration, their mean and their spread.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// How many runs.
    pub runs: usize,
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation, 0 of a single run.
    pub deviation: f64,
    /// One value a run.
    pub values: Vec<f64>,
}

impl Spread {
    /// The spread of these values; nothing of none.
    pub(crate) fn of(values: Vec<f64>) -> Option<Self> {
        let (mean, deviation) = mean_and_deviation(&values);
        (!values.is_empty()).then_some(Self { runs: values.len(), mean, deviation, values })
    }

    /// The spread of a measure that every run has; nothing of no run, or where one lacks it.
    pub(crate) fn of_all(values: impl IntoIterator<Item = Option<f64>>) -> Option<Self> {
        Self::of(values.into_iter().collect::<Option<_>>()?)
    }

    /// Shares as percent: `66.5 ± 2.7`, or `66.5` of a single run.
    pub(crate) fn percents(&self) -> String {
        if self.runs == 1 {
            return format!("{:.1}", 100.0 * self.mean);
        }
        format!("{:.1} ± {:.1}", 100.0 * self.mean, 100.0 * self.deviation)
    }
}
