//! The documentation: its links lead somewhere, and its commands and options exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::Workshop;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "cache/README.md"].iter().map(|name| project().join(name)).collect();
    let mut folders = vec![project().join("docs")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The page's lines outside of blocks of code.
fn prose(text: &str) -> Vec<&str> {
    let mut is_code = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push(line);
        }
    }
    lines
}

/// The anchor that a heading has on GitHub.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

fn has_anchor(page: &Path, wanted: &str) -> bool {
    let text = fs::read_to_string(page).unwrap();
    prose(&text)
        .iter()
        .filter(|line| line.starts_with('#'))
        .any(|line| anchor(line.trim_start_matches('#')) == wanted)
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let text = prose(&text).join("\n");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, wanted) = target.split_once('#').unwrap_or((target, ""));
            let file = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            if !file.exists() || (!wanted.is_empty() && !has_anchor(&file, wanted)) {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_summary_and_the_index_list_every_page() {
    let docs = project().join("docs");
    let listed: Vec<String> =
        ["SUMMARY.md", "index.md"].iter().map(|name| fs::read_to_string(docs.join(name)).unwrap()).collect();
    let mut missing = Vec::new();
    for page in pages().iter().filter_map(|page| page.strip_prefix(&docs).ok()) {
        let link = format!("]({})", page.display());
        let is_list = page == Path::new("SUMMARY.md") || page == Path::new("index.md");
        if !is_list && listed.iter().any(|list| !list.contains(&link)) {
            missing.push(link);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn the_readme_is_short() {
    let text = fs::read_to_string(project().join("README.md")).unwrap();
    assert!(
        text.lines().count() <= 150 && text.len() <= 9000,
        "{} lines, {} bytes",
        text.lines().count(),
        text.len()
    );
}

/// The lines of blocks marked `console` that call decant, joined where they go on, without comments.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for block in text.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        for line in block.replace("\\\n", " ").lines() {
            let line = line.trim_start_matches("$ ").split(" #").next().unwrap_or_default().trim();
            if line.starts_with("decant ") {
                found.push(line.to_owned());
            }
        }
    }
    found
}

#[test]
fn every_command_and_option_of_the_documentation_exists() {
    let workshop = Workshop::new();
    let mut helps: BTreeMap<Vec<String>, String> = BTreeMap::new();
    let mut unknown = Vec::new();
    for page in pages() {
        for command in commands(&fs::read_to_string(&page).unwrap()) {
            let words: Vec<&str> = command
                .split_whitespace()
                .skip(1)
                .take_while(|word| !matches!(*word, "|" | "&&" | ">"))
                .collect();
            let depth = 1 + usize::from(["cache", "data", "runs"].contains(&words[0]));
            let name: Vec<String> = words.iter().take(depth).map(|&word| word.to_owned()).collect();
            if name[0].starts_with('-') {
                continue;
            }
            let help = helps.entry(name.clone()).or_insert_with(|| {
                let args: Vec<&str> = name.iter().map(String::as_str).chain(["--help"]).collect();
                let output = workshop.run(&args);
                String::from_utf8(output.stdout).unwrap()
            });
            if help.is_empty() {
                unknown.push(format!("{}: {command}", page.display()));
            }
            let options = words
                .iter()
                .filter(|word| word.starts_with("--"))
                .map(|word| word.split('=').next().unwrap());
            for option in options.filter(|option| !help.contains(*option)) {
                unknown.push(format!("{}: {option} of {command}", page.display()));
            }
        }
    }
    assert!(helps.len() > 10);
    assert!(unknown.is_empty(), "{unknown:#?}");
}
