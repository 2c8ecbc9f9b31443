//! A model's answers over a whole split.

use burn::tensor::{Device, Tensor};

use super::images::Images;
use super::metrics::{Meter, Metrics, argmax, softmax};
use super::pixels::{DevicePixels, Pixels};
use super::{Error, read};
use crate::student::Student;
use crate::support::context::Context;

/// Images in one forward pass of an evaluation.
const BATCH: usize = 32;

/// Batches whose logits are read from a device at once: it computes one while the next is decoded.
const BATCHES_A_READ: usize = 16;

/// The logits of a student and its teacher for the plain view of every sample of a split, in the order of the samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answers {
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
pub(crate) fn answers(
    model: &Student,
    images: &Images<'_>,
    temperature: f32,
    device: &Device,
    context: &Context,
) -> Result<Answers, Error> {
    let rows = images.rows();
    let mut answers = Answers::default();
    each(model, images, device, |batch, logits| {
        if context.is_cancelled() {
            return Err(Error::Interrupted);
        }
        answers.student.extend_from_slice(logits);
        answers.labels.extend(batch.iter().map(|&row| rows.label(row)));
        Ok(())
    })?;
    let plain = plain_rows(images);
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
    let mut meter = Meter::new(images.rows().classes(), temperature);
    each(model, images, device, |batch, logits| add(&mut meter, images, temperature, batch, logits))?;
    Ok(meter.finish())
}

/// The same of any classifier: `logits` gives `[batch, classes]`, in the dataset's order of classes, of normalised pixels
/// `[batch, 3, height, width]`.
///
/// # Errors
/// As [`evaluate`], and whatever `logits` fails with.
pub(crate) fn measure<E: From<Error>>(
    images: &Images<'_>,
    temperature: f32,
    mut logits: impl FnMut(Vec<f32>, usize) -> Result<Vec<f32>, E>,
) -> Result<Metrics, E> {
    let mut meter = Meter::new(images.rows().classes(), temperature);
    for batch in plain_rows(images).chunks(BATCH) {
        let mut pixels = vec![0.0; batch.len() * images.values()];
        images.fill(batch, &mut pixels)?;
        let student = logits(pixels, batch.len())?;
        add(&mut meter, images, temperature, batch, &student)?;
    }
    Ok(meter.finish())
}

/// Adds the student's logits of these cache rows.
fn add(
    meter: &mut Meter,
    images: &Images<'_>,
    temperature: f32,
    batch: &[usize],
    student: &[f32],
) -> Result<(), Error> {
    let rows = images.rows();
    let mut teacher = vec![0.0; batch.len() * rows.classes()];
    rows.gather_logits_for(temperature, batch, &mut teacher)?;
    let labels: Vec<i32> = batch.iter().map(|&row| rows.label(row)).collect();
    meter.add(student, &teacher, &labels);
    Ok(())
}

/// A labelled sample that a model classifies wrongly.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mistake {
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
pub(crate) fn examine(
    model: &Student,
    images: &Images<'_>,
    temperature: f32,
    device: &Device,
    count: usize,
) -> Result<(Metrics, Vec<Mistake>), Error> {
    let rows = images.rows();
    let mut mistakes = Vec::new();
    let mut meter = Meter::new(rows.classes(), temperature);
    each(model, images, device, |batch, logits| {
        add(&mut meter, images, temperature, batch, logits)?;
        for (logits, &row) in logits.chunks_exact(rows.classes()).zip(batch) {
            let Ok(label) = usize::try_from(rows.label(row)) else { continue };
            let predicted = argmax(logits);
            if predicted == label {
                continue;
            }
            let probability = softmax(logits);
            let (label_probability, predicted_probability) = (probability[label], probability[predicted]);
            mistakes.push(Mistake { row, label, predicted, label_probability, predicted_probability });
        }
        Ok(())
    })?;
    mistakes.sort_by(|a, b| a.label_probability.total_cmp(&b.label_probability).then(a.row.cmp(&b.row)));
    mistakes.truncate(count);
    Ok((meter.finish(), mistakes))
}

/// The cache rows of every sample's plain view.
fn plain_rows(images: &Images<'_>) -> Vec<usize> {
    images.rows().plain().collect()
}

/// Gives `take` the cache rows of the plain views, some at a time, with the model's logits, `[rows, classes]`.
fn each(
    model: &Student,
    images: &Images<'_>,
    device: &Device,
    mut take: impl FnMut(&[usize], &[f32]) -> Result<(), Error>,
) -> Result<(), Error> {
    let plain = plain_rows(images);
    let on_host = *device == Device::flex();
    let normalise = (!on_host).then(|| DevicePixels::new(images.preprocess(), device));
    let batches_a_read = if on_host { 1 } else { BATCHES_A_READ };
    for group in plain.chunks(BATCH * batches_a_read) {
        let mut waiting = Vec::new();
        for batch in group.chunks(BATCH) {
            let pixels = Pixels::of(images, batch, normalise.as_ref())?;
            waiting.push(logits(model, pixels, batch.len(), images.size(), device));
        }
        take(group, &read::values(Tensor::cat(waiting, 0)))?;
    }
    Ok(())
}

/// Logits `[batch, classes]`, on the device, of pixels `[batch, 3, height, width]`.
pub(super) fn logits(
    model: &Student,
    pixels: Pixels,
    batch: usize,
    (height, width): (usize, usize),
    device: &Device,
) -> Tensor<2> {
    model.forward(pixels.on(device, [batch, 3, height, width]))
}
