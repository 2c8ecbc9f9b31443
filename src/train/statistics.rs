//! BatchNorm's statistics of the weights that are validated.
//!
//! In training, the running statistics are a mean over the last batches, whose weights were others, and a moving average of weights
//! has a moving average of statistics that no network with those weights ever had. On small datasets either is far from what the
//! weights need. So the statistics are taken anew, with the weights that are validated ("precise BatchNorm", arXiv 2105.07576).

use burn::tensor::Device;

use super::Error;
use super::images::Images;
use super::pixels::Pixels;
use crate::config;
use crate::student::Student;

/// Takes the running statistics of `model` anew over the first `train.precise-bn` of the cache `rows`, in full batches; none of them with 0.
///
/// # Errors
/// An image that can't be read or is not the one in the cache.
pub(crate) fn measure(
    model: &Student,
    images: &Images<'_>,
    rows: &[usize],
    train: &config::Train,
    device: &Device,
) -> Result<(), Error> {
    if train.precise_bn == 0 {
        return Ok(());
    }
    let rows = &rows[..rows.len().min(train.precise_bn)];
    let (height, width) = images.size();
    let size = train.batch_size.min(rows.len());
    for (index, rows) in rows.chunks_exact(size).enumerate() {
        let pixels = Pixels::of(images, rows, None)?.on(device, [rows.len(), 3, height, width]);
        model.measure_statistics(pixels, index + 1);
    }
    Ok(())
}
