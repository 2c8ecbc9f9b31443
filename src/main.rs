//! `decant`: parse, run, and turn an error into an exit code.

#![expect(unsafe_code, reason = "sets the actions of signals before any other thread runs")]

use std::process::ExitCode;

use decant::cli::Cli;
use decant::support::allocator::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    #[cfg(unix)]
    set_signals();
    match Cli::read().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.show();
            failure.exit_code()
        }
    }
}

/// `decant cache ls | head -1` ends quietly, as other commands do; Rust would panic at the next line. A file that passes the limit of
/// sizes (`ulimit -f`) is an error of the write, which is answered in a sentence; its signal would end the process without a word.
#[cfg(unix)]
fn set_signals() {
    // SAFETY: no other thread runs yet, and both actions are always valid.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}
