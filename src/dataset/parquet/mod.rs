//! Parquet files as Hugging Face `datasets` writes them: an image column (`struct {bytes, path}`) and a `ClassLabel`.
//!
//! - The columns and the class names come from the file's `huggingface` metadata; without it, an image column is found by
//!   its type, and labels by their name. `dataset.image-column` and `dataset.label-column` choose among several.
//! - Labels are numbers whose names the metadata or `dataset.class-map` gives, or names, which are sorted.
//! - The split comes from the file's name (`train-00000-of-00002.parquet`) or its folder's (`default/train/0000.parquet`);
//!   files that tell none are train, as `datasets` has it. Rows of `unlabelled` files (STL-10's `unlabeled`) have no labels.
//! - Every image is read once to hash it. Up to [`KEPT_BYTES`] of encoded images are then kept in memory; of more, only a
//!   few row groups are kept at a time, so that reading in order stays fast and memory stays bounded.

mod columns;
mod file;
mod files;
mod labels;
mod row_groups;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub(super) use files::{files_below, files_in, of_configuration};

use super::digest_cache::{CachedDigests, DigestCache, Hashed, Stamp, WORTH_CACHING};
use super::files::{below, describe};
use super::sample::{Opened, Sample, Split};
use super::source::{Location, Source};
use super::{Error, SplitName, class_map};
use crate::config;
use crate::support::context::Context;
use file::File;
use files::Part;
use row_groups::Recent;

/// Encoded images up to this sum are kept in memory.
const KEPT_BYTES: u64 = 1 << 30;

/// Reads `files`, which lie below `root`.
pub(super) fn open(
    name: String,
    root: &Path,
    files: &[PathBuf],
    config: &config::Dataset,
    context: &Context,
) -> Result<Opened, Error> {
    let digests = DigestCache::of(root);
    let opening = Opening { kept_bytes: KEPT_BYTES, worth_caching: WORTH_CACHING, digests, config };
    let mut opened = opening.run(name, root, files, context)?;
    class_map::apply(&mut opened, &config.class_map)?;
    Ok(opened)
}

/// The memory that opening a dataset may keep, and the place where it notes what it hashed.
struct Opening<'a> {
    kept_bytes: u64,
    worth_caching: Duration,
    digests: DigestCache,
    config: &'a config::Dataset,
}

impl Opening<'_> {
    fn run(&self, name: String, root: &Path, files: &[PathBuf], context: &Context) -> Result<Opened, Error> {
        let place = root.display().to_string();
        let files = of_configuration(root, files, self.config.config.as_deref(), &place)?;
        let (by_part, notes) = files::by_part(root, &files)?;
        let recent = Arc::new(Recent::default());
        let mut parts: Vec<(Part, Vec<File>)> = Vec::new();
        for (part, paths) in by_part {
            let open = |path: &PathBuf| File::open(root, path, self.config, &recent);
            parts.push((part, paths.iter().map(open).collect::<Result<_, _>>()?));
        }
        let classes = classes(root, &parts)?;
        let all = || parts.iter().flat_map(|(_, files)| files);
        let keep = all().map(|file| file.image_bytes).sum::<u64>() <= self.kept_bytes;
        let mut progress = context.progress(&name, all().map(|file| file.rows as u64).sum(), "images");
        // Images that are kept are read anyway.
        let cached = if keep { CachedDigests::default() } else { self.digests.read() };
        let (clock, started) = (Instant::now(), SystemTime::now());
        let (mut splits, mut unlabelled, mut hashed, mut all_cached) =
            (Vec::new(), Vec::new(), Vec::new(), true);
        for (part, files) in parts {
            let split = if let Part::Split(split) = part { split } else { SplitName::Train };
            let mut samples = Vec::new();
            for mut file in files {
                let stamp = Stamp::of(&file.path)
                    .map_err(|source| Error::Read { path: file.path.clone(), source })?;
                let labels =
                    if part == Part::Unlabelled { vec![-1; file.rows] } else { file.labels(&classes)? };
                let relative = PathBuf::from(below(root, &file.path));
                let known = cached.digests(&relative, stamp).filter(|digests| digests.len() == file.rows);
                let digests = if let Some(digests) = known {
                    progress.advance(digests.len() as u64);
                    digests
                } else {
                    all_cached = false;
                    file.hash(split, keep, &mut progress, context)?
                };
                let source: Arc<dyn Source> = Arc::new(file.groups);
                samples.extend(labels.into_iter().zip(&digests).enumerate().map(
                    |(row, (label, &content))| Sample {
                        label,
                        content,
                        location: Location::new(&source, row as u32),
                    },
                ));
                if !keep {
                    hashed.push((relative, stamp, digests));
                }
            }
            if samples.is_empty() {
                let found = format!("a {} split without rows", part.as_str());
                return Err(Error::Empty { path: root.to_path_buf(), found });
            }
            match part {
                Part::Split(name) => splits.push(Split { name, samples }),
                Part::Unlabelled => unlabelled = samples,
            }
        }
        if !keep && !all_cached && clock.elapsed() >= self.worth_caching {
            let hashed = hashed.iter().map(|(path, stamp, digests)| Hashed {
                path,
                stamp: *stamp,
                digests: digests.clone(),
            });
            self.digests.write(hashed.collect(), started);
        }
        Ok(Opened { name, classes, splits, unlabelled, notes })
    }
}

/// The class names that all files have; train must be among their splits, with labels.
fn classes(root: &Path, parts: &[(Part, Vec<File>)]) -> Result<Vec<String>, Error> {
    let of_splits = || parts.iter().filter(|(part, _)| *part != Part::Unlabelled);
    let found: Vec<_> = of_splits().map(|(part, _)| part.as_str()).collect();
    if found.is_empty() {
        return Err(Error::Empty { path: root.to_path_buf(), found: describe(root) });
    }
    let Some((_, train)) = of_splits().find(|(part, _)| *part == Part::Split(SplitName::Train)) else {
        return Err(Error::NoTrain { place: root.display().to_string(), found: found.join(", ") });
    };
    if let Some(file) = train.iter().find(|file| file.columns.label.is_none()) {
        return Err(file.lacks_label());
    }
    let files: Vec<&File> =
        of_splits().flat_map(|(_, files)| files).filter(|file| file.columns.label.is_some()).collect();
    let names = |file: &File| file.columns.label.as_ref().and_then(|label| label.names.clone());
    let listed =
        |names: Option<Vec<String>>| names.map_or("names of classes".to_owned(), |names| names.join(", "));
    let first = files[0];
    if let Some(other) = files.iter().find(|file| names(file) != names(first)) {
        return Err(Error::Classes {
            first: first.path.display().to_string(),
            first_classes: listed(names(first)),
            second: other.path.display().to_string(),
            second_classes: listed(names(other)),
        });
    }
    if let Some(names) = names(first) {
        return Ok(names);
    }
    let mut found = BTreeSet::new();
    for file in files {
        found.append(&mut file.label_values()?.names()?);
    }
    let mut found: Vec<String> = found.into_iter().collect();
    if found.iter().all(|name| name.parse::<i64>().is_ok()) {
        found.retain(|name| name != "-1");
        found.sort_by_key(|name| name.parse::<i64>().ok());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use ::parquet::arrow::ArrowWriter;
    use ::parquet::file::metadata::KeyValue;
    use ::parquet::file::properties::WriterProperties;
    use arrow_array::{ArrayRef, BinaryArray, Int32Array, RecordBatch};

    use super::super::Dataset;
    use super::*;
    use crate::support::hash::Digest;

    #[test]
    fn images_that_are_not_kept_are_read_again_from_their_row_groups() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("train.parquet");
        let images: Vec<String> = (0..700).map(|row| format!("image {row}")).collect();
        let images: ArrayRef =
            Arc::new(images.iter().map(|image| Some(image.as_bytes())).collect::<BinaryArray>());
        let labels: ArrayRef = Arc::new(Int32Array::from_iter_values((0..700).map(|row| row % 2)));
        let batch = RecordBatch::try_from_iter([("label", labels), ("photo", images)]).unwrap();
        let features = r#"{"info": {"features": {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}}}"#;
        let properties = WriterProperties::builder()
            .set_max_row_group_row_count(Some(150))
            .set_key_value_metadata(Some(vec![KeyValue::new("huggingface".to_owned(), features.to_owned())]));
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties.build())).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();

        let config = config::Dataset::default();
        let (cache, worth_caching) = (tempfile::tempdir().unwrap(), Duration::ZERO);
        let open = |kept_bytes| {
            let digests = DigestCache::within(cache.path(), root.path());
            let opening = Opening { kept_bytes, worth_caching, digests, config: &config };
            let files = std::slice::from_ref(&path);
            Dataset::of(opening.run("photos".to_owned(), root.path(), files, &Context::silent()).unwrap())
        };
        let (kept, again) = (open(KEPT_BYTES), open(0));
        assert_eq!(kept.fingerprint(), again.fingerprint());
        let is_kept = |sample: &Sample| sample.location.is_kept();
        assert!(kept.splits[0].samples.iter().all(is_kept) && !again.splits[0].samples.iter().any(is_kept));
        assert_eq!(kept.sample_name(SplitName::Train, 321), "train.parquet row 321");
        // From the last to the first, so that each group is dropped and read again.
        for index in (0..700).rev().step_by(7).chain(0..700) {
            let image = format!("image {index}");
            assert_eq!(*again.read(SplitName::Train, index).unwrap(), *image.as_bytes());
            assert_eq!(*kept.read(SplitName::Train, index).unwrap(), *image.as_bytes());
        }

        // Wrong digests show whether the cached ones were taken; labels come from the file.
        let stamp = Stamp::of(&path).unwrap();
        let digests = vec![Digest::of(b"cached"); 700];
        let hashed = vec![Hashed { path: Path::new("train.parquet"), stamp, digests }];
        DigestCache::within(cache.path(), root.path())
            .write(hashed, SystemTime::now() + Duration::from_secs(10));
        let cached = open(0);
        let samples = &cached.splits[0].samples;
        assert!(samples.iter().all(|sample| sample.content == Digest::of(b"cached")));
        let labels =
            |dataset: &Dataset| dataset.splits[0].samples.iter().map(|s| s.label).collect::<Vec<_>>();
        assert_eq!(labels(&cached), labels(&kept));
        assert_eq!(open(KEPT_BYTES).fingerprint(), kept.fingerprint());
        assert!(cached.read(SplitName::Train, 0).unwrap_err().to_string().contains("run the command again"));
    }
}
