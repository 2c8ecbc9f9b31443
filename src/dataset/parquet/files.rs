//! Which parquet files a folder holds, and which split each belongs to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::super::folder::{entries, last_name};
use super::super::{Error, SplitName};

/// The parquet files of a dataset's folder; `metadata.parquet` describes an image folder and holds no images.
pub(in super::super) fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = files_below(folder)?;
    files.retain(|file| last_name(file) != "metadata.parquet");
    Ok(files)
}

/// Every parquet file below a folder, sorted.
pub(in super::super) fn files_below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let (folders, files) = entries(folder)?;
    let mut found: Vec<PathBuf> =
        files.into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "parquet")).collect();
    for folder in folders {
        found.extend(files_below(&folder)?);
    }
    found.sort();
    Ok(found)
}

/// The files of each split in order, with notes on those that were passed over.
type BySplit = (BTreeMap<SplitName, Vec<PathBuf>>, Vec<String>);

pub(super) fn by_split(root: &Path, files: &[PathBuf]) -> Result<BySplit, Error> {
    let files = one_configuration(root, files)?;
    let mut splits: BTreeMap<SplitName, Vec<PathBuf>> = BTreeMap::new();
    let mut notes = Vec::new();
    let named: Vec<_> = files.iter().map(|file| (split_of(root, file), file)).collect();
    let any_named = named.iter().any(|(split, _)| split.is_some());
    for (split, file) in named {
        match split {
            Some(split) => splits.entry(split).or_default().push(file.clone()),
            None if any_named => {
                notes.push(format!("passed over {}, whose name tells no split", file.display()));
            }
            None => splits.entry(SplitName::Train).or_default().push(file.clone()),
        }
    }
    for (&split, files) in &mut splits {
        files.sort();
        if let Some((file, expected)) = files.iter().find_map(|file| Some((file, stated_count(file)?)))
            && files.len() < expected
        {
            return Err(Error::MissingFiles { path: file.clone(), split, expected, found: files.len() });
        }
        if let Some(file) = files.iter().find(|file| relative(root, file).contains("partial-")) {
            notes.push(format!(
                "{} holds the first part of a {split} split that the hub did not convert whole",
                file.display()
            ));
        }
    }
    Ok((splits, notes))
}

fn relative(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).display().to_string()
}

/// The split that the file's name tells or else its nearest folder that tells one.
fn split_of(root: &Path, file: &Path) -> Option<SplitName> {
    let stem = file.file_stem()?.to_string_lossy();
    let folders = file.strip_prefix(root).ok().and_then(Path::parent)?;
    SplitName::of_words(&stem)
        .or_else(|| folders.iter().rev().find_map(|folder| SplitName::of_words(&folder.to_string_lossy())))
}

/// The 2 of `train-00000-of-00002.parquet`.
fn stated_count(file: &Path) -> Option<usize> {
    file.file_stem()?.to_string_lossy().rsplit_once("-of-")?.1.parse().ok()
}

/// Files of several configurations must not be mixed: `default`'s are taken where there are some.
fn one_configuration(root: &Path, files: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut configurations: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in files {
        let folders = file.strip_prefix(root).ok().and_then(Path::parent).unwrap_or(Path::new(""));
        let names: Vec<String> = folders
            .iter()
            .map(|folder| folder.to_string_lossy().into_owned())
            .filter(|folder| folder != "data" && SplitName::of_words(folder).is_none())
            .collect();
        configurations.entry(names.join("/")).or_default().push(file.clone());
    }
    if configurations.len() <= 1 {
        return Ok(files.to_vec());
    }
    match configurations.remove("default") {
        Some(files) => Ok(files),
        None => Err(Error::Configurations {
            path: root.to_path_buf(),
            found: configurations
                .into_keys()
                .map(|name| if name.is_empty() { ".".into() } else { name })
                .collect::<Vec<_>>()
                .join(", "),
        }),
    }
}
