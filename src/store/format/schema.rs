//! The columns of a shard and what its footer says.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, encode_arrow_schema};
use parquet::file::metadata::KeyValue;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};
use serde::Serialize;

use crate::encoding::Element;
use crate::store::format::manifest::Manifest;
use crate::store::format::plan::ShardSpec;
use crate::view::operation::Operation;

/// Bytes of `image_hash`.
pub(in crate::store) const IMAGE_HASH_BYTES: usize = 16;
/// Bytes of `input_hash`.
pub(in crate::store) const INPUT_HASH_BYTES: usize = 8;
/// Numbers of `crop`: left, top, width, height.
pub(in crate::store) const CROP_WIDTH: usize = 4;
/// The name of the root of the parquet schema.
pub(in crate::store) const ROOT: &str = "schema";

/// The columns before the logits and targets, by position; [`Manifest::first_value`] is that of the first after them.
pub(in crate::store) mod column {
    pub(crate) const SAMPLE: usize = 0;
    pub(crate) const PATH: usize = 1;
    pub(crate) const IMAGE_HASH: usize = 2;
    pub(crate) const LABEL: usize = 3;
    pub(crate) const VIEW: usize = 4;
    pub(crate) const CROP: usize = 5;
    pub(crate) const FLIP: usize = 6;
    pub(crate) const INPUT_HASH: usize = 7;
    /// There where views have operations. The columns of logits and targets follow.
    pub(crate) const OPERATIONS: usize = 8;
}

/// One column of a shard.
#[derive(Debug, Clone, Serialize)]
pub struct ColumnSummary {
    /// Its name.
    pub name: String,
    /// The type of a row's value, such as `float32[1000]`.
    pub kind: String,
}

/// The element of a list column, by parquet's own name for it.
pub(in crate::store) fn list_element(element: Element) -> Arc<Field> {
    Arc::new(Field::new("element", data_type(element), false))
}

fn data_type(element: Element) -> DataType {
    match element {
        Element::Float32 => DataType::Float32,
        Element::Float16 => DataType::Float16,
        Element::Int32 => DataType::Int32,
    }
}

impl Manifest {
    /// Numbers of `operations` in a row; 0 where there is no such column.
    pub(in crate::store) fn operations_width(&self) -> usize {
        self.view.operation_count() * Operation::NUMBERS
    }

    /// The position of the first column of logits and targets.
    pub(in crate::store) fn first_value(&self) -> usize {
        column::OPERATIONS + usize::from(self.operations_width() > 0)
    }
}

/// The columns as Arrow types; none is nullable.
pub(in crate::store) fn arrow_schema(manifest: &Manifest) -> Arc<Schema> {
    let list = |element, width: usize| DataType::FixedSizeList(list_element(element), width as i32);
    let mut fields = vec![
        Field::new("sample", DataType::UInt64, false),
        Field::new("path", DataType::Utf8, false),
        Field::new("image_hash", DataType::FixedSizeBinary(IMAGE_HASH_BYTES as i32), false),
        Field::new("label", DataType::Int32, false),
        Field::new("view", DataType::UInt16, false),
        Field::new("crop", list(Element::Float32, CROP_WIDTH), false),
        Field::new("flip", DataType::Boolean, false),
        Field::new("input_hash", DataType::FixedSizeBinary(INPUT_HASH_BYTES as i32), false),
    ];
    let operations = manifest.operations_width();
    if operations > 0 {
        fields.push(Field::new("operations", list(Element::Float32, operations), false));
    }
    fields.extend(manifest.value_columns().into_iter().map(|column| {
        let kind = match column.list {
            Some(width) => list(column.element, width),
            None => data_type(column.element),
        };
        Field::new(column.name, kind, false)
    }));
    Arc::new(Schema::new(fields))
}

/// The name of a column, by position.
pub(in crate::store) fn column_name(manifest: &Manifest, index: usize) -> String {
    arrow_schema(manifest).field(index).name().clone()
}

/// The columns, for people: what a row has in each.
pub(in crate::store) fn describe(manifest: &Manifest) -> Vec<ColumnSummary> {
    let scalars = [
        ("sample", "uint64"),
        ("path", "string"),
        ("image_hash", "bytes[16]"),
        ("label", "int32"),
        ("view", "uint16"),
        ("crop", "float32[4]"),
        ("flip", "bool"),
        ("input_hash", "bytes[8]"),
    ];
    let scalars = scalars.map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    let width = manifest.operations_width();
    let operations = (width > 0).then(|| ("operations".to_owned(), format!("float32[{width}]")));
    let values = manifest.value_columns().into_iter().map(|column| {
        let element = data_type(column.element).to_string().to_lowercase();
        (column.name, column.list.map_or(element.clone(), |width| format!("{element}[{width}]")))
    });
    scalars
        .into_iter()
        .chain(operations)
        .chain(values)
        .map(|(name, kind)| ColumnSummary { name, kind })
        .collect()
}

/// The columns as parquet types.
pub(in crate::store) fn parquet_schema(manifest: &Manifest) -> SchemaDescriptor {
    ArrowSchemaConverter::new()
        .schema_root(ROOT)
        .convert(&arrow_schema(manifest))
        .expect("every type of ours has a parquet type")
}

/// How a leaf column differs from the one that belongs there; `None` when none does.
pub(in crate::store) fn difference(expected: &SchemaDescriptor, found: &SchemaDescriptor) -> Option<String> {
    let differs = |&index: &usize| match (expected.columns().get(index), found.columns().get(index)) {
        (Some(expected), Some(found)) => !is_same(expected, found),
        _ => true,
    };
    let index = (0..expected.num_columns().max(found.num_columns())).find(differs)?;
    let describe = |schema: &SchemaDescriptor| {
        schema.columns().get(index).map_or("no column".to_owned(), |column| {
            let (path, kind, converted) =
                (column.path().string(), column.physical_type(), column.converted_type());
            let levels = (column.max_def_level(), column.max_rep_level());
            format!("{path} ({kind} of length {}, {converted}, levels {levels:?})", column.type_length())
        })
    };
    Some(format!("column {} was expected, {} was found", describe(expected), describe(found)))
}

fn is_same(one: &ColumnDescriptor, other: &ColumnDescriptor) -> bool {
    one.path() == other.path()
        && one.physical_type() == other.physical_type()
        && one.type_length() == other.type_length()
        && one.converted_type() == other.converted_type()
        && one.logical_type_ref() == other.logical_type_ref()
        && (one.max_def_level(), one.max_rep_level()) == (other.max_def_level(), other.max_rep_level())
}

/// The essentials of the manifest, for readers that have only the shard.
pub(in crate::store) fn key_values(manifest: &Manifest, spec: &ShardSpec) -> Vec<KeyValue> {
    let json = |value: &[String]| serde_json::to_string(value).expect("strings are JSON");
    let temperatures: Vec<String> = manifest.temperatures.iter().map(ToString::to_string).collect();
    let pairs = [
        ("decant.format", manifest.format.to_string()),
        ("decant.key", manifest.key.to_string()),
        ("decant.split", spec.split.clone()),
        ("decant.shard", spec.index.to_string()),
        ("decant.first_row", spec.first_row.to_string()),
        ("decant.views", spec.views.to_string()),
        ("decant.temperatures", temperatures.join(" ")),
        ("decant.encoding", manifest.storage()),
        ("decant.dataset", manifest.dataset.name.clone()),
        ("decant.dataset_fingerprint", manifest.dataset.fingerprint.to_string()),
        ("decant.classes", json(&manifest.dataset.classes)),
        ("decant.teacher", manifest.teacher.name.clone()),
        ("decant.teacher_fingerprint", manifest.teacher.fingerprint.to_string()),
    ];
    // So that Arrow readers see lists of fixed size, which parquet itself has not got.
    let schema = [(ARROW_SCHEMA_META_KEY, encode_arrow_schema(&arrow_schema(manifest)))];
    let pairs = pairs.into_iter().chain(schema);
    pairs.map(|(key, value)| KeyValue::new(key.to_owned(), value)).collect()
}

/// A crop that a view can be cut from.
pub(in crate::store) fn is_rectangle([left, top, width, height]: [f32; CROP_WIDTH]) -> bool {
    [left, top, width, height].iter().all(|value| value.is_finite()) && width > 0.0 && height > 0.0
}
