//! Single images: the soft targets at each temperature beside the student's probabilities.

use serde::Serialize;

use super::Error;
use super::picture::{Picture, picture};
use crate::dataset::{Dataset, SplitName};
use crate::store::{SplitRows, soften};
use crate::train::metrics::argmax;

/// Cards of a gallery at most.
const MOST_CARDS: usize = 12;
/// Mistakes that are shown at most.
const MOST_MISTAKES: usize = 8;
/// Classes of a card at most.
const MOST_CLASSES: usize = 5;

/// One image with the probabilities of teacher and student.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Card {
    /// Its index in the split.
    pub sample: usize,
    /// Its file, or file and row.
    pub image: String,
    /// Its class, unless unlabelled.
    pub label: Option<String>,
    /// The teacher's class.
    pub teacher_says: String,
    /// The student's class.
    pub student_says: Option<String>,
    /// The classes that teacher and student think of most, the label among them.
    pub classes: Vec<Class>,
    /// The image itself, where the dataset is there.
    #[serde(skip)]
    pub picture: Option<Picture>,
}

/// The probabilities of one class.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Class {
    /// Its name.
    pub name: String,
    /// Whether it is the label.
    pub is_label: bool,
    /// The soft target at each of the cache's temperatures.
    pub soft_targets: Vec<f32>,
    /// The student's probability.
    pub student: Option<f32>,
}

/// The source of cards: one split of a cache, its images, and a student's logits, where there are any.
pub(crate) struct Source<'a> {
    /// The cache's rows.
    pub rows: &'a SplitRows,
    /// The split.
    pub split: SplitName,
    /// Class names, in label order.
    pub classes: &'a [String],
    /// The images.
    pub dataset: Option<&'a Dataset>,
    /// A student's logits, `[samples, classes]`.
    pub student: Option<&'a [f32]>,
}

impl Source<'_> {
    /// Two cards for each class: the image that the teacher is least sure of, and one that it is as sure of as of most, at the
    /// temperature nearest to `temperature`.
    ///
    /// # Errors
    /// An image or a cache that can't be read.
    pub(crate) fn gallery(&self, temperature: f32) -> Result<Vec<Card>, Error> {
        let distance = |other: f32| (other - temperature).abs();
        let temperatures = self.rows.temperatures();
        let nearest = temperatures.iter().copied().min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        let Some(nearest) = nearest else { return Ok(Vec::new()) };
        let mut by_class: Vec<Vec<(f64, usize)>> = vec![Vec::new(); self.classes.len() + 1];
        let mut targets = vec![0.0; self.classes.len()];
        for sample in 0..self.rows.samples() as usize {
            let row = self.row(sample);
            self.rows.gather_soft(nearest, &[row], &mut targets)?;
            let entropy = |mass: f64| if mass > 0.0 { -mass * mass.ln() } else { 0.0 };
            let entropy: f64 = targets.iter().map(|&mass| entropy(f64::from(mass))).sum();
            let class = usize::try_from(self.rows.label(row)).unwrap_or(self.classes.len());
            by_class[class].push((entropy, sample));
        }
        let mut samples = Vec::new();
        for class in &mut by_class {
            class.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            samples.extend(class.last().map(|last| last.1));
            samples.extend((class.len() > 1).then(|| class[(class.len() - 1) / 2].1));
        }
        samples.truncate(MOST_CARDS);
        samples.into_iter().map(|sample| self.card(sample)).collect()
    }

    /// The labelled images on which the student is most sure of another class.
    ///
    /// # Errors
    /// An image or a cache that can't be read.
    pub(crate) fn mistakes(&self) -> Result<Vec<Card>, Error> {
        let mut wrong = Vec::new();
        for sample in 0..self.rows.samples() as usize {
            let (Some(student), Ok(label)) =
                (self.student(sample), usize::try_from(self.rows.label(self.row(sample))))
            else {
                continue;
            };
            let predicted = argmax(&student);
            if predicted != label {
                wrong.push((student[predicted], sample));
            }
        }
        wrong.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        wrong.truncate(MOST_MISTAKES);
        wrong.into_iter().map(|(_, sample)| self.card(sample)).collect()
    }

    /// The student's probabilities of one sample.
    fn student(&self, sample: usize) -> Option<Vec<f32>> {
        let classes = self.classes.len();
        let logits = self.student?.get(sample * classes..(sample + 1) * classes)?;
        let mut probabilities = vec![0.0; classes];
        soften(logits, 1.0, &mut probabilities);
        Some(probabilities)
    }

    fn row(&self, sample: usize) -> usize {
        self.rows.row(sample as u64, 0).expect("every sample has a plain view")
    }

    fn card(&self, sample: usize) -> Result<Card, Error> {
        let row = self.row(sample);
        let label = usize::try_from(self.rows.label(row)).ok();
        let mut logits = vec![0.0; self.classes.len()];
        self.rows.gather_logits(&[row], &mut logits)?;
        let student = self.student(sample);
        let mut at_temperatures = Vec::new();
        for &temperature in self.rows.temperatures() {
            let mut targets = vec![0.0; self.classes.len()];
            self.rows.gather_soft(temperature, &[row], &mut targets)?;
            at_temperatures.push(targets);
        }
        let mut teacher = vec![0.0; self.classes.len()];
        soften(&logits, 1.0, &mut teacher);
        let weight = |class: usize| {
            let said = student.as_ref().map_or(0.0, |student| student[class]);
            (Some(class) == label, said.max(teacher[class]))
        };
        let mut shown: Vec<usize> = (0..self.classes.len()).collect();
        shown.sort_by(|&a, &b| {
            let (a, b) = (weight(a), weight(b));
            b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
        });
        shown.truncate(MOST_CLASSES);
        shown.sort_unstable();
        let classes = shown.into_iter().map(|class| Class {
            name: self.classes[class].clone(),
            is_label: Some(class) == label,
            soft_targets: at_temperatures.iter().map(|targets| targets[class]).collect(),
            student: student.as_ref().map(|student| student[class]),
        });
        let (image, shown) = match self.dataset {
            Some(dataset) => {
                (dataset.sample_name(self.split, sample), Some(picture(dataset, self.split, sample)?))
            }
            None => (format!("{} sample {sample}", self.split), None),
        };
        Ok(Card {
            sample,
            image,
            label: label.map(|label| self.classes[label].clone()),
            teacher_says: self.classes[argmax(&logits)].clone(),
            student_says: student.as_ref().map(|student| self.classes[argmax(student)].clone()),
            classes: classes.collect(),
            picture: shown,
        })
    }
}
