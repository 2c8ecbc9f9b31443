//! Checks that read every value of a shard.

use super::error::Error;
use super::reader::copy_floats;
use super::schema::column;
use super::shard::Shard;
use super::soften;
use super::writer::is_rectangle;

impl Shard {
    /// Its digest, its rows' identities, and that every number is finite, targets between 0 and 1.
    pub(super) fn check_content(&self, classes: usize) -> Result<(), Error> {
        self.check_digest()?;
        let scalars = self.scalars()?;
        for row in 0..self.rows() {
            let crop = scalars.crop(row);
            if !is_rectangle(crop) {
                return Err(self.value(column::CROP, row, &format!("{crop:?}"), "a rectangle"));
            }
        }
        self.check_values(0, classes, "finite numbers", f32::is_finite)?;
        (1..self.lists()).try_for_each(|list| {
            self.check_values(list, classes, "numbers from 0 to 1", |value| (0.0..=1.0).contains(&value))
        })
    }

    fn check_values(
        &self,
        list: usize,
        classes: usize,
        expected: &'static str,
        fine: impl Fn(f32) -> bool,
    ) -> Result<(), Error> {
        let block = self.list(list)?;
        let mut values = vec![0.0; classes];
        for row in 0..self.rows() {
            copy_floats(block.row(row), &mut values);
            // Without an early exit the loop runs at the speed of memory.
            if !values.iter().fold(true, |all, &value| all & fine(value)) {
                let value = values.iter().find(|&&value| !fine(value)).expect("one is not");
                return Err(self.value(column::LOGITS + list, row, value, expected));
            }
        }
        Ok(())
    }

    /// Softens the logits again and compares every target, bit by bit.
    pub(super) fn check_derived(&self, classes: usize, temperatures: &[f32]) -> Result<(), Error> {
        let (mut logits, mut stored, mut derived) =
            (vec![0.0; classes], vec![0.0; classes], vec![0.0; classes]);
        for (index, &temperature) in temperatures.iter().enumerate() {
            for row in 0..self.rows() {
                copy_floats(self.list(0)?.row(row), &mut logits);
                copy_floats(self.list(index + 1)?.row(row), &mut stored);
                soften(&logits, temperature, &mut derived);
                let differs = |class: &usize| stored[*class].to_bits() != derived[*class].to_bits();
                if let Some(class) = (0..classes).find(differs) {
                    let column = self.column_name(column::SOFT + index);
                    let (expected, found) = (derived[class], stored[class]);
                    return Err(Error::Derived {
                        path: self.path.clone(),
                        column,
                        row,
                        class,
                        expected,
                        found,
                    });
                }
            }
        }
        Ok(())
    }
}
