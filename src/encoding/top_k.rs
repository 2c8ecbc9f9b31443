//! The largest logits of each row, in float32, with the mass of all other classes at each temperature.

use rayon::prelude::*;

use super::Encoding;
use super::codec::{At, Codec, Encoder, Parameter, RowLoss, StoredRow, Unfit, Wrong};
use super::element::{Element, ValueColumn, put};
use super::kl::{LEAST, targets};
use super::soften::soft_column;
use crate::support::exp::exp_of_negative;

pub(super) struct TopK;

impl Encoding {
    /// The `kept` largest logits in float32, and of the other classes only their mass at each temperature.
    pub const fn top_k(kept: u32) -> Self {
        Self { codec: &TopK, parameter: kept }
    }
}

/// The positions of the columns: the kept classes and their logits, both `[rows, kept]`. The mass of the rest at each temperature,
/// `[rows]`, follows.
const CLASSES: usize = 0;
const LOGITS: usize = 1;

/// A mass of the rest is rounded to float32, and its bound is not.
const ROUNDING: f64 = 1e-6;

const KEPT: Parameter = Parameter {
    key: "cache.top-k",
    field: "encoding.top-k",
    most: u32::MAX,
    about: "How many of the largest logits are kept, fewer than there are classes",
    condition: "with cache.encoding = \"top-k\"",
    with: &["cache.encoding=top-k"],
    also: &["k"],
    always_written: true,
};

impl Codec for TopK {
    fn name(&self) -> &'static str {
        "top-k"
    }

    fn about(&self) -> &'static str {
        "only the `cache.top-k` largest logits, and the mass of all others at each temperature"
    }

    fn parameter(&self) -> Option<&'static Parameter> {
        Some(&KEPT)
    }

    fn title(&self, kept: u32) -> String {
        format!("top-{kept}")
    }

    /// One class in twenty.
    fn compared(&self, classes: usize) -> u32 {
        classes.div_ceil(20).clamp(1, 50).min(classes.saturating_sub(1)) as u32
    }

    fn rounding(&self) -> Option<f64> {
        None
    }

    fn kept(&self, kept: u32) -> Option<usize> {
        Some(kept as usize)
    }

    fn check(&self, kept: u32, classes: usize) -> Result<(), Unfit> {
        let most = classes as u64 - 1;
        if (1..=most).contains(&u64::from(kept)) {
            return Ok(());
        }
        let expected = format!("1 to {most}, one less than there are classes");
        Err(Unfit { field: KEPT.field, expected, found: kept.to_string() })
    }

    fn warning(&self, kept: u32, classes: usize, mass: Option<(f32, f64)>) -> Option<String> {
        let (temperature, mass) = mass?;
        Some(format!(
            "the cache keeps the {kept} largest of {classes} classes, {:.1} % of the teacher's mass at T = {temperature} on \
             validation; how the rest is spread is unknown, and agreement and KL take it to be even",
            100.0 * mass
        ))
    }

    fn columns(&self, kept: u32, _: usize) -> Vec<ValueColumn> {
        let list = Some(kept as usize);
        vec![
            ValueColumn { name: "top_classes".to_owned(), element: Element::Int32, list },
            ValueColumn { name: "top_logits".to_owned(), element: Element::Float32, list },
        ]
    }

    fn logits_column(&self) -> usize {
        LOGITS
    }

    fn column_at(&self, temperature: f32, _: usize) -> ValueColumn {
        let name = soft_column(temperature).replacen("soft", "rest", 1);
        ValueColumn { name, element: Element::Float32, list: None }
    }

    fn encoder(&self, kept: u32, logits: Vec<f32>, classes: usize) -> Box<dyn Encoder> {
        let width = kept as usize;
        let kept = logits.par_chunks(classes).flat_map_iter(|logits| largest(logits, width)).collect();
        Box::new(Rows { classes, logits, width, kept })
    }

    /// The others get the one logit that gives them their exact mass together.
    fn read_logits(&self, row: &dyn StoredRow, at: At, out: &mut [f32]) -> Result<(), Wrong> {
        let row = Row::read(row, at.column)?;
        let dropped = (out.len() - row.classes.len()) as f64;
        let rest = f64::from(row.rest.max(f32::MIN_POSITIVE));
        let kept = (1.0 - rest).max(f64::from(f32::EPSILON) / 2.0);
        let each = rest / dropped * row.exponentials(at.temperature).sum::<f64>() / kept;
        let level = f64::from(row.first()) + f64::from(at.temperature) * each.ln();
        // Rounding must not lift it above what is known to be larger.
        out.fill((level as f32).min(row.last()));
        for (class, logit) in row.classes().zip(row.logits()) {
            out[class as usize] = logit;
        }
        Ok(())
    }

    fn read_soft(&self, row: &dyn StoredRow, at: At, out: &mut [f32]) -> Result<(), Wrong> {
        let row = Row::read(row, at.column)?;
        let dropped = (out.len() - row.classes.len()) as f32;
        out.fill(row.rest / dropped);
        for (class, mass) in row.classes().zip(row.masses(at.temperature)) {
            out[class as usize] = mass;
        }
        Ok(())
    }

    fn read_kept(
        &self,
        row: &dyn StoredRow,
        at: At,
        classes: &mut [i32],
        masses: &mut [f32],
    ) -> Result<(), Wrong> {
        let row = Row::read(row, at.column)?;
        classes.iter_mut().zip(row.classes()).for_each(|(out, class)| *out = class);
        for (out, mass) in masses.iter_mut().zip(row.masses(at.temperature).chain([row.rest])) {
            *out = mass;
        }
        Ok(())
    }

    /// Kept classes are classes, none twice, the largest logit first and of equal ones the lower class.
    fn check_row(&self, row: &dyn StoredRow, kept: usize) -> Result<(), Wrong> {
        let classes: Vec<i32> = numbers(row.bytes(CLASSES)?, i32::from_le_bytes).collect();
        let logits: Vec<f32> = numbers(row.bytes(LOGITS)?, f32::from_le_bytes).collect();
        let is_in_order = |at: usize| {
            at == 0
                || logits[at - 1] > logits[at]
                || (logits[at - 1] >= logits[at] && classes[at - 1] < classes[at])
        };
        let bad = (0..kept)
            .find(|&at| !is_class(classes[at], row.classes()) || !is_in_order(at))
            .map(|at| classes[at]);
        let mut sorted = classes;
        sorted.sort_unstable();
        let twice = || sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        match bad.or_else(twice) {
            Some(class) => Err(Wrong::Value {
                column: CLASSES,
                value: class.to_string(),
                expected: "different classes, the largest logit first",
            }),
            None => Ok(()),
        }
    }

    /// No dropped logit is larger than the smallest kept one, which bounds the mass of the rest: from the kept logits it can't be made
    /// again.
    fn check_derived(&self, row: &dyn StoredRow, temperature: f32, column: usize) -> Result<(), Wrong> {
        let logits: Vec<f32> = numbers(row.bytes(LOGITS)?, f32::from_le_bytes).collect();
        let exponential =
            |logit: f32| ((f64::from(logit) - f64::from(logits[0])) / f64::from(temperature)).exp();
        let sum: f64 = logits.iter().map(|&logit| exponential(logit)).sum();
        let others = (row.classes() - logits.len()) as f64 * exponential(logits[logits.len() - 1]);
        let (most, found) = (others / (sum + others), float(row.bytes(column)?));
        if f64::from(found) > most * (1.0 + ROUNDING) + f64::from(f32::MIN_POSITIVE) {
            return Err(Wrong::Rest { column, most, found });
        }
        Ok(())
    }
}

struct Rows {
    classes: usize,
    logits: Vec<f32>,
    width: usize,
    /// The kept classes, `[rows, width]`.
    kept: Vec<i32>,
}

impl Encoder for Rows {
    fn write(&self, column: usize, temperature: Option<f32>, out: &mut [u8]) {
        let numbers = if temperature.is_some() { 1 } else { self.width };
        let rows = out.par_chunks_mut(numbers * size_of::<f32>());
        let rows = rows.zip(self.logits.par_chunks(self.classes)).zip(self.kept.par_chunks(self.width));
        match temperature {
            Some(temperature) => rows.for_each(|((out, logits), kept)| {
                put(&[mass_of_rest(logits, kept, temperature)], out);
            }),
            None if column == CLASSES => rows.for_each(|((out, _), kept)| put(kept, out)),
            None => rows.for_each(|((out, logits), kept)| {
                let kept: Vec<f32> = kept.iter().map(|&class| logits[class as usize]).collect();
                put(&kept, out);
            }),
        }
    }

    fn lost(&self, temperature: f32) -> Option<Vec<RowLoss>> {
        let of_row = |(logits, kept): (&[f32], &[i32])| {
            let rest = mass_of_rest(logits, kept, temperature);
            RowLoss { kl: kl(logits, temperature, kept, rest), rest: Some(f64::from(rest)) }
        };
        let rows = self.logits.par_chunks(self.classes).zip(self.kept.par_chunks(self.width));
        Some(rows.map(of_row).collect())
    }
}

/// A row as it is stored, with the mass of the rest at one temperature.
struct Row<'a> {
    classes: &'a [[u8; 4]],
    logits: &'a [[u8; 4]],
    rest: f32,
}

impl<'a> Row<'a> {
    /// Reads the row and its mass of the rest, which stands in `column`.
    fn read(row: &'a dyn StoredRow, column: Option<usize>) -> Result<Self, Wrong> {
        let classes = row.bytes(CLASSES)?.as_chunks().0;
        let logits = row.bytes(LOGITS)?.as_chunks().0;
        let rest = float(row.bytes(column.expect("every shard has the temperatures of the cache"))?);
        let read = Self { classes, logits, rest };
        let outside = read.classes().find(|&class| !is_class(class, row.classes()));
        match outside {
            Some(class) => {
                let value = class.to_string();
                Err(Wrong::Value { column: CLASSES, value, expected: "a class index" })
            }
            None => Ok(read),
        }
    }

    fn classes(&self) -> impl Iterator<Item = i32> {
        self.classes.iter().map(|&bytes| i32::from_le_bytes(bytes))
    }

    fn logits(&self) -> impl Iterator<Item = f32> {
        self.logits.iter().map(|&bytes| f32::from_le_bytes(bytes))
    }

    fn first(&self) -> f32 {
        f32::from_le_bytes(self.logits[0])
    }

    fn last(&self) -> f32 {
        f32::from_le_bytes(self.logits[self.logits.len() - 1])
    }

    /// The kept soft targets: their softened logits, scaled to the mass that the rest leaves.
    fn masses(&self, temperature: f32) -> impl Iterator<Item = f32> {
        let scale = (1.0 - f64::from(self.rest)) / self.exponentials(temperature).sum::<f64>();
        self.exponentials(temperature).map(move |exponential| (exponential * scale) as f32)
    }

    fn exponentials(&self, temperature: f32) -> impl Iterator<Item = f64> {
        let (largest, temperature) = (f64::from(self.first()), f64::from(temperature));
        self.logits().map(move |logit| exp_of_negative((f64::from(logit) - largest) / temperature))
    }
}

fn numbers<T>(bytes: &[u8], number: fn([u8; 4]) -> T) -> impl Iterator<Item = T> {
    bytes.as_chunks().0.iter().map(move |&bytes| number(bytes))
}

fn float(bytes: &[u8]) -> f32 {
    numbers(bytes, f32::from_le_bytes).next().expect("a column is as wide as its element")
}

fn is_class(class: i32, classes: usize) -> bool {
    usize::try_from(class).is_ok_and(|class| class < classes)
}

/// The classes of the `kept` largest logits, largest first, of equal ones the lower class first.
fn largest(logits: &[f32], kept: usize) -> Vec<i32> {
    let mut classes: Vec<i32> = (0..logits.len() as i32).collect();
    let order = |a: &i32, b: &i32| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b));
    classes.select_nth_unstable_by(kept - 1, order);
    classes.truncate(kept);
    classes.sort_unstable_by(order);
    classes
}

/// The share of all classes but the `kept` ones in `softmax(logits / temperature)`: in float64 and class order, as
/// [`soften`](super::soften), rounded to float32 once.
fn mass_of_rest(logits: &[f32], kept: &[i32], temperature: f32) -> f32 {
    let largest = f64::from(logits[kept[0] as usize]);
    let is_kept = is_kept(kept, logits.len());
    let (mut all, mut rest) = (0.0, 0.0);
    for (&logit, is_kept) in logits.iter().zip(is_kept) {
        let exponential = exp_of_negative((f64::from(logit) - largest) / f64::from(temperature));
        all += exponential;
        if !is_kept {
            rest += exponential;
        }
    }
    (rest / all) as f32
}

/// The KL of targets where the classes `kept` are known, and of the others only their mass `rest`, which is spread evenly.
fn kl(logits: &[f32], temperature: f32, kept: &[i32], rest: f32) -> f64 {
    let each = f64::from(rest) / (logits.len() - kept.len()) as f64;
    let log_each = libm::log(each.max(LEAST));
    let is_kept = is_kept(kept, logits.len());
    // The kept targets are exact.
    let dropped = targets(logits, temperature).zip(is_kept).filter(|(_, is_kept)| !is_kept);
    dropped.map(|((p, log_p), _)| p * (log_p - log_each) - p + each).sum()
}

fn is_kept(kept: &[i32], classes: usize) -> Vec<bool> {
    let mut is_kept = vec![false; classes];
    for &class in kept {
        is_kept[class as usize] = true;
    }
    is_kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::kl::tests::{LOGITS, plain_kl};
    use crate::encoding::soften;

    #[test]
    fn the_largest_come_first_and_of_equals_the_lower_class() {
        assert_eq!(largest(&[1.0, 3.0, 2.0, 3.0, -1.0], 3), [1, 3, 2]);
        assert_eq!(largest(&[0.0; 4], 2), [0, 1]);
    }

    #[test]
    fn the_rest_has_what_the_kept_lack() {
        let logits = [2.0, -1.0, 0.5, 3.0];
        let kept = largest(&logits, 2);
        for temperature in [1.0, 5.0] {
            let mut soft = [0.0; 4];
            soften(&logits, temperature, &mut soft);
            assert!((mass_of_rest(&logits, &kept, temperature) - soft[1] - soft[2]).abs() < 1e-7);
        }
    }

    #[test]
    fn dropped_classes_share_the_rest() {
        for temperature in [1.0, 5.0] {
            let mut soft = [0.0; 5];
            soften(&LOGITS, temperature, &mut soft);
            let rest = soft[2] + soft[3] + soft[4];
            let stored = [0, 1, 5, 5, 5].map(|at| soft.get(at).map_or(f64::from(rest) / 3.0, |&p| p.into()));
            let expected = plain_kl(&stored, temperature);
            assert!(expected > 1e-3);
            assert!((kl(&LOGITS, temperature, &[0, 1], rest) - expected).abs() < 1e-6);
        }
    }
}
