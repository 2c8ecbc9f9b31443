//! What the tests of teachers and of stage one share.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

use decant::config;
use decant::support::hash::{Digest, FieldHasher};
use decant::teacher::{Description, Error, Teacher};
use decant::view::Preprocess;

pub(crate) const CLASSES: [&str; 3] = ["angular_leaf_spot", "bean_rust", "healthy"];

/// Where the small exported teachers lie.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/teacher").join(name)
}

/// A `[teacher]` section that runs `model` on the CPU.
pub(crate) fn on_cpu(model: &Path) -> config::Teacher {
    config::Teacher {
        model: model.display().to_string(),
        device: config::TeacherDevice::CPU.into(),
        threads: config::Count::Is(1),
        ..config::Teacher::default()
    }
}

/// A copy of a golden teacher that a test may damage.
pub(crate) fn copy_of(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(golden(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    folder
}

/// A teacher without ONNX Runtime: class `c` is the gray level that [`level_of`] gives, by name.
pub(crate) struct GrayTeacher {
    pub classes: Vec<String>,
    pub preprocess: Preprocess,
    /// Whether it fails on an image of such a gray level.
    pub fails_on: fn(f32) -> bool,
}

impl GrayTeacher {
    pub(crate) fn new(classes: &[&str]) -> Self {
        Self {
            classes: classes.iter().map(ToString::to_string).collect(),
            preprocess: Preprocess::for_student(8, [0.0; 3], [1.0; 3]),
            fails_on: |_| false,
        }
    }
}

/// The gray level, 0 to 1, of the images of a class.
pub(crate) fn level_of(class: &str) -> f32 {
    let index = CLASSES.iter().position(|name| *name == class).unwrap();
    0.2 + 0.3 * index as f32
}

impl Teacher for GrayTeacher {
    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    fn fingerprint(&self) -> Digest {
        let mut hasher = FieldHasher::new("gray teacher");
        for class in &self.classes {
            hasher.field("class", class);
        }
        hasher.finish()
    }

    fn describe(&self) -> Description {
        Description {
            model: "gray".to_owned(),
            device: config::ProviderDevice::CPU,
            precision: "fp32".to_owned(),
            runtime: "none".to_owned(),
            notes: Vec::new(),
        }
    }

    fn logits(&mut self, pixels: &[f32], batch: usize) -> Result<Vec<f32>, Error> {
        let image = pixels.len() / batch;
        let levels = || pixels.chunks(image).map(|pixels| pixels.iter().sum::<f32>() / image as f32);
        if levels().any(self.fails_on) {
            return Err(Error::Inference {
                path: "gray".into(),
                batch,
                reason: "it was told to fail".to_owned(),
            });
        }
        let logits = levels()
            .flat_map(|level| self.classes.iter().map(move |class| -20.0 * (level - level_of(class)).abs()));
        Ok(logits.collect())
    }
}
