//! The canvas of every chart, four times as fine as its pixels, with text and a place for the legend.

use std::sync::Once;

use plotters::coord::Shift;
use plotters::drawing::DrawingAreaErrorKind;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::theme::{Colour, FONT_FILE};

/// Plotters counts in whole units; at four to the pixel, curves are smooth.
pub(crate) const SCALE: u32 = 4;
/// Width of a chart, in pixels: what a phone shows at nearly its own size.
pub(crate) const WIDTH: f64 = 420.0;
/// The font's size, in pixels.
pub(crate) const FONT: f64 = 13.0;
/// Height of a line of text, in pixels.
pub(crate) const LINE: f64 = 18.0;

const FAMILY: &str = "sans-serif";
/// Plotters' SVG divides a font's size by this, and calls the rest one em.
const PLOTTERS_EM: f64 = 1.24;

/// Where a chart is drawn.
pub(crate) type Canvas<DB> = DrawingArea<DB, Shift>;
/// How drawing ends.
pub(crate) type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// Gives plotters the font, before anything is measured or drawn.
pub(crate) fn prepare() {
    static FONT_IS_THERE: Once = Once::new();
    FONT_IS_THERE.call_once(|| {
        let registered = plotters::style::register_font(FAMILY, FontStyle::Normal, FONT_FILE);
        assert!(registered.is_ok(), "the font is in the program");
    });
}

/// Pixels in the canvas's units.
pub(crate) fn px(pixels: f64) -> i32 {
    (pixels * f64::from(SCALE)).round() as i32
}

/// Text of `size` pixels, which its place is the `across` and `down` of.
pub(crate) fn text(size: f64, colour: &Colour, across: HPos, down: VPos) -> TextStyle<'static> {
    let font: FontDesc<'static> = (FAMILY, size * PLOTTERS_EM * f64::from(SCALE)).into_font();
    font.color(&colour.rgb()).pos(Pos::new(across, down))
}

/// The width of a text, in pixels.
pub(crate) fn width(content: &str, size: f64) -> f64 {
    let font: FontDesc<'static> = (FAMILY, size * PLOTTERS_EM * f64::from(SCALE)).into_font();
    font.box_size(content).map_or(0.0, |(width, _)| f64::from(width) / f64::from(SCALE))
}

/// The text, cut off so that it is at most `most` pixels wide.
pub(crate) fn shorten(content: &str, size: f64, most: f64) -> String {
    if width(content, size) <= most {
        return content.to_owned();
    }
    let mut kept: Vec<char> = content.chars().collect();
    while kept.pop().is_some() {
        let shorter: String = kept.iter().collect::<String>().trim_end().to_owned() + "…";
        if width(&shorter, size) <= most {
            return shorter;
        }
    }
    String::new()
}

/// The text in one line, or in two where a word ends, each at most `most` pixels wide.
pub(crate) fn broken(content: &str, size: f64, most: f64) -> Vec<String> {
    let ends = content.char_indices().filter(|(_, letter)| "_- /".contains(*letter));
    let halves = ends.map(|(at, letter)| content.split_at(at + letter.len_utf8()));
    let widest = |(a, b): &(&str, &str)| width(a, size).max(width(b, size));
    let best = halves.filter(|(_, rest)| !rest.is_empty()).min_by(|a, b| widest(a).total_cmp(&widest(b)));
    match best {
        Some((first, rest)) if width(content, size) > most => {
            vec![shorten(first, size, most), shorten(rest, size, most)]
        }
        _ => vec![shorten(content, size, most)],
    }
}

/// A line of `width` pixels.
pub(crate) fn stroke(colour: &Colour, width: f64) -> ShapeStyle {
    ShapeStyle::from(colour.rgb()).stroke_width(px(width) as u32)
}

/// A number without the zeros that binary fractions leave: `0.3`, `12`.
pub(crate) fn plain(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Axes end here: beyond it, differences of values overflow.
const FAR: f64 = 1e300;

/// The nearest value that an axis can show.
pub(crate) fn clamped(value: f64) -> f64 {
    value.clamp(-FAR, FAR)
}

/// A range that holds every finite value as [`clamped`], with some air, and is never empty.
pub(crate) fn range(values: impl IntoIterator<Item = f64>, from: Option<f64>, to: Option<f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.into_iter().filter(|value| value.is_finite()) {
        (low, high) = (low.min(clamped(value)), high.max(clamped(value)));
    }
    if low > high {
        (low, high) = (0.0, 1.0);
    }
    let air = 0.06 * (high - low);
    let (low, high) = (from.unwrap_or(low - air), to.unwrap_or(high + air));
    let least = 1e-6 * low.abs().max(high.abs()).max(1e-3);
    if high - low > least { (low, high) } else { (low - 1e3 * least, high + 1e3 * least) }
}

/// The head of a plot: what its vertical axis shows, then a legend in as many lines as it needs.
pub(crate) struct Head<'a> {
    /// The axis.
    pub axis: &'a str,
    /// Name, colour and whether the line is dashed, of each series.
    pub legend: Vec<(String, Colour, bool)>,
}

impl Head<'_> {
    /// Draws it and gives its height, in pixels.
    pub(crate) fn draw<DB: DrawingBackend>(
        self,
        canvas: &Canvas<DB>,
    ) -> Result<f64, DrawingAreaErrorKind<DB::ErrorType>> {
        let muted = text(FONT, &super::theme::MUTED, HPos::Left, VPos::Center);
        canvas.draw(&Text::new(self.axis.to_owned(), (px(4.0), px(LINE / 2.0)), muted))?;
        let mut at = (4.0, LINE);
        for (name, colour, dashed) in self.legend {
            let name = shorten(&name, FONT, WIDTH - 40.0);
            let wide = 24.0 + width(&name, FONT) + 14.0;
            if at.0 > 4.0 && at.0 + wide > WIDTH {
                at = (4.0, at.1 + LINE);
            }
            let middle = at.1 + LINE / 2.0;
            let ends = if dashed { vec![(0.0, 6.0), (10.0, 16.0)] } else { vec![(0.0, 16.0)] };
            for (from, to) in ends {
                let path = [(px(at.0 + from), px(middle)), (px(at.0 + to), px(middle))];
                canvas.draw(&PathElement::new(path, stroke(&colour, 3.0)))?;
            }
            let style = text(FONT, &super::theme::INK, HPos::Left, VPos::Center);
            canvas.draw(&Text::new(name, (px(at.0 + 22.0), px(middle)), style))?;
            at.0 += wide;
        }
        Ok(if at.0 > 4.0 { at.1 + LINE + 4.0 } else { LINE + 4.0 })
    }

    /// The height that [`Head::draw`] will give.
    pub(crate) fn lines(legend: &[String]) -> usize {
        let mut at = 4.0;
        let mut lines = usize::from(!legend.is_empty());
        for name in legend {
            let wide = 24.0 + width(&shorten(name, FONT, WIDTH - 40.0), FONT) + 14.0;
            if at > 4.0 && at + wide > WIDTH {
                (at, lines) = (4.0, lines + 1);
            }
            at += wide;
        }
        1 + lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_never_empty_and_passes_over_what_is_no_number() {
        for values in
            [vec![], vec![f64::NAN], vec![2.0], vec![0.0, 0.0], vec![1e300, 1e300], vec![1e308, -1e308]]
        {
            let (low, high) = range(values, None, None);
            assert!(low < high && (high - low).is_finite());
        }
        assert_eq!(range([5.0, 50.0], Some(0.0), Some(100.0)), (0.0, 100.0));
    }

    #[test]
    fn a_long_text_is_cut_to_its_place() {
        prepare();
        assert_eq!(shorten("rust", FONT, 100.0), "rust");
        let short = shorten("a very long class name of a leaf disease", FONT, 80.0);
        assert!(short.ends_with('…') && width(&short, FONT) <= 80.0, "{short}");
        assert_eq!(broken("angular_leaf_spot", FONT, 80.0), ["angular_", "leaf_spot"]);
        assert_eq!(broken("angular_leaf_spot", FONT, 200.0), ["angular_leaf_spot"]);
    }

    #[test]
    fn numbers_lose_the_zeros_of_binary_fractions() {
        assert_eq!([0.1 + 0.2, 12.0, -0.0, 100.0].map(plain), ["0.3", "12", "0", "100"]);
    }
}
