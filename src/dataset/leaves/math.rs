//! Arithmetic with the same bits on every machine: only operations that IEEE 754 rounds exactly, no libm.

use rand::RngCore;
use rand_chacha::ChaCha8Rng;

/// Red, green and blue, 0 to 1, display-referred.
pub(crate) type Rgb = [f32; 3];

/// The random decisions of one image.
pub(crate) struct Dice(pub ChaCha8Rng);

impl Dice {
    /// Uniform in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f32 {
        fraction(self.0.next_u32())
    }

    /// Uniform in `[low, high)`.
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// Uniform in `low..=high`.
    pub(crate) fn count(&mut self, low: u32, high: u32) -> u32 {
        low + (self.unit() * (high - low + 1) as f32) as u32
    }

    /// A seed for [`hash`].
    pub(crate) fn seed(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A blend of two random colours of `palette`.
    pub(crate) fn blend(&mut self, palette: &[Rgb]) -> Rgb {
        let last = palette.len() as u32 - 1;
        let (a, b) = (self.count(0, last), self.count(0, last));
        mix(palette[a as usize], palette[b as usize], self.unit())
    }
}

/// The top 24 bits as a number in `[0, 1)`.
pub(crate) fn fraction(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / 16_777_216.0)
}

/// Well-mixed bits for a lattice point.
pub(crate) fn hash(seed: u32, x: i32, y: i32) -> u32 {
    let mut h =
        seed ^ (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77).rotate_left(13);
    h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
    h = (h ^ (h >> 12)).wrapping_mul(0x297A_2D39);
    h ^ (h >> 15)
}

/// The largest integer not above `x`.
pub(crate) fn floor(x: f32) -> i32 {
    let whole = x as i32;
    whole - i32::from(whole as f32 > x)
}

/// Sine of an angle in turns, to 0.001: a parabola and one refinement.
pub(crate) fn sin(turns: f32) -> f32 {
    let x = turns - floor(turns + 0.5) as f32;
    let y = 8.0 * x - 16.0 * x * x.abs();
    y + 0.225 * (y * y.abs() - y)
}

/// Cosine of an angle in turns, to 0.001.
pub(crate) fn cos(turns: f32) -> f32 {
    sin(turns + 0.25)
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(crate) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// `a` at `t = 0`, `b` at `t = 1`.
pub(crate) fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

/// Every channel times `factor`.
pub(crate) fn scale(a: Rgb, factor: f32) -> Rgb {
    a.map(|channel| channel * factor)
}

/// Smooth noise in `[0, 1)` that varies over a distance of 1.
pub(crate) fn noise(seed: u32, x: f32, y: f32) -> f32 {
    Noise::new(seed).at(x, y)
}

/// [`noise`] of many points. It keeps the corners of the last point's lattice square, in which the next pixel mostly lies too.
pub(crate) struct Noise {
    seed: u32,
    square: Option<[i32; 2]>,
    /// North-west, north-east, south-west, south-east.
    corners: [f32; 4],
}

impl Noise {
    pub(crate) fn new(seed: u32) -> Self {
        Self { seed, square: None, corners: [0.0; 4] }
    }

    /// The noise at a point.
    pub(crate) fn at(&mut self, x: f32, y: f32) -> f32 {
        let (column, row) = (floor(x), floor(y));
        if self.square != Some([column, row]) {
            self.square = Some([column, row]);
            self.corners = [(0, 0), (1, 0), (0, 1), (1, 1)]
                .map(|(dx, dy)| fraction(hash(self.seed, column + dx, row + dy)));
        }
        let (fx, fy) = (x - column as f32, y - row as f32);
        let (sx, sy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
        let [north_west, north_east, south_west, south_east] = self.corners;
        let top = north_west + (north_east - north_west) * sx;
        let bottom = south_west + (south_east - south_west) * sx;
        top + (bottom - top) * sy
    }
}

/// Some octaves of [`Noise`], each twice as fine and half as strong, about 0 to 1.
pub(crate) struct Fractal(Vec<Noise>);

impl Fractal {
    pub(crate) fn new(seed: u32, octaves: u32) -> Self {
        Self((0..octaves).map(|octave| Noise::new(seed.wrapping_add(octave))).collect())
    }

    /// The noise at a point.
    pub(crate) fn at(&mut self, mut x: f32, mut y: f32) -> f32 {
        let (mut sum, mut weight, mut total) = (0.0, 1.0, 0.0);
        for octave in &mut self.0 {
            sum += weight * octave.at(x, y);
            total += weight;
            (x, y, weight) = (x * 2.03 + 7.1, y * 2.03 + 3.7, weight * 0.5);
        }
        sum / total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sine_is_within_a_thousandth() {
        for step in -400..400 {
            let turns = step as f32 * 0.01;
            let exact = (f64::from(turns) * std::f64::consts::TAU).sin();
            assert!((f64::from(sin(turns)) - exact).abs() < 1.2e-3, "at {turns} turns");
        }
    }

    #[test]
    fn floor_rounds_down_on_both_sides_of_zero() {
        assert_eq!([-1.5, -1.0, -0.1, 0.0, 0.9, 1.0].map(floor), [-2, -1, -1, 0, 0, 1]);
    }

    #[test]
    fn a_kept_square_changes_nothing() {
        let mut kept = Noise::new(5);
        for step in 0..500 {
            let (x, y) = (step as f32 * 0.11 - 20.0, (step % 7) as f32 * 0.4 - 1.0);
            assert_eq!(kept.at(x, y).to_bits(), noise(5, x, y).to_bits());
        }
    }

    #[test]
    fn noise_is_continuous_across_lattice_lines() {
        for y in 0..50 {
            let y = y as f32 * 0.37;
            assert!((noise(3, 1.999_99, y) - noise(3, 2.000_01, y)).abs() < 1e-3);
        }
    }
}
