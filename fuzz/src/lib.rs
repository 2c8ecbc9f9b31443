//! What must hold for any bytes. Each check fails by panicking; `tests/command/safety/fuzzed.rs` of decant itself runs the same checks.

pub mod checks;

pub use checks::{image, manifest, pipeline, resize, shard};
