//! The result of a benchmark: one value that is written as JSON and shown as tables.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::support::table::Table;
use crate::support::text::count;

/// The checks and measurements.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The version of decant; a file with this key was written by it.
    pub decant: String,
    /// Seconds since 1970 when it began.
    pub unix_time: u64,
    /// Whether small sizes were measured, which say little about speed.
    pub quick: bool,
    /// The processor's name.
    pub processor: String,
    /// Cores of the processor.
    pub cores: usize,
    /// The graphics card's name; none where a processor is measured, or the system does not name it.
    pub card: Option<String>,
    /// The card's driver and its version.
    pub driver: Option<String>,
    /// The teacher's device and the library that runs it; or why it was not measured.
    pub teacher: Part,
    /// The student's device; or why it was not measured.
    pub student: Part,
    /// The device compared with the CPU.
    pub checks: Vec<Check>,
    /// Rates of stage one.
    pub stage_one: Vec<TeacherRate>,
    /// Rates of stage two.
    pub stage_two: Vec<StudentRate>,
    /// Seconds of everything.
    pub seconds: f64,
}

/// One of the two stages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// It was measured on this.
    On(String),
    /// It was not measured, for this reason.
    Skipped(String),
}

impl Default for Part {
    fn default() -> Self {
        Self::Skipped("it was not asked for".to_owned())
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(device) => formatter.write_str(device),
            Self::Skipped(reason) => write!(formatter, "not measured: {reason}"),
        }
    }
}

/// A comparison of numbers that should be the same but for rounding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// The two values that were compared.
    pub what: String,
    /// The largest difference, as a share of the largest value.
    pub difference: f64,
    /// The largest value that is allowed.
    pub tolerance: f64,
}

impl Check {
    /// Whether the numbers are the same but for rounding; NaN never is.
    pub fn passed(&self) -> bool {
        self.difference <= self.tolerance
    }
}

/// How fast a teacher runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeacherRate {
    /// The model.
    pub model: String,
    /// `fp32` or `fp16`.
    pub precision: String,
    /// Images in one call.
    pub batch: usize,
    /// Sessions side by side.
    pub sessions: usize,
    /// Images a second of calls on pixels that are ready, the median of the turns.
    pub calls_images_per_second: f64,
    /// Images a second of stage one, from image files to a committed cache, the median of the turns.
    pub stage_one_images_per_second: f64,
    /// Stage one's share of what the calls of the same turn reach, the median of the turns.
    pub share: f64,
    /// Each turn: the calls, and stage one beside them in time.
    pub turns: Vec<Turn>,
}

/// The calls and stage one, measured one right after the other, so that other work on the machine slows both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Images a second of calls on pixels that are ready.
    pub calls_images_per_second: f64,
    /// Images a second of stage one.
    pub stage_one_images_per_second: f64,
}

impl Turn {
    /// Stage one's share of what the calls reach.
    pub(super) fn share(&self) -> f64 {
        self.stage_one_images_per_second / self.calls_images_per_second
    }
}

/// How fast a student trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudentRate {
    /// The model.
    pub model: String,
    /// `float32` or `bfloat16`.
    pub precision: String,
    /// Side of an image, in pixels.
    pub side: usize,
    /// Images in one step.
    pub batch: usize,
    /// Images a second of training steps on pixels that are ready.
    pub images_per_second: f64,
    /// Milliseconds of a step.
    pub step_milliseconds: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "machine  {}, {}", self.processor, count(self.cores, "core"))?;
        if let Some(card) = &self.card {
            let driver = self.driver.as_deref().unwrap_or("unknown");
            writeln!(formatter, "card     {card}, driver {driver}")?;
        }
        writeln!(formatter, "teacher  {}", self.teacher)?;
        writeln!(formatter, "student  {}", self.student)?;
        if !self.checks.is_empty() {
            let mut table = Table::new(["check", "difference", "tolerance", ""]);
            for check in &self.checks {
                let passed = if check.passed() { "passed" } else { "FAILED" };
                let numbers = [check.difference, check.tolerance].map(|number| format!("{number:.1e}"));
                let [difference, tolerance] = numbers;
                table.row([check.what.clone(), difference, tolerance, passed.to_owned()]);
            }
            write!(formatter, "\n{table}")?;
        }
        if !self.stage_one.is_empty() {
            let mut table = Table::new([
                "stage one",
                "precision",
                "batch",
                "calls images/s",
                "stage one images/s",
                "share",
            ]);
            for rate in &self.stage_one {
                table.row([
                    rate.model.clone(),
                    rate.precision.clone(),
                    rate.batch.to_string(),
                    format!("{:.1}", rate.calls_images_per_second),
                    format!("{:.1}", rate.stage_one_images_per_second),
                    format!("{:.2}", rate.share),
                ]);
            }
            write!(formatter, "\n{table}")?;
        }
        if !self.stage_two.is_empty() {
            let mut table = Table::new(["stage two", "precision", "side", "batch", "images/s", "ms a step"]);
            for rate in &self.stage_two {
                table.row([
                    rate.model.clone(),
                    rate.precision.clone(),
                    format!("{} px", rate.side),
                    rate.batch.to_string(),
                    format!("{:.1}", rate.images_per_second),
                    format!("{:.1}", rate.step_milliseconds),
                ]);
            }
            write!(formatter, "\n{table}")?;
        }
        Ok(())
    }
}
