//! Errors of a dataset on the hub.

use std::path::PathBuf;

use crate::support::hub;

/// An error of a dataset on the hub: the dataset, what was expected, what was found and what to do.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// `hub:` is not followed by a dataset's id.
    #[error(
        "{id:?} is not the id of a dataset on the hub; expected hub:ORG/NAME, such as hub:AI-Lab-Makerere/beans"
    )]
    HubId {
        /// The given text.
        id: String,
    },
    /// `dataset.revision` is not a branch, a tag or a commit.
    #[error(
        "dataset.revision = {revision:?} is not a revision; expected a branch, a tag or a commit, such as main"
    )]
    HubRevision {
        /// The given text.
        revision: String,
    },
    /// The hub refused or could not be reached.
    #[error(transparent)]
    Hub(#[from] hub::Failed),
    /// Offline, and the local cache lacks the dataset.
    #[error(
        "HF_HUB_OFFLINE is set and {} holds no parquet file of the dataset {id}; run once without it, or download the \
         dataset and give its folder as dataset.source", path.display()
    )]
    Offline {
        /// `ORG/NAME`.
        id: String,
        /// The folder in the hub's local cache.
        path: PathBuf,
    },
    /// The hub's dataset has no parquet files, not even converted ones.
    #[error(
        "the dataset {id} on {endpoint} has no parquet file in {revisions}, found {found}; download it and give its \
         folder as dataset.source"
    )]
    NoParquet {
        /// `ORG/NAME`.
        id: String,
        /// `HF_ENDPOINT`.
        endpoint: String,
        /// The revisions that were looked at.
        revisions: String,
        /// The files of the first.
        found: String,
    },
}
