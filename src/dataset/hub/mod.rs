//! A dataset on the Hugging Face hub, by its id: `hub:AI-Lab-Makerere/beans`.
//!
//! Its parquet files are fetched once into the hub's local cache, shared with the Python libraries, and read from there. They are
//! those of `dataset.revision`; without it, of the revision `main` or, where that has none, those that the hub converted,
//! `refs/convert/parquet`. Only the files of the configuration that is read are fetched.

#[cfg(test)]
mod tests;

use std::path::{Component, Path, PathBuf};

use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

use super::sample::Opened;
use super::{Error, HubError, parquet};
use crate::config;
use crate::support::context::Context;
use crate::support::files::read_text;
use crate::support::hub::Settings;
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
    let plain = |part: &str| {
        let known = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(known)
    };
    if id.split('/').count() != 2 || !id.split('/').all(plain) {
        return Err(Error::Hub(HubError::HubId { id: id.to_owned() }));
    }
    let revisions = match &config.revision {
        None => REVISIONS.map(str::to_owned).to_vec(),
        // It becomes a path in the local cache.
        Some(revision) if revision.split('/').all(plain) => vec![revision.clone()],
        Some(revision) => return Err(Error::Hub(HubError::HubRevision { revision: revision.clone() })),
    };
    let hub = Hub { id, config, revisions, cache: Cache::new(settings.cache.clone()), settings };
    let (folder, files) = if hub.settings.offline { hub.find()? } else { hub.fetch()? };
    parquet::open(id.to_owned(), &folder, &files, config, context)
}

/// A dataset's id and where to look for it.
struct Hub<'a> {
    id: &'a str,
    config: &'a config::Dataset,
    revisions: Vec<String>,
    cache: Cache,
    settings: Settings,
}

/// The folder of one commit, and the parquet files in it.
type Snapshot = (PathBuf, Vec<PathBuf>);

impl Hub<'_> {
    fn repo(&self, revision: &str) -> Repo {
        Repo::with_revision(self.id.to_owned(), RepoType::Dataset, revision.to_owned())
    }

    fn folder(&self) -> PathBuf {
        self.settings.cache.join(self.repo(&self.revisions[0]).folder_name())
    }

    /// The parquet files that the local cache holds.
    fn find(&self) -> Result<Snapshot, Error> {
        for revision in &self.revisions {
            // A commit is its own name.
            let commit = read_text(&self.folder().join("refs").join(revision)).unwrap_or(revision.clone());
            let snapshot = self.folder().join("snapshots").join(commit.trim());
            let files = if snapshot.is_dir() { parquet::files_below(&snapshot)? } else { Vec::new() };
            if !files.is_empty() {
                return Ok((snapshot, files));
            }
        }
        Err(Error::Hub(HubError::Offline { id: self.id.to_owned(), path: self.folder() }))
    }

    /// The parquet files of the hub's newest revision, fetched unless the local cache has them.
    fn fetch(&self) -> Result<Snapshot, Error> {
        // Its own token is the one beside the cache; ours knows the environment.
        let builder = ApiBuilder::from_cache(self.cache.clone())
            .with_endpoint(self.settings.endpoint.clone())
            .with_token(self.settings.token.clone());
        let api = builder.build().map_err(|error| self.failed(LIST, &error))?;
        let mut of_first = Vec::new();
        for (index, revision) in self.revisions.iter().enumerate() {
            let (commit, names) = match self.list(&api, revision) {
                Ok(listed) => listed,
                // A dataset without converted files has no such revision.
                Err(_) if index > 0 => break,
                Err(error) => return Err(error),
            };
            let parquet: Vec<PathBuf> =
                names.iter().filter(|name| name.ends_with(".parquet")).map(PathBuf::from).collect();
            if !parquet.is_empty() {
                let config = self.config.config.as_deref();
                let place = format!("the dataset {}", self.id);
                let chosen = parquet::of_configuration(Path::new(""), &parquet, config, &place)?;
                let snapshot = self.cache.repo(self.repo(revision)).pointer_path(&commit);
                let files =
                    chosen.iter().map(|name| self.file(&api, revision, &snapshot, &name.to_string_lossy()));
                let files = files.collect::<Result<_, _>>()?;
                return Ok((snapshot, files));
            }
            of_first = names;
        }
        of_first.truncate(10);
        Err(Error::Hub(HubError::NoParquet {
            id: self.id.to_owned(),
            endpoint: self.settings.endpoint.clone(),
            revisions: self.revisions.join(" or "),
            found: of_first.join(", "),
        }))
    }

    /// A revision's commit and its files, sorted.
    fn list(&self, api: &Api, revision: &str) -> Result<(String, Vec<String>), Error> {
        let info = api.repo(self.repo(revision)).info().map_err(|error| self.failed(LIST, &error))?;
        if info.sha.is_empty() || !info.sha.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            return Err(self.refused(LIST, format!("it names the commit {:?}", info.sha)));
        }
        let mut names: Vec<String> = info.siblings.into_iter().map(|file| file.rfilename).collect();
        names.sort();
        Ok((info.sha, names))
    }

    fn file(&self, api: &Api, revision: &str, snapshot: &Path, name: &str) -> Result<PathBuf, Error> {
        // The name comes from the server and becomes a path here.
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(self.refused(name, "the name leaves the dataset's folder".to_owned()));
        }
        let path = snapshot.join(name);
        if !path.exists() {
            api.repo(self.repo(revision)).download(name).map_err(|error| self.failed(name, &error))?;
        }
        if path.exists() {
            Ok(path)
        } else {
            Err(self
                .refused(name, "the dataset changed while it was fetched; run the command again".to_owned()))
        }
    }

    fn failed(&self, what: &str, error: &ApiError) -> Error {
        self.refused(what, error.to_string())
    }

    fn refused(&self, what: &str, reason: String) -> Error {
        let endpoint = self.settings.endpoint.clone();
        Error::Hub(HubError::Hub { id: self.id.to_owned(), what: what.to_owned(), endpoint, reason })
    }
}

const LIST: &str = "the list of files";
