//! Batch normalisation by the batch's own statistics with its activation, of burn's ordinary operations, for the composed path.
//!
//! burn's own transposes the whole activation for each sum, and its autodiff keeps what follows it. Here the channels lie
//! last, so the sums run down the columns of a matrix without a copy; the convolution's output is all that is kept; and each
//! step is one chain that a GPU's fusion makes one kernel of: two sums and one pass forward, two sums and one pass backward.

#![cfg_attr(
    feature = "ndarray",
    expect(deprecated, reason = "the only other backend for the CPU that builds from the crates registry")
)]

#[cfg(any(feature = "cuda", feature = "wgpu"))]
use burn::backend::Cube;
#[cfg(feature = "ndarray")]
use burn::backend::NdArray;
use burn::{
    backend::{
        Backend, Flex, Scalar, TensorMetadata,
        autodiff::{
            Autodiff,
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::FloatTensor,
    },
    tensor::{FloatDType, Shape},
};

use super::{activation::Activation, tensors::TensorList};

/// The settings of what follows the sums of a normalisation.
#[derive(Clone, Copy, Debug)]
pub(super) struct NormSpec {
    /// Added to each variance.
    pub epsilon: f64,
    pub activation: Activation,
}

/// Normalises by the batch, and activates.
#[backend_extension(Autodiff, Flex, NdArray: cfg(feature = "ndarray"), Cube: cfg(any(feature = "cuda", feature = "wgpu")))]
pub(super) trait BatchNorm: Backend {
    /// From `[batch, height, width, channels]`, gamma and beta to the same shape and type, and the batch's mean and biased
    /// variance, `[channels]`. Computed in float32.
    fn batch_norm_activated(#[extension_type] inputs: TensorList<Self>, spec: NormSpec) -> TensorList<Self> {
        let [x, gamma, beta] = three(inputs.0);
        let Forward { output, mean, variance, .. } = forward::<Self>(x, gamma, beta, spec);
        TensorList(vec![output, mean, variance])
    }
}

impl BatchNorm for Flex {}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
impl BatchNorm for Cube {}

#[cfg(feature = "ndarray")]
impl BatchNorm for NdArray {}

impl<B: BatchNorm, C: CheckpointStrategy> BatchNorm for Autodiff<B, C> {
    fn batch_norm_activated(inputs: TensorList<Self>, spec: NormSpec) -> TensorList<Self> {
        let [(x, x_node), (gamma, gamma_node), (beta, beta_node)] =
            three(inputs.0.into_iter().map(FloatTensor::<Self>::into_parts));
        let prepared = BatchNormBackward.prepare::<C>([x_node, gamma_node, beta_node]).compute_bound();
        let (output, mean, variance) = match prepared.stateful() {
            OpsKind::Tracked(prepared) => {
                let found = forward::<B>(x.clone(), gamma.clone(), beta.clone(), spec);
                let state = State { x, gamma, beta, mean: found.mean.clone(), inverse: found.inverse, spec };
                (prepared.finish(state, found.output), found.mean, found.variance)
            }
            OpsKind::UnTracked(prepared) => {
                let found = forward::<B>(x, gamma, beta, spec);
                (prepared.finish(found.output), found.mean, found.variance)
            }
        };
        let constant = <Self as burn::backend::AutodiffBackend>::from_inner;
        TensorList(vec![output, constant(mean), constant(variance)])
    }
}

fn three<T>(tensors: impl IntoIterator<Item = T>) -> [T; 3] {
    let tensors: Vec<T> = tensors.into_iter().collect();
    <[T; 3]>::try_from(tensors).unwrap_or_else(|_| unreachable!("input, gamma and beta"))
}

struct Forward<B: Backend> {
    output: FloatTensor<B>,
    /// `[channels]`
    mean: FloatTensor<B>,
    /// `[channels]`, biased
    variance: FloatTensor<B>,
    /// One over the standard deviation, `[1, channels]`
    inverse: FloatTensor<B>,
}

fn forward<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    spec: NormSpec,
) -> Forward<B> {
    let (shape, dtype) = (x.shape(), x.dtype());
    let rows = Rows::<B>::of(x);
    let mean = B::float_mean_dim(rows.values(), 0);
    // Subtracted anew where it is needed: a fused chain reads the input again, which costs less than to write and read this.
    let variance = B::float_mean_dim(square::<B>(rows.minus(&mean)), 0);
    let deviation = B::float_sqrt(B::float_add_scalar(variance.clone(), Scalar::from(spec.epsilon)));
    let inverse = B::float_recip(deviation);
    let normalised = B::float_mul(rows.minus(&mean), inverse.clone());
    let activated = activate::<B>(rows.affine(normalised, &gamma, &beta), spec.activation);
    Forward {
        output: B::float_reshape(B::float_cast(activated, dtype.into()), shape),
        mean: rows.vector(mean),
        variance: rows.vector(variance),
        inverse,
    }
}

#[derive(Debug)]
struct BatchNormBackward;

#[derive(Clone, Debug)]
struct State<B: Backend> {
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    beta: FloatTensor<B>,
    mean: FloatTensor<B>,
    inverse: FloatTensor<B>,
    spec: NormSpec,
}

impl<B: Backend> Backward<B, 3> for BatchNormBackward {
    type State = State<B>;

    fn backward(self, ops: Ops<State<B>, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let incoming = grads.consume::<B>(&ops.node);
        let State { x, gamma, beta, mean, inverse, spec } = ops.state;
        let (shape, dtype) = (x.shape(), x.dtype());
        let rows = Rows::<B>::of(x);
        let incoming = Rows::<B>::of(incoming);
        let mean = rows.row(mean);
        let normalised = || B::float_mul(rows.minus(&mean), inverse.clone());
        // The gradient before the activation.
        let passed = || match spec.activation {
            Activation::Linear => incoming.values(),
            activation => {
                blocked::<B>(incoming.values(), rows.affine(normalised(), &gamma, &beta), activation)
            }
        };
        let beta_gradient = B::float_sum_dim(passed(), 0);
        let gamma_gradient = B::float_sum_dim(B::float_mul(passed(), normalised()), 0);
        let [input, of_gamma, of_beta] = ops.parents;
        if let Some(input) = input {
            let share = Scalar::from(1.0 / rows.count as f64);
            let shift = B::float_mul_scalar(beta_gradient.clone(), share);
            let slope = B::float_mul_scalar(gamma_gradient.clone(), share);
            let scale = B::float_mul(rows.row(gamma.clone()), inverse.clone());
            let along = B::float_mul(normalised(), slope);
            let centred = B::float_sub(B::float_sub(passed(), shift), along);
            let gradient = B::float_cast(B::float_mul(centred, scale), dtype.into());
            grads.register::<B>(input.id, B::float_reshape(gradient, shape));
        }
        if let Some(parent) = of_gamma {
            grads.register::<B>(parent.id, rows.vector(gamma_gradient));
        }
        if let Some(parent) = of_beta {
            grads.register::<B>(parent.id, rows.vector(beta_gradient));
        }
    }
}

/// An activation as a matrix of one row a pixel.
struct Rows<B: Backend> {
    /// `[count, channels]`, of the activation's type
    flat: FloatTensor<B>,
    count: usize,
    channels: usize,
}

impl<B: Backend> Rows<B> {
    fn of(x: FloatTensor<B>) -> Self {
        let [batch, height, width, channels] = x.shape().dims();
        let count = batch * height * width;
        Self { flat: B::float_reshape(x, Shape::new([count, channels])), count, channels }
    }

    fn values(&self) -> FloatTensor<B> {
        B::float_cast(self.flat.clone(), FloatDType::F32)
    }

    fn minus(&self, row: &FloatTensor<B>) -> FloatTensor<B> {
        B::float_sub(self.values(), row.clone())
    }

    fn affine(
        &self,
        normalised: FloatTensor<B>,
        gamma: &FloatTensor<B>,
        beta: &FloatTensor<B>,
    ) -> FloatTensor<B> {
        B::float_add(B::float_mul(normalised, self.row(gamma.clone())), self.row(beta.clone()))
    }

    /// `[channels]` to `[1, channels]`.
    fn row(&self, vector: FloatTensor<B>) -> FloatTensor<B> {
        B::float_reshape(vector, Shape::new([1, self.channels]))
    }

    /// `[1, channels]` to `[channels]`.
    fn vector(&self, row: FloatTensor<B>) -> FloatTensor<B> {
        B::float_reshape(row, Shape::new([self.channels]))
    }
}

fn square<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    B::float_mul(x.clone(), x)
}

fn activate<B: Backend>(x: FloatTensor<B>, activation: Activation) -> FloatTensor<B> {
    match activation {
        Activation::Linear => x,
        Activation::Relu => B::relu(x),
        Activation::Relu6 => B::float_clamp(x, Scalar::from(0.0), Scalar::from(6.0)),
    }
}

/// `gradient` where `x` lies inside the activation's range. As in PyTorch, none passes at exactly 0 and 6: a channel whose batch
/// is constant sits at 0.
fn blocked<B: Backend>(
    gradient: FloatTensor<B>,
    x: FloatTensor<B>,
    activation: Activation,
) -> FloatTensor<B> {
    let bools = burn::backend::get_or_init_device_settings::<B>(&x.device()).bool_dtype;
    let (least, largest) = activation.range();
    let below = B::float_lower_equal_elem(x.clone(), Scalar::from(least), bools);
    let gradient = B::float_mask_fill(gradient, below, Scalar::from(0.0));
    if largest.is_infinite() {
        return gradient;
    }
    let above = B::float_greater_equal_elem(x, Scalar::from(largest), bools);
    B::float_mask_fill(gradient, above, Scalar::from(0.0))
}

#[cfg(test)]
mod tests {
    use burn::backend::Dispatch;
    use burn::tensor::{Device, Tensor, TensorData, activation::relu, module::batch_norm_train};
    use rand::Rng;

    use super::*;
    use crate::support::rng;

    const SHAPE: [usize; 4] = [3, 4, 5, 6];
    const EPSILON: f64 = 1e-3;

    type Results = (Tensor<4>, Tensor<1>, Tensor<1>);

    fn ours(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, activation: Activation) -> Results {
        let inputs = vec![x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch()];
        let spec = NormSpec { epsilon: EPSILON, activation };
        let [output, mean, variance] = three(Dispatch::batch_norm_activated(TensorList(inputs), spec).0);
        (Tensor::from_dispatch(output), Tensor::from_dispatch(mean), Tensor::from_dispatch(variance))
    }

    /// burn's own normalisation, and an activation whose gradient burn derives.
    fn theirs(x: Tensor<4>, gamma: Tensor<1>, beta: Tensor<1>, activation: Activation) -> Results {
        let found = batch_norm_train(x.permute([0, 3, 1, 2]), gamma, beta, EPSILON);
        let output = match activation {
            Activation::Linear => found.output,
            Activation::Relu => relu(found.output),
            Activation::Relu6 => {
                let rectified = relu(found.output);
                let saturated = rectified.clone().greater_equal_scalar(6.0);
                rectified.mask_fill(saturated, 6.0)
            }
        };
        (output.permute([0, 2, 3, 1]), found.mean, found.variance)
    }

    #[test]
    fn values_statistics_and_gradients_are_those_of_burns_own() {
        let device = Device::flex().autodiff();
        let rng = &mut rng::keyed("batch norm test", &[]);
        let mut floats = |count: usize, centre: f32, spread: f32| -> TensorData {
            let values: Vec<f32> =
                (0..count).map(|_| centre + spread * rng.random_range(-1.0..1.0)).collect();
            TensorData::new(values, [count])
        };
        let count = SHAPE.iter().product();
        let (x, direction) = (floats(count, 20.0, 2.0), floats(count, 0.1, 1.0));
        // Wide enough that some values pass 6.
        let (gamma, beta) = (floats(SHAPE[3], 4.0, 2.0), floats(SHAPE[3], 1.0, 2.0));
        for activation in [Activation::Linear, Activation::Relu, Activation::Relu6] {
            let run = |norm: fn(Tensor<4>, Tensor<1>, Tensor<1>, Activation) -> Results| {
                let x = Tensor::<1>::from_data(x.clone(), &device).reshape(SHAPE).require_grad();
                let gamma = Tensor::<1>::from_data(gamma.clone(), &device).require_grad();
                let beta = Tensor::<1>::from_data(beta.clone(), &device).require_grad();
                let (output, mean, variance) = norm(x.clone(), gamma.clone(), beta.clone(), activation);
                let direction = Tensor::<1>::from_data(direction.clone(), &device).reshape(SHAPE);
                let gradients = (output.clone() * direction).sum().backward();
                let data = [
                    output.into_data(),
                    mean.into_data(),
                    variance.into_data(),
                    x.grad(&gradients).unwrap().into_data(),
                    gamma.grad(&gradients).unwrap().into_data(),
                    beta.grad(&gradients).unwrap().into_data(),
                ];
                data.map(|data| data.try_to_vec::<f32>().unwrap())
            };
            for (index, (found, expected)) in run(ours).iter().zip(&run(theirs)).enumerate() {
                let largest = expected.iter().fold(1.0_f32, |largest, value| largest.max(value.abs()));
                for (found, expected) in found.iter().zip(expected) {
                    let near = (found - expected).abs() <= 1e-5 * largest;
                    assert!(near, "{activation:?}, part {index}: {found} is not {expected}");
                }
            }
        }
    }
}
