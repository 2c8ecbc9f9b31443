//! `decant cache ls`: one line for each cache. Those that can't be used are listed too, with the reason.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::Failure;
use crate::cli::output::{age, bytes, fitted, numbers, out, outln, print_json};
use crate::objects::Url;
use crate::store::{self, Listed, MANIFEST_FILE, Summary};
use crate::support::context::Context;
use crate::support::table::Table;

/// One cache, for programs.
#[derive(Serialize)]
struct Entry {
    /// Seconds since it was begun, where it is a folder.
    age_seconds: Option<u64>,
    #[serde(flatten)]
    found: Found,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    Usable(Box<Summary>),
    Damaged { dir: PathBuf, damage: String },
    Unreadable { dir: PathBuf, error: String },
}

impl Entry {
    /// A cache in an object store; its age is not known.
    fn remote((dir, summary): Listed) -> Self {
        Self { age_seconds: None, found: Found::new(&dir, summary) }
    }
}

impl Found {
    fn new(dir: &Path, summary: Result<Summary, store::Error>) -> Self {
        let dir = dir.to_path_buf();
        match summary {
            Ok(summary) if summary.complete && summary.shards_done < summary.shards => {
                let (done, shards) = (summary.shards_done, summary.shards);
                let damage = format!(
                    "{} has a complete.json, but only {done} of its {shards} shards are there; run `decant teacher-cache` again",
                    dir.display()
                );
                Self::Damaged { dir, damage }
            }
            Ok(summary) => Self::Usable(Box::new(summary)),
            Err(error) if error.is_damage() || error.is_mismatch() => {
                Self::Damaged { dir, damage: error.to_string() }
            }
            Err(error) => Self::Unreadable { dir, error: error.to_string() },
        }
    }

    /// Why the cache can't be used.
    fn reason(&self) -> Option<&str> {
        match self {
            Self::Usable(_) => None,
            Self::Damaged { damage: reason, .. } | Self::Unreadable { error: reason, .. } => Some(reason),
        }
    }
}

pub(crate) fn run(root: Option<&Path>, json: bool, context: &Context) -> Result<(), Failure> {
    // The folder that caches are made in by default need not be there yet; one that was named must be.
    let named = root.is_some();
    let root = root.unwrap_or(Path::new(super::DEFAULT_ROOT));
    let entries: Vec<Entry> = if let Some(url) = Url::of(root) {
        store::summaries(&url, context)?.into_iter().map(Entry::remote).collect()
    } else {
        if named && !root.try_exists().unwrap_or(true) {
            return Err(Failure::usage(format!("there is no folder {}; check --cache-dir", root.display())));
        }
        let entry = |dir: &PathBuf| Entry {
            age_seconds: age_seconds(dir),
            found: Found::new(dir, Summary::read(dir)),
        };
        store::find(root, None)?.iter().map(entry).collect()
    };
    if json {
        print_json(&entries);
    } else if entries.is_empty() {
        outln!("no cache in {}", root.display());
        outln!("next     decant teacher-cache -p leaves.toml");
    } else {
        out!("{}", fitted(&table(&entries)));
        for reason in entries.iter().filter_map(|entry| entry.found.reason()) {
            outln!("{reason}");
        }
    }
    match entries.iter().filter(|entry| matches!(entry.found, Found::Unreadable { .. })).count() {
        0 => Ok(()),
        count => Err(Failure::run(format!("{count} of {} caches could not be read", entries.len()))),
    }
}

/// A table that fits 80 columns: `inspect` and `--json` say the rest.
fn table(entries: &[Entry]) -> Table {
    let head = ["cache", "rows", "views", "temperatures", "size", "age", "state"];
    let mut table = Table::new(head);
    let unusable = |dir: &Path, age: String, state: &str| {
        let unknown = std::iter::repeat_n("-".to_owned(), head.len() - 3);
        [name(dir)].into_iter().chain(unknown).chain([age, state.to_owned()]).collect::<Vec<_>>()
    };
    for Entry { age_seconds, found } in entries {
        let age = age_seconds.map_or("-".to_owned(), age);
        match found {
            Found::Usable(summary) => table.row([
                name(&summary.dir),
                summary.splits.iter().map(|split| split.rows).sum::<u64>().to_string(),
                summary.views.to_string(),
                numbers(&summary.temperatures),
                bytes(summary.bytes),
                age,
                state(summary),
            ]),
            Found::Damaged { dir, .. } => table.row(unusable(dir, age, "damaged")),
            Found::Unreadable { dir, .. } => table.row(unusable(dir, age, "unreadable")),
        }
    }
    table
}

fn name(dir: &Path) -> String {
    dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn state(summary: &Summary) -> String {
    if summary.complete {
        return "complete".to_owned();
    }
    format!("{}/{} shards", summary.shards_done, summary.shards)
}

/// Seconds since the manifest was written, which is written once.
fn age_seconds(dir: &Path) -> Option<u64> {
    let written = std::fs::metadata(dir.join(MANIFEST_FILE)).and_then(|metadata| metadata.modified()).ok()?;
    Some(written.elapsed().unwrap_or_default().as_secs())
}
