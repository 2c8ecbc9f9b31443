//! Which kind of thing the named folders are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Error, Run};
use crate::store::MANIFEST_FILE;

/// What a report is about.
pub enum Input {
    /// One cache.
    Cache(PathBuf),
    /// One run.
    Run(Box<Run>),
    /// Several runs of one dataset.
    Sweep(Vec<Run>),
}

impl Input {
    /// Reads the runs that `paths` name, each once; several of them make a sweep.
    ///
    /// # Errors
    /// A folder that is none of the three, a run that is damaged, a cache that is not alone.
    pub fn read(paths: &[PathBuf]) -> Result<Self, Error> {
        let mut folders = Vec::new();
        for path in paths {
            if !path.is_dir() {
                return Err(Error::Missing { path: path.clone() });
            }
            if path.join(MANIFEST_FILE).is_file() {
                return match paths {
                    [_] => Ok(Self::Cache(path.clone())),
                    _ => Err(Error::Mixed { path: path.clone() }),
                };
            }
            if path.join("run.json").is_file() {
                folders.push(path.clone());
            } else {
                return Err(Error::Unknown { path: path.clone() });
            }
        }
        let mut seen = BTreeSet::new();
        folders.retain(|folder| seen.insert(canonical(folder)));
        let mut runs = folders.iter().map(|folder| Run::read(folder)).collect::<Result<Vec<_>, _>>()?;
        if let [_] = runs.as_slice() {
            return Ok(Self::Run(Box::new(runs.remove(0))));
        }
        runs.sort_by(|a, b| order(a).partial_cmp(&order(b)).unwrap_or(std::cmp::Ordering::Equal));
        Ok(Self::Sweep(runs))
    }
}

/// Runs are told by lambda, temperature and seed, however they were named.
fn order(run: &Run) -> (f32, f32, u64, &Path) {
    let train = &run.description.pipeline.train;
    (train.lambda, train.temperature, train.seed, &run.folder)
}

fn canonical(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| folder.to_owned())
}
