//! Batches of logits and targets, from whichever encoding a cache has.

use rayon::prelude::*;

use crate::encoding::At;
use crate::store::error::{Error, Mismatch};
use crate::store::read::reader::SplitRows;
use crate::store::read::shard::Shard;
use crate::store::read::stored_row::ShardRow;

/// Batches of this many values are worth another core: 256 kB.
const PARALLEL_VALUES: usize = 1 << 16;

impl SplitRows {
    /// How many classes are kept of each row, where not all are.
    pub fn kept(&self) -> Option<usize> {
        self.manifest.encoding.kept()
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
        let encoding = self.manifest.encoding;
        let nearest = if encoding.keeps_all() { None } else { Some(self.nearest_temperature(temperature)?) };
        self.copy_rows(rows, out, |shard, row, out| {
            let at = nearest.map_or(At { temperature, column: None }, |nearest| at(shard, nearest));
            let row = ShardRow::new(shard, row);
            encoding.codec().read_logits(&row, at, out).map_err(|wrong| row.error(wrong))
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
        let encoding = self.manifest.encoding;
        if !encoding.keeps_all() {
            self.check_temperature(temperature)?;
        }
        self.copy_rows(rows, out, |shard, row, out| {
            let row = ShardRow::new(shard, row);
            let read = encoding.codec().read_soft(&row, at(shard, temperature), out);
            read.map_err(|wrong| row.error(wrong))
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
        let codec = self.manifest.encoding.codec();
        let out = classes.chunks_exact_mut(kept).zip(masses.chunks_exact_mut(kept + 1));
        for (&row, (classes, masses)) in rows.iter().zip(out) {
            let (shard, row) = self.locate_checked(row)?;
            let row = ShardRow::new(shard, row);
            let read = codec.read_kept(&row, at(shard, temperature), classes, masses);
            read.map_err(|wrong| row.error(wrong))?;
        }
        Ok(())
    }

    pub(in crate::store) fn check_temperature(&self, temperature: f32) -> Result<(), Error> {
        let is_held = self.temperatures().iter().any(|held| held.total_cmp(&temperature).is_eq());
        if is_held { Ok(()) } else { Err(self.no_temperature(temperature)) }
    }

    fn no_temperature(&self, temperature: f32) -> Error {
        let names: Vec<String> = self.temperatures().iter().map(ToString::to_string).collect();
        let available = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        Error::Mismatch(Mismatch::NoSuchTemperature { temperature, available })
    }

    /// The stored temperature that is nearest to `temperature`.
    fn nearest_temperature(&self, temperature: f32) -> Result<f32, Error> {
        let distance = |held: &f32| (held - temperature).abs();
        let held = self.temperatures().iter().copied();
        held.min_by(|a, b| distance(a).total_cmp(&distance(b)))
            .ok_or_else(|| self.no_temperature(temperature))
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

/// A temperature, and its column in a shard.
pub(in crate::store) fn at(shard: &Shard, temperature: f32) -> At {
    At { temperature, column: shard.soft_index(temperature) }
}
