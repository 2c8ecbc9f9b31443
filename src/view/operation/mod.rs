//! What is done to a view's pixels after crop, resizing and flip: torchvision's `ColorJitter` and `RandAugment`, each operation with its
//! amount, so that a row can be replayed.
//!
//! The pixels are those of Pillow's functions, to the bit; [`Kind`] names each.

mod affine;
mod draw;
mod enhance;
mod hue;
mod levels;

use image::RgbImage;

pub use draw::{ColorJitter, RandAugment, RandomOperations};

/// Which operation; its place in [`Kind::ALL`] is the code that a cache stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing; the amount is 0.
    Identity,
    /// `ImageEnhance.Brightness`; the amount is the factor.
    Brightness,
    /// `ImageEnhance.Contrast`; the amount is the factor.
    Contrast,
    /// `ImageEnhance.Color`; the amount is the factor.
    Saturation,
    /// torchvision's `adjust_hue`; the amount is the part of the colour circle, -0.5 to 0.5.
    Hue,
    /// `ImageEnhance.Sharpness`; the amount is the factor.
    Sharpness,
    /// `ImageOps.posterize`; the amount is the number of bits that are kept, 1 to 8.
    Posterize,
    /// `ImageOps.solarize`; the amount is the threshold: levels below it stay.
    Solarize,
    /// `ImageOps.autocontrast`; the amount is 0.
    AutoContrast,
    /// `ImageOps.equalize`; the amount is 0.
    Equalize,
    /// `Image.rotate` without interpolation; the amount is the angle in degrees, counter-clockwise, less than 90.
    Rotate,
    /// `Image.transform` with `(1, amount, 0, 0, 1, 0)`, without interpolation.
    ShearX,
    /// `Image.transform` with `(1, 0, 0, amount, 1, 0)`, without interpolation.
    ShearY,
    /// A shift to the right; the amount is the part of the width, cut off to whole pixels.
    TranslateX,
    /// A shift down; the amount is the part of the height, cut off to whole pixels.
    TranslateY,
}

impl Kind {
    /// Every operation, by its code.
    pub const ALL: [Self; 15] = [
        Self::Identity,
        Self::Brightness,
        Self::Contrast,
        Self::Saturation,
        Self::Hue,
        Self::Sharpness,
        Self::Posterize,
        Self::Solarize,
        Self::AutoContrast,
        Self::Equalize,
        Self::Rotate,
        Self::ShearX,
        Self::ShearY,
        Self::TranslateX,
        Self::TranslateY,
    ];

    /// Whether an operation of this kind can have this amount.
    fn takes(self, amount: f32) -> bool {
        match self {
            Self::Identity | Self::AutoContrast | Self::Equalize => amount == 0.0,
            Self::Hue => (-0.5..=0.5).contains(&amount),
            Self::Posterize => (1.0..=8.0).contains(&amount),
            Self::Rotate => amount.abs() < 90.0,
            _ => amount.is_finite(),
        }
    }
}

/// One operation and its amount.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operation {
    /// Which one.
    pub kind: Kind,
    /// How much, in the unit of its kind.
    pub amount: f32,
}

impl Operation {
    /// Numbers that a cache stores of an operation.
    pub(crate) const NUMBERS: usize = 2;

    /// The operation as a cache stores it: its code and its amount.
    pub(crate) fn numbers(self) -> [f32; Self::NUMBERS] {
        [f32::from(self.kind as u8), self.amount]
    }

    /// The operation that a cache stores as these numbers; none where there is no such code or amount.
    pub(crate) fn from_numbers([code, amount]: [f32; Self::NUMBERS]) -> Option<Self> {
        let kind = Kind::ALL.into_iter().find(|&kind| f32::from(kind as u8) - code == 0.0)?;
        kind.takes(amount).then_some(Self { kind, amount })
    }
}

/// Operations as the `width` numbers that a cache stores of a row: each as its code and its amount, then nothing more to do.
pub(crate) fn numbers(operations: &[Operation], width: usize) -> impl Iterator<Item = f32> {
    operations.iter().flat_map(|operation| operation.numbers()).chain(std::iter::repeat(0.0)).take(width)
}

/// Changes the pixels by each operation in turn.
pub fn apply(operations: &[Operation], pixels: &mut RgbImage) {
    for &Operation { kind, amount } in operations {
        match kind {
            Kind::Identity => {}
            Kind::Brightness => enhance::brightness(pixels, amount),
            Kind::Contrast => enhance::contrast(pixels, amount),
            Kind::Saturation => enhance::saturation(pixels, amount),
            Kind::Hue => hue::shift(pixels, amount),
            Kind::Sharpness => enhance::sharpness(pixels, amount),
            Kind::Posterize => levels::posterize(pixels, amount as u32),
            Kind::Solarize => levels::solarize(pixels, amount),
            Kind::AutoContrast => levels::auto_contrast(pixels),
            Kind::Equalize => levels::equalize(pixels),
            Kind::Rotate => affine::rotate(pixels, amount),
            Kind::ShearX => affine::shear(pixels, f64::from(amount), 0.0),
            Kind::ShearY => affine::shear(pixels, 0.0, f64::from(amount)),
            Kind::TranslateX => affine::translate(pixels, amount, 0.0),
            Kind::TranslateY => affine::translate(pixels, 0.0, amount),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_read_as_it_is_stored() {
        for (code, kind) in Kind::ALL.into_iter().enumerate() {
            let amount = [0.0, 0.5, 1.0].into_iter().find(|&amount| kind.takes(amount)).unwrap();
            let operation = Operation { kind, amount };
            assert_eq!(operation.numbers().map(f32::to_bits), [code as f32, amount].map(f32::to_bits));
            assert_eq!(Operation::from_numbers(operation.numbers()), Some(operation));
        }
    }

    #[test]
    fn numbers_that_are_no_operation_are_refused() {
        let wrong = [
            [15.0, 0.0],
            [-1.0, 0.0],
            [0.5, 0.0],
            [f32::NAN, 0.0],
            [f32::INFINITY, 0.0],
            [0.0, 1.0],
            [1.0, f32::NAN],
            [1.0, f32::INFINITY],
            [4.0, 0.6],
            [6.0, 0.0],
            [6.0, 9.0],
        ];
        for numbers in wrong {
            assert_eq!(Operation::from_numbers(numbers), None, "{numbers:?}");
        }
    }

    #[test]
    fn no_operation_needs_a_certain_size() {
        for (width, height) in [(1, 1), (1, 7), (2, 2), (5, 1), (3, 3)] {
            for kind in Kind::ALL {
                for amount in [-40.0, -0.4, 0.0, 0.5, 1.0, 2.5, 8.0, 300.0] {
                    if kind.takes(amount) {
                        let mut pixels =
                            RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 9]));
                        apply(&[Operation { kind, amount }], &mut pixels);
                        assert_eq!(pixels.dimensions(), (width, height));
                    }
                }
            }
        }
    }
}
