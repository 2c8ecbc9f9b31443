//! The teacher's half: its logits against the CPU's, and the rates of stage one.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Error;
use super::report::{Check, Report};
use super::teacher_rate::{self, Setting};
use super::vit::{self, Element, VitShape};
use crate::config::{self, Count, Provider, TeacherDevice};
use crate::dataset::{Dataset, leaves};
use crate::stage_one;
use crate::support::context::Context;
use crate::support::scratch::{self, Unusable};
use crate::teacher::{OnnxTeacher, Teacher};
use crate::view::Geometry;

/// How far the logits of a device may be from the CPU's, as a share of the largest; float32 on both sides.
const TOLERANCE: f64 = 1e-3;
/// The same for a ViT in float16, whose values have 11 bits: ten roundings, each by up to 2^-11. On a CPU, ViT-B/16 is off by one of
/// them (5.5e-4), for most cancel in the mean over its patches; between two images the logits differ by more than ten times this.
const FP16_TOLERANCE: f64 = 5e-3;
/// Images on which a ViT is compared, which takes a CPU seconds.
const VIT_CHECKED: usize = 16;

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
    /// About how long each turn of the calls and of stage one runs.
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

    /// The provider of the device.
    pub(crate) fn provider(&self) -> Provider {
        self.provider
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
        let scratch = scratch::folder()?;
        let mut checks = vec![self.check()?];
        // A processor computes float16 by way of float32.
        if self.provider != Provider::Cpu {
            checks.extend(self.check_vit(self.shape(), scratch.path())?);
        }
        for check in checks {
            context.line(format!("{}: difference {:.1e}", check.what, check.difference));
            report.checks.push(check);
        }

        let dataset = self.dataset(scratch.path(), context)?;
        let (scratch, budget) = (scratch.path(), self.sizes().budget);
        let setting = Setting { dataset: &dataset, scratch, budget, context };
        for (shape, element) in self.models() {
            let name = shape.map_or("embedded:leaves", |shape| shape.name);
            let folder = match shape {
                Some(shape) => Some(written(scratch, shape, element)?),
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
                let rate = teacher_rate::measure(name, &teacher, batch, &setting)?;
                context.line(format!(
                    "{name}, {}, batch {batch}: {:.1} images/s, {:.2} of the calls",
                    rate.precision, rate.stage_one_images_per_second, rate.share
                ));
                report.stage_one.push(rate);
            }
        }
        Ok(())
    }

    fn sizes(&self) -> Sizes {
        match (self.quick, self.provider) {
            (true, _) => Sizes { checked: 16, drawn: 16, budget: Duration::from_millis(100) },
            (false, Provider::Cpu) => Sizes { checked: 256, drawn: 256, budget: Duration::from_secs(3) },
            (false, _) => Sizes { checked: 256, drawn: 1024, budget: Duration::from_secs(3) },
        }
    }

    /// The models, each with its element type; the embedded one has no shape.
    fn models(&self) -> Vec<(Option<VitShape>, Element)> {
        let shape = Some(self.shape());
        let mut models = vec![(None, Element::Fp32), (shape, Element::Fp32)];
        if self.provider != Provider::Cpu {
            models.push((shape, Element::Fp16));
        }
        models
    }

    fn shape(&self) -> VitShape {
        if self.quick { VitShape::TINY } else { VitShape::BASE }
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
        let batch = if on_cpu { 16 } else { 64 };
        let found = logits(&embedded(self.device, batch), batch, images)?;
        let expected = logits(&embedded(TeacherDevice::CPU, 4), 4, images)?;
        let what = if on_cpu {
            format!("teacher: logits of {images} leaves, batches of 16 and of 4")
        } else {
            format!("teacher: logits of {images} leaves, the device and the CPU")
        };
        Ok(Check { what, difference: difference(&found, &expected), tolerance: TOLERANCE })
    }

    /// The logits of a ViT on this device, in float32 and in float16, against those of the CPU in float32.
    fn check_vit(&self, shape: VitShape, scratch: &Path) -> Result<Vec<Check>, Error> {
        let batch = VIT_CHECKED;
        let on_cpu = written(scratch, shape, Element::Fp32)?;
        let expected = logits(&of_folder(&on_cpu, TeacherDevice::CPU, batch), batch, VIT_CHECKED)?;
        let check = |(element, tolerance): (Element, f64)| {
            let folder = written(scratch, shape, element)?;
            let found = logits(&of_folder(&folder, self.device, batch), batch, VIT_CHECKED)?;
            let what = format!(
                "teacher: logits of {VIT_CHECKED} leaves, {} in {} and on the CPU in fp32",
                shape.name,
                element.name()
            );
            Ok(Check { what, difference: difference(&found, &expected), tolerance })
        };
        [(Element::Fp32, TOLERANCE), (Element::Fp16, FP16_TOLERANCE)].into_iter().map(check).collect()
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

/// The folder of a ViT, which is written unless it is there.
fn written(scratch: &Path, shape: VitShape, element: Element) -> Result<PathBuf, Error> {
    let folder = scratch.join(element.name());
    if !folder.exists() {
        let bytes = vit::model(shape, leaves::CLASSES.len(), element);
        let write = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("model.onnx"), bytes));
        write.map_err(Unusable::at(&folder))?;
    }
    Ok(folder)
}

/// The logits of the first generated leaves, `batch` in a call.
fn logits(config: &config::Teacher, batch: usize, images: usize) -> Result<Vec<f32>, Error> {
    let mut teacher = OnnxTeacher::open(config)?;
    let (height, width) = teacher.preprocess().size();
    let values = 3 * height as usize * width as usize;
    let (mut pixels, mut found) = (vec![0.0; batch * values], Vec::new());
    for first in (0..images).step_by(batch) {
        let some = batch.min(images - first);
        for (index, out) in pixels.chunks_exact_mut(values).take(some).enumerate() {
            let leaf = leaves::render(0, 0, (first + index) as u64, (first + index) % 3, 0.0);
            let whole = Geometry::whole(leaf.width(), leaf.height());
            let resized = teacher
                .preprocess()
                .pixels(&leaf, &whole)
                .map_err(|source| stage_one::Error::Image { name: "a generated leaf".to_owned(), source })?;
            teacher.preprocess().normalise(&resized, out);
        }
        found.extend(teacher.logits(&pixels[..some * values], some)?);
    }
    Ok(found)
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
    fn float16_differs_from_float32_by_its_rounding_and_no_more() {
        let scratch = tempfile::tempdir().unwrap();
        let bench = Bench::open(TeacherDevice::CPU, true).unwrap();
        let checks = bench.check_vit(VitShape::TINY, scratch.path()).unwrap();
        assert!(checks.iter().all(Check::passed), "{checks:?}");
        let [float32, float16] = &checks[..] else { panic!("{checks:?}") };
        assert!(float32.difference < 1e-5 && float16.difference > 1e-4, "{checks:?}");
    }

    #[test]
    fn a_number_that_is_none_is_no_match() {
        assert!(difference(&[1.0, 2.0], &[1.0, 2.0]) <= 0.0);
        assert!((difference(&[1.0, 2.5], &[1.0, 2.0]) - 0.25).abs() < 1e-9);
        assert!(difference(&[f32::NAN, 2.0], &[1.0, 2.0]).is_infinite());
        assert!(difference(&[1.0], &[1.0, 2.0]).is_infinite());
    }
}
