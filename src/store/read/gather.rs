//! Batches of logits and targets, from whichever encoding a cache has.

use half::f16;
use rayon::prelude::*;

use crate::store::error::{Error, Mismatch};
use crate::store::format::encoding::{Element, Layout, dense, top};
use crate::store::format::schema::column;
use crate::store::format::soften::soften;
use crate::store::read::reader::SplitRows;
use crate::store::read::shard::Shard;
use crate::support::exp::exp_of_negative;

/// Batches of this many values are worth another core: 256 kB.
const PARALLEL_VALUES: usize = 1 << 16;

impl SplitRows {
    /// How many classes are kept of each row, where not all are.
    pub fn kept(&self) -> Option<usize> {
        match self.manifest.encoding.layout() {
            Layout::Dense => None,
            Layout::Top { kept } => Some(kept),
        }
    }

    /// Copies the logits of `rows` to `out`, `[rows, classes]`, in any order and with repetitions.
    ///
    /// Where only the largest are stored, the others are filled in as [`SplitRows::gather_logits_for`] does for
    /// temperature 1.
    ///
    /// # Errors
    /// A row that there is not, a buffer of another length, or a shard whose column is not laid out as it should be.
    pub fn gather_logits(&self, rows: &[usize], out: &mut [f32]) -> Result<(), Error> {
        self.gather_logits_for(1.0, rows, out)
    }

    /// As [`SplitRows::gather_logits`]. Where only the largest are stored, all others of a row get the one logit that
    /// gives them their exact mass together, at the stored temperature that is nearest to `temperature`.
    ///
    /// # Errors
    /// As [`SplitRows::gather_logits`].
    pub fn gather_logits_for(&self, temperature: f32, rows: &[usize], out: &mut [f32]) -> Result<(), Error> {
        let Layout::Top { kept } = self.manifest.encoding.layout() else {
            return self.copy_column(dense::LOGITS, rows, out);
        };
        let distance = |index: &usize| (self.temperatures()[*index] - temperature).abs();
        let nearest = (0..self.temperatures().len()).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let nearest = nearest.ok_or_else(|| self.no_temperature(temperature))?;
        let nearest = self.temperatures()[nearest];
        let mut top = Top::new(kept);
        self.each_row(rows, out, |shard, row, out| {
            top.read(shard, nearest, row)?;
            top.logits(nearest, out);
            Ok(())
        })
    }

    /// Copies the soft targets of `rows` at `temperature` to `out`, `[rows, classes]`; no other temperature is touched. Where there is no
    /// column of them they are made from the logits, to the same bits.
    ///
    /// Where only the largest are stored, the mass of the others is spread evenly among them; a loss that does not take
    /// that for knowledge asks [`SplitRows::gather_top`].
    ///
    /// # Errors
    /// [`Mismatch::NoSuchTemperature`] where only the largest are stored, and as [`SplitRows::gather_logits`].
    pub fn gather_soft(&self, temperature: f32, rows: &[usize], out: &mut [f32]) -> Result<(), Error> {
        let Layout::Top { kept } = self.manifest.encoding.layout() else {
            return self.copy_rows(rows, out, |shard, row, out| match shard.soft_index(temperature) {
                Some(column) => {
                    shard.values(column)?.floats(row, out);
                    Ok(())
                }
                None => soften_row(shard, temperature, row, out),
            });
        };
        self.check_temperature(temperature)?;
        let mut top = Top::new(kept);
        self.each_row(rows, out, |shard, row, out| {
            top.read(shard, temperature, row)?;
            let dropped = (out.len() - kept) as f32;
            out.fill(top.rest / dropped);
            for (&class, mass) in top.classes.iter().zip(top.masses(temperature)) {
                out[class as usize] = mass;
            }
            Ok(())
        })
    }

    /// Copies what a cache of the largest logits knows of `rows` at `temperature`: to `classes`, `[rows, kept]`, which
    /// they are, largest first, and to `masses`, `[rows, kept + 1]`, their soft targets, then the mass of all others.
    ///
    /// # Errors
    /// [`Mismatch::NotKept`] where every class is stored, [`Mismatch::NoSuchTemperature`], and as [`SplitRows::gather_logits`].
    pub fn gather_top(
        &self,
        temperature: f32,
        rows: &[usize],
        classes: &mut [i32],
        masses: &mut [f32],
    ) -> Result<(), Error> {
        let Some(kept) = self.kept() else {
            return Err(Error::Mismatch(Mismatch::NotKept { split: self.name().to_owned() }));
        };
        self.check_temperature(temperature)?;
        check_length(rows, kept, classes.len())?;
        check_length(rows, kept + 1, masses.len())?;
        let mut top = Top::new(kept);
        let out = classes.chunks_exact_mut(kept).zip(masses.chunks_exact_mut(kept + 1));
        for (&row, (classes, masses)) in rows.iter().zip(out) {
            let (shard, row) = self.locate_checked(row)?;
            top.read(shard, temperature, row)?;
            classes.copy_from_slice(&top.classes);
            for (out, mass) in masses.iter_mut().zip(top.masses(temperature).chain([top.rest])) {
                *out = mass;
            }
        }
        Ok(())
    }

    fn check_temperature(&self, temperature: f32) -> Result<(), Error> {
        let is_held = self.temperatures().iter().any(|held| held.total_cmp(&temperature).is_eq());
        if is_held { Ok(()) } else { Err(self.no_temperature(temperature)) }
    }

    fn no_temperature(&self, temperature: f32) -> Error {
        let names: Vec<String> = self.temperatures().iter().map(ToString::to_string).collect();
        let available = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Error::Mismatch(Mismatch::NoSuchTemperature { temperature, available })
    }

    fn copy_column(&self, column: usize, rows: &[usize], out: &mut [f32]) -> Result<(), Error> {
        self.copy_rows(rows, out, |shard, row, out| {
            shard.values(column)?.floats(row, out);
            Ok(())
        })
    }

    /// Copies rows, those of a large batch on every core: a row that is not in the processor's caches is waited for, and cores wait
    /// side by side.
    fn copy_rows(
        &self,
        rows: &[usize],
        out: &mut [f32],
        copy_row: impl Fn(&Shard, usize, &mut [f32]) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        check_length(rows, self.classes(), out.len())?;
        let copy = |rows: &[usize], out: &mut [f32]| self.each_row(rows, out, &copy_row);
        if out.len() < PARALLEL_VALUES {
            return copy(rows, out);
        }
        let piece = rows.len().div_ceil(rayon::current_num_threads());
        let pieces = rows.par_chunks(piece).zip(out.par_chunks_mut(piece * self.classes()));
        pieces.try_for_each(|(rows, out)| copy(rows, out))
    }

    fn each_row(
        &self,
        rows: &[usize],
        out: &mut [f32],
        mut copy: impl FnMut(&Shard, usize, &mut [f32]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        check_length(rows, self.classes(), out.len())?;
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(self.classes())) {
            let (shard, row) = self.locate_checked(row)?;
            copy(shard, row, out)?;
        }
        Ok(())
    }

    fn locate_checked(&self, row: usize) -> Result<(&Shard, usize), Error> {
        if row < self.len() {
            return Ok(self.locate(row));
        }
        Err(Error::Mismatch(Mismatch::NoSuchRow { split: self.name().to_owned(), rows: self.len(), row }))
    }
}

fn check_length(rows: &[usize], width: usize, found: usize) -> Result<(), Error> {
    let expected = rows.len() * width;
    if found == expected {
        Ok(())
    } else {
        Err(Error::Mismatch(Mismatch::BufferLength { rows: rows.len(), expected, found }))
    }
}

/// The targets of a row at a temperature that has no column, as the column would hold them.
fn soften_row(shard: &Shard, temperature: f32, row: usize, out: &mut [f32]) -> Result<(), Error> {
    let logits = shard.values(dense::LOGITS)?;
    let mut numbers = vec![0.0; out.len()];
    logits.floats(row, &mut numbers);
    soften(&numbers, temperature, out);
    if shard.value_column(dense::LOGITS).element == Element::Float16 {
        for target in out.iter_mut() {
            *target = f16::from_f32(*target).to_f32();
        }
    }
    Ok(())
}

/// What is stored of a row of which only the largest logits are.
struct Top {
    classes: Vec<i32>,
    logits: Vec<f32>,
    rest: f32,
}

impl Top {
    fn new(kept: usize) -> Self {
        Self { classes: vec![0; kept], logits: vec![0.0; kept], rest: 0.0 }
    }

    /// Reads a row and its mass of the rest at a temperature that the cache has.
    fn read(&mut self, shard: &Shard, temperature: f32, row: usize) -> Result<(), Error> {
        shard.values(top::CLASSES)?.integers(row, &mut self.classes);
        shard.values(top::LOGITS)?.floats(row, &mut self.logits);
        let rest = shard.soft_index(temperature).expect("every shard has the temperatures of the cache");
        self.rest = shard.values(rest)?.float(row);
        match self.classes.iter().find(|&&class| !shard.is_class(class)) {
            Some(class) => Err(shard.value(column::VALUES + top::CLASSES, row, class, "a class index")),
            None => Ok(()),
        }
    }

    /// The kept soft targets: their softened logits, scaled to the mass that the rest leaves.
    fn masses(&self, temperature: f32) -> impl Iterator<Item = f32> {
        let scale = (1.0 - f64::from(self.rest)) / self.exponentials(temperature).sum::<f64>();
        self.exponentials(temperature).map(move |exponential| (exponential * scale) as f32)
    }

    /// All logits of the row, with one logit for all that were dropped.
    fn logits(&self, temperature: f32, out: &mut [f32]) {
        let dropped = (out.len() - self.classes.len()) as f64;
        let rest = f64::from(self.rest.max(f32::MIN_POSITIVE));
        let kept = (1.0 - rest).max(f64::from(f32::EPSILON) / 2.0);
        let each = rest / dropped * self.exponentials(temperature).sum::<f64>() / kept;
        let level = f64::from(self.logits[0]) + f64::from(temperature) * each.ln();
        // Rounding must not lift it above what is known to be larger.
        out.fill((level as f32).min(self.logits[self.logits.len() - 1]));
        for (&class, &logit) in self.classes.iter().zip(&self.logits) {
            out[class as usize] = logit;
        }
    }

    fn exponentials(&self, temperature: f32) -> impl Iterator<Item = f64> {
        let (largest, temperature) = (f64::from(self.logits[0]), f64::from(temperature));
        self.logits.iter().map(move |&logit| exp_of_negative((f64::from(logit) - largest) / temperature))
    }
}
