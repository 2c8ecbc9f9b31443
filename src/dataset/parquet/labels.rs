//! Labels of rows: numbers or names of classes.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::display::array_value_to_string;

use super::super::{Error, ParquetError};

/// The labels of a file's rows, as they stand there.
pub(super) struct Labels<'a> {
    path: &'a Path,
    /// Columns of consecutive rows.
    columns: Vec<ArrayRef>,
}

impl<'a> Labels<'a> {
    pub fn new(path: &'a Path, columns: Vec<ArrayRef>) -> Self {
        Self { path, columns }
    }

    /// The names of classes that occur, of a column that holds names.
    pub fn names(&self) -> Result<BTreeSet<String>, Error> {
        let mut names = BTreeSet::new();
        for column in &self.columns {
            for row in (0..column.len()).filter(|&row| column.is_valid(row)) {
                names.insert(self.text(column, row)?);
            }
        }
        names.remove("");
        Ok(names)
    }

    /// The class of each row by its name, -1 where the name is null or empty.
    pub fn by_name(&self, classes: &[String]) -> Result<Vec<i32>, Error> {
        let known: HashMap<&str, i32> =
            (0..).zip(classes).map(|(label, name)| (name.as_str(), label)).collect();
        let mut labels = Vec::new();
        for column in &self.columns {
            for row in 0..column.len() {
                let name = if column.is_null(row) { String::new() } else { self.text(column, row)? };
                labels.push(known.get(name.as_str()).copied().unwrap_or(-1));
            }
        }
        Ok(labels)
    }

    /// The class of each row by its number, -1 where that is null or -1.
    pub fn by_number(&self, classes: usize) -> Result<Vec<i32>, Error> {
        let mut labels = Vec::new();
        for column in &self.columns {
            // What does not fit becomes null.
            let numbers = cast(column, &DataType::Int64).map_err(|error| self.damaged(&error))?;
            let numbers = numbers.as_primitive::<Int64Type>();
            for row in 0..column.len() {
                let number = if column.is_null(row) { -1 } else { numbers.value(row) };
                let is_label = -1 <= number && number < classes as i64;
                if !is_label || numbers.is_null(row) != column.is_null(row) {
                    let (label, row) = (self.text(column, row)?, labels.len());
                    return Err(Error::Parquet(ParquetError::Label {
                        path: self.path.to_path_buf(),
                        row,
                        label,
                        last: classes - 1,
                    }));
                }
                labels.push(number as i32);
            }
        }
        Ok(labels)
    }

    fn text(&self, column: &ArrayRef, row: usize) -> Result<String, Error> {
        array_value_to_string(column, row).map_err(|error| self.damaged(&error))
    }

    fn damaged(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Parquet(ParquetError::Parquet { path: self.path.to_path_buf(), reason: error.to_string() })
    }
}
