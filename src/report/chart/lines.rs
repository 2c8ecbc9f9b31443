//! Curves over epochs or temperatures.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::canvas::{self, Canvas, Drawn, FONT, Head, LINE, px, stroke, text};
use super::theme::{self, GRID, MUTED};
use plotters::style::text_anchor::{HPos, VPos};

/// One curve.
pub(crate) struct Series {
    /// The name in the legend; none leaves it out of the legend.
    pub name: Option<String>,
    /// `(x, y)`, from left to right.
    pub points: Vec<(f64, f64)>,
    /// Which of the series' colours.
    pub colour: usize,
    /// How it is drawn.
    pub line: Line,
}

/// How a curve is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// The line that the chart is about.
    Solid,
    /// One of several behind a mean.
    Thin,
    /// Beside the point.
    Dashed,
    /// With a mark at each point.
    Marked,
    /// A value to compare with: dashed, over the whole axis at the height of the first point.
    Across,
}

impl Line {
    fn is_dashed(self) -> bool {
        matches!(self, Self::Dashed | Self::Across)
    }
}

/// Curves over one axis.
pub(crate) struct Lines {
    /// The name of the horizontal axis.
    pub x: String,
    /// The name of the vertical axis, with its unit.
    pub y: String,
    /// The curves; later ones lie above.
    pub series: Vec<Series>,
    /// Where the vertical axis begins and ends, if not at the values.
    pub bounds: (Option<f64>, Option<f64>),
}

/// An axis with a tick at whole numbers only.
struct Whole {
    ticks: Vec<f64>,
    axis: RangedCoordf64,
}

impl Ranged for Whole {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.axis.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if self.ticks.is_empty() { self.axis.key_points(hint) } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.axis.range()
    }
}

/// Ticks on an axis at most.
const TICKS: f64 = 7.0;

/// Whole numbers from `left` to `right`, as many as have a place.
fn whole_ticks(left: f64, right: f64) -> Vec<f64> {
    let (first, last) = (left.ceil(), right.floor());
    let steps = [1.0, 2.0, 5.0].into_iter().cycle().zip([0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    let step =
        steps.map(|(step, power)| step * 10f64.powi(power)).find(|step| (last - first) / step <= TICKS);
    let step = step.unwrap_or((last - first).max(1.0));
    let mut at = (first / step).ceil() * step;
    let mut ticks = Vec::new();
    while at <= last && ticks.len() < 100 {
        ticks.push(at);
        at += step;
    }
    ticks
}

impl Lines {
    pub(super) fn height(&self) -> f64 {
        let names: Vec<String> = self.series.iter().filter_map(|series| series.name.clone()).collect();
        232.0 + Head::lines(&names) as f64 * LINE
    }

    pub(super) fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) -> Drawn<DB> {
        let named = self.series.iter().filter_map(|series| {
            let name = series.name.clone()?;
            Some((name, theme::series(series.colour), series.line.is_dashed()))
        });
        let top = Head { axis: &self.y, legend: named.collect() }.draw(canvas)?;
        let points = || self.series.iter().flat_map(|series| &series.points);
        let (left, right) = canvas::range(points().map(|point| point.0), None, None);
        let (low, high) = canvas::range(points().map(|point| point.1), self.bounds.0, self.bounds.1);
        // Epochs and temperatures are whole numbers, or few enough to stand between some.
        let ticks = whole_ticks(left, right);
        let labels = text(FONT, &MUTED, HPos::Center, VPos::Top);
        let format = |value: &f64| canvas::plain(*value);
        let mut chart = ChartBuilder::on(canvas)
            .margin_top(px(top))
            .margin_right(px(10.0))
            .margin_bottom(px(2.0))
            .x_label_area_size(px(42.0))
            .y_label_area_size(px(44.0))
            .build_cartesian_2d(Whole { ticks, axis: (left..right).into() }, low..high)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .bold_line_style(stroke(&GRID, 1.0))
            .light_line_style(TRANSPARENT)
            .axis_style(stroke(&GRID, 1.0))
            .set_all_tick_mark_size(px(4.0))
            .label_style(labels.clone())
            .axis_desc_style(labels)
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&format)
            .y_label_formatter(&format)
            .x_desc(&*self.x)
            .draw()?;
        for series in &self.series {
            let colour = theme::series(series.colour);
            let across = match (series.line, series.points.first()) {
                (Line::Across, Some(&(_, y))) => Some([(left, y), (right, y)]),
                _ => None,
            };
            let points = across.as_ref().map_or(series.points.as_slice(), |ends| ends.as_slice());
            let points = points.iter().filter(|(_, y)| y.is_finite()).map(|&(x, y)| (x, canvas::clamped(y)));
            match series.line {
                Line::Solid | Line::Marked => {
                    chart.draw_series(LineSeries::new(points.clone(), stroke(&colour, 2.0)))?;
                }
                Line::Thin => {
                    let style = ShapeStyle::from(colour.rgb().mix(0.35)).stroke_width(px(1.0) as u32);
                    chart.draw_series(LineSeries::new(points.clone(), style))?;
                }
                Line::Dashed | Line::Across => {
                    let style = stroke(&colour, 2.0);
                    chart.draw_series(DashedLineSeries::new(
                        points.clone(),
                        px(5.0) as u32,
                        px(4.0) as u32,
                        style,
                    ))?;
                }
            }
            // A single point has no line.
            if series.line == Line::Marked || (across.is_none() && series.points.len() == 1) {
                let dot = |point| Circle::new(point, px(3.0), colour.rgb().filled());
                chart.draw_series(points.map(dot))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::whole_ticks;

    #[test]
    fn epochs_have_whole_ticks_and_no_more_than_have_a_place() {
        assert_eq!(whole_ticks(0.94, 3.06), [1.0, 2.0, 3.0]);
        assert_eq!(whole_ticks(0.4, 30.6), [5.0, 10.0, 15.0, 20.0, 25.0, 30.0]);
        assert_eq!(whole_ticks(-3.0, 304.0).len(), 7);
        assert!(whole_ticks(1.2, 1.3).is_empty());
    }
}
