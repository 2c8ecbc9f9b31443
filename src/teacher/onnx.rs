//! A teacher in ONNX Runtime.

use std::path::PathBuf;
use std::thread::available_parallelism;

use half::f16;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, TensorRef};

use super::files::{Files, Model};
use super::provider::Provider;
use super::runtime::{self, Runtime};
use super::signature::{Precision, Signature};
use super::{Description, Error, Teacher};
use crate::config;
use crate::support::hash::Digest;
use crate::view::Preprocess;

/// A ViT, or any other image classifier, exported to ONNX in `optimum`'s layout.
pub struct OnnxTeacher {
    session: Session,
    signature: Signature,
    path: PathBuf,
    classes: Vec<String>,
    preprocess: Preprocess,
    fingerprint: Digest,
    description: Description,
    /// What the model is given where it takes another type or a larger batch than the caller has.
    padded: Vec<f32>,
    halves: Vec<f16>,
}

impl OnnxTeacher {
    /// Opens the model that a pipeline's `[teacher]` names, on the device that it names.
    ///
    /// # Errors
    /// Files that are missing or damaged, a model that is no image classifier, no ONNX Runtime library, and a device
    /// that can't be had: only `auto` falls back to the CPU, and [`Teacher::describe`] then says so.
    pub fn open(teacher: &config::Teacher) -> Result<Self, Error> {
        let files = Files::read(&teacher.model)?;
        let runtime = runtime::load()?;
        let (session, provider, notes) = open_session(runtime, &files.model, teacher)?;

        let path = files.model.path();
        let signature = Signature::of(&session).map_err(|(expected, found)| Error::Signature {
            path: path.clone(),
            expected: expected.to_owned(),
            found,
        })?;
        check(&files, &signature)?;
        let description = Description {
            model: path.display().to_string(),
            provider: provider.to_string(),
            precision: signature.input_precision.as_str().to_owned(),
            runtime: format!("ONNX Runtime {}", runtime.found.version),
            notes,
        };
        let Files { classes, preprocess, fingerprint, .. } = files;
        Ok(Self {
            session,
            signature,
            path,
            classes,
            preprocess,
            fingerprint,
            description,
            padded: Vec::new(),
            halves: Vec::new(),
        })
    }

    /// One call of the model: `pixels` `[batch, 3, height, width]` of a batch size that it takes.
    fn run(&mut self, pixels: &[f32], batch: usize) -> Result<Vec<f32>, Error> {
        let (height, width) = self.preprocess.size();
        let shape = [batch, 3, height as usize, width as usize];
        let failed = |reason: String| Error::Inference { path: self.path.clone(), batch, reason };
        let input: ort::Result<SessionInputValue> = match self.signature.input_precision {
            Precision::Fp32 => TensorRef::from_array_view((shape, pixels)).map(Into::into),
            Precision::Fp16 => {
                self.halves.clear();
                self.halves.extend(pixels.iter().map(|&value| f16::from_f32(value)));
                TensorRef::from_array_view((shape, &self.halves[..])).map(Into::into)
            }
        };
        let input = input.map_err(|error| failed(error.to_string()))?;
        let mut outputs = self.session.run([input]).map_err(|error| failed(error.to_string()))?;
        let output =
            outputs.remove(&self.signature.output).ok_or_else(|| failed("it gave no logits".to_owned()))?;
        floats(&output, self.signature.output_precision, [batch, self.classes.len()]).map_err(failed)
    }
}

impl Teacher for OnnxTeacher {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    fn fingerprint(&self) -> Digest {
        self.fingerprint
    }

    fn describe(&self) -> Description {
        self.description.clone()
    }

    fn logits(&mut self, pixels: &[f32], batch: usize) -> Result<Vec<f32>, Error> {
        let Some(fixed) = self.signature.batch else { return self.run(pixels, batch) };
        let (height, width) = self.preprocess.size();
        let image = 3 * height as usize * width as usize;
        let mut logits = Vec::with_capacity(batch * self.classes.len());
        for part in pixels.chunks(fixed * image) {
            if part.len() == fixed * image {
                logits.extend(self.run(part, fixed)?);
            } else {
                let mut padded = std::mem::take(&mut self.padded);
                padded.clear();
                padded.extend_from_slice(part);
                padded.resize(fixed * image, 0.0);
                let padded_logits = self.run(&padded, fixed);
                self.padded = padded;
                logits.extend_from_slice(&padded_logits?[..part.len() / image * self.classes.len()]);
            }
        }
        Ok(logits)
    }
}

/// Builds the session on the device that is asked for; `auto` takes CUDA where it can be had.
fn open_session(
    runtime: &Runtime,
    model: &Model,
    teacher: &config::Teacher,
) -> Result<(Session, Provider, Vec<String>), Error> {
    let open = |provider: Provider| -> Result<Session, Error> {
        let dispatches = provider.dispatches(runtime).map_err(|missing| no_provider(provider, missing))?;
        build(runtime, model, teacher.threads, &dispatches).map_err(|reason| match provider {
            Provider::Cpu => Error::Malformed { path: model.path(), reason },
            _ => no_provider(provider, reason),
        })
    };
    let asked = match teacher.device {
        config::Device::Cuda(index) => Provider::Cuda(index),
        config::Device::TensorRt(index) => Provider::TensorRt(index),
        config::Device::Auto if cfg!(feature = "cuda") => {
            let first = Provider::Cuda(0);
            return match open(first) {
                Ok(session) => Ok((session, first, Vec::new())),
                Err(error) => {
                    Ok((open(Provider::Cpu)?, Provider::Cpu, vec![format!("auto chose the CPU: {error}")]))
                }
            };
        }
        config::Device::Cpu | config::Device::Auto => Provider::Cpu,
    };
    Ok((open(asked)?, asked, Vec::new()))
}

fn no_provider(provider: Provider, missing: String) -> Error {
    Error::NoProvider { device: provider.to_string(), missing }
}

fn build(
    runtime: &Runtime,
    model: &Model,
    threads: usize,
    providers: &[ort::ep::ExecutionProviderDispatch],
) -> Result<Session, String> {
    let threads = if threads == 0 { available_parallelism().map_or(1, Into::into) } else { threads };
    let build = || -> ort::Result<Session> {
        let mut builder = Session::builder(&runtime.environment)?
            .with_optimization_level(GraphOptimizationLevel::All)?
            .with_intra_threads(threads)?
            .with_inter_threads(1)?
            .with_deterministic_compute(true)?
            .with_execution_providers(providers)?;
        match model {
            Model::File(path) => builder.commit_from_file(path),
            Model::Embedded(bytes) => builder.commit_from_memory(bytes),
        }
    };
    build().map_err(|error| one_line(error.message()))
}

/// ONNX Runtime's messages may have several lines; ours have one.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Checks the model against its `config.json` and `preprocessor_config.json`.
fn check(files: &Files, signature: &Signature) -> Result<(), Error> {
    let path = files.model.path();
    if let Some(classes) = signature.classes.filter(|&classes| classes != files.classes.len()) {
        return Err(Error::Signature {
            path,
            expected: format!("{} logits, one for each class of its config.json", files.classes.len()),
            found: format!("{classes} logits"),
        });
    }
    let made = files.preprocess.size();
    match signature.size.or(files.image_size) {
        Some(taken) if taken != made => {
            let text = |(height, width): (u32, u32)| format!("{height}x{width}");
            Err(Error::ImageSize { path, expected: text(taken), found: text(made) })
        }
        _ => Ok(()),
    }
}

/// The values of an output, which must be finite and of the shape `[batch, classes]`.
fn floats(output: &DynValue, precision: Precision, expected: [usize; 2]) -> Result<Vec<f32>, String> {
    let (shape, values) = match precision {
        Precision::Fp32 => output.try_extract_tensor::<f32>().map(|(shape, values)| (shape, values.to_vec())),
        Precision::Fp16 => output
            .try_extract_tensor::<f16>()
            .map(|(shape, values)| (shape, values.iter().map(|value| value.to_f32()).collect())),
    }
    .map_err(|error| error.to_string())?;
    if !shape.iter().copied().eq(expected.map(|dimension| dimension as i64)) {
        return Err(format!("expected logits of shape {expected:?}, found {:?}", &shape[..]));
    }
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err(format!("expected finite logits, found {value}")),
        None => Ok(values),
    }
}
