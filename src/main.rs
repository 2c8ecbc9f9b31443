//! `decant`: parse, run, and turn an error into an exit code.

#![expect(unsafe_code, reason = "restores the default action of SIGPIPE before any other thread runs")]

use std::process::ExitCode;

use decant::cli::Cli;

fn main() -> ExitCode {
    #[cfg(unix)]
    end_with_the_reader_of_our_output();
    match Cli::read().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.show();
            failure.exit_code()
        }
    }
}

/// `decant cache ls | head -1` ends quietly, as other commands do; Rust would panic at the next line.
#[cfg(unix)]
fn end_with_the_reader_of_our_output() {
    // SAFETY: no other thread runs yet, and the default action is always valid.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}
