//! Pillow's `ImageOps` that give each level another one.

use image::RgbImage;

/// A new level for each, a table a channel.
type Tables = [[u8; 256]; 3];

/// `ImageOps.posterize`: keeps the first `bits` bits of each level.
pub(super) fn posterize(pixels: &mut RgbImage, bits: u32) {
    let kept = !(0xff_u16 >> bits) as u8;
    look_up(pixels, &[table(|level| level & kept); 3]);
}

/// `ImageOps.solarize`: inverts the levels from `threshold` on.
pub(super) fn solarize(pixels: &mut RgbImage, threshold: f32) {
    look_up(pixels, &[table(|level| if f32::from(level) < threshold { level } else { 255 - level }); 3]);
}

/// `ImageOps.autocontrast`: stretches each channel from its least and largest level to 0 and 255.
pub(super) fn auto_contrast(pixels: &mut RgbImage) {
    let tables = histograms(pixels).map(|counts| {
        let least = counts.iter().position(|&count| count > 0).unwrap_or(0);
        let most = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
        if most <= least {
            return table(|level| level);
        }
        let scale = 255.0 / (most - least) as f64;
        let offset = -(least as f64) * scale;
        table(|level| (f64::from(level) * scale + offset) as u8)
    });
    look_up(pixels, &tables);
}

/// `ImageOps.equalize`: gives each channel levels that are equally frequent.
pub(super) fn equalize(pixels: &mut RgbImage) {
    let tables = histograms(pixels).map(|counts| {
        let last = counts.iter().rfind(|&&count| count > 0).copied().unwrap_or(0);
        let step = (counts.iter().sum::<u64>() - last) / 255;
        if step == 0 {
            return table(|level| level);
        }
        let mut seen = step / 2;
        table(|level| {
            let new = (seen / step).min(255) as u8;
            seen += counts[usize::from(level)];
            new
        })
    });
    look_up(pixels, &tables);
}

/// How often each level is there, a list a channel.
fn histograms(pixels: &RgbImage) -> [[u64; 256]; 3] {
    let mut counts = [[0; 256]; 3];
    let (pixels, _) = pixels.as_chunks::<3>();
    for pixel in pixels {
        for (counts, &level) in counts.iter_mut().zip(pixel) {
            counts[usize::from(level)] += 1;
        }
    }
    counts
}

fn table(mut new: impl FnMut(u8) -> u8) -> [u8; 256] {
    std::array::from_fn(|level| new(level as u8))
}

fn look_up(pixels: &mut RgbImage, tables: &Tables) {
    let (pixels, _) = pixels.as_chunks_mut::<3>();
    for pixel in pixels {
        for (level, table) in pixel.iter_mut().zip(tables) {
            *level = table[usize::from(*level)];
        }
    }
}
