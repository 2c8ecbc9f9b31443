//! A small cache with known values, and the means to break one so that its own checksums do not tell.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use decant::config::Provider;
use decant::store::{
    self, Complete, DatasetIdentity, Encoding, Manifest, RandomCrops, Row, ShardSpec, ShardWriter, SplitSize,
    TeacherIdentity, ViewIdentity,
};
use decant::support::hash::{Digest, FieldHasher};
use decant::view::Preprocess;
use decant::view::operation::{ColorJitter, Kind, Operation, RandAugment, RandomOperations};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const CLASSES: [&str; 3] = ["angular_leaf_spot", "bean_rust", "healthy"];

/// What a test's cache is made of.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub classes: usize,
    pub splits: Vec<(&'static str, u64)>,
    pub views: u16,
    pub operations: Option<RandomOperations>,
    pub temperatures: Vec<f32>,
    pub shard_rows: u32,
    pub encoding: Encoding,
    pub zstd: u8,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            classes: 3,
            splits: vec![("train", 5), ("validation", 2), ("test", 3)],
            views: 2,
            operations: None,
            temperatures: vec![5.0, 1.0, 2.5],
            shard_rows: 4,
            encoding: Encoding::FLOAT32,
            zstd: 0,
        }
    }
}

impl Shape {
    pub(crate) fn manifest(&self) -> Manifest {
        let splits = self.splits.iter().map(|&(name, samples)| SplitSize { name: name.to_owned(), samples });
        Manifest::new(
            "leaves",
            dataset(class_names(self.classes), splits.collect()),
            teacher(),
            ViewIdentity { operations: self.operations.clone(), ..view(self.views) },
            &self.temperatures,
            self.encoding,
            self.shard_rows,
        )
        .unwrap()
        .with_zstd(self.zstd)
        .unwrap()
    }
}

/// The default shape in every encoding but plain float32, and with operations.
pub(crate) fn encoded() -> Vec<Shape> {
    let shape = |encoding, zstd| Shape { encoding, zstd, ..Shape::default() };
    let operations = RandomOperations {
        color_jitter: Some(ColorJitter { brightness: 0.4, contrast: 0.0, saturation: 0.0, hue: 0.1 }),
        rand_augment: Some(RandAugment { count: 1, magnitude: 9 }),
    };
    vec![
        shape(Encoding::FLOAT32, 3),
        shape(Encoding::FLOAT16, 0),
        shape(Encoding::FLOAT16, 19),
        shape(Encoding::top_k(2), 0),
        shape(Encoding::top_k(1), 3),
        Shape { operations: Some(operations.clone()), ..Shape::default() },
        Shape { operations: Some(operations), ..shape(Encoding::top_k(2), 3) },
    ]
}

pub(crate) fn class_names(count: usize) -> Vec<String> {
    (0..count)
        .map(|class| CLASSES.get(class).map_or(format!("class {class}"), |name| (*name).to_owned()))
        .collect()
}

pub(crate) fn dataset(classes: Vec<String>, splits: Vec<SplitSize>) -> DatasetIdentity {
    DatasetIdentity {
        left_out: Vec::new(),
        name: "leaves".to_owned(),
        fingerprint: Digest::of(b"dataset"),
        classes,
        splits,
        notes: vec!["made up".to_owned()],
    }
}

pub(crate) fn view(views: u16) -> ViewIdentity {
    let resize = Preprocess::for_student(32, [0.5; 3], [0.5; 3]).resize();
    ViewIdentity::new(
        views,
        resize,
        RandomCrops { seed: 3, scale: [0.08, 1.0], ratio: [0.75, 1.25], flip: 0.5 },
    )
}

pub(crate) fn path(split: &str, sample: u64) -> String {
    format!("{split}/{sample}.jpg")
}

pub(crate) fn teacher() -> TeacherIdentity {
    TeacherIdentity {
        name: "vit".to_owned(),
        fingerprint: Digest::of(b"teacher"),
        provider: Provider::Cpu,
        precision: "float32".to_owned(),
        runtime: "none 1.0".to_owned(),
        batch_size: 4,
    }
}

/// The logits of one row: distinct, of both signs, not round.
pub(crate) fn logits(split: &str, sample: u64, view: u16, classes: usize) -> Vec<f32> {
    let seed = [split.as_bytes(), &sample.to_le_bytes(), &view.to_le_bytes()].concat();
    let mut bytes = vec![0; classes * 2];
    blake3::Hasher::new().update(&seed).finalize_xof().fill(&mut bytes);
    bytes.chunks_exact(2).map(|pair| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 4096.1).collect()
}

pub(crate) fn label(sample: u64, classes: usize) -> i32 {
    if sample % 5 == 4 { -1 } else { (sample % classes as u64) as i32 }
}

pub(crate) fn crop(sample: u64, view: u16) -> [f32; 4] {
    [sample as f32 + 0.25, f32::from(view) - 0.5, 100.5, 50.0]
}

/// The operations of a row in a cache that has three of each view: none of view 0, and two of the others.
pub(crate) fn operations(sample: u64, view: u16) -> Vec<Operation> {
    let brightness = Operation { kind: Kind::Brightness, amount: 0.7 + sample as f32 / 10.0 };
    let rotate = Operation { kind: Kind::Rotate, amount: f32::from(view) - 9.5 };
    if view == 0 { Vec::new() } else { vec![brightness, rotate] }
}

pub(crate) fn write_shard(dir: &Path, manifest: &Manifest, spec: &ShardSpec) -> store::ShardRecord {
    let mut writer = ShardWriter::create(dir, manifest, spec);
    for row in 0..spec.rows {
        let (sample, view) = spec.identity(row);
        let operations =
            manifest.view.operations.as_ref().map_or_else(Vec::new, |_| operations(sample, view));
        let logits = logits(&spec.split, sample, view, manifest.classes());
        writer
            .push(Row {
                sample,
                path: &path(&spec.split, sample),
                image_hash: [sample as u8; 16],
                label: label(sample, manifest.classes()),
                view,
                crop: crop(sample, view),
                flip: (sample + u64::from(view)) % 3 == 1,
                operations: &operations,
                input_hash: [view as u8 + 7; 8],
                logits: &logits,
            })
            .unwrap();
    }
    writer.commit().unwrap()
}

/// A complete cache of `shape` in a folder of its own.
pub(crate) fn cache_of(shape: &Shape) -> (TempDir, PathBuf, Manifest) {
    let root = tempfile::tempdir().unwrap();
    let (dir, manifest) = store::create_or_open(root.path(), &shape.manifest()).unwrap();
    for spec in manifest.shards() {
        write_shard(&dir, &manifest, &spec);
    }
    store::complete(&dir).unwrap();
    (root, dir, manifest)
}

pub(crate) fn cache() -> (TempDir, PathBuf, Manifest) {
    cache_of(&Shape::default())
}

/// Opens, checks and reads everything, as training would.
pub(crate) fn read_all(dir: &Path) -> Result<(), store::Error> {
    let cache = store::Cache::open(dir)?;
    cache.check_content()?;
    for split in &cache.manifest().dataset.splits {
        let rows = cache.split(&split.name)?;
        let all: Vec<usize> = (0..rows.len()).collect();
        let mut values = vec![0.0; all.len() * rows.classes()];
        rows.gather_logits(&all, &mut values)?;
        for &temperature in rows.temperatures() {
            rows.gather_soft(temperature, &all, &mut values)?;
        }
    }
    Ok(())
}

/// Seals `value` as the format's specification says, with nothing of the store's own code.
pub(crate) fn seal(value: &Value) -> Vec<u8> {
    let text = serde_json::to_string_pretty(value).unwrap();
    let content = text.strip_suffix("\n}").unwrap();
    format!("{content},\n  \"checksum\": \"{}\"\n}}\n", Digest::of(content.as_bytes())).into_bytes()
}

/// Reads a sealed file without its seal.
pub(crate) fn unsealed(path: &Path) -> Value {
    let mut value: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    value.as_object_mut().unwrap().remove("checksum").unwrap();
    value
}

/// Writes `bytes` as a shard, then forges its record and `complete.json` so that every digest agrees.
pub(crate) fn forge_shard(dir: &Path, manifest: &Manifest, number: usize, bytes: &[u8]) {
    let spec = &manifest.shards()[number];
    overwrite(&dir.join(&spec.path), bytes);
    let record_path = dir.join(spec.record_path());
    let mut record = unsealed(&record_path);
    record["bytes"] = bytes.len().into();
    record["blake3"] = Digest::of(bytes).to_string().into();
    record["footer_blake3"] = Digest::of(footer(bytes)).to_string().into();
    overwrite(&record_path, &seal(&record));
    let path = dir.join(store::COMPLETE_FILE);
    let mut complete = unsealed(&path);
    complete["shards"][number] = record;
    let typed: Complete = serde_json::from_value(complete.clone()).unwrap();
    let mut content = FieldHasher::new("decant cache content");
    content.field("key", manifest.key.0);
    for shard in &typed.shards {
        content.field("rows", shard.rows_blake3.0);
    }
    complete["content"] = content.finish().to_string().into();
    overwrite(&path, &seal(&complete));
}

/// Writes in place: file systems make haste slowly with files that are cut to nothing and filled again.
fn overwrite(path: &Path, bytes: &[u8]) {
    let mut file = File::options().write(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
}

/// The footer of a parquet file: metadata, length, magic; nothing where the length makes no sense.
pub(crate) fn footer(bytes: &[u8]) -> &[u8] {
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().unwrap()) as usize;
    end.checked_sub(length).map_or(&[], |start| &bytes[start..])
}

/// Every file of a folder and its split folders: its name and content.
pub(crate) fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(
                files(&path)
                    .into_iter()
                    .map(|(name, bytes)| (Path::new(path.file_name().unwrap()).join(name), bytes)),
            );
        } else {
            found.push((path.file_name().unwrap().into(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}
