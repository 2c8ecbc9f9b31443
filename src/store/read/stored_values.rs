//! Rows as they are stored, for a cache of the same encoding.

use crate::encoding::RowLoss;
use crate::store::error::Error;
use crate::store::format::row_losses::RowLosses;
use crate::store::read::gather::at;
use crate::store::read::reader::SplitRows;
use crate::store::read::shard::Shard;
use crate::store::read::stored_row::ShardRow;

/// The values of a row as a cache of the same encoding holds them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredValues {
    /// The bytes of each column of logits and targets; none where the stored logits give them all.
    pub(in crate::store) columns: Vec<Vec<u8>>,
    /// The loss at each temperature; the KL is NaN where it was not measured.
    pub(in crate::store) losses: Vec<RowLoss>,
}

impl SplitRows {
    /// The values of a row for a cache of the same encoding with these temperatures, which this one must have where it does not keep every
    /// class.
    ///
    /// # Errors
    /// A shard whose column is not laid out as it should be, a temperature that is missing.
    pub(crate) fn stored_values(&self, row: usize, temperatures: &[f32]) -> Result<StoredValues, Error> {
        let (shard, row) = self.locate(row);
        let losses = shard.row_losses();
        let kl = |temperature| losses.map_or(f64::NAN, |losses| losses.of(row, temperature));
        let encoding = self.manifest.encoding;
        let Some(kept) = encoding.kept() else {
            let losses = temperatures.iter().map(|&t| RowLoss { kl: kl(t), rest: None }).collect();
            return Ok(StoredValues { columns: Vec::new(), losses });
        };
        let mut values = StoredValues { columns: Vec::new(), losses: Vec::new() };
        for column in 0..encoding.first_temperature() {
            values.columns.push(shard.values(column)?.bytes(row).to_vec());
        }
        let (mut classes, mut masses) = (vec![0; kept], vec![0.0; kept + 1]);
        for &temperature in temperatures {
            self.check_temperature(temperature)?;
            let at = at(shard, temperature);
            let of_shard = ShardRow::new(shard, row);
            let read = encoding.codec().read_kept(&of_shard, at, &mut classes, &mut masses);
            read.map_err(|wrong| of_shard.error(wrong))?;
            let column = at.column.expect("every shard has the temperatures of the cache");
            values.columns.push(shard.values(column)?.bytes(row).to_vec());
            values.losses.push(RowLoss { kl: kl(temperature), rest: Some(masses[kept].into()) });
        }
        Ok(values)
    }
}

impl Shard {
    /// The encoding's loss of each row, where it was kept.
    fn row_losses(&self) -> Option<&RowLosses> {
        let read = || {
            let record = self.record();
            RowLosses::read(self.path(), record.rows_blake3, self.rows(), record.temperatures.len())
        };
        self.losses.get_or_init(read).as_ref()
    }
}
