//! Everything that a report says, as data.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::comparison::Comparison;
use super::gallery::{Card, Source};
use super::input::Input;
use super::student::{self, Evaluated, Student};
use super::{Error, Teacher};
use crate::config::{self, StudentDevice};
use crate::dataset::{Dataset, SplitName};
use crate::runs::{Compression, FinishedRun, Run};
use crate::store::Cache;
use crate::support::context::Context;
use crate::support::exit::{self, ExitKind};

/// Measures a student and its teacher; the text of an error is a reason.
pub(crate) type MeasureCompression = fn(&FinishedRun) -> Result<Compression, String>;

/// The choices of a caller.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The split that students and teachers are measured on: test, or else validation, unless given.
    pub split: Option<SplitName>,
    /// Where a student is evaluated.
    pub device: StudentDevice,
    /// The folder that holds the runs which a sweep lists.
    pub runs_dir: PathBuf,
    /// Where the images of a cache are. A run knows its own.
    pub dataset: Option<config::Dataset>,
    /// Measures how much smaller a student is than its teacher, where the page is to say so.
    pub compression: Option<MeasureCompression>,
    /// Where progress goes.
    pub context: Context,
}

/// The subject of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A teacher's cache.
    Cache,
    /// One student.
    Run,
    /// Several students.
    Sweep,
}

/// Everything that a report says.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Contents {
    /// The version that made the report.
    pub decant: &'static str,
    /// The subject of the report.
    pub kind: Kind,
    /// The experiment's name.
    pub title: String,
    /// The folders that it was made from.
    pub paths: Vec<PathBuf>,
    /// The parts that could not be shown, and why, a sentence each.
    pub notes: Vec<String>,
    /// Class names, in label order.
    pub classes: Vec<String>,
    /// The runs compared.
    pub comparison: Option<Comparison>,
    /// The student: of the run, or of the best run.
    pub student: Option<Student>,
    /// The cache and its teacher.
    pub teacher: Option<Teacher>,
    /// The size and the speed of that student and of its teacher.
    pub compression: Option<Compression>,
    /// Images with what teacher and student say of them.
    pub gallery: Vec<Card>,
    /// The student's worst mistakes.
    pub mistakes: Vec<Card>,
    /// Every run.
    pub runs: Vec<Run>,
}

impl Contents {
    /// Gathers what is on disk.
    ///
    /// # Errors
    /// As [`super::Report::of`].
    pub(crate) fn read(paths: &[PathBuf], options: &Options) -> Result<Self, Error> {
        let mut contents = match Input::read(paths, &options.runs_dir)? {
            Input::Cache(folder) => Self::of_cache(&folder, options)?,
            Input::Run(run) => Self::of_runs(Kind::Run, vec![*run], Vec::new(), options)?,
            Input::Sweep { runs, notes } => Self::of_runs(Kind::Sweep, runs, notes, options)?,
        };
        contents.paths = paths.to_vec();
        Ok(contents)
    }

    /// The run that the student is of.
    pub(crate) fn shown_run(&self) -> Option<&Run> {
        let index = self.comparison.as_ref().map_or(0, |comparison| comparison.best_run);
        self.runs.get(index)
    }

    fn empty(kind: Kind, title: String) -> Self {
        Self {
            decant: env!("CARGO_PKG_VERSION"),
            kind,
            title,
            paths: Vec::new(),
            notes: Vec::new(),
            classes: Vec::new(),
            comparison: None,
            student: None,
            teacher: None,
            compression: None,
            gallery: Vec::new(),
            mistakes: Vec::new(),
            runs: Vec::new(),
        }
    }

    fn of_cache(folder: &Path, options: &Options) -> Result<Self, Error> {
        let cache = Cache::open(folder)?;
        cache.check_content()?;
        let manifest = cache.manifest();
        let split = cached_split(&cache, options.split)?;
        let mut contents = Self::empty(Kind::Cache, manifest.name.clone());
        contents.classes.clone_from(&manifest.dataset.classes);
        let dataset = match &options.dataset {
            None => {
                contents.notes.push(
                    "A cache does not hold the images. Give the pipeline file that it was made from, --pipeline FILE, to see them."
                        .to_owned(),
                );
                None
            }
            Some(config) => {
                let dataset = Dataset::open(config, &options.context)?;
                cache.check_dataset(dataset.fingerprint(), &dataset.classes)?;
                Some(dataset)
            }
        };
        let rows = cache.split(split.as_str())?;
        let source = Source {
            rows: &rows,
            split,
            classes: &manifest.dataset.classes,
            dataset: dataset.as_ref(),
            student: None,
        };
        contents.gallery = source.gallery(middle(&manifest.temperatures))?;
        contents.teacher = Some(Teacher::of(&cache, split)?);
        Ok(contents)
    }

    fn of_runs(kind: Kind, runs: Vec<Run>, notes: Vec<String>, options: &Options) -> Result<Self, Error> {
        let first = &runs[0];
        let title = match kind {
            Kind::Run => first.title(),
            Kind::Cache | Kind::Sweep => first.description.pipeline.name.clone(),
        };
        let mut contents = Self::empty(kind, title);
        contents.notes = notes;
        Self::check_classes(&runs)?;
        if kind == Kind::Sweep {
            let compared = Comparison::of(&runs).ok_or(Error::NothingFinished { runs: runs.len() })?;
            let unfinished = runs.iter().filter(|run| run.result.is_none()).count();
            if unfinished > 0 {
                contents.notes.push(format!(
                    "{unfinished} of {} runs have not finished and are left out of the comparison.",
                    runs.len()
                ));
            }
            contents.comparison = Some(compared);
        }
        contents.runs = runs;
        let Some(run) = contents.shown_run().cloned() else { return Ok(contents) };
        if run.result.is_none() {
            contents.notes.push(format!(
                "The run has not finished: {} of {} epochs are done, and there are no predictions to show yet.",
                run.epochs.len(),
                run.description.pipeline.train.epochs
            ));
            return Ok(contents);
        }
        if let Some(imported) = &run.description.imported {
            contents.notes.push(format!(
                "{} was trained by {}: its student is not here, so its predictions are not shown.",
                run.name(),
                imported.tool
            ));
            if let Ok(cache) = Cache::open(&run.description.cache) {
                contents.classes.clone_from(&cache.manifest().dataset.classes);
                contents.teacher = Some(Teacher::of(&cache, cached_split(&cache, options.split)?)?);
            }
            return Ok(contents);
        }
        if let Some(measure) = options.compression {
            let finished = FinishedRun::open(&run.folder).map_err(|error| error.to_string());
            match finished.and_then(|run| measure(&run)) {
                Ok(compression) => contents.compression = Some(compression),
                Err(error) => contents.notes.push(format!("Size and speed are not shown: {error}.")),
            }
        }
        match student::evaluate(&run, options.split, options.device, &options.context) {
            Ok(Evaluated { student, teacher, gallery, mistakes }) => {
                contents.classes.clone_from(&teacher.manifest.dataset.classes);
                contents.student = Some(student);
                contents.teacher = Some(teacher);
                contents.gallery = gallery;
                contents.mistakes = mistakes;
            }
            // A split that was asked for by name, and damage, are the caller's to know.
            Err(error)
                if error.is_damage()
                    || error.kind() == exit::Kind::Interrupted
                    || options.split.is_some() =>
            {
                return Err(error);
            }
            Err(error) => {
                contents.notes.push(format!("The student's predictions are not shown: {error}."));
            }
        }
        Ok(contents)
    }

    /// Runs of different datasets have nothing to compare; their confusion matrices tell how many classes each knows.
    fn check_classes(runs: &[Run]) -> Result<(), Error> {
        let classes = |run: &Run| {
            run.result
                .as_ref()
                .map(|result| result.validation.confusion.classes())
                .filter(|classes| *classes > 0)
        };
        let mut known = runs.iter().filter_map(|run| Some((run, classes(run)?)));
        let Some((first, count)) = known.next() else { return Ok(()) };
        match known.find(|(_, other)| *other != count) {
            Some((run, _)) => {
                Err(Error::OtherClasses { path: run.folder.clone(), first: first.folder.clone() })
            }
            None => Ok(()),
        }
    }
}

/// `wanted`, or the last of train, validation and test that the cache has.
fn cached_split(cache: &Cache, wanted: Option<SplitName>) -> Result<SplitName, Error> {
    let splits = &cache.manifest().dataset.splits;
    let has = |split: &SplitName| splits.iter().any(|size| size.name == split.as_str() && size.samples > 0);
    let found = match wanted {
        Some(split) => Some(split).filter(has),
        None => SplitName::ALL.into_iter().rev().find(has),
    };
    found.ok_or_else(|| Error::NoSplit {
        path: cache.dir().to_owned(),
        split: wanted.map_or_else(|| "filled".to_owned(), |split| split.to_string()),
        available: splits.iter().map(|size| size.name.as_str()).collect::<Vec<_>>().join(", "),
    })
}

/// The temperature in the middle of the list.
fn middle(temperatures: &[f32]) -> f32 {
    temperatures.get(temperatures.len() / 2).copied().unwrap_or(1.0)
}
