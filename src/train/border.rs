//! The border to a GPU: burn reports what fails there by panicking, in threads of its own too. Here it becomes one sentence.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

/// Runs a few operations on a device, so that one which can't work is refused before training begins.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
pub(super) fn try_out(
    name: crate::config::StudentDevice,
    device: &burn::tensor::Device,
) -> Result<(), String> {
    if matches!(name, crate::config::StudentDevice::Cuda(_)) {
        super::libdevice::provide()?;
    }
    let sum = quietly(|| {
        let tensor = burn::tensor::Tensor::<1>::from_data([0.0_f32, 1.0, 2.0], device);
        tensor.exp().log().sum().try_into_data().map(|data| data.iter::<f32>().sum::<f32>())
    })?;
    match sum {
        Ok(sum) if (sum - 3.0).abs() < 1e-3 => Ok(()),
        Ok(sum) => Err(format!("a sum that is 3 came out as {sum}")),
        Err(error) => Err(one_line(&error.to_string())),
    }
}

/// How many calls keep panics from the terminal now.
static QUIET: AtomicUsize = AtomicUsize::new(0);
/// The first reason of a panic since the last call that failed.
static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Gives the result of `work`, or the first reason for which it or a thread of burn's panicked.
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if QUIET.load(Ordering::SeqCst) == 0 {
                before(info);
            } else {
                first().get_or_insert_with(|| text(info.payload()));
            }
        }));
    });
    QUIET.fetch_add(1, Ordering::SeqCst);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.fetch_sub(1, Ordering::SeqCst);
    result.map_err(|payload| one_line(&first().take().unwrap_or_else(|| text(&*payload))))
}

fn first() -> MutexGuard<'static, Option<String>> {
    FIRST.lock().unwrap_or_else(PoisonError::into_inner)
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("it gave no reason").to_owned()
}

/// A reason in one line of a sentence's length.
fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
