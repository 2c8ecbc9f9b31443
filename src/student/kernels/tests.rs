//! The kernels against the composition of burn's operations, in values and gradients, over random chains.

mod bfloat16;

use burn::{
    optim::{AdamWConfig, Optimizer},
    tensor::{Device, Tensor, TensorData},
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{
    Activation, AdamW, BatchStatistics, ChainSpec, Conv, Layer, LayerTensors, Padding, Statistics,
    chain::{Parameters, Source},
    composition, max_pool, run,
};
use crate::support::rng;

/// A chain with its numbers, on no device.
struct Case {
    spec: ChainSpec,
    input: [usize; 4],
    x: Vec<f32>,
    layers: Vec<LayerCase>,
}

struct LayerCase {
    shape: [usize; 4],
    weight: Vec<f32>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
    running: [Vec<f32>; 2],
}

fn floats(rng: &mut ChaCha8Rng, len: usize, centre: f32, spread: f32) -> Vec<f32> {
    (0..len).map(|_| centre + spread * rng.random_range(-1.0..1.0)).collect()
}

impl Case {
    /// A random chain of the kinds that the student is made of, with channel counts that fill no register and ones that
    /// do, odd and even sides.
    fn random(number: u64) -> Self {
        let rng = &mut rng::keyed("kernels test", &[number]);
        let channels = |rng: &mut ChaCha8Rng| {
            if rng.random_bool(0.3) { 16 * rng.random_range(1..4) } else { rng.random_range(1..40) }
        };
        let stride = rng.random_range(1..3);
        let (inputs, inside, outputs) = (channels(rng), channels(rng), channels(rng));
        let depthwise = Conv::Depthwise { stride };
        let dense = |stride| Conv::Dense { kernel: 3, stride };
        let (kinds, widths) = match number % 8 {
            0 => (
                vec![Conv::Planes { kernel: 3, stride }, Conv::Depthwise { stride: 1 }, Conv::Pointwise],
                vec![inside, inside, outputs],
            ),
            1 => (vec![Conv::Pointwise], vec![outputs]),
            2 => (vec![depthwise, Conv::Pointwise], vec![inputs, outputs]),
            3 => (vec![Conv::Pointwise, depthwise, Conv::Pointwise], vec![inside, inside, inputs]),
            4 => (vec![dense(stride), dense(1)], vec![inside, outputs]),
            5 => (vec![Conv::Dense { kernel: 1, stride }], vec![outputs]),
            6 => (vec![Conv::Planes { kernel: 7, stride: 2 }, dense(1)], vec![inside, outputs]),
            _ => (vec![Conv::Pointwise, depthwise, Conv::Pointwise], vec![inside, inside, outputs]),
        };
        let pool = kinds == [Conv::Pointwise];
        let residual = number % 8 == 3 && stride == 1;
        let last = kinds.len() - 1;
        let rectifier = if number % 8 < 4 { Activation::Relu6 } else { Activation::Relu };
        let spec = ChainSpec {
            layers: (kinds.iter().enumerate())
                .map(|(i, &conv)| Layer {
                    conv,
                    activation: if i < last || pool { rectifier } else { Activation::Linear },
                })
                .collect(),
            padding: if rng.random_bool(0.5) { Padding::Same } else { Padding::Centred },
            epsilon: 1e-3,
            residual,
            pool,
        };
        let (batch, height, width) =
            (rng.random_range(1..4), rng.random_range(5..23), rng.random_range(5..23));
        let planes = rng.random_range(1..4);
        let (input, mut before) = match kinds[0] {
            Conv::Planes { .. } => ([batch, planes, height, width], planes),
            _ => ([batch, height, width, inputs], inputs),
        };
        let x = floats(rng, input.iter().product(), 0.3, 2.0);
        let mut layers = Vec::new();
        for (conv, out) in kinds.into_iter().zip(widths) {
            let shape = conv.weight(before, out);
            let taps = shape[1..].iter().product::<usize>();
            layers.push(LayerCase {
                shape,
                weight: floats(rng, out * taps, 0.0, (3.0 / taps as f32).sqrt()),
                gamma: floats(rng, out, 1.0, 0.5),
                beta: floats(rng, out, 0.5, 1.5),
                running: [floats(rng, out, 0.0, 0.3), floats(rng, out, 1.0, 0.5)],
            });
            before = out;
        }
        Self { spec, input, x, layers }
    }

    fn x(&self, device: &Device) -> Tensor<4> {
        Tensor::from_data(TensorData::new(self.x.clone(), self.input), device)
    }

    fn tensors(&self, device: &Device, running: bool) -> Vec<LayerTensors> {
        let vector =
            |values: &[f32]| Tensor::<1>::from_data(TensorData::new(values.to_vec(), [values.len()]), device);
        (self.layers.iter())
            .map(|layer| LayerTensors {
                weight: Tensor::from_data(TensorData::new(layer.weight.clone(), layer.shape), device),
                gamma: vector(&layer.gamma),
                beta: vector(&layer.beta),
                running: running.then(|| Statistics {
                    mean: vector(&layer.running[0]),
                    variance: vector(&layer.running[1]),
                }),
            })
            .collect()
    }

    /// Output, batch statistics and every gradient of a random scalar of the output, by name.
    fn train(
        &self,
        chain: impl Fn(Tensor<4>, &ChainSpec, Vec<LayerTensors>) -> (Tensor<4>, Vec<BatchStatistics>),
    ) -> Results {
        let device = Device::flex().autodiff();
        let x = self.x(&device).require_grad();
        let layers: Vec<LayerTensors> = (self.tensors(&device, false).into_iter())
            .map(|layer| LayerTensors {
                weight: layer.weight.require_grad(),
                gamma: layer.gamma.require_grad(),
                beta: layer.beta.require_grad(),
                running: None,
            })
            .collect();
        let (out, statistics) = chain(x.clone(), &self.spec, layers.clone());
        let mut results = vec![("output".to_owned(), read(out.clone()))];
        for (i, BatchStatistics { mean, variance, count }) in statistics.into_iter().enumerate() {
            results.push((format!("count {i}"), vec![count as f32]));
            results.push((format!("mean {i}"), read(mean)));
            results.push((format!("variance {i}"), read(variance)));
        }
        let dims = out.dims();
        let direction =
            floats(&mut rng::keyed("kernels test direction", &[]), dims.iter().product(), 0.1, 1.0);
        let gradients = (out * Tensor::from_data(TensorData::new(direction, dims), &device)).sum().backward();
        results.push(("input gradient".to_owned(), read(x.grad(&gradients).unwrap())));
        for (i, layer) in layers.iter().enumerate() {
            results.push((format!("weight gradient {i}"), read(layer.weight.grad(&gradients).unwrap())));
            results.push((format!("gamma gradient {i}"), read(layer.gamma.grad(&gradients).unwrap())));
            results.push((format!("beta gradient {i}"), read(layer.beta.grad(&gradients).unwrap())));
        }
        results
    }
}

type Results = Vec<(String, Vec<f32>)>;

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

/// To 1e-4 of the largest number: a gradient that cancels to nearly nothing keeps the rounding of what cancelled.
fn assert_close(case: u64, name: &str, ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len(), "case {case}: {name}");
    let scale = theirs.iter().fold(1e-2f32, |scale, value| scale.max(value.abs()));
    for (i, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!(
            (ours - theirs).abs() <= 1e-4 * scale,
            "case {case}: {name}[{i}] is {ours}, not {theirs} (of {scale})"
        );
    }
}

#[test]
fn values_statistics_and_gradients_are_those_of_the_composition() {
    for number in 0..80 {
        let case = Case::random(number);
        let (ours, theirs) = (case.train(run), case.train(composition::run));
        for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
            assert_close(number, name, ours, theirs);
        }
    }
}

#[test]
fn evaluation_is_that_of_the_composition() {
    let device = Device::flex();
    for number in 0..20 {
        let case = Case::random(number);
        let ours = run(case.x(&device), &case.spec, case.tensors(&device, true)).0;
        let theirs = composition::run(case.x(&device), &case.spec, case.tensors(&device, true)).0;
        assert_eq!(ours.dims(), theirs.dims());
        assert_close(number, "output", &read(ours), &read(theirs));
    }
}

#[test]
fn a_tracked_chain_with_running_statistics_has_gradients() {
    let case = Case::random(7);
    let device = Device::flex().autodiff();
    let x = case.x(&device).require_grad();
    let (out, statistics) = run(x.clone(), &case.spec, case.tensors(&device, true));
    assert!(statistics.is_empty());
    assert!(read(x.grad(&out.sum().backward()).unwrap()).iter().any(|&gradient| gradient != 0.0));
}

#[test]
fn results_are_the_same_bits_on_any_number_of_threads() {
    for number in 0..10 {
        let Case { spec, input, x, layers } = Case::random(number);
        let weights: Vec<&[f32]> = layers.iter().map(|layer| &layer.weight[..]).collect();
        let on_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let parameters: Vec<Parameters<'_>> = (layers.iter())
                    .map(|layer| Parameters {
                        weight: &layer.weight,
                        gamma: &layer.gamma,
                        beta: &layer.beta,
                        statistics: Source::Batch,
                    })
                    .collect();
                let out = spec.forward(input, &x, &parameters, true);
                let gradients = spec.backward(input, &x, &weights, out.saved, &out.values, true);
                let mut all = vec![out.values, gradients.input.unwrap()];
                all.extend(out.moments.into_iter().flat_map(|moments| [moments.mean, moments.variance]));
                all.extend(gradients.layers.into_iter().flatten());
                all.into_iter().flatten().map(f32::to_bits).collect::<Vec<u32>>()
            })
        };
        let one = on_threads(1);
        assert!(one == on_threads(2) && one == on_threads(3), "case {number}");
    }
}

#[test]
fn dense_gradients_of_many_channels_are_those_of_the_composition() {
    // Large enough that products are cut, and gradients are made one tap at a time.
    for (inputs, outputs, kernel, stride) in
        [(300, 130, 3, 1), (130, 300, 3, 2), (257, 520, 1, 2), (64, 64, 5, 2)]
    {
        let rng = &mut rng::keyed("kernels test wide", &[inputs as u64]);
        let layer = |rng: &mut ChaCha8Rng, shape: [usize; 4]| LayerCase {
            shape,
            weight: floats(
                rng,
                shape.iter().product(),
                0.0,
                (3.0 / (shape[1] * shape[2] * shape[3]) as f32).sqrt(),
            ),
            gamma: floats(rng, shape[0], 1.0, 0.5),
            beta: floats(rng, shape[0], 0.5, 1.5),
            running: [floats(rng, shape[0], 0.0, 0.3), floats(rng, shape[0], 1.0, 0.5)],
        };
        let convs = [Conv::Pointwise, Conv::Dense { kernel, stride }];
        let activations = [Activation::Relu, Activation::Linear];
        let input = [2, 13, 14, 20];
        let case = Case {
            spec: ChainSpec {
                layers: convs
                    .into_iter()
                    .zip(activations)
                    .map(|(conv, activation)| Layer { conv, activation })
                    .collect(),
                padding: Padding::Centred,
                epsilon: 1e-5,
                residual: false,
                pool: false,
            },
            input,
            x: floats(rng, input.iter().product(), 0.3, 2.0),
            layers: vec![
                layer(rng, convs[0].weight(20, inputs)),
                layer(rng, convs[1].weight(inputs, outputs)),
            ],
        };
        let (ours, theirs) = (case.train(run), case.train(composition::run));
        for ((name, ours), (_, theirs)) in ours.iter().zip(&theirs) {
            assert_close(inputs as u64, name, ours, theirs);
        }
    }
}

#[test]
fn the_max_pool_is_that_of_burn_and_its_gradient() {
    for shape in [[2, 7, 8, 5], [1, 8, 7, 64], [1, 1, 1, 3], [3, 2, 3, 17]] {
        let rng = &mut rng::keyed("kernels test max pool", &[shape[1] as u64]);
        let values = floats(rng, shape.iter().product(), 0.0, 1.0);
        let device = Device::flex().autodiff();
        let x = || Tensor::<4>::from_data(TensorData::new(values.clone(), shape), &device).require_grad();
        let (ours, theirs) = (x(), x());
        let out = max_pool::max_pool(ours.clone());
        let expected = max_pool::composition(theirs.clone());
        assert_eq!(read(out.clone()), read(expected.clone()));
        let direction = floats(rng, out.dims().iter().product(), 0.1, 1.0);
        let direction = Tensor::<4>::from_data(TensorData::new(direction, out.dims()), &device);
        let gradients = (out * direction.clone()).sum().backward();
        let theirs = theirs.grad(&(expected * direction).sum().backward()).unwrap();
        assert_close(0, "gradient", &read(ours.grad(&gradients).unwrap()), &read(theirs));
    }
}

#[test]
fn of_equal_values_the_first_passes_the_gradient_on_and_a_nan_is_taken() {
    let device = Device::flex().autodiff();
    let x = Tensor::<4>::ones([1, 2, 2, 1], &device).require_grad();
    let gradients = max_pool::max_pool(x.clone()).sum().backward();
    assert_eq!(read(x.grad(&gradients).unwrap()), [1.0, 0.0, 0.0, 0.0]);
    let x = Tensor::<4>::from_data(TensorData::new(vec![2.0, f32::NAN, 3.0, 1.0], [1, 2, 2, 1]), &device);
    assert!(read(max_pool::max_pool(x))[0].is_nan());
}

#[test]
fn adamw_is_that_of_burn() {
    let rng = &mut rng::keyed("kernels test adamw", &[]);
    let device = Device::flex();
    for len in [1, 5, 16, 33, 50_000] {
        let tensor = |values: Vec<f32>| Tensor::<1>::from_data(TensorData::new(values, [len]), &device);
        let ours = AdamW::new([0.9, 0.999], 1e-8, 0.01);
        let theirs = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.01).build();
        let weight = floats(rng, len, 0.0, 1.0);
        let (mut a, mut b) = ((tensor(weight.clone()), None), (tensor(weight), None));
        for _ in 0..5 {
            let gradient = floats(rng, len, 0.1, 1.0);
            a = ours.step(1e-2, a.0, tensor(gradient.clone()), a.1);
            b = theirs.step(1e-2, b.0, tensor(gradient), b.1);
        }
        assert_close(len as u64, "weight", &read(a.0), &read(b.0));
        let [a, b] = [a.1.unwrap().momentum, b.1.unwrap().momentum];
        assert_eq!(a.time, b.time);
        assert_close(len as u64, "first moment", &read(a.moment_1), &read(b.moment_1));
        assert_close(len as u64, "second moment", &read(a.moment_2), &read(b.moment_2));
    }
}

#[test]
fn adamw_leaves_a_shared_tensor_alone() {
    let device = Device::flex();
    let weight = Tensor::<2>::ones([3, 5], &device);
    let shared = weight.clone();
    let (stepped, _) = AdamW::new([0.9, 0.999], 1e-8, 0.0).step(
        0.1,
        weight,
        shared.clone().transpose().reshape([3, 5]),
        None,
    );
    assert_eq!(read(shared), vec![1.0; 15]);
    assert!(read(stepped).iter().all(|value| (value - 0.9).abs() < 1e-5));
}

#[test]
fn a_nan_is_not_hidden() {
    let mut case = Case::random(1);
    case.x[0] = f32::NAN;
    let device = Device::flex();
    let (out, _) = run(case.x(&device), &case.spec, case.tensors(&device, false));
    assert!(read(out).iter().any(|value| value.is_nan()));
}

#[test]
#[should_panic(expected = "the weight of a chain's layer 0 does not fit its input")]
fn a_weight_that_does_not_fit_is_named() {
    let mut case = Case::random(1);
    case.input = [1, 2, 2, case.layers[0].shape[1] + 1];
    case.x = vec![0.0; case.input.iter().product()];
    run(case.x(&Device::flex()), &case.spec, case.tensors(&Device::flex(), false));
}
