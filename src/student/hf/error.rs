//! Errors of a checkpoint.

use std::{io, path::PathBuf};

/// An error of reading or writing a student.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not there or can't be read.
    #[error("can't read the initial weights {}: {source}; `student.init` must name the `model.safetensors` of a {network} or its folder", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The student's architecture.
        network: &'static str,
        /// The file system's error.
        r#source: io::Error,
    },
    /// A student's `config.json` is not there or can't be read.
    #[error("can't read {}: {source}; a student's folder holds config.json, preprocessor_config.json and model.safetensors", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The file system's error.
        r#source: io::Error,
    },
    /// A `config.json` that does not describe a student.
    #[error("{} does not describe a student: {reason}; correct it or export the student again", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// The folder can't be written.
    #[error("can't write {}: {source}; make room or choose another folder", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The file system's error.
        r#source: io::Error,
    },
    /// Not a safetensors file, or a damaged one.
    #[error("{} is not a whole safetensors file ({reason}): fetch it again", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The parser's message.
        reason: String,
    },
    /// Tensors of the student that the file lacks.
    #[error("{} lacks {names}, so it is not a `{class}`: give the weights of one", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The class of `transformers` that the student is.
        class: &'static str,
        /// The names.
        names: String,
    },
    /// Tensors of the file that the student lacks.
    #[error("{} also holds {names}, which this student has no place for: give a plain `{class}`", path.display())]
    Unexpected {
        /// The file.
        path: PathBuf,
        /// The class of `transformers` that the student is.
        class: &'static str,
        /// The names.
        names: String,
    },
    /// Tensors of another size.
    #[error("{} does not fit a student of width {width} (found {differences}): set `student.width` to the file's {key}", path.display())]
    Width {
        /// The file.
        path: PathBuf,
        /// The student's width.
        width: f64,
        /// The key of `config.json` that has the file's.
        key: &'static str,
        /// Name, expected and found shapes.
        differences: String,
    },
    /// Tensors of another size, of an architecture with one size.
    #[error("{} does not fit the student (found {differences}): give the weights of a `{class}` of its size", path.display())]
    Shapes {
        /// The file.
        path: PathBuf,
        /// The class of `transformers` that the student is.
        class: &'static str,
        /// Name, expected and found shapes.
        differences: String,
    },
    /// A tensor that is not made of floats we read.
    #[error("{} stores {name} as {found}, expected F32, F16 or BF16: convert the file", path.display())]
    Type {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type.
        found: String,
    },
    /// A tensor with a value that is infinite or not a number.
    #[error("{} has {value} in {name}: give weights of which every value is finite", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// The value.
        value: f32,
    },
    /// A `config.json` of a network that students don't have.
    #[error("{} says model_type = {found}, expected {expected}: give the folder of a student", path.display())]
    OtherModel {
        /// The `config.json`.
        path: PathBuf,
        /// The value of our students.
        expected: String,
        /// The value in the file.
        found: String,
    },
    /// The `config.json` beside the weights describes a network that computes something else.
    #[error("{} says {key} = {found}, but this student is a {network} with {key} = {expected}: give weights trained so", path.display())]
    OtherNetwork {
        /// The `config.json`.
        path: PathBuf,
        /// The student's architecture.
        network: &'static str,
        /// The key.
        key: &'static str,
        /// The student's shape.
        expected: String,
        /// The file's shape.
        found: String,
    },
}

/// The first few of `names`, and how many more there are.
pub(super) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
