//! Tables of labels beside the images: `metadata.csv` and `metadata.jsonl` as Hugging Face's `imagefolder` reads them, and the
//! `labels.csv` or `train.csv` of many a download.
//!
//! A row names a file, relative to the table or to its split and with or without its ending, and the class of it. A table
//! counts for the images in its folder and below; the nearest one above an image does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::super::files::{below, last_name};
use super::super::{Error, SplitName};
use super::split_folder::Image;
use crate::support::files::{TEXT_LIMIT, read_regular};

/// Columns that name the file, in the order in which they are looked for.
const FILE_COLUMNS: [&str; 11] = [
    "file_name",
    "filename",
    "file",
    "image_path",
    "filepath",
    "path",
    "image",
    "image_id",
    "image_name",
    "img",
    "id",
];
/// Columns that name the class, in the order in which they are looked for.
const LABEL_COLUMNS: [&str; 7] =
    ["label", "labels", "class", "class_name", "label_name", "category", "target"];

/// Whether a file's name is that of a table of labels.
pub(super) fn is_table(path: &Path) -> bool {
    let name = last_name(path).to_ascii_lowercase();
    match name.rsplit_once('.') {
        Some(("metadata", "csv" | "jsonl")) => true,
        Some((stem, "csv")) => stem == "labels" || SplitName::of_folder(stem).is_some(),
        _ => false,
    }
}

/// The tables of a dataset.
#[derive(Default)]
pub(super) struct Tables {
    tables: Vec<Table>,
    /// Tables whose columns don't say which holds the class, for messages.
    unclear: Vec<(PathBuf, Vec<String>)>,
}

struct Table {
    path: PathBuf,
    folder: PathBuf,
    /// The split that its name tells: `train.csv`.
    split: Option<SplitName>,
    rows: BTreeMap<String, Row>,
    /// Whether it gave any image its class.
    is_read: bool,
}

struct Row {
    class: Option<Arc<str>>,
    used: bool,
}

impl Tables {
    pub(crate) fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// Reads a table; false if it lacks a column of files or one of classes.
    pub(crate) fn add(&mut self, path: &Path, label_column: Option<&str>) -> Result<bool, Error> {
        let bad = |reason: String| Error::Table { path: path.to_path_buf(), reason };
        let bytes = read_regular(path, TEXT_LIMIT)
            .map_err(|source| Error::Read { path: path.to_path_buf(), source })?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            bad(format!("line {} is not UTF-8", 1 + lines(&bytes[..error.valid_up_to()])))
        })?;
        let text = text.trim_start_matches('\u{feff}');
        let is_json = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("jsonl"));
        let (columns, rows) = if is_json { json_lines(text) } else { comma_separated(text) }.map_err(bad)?;
        let find = |names: &[&str]| {
            names.iter().find_map(|name| columns.iter().position(|column| column.eq_ignore_ascii_case(name)))
        };
        let file = find(&FILE_COLUMNS);
        let label = match label_column {
            Some(name) => columns.iter().position(|column| column == name),
            None => find(&LABEL_COLUMNS),
        };
        let (Some(file), Some(label)) = (file, label.filter(|&label| Some(label) != file)) else {
            self.unclear.push((path.to_path_buf(), columns));
            return Ok(false);
        };
        let mut by_file: BTreeMap<String, Row> = BTreeMap::new();
        for (number, mut row) in rows.into_iter().enumerate() {
            let class = row[label].take().filter(|class| !class.is_empty());
            let Some(name) = row[file].take().filter(|name| !name.is_empty()) else {
                return Err(bad(format!("row {} names no file", number + 1)));
            };
            let name = name.replace('\\', "/");
            let name = name.trim_start_matches("./").to_owned();
            let class: Option<Arc<str>> = class.map(Into::into);
            if let Some(known) = by_file.get(&name)
                && known.class != class
            {
                return Err(bad(format!("it has two rows with different labels for {name}")));
            }
            by_file.insert(name, Row { class, used: false });
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        self.tables.push(Table {
            path: path.to_path_buf(),
            folder: path.parent().unwrap_or(Path::new("")).to_path_buf(),
            split: SplitName::of_folder(&stem),
            rows: by_file,
            is_read: false,
        });
        Ok(true)
    }

    /// The images of the split in `split`, each with the class that the nearest table gives it.
    pub(crate) fn label_all<'a>(
        &mut self,
        split: &Path,
        images: impl Iterator<Item = &'a PathBuf>,
    ) -> Vec<Image> {
        let counts = |table: &&mut Table| table.folder.starts_with(split) || table.counts_for(split);
        let mut tables: Vec<&mut Table> = self.tables.iter_mut().filter(counts).collect();
        tables.sort_by_key(|table| std::cmp::Reverse(table.folder.components().count()));
        let label = |path: &PathBuf| {
            let above = tables.iter_mut().filter(|table| path.starts_with(&table.folder));
            let class = above.into_iter().find_map(|table| table.take(path, split));
            Image { path: path.clone(), class }
        };
        images.map(label).collect()
    }

    /// The tables that gave no image its class.
    ///
    /// # Errors
    /// Of another one, a row whose file is not there.
    pub(crate) fn check(&self) -> Result<Vec<PathBuf>, Error> {
        for table in self.tables.iter().filter(|table| table.is_read) {
            let is_missing = |name: &str, row: &Row| !row.used && !table.folder.join(name).exists();
            let missing: Vec<&String> =
                table.rows.iter().filter(|(name, row)| is_missing(name, row)).map(|(name, _)| name).collect();
            if let Some(first) = missing.first() {
                let reason = format!(
                    "{} of its {} rows name an image that is not there, for example {first}",
                    missing.len(),
                    table.rows.len()
                );
                return Err(Error::Table { path: table.path.clone(), reason });
            }
        }
        Ok(self.tables.iter().filter(|table| !table.is_read).map(|table| table.path.clone()).collect())
    }

    /// The error of a `dataset.label-column` that no table has.
    pub(crate) fn lacks_column(&self, root: &Path, column: &str) -> Error {
        let found = self.hint().unwrap_or_else(|| {
            "there is no metadata.csv, metadata.jsonl or labels.csv beside the images".to_owned()
        });
        Error::NoLabelColumn { path: root.to_path_buf(), column: column.to_owned(), found }
    }

    /// The columns of the tables of which it is not clear what holds the class.
    pub(crate) fn hint(&self) -> Option<String> {
        let (path, columns) = self.unclear.first()?;
        Some(format!("{} has the columns {}", path.display(), columns.join(", ")))
    }
}

impl Table {
    /// Whether it counts for the split in `folder`, which lies below the table's own folder.
    fn counts_for(&self, folder: &Path) -> bool {
        let split = SplitName::of_folder(&last_name(folder));
        folder.starts_with(&self.folder) && (self.split.is_none() || split.is_none() || self.split == split)
    }

    fn take(&mut self, image: &Path, split: &Path) -> Option<Arc<str>> {
        let whole = [below(&self.folder, image), below(split, image)];
        let without_ending = |name: &String| name.rsplit_once('.').map(|(stem, _)| stem.to_owned());
        let stems: Vec<String> = whole.iter().filter_map(without_ending).collect();
        let name = whole.into_iter().chain(stems).find(|name| self.rows.contains_key(name))?;
        let row = self.rows.get_mut(&name)?;
        row.used = true;
        self.is_read = true;
        row.class.clone()
    }
}

#[expect(clippy::naive_bytecount, reason = "a table is read once")]
fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte == b'\n').count()
}

/// Column names, and the rows with a value for each.
type Rows = (Vec<String>, Vec<Vec<Option<String>>>);

fn comma_separated(text: &str) -> Result<Rows, String> {
    let head = text.lines().next().unwrap_or_default();
    let delimiter = [b',', b';', b'\t'].into_iter().find(|&byte| head.as_bytes().contains(&byte));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter.unwrap_or(b','))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let columns = reader.headers().map_err(|error| error.to_string())?;
    let columns: Vec<String> = columns.iter().map(str::to_owned).collect();
    let row = |row: Result<csv::StringRecord, csv::Error>| match row {
        Ok(row) => Ok(row.iter().map(|value| Some(value.to_owned())).collect()),
        Err(error) => Err(error.to_string()),
    };
    let rows = reader.records().map(row).collect::<Result<_, String>>()?;
    Ok((columns, rows))
}

fn json_lines(text: &str) -> Result<Rows, String> {
    let mut columns: Vec<String> = Vec::new();
    let mut objects = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let object: BTreeMap<String, Value> =
            serde_json::from_str(line).map_err(|error| format!("line {}: {error}", number + 1))?;
        for name in object.keys().filter(|name| !columns.contains(name)).cloned().collect::<Vec<_>>() {
            columns.push(name);
        }
        objects.push(object);
    }
    let text = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    let row = |mut object: BTreeMap<String, Value>| -> Vec<Option<String>> {
        columns.iter().map(|column| text(object.remove(column).unwrap_or_default())).collect()
    };
    let rows = objects.into_iter().map(row).collect();
    Ok((columns, rows))
}
