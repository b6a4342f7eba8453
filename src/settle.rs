//! What must have ended before the process does.
//!
//! As a process exits it takes native libraries down: graphics drivers, ONNX Runtime. A thread that is inside one of them
//! then, or drops the last handle of a device, can crash the program on its way out. Threads that nobody joins hold an
//! [`Unsettled`] for as long as they can touch such a library, and `main` calls [`settle`] last.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static COUNT: Mutex<usize> = Mutex::new(0);
static ONE_ENDED: Condvar = Condvar::new();

/// One thread that may be inside a native library. To be dropped after everything else that the thread holds.
#[derive(Debug)]
pub struct Unsettled(());

impl Unsettled {
    pub fn new() -> Self {
        *count() += 1;
        Self(())
    }
}

impl Default for Unsettled {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        *count() -= 1;
        ONE_ENDED.notify_all();
    }
}

/// Waits until no thread is unsettled, at most `timeout`; true when none is. To be called last in `main`, when everything
/// that owns such threads was dropped.
pub fn settle(timeout: Duration) -> bool {
    let waited = ONE_ENDED.wait_timeout_while(count(), timeout, |count| *count > 0);
    let (_count, waited) = waited.unwrap_or_else(PoisonError::into_inner);
    !waited.timed_out()
}

fn count() -> MutexGuard<'static, usize> {
    // No code runs under this lock that could leave the number half changed.
    COUNT.lock().unwrap_or_else(PoisonError::into_inner)
}
