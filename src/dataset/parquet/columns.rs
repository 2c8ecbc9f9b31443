//! Which columns hold the image and its label, and what the classes are called.

use std::path::Path;

use ::parquet::basic::{ConvertedType, Type as Physical};
use ::parquet::file::metadata::FileMetaData;
use ::parquet::schema::types::{SchemaDescriptor, Type};
use serde_json::Value;

use super::super::Error;

/// Columns by their position among the file's top-level fields.
#[derive(Clone, Debug)]
pub(in super::super) struct Columns {
    pub image: usize,
    pub label: usize,
    pub classes: Vec<String>,
}

impl Columns {
    pub fn find(path: &Path, schema: &SchemaDescriptor, metadata: &FileMetaData) -> Result<Self, Error> {
        let fields = schema.root_schema().get_fields();
        let features = features(metadata);
        let of_type = |kind: &str, field: &Type| features[field.name()]["_type"] == kind;
        let column = |wanted, usual: &[&str], candidates: Vec<usize>| {
            let named = candidates.iter().copied().find(|&index| usual.contains(&fields[index].name()));
            match (candidates.as_slice(), named) {
                (&[only], _) => Ok(only),
                (_, Some(named)) => Ok(named),
                _ => Err(Error::Column { path: path.to_path_buf(), wanted, found: describe(fields) }),
            }
        };
        let indices = |matches: &dyn Fn(&Type) -> bool| -> Vec<usize> {
            (0..fields.len()).filter(|&index| matches(&fields[index])).collect()
        };

        let mut images = indices(&|field| of_type("Image", field) && holds_bytes(field));
        if images.is_empty() {
            images = indices(&holds_bytes);
        }
        let image = column("image column (struct {bytes, path} or binary)", &["image", "img"], images)?;

        let usual = ["label", "labels"];
        let mut labels = indices(&|field| of_type("ClassLabel", field) && is_integer(field));
        if labels.is_empty() {
            labels = indices(&|field| is_integer(field) && usual.contains(&field.name()));
        }
        let label = column("ClassLabel column of integers, called label or labels", &usual, labels)?;

        let name = fields[label].name();
        let names = features[name]["names"].as_array().cloned().unwrap_or_default();
        let classes: Vec<String> = names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        if classes.is_empty() || classes.len() != names.len() {
            return Err(Error::NoClassNames { path: path.to_path_buf(), column: name.to_owned() });
        }
        Ok(Self { image, label, classes })
    }
}

/// `info.features` of the `huggingface` metadata, null where there is none.
fn features(metadata: &FileMetaData) -> Value {
    let entries = metadata.key_value_metadata().map_or(&[][..], Vec::as_slice);
    let text = entries.iter().find(|entry| entry.key == "huggingface").and_then(|entry| entry.value.as_ref());
    let info: Value = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    info["info"]["features"].clone()
}

/// A struct with a field `bytes`, or bytes themselves.
fn holds_bytes(field: &Type) -> bool {
    let is_binary = |field: &Type| {
        field.is_primitive()
            && field.get_physical_type() == Physical::BYTE_ARRAY
            && field.get_basic_info().converted_type() == ConvertedType::NONE
            && field.get_basic_info().logical_type_ref().is_none()
    };
    if field.is_primitive() {
        return is_binary(field);
    }
    field.get_fields().iter().any(|inner| inner.name() == "bytes" && is_binary(inner))
}

fn is_integer(field: &Type) -> bool {
    field.is_primitive() && matches!(field.get_physical_type(), Physical::INT32 | Physical::INT64)
}

fn describe(fields: &[std::sync::Arc<Type>]) -> String {
    let kind = |field: &Type| {
        if field.is_primitive() {
            return field.get_physical_type().to_string().to_lowercase();
        }
        let inner: Vec<&str> = field.get_fields().iter().map(|inner| inner.name()).collect();
        format!("struct {{{}}}", inner.join(", "))
    };
    fields.iter().map(|field| format!("{} ({})", field.name(), kind(field))).collect::<Vec<_>>().join(", ")
}
