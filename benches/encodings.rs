//! What each encoding costs on disk and does to the soft targets: the table in the README.
//!
//!     cargo bench --bench encodings
//!
//! Synthetic logits stand in for a teacher that is right nine times in ten: noise of standard deviation 1.5, a margin for
//! one class drawn around `2 + 1.2 ln(classes)`, and a few confusable classes with a part of it.

use std::path::Path;

use decant::config::Provider;
use decant::store::{
    self, Cache, DatasetIdentity, Encoding, Manifest, Row, ShardWriter, SplitSize, TeacherIdentity,
    ViewIdentity, soften,
};
use decant::support::hash::Digest;
use decant::support::rng;
use decant::support::table::Table;
use decant::view::Preprocess;
use rand::Rng;

const TEMPERATURES: [f32; 4] = [1.0, 2.0, 5.0, 10.0];
const MEASURED: [f32; 2] = [1.0, 5.0];
const SHARD_ROWS: u32 = 4096;

fn main() {
    println!("{SHARD_ROWS} rows a shard, temperatures {TEMPERATURES:?}; KL(float32 || stored) in nats");
    let mut table = Table::new([
        "classes",
        "encoding",
        "bytes/row",
        "of float32",
        "T=1 mean",
        "T=1 max",
        "T=5 mean",
        "T=5 max",
    ]);
    for (classes, rows, kept) in
        [(3, 8192, &[2][..]), (100, 8192, &[5, 10, 20]), (1000, 8192, &[10, 50, 100])]
    {
        let logits = logits(classes, rows);
        let dense = [Encoding::FLOAT32, Encoding::FLOAT16];
        let encodings = dense.into_iter().chain(kept.iter().map(|&kept| Encoding::top_k(kept)));
        let mut plain = 0.0;
        for (encoding, zstd) in encodings.flat_map(|encoding| [(encoding, 0), (encoding, 3)]) {
            let root = tempfile::tempdir().expect("a folder for temporary files");
            let manifest = manifest(classes, rows, encoding, zstd);
            let cache = write(root.path(), &manifest, &logits);
            let bytes = cache.complete().bytes() as f64 / rows as f64;
            if plain == 0.0 {
                plain = bytes;
            }
            let lost = MEASURED.map(|temperature| divergence(&cache, temperature, &logits));
            table.row([
                classes.to_string(),
                manifest.storage(),
                format!("{bytes:.0}"),
                format!("{:.2}", bytes / plain),
                format!("{:.1e}", lost[0].0),
                format!("{:.1e}", lost[0].1),
                format!("{:.1e}", lost[1].0),
                format!("{:.1e}", lost[1].1),
            ]);
        }
    }
    print!("{table}");
}

/// `[rows, classes]`.
fn logits(classes: usize, rows: usize) -> Vec<f32> {
    let mut rng = rng::keyed("bench logits", &[classes as u64]);
    let mut logits = Vec::with_capacity(rows * classes);
    for _ in 0..rows {
        // The sum of twelve uniform numbers is near enough to a normal one.
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let mut row: Vec<f64> = (0..classes).map(|_| 1.5 * normal()).collect();
        let margin = 2.0 + 1.2 * (classes as f64).ln() + 2.0 * normal();
        let first = rng.random_range(0..classes);
        row[first] += margin;
        for confusable in 1..=(classes / 10).min(5) {
            row[(first + 7 * confusable) % classes] += margin / (1.0 + confusable as f64);
        }
        logits.extend(row.into_iter().map(|logit| logit as f32));
    }
    logits
}

fn manifest(classes: usize, rows: usize, encoding: Encoding, zstd: u8) -> Manifest {
    let dataset = DatasetIdentity {
        left_out: Vec::new(),
        name: "synthetic".to_owned(),
        fingerprint: Digest::of(b"synthetic"),
        classes: (0..classes).map(|class| format!("class {class}")).collect(),
        splits: vec![SplitSize { name: "train".to_owned(), samples: rows as u64 }],
        notes: vec![],
    };
    let none = || "none".to_owned();
    let teacher = TeacherIdentity {
        name: none(),
        fingerprint: Digest::of(b"none"),
        provider: Provider::Cpu,
        batch_size: 4,
        precision: none(),
        runtime: none(),
    };
    let resize = Preprocess::for_student(224, [0.5; 3], [0.5; 3]).resize();
    let view = ViewIdentity { views: 1, resize, crops: None, operations: None };
    Manifest::new("bench", dataset, teacher, view, &TEMPERATURES, encoding, SHARD_ROWS)
        .and_then(|manifest| manifest.with_zstd(zstd))
        .expect("the bench's own values are in range")
}

fn write(root: &Path, manifest: &Manifest, logits: &[f32]) -> Cache {
    let (dir, manifest) = store::create_or_open(root, manifest).expect("the folder is new");
    let classes = manifest.classes();
    for spec in manifest.shards() {
        let mut writer = ShardWriter::create(&dir, &manifest, &spec);
        for row in 0..spec.rows {
            let (sample, view) = spec.identity(row);
            // Hashes do not compress, and neither do these.
            let hash = Digest::of(&sample.to_le_bytes()).0;
            let row = Row {
                sample,
                path: "images/0.jpg",
                image_hash: hash[..16].try_into().expect("16 bytes"),
                label: (sample % classes as u64) as i32,
                view,
                crop: [0.0, 0.0, 500.0, 375.0],
                flip: false,
                operations: &[],
                input_hash: hash[16..24].try_into().expect("8 bytes"),
                logits: &logits[sample as usize * classes..][..classes],
            };
            writer.push(row).expect("rows come in order");
        }
        writer.commit().expect("the disk has room");
    }
    store::complete(&dir).expect("every shard is there");
    Cache::open(&dir).expect("it was written just now")
}

/// The mean and the largest `KL(softmax(logits / temperature) || stored)` over all rows. Stored float16 targets need not
/// sum to one, so it is the divergence of unnormalised masses, `sum p ln(p / q) - p + q`. Where classes were dropped, the
/// mass of the rest is spread evenly among them.
fn divergence(cache: &Cache, temperature: f32, logits: &[f32]) -> (f64, f64) {
    let rows = cache.split("train").expect("the cache has train");
    let classes = rows.classes();
    let (mut truth, mut stored) = (vec![0.0; classes], vec![0.0; classes]);
    let (mut sum, mut largest) = (0.0, 0.0f64);
    for (row, logits) in logits.chunks_exact(classes).enumerate() {
        soften(logits, temperature, &mut truth);
        rows.gather_soft(temperature, &[row], &mut stored).expect("the row is there");
        let lost: f64 = truth
            .iter()
            .zip(&stored)
            .map(|(&p, &q)| {
                let (p, q) = (f64::from(p), f64::from(q));
                // A target that float16 rounds to 0 counts as the smallest float32.
                let ratio = p.max(f64::from(f32::MIN_POSITIVE)) / q.max(f64::from(f32::MIN_POSITIVE));
                p * ratio.ln() - p + q
            })
            .sum();
        sum += lost;
        largest = largest.max(lost);
    }
    (sum / rows.len() as f64, largest)
}
