//! A model's answers over a whole split.

use burn::tensor::{Device, Tensor, TensorData};

use super::Error;
use super::images::Images;
use super::metrics::{Meter, Metrics, argmax, softmax};
use crate::student::Student;
use crate::support::context::Context;

/// Images in one forward pass of an evaluation.
const BATCH: usize = 32;

/// The logits of a student and its teacher for the plain view of every sample of a split, in the order of the samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// Class indices `[samples]`, -1 for an unlabelled sample.
    pub labels: Vec<i32>,
    /// The student's logits, `[samples, classes]`.
    pub student: Vec<f32>,
    /// The teacher's cached logits, `[samples, classes]`.
    pub teacher: Vec<f32>,
}

/// Runs `model` on the plain view of every sample of a split.
///
/// # Errors
/// As [`evaluate`].
pub fn answers(
    model: &Student,
    images: &Images<'_>,
    temperature: f32,
    device: &Device,
    context: &Context,
) -> Result<Answers, Error> {
    let rows = images.rows();
    let plain = plain_rows(images);
    let mut answers = Answers::default();
    for batch in plain.chunks(BATCH) {
        if context.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let pixels = filled(images, batch)?;
        answers.student.extend(logits(model, pixels, batch.len(), images.size(), device));
        answers.labels.extend(batch.iter().map(|&row| rows.label(row)));
    }
    answers.teacher.resize(plain.len() * rows.classes(), 0.0);
    rows.gather_logits_for(temperature, &plain, &mut answers.teacher)?;
    Ok(answers)
}

/// Measures `model` on the plain view of every sample of a split, against its labels and its teacher's cached logits.
///
/// # Errors
/// An image that can't be read or is not the one the cache was made from.
pub fn evaluate(
    model: &Student,
    images: &Images<'_>,
    temperature: f32,
    device: &Device,
) -> Result<Metrics, Error> {
    measure(images, temperature, |pixels, batch| Ok(logits(model, pixels, batch, images.size(), device)))
}

/// The same of any classifier: `logits` gives `[batch, classes]`, in the dataset's order of classes, of normalised pixels
/// `[batch, 3, height, width]`.
///
/// # Errors
/// As [`evaluate`], and whatever `logits` fails with.
pub fn measure<E: From<Error>>(
    images: &Images<'_>,
    temperature: f32,
    mut logits: impl FnMut(Vec<f32>, usize) -> Result<Vec<f32>, E>,
) -> Result<Metrics, E> {
    let rows = images.rows();
    let mut meter = Meter::new(rows.classes(), temperature);
    for batch in plain_rows(images).chunks(BATCH) {
        let student = logits(filled(images, batch)?, batch.len())?;
        let mut teacher = vec![0.0; batch.len() * rows.classes()];
        rows.gather_logits_for(temperature, batch, &mut teacher).map_err(Error::from)?;
        let labels: Vec<i32> = batch.iter().map(|&row| rows.label(row)).collect();
        meter.add(&student, &teacher, &labels);
    }
    Ok(meter.finish())
}

/// A labelled sample that a model classifies wrongly.
#[derive(Clone, Debug, PartialEq)]
pub struct Mistake {
    /// The cache row of its plain view.
    pub row: usize,
    /// Its class.
    pub label: usize,
    /// The class that the model predicts.
    pub predicted: usize,
    /// The probability that the model gives to the label.
    pub label_probability: f64,
    /// The probability that it gives to the predicted class.
    pub predicted_probability: f64,
}

/// Measures `model` as [`evaluate`] does, and finds the `count` mistakes that give the label the least probability, the least first.
///
/// # Errors
/// As [`evaluate`].
pub fn examine(
    model: &Student,
    images: &Images<'_>,
    temperature: f32,
    device: &Device,
    count: usize,
) -> Result<(Metrics, Vec<Mistake>), Error> {
    let rows = images.rows();
    let mut batches = plain_rows(images).into_iter();
    let mut mistakes = Vec::new();
    let metrics = measure(images, temperature, |pixels, batch| -> Result<_, Error> {
        let logits = logits(model, pixels, batch, images.size(), device);
        for (logits, row) in logits.chunks_exact(rows.classes()).zip(batches.by_ref()) {
            let Ok(label) = usize::try_from(rows.label(row)) else { continue };
            let predicted = argmax(logits);
            if predicted == label {
                continue;
            }
            let probability = softmax(logits);
            let (label_probability, predicted_probability) = (probability[label], probability[predicted]);
            mistakes.push(Mistake { row, label, predicted, label_probability, predicted_probability });
        }
        Ok(logits)
    })?;
    mistakes.sort_by(|a, b| a.label_probability.total_cmp(&b.label_probability).then(a.row.cmp(&b.row)));
    mistakes.truncate(count);
    Ok((metrics, mistakes))
}

/// The cache rows of every sample's plain view.
fn plain_rows(images: &Images<'_>) -> Vec<usize> {
    let rows = images.rows();
    (0..rows.samples()).filter_map(|sample| rows.row(sample, 0)).collect()
}

fn filled(images: &Images<'_>, rows: &[usize]) -> Result<Vec<f32>, Error> {
    let mut pixels = vec![0.0; rows.len() * images.values()];
    images.fill(rows, &mut pixels)?;
    Ok(pixels)
}

/// Logits `[batch, classes]` of normalised pixels `[batch, 3, height, width]` on the host.
pub(super) fn logits(
    model: &Student,
    pixels: Vec<f32>,
    batch: usize,
    (height, width): (usize, usize),
    device: &Device,
) -> Vec<f32> {
    let pixels = Tensor::from_data(TensorData::new(pixels, [batch, 3, height, width]), device);
    model.forward(pixels).into_data().try_to_vec().expect("logits are float32")
}
