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

/// The label of a row, as it stands there.
enum Label<'a> {
    Number(i128),
    Text(&'a str),
}

impl Label<'_> {
    /// The name of its class: a number may be one, too.
    fn name(&self) -> Cow<'_, str> {
        match *self {
            Self::Number(number) => number.to_string().into(),
            Self::Text(text) => text.into(),
        }
    }

    /// The number of its class, -1 for none.
    fn number(&self, classes: usize) -> Option<i32> {
        let &Self::Number(number) = self else { return None };
        i32::try_from(number).ok().filter(|&number| -1 <= number && (number as i64) < classes as i64)
    }
}

impl<'a> Labels<'a> {
    pub(crate) fn new(path: &'a Path, columns: Vec<ArrayRef>) -> Self {
        Self { path, columns }
    }

    /// The names of classes that occur, of a column that holds names.
    pub(crate) fn names(&self) -> Result<BTreeSet<String>, Error> {
        let mut names = BTreeSet::new();
        self.visit(|_, label| {
            names.extend(label.map(|label| label.name().into_owned()));
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
            labels.push(label.and_then(|label| known.get(&*label.name()).copied()).unwrap_or(-1));
            Ok(())
        })?;
        Ok(labels)
    }

    /// The class of each row by its number, -1 where that is null or -1.
    pub(crate) fn by_number(&self, classes: usize) -> Result<Vec<i32>, Error> {
        let mut labels = Vec::new();
        self.visit(|row, label| {
            let Some(label) = label else {
                labels.push(-1);
                return Ok(());
            };
            labels.push(label.number(classes).ok_or_else(|| {
                Error::Parquet(ParquetError::Label {
                    path: self.path.to_path_buf(),
                    row,
                    label: label.name().into_owned(),
                    last: classes - 1,
                })
            })?);
            Ok(())
        })?;
        Ok(labels)
    }

    /// Shows each row's label, `None` where it is null, to `see`.
    fn visit(&self, mut see: impl FnMut(usize, Option<Label<'_>>) -> Result<(), Error>) -> Result<(), Error> {
        let mut before = 0;
        for column in &self.columns {
            for row in 0..column.len() {
                see(before + row, self.label(column, row)?)?;
            }
            before += column.len();
        }
        Ok(())
    }

    /// A whole number or a text of `column`.
    fn label<'c>(&self, column: &'c dyn Array, row: usize) -> Result<Option<Label<'c>>, Error> {
        if column.is_null(row) {
            return Ok(None);
        }
        Ok(Some(downcast_integer_array!(
            column => Label::Number(column.value(row).into()),
            DataType::Utf8 => Label::Text(column.as_string::<i32>().value(row)),
            DataType::LargeUtf8 => Label::Text(column.as_string::<i64>().value(row)),
            DataType::Utf8View => Label::Text(column.as_string_view().value(row)),
            DataType::Dictionary(_, _) => return downcast_dictionary_array!(
                column => match column.key(row) {
                    Some(key) => self.label(column.values(), key),
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
