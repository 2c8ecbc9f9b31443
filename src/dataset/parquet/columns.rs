//! Which columns hold the image and its label, and what the classes are called.

use std::path::Path;
use std::sync::Arc;

use ::parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use ::parquet::file::metadata::FileMetaData;
use ::parquet::schema::types::{SchemaDescriptor, Type};
use serde_json::Value;

use super::super::{Error, ParquetError};
use crate::config;

/// Columns by their position among the file's top-level fields.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub image: usize,
    pub label: Option<LabelColumn>,
}

/// The column of labels.
#[derive(Clone, Debug)]
pub(super) struct LabelColumn {
    pub index: usize,
    /// The classes' names, where the column holds their numbers; without them its values are the names.
    pub names: Option<Vec<String>>,
}

impl Columns {
    /// Finds the columns that `config` names, or else those that the file's metadata or their names and types tell.
    pub(crate) fn find(
        path: &Path,
        schema: &SchemaDescriptor,
        metadata: &FileMetaData,
        config: &config::Dataset,
    ) -> Result<Self, Error> {
        let fields = schema.root_schema().get_fields();
        let finder = Finder { path, fields, features: features(metadata) };
        Ok(Self { image: finder.image(config)?, label: finder.label(config)? })
    }

    /// The error of a file without a column of labels.
    pub(crate) fn lack_label(path: &Path, schema: &SchemaDescriptor) -> Error {
        let found = describe(schema.root_schema().get_fields());
        Error::Parquet(ParquetError::Column {
            path: path.to_path_buf(),
            wanted: LABEL,
            found,
            hint: hint("label-column"),
        })
    }
}

const IMAGE: &str = "image column (struct {bytes, path} or binary)";
const LABEL: &str = "column of labels (ClassLabel, or called label or labels)";
const USUAL_LABELS: [&str; 2] = ["label", "labels"];

struct Finder<'a> {
    path: &'a Path,
    fields: &'a [Arc<Type>],
    /// `info.features` of the `huggingface` metadata, null where there is none.
    features: Value,
}

impl Finder<'_> {
    fn image(&self, config: &config::Dataset) -> Result<usize, Error> {
        if let Some(name) = &config.image_column {
            return self.named(name, "image-column", "image column", holds_bytes);
        }
        let mut images = self.all(|field| self.is_feature("Image", field) && holds_bytes(field));
        if images.is_empty() {
            images = self.all(holds_bytes);
        }
        match self.choose(&images, &["image", "img"]) {
            Some(image) => Ok(image),
            None => Err(self.unclear(IMAGE, "image-column", &images)),
        }
    }

    /// None where the file has no column that could be one.
    fn label(&self, config: &config::Dataset) -> Result<Option<LabelColumn>, Error> {
        let is_label = |field: &Type| is_integer(field) || is_text(field);
        let index = if let Some(name) = &config.label_column {
            if self.all(|field| field.name() == name).is_empty() {
                return Ok(None);
            }
            self.named(name, "label-column", "column of labels", is_label)?
        } else {
            let mut labels = self.all(|field| self.is_feature("ClassLabel", field) && is_integer(field));
            if labels.is_empty() {
                labels = self.all(|field| is_label(field) && USUAL_LABELS.contains(&field.name()));
            }
            if labels.is_empty() {
                return Ok(None);
            }
            let unclear = || self.unclear(LABEL, "label-column", &labels);
            self.choose(&labels, &USUAL_LABELS).ok_or_else(unclear)?
        };
        let field = &self.fields[index];
        if is_text(field) {
            return Ok(Some(LabelColumn { index, names: None }));
        }
        let names = self.features[field.name()]["names"].as_array().cloned().unwrap_or_default();
        let classes: Vec<String> = names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        if !classes.is_empty() && classes.len() == names.len() {
            return Ok(Some(LabelColumn { index, names: Some(classes) }));
        }
        if config.class_map.is_empty() {
            return Err(Error::Parquet(ParquetError::NoClassNames {
                path: self.path.to_path_buf(),
                column: field.name().to_owned(),
            }));
        }
        // The map gives the numbers their names.
        Ok(Some(LabelColumn { index, names: None }))
    }

    fn all(&self, matches: impl Fn(&Type) -> bool) -> Vec<usize> {
        (0..self.fields.len()).filter(|&index| matches(&self.fields[index])).collect()
    }

    fn is_feature(&self, kind: &str, field: &Type) -> bool {
        self.features[field.name()]["_type"] == kind
    }

    /// The only candidate, or the only one with a usual name.
    fn choose(&self, candidates: &[usize], usual: &[&str]) -> Option<usize> {
        let is_usual = |index: &usize| usual.contains(&self.fields[*index].name());
        let named: Vec<usize> = candidates.iter().copied().filter(is_usual).collect();
        match (candidates, named.as_slice()) {
            (&[only], _) | (_, &[only]) => Some(only),
            _ => None,
        }
    }

    fn named(
        &self,
        name: &str,
        key: &'static str,
        wanted: &'static str,
        matches: impl Fn(&Type) -> bool,
    ) -> Result<usize, Error> {
        let position = self.fields.iter().position(|field| field.name() == name && matches(field));
        position.ok_or_else(|| {
            Error::Parquet(ParquetError::NamedColumn {
                path: self.path.to_path_buf(),
                wanted,
                column: name.to_owned(),
                key,
                found: describe(self.fields),
            })
        })
    }

    fn unclear(&self, wanted: &'static str, key: &str, candidates: &[usize]) -> Error {
        let names: Vec<Arc<Type>> = candidates.iter().map(|&index| Arc::clone(&self.fields[index])).collect();
        let (found, hint) = match names.as_slice() {
            [] => (describe(self.fields), String::new()),
            names => (describe(names), hint(key)),
        };
        Error::Parquet(ParquetError::Column { path: self.path.to_path_buf(), wanted, found, hint })
    }
}

fn hint(key: &str) -> String {
    format!("; choose one with dataset.{key}")
}

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

fn is_text(field: &Type) -> bool {
    field.is_primitive()
        && field.get_physical_type() == Physical::BYTE_ARRAY
        && (field.get_basic_info().converted_type() == ConvertedType::UTF8
            || field.get_basic_info().logical_type_ref() == Some(&LogicalType::String))
}

fn describe(fields: &[Arc<Type>]) -> String {
    let kind = |field: &Type| {
        if is_text(field) {
            return "text".to_owned();
        }
        if field.is_primitive() {
            return field.get_physical_type().to_string().to_lowercase();
        }
        let inner: Vec<&str> = field.get_fields().iter().map(|inner| inner.name()).collect();
        format!("struct {{{}}}", inner.join(", "))
    };
    fields.iter().map(|field| format!("{} ({})", field.name(), kind(field))).collect::<Vec<_>>().join(", ")
}
