//! A photograph of a bean plant: ground, other leaves out of focus, and the leaf it is about.

use image::RgbImage;

use super::SIZE;
use super::canvas::Canvas;
use super::disease::{angular_leaf_spot, bean_rust, distractors};
use super::math::{Dice, Fractal, Noise, Rgb, cos, fraction, hash, mix, scale, sin, smoothstep};
use super::shape::Leaf;
use super::surface::{GREENS, Light, Surface};

const GROUNDS: [Rgb; 6] = [
    [0.36, 0.22, 0.14],
    [0.50, 0.24, 0.18],
    [0.55, 0.42, 0.32],
    [0.28, 0.20, 0.15],
    [0.66, 0.58, 0.48],
    [0.22, 0.34, 0.14],
];
const STRAW: [Rgb; 3] = [[0.70, 0.60, 0.40], [0.48, 0.36, 0.22], [0.40, 0.50, 0.20]];

/// A picture of a leaf with the class `label`, 0 angular leaf spot, 1 bean rust, any other healthy, and the share of
/// each of its pixels that is a lesion, row by row. No ill leaf is less ill than `least_severity`, from 0 to 1.
pub(crate) fn photograph(dice: &mut Dice, label: usize, least_severity: f32) -> (RgbImage, Vec<f32>) {
    let light = Light::new(dice);
    let mut canvas = background(dice, &light);
    // Mild cases are common and severe ones are not, as in a field that is scouted every week.
    let severity = 0.06 + 0.94 * dice.unit() * (0.35 + 0.65 * dice.unit());
    let severity = least_severity + (1.0 - least_severity) * severity;
    let green = dice.blend(&GREENS);
    for leaf in plant(dice, &mut canvas) {
        let Some(mut surface) = Surface::new(dice, &leaf, &canvas, green, true) else { continue };
        match label {
            0 => angular_leaf_spot(dice, &mut surface, severity),
            1 => bean_rust(dice, &mut surface, severity),
            _ => {}
        }
        distractors(dice, &mut surface);
        drop_shadow(&mut canvas, &leaf);
        surface.composite(&mut canvas, &light);
    }
    if dice.chance(0.3) {
        cast_shadow(dice, &mut canvas);
    }
    if dice.chance(0.45) {
        canvas.blur(1, dice.count(1, 2) as usize);
    }
    (canvas.develop(dice), canvas.lesions)
}

/// The leaves in focus with their stalks: one, or the three leaflets of a whole bean leaf.
fn plant(dice: &mut Dice, canvas: &mut Canvas) -> Vec<Leaf> {
    let size = SIZE as f32;
    let turns = dice.unit();
    let stalk = dice.blend(&[[0.40, 0.52, 0.18], [0.55, 0.58, 0.28], [0.45, 0.38, 0.22]]);
    let centre = [0, 1].map(|_| size * 0.5 + dice.between(-45.0, 45.0));
    let ray = |from: [f32; 2], turns: f32, length: f32| {
        [from[0] + cos(turns) * length, from[1] + sin(turns) * length]
    };
    if dice.chance(0.25) {
        let length = dice.between(185.0, 245.0);
        canvas.stroke(ray(centre, turns + 0.5, size), centre, 2.5, stalk);
        [turns, turns + 0.25, turns - 0.25]
            .into_iter()
            .map(|turns| {
                let turns = turns + dice.between(-0.06, 0.06);
                let base = ray(centre, turns, dice.between(4.0, 22.0));
                canvas.stroke(centre, base, 2.0, stalk);
                let length = length * dice.between(0.85, 1.1);
                Leaf::new(dice, base, length, turns)
            })
            .collect()
    } else {
        let length = dice.between(270.0, 440.0);
        let base = ray(centre, turns + 0.5, length * 0.48);
        canvas.stroke(ray(base, turns + 0.5 + dice.between(-0.08, 0.08), size), base, 3.0, stalk);
        vec![Leaf::new(dice, base, length, turns)]
    }
}

/// Ground, straw and other leaves, at half size since they are not in focus.
fn background(dice: &mut Dice, light: &Light) -> Canvas {
    let half = SIZE as usize / 2;
    let (dark, bright) = (dice.blend(&GROUNDS), dice.blend(&GROUNDS));
    let (seed, frequency) = (dice.seed(), dice.between(0.015, 0.06));
    let brightness = dice.between(0.7, 1.25);
    let mut soil = Fractal::new(seed, 3);
    let (mut lumps, mut grains) = (Noise::new(seed ^ 0x4D), Noise::new(seed ^ 0x4E));
    let mut canvas = Canvas::paint(half, half, |x, y| {
        let coarse = soil.at(x * frequency, y * frequency);
        let crumbs = 0.6 * lumps.at(x * 0.31, y * 0.31) + 0.4 * grains.at(x * 0.83, y * 0.83);
        scale(mix(dark, bright, smoothstep(0.25, 0.75, coarse)), brightness * (0.7 + 0.6 * crumbs))
    });
    for _ in 0..dice.count(0, 14) {
        let from = [0, 1].map(|_| dice.between(-20.0, half as f32 + 20.0));
        let (turns, length) = (dice.unit(), dice.between(15.0, 140.0));
        let to = [from[0] + cos(turns) * length, from[1] + sin(turns) * length];
        let colour = dice.blend(&STRAW);
        canvas.stroke(from, to, dice.between(0.4, 2.2), colour);
    }
    for _ in 0..dice.count(0, 7) {
        let base = [0, 1].map(|_| dice.between(-30.0, half as f32 + 30.0));
        let (length, turns) = (dice.between(50.0, 150.0), dice.unit());
        let leaf = Leaf::new(dice, base, length, turns);
        let green = dice.blend(&GREENS);
        if let Some(mut surface) = Surface::new(dice, &leaf, &canvas, green, false) {
            distractors(dice, &mut surface);
            surface.composite(&mut canvas, light);
        }
    }
    canvas.blur(1, dice.count(1, 2) as usize);
    canvas.blur(dice.count(0, 3) as usize, 2);
    let mut canvas = canvas.doubled();
    let (seed, grain) = (dice.seed(), dice.between(0.0, 0.12));
    for (index, pixel) in canvas.pixels.iter_mut().enumerate() {
        *pixel = scale(*pixel, 1.0 + grain * (fraction(hash(seed, index as i32, 0)) - 0.5));
    }
    canvas
}

/// The soft shade that a leaf casts on what lies behind it.
fn drop_shadow(canvas: &mut Canvas, leaf: &Leaf) {
    let [left, top, right, bottom] = leaf.bounds();
    let (offset, soft) = (leaf.length * 0.02, 0.06);
    let limit = SIZE as f32;
    for y in top.max(0.0) as usize..(bottom + 10.0).clamp(0.0, limit) as usize {
        for x in left.max(0.0) as usize..(right + 10.0).clamp(0.0, limit) as usize {
            let (u, v) = leaf.locate(x as f32 - offset, y as f32 - offset);
            let depth = smoothstep(-0.5 * soft, soft, leaf.margin(u, v));
            if depth > 0.0 {
                let pixel = &mut canvas.pixels[y * SIZE as usize + x];
                *pixel = scale(*pixel, 1.0 - 0.55 * depth);
            }
        }
    }
}

/// The shade of something outside the picture.
fn cast_shadow(dice: &mut Dice, canvas: &mut Canvas) {
    let (mut shades, frequency) = (Fractal::new(dice.seed(), 2), dice.between(0.003, 0.012));
    let (darkness, edge) = (dice.between(0.2, 0.55), dice.between(0.03, 0.2));
    for (y, row) in canvas.pixels.chunks_exact_mut(canvas.width).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let shade = shades.at(x as f32 * frequency, y as f32 * frequency);
            let shade = smoothstep(0.55, 0.55 + edge, shade);
            *pixel = scale(*pixel, 1.0 - darkness * shade);
        }
    }
}
