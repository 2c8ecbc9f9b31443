//! A workshop with a small image folder, whose cache has a dozen shards and is made in about a second.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use image::{Rgb, RgbImage};

use crate::common::Workshop;

/// Shards of 4 rows, filled in batches of 2: many files, each in several steps.
pub(crate) const PIPELINE: &str = r#"
[dataset]
source = "./images"

[teacher]
batch-size = 2
device = "cpu"
threads = 1

[cache]
views = 1
shard-rows = 4
temperatures = [1.0, 5.0]

[student]
width = 0.35
image-size = 32
dropout = 0.2

[train]
epochs = 4
batch-size = 8
lr = 1e-3
temperature = 5.0
lambda = 0.5
device = "cpu"
"#;

pub(crate) const CLASSES: [&str; 3] = ["angular_leaf_spot", "bean_rust", "healthy"];

/// The image folder and `small.toml`.
pub(crate) fn workshop() -> Workshop {
    let workshop = Workshop::new();
    workshop.file("small.toml", PIPELINE);
    for (split, each) in [("train", 7), ("validation", 3), ("test", 3)] {
        for (class, name) in CLASSES.iter().enumerate() {
            for index in 0..each {
                let path = workshop.path().join(format!("images/{split}/{name}/{index}.png"));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                image(class as u8, index).save(path).unwrap();
            }
        }
    }
    workshop
}

/// Green, yellower and browner by class, with a stripe that makes each image another one.
pub(crate) fn image(class: u8, index: u8) -> RgbImage {
    RgbImage::from_fn(48, 40, |x, y| {
        if x / 4 == u32::from(index) { Rgb([255, y as u8, 0]) } else { Rgb([60 * class, 150, 40 + class]) }
    })
}

/// The embedded teacher as files that can be changed, and a pipeline that uses them.
pub(crate) fn teacher_of_files(workshop: &Workshop) {
    let embedded = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/teachers/leaves");
    fs::create_dir(workshop.path().join("teacher")).unwrap();
    for name in ["model.onnx", "config.json", "preprocessor_config.json"] {
        fs::copy(embedded.join(name), workshop.path().join("teacher").join(name)).unwrap();
    }
    let pipeline = PIPELINE.replace("[teacher]", "[teacher]\nmodel = \"teacher\"");
    workshop.file("small.toml", &pipeline);
}

/// Starts a command that says nothing.
pub(crate) fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Every file under `folder` and its content, but for those that `skip` names.
pub(crate) fn files(folder: &Path, skip: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            found.extend(files(&path, skip).into_iter().map(|(file, bytes)| (name.join(file), bytes)));
            // A folder that was left behind empty is a leftover too.
            found.insert(name, Vec::new());
        } else if !skip.iter().any(|skipped| Path::new(skipped) == name) {
            found.insert(name, fs::read(path).unwrap());
        }
    }
    found
}

/// Fails unless two folders hold the same files with the same bytes, and names the first that differs.
pub(crate) fn assert_same(expected: &BTreeMap<PathBuf, Vec<u8>>, found: &BTreeMap<PathBuf, Vec<u8>>) {
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(expected), names(found));
    for (name, bytes) in expected {
        assert!(bytes == &found[name], "{} differs", name.display());
    }
}
