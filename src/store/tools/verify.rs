//! `cache verify`: every check that needs no teacher and no images.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use crate::store::error::{Damage, Error};
use crate::store::folder;
use crate::store::format::complete::{COMPLETE_FILE, Complete};
use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::store::format::quality::TeacherQuality;
use crate::store::format::record::ShardRecord;
use crate::store::read::reader;
use crate::store::read::resume;
use crate::store::read::shard::Opener;
use crate::support::hash::Digest;

/// The largest relative difference between two sums of the same numbers that counts as none.
const ROUNDING: f64 = 1e-9;

/// The findings of [`verify`].
#[derive(Debug)]
pub struct Report {
    /// The cache's content hash.
    pub content: Digest,
    /// How many shards were read.
    pub shards: usize,
    /// How many rows they hold.
    pub rows: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Everything that is wrong, in the manifest's order; empty when the cache is sound.
    pub damage: Vec<Error>,
}

/// Checks a complete cache: every digest, layout, identity and value; that each soft target is its logits softened;
/// that records agree with `complete.json`; that no other parquet file is in the folder.
///
/// # Errors
/// When manifest or `complete.json` can't be used at all. Damaged shards are listed in the report instead.
pub fn verify(dir: &Path) -> Result<Report, Error> {
    let manifest = Manifest::read(dir)?;
    let complete = resume::complete(dir, &manifest)?;
    let manifest = manifest.with_temperatures(&complete.temperatures)?;
    let specs = manifest.shards();
    let work: Vec<(&ShardSpec, &ShardRecord)> = specs.iter().zip(&complete.shards).collect();
    let opener = Opener::new(dir, &manifest)?;
    let found: Vec<Result<(), Error>> =
        work.par_iter().map(|(spec, record)| verify_shard(&opener, dir, &manifest, spec, record)).collect();
    let (mut damage, failed): (Vec<Error>, Vec<Error>) =
        found.into_iter().filter_map(Result::err).partition(Error::is_damage);
    // A file that can't be read is not damaged: nothing is known of it.
    if let Some(error) = failed.into_iter().next() {
        return Err(error);
    }
    damage.extend(extra_files(dir, &specs)?.into_iter().map(|path| Error::Damage(Damage::Extra { path })));
    if damage.is_empty() {
        damage.extend(check_quality(dir, &Arc::new(manifest), &complete).err());
    }
    Ok(Report {
        content: complete.content,
        shards: specs.len(),
        rows: specs.iter().map(|spec| spec.rows).sum(),
        bytes: complete.bytes(),
        damage,
    })
}

/// Computes the teacher's quality on each split again and compares it with `complete.json`.
fn check_quality(dir: &Path, manifest: &Arc<Manifest>, complete: &Complete) -> Result<(), Error> {
    let splits = reader::open_splits(dir, manifest, &complete.shards)?;
    for (rows, recorded) in splits.iter().zip(&complete.teacher_quality) {
        let found = rows.teacher_quality()?;
        let near = |one: f64, other: f64| (one - other).abs() <= ROUNDING * one.abs().max(1.0);
        let same = found.labelled == recorded.labelled
            && near(found.accuracy, recorded.accuracy)
            && near(found.nll, recorded.nll)
            && near(found.ece, recorded.ece);
        if !same {
            let (path, field) = (dir.join(COMPLETE_FILE), format!("teacher_quality of {}", rows.name()));
            let of = |quality: &TeacherQuality| {
                let TeacherQuality { labelled, accuracy, nll, ece, .. } = quality;
                format!("accuracy {accuracy}, nll {nll}, ece {ece} of {labelled} samples")
            };
            return Err(Error::Damage(Damage::Contradiction {
                path,
                field,
                expected: of(&found),
                found: of(recorded),
            }));
        }
    }
    Ok(())
}

fn verify_shard(
    opener: &Opener<'_>,
    dir: &Path,
    manifest: &Manifest,
    spec: &ShardSpec,
    record: &ShardRecord,
) -> Result<(), Error> {
    let shard = opener.open(spec, record)?;
    shard.check_content(manifest.encoding)?;
    shard.check_derived(manifest.encoding)?;
    shard.check_rows_digest(manifest.encoding)?;
    let path = dir.join(spec.record_path());
    match ShardRecord::read(dir, manifest, spec)? {
        None => Err(Error::Damage(Damage::Missing { path })),
        Some(found) if found == *record => Ok(()),
        Some(found) => {
            let (field, expected, found) =
                ("blake3".to_owned(), record.blake3.to_string(), found.blake3.to_string());
            Err(Error::Damage(Damage::Contradiction { path, field, expected, found }))
        }
    }
}

/// Parquet files that are in the folder, or in a folder of it, and no shard.
fn extra_files(dir: &Path, specs: &[ShardSpec]) -> Result<Vec<PathBuf>, Error> {
    let known: std::collections::HashSet<PathBuf> = specs.iter().map(|spec| dir.join(&spec.path)).collect();
    let is_parquet = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "parquet");
    Ok(folder::files(dir)?.into_iter().filter(|path| is_parquet(path) && !known.contains(path)).collect())
}
