//! Ctrl-C and SIGTERM as a request to stop, which long work looks at between its steps.

#![expect(unsafe_code, reason = "ends the process without taking libraries apart under their threads")]

use super::output::errln;
use crate::support::context::Cancel;
use crate::support::exit::Kind;

/// From now on the first Ctrl-C or SIGTERM requests `cancel`, and a second one ends the process at once with 130.
pub(crate) fn install(cancel: Cancel) {
    // Fails only when a handler is installed already, which is as good.
    let _ = ctrlc::set_handler(move || {
        if cancel.request() {
            end();
        }
        errln!("\ninterrupted: stopping at the next safe place (once more to stop at once)");
    });
}

/// Ends the process where it stands. Other threads are at work in libraries, which an orderly exit would take apart under them: ONNX
/// Runtime then reports errors of nodes.
#[cfg(unix)]
fn end() -> ! {
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(i32::from(Kind::Interrupted.code())) }
}

#[cfg(not(unix))]
fn end() -> ! {
    std::process::exit(i32::from(Kind::Interrupted.code()))
}
