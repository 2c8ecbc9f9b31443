//! The names of the files in a run's folder.

/// The file of what a run is.
pub(crate) const RUN_FILE: &str = "run.json";
/// The file of its results, once it is finished.
pub(crate) const RESULT_FILE: &str = "result.json";
/// The file of its epochs.
pub(crate) const METRICS_FILE: &str = "metrics.jsonl";
/// The file of its times.
pub(crate) const TIMING_FILE: &str = "timing.json";
/// The folder of the kept weights, as Hugging Face tools open it.
pub const BEST: &str = "best";
