//! A cache: the teacher against the labels, and its soft targets.

use serde::Serialize;

use super::Error;
use super::reliability::{self, Bin};
use crate::dataset::{Duplicates, SplitName};
use crate::store::{Cache, Entropy, Manifest, SplitRows, TeacherQuality, soften};
use crate::support::confusion::Confusion;
use crate::support::hash::Digest;
use crate::train::metrics::argmax;

/// One cache and its teacher.
#[derive(Clone, Debug, Serialize)]
pub struct Teacher {
    /// The cache's folder.
    pub folder: std::path::PathBuf,
    /// The cache's content hash.
    pub content: Digest,
    /// Bytes of all shards.
    pub bytes: u64,
    /// The manifest of the cache.
    pub manifest: Manifest,
    /// Split by split.
    pub splits: Vec<Split>,
    /// The split that the following are of.
    pub measured: String,
    /// Which classes it takes for which, in samples.
    pub confusion: Confusion,
    /// Of the labelled samples, at temperature 1.
    pub reliability: Vec<Bin>,
    /// Images that are in two splits or twice in one, a sentence each.
    pub duplicates: Vec<String>,
    /// Those of them that are in two splits, which the measures of the later one are too good for.
    pub leaks: Vec<String>,
}

/// One split of the cache.
#[derive(Clone, Debug, Serialize)]
pub struct Split {
    /// Its name.
    pub name: String,
    /// Its samples.
    pub samples: u64,
    /// Its rows: samples times views.
    pub rows: u64,
    /// The teacher on its labelled samples, if there are any.
    pub quality: Option<TeacherQuality>,
    /// Entropy of the soft targets, by temperature.
    pub entropies: Vec<Entropy>,
}

impl Teacher {
    /// Its accuracy on a split, where that has labels.
    pub fn accuracy(&self, split: &str) -> Option<f64> {
        let found = self.splits.iter().find(|other| other.name == split)?;
        Some(found.quality.as_ref()?.accuracy)
    }

    /// Measures the teacher on `split`.
    ///
    /// # Errors
    /// A cache without that split, or one that is damaged.
    pub fn of(cache: &Cache, split: SplitName) -> Result<Self, Error> {
        let manifest = cache.manifest().clone();
        let mut splits = Vec::new();
        for size in &manifest.dataset.splits {
            splits.push(Split {
                name: size.name.clone(),
                samples: size.samples,
                rows: manifest.rows(size),
                quality: TeacherQuality::on(&size.name, &cache.complete().teacher_quality).cloned(),
                entropies: cache.split(&size.name)?.entropies()?,
            });
        }
        let rows = cache.split(split.as_str())?;
        let classes = rows.classes();
        let mut confusion = Confusion::new(classes);
        let mut answers = Vec::new();
        let (mut logits, mut probabilities) = (vec![0.0; classes], vec![0.0; classes]);
        for row in rows.plain() {
            let Ok(label) = usize::try_from(rows.label(row)) else { continue };
            rows.gather_logits(&[row], &mut logits)?;
            soften(&logits, 1.0, &mut probabilities);
            let predicted = argmax(&logits);
            confusion.add(label, predicted);
            answers.push((f64::from(probabilities[predicted]), predicted == label));
        }
        let (duplicates, leaks) = duplicates(cache)?;
        Ok(Self {
            folder: cache.dir().to_owned(),
            content: cache.complete().content,
            bytes: cache.complete().bytes(),
            splits,
            measured: split.as_str().to_owned(),
            confusion,
            reliability: reliability::bins(answers),
            duplicates,
            leaks,
            manifest,
        })
    }
}

/// The sentences about images that a cache holds more than once, by their hashes, and those of them about images in two splits.
fn duplicates(cache: &Cache) -> Result<(Vec<String>, Vec<String>), Error> {
    let mut splits = Vec::new();
    for name in SplitName::ALL {
        if cache.manifest().dataset.splits.iter().any(|split| split.name == name.as_str()) {
            splits.push((name, cache.split(name.as_str())?));
        }
    }
    let plain = |rows: &SplitRows, sample: usize| rows.row(sample as u64, 0);
    let identities = splits.iter().map(|(name, rows)| {
        let of_sample = |sample| plain(rows, sample).map(|row| (rows.image_hash(row), rows.label(row)));
        (*name, (0..rows.samples() as usize).filter_map(of_sample))
    });
    let found = Duplicates::among(identities);
    let name = |split: SplitName, sample: usize| {
        let rows = splits.iter().find(|(name, _)| *name == split).map(|(_, rows)| rows);
        let path = rows.and_then(|rows| Some(rows.path(plain(rows, sample)?).to_owned()));
        path.unwrap_or_else(|| format!("{split} {sample}"))
    };
    let sentence = |one: &Duplicates| one.sentence(name);
    let leaks = found.iter().filter(|one| one.split != one.also_in).map(sentence).collect();
    Ok((found.iter().map(sentence).collect(), leaks))
}
