//! A dataset on the Hugging Face hub, by its id: `hub:AI-Lab-Makerere/beans`.
//!
//! Its parquet files are fetched once into the hub's local cache, shared with the Python libraries, and read from there. They are
//! those of `dataset.revision`; without it, of the revision `main` or, where that has none, those that the hub converted,
//! `refs/convert/parquet`. Only the files of the configuration that is read are fetched.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::sample::Opened;
use super::{Error, HubError, parquet};
use crate::config;
use crate::support::context::Context;
use crate::support::hub::{Failed, Hub, Kind, Listing, Settings, is_plain};
use crate::support::user_cache;

/// Where parquet files are looked for.
const REVISIONS: [&str; 2] = ["main", "refs/convert/parquet"];

/// Reads the dataset `id`, fetching what the local cache lacks.
pub(super) fn open(id: &str, config: &config::Dataset, context: &Context) -> Result<Opened, Error> {
    let settings = Settings::new(|name| std::env::var(name).ok(), user_cache::shared());
    open_with(id, settings, config, context)
}

fn open_with(
    id: &str,
    settings: Settings,
    config: &config::Dataset,
    context: &Context,
) -> Result<Opened, Error> {
    let hub = Hub::new(id, Kind::Dataset, settings);
    let hub = hub.ok_or_else(|| Error::Hub(HubError::HubId { id: id.to_owned() }))?;
    let revisions = match &config.revision {
        None => REVISIONS.map(str::to_owned).to_vec(),
        Some(revision) if is_plain(revision) => vec![revision.clone()],
        Some(revision) => return Err(Error::Hub(HubError::HubRevision { revision: revision.clone() })),
    };
    let (folder, files) = if hub.settings().offline {
        find(&hub, id, &revisions)?
    } else {
        fetch(&hub, id, &revisions, config.config.as_deref())?
    };
    parquet::open(id.to_owned(), &folder, &files, config, context)
}

/// The folder of one commit, and the parquet files in it.
type Snapshot = (PathBuf, Vec<PathBuf>);

/// The parquet files that the local cache holds.
fn find(hub: &Hub, id: &str, revisions: &[String]) -> Result<Snapshot, Error> {
    for snapshot in revisions.iter().filter_map(|revision| hub.fetched(revision)) {
        let files = parquet::files_below(&snapshot)?;
        if !files.is_empty() {
            return Ok((snapshot, files));
        }
    }
    Err(Error::Hub(HubError::Offline { id: id.to_owned(), path: hub.folder() }))
}

/// The parquet files of a configuration in the hub's newest revision, fetched unless the local cache has them.
fn fetch(hub: &Hub, id: &str, revisions: &[String], config: Option<&str>) -> Result<Snapshot, Error> {
    let failed = |failed: Failed| Error::Hub(failed.into());
    let api = hub.api().map_err(failed)?;
    let mut of_first = Vec::new();
    for (index, revision) in revisions.iter().enumerate() {
        let Listing { commit, names } = match hub.list(&api, revision) {
            Ok(listing) => listing,
            // A dataset without converted files has no such revision.
            Err(_) if index > 0 => break,
            Err(error) => return Err(failed(error)),
        };
        let parquet: Vec<PathBuf> =
            names.iter().filter(|name| name.ends_with(".parquet")).map(PathBuf::from).collect();
        if !parquet.is_empty() {
            let place = format!("the dataset {id}");
            let chosen = parquet::of_configuration(Path::new(""), &parquet, config, &place)?;
            let file = |name: &PathBuf| hub.file(&api, revision, &commit, &name.to_string_lossy());
            let files = chosen.iter().map(file).collect::<Result<_, _>>().map_err(failed)?;
            return Ok((hub.snapshot(revision, &commit), files));
        }
        of_first = names;
    }
    of_first.truncate(10);
    Err(Error::Hub(HubError::NoParquet {
        id: id.to_owned(),
        endpoint: hub.settings().endpoint.clone(),
        revisions: revisions.join(" or "),
        found: of_first.join(", "),
    }))
}
