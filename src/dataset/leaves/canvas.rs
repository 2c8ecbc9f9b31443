//! A picture in floating point, and what a camera does to it.

use image::RgbImage;

use super::math::{Dice, Rgb, cos, fraction, hash, mix, sin, smoothstep};

/// An image of `width * height` colours, row by row.
pub(crate) struct Canvas {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<Rgb>,
    /// Share of each pixel that is a lesion: the ground truth behind the label.
    pub lesions: Vec<f32>,
}

impl Canvas {
    /// An image whose pixel at (x, y) is `colour(x, y)`.
    pub(crate) fn paint(width: usize, height: usize, mut colour: impl FnMut(f32, f32) -> Rgb) -> Self {
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            pixels.extend((0..width).map(|x| colour(x as f32, y as f32)));
        }
        Self { width, height, pixels, lesions: vec![0.0; width * height] }
    }

    /// Darkens or colours a soft-edged stroke from `from` to `to`, `half_width` pixels to either side.
    pub(crate) fn stroke(&mut self, from: [f32; 2], to: [f32; 2], half_width: f32, colour: Rgb) {
        let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
        let squared = (dx * dx + dy * dy).max(1e-3);
        let reach = half_width + 1.0;
        let left = (from[0].min(to[0]) - reach).max(0.0) as usize;
        let right = (from[0].max(to[0]) + reach).clamp(0.0, self.width as f32) as usize;
        let top = (from[1].min(to[1]) - reach).max(0.0) as usize;
        let bottom = (from[1].max(to[1]) + reach).clamp(0.0, self.height as f32) as usize;
        for y in top..bottom {
            for x in left..right {
                let (px, py) = (x as f32 - from[0], y as f32 - from[1]);
                let t = ((px * dx + py * dy) / squared).clamp(0.0, 1.0);
                let (ex, ey) = (px - t * dx, py - t * dy);
                let distance = (ex * ex + ey * ey).sqrt();
                if distance < reach {
                    // A round cross-section, lit from one side.
                    let light = 1.05 - 0.35 * (distance / reach) * if px * dy > py * dx { 1.0 } else { -0.2 };
                    let pixel = &mut self.pixels[y * self.width + x];
                    let cover = 1.0 - smoothstep(reach - 1.5, reach, distance);
                    *pixel = mix(*pixel, colour.map(|c| c * light), cover);
                }
            }
        }
    }

    /// Averages over a box of `2 * radius + 1` pixels, `passes` times; three passes look like a Gaussian.
    pub(crate) fn blur(&mut self, radius: usize, passes: usize) {
        if radius == 0 {
            return;
        }
        let (width, height) = (self.width, self.height);
        let share = 1.0 / (2 * radius + 1) as f32;
        let mut line = vec![[0.0; 3]; width.max(height)];
        for _ in 0..passes {
            for row in self.pixels.chunks_exact_mut(width) {
                line[..width].copy_from_slice(row);
                let mut sum = [0.0f32; 3];
                for offset in 0..=2 * radius {
                    add(&mut sum, line[offset.saturating_sub(radius)], 1.0);
                }
                for x in 0..width {
                    row[x] = sum.map(|channel| channel * share);
                    add(&mut sum, line[(x + radius + 1).min(width - 1)], 1.0);
                    add(&mut sum, line[x.saturating_sub(radius)], -1.0);
                }
            }
            // Whole rows at a time: a column walk would miss the cache on every pixel.
            let source = self.pixels.clone();
            let row = |y: usize| &source[y * width..(y + 1) * width];
            let mut sums = vec![[0.0f32; 3]; width];
            for offset in 0..=2 * radius {
                for (sum, pixel) in sums.iter_mut().zip(row(offset.saturating_sub(radius))) {
                    add(sum, *pixel, 1.0);
                }
            }
            for y in 0..height {
                let (enter, leave) = (row((y + radius + 1).min(height - 1)), row(y.saturating_sub(radius)));
                let out = &mut self.pixels[y * width..(y + 1) * width];
                for x in 0..width {
                    out[x] = sums[x].map(|channel| channel * share);
                    add(&mut sums[x], enter[x], 1.0);
                    add(&mut sums[x], leave[x], -1.0);
                }
            }
        }
    }

    /// Twice the size, bilinear.
    pub(crate) fn doubled(&self) -> Self {
        let (width, height) = (self.width * 2, self.height * 2);
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            // Output centres lie a quarter to either side of an input centre.
            let near_y = y / 2;
            let far_y = if y % 2 == 0 { near_y.saturating_sub(1) } else { (near_y + 1).min(self.height - 1) };
            for x in 0..width {
                let near_x = x / 2;
                let far_x =
                    if x % 2 == 0 { near_x.saturating_sub(1) } else { (near_x + 1).min(self.width - 1) };
                let at = |x: usize, y: usize| self.pixels[y * self.width + x];
                let near = mix(at(near_x, near_y), at(far_x, near_y), 0.25);
                let far = mix(at(near_x, far_y), at(far_x, far_y), 0.25);
                pixels.push(mix(near, far, 0.25));
            }
        }
        Self { width, height, pixels, lesions: vec![0.0; width * height] }
    }

    /// The picture as a camera records it: white balance, exposure, contrast, vignette, haze and sensor noise.
    pub(crate) fn develop(&self, dice: &mut Dice) -> RgbImage {
        let exposure = dice.between(0.72, 1.28);
        let warmth = dice.between(-0.10, 0.10);
        let tint = dice.between(-0.05, 0.05);
        let gain = [exposure * (1.0 + warmth), exposure * (1.0 + tint), exposure * (1.0 - warmth)];
        let contrast = dice.between(-0.25, 0.55);
        let saturation = dice.between(0.7, 1.2);
        let haze = if dice.chance(0.2) { dice.between(0.02, 0.16) } else { 0.0 };
        let vignette = dice.between(0.0, 0.35);
        let grain = dice.between(0.004, 0.03) * dice.between(0.3, 1.0);
        let seed = dice.seed();
        let ramp = (dice.unit(), dice.between(-0.15, 0.15));
        let (ramp_x, ramp_y) = (cos(ramp.0) * ramp.1, sin(ramp.0) * ramp.1);
        let mut image = RgbImage::new(self.width as u32, self.height as u32);
        for (y, (row, out)) in self.pixels.chunks_exact(self.width).zip(image.rows_mut()).enumerate() {
            for (x, (pixel, out)) in row.iter().zip(out).enumerate() {
                let dx = x as f32 / self.width as f32 - 0.5;
                let dy = y as f32 / self.height as f32 - 0.5;
                let light = (1.0 - vignette * (dx * dx + dy * dy) * 2.0) * (1.0 + dx * ramp_x + dy * ramp_y);
                let grey = 0.3 * pixel[0] + 0.59 * pixel[1] + 0.11 * pixel[2];
                let bits = hash(seed, x as i32, y as i32);
                // Four uniform bytes of one hash make a bell curve; a tenth of it goes to colour.
                let luminance = (bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24);
                let luminance = (luminance as f32 * (1.0 / 510.0) - 1.0) * 3.46 * grain;
                let chroma =
                    [fraction(bits << 3) - 0.5, fraction(bits << 7) - 0.5, fraction(bits << 11) - 0.5];
                for channel in 0..3 {
                    let value = (grey + (pixel[channel] - grey) * saturation) * gain[channel] * light;
                    let value = value.clamp(0.0, 1.0);
                    let curved = value * value * (3.0 - 2.0 * value);
                    let value = value + (curved - value) * contrast;
                    let value = haze + (1.0 - haze) * value + luminance + chroma[channel] * grain;
                    out[channel] = (value * 255.0 + 0.5).clamp(0.0, 255.0) as u8;
                }
            }
        }
        image
    }
}

fn add(sum: &mut Rgb, pixel: Rgb, sign: f32) {
    for channel in 0..3 {
        sum[channel] += sign * pixel[channel];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_keeps_a_flat_picture_and_spreads_a_point() {
        let mut flat = Canvas::paint(9, 7, |_, _| [0.5; 3]);
        flat.blur(2, 3);
        assert!(flat.pixels.iter().all(|pixel| (pixel[0] - 0.5).abs() < 1e-5));
        let mut point = Canvas::paint(9, 9, |x, y| if (x, y) == (4.0, 4.0) { [1.0; 3] } else { [0.0; 3] });
        point.blur(1, 1);
        assert!((point.pixels[4 * 9 + 4][0] - 1.0 / 9.0).abs() < 1e-6);
        assert!((point.pixels[3 * 9 + 5][0] - 1.0 / 9.0).abs() < 1e-6);
        assert!(point.pixels[2 * 9 + 4][0].abs() < 1e-6);
    }

    #[test]
    fn doubling_keeps_a_ramp_straight() {
        let doubled = Canvas::paint(4, 4, |x, _| [x; 3]).doubled();
        let row: Vec<f32> = doubled.pixels[..8].iter().map(|pixel| pixel[0]).collect();
        assert_eq!(row, [0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0]);
    }
}
