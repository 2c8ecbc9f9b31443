//! `decant cache ls`: one line for each cache, and those that can't be used named beside the others.

use crate::cli::output::{out, outln};
use crate::support::context::Context;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::Failure;
use crate::cli::output::{age, bytes, numbers, print_json};
use crate::objects::Url;
use crate::store::{self, Listed, MANIFEST_FILE, Summary};
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
}

impl Entry {
    /// A cache in an object store, whose age nobody asks for.
    fn remote((dir, summary): Listed) -> Self {
        let found = match summary {
            Ok(summary) => Found::Usable(Box::new(summary)),
            Err(error) => Found::Damaged { dir, damage: error.to_string() },
        };
        Self { age_seconds: None, found }
    }
}

impl Found {
    fn read(dir: &Path) -> Self {
        let damaged = |damage: String| Self::Damaged { dir: dir.to_path_buf(), damage };
        match Summary::read(dir) {
            Ok(summary) if summary.complete && summary.shards_done < summary.shards => damaged(format!(
                "{} says that it is complete, {} of its {} shards are there; make the others with decant teacher-cache",
                dir.display(),
                summary.shards_done,
                summary.shards
            )),
            Ok(summary) => Self::Usable(Box::new(summary)),
            Err(error) => damaged(error.to_string()),
        }
    }
}

pub fn run(root: &Path, json: bool, context: &Context) -> Result<(), Failure> {
    let entries: Vec<Entry> = if let Some(url) = Url::of(root) {
        store::summaries(&url, context)?.into_iter().map(Entry::remote).collect()
    } else {
        let entry = |dir: &PathBuf| Entry { age_seconds: age_seconds(dir), found: Found::read(dir) };
        store::find(root, None)?.iter().map(entry).collect()
    };
    if json {
        print_json(&entries);
        return Ok(());
    }
    if entries.is_empty() {
        outln!("no cache in {}; make one with decant teacher-cache -p pipelines/leaves.toml", root.display());
        return Ok(());
    }
    out!("{}", table(&entries));
    for entry in &entries {
        if let Found::Damaged { damage, .. } = &entry.found {
            outln!("{damage}");
        }
    }
    Ok(())
}

fn table(entries: &[Entry]) -> Table {
    let head = ["cache", "dataset", "teacher", "rows", "views", "temperatures", "size", "age", "state"];
    let mut table = Table::new(head);
    for Entry { age_seconds, found } in entries {
        let name = |dir: &Path| dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let age = age_seconds.map_or("-".to_owned(), age);
        match found {
            Found::Usable(summary) => table.row([
                name(&summary.dir),
                summary.dataset.clone(),
                summary.teacher.clone(),
                summary.splits.iter().map(|split| split.rows).sum::<u64>().to_string(),
                summary.views.to_string(),
                numbers(&summary.temperatures),
                bytes(summary.bytes),
                age,
                state(summary),
            ]),
            Found::Damaged { dir, .. } => {
                let unknown = std::iter::repeat_n("-".to_owned(), head.len() - 3);
                let ends = [age, "damaged".to_owned()];
                table.row([name(dir)].into_iter().chain(unknown).chain(ends));
            }
        }
    }
    table
}

fn state(summary: &Summary) -> String {
    if summary.complete {
        return "complete".to_owned();
    }
    format!("{} of {} shards", summary.shards_done, summary.shards)
}

/// Seconds since the manifest was written, which is never written again.
fn age_seconds(dir: &Path) -> Option<u64> {
    let written = std::fs::metadata(dir.join(MANIFEST_FILE)).and_then(|metadata| metadata.modified()).ok()?;
    Some(written.elapsed().unwrap_or_default().as_secs())
}
