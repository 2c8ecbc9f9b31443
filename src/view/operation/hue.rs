//! torchvision's `adjust_hue` of a Pillow image: to Pillow's HSV, a shift of the hue, and back.

use image::RgbImage;

/// Shifts the hue by a part of the colour circle.
pub(super) fn shift(pixels: &mut RgbImage, part: f32) {
    // As `np.int32(part * 255).astype(np.uint8)`: cut off, then around the circle.
    let steps = (f64::from(part) * 255.0) as i32 as u8;
    let (pixels, _) = pixels.as_chunks_mut::<3>();
    for pixel in pixels {
        let [hue, saturation, value] = to_hsv(*pixel);
        *pixel = to_rgb([hue.wrapping_add(steps), saturation, value]);
    }
}

/// Pillow's `rgb2hsv_row`, in its mixture of single and double precision.
fn to_hsv([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    if most == least {
        return [0, 0, most];
    }
    let range = f32::from(most - least);
    let saturation = range / f32::from(most);
    let [r, g, b] = [red, green, blue].map(|level| f32::from(most - level) / range);
    let hue = if red == most {
        b - g
    } else if green == most {
        (2.0 + f64::from(r) - f64::from(b)) as f32
    } else {
        (4.0 + f64::from(g) - f64::from(r)) as f32
    };
    let hue = ((f64::from(hue) / 6.0 + 1.0) % 1.0) as f32;
    let level = |part: f32| (f64::from(part) * 255.0) as u8;
    [level(hue), level(saturation), most]
}

/// Pillow's `hsv2rgb`.
fn to_rgb([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    if saturation == 0 {
        return [value; 3];
    }
    let sixths = f64::from(hue) * 6.0 / 255.0;
    let sector = sixths.floor();
    let rest = (sixths - sector) as f32;
    let saturation = (f64::from(saturation) / 255.0) as f32;
    let less = |part: f64| (f64::from(value) * (1.0 - part)).round() as u8;
    let p = less(saturation.into());
    let q = less((saturation * rest).into());
    let t = less(f64::from(saturation) * (1.0 - f64::from(rest)));
    match sector as u32 % 6 {
        0 => [value, t, p],
        1 => [q, value, p],
        2 => [p, value, t],
        3 => [p, q, value],
        4 => [t, p, value],
        _ => [value, p, q],
    }
}
