//! An image folder as torchvision and Hugging Face's `imagefolder` lay it out: `<split>/<class>/<image>`.
//!
//! - Splits go by the names that `datasets` takes: train, training; validation, valid, val, dev; test, testing, eval,
//!   evaluation. A folder without split folders is train.
//! - Class names are sorted, and so are the images by their path, byte by byte: the order is the same everywhere.
//! - A split that holds images and no class folders is unlabelled.
//! - What is hidden (`.name`) is passed over, and so is what is no split or no JPEG, PNG or WebP by its name, but the notes
//!   count that.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::source::hash_files;
use super::{Dataset, Error, Split, SplitName};
use crate::support::context::Context;

const ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// A split's folder: its images, each with its class folder's name unless it lies beside the class folders.
struct SplitFolder {
    name: SplitName,
    path: PathBuf,
    images: Vec<(Option<Arc<str>>, PathBuf)>,
}

pub(super) fn open(name: String, root: &Path, context: &Context) -> Result<Dataset, Error> {
    let mut passed_over = Vec::new();
    let folders = split_folders(root, &mut passed_over)?;
    let classes = common_classes(root, &folders)?;
    if !folders.iter().any(|folder| folder.name == SplitName::Train) {
        let found: Vec<_> = folders.iter().map(|folder| folder.name.as_str()).collect();
        return Err(Error::NoTrain { path: root.to_path_buf(), found: found.join(", ") });
    }

    let label = |class: &Option<Arc<str>>| {
        let class =
            class.as_ref().and_then(|class| classes.binary_search_by(|name| (**name).cmp(class)).ok());
        class.map_or(-1, |index| index as i32)
    };
    let split = |folder: SplitFolder| {
        let labels: Vec<i32> = folder.images.iter().map(|(class, _)| label(class)).collect();
        let relative = |(_, path): (_, PathBuf)| path.strip_prefix(&folder.path).unwrap_or(&path).into();
        let paths = folder.images.into_iter().map(relative).collect();
        let samples = hash_files(folder.name, folder.path.clone(), paths, &labels, context)?;
        Ok(Split { name: folder.name, samples })
    };
    let splits = folders.into_iter().map(split).collect::<Result<_, Error>>()?;
    let notes = passed_over.first().map(|first| {
        format!(
            "passed over {} files or folders that are no split and no JPEG, PNG or WebP by their name, {} the first",
            passed_over.len(),
            first.display()
        )
    });
    Ok(Dataset { name, classes, splits, notes: notes.into_iter().collect() })
}

fn split_folders(root: &Path, passed_over: &mut Vec<PathBuf>) -> Result<Vec<SplitFolder>, Error> {
    let (folders, files) = entries(root)?;
    let mut named: Vec<(SplitName, PathBuf)> = Vec::new();
    let mut others = files;
    for path in folders {
        let Some(split) = SplitName::of_folder(&last_name(&path)) else {
            others.push(path);
            continue;
        };
        if let Some((_, first)) = named.iter().find(|(name, _)| *name == split) {
            return Err(Error::TwoFolders { split, first: first.clone(), second: path });
        }
        named.push((split, path));
    }
    if named.is_empty() {
        // The other folders are then the classes.
        named.push((SplitName::Train, root.to_path_buf()));
    } else {
        passed_over.extend(others);
    }
    named.sort();
    let read = |(name, path)| read_split(name, path, passed_over);
    let splits: Vec<SplitFolder> = named.into_iter().map(read).collect::<Result<_, Error>>()?;
    match splits.iter().find(|split| split.images.is_empty()) {
        Some(empty) => Err(Error::Empty { path: empty.path.clone(), found: describe(&empty.path) }),
        None => Ok(splits),
    }
}

fn read_split(name: SplitName, path: PathBuf, passed_over: &mut Vec<PathBuf>) -> Result<SplitFolder, Error> {
    let (folders, files) = entries(&path)?;
    let (mut images, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| is_image(file));
    passed_over.extend(others);
    if folders.is_empty() {
        images.sort();
        return Ok(SplitFolder {
            name,
            path,
            images: images.into_iter().map(|image| (None, image)).collect(),
        });
    }
    if let Some(image) = images.first() {
        let classes: Vec<String> = folders.iter().map(|folder| last_name(folder)).collect();
        return Err(Error::Mixed { path, classes: classes.join(", "), image: last_name(image) });
    }
    let mut labelled = Vec::new();
    for folder in folders {
        let class: Arc<str> = last_name(&folder).into();
        let mut images = Vec::new();
        walk(&folder, &mut images, passed_over)?;
        if images.is_empty() {
            return Err(Error::Empty { path: folder.clone(), found: describe(&folder) });
        }
        images.sort();
        labelled.extend(images.into_iter().map(|image| (Some(Arc::clone(&class)), image)));
    }
    Ok(SplitFolder { name, path, images: labelled })
}

/// Every image below `folder`, however deep, sorted by path byte by byte; what is hidden is passed over.
///
/// # Errors
/// A folder that can't be read.
pub fn images_below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut images = Vec::new();
    walk(folder, &mut images, &mut Vec::new())?;
    images.sort();
    Ok(images)
}

/// Images below a class folder, however deep, as torchvision takes them.
fn walk(folder: &Path, images: &mut Vec<PathBuf>, passed_over: &mut Vec<PathBuf>) -> Result<(), Error> {
    let (folders, files) = entries(folder)?;
    let (found, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| is_image(file));
    images.extend(found);
    passed_over.extend(others);
    folders.iter().try_for_each(|folder| walk(folder, images, passed_over))
}

/// The class names that every labelled split has.
fn common_classes(root: &Path, folders: &[SplitFolder]) -> Result<Vec<String>, Error> {
    let classes = |folder: &SplitFolder| {
        let mut classes: Vec<&str> = folder.images.iter().filter_map(|(class, _)| class.as_deref()).collect();
        classes.sort_unstable();
        classes.dedup();
        classes.into_iter().map(str::to_owned).collect::<Vec<String>>()
    };
    let labelled: Vec<_> = folders.iter().map(|f| (f, classes(f))).filter(|(_, c)| !c.is_empty()).collect();
    let Some((first, names)) = labelled.first() else {
        return Err(Error::Unlabelled { path: root.to_path_buf() });
    };
    match labelled.iter().find(|(_, other)| other != names) {
        None => Ok(names.clone()),
        Some((second, other)) => Err(Error::Classes {
            first: first.path.display().to_string(),
            first_classes: names.join(", "),
            second: second.path.display().to_string(),
            second_classes: other.join(", "),
        }),
    }
}

/// The folders and the files in a folder, sorted, without what is hidden.
pub(super) fn entries(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>), Error> {
    let failed = |source| Error::Read { path: folder.to_path_buf(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.retain(|path| !last_name(path).starts_with('.'));
    paths.sort();
    Ok(paths.into_iter().partition(|path| path.is_dir()))
}

pub(super) fn last_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_image(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    ENDINGS.contains(&ending.as_str())
}

/// The first names in a folder, for messages.
pub(super) fn describe(folder: &Path) -> String {
    let names: Vec<String> = match entries(folder) {
        Ok((folders, files)) => folders.iter().chain(&files).map(|path| last_name(path)).collect(),
        Err(_) => Vec::new(),
    };
    match names.len() {
        0 => "nothing".to_owned(),
        1..=5 => names.join(", "),
        more => format!("{} and {} more", names[..5].join(", "), more - 5),
    }
}
