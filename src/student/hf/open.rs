//! A folder that holds a student.

use std::path::Path;

use burn::tensor::Device;

use super::{Error, Head, WEIGHTS, config, load_weights};
use crate::student::Student;

/// A student as its folder describes it.
#[derive(Debug)]
pub struct Opened {
    /// The student.
    pub model: Student,
    /// Class names in the order of the logits.
    pub classes: Vec<String>,
}

/// Opens a folder with the `config.json` and `model.safetensors` of one of the architectures.
///
/// # Errors
/// A file that is missing or damaged, another network, or weights that are not those of the one that is described.
pub fn open_folder(dir: &Path, device: &Device) -> Result<Opened, Error> {
    let path = dir.join("config.json");
    let (shape, classes) = config::read(&path)?;
    let weights = dir.join(WEIGHTS);
    let loaded = load_weights(Student::new(&shape, 0, device), &weights)?;
    match loaded.head {
        Head::Loaded => Ok(Opened { model: loaded.model, classes }),
        Head::Random { classes_in_file } => {
            let reason = format!("it names {} classes, and {WEIGHTS} has {classes_in_file}", classes.len());
            Err(Error::Config { path, reason })
        }
    }
}
