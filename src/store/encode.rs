//! From a shard's logits to its columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float16Array, Float32Array, Int32Array, ListArray};
use arrow::buffer::OffsetBuffer;
use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::encoding::{Element, Encoding};
use super::manifest::Manifest;
use super::schema;
use super::soften;

/// The columns of logits and targets, in the schema's order, of `logits`, `[rows, classes]`.
pub(super) fn value_columns(manifest: &Manifest, logits: Vec<f32>) -> Vec<ArrayRef> {
    let classes = manifest.classes();
    let rows = logits.len() / classes;
    match manifest.encoding {
        Encoding::Float32 => {
            let mut columns: Vec<ArrayRef> = manifest
                .temperatures
                .iter()
                .map(|&temperature| floats(soften_rows(&logits, classes, temperature), classes, rows))
                .collect();
            columns.insert(0, floats(logits, classes, rows));
            columns
        }
        Encoding::Float16 => {
            let stored = halves(&logits);
            let mut logits = logits;
            stored.convert_to_f32_slice(&mut logits);
            let soft = manifest.temperatures.iter().map(|&t| halves(&soften_rows(&logits, classes, t)));
            let columns = std::iter::once(stored).chain(soft);
            columns
                .map(|values| list(Arc::new(Float16Array::from(values)), Element::Float16, classes, rows))
                .collect()
        }
        Encoding::TopK(kept) => {
            let kept = kept as usize;
            let top: Vec<Vec<i32>> = logits.par_chunks(classes).map(|logits| largest(logits, kept)).collect();
            let values: Vec<f32> = top
                .iter()
                .zip(logits.chunks_exact(classes))
                .flat_map(|(top, logits)| top.iter().map(|&class| logits[class as usize]))
                .collect();
            let rest = |temperature: f32| {
                let rows = logits.par_chunks(classes).zip(&top);
                rows.map(|(logits, top)| mass_of_rest(logits, top, temperature)).collect::<Vec<f32>>()
            };
            let rest =
                manifest.temperatures.iter().map(|&t| Arc::new(Float32Array::from(rest(t))) as ArrayRef);
            let rest: Vec<ArrayRef> = rest.collect();
            let classes = Arc::new(Int32Array::from(top.concat()));
            let mut columns = vec![list(classes, Element::Int32, kept, rows), floats(values, kept, rows)];
            columns.extend(rest);
            columns
        }
    }
}

/// `values` as lists of `width` each.
pub(super) fn list(values: ArrayRef, element: Element, width: usize, rows: usize) -> ArrayRef {
    let offsets = OffsetBuffer::from_repeated_length(width, rows);
    Arc::new(ListArray::new(schema::list_element(element), offsets, values, None))
}

fn floats(values: Vec<f32>, width: usize, rows: usize) -> ArrayRef {
    list(Arc::new(Float32Array::from(values)), Element::Float32, width, rows)
}

fn halves(values: &[f32]) -> Vec<f16> {
    let mut halves = vec![f16::ZERO; values.len()];
    halves.convert_from_f32_slice(values);
    halves
}

/// Softens `logits`, `[rows, classes]`, row by row on every core; a row does not depend on another.
fn soften_rows(logits: &[f32], classes: usize, temperature: f32) -> Vec<f32> {
    let mut targets = vec![0.0; logits.len()];
    targets
        .par_chunks_mut(classes)
        .zip(logits.par_chunks(classes))
        .for_each(|(targets, logits)| soften(logits, temperature, targets));
    targets
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
        let exponential = libm::exp((f64::from(logit) - largest) / f64::from(temperature));
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
