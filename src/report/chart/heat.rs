//! A matrix of numbers, each cell as deep in colour as its number is large.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Canvas, Drawn, FONT, LINE, WIDTH, px, text};
use super::theme::{BLUE, GRID, INK, MUTED};

/// How deep the deepest cell is, so that text stays legible on it in either scheme.
const DEEPEST: f64 = 0.55;
/// The widest that the rows' names may be, in pixels.
const NAMES: f64 = 158.0;
/// The size of names of many rows, in pixels.
const SMALL: f64 = 10.5;

/// One cell.
pub(crate) struct Cell {
    /// How deep in colour, 0 to 1.
    pub depth: f64,
    /// The text in it, line by line.
    pub lines: Vec<String>,
}

/// A matrix with named rows and columns.
pub(crate) struct Heat {
    /// The name of the rows.
    pub rows_title: String,
    /// The name of the columns.
    pub columns_title: String,
    /// Names of the rows, from above.
    pub rows: Vec<String>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// `[row][column]`; none where there is nothing to show.
    pub cells: Vec<Vec<Option<Cell>>>,
    /// The cell that is framed.
    pub framed: Option<(usize, usize)>,
}

impl Heat {
    fn names_size(&self) -> f64 {
        if self.rows.len() > 12 { SMALL } else { FONT }
    }

    /// Whether the columns' names have no place below them: then both sides are numbered, and the rows' names tell which is which.
    fn is_numbered(&self) -> bool {
        let most = (WIDTH - NAMES) / self.columns.len().max(1) as f64 - 4.0;
        let is_cut = |name: &String| canvas::broken(name, FONT, most).concat() != *name;
        self.columns.iter().any(is_cut) && self.columns == self.rows
    }

    fn row_name(&self, index: usize) -> String {
        if self.is_numbered() {
            format!("{} · {}", self.rows[index], index + 1)
        } else {
            self.rows[index].clone()
        }
    }

    fn column_names(&self) -> Vec<String> {
        if self.is_numbered() {
            return (1..=self.columns.len()).map(|number| number.to_string()).collect();
        }
        self.columns.clone()
    }

    fn cell_height(&self) -> f64 {
        let lines = self.cells.iter().flatten().flatten().map(|cell| cell.lines.len()).max().unwrap_or(1);
        if self.rows.len() > 12 { 2.0 * (SMALL + 1.0) + 1.0 } else { 16.0 + LINE * lines as f64 }
    }

    pub(super) fn height(&self) -> f64 {
        let (_, width) = self.columns_place();
        let columns = self.column_names();
        let lines = columns.iter().map(|name| canvas::broken(name, FONT, width - 4.0).len()).max();
        LINE + 14.0 + self.cell_height() * self.rows.len() as f64 + LINE * lines.unwrap_or(1) as f64 + 6.0
    }

    /// Where the first column begins, and how wide each is.
    fn columns_place(&self) -> (f64, f64) {
        let size = self.names_size();
        let parts = (0..self.rows.len()).flat_map(|index| canvas::broken(&self.row_name(index), size, NAMES));
        let widest = parts.map(|part| canvas::width(&part, size)).fold(0.0, f64::max);
        let left = widest.min(NAMES) + 10.0;
        (left, (WIDTH - left - 4.0) / self.columns.len().max(1) as f64)
    }

    pub(super) fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) -> Drawn<DB> {
        let (left, wide) = self.columns_place();
        let size = self.names_size();
        let top = LINE + 6.0;
        let cell = (wide, self.cell_height());
        let muted = |across, down| text(FONT, &MUTED, across, down);
        let title = format!("rows: {} · columns: {}", self.rows_title, self.columns_title);
        canvas.draw(&Text::new(title, (px(4.0), px(LINE / 2.0)), muted(HPos::Left, VPos::Center)))?;
        for (index, row) in self.cells.iter().enumerate() {
            let middle = top + cell.1 * (index as f64 + 0.5);
            let lines = canvas::broken(&self.row_name(index), size, NAMES);
            let up = 0.5 * (lines.len() - 1) as f64 * (size + 1.0);
            for (line, part) in lines.into_iter().enumerate() {
                let style = text(size, &INK, HPos::Right, VPos::Center);
                let at = middle - up + (size + 1.0) * line as f64;
                canvas.draw(&Text::new(part, (px(left - 8.0), px(at)), style))?;
            }
            for (column, content) in row.iter().enumerate() {
                let corner = (left + cell.0 * column as f64, top + cell.1 * index as f64);
                draw_cell(canvas, content.as_ref(), corner, cell)?;
            }
        }
        let bottom = top + cell.1 * self.rows.len() as f64 + 6.0;
        for (index, name) in self.column_names().iter().enumerate() {
            for (line, part) in canvas::broken(name, FONT, cell.0 - 4.0).into_iter().enumerate() {
                let at = (px(left + cell.0 * (index as f64 + 0.5)), px(bottom + LINE * line as f64));
                canvas.draw(&Text::new(part, at, text(FONT, &INK, HPos::Center, VPos::Top)))?;
            }
        }
        if let Some((row, column)) = self.framed {
            let corner = (left + cell.0 * column as f64, top + cell.1 * row as f64);
            for inset in [1.0, 1.5, 2.0, 2.5] {
                let frame = [
                    (px(corner.0 + inset), px(corner.1 + inset)),
                    (px(corner.0 + cell.0 - inset), px(corner.1 + cell.1 - inset)),
                ];
                canvas.draw(&Rectangle::new(frame, BLUE.rgb().stroke_width(2)))?;
            }
        }
        Ok(())
    }
}

fn draw_cell<DB: DrawingBackend>(
    canvas: &Canvas<DB>,
    content: Option<&Cell>,
    (left, top): (f64, f64),
    (width, height): (f64, f64),
) -> Drawn<DB> {
    let inside = [(px(left + 1.0), px(top + 1.0)), (px(left + width - 1.0), px(top + height - 1.0))];
    let Some(cell) = content else {
        canvas.draw(&Rectangle::new(inside, GRID.rgb().mix(0.4).filled()))?;
        let word = ["untried", "–"].into_iter().find(|word| canvas::width(word, FONT) <= width - 4.0);
        let at = (px(left + width / 2.0), px(top + height / 2.0));
        let style = text(FONT, &MUTED, HPos::Center, VPos::Center);
        return canvas.draw(&Text::new(word.unwrap_or_default(), at, style));
    };
    canvas.draw(&Rectangle::new(inside, GRID.rgb().mix(0.3).filled()))?;
    let depth = DEEPEST * cell.depth.clamp(0.0, 1.0);
    if depth > 0.0 {
        canvas.draw(&Rectangle::new(inside, BLUE.rgb().mix(depth).filled()))?;
    }
    let fits = cell.lines.iter().all(|line| canvas::width(line, FONT) <= width - 2.0);
    if !fits {
        return Ok(());
    }
    let middle = top + height / 2.0 - LINE * (cell.lines.len() as f64 - 1.0) / 2.0;
    for (index, line) in cell.lines.iter().enumerate() {
        let at = (px(left + width / 2.0), px(middle + LINE * index as f64));
        canvas.draw(&Text::new(line.clone(), at, text(FONT, &INK, HPos::Center, VPos::Center)))?;
    }
    Ok(())
}
