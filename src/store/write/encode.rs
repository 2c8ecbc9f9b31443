//! From a shard's logits to its columns of logits and targets.

use bytemuck::NoUninit;
use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use crate::store::format::encoding::{Encoding, ValueColumn, dense, top};
use crate::store::format::encoding_loss::{self, Lost};
use crate::store::format::manifest::Manifest;
use crate::store::format::soften::soften;
use crate::support::exp::exp_of_negative;

/// The logits of a shard, `[rows, classes]`, from which each column is derived when it is written.
pub(in crate::store) struct Derived {
    encoding: Encoding,
    classes: usize,
    temperatures: Vec<f32>,
    columns: Vec<ValueColumn>,
    logits: Vec<f32>,
    /// The kept classes, `[rows, kept]`, where not all are.
    kept: Vec<i32>,
}

impl Derived {
    pub(in crate::store) fn new(manifest: &Manifest, logits: Vec<f32>) -> Self {
        let classes = manifest.classes();
        let kept = match manifest.encoding {
            Encoding::Float32 | Encoding::Float16 => Vec::new(),
            Encoding::TopK(kept) => {
                let largest = |logits| largest(logits, kept as usize);
                logits.par_chunks(classes).flat_map_iter(largest).collect()
            }
        };
        Self {
            encoding: manifest.encoding,
            classes,
            temperatures: manifest.temperatures.clone(),
            columns: manifest.value_columns(),
            logits,
            kept,
        }
    }

    /// One of the columns, by position among those of logits and targets.
    pub(in crate::store) fn column(&self, index: usize) -> &ValueColumn {
        &self.columns[index]
    }

    /// Writes a column's numbers to `out`, little-endian, `[rows, width]`; row by row on every core, for a row does not
    /// depend on another.
    pub(in crate::store) fn write(&self, index: usize, out: &mut [u8]) {
        let column = &self.columns[index];
        let rows = out.par_chunks_mut(column.width() * column.element.bytes());
        let rows = rows.zip(self.logits.par_chunks(self.classes));
        match self.encoding {
            Encoding::Float32 if index == dense::LOGITS => rows.for_each(|(out, logits)| put(logits, out)),
            Encoding::Float32 => {
                let temperature = self.temperatures[index - dense::SOFT];
                let targets = || vec![0.0; self.classes];
                rows.for_each_init(targets, |targets, (out, logits)| {
                    soften(logits, temperature, targets);
                    put(targets, out);
                });
            }
            Encoding::Float16 => {
                let temperature = index.checked_sub(dense::SOFT).map(|index| self.temperatures[index]);
                rows.for_each_init(
                    || Halves::new(self.classes),
                    |halves, (out, logits)| {
                        halves.round(logits);
                        if let Some(temperature) = temperature {
                            halves.soften(temperature);
                        }
                        put(halves.stored.reinterpret_cast(), out);
                    },
                );
            }
            Encoding::TopK(kept) => {
                let rows = rows.zip(self.kept.par_chunks(kept as usize));
                match index {
                    top::CLASSES => rows.for_each(|((out, _), kept)| put(kept, out)),
                    top::LOGITS => rows.for_each(|((out, logits), kept)| {
                        let kept: Vec<f32> = kept.iter().map(|&class| logits[class as usize]).collect();
                        put(&kept, out);
                    }),
                    _ => {
                        let temperature = self.temperatures[index - top::REST];
                        rows.for_each(|((out, logits), kept)| {
                            put(&[mass_of_rest(logits, kept, temperature)], out);
                        });
                    }
                }
            }
        }
    }

    /// What is lost at each temperature; nothing where every number is stored as it is.
    pub(in crate::store) fn lost(&self) -> Vec<Lost> {
        if self.encoding == Encoding::Float32 {
            return Vec::new();
        }
        let lost = |&temperature: &f32| Lost::of_rows(temperature, &self.lost_of_rows(temperature));
        self.temperatures.iter().map(lost).collect()
    }

    /// The KL of each row and, where classes are dropped, its mass of the rest.
    fn lost_of_rows(&self, temperature: f32) -> Vec<(f64, Option<f64>)> {
        let rows = self.logits.par_chunks(self.classes);
        let Encoding::TopK(kept) = self.encoding else {
            let of_row = |halves: &mut Halves, logits| {
                halves.round(logits);
                halves.soften(temperature);
                (encoding_loss::of_halves(logits, temperature, &halves.stored), None)
            };
            return rows.map_init(|| Halves::new(self.classes), of_row).collect();
        };
        let of_row = |(logits, kept)| {
            let rest = mass_of_rest(logits, kept, temperature);
            (encoding_loss::of_kept(logits, temperature, kept, rest), Some(f64::from(rest)))
        };
        rows.zip(self.kept.par_chunks(kept as usize)).map(of_row).collect()
    }
}

/// A row in float16.
struct Halves {
    stored: Vec<f16>,
    logits: Vec<f32>,
    targets: Vec<f32>,
}

impl Halves {
    fn new(classes: usize) -> Self {
        Self { stored: vec![f16::ZERO; classes], logits: vec![0.0; classes], targets: vec![0.0; classes] }
    }

    /// Stores the rounded logits.
    fn round(&mut self, logits: &[f32]) {
        self.stored.convert_from_f32_slice(logits);
    }

    /// Stores the targets of the rounded logits, rounded again.
    fn soften(&mut self, temperature: f32) {
        self.stored.convert_to_f32_slice(&mut self.logits);
        soften(&self.logits, temperature, &mut self.targets);
        self.stored.convert_from_f32_slice(&self.targets);
    }
}

/// Copies numbers to a page, little-endian, where they need not be aligned.
fn put<T: NoUninit>(numbers: &[T], out: &mut [u8]) {
    out.copy_from_slice(bytemuck::cast_slice(numbers));
    if cfg!(target_endian = "big") {
        out.chunks_exact_mut(size_of::<T>()).for_each(<[u8]>::reverse);
    }
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

/// What all classes but the `kept` ones have of `softmax(logits / temperature)`: in float64 and class order, as
/// [`soften`], rounded to float32 once.
fn mass_of_rest(logits: &[f32], kept: &[i32], temperature: f32) -> f32 {
    let largest = f64::from(logits[kept[0] as usize]);
    let mut is_kept = vec![false; logits.len()];
    for &class in kept {
        is_kept[class as usize] = true;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
