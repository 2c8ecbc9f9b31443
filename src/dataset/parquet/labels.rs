//! Labels of rows: numbers or names of classes.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, downcast_dictionary_array, downcast_integer_array};
use arrow_schema::DataType;

use super::super::{Error, ParquetError};

/// The labels of a file's rows, as they stand there.
pub(super) struct Labels<'a> {
    path: &'a Path,
    /// Columns of consecutive rows.
    columns: Vec<ArrayRef>,
}

impl<'a> Labels<'a> {
    pub(crate) fn new(path: &'a Path, columns: Vec<ArrayRef>) -> Self {
        Self { path, columns }
    }

    /// The names of classes that occur, of a column that holds names.
    pub(crate) fn names(&self) -> Result<BTreeSet<String>, Error> {
        let mut names = BTreeSet::new();
        self.visit(|_, label| {
            names.extend(label.map(Cow::into_owned));
            Ok(())
        })?;
        names.remove("");
        Ok(names)
    }

    /// The class of each row by its name, -1 where the name is null or empty.
    pub(crate) fn by_name(&self, classes: &[String]) -> Result<Vec<i32>, Error> {
        let known: HashMap<&str, i32> =
            (0..).zip(classes).map(|(label, name)| (name.as_str(), label)).collect();
        let mut labels = Vec::new();
        self.visit(|_, label| {
            labels.push(label.and_then(|name| known.get(&*name).copied()).unwrap_or(-1));
            Ok(())
        })?;
        Ok(labels)
    }

    /// The class of each row by its number, -1 where that is null or -1.
    pub(crate) fn by_number(&self, classes: usize) -> Result<Vec<i32>, Error> {
        let mut labels = Vec::new();
        self.visit(|row, label| {
            let number = label.as_ref().map_or(Some(-1), |text| text.parse::<i32>().ok());
            let number = number.filter(|&number| -1 <= number && (number as i64) < classes as i64);
            labels.push(number.ok_or_else(|| {
                Error::Parquet(ParquetError::Label {
                    path: self.path.to_path_buf(),
                    row,
                    label: label.unwrap_or_default().into_owned(),
                    last: classes - 1,
                })
            })?);
            Ok(())
        })?;
        Ok(labels)
    }

    /// Shows each row's label as text, `None` where it is null, to `see`.
    fn visit(
        &self,
        mut see: impl FnMut(usize, Option<Cow<'_, str>>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut before = 0;
        for column in &self.columns {
            for row in 0..column.len() {
                see(before + row, self.text(column, row)?)?;
            }
            before += column.len();
        }
        Ok(())
    }

    /// A whole number or a text of `column`, as text.
    fn text<'c>(&self, column: &'c dyn Array, row: usize) -> Result<Option<Cow<'c, str>>, Error> {
        if column.is_null(row) {
            return Ok(None);
        }
        Ok(Some(downcast_integer_array!(
            column => column.value(row).to_string().into(),
            DataType::Utf8 => column.as_string::<i32>().value(row).into(),
            DataType::LargeUtf8 => column.as_string::<i64>().value(row).into(),
            DataType::Utf8View => column.as_string_view().value(row).into(),
            DataType::Dictionary(_, _) => return downcast_dictionary_array!(
                column => match column.key(row) {
                    Some(key) => self.text(column.values(), key),
                    None => Ok(None),
                },
                other => Err(self.unreadable(other)),
            ),
            other => return Err(self.unreadable(other)),
        )))
    }

    fn unreadable(&self, found: &DataType) -> Error {
        let reason = format!("labels of type {found}, expected whole numbers or text");
        Error::Parquet(ParquetError::Parquet { path: self.path.to_path_buf(), reason })
    }
}
