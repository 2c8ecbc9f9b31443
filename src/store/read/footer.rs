//! A shard's footer: its digest, columns, rows and key-value metadata.

use std::path::Path;

use bytes::Bytes;
use parquet::file::metadata::ParquetMetaData;
use parquet::schema::types::SchemaDescriptor;

use crate::store::error::{Damage, Error};
use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::store::format::record::ShardRecord;
use crate::store::format::schema;
use crate::support::hash::Digest;

/// Length of the footer's end: the length of the metadata, then the magic.
const FOOTER_END: usize = 8;

/// A shard that is laid out in another way.
pub(super) fn layout(path: &Path, reason: String) -> Error {
    Error::Damage(Damage::Layout { path: path.to_path_buf(), reason })
}

/// The footer's bytes are those that were written, so that the parser sees nothing else.
pub(super) fn check_footer(path: &Path, map: &Bytes, record: &ShardRecord) -> Result<(), Error> {
    let end = map.len().checked_sub(FOOTER_END).map(|start| &map[start..]);
    let length = end.and_then(|end| end.strip_suffix(b"PAR1")).and_then(|length| length.try_into().ok());
    let length = length.map(|length| u32::from_le_bytes(length) as usize);
    let Some(start) = length.and_then(|length| map.len().checked_sub(FOOTER_END + length)) else {
        return Err(layout(path, "it does not end in a parquet footer".to_owned()));
    };
    let found = Digest::of(&map[start..]);
    if found != record.footer_blake3 {
        let expected = record.footer_blake3;
        return Err(Error::Damage(Damage::Content {
            path: path.to_path_buf(),
            part: "footer",
            expected,
            found,
        }));
    }
    Ok(())
}

/// Columns, rows and key-value metadata are those of the manifest.
pub(super) fn check_metadata(
    path: &Path,
    metadata: &ParquetMetaData,
    schema: &SchemaDescriptor,
    manifest: &Manifest,
    spec: &ShardSpec,
) -> Result<(), Error> {
    let file = metadata.file_metadata();
    if let Some(difference) = schema::difference(schema, file.schema_descr()) {
        return Err(layout(path, difference));
    }
    let [group] = metadata.row_groups() else {
        return Err(layout(path, format!("it has {} row groups, expected 1", metadata.num_row_groups())));
    };
    if group.num_rows() != spec.rows as i64 || group.num_columns() != file.schema_descr().num_columns() {
        let (rows, columns) = (group.num_rows(), group.num_columns());
        return Err(layout(
            path,
            format!("it has {rows} rows of {columns} columns, expected {} rows", spec.rows),
        ));
    }
    for expected in schema::key_values(manifest, spec) {
        let found = file.key_value_metadata().into_iter().flatten().find(|pair| pair.key == expected.key);
        if found != Some(&expected) {
            let value = |pair: Option<&parquet::file::metadata::KeyValue>| {
                pair.and_then(|pair| pair.value.clone()).unwrap_or_else(|| "nothing".to_owned())
            };
            let (expected_value, found) = (value(Some(&expected)), value(found));
            return Err(layout(path, format!("its {} is {found}, expected {expected_value}", expected.key)));
        }
    }
    Ok(())
}
