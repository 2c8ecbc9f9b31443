//! `decant runs`: list, show, name, tag, import and delete runs.

mod ls;
mod show;

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::Failure;
use super::model::{RunsDir, is_run};
use super::output::{out, outln};
use crate::config;
use crate::runs::{self, Label};

/// List, show, name, tag, import and delete runs.
///
/// A run is named by its folder, its name, the beginning of either, the beginning of its key, or latest: the run that was finished last.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List the runs of a folder, the newest first
    Ls {
        #[command(flatten)]
        dir: RunsDir,
        /// Only runs with this tag; may be given more than once
        #[arg(long = "tag", value_name = "TAG")]
        tags: Vec<String>,
        /// Print JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Show what a run was made of and its results
    Show {
        /// A run
        run: PathBuf,
        #[command(flatten)]
        dir: RunsDir,
        /// Print JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Give a run tags or a name, neither of which changes its key or files
    Tag {
        /// A run
        run: PathBuf,
        /// Tags to add
        #[arg(value_name = "TAG", value_parser = word)]
        tags: Vec<String>,
        /// Tags to take away
        #[arg(long, value_name = "TAG")]
        remove: Vec<String>,
        /// The new name of the run
        #[arg(long, value_name = "NAME", value_parser = word)]
        name: Option<String>,
        #[command(flatten)]
        dir: RunsDir,
    },
    /// Take over runs that another tool trained, from JSON files
    Import {
        /// JSON files, each of a run or a list of runs
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        dir: RunsDir,
    },
    /// Delete runs (asks for confirmation)
    Rm {
        /// Runs
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<PathBuf>,
        #[command(flatten)]
        dir: RunsDir,
        /// Delete without asking
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    match args.command {
        Command::Ls { dir, tags, json } => ls::run(dir.given(), &dir.path(), &tags, json),
        Command::Show { run, dir, json } => show::run(&runs::find(&run, &dir.path())?, json),
        Command::Tag { run, tags, remove, name, dir } => {
            tag(&runs::find(&run, &dir.path())?, &tags, &remove, name)
        }
        Command::Import { files, dir } => import(&files, &dir.path()),
        Command::Rm { runs, dir, yes } => rm(&runs, &dir.path(), yes),
    }
}

/// A name or a tag.
pub(super) fn word(text: &str) -> Result<String, String> {
    if config::is_run_name(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected {}", config::RUN_NAME))
    }
}

fn tag(folder: &Path, tags: &[String], remove: &[String], name: Option<String>) -> Result<(), Failure> {
    let mut label = Label::read(folder)?;
    if let Some(missing) = remove.iter().find(|tag| !label.tags.contains(tag)) {
        return Err(Failure::usage(format!(
            "{} has no tag {missing}; its tags are: {}",
            folder.display(),
            if label.tags.is_empty() { "none".to_owned() } else { label.tags.join(", ") }
        )));
    }
    if !is_run(folder) {
        return Err(crate::train::Error::NotARun { path: folder.to_owned() }.into());
    }
    label = label.joined(Label { name, tags: tags.to_vec() });
    label.tags.retain(|tag| !remove.contains(tag));
    label.write(folder)?;
    outln!("{}: {}", folder.display(), show::label(&label));
    Ok(())
}

fn import(files: &[PathBuf], runs_dir: &Path) -> Result<(), Failure> {
    for file in files {
        for folder in runs::import(file, runs_dir)? {
            outln!("imported {}", folder.display());
        }
    }
    Ok(())
}

fn rm(named: &[PathBuf], runs_dir: &Path, yes: bool) -> Result<(), Failure> {
    let folders: Vec<PathBuf> =
        named.iter().map(|run| runs::find(run, runs_dir)).collect::<Result<_, _>>()?;
    for folder in &folders {
        if !yes && !confirmed(folder)? {
            outln!("kept");
            continue;
        }
        runs::remove(folder)?;
        outln!("deleted {}", folder.display());
    }
    Ok(())
}

fn confirmed(folder: &Path) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "{} is deleted only after a question; give --yes to delete without one",
            folder.display()
        )));
    }
    let label = Label::read(folder).unwrap_or_default();
    let called = label.name.map_or(String::new(), |name| format!(" ({name})"));
    out!("delete {}{called}? [y/N] ", folder.display());
    let _ = std::io::stdout().flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
