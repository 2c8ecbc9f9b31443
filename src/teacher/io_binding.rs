//! Calls of a session on a GPU, through memory that is bound to it once.
//!
//! Pixels are written into page-locked memory, converted on the way where the model takes float16, so that the GPU fetches them
//! at the full rate of the bus; logits come back the same way. What overlaps copying with computing is a second session on the
//! same device (`teacher.sessions`): ONNX Runtime computes on a stream of each session's own and copies inputs on another
//! one, so while one session computes, the other converts and copies. Pixels are normalised on the CPU:
//! a graph that took bytes would be another model than the user's, and the copy that it shortens overlaps with computing.
//!
//! A CUDA graph replays addresses. With one, input and output have their own memory on the device, and are copied to and from it
//! around each call.

use half::f16;
use half::slice::HalfFloatSliceExt;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, RunOptions, Session};
use ort::value::{DynTensor, TensorElementType};

use super::logits;
use super::session::plain_reason;
use super::signature::{Precision, Signature};
use crate::config::ProviderDevice;

/// Batch sizes whose memory is kept: the full one, and what the ends of a few splits leave.
const KEPT: usize = 4;

/// A session and the memory that it shares with the CPU.
pub(super) struct BoundSession {
    // Before the session, whose allocators gave the memory.
    buffers: Vec<Buffers>,
    staging: Allocator,
    /// Memory on the device, with CUDA graphs.
    device: Option<Allocator>,
    session: Session,
    signature: Signature,
    /// Of the graph that was recorded last. ONNX Runtime replays what it recorded under a number, so none is used twice.
    graph: u32,
}

/// The buffers that are bound for one batch size.
struct Buffers {
    batch: usize,
    binding: IoBinding,
    options: RunOptions,
    pixels: DynTensor,
    logits: DynTensor,
    /// Input and output on the device, with CUDA graphs.
    on_device: Option<(DynTensor, DynTensor)>,
}

impl BoundSession {
    /// # Errors
    /// Memory of the device that the session does not give.
    pub(crate) fn new(
        session: Session,
        signature: Signature,
        device: ProviderDevice,
        graph: bool,
    ) -> ort::Result<Self> {
        let allocator = |device, index, memory| {
            Allocator::new(&session, MemoryInfo::new(device, index, AllocatorType::Device, memory)?)
        };
        let index = device.index as i32;
        let pinned = |index| allocator(AllocationDevice::CUDA_PINNED, index, MemoryType::CPUOutput);
        // Page-locked memory serves every device, and ONNX Runtime has had times when it was the first one's only.
        let staging = pinned(index).or_else(|error| pinned(0).map_err(|_| error))?;
        let on_device = || allocator(AllocationDevice::CUDA, index, MemoryType::Default);
        let device = if graph { Some(on_device()?) } else { None };
        Ok(Self::with_memory(session, signature, staging, device))
    }

    fn with_memory(
        session: Session,
        signature: Signature,
        staging: Allocator,
        device: Option<Allocator>,
    ) -> Self {
        Self { buffers: Vec::new(), staging, device, session, signature, graph: 0 }
    }

    /// Appends the logits of `pixels`, of the shape `[batch, 3, height, width]`, to `out`; the text of an error is the reason.
    pub(crate) fn run(
        &mut self,
        pixels: &[f32],
        shape: [usize; 4],
        classes: usize,
        out: &mut Vec<f32>,
    ) -> Result<(), String> {
        self.call(pixels, shape, classes).map_err(|error| plain_reason(&error))?;
        let buffers = self.buffers.last().expect("the call has bound some");
        let precision = self.signature.output_precision;
        logits::append(&buffers.logits.view().into_dyn(), precision, [shape[0], classes], out)
    }

    /// Leaves the logits in the last buffers.
    fn call(&mut self, pixels: &[f32], shape: [usize; 4], classes: usize) -> ort::Result<()> {
        let mut buffers = match self.buffers.iter().position(|buffers| buffers.batch == shape[0]) {
            Some(index) => self.buffers.remove(index),
            None => self.bind(shape, classes)?,
        };
        match self.signature.input_precision {
            Precision::Fp32 => buffers.pixels.try_extract_tensor_mut::<f32>()?.1.copy_from_slice(pixels),
            Precision::Fp16 => {
                buffers.pixels.try_extract_tensor_mut::<f16>()?.1.convert_from_f32_slice(pixels);
            }
        }
        match &mut buffers.on_device {
            // Binding is what copies the pixels to the device, and returns once they are there.
            None => buffers.binding.bind_input(&self.signature.input, &buffers.pixels)?,
            Some((input, _)) => buffers.pixels.copy_into(input)?,
        }
        self.session.run_binding_with_options(&buffers.binding, &buffers.options)?;
        if let Some((_, output)) = &buffers.on_device {
            output.copy_into(&mut buffers.logits)?;
        }
        self.buffers.push(buffers);
        Ok(())
    }

    /// Memory for a batch size that is new, bound to the session. The buffers that were used longest ago make room.
    fn bind(&mut self, shape: [usize; 4], classes: usize) -> ort::Result<Buffers> {
        if self.buffers.len() == KEPT {
            self.buffers.remove(0);
        }
        let signature = &self.signature;
        let (input_type, output_type) =
            (element(signature.input_precision), element(signature.output_precision));
        let output_shape = [shape[0], classes];
        let pixels = DynTensor::new(&self.staging, input_type, shape)?;
        let mut logits = DynTensor::new(&self.staging, output_type, output_shape)?;
        let mut binding = self.session.create_binding()?;
        let mut options = RunOptions::new()?;
        let on_device = match &self.device {
            None => {
                binding.bind_output(&signature.output, &mut logits)?;
                None
            }
            Some(device) => {
                let input = DynTensor::new(device, input_type, shape)?;
                let mut output = DynTensor::new(device, output_type, output_shape)?;
                binding.bind_input(&signature.input, &input)?;
                binding.bind_output(&signature.output, &mut output)?;
                self.graph += 1;
                options.set("gpu_graph_id", self.graph.to_string())?;
                Some((input, output))
            }
        };
        Ok(Buffers { batch: shape[0], binding, options, pixels, logits, on_device })
    }
}

fn element(precision: Precision) -> TensorElementType {
    match precision {
        Precision::Fp32 => TensorElementType::Float32,
        Precision::Fp16 => TensorElementType::Float16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::teacher::files::Files;
    use crate::teacher::host_tensors::HostSession;
    use crate::teacher::session::{OpenSession, SessionOpener};
    use crate::teacher::{Tuning, runtime};

    const CLASSES: usize = 3;

    fn opened(golden: &str) -> OpenSession {
        let model = format!("{}/tests/goldens/teacher/{golden}", env!("CARGO_MANIFEST_DIR"));
        let config = config::Teacher { model, threads: config::Count::Is(1), ..config::Teacher::default() };
        let files = Files::read(&config).unwrap();
        let tuning = Tuning::from(&config);
        let opener =
            SessionOpener { runtime: runtime::load().unwrap(), files: &files, config: &config, tuning };
        opener.on(config::TeacherDevice::CPU).unwrap()
    }

    fn bound(golden: &str, graph: bool) -> BoundSession {
        let OpenSession { session, signature, .. } = opened(golden);
        BoundSession::with_memory(session, signature, Allocator::default(), graph.then(Allocator::default))
    }

    fn pixels(batch: usize, seed: usize) -> Vec<f32> {
        (0..batch * 3 * 32 * 32).map(|i| ((i + seed) * 7919 % 1013) as f32 / 506.5 - 1.0).collect()
    }

    /// Memory of the CPU stands in for a GPU's: what is bound, in which order and for which batch is the same.
    #[test]
    fn bound_memory_gives_the_bits_of_the_callers_own() {
        for (golden, graph) in [("fp32", false), ("fp32", true), ("fp16", false), ("fp16", true)] {
            let OpenSession { session, signature, .. } = opened(golden);
            let mut plain = HostSession::new(session, signature);
            let mut bound = bound(golden, graph);
            let sizes = [4, 2, 4, 1, 3, 5, 4, 2];
            assert!(sizes.iter().max() > Some(&KEPT));
            for (seed, batch) in sizes.into_iter().enumerate() {
                let (pixels, shape) = (pixels(batch, seed), [batch, 3, 32, 32]);
                let (mut expected, mut found) = (Vec::new(), Vec::new());
                plain.run(&pixels, shape, CLASSES, &mut expected).unwrap();
                bound.run(&pixels, shape, CLASSES, &mut found).unwrap();
                assert_eq!(found.len(), batch * CLASSES);
                assert_eq!(found, expected, "{golden}, graph {graph}, batch {batch}");
                assert!(bound.buffers.len() <= KEPT);
            }
        }
    }

    #[test]
    fn no_graph_is_recorded_under_the_number_of_another() {
        let mut bound = bound("fp32", true);
        for (call, batch) in [1, 2, 3, 4, 5, 1].into_iter().enumerate() {
            bound.run(&pixels(batch, 0), [batch, 3, 32, 32], CLASSES, &mut Vec::new()).unwrap();
            assert_eq!(bound.graph as usize, call + 1);
        }
        bound.run(&pixels(5, 0), [5, 3, 32, 32], CLASSES, &mut Vec::new()).unwrap();
        assert_eq!(bound.graph, 6);
    }

    #[test]
    fn a_call_that_fails_does_not_change_the_next_one() {
        let mut bound = bound("fp32", false);
        let (pixels, shape) = (pixels(2, 0), [2, 3, 32, 32]);
        let mut expected = Vec::new();
        bound.run(&pixels, shape, CLASSES, &mut expected).unwrap();
        assert!(bound.run(&[0.0; 3 * 16 * 16], [1, 3, 16, 16], CLASSES, &mut Vec::new()).is_err());
        assert!(bound.run(&vec![f32::NAN; 2 * 3 * 32 * 32], shape, CLASSES, &mut Vec::new()).is_err());
        let mut found = Vec::new();
        bound.run(&pixels, shape, CLASSES, &mut found).unwrap();
        assert_eq!(found, expected);
    }
}
