//! The checks.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Mutex;

use decant::config;
use decant::config::Provider;
use decant::store::{
    self, Cache, Complete, DatasetIdentity, Encoding, Manifest, Row, ShardRecord, ShardWriter, SplitSize,
    TeacherIdentity, ViewIdentity,
};
use decant::support::hash::{Digest, FieldHasher};
use decant::view::Preprocess;
use decant::view::{self, Filter};
use image::RgbImage;
use tempfile::TempDir;

const CLASSES: usize = 3;
const SAMPLES: u64 = 5;
/// The kinds of caches that a shard is opened in; the first byte of an input says which.
const KINDS: [(Encoding, u8); 6] = [
    (Encoding::FLOAT32, 0),
    (Encoding::FLOAT32, 3),
    (Encoding::FLOAT16, 0),
    (Encoding::FLOAT16, 3),
    (Encoding::top_k(2), 0),
    (Encoding::top_k(2), 3),
];

/// Bytes as `manifest.json`, as they are and under a checksum that fits: refused with a message, or a manifest that reads back and
/// whose paths stay in its folder.
pub fn manifest(bytes: &[u8]) {
    let path = Path::new("manifest.json");
    check_manifest(Manifest::parse(path, bytes));
    check_manifest(Manifest::parse(path, &sealed(bytes)));
    // Under the right key as well, so that what it says is looked at.
    let whole = [bytes, b"\n}"].concat();
    if let Ok(mut manifest) = serde_json::from_slice::<Manifest>(&whole) {
        manifest.key = manifest.key_of();
        check_manifest(Manifest::parse(path, &manifest.to_bytes()));
    }
}

fn check_manifest(parsed: Result<Manifest, store::Error>) {
    match parsed {
        Err(error) => assert_says_something(&error.to_string()),
        Ok(manifest) => {
            let again = Manifest::parse(Path::new("manifest.json"), &manifest.to_bytes());
            assert_eq!(again.expect("what was written reads back"), manifest);
            assert!(stays_inside(Path::new(&manifest.folder_name())));
            for shard in manifest.shards() {
                assert!(stays_inside(&shard.path), "{}", shard.path.display());
                assert!(shard.rows > 0 && shard.rows <= u64::from(manifest.shard_rows));
            }
        }
    }
}

fn stays_inside(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_)))
}

/// A JSON object's text without its end, under a checksum that fits it.
fn sealed(content: &[u8]) -> Vec<u8> {
    let digest = Digest::of(content).to_string();
    [content, b",\n  \"checksum\": \"", digest.as_bytes(), b"\"\n}\n"].concat()
}

/// Bytes as a shard whose record and `complete.json` agree with them: refused with a message, or read to the last value.
pub fn shard(bytes: &[u8]) {
    let Some((&kind, bytes)) = bytes.split_first() else { return };
    let kind = usize::from(kind) % KINDS.len();
    let mut caches = CACHES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let cache = caches[kind].get_or_insert_with(|| Forged::new(KINDS[kind]));
    cache.put(bytes);
    if let Err(error) = cache.read_all() {
        assert_says_something(&error.to_string());
    }
    match store::verify(&cache.dir) {
        Err(error) => assert_says_something(&error.to_string()),
        Ok(report) => report.damage.iter().for_each(|error| assert_says_something(&error.to_string())),
    }
}

static CACHES: Mutex<[Option<Forged>; KINDS.len()]> = Mutex::new([const { None }; KINDS.len()]);

/// A cache of one shard whose bytes are replaced.
struct Forged {
    _root: TempDir,
    dir: PathBuf,
    manifest: Manifest,
    complete: Complete,
}

impl Forged {
    fn new((encoding, zstd): (Encoding, u8)) -> Self {
        let root = tempfile::tempdir().expect("a folder for temporary files");
        let (dir, manifest) =
            store::create_or_open(root.path(), &example(encoding, zstd)).expect("a new folder");
        fill(&dir, &manifest);
        let complete = store::complete(&dir).expect("its only shard is there");
        Self { _root: root, dir, manifest, complete }
    }

    /// Makes `bytes` the shard, and forges what is recorded of it.
    fn put(&mut self, bytes: &[u8]) {
        let spec = &self.manifest.shards()[0];
        fs::write(self.dir.join(&spec.path), bytes).expect("room for the shard");
        let record = &mut self.complete.shards[0];
        record.bytes = bytes.len() as u64;
        record.blake3 = Digest::of(bytes);
        record.footer_blake3 = Digest::of(footer(bytes));
        let mut content = FieldHasher::new("decant cache content");
        content.field("key", self.manifest.key.0);
        content.field("rows", record.rows_blake3.0);
        self.complete.content = content.finish();
        let record: &ShardRecord = &self.complete.shards[0];
        write_sealed(&self.dir.join(spec.path.with_extension("json")), record);
        write_sealed(&self.dir.join(store::COMPLETE_FILE), &self.complete);
    }

    /// Opens the cache and reads everything, as training would; what the checks let through must be usable.
    fn read_all(&self) -> Result<(), store::Error> {
        let cache = Cache::open(&self.dir)?;
        let rows = cache.split("train")?;
        let all: Vec<usize> = (0..rows.len()).collect();
        let mut values = vec![0.0; all.len() * rows.classes()];
        // Before anything is checked it must not panic, afterwards its numbers must be good.
        let _ = rows.gather_logits(&all, &mut values);
        let _ = rows.gather_soft(5.0, &all, &mut values);
        let _ = (rows.teacher_quality(), rows.entropies(), rows.confidences(10), rows.confusions(3));
        cache.check_content()?;
        rows.gather_logits(&all, &mut values)?;
        assert!(values.iter().all(|value| value.is_finite()), "{values:?}");
        for &temperature in rows.temperatures() {
            rows.gather_soft(temperature, &all, &mut values)?;
            assert!(values.iter().all(|value| (0.0..=1.0).contains(value)), "{values:?}");
        }
        for row in all {
            assert_eq!(rows.identity(row), (row as u64, 0));
            assert!((-1..CLASSES as i32).contains(&rows.label(row)));
            assert!(rows.crop(row).iter().all(|number| number.is_finite()));
            let _ = (rows.flip(row), rows.image_hash(row), rows.input_hash(row));
        }
        Ok(())
    }
}

fn write_sealed(path: &Path, value: &impl serde::Serialize) {
    let text = serde_json::to_string_pretty(value).expect("plain data");
    let content = text.strip_suffix("\n}").expect("an object");
    fs::write(path, sealed(content.as_bytes())).expect("room for it");
}

/// The footer of a parquet file: metadata, length, magic; nothing where the length makes no sense.
fn footer(bytes: &[u8]) -> &[u8] {
    let Some(end) = bytes.len().checked_sub(8) else { return &[] };
    let length = u32::from_le_bytes([bytes[end], bytes[end + 1], bytes[end + 2], bytes[end + 3]]) as usize;
    end.checked_sub(length).map_or(&[], |start| &bytes[start..])
}

fn example(encoding: Encoding, zstd: u8) -> Manifest {
    let dataset = DatasetIdentity {
        left_out: Vec::new(),
        name: "leaves".to_owned(),
        fingerprint: Digest::of(b"dataset"),
        classes: ["angular_leaf_spot", "bean_rust", "healthy"].map(str::to_owned).to_vec(),
        splits: vec![SplitSize { name: "train".to_owned(), samples: SAMPLES }],
        notes: Vec::new(),
    };
    let teacher = TeacherIdentity {
        name: "vit".to_owned(),
        fingerprint: Digest::of(b"teacher"),
        provider: Provider::Cpu,
        batch_size: 4,
        precision: "float32".to_owned(),
        runtime: "none".to_owned(),
    };
    let resize = Preprocess::for_student(8, [0.5; 3], [0.5; 3]).resize();
    let view = ViewIdentity { views: 1, resize, crops: None, operations: None };
    let manifest = Manifest::new("leaves", dataset, teacher, view, &[1.0, 5.0], encoding, 8);
    manifest.and_then(|manifest| manifest.with_zstd(zstd)).expect("values in range")
}

fn fill(dir: &Path, manifest: &Manifest) {
    let spec = &manifest.shards()[0];
    let mut shard = ShardWriter::create(dir, manifest, spec);
    for sample in 0..spec.rows {
        let at = sample as f32;
        let row = Row {
            path: "a.jpg",
            sample,
            image_hash: [sample as u8; 16],
            label: sample as i32 % 4 - 1,
            view: 0,
            crop: [0.0, at, 40.0, 30.0 + at],
            flip: sample == 2,
            operations: &[],
            input_hash: [7; 8],
            logits: &[2.5 - at, 0.25 * at, -1.125],
        };
        shard.push(row).expect("rows in order");
    }
    shard.commit().expect("room for it");
}

/// Bytes as a pipeline file: refused with a message that names the file, or a pipeline that reads back as it is.
pub fn pipeline(bytes: &[u8]) {
    let path = Path::new("edited.toml");
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match config::parse(path, text, &[]) {
        Err(error) => {
            let said = error.to_string();
            assert_says_something(&said);
            assert!(said.contains("edited.toml"), "{said}");
        }
        Ok(pipeline) => assert!(!pipeline.name.is_empty() && !pipeline.cache.name.is_empty()),
    }
    // And as what `--set` is given.
    if let Err(error) = config::parse(path, "", &[text.to_owned()]) {
        assert_says_something(&error.to_string());
    }
}

/// Bytes as an image: refused with a message, or an image of a bounded size.
pub fn image(bytes: &[u8]) {
    match view::decode(bytes) {
        Err(error) => assert_says_something(&error.to_string()),
        Ok(image) => assert!(image.width() > 0 && image.height() > 0),
    }
}

/// Bytes as an image, a crop and a size: pixels of that size, within what the source holds.
pub fn resize(bytes: &[u8]) {
    let Some((&[filter, width, height, to_width, to_height, left, top, right, bottom], pixels)) =
        bytes.split_first_chunk()
    else {
        return;
    };
    let filter = Filter::from_pillow(u64::from(filter % 6)).expect("there are six");
    let side = |byte: u8| u32::from(byte % 64) + 1;
    let (width, height) = (side(width), side(height));
    let (least, most) = (pixels.iter().min().unwrap_or(&0), pixels.iter().max().unwrap_or(&0));
    let levels = pixels.iter().copied().cycle().take(width as usize * height as usize * 3);
    let levels: Vec<u8> =
        if pixels.is_empty() { vec![0; width as usize * height as usize * 3] } else { levels.collect() };
    let source = RgbImage::from_raw(width, height, levels).expect("three levels a pixel");
    // Fractions, so that filters begin and end between pixels.
    let part = |length: u32, from: u8, to: u8| {
        let (from, to) = (from.min(to), from.max(to));
        let start = f32::from(from) / 256.0 * length as f32;
        (start, ((f32::from(to) + 1.0) / 256.0 * length as f32 - start).min(length as f32 - start))
    };
    let ((left, crop_width), (top, crop_height)) = (part(width, left, right), part(height, top, bottom));
    let crop = [left, top, crop_width, crop_height];
    let resized = view::resize(&source, crop, side(to_width), side(to_height), filter);
    assert_eq!(resized.dimensions(), (side(to_width), side(to_height)));
    // Without negative weights nothing goes beyond the source's levels, up to rounding.
    if matches!(filter, Filter::Nearest | Filter::Box | Filter::Bilinear | Filter::Hamming) {
        let range = least.saturating_sub(1)..=most.saturating_add(1);
        assert!(resized.as_raw().iter().all(|level| range.contains(level)));
    }
}

fn assert_says_something(said: &str) {
    assert!(!said.trim().is_empty());
}

/// The first corpus file of [`shard`] for each kind of cache.
pub fn example_shards() -> Vec<Vec<u8>> {
    let shard = |(kind, &of): (usize, &(Encoding, u8))| {
        let cache = Forged::new(of);
        let bytes = fs::read(cache.dir.join(&cache.manifest.shards()[0].path)).expect("its only shard");
        [&[kind as u8], &bytes[..]].concat()
    };
    KINDS.iter().enumerate().map(shard).collect()
}

/// A corpus file of [`shard`] that must be taken, so that its mutations come far.
pub fn check_sound_shard(bytes: &[u8]) {
    let mut cache = Forged::new(KINDS[usize::from(bytes[0])]);
    cache.put(&bytes[1..]);
    cache.read_all().expect("a sound shard");
    assert!(store::verify(&cache.dir).expect("a sound cache").damage.is_empty());
}

/// Corpus files of [`manifest`]: the text that the checksum covers.
pub fn example_manifests() -> Vec<Vec<u8>> {
    let text = |&(encoding, zstd): &(Encoding, u8)| {
        let bytes = example(encoding, zstd).to_bytes();
        let end = bytes.windows(12).rposition(|window| window == b",\n  \"checksu").expect("it is sealed");
        bytes[..end].to_vec()
    };
    KINDS.iter().map(text).collect()
}

/// A corpus file of [`manifest`] that must be taken.
pub fn check_sound_manifest(bytes: &[u8]) {
    check_manifest(
        Ok(Manifest::parse(Path::new("manifest.json"), &sealed(bytes)).expect("a sound manifest")),
    );
}
