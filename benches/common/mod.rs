//! A made-up cache, and medians.

#![allow(dead_code, reason = "each benchmark uses its own part")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use decant::config::Provider;
use decant::store::{
    self, DatasetIdentity, Encoding, Manifest, Row, ShardSpec, ShardWriter, SplitSize, TeacherIdentity,
    ViewIdentity,
};
use decant::support::hash::Digest;
use decant::view::Preprocess;

/// The manifest of a cache of one split that no teacher made.
pub(crate) fn manifest(
    name: &str,
    rows: u64,
    classes: usize,
    temperatures: &[f32],
    shard_rows: u32,
) -> Manifest {
    let dataset = DatasetIdentity {
        left_out: Vec::new(),
        name: "made up".to_owned(),
        fingerprint: Digest::of(b"made up"),
        classes: (0..classes).map(|class| format!("class {class}")).collect(),
        splits: vec![SplitSize { name: "train".to_owned(), samples: rows }],
        notes: Vec::new(),
    };
    let teacher = TeacherIdentity {
        name: "none".to_owned(),
        fingerprint: Digest::of(b"none"),
        provider: Provider::Cpu,
        precision: "fp32".to_owned(),
        runtime: "none".to_owned(),
        batch_size: 4,
    };
    let resize = Preprocess::for_student(224, [0.5; 3], [0.5; 3]).resize();
    let view = ViewIdentity { views: 1, resize, crops: None, operations: None };
    Manifest::new(name, dataset, teacher, view, temperatures, Encoding::FLOAT32, shard_rows)
        .expect("values in range")
}

/// Logits of many rows, cheaply: a window into this slides on by a prime.
pub(crate) fn noise(classes: usize) -> Vec<f32> {
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 2f32.powi(24) * 20.0 - 10.0
    };
    (0..classes + 8191).map(|_| next()).collect()
}

/// Fills one shard as stage one does.
pub(crate) fn fill(dir: &Path, manifest: &Manifest, spec: &ShardSpec, noise: &[f32]) -> ShardWriter {
    let mut writer = ShardWriter::create(dir, manifest, spec);
    for row in 0..spec.rows {
        let (sample, view) = spec.identity(row);
        let at = (sample * 31 % 8191) as usize;
        let row = Row {
            sample,
            path: "images/0.jpg",
            image_hash: [7; 16],
            label: -1,
            view,
            crop: [0.0, 0.0, 224.0, 224.0],
            flip: false,
            operations: &[],
            input_hash: [7; 8],
            logits: &noise[at..at + manifest.classes()],
        };
        writer.push(row).expect("rows in order");
    }
    writer
}

/// A complete cache under `root`.
pub(crate) fn cache(root: &Path, manifest: &Manifest) -> PathBuf {
    let (dir, manifest) = store::create_or_open(root, manifest).expect("a folder of its own");
    let noise = noise(manifest.classes());
    for spec in store::missing_shards(&dir, &manifest).expect("readable") {
        fill(&dir, &manifest, &spec, &noise).commit().expect("space on the disk");
    }
    store::complete(&dir).expect("every shard is there");
    dir
}

/// Where made-up caches go: `DECANT_BENCH_DIR`, else a folder of the system's for temporary files.
pub(crate) fn root() -> PathBuf {
    std::env::var_os("DECANT_BENCH_DIR")
        .map_or_else(|| std::env::temp_dir().join("decant-bench"), PathBuf::from)
}

/// Seconds that `work` takes.
pub(crate) fn seconds(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
