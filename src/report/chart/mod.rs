//! Charts as data, drawn by plotters to SVG and PNG. One drawing serves a light and a dark page; see [`theme::css`].

mod calibration;
mod canvas;
mod heat;
mod lines;
mod spread;
pub(crate) mod theme;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage, imageops};
use plotters::prelude::*;

pub(crate) use calibration::Calibration;
pub(crate) use heat::{Cell, Heat};
pub(crate) use lines::{Line, Lines, Series};
pub(crate) use spread::{Row, Spread};

use plotters::style::text_anchor::{HPos, VPos};

use canvas::{Canvas, Drawn, SCALE, WIDTH, px, text};

/// The mark of an SVG file that decant wrote.
const MARK: &str = "<!-- decant report -->";

/// Whether a file that begins with these bytes is an SVG file that [`Chart::svg`] made.
pub(crate) fn is_chart(head: &[u8]) -> bool {
    head.windows(MARK.len()).any(|window| window == MARK.as_bytes())
}

/// Pixels of a PNG for one of the chart.
const PNG_SCALE: u32 = 3;
/// Air around a chart in a file of its own, and the size and the height of a line of its title, in pixels.
const MARGIN: f64 = 12.0;
const TITLE: f64 = 15.0;
const TITLE_LINE: f64 = 20.0;

/// One chart of a report.
pub(crate) struct Chart {
    /// Its name in files and in the page: lower case, words joined by hyphens.
    pub name: &'static str,
    /// The title.
    pub title: String,
    /// The text for readers who do not see it: its finding, not its looks.
    pub alt: String,
    /// The drawing.
    pub plot: Plot,
}

/// A drawing.
pub(crate) enum Plot {
    /// Curves.
    Lines(Lines),
    /// A matrix.
    Heat(Heat),
    /// Repeated measurements.
    Spread(Spread),
    /// A reliability diagram.
    Calibration(Calibration),
}

impl Chart {
    /// Width and height, in pixels.
    pub(crate) fn size(&self) -> (f64, f64) {
        canvas::prepare();
        let height = match &self.plot {
            Plot::Lines(plot) => plot.height(),
            Plot::Heat(plot) => plot.height(),
            Plot::Spread(plot) => plot.height(),
            Plot::Calibration(plot) => plot.height(),
        };
        (WIDTH, height.ceil())
    }

    /// The title in the lines that it needs, and the place above the chart that they take, in pixels.
    fn title_lines(&self) -> (Vec<String>, f64) {
        let lines = canvas::broken(&self.title, TITLE, WIDTH - 8.0);
        let height = MARGIN + TITLE_LINE * lines.len() as f64 + 4.0;
        (lines, height)
    }

    /// Width and height of a file of the chart, in pixels: with its title, and air around it.
    fn file_size(&self) -> (f64, f64) {
        let (width, height) = self.size();
        (width + 2.0 * MARGIN, height + self.title_lines().1 + MARGIN)
    }

    /// An SVG file, on white, its text as text.
    pub(crate) fn svg(&self) -> String {
        let (width, height) = self.file_size();
        let head = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\">\n{MARK}\n<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>\n",
            px(width),
            px(height)
        );
        head + &self.elements(true)
    }

    /// An SVG element for a page, without background.
    pub(crate) fn inline_svg(&self) -> String {
        let (width, height) = self.size();
        // Its figure says what it shows.
        let head = format!("<svg aria-hidden=\"true\" viewBox=\"0 0 {} {}\">\n", px(width), px(height));
        head + &self.elements(false)
    }

    /// The content of an SVG, of a file of the chart or of an element of the page, and its end.
    fn elements(&self, is_file: bool) -> String {
        let (width, height) = if is_file { self.file_size() } else { self.size() };
        let mut svg = String::new();
        {
            let backend = SVGBackend::with_string(&mut svg, (px(width) as u32, px(height) as u32));
            let canvas = backend.into_drawing_area();
            let drawn = if is_file { self.draw_file(&canvas) } else { self.draw(&canvas) };
            drawn.expect("drawing into memory does not fail");
            canvas.present().expect("drawing into memory does not fail");
        }
        let inside = svg.split_once('\n').map_or("", |(_, inside)| inside);
        // Plotters closes what it opened on a line of its own, and leaves a space behind a path's last point.
        inside.replace(" \"/>", "\"/>")
    }

    /// A PNG file, three pixels for one of the chart's.
    pub(crate) fn png(&self) -> Vec<u8> {
        let (width, height) = self.file_size();
        let (width, height) = (px(width) as u32, px(height) as u32);
        let mut pixels = vec![255; 3 * width as usize * height as usize];
        {
            let canvas = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
            self.draw_file(&canvas).expect("drawing into memory does not fail");
            canvas.present().expect("drawing into memory does not fail");
        }
        let fine = RgbImage::from_raw(width, height, pixels).expect("three bytes a pixel");
        let (width, height) = (width * PNG_SCALE / SCALE, height * PNG_SCALE / SCALE);
        let image = imageops::resize(&fine, width, height, imageops::FilterType::Triangle);
        let mut png = Vec::new();
        PngEncoder::new(&mut png)
            .write_image(&image, width, height, ExtendedColorType::Rgb8)
            .expect("encoding into memory does not fail");
        png
    }

    /// Draws the chart under its title.
    fn draw_file<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) -> Drawn<DB> {
        let (lines, top) = self.title_lines();
        for (index, line) in lines.into_iter().enumerate() {
            let at = (px(MARGIN + 4.0), px(MARGIN + TITLE_LINE * (index as f64 + 0.5)));
            canvas.draw(&Text::new(line, at, text(TITLE, &theme::INK, HPos::Left, VPos::Center)))?;
        }
        self.draw(&canvas.margin(px(top), px(MARGIN), px(MARGIN), px(MARGIN)))
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<DB>) -> Drawn<DB> {
        match &self.plot {
            Plot::Lines(plot) => plot.draw(canvas),
            Plot::Heat(plot) => plot.draw(canvas),
            Plot::Spread(plot) => plot.draw(canvas),
            Plot::Calibration(plot) => plot.draw(canvas),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(series: Vec<Series>) -> Chart {
        let plot = Lines { x: "epoch".to_owned(), y: "loss".to_owned(), series, bounds: (None, None) };
        Chart { name: "test", title: String::new(), alt: String::new(), plot: Plot::Lines(plot) }
    }

    fn series(points: Vec<(f64, f64)>, line: Line) -> Series {
        Series { name: Some("a <b>&\"".to_owned()), points, colour: 0, line }
    }

    #[test]
    fn every_kind_of_series_is_drawn_whatever_its_values() {
        for line in [Line::Solid, Line::Thin, Line::Dashed, Line::Marked, Line::Across] {
            for points in [
                vec![],
                vec![(1.0, 2.0)],
                vec![(1.0, f64::NAN), (2.0, 1e300)],
                vec![(1.0, 0.0), (2.0, 0.0)],
                vec![(1.0, 1e308), (2.0, -1e308)],
                vec![(1.0, f64::MAX), (2.0, f64::MIN), (3.0, 5e-324)],
            ] {
                let chart = lines(vec![series(points, line)]);
                assert!(chart.svg().ends_with("</svg>\n") && is_chart(chart.svg().as_bytes()));
                assert!(chart.png().starts_with(b"\x89PNG"));
                assert!(chart.inline_svg().contains("a &lt;b&gt;&amp;&quot;"));
            }
        }
    }

    #[test]
    fn a_value_to_compare_with_is_a_line_where_there_is_one_epoch() {
        let chart =
            lines(vec![series(vec![(1.0, 95.0)], Line::Across), series(vec![(1.0, 60.0)], Line::Solid)]);
        let svg = chart.svg();
        assert_eq!(svg.matches("<circle").count(), 1, "{svg}");
        assert!(svg.matches("<polyline").count() > 20, "{svg}");
    }

    #[test]
    fn empty_matrices_rows_and_bins_are_drawn() {
        let heat = Heat {
            rows_title: String::new(),
            columns_title: String::new(),
            rows: vec![String::new()],
            columns: vec![],
            cells: vec![vec![]],
            framed: None,
        };
        let spread = Spread {
            x: String::new(),
            rows: vec![Row { name: "none".to_owned(), values: vec![], reference: true }],
            line: Some(f64::NAN),
        };
        let calibration = Calibration { name: String::new(), bins: vec![], other: None };
        for plot in [Plot::Heat(heat), Plot::Spread(spread), Plot::Calibration(calibration)] {
            let chart = Chart { name: "test", title: String::new(), alt: String::new(), plot };
            assert!(chart.svg().ends_with("</svg>\n") && chart.png().starts_with(b"\x89PNG"));
        }
    }
}
