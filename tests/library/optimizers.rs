//! Every optimiser against PyTorch, and LAMB and Lion against their papers' algorithms: `goldens/optimizers/make.py` took the
//! same six steps in double precision.

use std::collections::BTreeMap;
use std::{fs, path::Path};

use burn::{
    module::{Module, Param, ParamId},
    optim::GradientsParams,
    tensor::{Device, Tensor, TensorData},
};
use decant::{
    config::{Optimizer, Train},
    student::visit_parameters,
    train::{ema::Ema, optimizer::optimizer},
};
use serde::Deserialize;

use crate::uniform::uniform;

const RATE: f64 = 0.05;

#[derive(Deserialize)]
struct Golden {
    weights: BTreeMap<String, Vec<f64>>,
    average: BTreeMap<String, Vec<f64>>,
}

#[derive(Module, Debug)]
struct Network {
    convolution: Layer<4>,
    normalization: Layer<1>,
    classifier: Bias,
}

#[derive(Module, Debug)]
struct Layer<const D: usize> {
    weight: Param<Tensor<D>>,
}

#[derive(Module, Debug)]
struct Bias {
    bias: Param<Tensor<1>>,
}

impl Network {
    fn new(device: &Device) -> Self {
        let of = |id: u64| ParamId::from(id);
        Self {
            convolution: Layer {
                weight: Param::initialized(of(1), values("convolution.weight", [4, 3, 1, 1], 1.0, device)),
            },
            normalization: Layer {
                weight: Param::initialized(of(2), values("normalization.weight", [4], 1.0, device)),
            },
            classifier: Bias { bias: Param::initialized(of(3), values("classifier.bias", [4], 1.0, device)) },
        }
    }

    fn by_name(&self) -> BTreeMap<String, Vec<f64>> {
        let mut found = BTreeMap::new();
        visit_parameters(self, |name, data| {
            found.insert(name.to_owned(), data.iter::<f64>().collect());
        });
        found
    }
}

/// The gradients of one step, of changing scale.
fn gradients(step: i32, device: &Device) -> GradientsParams {
    let scale = 10_f32.powi(step % 3 - 1);
    let mut gradients = GradientsParams::new();
    let name = |parameter: &str| format!("gradient {step} {parameter}");
    gradients.register(ParamId::from(1), values(&name("convolution.weight"), [4, 3, 1, 1], scale, device));
    gradients.register(ParamId::from(2), values(&name("normalization.weight"), [4], scale, device));
    gradients.register(ParamId::from(3), values(&name("classifier.bias"), [4], scale, device));
    gradients
}

fn recipe(case: &str) -> Train {
    let base = Train { weight_decay: 0.1, decay_norm_and_bias: true, ..Train::default() };
    let sgd = Train { optimizer: Optimizer::Sgd, ..base.clone() };
    match case {
        "adamw" => base,
        "adamw, decay on the convolution alone" => Train { decay_norm_and_bias: false, ..base },
        "adam" => Train { optimizer: Optimizer::Adam, ..base },
        "sgd" => sgd,
        "sgd, momentum" => Train { momentum: 0.9, ..sgd },
        "sgd, nesterov" => Train { momentum: 0.9, nesterov: true, ..sgd },
        "sgd, nesterov, decay on the convolution alone" => {
            Train { momentum: 0.9, nesterov: true, decay_norm_and_bias: false, ..sgd }
        }
        "rmsprop" => Train { optimizer: Optimizer::RmsProp, momentum: 0.9, alpha: 0.95, ..base },
        "lion" => Train { optimizer: Optimizer::Lion, betas: [0.9, 0.99], ..base },
        "lamb" => Train { optimizer: Optimizer::Lamb, eps: 1e-6, ..base },
        other => panic!("make.py has a case {other} that is not here"),
    }
}

/// A step at which an average's first steps are over.
const LATE: usize = 1_000_000;

fn goldens() -> BTreeMap<String, Golden> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/optimizers/goldens.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn six_steps_of_every_optimizer_and_their_average_follow_pytorch() {
    let goldens = goldens();
    assert_eq!(goldens.len(), 10);
    let device = Device::flex().autodiff();
    for (case, golden) in &goldens {
        let mut optimizer = optimizer(&recipe(case));
        let mut network = Network::new(&device);
        let mut average = Ema::new(&network, 0.9);
        for step in 0..6 {
            let gradients = gradients(step, &Device::flex());
            network = optimizer.step(RATE, network, gradients);
            average.update(&network, LATE + step as usize);
        }
        assert_close(&network.by_name(), &golden.weights, case);
        assert_close(&average.model().by_name(), &golden.average, &format!("the average of {case}"));
    }
}

#[test]
fn every_optimizer_goes_on_from_its_record_to_the_same_bits() {
    let device = Device::flex().autodiff();
    for case in goldens().keys() {
        let steps =
            |network: Network, optimizer: &mut burn::optim::ModuleOptimizer, range: std::ops::Range<i32>| {
                range.fold(network, |network, step| {
                    let gradients = gradients(step, &Device::flex());
                    optimizer.step(RATE, network, gradients)
                })
            };
        let mut whole = optimizer(&recipe(case));
        let half_way = steps(Network::new(&device), &mut whole, 0..3);
        let record = whole.into_bytes().unwrap();
        let mut again = optimizer(&recipe(case)).from_bytes(record).unwrap();
        let expected = steps(half_way.clone(), &mut whole, 3..6);
        let found = steps(half_way, &mut again, 3..6);
        assert_eq!(found.by_name(), expected.by_name(), "{case}");
    }
}

#[test]
fn an_average_of_weights_that_stay_is_those_weights_to_the_last_bit() {
    let network = Network::new(&Device::flex());
    let mut average = Ema::new(&network, 0.999);
    (0..100).for_each(|step| average.update(&network, step));
    assert_eq!(average.model().by_name(), network.by_name());
}

fn assert_close(found: &BTreeMap<String, Vec<f64>>, expected: &BTreeMap<String, Vec<f64>>, case: &str) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, values) in expected {
        for (found, expected) in found[name].iter().zip(values) {
            assert!((found - expected).abs() < 2e-6, "{case}, {name}: {found} is not {expected}");
        }
    }
}

fn values<const D: usize>(name: &str, shape: [usize; D], scale: f32, device: &Device) -> Tensor<D> {
    let values: Vec<f32> = uniform(name, shape.iter().product()).iter().map(|value| value * scale).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}
