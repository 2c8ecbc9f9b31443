//! Ctrl-C and SIGTERM as a flag that long work looks at between its steps.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

const EXIT_CODE: i32 = 130;

/// From now on the first Ctrl-C or SIGTERM sets the flag, and a second one ends the process at once with 130.
pub fn install() {
    // Fails only when a handler is installed already, which is as good.
    let _ = ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            end();
        }
        eprintln!("\ninterrupted: saving what is done (once more to stop at once)");
    });
}

/// Ends the process where it stands. Other threads are at work in libraries, which an orderly exit would take apart under them: ONNX
/// Runtime then reports errors of nodes.
#[cfg(unix)]
fn end() -> ! {
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(EXIT_CODE) }
}

#[cfg(not(unix))]
fn end() -> ! {
    std::process::exit(EXIT_CODE)
}

/// Whether the user asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
