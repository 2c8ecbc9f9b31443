//! Single images with the probabilities of teacher and student.

use maud::{Markup, html};

use super::{Section, breakable};
use crate::report::contents::Contents;
use crate::report::gallery::{Card, Class};
use crate::support::text::percent;

pub(crate) fn gallery(contents: &Contents) -> Option<Section> {
    let body = html! {
        p {
            "Of each class, the image with the least certain soft targets, and one of median certainty. "
            "Shares are in %; the label is in bold."
        }
        (cards(contents, &contents.gallery))
    };
    (!contents.gallery.is_empty()).then_some(Section {
        id: "gallery",
        title: "Images and soft targets",
        body,
    })
}

pub(crate) fn mistakes(contents: &Contents) -> Option<Section> {
    let student = contents.student.as_ref()?;
    let body = html! {
        @if contents.mistakes.is_empty() {
            p { "None: every labelled image of " (student.split) " is classified correctly." }
        } @else {
            p { "The images of " (student.split) " with the most confident wrong predictions of the student." }
            (cards(contents, &contents.mistakes))
        }
    };
    Some(Section { id: "mistakes", title: "Worst mistakes", body })
}

fn cards(contents: &Contents, cards: &[Card]) -> Markup {
    let temperatures = contents.teacher.as_ref().map(|teacher| &*teacher.manifest.temperatures);
    html! { div.cards { @for card in cards { (one(card, temperatures.unwrap_or_default())) } } }
}

fn one(card: &Card, temperatures: &[f32]) -> Markup {
    let label = card.label.as_deref().unwrap_or("no label");
    let says = |who: &str, what: &str| format!("{who}: {what}");
    let student = card.student_says.as_ref().map(|class| says("student", class));
    let teacher = says("teacher", &card.teacher_says);
    let said: Vec<&str> = student.as_deref().into_iter().chain([&*teacher]).collect();
    html! {
        article.card.bare[card.picture.is_none()] {
            @if let Some(picture) = &card.picture {
                img src=(picture.data) width=(picture.width) height=(picture.height)
                    alt={ "Image labelled " (label) "; " (said.join(", ")) };
            }
            h3 {
                (breakable(label))
                @for said in &said { span { (breakable(said)) } }
                span { (breakable(file_name(&card.image))) }
            }
            div.scroll role="region" tabindex="0" aria-label={ "Probabilities for " (card.image) } {
                    table {
                        thead { tr {
                            th scope="col" { "class" }
                            @for (index, temperature) in temperatures.iter().enumerate() {
                                th scope="col" { @if index == 0 { "T = " } (temperature) }
                            }
                            @if card.student_says.is_some() { th.student scope="col" { "student" } }
                        } }
                        tbody { @for class in &card.classes { (row(class)) } }
                    }
                }
        }
    }
}

fn row(class: &Class) -> Markup {
    let cell = |share: f32| html! { (format!("{:.1}", 100.0 * share)) };
    let depth = |share: f32| format!("--p:{share:.3}");
    html! {
        tr.label[class.is_label] {
            th scope="row" { (breakable(&class.name)) }
            @for &share in &class.soft_targets { td.p style=(depth(share)) { (cell(share)) } }
            @if let Some(share) = class.student {
                td.p.student style=(depth(share)) title=(percent(f64::from(share))) { (cell(share)) }
            }
        }
    }
}

/// The last part of a file's path.
fn file_name(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}
