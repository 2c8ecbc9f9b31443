//! How a command writes numbers and results.

pub use crate::support::text::{age, bytes, count, numbers, percent, seconds};

/// One value as indented JSON on standard output.
pub fn print_json(value: &impl serde::Serialize) {
    println!("{}", serde_json::to_string_pretty(value).expect("plain data"));
}
