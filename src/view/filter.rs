//! The integer weights that Pillow makes of its resampling filters.

use std::f64::consts::PI;
use std::ops::Range;

pub use crate::config::Filter;

impl Filter {
    /// How far it reaches at scale 1, in source pixels.
    fn support(self) -> f64 {
        match self {
            Self::Nearest => 0.0,
            Self::Box => 0.5,
            Self::Bilinear | Self::Hamming => 1.0,
            Self::Bicubic => 2.0,
            Self::Lanczos => 3.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        match self {
            Self::Box => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Self::Bilinear => (1.0 - x.abs()).max(0.0),
            Self::Hamming => hamming(x.abs()),
            Self::Bicubic => bicubic(x.abs()),
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Lanczos | Self::Nearest => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

fn hamming(x: f64) -> f64 {
    if x == 0.0 {
        1.0
    } else if x >= 1.0 {
        0.0
    } else {
        sinc(x) * (0.54 + 0.46 * (x * PI).cos())
    }
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// The fraction bits of a weight: 8-bit pixels times weights of up to 2 stay within 32 bits.
pub(super) const PRECISION_BITS: u32 = 32 - 8 - 2;

/// For each target pixel along one axis, the source pixels it is made of and their weights.
pub(super) struct Weights {
    /// Each target pixel's first source pixel.
    first: Vec<usize>,
    /// Where each target pixel's weights end.
    ends: Vec<usize>,
    values: Vec<i32>,
}

impl Weights {
    /// The weights that take `source` pixels between `start` and `end` to `target` pixels.
    ///
    /// As in Pillow, the filter reaches beyond the crop where there are pixels, and is cut at the image's border.
    pub(super) fn new(source: u32, start: f32, end: f32, target: u32, filter: Filter) -> Self {
        let scale = f64::from(end - start) / f64::from(target);
        let widening = scale.max(1.0);
        let support = filter.support() * widening;
        let (mut first, mut ends, mut values) = (Vec::new(), Vec::new(), Vec::new());
        let mut row = Vec::new();
        for position in 0..target {
            let center = f64::from(start) + (f64::from(position) + 0.5) * scale;
            // The casts cut towards zero and stop at it, as Pillow's do.
            let from = (center - support + 0.5) as u32;
            let to = ((center + support + 0.5) as u32).min(source);
            row.clear();
            row.extend((from..to).map(|x| filter.weight((f64::from(x) - center + 0.5) * (1.0 / widening))));
            let sum: f64 = row.iter().sum();
            values.extend(row.iter().map(|&weight| fixed(if sum == 0.0 { weight } else { weight / sum })));
            first.push(from as usize);
            ends.push(values.len());
        }
        Self { first, ends, values }
    }

    /// For each target pixel, its first source pixel and the weights from there on.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let ranges = starts.zip(&self.ends).map(|(start, &end)| start..end);
        self.first.iter().copied().zip(ranges.map(|range: Range<usize>| &self.values[range]))
    }

    /// How many target pixels there are.
    pub(super) fn len(&self) -> usize {
        self.first.len()
    }

    /// The source pixels that any target pixel is made of.
    pub(super) fn span(&self) -> Range<usize> {
        let start = self.iter().map(|(first, _)| first).min().unwrap_or(0);
        let end = self.iter().map(|(first, weights)| first + weights.len()).max().unwrap_or(0);
        start..end.max(start)
    }
}

fn fixed(weight: f64) -> i32 {
    (weight * f64::from(1 << PRECISION_BITS) + 0.5_f64.copysign(weight)) as i32
}
