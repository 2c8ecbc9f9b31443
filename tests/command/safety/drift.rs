//! A teacher that is not what it was is told from rounding, though its files are those that the cache was made from: as after
//! another driver, runtime or decoder.

use std::fs;
use std::path::{Path, PathBuf};

use decant::config;
use decant::store::{self, Cache, Manifest, Row, ShardWriter};
use decant::teacher::identify;

use crate::common::Workshop;
use crate::onnx::{Message, model, node, value};
use crate::safety::gallery::{PIPELINE, teacher_of_files, workshop};

const MAKE: [&str; 3] = ["teacher-cache", "-p", "small.toml"];
const PREPROCESSOR: &str = "teacher/preprocessor_config.json";

/// A workshop and the cache that its teacher made there.
fn made() -> (Workshop, PathBuf) {
    let workshop = workshop();
    teacher_of_files(&workshop);
    workshop.done(&MAKE);
    let cache = workshop.only("cache", "small-");
    (workshop, cache)
}

/// Makes the cache once more with the teacher that `change` makes of the files, then puts the files back; what comes out claims
/// to be of the first teacher, and is sound.
fn drifted(workshop: &Workshop, honest: &Path, name: &str, change: impl FnOnce(&Path)) -> PathBuf {
    let teacher = workshop.path().join("teacher");
    let kept: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(&teacher)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    change(workshop.path());
    workshop.done(&[&MAKE[..], &["--cache-dir", name]].concat());
    for (path, bytes) in kept {
        fs::write(path, bytes).unwrap();
    }

    let other = Cache::open(&workshop.only(name, "small-")).unwrap();
    let manifest = Manifest::read(honest).unwrap();
    assert_ne!(other.manifest().teacher.fingerprint, manifest.teacher.fingerprint);
    forged(&other, &workshop.path().join(name), &manifest)
}

/// A sound cache in `root` with the rows of `other` that claims to be the one of `manifest`.
fn forged(other: &Cache, root: &Path, manifest: &Manifest) -> PathBuf {
    let (dir, manifest) = store::create_or_open(root, manifest).unwrap();
    for spec in manifest.shards() {
        let rows = other.split(&spec.split).unwrap();
        let mut shard = ShardWriter::create(&dir, &manifest, &spec);
        let mut logits = vec![0.0; rows.classes()];
        for row in (spec.first_row as usize..).take(spec.rows as usize) {
            rows.gather_logits(&[row], &mut logits).unwrap();
            let (sample, view) = rows.identity(row);
            let (image_hash, input_hash, label) =
                (rows.image_hash(row), rows.input_hash(row), rows.label(row));
            let (crop, flip) = (rows.crop(row), rows.flip(row));
            shard
                .push(Row {
                    sample,
                    path: rows.path(row),
                    image_hash,
                    label,
                    view,
                    crop,
                    flip,
                    operations: &rows.operations(row),
                    input_hash,
                    logits: &logits,
                })
                .unwrap();
        }
        shard.commit().unwrap();
    }
    store::complete(&dir).unwrap();
    dir
}

/// The exit code of `cache verify --recompute`, and what it said.
fn recompute(workshop: &Workshop, cache: &Path, more: &[&str]) -> (Option<i32>, String) {
    recompute_with(workshop, cache, "small.toml", more)
}

fn recompute_with(workshop: &Workshop, cache: &Path, pipeline: &str, more: &[&str]) -> (Option<i32>, String) {
    let verify = ["cache", "verify", cache.to_str().unwrap(), "--recompute", "20", "-p", pipeline];
    let output = workshop.run(&[&verify[..], more].concat());
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Makes the weights of one of the model's 24 matrices larger by one in a thousand.
fn perturb_weights(model: &Path) {
    let mut bytes = fs::read(model).unwrap();
    // A tensor's name, then its field 9: the numbers, 102,400 bytes.
    let head = b"onnx::MatMul_452\x4a\x80\xa0\x06";
    let start = bytes.windows(head.len()).position(|window| window == head).unwrap() + head.len();
    for weight in bytes[start..start + 102_400].as_chunks_mut::<4>().0 {
        *weight = (f32::from_le_bytes(*weight) * 1.001).to_le_bytes();
    }
    fs::write(model, bytes).unwrap();
}

#[test]
fn weights_that_are_a_thousandth_off_are_told_from_rounding() {
    let (workshop, honest) = made();
    let cache = drifted(&workshop, &honest, "weights", |folder| {
        perturb_weights(&folder.join("teacher/model.onnx"));
    });
    let (code, said) = recompute(&workshop, &cache, &[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is not what this teacher says today"), "{said}");
    // The same files again, in batches that the cache was not made in.
    for batch in ["1", "5", "16"] {
        let (code, said) = recompute(&workshop, &honest, &["--set", &format!("teacher.batch-size={batch}")]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("the teacher says the same today"), "{said}");
    }
}

#[test]
fn another_normalisation_is_told_from_rounding() {
    let (workshop, honest) = made();
    let cache = drifted(&workshop, &honest, "mean", |folder| {
        replace(&folder.join(PREPROCESSOR), "0.5,", "0.499,");
    });
    let (code, said) = recompute(&workshop, &cache, &[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("is not what this teacher says today"), "{said}");
}

#[test]
fn another_resizer_is_told_by_the_pixels() {
    let (workshop, honest) = made();
    let cache = drifted(&workshop, &honest, "resizer", |folder| {
        replace(&folder.join(PREPROCESSOR), "\"resample\": 2", "\"resample\": 3");
    });
    let (code, said) = recompute(&workshop, &cache, &[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("the decoder or the resizer has drifted"), "{said}");
}

/// A teacher whose logits are the mean colour plus noise, drawn anew in each call, in the folder `random`.
fn teacher_of_chance(workshop: &Workshop) {
    let folder = workshop.path().join("random");
    fs::create_dir(&folder).unwrap();
    for name in ["config.json", "preprocessor_config.json"] {
        fs::copy(workshop.path().join("teacher").join(name), folder.join(name)).unwrap();
    }
    let graph = Message::default()
        .bytes(1, node(&["pixel_values"], "pooled", "GlobalAveragePool", ""))
        .bytes(1, node(&["pooled"], "flat", "Flatten", ""))
        .bytes(1, node(&["flat"], "noise", "RandomNormalLike", ""))
        .bytes(1, node(&["flat", "noise"], "logits", "Add", ""))
        .bytes(2, "chance")
        .bytes(11, value("pixel_values", &[None, Some(3), Some(224), Some(224)]))
        .bytes(12, value("logits", &[None, Some(3)]));
    fs::write(folder.join("model.onnx"), model(graph, 17)).unwrap();
    let pipeline = PIPELINE.replace("[teacher]", "[teacher]\nmodel = \"random\"");
    workshop.file("random.toml", &pipeline);
}

#[test]
fn a_teacher_that_depends_on_chance_is_refused_and_its_cache_is_damaged() {
    let (workshop, honest) = made();
    teacher_of_chance(&workshop);
    let refused = workshop.run(&["teacher-cache", "-p", "random.toml"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("other logits"), "{said}");
    // The cache that an older version would have made of it.
    let model = workshop.path().join("random").display().to_string();
    let identity = identify(&config::Teacher { model, ..config::Teacher::default() }).unwrap();
    let mut manifest = Manifest::read(&honest).unwrap();
    manifest.teacher.fingerprint = identity.fingerprint;
    manifest.key = manifest.key_of();
    let other = Cache::open(&honest).unwrap();
    let cache = forged(&other, &workshop.path().join("chance"), &manifest);
    let (code, said) = recompute_with(&workshop, &cache, "random.toml", &[]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("the teacher differs from itself by"), "{said}");
    assert!(!said.contains("says the same today"), "{said}");
}
