//! Threads that yield to others.

/// From now on this thread gets what the process's other threads leave, where the system has priorities for threads.
#[cfg(target_os = "linux")]
pub fn lower() {
    /// Of 19: about a tenth of what a thread of normal priority gets beside it.
    const NICENESS: libc::c_int = 10;
    // SAFETY: it takes numbers alone. Linux keeps a niceness for each thread, and 0 is the calling one. Where it is not allowed the thread
    // stays as it is, which costs time alone.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
}

/// Other systems have no priority that means the same.
#[cfg(not(target_os = "linux"))]
pub fn lower() {}
