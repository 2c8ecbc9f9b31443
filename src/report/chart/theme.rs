//! The colours of charts and page, each for a light and a dark background.

use std::fmt::Write;

use base64::Engine;
use plotters::style::RGBColor;

/// The font that texts are measured and drawn in.
pub(crate) const FONT_FILE: &[u8] = include_bytes!("../font/Roboto-subset.ttf");

/// One colour: its CSS variable, what charts are drawn with (on light), and what takes its place on dark.
pub(crate) struct Colour {
    name: &'static str,
    light: (u8, u8, u8),
    dark: (u8, u8, u8),
}

/// Behind everything.
pub(crate) const PAPER: Colour = Colour::new("paper", (255, 255, 255), (13, 17, 23));
/// Text.
pub(crate) const INK: Colour = Colour::new("ink", (31, 35, 40), (230, 237, 243));
/// Text beside the point: axes, captions.
pub(crate) const MUTED: Colour = Colour::new("muted", (89, 99, 110), (157, 167, 179));
/// Lines of a grid, borders.
pub(crate) const GRID: Colour = Colour::new("grid", (217, 222, 228), (52, 59, 68));
/// The first series, and what is highlighted.
pub(crate) const BLUE: Colour = Colour::new("blue", (31, 95, 191), (121, 174, 255));
/// The second series.
pub(crate) const ORANGE: Colour = Colour::new("orange", (191, 87, 0), (255, 166, 87));
/// The third series.
pub(crate) const GREEN: Colour = Colour::new("green", (17, 122, 87), (74, 208, 160));
/// The fourth series.
pub(crate) const PURPLE: Colour = Colour::new("purple", (130, 60, 160), (210, 160, 245));

const ALL: [Colour; 8] = [PAPER, INK, MUTED, GRID, BLUE, ORANGE, GREEN, PURPLE];
/// Distinct for readers with red-green colour blindness, and in print by their lightness.
const SERIES: [Colour; 4] = [BLUE, ORANGE, GREEN, PURPLE];

impl Colour {
    const fn new(name: &'static str, light: (u8, u8, u8), dark: (u8, u8, u8)) -> Self {
        Self { name, light, dark }
    }

    /// The colour as charts are drawn with it.
    pub(crate) const fn rgb(&self) -> RGBColor {
        RGBColor(self.light.0, self.light.1, self.light.2)
    }
}

/// The colour of a series, by its place.
pub(crate) fn series(index: usize) -> Colour {
    let [blue, orange, green, purple] = SERIES;
    [blue, orange, green, purple].into_iter().nth(index % 4).unwrap_or(INK)
}

/// The colours as CSS: variables for both schemes, and rules that put them in the place of a chart's light colours. CSS
/// comes before an SVG attribute, so that one drawing serves both.
pub(crate) fn css() -> String {
    let mut css = String::from(":root{color-scheme:light dark;");
    variables(&mut css, |colour| colour.light);
    css.push_str("}\n@media screen and (prefers-color-scheme:dark){:root{");
    variables(&mut css, |colour| colour.dark);
    css.push_str("}}\n");
    for colour in ALL {
        let (name, drawn) = (colour.name, hex(colour.light));
        let _ = write!(
            css,
            "svg [fill=\"{drawn}\"]{{fill:var(--{name})}}svg [stroke=\"{drawn}\"]{{stroke:var(--{name})}}"
        );
    }
    css.push('\n');
    css.push_str(&font());
    css
}

/// The font that texts were measured in, as a web font: what fits when it is drawn fits when it is read.
fn font() -> String {
    let font = base64::engine::general_purpose::STANDARD.encode(FONT_FILE);
    format!(
        "@font-face{{font-family:\"decant\";src:url(data:font/ttf;base64,{font})}}\nfigure svg text{{font-family:\"decant\",sans-serif}}\n"
    )
}

fn variables(css: &mut String, of: impl Fn(&Colour) -> (u8, u8, u8)) {
    for colour in &ALL {
        let _ = write!(css, "--{}:{};", colour.name, hex(of(colour)));
    }
}

/// As plotters writes it.
fn hex((red, green, blue): (u8, u8, u8)) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ratio of WCAG 2.2: relative luminances, 5 % added to each for stray light.
    fn contrast(a: (u8, u8, u8), b: (u8, u8, u8)) -> f64 {
        let channel = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let luminance =
            |(r, g, b): (u8, u8, u8)| 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
        let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
        a.max(b) / a.min(b)
    }

    #[test]
    fn text_and_series_stand_out_from_the_paper_in_both_schemes() {
        for colour in [INK, MUTED, BLUE, ORANGE, GREEN, PURPLE] {
            let light = contrast(colour.light, PAPER.light);
            let dark = contrast(colour.dark, PAPER.dark);
            assert!(light >= 4.5 && dark >= 4.5, "{}: {light:.2} on light, {dark:.2} on dark", colour.name);
        }
    }
}
