//! Which folder of a dataset is what.

use std::path::{Path, PathBuf};

use super::super::files::{entries, is_image, last_name};
use super::super::{Error, SplitName, unlabelled};

/// The folders of a dataset.
pub(super) struct Layout {
    /// The folder that holds the splits.
    pub root: PathBuf,
    /// Each split's folder.
    pub splits: Vec<(SplitName, PathBuf)>,
    /// The folder of images without labels.
    pub unlabelled: Option<PathBuf>,
    /// Files and folders that are none of these.
    pub others: Vec<PathBuf>,
    /// The decisions, a sentence each.
    pub notes: Vec<String>,
}

/// Whether a folder's name says that its images have no labels.
fn is_pool(folder: &Path) -> bool {
    unlabelled::is_name(&last_name(folder))
}

impl Layout {
    pub(crate) fn of(root: &Path) -> Result<Self, Error> {
        let (folders, files) = entries(root)?;
        let has_images = files.iter().any(|file| is_image(file));
        let mut layout = Self {
            root: root.to_path_buf(),
            splits: Vec::new(),
            unlabelled: None,
            others: files,
            notes: Vec::new(),
        };
        let (mut pools, mut unknown) = (Vec::new(), Vec::new());
        for path in folders {
            let name = last_name(&path);
            match SplitName::of_folder(&name) {
                Some(split) => layout.add(split, path)?,
                None if is_pool(&path) => pools.push(path),
                None => unknown.push(path),
            }
        }
        if !layout.splits.is_empty() {
            layout.splits.sort();
            layout.take_pool(pools)?;
            layout.others.extend(unknown);
            return Ok(layout);
        }
        if unknown.is_empty() {
            // A folder cannot hold images without labels only.
            unknown.append(&mut pools);
        }
        if let ([only], false) = (unknown.as_slice(), has_images)
            && !splits_in(only)?.is_empty()
        {
            let mut inner = Self::of(only)?;
            inner.notes.push(format!("the splits are those in {}", last_name(only)));
            return Ok(inner);
        }
        splits_below_classes(&unknown)?;
        layout.take_pool(pools)?;
        // The other folders are then the classes of train.
        layout.splits.push((SplitName::Train, root.to_path_buf()));
        // The root's images are train's.
        layout.others.retain(|file| !is_image(file));
        Ok(layout)
    }

    fn take_pool(&mut self, pools: Vec<PathBuf>) -> Result<(), Error> {
        let mut pools = pools.into_iter();
        self.unlabelled = pools.next();
        match (&self.unlabelled, pools.next()) {
            (Some(first), Some(second)) => Err(Error::TwoPools { first: first.clone(), second }),
            _ => Ok(()),
        }
    }

    fn add(&mut self, split: SplitName, path: PathBuf) -> Result<(), Error> {
        if let Some((_, first)) = self.splits.iter().find(|(name, _)| *name == split) {
            return Err(Error::TwoFolders { split, first: first.clone(), second: path });
        }
        self.splits.push((split, path));
        Ok(())
    }
}

/// The split folders in a folder.
fn splits_in(folder: &Path) -> Result<Vec<SplitName>, Error> {
    let (folders, _) = entries(folder)?;
    Ok(folders.iter().filter_map(|path| SplitName::of_folder(&last_name(path))).collect())
}

/// Refuses `<class>/<split>/<image>`: every class would have the test images among its train images.
fn splits_below_classes(classes: &[PathBuf]) -> Result<(), Error> {
    for class in classes {
        let splits = splits_in(class)?;
        if splits.len() < 2 || !splits.contains(&SplitName::Train) {
            return Ok(());
        }
    }
    match classes.first() {
        None => Ok(()),
        Some(class) => Err(Error::SplitsBelowClasses { class: class.clone() }),
    }
}
