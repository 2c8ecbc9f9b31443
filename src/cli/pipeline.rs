//! The arguments of every command that reads a pipeline file.

use std::path::PathBuf;

use super::Failure;
use crate::config::{Pipeline, Source};
use crate::store::{self, Cache};
use crate::teacher;

/// The pipeline file and what overrides it.
#[derive(clap::Args)]
pub(crate) struct PipelineArgs {
    /// The pipeline file: one experiment, from dataset to student
    #[arg(short, long = "pipeline", value_name = "FILE")]
    pub pipeline: PathBuf,
    /// Override any key of the file, such as --set train.lr=3e-4
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// The folder that holds caches, or its URL in an object store [default: the file's cache.dir, which is "cache"]
    #[arg(long, value_name = "DIR", env = "DECANT_CACHE")]
    cache_dir: Option<PathBuf>,
    /// The folder that holds runs [default: the file's train.dir, which is "runs"]
    #[arg(long, value_name = "DIR", env = "DECANT_RUNS")]
    runs_dir: Option<PathBuf>,
}

impl PipelineArgs {
    /// Reads and checks the file; `shortcuts` are a command's own options, as overrides.
    pub(crate) fn load(&self, shortcuts: Vec<String>) -> Result<Pipeline, Failure> {
        let source = self.read(shortcuts)?;
        Ok(self.with_folders(source.pipeline()?))
    }

    /// The arguments that say the same to another command.
    pub(crate) fn again(&self) -> Vec<String> {
        let mut arguments = vec!["-p".to_owned(), self.pipeline.display().to_string()];
        arguments.extend(self.sets.iter().flat_map(|set| ["--set".to_owned(), set.clone()]));
        for (option, dir) in [("--cache-dir", &self.cache_dir), ("--runs-dir", &self.runs_dir)] {
            if let Some(dir) = dir {
                arguments.extend([option.to_owned(), dir.display().to_string()]);
            }
        }
        arguments
    }

    /// The same for a sweep, with the file that variants of the pipeline can be made from.
    pub(crate) fn source(&self, shortcuts: Vec<String>) -> Result<(Source, Pipeline), Failure> {
        let source = self.read(shortcuts)?;
        let pipeline = self.with_folders(source.sweep_base()?);
        Ok((source, pipeline))
    }

    fn read(&self, shortcuts: Vec<String>) -> Result<Source, Failure> {
        let overrides: Vec<String> = self.sets.iter().cloned().chain(shortcuts).collect();
        Ok(Source::read(&self.pipeline, &overrides)?)
    }

    /// The pipeline with the folders that the options name.
    fn with_folders(&self, mut pipeline: Pipeline) -> Pipeline {
        if let Some(dir) = &self.cache_dir {
            pipeline.cache.dir.clone_from(dir);
        }
        if let Some(dir) = &self.runs_dir {
            pipeline.train.dir.clone_from(dir);
        }
        pipeline
    }
}

/// Refuses a cache under another name that another teacher made, where the pipeline's teacher can be read; it may also be gone.
pub(crate) fn check_teacher(pipeline: &Pipeline, cache: &Cache) -> Result<(), Failure> {
    let manifest = cache.manifest();
    if manifest.name == pipeline.cache.name {
        return Ok(());
    }
    let Ok(teacher) = teacher::identify(&pipeline.teacher) else { return Ok(()) };
    if teacher.fingerprint == manifest.teacher.fingerprint {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} was made by another teacher: its fingerprint is {}, and that of {} is {}; make a cache of this one with decant teacher-cache",
        store::place(cache.dir()).display(),
        manifest.teacher.fingerprint.short(12),
        teacher.model,
        teacher.fingerprint.short(12)
    )))
}

/// `--lr 3e-4` as the override `train.lr=3e-4`, where it was given.
pub(crate) fn shortcut(key: &str, value: Option<&impl ToString>) -> Option<String> {
    value.map(|value| format!("{key}={}", value.to_string()))
}
