//! Resizing that gives the bytes that Pillow's `Image.resize(size, resample, box)` gives.
//!
//! A port of the algorithm of Pillow's `Resample.c`: weights in 22-bit fixed point, a pass along the rows, rounded to 8
//! bits, then one along the columns. Integer arithmetic makes the result the same on every processor, which
//! resizers with 16-bit weights do not promise: their sums round differently from Pillow's.
//! Where the processor has AVX2, both passes use it, for the same bits.

#![expect(unsafe_code, reason = "calls a function compiled for AVX2 where the processor has it")]

use image::{Rgb, RgbImage};

use super::filter::{Filter, Weights};
use super::resample_plain::{HALF, clip, vertical_plain};

/// Resizes the part `crop` (left, top, width, height in pixels, fractions allowed) of an image to `width` x `height`.
///
/// The crop must lie in the image and none of the sizes be zero: [`Preprocess`](super::Preprocess) sees to that.
#[expect(clippy::float_cmp, reason = "only a crop that is the whole axis, to the last bit, needs no pass")]
pub fn resize(image: &RgbImage, crop: [f32; 4], width: u32, height: u32, filter: Filter) -> RgbImage {
    let [left, top, crop_width, crop_height] = crop;
    let (right, bottom) = (left + crop_width, top + crop_height);
    if filter == Filter::Nearest {
        return nearest(image, [left, top, right, bottom], width, height);
    }
    let along = |source: u32, start: f32, end: f32, target: u32| {
        let unchanged = source == target && start == 0.0 && end == target as f32;
        (!unchanged).then(|| Weights::new(source, start, end, target, filter))
    };
    let columns = along(image.width(), left, right, width);
    let rows = along(image.height(), top, bottom, height);
    let (first_row, last_row) = match &rows {
        Some(weights) => (weights.span().start, weights.span().end),
        None => (0, image.height() as usize),
    };
    let stride = image.width() as usize * 3;
    let used = &image.as_raw()[first_row * stride..last_row * stride];
    let narrowed = match &columns {
        Some(weights) => horizontal(used, stride, weights, width as usize),
        None => used.to_vec(),
    };
    let pixels = match &rows {
        Some(weights) => vertical(&narrowed, width as usize * 3, weights, first_row),
        None => narrowed,
    };
    RgbImage::from_raw(width, height, pixels).expect("both passes fill their size")
}

fn horizontal(pixels: &[u8], stride: usize, weights: &Weights, width: usize) -> Vec<u8> {
    let mut out = vec![0; pixels.len() / stride * width * 3];
    #[cfg(target_arch = "x86_64")]
    if let Some(steps) = super::resample_avx2::Steps::new(weights) {
        steps.run(pixels, stride, &mut out);
        return out;
    }
    horizontal_plain(pixels, stride, weights, &mut out);
    out
}

fn horizontal_plain(pixels: &[u8], stride: usize, weights: &Weights, out: &mut [u8]) {
    let mut targets = out.as_chunks_mut::<3>().0.iter_mut();
    for row in pixels.chunks_exact(stride) {
        let (row, _) = row.as_chunks::<3>();
        for ((first, weights), target) in weights.iter().zip(&mut targets) {
            let mut sums = [HALF; 3];
            for (pixel, &weight) in row[first..].iter().zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum = sum.wrapping_add(i32::from(value).wrapping_mul(weight));
                }
            }
            *target = sums.map(clip);
        }
    }
}

fn vertical(pixels: &[u8], stride: usize, weights: &Weights, first_row: usize) -> Vec<u8> {
    let mut out = vec![0; weights.len() * stride];
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has it.
        unsafe { super::resample_avx2::vertical(pixels, stride, weights, first_row, &mut out) };
        return out;
    }
    vertical_plain(pixels, stride, weights, first_row, &mut out);
    out
}

/// Pillow adds the step up from pixel to pixel instead of multiplying, and so do we, to round where it rounds.
fn nearest(image: &RgbImage, [left, top, right, bottom]: [f32; 4], width: u32, height: u32) -> RgbImage {
    let positions = |start: f32, end: f32, target: u32, source: u32| {
        let step = f64::from(end - start) / f64::from(target);
        let mut position = f64::from(start) + step * 0.5;
        let mut positions = Vec::with_capacity(target as usize);
        for _ in 0..target {
            positions.push((position as u32).min(source - 1));
            position += step;
        }
        positions
    };
    let columns = positions(left, right, width, image.width());
    let rows = positions(top, bottom, height, image.height());
    RgbImage::from_fn(width, height, |x, y| -> Rgb<u8> {
        *image.get_pixel(columns[x as usize], rows[y as usize])
    })
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use rand::RngCore;

    use super::super::resample_avx2::Steps;
    use super::*;
    use crate::support::rng;

    #[test]
    fn avx2_gives_the_bits_of_the_plain_loops() {
        let mut tried = 0;
        for (source, height) in [(1, 1), (5, 3), (16, 9), (97, 8), (500, 5)] {
            let mut pixels = vec![0; (source * height * 3) as usize];
            rng::keyed("pixels", &[u64::from(source)]).fill_bytes(&mut pixels);
            let stride = source as usize * 3;
            for filter in [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos, Filter::Box, Filter::Hamming] {
                for target in [1, 7, 224] {
                    let end = source as f32;
                    for weights in [
                        Weights::new(source, 0.0, end, target, filter),
                        Weights::new(source, end * 0.3, end * 0.9, target, filter),
                    ] {
                        let mut expected = vec![0; (target * height * 3) as usize];
                        horizontal_plain(&pixels, stride, &weights, &mut expected);
                        let Some(steps) = Steps::new(&weights) else { return };
                        let mut found = vec![0; expected.len()];
                        steps.run(&pixels, stride, &mut found);
                        assert_eq!(found, expected, "{source} to {target} by {filter:?}");
                        tried += 1;
                    }
                }
            }
            for filter in [Filter::Bilinear, Filter::Lanczos] {
                let weights = Weights::new(height, 0.0, height as f32, 4, filter);
                let mut expected = vec![0; 4 * stride];
                vertical_plain(&pixels, stride, &weights, 0, &mut expected);
                assert_eq!(
                    vertical(&pixels, stride, &weights, 0),
                    expected,
                    "{source} x {height} by {filter:?}"
                );
            }
        }
        assert_eq!(tried, 5 * 5 * 3 * 2);
    }
}
