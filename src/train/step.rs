//! One optimiser step: forward, loss, backward, clip, update.

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::optimizer::optimizer;
use super::targets::CachedTargets;
use super::{clip, loss, schedule};
use crate::config;
use crate::student::{MobileNetV2, dropout};

/// A student and its optimiser.
pub struct Learner {
    /// The student, on an autodiff device.
    pub model: MobileNetV2,
    /// What makes steps of gradients, with its moments.
    pub optimizer: ModuleOptimizer,
    train: config::Train,
    device: Device,
}

/// What one step learns from, on the host.
pub struct Batch {
    /// Normalised pixels, `[batch, 3, size, size]`.
    pub pixels: Vec<f32>,
    /// Height and width of an image, in pixels.
    pub size: [usize; 2],
    /// Class indices `[batch]`, -1 for an unlabelled sample.
    pub labels: Vec<i32>,
    /// What the teacher said of them.
    pub targets: CachedTargets,
    /// The epoch, from 0: temperature and lambda may move with it.
    pub epoch: usize,
}

/// The losses of one step, means over its samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepLoss {
    /// What is trained on.
    pub total: f32,
    /// The labels' part, before weighting.
    pub hard: f32,
    /// The teacher's part, before weighting.
    pub soft: f32,
    /// Samples whose most likely class is the label.
    pub correct: f32,
}

impl Learner {
    /// A student before its first step, with `train`'s optimiser.
    pub fn new(model: MobileNetV2, train: &config::Train, device: &Device) -> Self {
        Self { model, optimizer: optimizer(train), train: train.clone(), device: device.clone().autodiff() }
    }

    /// Takes step `step` of `steps`, counted from 0, on one batch.
    pub fn step(&mut self, batch: Batch, step: usize, steps: usize) -> StepLoss {
        let Batch { pixels, size: [height, width], labels, targets, epoch } = batch;
        let samples = labels.len();
        let device = &self.device;
        let pixels = Tensor::from_data(TensorData::new(pixels, [samples, 3, height, width]), device);
        let labels: Vec<i64> = labels.into_iter().map(i64::from).collect();
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [samples]), device);
        let targets = targets.on(device, samples);

        let probability = self.model.shape().dropout;
        let features = [samples, self.model.features()];
        let mask = dropout::mask(probability, features, self.train.seed, step as u64, device);
        let logits = self.model.forward_train(pixels, mask);
        let correct =
            logits.clone().inner().argmax(1).flatten(0, 1).equal(labels.clone().inner()).float().sum();
        let loss = loss::distillation(&self.train, epoch, logits, labels, targets);
        let parts = Tensor::cat(vec![loss.total.clone(), loss.hard, loss.soft], 0).inner();
        let parts = Tensor::cat(vec![parts, correct], 0);

        let gradients = GradientsParams::from_grads(loss.total.backward(), &self.model);
        let (gradients, _) = clip::clip_global_norm(gradients, &self.model, self.train.max_grad_norm);
        let lr = schedule::learning_rate(&self.train, step, steps);
        self.model = self.optimizer.step(lr, self.model.clone(), gradients);

        let parts: Vec<f32> = parts.into_data().try_to_vec().expect("the losses are float32");
        StepLoss { total: parts[0], hard: parts[1], soft: parts[2], correct: parts[3] }
    }

    /// The student as it evaluates.
    pub fn evaluating(&self) -> MobileNetV2 {
        self.model.valid()
    }
}
