//! Images without labels, which join train: only the teacher teaches them.

use std::path::{Path, PathBuf};

use super::files::{describe, images_below, last_name};
use super::image_files::{ImageFiles, hash_files};
use super::sample::Opened;
use super::{Error, Sample, SplitName};
use crate::support::context::Context;

/// Names of the folder, beside the splits, that holds such images.
const NAMES: [&str; 2] = ["unlabelled", "unlabeled"];

/// Whether a folder of this name holds images without labels.
pub(super) fn is_name(name: &str) -> bool {
    NAMES.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether a word of a file's name says that its images have no labels: `unlabeled-00000-of-00001`.
pub(super) fn is_among_words(name: &str) -> bool {
    name.split(|letter: char| !letter.is_ascii_alphabetic()).any(is_name)
}

/// The images of the folders that `dataset.unlabelled` lists, each folder's sorted by path.
pub(super) fn read(folders: &[PathBuf], context: &Context) -> Result<Vec<Sample>, Error> {
    let mut samples = Vec::new();
    for folder in folders {
        samples.extend(read_folder(folder, context)?);
    }
    Ok(samples)
}

fn read_folder(folder: &Path, context: &Context) -> Result<Vec<Sample>, Error> {
    if !folder.is_dir() {
        return Err(Error::NoPool { path: folder.to_path_buf() });
    }
    let images = images_below(folder)?;
    if images.is_empty() {
        return Err(Error::EmptyPool { path: folder.to_path_buf(), found: describe(folder) });
    }
    let labels = vec![-1; images.len()];
    let relative = |path: PathBuf| path.strip_prefix(folder).unwrap_or(&path).into();
    let place = folder.canonicalize().map_or_else(|_| last_name(folder), |folder| last_name(&folder));
    let paths = images.into_iter().map(relative).collect();
    let files = ImageFiles { root: folder.to_path_buf(), place, paths };
    hash_files(SplitName::Train, files, &labels, context)
}

/// Appends the images without labels to train, and says which splits have any.
pub(super) fn join(opened: &mut Opened) {
    let pool = std::mem::take(&mut opened.unlabelled);
    for split in &mut opened.splits {
        let (name, labelled) = (split.name, split.labelled());
        if labelled == 0 {
            opened.notes.push(format!("no {name} image has a label"));
        } else if labelled < split.samples.len() {
            let missing = split.samples.len() - labelled;
            opened.notes.push(format!("{missing} of {} {name} images have no label", split.samples.len()));
        }
        if name == SplitName::Train && !pool.is_empty() {
            opened
                .notes
                .push(format!("{} unlabelled images join train: only the teacher teaches them", pool.len()));
            split.samples.extend(pool.iter().cloned());
        }
    }
}
