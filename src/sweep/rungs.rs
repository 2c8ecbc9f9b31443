//! The rungs of successive halving.

use std::path::Path;

use super::value::EPOCHS;
use super::{Error, Points};
use crate::config::Halving;

/// The epochs of every rung, the last one those of the pipeline.
///
/// # Errors
/// Runs that differ in their epochs, or have too few for a first rung.
pub(crate) fn rungs(halving: &Halving, points: &Points, file: &Path) -> Result<Vec<usize>, Error> {
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
