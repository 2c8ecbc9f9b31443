//! Successive halving: which rungs there are, and who goes on to the next.

use std::cmp::Ordering;
use std::path::Path;

use super::results::{Group, Results};
use super::value::EPOCHS;
use super::{Error, Points};
use crate::config::Halving;

/// The epochs of every rung, the last one those of the pipeline.
///
/// # Errors
/// Runs that differ in their epochs, or have too few for a first rung.
pub fn rungs(halving: &Halving, points: &Points, file: &Path) -> Result<Vec<usize>, Error> {
    let epochs = points.points[0].pipeline.train.epochs;
    let refuse = |reason| {
        let place = file.display().to_string();
        Err(Error::NoAxis { place, key: EPOCHS.to_owned(), reason })
    };
    if points.points.iter().any(|point| point.pipeline.train.epochs != epochs) {
        return refuse("[sweep.halving] trains each for as many epochs as its rung has");
    }
    let mut rungs = vec![epochs];
    let mut rung = halving.from;
    rungs.splice(
        0..0,
        std::iter::from_fn(|| {
            let this = rung;
            rung = rung.saturating_mul(halving.factor);
            (this < epochs).then_some(this)
        }),
    );
    Ok(rungs)
}

/// The groups of a rung's results that go on, best first: one in `factor`, one at least.
///
/// Configurations are judged by their mean validation accuracy over the seeds, equal ones by their mean negative
/// log-likelihood, then by their order; one with a run that failed comes last.
pub fn promote(results: &Results, rung: usize, factor: usize) -> Vec<Group> {
    let mut groups = results.groups(rung);
    groups.sort_by(|a, b| a.failed.cmp(&b.failed).then(better(a, b)));
    let kept = (groups.len() / factor).max(1);
    groups.truncate(kept);
    groups
}

/// Orders groups by what validation says of them, the best first.
pub(super) fn better(a: &Group, b: &Group) -> Ordering {
    let nll = |group: &Group| group.mean(|run| run.validation.negative_log_likelihood);
    let accuracy = |group: &Group| group.mean(|run| run.validation.accuracy);
    descending(accuracy(a), accuracy(b)).then(descending(nll(b), nll(a)))
}

/// The larger first, and what is no number last.
pub(super) fn descending(a: f64, b: f64) -> Ordering {
    a.is_nan().cmp(&b.is_nan()).then(b.partial_cmp(&a).unwrap_or(Ordering::Equal))
}
