//! A split's folder and the images in it.

use std::path::PathBuf;
use std::sync::Arc;

use super::super::SplitName;

/// An image and the class that its folders or its table give it.
pub(super) struct Image {
    pub path: PathBuf,
    pub class: Option<Arc<str>>,
}

/// A split's folder and its images.
pub(super) struct SplitFolder {
    pub name: SplitName,
    pub path: PathBuf,
    pub images: Vec<Image>,
    /// Whether a table gives the classes, and no folder.
    pub from_table: bool,
}
