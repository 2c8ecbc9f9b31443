//! Ctrl-C and SIGTERM as a flag that long work looks at between its steps.

use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// From now on the first Ctrl-C or SIGTERM sets the flag, and a second one ends the process at once with 130.
pub fn install() {
    // Fails only when a handler is installed already, which is as good.
    let _ = ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("\ninterrupted: saving what is done (once more to stop at once)");
    });
}

/// Whether the user asked to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
