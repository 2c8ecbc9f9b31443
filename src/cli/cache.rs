//! `decant cache`: the store's own tools.

mod inspect;
mod ls;
mod verify;

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::Failure;
use super::output::{bytes, numbers, out, outln};
use crate::store::{self, CacheBuilder, Summary};
use crate::support::context::Context;
use crate::support::overwrite;

/// List, inspect, verify, merge, pack and delete caches.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

/// The folder that holds caches, unless another is named.
const DEFAULT_ROOT: &str = "cache";
/// The first bytes of an archive (RFC 8878, section 3.1.1).
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

#[derive(Subcommand)]
enum Command {
    /// List the caches of a folder
    Ls {
        /// The folder that holds caches, or its URL in an object store [default: cache]
        #[arg(long, value_name = "DIR", env = "DECANT_CACHE")]
        cache_dir: Option<PathBuf>,
        /// Print JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Show what a cache holds, the teacher's quality and what the encoding lost
    Inspect {
        /// The cache's folder
        cache: PathBuf,
        /// Print JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Read every byte and list what is damaged; with --recompute, run the teacher again and compare
    Verify(verify::Args),
    /// Complete a cache whose shards were made by several processes
    Merge {
        /// The cache's folder
        cache: PathBuf,
    },
    /// Add temperatures to a cache from its stored logits, without a teacher
    Soften {
        /// The cache's folder
        cache: PathBuf,
        /// A temperature to add; several are separated by commas
        #[arg(long, value_name = "T", required = true, value_delimiter = ',')]
        temperature: Vec<f32>,
    },
    /// Rewrite a cache of decant 0.1.0 in the format of this version, without a teacher
    Upgrade {
        /// The cache's folder
        cache: PathBuf,
        /// Keep the old cache beside the new one
        #[arg(long)]
        keep: bool,
    },
    /// Pack a cache into one .tar.zst
    Pack {
        /// The cache's folder
        cache: PathBuf,
        /// The archive to write
        archive: PathBuf,
        /// Replace the file even where it is not an archive
        #[arg(long)]
        force: bool,
    },
    /// Unpack and verify an archive; nothing appears before all of it is verified
    Unpack {
        /// The archive
        archive: PathBuf,
        /// The folder that holds caches
        #[arg(long, value_name = "DIR", env = "DECANT_CACHE", default_value = "cache")]
        cache_dir: PathBuf,
    },
    /// Delete a cache (asks for confirmation)
    Rm {
        /// The cache's folder
        cache: PathBuf,
        /// Delete without asking
        #[arg(long)]
        yes: bool,
    },
}

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.command {
        Command::Ls { cache_dir, json } => ls::run(cache_dir.as_deref(), json, context),
        Command::Inspect { cache, json } => inspect::run(&store::pull(&cache, context)?, json),
        Command::Soften { cache, temperature } => soften(&cache, &temperature, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Merge { cache } => merge(&cache, context),
        Command::Upgrade { cache, keep } => {
            store::only_local(&cache, "upgraded", "upgrade a copy of it in a folder")?;
            let folder = store::upgrade(&cache, keep, context)?;
            outln!("upgraded {} to {}", cache.display(), folder.display());
            Ok(())
        }
        Command::Pack { cache, archive, force } => {
            if !force {
                overwrite::check_file(&archive, |head| head.starts_with(&ZSTD_MAGIC))
                    .map_err(Failure::usage)?;
            }
            store::pack(&store::pull(&cache, context)?, &archive)?;
            let size = std::fs::metadata(&archive).map_or(0, |metadata| metadata.len());
            outln!("packed {} into {} ({})", cache.display(), archive.display(), bytes(size));
            Ok(())
        }
        Command::Unpack { archive, cache_dir } => {
            let remedy = "unpack it into a folder";
            store::only_local(&cache_dir, "filled from an archive", remedy)?;
            let folder = store::unpack(&archive, &cache_dir)?;
            outln!("unpacked and verified {}", folder.display());
            Ok(())
        }
        Command::Rm { cache, yes } => rm(&cache, yes),
    }
}

fn merge(dir: &Path, context: &Context) -> Result<(), Failure> {
    let site = CacheBuilder::open(dir, context)?;
    site.missing_shards()?;
    let complete = site.complete()?;
    outln!(
        "{} is complete: {} shards, {}, content {}",
        dir.display(),
        complete.shards.len(),
        bytes(complete.bytes()),
        complete.content.short(12)
    );
    Ok(())
}

fn soften(dir: &Path, temperatures: &[f32], context: &Context) -> Result<(), Failure> {
    let remedy = "pull it and soften the copy; training softens at any temperature by itself";
    store::only_local(dir, "softened", remedy)?;
    store::add_temperatures(dir, temperatures, context)?;
    let summary = Summary::read(dir)?;
    outln!("{} has T = {} ({})", dir.display(), numbers(&summary.temperatures), bytes(summary.bytes));
    Ok(())
}

fn rm(dir: &Path, yes: bool) -> Result<(), Failure> {
    let remedy = "delete it with the object store's own tools; local copies are removed automatically";
    store::only_local(dir, "deleted", remedy)?;
    let size = match Summary::read(dir) {
        Ok(summary) => bytes(summary.bytes),
        // It is a cache, or was one: a damaged one may be deleted too.
        Err(error) if error.is_damage() => "damaged".to_owned(),
        Err(error) => return Err(error.into()),
    };
    if !yes {
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage(format!(
                "{} is deleted only after a question; give --yes to delete without one",
                dir.display()
            )));
        }
        out!("delete {} ({size})? [y/N] ", dir.display());
        let _ = std::io::stdout().flush();
        let mut answer = String::new();
        let _ = std::io::stdin().lock().read_line(&mut answer);
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            outln!("kept");
            return Ok(());
        }
    }
    std::fs::remove_dir_all(dir)
        .map_err(|error| Failure::run(format!("can't delete {}: {error}", dir.display())))?;
    outln!("deleted {}", dir.display());
    Ok(())
}
