//! `cache verify`: every check that needs no teacher and no images.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::store::error::Error;
use crate::store::folder;
use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::store::format::record::ShardRecord;
use crate::store::read::resume;
use crate::store::read::shard::Opener;
use crate::support::hash::Digest;

/// What [`verify`] found.
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
    let specs = manifest.shards();
    let work: Vec<(&ShardSpec, &ShardRecord)> = specs.iter().zip(&complete.shards).collect();
    let opener = Opener::new(dir, &manifest)?;
    let found: Vec<Result<(), Error>> =
        work.par_iter().map(|(spec, record)| verify_shard(&opener, dir, &manifest, spec, record)).collect();
    let mut damage: Vec<Error> = found.into_iter().filter_map(Result::err).collect();
    damage.extend(extra_files(dir, &specs)?.into_iter().map(|path| Error::Extra { path }));
    Ok(Report {
        content: complete.content,
        shards: specs.len(),
        rows: specs.iter().map(|spec| spec.rows).sum(),
        bytes: complete.bytes(),
        damage,
    })
}

fn verify_shard(
    opener: &Opener<'_>,
    dir: &Path,
    manifest: &Manifest,
    spec: &ShardSpec,
    record: &ShardRecord,
) -> Result<(), Error> {
    let shard = opener.open(spec, record)?;
    shard.check_content(manifest.classes())?;
    shard.check_derived(manifest.classes())?;
    shard.check_rows_digest(manifest)?;
    let path = dir.join(spec.record_path());
    match ShardRecord::read(dir, manifest, spec)? {
        None => Err(Error::Missing { path }),
        Some(found) if found == *record => Ok(()),
        Some(found) => {
            let (field, expected, found) =
                ("blake3".to_owned(), record.blake3.to_string(), found.blake3.to_string());
            Err(Error::Contradiction { path, field, expected, found })
        }
    }
}

/// Parquet files that are in the folder, or in a folder of it, and no shard.
fn extra_files(dir: &Path, specs: &[ShardSpec]) -> Result<Vec<PathBuf>, Error> {
    let known: std::collections::HashSet<PathBuf> = specs.iter().map(|spec| dir.join(&spec.path)).collect();
    let mut extra = Vec::new();
    for entry in folder::list(dir)? {
        let inner = if entry.is_dir() { folder::list(&entry)? } else { vec![entry] };
        let parquet = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "parquet");
        extra.extend(inner.into_iter().filter(|path| parquet(path) && !known.contains(path)));
    }
    Ok(extra)
}
