//! The largest value of each 3 x 3 window at every second pixel, with one row and column of padding: ResNet's
//! `MaxPool2d(kernel_size=3, stride=2, padding=1)`, channels last.

use burn::{
    backend::{
        Backend, Dispatch, Flex, TensorMetadata,
        autodiff::{
            Autodiff,
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::FloatTensor,
    },
    tensor::{Tensor, TensorData, module::max_pool2d, ops::MaxPoolOptions},
};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::{
    on_flex,
    tensors::TensorList,
    window::{Padding, Window},
};

/// Takes the largest value of each window.
#[backend_extension(Autodiff, Flex)]
pub(super) trait MaxPool: Backend {
    /// From `[batch, height, width, channels]` to half of height and width.
    fn max_pool(#[extension_type] x: TensorList<Self>) -> TensorList<Self>;
}

/// The largest value of each 3 x 3 window at every second pixel: `[batch, height, width, channels]` to
/// `[batch, ceil(height / 2), ceil(width / 2), channels]`. Of equal ones the first passes the gradient on, as in PyTorch.
pub(crate) fn max_pool(x: Tensor<4>) -> Tensor<4> {
    if !on_flex(&x) {
        return composition(x);
    }
    let mut outputs = Dispatch::max_pool(TensorList(vec![x.into_dispatch()])).0;
    Tensor::from_dispatch(outputs.pop().expect("a pool has one output"))
}

/// The same of burn's operations.
pub(super) fn composition(x: Tensor<4>) -> Tensor<4> {
    let options = MaxPoolOptions {
        kernel_size: [3; 2],
        stride: [2; 2],
        padding: [(1, 1); 2],
        dilation: [1; 2],
        ceil_mode: false,
    };
    max_pool2d(x.permute([0, 3, 1, 2]), options).permute([0, 2, 3, 1])
}

impl MaxPool for Flex {
    fn max_pool(x: TensorList<Self>) -> TensorList<Self> {
        let x = x.0.into_iter().next().expect("a pool has one input");
        TensorList(vec![forward(&x.to_contiguous()).0])
    }
}

impl<C: CheckpointStrategy> MaxPool for Autodiff<Flex, C> {
    fn max_pool(x: TensorList<Self>) -> TensorList<Self> {
        let x: FloatTensor<Self> = x.0.into_iter().next().expect("a pool has one input");
        let (x, node) = x.into_parts();
        let x = x.to_contiguous();
        let output = match MaxPoolBackward.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let (output, taken) = forward(&x);
                prep.finish(State { shape: dims(&x), taken }, output)
            }
            OpsKind::UnTracked(prep) => prep.finish(forward(&x).0),
        };
        TensorList(vec![output])
    }
}

#[derive(Debug)]
struct MaxPoolBackward;

#[derive(Clone, Debug)]
struct State {
    shape: [usize; 4],
    /// Which of its window's pixels each output is, `3 * row + column`.
    taken: Vec<u8>,
}

impl Backward<Flex, 1> for MaxPoolBackward {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let dout = grads.consume::<Flex>(&ops.node).to_contiguous();
        let [parent] = ops.parents;
        let Some(parent) = parent else { return };
        let State { shape, taken } = ops.state;
        let [_, _, width, channels] = shape;
        let w = window(shape);
        let mut dx = vec![0.0; shape.iter().product()];
        let image_out = w.out_height * w.out_width * channels;
        let dout: &[f32] = dout.as_slice().expect("gradients are contiguous float32");
        dx.par_chunks_mut(w.in_height * width * channels)
            .zip(dout.par_chunks(image_out))
            .zip(taken.par_chunks(image_out))
            .for_each(|((dx, dout), taken)| {
                for pixel in 0..w.out_height * w.out_width {
                    let (y, x) = (pixel / w.out_width, pixel % w.out_width);
                    for channel in 0..channels {
                        let at = pixel * channels + channel;
                        let (ky, kx) = (usize::from(taken[at] / 3), usize::from(taken[at] % 3));
                        let source = (2 * y + ky - 1) * width + 2 * x + kx - 1;
                        dx[source * channels + channel] += dout[at];
                    }
                }
            });
        let gradient = FlexTensor::from_data(TensorData::new(dx, shape));
        grads.register::<Flex>(parent.id, gradient);
    }
}

fn dims(x: &FlexTensor) -> [usize; 4] {
    x.shape().dims()
}

fn window([_, height, width, _]: [usize; 4]) -> Window {
    Window::new(Padding::Centred, 3, 2, height, width)
}

/// The output, and which pixel of its window each is.
fn forward(x: &FlexTensor) -> (FlexTensor, Vec<u8>) {
    let shape = dims(x);
    let [batch, height, width, channels] = shape;
    let w = window(shape);
    let x: &[f32] = x.as_slice().expect("the input is contiguous float32");
    let line = w.out_width * channels;
    let mut out = vec![f32::NEG_INFINITY; batch * w.out_height * line];
    let mut taken = vec![0; out.len()];
    out.par_chunks_mut(line).zip(taken.par_chunks_mut(line)).enumerate().for_each(|(row, (out, taken))| {
        let (image, y) = (row / w.out_height, row % w.out_height);
        for (column, (out, taken)) in
            out.chunks_exact_mut(channels).zip(taken.chunks_exact_mut(channels)).enumerate()
        {
            let mut first = true;
            for tap in 0..9 {
                let (Some(y), Some(x_at)) = (w.in_row(y, tap / 3), w.in_column(column, tap % 3)) else {
                    continue;
                };
                let source = &x[((image * height + y) * width + x_at) * channels..][..channels];
                for ((out, taken), &value) in out.iter_mut().zip(&mut *taken).zip(source) {
                    // A NaN is taken, and nothing is larger.
                    let larger = value > *out || value.is_nan() || first;
                    *out = if larger { value } else { *out };
                    *taken = if larger { tap as u8 } else { *taken };
                }
                first = false;
            }
        }
    });
    let shape = [batch, w.out_height, w.out_width, channels];
    (FlexTensor::from_data(TensorData::new(out, shape)), taken)
}
