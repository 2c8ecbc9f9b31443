//! Everything needed to make the same again.

use std::path::Path;

use maud::{Markup, html};

use super::Section;
use crate::report::Teacher;
use crate::report::contents::Contents;
use crate::runs::Run;
use crate::support::text::without_absolute_paths;

pub(crate) fn rerun(contents: &Contents) -> Section {
    let run = contents.shown_run();
    let body = html! {
        (commands(contents, run))
        h3 { "Fingerprints" }
        dl.plain {
            dt { "report" } dd { "decant " (contents.decant) }
            @if let Some(run) = run { (of_run(run)) }
            @if let Some(teacher) = &contents.teacher { (of_teacher(teacher, run.is_some())) }
        }
        @if let Some(run) = run {
            details open {
                summary { "The resolved pipeline of " (folder_name(&run.folder)) ": save it as run.toml" }
                pre tabindex="0" { (without_absolute_paths(&pipeline(run))) }
            }
        }
        @if contents.runs.len() > 1 {
            details {
                summary { "The keys of all " (contents.runs.len()) " runs" }
                dl.plain {
                    @for run in contents.runs.iter().take(super::MOST_ROWS) { dt { (folder_name(&run.folder)) } dd { code { (run.description.key) } } }
                }
            }
        }
    };
    Section { id: "rerun", title: "Rerun it", body }
}

fn commands(contents: &Contents, run: Option<&Run>) -> Markup {
    let paths: Vec<String> = contents.paths.iter().map(|path| quoted(path)).collect();
    html! {
        @if run.is_some() {
            p { "With the pipeline below as " code { "run.toml" } ", in the folder that its paths are taken from; of absolute paths (…) only the end is shown:" }
        } @else {
            p { "With the pipeline file that the cache was made from:" }
        }
        pre tabindex="0" {
            @if let Some(run) = run {
                "decant teacher-cache -p run.toml\n"
                "decant train-student -p run.toml\n"
                "decant evaluate --run " (quoted(&run.folder)) "\n"
            } @else if let Some(teacher) = &contents.teacher {
                "decant teacher-cache -p FILE\n"
                "decant cache verify " (quoted(&teacher.folder)) "\n"
            }
            "decant report " (paths.join(" "))
        }
    }
}

fn of_run(run: &Run) -> Markup {
    let description = &run.description;
    html! {
        dt { "run" } dd { (without_absolute_paths(&run.folder.display().to_string())) }
        dt { "trained by" } dd { "decant " (description.decant) " on " (description.device) }
        dt { "run key" } dd { code { (description.key) } }
        @if let Some(result) = &run.result { dt { "weights" } dd { code { (result.weights) } } }
        dt { "cache" } dd { (without_absolute_paths(&description.cache.display().to_string())) }
        dt { "cache content" } dd { code { (description.cache_content) } }
    }
}

fn of_teacher(teacher: &Teacher, content_is_told: bool) -> Markup {
    let manifest = &teacher.manifest;
    html! {
        dt { "cache key" } dd { code { (manifest.key) } }
        @if !content_is_told { dt { "cache content" } dd { code { (teacher.content) } } }
        dt { "dataset" } dd { (without_absolute_paths(&manifest.dataset.name)) " " code { (manifest.dataset.fingerprint) } }
        dt { "teacher" } dd { (without_absolute_paths(&manifest.teacher.name)) " " code { (manifest.teacher.fingerprint) } }
        dt { "teacher ran on" } dd { (manifest.teacher.provider) ", " (manifest.teacher.precision) ", " (manifest.teacher.runtime) }
        dt { "views" } dd { (manifest.view) }
        dt { "written by" } dd { (manifest.writer) ", format " (manifest.format) }
    }
}

fn pipeline(run: &Run) -> String {
    toml::to_string(&run.description.pipeline).expect("a pipeline comes from TOML")
}

fn folder_name(folder: &Path) -> String {
    folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned()
}

/// As a shell takes it.
fn quoted(path: &Path) -> String {
    let path = without_absolute_paths(&path.display().to_string());
    let plain = |letter: char| letter.is_alphanumeric() || "/._-…".contains(letter);
    if !path.is_empty() && path.chars().all(plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_what_a_shell_takes_for_one_word() {
        assert_eq!(quoted(Path::new("runs/leaves-1a2b")), "runs/leaves-1a2b");
        assert_eq!(quoted(Path::new("a b's")), r"'a b'\''s'");
    }
}
