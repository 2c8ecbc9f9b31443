//! The fuzzed modules of decant.

#![allow(dead_code, unused_imports, reason = "the modules that use the rest are not here")]

#[path = "../../src/config/mod.rs"]
pub mod config;
#[path = "../../src/dataset/mod.rs"]
pub mod dataset;
#[path = "../../src/encoding/mod.rs"]
mod encoding;
#[path = "../../src/loss/mod.rs"]
pub mod loss;
#[path = "../../src/objects/mod.rs"]
pub mod objects;
#[path = "../../src/store/mod.rs"]
pub mod store;
#[path = "../../src/support/mod.rs"]
pub mod support;
#[path = "../../src/view/mod.rs"]
pub mod view;
