//! `decant bench`: a device compared with the CPU, and how fast both stages run on it.

use std::path::PathBuf;

use super::Failure;
use super::output::{out, print_json};
use crate::bench;
use crate::config::StudentDevice;
use crate::support::context::Context;
use crate::support::{atomic, overwrite};

/// The key with which a file of this command begins.
const MARK: &[u8] = b"{\n  \"decant\": ";

/// Check a device against the CPU, and measure both stages on it.
///
/// Needs no dataset: it draws its images, and makes a ViT-B/16 with random weights. On a GPU it takes up to eight minutes, on the
/// CPU about two.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Device: auto, cpu, cuda:N, vulkan:N, metal:N or wgpu:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: StudentDevice,
    /// Measure small sizes in seconds, which shows that everything works and not how fast it is
    #[arg(long)]
    quick: bool,
    /// The JSON file to write
    #[arg(short, long, value_name = "FILE", default_value = "decant-bench.json")]
    output: PathBuf,
    /// Replace a file that decant did not write
    #[arg(long)]
    force: bool,
    /// Print the result as JSON on standard output, in place of the tables
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<(), Failure> {
    if !args.force {
        overwrite::check_file(&args.output, |head| head.starts_with(MARK)).map_err(Failure::usage)?;
    }
    let report = bench::run(args.device, args.quick, context)?;
    let mut text = serde_json::to_string_pretty(&report).expect("plain data");
    text.push('\n');
    atomic::write(&args.output, text.as_bytes())
        .map_err(|error| Failure::run(format!("can't write {}: {error}", args.output.display())))?;
    if args.json {
        print_json(&report);
    } else {
        out!("{report}\nwrote {}\n", args.output.display());
    }
    let failed: Vec<&str> =
        report.checks.iter().filter(|check| !check.passed()).map(|check| check.what.as_str()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::run(format!("the device does not compute what the CPU does: {}", failed.join("; "))))
}
