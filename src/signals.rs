//! The signals that ask the program to end: Ctrl-C (INT), TERM, and HUP when its terminal goes away.
//!
//! The first one is noted and told to whoever listens; the program ends in its own time, with what it was at cleaned up.
//! Where nobody listens, at a second one, and when the program is still there [`PATIENCE`] later, it ends at once; a second
//! one that comes [`TOGETHER`] with the first, as from `timeout`, is the same one. A signal that was ignored when the program
//! started, as `nohup` arranges, stays ignored.

use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

/// How long the program may take to end by itself.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Signals within so short a time are one: no hand is that fast.
#[cfg(unix)]
const TOGETHER: Duration = Duration::from_millis(300);

static RECEIVED: AtomicI32 = AtomicI32::new(0);
static LISTENERS: Mutex<Vec<Listener>> = Mutex::new(Vec::new());

type Listener = Box<dyn Fn() + Send>;

/// A signal that asked the program to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(i32);

impl Signal {
    /// 128 and the signal's number, as shells have it.
    pub fn exit_code(self) -> u8 {
        u8::try_from(128 + self.0).unwrap_or(1)
    }
}

/// The signal that asked the program to end, if one did.
pub fn received() -> Option<Signal> {
    match RECEIVED.load(Ordering::Acquire) {
        0 => None,
        number => Some(Signal(number)),
    }
}

/// Has `listener` called once, on another thread, when a signal comes; at once if one has. From then on the program is
/// trusted to end by itself.
pub fn listen(listener: impl Fn() + Send + 'static) {
    let mut listeners = listeners();
    if received().is_some() {
        listener();
    } else {
        listeners.push(Box::new(listener));
    }
}

fn listeners() -> MutexGuard<'static, Vec<Listener>> {
    // A Vec cannot be left half changed by a listener that panics.
    LISTENERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells whoever listens. Whether anybody does.
fn note(signal: i32) -> bool {
    let mut listeners = listeners();
    RECEIVED.store(signal, Ordering::Release);
    let heard = !listeners.is_empty();
    listeners.drain(..).for_each(|listener| listener());
    heard
}

/// Begins to watch. `last` runs before the process is ended at once.
///
/// # Errors
/// When the system does not let signals be watched.
#[cfg(unix)]
pub fn install(last: impl Fn() + Send + 'static) -> std::io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal));
    let mut signals = signal_hook::iterator::Signals::new(wanted)?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let mut first: Option<Instant> = None;
        for signal in signals.forever() {
            match first {
                None => {
                    first = Some(Instant::now());
                    if note(signal) {
                        // It ends with the process; where it cannot be started, a second signal is still heard.
                        let _ = std::thread::Builder::new().name("patience".into()).spawn(move || {
                            std::thread::sleep(PATIENCE);
                            let _ = signal_hook::low_level::raise(signal);
                        });
                        continue;
                    }
                }
                Some(at) if at.elapsed() < TOGETHER => continue,
                Some(_) => {}
            }
            last();
            // Ends the process as if the signal had not been watched.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

/// Whether whoever started the program arranged that it does not hear this signal.
#[cfg(unix)]
#[expect(unsafe_code, reason = "the standard library has no way to ask")]
fn is_ignored(signal: i32) -> bool {
    // SAFETY: all zeros are a sigaction (a plain C struct of integers and a nullable function).
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: without a new action nothing changes; the old one is written to a place that lives long enough.
    let asked = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    asked == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// As on Unix, without HUP, which is not there.
#[cfg(not(unix))]
pub fn install(last: impl Fn() + Send + 'static) -> std::io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    let came = Arc::new(AtomicUsize::new(0));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_usize(signal, came.clone(), signal as usize)?;
    }
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let wait = |most: Duration| {
            let began = std::time::Instant::now();
            loop {
                match came.swap(0, Ordering::AcqRel) {
                    0 if began.elapsed() < most => std::thread::sleep(Duration::from_millis(30)),
                    signal => return signal as i32,
                }
            }
        };
        let first = wait(Duration::MAX);
        if note(first) {
            wait(PATIENCE);
        }
        last();
        let _ = signal_hook::low_level::emulate_default_handler(first);
    })?;
    Ok(())
}
