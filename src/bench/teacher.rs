//! The teacher's half: its logits against the CPU's, and the rates of stage one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Error;
use super::report::{Check, Report, TeacherRate};
use super::vit::{self, Element, VitShape};
use crate::config::{self, Count, Provider, TeacherDevice};
use crate::dataset::{Dataset, Split, SplitName, leaves};
use crate::stage_one::{self, Settings, State, TunedTeacher, Tuner};
use crate::support::context::Context;
use crate::support::threads::side_by_side;
use crate::teacher::{OnnxModel, OnnxTeacher, Teacher};
use crate::view::Geometry;

/// How far the logits of a device may be from the CPU's, as a share of the largest; float32 on both sides.
const TOLERANCE: f64 = 1e-3;
/// The most views of an image, where a teacher is too fast for the images that were drawn.
const MOST_VIEWS: usize = 16;

/// A teacher's device that works.
pub(super) struct Bench {
    device: TeacherDevice,
    provider: Provider,
    description: String,
    quick: bool,
}

/// The measurement's sizes and times.
struct Sizes {
    /// Images whose logits are compared.
    checked: usize,
    /// Images that are drawn for stage one.
    drawn: usize,
    /// How long calls are made, and about how long stage one runs.
    budget: Duration,
}

impl Bench {
    /// Opens the embedded teacher on `device`.
    ///
    /// # Errors
    /// No ONNX Runtime library, or a device that can't be had.
    pub(crate) fn open(device: TeacherDevice, quick: bool) -> Result<Self, Error> {
        let about = OnnxTeacher::open(&embedded(device, 1))?.describe();
        let provider = about.device.provider;
        let description = format!("{}, {}", about.device, about.runtime);
        Ok(Self { device: TeacherDevice::On(about.device), provider, description, quick })
    }

    /// The device and the library, in words.
    pub(crate) fn device(&self) -> String {
        self.description.clone()
    }

    /// Adds what was found to `report`.
    ///
    /// # Errors
    /// A teacher that fails, a folder for temporary files that can't be written; Ctrl-C.
    pub(crate) fn run(&self, report: &mut Report, context: &Context) -> Result<(), Error> {
        let check = self.check()?;
        context.line(format!("{}: difference {:.1e}", check.what, check.difference));
        report.checks.push(check);

        let scratch =
            TempDir::new().map_err(|source| Error::Scratch { path: std::env::temp_dir(), source })?;
        let dataset = self.dataset(scratch.path(), context)?;
        for (shape, element) in self.models() {
            let name = shape.map_or("embedded:leaves", |shape| shape.name);
            let folder = match shape {
                Some(shape) => Some(written(scratch.path(), shape, element)?),
                None => None,
            };
            for &batch in self.batches() {
                if context.is_cancelled() {
                    return Err(Error::Interrupted);
                }
                let teacher = match &folder {
                    Some(folder) => of_folder(folder, self.device, batch),
                    None => embedded(self.device, batch),
                };
                let rate = self.rate(name, &teacher, batch, &dataset, scratch.path(), context)?;
                context.line(format!(
                    "{name}, {}, batch {batch}: {:.1} images/s, {:.2} of the calls",
                    rate.precision,
                    rate.stage_one_images_per_second,
                    rate.share()
                ));
                report.stage_one.push(rate);
            }
        }
        Ok(())
    }

    fn sizes(&self) -> Sizes {
        match (self.quick, self.provider) {
            (true, _) => Sizes { checked: 16, drawn: 16, budget: Duration::from_millis(200) },
            (false, Provider::Cpu) => Sizes { checked: 256, drawn: 256, budget: Duration::from_secs(5) },
            (false, _) => Sizes { checked: 256, drawn: 1024, budget: Duration::from_secs(4) },
        }
    }

    /// The models, each with its element type; the embedded one has no shape.
    fn models(&self) -> Vec<(Option<VitShape>, Element)> {
        let shape = if self.quick { VitShape::TINY } else { VitShape::BASE };
        let mut models = vec![(None, Element::Fp32), (Some(shape), Element::Fp32)];
        // A processor computes float16 by way of float32.
        if self.provider != Provider::Cpu {
            models.push((Some(shape), Element::Fp16));
        }
        models
    }

    /// Images in one call.
    fn batches(&self) -> &'static [usize] {
        match (self.quick, self.provider) {
            (true, _) => &[4],
            (false, Provider::Cpu) => &[4, 16],
            (false, _) => &[32, 64, 128, 256],
        }
    }

    /// The embedded teacher's logits of generated leaves on this device against those of the CPU; on the CPU, of large batches
    /// against those of small ones.
    fn check(&self) -> Result<Check, Error> {
        let images = self.sizes().checked;
        let on_cpu = self.provider == Provider::Cpu;
        let logits = |device, batch| -> Result<Vec<f32>, Error> {
            let mut teacher = OnnxTeacher::open(&embedded(device, batch))?;
            let (height, width) = teacher.preprocess().size();
            let values = 3 * height as usize * width as usize;
            let (mut pixels, mut found) = (vec![0.0; batch * values], Vec::new());
            for first in (0..images).step_by(batch) {
                let some = batch.min(images - first);
                for (index, out) in pixels.chunks_exact_mut(values).take(some).enumerate() {
                    let leaf = leaves::render(0, 0, (first + index) as u64, (first + index) % 3, 0.0);
                    let whole = Geometry::whole(leaf.width(), leaf.height());
                    let resized = teacher.preprocess().pixels(&leaf, &whole).map_err(|source| {
                        stage_one::Error::Image { name: "a generated leaf".to_owned(), source }
                    })?;
                    teacher.preprocess().normalise(&resized, out);
                }
                found.extend(teacher.logits(&pixels[..some * values], some)?);
            }
            Ok(found)
        };
        let batch = if on_cpu { 16 } else { 64 };
        let (found, expected) = (logits(self.device, batch)?, logits(TeacherDevice::CPU, 4)?);
        let what = if on_cpu {
            format!("teacher: logits of {images} leaves, batches of 16 and of 4")
        } else {
            format!("teacher: logits of {images} leaves, the device and the CPU")
        };
        Ok(Check { what, difference: difference(&found, &expected), tolerance: TOLERANCE })
    }

    /// Generated leaves as image files.
    fn dataset(&self, scratch: &Path, context: &Context) -> Result<Dataset, Error> {
        let folder = scratch.join("leaves");
        let config =
            config::Leaves { train: self.sizes().drawn, validation: 3, test: 3, ..config::Leaves::default() };
        leaves::write_folder(&folder, &config, context).map_err(crate::dataset::Error::from)?;
        let source = folder.display().to_string();
        Ok(Dataset::open(&config::Dataset { source, ..config::Dataset::default() }, &context.silenced())?)
    }

    /// Calls on ready pixels, then stage one over about as many images as take as long.
    fn rate(
        &self,
        name: &str,
        config: &config::Teacher,
        batch: usize,
        dataset: &Dataset,
        scratch: &Path,
        context: &Context,
    ) -> Result<TeacherRate, Error> {
        let model = OnnxModel::read(config)?;
        let open = |tuning| model.open_team(tuning);
        let tuner = Tuner::open(config, &open)?;
        let precision = tuner.teacher().describe().precision;
        let least = 2 * batch;
        let mut tuned = tuner.tune(least as u64, batch)?;
        let sessions = tuned.teachers.len();
        let budget = self.sizes().budget;
        let calls = calls(&mut tuned, batch, budget)?;

        let rows = ((calls * budget.as_secs_f64()) as usize).max(least * sessions);
        let drawn = dataset.split(SplitName::Train).map_or(0, |split| split.samples.len());
        let images = rows.clamp(1, drawn);
        let views = rows.div_ceil(images).min(MOST_VIEWS) as u16;
        let dir = scratch.join("cache");
        let cache =
            config::Cache { name: "bench".to_owned(), dir: dir.clone(), views, ..config::Cache::default() };
        let silent = context.silenced();
        let settings = Settings { cache: &cache, batch_size: batch, part: (0, 1), context: &silent };
        let summary = stage_one::run_all(&first(dataset, images), &mut tuned.each(), batch, &settings)?;
        if matches!(summary.state, State::Interrupted | State::PartDone) {
            return Err(Error::Interrupted);
        }
        fs::remove_dir_all(&dir).map_err(|source| Error::Scratch { path: dir, source })?;
        Ok(TeacherRate {
            model: name.to_owned(),
            precision,
            batch,
            sessions,
            calls_images_per_second: calls,
            stage_one_images_per_second: summary.images_per_second,
        })
    }
}

/// Images a second of all sessions side by side on pixels that are ready.
fn calls(tuned: &mut TunedTeacher, batch: usize, budget: Duration) -> Result<f64, Error> {
    let (height, width) = tuned.teachers[0].preprocess().size();
    let values = batch * 3 * height as usize * width as usize;
    let pixels: Vec<f32> = (0..values).map(|index| (index * 7919 % 1013) as f32 / 506.5 - 1.0).collect();
    let call = |teacher: &mut dyn Teacher| teacher.logits_into(&pixels, batch, &mut Vec::new());
    // The first calls allocate and choose kernels.
    side_by_side(tuned.each(), |teacher| (0..2).try_for_each(|_| call(teacher)))?;
    let clock = Instant::now();
    let counts = side_by_side(tuned.each(), |teacher| {
        let mut count = 0;
        while count == 0 || clock.elapsed() < budget {
            call(teacher)?;
            count += 1;
        }
        Ok::<usize, crate::teacher::Error>(count)
    })?;
    Ok((counts.iter().sum::<usize>() * batch) as f64 / clock.elapsed().as_secs_f64())
}

/// The first images of train.
fn first(dataset: &Dataset, images: usize) -> Dataset {
    let samples = dataset.split(SplitName::Train).map_or(&[][..], |split| &split.samples);
    Dataset {
        name: dataset.name.clone(),
        classes: dataset.classes.clone(),
        splits: vec![Split {
            name: SplitName::Train,
            samples: samples[..images.min(samples.len())].to_vec(),
        }],
        notes: Vec::new(),
        duplicates: Vec::new(),
        left_out: Vec::new(),
    }
}

fn embedded(device: TeacherDevice, batch: usize) -> config::Teacher {
    config::Teacher { device: device.into(), batch_size: Count::Is(batch), ..config::Teacher::default() }
}

/// The teacher whose `model.onnx` is in `folder`.
fn of_folder(folder: &Path, device: TeacherDevice, batch: usize) -> config::Teacher {
    config::Teacher {
        model: folder.display().to_string(),
        classes: Some(leaves::CLASSES.map(str::to_owned).to_vec()),
        mean: Some([0.5; 3]),
        std: Some([0.5; 3]),
        resample: Some(config::Filter::Bilinear),
        ..embedded(device, batch)
    }
}

/// Writes a ViT, and gives its folder.
fn written(scratch: &Path, shape: VitShape, element: Element) -> Result<PathBuf, Error> {
    let folder = scratch.join(element.name());
    let bytes = vit::model(shape, leaves::CLASSES.len(), element);
    let write = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("model.onnx"), bytes));
    write.map_err(|source| Error::Scratch { path: folder.clone(), source })?;
    Ok(folder)
}

/// The largest difference, as a share of the largest value expected.
pub(super) fn difference(found: &[f32], expected: &[f32]) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let differences = found.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs() / largest));
    // NaN counts as the largest difference.
    differences.fold(0.0, |most, next| if next.is_nan() { f64::INFINITY } else { most.max(next) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vit_of_random_weights_runs_in_onnx_runtime() {
        let scratch = tempfile::tempdir().unwrap();
        for element in [Element::Fp32, Element::Fp16] {
            let folder = written(scratch.path(), VitShape::TINY, element).unwrap();
            let mut teacher = OnnxTeacher::open(&of_folder(&folder, TeacherDevice::CPU, 2)).unwrap();
            assert_eq!(teacher.describe().precision, element.name());
            let side = VitShape::TINY.side;
            let pixels: Vec<f32> = (0..2 * 3 * side * side).map(|i| (i % 97) as f32 / 48.0 - 1.0).collect();
            let logits = teacher.logits(&pixels, 2).unwrap();
            assert_eq!(logits.len(), 6);
            assert!(logits.iter().all(|value| value.is_finite()));
            assert!(difference(&logits[..3], &logits[3..]) > 0.0, "the pixels have a part in the logits");
        }
    }

    #[test]
    fn a_number_that_is_none_is_no_match() {
        assert!(difference(&[1.0, 2.0], &[1.0, 2.0]) <= 0.0);
        assert!((difference(&[1.0, 2.5], &[1.0, 2.0]) - 0.25).abs() < 1e-9);
        assert!(difference(&[f32::NAN, 2.0], &[1.0, 2.0]).is_infinite());
        assert!(difference(&[1.0], &[1.0, 2.0]).is_infinite());
    }
}
