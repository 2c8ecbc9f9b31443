//! Errors of parquet files of images.

use std::path::PathBuf;

/// An error of a parquet file: the file, what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    /// A parquet file can't be read.
    #[error("{} can't be read as a parquet file ({reason}); fetch or write it again", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The parquet reader's message.
        reason: String,
    },
    /// A parquet file is compressed in a way that this program does not read.
    #[error(
        "{} is compressed with {codec}; write it again with zstd, snappy, gzip, lz4 or without compression",
        path.display()
    )]
    Codec {
        /// The file.
        path: PathBuf,
        /// The compression.
        codec: String,
    },
    /// A parquet file lacks a column, or it is not clear which one is meant.
    #[error("{} should have one {wanted}, found {found}{hint}", path.display())]
    Column {
        /// The file.
        path: PathBuf,
        /// The column that is looked for.
        wanted: &'static str,
        /// The columns.
        found: String,
        /// How to choose one, if there are several.
        hint: String,
    },
    /// A column that the configuration names is not there, or is of another type.
    #[error("{} has no {wanted} {column:?}, as dataset.{key} asks for; its columns are {found}", path.display())]
    NamedColumn {
        /// The file.
        path: PathBuf,
        /// The column that is looked for.
        wanted: &'static str,
        /// The column's name.
        column: String,
        /// The key that names it.
        key: &'static str,
        /// The columns.
        found: String,
    },
    /// A parquet file does not name its classes.
    #[error(
        "{} does not name the classes of its column {column}: its metadata lacks the `huggingface` entry that `datasets` \
         writes with to_parquet or push_to_hub; name them with [dataset.class-map], such as 0 = \"cat\"", path.display()
    )]
    NoClassNames {
        /// The file.
        path: PathBuf,
        /// The label column.
        column: String,
    },
    /// A row's label is not a class.
    #[error("{} row {row} has the label {label}, expected -1 or 0 to {last}", path.display())]
    Label {
        /// The file.
        path: PathBuf,
        /// The row, from 0.
        row: usize,
        /// The label.
        label: String,
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
        split: String,
        /// The number in their names.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Parquet files of several configurations lie side by side.
    #[error("{place} holds several configurations ({found}); choose one with dataset.config")]
    Configurations {
        /// The folder or the dataset on the hub.
        place: String,
        /// Their names.
        found: String,
    },
    /// The configuration that is asked for is not there.
    #[error("{place} has no configuration {config:?}, as dataset.config asks for; found {found}")]
    NoConfiguration {
        /// The folder or the dataset on the hub.
        place: String,
        /// Its name.
        config: String,
        /// The names of those that are there.
        found: String,
    },
}
