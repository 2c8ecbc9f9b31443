//! Tests of the library in one process: formats, goldens and stages.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/onnx.rs"]
mod onnx;
#[path = "../common/uniform.rs"]
mod uniform;

#[cfg(any(feature = "cuda", feature = "wgpu", feature = "ndarray"))]
mod composed;
mod controls;
mod dataset_duplicates;
mod dataset_folders;
mod dataset_parquet;
mod dataset_sources;
mod dataset_tables;
mod losses;
mod offline_equals_online;
mod operations;
mod optimizers;
mod pipeline_reference;
mod pixels;
mod preprocess;
mod reads;
mod stage_one;
mod store;
mod student_export;
mod student_goldens;
mod student_initial;
mod student_resnet;
mod teacher_files;
mod teacher_models;
mod teacher_onnx;
mod teacher_support;
mod views;
mod walls;
