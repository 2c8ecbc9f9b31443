//! `decant`: parse, run, and turn an error into an exit code.

use std::process::ExitCode;

use clap::Parser;
use decant::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("decant: {failure}");
            failure.exit_code()
        }
    }
}
