//! Stage one over many images, with a teacher that computes next to nothing: does memory grow, and do workers add up?
//!
//!     cargo bench --bench scale                      # 1,000, 100,000 and 1,000,000 images of 20 x 20 pixels
//!     cargo bench --bench scale -- workers           # 1, 2 and 4 processes on one folder, a teacher that sleeps
//!
//! Every number is of a process of its own. `DECANT_BENCH_DIR` says where images and caches go (2 GB).

#![allow(missing_docs, reason = "a program")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Fields};
use decant::config;
use decant::dataset::Dataset;
use decant::stage_one::{self, Settings};
use decant::support::context::Context;
use decant::support::hash::Digest;
use decant::teacher::{Description, Error, Teacher};
use decant::view::Preprocess;
use parquet::arrow::ArrowWriter;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

/// Width and height of an image; a PNG of noise has 1.2 kB then, and a million of them are too many to be kept in memory.
const SIDE: u32 = 20;
/// Images of a parquet file, and of one of its row groups.
const FILE_ROWS: usize = 100_000;
const GROUP_ROWS: usize = 1000;
const CLASSES: usize = 10;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let root = std::env::var_os("DECANT_BENCH_DIR")
        .map_or_else(|| std::env::temp_dir().join("decant-scale"), Into::into);
    match args[..] {
        ["child", dataset, cache, shard_rows, microseconds, part, parts] => child(
            Path::new(dataset),
            Path::new(cache),
            number(shard_rows),
            Duration::from_micros(number(microseconds) as u64),
            (number(part), number(parts)),
        ),
        ["workers"] => workers(&root),
        [] => memory(&root, &[1000, 100_000, 1_000_000]),
        _ => memory(&root, &args.iter().map(|arg| number(arg)).collect::<Vec<_>>()),
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
}

/// A table of what stage one holds in memory.
fn memory(root: &Path, sizes: &[usize]) {
    println!("|    images | images/s | dataset, MB | stage one adds, MB | of mapped files, MB |");
    println!("| --------: | -------: | ----------: | -----------------: | ------------------: |");
    for &images in sizes {
        let dataset = images_of(root, images);
        let cache = root.join(format!("cache-{images}"));
        let _ = fs::remove_dir_all(&cache);
        let child = spawn(&dataset, &cache, 4096, 0, (0, 1)).wait_with_output().expect("it ran");
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
        let said = String::from_utf8(child.stdout).expect("text");
        let fields: Vec<f64> = said.split_whitespace().map(|field| field.parse().expect("numbers")).collect();
        let [rate, before, opened, peak, file] = fields[..] else { panic!("{said}") };
        println!(
            "| {images:>9} | {rate:>8.0} | {:>11.1} | {:>18.1} | {:>19.1} |",
            opened - before,
            peak - opened,
            file
        );
        let _ = fs::remove_dir_all(&cache);
    }
}

/// A table of how several processes share the work.
fn workers(root: &Path) {
    const IMAGES: usize = 4000;
    const MICROSECONDS: u64 = 2500;
    const SHARD_ROWS: usize = 250;
    let dataset = images_of(root, IMAGES);
    let cache = root.join("cache-workers");
    let seconds = |parts: usize, at_once: usize| {
        let _ = fs::remove_dir_all(&cache);
        let clock = Instant::now();
        let all: Vec<usize> = (0..parts).collect();
        for some in all.chunks(at_once) {
            let start = |&part: &usize| spawn(&dataset, &cache, SHARD_ROWS, MICROSECONDS, (part, parts));
            for mut child in some.iter().map(start).collect::<Vec<_>>() {
                assert!(child.wait().expect("it ran").success());
            }
        }
        clock.elapsed().as_secs_f64()
    };
    let rows = IMAGES + 2 * CLASSES;
    println!("{rows} rows, {} ms each, {SHARD_ROWS} a shard", MICROSECONDS as f64 / 1e3);
    println!("| workers | seconds | rows/s | efficiency |");
    println!("| ------: | ------: | -----: | ---------: |");
    let single = seconds(1, 1);
    for workers in [1, 2, 4] {
        let took = if workers == 1 { single } else { seconds(workers, workers) };
        let efficiency = 100.0 * single / (workers as f64 * took);
        println!("| {workers:>7} | {took:>7.2} | {:>6.0} | {efficiency:>8.1} % |", rows as f64 / took);
    }
    let units = IMAGES.div_ceil(SHARD_ROWS) + 2;
    let took = seconds(units, 1);
    let each = 1e3 * (took - single) / (units - 1) as f64;
    println!("\none process a shard, {units} one after another: {took:.2} s, {each:.0} ms more for each");
}

fn spawn(
    dataset: &Path,
    cache: &Path,
    shard_rows: usize,
    microseconds: u64,
    (part, parts): (usize, usize),
) -> std::process::Child {
    let numbers = [shard_rows, microseconds as usize, part, parts].map(|number| number.to_string());
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("child").arg(dataset).arg(cache).args(numbers);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
}

/// Stage one in this process; prints images a second and megabytes.
fn child(dataset: &Path, cache: &Path, shard_rows: usize, image: Duration, part: (usize, usize)) {
    let before = anonymous_megabytes();
    let source = dataset.display().to_string();
    let dataset =
        Dataset::open(&config::Dataset { source, ..config::Dataset::default() }, &Context::silent())
            .expect("images");
    let opened = anonymous_megabytes();
    let (peak, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let sampler = {
        let (peak, over) = (Arc::clone(&peak), Arc::clone(&over));
        std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max((anonymous_megabytes() * 1e3) as u64, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        })
    };
    let cache = config::Cache {
        name: "scale".to_owned(),
        dir: cache.to_path_buf(),
        shard_rows,
        ..config::Cache::default()
    };
    let settings = Settings { cache: &cache, batch_size: 50, part, context: &Context::silent() };
    let mut teacher = Sleeper::new(image);
    let summary = stage_one::run(&dataset, &mut teacher, &settings).expect("a cache");
    let file = megabytes("RssFile:");
    over.store(true, Ordering::Relaxed);
    sampler.join().expect("it samples");
    let peak = peak.load(Ordering::Relaxed) as f64 / 1e3;
    println!("{:.0} {before:.1} {opened:.1} {peak:.1} {file:.1}", summary.images_per_second);
}

fn anonymous_megabytes() -> f64 {
    megabytes("RssAnon:")
}

fn megabytes(field: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
    number(line.trim().trim_end_matches(" kB")) as f64 * 1024.0 / 1e6
}

/// Knows nothing and takes its time.
struct Sleeper {
    classes: Vec<String>,
    preprocess: Preprocess,
    image: Duration,
}

impl Sleeper {
    fn new(image: Duration) -> Self {
        let preprocess = Preprocess::for_student(8, [0.5; 3], [0.5; 3]);
        Self { classes: class_names(), preprocess, image }
    }
}

impl Teacher for Sleeper {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    fn fingerprint(&self) -> Digest {
        Digest::of(b"sleeper")
    }

    fn describe(&self) -> Description {
        Description {
            model: "sleeper".to_owned(),
            device: decant::config::ProviderDevice::CPU,
            precision: "fp32".to_owned(),
            runtime: "none".to_owned(),
            notes: Vec::new(),
        }
    }

    fn logits(&mut self, pixels: &[f32], batch: usize) -> Result<Vec<f32>, Error> {
        std::thread::sleep(self.image * batch as u32);
        let images = pixels.chunks(pixels.len() / batch);
        Ok(images.flat_map(|pixels| pixels[..CLASSES].iter().copied()).collect())
    }
}

fn class_names() -> Vec<String> {
    (0..CLASSES).map(|class| format!("class {class}")).collect()
}

/// The folder of a dataset with `images` images to train on, and two of each class in the other splits.
fn images_of(root: &Path, images: usize) -> std::path::PathBuf {
    let folder = root.join(format!("images-{images}"));
    let done = folder.join("done.txt");
    if done.exists() {
        return folder;
    }
    fs::create_dir_all(&folder).expect("a folder");
    let files = images.div_ceil(FILE_ROWS);
    for file in 0..files {
        let rows = file * FILE_ROWS..images.min((file + 1) * FILE_ROWS);
        write(&folder.join(format!("train-{file:05}-of-{files:05}.parquet")), rows);
    }
    for (index, split) in ["validation", "test"].iter().enumerate() {
        let first = 1_000_000_000 + index * 1000;
        write(&folder.join(format!("{split}-00000-of-00001.parquet")), first..first + CLASSES);
    }
    fs::write(done, "").expect("a file");
    folder
}

fn write(path: &Path, rows: std::ops::Range<usize>) {
    let names = serde_json::to_string(&class_names()).expect("strings");
    let features = format!(
        r#"{{"info": {{"features": {{"image": {{"_type": "Image"}}, "label": {{"names": {names}, "_type": "ClassLabel"}}}}}}}}"#
    );
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_dictionary_enabled(false)
        .set_key_value_metadata(Some(vec![KeyValue::new("huggingface".to_owned(), features)]))
        .build();
    let mut writer = None;
    let rows: Vec<usize> = rows.collect();
    for rows in rows.chunks(GROUP_ROWS) {
        let images: Vec<Vec<u8>> = rows.iter().map(|&row| png(row as u64)).collect();
        let bytes: ArrayRef = Arc::new(images.iter().map(|image| Some(&image[..])).collect::<BinaryArray>());
        let field = Arc::new(Field::new("bytes", DataType::Binary, true));
        let image: ArrayRef = Arc::new(StructArray::new(Fields::from(vec![field]), vec![bytes], None));
        let labels: ArrayRef =
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| (row % CLASSES) as i64)));
        let batch = RecordBatch::try_from_iter([("image", image), ("label", labels)]).expect("columns");
        let writer = writer.get_or_insert_with(|| {
            let file = File::create(path).expect("a file");
            ArrowWriter::try_new(file, batch.schema(), Some(properties.clone())).expect("a writer")
        });
        writer.write(&batch).expect("room");
    }
    writer.expect("one row at least").close().expect("room").file_metadata();
}

/// Noise that no two rows share.
fn png(row: u64) -> Vec<u8> {
    let mut state = row.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let pixels: Vec<u8> = (0..3 * SIDE * SIDE)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect();
    let mut bytes = Vec::new();
    let image = image::RgbImage::from_raw(SIDE, SIDE, pixels).expect("as many values");
    image.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Png).expect("memory");
    bytes.flush().expect("memory");
    bytes
}
