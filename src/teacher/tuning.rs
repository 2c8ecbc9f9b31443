//! How a teacher's sessions run: settings that don't change the logits of the CPU.

use crate::config::{self, Provider};

/// Settings of speed, from the pipeline file or from a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Images in a full batch. A CUDA graph and a TensorRT engine are made for it, and smaller batches are filled up.
    pub batch: usize,
    /// Sessions side by side on each device; 0 takes two on a GPU and one on the CPU.
    pub sessions: usize,
    /// Threads of one call of one session on the CPU, the calling one included; 0 shares every core among the sessions.
    pub threads: usize,
    /// Sessions that share the CPU's cores where some of them are opened apart; 0 where none are.
    pub among: usize,
    /// Whether threads of ONNX Runtime that wait for work keep their core busy for a while before they sleep
    /// (`session.intra_op.allow_spinning`). Stage one's decoders have better use for the core, so the default is no.
    pub spin: bool,
}

impl From<&config::Teacher> for Tuning {
    fn from(teacher: &config::Teacher) -> Self {
        Self {
            batch: teacher.batch(Provider::Cuda),
            sessions: teacher.sessions.given().unwrap_or(0),
            threads: teacher.threads.given().unwrap_or(0),
            among: 0,
            spin: false,
        }
    }
}
