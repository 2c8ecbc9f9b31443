//! Weights from a Hugging Face checkpoint.

use std::{
    io,
    path::{Path, PathBuf},
};

use burn::tensor::TensorData;
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{BATCH_COUNTER, Error, WEIGHTS, config, error::listed};
use crate::config::Architecture;
use crate::student::{Student, format, parameters, visit_parameters};
use crate::support::files::read_regular;
use crate::support::hash::Digest;

/// The most bytes that a checkpoint may have.
const LIMIT: u64 = 4 << 30;

/// A student with the weights of a file.
#[derive(Debug)]
pub struct Loaded {
    /// The student.
    pub model: Student,
    /// Where its classifier's weights are from.
    pub head: Head,
}

/// Where a loaded student's classifier is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// From the file.
    Loaded,
    /// The file's classifier has another number of classes, so the student kept its own random one.
    Random {
        /// Classes of the file.
        classes_in_file: usize,
    },
}

/// Gives `model` the weights and running statistics of a `transformers` checkpoint: a safetensors file, or the folder of one.
///
/// A classifier for another number of classes is left out, as `ignore_mismatched_sizes` does, and [`Loaded::head`]
/// says so. Where a `config.json` lies beside the file, the network it describes must be this one.
///
/// # Errors
/// A file that can't be read, is damaged, lacks a tensor, has one too many, one of another shape or type or with a value that
/// is not finite, or belongs to a network that computes something else.
pub fn load_weights(model: Student, path: &Path) -> Result<Loaded, Error> {
    let path = &weights_file(path);
    let architecture = model.shape().architecture;
    let bytes = read_regular(path, LIMIT).map_err(unreadable(path, architecture))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|error| Error::Format { path: path.to_owned(), reason: error.to_string() })?;
    config::check_beside(path, architecture)?;
    let head = check_names_and_shapes(&model, &file, path)?;

    let mut failure = None;
    let model = parameters::replace(model, |name, _| {
        if name.starts_with("classifier.") && head != Head::Loaded {
            return None;
        }
        let view = file.tensor(name).expect("the names have been checked");
        match floats(&view) {
            None => {
                let found = format!("{:?}", view.dtype());
                failure.get_or_insert(Error::Type { path: path.to_owned(), name: name.to_owned(), found });
                None
            }
            Some(values) => {
                if let Some(&value) = values.iter().find(|value| !value.is_finite()) {
                    let name = name.to_owned();
                    failure.get_or_insert(Error::NotFinite { path: path.to_owned(), name, value });
                }
                Some(TensorData::new(values, view.shape().to_vec()))
            }
        }
    });
    failure.map_or(Ok(Loaded { model, head }), Err)
}

/// BLAKE3 of the weights at `path`, as [`load_weights`] takes them for a student of this architecture.
///
/// # Errors
/// A file that can't be read.
pub(crate) fn weights_digest(path: &Path, architecture: Architecture) -> Result<Digest, Error> {
    let path = &weights_file(path);
    Digest::of_file(path).map_err(unreadable(path, architecture))
}

/// The file of the weights in a folder, or the file itself.
fn weights_file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join(WEIGHTS) } else { path.to_owned() }
}

fn unreadable(path: &Path, architecture: Architecture) -> impl FnOnce(io::Error) -> Error {
    let network = architecture.traits().title;
    move |source| Error::Read { path: path.to_owned(), network, source }
}

fn check_names_and_shapes(model: &Student, file: &SafeTensors, path: &Path) -> Result<Head, Error> {
    let (mut known, mut missing, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    let mut head = Head::Loaded;
    visit_parameters(model, |name, data| {
        known.push(name.to_owned());
        let Ok(view) = file.tensor(name) else { return missing.push(name.to_owned()) };
        let (expected, found) = (&data.shape()[..], view.shape());
        // Rows of the classifier are classes; its other axis is the backbone's width, which must fit.
        let classes_differ = name.starts_with("classifier.")
            && expected.len() == found.len()
            && expected[1..] == found[1..]
            && expected[0] != found[0];
        if classes_differ {
            head = Head::Random { classes_in_file: found[0] };
        } else if expected != found {
            differences.push(format!("{name} {found:?} for {expected:?}"));
        }
    });
    let unexpected: Vec<String> = (file.names().into_iter())
        .filter(|name| !name.ends_with(BATCH_COUNTER) && !known.iter().any(|known| known == name))
        .map(str::to_owned)
        .collect();

    let path = path.to_owned();
    let class = format(model.shape().architecture).class;
    if !missing.is_empty() {
        return Err(Error::Missing { path, class, names: listed(&missing) });
    }
    if !unexpected.is_empty() {
        return Err(Error::Unexpected { path, class, names: listed(&unexpected) });
    }
    if !differences.is_empty() {
        let (differences, shape) = (listed(&differences), model.shape());
        return Err(match format(shape.architecture).width {
            Some((key, _)) => Error::Width { path, width: shape.width, key, differences },
            None => Error::Shapes { path, class, differences },
        });
    }
    Ok(head)
}

/// The tensor's values as `f32`, exactly; None of a type that is not a float of at most 32 bits.
fn floats(view: &TensorView) -> Option<Vec<f32>> {
    let halves = || view.data().as_chunks::<2>().0.iter().copied();
    match view.dtype() {
        Dtype::F32 => Some(view.data().as_chunks::<4>().0.iter().copied().map(f32::from_le_bytes).collect()),
        Dtype::F16 => Some(halves().map(|bytes| f16::from_le_bytes(bytes).to_f32()).collect()),
        Dtype::BF16 => Some(halves().map(|bytes| bf16::from_le_bytes(bytes).to_f32()).collect()),
        _ => None,
    }
}
