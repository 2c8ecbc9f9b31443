//! The Python reader gives what the reader here gives, bit by bit, and refuses what it refuses.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use decant::store::{COMPLETE_FILE, Cache, Damage, Error, MANIFEST_FILE, Manifest};
use decant::train::order;
use serde_json::{Value, json};

use crate::store::common::{Shape, cache_of, encoded, forge_shard, read_all, seal, unsealed};

/// `tests/interop/reader.py`, waiting for requests.
struct Python {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Python {
    fn start() -> Self {
        let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/reader.py");
        let mut process = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("PYTHON names an interpreter that has the requirements in tests/interop");
        let requests = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, requests, answers }
    }

    fn ask(&mut self, what: &str, key: Value) -> Value {
        let mut request = serde_json::Map::new();
        request.insert(what.to_owned(), key);
        writeln!(self.requests, "{}", Value::Object(request)).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("no answer to {what}"))
    }

    /// Both readers read the cache, or both refuse it for the same kind of reason.
    fn agrees(&mut self, dir: &Path, what: &str) {
        let here = match read_all(dir) {
            Ok(()) => String::new(),
            Err(error) if error.is_damage() => format!("Damage: {error}"),
            Err(error) if error.is_mismatch() => format!("Mismatch: {error}"),
            Err(error) => format!("OSError: {error}"),
        };
        let there = self.ask("open", json!(dir));
        let there = there.as_str().unwrap();
        let kind = |text: &str| text.split(':').next().unwrap().to_owned();
        assert_eq!(kind(there), kind(&here), "{what}: here {here:?}, in Python {there:?}");
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Damages a cache: its folder, its manifest, its first shard.
type Harm = fn(&Path, &Manifest, &Path);
/// Changes a sealed file's content.
type Forgery = fn(&mut Value);

fn shapes() -> Vec<Shape> {
    let wide =
        Shape { classes: 130, splits: vec![("train", 70), ("test", 3)], shard_rows: 64, ..Shape::default() };
    let wide_top = Shape { encoding: decant::store::Encoding::top_k(9), ..wide.clone() };
    [Shape::default(), wide, wide_top].into_iter().chain(encoded()).collect()
}

#[test]
#[ignore = "needs Python: make interop"]
fn python_takes_samples_and_views_in_the_same_order() {
    let mut python = Python::start();
    for (seed, epoch, samples) in [(0, 0, 1), (1, 0, 2), (42, 3, 24), (7, 29, 1034), (u64::MAX, 1, 5000)] {
        let found = python.ask("order", json!([seed, epoch, samples]));
        assert_eq!(found, json!(order::epoch_order(seed, epoch, samples)));
    }
    for (seed, samples, views) in [(0, 5, 2), (3, 40, 7), (9, 3000, 13), (1, 8, 50)] {
        let found = python.ask("views", json!([seed, samples, views]));
        let view = |sample, epoch| order::view_of(seed, sample, epoch, views);
        let expected: Vec<Vec<u16>> =
            (0..samples).map(|sample| (0..views.into()).map(|epoch| view(sample, epoch)).collect()).collect();
        assert_eq!(found, json!(expected));
    }
}

#[test]
#[ignore = "needs Python: make interop"]
fn python_gathers_the_same_bits() {
    let mut python = Python::start();
    for shape in shapes() {
        let (_root, dir, _) = cache_of(&shape);
        let rows = Cache::open(&dir).unwrap().split("train").unwrap();
        let at = [rows.len() - 1, 0, 3, 3, 5, 1];
        let held = [1.0, 2.5, 5.0];
        // A temperature that has no column is softened from the logits.
        let temperatures = if rows.kept().is_some() { &held[..] } else { &[1.0, 2.5, 5.0, 3.7][..] };
        for &temperature in temperatures {
            let found = python.ask("gather", json!([dir, "train", temperature, at]));
            let bits = |values: &[f32]| json!(values.iter().map(|value| value.to_bits()).collect::<Vec<_>>());
            let mut values = vec![0.0; at.len() * rows.classes()];
            rows.gather_soft(temperature, &at, &mut values).unwrap();
            assert_eq!(found["soft"], bits(&values), "{shape:?} at {temperature}");
            rows.gather_logits_for(temperature, &at, &mut values).unwrap();
            if let Some(kept) = rows.kept() {
                // The level of dropped classes is a logarithm, which numpy may round otherwise in its last bit.
                let found: Vec<u32> = serde_json::from_value(found["logits"].clone()).unwrap();
                let close = |(a, b): (&u32, &f32)| (f32::from_bits(*a) - b).abs() <= 2e-6 * b.abs();
                assert!(found.iter().zip(&values).all(close), "{shape:?} at {temperature}");
                let (mut classes, mut masses) = (vec![0; at.len() * kept], vec![0.0; at.len() * (kept + 1)]);
                rows.gather_top(temperature, &at, &mut classes, &mut masses).unwrap();
                let answer = python.ask("gather", json!([dir, "train", temperature, at]));
                assert_eq!((&answer["classes"], &answer["masses"]), (&json!(classes), &bits(&masses)));
            } else {
                assert_eq!(found["logits"], bits(&values), "{shape:?} at {temperature}");
            }
        }
    }
}

/// Flips bits of a file in turn.
fn flips(python: &mut Python, dir: &Path, path: &Path, step: usize) {
    let whole = fs::read(path).unwrap();
    for bit in (0..whole.len() * 8).step_by(step) {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(path, &damaged).unwrap();
        python.agrees(dir, &format!("{} bit {bit}", path.display()));
    }
    fs::write(path, &whole).unwrap();
}

#[test]
#[ignore = "needs Python: make interop"]
fn python_refuses_every_flipped_bit_that_is_refused_here() {
    let mut python = Python::start();
    for shape in std::iter::once(Shape::default()).chain(encoded()) {
        let (_root, dir, manifest) = cache_of(&Shape { splits: vec![("train", 2)], ..shape });
        python.agrees(&dir, "a sound cache");
        // Steps that are no multiple of 8 visit every position of a byte.
        flips(&mut python, &dir, &dir.join(MANIFEST_FILE), 61);
        flips(&mut python, &dir, &dir.join(COMPLETE_FILE), 61);
        flips(&mut python, &dir, &dir.join(&manifest.shards()[0].path), 83);
        python.agrees(&dir, "a sound cache again");
    }
}

#[test]
#[ignore = "needs Python: make interop"]
fn python_refuses_files_that_are_cut_gone_swapped_or_lead_elsewhere() {
    let mut python = Python::start();
    let damages: [(&str, Harm); 12] = [
        ("no manifest", |dir, _, _| fs::remove_file(dir.join(MANIFEST_FILE)).unwrap()),
        ("a folder for a manifest", |dir, _, _| {
            fs::remove_file(dir.join(MANIFEST_FILE)).unwrap();
            fs::create_dir(dir.join(MANIFEST_FILE)).unwrap();
        }),
        ("not complete", |dir, _, _| fs::remove_file(dir.join(COMPLETE_FILE)).unwrap()),
        ("an empty complete.json", |dir, _, _| fs::write(dir.join(COMPLETE_FILE), "").unwrap()),
        ("no shard", |_, _, shard| fs::remove_file(shard).unwrap()),
        ("an empty shard", |_, _, shard| fs::write(shard, "").unwrap()),
        ("a short shard", |_, _, shard| {
            let whole = fs::read(shard).unwrap();
            fs::write(shard, &whole[..whole.len() - 1]).unwrap();
        }),
        ("a short shard whose record agrees", |dir, manifest, shard| {
            let whole = fs::read(shard).unwrap();
            forge_shard(dir, manifest, 0, &whole[..whole.len() / 2]);
        }),
        ("swapped shards whose records agree", |dir, manifest, shard| {
            let (first, second) =
                (fs::read(shard).unwrap(), fs::read(dir.join(&manifest.shards()[1].path)).unwrap());
            forge_shard(dir, manifest, 0, &second);
            forge_shard(dir, manifest, 1, &first);
        }),
        ("a folder for a shard", |_, _, shard| {
            fs::remove_file(shard).unwrap();
            fs::create_dir(shard).unwrap();
        }),
        ("a link out of the folder", |_, _, shard| {
            let outside = shard.parent().unwrap().parent().unwrap().with_extension("parquet");
            fs::rename(shard, &outside).unwrap();
            std::os::unix::fs::symlink(&outside, shard).unwrap();
        }),
        ("a split that is a file", |dir, _, _| {
            fs::remove_dir_all(dir.join("train")).unwrap();
            fs::write(dir.join("train"), "").unwrap();
        }),
    ];
    for (what, damage) in damages {
        let (_root, dir, manifest) = cache_of(&Shape::default());
        damage(&dir, &manifest, &dir.join(&manifest.shards()[0].path));
        assert!(read_all(&dir).is_err(), "{what}");
        python.agrees(&dir, what);
    }
}

#[test]
#[ignore = "needs Python: make interop"]
fn python_refuses_what_a_forger_writes_with_checksums_that_fit() {
    let mut python = Python::start();
    let forgeries: [(&str, &str, Forgery); 14] = [
        (MANIFEST_FILE, "format 1", |json| json["format"] = 1.into()),
        (MANIFEST_FILE, "format 3", |json| json["format"] = 3.into()),
        (MANIFEST_FILE, "an unknown field", |json| json["more"] = 1.into()),
        (MANIFEST_FILE, "a class twice", |json| json["dataset"]["classes"][0] = "healthy".into()),
        (MANIFEST_FILE, "another key", |json| json["key"] = "0".repeat(64).into()),
        (MANIFEST_FILE, "a name that leads elsewhere", |json| json["name"] = "../x".into()),
        (MANIFEST_FILE, "no rows", |json| json["shard_rows"] = 0.into()),
        (MANIFEST_FILE, "a number of views that is text", |json| json["view"]["views"] = "2".into()),
        (COMPLETE_FILE, "another content", |json| json["content"] = json["key"].clone()),
        (COMPLETE_FILE, "an accuracy above 1", |json| json["teacher_quality"][0]["accuracy"] = 1.5.into()),
        (COMPLETE_FILE, "more labels than samples", |json| {
            json["teacher_quality"][0]["labelled"] = 9999.into();
        }),
        (COMPLETE_FILE, "a shard less", |json| drop(json["shards"].as_array_mut().unwrap().pop())),
        (COMPLETE_FILE, "shards in another order", |json| json["shards"].as_array_mut().unwrap().swap(0, 1)),
        (COMPLETE_FILE, "other temperatures", |json| json["shards"][0]["temperatures"] = json!([1.0])),
    ];
    for (file, what, forge) in forgeries {
        let (_root, dir, _) = cache_of(&Shape::default());
        let path: PathBuf = dir.join(file);
        let mut value = unsealed(&path);
        forge(&mut value);
        fs::write(&path, seal(&value)).unwrap();
        assert!(read_all(&dir).is_err(), "{what}");
        python.agrees(&dir, what);
    }
}

/// With every digest forged to fit, what the Python reader lets through has numbers in their ranges (`tests/interop/reader.py` looks),
/// nothing but its own errors comes out, and the process stays alive.
#[test]
#[ignore = "needs Python: make interop"]
fn python_survives_forged_bits() {
    let mut python = Python::start();
    for shape in std::iter::once(Shape::default()).chain(encoded()) {
        let (_root, dir, manifest) = cache_of(&Shape { splits: vec![("train", 2)], ..shape.clone() });
        let path = dir.join(&manifest.shards()[0].path);
        let whole = fs::read(&path).unwrap();
        let mut refused = 0;
        let bits: Vec<usize> = (0..whole.len() * 8).step_by(37).collect();
        for &bit in &bits {
            let mut forged = whole.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            forge_shard(&dir, &manifest, 0, &forged);
            let answer = python.ask("open", json!(dir));
            let is_damage = answer.as_str().unwrap().starts_with("Damage");
            assert!(is_damage || answer == "", "bit {bit}: {answer}");
            // Of a footer the Python reader reads what it needs; the rest of it may be anything.
            if let (Err(error), false) = (read_all(&dir), is_damage) {
                assert!(
                    matches!(error, Error::Damage(Damage::Layout { .. })),
                    "{shape:?} bit {bit} is let through: {error}"
                );
            }
            refused += usize::from(is_damage);
        }
        assert!(refused > bits.len() / 4, "{refused} of {}", bits.len());
    }
}
