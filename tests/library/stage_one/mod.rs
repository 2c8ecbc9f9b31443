//! Stage one: from an image folder and a teacher to a cache.

/// All of `Teacher` but the logits, as the field `teacher` has it.
macro_rules! is_its_teacher {
    () => {
        fn classes(&self) -> &[String] {
            self.teacher.classes()
        }

        fn preprocess(&self) -> &Preprocess {
            self.teacher.preprocess()
        }

        fn fingerprint(&self) -> Digest {
            self.teacher.fingerprint()
        }

        fn describe(&self) -> Description {
            self.teacher.describe()
        }
    };
}

mod refusals;
mod reuse;
mod rows;
mod tuning;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use decant::config::OnBadImage;
use decant::dataset::Dataset;
use decant::stage_one::{Settings, Summary};
use decant::support::context::Context;
use decant::support::hash::Digest;
use decant::teacher::{Description, Teacher};
use decant::view::Preprocess;
use decant::{config, stage_one, teacher};
use image::{Rgb, RgbImage};

use crate::teacher_support::{CLASSES, GrayTeacher, level_of};

const BATCH: usize = 4;

/// Images that the teacher is given to see whether its rows depend on each other.
const PROBED: usize = 4 * BATCH;

/// `<split>/<class>/<n>.png`: gray images of their class's level, each with a few pixels of its own.
struct Images(tempfile::TempDir);

impl Images {
    fn new() -> Self {
        let images = Self(tempfile::tempdir().unwrap());
        for (split, each) in [("train", 5), ("validation", 2), ("test", 3)] {
            for class in CLASSES {
                for index in 0..each {
                    let level = (255.0 * level_of(class)) as u8;
                    let mut image = RgbImage::from_pixel(40, 30, Rgb([level; 3]));
                    image.put_pixel(index, 3, Rgb([255, index as u8, 0]));
                    let path = images.path(&format!("{split}/{class}/{index}.png"));
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    image.save(path).unwrap();
                }
            }
        }
        images
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn open(&self) -> Dataset {
        self.open_with(OnBadImage::Error)
    }

    fn open_with(&self, on_bad_image: OnBadImage) -> Dataset {
        let source = self.0.path().display().to_string();
        let config = config::Dataset { source, on_bad_image, ..config::Dataset::default() };
        Dataset::open(&config, &Context::silent()).unwrap()
    }
}

/// Shards of 7 rows: no multiple of a batch, and several in train.
fn cache_in(dir: &Path) -> config::Cache {
    let (name, dir) = ("test".to_owned(), dir.to_path_buf());
    config::Cache {
        name,
        dir,
        views: 1,
        temperatures: vec![1.0, 5.0],
        shard_rows: 7,
        ..config::Cache::default()
    }
}

fn run(dataset: &Dataset, teacher: &mut dyn Teacher, cache: &config::Cache) -> Result<Summary, String> {
    let settings = Settings { cache, batch_size: BATCH, part: (0, 1), context: &Context::silent() };
    stage_one::run(dataset, teacher, &settings).map_err(|error| error.to_string())
}

/// Every file of a cache by its name.
fn files_of(dir: &Path) -> BTreeMap<PathBuf, Digest> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = PathBuf::from(path.file_name().unwrap());
        if path.is_dir() {
            files.extend(files_of(&path).into_iter().map(|(file, digest)| (name.join(file), digest)));
        } else {
            files.insert(name, Digest::of_file(&path).unwrap());
        }
    }
    files
}

/// The layer at a model's end.
enum End {
    Logits,
    Softmax,
    Sigmoid,
}

/// Counts the images that it is given.
struct Counting {
    teacher: GrayTeacher,
    images: usize,
    /// Added to each logit, times the mean of the batch.
    of_neighbours: f32,
    end: End,
    calls: usize,
    /// Added to each logit, times the number of the call.
    of_call: f32,
    /// Adds that only to images that are nearly of one colour, which noise is not.
    only_if_flat: bool,
    /// Gives `[classes, batch]`.
    transposed: bool,
}

impl Counting {
    fn new() -> Self {
        Self {
            teacher: GrayTeacher::new(&CLASSES),
            images: 0,
            of_neighbours: 0.0,
            end: End::Logits,
            calls: 0,
            of_call: 0.0,
            only_if_flat: false,
            transposed: false,
        }
    }
}

impl Teacher for Counting {
    is_its_teacher!();

    fn logits(&mut self, pixels: &[f32], batch: usize) -> Result<Vec<f32>, teacher::Error> {
        self.images += batch;
        let mut logits = self.teacher.logits(pixels, batch)?;
        let mean = pixels.iter().sum::<f32>() / pixels.len() as f32;
        for logit in &mut logits {
            *logit += self.of_neighbours * mean;
        }
        self.calls += 1;
        let is_flat = |image: &[f32]| {
            let near = image.iter().filter(|value| (*value - image[100]).abs() < 1e-3).count();
            near * 10 > image.len() * 8
        };
        let image = pixels.len() / batch;
        for (row, image) in logits.chunks_mut(CLASSES.len()).zip(pixels.chunks(image)) {
            if !self.only_if_flat || is_flat(image) {
                row[0] += self.of_call * self.calls as f32;
            }
        }
        if self.transposed {
            let rows = logits.clone();
            for (at, logit) in logits.iter_mut().enumerate() {
                *logit = rows[at % batch * CLASSES.len() + at / batch];
            }
        }
        for row in logits.chunks_mut(CLASSES.len()) {
            let sum: f32 = row.iter().map(|logit| logit.exp()).sum();
            for logit in row.iter_mut() {
                *logit = match self.end {
                    End::Logits => *logit,
                    End::Softmax => logit.exp() / sum,
                    End::Sigmoid => 1.0 / (1.0 + (-*logit).exp()),
                };
            }
        }
        Ok(logits)
    }
}
