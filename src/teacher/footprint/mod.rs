//! The size and the speed of a classifier in ONNX: what distillation makes smaller.

mod macs;
mod parameters;

use std::time::{Duration, Instant};

use super::files::{Files, Model};
use super::host_tensors::HostSession;
use super::location::{MODEL_LIMIT, read};
use super::session::{SessionOpener, plain_reason};
use super::signature::Signature;
use super::{Error, OnnxModel, OnnxTeacher, Teacher, Tuning, external};
use crate::config::{self, TeacherDevice};
use crate::support::footprint::{BATCHES, Footprint};
use crate::support::statistics::median;

/// The time that calls of one batch size are measured for.
const MEASURE: Duration = Duration::from_millis(400);

/// Measures the classifier that a `[teacher]` names, on the CPU whatever its device is. Calls take all cores.
///
/// # Errors
/// Files that are missing or damaged, no ONNX Runtime library, a model that ONNX Runtime does not run.
pub(crate) fn footprint(teacher: &config::Teacher) -> Result<Footprint, Error> {
    let teacher = config::Teacher { device: TeacherDevice::CPU.into(), ..teacher.clone() };
    let model = OnnxModel::read(&teacher)?;
    let opener = model.opener(Tuning { sessions: 1, ..Tuning::from(&teacher) })?;
    let files = opener.files;
    let (parameters, bytes) = sizes(files)?;
    let macs = macs(&opener)?;
    let mut model = OnnxTeacher::of(&opener, opener.on(TeacherDevice::CPU)?)?;
    let mut milliseconds = [0.0; 2];
    for (time, batch) in milliseconds.iter_mut().zip(BATCHES) {
        *time = milliseconds_per_image(&mut model, batch)?;
    }
    Ok(Footprint { parameters, macs, bytes, image_size: files.preprocess.size(), milliseconds })
}

/// The model's parameters, and the bytes of all its files.
fn sizes(files: &Files) -> Result<(u64, u64), Error> {
    let malformed = |reason| Error::Malformed { path: files.model.path(), reason };
    let path = match &files.model {
        Model::Embedded(graph) => {
            return Ok((parameters::count(graph).map_err(malformed)?, graph.len() as u64));
        }
        Model::File(path) => path,
    };
    let graph = read(path, MODEL_LIMIT)?;
    let mut bytes = graph.len() as u64;
    for name in external::external_files(&graph).map_err(malformed)? {
        let path = path.with_file_name(name);
        bytes += std::fs::metadata(&path).map_err(|source| Error::Read { path, source })?.len();
    }
    Ok((parameters::count(&graph).map_err(malformed)?, bytes))
}

/// The multiply-accumulates for one image, from the shapes that ONNX Runtime's profile of one call gives.
fn macs(opener: &SessionOpener) -> Result<Option<u64>, Error> {
    let files = opener.files;
    let path = files.model.path();
    let unwritten = |source| Error::Read { path: std::env::temp_dir(), source };
    let folder = tempfile::tempdir().map_err(unwritten)?;
    let failed = |reason| Error::Inference { path: path.clone(), batch: 1, reason };
    let session =
        opener.profiled(&folder.path().join("profile")).map_err(|error| failed(plain_reason(&error)))?;
    let signature = Signature::of(&session).map_err(|(expected, found)| Error::Signature {
        path: path.clone(),
        expected: expected.to_owned(),
        found,
    })?;
    let batch = signature.batch.unwrap_or(1);
    let (height, width) = files.preprocess.size();
    let shape = [batch, 3, height as usize, width as usize];
    let mut session = HostSession::new(session, signature);
    session
        .run(&vec![0.0; shape.iter().product()], shape, files.classes.len(), &mut Vec::new())
        .map_err(&failed)?;
    let profile = session.end_profiling().map_err(&failed)?;
    let profile = read(&profile, MODEL_LIMIT)?;
    Ok(macs::count(&profile).map_err(failed)?.map(|macs| macs / batch as u64))
}

/// The median over calls of one batch size. A slow model is called twice, once to warm up.
fn milliseconds_per_image(model: &mut OnnxTeacher, batch: usize) -> Result<f64, Error> {
    let (height, width) = model.preprocess().size();
    let pixels = vec![0.5; batch * 3 * height as usize * width as usize];
    let mut logits = Vec::new();
    model.logits_into(&pixels, batch, &mut logits)?;
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.is_empty() || begin.elapsed() < MEASURE {
        let call = Instant::now();
        model.logits_into(&pixels, batch, &mut logits)?;
        times.push(call.elapsed().as_secs_f64() * 1e3 / batch as f64);
    }
    Ok(median(&times))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `tests/goldens/teacher/fp32` is a ViT of one layer, counted by hand from its `config.json`: 16 patches of 8x8 pixels and
    /// a class token, 16 channels, an MLP of 32, 3 classes.
    #[test]
    fn a_small_vit_is_counted_as_on_paper() {
        let model = format!("{}/tests/goldens/teacher/fp32", env!("CARGO_MANIFEST_DIR"));
        let found = footprint(&config::Teacher { model, ..config::Teacher::default() }).unwrap();
        let embedding = 16 + 17 * 16 + 16 * 192 + 16;
        let layer = 4 * (16 * 16 + 16) + 2 * 16 * 32 + 32 + 16 + 2 * 2 * 16;
        // It was not trained: ten of its vectors of 16 are zeros or ones as another is, which the exporter keeps once, and the
        // classifier's bias of zeros is dropped.
        assert_eq!(found.parameters, embedding + layer + 2 * 16 + 16 * 3 - 10 * 16);
        let attention = 17 * 4 * 16 * 16 + 2 * 17 * 17 * 16;
        assert_eq!(found.macs, Some(16 * 16 * 192 + attention + 17 * 2 * 16 * 32 + 16 * 3));
        assert_eq!(found.image_size, (32, 32));
        assert!(found.milliseconds.iter().all(|&time| time > 0.0));
    }

    #[test]
    fn fixed_batches_and_outside_weights_count_the_same() {
        for (golden, parts) in [("fixed-batch", 1), ("external-data", 2)] {
            let folder = format!("{}/tests/goldens/teacher/{golden}", env!("CARGO_MANIFEST_DIR"));
            let found =
                footprint(&config::Teacher { model: folder.clone(), ..config::Teacher::default() }).unwrap();
            assert_eq!(found.macs, Some(93_264), "{golden}");
            let models = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
            let models = models.filter(|file| file.file_name().to_string_lossy().starts_with("model.onnx"));
            let sizes: Vec<u64> = models.map(|file| file.metadata().unwrap().len()).collect();
            assert_eq!((sizes.len(), found.bytes), (parts, sizes.iter().sum()), "{golden}");
        }
    }
}
