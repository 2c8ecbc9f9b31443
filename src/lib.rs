//! Distil an image classifier offline.
//!
//! Stage one runs a teacher once and writes its logits and softened targets to a cache of memory-mapped parquet;
//! stage two trains students from that cache and never loads the teacher. Data flows one way, and a module imports
//! only from the modules before it and from [`support`]:
//!
//! `loss, encoding -> config, objects -> view -> dataset -> teacher, store -> stage_one -> student -> train -> runs -> sweep -> report, planning, bench -> cli`
//!
//! A batch of the teacher's logits and soft targets, straight from a cache's memory map:
//!
//! ```
//! use decant::store::Cache;
//!
//! # // A cache of 0.1.0 that is kept for tests, upgraded.
//! # let root = tempfile::tempdir()?;
//! # let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/cache-format-1/float32-6ce571235f45");
//! # assert!(std::process::Command::new("cp").args(["-r", golden]).arg(root.path()).status()?.success());
//! # let old = root.path().join("float32-6ce571235f45");
//! # let folder = decant::store::upgrade(&old, false, &decant::support::context::Context::silent())?;
//! let cache = Cache::open(&folder)?;
//! let train = cache.split("train")?;
//! // View 0 of the samples 4, 0 and 2.
//! let batch: Vec<usize> = [4, 0, 2].into_iter().filter_map(|sample| train.row(sample, 0)).collect();
//! let mut logits = vec![0.0; batch.len() * train.classes()];
//! train.gather_logits(&batch, &mut logits)?;
//! let mut targets = vec![0.0; batch.len() * train.classes()];
//! train.gather_soft(5.0, &batch, &mut targets)?;
//! let sum: f32 = targets[..train.classes()].iter().sum();
//! assert!((sum - 1.0).abs() < 1e-5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bench;
pub mod cli;
pub mod config;
pub mod dataset;
mod encoding;
pub mod loss;
mod objects;
mod planning;
pub mod report;
pub mod runs;
pub mod stage_one;
pub mod store;
pub mod student;
pub mod support;
mod sweep;
pub mod teacher;
pub mod train;
pub mod view;
