//! The manifest: what a cache is. Written first and never changed.

use std::fmt::Display;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::config::{MAX_MAGNITUDE, MAX_OPERATIONS};
use crate::encoding::{Encoding, Unfit, ValueColumn};
use crate::store::error::{Damage, Error, Mismatch};
use crate::store::format::checksummed_json;
use crate::store::format::identity::{DatasetIdentity, SplitSize, TeacherIdentity, ViewIdentity};
use crate::store::format::record_files::RECORDS_FOLDER;
use crate::support::hash::{Digest, FieldHasher};

/// The version of the format that this code writes and reads; `cache/README.md` specifies it.
pub(crate) const FORMAT: u32 = 2;
/// The manifest's file name in a cache's folder.
pub const MANIFEST_FILE: &str = "manifest.json";

/// The largest list column of a shard, so that it fits one parquet page with room for its levels.
const MAX_COLUMN_BYTES: u64 = 1 << 30;
/// The split whose samples are stored in every view.
const AUGMENTED_SPLIT: &str = "train";
const MAX_CLASSES: usize = 1 << 20;
/// More rows than any image data set has views; a larger number is an error somewhere.
const MAX_ROWS: u64 = 1 << 40;
const MAX_SHARDS: u64 = 1 << 20;
/// zstd's own.
const MAX_ZSTD_LEVEL: u8 = 22;
const MAX_SPLITS: usize = 100;
/// Numbers of the crop, a list as the logits are.
const MIN_WIDTH: u64 = 4;

/// The identity of a cache: everything that decides its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format, [`FORMAT`].
    pub format: u32,
    /// The cache's name, the first part of its folder's name.
    pub name: String,
    /// Digest over what makes two caches the same; see [`Manifest::key_of`].
    pub key: Digest,
    /// Which samples.
    pub dataset: DatasetIdentity,
    /// Which teacher, run how.
    pub teacher: TeacherIdentity,
    /// Which views of each sample.
    pub view: ViewIdentity,
    /// Temperatures of the soft columns, ascending. They are derived from the logits and so no part of what a cache is:
    /// `complete.json` and the records say which there are, not `manifest.json`.
    #[serde(skip)]
    pub temperatures: Vec<f32>,
    /// How logits and targets are stored.
    pub encoding: Encoding,
    /// The level at which zstd compresses every column; 0 leaves them plain.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub zstd: u8,
    /// Rows of a shard; a split's last one may have fewer.
    pub shard_rows: u32,
    /// The version of decant that wrote the manifest.
    pub writer: String,
}

impl Manifest {
    /// The manifest of a cache that is to be made; `temperatures` are sorted.
    ///
    /// # Errors
    /// [`Mismatch::Invalid`] names the first value that is out of range.
    pub fn new(
        name: &str,
        dataset: DatasetIdentity,
        teacher: TeacherIdentity,
        view: ViewIdentity,
        temperatures: &[f32],
        encoding: Encoding,
        shard_rows: u32,
    ) -> Result<Self, Error> {
        let mut temperatures = temperatures.to_vec();
        temperatures.sort_by(f32::total_cmp);
        let mut manifest = Self {
            format: FORMAT,
            name: name.to_owned(),
            key: Digest([0; 32]),
            dataset,
            teacher,
            view,
            temperatures,
            encoding,
            zstd: 0,
            shard_rows,
            writer: format!("decant version {}", env!("CARGO_PKG_VERSION")),
        };
        manifest.key = manifest.key_of();
        manifest.validate()?;
        let is_enough = encoding.keeps_all() || !manifest.temperatures.is_empty();
        let expected = "at least one, since the mass of the rest is kept for each";
        require(is_enough, "temperatures", expected, &"none")?;
        Ok(manifest)
    }

    /// The same cache with its columns compressed by zstd at `level`; 0 leaves them plain.
    ///
    /// # Errors
    /// [`Mismatch::Invalid`] when there is no such level.
    pub fn with_zstd(mut self, level: u8) -> Result<Self, Error> {
        self.zstd = level;
        self.key = self.key_of();
        self.validate()?;
        Ok(self)
    }

    /// The same cache with the targets at `temperatures` as well, where it has not got them.
    ///
    /// # Errors
    /// [`Mismatch::Invalid`] when one is not a temperature.
    pub(crate) fn with_temperatures(mut self, temperatures: &[f32]) -> Result<Self, Error> {
        self.temperatures.extend_from_slice(temperatures);
        self.temperatures.sort_by(f32::total_cmp);
        self.temperatures.dedup();
        self.validate()?;
        Ok(self)
    }

    /// Whether the soft columns of this manifest are those at `temperatures` and no others.
    pub(crate) fn has_temperatures(&self, temperatures: &[f32]) -> bool {
        self.temperatures.iter().map(|t| t.to_bits()).eq(temperatures.iter().map(|t| t.to_bits()))
    }

    /// The key: BLAKE3 over format version, dataset fingerprint, classes, split sizes, teacher fingerprint, views, encoding,
    /// compression and rows of a shard.
    ///
    /// The name is for people, temperatures are derived, and provider, precision and versions are those of one machine: none
    /// of them is part of the key.
    pub fn key_of(&self) -> Digest {
        let mut hasher = FieldHasher::new("decant cache key");
        hasher.field("format", self.format.to_le_bytes());
        hasher.field("dataset.fingerprint", self.dataset.fingerprint.0);
        for class in &self.dataset.classes {
            hasher.field("dataset.class", class);
        }
        for split in &self.dataset.splits {
            hasher.field("dataset.split", &split.name);
            hasher.field("dataset.samples", split.samples.to_le_bytes());
        }
        hasher.field("teacher.fingerprint", self.teacher.fingerprint.0);
        hasher.field("view", serde_json::to_string(&self.view).expect("plain data"));
        hasher.field("encoding", self.encoding.name());
        if let Some((parameter, value)) = self.encoding.parameter() {
            hasher.field(parameter.field, value.to_le_bytes());
        }
        if self.zstd > 0 {
            hasher.field("zstd", [self.zstd]);
        }
        hasher.field("shard_rows", self.shard_rows.to_le_bytes());
        hasher.finish()
    }

    /// `<name>-<first 12 hexadecimal digits of the key>`.
    pub fn folder_name(&self) -> String {
        format!("{}-{}", self.name, self.key.short(12))
    }

    /// Encoding and compression in words: `top-10, zstd 3`.
    pub fn storage(&self) -> String {
        match self.zstd {
            0 => self.encoding.to_string(),
            level => format!("{}, zstd {level}", self.encoding),
        }
    }

    /// The columns of logits and targets, in order.
    pub(in crate::store) fn value_columns(&self) -> Vec<ValueColumn> {
        self.encoding.value_columns(self.classes(), &self.temperatures)
    }

    /// How many classes.
    pub fn classes(&self) -> usize {
        self.dataset.classes.len()
    }

    /// Views of each sample of a split: train has them all, the splits that a student is only measured on have view 0.
    pub fn views(&self, split: &SplitSize) -> u16 {
        if split.name == AUGMENTED_SPLIT { self.view.views } else { 1 }
    }

    /// Rows of a split: its samples times its views.
    pub fn rows(&self, split: &SplitSize) -> u64 {
        split.samples * u64::from(self.views(split))
    }

    /// The manifest as its file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        checksummed_json::to_bytes(self)
    }

    /// Reads the manifest of the cache in `dir`.
    ///
    /// # Errors
    /// [`Mismatch::NoCache`] when there is none; [`Mismatch::Format`] when another version wrote it; else what is damaged.
    pub fn read(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(MANIFEST_FILE);
        match checksummed_json::read_bytes(&path) {
            Ok(Some(bytes)) => Self::parse(&path, &bytes),
            Err(error) if !dir.is_file() => Err(error),
            _ => Err(Error::Mismatch(Mismatch::NoCache { dir: dir.to_path_buf() })),
        }
    }

    /// Reads a manifest from its file's bytes; `path` is for messages.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        checksummed_json::unseal(path, bytes)?;
        check_format(path, bytes)?;
        let manifest: Self = checksummed_json::parse(path, bytes)?;
        manifest.validate().map_err(|error| match error {
            Error::Mismatch(Mismatch::Invalid { field, expected, found }) => {
                Error::Damage(Damage::Contradiction {
                    path: path.to_path_buf(),
                    field: field.to_owned(),
                    expected,
                    found,
                })
            }
            other => other,
        })?;
        let key = manifest.key_of();
        if key != manifest.key {
            return Err(Error::Damage(Damage::Contradiction {
                path: path.to_path_buf(),
                field: "key".to_owned(),
                expected: key.to_string(),
                found: manifest.key.to_string(),
            }));
        }
        Ok(manifest)
    }

    fn validate(&self) -> Result<(), Error> {
        check_name("name", &self.name)?;
        self.check_classes()?;
        self.check_temperatures()?;
        self.check_encoding()?;
        require(self.view.views > 0, "view.views", "at least 1", &self.view.views)?;
        if let Some(augment) = self.view.operations.as_ref().and_then(|operations| operations.rand_augment) {
            let fits = augment.count <= MAX_OPERATIONS && augment.magnitude <= MAX_MAGNITUDE;
            let expected = format!("a count up to {MAX_OPERATIONS} and a magnitude up to {MAX_MAGNITUDE}");
            require(fits, "view.operations.rand-augment", &expected, &format_args!("{augment:?}"))?;
        }
        let width = (self.classes().max(self.operations_width()) as u64).max(MIN_WIDTH);
        let most = MAX_COLUMN_BYTES / (width * size_of::<f32>() as u64);
        let rows = u64::from(self.shard_rows);
        require((1..=most).contains(&rows), "shard_rows", &format!("1 to {most}"), &rows)?;
        self.check_splits()
    }

    fn check_classes(&self) -> Result<(), Error> {
        let classes = &self.dataset.classes;
        let (count, expected) = (classes.len(), format!("2 to {MAX_CLASSES} names"));
        require((2..=MAX_CLASSES).contains(&count), "dataset.classes", &expected, &count)?;
        let mut sorted: Vec<&String> = classes.iter().collect();
        sorted.sort();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => refuse("dataset.classes", "without repetition", format!("{:?} twice", pair[0])),
            None => Ok(()),
        }
    }

    fn check_temperatures(&self) -> Result<(), Error> {
        for temperature in &self.temperatures {
            let usable = temperature.is_finite() && *temperature > 0.0;
            require(usable, "temperatures", "finite and above 0", temperature)?;
        }
        match self.temperatures.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => {
                let found = format!("{} before {}", pair[0], pair[1]);
                refuse("temperatures", "ascending without repetition", found)
            }
            None => Ok(()),
        }
    }

    fn check_encoding(&self) -> Result<(), Error> {
        if let Err(Unfit { field, expected, found }) = self.encoding.check(self.classes()) {
            refuse(field, &expected, found)?;
        }
        let expected = format!("0 (none) to {MAX_ZSTD_LEVEL}");
        require(self.zstd <= MAX_ZSTD_LEVEL, "zstd", &expected, &self.zstd)
    }

    fn check_splits(&self) -> Result<(), Error> {
        let splits = &self.dataset.splits;
        let (count, expected) = (splits.len(), format!("1 to {MAX_SPLITS} splits"));
        require((1..=MAX_SPLITS).contains(&count), "dataset.splits", &expected, &count)?;
        let most = MAX_ROWS / u64::from(self.view.views);
        let mut shards = 0u64;
        for (index, split) in splits.iter().enumerate() {
            check_name("dataset.splits", &split.name)?;
            let expected = format!("not {RECORDS_FOLDER}, the folder of the records");
            require(split.name != RECORDS_FOLDER, "dataset.splits", &expected, &split.name)?;
            if splits[..index].iter().any(|other| other.name == split.name) {
                return refuse("dataset.splits", "without repetition", format!("{:?} twice", split.name));
            }
            let expected = format!("at most {most} samples");
            require(split.samples <= most, "dataset.splits", &expected, &split.samples)?;
            shards += self.rows(split).div_ceil(u64::from(self.shard_rows));
        }
        let expected = format!("large enough for {MAX_SHARDS} shards to hold every row");
        require(shards <= MAX_SHARDS, "shard_rows", &expected, &self.shard_rows)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(level: &u8) -> bool {
    *level == 0
}

/// Names become file names.
fn check_name(field: &'static str, name: &str) -> Result<(), Error> {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    let usable = !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(plain);
    let expected = "at most 100 letters, digits, '-', '_' and '.', the first no '.'";
    require(usable, field, expected, &format_args!("{name:?}"))
}

fn require(holds: bool, field: &'static str, expected: &str, found: &dyn Display) -> Result<(), Error> {
    if holds { Ok(()) } else { refuse(field, expected, found.to_string()) }
}

fn refuse(field: &'static str, expected: &str, found: String) -> Result<(), Error> {
    Err(Error::Mismatch(Mismatch::Invalid { field, expected: expected.to_owned(), found }))
}

/// Looks at the version before anything else, since another one may have other fields.
fn check_format(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    match serde_json::from_slice::<Version>(bytes) {
        Ok(version) if version.format == u64::from(FORMAT) => Ok(()),
        Ok(Version { format: 1 }) => {
            Err(Error::Mismatch(Mismatch::OldFormat { dir: path.parent().unwrap_or(path).to_path_buf() }))
        }
        Ok(version) => Err(Error::Mismatch(Mismatch::Format {
            path: path.to_path_buf(),
            expected: FORMAT,
            found: version.format,
        })),
        Err(error) => {
            Err(Error::Damage(Damage::Malformed { path: path.to_path_buf(), reason: error.to_string() }))
        }
    }
}
