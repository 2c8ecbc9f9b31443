//! `results.parquet`: plain columns, the same bytes from the same values.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use toml::Value;

use super::Error;
use super::value::text;
use crate::support::atomic;

/// Writes named columns of equal length: whole numbers as int64, other numbers as double, the rest as text.
pub(super) fn write(path: &Path, columns: &[(String, Vec<Option<Value>>)]) -> Result<(), Error> {
    let arrays = columns.iter().map(|(name, values)| (name, array(values), true));
    let batch = RecordBatch::try_from_iter_with_nullable(arrays).expect("columns of equal length");
    let mut bytes = Vec::new();
    let failed = |error: parquet::errors::ParquetError| Error::write(path)(std::io::Error::other(error));
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).map_err(failed)?;
    writer.write(&batch).map_err(failed)?;
    writer.close().map_err(failed)?;
    atomic::write(path, &bytes).map_err(Error::write(path))
}

fn array(values: &[Option<Value>]) -> ArrayRef {
    let given = || values.iter().flatten();
    let is_number = |value: &Value| value.is_integer() || value.is_float();
    let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    let some = given().next().is_some();
    if some && given().all(Value::is_integer) {
        Arc::new(values.iter().map(|value| value.as_ref()?.as_integer()).collect::<Int64Array>())
    } else if some && given().all(is_number) {
        Arc::new(values.iter().map(|value| number(value.as_ref()?)).collect::<Float64Array>())
    } else if some && given().all(Value::is_bool) {
        Arc::new(values.iter().map(|value| value.as_ref()?.as_bool()).collect::<BooleanArray>())
    } else {
        Arc::new(values.iter().map(|value| value.as_ref().map(text)).collect::<StringArray>())
    }
}
