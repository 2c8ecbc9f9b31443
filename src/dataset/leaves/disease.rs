//! The marks of diseases on a leaf, and marks that only look like them.

use super::math::{Dice, Noise, Rgb, fraction, hash, mix, scale, smoothstep};
use super::surface::Surface;

const BROWNS: [Rgb; 4] = [[0.36, 0.22, 0.12], [0.50, 0.34, 0.20], [0.42, 0.20, 0.14], [0.40, 0.33, 0.25]];
const RUSTS: [Rgb; 3] = [[0.50, 0.20, 0.07], [0.60, 0.30, 0.11], [0.34, 0.16, 0.09]];
const SOILS: [Rgb; 4] = [[0.26, 0.17, 0.11], [0.48, 0.34, 0.22], [0.42, 0.24, 0.14], [0.58, 0.52, 0.44]];
const YELLOW: Rgb = [0.82, 0.76, 0.22];

/// Angular leaf spot: brown cells that the veins bound, with `severity` from 0 (three spots) to 1.
pub(crate) fn angular_leaf_spot(dice: &mut Dice, surface: &mut Surface, severity: f32) {
    let leaf = surface.leaf;
    let patches = 3 + (severity * severity * 24.0 + severity * 4.0 * dice.unit()) as u32;
    let mut cells = Vec::new();
    let yellowing = dice.between(0.1, 0.7);
    for _ in 0..patches {
        let (u, v) = leaf.point(dice, 0.03);
        let spread = dice.between(0.018, 0.05);
        for _ in 0..dice.count(3, 7) {
            let (nu, nv) = (u + dice.between(-spread, spread), v + dice.between(-spread, spread));
            if leaf.margin(nu, nv) > 0.0 {
                cells.push(leaf.cell(&leaf.panel(nu, nv)).id);
            }
        }
        let radius = (spread + 0.03) * leaf.length;
        surface.stamp(leaf.place(u, v), radius, 1.8, (0.0, 0), |texel, distance, _, _| {
            let halo = yellowing * (1.0 - smoothstep(0.5, 1.8, distance));
            texel.albedo = mix(texel.albedo, YELLOW, halo * 0.7);
        });
    }
    cells.sort_unstable();
    cells.dedup();
    let brown = dice.blend(&BROWNS);
    let rim = scale(brown, dice.between(0.55, 0.95));
    let strength = dice.between(0.75, 1.0);
    let seed = dice.seed();
    let mut shades = Noise::new(seed);
    surface.each(|texel, _, _, x, y| {
        if cells.binary_search(&texel.cell).is_ok() {
            let shade = 0.82 + 0.36 * shades.at(x * 0.3, y * 0.3);
            let age = fraction(hash(seed, texel.cell as i32, 0));
            let centre = mix(brown, [0.52, 0.42, 0.32], age * 0.35);
            let colour = scale(mix(rim, centre, smoothstep(0.1, 0.45, texel.inside)), shade);
            let cover = strength * smoothstep(0.01, 0.09, texel.inside);
            texel.albedo = mix(texel.albedo, colour, cover);
            texel.height -= 0.5 * cover;
            texel.lesion = cover;
        }
    });
}

/// Bean rust: raised reddish pustules, each in a yellow halo, with `severity` from 0 (a handful) to 1.
pub(crate) fn bean_rust(dice: &mut Dice, surface: &mut Surface, severity: f32) {
    let leaf = surface.leaf;
    let pustules = 6 + (severity * severity * 110.0 + severity * 10.0) as u32;
    let size = dice.between(0.0075, 0.0135) * leaf.length;
    let (rust, halo) = (dice.blend(&RUSTS), dice.between(0.35, 0.95));
    let halo_reach = dice.between(1.9, 3.0);
    let clusters: Vec<_> = (0..dice.count(1, 4)).map(|_| leaf.point(dice, 0.05)).collect();
    let clustering = dice.between(0.0, 0.8);
    for _ in 0..pustules {
        let (mut u, mut v) = leaf.point(dice, 0.01);
        if dice.chance(clustering) {
            let centre = clusters[dice.count(0, clusters.len() as u32 - 1) as usize];
            let (near_u, near_v) = (centre.0 + 0.3 * (u - 0.4), centre.1 + 0.3 * v);
            if leaf.margin(near_u, near_v) > 0.01 {
                (u, v) = (near_u, near_v);
            }
        }
        let radius = (size * dice.between(0.6, 1.4)).max(1.5);
        let colour = scale(rust, dice.between(0.8, 1.2));
        let ragged = (0.25, dice.seed());
        surface.stamp(leaf.place(u, v), radius, halo_reach, ragged, |texel, distance, _, _| {
            let around = halo * (1.0 - smoothstep(0.8, halo_reach, distance));
            texel.albedo = mix(texel.albedo, YELLOW, around * 0.8);
            let cover = 1.0 - smoothstep(0.75, 1.1, distance);
            texel.albedo = mix(texel.albedo, colour, cover);
            texel.lesion = texel.lesion.max(cover);
            texel.height += 0.45 * radius * (1.0 - distance * distance).max(0.0);
        });
    }
}

/// The marks that any leaf may carry: soil, yellowing, burnt margins, bruises, holes, pale flecks and drops of water.
pub(crate) fn distractors(dice: &mut Dice, surface: &mut Surface) {
    if dice.chance(0.45) {
        yellowing(dice, surface);
    }
    if dice.chance(0.25) {
        burnt_margin(dice, surface);
    }
    if dice.chance(0.28) {
        bruises(dice, surface);
    }
    if dice.chance(0.6) {
        soil(dice, surface);
    }
    if dice.chance(0.25) {
        flecks(dice, surface);
    }
    if dice.chance(0.25) {
        holes(dice, surface);
    }
    if dice.chance(0.2) {
        drops(dice, surface);
    }
}

fn yellowing(dice: &mut Dice, surface: &mut Surface) {
    let (mut patches, strength) = (Noise::new(dice.seed()), dice.between(0.2, 0.75));
    let (frequency, threshold) = (dice.between(3.0, 7.0) / surface.leaf.length, dice.between(0.45, 0.75));
    surface.each(|texel, _, _, x, y| {
        let patch = smoothstep(threshold, threshold + 0.35, patches.at(x * frequency, y * frequency));
        texel.albedo = mix(texel.albedo, YELLOW, patch * strength);
    });
}

fn burnt_margin(dice: &mut Dice, surface: &mut Surface) {
    let (leaf, mut edges, depth) = (surface.leaf, Noise::new(dice.seed()), dice.between(0.02, 0.08));
    let (brown, from) = (dice.blend(&BROWNS), dice.between(0.3, 0.7));
    surface.each(|texel, u, v, _, _| {
        let edge = depth * smoothstep(from, from + 0.25, edges.at(u * 5.0, v * 5.0));
        let burnt = 1.0 - smoothstep(0.4, 1.1, leaf.margin(u, v) / (edge + 1e-4));
        texel.albedo = mix(texel.albedo, brown, burnt * 0.9);
    });
}

fn bruises(dice: &mut Dice, surface: &mut Surface) {
    for _ in 0..dice.count(1, 3) {
        let (u, v) = surface.leaf.point(dice, 0.02);
        let radius = dice.between(0.012, 0.05) * surface.leaf.length;
        let (colour, strength) = (dice.blend(&BROWNS), dice.between(0.4, 0.95));
        let ragged = (dice.between(0.2, 0.6), dice.seed());
        let softness = dice.between(0.35, 0.95);
        surface.stamp(surface.leaf.place(u, v), radius, 1.6, ragged, |texel, distance, _, _| {
            let cover = 1.0 - smoothstep(1.0 - softness, 1.0 + 0.5 * softness, distance);
            texel.albedo = mix(texel.albedo, colour, strength * cover);
        });
    }
}

fn soil(dice: &mut Dice, surface: &mut Surface) {
    let leaf = surface.leaf;
    let centre = leaf.point(dice, 0.05);
    let spread = dice.between(0.3, 1.0);
    for _ in 0..dice.count(3, 45) {
        let (u, v) = leaf.point(dice, 0.0);
        let (u, v) = (centre.0 + (u - centre.0) * spread, centre.1 + (v - centre.1) * spread);
        let radius = dice.between(0.8, 3.2);
        let colour = dice.blend(&SOILS);
        let ragged = (0.5, dice.seed());
        surface.stamp(leaf.place(u, v), radius, 1.4, ragged, |texel, distance, _, _| {
            texel.albedo = mix(texel.albedo, colour, 0.9 * (1.0 - smoothstep(0.7, 1.3, distance)));
        });
    }
}

fn flecks(dice: &mut Dice, surface: &mut Surface) {
    let pale = dice.blend(&[[0.80, 0.80, 0.55], [0.75, 0.72, 0.45], [0.85, 0.86, 0.78]]);
    for _ in 0..dice.count(5, 50) {
        let (u, v) = surface.leaf.point(dice, 0.0);
        let (radius, strength) = (dice.between(1.0, 4.0), dice.between(0.3, 0.8));
        let ragged = (0.4, dice.seed());
        surface.stamp(surface.leaf.place(u, v), radius, 1.8, ragged, |texel, distance, _, _| {
            texel.albedo = mix(texel.albedo, pale, strength * (1.0 - smoothstep(0.3, 1.7, distance)));
        });
    }
}

fn holes(dice: &mut Dice, surface: &mut Surface) {
    for _ in 0..dice.count(1, 4) {
        let (u, v) = surface.leaf.point(dice, 0.0);
        let radius = dice.between(0.01, 0.055) * surface.leaf.length;
        let (rim, ragged) = (dice.blend(&BROWNS), (dice.between(0.2, 0.6), dice.seed()));
        let browning = dice.between(0.0, 0.9);
        surface.stamp(surface.leaf.place(u, v), radius, 1.5, ragged, |texel, distance, _, _| {
            texel.albedo = mix(texel.albedo, rim, browning * (1.0 - smoothstep(1.0, 1.4, distance)));
            texel.cover *= smoothstep(0.9, 1.05, distance);
        });
    }
}

fn drops(dice: &mut Dice, surface: &mut Surface) {
    for _ in 0..dice.count(3, 25) {
        let (u, v) = surface.leaf.point(dice, 0.02);
        let radius = dice.between(2.0, 7.0);
        surface.stamp(
            surface.leaf.place(u, v),
            radius,
            1.2,
            (0.15, dice.seed()),
            |texel, distance, dx, dy| {
                let inside = 1.0 - smoothstep(0.9, 1.1, distance);
                texel.albedo = scale(texel.albedo, 1.0 - 0.25 * inside * smoothstep(0.4, 1.0, distance));
                texel.height += 0.35 * radius * (1.0 - distance * distance).max(0.0);
                let (gx, gy) = (dx / radius + 0.35, dy / radius + 0.35);
                texel.glint += 0.6 * (1.0 - smoothstep(0.0, 0.06, gx * gx + gy * gy));
            },
        );
    }
}
