//! A reliability diagram: how often answers of each confidence are right (arXiv 1706.04599).

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{self, Canvas, Drawn, FONT, Head, LINE, px, stroke, text};
use super::theme::{BLUE, GRID, MUTED, ORANGE};
use crate::report::reliability::Bin;

/// Height of the strip that counts each bin's answers, in pixels.
const STRIP: f64 = 62.0;

/// Bins of one model as bars, and of another as marks.
pub(crate) struct Calibration {
    /// The name of the bars.
    pub name: String,
    /// Bins of equal width from 0 to 1.
    pub bins: Vec<Bin>,
    /// Another model's.
    pub other: Option<(String, Vec<Bin>)>,
}

impl Calibration {
    #[expect(clippy::unused_self, reason = "every plot has a height")]
    pub(super) fn height(&self) -> f64 {
        2.0 * LINE + 216.0 + STRIP
    }

    pub(super) fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) -> Drawn<DB> {
        let mut legend = vec![(self.name.clone(), BLUE, false)];
        legend.extend(self.other.iter().map(|(name, _)| (name.clone(), ORANGE, false)));
        let top = Head { axis: "accuracy in the bin", legend }.draw(canvas)?;
        let (_, height) = canvas.dim_in_pixel();
        let (plot, strip) = canvas.split_vertically(height as i32 - px(STRIP));
        let labels = text(FONT, &MUTED, HPos::Center, VPos::Top);
        let format = |value: &f64| canvas::plain(*value);
        let mut chart = ChartBuilder::on(&plot)
            .margin_top(px(top))
            .margin_right(px(10.0))
            .margin_bottom(px(6.0))
            .y_label_area_size(px(44.0))
            .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .disable_x_axis()
            .bold_line_style(stroke(&GRID, 1.0))
            .light_line_style(TRANSPARENT)
            .axis_style(stroke(&GRID, 1.0))
            .set_all_tick_mark_size(px(4.0))
            .label_style(labels.clone())
            .y_labels(6)
            .y_label_formatter(&format)
            .draw()?;
        let wide = 1.0 / self.bins.len().max(1) as f64;
        let filled = || self.bins.iter().enumerate().filter(|(_, bin)| bin.count > 0);
        chart.draw_series(filled().map(|(index, bin)| {
            let left = wide * index as f64;
            let corners = [(left + 0.08 * wide, 0.0), (left + 0.92 * wide, bin.accuracy)];
            Rectangle::new(corners, BLUE.rgb().mix(0.75).filled())
        }))?;
        let diagonal = DashedLineSeries::new(
            [(0.0, 0.0), (1.0, 1.0)],
            px(5.0) as u32,
            px(4.0) as u32,
            stroke(&MUTED, 1.5),
        );
        chart.draw_series(diagonal)?;
        if let Some((_, bins)) = &self.other {
            let marks = bins.iter().filter(|bin| bin.count > 0);
            chart.draw_series(
                marks.map(|bin| Circle::new((bin.confidence, bin.accuracy), px(3.5), ORANGE.rgb().filled())),
            )?;
        }
        let most = self.bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1) as f64;
        let mut counts = ChartBuilder::on(&strip)
            .margin_right(px(10.0))
            .margin_bottom(px(2.0))
            .x_label_area_size(px(38.0))
            .y_label_area_size(px(44.0))
            .build_cartesian_2d(0.0..1.0, 0.0..most)?;
        counts
            .configure_mesh()
            .disable_mesh()
            .disable_y_axis()
            .axis_style(stroke(&GRID, 1.0))
            .set_all_tick_mark_size(px(4.0))
            .label_style(labels.clone())
            .axis_desc_style(labels)
            .x_labels(6)
            .x_label_formatter(&format)
            .x_desc("confidence, and how many answers have it")
            .draw()?;
        counts.draw_series(filled().map(|(index, bin)| {
            let left = wide * index as f64;
            let corners = [(left + 0.08 * wide, 0.0), (left + 0.92 * wide, bin.count as f64)];
            Rectangle::new(corners, MUTED.rgb().mix(0.6).filled())
        }))?;
        Ok(())
    }
}
