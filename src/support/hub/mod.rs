//! Files of a repository on the Hugging Face hub, fetched once into the local cache that the Python libraries share.

mod settings;

use std::fmt;
use std::path::{Component, Path, PathBuf};

use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

pub(crate) use settings::Settings;

use super::files::read_text;

/// The purpose of a failed listing, in messages.
const LIST: &str = "the list of files";

/// The kinds of repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of images.
    Dataset,
    /// Of weights.
    Model,
}

impl Kind {
    /// The key of a pipeline file that takes a folder in its place.
    fn key(self) -> &'static str {
        match self {
            Self::Dataset => "dataset.source",
            Self::Model => "teacher.model",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Dataset => "dataset",
            Self::Model => "model",
        })
    }
}

/// A file or list that the hub does not give.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "can't fetch {what} of the {kind} {id} from {endpoint} ({reason}); check its name, the network and, for a private {kind}, HF_TOKEN, \
     or download it and give its folder as {}", kind.key()
)]
pub struct Failed {
    /// The kind of repository.
    pub kind: Kind,
    /// `ORG/NAME`.
    pub id: String,
    /// A file's name, or `the list of files`.
    pub what: String,
    /// `HF_ENDPOINT`.
    pub endpoint: String,
    /// The error.
    pub reason: String,
}

/// One revision of a repository: its commit and the names of its files, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    /// The commit.
    pub commit: String,
    /// The files' paths in the repository.
    pub names: Vec<String>,
}

/// A repository and where to look for it.
pub(crate) struct Hub {
    id: String,
    kind: Kind,
    cache: Cache,
    settings: Settings,
}

impl Hub {
    /// The repository `id`, such as `google/vit-base-patch16-224`; none unless it is of the form `ORG/NAME`.
    pub(crate) fn new(id: &str, kind: Kind, settings: Settings) -> Option<Self> {
        let is_id = id.split('/').count() == 2 && is_plain(id);
        is_id.then(|| Self { id: id.to_owned(), kind, cache: Cache::new(settings.cache.clone()), settings })
    }

    /// Where the hub and its cache are.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The repository's folder in the local cache.
    pub(crate) fn folder(&self) -> PathBuf {
        self.settings.cache.join(self.repo("main").folder_name())
    }

    /// The folder of a revision's files in the local cache, if some of them were fetched.
    pub(crate) fn fetched(&self, revision: &str) -> Option<PathBuf> {
        // A commit is its own name.
        let commit = read_text(&self.folder().join("refs").join(revision)).unwrap_or(revision.to_owned());
        Some(self.folder().join("snapshots").join(commit.trim())).filter(|snapshot| snapshot.is_dir())
    }

    /// A client for the hub.
    ///
    /// # Errors
    /// One that can't be made.
    pub(crate) fn api(&self) -> Result<Api, Failed> {
        // Its own token is the one beside the cache; ours knows the environment.
        let builder = ApiBuilder::from_cache(self.cache.clone())
            .with_endpoint(self.settings.endpoint.clone())
            .with_token(self.settings.token.clone());
        builder.build().map_err(|error| self.failed(LIST, &error))
    }

    /// The files of a revision.
    ///
    /// # Errors
    /// A hub that can't be reached or does not know the repository or the revision.
    pub(crate) fn list(&self, api: &Api, revision: &str) -> Result<Listing, Failed> {
        let info = api.repo(self.repo(revision)).info().map_err(|error| self.failed(LIST, &error))?;
        if info.sha.is_empty() || !info.sha.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            return Err(self.refused(LIST, format!("it names the commit {:?}", info.sha)));
        }
        let mut names: Vec<String> = info.siblings.into_iter().map(|file| file.rfilename).collect();
        names.sort();
        Ok(Listing { commit: info.sha, names })
    }

    /// The folder that holds the files of a commit.
    pub(crate) fn snapshot(&self, revision: &str, commit: &str) -> PathBuf {
        self.cache.repo(self.repo(revision)).pointer_path(commit)
    }

    /// The path of a file of a revision, which is fetched unless the local cache has it.
    ///
    /// # Errors
    /// A name that leaves the folder, a hub that does not give the file.
    pub(crate) fn file(
        &self,
        api: &Api,
        revision: &str,
        commit: &str,
        name: &str,
    ) -> Result<PathBuf, Failed> {
        // The name comes from the server and becomes a path here.
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(self.refused(name, format!("the name leaves the {}'s folder", self.kind)));
        }
        let path = self.snapshot(revision, commit).join(name);
        if !path.exists() {
            api.repo(self.repo(revision)).download(name).map_err(|error| self.failed(name, &error))?;
        }
        if path.exists() {
            Ok(path)
        } else {
            let reason = format!("the {} changed while it was fetched; run the command again", self.kind);
            Err(self.refused(name, reason))
        }
    }

    fn repo(&self, revision: &str) -> Repo {
        let kind = match self.kind {
            Kind::Dataset => RepoType::Dataset,
            Kind::Model => RepoType::Model,
        };
        Repo::with_revision(self.id.clone(), kind, revision.to_owned())
    }

    fn failed(&self, what: &str, error: &ApiError) -> Failed {
        self.refused(what, error.to_string())
    }

    fn refused(&self, what: &str, reason: String) -> Failed {
        let (id, endpoint) = (self.id.clone(), self.settings.endpoint.clone());
        Failed { kind: self.kind, id, what: what.to_owned(), endpoint, reason }
    }
}

/// Whether each part of an id or a revision can be a part of a path: it becomes one in the local cache.
pub(crate) fn is_plain(text: &str) -> bool {
    let known = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    text.split('/').all(|part| !part.is_empty() && !part.starts_with('.') && part.chars().all(known))
}
