//! The measures of a classifier on a split, as a row of a table.

use crate::support::text::{number_or_dash, percent, percent_or_dash};
use crate::train::metrics::Metrics;

/// The heads of their columns.
pub(super) const NAMES: [&str; 6] = ["images", "accuracy", "macro F1", "NLL", "ECE", "agreement"];

/// Their cells.
pub(super) fn cells(metrics: &Metrics) -> [String; 6] {
    [
        metrics.samples.to_string(),
        percent_or_dash(metrics.accuracy),
        percent_or_dash(metrics.macro_f1),
        number_or_dash(metrics.negative_log_likelihood),
        percent_or_dash(metrics.calibration_error),
        percent(metrics.teacher_agreement),
    ]
}
