//! Compression: the size and the speed of a run's student beside its teacher's, both as ONNX files in the same runtime.

use std::fs;
use std::path::Path;
use std::thread::available_parallelism;

use serde::{Deserialize, Serialize};

use super::FinishedRun;
use crate::config;
use crate::student::{hf, onnx};
use crate::support::table::Table;
use crate::support::text::{bytes, magnitude};
use crate::teacher::{BATCHES, Footprint};
use crate::train::{self, Seal};

/// The file of a run's folder that keeps what was measured, so that cards and reports give the same bytes again.
pub const COMPRESSION_FILE: &str = "compression.json";

/// The measurements of a student and its teacher, on one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compression {
    /// The processor and its cores that took part.
    pub machine: String,
    /// The student, exported.
    pub student: Footprint,
    /// The teacher, where its files are still there.
    pub teacher: Option<Footprint>,
    /// Why there is no teacher.
    pub note: Option<String>,
}

impl Compression {
    /// The measurement that an earlier call left in the run's folder, or else one that is made now and left there.
    ///
    /// # Errors
    /// As [`Compression::measure`].
    pub fn of(run: &FinishedRun) -> Result<Self, String> {
        match train::read_json(&run.folder, COMPRESSION_FILE, Seal::Required) {
            Ok(Some(found)) => Ok(found),
            // A damaged file of times costs a second to make again.
            Ok(None) | Err(_) => Self::measure(run),
        }
    }

    /// Measures student and teacher now, which takes a second for a small teacher, and leaves the result in the run's folder.
    ///
    /// # Errors
    /// The student can't be exported or run: no ONNX Runtime library, no room for a temporary file. The text says what is wrong.
    pub fn measure(run: &FinishedRun) -> Result<Self, String> {
        let student = of_student(&run.best())?;
        // Before batch normalisation is folded into the convolutions, as every other table counts.
        let student = Footprint { parameters: run.result.parameters as u64, ..student };
        let measured = Self::beside(student, &run.description.pipeline.teacher);
        // A folder that can't be written still has its table.
        let _ = train::write_json(&run.folder, COMPRESSION_FILE, &measured);
        Ok(measured)
    }

    /// A student of which the footprint is known, beside a teacher.
    pub fn beside(student: Footprint, teacher: &config::Teacher) -> Self {
        let (teacher, note) = match Footprint::of(teacher) {
            Ok(teacher) => (Some(teacher), None),
            Err(error) => (None, Some(format!("the teacher is not measured: {error}"))),
        };
        Self { machine: machine(), student, teacher, note }
    }

    /// The heads of [`Compression::rows`].
    pub fn head() -> [String; 6] {
        let [one, many] = BATCHES.map(|batch| format!("ms/image, batch {batch}"));
        [String::new(), "parameters".to_owned(), "MACs".to_owned(), "ONNX file".to_owned(), one, many]
    }

    /// Teacher, student, and how many times smaller the student is.
    pub fn rows(&self) -> Vec<[String; 6]> {
        let row = |name: &str, one: &Footprint| {
            let [first, second] = one.milliseconds.map(|time| format!("{time:.2}"));
            let (height, width) = one.image_size;
            let macs = one
                .macs
                .map_or("-".to_owned(), |macs| format!("{} at {height}x{width}", magnitude(macs as f64)));
            [name.to_owned(), magnitude(one.parameters as f64), macs, bytes(one.bytes), first, second]
        };
        let student = row("student", &self.student);
        let Some(teacher) = &self.teacher else { return vec![student] };
        let times = |teacher: f64, student: f64| format!("{}x", ratio(teacher / student));
        let (large, small) = (teacher, &self.student);
        let macs = large.macs.zip(small.macs);
        let smaller = [
            "times less".to_owned(),
            times(large.parameters as f64, small.parameters as f64),
            macs.map_or("-".to_owned(), |(large, small)| times(large as f64, small as f64)),
            times(large.bytes as f64, small.bytes as f64),
            times(large.milliseconds[0], small.milliseconds[0]),
            times(large.milliseconds[1], small.milliseconds[1]),
        ];
        vec![row("teacher", teacher), student, smaller]
    }

    /// The rows as a table.
    pub fn table(&self) -> Table {
        let mut table = Table::new(Self::head());
        for row in self.rows() {
            table.row(row);
        }
        table
    }

    /// The conditions of the measurement, and the parts that are missing.
    pub fn measured_with(&self) -> String {
        let note = self.note.as_ref().map_or_else(String::new, |note| format!("; {note}"));
        format!("ONNX Runtime on {}; MACs of convolutions and matrix products{note}", self.machine)
    }
}

/// The footprint of the student in a Hugging Face folder, by a temporary export.
///
/// # Errors
/// As [`Compression::measure`].
pub fn of_student(weights: &Path) -> Result<Footprint, String> {
    let opened =
        hf::open_folder(weights, &burn::tensor::Device::flex()).map_err(|error| error.to_string())?;
    // Which mean and deviation the pixels have costs nothing.
    let card = hf::Card { classes: &opened.classes, image_mean: [0.5; 3], image_std: [0.5; 3], steps: 0 };
    let folder = tempfile::tempdir().map_err(|error| format!("no room for a temporary export: {error}"))?;
    onnx::save_folder(folder.path(), &opened.model, &card).map_err(|error| error.to_string())?;
    let model = folder.path().display().to_string();
    Footprint::of(&config::Teacher { model, ..config::Teacher::default() }).map_err(|error| error.to_string())
}

/// `12.4`, or `124` from a hundred on.
fn ratio(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// The processor's name and the number of its cores that a call may take.
fn machine() -> String {
    let cores = available_parallelism().map_or(1, usize::from);
    let name = processor(Path::new("/proc/cpuinfo"))
        .unwrap_or_else(|| format!("a processor ({})", std::env::consts::ARCH));
    format!("{name}, {}", crate::support::text::count(cores, "core"))
}

/// The model name in Linux's list of processors.
fn processor(list: &Path) -> Option<String> {
    let text = fs::read_to_string(list).ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
