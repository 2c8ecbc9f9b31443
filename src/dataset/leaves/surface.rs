//! The blade of a leaf as colour and relief, before light falls on it.

use super::canvas::Canvas;
use super::math::{Dice, Fractal, Noise, Rgb, cos, mix, scale, sin, smoothstep};
use super::shape::Leaf;

/// The colours of one pixel of the blade.
#[derive(Clone, Copy, Default)]
pub(crate) struct Texel {
    pub albedo: Rgb,
    /// Relief in pixels.
    pub height: f32,
    /// Share of the pixel that the blade covers.
    pub cover: f32,
    /// Mirrored light, added after shading.
    pub glint: f32,
    /// Share of the pixel that is a lesion.
    pub lesion: f32,
    /// The smallest vein-bounded cell here, and the distance from its border, as in [`super::shape::Cell`]; only on a fine surface.
    pub cell: u32,
    pub inside: f32,
}

/// A leaf's texels over its box in the picture.
pub(crate) struct Surface<'a> {
    pub leaf: &'a Leaf,
    left: usize,
    top: usize,
    width: usize,
    height: usize,
    texels: Vec<Texel>,
}

/// The direction and hardness of the light of one picture.
pub(crate) struct Light {
    direction: [f32; 2],
    relief: f32,
    gloss: f32,
}

impl Light {
    /// Light from a random side.
    pub(crate) fn new(dice: &mut Dice) -> Self {
        let turns = dice.unit();
        Self {
            direction: [cos(turns), sin(turns)],
            relief: dice.between(0.35, 1.25),
            gloss: if dice.chance(0.5) { dice.between(0.2, 1.6) } else { 0.0 },
        }
    }
}

/// The greens of bean leaves, from a dry field's to a wet one's.
pub(crate) const GREENS: [Rgb; 6] = [
    [0.20, 0.40, 0.13],
    [0.33, 0.54, 0.14],
    [0.52, 0.66, 0.15],
    [0.42, 0.55, 0.36],
    [0.24, 0.42, 0.24],
    [0.30, 0.50, 0.22],
];

impl<'a> Surface<'a> {
    /// A sound blade: colour, veins and the bulges between them; `None` if it is not in the picture.
    ///
    /// `fine` draws the smallest veins too, which an unsharp leaf does not show.
    pub(crate) fn new(
        dice: &mut Dice,
        leaf: &'a Leaf,
        canvas: &Canvas,
        green: Rgb,
        fine: bool,
    ) -> Option<Self> {
        let [left, top, right, bottom] = leaf.bounds();
        let (left, top) = (left.max(0.0) as usize, top.max(0.0) as usize);
        let right = right.clamp(0.0, canvas.width as f32) as usize;
        let bottom = bottom.clamp(0.0, canvas.height as f32) as usize;
        if left >= right || top >= bottom {
            return None;
        }
        let pale = mix(green, [0.72, 0.78, 0.50], dice.between(0.15, 0.5));
        let mottle = dice.between(0.03, 0.14);
        let bulge = dice.between(0.001, 0.0065) * leaf.length;
        let fold = dice.between(-0.16, 0.16) * leaf.length;
        let mesh = dice.between(0.0, 0.5);
        let mut blotches = Fractal::new(dice.seed(), if fine { 3 } else { 1 });
        let frequency = 5.0 / leaf.length;
        let (width, height) = (right - left, bottom - top);
        let texels = vec![Texel::default(); width * height];
        let mut surface = Self { leaf, left, top, width, height, texels };
        surface.visit(|texel, x, y| {
            let (u, v) = leaf.locate(x, y);
            let margin = leaf.margin(u, v) * leaf.length;
            if margin < -0.8 {
                return;
            }
            let panel = leaf.panel(u, v);
            let vein = panel.vein(u, v);
            let blotch = blotches.at(x * frequency, y * frequency) - 0.5;
            let mut thread = 0.0;
            if fine {
                let cell = leaf.cell(&panel);
                thread = mesh * (1.0 - smoothstep(0.04, 0.2, cell.inside));
                (texel.cell, texel.inside) = (cell.id, cell.inside);
            }
            let shade = 1.0 + 2.0 * mottle * blotch - 0.10 * thread;
            texel.albedo = mix(scale(green, shade), pale, vein * 0.7);
            let arch = 4.0 * panel.position * (1.0 - panel.position);
            texel.height =
                bulge * arch + fold * v.abs() + leaf.length * 0.045 * blotch - 0.5 * vein - 0.5 * thread;
            texel.cover = smoothstep(-0.8, 0.8, margin);
        });
        Some(surface)
    }

    /// Calls `change(texel, x, y)` on every texel, row by row.
    fn visit(&mut self, mut change: impl FnMut(&mut Texel, f32, f32)) {
        for (row, texels) in self.texels.chunks_exact_mut(self.width).enumerate() {
            let y = (self.top + row) as f32;
            for (column, texel) in texels.iter_mut().enumerate() {
                change(texel, (self.left + column) as f32, y);
            }
        }
    }

    /// Calls `change(texel, u, v, x, y)` on every covered texel.
    pub(crate) fn each(&mut self, mut change: impl FnMut(&mut Texel, f32, f32, f32, f32)) {
        let leaf = self.leaf;
        self.visit(|texel, x, y| {
            if texel.cover > 0.0 {
                let (u, v) = leaf.locate(x, y);
                change(texel, u, v, x, y);
            }
        });
    }

    /// Calls `change(texel, distance, dx, dy)` within `reach` radii of a spot of `radius` pixels.
    ///
    /// `distance` is in radii, and `ragged` (0 to 1) is how far the outline departs from a circle.
    pub(crate) fn stamp(
        &mut self,
        centre: [f32; 2],
        radius: f32,
        reach: f32,
        ragged: (f32, u32),
        mut change: impl FnMut(&mut Texel, f32, f32, f32),
    ) {
        let mut wobbles = Noise::new(ragged.1);
        // The outline departs no further outwards, nor does rounding.
        let farthest = reach * radius / (1.0 - ragged.0) * 1.001;
        let extent = radius * reach + 1.0;
        let span = |centre: f32, first: usize, size: usize| {
            let low = (centre - extent - first as f32).max(0.0) as usize;
            let high = (centre + extent + 1.0 - first as f32).clamp(0.0, size as f32) as usize;
            low..high
        };
        for row in span(centre[1], self.top, self.height) {
            for column in span(centre[0], self.left, self.width) {
                let texel = &mut self.texels[row * self.width + column];
                let dx = (self.left + column) as f32 - centre[0];
                let dy = (self.top + row) as f32 - centre[1];
                let plain = (dx * dx + dy * dy).sqrt();
                if texel.cover <= 0.0 || plain > farthest {
                    continue;
                }
                let wobble = if ragged.0 > 0.0 {
                    let at = |d: f32| d / radius * 1.1 + 40.0;
                    1.0 + ragged.0 * (wobbles.at(at(dx), at(dy)) - 0.5) * 2.0
                } else {
                    1.0
                };
                let distance = plain / radius * wobble;
                if distance < reach {
                    change(texel, distance, dx, dy);
                }
            }
        }
    }

    /// Lights the blade and lays it over `canvas`.
    pub(crate) fn composite(&self, canvas: &mut Canvas, light: &Light) {
        for y in 0..self.height {
            for x in 0..self.width {
                let texel = &self.texels[y * self.width + x];
                if texel.cover <= 0.0 {
                    continue;
                }
                let height_at = |x: usize, y: usize| {
                    let other = &self.texels[y * self.width + x];
                    if other.cover > 0.0 { other.height } else { texel.height }
                };
                let (west, east) =
                    (height_at(x.saturating_sub(1), y), height_at((x + 1).min(self.width - 1), y));
                let (north, south) =
                    (height_at(x, y.saturating_sub(1)), height_at(x, (y + 1).min(self.height - 1)));
                let slope = 0.5 * ((east - west) * light.direction[0] + (south - north) * light.direction[1]);
                let tilt = (light.relief * slope).clamp(-0.55, 0.6);
                let gloss = light.gloss * (tilt - 0.12).max(0.0);
                let lit = texel.albedo.map(|channel| channel * (1.0 + tilt) + gloss * 0.5 + texel.glint);
                let pixel = &mut canvas.pixels[(self.top + y) * canvas.width + self.left + x];
                *pixel = mix(*pixel, lit, texel.cover);
                let lesion = &mut canvas.lesions[(self.top + y) * canvas.width + self.left + x];
                *lesion += (texel.lesion - *lesion) * texel.cover;
            }
        }
    }
}
