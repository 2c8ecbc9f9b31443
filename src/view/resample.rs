//! Resizing that gives the bytes that Pillow's `Image.resize(size, resample, box)` gives.
//!
//! A port of the algorithm of Pillow's `Resample.c`: weights in 22-bit fixed point, a pass along the rows, rounded to 8
//! bits, then one along the columns. Integer arithmetic makes the result the same on every processor, which
//! resizers with 16-bit weights do not promise: their sums round differently from Pillow's.

use image::{Rgb, RgbImage};

use super::filter::{Filter, PRECISION_BITS, Weights};

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

const HALF: i32 = 1 << (PRECISION_BITS - 1);

fn clip(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

fn horizontal(pixels: &[u8], stride: usize, weights: &Weights, width: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(pixels.len() / stride * width * 3);
    for row in pixels.chunks_exact(stride) {
        let (row, _) = row.as_chunks::<3>();
        for (first, weights) in weights.iter() {
            let mut sums = [HALF; 3];
            for (pixel, &weight) in row[first..].iter().zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum = sum.wrapping_add(i32::from(value).wrapping_mul(weight));
                }
            }
            out.extend(sums.map(clip));
        }
    }
    out
}

fn vertical(pixels: &[u8], stride: usize, weights: &Weights, first_row: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sums = vec![HALF; stride];
    for (first, weights) in weights.iter() {
        sums.fill(HALF);
        for (row, &weight) in pixels[(first - first_row) * stride..].chunks_exact(stride).zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum = sum.wrapping_add(i32::from(value).wrapping_mul(weight));
            }
        }
        out.extend(sums.iter().map(|&sum| clip(sum)));
    }
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
