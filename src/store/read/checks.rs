//! Checks that read every value of a shard.

use half::f16;

use crate::store::error::{Damage, Error};
use crate::store::format::encoding::{Element, Encoding, Layout, dense, top};
use crate::store::format::rows::RowsHasher;
use crate::store::format::schema::column;
use crate::store::format::schema::is_rectangle;
use crate::store::format::soften::soften;
use crate::store::read::shard::Shard;

/// A mass of the rest is rounded to float32, and its bound is not.
const ROUNDING: f64 = 1e-6;

impl Shard {
    /// Its digest, its rows' identities, and that every number is finite, targets between 0 and 1, kept classes in order.
    pub(in crate::store) fn check_content(&self, classes: usize) -> Result<(), Error> {
        self.check_digest()?;
        let scalars = self.scalars()?;
        for row in 0..self.rows() {
            let crop = scalars.crop(row);
            if !is_rectangle(crop) {
                return Err(self.value(column::CROP, row, &format!("{crop:?}"), "a rectangle"));
            }
        }
        let (logits, masses) = match self.layout {
            Layout::Dense => (dense::LOGITS, dense::SOFT),
            Layout::Top { kept } => {
                self.check_kept(kept, classes)?;
                (top::LOGITS, top::REST)
            }
        };
        self.check_values(logits, "finite numbers", f32::is_finite)?;
        (masses..self.value_columns()).try_for_each(|index| {
            self.check_values(index, "numbers from 0 to 1", |value| (0.0..=1.0).contains(&value))
        })
    }

    /// Looks again at the file that is mapped: a length that differs is damage, and a file that was written to is digested again. A
    /// file that was replaced or deleted leaves the map as it was.
    pub(in crate::store) fn recheck(&self) -> Result<(), Error> {
        let Some(now) = self.stamp_now() else { return Ok(()) };
        if now.bytes != self.record().bytes {
            let (expected, found) = (self.record().bytes, now.bytes);
            return Err(Error::Damage(Damage::Size { path: self.path.clone(), expected, found }));
        }
        self.check_digest()?;
        self.set_stamp(now);
        Ok(())
    }

    fn check_values(
        &self,
        index: usize,
        expected: &'static str,
        fine: impl Fn(f32) -> bool,
    ) -> Result<(), Error> {
        let column = self.read_values(index)?;
        let mut values = vec![0.0; self.value_column(index).width()];
        for row in 0..self.rows() {
            column.floats(row, &mut values);
            // Without an early exit the loop runs at the speed of memory.
            if !values.iter().fold(true, |all, &value| all & fine(value)) {
                let value = values.iter().find(|&&value| !fine(value)).expect("one is not");
                return Err(self.value(column::VALUES + index, row, value, expected));
            }
        }
        Ok(())
    }

    /// Kept classes are classes, none twice, the largest logit first and of equal ones the lower class.
    fn check_kept(&self, kept: usize, classes: usize) -> Result<(), Error> {
        let (class_column, logit_column) = (self.read_values(top::CLASSES)?, self.read_values(top::LOGITS)?);
        let (mut found, mut logits) = (vec![0; kept], vec![0.0; kept]);
        let mut seen = vec![usize::MAX; classes];
        for row in 0..self.rows() {
            class_column.integers(row, &mut found);
            logit_column.floats(row, &mut logits);
            for (position, &class) in found.iter().enumerate() {
                let in_order = position == 0
                    || logits[position - 1] > logits[position]
                    || (logits[position - 1] >= logits[position] && found[position - 1] < class);
                let new = self.is_class(class) && std::mem::replace(&mut seen[class as usize], row) != row;
                if !new || !in_order {
                    let expected = "different classes, the largest logit first";
                    return Err(self.value(column::VALUES + top::CLASSES, row, &class, expected));
                }
            }
        }
        Ok(())
    }

    /// Digests the columns that are not derived, and compares.
    pub(in crate::store) fn check_rows_digest(&self, encoding: Encoding) -> Result<(), Error> {
        let mut rows = RowsHasher::new();
        for index in 0..column::VALUES + self.value_columns() {
            rows.add(encoding, index, &self.column_name(index), &self.page_content(index)?);
        }
        let (expected, found) = (self.record().rows_blake3, rows.finish());
        if found == expected {
            return Ok(());
        }
        Err(Error::Damage(Damage::Content { path: self.path.clone(), part: "rows", expected, found }))
    }

    /// Softens the logits again and compares every target, bit by bit. Of kept logits alone that can't be done: there
    /// the mass of the rest is compared with the most that the kept logits leave.
    pub(in crate::store) fn check_derived(&self, classes: usize) -> Result<(), Error> {
        let temperatures = self.temperatures();
        match self.layout {
            Layout::Dense => self.check_softened(classes, temperatures),
            Layout::Top { kept } => self.check_rest(kept, classes, temperatures),
        }
    }

    fn check_softened(&self, classes: usize, temperatures: &[f32]) -> Result<(), Error> {
        let halves = self.value_column(dense::LOGITS).element == Element::Float16;
        let round = |value: f32| if halves { f16::from_f32(value).to_f32() } else { value };
        let (mut logits, mut stored, mut derived) =
            (vec![0.0; classes], vec![0.0; classes], vec![0.0; classes]);
        let logit_column = self.read_values(dense::LOGITS)?;
        for (index, &temperature) in temperatures.iter().enumerate() {
            let soft_column = self.read_values(dense::SOFT + index)?;
            for row in 0..self.rows() {
                logit_column.floats(row, &mut logits);
                soft_column.floats(row, &mut stored);
                soften(&logits, temperature, &mut derived);
                let differs = |class: &usize| stored[*class].to_bits() != round(derived[*class]).to_bits();
                if let Some(class) = (0..classes).find(differs) {
                    let column = self.value_column(dense::SOFT + index).name.clone();
                    let (expected, found) = (round(derived[class]), stored[class]);
                    return Err(Error::Damage(Damage::Derived {
                        path: self.path.clone(),
                        column,
                        row,
                        class,
                        expected,
                        found,
                    }));
                }
            }
        }
        Ok(())
    }

    /// No dropped logit is larger than the smallest kept one.
    fn check_rest(&self, kept: usize, classes: usize, temperatures: &[f32]) -> Result<(), Error> {
        let mut logits = vec![0.0; kept];
        let logit_column = self.read_values(top::LOGITS)?;
        for (index, &temperature) in temperatures.iter().enumerate() {
            let rest_column = self.read_values(top::REST + index)?;
            for row in 0..self.rows() {
                logit_column.floats(row, &mut logits);
                let exponential =
                    |logit: f32| ((f64::from(logit) - f64::from(logits[0])) / f64::from(temperature)).exp();
                let sum: f64 = logits.iter().map(|&logit| exponential(logit)).sum();
                let others = (classes - kept) as f64 * exponential(logits[kept - 1]);
                let (most, found) = (others / (sum + others), rest_column.float(row));
                if f64::from(found) > most * (1.0 + ROUNDING) + f64::from(f32::MIN_POSITIVE) {
                    let column = self.value_column(top::REST + index).name.clone();
                    return Err(Error::Damage(Damage::Rest {
                        path: self.path.clone(),
                        column,
                        row,
                        most,
                        found,
                    }));
                }
            }
        }
        Ok(())
    }
}
