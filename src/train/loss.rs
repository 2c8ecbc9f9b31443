//! The loss that a student is trained on.

use burn::tensor::{IndexingUpdateOp, Int, Tensor, activation::log_softmax};

/// A batch's loss and its two terms, each `[1]`.
#[derive(Clone, Debug)]
pub struct Loss {
    /// `(1 - lambda) * hard + lambda * soft`: what is trained on.
    pub total: Tensor<1>,
    /// Cross-entropy with the labels, the mean over the batch's labelled samples; 0 where none is labelled.
    pub hard: Tensor<1>,
    /// `T^2 * KL(teacher || student)` at temperature `T`, the mean over the batch.
    pub soft: Tensor<1>,
}

/// The teacher's probabilities at a temperature.
#[expect(clippy::large_enum_variant, reason = "there is one a step")]
#[derive(Clone, Debug)]
pub enum Targets {
    /// Of every class, `[batch, classes]`.
    Dense(Tensor<2>),
    /// Of the largest classes alone.
    Top {
        /// Which they are, `[batch, kept]`.
        classes: Tensor<2, Int>,
        /// Their probabilities, then that of all other classes together, `[batch, kept + 1]`.
        masses: Tensor<2>,
    },
}

/// Distillation as Hinton, Vinyals and Dean put it (arXiv 1503.02531):
/// `(1 - lambda) * CE(student, label) + lambda * T^2 * KL(softmax(teacher / T) || softmax(student / T))`.
///
/// `student_logits` is `[batch, classes]`, `labels` `[batch]` with -1 for unlabelled, and `soft_targets` the teacher's
/// probabilities at `temperature` already. Both means are over samples: PyTorch's `CrossEntropyLoss(ignore_index=-1)`
/// and `KLDivLoss(reduction="batchmean")`.
///
/// Of [`Targets::Top`] the divergence is over the kept classes and one more, which all others make together: exact on
/// what is known, and silent on how the student spreads the rest. It is never above that over all classes, and equals
/// it where one class was dropped.
pub fn distillation(
    student_logits: Tensor<2>,
    labels: Tensor<1, Int>,
    soft_targets: Targets,
    temperature: f32,
    lambda: f32,
) -> Loss {
    let hard = cross_entropy(student_logits.clone(), labels);
    let logits = student_logits / temperature;
    let divergence = match soft_targets {
        Targets::Dense(targets) => divergence(log_softmax(logits, 1), targets),
        Targets::Top { classes, masses } => divergence(log_of_kept_and_rest(logits, classes), masses),
    };
    let soft = divergence * temperature.powi(2);
    let total = hard.clone() * (1.0 - lambda) + soft.clone() * lambda;
    Loss { total, hard, soft }
}

/// The mean over labelled samples of `-log softmax(logits)[label]`.
fn cross_entropy(logits: Tensor<2>, labels: Tensor<1, Int>) -> Tensor<1> {
    let labelled = labels.clone().greater_equal_scalar(0).float();
    let index = labels.clamp_min(0).unsqueeze_dim(1);
    let picked = log_softmax(logits, 1).gather(1, index).squeeze_dim::<1>(1);
    let count = labelled.clone().sum().clamp_min(1.0);
    -(picked * labelled).sum() / count
}

/// The mean over the batch of `KL(targets || student)`. A class that the teacher gives no probability adds 0.
fn divergence(log_student: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let batch = targets.dims()[0];
    let log_targets = targets.clone().clamp_min(f32::MIN_POSITIVE).log();
    (targets * (log_targets - log_student)).sum() / batch as f64
}

/// The logarithms of `softmax(logits)` at `classes`, then of what all other classes have together, `[batch, kept + 1]`.
///
/// The rest is summed from the other logits: one minus the kept would lose every digit where the student is sure.
fn log_of_kept_and_rest(logits: Tensor<2>, classes: Tensor<2, Int>) -> Tensor<2> {
    let kept = log_softmax(logits.clone(), 1).gather(1, classes.clone());
    let ones = Tensor::ones(classes.dims(), &logits.device());
    let is_kept = Tensor::<2>::zeros(logits.dims(), &logits.device())
        .scatter(1, classes, ones, IndexingUpdateOp::Add)
        .greater_elem(0.5);
    let others = log_sum_exp(logits.clone().mask_fill(is_kept, f32::MIN));
    Tensor::cat(vec![kept, others - log_sum_exp(logits)], 1)
}

fn log_sum_exp(logits: Tensor<2>) -> Tensor<2> {
    let largest = logits.clone().detach().max_dim(1);
    (logits - largest.clone()).exp().sum_dim(1).log() + largest
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    const TEMPERATURE: f32 = 5.0;
    const LAMBDA: f32 = 0.3;

    fn loss(logits: Tensor<2>, labels: [i32; 2], targets: [[f32; 3]; 2]) -> Loss {
        let device = &logits.device();
        let labels = Tensor::from_data(labels, device);
        distillation(logits, labels, Targets::Dense(Tensor::from_data(targets, device)), TEMPERATURE, LAMBDA)
    }

    fn scalar(tensor: Tensor<1>) -> f64 {
        f64::from(tensor.into_scalar::<f32>())
    }

    fn assert_close(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() <= tolerance, "{found} is not {expected} to {tolerance}");
    }

    const LOGITS: [[f32; 3]; 2] = [[2.0, -1.0, 0.5], [0.25, 0.75, -3.0]];
    const TARGETS: [[f32; 3]; 2] = [[0.5, 0.2, 0.3], [0.1, 0.9, 0.0]];

    /// The formula in double precision, without a framework.
    fn reference(logits: [[f64; 3]; 2], labels: [i32; 2]) -> [f64; 3] {
        let log_softmax = |row: [f64; 3], t: f64| {
            let total: f64 = row.iter().map(|x| (x / t).exp()).sum();
            row.map(|x| x / t - total.ln())
        };
        let labelled: Vec<_> = (0..2).filter(|&i| labels[i] >= 0).collect();
        let hard = labelled.iter().map(|&i| -log_softmax(logits[i], 1.0)[labels[i] as usize]).sum::<f64>()
            / labelled.len().max(1) as f64;
        let t = f64::from(TEMPERATURE);
        let mut soft = 0.0;
        for (row, targets) in logits.iter().zip(TARGETS) {
            for (log_q, p) in log_softmax(*row, t).into_iter().zip(targets.map(f64::from)) {
                soft += if p > 0.0 { p * (p.ln() - log_q) } else { 0.0 };
            }
        }
        soft *= t * t / 2.0;
        let lambda = f64::from(LAMBDA);
        [(1.0 - lambda) * hard + lambda * soft, hard, soft]
    }

    #[test]
    fn the_loss_is_its_formula() {
        let found = loss(Tensor::from_data(LOGITS, &Device::flex()), [0, 1], TARGETS);
        let [total, hard, soft] = reference(LOGITS.map(|row| row.map(f64::from)), [0, 1]);
        assert_close(scalar(found.total), total, 1e-6);
        assert_close(scalar(found.hard), hard, 1e-6);
        assert_close(scalar(found.soft), soft, 1e-6);
    }

    #[test]
    fn an_unlabelled_sample_is_taught_by_the_teacher_alone() {
        let device = Device::flex();
        let found = loss(Tensor::from_data(LOGITS, &device), [-1, 1], TARGETS);
        let [_, hard, soft] = reference(LOGITS.map(|row| row.map(f64::from)), [-1, 1]);
        assert_close(scalar(found.hard), hard, 1e-6);
        assert_close(scalar(found.soft), soft, 1e-6);
        assert_close(scalar(loss(Tensor::from_data(LOGITS, &device), [-1, -1], TARGETS).hard), 0.0, 0.0);
    }

    #[test]
    fn the_gradient_is_the_slope_of_the_loss() {
        let device = Device::flex().autodiff();
        for labels in [[0, 1], [2, -1], [-1, -1]] {
            let logits = Tensor::<2>::from_data(LOGITS, &device).require_grad();
            let gradients = loss(logits.clone(), labels, TARGETS).total.backward();
            let gradient: Vec<f32> = logits.grad(&gradients).unwrap().into_data().try_to_vec().unwrap();
            for (index, &found) in gradient.iter().enumerate() {
                let slope = |step: f64| {
                    let mut moved = LOGITS.map(|row| row.map(f64::from));
                    moved[index / 3][index % 3] += step;
                    reference(moved, labels)[0]
                };
                assert_close(f64::from(found), (slope(1e-5) - slope(-1e-5)) / 2e-5, 1e-6);
            }
        }
    }

    #[test]
    fn extreme_logits_and_certain_teachers_stay_finite() {
        let device = Device::flex().autodiff();
        let logits = Tensor::<2>::from_data([[1e4, -1e4, 0.0], [-1e30, 0.0, 1e30]], &device).require_grad();
        let found = loss(logits.clone(), [0, 2], [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]);
        assert_close(scalar(found.total.clone()), 0.0, 0.0);
        let gradient: TensorData = logits.grad(&found.total.backward()).unwrap().into_data();
        assert!(gradient.iter::<f32>().all(f32::is_finite));
    }

    fn top_loss<const K: usize, const M: usize>(
        logits: Tensor<2>,
        classes: [[i32; K]; 2],
        masses: [[f32; M]; 2],
    ) -> Loss {
        let device = &logits.device();
        let targets = Targets::Top {
            classes: Tensor::from_data(classes, device),
            masses: Tensor::from_data(masses, device),
        };
        distillation(logits, Tensor::from_data([0, -1], device), targets, TEMPERATURE, LAMBDA)
    }

    #[test]
    fn one_dropped_class_leaves_the_loss_and_its_gradient_as_they_are() {
        let device = Device::flex().autodiff();
        let gradients = |of: &dyn Fn(Tensor<2>) -> Loss| {
            let logits = Tensor::<2>::from_data(LOGITS, &device).require_grad();
            let loss = of(logits.clone());
            let gradient = logits.grad(&loss.total.backward()).unwrap().into_data();
            (scalar(loss.soft), gradient.try_to_vec::<f32>().unwrap())
        };
        let (dense, expected) = gradients(&|logits| loss(logits, [0, -1], TARGETS));
        let (top, found) =
            gradients(&|logits| top_loss(logits, [[0, 2], [1, 0]], [[0.5, 0.3, 0.2], [0.9, 0.1, 0.0]]));
        assert_close(top, dense, 1e-6);
        for (found, expected) in found.into_iter().zip(expected) {
            assert_close(f64::from(found), f64::from(expected), 1e-6);
        }
    }

    /// The formula over one kept class and the rest, in double precision.
    fn reference_of_top(logits: [[f64; 3]; 2], kept: [usize; 2], masses: [[f32; 2]; 2]) -> f64 {
        let t = f64::from(TEMPERATURE);
        let mut soft = 0.0;
        for ((row, kept), [mass, rest]) in logits.into_iter().zip(kept).zip(masses) {
            let exponentials = row.map(|x| (x / t).exp());
            let q = exponentials[kept] / exponentials.iter().sum::<f64>();
            let (mass, rest) = (f64::from(mass), f64::from(rest));
            soft += mass * (mass / q).ln() + rest * (rest / (1.0 - q)).ln();
        }
        soft * t * t / 2.0
    }

    #[test]
    fn the_gradient_of_kept_classes_and_rest_is_the_slope_of_their_divergence() {
        let device = Device::flex().autodiff();
        let masses = [[0.6, 0.4], [0.7, 0.3]];
        let logits = Tensor::<2>::from_data(LOGITS, &device).require_grad();
        let found = top_loss(logits.clone(), [[2], [1]], masses);
        let gradient = logits.grad(&found.soft.clone().backward()).unwrap().into_data();
        let wide = LOGITS.map(|row| row.map(f64::from));
        assert_close(scalar(found.soft), reference_of_top(wide, [2, 1], masses), 1e-5);
        for (index, found) in gradient.try_to_vec::<f32>().unwrap().into_iter().enumerate() {
            let slope = |step: f64| {
                let mut moved = wide;
                moved[index / 3][index % 3] += step;
                reference_of_top(moved, [2, 1], masses)
            };
            assert_close(f64::from(found), (slope(1e-5) - slope(-1e-5)) / 2e-5, 1e-5);
        }
    }

    #[test]
    fn a_student_that_is_sure_of_the_kept_class_keeps_a_finite_slope() {
        let device = Device::flex().autodiff();
        let logits = Tensor::<2>::from_data([[1e4, -1e4, 0.0], [300.0, 0.0, 0.0]], &device).require_grad();
        let found = top_loss(logits.clone(), [[0], [0]], [[0.999, 0.001], [1.0, 0.0]]);
        assert!(scalar(found.total.clone()).is_finite());
        let gradient: TensorData = logits.grad(&found.total.backward()).unwrap().into_data();
        assert!(gradient.iter::<f32>().all(f32::is_finite));
    }
}
