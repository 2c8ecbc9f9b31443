//! The walls of the house: modules import from their left only, and no files import each other in a circle.
//!
//! The sources are read as text: `use` declarations and paths that begin with `crate::`, `super::` or `self::`. Unit tests
//! are left out, and so is the way from a `mod.rs` to the files that it is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules from left to right. Those of one floor know nothing of each other; `support` is below all of them.
const FLOORS: [&[&str]; 13] = [
    &["loss", "encoding"],
    &["config", "objects"],
    &["view"],
    &["dataset"],
    &["teacher", "store"],
    &["stage_one"],
    &["student"],
    &["train"],
    &["runs"],
    &["sweep"],
    &["report", "planning", "bench"],
    &["cli"],
    &["main"],
];
/// Stage two runs without the teacher, so these know nothing of [`TEACHERS`].
const STAGE_TWO: [&str; 5] = ["student", "train", "runs", "sweep", "report"];
const TEACHERS: [&str; 2] = ["teacher", "stage_one"];
/// Arrows within one floor.
const WITHIN_A_FLOOR: [(&str, &str); 1] = [("objects", "config")];

/// One source file: its module's path, and the paths that it names.
struct Source {
    /// Without comments and unit tests.
    code: String,
    module: Vec<String>,
    is_mod: bool,
    names: Vec<Vec<String>>,
    /// What a `mod.rs` passes on: the name that others see, and where it is.
    exports: BTreeMap<String, Vec<String>>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn sources() -> BTreeMap<PathBuf, Source> {
    let (root, mut found, mut folders) = (root(), BTreeMap::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let relative = path.strip_prefix(&root).unwrap().to_path_buf();
                if !is_test(&relative) {
                    let text = fs::read_to_string(&path).unwrap();
                    found.insert(relative.clone(), Source::read(&relative, &text));
                }
            }
        }
    }
    found
}

fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs")
}

impl Source {
    fn read(path: &Path, text: &str) -> Self {
        let mut module: Vec<String> =
            path.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let is_mod = module.last().is_some_and(|name| name == "mod");
        if is_mod || module == ["lib"] {
            module.pop();
        }
        let code = without_comments_and_tests(text);
        let (mut names, mut exports) = (Vec::new(), BTreeMap::new());
        for used in uses(&code) {
            if let Some(path) = resolve(&module, &used, true) {
                if let Some(last) = path.last() {
                    exports.insert(last.clone(), path.clone());
                }
                names.push(path);
            }
        }
        names.extend(inline(&code).iter().filter_map(|path| resolve(&module, path, false)));
        Self { code, module, is_mod, names, exports }
    }
}

fn without_comments_and_tests(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..end]
        .lines()
        .map(|line| line.find("//").map_or(line, |at| &line[..at]))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every path that a `use` declaration names, its braces multiplied out.
fn uses(code: &str) -> Vec<Vec<String>> {
    let (mut found, mut at) = (Vec::new(), 0);
    for line in code.split_inclusive('\n') {
        let declaration = line.trim_start();
        let visible = declaration
            .split_once("use ")
            .filter(|(before, _)| before.is_empty() || before.starts_with("pub"));
        if visible.is_some_and(|(before, _)| !before.trim_end().contains(' ')) {
            let start = at + line.find("use ").unwrap_or(0) + 4;
            let end = code[start..].find(';').map_or(code.len(), |end| start + end);
            expand(&code[start..end], &[], &mut found);
        }
        at += line.len();
    }
    found
}

fn expand(text: &str, before: &[String], found: &mut Vec<Vec<String>>) {
    let text = text.trim();
    let Some(open) = text.find('{') else {
        let text = text.split(" as ").next().unwrap_or_default();
        let parts = text
            .split("::")
            .map(|part| part.trim().to_owned())
            .filter(|part| part != "self" || before.is_empty());
        let path = before.iter().cloned().chain(parts).filter(|part| !part.is_empty()).collect();
        return found.push(path);
    };
    let prefix = text[..open].trim_end_matches("::").split("::").map(|part| part.trim().to_owned());
    let before: Vec<String> = before.iter().cloned().chain(prefix.filter(|part| !part.is_empty())).collect();
    let inner = &text[open + 1..text.rfind('}').unwrap_or(text.len())];
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in inner.char_indices().chain([(inner.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[start..at].trim().is_empty() {
                    expand(&inner[start..at], &before, found);
                }
                start = at + 1;
            }
            _ => {}
        }
    }
}

/// Paths in the code itself that begin at a known place.
fn inline(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == '_' || before == ':' || before == '$' {
                continue;
            }
            let path: String =
                code[at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_' || *c == ':').collect();
            found.push(path.split("::").map(str::to_owned).filter(|part| !part.is_empty()).collect());
        }
    }
    found
}

/// A path from the crate's root; none for what is another crate's.
fn resolve(module: &[String], path: &[String], is_use: bool) -> Option<Vec<String>> {
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "self" => Some(module.iter().cloned().chain(path[1..].iter().cloned()).collect()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            let base = module.len().checked_sub(ups)?;
            Some(module[..base].iter().cloned().chain(path[ups..].iter().cloned()).collect())
        }
        // A child module, as `pub use child::Name` in a mod.rs.
        _ if is_use => Some(module.iter().cloned().chain(path.iter().cloned()).collect()),
        _ => None,
    }
}

/// The file that a path leads to, through what each `mod.rs` passes on.
fn target(
    path: &[String],
    files: &BTreeMap<Vec<String>, PathBuf>,
    sources: &BTreeMap<PathBuf, Source>,
) -> Option<PathBuf> {
    let length = (1..=path.len()).rev().find(|&length| files.contains_key(&path[..length]))?;
    let file = &files[&path[..length]];
    let source = &sources[file];
    let passed_on = path.get(length).and_then(|name| source.exports.get(name)).filter(|_| source.is_mod);
    match passed_on {
        Some(next) if next != path && next.len() > length => target(next, files, sources),
        _ => Some(file.clone()),
    }
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

#[test]
fn modules_import_from_their_left_only() {
    let mut wrong = BTreeSet::new();
    for (path, source) in sources() {
        let Some(own) = source.module.first().filter(|module| *module != "lib") else { continue };
        for name in source.names.iter().filter_map(|name| name.first()) {
            let is_module = floor(name).is_some() || name == "support";
            if !is_module || name == own || name == "support" {
                continue;
            }
            let is_left = match (floor(own), floor(name)) {
                (Some(here), Some(there)) => {
                    there < here || WITHIN_A_FLOOR.contains(&(own.as_str(), name.as_str()))
                }
                // `support` imports nothing of ours.
                _ => false,
            };
            let is_apart = STAGE_TWO.contains(&own.as_str()) && TEACHERS.contains(&name.as_str());
            if !is_left || is_apart {
                wrong.insert(format!("{} imports {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = sources();
    let files: BTreeMap<Vec<String>, PathBuf> =
        sources.iter().map(|(path, source)| (source.module.clone(), path.clone())).collect();
    let mut arrows: BTreeMap<&Path, BTreeSet<PathBuf>> = BTreeMap::new();
    for (path, source) in &sources {
        let out = arrows.entry(path).or_default();
        for target in source.names.iter().filter_map(|name| target(name, &files, &sources)) {
            let is_own_part = source.is_mod && sources[&target].module.starts_with(&source.module);
            if target != *path && !is_own_part {
                out.insert(target);
            }
        }
    }
    let reaches: BTreeMap<&Path, BTreeSet<&Path>> =
        arrows.keys().map(|from| (*from, reachable(from, &arrows))).collect();
    let mut circles: BTreeSet<Vec<String>> = BTreeSet::new();
    for (file, beyond) in &reaches {
        let circle = beyond.iter().filter(|other| reaches[*other].contains(file));
        let circle: Vec<String> = circle.map(|other| other.display().to_string()).collect();
        if !circle.is_empty() {
            circles.insert(circle);
        }
    }
    assert!(circles.is_empty(), "{circles:#?}");
}

/// Every file that `from` leads to, itself too where a way leads back.
fn reachable<'a>(from: &Path, arrows: &'a BTreeMap<&Path, BTreeSet<PathBuf>>) -> BTreeSet<&'a Path> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(file) = open.pop() {
        for next in &arrows[file] {
            if seen.insert(next.as_path()) {
                open.push(next);
            }
        }
    }
    seen
}

/// What only a checkout has: texts of an installed program must not send people there.
const OF_A_CHECKOUT: [&str; 9] =
    ["make ", "pipelines/", "docs/", "benches/", "examples/", "tests/", "PIPELINE=", "SETS=", ".py"];

#[test]
fn no_pipeline_file_points_to_a_file_of_the_checkout_or_to_make() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    for file in files.filter(|file| file.extension().is_some_and(|ending| ending == "toml")) {
        let (name, text) = (file.file_name().unwrap().to_str().unwrap(), fs::read_to_string(&file).unwrap());
        let points = OF_A_CHECKOUT.iter().find(|part| text.contains(**part));
        assert!(points.is_none(), "{name} says {points:?}");
        // The commands at its head take it by its name.
        assert!(text.contains(&format!("#   decant teacher-cache -p {name}")), "{name} has no command");
    }
}

#[test]
fn no_message_points_to_a_file_of_the_checkout_or_to_make() {
    for (path, source) in sources() {
        let lines = source.code.lines().filter(|line| !line.contains("include_"));
        for line in lines {
            let points = ["`make ", "docs/", "pipelines/", "benches/", "examples/", "Makefile"]
                .iter()
                .find(|part| line.contains(**part));
            assert!(points.is_none(), "{} says {points:?} in: {}", path.display(), line.trim());
        }
    }
}

/// A message that prints its cause must not give it as a source too: who prints the chain would read it twice.
#[test]
fn no_error_prints_its_cause_and_gives_it_as_a_source() {
    for (path, source) in sources() {
        for variant in source.code.split("#[error(").skip(1) {
            let (message, rest) = variant.split_once(")]").unwrap_or((variant, ""));
            let fields = rest.split("},").next().unwrap_or("");
            let prints = message.contains("{source}") || message.contains("{0}");
            let gives = ["    source:", "#[source]", "#[from]"].iter().any(|mark| fields.contains(mark));
            assert!(!(prints && gives), "{}: {}", path.display(), message.trim());
        }
    }
}

/// A pipe in place of a file would be waited for, and `/dev/zero` read until memory ends: what others placed is read by `support::files`.
#[test]
fn whole_files_are_read_through_support_only() {
    // Files of the system, a list that is named on the command line and may be a pipe, and a file that decant has just written.
    const OTHERS: [&str; 4] =
        ["cli/compression.rs", "cli/predict.rs", "config/shipped.rs", "planning/probe.rs"];
    for (path, source) in sources() {
        let name = path.to_string_lossy();
        if name.starts_with("support") || OTHERS.contains(&&*name) {
            continue;
        }
        for call in ["fs::read(", "fs::read_to_string("] {
            assert!(!source.code.contains(call), "{name} has {call}");
        }
    }
}
