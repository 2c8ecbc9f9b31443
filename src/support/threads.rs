//! Work that runs side by side, each piece on its own thread.

use std::thread::{ScopedJoinHandle, scope};

/// The results of `work` for each of `items`, all at the same time, each on a thread of its own; of several errors the first in the
/// order of the items. A thread's panic goes on in the caller.
pub(crate) fn side_by_side<I: Send, T: Send, E: Send>(
    items: impl IntoIterator<Item = I>,
    work: impl Fn(I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    scope(|scope| {
        let work = &work;
        let running: Vec<ScopedJoinHandle<Result<T, E>>> =
            items.into_iter().map(|item| scope.spawn(move || work(item))).collect();
        let join = |thread: ScopedJoinHandle<Result<T, E>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let results: Vec<Result<T, E>> = running.into_iter().map(join).collect();
        results.into_iter().collect()
    })
}
