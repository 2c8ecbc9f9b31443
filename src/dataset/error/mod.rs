//! Errors of a source of samples.

mod hub;
mod parquet;

use std::path::PathBuf;

pub(crate) use hub::HubError;
pub(crate) use parquet::ParquetError;

use super::SplitName;
use crate::objects;
use crate::support::exit::{ExitKind, Kind};
use crate::view;

/// An error of a dataset: the place, what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Parquet files.
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    /// A dataset on the hub.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The object store that the source is in, or its local copy.
    #[error(transparent)]
    Objects(#[from] objects::Error),
    /// The source's folder does not exist.
    #[error(
        "there is no folder {}; dataset.source takes \"leaves\", a folder of images or parquet files, or \"hub:ORG/NAME\"",
        path.display()
    )]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The source is a file.
    #[error("{} is a file, and dataset.source expects the folder that holds the splits", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// A file or folder can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        r#source: std::io::Error,
    },
    /// Neither images nor parquet files where they should be.
    #[error(
        "{} holds no image and no parquet file; expected <split>/<class>/<image> or <split>-00000-of-00001.parquet, \
         found {found}", path.display()
    )]
    Empty {
        /// The folder.
        path: PathBuf,
        /// The entries that are there.
        found: String,
    },
    /// Two folders stand for the same split.
    #[error("{} and {} both hold the {split} split; merge them or remove one", first.display(), second.display())]
    TwoFolders {
        /// The split.
        split: SplitName,
        /// One folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Two folders of images without labels.
    #[error("{} and {} both hold unlabelled images; merge them", first.display(), second.display())]
    TwoPools {
        /// One folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Split folders lie below class folders.
    #[error(
        "{} holds a train folder of its own; expected the splits above the classes, <split>/<class>/<image>",
        class.display()
    )]
    SplitsBelowClasses {
        /// One of the class folders.
        class: PathBuf,
    },
    /// A split folder holds class folders and images beside them.
    #[error(
        "{} holds class folders ({classes}) and images beside them ({image}); move the images into their class's \
         folder or, where they have no label, into a folder unlabelled beside the splits", path.display()
    )]
    Mixed {
        /// The split's folder.
        path: PathBuf,
        /// The class folders.
        classes: String,
        /// The first image beside them.
        image: String,
    },
    /// A link leads to a folder that is read under another name.
    #[error(
        "{} is a link to {}, whose images would be read twice or under another class; remove the link",
        link.display(), target.display()
    )]
    Link {
        /// The link.
        link: PathBuf,
        /// Where it leads.
        target: PathBuf,
    },
    /// Class folders whose names are not UTF-8.
    #[error(
        "{} holds class folders whose names are not UTF-8 ({found}); rename them, for example with \
         convmv -r -f latin1 -t utf8 --notest", path.display()
    )]
    NotUtf8 {
        /// The folder that holds them.
        path: PathBuf,
        /// Their names, escaped.
        found: String,
    },
    /// Two class names that look the same.
    #[error(
        "{} has two classes of one name in two Unicode spellings, \"{first}\" and \"{second}\"; rename one, or merge \
         them with dataset.class-map", path.display()
    )]
    TwoSpellings {
        /// The dataset's folder.
        path: PathBuf,
        /// One spelling, escaped.
        first: String,
        /// The other.
        second: String,
    },
    /// A table of labels can't be used.
    #[error("{} can't be used as a table of labels: {reason}", path.display())]
    Table {
        /// The table.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// No table has the column of labels that is asked for.
    #[error("dataset.label-column = {column:?} is in no table of {}: {found}", path.display())]
    NoLabelColumn {
        /// The dataset's folder.
        path: PathBuf,
        /// The column.
        column: String,
        /// The value found instead.
        found: String,
    },
    /// No split has labels.
    #[error(
        "no image in {} has a label; expected <split>/<class>/<image> in at least one split, or a metadata.csv with the \
         columns file_name and label{}", path.display(),
        hint.as_ref().map(|hint| format!(" ({hint}; dataset.label-column names the one that holds the class)")).unwrap_or_default()
    )]
    Unlabelled {
        /// The folder.
        path: PathBuf,
        /// The columns of a table that has no known column of labels.
        hint: Option<String>,
    },
    /// A split has a class that train lacks.
    #[error(
        "{} has the class {class}, which train lacks{hint}; the classes of train are {classes}: rename the folder, or \
         use dataset.class-map", split.display()
    )]
    UnknownClass {
        /// The split's folder.
        split: PathBuf,
        /// The class.
        class: String,
        /// The nearest class of train, if one is near.
        hint: String,
        /// The classes of train.
        classes: String,
    },
    /// `dataset.class-map` renames a class that the dataset does not have.
    #[error(
        "dataset.class-map renames {class:?}, which is not a class of the dataset{hint}; the classes are {classes}"
    )]
    ClassMap {
        /// The class.
        class: String,
        /// The nearest class, if one is near.
        hint: String,
        /// The dataset's classes.
        classes: String,
    },
    /// A folder of `dataset.unlabelled` does not exist.
    #[error("there is no folder {}; dataset.unlabelled lists folders of images", path.display())]
    NoPool {
        /// The folder.
        path: PathBuf,
    },
    /// A folder of `dataset.unlabelled` holds no image.
    #[error("{}, which dataset.unlabelled lists, holds no image; found {found}", path.display())]
    EmptyPool {
        /// The folder.
        path: PathBuf,
        /// The entries that are there.
        found: String,
    },
    /// A key that is for parquet files only.
    #[error("dataset.{key} = {value:?} is for parquet files, and {} holds none; leave the key out", path.display())]
    NoParquetFor {
        /// The dataset's folder.
        path: PathBuf,
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// Two files have different classes.
    #[error(
        "{first} has the classes {first_classes} and {second} has {second_classes}; the same names are expected in \
         both"
    )]
    Classes {
        /// One split or file.
        first: String,
        /// Its class names.
        first_classes: String,
        /// The other split or file.
        second: String,
        /// Its class names.
        second_classes: String,
    },
    /// There is no train split.
    #[error("{place} has no train split, found {found}; name its folder or its files train")]
    NoTrain {
        /// The folder.
        place: String,
        /// The splits that were found.
        found: String,
    },
    /// Every class is too small to give images to the splits that are missing.
    #[error(
        "{dataset} has no {missing} split, and its largest class with {images} train images is too small to give a \
         share of {share} to it; add images or that split"
    )]
    TooFewToShare {
        /// The dataset's name.
        dataset: String,
        /// How many train images the largest class has.
        images: usize,
        /// `validation-share`.
        share: f64,
        /// The splits to be made.
        missing: String,
    },
    /// The generated leaves can't be drawn.
    #[error(transparent)]
    Leaves(#[from] super::leaves::Error),
    /// Ctrl-C.
    #[error("interrupted while the images of {split} were read")]
    Interrupted {
        /// The split.
        split: SplitName,
    },
    /// An image is not what it was.
    #[error(
        "{name} changed since the dataset was opened: expected content {expected}, found {found}; run the command \
         again"
    )]
    Changed {
        /// The sample.
        name: String,
        /// The first digits of its hash.
        expected: String,
        /// The first digits of what is there now.
        found: String,
    },
    /// A sample that the dataset does not have.
    #[error("{dataset} has no sample {index} in its {split} split, which has {samples}")]
    NoSample {
        /// The dataset's name.
        dataset: String,
        /// The split.
        split: SplitName,
        /// The index that was asked for.
        index: usize,
        /// How many there are.
        samples: usize,
    },
    /// An image that may be a good one, but for which there is no memory.
    #[error("{name} {source}")]
    NoMemory {
        /// The file, or the parquet file and row.
        name: String,
        /// The size of the image.
        r#source: view::Error,
    },
    /// Every image of a split was bad.
    #[error("none of the {images} images in the {split} split of {dataset} can be decoded")]
    NothingLeft {
        /// The dataset's name.
        dataset: String,
        /// The split.
        split: SplitName,
        /// How many there were.
        images: usize,
    },
}

impl ExitKind for Error {
    fn kind(&self) -> Kind {
        use std::io::ErrorKind::{FileTooLarge, InvalidInput, NotFound};
        match self {
            Self::Interrupted { .. } => Kind::Interrupted,
            Self::Leaves(error) => error.kind(),
            Self::Objects(error) => error.kind(),
            Self::Read { source, .. } if !matches!(source.kind(), NotFound | InvalidInput | FileTooLarge) => {
                Kind::Failed
            }
            Self::NoMemory { .. } => Kind::Failed,
            _ => Kind::Usage,
        }
    }
}
