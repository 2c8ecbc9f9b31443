//! How a command writes numbers and results.

use std::fmt::Arguments;
use std::io::Write;

pub use crate::support::text::{age, bytes, count, numbers, percent, percent_or_dash, seconds};

/// [`println!`], but what can't be written ends the command with a sentence, not a panic.
macro_rules! outln {
    () => { $crate::cli::output::write_out(format_args!("\n")) };
    ($($arguments:tt)+) => { $crate::cli::output::write_out(format_args!("{}\n", format_args!($($arguments)+))) };
}

/// [`print!`], likewise.
macro_rules! out {
    ($($arguments:tt)*) => { $crate::cli::output::write_out(format_args!($($arguments)*)) };
}

/// [`eprintln!`], but what can't be written is lost in silence.
macro_rules! errln {
    ($($arguments:tt)*) => { $crate::cli::output::write_error(format_args!($($arguments)*)) };
}

pub(crate) use {errln, out, outln};

/// Writes to standard output, or ends the process with exit code 1 where that fails.
pub fn write_out(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = out.write_fmt(text).and_then(|()| out.flush()) {
        drop(out);
        errln!("decant: can't write to standard output: {error}");
        std::process::exit(1);
    }
}

/// Writes one line to standard error.
pub fn write_error(text: Arguments<'_>) {
    // There is no better place to complain.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// One value as indented JSON on standard output.
pub fn print_json(value: &impl serde::Serialize) {
    outln!("{}", serde_json::to_string_pretty(value).expect("plain data"));
}
