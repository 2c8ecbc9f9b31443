//! The page: its frame here, its sections beside it. maud escapes every text that goes in.

mod cards;
mod rerun;
mod results;
mod summary;
mod sweep;
mod teacher;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::chart::{Chart, Plot, theme};
use super::contents::{Contents, Kind};
use crate::support::text::without_absolute_paths;

const STYLE: &str = include_str!("style.css");

/// One section of the page.
struct Section {
    id: &'static str,
    title: &'static str,
    body: Markup,
}

/// The page as one HTML file that needs nothing else.
pub(crate) fn render(contents: &Contents, charts: &[Chart]) -> String {
    let charts = Charts(charts);
    let kind = match contents.kind {
        Kind::Cache => "Teacher cache",
        Kind::Run => "Student run",
        Kind::Sweep => "Comparison",
    };
    let sections: Vec<Section> = [
        sweep::compared(contents, &charts),
        results::learning(contents, &charts),
        results::student(contents, &charts),
        teacher::teacher(contents, &charts),
        cards::gallery(contents),
        cards::mistakes(contents),
        results::costs(contents),
        Some(rerun::rerun(contents)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="generator" content={ "decant " (contents.decant) };
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (contents.title) " · " (kind) " · decant" }
                style { (PreEscaped(theme::css())) (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    h1 { (contents.title) }
                    p.lead { (kind) (summary::lead(contents)) }
                }
                nav aria-label="Sections" {
                    ul { @for section in &sections { li { a href={ "#" (section.id) } { (section.title) } } } }
                }
                main id="content" {
                    @for note in &contents.notes { p.note { (sentence(&without_absolute_paths(note))) } }
                    @for leak in contents.teacher.iter().flat_map(|teacher| &teacher.leaks) { p.note { (sentence(leak)) "." } }
                    (summary::facts(contents))
                    @for section in &sections {
                        section id=(section.id) aria-labelledby={ (section.id) "-title" } {
                            h2 id={ (section.id) "-title" } { (section.title) }
                            (section.body)
                        }
                    }
                }
                footer { p { "Made by decant " (contents.decant) ". Every number comes from the folders named above." } }
            }
        }
    };
    page.into_string()
}

/// Whether a file that begins with these bytes is a page that [`render`] made.
pub(crate) fn is_page(head: &[u8]) -> bool {
    let marks = ["<meta name=\"generator\" content=\"decant ", " · decant</title>"];
    marks.iter().any(|mark| head.windows(mark.len()).any(|window| window == mark.as_bytes()))
}

/// The report's charts by name.
struct Charts<'a>(&'a [Chart]);

impl Charts<'_> {
    /// The figures of those that there are, side by side.
    fn figures(&self, names: &[&str]) -> Markup {
        let shown: Vec<&Chart> =
            names.iter().filter_map(|name| self.0.iter().find(|chart| chart.name == *name)).collect();
        html! {
            @if !shown.is_empty() {
                div.charts { @for chart in shown { (figure(chart)) } }
            }
        }
    }
}

fn figure(chart: &Chart) -> Markup {
    html! {
        figure {
            figcaption { (chart.title) }
            div.spread[matches!(chart.plot, Plot::Spread(_))] role="img" aria-label=(chart.alt) { (PreEscaped(chart.inline_svg())) }
        }
    }
}

/// A name that may break after an underscore, a hyphen or a slash.
fn breakable(name: &str) -> Markup {
    breaking_after(name, &['_', '-', '/'])
}

/// A sentence whose paths may break after an underscore or a slash; options such as `--pipeline` stay whole.
fn sentence(text: &str) -> Markup {
    breaking_after(text, &['_', '/'])
}

fn breaking_after(text: &str, characters: &[char]) -> Markup {
    html! { @for part in text.split_inclusive(characters) { (part) wbr; } }
}

/// A table of more rows than this is shown when it is asked for.
const LONG: usize = 30;

/// Rows of a table at most: with all of a hundred thousand a page would be too large to send.
const MOST_ROWS: usize = 400;

/// The note below a table that was cut short.
fn more(all: usize) -> Markup {
    html! {
        @if all > MOST_ROWS {
            p.muted { (MOST_ROWS) " of " (all) " are shown; " code { "decant report --json" } " prints all." }
        }
    }
}

/// A long table behind its name, a short one as it is.
fn folded(rows: usize, name: &str, table: Markup) -> Markup {
    html! {
        @if rows > LONG {
            details { summary { (name) " (" (rows) ")" } (table) (more(rows)) }
        } @else {
            (table)
        }
    }
}

/// A table of more columns than this is wider than a phone.
const WIDE: usize = 6;

/// Heads of columns of names, which are aligned left, as those are.
const NAMES: [&str; 1] = ["taken for"];

/// A table that scrolls sideways by itself where it does not fit, with the keyboard as well.
fn table(name: &str, head: &[&str], body: Markup) -> Markup {
    html! {
        p.caption { (name) }
        @if head.len() > WIDE { p.hint { "Scroll the table sideways to see all of its " (head.len()) " columns." } }
        div.scroll.wide[head.len() > WIDE] role="region" aria-label=(name) tabindex="0" {
            table aria-label=(name) {
                thead { tr { @for cell in head { th.name[NAMES.contains(cell)] scope="col" { (cell) } } } }
                tbody { (body) }
            }
        }
    }
}
