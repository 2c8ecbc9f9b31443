//! Calls of a session on memory of the CPU.

use std::path::PathBuf;

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;

use super::logits;
use super::session::plain_reason;
use super::signature::{Precision, Signature};

/// A session that reads the caller's pixels in place.
pub(super) struct HostSession {
    session: Session,
    signature: Signature,
    /// The pixels as the model takes them, where it takes no `f32`.
    halves: Vec<f16>,
}

impl HostSession {
    pub(crate) fn new(session: Session, signature: Signature) -> Self {
        Self { session, signature, halves: Vec::new() }
    }

    /// Appends the logits of `pixels`, of the shape `[batch, 3, height, width]`, to `out`; the text of an error is the reason.
    pub(crate) fn run(
        &mut self,
        pixels: &[f32],
        shape: [usize; 4],
        classes: usize,
        out: &mut Vec<f32>,
    ) -> Result<(), String> {
        let reason = |error: ort::Error| plain_reason(&error);
        let input: ort::Result<SessionInputValue> = match self.signature.input_precision {
            Precision::Fp32 => TensorRef::from_array_view((shape, pixels)).map(Into::into),
            Precision::Fp16 => {
                self.halves.resize(pixels.len(), f16::ZERO);
                self.halves.convert_from_f32_slice(pixels);
                TensorRef::from_array_view((shape, &self.halves[..])).map(Into::into)
            }
        };
        let outputs = self.session.run([input.map_err(reason)?]).map_err(reason)?;
        let output = outputs.get(&self.signature.output).ok_or("it gave no logits")?;
        logits::append(output, self.signature.output_precision, [shape[0], classes], out)
    }

    /// The file of the profile of the calls so far, of a session that writes one.
    pub(crate) fn end_profiling(&mut self) -> Result<PathBuf, String> {
        self.session.end_profiling().map(PathBuf::from).map_err(|error| plain_reason(&error))
    }
}
