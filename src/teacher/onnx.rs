//! A teacher in ONNX Runtime.

use std::path::PathBuf;

use super::files::Files;
use super::host_tensors::HostSession;
use super::io_binding::BoundSession;
use super::session::{OpenSession, SessionOpener, plain_reason};
use super::signature::Signature;
use super::{Description, Error, Teacher, class_order, logits};
use crate::config::{self, ClassMatching, Outputs, Provider};
use crate::support::hash::Digest;
use crate::view::Preprocess;

/// A ViT, or any other image classifier, exported to ONNX in `optimum`'s layout.
pub struct OnnxTeacher {
    calls: Calls,
    /// The only batch size that the model takes, or that a GPU was prepared for.
    fixed: Option<usize>,
    path: PathBuf,
    classes: Vec<String>,
    matching: ClassMatching,
    outputs: Outputs,
    preprocess: Preprocess,
    fingerprint: Digest,
    description: Description,
    /// A batch that is filled up.
    padded: Vec<f32>,
}

/// A session with the memory of its calls.
enum Calls {
    Host(HostSession),
    Bound(Box<BoundSession>),
}

impl OnnxTeacher {
    pub(super) fn of(opener: &SessionOpener, opened: OpenSession) -> Result<Self, Error> {
        let OpenSession { session, signature, device, notes } = opened;
        let Files { classes, matching, preprocess, fingerprint, .. } = opener.files.clone();
        check(opener.files, &signature)?;
        let path = opener.files.model.path();
        let description = Description {
            model: opener.files.name.clone(),
            device,
            precision: precision(&signature, device.provider, &opener.config.gpu),
            runtime: format!("ONNX Runtime {}", opener.runtime.found.version),
            notes,
        };
        let fixed = signature.batch.or(opener.fixed_batch(device.provider));
        let calls = if device.provider.uses_cuda_memory() {
            let bound = BoundSession::new(session, signature, device, opener.config.gpu.graph)
                .map_err(|error| Error::NoProvider { device, missing: plain_reason(&error) })?;
            Calls::Bound(Box::new(bound))
        } else {
            Calls::Host(HostSession::new(session, signature))
        };
        Ok(Self {
            calls,
            fixed,
            path,
            classes,
            matching,
            outputs: opener.config.outputs,
            preprocess,
            fingerprint,
            description,
            padded: Vec::new(),
        })
    }

    /// One call of the model, whose logits are appended: `pixels` `[batch, 3, height, width]` of a batch size that it takes.
    fn run(&mut self, pixels: &[f32], batch: usize, logits: &mut Vec<f32>) -> Result<(), Error> {
        let (height, width) = self.preprocess.size();
        let shape = [batch, 3, height as usize, width as usize];
        let (classes, before) = (self.classes.len(), logits.len());
        let mut given = match &mut self.calls {
            Calls::Host(calls) => calls.run(pixels, shape, classes, logits),
            Calls::Bound(calls) => calls.run(pixels, shape, classes, logits),
        };
        if given.is_ok() && self.outputs == Outputs::Probabilities {
            given = logits::of_probabilities(&mut logits[before..]);
        }
        given.map_err(|reason| Error::Inference { path: self.path.clone(), batch, reason })
    }
}

impl Teacher for OnnxTeacher {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn class_order(&self, dataset: &[String]) -> Result<Vec<usize>, Error> {
        class_order(&self.classes, dataset, self.matching)
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
        let mut logits = Vec::with_capacity(batch * self.classes.len());
        self.logits_into(pixels, batch, &mut logits)?;
        Ok(logits)
    }

    fn logits_into(&mut self, pixels: &[f32], batch: usize, logits: &mut Vec<f32>) -> Result<(), Error> {
        logits.clear();
        let (height, width) = self.preprocess.size();
        let image = 3 * height as usize * width as usize;
        if pixels.len() != batch * image {
            let reason = format!("expected {} values, found {}", batch * image, pixels.len());
            return Err(Error::Inference { path: self.path.clone(), batch, reason });
        }
        let Some(fixed) = self.fixed else { return self.run(pixels, batch, logits) };
        for part in pixels.chunks(fixed * image) {
            if part.len() == fixed * image {
                self.run(part, fixed, logits)?;
            } else {
                let mut padded = std::mem::take(&mut self.padded);
                padded.clear();
                padded.extend_from_slice(part);
                padded.resize(fixed * image, 0.0);
                let given = self.run(&padded, fixed, logits);
                self.padded = padded;
                given?;
            }
        }
        logits.truncate(batch * self.classes.len());
        Ok(())
    }
}

/// The type of the model's input, and what the device makes of it.
fn precision(signature: &Signature, provider: Provider, gpu: &config::Gpu) -> String {
    let taken = signature.input_precision.as_str();
    match provider {
        Provider::Cuda if gpu.tf32 => format!("{taken} with TF32"),
        Provider::TensorRt if gpu.tensorrt_fp16 => format!("{taken} computed in fp16"),
        _ => taken.to_owned(),
    }
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
