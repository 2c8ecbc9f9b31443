//! A teacher's files, read and checked: the model with its external data, and what is known of it.

use std::path::{Component, Path, PathBuf};

use super::described::Described;
use super::external::external_files;
use super::hub;
use super::location::{Location, MODEL_LIMIT, read};
use super::{Error, embedded};
use crate::config::{self, ClassMatching, Outputs};
use crate::support::hash::{Digest, FieldHasher};
use crate::view::Preprocess;

/// A teacher that was read and checked, and not yet run.
#[derive(Clone)]
pub(super) struct Files {
    pub model: Model,
    /// How manifests and people name the model: its path, `embedded:leaves` or `hub:ORG/NAME`.
    pub name: String,
    /// In the order of the logits.
    pub classes: Vec<String>,
    /// How they are found among the dataset's.
    pub matching: ClassMatching,
    /// Height and width, where `config.json` states them.
    pub image_size: Option<(u32, u32)>,
    pub preprocess: Preprocess,
    /// Over the model's bytes, its external data, the classes and the preprocessing.
    pub fingerprint: Digest,
}

/// Where the model's bytes are.
#[derive(Clone)]
pub(super) enum Model {
    File(PathBuf),
    Embedded(&'static [u8]),
}

impl Model {
    /// How messages name it.
    pub(crate) fn path(&self) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Embedded(_) => PathBuf::from(embedded::NAME),
        }
    }
}

impl Files {
    /// Reads what a pipeline's `[teacher]` names.
    pub(crate) fn read(teacher: &config::Teacher) -> Result<Self, Error> {
        if teacher.model == embedded::NAME {
            let described = Described::embedded()?;
            return Ok(Self::new(
                Model::Embedded(embedded::MODEL),
                Digest::of(embedded::MODEL),
                &[],
                described,
                teacher,
            ));
        }
        if teacher.is_embedded() {
            return Err(Error::NoEmbedded { name: teacher.model.clone() });
        }
        let location = match teacher.model.strip_prefix(hub::PREFIX) {
            Some(id) => hub::fetch(id)?,
            None => Location::on_disk(Path::new(&teacher.model))?,
        };
        let path = location.model.clone();
        let bytes = read(&path, MODEL_LIMIT)?;
        let external = external_files(&bytes)
            .map_err(|reason| Error::Malformed { path: path.clone(), reason })?
            .into_iter()
            .map(|file| hash_external(&path, file))
            .collect::<Result<Vec<_>, _>>()?;
        let described = Described::read(&location, &bytes, teacher)?;
        Ok(Self::new(Model::File(path), Digest::of(&bytes), &external, described, teacher))
    }

    fn new(
        model: Model,
        digest: Digest,
        external: &[(String, Digest)],
        described: Described,
        teacher: &config::Teacher,
    ) -> Self {
        let Described { classes, image_size, preprocess } = described;
        let mut hasher = FieldHasher::new("teacher");
        hasher.field("model", digest.0);
        for (name, digest) in external {
            hasher.field("external name", name).field("external data", digest.0);
        }
        for class in &classes {
            hasher.field("class", class);
        }
        // Another order of the logits in the cache, for the same names.
        if teacher.match_classes == ClassMatching::Index {
            hasher.field("classes are matched by", "index");
        }
        if teacher.outputs == Outputs::Probabilities {
            hasher.field("outputs", "logarithm of probabilities");
        }
        let fingerprint = hasher.field("preprocessing", preprocess.fingerprint().0).finish();
        let is_elsewhere = teacher.model.starts_with(hub::PREFIX);
        let name = if is_elsewhere { teacher.model.clone() } else { model.path().display().to_string() };
        Self { model, name, classes, matching: teacher.match_classes, image_size, preprocess, fingerprint }
    }
}

/// The name and digest of a file that the model's tensors refer to.
fn hash_external(model: &Path, file: String) -> Result<(String, Digest), Error> {
    let within =
        Path::new(&file).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !within || file.is_empty() {
        let reason = format!("its weights are in {file:?}, which is not in its folder");
        return Err(Error::Malformed { path: model.to_path_buf(), reason });
    }
    let path = model.with_file_name(&file);
    let digest = Digest::of_file(&path).map_err(|source| Error::Read { path, source })?;
    Ok((file, digest))
}
