//! Compression: the size and the speed of a run's student beside its teacher's, both as ONNX files in the same runtime.

use serde::{Deserialize, Serialize};

use super::FinishedRun;
use crate::support::footprint::{BATCHES, Footprint};
use crate::support::table::Table;
use crate::support::text::{bytes, magnitude};
use crate::train::{self, Seal};

/// The file of a run's folder that keeps what was measured, so that cards and reports give the same bytes again.
pub(crate) const COMPRESSION_FILE: &str = "compression.json";

/// The measurements of a student and its teacher, on one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Compression {
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
    /// The measurement that an earlier command left in the run's folder. A damaged file of times costs a second to make again.
    pub(crate) fn read(run: &FinishedRun) -> Option<Self> {
        train::read_json(&run.folder, COMPRESSION_FILE, Seal::Required).ok().flatten()
    }

    /// Leaves the measurement in the run's folder.
    ///
    /// # Errors
    /// A file that can't be written.
    pub(crate) fn write(&self, run: &FinishedRun) -> Result<(), train::Error> {
        train::write_json(&run.folder, COMPRESSION_FILE, self)
    }

    /// The heads of [`Compression::rows`].
    pub(crate) fn head() -> [String; 6] {
        let [one, many] = BATCHES.map(|batch| format!("ms/image, batch {batch}"));
        [String::new(), "parameters".to_owned(), "MACs".to_owned(), "ONNX file".to_owned(), one, many]
    }

    /// Teacher, student, and how many times smaller the student is.
    pub(crate) fn rows(&self) -> Vec<[String; 6]> {
        let row = |name: &str, one: &Footprint| {
            let [first, second] = one.milliseconds.map(milliseconds);
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
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(Self::head());
        for row in self.rows() {
            table.row(row);
        }
        table
    }

    /// The conditions of the measurement, and the parts that are missing.
    pub(crate) fn measured_with(&self) -> String {
        let note = self.note.as_ref().map_or_else(String::new, |note| format!("; {note}"));
        format!("ONNX Runtime on {}; MACs of convolutions and matrix products{note}", self.machine)
    }
}

/// `4.03`, or `0.0031` of what takes less than a hundredth of a millisecond.
fn milliseconds(time: f64) -> String {
    if time < 0.01 { format!("{time:.4}") } else { format!("{time:.2}") }
}

/// `12.4`, `124` from a hundred on, and `0.0025` where it would be nothing.
fn ratio(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        0.1.. => format!("{value:.1}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_nothing_is_not_shown_as_nothing() {
        assert_eq!(
            [milliseconds(4.031), milliseconds(0.0512), milliseconds(0.0031)],
            ["4.03", "0.05", "0.0031"]
        );
        assert_eq!([ratio(198.4), ratio(28.44), ratio(0.5), ratio(0.0025)], ["198", "28.4", "0.5", "0.0025"]);
    }
}
