//! Files of a repository on the Hugging Face hub, fetched once into the local cache that the Python libraries share.

mod settings;

use std::path::{Component, Path, PathBuf};

use hf_hub::api::sync::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

pub use settings::Settings;

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

/// Why something could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// A file's name, or `the list of files`.
    pub what: String,
    /// The error.
    pub reason: String,
}

/// One revision of a repository: its commit and the names of its files, sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The commit.
    pub commit: String,
    /// The files' paths in the repository.
    pub names: Vec<String>,
}

/// A repository and where to look for it.
pub struct Hub {
    id: String,
    kind: Kind,
    cache: Cache,
    settings: Settings,
}

impl Hub {
    /// The repository `id`, such as `google/vit-base-patch16-224`; none unless it is of the form `ORG/NAME`.
    pub fn new(id: &str, kind: Kind, settings: Settings) -> Option<Self> {
        let plain = |part: &str| {
            let known = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
            !part.is_empty() && !part.starts_with('.') && part.chars().all(known)
        };
        let is_id = id.split('/').count() == 2 && id.split('/').all(plain);
        is_id.then(|| Self { id: id.to_owned(), kind, cache: Cache::new(settings.cache.clone()), settings })
    }

    /// Where the hub and its cache are.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The repository's folder in the local cache.
    pub fn folder(&self) -> PathBuf {
        self.settings.cache.join(self.repo("main").folder_name())
    }

    /// The folder of a revision's files in the local cache, if some of them were fetched.
    pub fn fetched(&self, revision: &str) -> Option<PathBuf> {
        let commit = std::fs::read_to_string(self.folder().join("refs").join(revision)).ok()?;
        Some(self.folder().join("snapshots").join(commit.trim())).filter(|snapshot| snapshot.is_dir())
    }

    /// A client for the hub.
    ///
    /// # Errors
    /// One that can't be made.
    pub fn api(&self) -> Result<Api, Failed> {
        // Its own token is the one beside the cache; ours knows the environment.
        let builder = ApiBuilder::from_cache(self.cache.clone())
            .with_endpoint(self.settings.endpoint.clone())
            .with_token(self.settings.token.clone());
        builder.build().map_err(|error| failed(LIST, &error))
    }

    /// The files of a revision.
    ///
    /// # Errors
    /// A hub that can't be reached or does not know the repository or the revision.
    pub fn list(&self, api: &Api, revision: &str) -> Result<Listing, Failed> {
        let info = api.repo(self.repo(revision)).info().map_err(|error| failed(LIST, &error))?;
        if info.sha.is_empty() || !info.sha.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            return Err(Failed {
                what: LIST.to_owned(),
                reason: format!("it names the commit {:?}", info.sha),
            });
        }
        let mut names: Vec<String> = info.siblings.into_iter().map(|file| file.rfilename).collect();
        names.sort();
        Ok(Listing { commit: info.sha, names })
    }

    /// The folder that holds the files of a commit.
    pub fn snapshot(&self, revision: &str, commit: &str) -> PathBuf {
        self.cache.repo(self.repo(revision)).pointer_path(commit)
    }

    /// The path of a file of a revision, which is fetched unless the local cache has it.
    ///
    /// # Errors
    /// A name that leaves the folder, a hub that does not give the file.
    pub fn file(&self, api: &Api, revision: &str, commit: &str, name: &str) -> Result<PathBuf, Failed> {
        let refused = |reason: &str| Failed { what: name.to_owned(), reason: reason.to_owned() };
        // The name comes from the server and becomes a path here.
        if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(refused("the name leaves the repository's folder"));
        }
        let path = self.snapshot(revision, commit).join(name);
        if !path.exists() {
            api.repo(self.repo(revision)).download(name).map_err(|error| failed(name, &error))?;
        }
        if path.exists() {
            Ok(path)
        } else {
            Err(refused("the repository changed while it was fetched; run the command again"))
        }
    }

    fn repo(&self, revision: &str) -> Repo {
        let kind = match self.kind {
            Kind::Dataset => RepoType::Dataset,
            Kind::Model => RepoType::Model,
        };
        Repo::with_revision(self.id.clone(), kind, revision.to_owned())
    }
}

fn failed(what: &str, error: &ApiError) -> Failed {
    Failed { what: what.to_owned(), reason: error.to_string() }
}
