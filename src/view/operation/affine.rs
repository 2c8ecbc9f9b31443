//! Pillow's affine `Image.transform` without interpolation; what comes from outside the image is black.

use image::RgbImage;

/// Pillow computes in whole numbers of 1/65536 of a pixel.
const ONE: f64 = 65536.0;

/// `Image.rotate` by `degrees` around the middle, counter-clockwise.
pub(super) fn rotate(pixels: &mut RgbImage, degrees: f32) {
    let degrees = f64::from(degrees).rem_euclid(360.0);
    if degrees == 0.0 {
        return;
    }
    let angle = -degrees.to_radians();
    // As Pillow does, so that a right angle has zeros.
    let round = |value: f64| (value * 1e15).round() / 1e15;
    let (cos, sin) = (round(angle.cos()), round(angle.sin()));
    let (x, y) = (f64::from(pixels.width()) / 2.0, f64::from(pixels.height()) / 2.0);
    transform(pixels, [cos, sin, -cos * x - sin * y + x, -sin, cos, sin * x - cos * y + y]);
}

/// Takes the pixel at `(x, y)` from `(x + across * y, y + down * x)`.
pub(super) fn shear(pixels: &mut RgbImage, across: f64, down: f64) {
    transform(pixels, [1.0, across, 0.0, down, 1.0, 0.0]);
}

/// Shifts to the right and down by parts of the width and the height, cut off to whole pixels.
pub(super) fn translate(pixels: &mut RgbImage, right: f32, down: f32) {
    let whole = |part: f32, side: u32| (f64::from(part) * f64::from(side)).trunc();
    let (right, down) = (whole(right, pixels.width()), whole(down, pixels.height()));
    transform(pixels, [1.0, 0.0, -right, 0.0, 1.0, -down]);
}

/// Pillow's `affine_fixed`: the pixel whose middle is `(x, y)` comes from `(a x + b y + c, d x + e y + f)`.
fn transform(pixels: &mut RgbImage, [a, b, c, d, e, f]: [f64; 6]) {
    let before = pixels.clone();
    let fixed = |value: f64| (value * ONE + 0.5).floor() as i64;
    let (across, down) = ((fixed(a), fixed(d)), (fixed(b), fixed(e)));
    let mut start = (fixed(c + a * 0.5 + b * 0.5), fixed(f + d * 0.5 + e * 0.5));
    for row in pixels.rows_mut() {
        let mut at = start;
        for pixel in row {
            let from = |fixed: i64| u32::try_from(fixed >> 16).ok();
            let source = from(at.0).zip(from(at.1)).and_then(|(x, y)| before.get_pixel_checked(x, y));
            *pixel = source.copied().unwrap_or(image::Rgb([0; 3]));
            at = (at.0 + across.0, at.1 + across.1);
        }
        start = (start.0 + down.0, start.1 + down.1);
    }
}
