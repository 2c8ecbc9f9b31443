//! Which operations a view has: torchvision's `ColorJitter`, then its `RandAugment`.

use std::fmt;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Kind, Operation};
use crate::config::{self, MAX_MAGNITUDE};

/// How the operations of a view are drawn; their number is the same for every view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RandomOperations {
    /// Comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color_jitter: Option<ColorJitter>,
    /// Comes after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rand_augment: Option<RandAugment>,
}

/// torchvision's `ColorJitter`: those above 0, in a random order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColorJitter {
    /// The factor is between 1 less this, at least 0, and 1 plus this.
    pub brightness: f64,
    /// As `brightness`.
    pub contrast: f64,
    /// As `brightness`.
    pub saturation: f64,
    /// The largest shift, as a part of the colour circle, 0 to 0.5.
    pub hue: f64,
}

/// torchvision's `RandAugment`: operations of one magnitude, each drawn from fourteen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandAugment {
    /// How many operations.
    pub count: u8,
    /// 0 to 30.
    pub magnitude: u8,
}

impl RandomOperations {
    /// What a pipeline asks for; none where it asks for no operation.
    pub fn of(view: &config::View) -> Option<Self> {
        let &config::View { brightness, contrast, saturation, hue, rand_augment: count, .. } = view;
        let jitter = ColorJitter { brightness, contrast, saturation, hue };
        let magnitude = view.rand_augment_magnitude;
        let drawn = Self {
            color_jitter: (jitter.count() > 0).then_some(jitter),
            rand_augment: (count > 0).then_some(RandAugment { count, magnitude }),
        };
        (drawn.count() > 0).then_some(drawn)
    }

    /// How many operations a view has.
    pub fn count(&self) -> usize {
        let jitter = self.color_jitter.map_or(0, ColorJitter::count);
        jitter + self.rand_augment.map_or(0, |augment| augment.count.into())
    }

    /// The operations of one view.
    pub(in crate::view) fn draw(&self, rng: &mut ChaCha8Rng) -> Vec<Operation> {
        let mut operations = self.color_jitter.map_or_else(Vec::new, |jitter| jitter.draw(rng));
        if let Some(RandAugment { count, magnitude }) = self.rand_augment {
            operations
                .extend((0..count).map(|_| augment(rng, f64::from(magnitude) / f64::from(MAX_MAGNITUDE))));
        }
        operations
    }
}

impl fmt::Display for RandomOperations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(ColorJitter { brightness, contrast, saturation, hue }) = self.color_jitter {
            let jitter = "colour jitter of brightness";
            write!(
                formatter,
                "{jitter} {brightness}, contrast {contrast}, saturation {saturation} and hue {hue}"
            )?;
        }
        if let Some(RandAugment { count, magnitude }) = self.rand_augment {
            let comma = if self.color_jitter.is_some() { ", " } else { "" };
            write!(
                formatter,
                "{comma}{count} operations of RandAugment at magnitude {magnitude} of {MAX_MAGNITUDE}"
            )?;
        }
        Ok(())
    }
}

impl ColorJitter {
    fn parts(self) -> impl Iterator<Item = (Kind, f64)> {
        let Self { brightness, contrast, saturation, hue } = self;
        let parts = [
            (Kind::Brightness, brightness),
            (Kind::Contrast, contrast),
            (Kind::Saturation, saturation),
            (Kind::Hue, hue),
        ];
        parts.into_iter().filter(|&(_, most)| most > 0.0)
    }

    fn count(self) -> usize {
        self.parts().count()
    }

    fn draw(self, rng: &mut ChaCha8Rng) -> Vec<Operation> {
        let mut operations: Vec<Operation> = self
            .parts()
            .map(|(kind, most)| {
                let middle = if kind == Kind::Hue { 0.0 } else { 1.0 };
                let least = if kind == Kind::Hue { -most } else { (middle - most).max(0.0) };
                let amount = least + (middle + most - least) * rng.random::<f64>();
                Operation { kind, amount: amount as f32 }
            })
            .collect();
        for last in (1..operations.len()).rev() {
            operations.swap(last, rng.random_range(0..=last));
        }
        operations
    }
}

/// One of torchvision's fourteen operations at `part` of its largest magnitude, in either direction where it has two.
fn augment(rng: &mut ChaCha8Rng, part: f64) -> Operation {
    let kinds = Kind::ALL.into_iter().filter(|&kind| kind != Kind::Hue);
    let kind = kinds.clone().nth(rng.random_range(0..kinds.count())).expect("one of them");
    let sign = if rng.random::<bool>() { -1.0 } else { 1.0 };
    let amount = match kind {
        Kind::Brightness | Kind::Contrast | Kind::Saturation | Kind::Sharpness => 1.0 + sign * 0.9 * part,
        Kind::Rotate => sign * 30.0 * part,
        Kind::ShearX | Kind::ShearY => sign * 0.3 * part,
        // torchvision's magnitudes are for 331 pixels, the size of the paper's images.
        Kind::TranslateX | Kind::TranslateY => sign * 150.0 / 331.0 * part,
        Kind::Posterize => 8.0 - (4.0 * part).round_ties_even(),
        Kind::Solarize => 255.0 * (1.0 - part),
        Kind::Identity | Kind::Hue | Kind::AutoContrast | Kind::Equalize => 0.0,
    };
    Operation { kind, amount: amount as f32 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::support::rng;

    fn all(view: &config::View) -> Vec<Vec<Operation>> {
        let drawn = RandomOperations::of(view).unwrap();
        (0..2000).map(|key| drawn.draw(&mut rng::keyed("view", &[key]))).collect()
    }

    #[test]
    fn a_view_without_amounts_has_no_operations() {
        assert_eq!(RandomOperations::of(&config::View::default()), None);
        let magnitude = config::View { rand_augment_magnitude: 20, ..config::View::default() };
        assert_eq!(RandomOperations::of(&magnitude), None);
    }

    #[test]
    fn colour_jitter_keeps_to_its_ranges_and_changes_the_order() {
        let view = config::View { brightness: 0.4, contrast: 1.5, hue: 0.1, ..config::View::default() };
        let mut first = BTreeMap::new();
        for operations in all(&view) {
            assert_eq!(operations.len(), 3);
            *first.entry(operations[0].kind as u8).or_insert(0) += 1;
            for Operation { kind, amount } in operations {
                let range = match kind {
                    Kind::Brightness => 0.6..=1.4,
                    Kind::Contrast => 0.0..=2.5,
                    Kind::Hue => -0.1..=0.1,
                    other => panic!("{other:?}"),
                };
                assert!(range.contains(&amount), "{kind:?} {amount}");
            }
        }
        assert!(first.len() == 3 && first.values().all(|&times| (600..740).contains(&times)), "{first:?}");
    }

    #[test]
    fn rand_augment_draws_each_of_torchvisions_fourteen_with_its_magnitude() {
        let view = config::View { rand_augment: 2, rand_augment_magnitude: 9, ..config::View::default() };
        // `RandAugment()._augmentation_space(31, (331, 331))` of torchvision 0.26 at magnitude 9.
        let expected = |kind| match kind {
            Kind::Brightness | Kind::Contrast | Kind::Saturation | Kind::Sharpness => vec![0.73, 1.27],
            Kind::Rotate => vec![-9.0, 9.0],
            Kind::ShearX | Kind::ShearY => vec![-0.09, 0.09],
            Kind::TranslateX | Kind::TranslateY => vec![-45.0 / 331.0, 45.0 / 331.0],
            Kind::Posterize => vec![7.0],
            Kind::Solarize => vec![178.5],
            _ => vec![0.0],
        };
        let mut times = BTreeMap::new();
        for operation in all(&view).concat() {
            let near = |amount: &f32| (amount - operation.amount).abs() < 1e-5;
            assert!(expected(operation.kind).iter().any(near), "{operation:?}");
            *times.entry(operation.kind as u8).or_insert(0) += 1;
        }
        // 4,000 draws of 14: 286 each, with a deviation of 16.
        assert!(times.len() == 14 && times.values().all(|&times| (215..360).contains(&times)), "{times:?}");
    }
}
