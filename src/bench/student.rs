//! The student's half: its training steps against the CPU's, and their rates.

use std::time::Duration;

use super::Error;
use super::report::{Check, Report, StudentRate};
use super::teacher::difference;
use crate::config::{Pipeline, Precision, Student};
use crate::support::context::Context;
use crate::train::{self, TrainDevice};

/// How far the losses of ten steps may be from the CPU's: AdamW's first steps are little more than the gradient's sign, so what
/// rounds to the other side goes the other way.
const TOLERANCE: f64 = 1e-2;
/// The learning rate of the steps that are checked, small so that those signs don't decide: at 1e-4 the losses on burn's ndarray backend
/// part from those of the CPU's kernels by up to 0.8 %, at a tenth of the rate by far less.
const CHECK_LR: f64 = 3e-5;
/// The same in bfloat16, whose 8 bits leave a rounding of up to 1/256: 52 convolutions and as many normalisations follow each other
/// in a step, and add up as the root of their number, 4 % a step. On a CPU, which has bfloat16 too, the third loss is off by 5.6 %.
const BFLOAT16_TOLERANCE: f64 = 0.04 * BFLOAT16_STEPS as f64;
/// After more steps, signs that came out otherwise decide.
const BFLOAT16_STEPS: usize = 3;
/// Classes of the students that are measured.
const CLASSES: usize = 3;

/// Adds what was found on `device` to `report`.
///
/// # Errors
/// A device that fails; Ctrl-C.
pub(super) fn run(device: &TrainDevice, report: &mut Report, context: &Context) -> Result<(), Error> {
    let precisions = [Precision::Float32, Precision::Bfloat16];
    let has = |precision: &Precision| device.check_precision(*precision).is_ok();
    let precisions: Vec<Precision> = precisions.into_iter().filter(has).collect();
    for &precision in &precisions {
        let check = check(device, precision, if report.quick { 3 } else { 10 })?;
        context.line(format!("{}: difference {:.1e}", check.what, check.difference));
        report.checks.push(check);
    }
    let cases: &[(usize, usize)] = match (report.quick, device.is_host) {
        (true, _) => &[(32, 8)],
        (false, true) => &[(224, 8), (96, 32), (32, 64)],
        (false, false) => &[(224, 64), (224, 256)],
    };
    let cases = cases.iter().flat_map(|case| precisions.iter().map(move |precision| (*case, *precision)));
    for ((side, batch), precision) in cases {
        if context.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let rate = rate(device, (side, batch), precision, report.quick)?;
        context.line(format!(
            "{}, {}, {side} px, batch {batch}: {:.1} images/s",
            rate.model, rate.precision, rate.images_per_second
        ));
        report.stage_two.push(rate);
    }
    Ok(())
}

/// The losses of some steps of a small student on this device against those of the CPU in float32; on the CPU, on all threads
/// against those on one, which are the same bits.
fn check(device: &TrainDevice, precision: Precision, steps: usize) -> Result<Check, Error> {
    if !device.is_host {
        return check_device(device, precision, steps);
    }
    let pipeline = pipeline(Some(0.35), 64, 8);
    let found = train::losses(&pipeline, CLASSES, device, steps)?;
    let what = format!("student: losses of {steps} steps, all threads and one");
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread can be started");
    let expected = one.install(|| train::losses(&pipeline, CLASSES, device, steps))?;
    Ok(Check { what, difference: difference(&found, &expected), tolerance: 0.0 })
}

/// The losses of some steps in `precision` against those of the CPU in float32.
fn check_device(device: &TrainDevice, precision: Precision, steps: usize) -> Result<Check, Error> {
    let (what, steps, tolerance) = match precision {
        Precision::Float32 => ("the device and the CPU", steps, TOLERANCE),
        Precision::Bfloat16 => {
            ("the device in bfloat16 and the CPU in float32", BFLOAT16_STEPS, BFLOAT16_TOLERANCE)
        }
    };
    let mut pipeline = pipeline(Some(0.35), 64, 8);
    pipeline.train.lr = CHECK_LR;
    let expected = train::losses(&pipeline, CLASSES, &TrainDevice::cpu(), steps)?;
    pipeline.train.precision = precision;
    let found = train::losses(&pipeline, CLASSES, device, steps)?;
    let what = format!("student: losses of {steps} steps, {what}");
    Ok(Check { what, difference: difference(&found, &expected), tolerance })
}

fn rate(
    device: &TrainDevice,
    (side, batch): (usize, usize),
    precision: Precision,
    quick: bool,
) -> Result<StudentRate, Error> {
    let width = quick.then_some(0.35);
    let mut pipeline = pipeline(width, side, batch);
    pipeline.train.precision = precision;
    // A GPU's first steps compile and choose kernels.
    let warm = match (quick, device.is_host) {
        (true, _) => 1,
        (false, true) => 2,
        (false, false) => 20,
    };
    let budget = if quick { Duration::from_millis(200) } else { Duration::from_secs(8) };
    let seconds = train::step_seconds(&pipeline, CLASSES, device, warm, budget)?;
    Ok(StudentRate {
        model: format!("MobileNetV2 {:.2}", width.unwrap_or(1.0)),
        precision: precision.name().to_owned(),
        side,
        batch,
        images_per_second: batch as f64 / seconds,
        step_milliseconds: 1e3 * seconds,
    })
}

fn pipeline(width: Option<f64>, side: usize, batch: usize) -> Pipeline {
    let mut pipeline = Pipeline::default();
    pipeline.student = Student { width, image_size: side, ..pipeline.student };
    pipeline.train.batch_size = batch;
    pipeline.train.lr = 1e-3;
    pipeline
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bfloat16_differs_from_float32_by_its_rounding_and_no_more() {
        // The processor's bfloat16 is slow, but it is there.
        let check = check_device(&TrainDevice::cpu(), Precision::Bfloat16, 10).unwrap();
        assert!(check.passed() && check.difference > TOLERANCE, "{check:?}");
    }
}
