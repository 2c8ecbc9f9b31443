//! The measures of a split from the answers of a student that another tool trained: accuracy, predictions or logits.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::fields::known;
use crate::dataset::SplitName;
use crate::store::{Cache, SplitRows};
use crate::support::confusion::Confusion;
use crate::train::metrics::{Meter, Metrics, argmax};

/// The keys of a split; exactly one is given.
const ANSWERS: [&str; 3] = ["accuracy", "predictions", "logits"];

/// The measures of one split, from whichever of the three forms the file has.
///
/// # Errors
/// Answers that do not fit the cache's split, in words.
pub(crate) fn measured(
    cache: &Cache,
    split: SplitName,
    answers: &Map<String, Value>,
    temperature: f32,
) -> Result<Metrics, String> {
    known(answers, &ANSWERS)?;
    let split = CachedSplit::read(cache, split)?;
    match answers.iter().next().filter(|_| answers.len() == 1) {
        Some((key, Value::Array(all))) if key == "logits" => split.by_logits(all, temperature),
        Some((key, Value::Array(all))) if key == "predictions" => split.by_predictions(all),
        Some((key, accuracy)) if key == "accuracy" => split.by_accuracy(accuracy),
        _ => Err(format!("{} must have one of `accuracy`, `predictions` and `logits`", split.name)),
    }
}

/// The facts of a cache's split that a student's answers are held against.
struct CachedSplit {
    name: SplitName,
    rows: Arc<SplitRows>,
    classes: usize,
    /// Of each image, -1 where there is none.
    labels: Vec<i32>,
}

impl CachedSplit {
    fn read(cache: &Cache, name: SplitName) -> Result<Self, String> {
        let rows = cache.split(name.as_str()).map_err(|error| error.to_string())?;
        let labels = rows.plain().map(|row| rows.label(row)).collect();
        Ok(Self { name, classes: rows.classes(), labels, rows })
    }

    /// The teacher's logits, `[images, classes]`.
    fn teacher(&self) -> Result<Vec<f32>, String> {
        let plain: Vec<usize> = self.rows.plain().collect();
        let mut logits = vec![0.0; plain.len() * self.classes];
        self.rows.gather_logits(&plain, &mut logits).map_err(|error| error.to_string())?;
        Ok(logits)
    }

    fn labelled(&self) -> usize {
        self.labels.iter().filter(|label| **label >= 0).count()
    }

    fn check_count(&self, key: &str, found: usize) -> Result<(), String> {
        let (split, samples) = (self.name, self.labels.len());
        if found == samples {
            return Ok(());
        }
        Err(format!(
            "`{key}` of {split} has {found} images, and the cache has {samples}; give one for each, in the cache's order"
        ))
    }

    fn by_logits(&self, all: &[Value], temperature: f32) -> Result<Metrics, String> {
        self.check_count("logits", all.len())?;
        let row = |row: &Value| -> Option<Vec<f32>> {
            let row: Option<Vec<f32>> =
                row.as_array()?.iter().map(|logit| logit.as_f64().map(|logit| logit as f32)).collect();
            row.filter(|row| row.len() == self.classes && row.iter().all(|logit| logit.is_finite()))
        };
        let logits: Option<Vec<Vec<f32>>> = all.iter().map(row).collect();
        let logits = logits.ok_or_else(|| {
            format!("`logits` of {} must be a list of {} numbers for each image", self.name, self.classes)
        })?;
        let mut meter = Meter::new(self.classes, temperature);
        meter.add(&logits.concat(), &self.teacher()?, &self.labels);
        Ok(meter.finish())
    }

    fn by_predictions(&self, all: &[Value]) -> Result<Metrics, String> {
        self.check_count("predictions", all.len())?;
        let class = |class: &Value| {
            class.as_u64().and_then(|class| usize::try_from(class).ok()).filter(|class| *class < self.classes)
        };
        let predicted: Option<Vec<usize>> = all.iter().map(class).collect();
        let predicted = predicted.ok_or_else(|| {
            format!("`predictions` of {} must be class indices from 0 to {}", self.name, self.classes - 1)
        })?;
        let mut confusion = Confusion::new(self.classes);
        for (&label, &predicted) in self.labels.iter().zip(&predicted) {
            if let Ok(label) = usize::try_from(label) {
                confusion.add(label, predicted);
            }
        }
        let (samples, labelled) = (self.labels.len(), self.labelled());
        let teacher = self.teacher()?;
        let answers = teacher.chunks_exact(self.classes).zip(&predicted);
        let agreed = answers.filter(|(row, class)| argmax(row) == **class).count();
        Ok(Metrics {
            samples,
            accuracy: (labelled > 0).then(|| confusion.correct() as f64 / labelled as f64),
            macro_f1: confusion.macro_f1(),
            teacher_agreement: agreed as f64 / samples.max(1) as f64,
            confusion,
            ..unknown()
        })
    }

    fn by_accuracy(&self, accuracy: &Value) -> Result<Metrics, String> {
        let accuracy = accuracy.as_f64().filter(|share| (0.0..=1.0).contains(share));
        let accuracy =
            accuracy.ok_or_else(|| format!("`accuracy` of {} must be a number from 0 to 1", self.name))?;
        match self.labelled() {
            0 => Err(format!("`accuracy` of {}: no image of the cache has a label there", self.name)),
            samples => Ok(Metrics { samples, accuracy: Some(accuracy), ..unknown() }),
        }
    }
}

/// Measures that the file does not state.
fn unknown() -> Metrics {
    Metrics { teacher_agreement: f64::NAN, teacher_kl: f64::NAN, ..Metrics::default() }
}
