//! Tests that run the `decant` binary as its users do.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/onnx.rs"]
mod onnx;

mod agreement;
mod bench;
mod compare;
mod docs;
mod help;
mod init;
mod messages;
mod objects;
mod plan;
mod python;
mod refusals;
mod report;
mod restarts;
mod run_damage;
mod runs;
mod safety;
mod stage_two;
mod student_leaves;
mod sweep;
mod teacher_runtime;
#[cfg(unix)]
mod terminal;
mod units;
mod views;
