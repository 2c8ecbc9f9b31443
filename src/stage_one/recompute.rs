//! Checks that the teacher still gives the logits that a cache holds. Drift is told from rounding by the teacher's own noise floor: how
//! far its logits for the same pixels differ between batch sizes.

use rand::Rng;
use rayon::prelude::*;

use super::Error;
use crate::dataset::{Dataset, SplitName};
use crate::store::{Cache, SplitRows};
use crate::support::rng;
use crate::teacher::Teacher;
use crate::view::{self, Geometry};

/// Beside one and the pipeline's own, a batch size that is a multiple of nothing.
const ODD_BATCH: usize = 7;

/// How many times the noise floor is still rounding.
const MARGIN: f64 = 8.0;

/// Rounding that any runtime may show, in units of the last place of the largest logit, where batch sizes show none.
const LAST_PLACES: f64 = 32.0;

/// A noise floor above this share of the largest logit is not rounding: the teacher's rows depend on each other, or on chance.
const MOST_NOISE: f64 = 1e-3;

/// Rows whose pixels are held at once.
const ROWS_AT_ONCE: usize = 64;

/// Absolute differences between two sets of logits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Difference {
    /// The largest.
    pub max: f64,
    sum: f64,
    count: u64,
}

impl Difference {
    /// The mean.
    pub(crate) fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }

    fn add(&mut self, a: &[f32], b: &[f32]) {
        for (&a, &b) in a.iter().zip(b) {
            let difference = (f64::from(a) - f64::from(b)).abs();
            self.max = self.max.max(difference);
            self.sum += difference;
            self.count += 1;
        }
    }
}

/// The findings of [`recompute`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recomputed {
    /// Rows that were compared.
    pub rows: usize,
    /// For each batch size: the stored logits against those that the teacher gives in such batches.
    pub stored: Vec<(usize, Difference)>,
    /// The teacher against itself, each batch size against every other.
    pub floor: Difference,
    /// The largest logit, as an absolute value.
    pub largest: f64,
    /// The most that the cache's encoding rounds a logit by, as a share of it.
    pub encoding: f64,
    /// The first image whose pixels are not those that the teacher was given.
    pub other_pixels: Option<String>,
}

impl Recomputed {
    /// The largest difference at the batch size that fits best.
    pub(crate) fn least_drift(&self) -> f64 {
        self.stored.iter().map(|(_, difference)| difference.max).fold(f64::INFINITY, f64::min)
    }

    /// The largest difference that rounding explains.
    pub(crate) fn allowed(&self) -> f64 {
        let runtime = (MARGIN * self.floor.max).max(LAST_PLACES * f64::from(f32::EPSILON) * self.largest);
        runtime + self.encoding * self.largest
    }

    /// Whether the teacher differs from itself by more than rounding explains, so that no cache of it can be verified.
    pub(crate) fn is_noise(&self) -> bool {
        self.floor.max > MOST_NOISE * self.largest
    }

    /// Whether the cache is further from the teacher than rounding explains.
    pub(crate) fn drifted(&self) -> bool {
        self.least_drift() > self.allowed()
    }
}

/// Runs the teacher again on `count` rows that `seed` draws from every split of a complete cache (at most all of them), from the
/// crops, flips and operations that stand in them, in batches of one, of seven and of `batch_size`.
///
/// # Errors
/// A dataset or teacher that the cache was not made from; a cache of top-k logits; an image that can't be read; a teacher that fails.
pub(crate) fn recompute(
    dataset: &Dataset,
    teacher: &mut dyn Teacher,
    cache: &Cache,
    batch_size: usize,
    count: usize,
    seed: u64,
) -> Result<Recomputed, Error> {
    cache.check_dataset(dataset.fingerprint(), &dataset.classes)?;
    let (expected, found) = (cache.manifest().teacher.fingerprint, teacher.fingerprint());
    if expected != found {
        return Err(Error::OtherTeacher { cache: cache.dir().to_path_buf(), expected, found });
    }
    let Some(encoding) = cache.manifest().encoding.rounding() else {
        return Err(Error::NotAllLogits { cache: cache.dir().to_path_buf() });
    };
    let order = teacher.class_order(&dataset.classes)?;
    let mut sizes = vec![1, ODD_BATCH, batch_size];
    sizes.sort_unstable();
    sizes.dedup();

    let mut result = Recomputed {
        rows: 0,
        stored: sizes.iter().map(|&size| (size, Difference::default())).collect(),
        floor: Difference::default(),
        largest: 0.0,
        encoding,
        other_pixels: None,
    };
    for rows in draw(dataset, cache, count, seed)?.chunks(ROWS_AT_ONCE) {
        let (pixels, stored) = prepare(dataset, teacher, rows, &mut result)?;
        let mut given = Vec::with_capacity(sizes.len());
        for &size in &sizes {
            given.push(in_batches(teacher, &pixels, rows.len(), size, &order)?);
        }
        for ((_, difference), given) in result.stored.iter_mut().zip(&given) {
            difference.add(&stored, given);
        }
        for (index, first) in given.iter().enumerate() {
            given[index + 1..].iter().for_each(|second| result.floor.add(first, second));
        }
        let largest = stored.iter().map(|logit| f64::from(logit.abs())).fold(0.0, f64::max);
        result.largest = result.largest.max(largest);
        result.rows += rows.len();
    }
    Ok(result)
}

/// A row of a split.
type Drawn = (SplitName, std::sync::Arc<SplitRows>, usize);

/// `count` rows of the cache, none twice, in row order.
fn draw(dataset: &Dataset, cache: &Cache, count: usize, seed: u64) -> Result<Vec<Drawn>, Error> {
    let mut rows = Vec::new();
    for split in &dataset.splits {
        let of_split = cache.split(split.name.as_str())?;
        rows.extend((0..of_split.len()).map(|row| (split.name, std::sync::Arc::clone(&of_split), row)));
    }
    let mut rng = rng::keyed("recompute", &[seed]);
    // Selection sampling: Knuth, The Art of Computer Programming, volume 2, algorithm 3.4.2 S.
    let (total, mut seen, mut taken) = (rows.len(), 0, 0);
    rows.retain(|_| {
        let take = rng.random_range(0..total - seen) < count.saturating_sub(taken);
        seen += 1;
        taken += usize::from(take);
        take
    });
    Ok(rows)
}

/// The teacher's input for `rows`, `[rows, 3, height, width]`, and their stored logits, `[rows, classes]`.
fn prepare(
    dataset: &Dataset,
    teacher: &dyn Teacher,
    rows: &[Drawn],
    result: &mut Recomputed,
) -> Result<(Vec<f32>, Vec<f32>), Error> {
    let preprocess = teacher.preprocess();
    let (height, width) = preprocess.size();
    let image = 3 * height as usize * width as usize;
    let mut pixels = vec![0.0; rows.len() * image];
    let same: Result<Vec<bool>, Error> = rows
        .par_iter()
        .zip(pixels.par_chunks_mut(image))
        .map(|((split, of_split, row), out)| {
            let index = of_split.identity(*row).0 as usize;
            let bad = |source| Error::Image { name: dataset.sample_name(*split, index), source };
            let geometry = Geometry { crop: of_split.crop(*row), flip: of_split.flip(*row) };
            let bytes = dataset.read(*split, index)?;
            let operations = of_split.operations(*row);
            let rendered = view::decode(&bytes)
                .and_then(|image| view::render_view(&image, geometry, &operations, preprocess))
                .map_err(bad)?;
            preprocess.normalise(&rendered.pixels, out);
            Ok(rendered.hash() == of_split.input_hash(*row))
        })
        .collect();
    let first = same?.iter().position(|same| !same);
    if let (None, Some(first)) = (&result.other_pixels, first) {
        let (split, of_split, row) = &rows[first];
        result.other_pixels = Some(dataset.sample_name(*split, of_split.identity(*row).0 as usize));
    }
    let classes = dataset.classes.len();
    let mut stored = vec![0.0; rows.len() * classes];
    for ((_, of_split, row), out) in rows.iter().zip(stored.chunks_exact_mut(classes)) {
        of_split.gather_logits(&[*row], out)?;
    }
    Ok((pixels, stored))
}

/// The logits `[rows, classes]` in the dataset's class order, computed `size` rows at a time; the last batch is filled up with the
/// first rows, so that each is of that size.
fn in_batches(
    teacher: &mut dyn Teacher,
    pixels: &[f32],
    rows: usize,
    size: usize,
    order: &[usize],
) -> Result<Vec<f32>, Error> {
    let image = pixels.len() / rows;
    let mut logits = Vec::with_capacity(rows * order.len());
    for batch in pixels.chunks(size * image) {
        let count = batch.len() / image;
        let mut full = batch.to_vec();
        full.extend(pixels.iter().cycle().take((size - count) * image));
        let raw = teacher.logits(&full, size)?;
        for row in raw.chunks_exact(order.len()).take(count) {
            logits.extend(order.iter().map(|&class| row[class]));
        }
    }
    Ok(logits)
}
