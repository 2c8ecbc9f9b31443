//! The student of a finished run on one split.

use serde::Serialize;

use super::Error;
use super::gallery::{Card, Source};
use super::reliability::{self, Bin};
use super::teacher::Teacher;
use crate::config::StudentDevice;
use crate::dataset::SplitName;
use crate::runs::{FinishedRun, Run};
use crate::store::soften;
use crate::support::context::Context;
use crate::train::metrics::{Meter, Metrics, argmax};
use crate::train::{Answers, Setup};

/// A student on one split.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Student {
    /// The run that it is of.
    pub run: String,
    /// The split.
    pub split: String,
    /// Its measures, with the confusion matrix.
    pub metrics: Metrics,
    /// Of the labelled samples, at temperature 1.
    pub reliability: Vec<Bin>,
    /// The expected calibration error of those bins.
    pub calibration_error: f64,
}

/// The evaluation of a run, for a report.
pub(crate) struct Evaluated {
    /// The student.
    pub student: Student,
    /// The teacher, on the same split.
    pub teacher: Teacher,
    /// Images with what both say of them.
    pub gallery: Vec<Card>,
    /// The student's worst mistakes.
    pub mistakes: Vec<Card>,
}

/// Evaluates the student of `run` on `split`, or else on test, or else on validation.
///
/// # Errors
/// A run that has not finished, a dataset or cache that is gone, damaged or another.
pub(crate) fn evaluate(
    run: &Run,
    split: Option<SplitName>,
    device: StudentDevice,
    context: &Context,
) -> Result<Evaluated, Error> {
    let tested = run.result.as_ref().is_some_and(|result| result.test.is_some());
    let split = split.unwrap_or(if tested { SplitName::Test } else { SplitName::Validation });
    let finished = FinishedRun::open(&run.folder)?;
    let setup = finished.setup(device, context)?;
    let answers = finished.answers(&setup, split, context)?;
    setup.check_content()?;
    let rows = setup.rows(split)?;
    let source = Source {
        rows: &rows,
        split,
        classes: &setup.dataset.classes,
        dataset: Some(&setup.dataset),
        student: Some(&answers.student),
    };
    Ok(Evaluated {
        gallery: source.gallery(setup.pipeline.train.temperature)?,
        mistakes: source.mistakes()?,
        teacher: Teacher::of(&setup.cache, split)?,
        student: measure(run, split, &setup, &answers),
    })
}

fn measure(run: &Run, split: SplitName, setup: &Setup, answers: &Answers) -> Student {
    let classes = setup.classes();
    let mut meter = Meter::new(classes, setup.pipeline.train.temperature);
    meter.add(&answers.student, &answers.teacher, &answers.labels);
    let mut probabilities = vec![0.0; classes];
    let labelled =
        answers.student.chunks_exact(classes).zip(&answers.labels).filter_map(|(logits, &label)| {
            let label = usize::try_from(label).ok()?;
            soften(logits, 1.0, &mut probabilities);
            let predicted = argmax(logits);
            Some((f64::from(probabilities[predicted]), predicted == label))
        });
    let reliability = reliability::bins(labelled);
    Student {
        run: run.folder.display().to_string(),
        split: split.as_str().to_owned(),
        metrics: meter.finish(),
        calibration_error: reliability::calibration_error(&reliability),
        reliability,
    }
}
