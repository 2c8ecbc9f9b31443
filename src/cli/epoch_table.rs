//! The rows of `train-student`, one an epoch, with as many columns as the terminal has a place for.

use std::fmt::Write;

use super::output::percent;
use crate::support::text::{number_or_dash, percent_or_dash};
use crate::train::EpochRecord;

/// The columns of a row. A narrower terminal leaves out the separate losses, then the agreement, then the likelihood.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Columns {
    All,
    WithoutLosses,
    WithoutAgreement,
    Accuracy,
}

const COLUMNS: [Columns; 4] =
    [Columns::All, Columns::WithoutLosses, Columns::WithoutAgreement, Columns::Accuracy];

/// The rows so far.
#[derive(Default)]
pub(crate) struct EpochTable {
    /// The columns under the last head.
    shown: Option<Columns>,
}

impl EpochTable {
    /// The row of an epoch, below a head where the columns are others than before: at first, and when a terminal changed its width.
    pub(crate) fn row(&mut self, record: &EpochRecord, epochs: usize, width: Option<usize>) -> String {
        let fits = |columns: &Columns| {
            let longest = head(*columns).chars().count().max(row(record, epochs, *columns).chars().count());
            width.is_none_or(|width| longest + BEST.len() <= width)
        };
        let columns = COLUMNS.into_iter().find(fits).unwrap_or(Columns::Accuracy);
        let best = if record.best { BEST } else { "" };
        let row = format!("{}{best}", row(record, epochs, columns));
        if self.shown.replace(columns) == Some(columns) { row } else { format!("{}\n{row}", head(columns)) }
    }
}

/// The mark of the best epoch so far.
const BEST: &str = " *";

fn head(columns: Columns) -> String {
    line(columns, "  epoch", ["loss", "ce_loss", "kd_loss", "accuracy", "validation", "agreement", "NLL"])
}

fn row(record: &EpochRecord, epochs: usize, columns: Columns) -> String {
    let validation = &record.validation;
    let cells = [
        format!("{:.4}", record.train_loss),
        format!("{:.4}", record.ce_loss),
        format!("{:.4}", record.kd_loss),
        percent_or_dash(record.train_accuracy),
        percent_or_dash(validation.accuracy),
        percent(validation.teacher_agreement),
        number_or_dash(validation.negative_log_likelihood),
    ];
    line(columns, &format!("{:>3}/{epochs:<3}", record.epoch), cells.each_ref().map(String::as_str))
}

fn line(columns: Columns, epoch: &str, cells: [&str; 7]) -> String {
    let [loss, ce_loss, kd_loss, accuracy, validation, agreement, likelihood] = cells;
    let mut line = format!("{epoch} {loss:>8}");
    if columns == Columns::All {
        let _ = write!(line, " {ce_loss:>8} {kd_loss:>8}");
    }
    let _ = write!(line, " {accuracy:>8} | {validation:>10}");
    if matches!(columns, Columns::All | Columns::WithoutLosses) {
        let _ = write!(line, " {agreement:>9}");
    }
    if columns != Columns::Accuracy {
        let _ = write!(line, " {likelihood:>6}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::metrics::Metrics;

    fn record(epoch: usize) -> EpochRecord {
        let validation = Metrics {
            accuracy: Some(0.417),
            teacher_agreement: 0.333,
            negative_log_likelihood: Some(1.294),
            ..Metrics::default()
        };
        EpochRecord {
            epoch,
            step: 8 * epoch,
            lr: 4e-3,
            temperature: 2.0,
            lambda: 0.9,
            train_loss: 1.8629,
            ce_loss: 1.0988,
            kd_loss: 1.9478,
            train_accuracy: Some(0.375),
            validation,
            best: epoch == 1,
        }
    }

    #[test]
    fn a_narrow_terminal_has_fewer_columns_and_a_new_width_a_new_head() {
        let mut table = EpochTable::default();
        let widths = [None, Some(80), Some(60), Some(60), Some(48), Some(45), Some(10)];
        let rows: Vec<String> =
            (1..).zip(widths).map(|(epoch, width)| table.row(&record(epoch), 300, width)).collect();
        insta::assert_snapshot!(rows.join("\n"), @r"
        epoch     loss  ce_loss  kd_loss accuracy | validation agreement    NLL
        1/300   1.8629   1.0988   1.9478   37.5 % |     41.7 %    33.3 %  1.294 *
        2/300   1.8629   1.0988   1.9478   37.5 % |     41.7 %    33.3 %  1.294
        epoch     loss accuracy | validation agreement    NLL
        3/300   1.8629   37.5 % |     41.7 %    33.3 %  1.294
        4/300   1.8629   37.5 % |     41.7 %    33.3 %  1.294
        epoch     loss accuracy | validation    NLL
        5/300   1.8629   37.5 % |     41.7 %  1.294
        epoch     loss accuracy | validation
        6/300   1.8629   37.5 % |     41.7 %
        7/300   1.8629   37.5 % |     41.7 %
        ");
        for (row, width) in rows.iter().zip(widths).filter(|(_, width)| *width != Some(10)) {
            assert!(row.lines().all(|line| width.is_none_or(|width| line.chars().count() <= width)), "{row}");
        }
    }
}
