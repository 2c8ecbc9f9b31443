//! What can be wrong with a source of samples.

use std::path::PathBuf;

use super::SplitName;
use crate::objects;
use crate::support::exit::{ExitKind, Kind};

/// Each names the place, what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
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
    #[error("{} is a file where dataset.source expects the folder that holds the splits", path.display())]
    NotAFolder {
        /// The file.
        path: PathBuf,
    },
    /// A file or folder can't be read.
    #[error("can't read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Neither images nor parquet files where they should be.
    #[error(
        "{} holds no JPEG, PNG or WebP image and no parquet file; expected <split>/<class>/<image> or \
         <split>-00000-of-00001.parquet, found {found}", path.display()
    )]
    Empty {
        /// The folder.
        path: PathBuf,
        /// What lies there.
        found: String,
    },
    /// Two folders stand for the same split.
    #[error("{} and {} both hold the {split} split; merge them or take one out", first.display(), second.display())]
    TwoFolders {
        /// The split.
        split: SplitName,
        /// One folder.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A split folder holds class folders and images beside them.
    #[error(
        "{} holds class folders ({classes}) and images beside them ({image}); move the images into their class's \
         folder", path.display()
    )]
    Mixed {
        /// The split's folder.
        path: PathBuf,
        /// The class folders.
        classes: String,
        /// The first image beside them.
        image: String,
    },
    /// No split has class folders.
    #[error("no image in {} has a label; expected <split>/<class>/<image> in one split at least", path.display())]
    Unlabelled {
        /// The folder.
        path: PathBuf,
    },
    /// Two splits, or two files, have different classes.
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
    #[error("{} has no train split, found {found}; name its folder or its files train", path.display())]
    NoTrain {
        /// The folder.
        path: PathBuf,
        /// The splits that were found.
        found: String,
    },
    /// A class is too small to give images to the splits that are missing.
    #[error(
        "{dataset} has no {missing} split, and the class {class} with {images} train images is too small to give a \
         share of {share} to it; add images or that split"
    )]
    TooFewToShare {
        /// The dataset's name.
        dataset: String,
        /// The class.
        class: String,
        /// How many images of it train has.
        images: usize,
        /// `validation-share`.
        share: f64,
        /// The splits to be made.
        missing: String,
    },
    /// A parquet file can't be read.
    #[error("{} is no parquet file that can be read ({reason}); fetch or write it again", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// What the parquet reader said.
        reason: String,
    },
    /// A parquet file lacks a column, or it is not clear which one is meant.
    #[error("{} should have one {wanted}, found {found}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// What is looked for.
        wanted: &'static str,
        /// The columns.
        found: String,
    },
    /// A parquet file does not name its classes.
    #[error(
        "{} does not name the classes of its column {column}: its metadata should have the `huggingface` entry that \
         `datasets` writes with to_parquet or push_to_hub", path.display()
    )]
    NoClassNames {
        /// The file.
        path: PathBuf,
        /// The label column.
        column: String,
    },
    /// A row's label is no class.
    #[error(
        "{} row {row} has the label {label}, expected -1 or 0 to {last}", path.display()
    )]
    Label {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// The label.
        label: i64,
        /// The last class's index.
        last: usize,
    },
    /// A row refers to a file instead of holding its image.
    #[error("{} row {row} holds no image bytes; write it again with the images embedded", path.display())]
    NoBytes {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
    },
    /// Some of a split's numbered files are missing.
    #[error(
        "{} says that the {split} split has {expected} files, and {found} of them are there; fetch the others",
        path.display()
    )]
    MissingFiles {
        /// One of the files.
        path: PathBuf,
        /// The split.
        split: SplitName,
        /// The number in their names.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Parquet files of several configurations lie side by side.
    #[error(
        "{} holds several configurations ({found}); fetch the one that is meant and give its folder as dataset.source",
        path.display()
    )]
    Configurations {
        /// The folder.
        path: PathBuf,
        /// Their folders.
        found: String,
    },
    /// `hub:` is not followed by a dataset's id.
    #[error("{id:?} is no dataset on the hub; expected hub:ORG/NAME, such as hub:AI-Lab-Makerere/beans")]
    HubId {
        /// What was given.
        id: String,
    },
    /// The hub refused or could not be reached.
    #[error(
        "can't fetch {what} of the dataset {id} from {endpoint} ({reason}); check its name, the network and, for a \
         private dataset, HF_TOKEN, or download it and give its folder as dataset.source"
    )]
    Hub {
        /// `ORG/NAME`.
        id: String,
        /// The file or list that was asked for.
        what: String,
        /// `HF_ENDPOINT`.
        endpoint: String,
        /// What it said.
        reason: String,
    },
    /// Offline, and the local cache lacks the dataset.
    #[error(
        "HF_HUB_OFFLINE is set and {} holds no parquet file of the dataset {id}; run once without it, or download the \
         dataset and give its folder as dataset.source", path.display()
    )]
    Offline {
        /// `ORG/NAME`.
        id: String,
        /// The folder in the hub's local cache.
        path: PathBuf,
    },
    /// The hub's dataset has no parquet files, not even converted ones.
    #[error(
        "the dataset {id} on {endpoint} has no parquet file, neither in main nor in refs/convert/parquet, found \
         {found}; download it and give its folder as dataset.source"
    )]
    NoParquet {
        /// `ORG/NAME`.
        id: String,
        /// `HF_ENDPOINT`.
        endpoint: String,
        /// The files of main.
        found: String,
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
        match self {
            Self::Interrupted { .. } => Kind::Interrupted,
            Self::Leaves(error) => error.kind(),
            Self::Objects(error) => error.kind(),
            _ => Kind::Usage,
        }
    }
}
