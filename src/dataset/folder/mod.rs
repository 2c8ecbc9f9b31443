//! An image folder as torchvision and Hugging Face's `imagefolder` lay it out: `<split>/<class>/<image>`.
//!
//! - Splits go by the names that `datasets` takes: train, training; validation, valid, val, dev; test, testing, eval,
//!   evaluation. A folder without split folders is train. `unlabelled` beside them holds images without labels.
//! - The class of an image is the folder below its split, or its own folder with `dataset.class-folder = "leaf"`.
//! - A table of labels (`metadata.csv`, `metadata.jsonl`, see [`table`]) gives the classes where class folders don't.
//! - Class names are sorted, and so are the images by their path, byte by byte: the order is the same everywhere.
//! - A split that holds images and neither class folders nor a table is unlabelled.
//! - Hidden files and folders (`.name`) are skipped. What is neither a split nor an image is ignored, and a note counts it.

mod classes;
mod layout;
mod split_folder;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::{Found, Walk, below, describe, entries, ignored, is_image, last_name, some_of};
use super::image_files::{ImageFiles, hash_files};
use super::{Error, Opened, Split, SplitName};
use crate::config::{self, ClassFolder};
use crate::support::context::Context;
use layout::Layout;
use split_folder::{Image, SplitFolder};
use table::Tables;

/// Reads the image folder at `root`.
pub(super) fn open(
    name: String,
    root: &Path,
    config: &config::Dataset,
    context: &Context,
) -> Result<Opened, Error> {
    let layout = Layout::of(root)?;
    let root = layout.root;
    let mut reader = Reader {
        root: &root,
        config,
        tables: Tables::default(),
        pool: layout.unlabelled,
        notes: layout.notes,
        others: layout.others,
    };
    reader.read_tables(|path| path.parent() == Some(&root))?;
    let splits = layout
        .splits
        .into_iter()
        .map(|(name, path)| reader.split(name, path))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(empty) = splits.iter().find(|split| split.images.is_empty()) {
        return Err(Error::Empty { path: empty.path.clone(), found: describe(&empty.path) });
    }
    let Reader { tables, pool, mut notes, others, .. } = reader;
    if let (Some(column), true) = (&config.label_column, tables.is_empty()) {
        return Err(tables.lacks_column(&root, column));
    }
    notes.extend(tables.check()?.iter().map(|table| {
        let table = below(&root, table);
        format!("{table} is not read, since the class folders give the labels; dataset.label-column = \"...\" takes them from it")
    }));
    let found = classes::of(&root, &splits, &tables, &config.class_map)?;
    notes.extend(found.notes.iter().cloned());
    if !splits.iter().any(|split| split.name == SplitName::Train) {
        let found: Vec<_> = splits.iter().map(|split| split.name.as_str()).collect();
        return Err(Error::NoTrain { place: root.display().to_string(), found: found.join(", ") });
    }
    notes.extend(ignored(&root, &others));

    let hash = |split: SplitName, path: &Path, images: &[Image]| {
        let labels: Vec<i32> = images.iter().map(|image| found.label(image.class.as_deref())).collect();
        let relative = |image: &Image| image.path.strip_prefix(path).unwrap_or(&image.path).into();
        let files = ImageFiles {
            root: path.to_path_buf(),
            place: below(&root, path),
            paths: images.iter().map(relative).collect(),
        };
        hash_files(split, files, &labels, context)
    };
    let of_split = |split: &SplitFolder| {
        Ok(Split { name: split.name, samples: hash(split.name, &split.path, &split.images)? })
    };
    let splits = splits.iter().map(of_split).collect::<Result<Vec<_>, Error>>()?;
    let unlabelled = match &pool {
        None => Vec::new(),
        Some(pool) => {
            let images = super::files::images_below(pool)?;
            let images: Vec<Image> = images.into_iter().map(|path| Image { path, class: None }).collect();
            hash(SplitName::Train, pool, &images)?
        }
    };
    Ok(Opened { name, classes: found.names, splits, unlabelled, notes })
}

/// Reads splits, and gathers what is to be said of them.
struct Reader<'a> {
    root: &'a Path,
    config: &'a config::Dataset,
    tables: Tables,
    /// The folder of images without labels, which is part of no split.
    pool: Option<PathBuf>,
    notes: Vec<String>,
    /// Files and folders that are not part of the dataset, as far as is known.
    others: Vec<PathBuf>,
}

impl Reader<'_> {
    /// Reads the tables of labels among those of the other files that `is_meant` picks.
    fn read_tables(&mut self, is_meant: impl Fn(&Path) -> bool) -> Result<(), Error> {
        let is_ours = |path: &PathBuf| is_meant(path) && table::is_table(path);
        let (tables, others) = std::mem::take(&mut self.others).into_iter().partition::<Vec<_>, _>(is_ours);
        self.others = others;
        for path in tables {
            if !self.tables.add(&path, self.config.label_column.as_deref())? {
                self.others.push(path);
            }
        }
        Ok(())
    }

    fn split(&mut self, name: SplitName, path: PathBuf) -> Result<SplitFolder, Error> {
        let mut walk = Walk::new(self.root, &path)?;
        walk.enter(&path)?;
        let (mut folders, files) = entries(&path)?;
        folders.retain(|folder| Some(folder) != self.pool.as_ref());
        let (mut beside, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| is_image(file));
        // Where the root is itself the split, its files were seen already.
        self.others.extend(others.into_iter().filter(|_| path != self.root));
        beside.sort();
        let mut in_folders = Vec::new();
        for folder in folders {
            let mut found = Found::default();
            walk.images(&folder, &mut found)?;
            found.images.sort();
            self.others.append(&mut found.others);
            in_folders.push((folder, found.images));
        }
        self.read_tables(|other| other.starts_with(&path))?;
        let classes = in_folders.iter().filter(|(_, images)| !images.is_empty()).count();
        if classes <= 1 || self.config.label_column.is_some() {
            let images = beside.iter().chain(in_folders.iter().flat_map(|(_, images)| images));
            let images = self.tables.label_all(&path, images);
            if images.iter().any(|image| image.class.is_some()) {
                return Ok(SplitFolder { name, path, images, from_table: true });
            }
        }
        self.add_from_folders(name, path, beside, in_folders)
    }

    fn add_from_folders(
        &mut self,
        name: SplitName,
        path: PathBuf,
        beside: Vec<PathBuf>,
        in_folders: Vec<(PathBuf, Vec<PathBuf>)>,
    ) -> Result<SplitFolder, Error> {
        if in_folders.is_empty() {
            let images = beside.into_iter().map(|path| Image { path, class: None }).collect();
            return Ok(SplitFolder { name, path, images, from_table: false });
        }
        if let Some(image) = beside.first() {
            let classes: Vec<String> = in_folders.iter().map(|(folder, _)| last_name(folder)).collect();
            let classes = some_of(&classes).unwrap_or_default();
            return Err(Error::Mixed { path, classes, image: last_name(image) });
        }
        let mut images = Vec::new();
        let mut deeper = Vec::new();
        for (folder, of_folder) in in_folders {
            if of_folder.is_empty() && name == SplitName::Train {
                return Err(Error::Empty { path: folder.clone(), found: describe(&folder) });
            }
            for path in of_folder {
                let own = path.parent().unwrap_or(&folder);
                if own != folder {
                    deeper.push(own.to_path_buf());
                }
                let of_class = if self.config.class_folder == ClassFolder::Leaf { own } else { &folder };
                let class: Arc<str> = match images.last() {
                    // Most images have the class of the one before them.
                    Some((last, Image { class: Some(class), .. })) if last == of_class => Arc::clone(class),
                    _ => classes::name(of_class)?.into(),
                };
                images.push((of_class.to_path_buf(), Image { path, class: Some(class) }));
            }
        }
        if let (Some(first), ClassFolder::Top) = (deeper.first(), self.config.class_folder) {
            self.notes.push(format!(
                "{} {name} images lie deeper than their class folder, for example in {}: their class is the folder below {}; \
                 dataset.class-folder = \"leaf\" takes the folder that they lie in",
                deeper.len(),
                below(self.root, first),
                last_name(&path)
            ));
        }
        let images = images.into_iter().map(|(_, image)| image).collect();
        Ok(SplitFolder { name, path, images, from_table: false })
    }
}
