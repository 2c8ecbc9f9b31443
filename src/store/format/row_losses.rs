//! The encoding's loss of each row, kept beside a shard's record: a cache that takes the rows over can say what its encoding lost, though the
//! teacher's own logits are gone.

use std::path::Path;

use crate::store::format::encoding_loss::Lost;
use crate::store::format::record_files::about_shard;
use crate::support::hash::{Digest, FieldHasher};
use crate::support::{atomic, files};

/// The extension of a shard's file of losses.
const EXTENSION: &str = "losses";

/// Bytes of the checksum at the beginning.
const CHECKSUM: usize = 32;

/// The KL of each row at each temperature, as [`Lost`] sums it up; NaN where it was not measured.
#[derive(Debug, Default, PartialEq)]
pub(in crate::store) struct RowLosses {
    /// The temperatures.
    pub(in crate::store) temperatures: Vec<f32>,
    /// In nats, `[temperatures, rows]`.
    pub(in crate::store) kl: Vec<f64>,
}

/// The losses of a shard that is being written.
pub(in crate::store) struct Measured {
    /// For its record.
    pub(in crate::store) lost: Vec<Lost>,
    /// Row by row; empty where the rows were not measured.
    pub(in crate::store) rows: RowLosses,
}

impl RowLosses {
    /// Writes the losses of the shard that gets the name `shard`; nothing where none was measured.
    pub(in crate::store) fn write(&self, shard: &Path, rows_blake3: Digest) -> std::io::Result<()> {
        if self.kl.iter().all(|kl| kl.is_nan()) {
            return Ok(());
        }
        let mut content = (self.temperatures.len() as u32).to_le_bytes().to_vec();
        content.extend(self.temperatures.iter().flat_map(|temperature| temperature.to_le_bytes()));
        content.extend(self.kl.iter().flat_map(|kl| kl.to_le_bytes()));
        let mut bytes = checksum(rows_blake3, &content).0.to_vec();
        bytes.extend(content);
        atomic::write(&about_shard(shard, EXTENSION), &bytes)
    }

    /// The losses of a shard of `rows` rows at no more than `most` temperatures; nothing where they were not kept, or are damaged.
    pub(in crate::store) fn read(
        shard: &Path,
        rows_blake3: Digest,
        rows: usize,
        most: usize,
    ) -> Option<Self> {
        let limit = CHECKSUM + 4 + most * (4 + 8 * rows);
        let bytes = files::read_regular(&about_shard(shard, EXTENSION), limit as u64).ok()?;
        let (found, content) = bytes.split_at_checked(CHECKSUM)?;
        if checksum(rows_blake3, content).0 != found {
            return None;
        }
        let (count, rest) = content.split_first_chunk()?;
        let (temperatures, kl) = rest.split_at_checked(4 * u32::from_le_bytes(*count) as usize)?;
        let temperatures: Vec<f32> =
            temperatures.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        let kl: Vec<f64> = kl.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
        (kl.len() == temperatures.len() * rows).then_some(Self { temperatures, kl })
    }

    /// The loss of a row at a temperature; NaN where it was not measured.
    pub(in crate::store) fn of(&self, row: usize, temperature: f32) -> f64 {
        let held = self.temperatures.iter().position(|held| held.total_cmp(&temperature).is_eq());
        held.map_or(f64::NAN, |at| self.kl[at * (self.kl.len() / self.temperatures.len()) + row])
    }
}

fn checksum(rows_blake3: Digest, content: &[u8]) -> Digest {
    FieldHasher::new("decant losses of rows").field("rows", rows_blake3.0).field("losses", content).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_read_back_for_the_rows_that_they_are_of() {
        let folder = tempfile::tempdir().unwrap();
        let (shard, of) = (folder.path().join("train/part-00003.parquet"), Digest::of(b"rows"));
        let losses = RowLosses { temperatures: vec![1.0, 2.5], kl: vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6] };
        losses.write(&shard, of).unwrap();
        let read = |of, rows, most| RowLosses::read(&shard, of, rows, most);
        assert_eq!(read(of, 3, 2), Some(losses));
        assert!((read(of, 3, 4).unwrap().of(1, 2.5) - 0.5).abs() < f64::EPSILON);
        assert!(read(of, 3, 2).unwrap().of(1, 5.0).is_nan());
        assert_eq!(read(Digest::of(b"others"), 3, 2), None);
        assert_eq!(read(of, 2, 2), None);
        let path = folder.path().join("_records/train/part-00003.losses");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(read(of, 3, 2), None);
    }

    #[test]
    fn what_was_not_measured_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let shard = folder.path().join("train/part-00000.parquet");
        RowLosses { temperatures: vec![1.0], kl: vec![f64::NAN] }.write(&shard, Digest::of(b"")).unwrap();
        RowLosses::default().write(&shard, Digest::of(b"")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
