//! `cache upgrade`: a cache of format 1, which decant 0.1.0 wrote, becomes one of format 2, without a teacher or images.
//!
//! The pages of format 1 are those of format 2, which adds the column `path`: it stays empty, since format 1 does not say where
//! an image was. Everything else is copied bit by bit.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use parquet::column::page::Page;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde::Deserialize;

use crate::encoding::Encoding;
use crate::store::error::{Damage, Error, Mismatch};
use crate::store::folder;
use crate::store::format::checksummed_json;
use crate::store::format::complete::COMPLETE_FILE;
use crate::store::format::encoding_loss::Lost;
use crate::store::format::identity::{DatasetIdentity, RandomCrops, TeacherIdentity, ViewIdentity};
use crate::store::format::manifest::{MANIFEST_FILE, Manifest};
use crate::store::format::plan::ShardSpec;
use crate::store::format::row_losses::{Measured, RowLosses};
use crate::store::format::schema::{self, column};
use crate::store::read::resume;
use crate::store::tools::verify::verify;
use crate::store::write::close::close;
use crate::store::write::columns::Content;
use crate::store::write::writer::write_shard;
use crate::support::atomic::TEMPORARY_SUFFIX;
use crate::support::context::Context;
use crate::support::files;
use crate::support::hash::Digest;
use crate::view::{Filter, Resize, Size};

/// The text between the runtime and the batch size in a manifest of format 1.
const BATCHES: &str = ", batches of ";

/// A manifest of format 1.
#[derive(Deserialize)]
struct OldManifest {
    name: String,
    key: Digest,
    dataset: DatasetIdentity,
    teacher: OldTeacher,
    view: OldView,
    temperatures: Vec<f32>,
    encoding: Encoding,
    #[serde(default)]
    zstd: u8,
    shard_rows: u32,
}

#[derive(Deserialize)]
struct OldTeacher {
    name: String,
    fingerprint: Digest,
    provider: String,
    precision: String,
    runtime: String,
}

#[derive(Deserialize)]
struct OldView {
    policy: String,
    views: u16,
    seed: u64,
}

/// `complete.json` of format 1.
#[derive(Deserialize)]
struct OldComplete {
    key: Digest,
    manifest_blake3: Digest,
    shards: Vec<OldRecord>,
}

#[derive(Deserialize)]
struct OldRecord {
    split: String,
    index: u32,
    bytes: u64,
    blake3: Digest,
    #[serde(default)]
    lost: Vec<Lost>,
}

/// Writes the complete cache of format 1 in `dir` as one of format 2 beside it, verifies that, and then removes the one in `dir`
/// unless it is to be kept. Returns the folder of the new cache. A rerun resumes one that was interrupted.
///
/// # Errors
/// [`Mismatch::Upgraded`] for a cache of format 2; [`Mismatch::NotComplete`]; [`Error::Stopped`]; whatever is damaged or can't be
/// written.
pub fn upgrade(dir: &Path, keep: bool, context: &Context) -> Result<PathBuf, Error> {
    match Manifest::read(dir) {
        Err(Error::Mismatch(Mismatch::OldFormat { .. })) => {}
        Ok(_) => return Err(Error::Mismatch(Mismatch::Upgraded { dir: dir.to_path_buf() })),
        Err(error) => return Err(error),
    }
    let dir = dir.canonicalize().map_err(Error::io("found", dir))?;
    let (manifest, complete) = read_old(&dir)?;
    let root = dir.parent().unwrap_or(&dir);
    let (target, _) = folder::create_or_open(root, &manifest)?;
    let missing = resume::missing_shards(&target, &manifest)?;
    let mut progress = context.progress("upgrade", missing.iter().map(|spec| spec.rows).sum(), "rows");
    for spec in missing {
        if context.is_cancelled() {
            return Err(Error::Stopped { dir: target });
        }
        let records = complete.shards.iter();
        let record =
            records.clone().find(|record| (&record.split, record.index) == (&spec.split, spec.index));
        let record = record.expect("there is one for each shard");
        let pages = read_pages(&dir.join(&spec.path), &manifest, &spec, record)?;
        let page = |index: usize| Content { bytes: pages[index].0.to_vec(), values: pages[index].1 };
        let measured = || Measured { lost: record.lost.clone(), rows: RowLosses::default() };
        write_shard(&target, &manifest, &spec, &page, measured)?;
        progress.advance(spec.rows);
    }
    drop(progress);
    close(&target, &manifest, context)?;
    if let Some(damage) = verify(&target)?.damage.into_iter().next() {
        return Err(damage);
    }
    if !keep {
        remove(&dir)?;
    }
    Ok(target)
}

/// Takes the folder's name away first: a cache that is half removed is not found.
fn remove(dir: &Path) -> Result<(), Error> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let left = dir.with_file_name(format!(".{name}.{}{TEMPORARY_SUFFIX}", std::process::id()));
    fs::rename(dir, &left).map_err(Error::io("renamed", dir))?;
    fs::remove_dir_all(&left).map_err(Error::io("removed", &left))
}

/// The manifest that the cache has in format 2, and its old `complete.json`, once they agree.
fn read_old(dir: &Path) -> Result<(Manifest, OldComplete), Error> {
    let path = dir.join(MANIFEST_FILE);
    let no_cache = || Error::Mismatch(Mismatch::NoCache { dir: dir.to_path_buf() });
    let bytes = checksummed_json::read_bytes(&path)?.ok_or_else(no_cache)?;
    let old: OldManifest = checksummed_json::parse(&path, &bytes)?;
    let (key, digest) = (old.key, Digest::of(&bytes));
    let manifest = convert(old, &path)?;
    let specs = manifest.shards();
    let path = dir.join(COMPLETE_FILE);
    let Some(complete) = checksummed_json::read::<OldComplete>(&path)? else {
        let done = specs.iter().filter(|spec| dir.join(&spec.path).is_file()).count();
        return Err(Error::Mismatch(Mismatch::OldNotComplete {
            dir: dir.to_path_buf(),
            done,
            shards: specs.len(),
        }));
    };
    let same_shards = complete.shards.len() == specs.len()
        && complete
            .shards
            .iter()
            .zip(&specs)
            .all(|(record, spec)| (&record.split, record.index) == (&spec.split, spec.index));
    if (complete.key, complete.manifest_blake3) != (key, digest) || !same_shards {
        let reason = "it belongs to another manifest".to_owned();
        return Err(Error::Damage(Damage::Malformed { path, reason }));
    }
    Ok((manifest, complete))
}

fn convert(old: OldManifest, path: &Path) -> Result<Manifest, Error> {
    let refuse = |what: &str, text: &str| {
        Error::Damage(Damage::Malformed {
            path: path.to_path_buf(),
            reason: format!("{what} is not one that 0.1.0 wrote: {text:?}"),
        })
    };
    let OldTeacher { name, fingerprint, provider, precision, runtime } = old.teacher;
    let batches =
        runtime.rsplit_once(BATCHES).and_then(|(runtime, size)| Some((runtime, size.parse().ok()?)));
    let (version, batch_size) = batches.ok_or_else(|| refuse("teacher.runtime", &runtime))?;
    let teacher = TeacherIdentity {
        name,
        fingerprint,
        provider: provider.parse().map_err(|_| refuse("teacher.provider", &provider))?,
        precision,
        runtime: version.to_owned(),
        batch_size,
    };
    let view = view_of(&old.view).ok_or_else(|| refuse("view.policy", &old.view.policy))?;
    Manifest::new(&old.name, old.dataset, teacher, view, &old.temperatures, old.encoding, old.shard_rows)?
        .with_zstd(old.zstd)
}

/// The views that the sentence of format 1 describes.
fn view_of(old: &OldView) -> Option<ViewIdentity> {
    let OldView { policy, views, seed } = old;
    if let Some(resize) = policy.strip_prefix("whole image, ") {
        return Some(ViewIdentity {
            views: *views,
            resize: resize_of(resize)?,
            crops: None,
            operations: None,
        });
    }
    let text = policy.strip_prefix("view 0 whole image, others RandomResizedCrop scale ")?;
    let (least, text) = text.split_once(" to ")?;
    let (most, text) = text.split_once(" ratio ")?;
    let (narrow, text) = text.split_once(" to ")?;
    let (wide, text) = text.split_once(", flip ")?;
    let (flip, resize) = text.split_once(", ")?;
    let number = |text: &str| text.parse::<f64>().ok();
    let crops = RandomCrops {
        seed: *seed,
        scale: [number(least)?, number(most)?],
        ratio: [number(narrow)?, number(wide)?],
        flip: number(flip)?,
    };
    Some(ViewIdentity::new(*views, resize_of(resize)?, crops))
}

fn resize_of(text: &str) -> Option<Resize> {
    let pair = |text: &str| {
        let (height, width) = text.split_once(" x ")?;
        Some([height.parse().ok()?, width.parse().ok()?])
    };
    let (resized, crop) = match text.split_once(", centre ") {
        Some((resized, crop)) => (resized, Some(pair(crop)?)),
        None => (text, None),
    };
    let mut resize = Resize { size: None, filter: None, center_crop: crop, center_crop_rounds: false };
    if resized != "not resized" {
        let (size, filter) = resized.strip_prefix("resized to ")?.rsplit_once(' ')?;
        resize.size = Some(match size.strip_prefix("shortest_edge ") {
            Some(edge) => Size::ShortestEdge(edge.parse().ok()?),
            None => pair(size).map(|[height, width]| Size::Exact { height, width })?,
        });
        resize.filter = Some(serde_json::from_value::<Filter>(filter.into()).ok()?);
    }
    Some(resize)
}

/// The page of each column of format 2 and how many values it has, once the file's digest is the recorded one.
fn read_pages(
    path: &Path,
    manifest: &Manifest,
    spec: &ShardSpec,
    record: &OldRecord,
) -> Result<Vec<(Bytes, usize)>, Error> {
    let bytes = match files::read_regular(path, record.bytes) {
        Ok(bytes) => Bytes::from(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::Damage(Damage::Missing { path: path.to_path_buf() }));
        }
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    let found = Digest::of(&bytes);
    if found != record.blake3 {
        let (path, part, expected) = (path.to_path_buf(), "content", record.blake3);
        return Err(Error::Damage(Damage::Content { path, part, expected, found }));
    }
    let refuse = |reason: String| Error::Damage(Damage::Layout { path: path.to_path_buf(), reason });
    let unreadable = |error: ParquetError| refuse(error.to_string());
    let reader = SerializedFileReader::new(bytes).map_err(unreadable)?;
    let expected: Vec<String> =
        schema::arrow_schema(manifest).fields().iter().map(|f| f.name().clone()).collect();
    let columns = reader.metadata().file_metadata().schema_descr();
    let found = columns.columns().iter().map(|column| column.path().parts()[0].clone());
    let without_path = expected.iter().enumerate().filter(|(index, _)| *index != column::PATH);
    if !found.eq(without_path.map(|(_, name)| name.clone())) || reader.num_row_groups() != 1 {
        return Err(refuse("it has other columns than the manifest says".to_owned()));
    }
    let group = reader.get_row_group(0).map_err(unreadable)?;
    let mut pages = Vec::with_capacity(expected.len());
    for index in 0..columns.num_columns() {
        let mut reader = group.get_column_page_reader(index).map_err(unreadable)?;
        let Some(Page::DataPage { buf, num_values, .. }) = reader.get_next_page().map_err(unreadable)? else {
            return Err(refuse(format!("column {} has no data page", columns.column(index).path())));
        };
        pages.push((buf, num_values as usize));
    }
    // Text of no bytes: each is its length, four bytes.
    let rows = spec.rows as usize;
    pages.insert(column::PATH, (vec![0; rows * 4].into(), rows));
    Ok(pages)
}
