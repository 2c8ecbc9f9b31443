//! Aligned plain-text tables for the terminal.

use std::fmt::{self, Write};

/// Rows of cells under a head: the first column is aligned left, the others right.
#[derive(Default)]
pub struct Table {
    rows: Vec<Vec<String>>,
    /// Whether names that have no place beside their numbers stand above them.
    has_whole_names: bool,
}

impl Table {
    /// A table with these column heads.
    pub fn new<S: Into<String>>(head: impl IntoIterator<Item = S>) -> Self {
        let mut table = Self::default();
        table.row(head);
        table
    }

    /// The same table, but names that have no place beside their numbers stand in a line above them, and are not cut.
    #[must_use]
    pub(crate) fn with_whole_names(mut self) -> Self {
        self.has_whole_names = true;
        self
    }

    /// Adds one row.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

/// A column of words that is cut keeps this many characters.
const LEAST: usize = 8;
/// A name that would be cut to fewer characters than this stands above its numbers.
const LEAST_NAME: usize = 12;

impl Table {
    /// The table no wider than `width`: heads of several words go on several lines, and then columns of words are cut, the widest first.
    /// Where that leaves too little of the names, they stand above their numbers. Numbers are never cut.
    pub(crate) fn fitted(&self, width: usize) -> String {
        let mut widths = self.widths();
        let total = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        for column in 1..widths.len() {
            if total(&widths) > width {
                let over = total(&widths) - width;
                widths[column] = widths[column].saturating_sub(over).max(self.least(column));
            }
        }
        while total(&widths) > width {
            let words = (0..widths.len()).filter(|&column| widths[column] > LEAST && self.has_words(column));
            let Some(widest) = words.max_by_key(|&column| widths[column]) else { break };
            let over = total(&widths) - width;
            widths[widest] = widths[widest].saturating_sub(over).max(LEAST).max(widths[widest] / 2);
        }
        let is_cut = widths[0] < self.widths()[0];
        if total(&widths) > width || (is_cut && (self.has_whole_names || widths[0] < LEAST_NAME)) {
            return self.with_names_above(width);
        }
        let rows = self.rows.iter().skip(1);
        // A name's end tells it from others as often as its beginning, as the key of a run does.
        let cell = |(column, (cell, &most)): (usize, (&String, &usize))| match column {
            0 => cut_inside(cell, most),
            _ => cut(cell, most),
        };
        let cells = rows.map(|row| row.iter().zip(&widths).enumerate().map(cell).collect());
        let columns: Vec<usize> = (0..widths.len()).collect();
        Self::of_rows(self.heads(&columns, &widths).into_iter().chain(cells)).to_string()
    }

    fn of_rows(rows: impl Iterator<Item = Vec<String>>) -> Self {
        Self { rows: rows.collect(), ..Self::default() }
    }

    /// The table with each name in a line of its own, and its numbers below it in as many lines as they need.
    fn with_names_above(&self, width: usize) -> String {
        let [head, rows @ ..] = self.rows.as_slice() else { return String::new() };
        let mut widths = self.widths();
        let total = |widths: &[usize]| widths.iter().skip(1).map(|width| 2 + width).sum::<usize>();
        for column in 1..widths.len() {
            let over = total(&widths).saturating_sub(width);
            widths[column] = widths[column].saturating_sub(over).max(self.least(column));
        }
        let mut lines: Vec<Vec<usize>> = vec![Vec::new()];
        let mut used = 0;
        for (column, needed) in widths.iter().map(|width| 2 + width).enumerate().skip(1) {
            if used > 0 && used + needed > width {
                lines.push(Vec::new());
                used = 0;
            }
            used += needed;
            lines.last_mut().expect("there is one").push(column);
        }
        let mut out = String::new();
        let mut put = |line: &str| out.extend([line.trim_end(), "\n"]);
        let numbers = |columns: &[usize], cells: &[String]| {
            columns.iter().fold(String::new(), |mut line, &column| {
                let cell = cells.get(column).map_or("", |cell| cell.as_str());
                let _ = write!(line, "  {cell:>0$}", widths[column]);
                line
            })
        };
        put(&cut_inside(&head[0], width));
        for columns in &lines {
            for heads in self.heads(columns, &widths) {
                let mut cells = vec![String::new(); widths.len()];
                for (&column, head) in columns.iter().zip(heads) {
                    cells[column] = head;
                }
                put(&numbers(columns, &cells));
            }
        }
        for row in rows {
            put(&cut_inside(&row[0], width));
            for columns in &lines {
                put(&numbers(columns, row));
            }
        }
        out
    }

    /// The heads of some columns in lines; the last line of each head stands above its numbers.
    fn heads(&self, columns: &[usize], widths: &[usize]) -> Vec<Vec<String>> {
        let Some(head) = self.rows.first() else { return Vec::new() };
        let heads: Vec<Vec<String>> = columns
            .iter()
            .map(|&column| wrapped(head.get(column).map_or("", |head| head.as_str()), widths[column]))
            .collect();
        let height = heads.iter().map(Vec::len).max().unwrap_or(0);
        let line = |line: usize| -> Vec<String> {
            let of = |cell: &Vec<String>| (line + cell.len()).checked_sub(height).map(|at| cell[at].clone());
            heads.iter().map(|cell| of(cell).unwrap_or_default()).collect()
        };
        (0..height).map(line).collect()
    }

    /// The narrowest that a column can be without cutting a cell or a word of its head.
    fn least(&self, column: usize) -> usize {
        let count = |text: &str| text.chars().count();
        let cells = self.rows.iter().skip(1).filter_map(|row| row.get(column)).map(|cell| count(cell));
        let head = self.rows.first().and_then(|row| row.get(column)).map_or("", |head| head.as_str());
        cells.chain(head.split(' ').map(count)).max().unwrap_or(0)
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

/// A head in lines of at most `most` characters, broken at spaces; a longer word is cut.
fn wrapped(head: &str, most: usize) -> Vec<String> {
    if head.chars().count() <= most {
        return vec![head.to_owned()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in head.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(cut(word, most)),
        }
    }
    lines
}

/// A cell of at most `most` characters.
fn cut(cell: &str, most: usize) -> String {
    if cell.chars().count() <= most {
        return cell.to_owned();
    }
    cell.chars().take(most - 1).chain(['…']).collect()
}

/// A cell of at most `most` characters, its beginning and its end.
fn cut_inside(cell: &str, most: usize) -> String {
    let letters: Vec<char> = cell.chars().collect();
    if letters.len() <= most {
        return cell.to_owned();
    }
    let end = most / 2;
    letters[..most - 1 - end].iter().chain(&['…']).chain(&letters[letters.len() - end..]).collect()
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
    fn a_name_that_is_cut_keeps_its_beginning_and_its_end() {
        let mut table = Table::new(["run", "accuracy"]);
        table.row(["photos-of-leaves-00ce9dc1fc36", "35.0 %"]);
        table.row(["photos-of-leaves-0119909fbaaf", "38.3 %"]);
        assert_eq!(
            table.fitted(26),
            "run               accuracy\nphotos-…9dc1fc36    35.0 %\nphotos-…909fbaaf    38.3 %\n"
        );
    }

    #[test]
    fn heads_of_several_words_go_on_several_lines_before_anything_is_cut() {
        let mut table = Table::new(["", "ONNX file", "ms/image, batch 1", "MACs"]);
        table.row(["teacher", "4.0 MB", "47.55", "235 M"]);
        table.row(["times less", "2.5x", "583x", "198x"]);
        let fitted = table.fitted(37);
        assert!(
            fitted.contains("times less") && fitted.lines().all(|line| line.chars().count() <= 37),
            "{fitted}"
        );
        let lines: Vec<Vec<&str>> = fitted.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["ONNX", "ms/image,"], "{fitted}");
        assert_eq!(lines[1], ["file", "batch", "1", "MACs"], "{fitted}");
        assert!(!fitted.contains('…'), "{fitted}");
        assert!(
            table.fitted(60).lines().next().unwrap().ends_with("ms/image, batch 1   MACs"),
            "{}",
            table.fitted(60)
        );
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
