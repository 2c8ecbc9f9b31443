//! The form of one bean leaflet: pose, outline, and the veins that divide it into cells.
//!
//! Leaf coordinates are `u`, 0 at the petiole to 1 at the tip, and `v`, across the midrib, both in leaf lengths.

use super::math::{Dice, cos, fraction, hash, noise, sin, smoothstep};

const PROFILE_STEPS: usize = 128;

/// Rows of small cells between two lateral veins.
const ROWS: i32 = 3;

/// Pose, outline and venation of a leaflet.
pub(crate) struct Leaf {
    /// Where the petiole meets the blade, in pixels.
    pub base: [f32; 2],
    /// From petiole to tip, in pixels.
    pub length: f32,
    axis: [f32; 2],
    across: [f32; 2],
    bend: f32,
    profiles: [[f32; PROFILE_STEPS + 1]; 2],
    laterals: [Vec<f32>; 2],
    slope: f32,
    curl: f32,
    cell: f32,
    seed: u32,
}

/// A point of the blade in relation to the two lateral veins it lies between.
pub(crate) struct Panel {
    /// From one vein, 0, to the next, 1.
    pub position: f32,
    /// Distance from the nearer of the two in leaf lengths.
    pub distance: f32,
    reach: f32,
    seed: u32,
}

/// A point of the blade in relation to the smallest cell that veins bound.
pub(crate) struct Cell {
    /// The cell's number.
    pub id: u32,
    /// Distance from its border, 0 there to about 1.
    pub inside: f32,
}

impl Panel {
    /// How much of a vein is here, at `(u, v)`: 0 to 1 for the midrib and the laterals, both thinner outwards.
    pub(crate) fn vein(&self, u: f32, v: f32) -> f32 {
        let midrib = 0.011 * (1.15 - u);
        let lateral = 0.006 * (1.1 - v.abs() * 2.0).max(0.3);
        let on_midrib = 1.0 - smoothstep(midrib * 0.4, midrib * 1.3, v.abs());
        let on_lateral = 1.0 - smoothstep(lateral * 0.3, lateral * 1.3, self.distance);
        on_midrib.max(on_lateral * 0.75)
    }
}

impl Leaf {
    /// A leaflet that points along `turns` (0 is right, 0.25 is down), `length` pixels long, based at `base`.
    pub(crate) fn new(dice: &mut Dice, base: [f32; 2], length: f32, turns: f32) -> Self {
        let direction = [cos(turns), sin(turns)];
        let shear = dice.between(-0.18, 0.18);
        let narrowing = dice.between(0.68, 1.08);
        let normal = [-direction[1], direction[0]];
        let across = [0, 1].map(|i| (normal[i] * narrowing + direction[i] * shear) * length);
        let axis = direction.map(|d| d * length);
        let seed = dice.seed();
        let half_width = dice.between(0.30, 0.42);
        let (fullness, roundness) = (dice.between(-0.45, 0.75), dice.between(0.0, 0.8));
        let ripple = dice.between(0.0, 0.07);
        let mut profile = |side: u32| {
            let width = half_width * dice.between(0.9, 1.1);
            std::array::from_fn(|step| {
                let u = step as f32 / PROFILE_STEPS as f32;
                let root = u.sqrt();
                let shoulder = root + (root.sqrt() - root) * roundness;
                let outline = shoulder * (1.0 - u) * (1.0 + fullness * (u - 0.33)) / 0.43;
                width * outline * (1.0 + ripple * (noise(seed ^ side, u * 9.0, 0.5) - 0.5) * 2.0)
            })
        };
        let profiles = [profile(1), profile(2)];
        let spacing = dice.between(0.105, 0.15);
        let mut side = || {
            let mut at = -0.55 + dice.between(0.0, spacing);
            let mut veins = vec![at];
            while at < 1.1 {
                at += spacing * dice.between(0.8, 1.2);
                veins.push(at);
            }
            veins
        };
        let laterals = [side(), side()];
        Self {
            base,
            length,
            axis,
            across,
            bend: dice.between(-0.16, 0.16),
            profiles,
            laterals,
            slope: dice.between(0.55, 0.95),
            curl: dice.between(0.0, 0.7),
            cell: dice.between(0.036, 0.05),
            seed,
        }
    }

    /// Leaf coordinates to pixels.
    pub(crate) fn place(&self, u: f32, v: f32) -> [f32; 2] {
        let v = v + self.bend * 4.0 * u * (1.0 - u);
        [0, 1].map(|i| self.base[i] + u * self.axis[i] + v * self.across[i])
    }

    /// Pixels to leaf coordinates.
    pub(crate) fn locate(&self, x: f32, y: f32) -> (f32, f32) {
        let (dx, dy) = (x - self.base[0], y - self.base[1]);
        let determinant = self.axis[0] * self.across[1] - self.axis[1] * self.across[0];
        let u = (dx * self.across[1] - dy * self.across[0]) / determinant;
        let v = (dy * self.axis[0] - dx * self.axis[1]) / determinant;
        (u, v - self.bend * 4.0 * u * (1.0 - u))
    }

    /// Distance of `(u, v)` from the margin in leaf lengths, positive inside the blade.
    pub(crate) fn margin(&self, u: f32, v: f32) -> f32 {
        if !(0.0..1.0).contains(&u) {
            return -1.0;
        }
        let at = u * PROFILE_STEPS as f32;
        let step = (at as usize).min(PROFILE_STEPS - 1);
        let profile = &self.profiles[usize::from(v < 0.0)];
        profile[step] + (profile[step + 1] - profile[step]) * (at - step as f32) - v.abs()
    }

    /// The lateral veins around `(u, v)`.
    pub(crate) fn panel(&self, u: f32, v: f32) -> Panel {
        let side = usize::from(v < 0.0);
        let reach = v.abs();
        // A lateral vein leaves the midrib forwards and curls towards the tip: along it, `along` is constant.
        let along = u - self.slope * reach - self.curl * reach * reach;
        let veins = &self.laterals[side];
        let next = veins.partition_point(|&vein| vein <= along).clamp(1, veins.len() - 1);
        let (low, high) = (veins[next - 1], veins[next]);
        let position = ((along - low) / (high - low)).clamp(0.0, 1.0);
        let distance = position.min(1.0 - position) * (high - low);
        Panel { position, distance, reach, seed: self.seed.wrapping_add((next as u32) << 8 | side as u32) }
    }

    /// The cell around a point of `panel`: between two laterals, smaller veins border a jittered lattice.
    pub(crate) fn cell(&self, panel: &Panel) -> Cell {
        let (x, y) = (panel.reach / self.cell, panel.position * ROWS as f32);
        let (column, row) = (x as i32, y as i32);
        let (mut first, mut second, mut id) = (f32::MAX, f32::MAX, 0);
        for j in (row - 1).max(0)..(row + 2).min(ROWS) {
            for i in column - 1..column + 2 {
                let bits = hash(panel.seed, i, j);
                let dx = i as f32 + 0.1 + 0.8 * fraction(bits) - x;
                let dy = j as f32 + 0.1 + 0.8 * fraction(bits << 12) - y;
                let squared = dx * dx + dy * dy;
                if squared < first {
                    (second, first, id) = (first, squared, bits);
                } else if squared < second {
                    second = squared;
                }
            }
        }
        let to_lateral = 2.0 * panel.position.min(1.0 - panel.position) * ROWS as f32;
        Cell { id, inside: (second.sqrt() - first.sqrt()).min(to_lateral).min(x) }
    }

    /// Corners of a box in pixels that holds the blade: left, top, right, bottom.
    pub(crate) fn bounds(&self) -> [f32; 4] {
        let mut bounds = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for step in 0..=16 {
            let u = step as f32 / 16.0;
            for v in [-0.55, 0.55] {
                let [x, y] = self.place(u, v);
                bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x), bounds[3].max(y)];
            }
        }
        bounds
    }

    /// A random point of the blade, at least `margin` leaf lengths from its edge.
    pub(crate) fn point(&self, dice: &mut Dice, margin: f32) -> (f32, f32) {
        for _ in 0..64 {
            let (u, v) = (dice.between(0.03, 0.95), dice.between(-0.45, 0.45));
            if self.margin(u, v) > margin {
                return (u, v);
            }
        }
        (0.35, 0.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::rng::keyed;

    fn leaf() -> Leaf {
        Leaf::new(&mut Dice(keyed("leaf", &[1])), [120.0, 300.0], 250.0, 0.9)
    }

    #[test]
    fn placing_and_locating_are_inverse() {
        let leaf = leaf();
        for (u, v) in [(0.0, 0.0), (0.4, 0.2), (0.9, -0.1)] {
            let [x, y] = leaf.place(u, v);
            let (back_u, back_v) = leaf.locate(x, y);
            assert!((u - back_u).abs() < 1e-4 && (v - back_v).abs() < 1e-4);
        }
    }

    #[test]
    fn a_cell_never_crosses_the_midrib_or_a_lateral_vein() {
        let leaf = leaf();
        let mut panels = std::collections::HashMap::new();
        for step in 0..40_000 {
            let (u, v) = ((step % 200) as f32 / 200.0, (step / 200) as f32 / 250.0 - 0.4);
            let panel = leaf.panel(u, v);
            let home = panels.entry(leaf.cell(&panel).id).or_insert(panel.seed);
            assert_eq!(*home, panel.seed);
        }
    }

    #[test]
    fn random_points_lie_on_the_blade() {
        let (leaf, mut dice) = (leaf(), Dice(keyed("points", &[])));
        assert!((0..500).all(|_| {
            let (u, v) = leaf.point(&mut dice, 0.02);
            leaf.margin(u, v) > 0.02
        }));
    }
}
