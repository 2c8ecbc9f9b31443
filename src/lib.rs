//! Distil an image classifier offline.
//!
//! Stage one runs a teacher once and writes its logits and softened targets to a cache of memory-mapped parquet;
//! stage two trains students from that cache and never loads the teacher. Data flows one way, and a module imports
//! only from the modules before it and from [`support`]:
//!
//! `loss -> config, objects -> view -> dataset -> teacher, store -> stage_one -> student -> train -> runs -> sweep -> report, planning -> cli`

pub mod cli;
pub mod config;
pub mod dataset;
pub mod loss;
pub mod objects;
pub mod planning;
pub mod report;
pub mod runs;
pub mod stage_one;
pub mod store;
pub mod student;
pub mod support;
pub mod sweep;
pub mod teacher;
pub mod train;
pub mod view;
