//! One optimiser step: forward, loss, backward, clip, update.

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::ema::Ema;
use super::optimizer::optimizer;
use super::pixels::Pixels;
use super::targets::CachedTargets;
use super::{clip, loss, read, schedule, share};
use crate::config::{self, Precision};
use crate::student::{Student, dropout, visit_parameters};

/// A student and its optimiser.
pub struct Learner {
    /// The student, on an autodiff device.
    pub model: Student,
    /// The optimiser, with its moments.
    pub optimizer: ModuleOptimizer,
    /// The weights' moving average, where one is kept.
    pub ema: Option<Ema<Student>>,
    class_weights: Option<Vec<f32>>,
    train: config::Train,
    device: Device,
    /// Whether a step ends without waiting for the device.
    deferred: bool,
}

/// The input of one step.
pub struct Batch {
    /// Normalised pixels, `[batch, 3, size, size]`.
    pub pixels: Pixels,
    /// Height and width of an image, in pixels.
    pub size: [usize; 2],
    /// Class indices `[batch]`, -1 for an unlabelled sample.
    pub labels: Vec<i32>,
    /// The teacher's outputs for them.
    pub targets: CachedTargets,
    /// The epoch, from 0: temperature and lambda may move with it.
    pub epoch: usize,
}

/// The losses of one step, means over its samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepLoss {
    /// The loss that is trained on.
    pub total: f32,
    /// The cross-entropy with the labels, before weighting.
    pub ce: f32,
    /// The distillation loss, before weighting.
    pub kd: f32,
    /// Samples whose most likely class is the label.
    pub correct: f32,
    /// The gradient's global L2 norm, before clipping. Where it is not finite, nothing was updated.
    pub gradient_norm: f32,
}

/// The losses of a step, on the device until they are read.
pub struct Pending(Tensor<1>);

impl StepLoss {
    /// Reads the losses of some steps, in their order, all at once.
    pub fn read(steps: Vec<Pending>) -> Vec<Self> {
        if steps.is_empty() {
            return Vec::new();
        }
        let values = read::values(Tensor::cat(steps.into_iter().map(|step| step.0).collect(), 0));
        let (losses, _) = values.as_chunks::<5>();
        losses
            .iter()
            .map(|&[total, ce, kd, correct, gradient_norm]| Self { total, ce, kd, correct, gradient_norm })
            .collect()
    }
}

impl Learner {
    /// A student before its first step, with `train`'s optimiser. `class_weights` has one for each class, or all count the
    /// same.
    pub fn new(
        model: Student,
        train: &config::Train,
        class_weights: Option<Vec<f32>>,
        device: &Device,
    ) -> Self {
        let ema = (train.ema > 0.0).then(|| Ema::new(&model, train.ema));
        let optimizer = optimizer(train);
        let device = device.clone().autodiff();
        Self { model, optimizer, ema, class_weights, train: train.clone(), device, deferred: false }
    }

    /// The same whose steps don't wait for the device, if `deferred`: [`Learner::begin`] then updates the weights whatever the
    /// gradient's norm is, which is known only when the losses are read.
    #[must_use]
    pub(crate) fn deferring(self, deferred: bool) -> Self {
        Self { deferred, ..self }
    }

    /// Takes step `step` of `steps`, counted from 0, on the gradients of some batches, joined as those of one large batch, and
    /// reads its losses.
    pub fn step(&mut self, batches: Vec<Batch>, step: usize, steps: usize) -> StepLoss {
        let losses = vec![self.begin(batches, step, steps)];
        StepLoss::read(losses).pop().expect("one step has one loss")
    }

    /// [`Learner::step`], whose losses stay on the device.
    pub(crate) fn begin(&mut self, batches: Vec<Batch>, step: usize, steps: usize) -> Pending {
        let labels: Vec<&[i32]> = batches.iter().map(|batch| &batch.labels[..]).collect();
        let shares = share::shares(&labels, self.class_weights.as_deref());
        let labelled = share::labelled(&labels);
        let samples = batches.iter().map(|batch| batch.labels.len()).sum();
        let probability = self.model.shape().dropout;
        let features = [samples, self.model.features()];
        let mask = dropout::mask(probability, features, self.train.seed, step as u64, &self.device);

        let single = batches.len() == 1;
        let mut joined = GradientsAccumulator::new();
        let (mut parts, mut start) = (Vec::new(), 0);
        for (batch, share) in batches.into_iter().zip(&shares) {
            let end = start + batch.labels.len();
            // The rows of a large batch's mask.
            let mask =
                mask.clone().map(|mask| if single { mask } else { mask.narrow(0, start, end - start) });
            let (loss, correct) = self.loss(batch, labelled, mask);
            let total = if single { loss.total } else { loss.share(share.hard, share.soft) };
            let weighted = [total.clone(), loss.hard * share.hard, loss.soft * share.soft].map(Tensor::inner);
            parts.push(Tensor::cat(weighted.into_iter().chain([correct]).collect(), 0));
            joined.accumulate(&self.model, GradientsParams::from_grads(total.backward(), &self.model));
            start = end;
        }
        let (gradients, gradient_norm) = self.clipped(joined.grads());
        if let Some(gradients) = gradients {
            let lr = schedule::learning_rate(&self.train, step, steps);
            self.model = self.optimizer.step(lr, self.model.clone(), gradients);
            if let Some(ema) = &mut self.ema {
                ema.update(&self.model, step);
            }
        }

        let parts = Tensor::stack::<2>(parts, 0).sum_dim(0).reshape([4]);
        Pending(Tensor::cat(vec![parts, gradient_norm], 0))
    }

    /// The clipped gradients, and their norm before, `[1]`. None where the norm is known not to be finite.
    fn clipped(&self, gradients: GradientsParams) -> (Option<GradientsParams>, Tensor<1>) {
        let (max_norm, device) = (self.train.max_grad_norm, self.device.clone().inner());
        if self.deferred {
            let (gradients, norm) = clip::clip_on_device(gradients, &self.model, max_norm);
            return (Some(gradients), norm.unwrap_or_else(|| Tensor::zeros([1], &device)));
        }
        let (gradients, norm) = clip::clip_global_norm(gradients, &self.model, max_norm);
        (norm.is_finite().then_some(gradients), Tensor::from_data([norm], &device))
    }

    /// The loss of one batch of a step whose samples have the share `labelled` of labels, and how many of the batch's samples were
    /// named rightly, `[1]`; moves the running statistics on the way.
    fn loss(&self, batch: Batch, labelled: f32, dropout_mask: Option<Tensor<2>>) -> (loss::Loss, Tensor<1>) {
        let Batch { pixels, size: [height, width], labels, targets, epoch } = batch;
        let samples = labels.len();
        let device = &self.device;
        let pixels = pixels.on(device, [samples, 3, height, width]);
        let pixels = match self.train.precision {
            Precision::Float32 => pixels,
            Precision::Bfloat16 => pixels.cast(DType::BF16),
        };
        let labels: Vec<i64> = labels.into_iter().map(i64::from).collect();
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [samples]), device);
        let targets = targets.on(device, samples);
        let class_weights = self.class_weights.as_deref().map(|weights| Tensor::from_data(weights, device));
        let logits = self.model.forward_train(pixels, dropout_mask);
        let correct =
            logits.clone().inner().argmax(1).flatten(0, 1).equal(labels.clone().inner()).float().sum();
        (loss::distillation(&self.train, epoch, logits, labels, targets, class_weights, labelled), correct)
    }

    /// A weight or running statistic that is not a number any more, if there is one.
    pub(crate) fn not_finite(&self) -> Option<f32> {
        let mut found = None;
        visit_parameters(&self.model, |_, data| {
            found = found.or_else(|| data.iter::<f32>().find(|value| !value.is_finite()));
        });
        found
    }

    /// The student as it evaluates: the moving average, where there is one.
    pub(crate) fn evaluating(&self) -> Student {
        self.ema.as_ref().map_or_else(|| self.model.valid(), Ema::model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Architecture, Freeze, Optimizer, Train};
    use crate::student::StudentShape;

    const SIDE: usize = 32;

    /// A small student of three classes.
    fn shape() -> StudentShape {
        StudentShape::new(Architecture::default(), 3, SIDE).with_width(0.35)
    }

    /// Samples `range` of a made-up dataset; every third is unlabelled.
    fn batch(range: std::ops::Range<usize>) -> Batch {
        let value = |sample: usize, index: usize| ((sample * 7919 + index * 31) % 1013) as f32 / 506.5 - 1.0;
        let pixels =
            range.clone().flat_map(|sample| (0..3 * SIDE * SIDE).map(move |index| value(sample, index)));
        let labels = range.clone().map(|sample| if sample % 3 == 2 { -1 } else { (sample % 2) as i32 });
        let targets =
            range.clone().flat_map(|sample| if sample % 2 == 0 { [0.7, 0.2, 0.1] } else { [0.1, 0.3, 0.6] });
        Batch {
            pixels: Pixels::Host(pixels.collect()),
            size: [SIDE, SIDE],
            labels: labels.collect(),
            targets: CachedTargets::Soft(targets.collect()),
            epoch: 0,
        }
    }

    /// Past the first steps of an average, which keep less.
    const LATE: usize = 1000;

    /// Two steps of eight samples each, in parts of `sizes`: the losses, and the weights after them.
    fn two_steps(sizes: &[usize], train: &Train, freeze: Freeze) -> (Vec<StepLoss>, Vec<f32>) {
        let mut learner = learner(train, freeze);
        let losses = (0..2).map(|step| learner.step(parts(sizes, step), step, 2)).collect();
        (losses, weights(&learner))
    }

    fn learner(train: &Train, freeze: Freeze) -> Learner {
        let device = Device::flex();
        let shape = StudentShape { freeze, dropout: 0.5, ..shape() };
        let model = Student::new(&shape, 1, &device.clone().autodiff());
        Learner::new(model, train, Some(vec![0.5, 2.0, 1.0]), &device)
    }

    /// The batches of a step of eight samples, in parts of `sizes`.
    fn parts(sizes: &[usize], step: usize) -> Vec<Batch> {
        let mut start = 8 * step;
        let parts = sizes.iter().map(|size| {
            start += size;
            batch(start - size..start)
        });
        parts.collect()
    }

    fn weights(learner: &Learner) -> Vec<f32> {
        let mut weights = Vec::new();
        visit_parameters(&learner.model, |_, data| weights.extend(data.iter::<f32>()));
        weights
    }

    #[test]
    fn steps_that_do_not_wait_give_the_same_bits_with_one_read() {
        for max_grad_norm in [0.0, 0.01, 1e3] {
            let train = Train { lr: 0.1, ema: 0.9, max_grad_norm, ..Train::default() };
            let (expected, expected_weights) = two_steps(&[5, 3], &train, Freeze::None);
            let mut learner = learner(&train, Freeze::None).deferring(true);
            let before = read::reads();
            let pending = (0..2).map(|step| learner.begin(parts(&[5, 3], step), step, 2)).collect();
            assert_eq!(read::reads(), before, "a step waited for the device");
            assert_eq!(StepLoss::read(pending), expected);
            assert_eq!(read::reads(), before + 1);
            assert_eq!(weights(&learner), expected_weights);
        }
    }

    fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= tolerance, "{found} is not {expected}");
        }
    }

    #[test]
    fn accumulated_batches_are_one_large_batch_where_batch_norm_is_frozen() {
        let train = Train { lr: 0.1, optimizer: Optimizer::Sgd, max_grad_norm: 0.0, ..Train::default() };
        let (large, expected) = two_steps(&[8], &train, Freeze::Backbone);
        // Two of the first eight samples have no label, and three of the second.
        for (loss, labelled) in large.iter().zip([6.0 / 8.0, 5.0 / 8.0]) {
            let total = (1.0 - train.lambda) * labelled * loss.ce + train.lambda * loss.kd;
            assert_close(&[loss.total], &[total], 1e-5);
        }
        for sizes in [&[4, 4][..], &[2, 2, 2, 2], &[5, 3], &[7, 1]] {
            let (parts, found) = two_steps(sizes, &train, Freeze::Backbone);
            assert_close(&found, &expected, 1e-6);
            for (found, expected) in parts.iter().zip(&large) {
                let values = |loss: &StepLoss| [loss.total, loss.ce, loss.kd, loss.gradient_norm];
                assert_close(&values(found), &values(expected), 1e-5);
            }
        }
        let (_, otherwise) = two_steps(&[8], &Train { lr: 0.05, ..train }, Freeze::Backbone);
        assert!(
            expected.iter().zip(&otherwise).any(|(a, b)| (a - b).abs() > 1e-4),
            "the steps moved nothing"
        );
    }

    #[test]
    fn products_of_bfloat16_leave_weights_and_statistics_in_float32() {
        let float32 = Train { lr: 0.01, optimizer: Optimizer::Sgd, ..Train::default() };
        let (expected, expected_weights) = two_steps(&[8], &float32, Freeze::None);
        let bfloat16 = Train { precision: Precision::Bfloat16, ..float32 };
        let (found, found_weights) = two_steps(&[8], &bfloat16, Freeze::None);
        // How near the two are is tested where the products are: BatchNorm over eight samples, where this student's last layers see
        // one pixel each, would make much of the last bit here.
        for (found, expected) in found.iter().zip(&expected) {
            assert!(found.total.is_finite() && found.gradient_norm.is_finite(), "{found:?}");
            assert_ne!(found.total.to_bits(), expected.total.to_bits(), "nothing was rounded");
        }
        let rounded =
            |weights: &[f32]| weights.iter().filter(|weight| weight.to_bits().trailing_zeros() >= 16).count();
        assert!(rounded(&found_weights) <= rounded(&expected_weights) + found_weights.len() / 100);
    }

    #[test]
    fn weights_that_are_frozen_do_not_decay() {
        let train = Train { lr: 0.1, weight_decay: 0.5, ..Train::default() };
        let (_, found) = two_steps(&[8], &train, Freeze::Backbone);
        let (_, all) = two_steps(&[8], &train, Freeze::None);
        let mut first = Vec::new();
        let device = Device::flex();
        visit_parameters(&Student::new(&shape(), 1, &device), |_, data| {
            first.extend(data.iter::<f32>());
        });
        let same =
            |weights: &[f32]| weights.iter().zip(&first).filter(|(a, b)| a.to_bits() == b.to_bits()).count();
        // All but the classifier: 1280 features for 3 classes, and 3 biases.
        assert_eq!(same(&found), first.len() - 3 * 1280 - 3);
        assert!(same(&all) < first.len() / 100);
    }

    #[test]
    fn the_average_is_what_evaluates_and_moves_with_every_step() {
        let device = Device::flex();
        let train = Train { lr: 0.1, ema: 0.9, ..Train::default() };
        let model = Student::new(&shape(), 1, &device.clone().autodiff());
        let values = |model: &Student| {
            let mut values = Vec::new();
            visit_parameters(model, |_, data| values.extend(data.iter::<f32>()));
            values
        };
        let first = values(&model);
        let mut learner = Learner::new(model, &train, None, &device);
        learner.step(vec![batch(0..4)], LATE, 2 * LATE);
        let expected: Vec<f32> = values(&learner.model)
            .iter()
            .zip(&first)
            .map(|(now, first)| first + 0.1 * (now - first))
            .collect();
        assert_close(&values(&learner.evaluating()), &expected, 1e-6);
        // Nothing that is done with the student that evaluates moves the average.
        learner.evaluating().forward_train(Tensor::ones([2, 3, SIDE, SIDE], &device), None);
        assert_close(&values(&learner.evaluating()), &expected, 1e-6);
    }

    #[test]
    fn a_gradient_that_is_no_number_updates_nothing() {
        let device = Device::flex();
        let model = Student::new(&shape(), 1, &device.clone().autodiff());
        let mut learner =
            Learner::new(model, &Train { max_grad_norm: 0.0, ..Train::default() }, None, &device);
        let weights = |learner: &Learner| {
            let mut values = Vec::new();
            visit_parameters(&learner.model, |name, data| {
                if !name.contains("running_") {
                    values.extend(data.iter::<f32>());
                }
            });
            values
        };
        let before = weights(&learner);
        let mut bad = batch(0..4);
        let Pixels::Host(pixels) = &mut bad.pixels else { unreachable!("batches here are on the host") };
        pixels[5] = f32::NAN;
        let loss = learner.step(vec![bad], 0, 10);
        assert!(!loss.total.is_finite() && !loss.gradient_norm.is_finite(), "{loss:?}");
        assert_eq!(weights(&learner), before);
        assert!(learner.not_finite().is_some(), "the running statistics saw it");
    }
}
