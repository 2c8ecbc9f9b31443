//! `decant bench`: a device compared with the CPU, and how fast both stages run on it, without a dataset or a model.

mod card;
mod error;
mod report;
mod student;
mod teacher;
mod teacher_rate;
mod vit;

use std::time::{Instant, SystemTime, UNIX_EPOCH};

pub(crate) use error::Error;
pub use report::{Check, Part, Report};

use crate::config::{StudentDevice, TeacherDevice};
use crate::support::context::Context;
use crate::support::machine;
use crate::train;

use card::Card;

/// Checks `device` against the CPU and measures both stages on it; with `quick` at sizes that take seconds. Each number goes to
/// `context` as a line when it is known.
///
/// A stage that the device can't run is left out, and the report says why.
///
/// # Errors
/// A device that runs neither stage; a teacher or student that fails on the way; Ctrl-C.
pub(crate) fn run(device: StudentDevice, quick: bool, context: &Context) -> Result<Report, Error> {
    let clock = Instant::now();
    let mut report = Report {
        decant: env!("CARGO_PKG_VERSION").to_owned(),
        unix_time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        quick,
        processor: machine::processor(),
        cores: machine::cores(),
        ..Report::default()
    };
    let chosen = train::choose_device(device);
    let of_teacher = match (device, &chosen) {
        // Both stages on one device, where there is a choice.
        (StudentDevice::Auto, Ok(chosen)) => TeacherDevice::try_from(chosen.name),
        _ => TeacherDevice::try_from(device),
    };
    let teacher =
        of_teacher.and_then(|device| teacher::Bench::open(device, quick).map_err(|error| error.to_string()));
    let provider = teacher.as_ref().ok().map(teacher::Bench::provider);
    let Card { name, driver } = Card::of(chosen.as_ref().ok(), provider);
    (report.card, report.driver) = (name, driver);
    match teacher {
        Ok(bench) => {
            report.teacher = Part::On(bench.device());
            bench.run(&mut report, context)?;
        }
        Err(reason) => report.teacher = Part::Skipped(reason),
    }
    match chosen {
        Ok(chosen) => {
            report.student = Part::On(chosen.name.to_string());
            student::run(&chosen, &mut report, context)?;
        }
        Err(error) => report.student = Part::Skipped(error.to_string()),
    }
    if let (Part::Skipped(teacher), Part::Skipped(student)) = (&report.teacher, &report.student) {
        return Err(Error::Nothing { teacher: teacher.clone(), student: student.clone() });
    }
    report.seconds = clock.elapsed().as_secs_f64();
    Ok(report)
}
