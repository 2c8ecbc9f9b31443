//! Threads that yield to others.

#![expect(unsafe_code, reason = "sets the priority of a thread")]

/// From now on this thread gets what the process's other threads leave, where the system has priorities for threads.
#[cfg(target_os = "linux")]
pub(crate) fn lower() {
    /// About a tenth of what the process's other threads get beside it.
    const NICER: libc::c_int = 10;
    const NICEST: libc::c_int = 19;
    // SAFETY: both take numbers only. Linux keeps a niceness for each thread, and 0 is the calling one. Where it is not allowed the
    // thread stays as it is, which only costs time.
    unsafe {
        let usual = libc::getpriority(libc::PRIO_PROCESS, 0);
        libc::setpriority(libc::PRIO_PROCESS, 0, (usual + NICER).min(NICEST));
    }
}

/// Other systems have no priority that means the same.
#[cfg(not(target_os = "linux"))]
pub(crate) fn lower() {}
