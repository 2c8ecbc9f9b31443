//! Measuring how much smaller and faster a student is than its teacher.

use std::path::Path;

use crate::config;
use crate::runs::{Compression, FinishedRun};
use crate::student::{hf, onnx};
use crate::support::footprint::Footprint;
use crate::support::machine;
use crate::support::text::count;
use crate::teacher;

/// The measurement that an earlier command left in the run's folder, or else one that is made now and left there.
///
/// # Errors
/// As [`measure`].
pub(crate) fn of(run: &FinishedRun) -> Result<Compression, String> {
    Compression::read(run).map_or_else(|| measure(run), Ok)
}

/// Measures student and teacher now, which takes a second for a small teacher, and leaves the result in the run's folder.
///
/// # Errors
/// The student can't be exported or run: no ONNX Runtime library, no room for a temporary file. The text says what is wrong.
pub(crate) fn measure(run: &FinishedRun) -> Result<Compression, String> {
    let student = of_student(&run.best())?;
    // Before batch normalisation is folded into the convolutions, as every other table counts.
    let student = Footprint { parameters: run.result.parameters as u64, ..student };
    let measured = beside(student, &run.description.pipeline.teacher);
    // A folder that can't be written still has its table.
    let _ = measured.write(run);
    Ok(measured)
}

/// Measures the classifier in a Hugging Face folder, an ONNX file or the folder of one, beside a teacher.
///
/// # Errors
/// As [`measure`].
pub(crate) fn of_model(path: &Path, teacher: &config::Teacher) -> Result<Compression, String> {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("")) };
    let is_onnx = path.extension().is_some_and(|extension| extension == "onnx");
    let is_student = !is_onnx && folder.join(hf::WEIGHTS).is_file();
    let model = if is_student { of_student(folder) } else { of_onnx(path.display().to_string()) };
    Ok(beside(model?, teacher))
}

/// A student whose footprint is known, beside a teacher.
fn beside(student: Footprint, teacher: &config::Teacher) -> Compression {
    let (teacher, note) = match teacher::footprint(teacher) {
        Ok(teacher) => (Some(teacher), None),
        Err(error) => (None, Some(format!("the teacher is not measured: {error}"))),
    };
    Compression { machine: machine(), student, teacher, note }
}

/// The footprint of the student in a Hugging Face folder, by a temporary export.
///
/// # Errors
/// As [`measure`].
fn of_student(weights: &Path) -> Result<Footprint, String> {
    let opened =
        hf::open_folder(weights, &burn::tensor::Device::flex()).map_err(|error| error.to_string())?;
    // Which mean and deviation the pixels have costs nothing.
    let card = hf::Card { classes: &opened.classes, image_mean: [0.5; 3], image_std: [0.5; 3], steps: 0 };
    let folder = tempfile::tempdir().map_err(|error| format!("no room for a temporary export: {error}"))?;
    onnx::save_folder(folder.path(), &opened.model, &card).map_err(|error| error.to_string())?;
    let model = folder.path().display().to_string();
    of_onnx(model)
}

fn of_onnx(model: String) -> Result<Footprint, String> {
    teacher::footprint(&config::Teacher { model, ..config::Teacher::default() })
        .map_err(|error| error.to_string())
}

/// The processor's name and the number of its cores that a call may take.
fn machine() -> String {
    format!("{}, {}", machine::processor(), count(machine::cores(), "core"))
}
