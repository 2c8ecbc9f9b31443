//! A run before any work starts: its dataset, its cache, its device, its key and its folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use burn::tensor::Device;

use super::device::TrainDevice;
use super::images::Images;
use super::open_cache::OpenCache;
use super::pixel_cache::{PixelCache, PixelKey};
use super::{Error, dataset_diff, identity};
use crate::config::{Control, OnBadImage, Pipeline, StudentDevice, Sweep};
use crate::dataset::{Dataset, SplitName};
use crate::store::{self, Cache, Manifest, SplitRows, ViewIdentity};
use crate::student::{Student, StudentShape, hf};
use crate::support::context::Context;
use crate::support::hash::Digest;
use crate::view::Preprocess;

/// A run that can start.
pub struct Setup {
    /// The checked pipeline file.
    pub pipeline: Pipeline,
    /// The images.
    pub dataset: Arc<Dataset>,
    /// The cache of the teacher's logits.
    pub cache: Arc<Cache>,
    /// Where the student trains.
    pub device: TrainDevice,
    /// BLAKE3 of the file that `student.init` names.
    pub init: Option<Digest>,
    /// Over everything that decides the run's bytes.
    pub key: Digest,
    /// `<runs>/<name>-<first 12 digits of the key>`.
    pub folder: PathBuf,
    opened: Arc<OpenCache>,
    pixels: Arc<PixelCache>,
}

/// Names a run and checks that its cache has what training needs.
pub(super) fn new(
    dataset: Arc<Dataset>,
    pipeline: Pipeline,
    (opened, pixels): (Arc<OpenCache>, Arc<PixelCache>),
    device: TrainDevice,
) -> Result<Setup, Error> {
    let cache = Arc::clone(&opened.cache);
    let place = store::place(cache.dir());
    let paths = [&pipeline.train.dir, &pipeline.cache.dir, &place].map(PathBuf::as_path);
    identity::check_paths(paths.into_iter().chain(pipeline.student.init.as_deref()))?;
    let architecture = pipeline.student.architecture;
    let init =
        pipeline.student.init.as_deref().map(|path| hf::weights_digest(path, architecture)).transpose()?;
    let key = identity::key(&pipeline, init, cache.complete().content, device.name);
    let folder = identity::folder(&pipeline.train, &pipeline.name, &key);
    let setup = Setup { pipeline, dataset, cache, device, init, key, folder, opened, pixels };
    let samples = setup.rows(SplitName::Train)?.samples();
    if setup.pipeline.train.control == Control::PermutedTargets && samples < 2 {
        return Err(Error::NothingToPermute { dataset: setup.dataset.name.clone() });
    }
    setup.rows(SplitName::Validation)?;
    Ok(setup)
}

/// `run.json`: what a run is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The format of the run's files: [`Description::FORMAT`]; 1 in files of decant 0.1.0, which do not say it.
    #[serde(default = "first_format")]
    pub format: u32,
    /// The revision of the program that decides the run's bytes: [`identity::REVISION`]; 0 in files of decant 0.1.0.
    #[serde(default)]
    pub revision: u32,
    /// The version of decant that trains it.
    pub decant: String,
    /// The run's key.
    pub key: Digest,
    /// The cache's folder, or its URL.
    pub cache: PathBuf,
    /// The cache's content hash.
    pub cache_content: Digest,
    /// BLAKE3 of the file that `student.init` named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Digest>,
    /// The teacher's name.
    pub teacher: String,
    /// The device.
    pub device: StudentDevice,
    /// The resolved pipeline file.
    pub pipeline: Pipeline,
    /// The facts that another tool gives of a run that it trained. Its pipeline holds name, seed, temperature and lambda only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
}

/// The facts that `decant runs import` keeps of a run that another tool trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// The tool, as `PyTorch 2.11`.
    pub tool: String,
    /// The student, as `timm resnet18`.
    pub student: String,
    /// Its settings, by key.
    pub settings: BTreeMap<String, serde_json::Value>,
}

fn first_format() -> u32 {
    1
}

impl Description {
    /// The format that is written today: every file is sealed.
    pub(crate) const FORMAT: u32 = 2;

    /// The student in words.
    pub fn student(&self) -> String {
        match &self.imported {
            Some(imported) => format!("{} ({})", imported.student, imported.tool),
            None => self.pipeline.student.describe(),
        }
    }
}

impl Setup {
    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.dataset.classes.len()
    }

    /// The cached rows of a split.
    ///
    /// # Errors
    /// The cache has none.
    pub fn rows(&self, split: SplitName) -> Result<Arc<SplitRows>, Error> {
        let missing = || Error::NoSplit { path: self.cache.dir().to_owned(), split: split.as_str() };
        if self.dataset.split(split).is_none() {
            return Err(missing());
        }
        let rows = self.cache.split(split.as_str())?;
        if rows.is_empty() { Err(missing()) } else { Ok(rows) }
    }

    /// Reads every byte of the cache, unless a run that shares it did.
    ///
    /// # Errors
    /// The first damage.
    pub fn check_content(&self) -> Result<(), Error> {
        self.opened.check_content()
    }

    /// Looks again at the cache's files, which were mapped when the run began: nothing may have written into them since.
    ///
    /// # Errors
    /// A file that changed.
    pub(crate) fn recheck(&self) -> Result<(), Error> {
        Ok(self.cache.recheck()?)
    }

    /// Reads every byte of the cache again.
    ///
    /// # Errors
    /// The first damage.
    pub(crate) fn recheck_content(&self) -> Result<(), Error> {
        self.recheck()?;
        Ok(self.cache.check_content()?)
    }

    /// The images of a split at the student's size.
    ///
    /// # Errors
    /// The cache has none.
    pub fn images(&self, split: SplitName) -> Result<Images<'_>, Error> {
        let student = &self.pipeline.student;
        let preprocess =
            Preprocess::for_student(student.image_size as u32, student.image_mean, student.image_std);
        let same_pixels = self.cache.manifest().view.resize == preprocess.resize();
        let rows = self.rows(split)?;
        let key = PixelKey { cache: self.cache.dir().to_owned(), split, size: preprocess.size() };
        let kept = self.pixels.get(key, rows.len());
        Ok(Images::new(&self.dataset, split, rows, preprocess, same_pixels).keeping(kept))
    }

    /// The description of the kept weights, after `steps` optimiser steps.
    pub(super) fn card(&self, steps: usize) -> hf::Card<'_> {
        let student = &self.pipeline.student;
        hf::Card {
            classes: &self.dataset.classes,
            image_mean: student.image_mean,
            image_std: student.image_std,
            steps: steps as u64,
        }
    }

    /// The student before its first step, with random weights or those of `student.init`, and for those where its
    /// classifier is from.
    pub(super) fn student(&self, device: &Device) -> Result<(Student, Option<hf::Head>), Error> {
        student(&self.pipeline, self.classes(), device)
    }

    /// The content of `run.json`.
    pub(crate) fn description(&self) -> Description {
        Description {
            format: Description::FORMAT,
            revision: identity::REVISION,
            decant: env!("CARGO_PKG_VERSION").to_owned(),
            key: self.key,
            cache: store::place(self.cache.dir()),
            cache_content: self.cache.complete().content,
            init: self.init,
            imported: None,
            teacher: self.cache.manifest().teacher.name.clone(),
            device: self.device.name,
            pipeline: unnamed(Pipeline { sweep: Sweep::default(), ..self.pipeline.clone() }),
        }
    }
}

/// A pipeline without the name and tags of its run, which the run's files leave out.
fn unnamed(mut pipeline: Pipeline) -> Pipeline {
    pipeline.train.name = None;
    pipeline.train.tags = Vec::new();
    pipeline
}

/// The student of a pipeline with this many classes, before its first step.
pub(super) fn student(
    pipeline: &Pipeline,
    classes: usize,
    device: &Device,
) -> Result<(Student, Option<hf::Head>), Error> {
    let shape = StudentShape::of(&pipeline.student, classes);
    let model = Student::initialised(&shape, pipeline.student.initializer, pipeline.train.seed, device);
    let Some(path) = &pipeline.student.init else { return Ok((model, None)) };
    let hf::Loaded { model, head } = hf::load_weights(model, path)?;
    Ok((model, Some(head)))
}

/// The requirements of a pipeline on a cache.
pub(super) struct Wanted<'a> {
    pub pipeline: &'a Pipeline,
    pub dataset: &'a Dataset,
    pub context: &'a Context,
}

impl Wanted<'_> {
    /// Everything that the choice of the cache depends on, as text.
    pub(crate) fn question(&self) -> String {
        let train = &self.pipeline.train;
        let temperature = train.cached_temperature();
        format!("{:?} {temperature:?}", self.pipeline.cache)
    }

    /// The dataset without the images that a cache left out, where the pipeline lets it.
    pub(crate) fn kept(&self, manifest: &Manifest) -> Option<Dataset> {
        let cached = &manifest.dataset;
        let is_skipping = self.pipeline.dataset.on_bad_image == OnBadImage::Skip;
        self.dataset.as_cached(&cached.left_out, cached.fingerprint).filter(|_| is_skipping)
    }

    /// Refuses a cache that does not fit.
    pub(crate) fn check(&self, cache: &Cache) -> Result<(), Error> {
        match self.difference(cache.dir(), cache.manifest())? {
            Some(difference) => Err(Error::OtherCache {
                path: cache.dir().to_owned(),
                difference: self.explain(difference, cache.dir()),
            }),
            None => Ok(()),
        }
    }

    /// The complete cache that fits, whatever it is called: a pipeline file under another name has the same cache. Of several, one
    /// under the pipeline's own name comes first.
    pub(crate) fn find(&self, file: &Path) -> Result<PathBuf, Error> {
        let cache = &self.pipeline.cache;
        let root = &cache.dir;
        let (mut own, mut others): (Vec<PathBuf>, Vec<(Digest, PathBuf)>) = Default::default();
        let mut nearest = String::new();
        for folder in store::find(&store::index(root, None, self.context)?, None)? {
            let manifest = match Manifest::read(&folder) {
                Ok(manifest) => manifest,
                // Another pipeline's cache that can't be used is not this one's concern.
                Err(error) if folder_name(&folder).starts_with(&format!("{}-", cache.name)) => {
                    return Err(error.into());
                }
                Err(_) => continue,
            };
            let is_own = manifest.name == cache.name;
            // Caches under other names may be those of other teachers: a folder is called what it is, or by the model in it.
            let made_by = Path::new(&manifest.teacher.name);
            let asked_for = Path::new(&self.pipeline.teacher.model);
            let has_teacher = is_own || made_by == asked_for || made_by.parent() == Some(asked_for);
            match self.difference(&folder, &manifest)? {
                None if is_own => own.push(folder),
                None if has_teacher => others.push((manifest.key, folder)),
                Some(difference) if is_own => {
                    let difference = self.explain(difference, &folder);
                    nearest = format!(" ({} differs: {difference})", folder.display());
                }
                None | Some(_) => {}
            }
        }
        if own.is_empty() {
            // Copies of one cache are as good as each other.
            others.dedup_by_key(|(key, _)| *key);
            own.extend(others.into_iter().map(|(_, folder)| folder));
        }
        match own.len() {
            1 => Ok(own.remove(0)),
            0 => Err(Error::NoCache { root: root.clone(), nearest, pipeline: file.display().to_string() }),
            _ => Err(Error::ManyCaches { paths: own }),
        }
    }

    /// A difference, with the first image that gave rise to it, if it is one.
    fn explain(&self, difference: String, folder: &Path) -> String {
        match dataset_diff::first(self.dataset, folder) {
            Some(changed) => format!("{difference}, since {changed}"),
            None => difference,
        }
    }

    /// The first thing about a cache that is not as the pipeline has it.
    fn difference(&self, folder: &Path, manifest: &Manifest) -> Result<Option<String>, Error> {
        let cache = &self.pipeline.cache;
        // Resized as the cache's teacher wants it: stage two does not know the teacher.
        let view = ViewIdentity::of(cache, manifest.view.resize.clone());
        let kept = self.kept(manifest);
        let dataset = kept.as_ref().unwrap_or(self.dataset);
        let fields = [
            ("the class list is", dataset.classes.join(", "), manifest.dataset.classes.join(", ")),
            (
                "the dataset's fingerprint is",
                dataset.fingerprint().short(12),
                manifest.dataset.fingerprint.short(12),
            ),
            ("the views are", view.to_string(), manifest.view.to_string()),
            ("the encoding is", cache.encoding.to_string(), manifest.encoding.to_string()),
        ];
        let differs = fields.into_iter().find(|(_, expected, found)| expected != found);
        if let Some((what, expected, found)) = differs {
            return Ok(Some(format!("{what} {found}, expected {expected}").replacen(
                " list ",
                " list is ",
                1,
            )));
        }
        // Of kept classes the mass of the rest is known at the cache's own temperatures only.
        let read = self.pipeline.train.cached_temperature();
        let Some(wanted) = read.filter(|_| !manifest.encoding.keeps_all()) else { return Ok(None) };
        let held = store::temperatures(folder, manifest)?;
        Ok((!held.contains(&wanted))
            .then(|| format!("its temperatures are {held:?}, expected {wanted} among them")))
    }
}

fn folder_name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
