//! One self-contained HTML page about a cache, a run or a sweep: charts, images and everything needed to rerun it.
//!
//! [`Contents::read`] gathers what is on disk, `plots::charts` draws it, `page::render` writes the page. Nothing in a
//! page depends on when or where it was made: the same folders give the same bytes.

pub(crate) mod chart;
mod comparison;
mod contents;
mod error;
mod gallery;
mod input;
mod page;
mod picture;
mod plots;
mod reliability;
mod settings;
mod student;
mod teacher;

use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use comparison::Comparison;
pub(crate) use contents::{Contents, Options};
pub(crate) use error::Error;
pub(crate) use input::runs_of;
pub use teacher::Teacher;

use crate::support::atomic;
use crate::support::context::Context;
use crate::support::overwrite::{self, Refused};
use chart::Chart;

/// A report: what it is about, its charts and its page.
pub(crate) struct Report {
    /// Every number of it.
    pub contents: Contents,
    /// Every chart of it.
    pub charts: Vec<Chart>,
    /// The page.
    pub html: String,
}

impl Report {
    /// Reports on a cache, a run, or several runs.
    ///
    /// # Errors
    /// Folders that are none of these, and stored data that is damaged. What is only missing, a dataset that has moved or a
    /// run that has not finished, leaves a section out, and [`Contents::notes`] says so.
    pub(crate) fn of(paths: &[PathBuf], options: &Options) -> Result<Self, Error> {
        let contents = Contents::read(paths, options)?;
        check_stop(&options.context)?;
        let charts = plots::charts(&contents);
        let html = page::render(&contents, &charts);
        Ok(Self { contents, charts, html })
    }

    /// Refuses to replace a page or charts that decant did not write.
    ///
    /// # Errors
    /// [`Error::Foreign`] with the first such file.
    pub(crate) fn check_places(page: &Path, charts: Option<&Path>) -> Result<(), Error> {
        overwrite::check_file(page, page::is_page)?;
        let files =
            charts.map(fs::read_dir).into_iter().flatten().flatten().flatten().map(|entry| entry.path());
        for path in files.filter(|path| path.extension().is_some_and(|end| end == "svg" || end == "png")) {
            // A PNG has its marked SVG beside it.
            overwrite::check_file(&path.with_extension("svg"), chart::is_chart)?;
            if !path.with_extension("svg").exists() {
                return Err(Refused { path }.into());
            }
        }
        Ok(())
    }

    /// Writes the page.
    ///
    /// # Errors
    /// A file that can't be written.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Error> {
        write(path, self.html.as_bytes())
    }

    /// Writes each chart as SVG and as PNG into `folder`.
    ///
    /// # Errors
    /// A file that can't be written; a request to stop.
    pub(crate) fn write_charts(&self, folder: &Path, context: &Context) -> Result<(), Error> {
        for chart in &self.charts {
            check_stop(context)?;
            write(&folder.join(chart.name).with_extension("svg"), chart.svg().as_bytes())?;
            write(&folder.join(chart.name).with_extension("png"), &chart.png())?;
        }
        Ok(())
    }
}

/// Stops where the user asked for it.
fn check_stop(context: &Context) -> Result<(), Error> {
    if context.is_cancelled() { Err(Error::Interrupted) } else { Ok(()) }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    atomic::write(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
}
