//! The threads that all work shares.

use super::Failure;
use super::output::errln;
use crate::support::machine;

/// The environment variable that gives their number.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// The most threads that [`VARIABLE`] asks for on a machine of fewer cores: more only wait for each other.
const MOST: usize = 256;

/// Starts the threads.
///
/// # Errors
/// A system that does not allow them.
pub(super) fn start() -> Result<(), Failure> {
    end_in_a_sentence_without_threads();
    let cores = machine::cores();
    let asked = std::env::var(VARIABLE).ok();
    let threads = number(asked.as_deref(), cores);
    if let Some(asked) = asked.filter(|asked| asked.parse().is_ok_and(|asked: usize| asked > threads)) {
        errln!(
            "note: {VARIABLE} asks for {asked} threads; {threads} are started, since more only wait for each other"
        );
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().map_err(|error| {
        Failure::run(format!(
            "can't start {threads} threads ({error}); raise the limit of processes, or set {VARIABLE} to fewer"
        ))
    })
}

/// Threads are started in many places, also by libraries, and where the system allows no more of them std panics.
fn end_in_a_sentence_without_threads() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if let Some(reason) = panic.payload_as_str().and_then(no_thread) {
            errln!(
                "decant: can't start a thread ({reason}); raise the limits of processes and of memory, or set {VARIABLE} to fewer"
            );
            std::process::exit(1);
        }
        usual(panic);
    }));
}

/// The system's reason in the panic of a thread that could not be started.
fn no_thread(panic: &str) -> Option<&str> {
    let error = panic.strip_prefix("failed to spawn thread: ")?;
    Some(error.split('"').nth(1).unwrap_or(error))
}

/// As many as are asked for, within bounds, else one a core.
fn number(asked: Option<&str>, cores: usize) -> usize {
    let asked = asked.and_then(|text| text.parse().ok()).filter(|&threads: &usize| threads > 0);
    asked.map_or(cores, |threads| threads.min(MOST.max(cores)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_for_want_of_a_thread_is_told_from_others() {
        let panic = r#"failed to spawn thread: Os { code: 11, kind: WouldBlock, message: "Resource temporarily unavailable" }"#;
        assert_eq!(no_thread(panic), Some("Resource temporarily unavailable"));
        assert_eq!(no_thread("index out of bounds"), None);
    }

    #[test]
    fn an_absurd_number_of_threads_is_not_started() {
        assert_eq!(number(None, 2), 2);
        assert_eq!(number(Some("0"), 2), 2);
        assert_eq!(number(Some("many"), 2), 2);
        assert_eq!(number(Some("8"), 2), 8);
        assert_eq!(number(Some("100000"), 2), 256);
        assert_eq!(number(Some("100000"), 512), 512);
    }
}
