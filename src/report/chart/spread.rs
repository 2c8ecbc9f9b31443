//! Repeated measurements side by side: every point, their mean and their sample standard deviation.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Canvas, Drawn, FONT, LINE, px, stroke, text};
use super::theme::{BLUE, GRID, INK, MUTED, ORANGE};
use crate::support::statistics::mean_and_deviation;

const ROW: f64 = 40.0;
/// Air beside the plot, in pixels.
const MARGIN: f64 = 12.0;

/// One row of measurements.
pub(crate) struct Row {
    /// Its name.
    pub name: String,
    /// The measurements.
    pub values: Vec<f64>,
    /// Whether the others are compared with it.
    pub reference: bool,
}

impl Row {
    /// The name as it is drawn.
    fn shown(&self) -> String {
        canvas::shorten(&self.name, FONT, canvas::WIDTH - 30.0)
    }
}

/// Rows of measurements over one horizontal axis.
pub(crate) struct Spread {
    /// The measure, with its unit.
    pub x: String,
    /// From above.
    pub rows: Vec<Row>,
    /// A value to compare with, drawn through all rows.
    pub line: Option<f64>,
}

impl Spread {
    pub(super) fn height(&self) -> f64 {
        ROW * self.rows.len() as f64 + 48.0
    }

    /// The parts of a line from above to below, `x` pixels from the left, that no name stands in the way of; in pixels from the top.
    fn beside_names(&self, x: f64) -> Vec<(f64, f64)> {
        let mut parts: Vec<(f64, f64)> = Vec::new();
        for (index, row) in self.rows.iter().enumerate() {
            let top = ROW * index as f64;
            let is_in_the_way = x < MARGIN + canvas::width(&row.shown(), FONT) + 4.0;
            let begin = if is_in_the_way { top + LINE + 2.0 } else { top };
            match parts.last_mut() {
                Some((_, end)) if !is_in_the_way => *end = top + ROW,
                _ => parts.push((begin, top + ROW)),
            }
        }
        parts
    }

    /// Each row has its name above its points, so that long names have the whole width.
    pub(super) fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) -> Drawn<DB> {
        let values = self.rows.iter().flat_map(|row| {
            let (mean, deviation) = mean_and_deviation(&row.values);
            row.values.iter().copied().chain([mean - deviation, mean + deviation])
        });
        let (left, right) = canvas::range(values.chain(self.line), None, None);
        let rows = self.rows.len() as f64;
        let labels = text(FONT, &MUTED, HPos::Center, VPos::Top);
        let format = |value: &f64| canvas::plain(*value);
        let mut chart = ChartBuilder::on(canvas)
            .margin_top(px(2.0))
            .margin_left(px(MARGIN))
            .margin_right(px(MARGIN))
            .margin_bottom(px(2.0))
            .x_label_area_size(px(42.0))
            .build_cartesian_2d(left..right, 0.0..rows * ROW)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .bold_line_style(stroke(&GRID, 1.0))
            .light_line_style(TRANSPARENT)
            .axis_style(stroke(&GRID, 1.0))
            .set_all_tick_mark_size(px(4.0))
            .label_style(labels.clone())
            .axis_desc_style(labels)
            .x_labels(6)
            .x_label_formatter(&format)
            .x_desc(&*self.x)
            .draw()?;
        let bottom = rows * ROW;
        if let Some(value) = self.line {
            let share = (value - left) / (right - left);
            for (top, end) in self.beside_names(MARGIN + share * (canvas::WIDTH - 2.0 * MARGIN)) {
                let line = [(value, bottom - end), (value, bottom - top)];
                chart.draw_series(DashedLineSeries::new(
                    line,
                    px(5.0) as u32,
                    px(4.0) as u32,
                    stroke(&MUTED, 1.5),
                ))?;
            }
        }
        for (index, row) in self.rows.iter().enumerate() {
            let colour = if row.reference { ORANGE } else { BLUE };
            let top = bottom - ROW * index as f64;
            let middle = top - LINE - 10.0;
            let (mean, deviation) = mean_and_deviation(&row.values);
            let name = row.shown();
            let corner = chart.as_coord_spec().get_x_range().start;
            let style = text(FONT, &INK, HPos::Left, VPos::Center);
            chart.draw_series([Text::new(name, (corner, top - LINE / 2.0 - 2.0), style)])?;
            if !mean.is_finite() {
                continue;
            }
            let whisker = [(mean - deviation, middle), (mean + deviation, middle)];
            chart.draw_series([PathElement::new(whisker, stroke(&colour, 2.0))])?;
            let dots = row
                .values
                .iter()
                .map(|&value| Circle::new((value, middle), px(3.5), colour.rgb().mix(0.7).filled()));
            chart.draw_series(dots)?;
            let bar = [(mean, middle - 7.0), (mean, middle + 7.0)];
            chart.draw_series([PathElement::new(bar, stroke(&colour, 3.0))])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_compare_with_runs_through_no_name() {
        canvas::prepare();
        let row = |name: &str| Row { name: name.to_owned(), values: vec![1.0], reference: false };
        let rows = vec![row("T = 5"), row("a configuration whose name is long"), row("teacher")];
        let spread = Spread { x: String::new(), rows, line: Some(1.0) };
        assert_eq!(spread.beside_names(150.0), [(0.0, 40.0), (60.0, 120.0)]);
        assert_eq!(spread.beside_names(400.0), [(0.0, 120.0)]);
        assert_eq!(spread.beside_names(20.0), [(20.0, 40.0), (60.0, 80.0), (100.0, 120.0)]);
    }
}
