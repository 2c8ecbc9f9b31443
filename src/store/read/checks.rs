//! Checks that read every value of a shard.

use crate::encoding::Encoding;
use crate::store::error::{Damage, Error};
use crate::store::format::rows::RowsHasher;
use crate::store::format::schema::column;
use crate::store::format::schema::is_rectangle;
use crate::store::read::shard::Shard;
use crate::store::read::stored_row::{Once, ShardRow};

impl Shard {
    /// Its digest, its rows' identities, and that every number is finite, targets between 0 and 1, kept classes in order.
    pub(in crate::store) fn check_content(&self, encoding: Encoding) -> Result<(), Error> {
        self.check_digest()?;
        let scalars = self.scalars()?;
        for row in 0..self.rows() {
            let crop = scalars.crop(row);
            if !is_rectangle(crop) {
                return Err(self.value(column::CROP, row, &format!("{crop:?}"), "a rectangle"));
            }
        }
        self.check_rows(encoding)?;
        self.check_values(encoding.codec().logits_column(), "finite numbers", f32::is_finite)?;
        (encoding.first_temperature()..self.value_columns()).try_for_each(|index| {
            self.check_values(index, "numbers from 0 to 1", |value| (0.0..=1.0).contains(&value))
        })
    }

    /// Looks again at the file that is mapped: a length that differs is damage, and a file that was written to is digested again. A
    /// file that was replaced or deleted leaves the map as it was.
    pub(in crate::store) fn recheck(&self) -> Result<(), Error> {
        let Some(now) = self.stamp_now() else { return Ok(()) };
        if now.bytes != self.record().bytes {
            let (expected, found) = (self.record().bytes, now.bytes);
            return Err(Error::Damage(Damage::Size { path: self.path().to_owned(), expected, found }));
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
                return Err(self.value(self.first_value() + index, row, value, expected));
            }
        }
        Ok(())
    }

    /// Checks what the ranges of numbers don't say, such as the order of kept classes.
    fn check_rows(&self, encoding: Encoding) -> Result<(), Error> {
        let Some(kept) = encoding.kept() else { return Ok(()) };
        let once = Once::new(self);
        (0..self.rows()).try_for_each(|row| {
            let row = ShardRow::once(self, row, &once);
            encoding.codec().check_row(&row, kept).map_err(|wrong| row.error(wrong))
        })
    }

    /// Digests the columns that are not derived, and compares.
    pub(in crate::store) fn check_rows_digest(&self, encoding: Encoding) -> Result<(), Error> {
        let mut rows = RowsHasher::new(encoding, self.first_value());
        for index in 0..self.first_value() + self.value_columns() {
            rows.add(index, &self.column_name(index), &self.page_content(index)?);
        }
        let (expected, found) = (self.record().rows_blake3, rows.finish());
        if found == expected {
            return Ok(());
        }
        Err(Error::Damage(Damage::Content { path: self.path().to_owned(), part: "rows", expected, found }))
    }

    /// Holds the columns of every temperature against the logits: targets bit by bit, the mass of dropped classes against the most that
    /// the kept ones leave.
    pub(in crate::store) fn check_derived(&self, encoding: Encoding) -> Result<(), Error> {
        let mut once = Once::new(self);
        for (index, &temperature) in self.temperatures().iter().enumerate() {
            let column = encoding.first_temperature() + index;
            for row in 0..self.rows() {
                let row = ShardRow::once(self, row, &once);
                let checked = encoding.codec().check_derived(&row, temperature, column);
                checked.map_err(|wrong| row.error(wrong))?;
            }
            once.forget(column);
        }
        Ok(())
    }
}
