//! Aligned plain-text tables for the terminal.

use std::fmt::{self, Write};

/// Rows of cells under a head: the first column is aligned left, the others right.
#[derive(Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        let mut table = Self::default();
        table.row(head);
        table
    }

    /// Adds one row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

/// A column of words that is cut keeps this many characters.
const LEAST: usize = 8;

impl Table {
    /// The table with its columns of words cut, the widest first, until it is no wider than `width`. Numbers are never cut.
    pub fn fitted(&self, width: usize) -> String {
        let mut widths = self.widths();
        let total = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        while total(&widths) > width {
            let words = (0..widths.len()).filter(|&column| widths[column] > LEAST && self.has_words(column));
            let Some(widest) = words.max_by_key(|&column| widths[column]) else { break };
            let over = total(&widths) - width;
            widths[widest] = widths[widest].saturating_sub(over).max(LEAST).max(widths[widest] / 2);
        }
        let rows = self
            .rows
            .iter()
            .map(|row| row.iter().zip(&widths).map(|(cell, &most)| cut(cell, most)).collect());
        Self { rows: rows.collect() }.to_string()
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }

    /// Whether a column holds something else than numbers under its head.
    fn has_words(&self, column: usize) -> bool {
        let cells = self.rows.iter().skip(1).filter_map(|row| row.get(column));
        column == 0
            || cells.into_iter().any(|cell| cell.chars().filter(|letter| letter.is_alphabetic()).count() > 3)
    }
}

/// A cell of at most `most` characters.
fn cut(cell: &str, most: usize) -> String {
    if cell.chars().count() <= most {
        return cell.to_owned();
    }
    cell.chars().take(most - 1).chain(['…']).collect()
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                match column {
                    0 => write!(line, "{cell:<width$}")?,
                    _ => write!(line, "  {cell:>width$}")?,
                }
            }
            writeln!(formatter, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_to_the_width_and_numbers_are_not() {
        let mut table = Table::new(["  class", "images", "recall", "most often taken for"]);
        table.row([
            "  a class whose name has forty-two letters",
            "1000000",
            "98.5 %",
            "another class of many words (12)",
        ]);
        let fitted = table.fitted(60);
        assert!(fitted.lines().all(|line| line.chars().count() <= 60), "{fitted}");
        assert!(fitted.contains("1000000") && fitted.contains("98.5 %") && fitted.contains('…'), "{fitted}");
        assert_eq!(table.fitted(200), table.to_string());
        // What can't be cut is left as wide as it is.
        assert!(table.fitted(10).contains("1000000"));
    }

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["model", "accuracy"]);
        table.row(["teacher", "97.0 %"]);
        table.row(["student, distilled", "9.0 %"]);
        assert_eq!(
            table.to_string(),
            "model               accuracy\nteacher               97.0 %\nstudent, distilled     9.0 %\n"
        );
    }
}
