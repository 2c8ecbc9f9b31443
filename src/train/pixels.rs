//! A batch's pixels: normalised on the host for the CPU; for a GPU sent as bytes, a quarter of the size, and normalised there.

use burn::tensor::{DType, Device, Int, Tensor, TensorData};

use super::Error;
use super::images::Images;
use crate::view::Preprocess;

/// Normalised pixels, `[batch, 3, height, width]`.
#[expect(clippy::large_enum_variant, reason = "there is one a batch")]
#[derive(Debug)]
pub enum Pixels {
    /// On the host.
    Host(Vec<f32>),
    /// On a device already.
    Device(Tensor<4>),
}

impl Pixels {
    /// The pixels of these cache rows; on `device` where there is one.
    ///
    /// # Errors
    /// As [`Images::fill`].
    pub(super) fn of(
        images: &Images<'_>,
        rows: &[usize],
        device: Option<&DevicePixels>,
    ) -> Result<Self, Error> {
        let values = rows.len() * images.values();
        let Some(device) = device else {
            let mut pixels = vec![0.0; values];
            images.fill(rows, &mut pixels)?;
            return Ok(Self::Host(pixels));
        };
        // Whole words; the last may be longer than the pixels.
        let mut bytes = vec![0; values.next_multiple_of(WORD)];
        images.fill_bytes(rows, &mut bytes[..values])?;
        let (height, width) = images.size();
        Ok(Self::Device(device.normalised(&bytes, [rows.len(), height, width])))
    }

    /// The same on `device`, as a constant of its graph.
    pub(super) fn on(self, device: &Device, shape: [usize; 4]) -> Tensor<4> {
        match self {
            Self::Host(values) => Tensor::from_data(TensorData::new(values, shape), device),
            Self::Device(tensor) if device.is_autodiff() => tensor.autodiff(),
            Self::Device(tensor) => tensor,
        }
    }
}

/// Bytes of a word: 32-bit integers are what every device has.
const WORD: usize = 4;

/// Normalises pixels on a device, to the bits of the host: by the same table.
pub(super) struct DevicePixels {
    /// `[3 * 256]`
    levels: Tensor<1>,
    device: Device,
}

impl DevicePixels {
    pub(crate) fn new(preprocess: &Preprocess, device: &Device) -> Self {
        Self { levels: Tensor::from_data(preprocess.levels().as_flattened(), device), device: device.clone() }
    }

    /// From bytes in whole words to `[batch, 3, height, width]`.
    fn normalised(&self, bytes: &[u8], [batch, height, width]: [usize; 3]) -> Tensor<4> {
        let (words, _) = bytes.as_chunks::<WORD>();
        let words: Vec<i32> = words.iter().map(|word| i32::from_le_bytes(*word)).collect();
        let count = words.len();
        let ints = (&self.device, DType::I32);
        let words = Tensor::<2, Int>::from_data(TensorData::new(words, [count, 1]), ints);
        let shifts = Tensor::<2, Int>::from_data([[0_i32, 8, 16, 24]], (&self.device, DType::I32));
        let levels = words.expand([count, WORD]).bitwise_right_shift(shifts.expand([count, WORD]));
        let levels = levels.bitwise_and_scalar(255).reshape([count * WORD]);
        let levels = levels.narrow(0, 0, batch * 3 * height * width).reshape([batch, 3, height * width]);
        let channels = Tensor::<3, Int>::from_data([[[0_i32], [256], [512]]], (&self.device, DType::I32));
        let index = (levels + channels).reshape([batch * 3 * height * width]);
        self.levels.clone().select(0, index).reshape([batch, 3, height, width])
    }
}

#[cfg(test)]
mod tests {
    use image::RgbImage;

    use super::*;

    #[test]
    fn bytes_become_the_bits_of_the_host_on_the_device() {
        // 3 * 5 * 5 values do not fill whole words.
        let side = 5;
        let preprocess = Preprocess::for_student(side, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        let image = |seed: u32| {
            RgbImage::from_fn(side, side, |x, y| {
                image::Rgb(
                    [0, 1, 2].map(|channel| ((x * 83 + y * 57 + channel * 101 + seed * 13) % 256) as u8),
                )
            })
        };
        let images = [image(0), image(1), image(2)];
        let values = 3 * (side * side) as usize;
        let mut expected = vec![0.0; 3 * values];
        let mut bytes = vec![0; (3 * values).next_multiple_of(WORD)];
        for (index, image) in images.iter().enumerate() {
            preprocess.normalise(image, &mut expected[index * values..][..values]);
            Preprocess::planes(image, &mut bytes[index * values..][..values]);
        }
        let device = Device::flex();
        let found = DevicePixels::new(&preprocess, &device).normalised(&bytes, [3, 5, 5]);
        assert_eq!(found.dims(), [3, 3, 5, 5]);
        assert_eq!(found.into_data().try_to_vec::<f32>().unwrap(), expected);
    }
}
