//! Which parquet files a folder holds, and which split each belongs to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::files::{below, entries, last_name};
use super::super::{Error, ParquetError, SplitName, unlabelled};

/// The parquet files of a dataset's folder; `metadata.parquet` describes an image folder and holds no images.
pub(in super::super) fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = files_below(folder)?;
    files.retain(|file| last_name(file) != "metadata.parquet");
    Ok(files)
}

/// Every parquet file below a folder, sorted. Links to folders are not followed, but for those of the hub's cache to files.
pub(in super::super) fn files_below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let (folders, files) = entries(folder)?;
    let mut found: Vec<PathBuf> =
        files.into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "parquet")).collect();
    for folder in folders.into_iter().filter(|folder| !is_link(folder)) {
        found.extend(files_below(&folder)?);
    }
    found.sort();
    Ok(found)
}

fn is_link(folder: &Path) -> bool {
    std::fs::symlink_metadata(folder).is_ok_and(|entry| entry.is_symlink())
}

/// The part of a dataset that a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Split(SplitName),
    /// Images without labels.
    Unlabelled,
}

impl Part {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Split(split) => split.as_str(),
            Self::Unlabelled => "unlabelled",
        }
    }
}

/// The files of each part in order, with notes on those that were ignored.
type ByPart = (BTreeMap<Part, Vec<PathBuf>>, Vec<String>);

/// Sorts the files of one configuration by the part that they hold.
pub(super) fn by_part(root: &Path, files: &[PathBuf]) -> Result<ByPart, Error> {
    let mut parts: BTreeMap<Part, Vec<PathBuf>> = BTreeMap::new();
    let mut notes = Vec::new();
    let named: Vec<_> = files.iter().map(|file| (part_of(root, file), file)).collect();
    let any_named = named.iter().any(|(part, _)| part.is_some());
    for (part, file) in named {
        match part {
            Some(part) => parts.entry(part).or_default().push(file.clone()),
            None if any_named => {
                notes.push(format!("ignored {}, whose name tells no split", below(root, file)));
            }
            None => parts.entry(Part::Split(SplitName::Train)).or_default().push(file.clone()),
        }
    }
    for (&part, files) in &mut parts {
        files.sort();
        if let Some((file, expected)) = files.iter().find_map(|file| Some((file, stated_count(file)?)))
            && files.len() < expected
        {
            let split = part.as_str().to_owned();
            return Err(Error::Parquet(ParquetError::MissingFiles {
                path: file.clone(),
                split,
                expected,
                found: files.len(),
            }));
        }
        if let Some(file) = files.iter().find(|file| below(root, file).contains("partial-")) {
            notes.push(format!(
                "{} holds only the first part of a {} split, since the hub did not convert all of it",
                below(root, file),
                part.as_str()
            ));
        }
    }
    Ok((parts, notes))
}

/// The part that the file's name tells, or else its nearest folder that tells one.
fn part_of(root: &Path, file: &Path) -> Option<Part> {
    let of_words = |name: &str| match SplitName::of_words(name) {
        None if unlabelled::is_among_words(name) => Some(Part::Unlabelled),
        split => split.map(Part::Split),
    };
    let stem = file.file_stem()?.to_string_lossy();
    let folders = file.strip_prefix(root).ok().and_then(Path::parent)?;
    of_words(&stem).or_else(|| folders.iter().rev().find_map(|folder| of_words(&folder.to_string_lossy())))
}

/// The 2 of `train-00000-of-00002.parquet`.
fn stated_count(file: &Path) -> Option<usize> {
    file.file_stem()?.to_string_lossy().rsplit_once("-of-")?.1.parse().ok()
}

/// The files of one configuration: the `wanted` one, else the only one, else `default`. Each has a folder of its name, but
/// for the one whose files lie in the dataset's folder or in `data`. `place` is what messages call the dataset.
pub(in super::super) fn of_configuration(
    root: &Path,
    files: &[PathBuf],
    wanted: Option<&str>,
    place: &str,
) -> Result<Vec<PathBuf>, Error> {
    let mut configurations: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        let folders = file.strip_prefix(root).ok().and_then(Path::parent).unwrap_or(Path::new(""));
        let is_config = |folder: &String| {
            folder != "data" && SplitName::of_words(folder).is_none() && !unlabelled::is_name(folder)
        };
        let names: Vec<String> =
            folders.iter().map(|folder| folder.to_string_lossy().into_owned()).filter(is_config).collect();
        configurations.entry(names.join("/")).or_default().push(file.clone());
    }
    let unnamed = |configurations: &mut BTreeMap<String, Vec<PathBuf>>| configurations.remove("");
    let chosen = match wanted {
        Some("default") => configurations.remove("default").or_else(|| unnamed(&mut configurations)),
        Some(wanted) => configurations.remove(wanted),
        None if configurations.len() <= 1 => return Ok(files.to_vec()),
        None => configurations.remove("default"),
    };
    let names = configurations.keys().map(|name| if name.is_empty() { "default" } else { name });
    let found = names.collect::<Vec<_>>().join(", ");
    match (chosen, wanted) {
        (Some(files), _) => Ok(files),
        (None, None) => Err(Error::Parquet(ParquetError::Configurations { place: place.to_owned(), found })),
        (None, Some(config)) => Err(Error::Parquet(ParquetError::NoConfiguration {
            place: place.to_owned(),
            config: config.to_owned(),
            found,
        })),
    }
}
