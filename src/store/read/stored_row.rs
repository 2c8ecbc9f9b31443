//! A row of a shard as its encoding reads it.

use std::cell::{OnceCell, RefCell};

use crate::encoding::{StoredRow, Wrong};
use crate::store::error::{Damage, Error};
use crate::store::read::column_values::Values;
use crate::store::read::shard::Shard;

/// One row. Its columns stay in memory once they were read, with the shard, or with `once` where they are looked at once.
pub(in crate::store) struct ShardRow<'a> {
    shard: &'a Shard,
    row: usize,
    once: Option<&'a Once>,
    /// The reason for [`Wrong::Unread`].
    error: RefCell<Option<Error>>,
}

/// The columns of a shard that are looked at once.
pub(in crate::store) struct Once(Vec<OnceCell<Values>>);

impl Once {
    pub(in crate::store) fn new(shard: &Shard) -> Self {
        Self(vec![OnceCell::new(); shard.value_columns()])
    }

    /// Forgets a column.
    pub(in crate::store) fn forget(&mut self, column: usize) {
        self.0[column] = OnceCell::new();
    }
}

impl<'a> ShardRow<'a> {
    pub(in crate::store) fn new(shard: &'a Shard, row: usize) -> Self {
        Self { shard, row, once: None, error: RefCell::new(None) }
    }

    pub(in crate::store) fn once(shard: &'a Shard, row: usize, once: &'a Once) -> Self {
        Self { once: Some(once), ..Self::new(shard, row) }
    }

    fn values(&self, column: usize) -> Result<&Values, Error> {
        let Some(once) = self.once else { return self.shard.values(column) };
        if once.0[column].get().is_none() {
            let _ = once.0[column].set(self.shard.read_values(column)?);
        }
        Ok(once.0[column].get().expect("just set"))
    }

    /// The error of a row at fault.
    pub(in crate::store) fn error(self, wrong: Wrong) -> Error {
        let (path, row) = (self.shard.path().to_owned(), self.row);
        let name = |index: usize| self.shard.value_column(index).name.clone();
        match wrong {
            Wrong::Unread => self.error.into_inner().expect("a column that can't be read leaves its reason"),
            Wrong::Value { column, value, expected } => {
                self.shard.value(self.shard.first_value() + column, row, &value, expected)
            }
            Wrong::Target { column, class, expected, found } => {
                Error::Damage(Damage::Derived { path, column: name(column), row, class, expected, found })
            }
            Wrong::Rest { column, most, found } => {
                Error::Damage(Damage::Rest { path, column: name(column), row, most, found })
            }
        }
    }
}

impl StoredRow for ShardRow<'_> {
    fn bytes(&self, column: usize) -> Result<&[u8], Wrong> {
        match self.values(column) {
            Ok(values) => Ok(values.bytes(self.row)),
            Err(error) => {
                *self.error.borrow_mut() = Some(error);
                Err(Wrong::Unread)
            }
        }
    }

    fn classes(&self) -> usize {
        self.shard.classes()
    }
}
