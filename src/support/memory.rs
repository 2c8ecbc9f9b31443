//! How much memory there is and how much of it this process holds, where the system says so.

#![expect(unsafe_code, reason = "asks the system for the size of a page")]

/// Bytes that this process holds in memory.
pub(crate) fn resident_bytes() -> Option<u64> {
    let pages = field("/proc/self/statm", |text| text.split_whitespace().nth(1)?.parse().ok())?;
    Some(pages * page_bytes())
}

/// The most bytes that this process has held in memory so far.
pub(crate) fn peak_bytes() -> Option<u64> {
    let line = |text: &str| text.lines().find_map(|line| line.strip_prefix("VmHWM:").map(str::to_owned));
    field("/proc/self/status", |text| {
        Some(line(text)?.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    })
}

/// Bytes that can be had without swapping, by what Linux estimates.
pub(crate) fn available_bytes() -> Option<u64> {
    let line =
        |text: &str| text.lines().find_map(|line| line.strip_prefix("MemAvailable:").map(str::to_owned));
    field("/proc/meminfo", |text| Some(line(text)?.split_whitespace().next()?.parse::<u64>().ok()? * 1024))
}

fn field(path: &str, find: impl FnOnce(&str) -> Option<u64>) -> Option<u64> {
    find(&std::fs::read_to_string(path).ok()?)
}

fn page_bytes() -> u64 {
    // SAFETY: it takes a number and gives one.
    #[cfg(unix)]
    let bytes = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) });
    #[cfg(not(unix))]
    let bytes = Ok::<u64, ()>(4096);
    bytes.unwrap_or(4096)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn linux_says_all_three() {
        let (resident, available) = (resident_bytes().unwrap(), available_bytes().unwrap());
        assert!(resident > 1 << 20 && available > 1 << 20, "{resident} {available}");
        assert!(peak_bytes().unwrap() > 1 << 20);
    }
}
