//! Parquet files as Hugging Face `datasets` writes them: an image column (`struct {bytes, path}`) and a `ClassLabel`.
//!
//! The cache's own parquet is the module `store`'s business alone; these are files that others wrote.
//!
//! - The columns and the class names come from the file's `huggingface` metadata; without it, an image column is found by
//!   its type.
//! - The split comes from the file's name (`train-00000-of-00002.parquet`) or its folder's (`default/train/0000.parquet`);
//!   files that tell none are train, as `datasets` has it.
//! - Every image is read once to hash it. Up to [`KEPT_BYTES`] of encoded images are then kept in memory; of more, only a
//!   few row groups are kept at a time, so that reading in order stays fast and memory stays bounded.

mod columns;
mod files;
mod row_groups;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rayon::prelude::*;

pub(super) use files::{files_below, files_in};
pub(super) use row_groups::RowGroups;

use super::digest_cache::{Hashed, Note, Noted, Stamp, WORTH_NOTING};
use super::source::{Location, Source};
use super::{Dataset, Error, Sample, Split, SplitName};
use crate::support::context::Context;
use crate::support::hash::Digest;
use crate::support::progress::Progress;
use columns::Columns;
use row_groups::Recent;

/// Encoded images up to this sum are kept in memory.
const KEPT_BYTES: u64 = 1 << 30;

/// One parquet file, its columns known and its rows not yet read.
struct File {
    path: PathBuf,
    name: String,
    columns: Columns,
    rows: usize,
    image_bytes: u64,
    groups: Vec<usize>,
}

/// Reads `files`, which lie below `root`.
pub(super) fn open(
    name: String,
    root: &Path,
    files: &[PathBuf],
    context: &Context,
) -> Result<Dataset, Error> {
    let opening = Opening { kept_bytes: KEPT_BYTES, worth_noting: WORTH_NOTING, note: Note::of(root) };
    opening.run(name, root, files, context)
}

/// What opening a dataset may keep, and where it notes what it hashed.
struct Opening {
    kept_bytes: u64,
    worth_noting: Duration,
    note: Note,
}

impl Opening {
    fn run(&self, name: String, root: &Path, files: &[PathBuf], context: &Context) -> Result<Dataset, Error> {
        let (by_split, notes) = files::by_split(root, files)?;
        let mut opened: Vec<(SplitName, Vec<File>)> = Vec::new();
        for (split, paths) in by_split {
            opened.push((split, paths.iter().map(|path| File::open(root, path)).collect::<Result<_, _>>()?));
        }
        let classes = common_classes(root, &opened)?;
        let all = || opened.iter().flat_map(|(_, files)| files);
        let keep = all().map(|file| file.image_bytes).sum::<u64>() <= self.kept_bytes;
        let mut progress = context.progress(&name, all().map(|file| file.rows as u64).sum(), "images");
        let recent = Arc::new(Recent::default());
        // Images that are kept are read anyway.
        let noted = if keep { Noted::default() } else { self.note.read() };
        let (clock, started) = (Instant::now(), SystemTime::now());
        let (mut splits, mut hashed, mut all_noted) = (Vec::new(), Vec::new(), true);
        for (split, files) in &opened {
            let mut samples = Vec::new();
            for file in files {
                let stamp = Stamp::of(&file.path)
                    .map_err(|source| Error::Read { path: file.path.clone(), source })?;
                let mut groups = file.row_groups(&recent);
                let known = noted.digests(Path::new(&file.name), stamp);
                let rows = if let Some(digests) = known.filter(|digests| digests.len() == file.rows) {
                    progress.advance(digests.len() as u64);
                    file.label_all(&groups.labels()?, digests)?
                } else {
                    all_noted = false;
                    file.read(*split, keep, &mut groups, &mut progress, context)?
                };
                if !keep {
                    let digests = rows.iter().map(|(_, digest)| *digest).collect();
                    hashed.push(Hashed { path: Path::new(&file.name), stamp, digests });
                }
                let source = Arc::new(Source::Rows(groups));
                samples.extend(rows.into_iter().enumerate().map(|(row, (label, content))| Sample {
                    label,
                    content,
                    location: Location::new(&source, row as u32),
                }));
            }
            if samples.is_empty() {
                return Err(Error::Empty {
                    path: root.to_path_buf(),
                    found: format!("a {split} split without rows"),
                });
            }
            splits.push(Split { name: *split, samples });
        }
        if !keep && !all_noted && clock.elapsed() >= self.worth_noting {
            self.note.write(hashed, started);
        }
        Ok(Dataset { name, classes, splits, notes })
    }
}

/// The class names that all files have; train must be among their splits.
fn common_classes(root: &Path, opened: &[(SplitName, Vec<File>)]) -> Result<Vec<String>, Error> {
    let all = || opened.iter().flat_map(|(_, files)| files);
    let Some(first) = all().next() else {
        return Err(Error::Empty { path: root.to_path_buf(), found: super::folder::describe(root) });
    };
    if let Some(other) = all().find(|file| file.columns.classes != first.columns.classes) {
        return Err(Error::Classes {
            first: first.path.display().to_string(),
            first_classes: first.columns.classes.join(", "),
            second: other.path.display().to_string(),
            second_classes: other.columns.classes.join(", "),
        });
    }
    if !opened.iter().any(|(split, _)| *split == SplitName::Train) {
        let found: Vec<_> = opened.iter().map(|(split, _)| split.as_str()).collect();
        return Err(Error::NoTrain { path: root.to_path_buf(), found: found.join(", ") });
    }
    Ok(first.columns.classes.clone())
}

impl File {
    fn open(root: &Path, path: &Path) -> Result<Self, Error> {
        let file =
            std::fs::File::open(path).map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, row_groups::options())
            .map_err(|error| Error::Parquet { path: path.to_path_buf(), reason: error.to_string() })?;
        let columns = Columns::find(path, builder.parquet_schema(), builder.metadata().file_metadata())?;
        let schema = builder.parquet_schema();
        let groups = builder.metadata().row_groups();
        let of_image = |leaf: usize| schema.get_column_root_idx(leaf) == columns.image;
        let image_bytes = groups
            .iter()
            .flat_map(|group| group.columns().iter().enumerate())
            .filter(|&(leaf, _)| of_image(leaf))
            .map(|(_, chunk)| u64::try_from(chunk.uncompressed_size()).unwrap_or(0))
            .sum();
        let groups: Vec<usize> = groups.iter().map(|g| usize::try_from(g.num_rows()).unwrap_or(0)).collect();
        Ok(Self {
            name: path.strip_prefix(root).unwrap_or(path).display().to_string(),
            path: path.to_path_buf(),
            rows: groups.iter().sum(),
            image_bytes,
            groups,
            columns,
        })
    }

    fn row_groups(&self, recent: &Arc<Recent>) -> RowGroups {
        RowGroups::new(self.path.clone(), self.name.clone(), self.columns.clone(), &self.groups, recent)
    }

    /// The label and the digest of every row.
    fn read(
        &self,
        split: SplitName,
        keep: bool,
        groups: &mut RowGroups,
        progress: &mut Progress,
        context: &Context,
    ) -> Result<Vec<(i32, Digest)>, Error> {
        let mut found = Vec::with_capacity(self.rows);
        for group in 0..self.groups.len() {
            let batches = groups.batches(group)?;
            for (images, labels) in &batches {
                if context.is_cancelled() {
                    return Err(Error::Interrupted { split });
                }
                let first = found.len();
                let make = |at: usize| {
                    let row = first + at;
                    let bytes = images.image(at).ok_or(Error::NoBytes { path: self.path.clone(), row })?;
                    Ok((self.label(labels[at], row)?, Digest::of(bytes)))
                };
                let batch: Result<Vec<_>, Error> = (0..labels.len()).into_par_iter().map(make).collect();
                found.extend(batch?);
                progress.advance(labels.len() as u64);
            }
            if keep {
                groups.keep(&batches);
            }
        }
        Ok(found)
    }

    fn label_all(&self, labels: &[Option<i64>], digests: Vec<Digest>) -> Result<Vec<(i32, Digest)>, Error> {
        let rows = labels.iter().zip(digests).enumerate();
        rows.map(|(row, (&label, digest))| Ok((self.label(label, row)?, digest))).collect()
    }

    fn label(&self, label: Option<i64>, row: usize) -> Result<i32, Error> {
        let classes = self.columns.classes.len();
        match label.unwrap_or(-1) {
            label if label >= -1 && label < classes as i64 => Ok(label as i32),
            label => Err(Error::Label { path: self.path.clone(), row, label, last: classes - 1 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use ::parquet::arrow::ArrowWriter;
    use ::parquet::file::metadata::KeyValue;
    use ::parquet::file::properties::WriterProperties;
    use arrow::array::{ArrayRef, BinaryArray, Int32Array, RecordBatch};

    use super::*;

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

        let (cache, worth_noting) = (tempfile::tempdir().unwrap(), Duration::ZERO);
        let open = |kept_bytes| {
            let opening = Opening { kept_bytes, worth_noting, note: Note::within(cache.path(), root.path()) };
            opening
                .run("photos".to_owned(), root.path(), std::slice::from_ref(&path), &Context::silent())
                .unwrap()
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

        // Digests that are no digests show whether the note was asked; labels come from the file.
        let stamp = Stamp::of(&path).unwrap();
        let digests = vec![Digest::of(b"noted"); 700];
        let hashed = vec![Hashed { path: Path::new("train.parquet"), stamp, digests }];
        Note::within(cache.path(), root.path()).write(hashed, SystemTime::now() + Duration::from_secs(10));
        let noted = open(0);
        let samples = &noted.splits[0].samples;
        assert!(samples.iter().all(|sample| sample.content == Digest::of(b"noted")));
        let labels =
            |dataset: &Dataset| dataset.splits[0].samples.iter().map(|s| s.label).collect::<Vec<_>>();
        assert_eq!(labels(&noted), labels(&kept));
        assert_eq!(open(KEPT_BYTES).fingerprint(), kept.fingerprint());
        assert!(noted.read(SplitName::Train, 0).unwrap_err().to_string().contains("run the command again"));
    }
}
