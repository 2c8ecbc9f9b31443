//! Pillow's `ImageEnhance`: each blends a plainer picture with the image.

use image::RgbImage;

/// The kernel of `ImageFilter.SMOOTH`, from the top left.
const SMOOTH: [f32; 9] = [1.0, 1.0, 1.0, 1.0, 5.0, 1.0, 1.0, 1.0, 1.0];
/// The number that Pillow divides it by.
const SMOOTH_SCALE: f32 = 13.0;

/// `ImageEnhance.Brightness`: blends with black.
pub(super) fn brightness(pixels: &mut RgbImage, factor: f32) {
    map(pixels, |level| blend(0, level, factor));
}

/// `ImageEnhance.Contrast`: blends with the mean of the image in grey.
pub(super) fn contrast(pixels: &mut RgbImage, factor: f32) {
    let (all, _) = pixels.as_chunks::<3>();
    let sum: u64 = all.iter().map(|&pixel| u64::from(grey(pixel))).sum();
    let mean = (sum as f64 / all.len() as f64 + 0.5) as u8;
    map(pixels, |level| blend(mean, level, factor));
}

/// `ImageEnhance.Color`: blends with the image in grey.
pub(super) fn saturation(pixels: &mut RgbImage, factor: f32) {
    let (all, _) = pixels.as_chunks_mut::<3>();
    for pixel in all {
        let grey = grey(*pixel);
        *pixel = pixel.map(|level| blend(grey, level, factor));
    }
}

/// `ImageEnhance.Sharpness`: blends with the image smoothed. Pillow does not smooth the border, which stays as it is.
pub(super) fn sharpness(pixels: &mut RgbImage, factor: f32) {
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let kernel = SMOOTH.map(|weight| weight / SMOOTH_SCALE);
    let (before, row) = (pixels.clone().into_raw(), 3 * width);
    for y in 1..height.saturating_sub(1) {
        for at in y * row + 3..((y + 1) * row).saturating_sub(3) {
            pixels.as_mut()[at] = blend(smoothed(&before, at, row, &kernel), before[at], factor);
        }
    }
}

/// Pillow's `ImagingFilter3x3`, which begins with the row below and adds in this order.
fn smoothed(levels: &[u8], at: usize, row: usize, kernel: &[f32; 9]) -> u8 {
    let (weights, _) = kernel.as_chunks::<3>();
    let sum = [at + row, at, at - row].into_iter().zip(weights).fold(0.5, |sum, (at, weights)| {
        let [left, middle, right] = [at - 3, at, at + 3].map(|at| f32::from(levels[at]));
        sum + (left * weights[0] + middle * weights[1] + right * weights[2])
    });
    sum as u8
}

/// Pillow's `L24`: ITU-R 601-2 luma.
fn grey([red, green, blue]: [u8; 3]) -> u8 {
    ((u32::from(red) * 19595 + u32::from(green) * 38470 + u32::from(blue) * 7471 + 0x8000) >> 16) as u8
}

/// Pillow's `Image.blend` of one level: the part that leaves 0 to 255 is cut off.
fn blend(plain: u8, level: u8, factor: f32) -> u8 {
    (f32::from(plain) + factor * (f32::from(level) - f32::from(plain))) as u8
}

fn map(pixels: &mut RgbImage, change: impl Fn(u8) -> u8) {
    for level in pixels.iter_mut() {
        *level = change(*level);
    }
}
