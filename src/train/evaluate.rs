//! A student's answers over a whole split.

use burn::tensor::{Device, Tensor, TensorData};

use super::Error;
use super::images::Images;
use super::metrics::{Meter, Metrics};
use crate::student::MobileNetV2;

/// Images in one forward pass of an evaluation.
const BATCH: usize = 32;

/// Measures `model` on the plain view of every sample of a split, against its labels and its teacher's cached logits.
///
/// # Errors
/// An image that can't be read or is not the one the cache was made from.
pub fn evaluate(
    model: &MobileNetV2,
    images: &Images<'_>,
    temperature: f32,
    device: &Device,
) -> Result<Metrics, Error> {
    let rows = images.rows();
    let classes = rows.classes();
    let mut meter = Meter::new(classes, temperature);
    let plain: Vec<usize> = (0..rows.samples()).filter_map(|sample| rows.row(sample, 0)).collect();
    for batch in plain.chunks(BATCH) {
        let mut pixels = vec![0.0; batch.len() * images.values()];
        images.fill(batch, &mut pixels)?;
        let (height, width) = images.size();
        let pixels = Tensor::from_data(TensorData::new(pixels, [batch.len(), 3, height, width]), device);
        let student: Vec<f32> = model.forward(pixels).into_data().try_to_vec().expect("logits are float32");
        let mut teacher = vec![0.0; batch.len() * classes];
        rows.gather_logits_for(temperature, batch, &mut teacher)?;
        let labels: Vec<i32> = batch.iter().map(|&row| rows.label(row)).collect();
        meter.add(&student, &teacher, &labels);
    }
    Ok(meter.finish())
}
