//! More temperatures for a cache that is there, from its logits, without a teacher.

use std::path::Path;

use crate::store::error::Error;
use crate::store::format::manifest::Manifest;
use crate::store::read::resume;
use crate::store::write::close::close;
use crate::support::context::Context;

/// Gives the complete cache in `dir` the soft targets at `temperatures` as well, from its logits. The cache stays what it was: its key and
/// its content hash are those of before. A rerun goes on with one that was interrupted, and until then the old temperatures can be
/// read.
///
/// # Errors
/// A value that is not a temperature; [`Mismatch::RestUnknown`](crate::store::Mismatch::RestUnknown) for a cache of kept classes; [`Error::Stopped`]; whatever is damaged or can't be
/// written.
pub fn add_temperatures(dir: &Path, temperatures: &[f32], context: &Context) -> Result<(), Error> {
    let manifest = Manifest::read(dir)?;
    let held = resume::complete(dir, &manifest)?.temperatures;
    close(dir, &manifest.with_temperatures(&held)?.with_temperatures(temperatures)?, context).map(|_| ())
}
