//! A watchdog: it names the thread that hangs.
//!
//! A thread says what it begins, and for how long that may take at most ([`busy`]). The watchdog looks once a second, and
//! tells of each thread that is at one thing for longer, once. Waiting for work is not being busy.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How often the watchdog looks.
const EVERY: Duration = Duration::from_secs(1);

/// What each thread does that ever said so.
static THREADS: Mutex<Vec<Weak<Slot>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: RefCell<Option<Arc<Slot>>> = const { RefCell::new(None) };
}

#[derive(Debug)]
struct Slot {
    thread: String,
    work: Mutex<Option<Work>>,
}

#[derive(Clone, Copy, Debug)]
struct Work {
    what: &'static str,
    began: Instant,
    most: Duration,
    told: bool,
}

/// As long as it lives the thread is at work. Not to be handed to another thread.
#[derive(Debug)]
pub struct Busy {
    slot: Option<Arc<Slot>>,
}

/// A thread that hangs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hang {
    pub thread: String,
    /// What it is at, as a participle: `painting`.
    pub what: &'static str,
    /// So long already.
    pub lasts: Duration,
}

impl std::fmt::Display for Hang {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { thread, what, lasts } = self;
        write!(f, "the thread '{thread}' hangs: it has been {what} for {:.0} s", lasts.as_secs_f64())
    }
}

/// This thread begins `what`, which takes no longer than `most` where all is well. Within other work it changes nothing.
pub fn busy(what: &'static str, most: Duration) -> Busy {
    let slot = OWN.with_borrow_mut(|own| {
        own.get_or_insert_with(|| {
            let thread = std::thread::current().name().unwrap_or("without a name").to_owned();
            let slot = Arc::new(Slot { thread, work: Mutex::new(None) });
            let mut threads = lock(&THREADS);
            threads.retain(|slot| slot.strong_count() > 0);
            threads.push(Arc::downgrade(&slot));
            slot
        })
        .clone()
    });
    let mut work = lock(&slot.work);
    if work.is_some() {
        return Busy { slot: None };
    }
    *work = Some(Work { what, began: Instant::now(), most, told: false });
    drop(work);
    Busy { slot: Some(slot) }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(slot) = &self.slot {
            *lock(&slot.work) = None;
        }
    }
}

/// The threads that hang and were not told of before.
fn hanging(now: Instant) -> Vec<Hang> {
    let slots: Vec<Arc<Slot>> = lock(&THREADS).iter().filter_map(Weak::upgrade).collect();
    let hang = |slot: &Arc<Slot>| {
        let mut work = lock(&slot.work);
        let work = work.as_mut()?;
        let lasts = now.saturating_duration_since(work.began);
        let hangs = lasts > work.most && !work.told;
        work.told |= hangs;
        hangs.then(|| Hang { thread: slot.thread.clone(), what: work.what, lasts })
    };
    slots.iter().filter_map(hang).collect()
}

/// Looks from now on, on a thread of its own, and calls `tell` there.
///
/// # Errors
/// When the system starts no more threads.
pub fn start(tell: impl Fn(&Hang) + Send + 'static) -> std::io::Result<()> {
    let look = move || {
        let mut last = Instant::now();
        loop {
            std::thread::sleep(EVERY);
            let now = Instant::now();
            // The machine slept, or this program was stopped: then nothing of it went on.
            let slept = now.saturating_duration_since(last) > 3 * EVERY;
            last = now;
            if !slept {
                hanging(now).iter().for_each(&tell);
            }
        }
    };
    std::thread::Builder::new().name("watchdog".into()).spawn(look).map(drop)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code runs under these locks that could leave the data half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// The hangs of threads of this test, as of `seconds` from now.
    fn after(seconds: u64, thread: &str) -> Vec<Hang> {
        let found = hanging(Instant::now() + Duration::from_secs(seconds));
        found.into_iter().filter(|hang| hang.thread == thread).collect()
    }

    #[test]
    fn a_thread_that_hangs_is_named_once() {
        let (go_on, wait) = mpsc::channel::<()>();
        let (at_work, is_at_work) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("stuck".into())
            .spawn(move || {
                {
                    let _busy = busy("painting", Duration::from_secs(5));
                    // Within other work nothing changes.
                    drop(busy("copying", Duration::ZERO));
                    at_work.send(()).unwrap();
                    wait.recv().unwrap();
                }
                at_work.send(()).unwrap();
                wait.recv().unwrap();
                let _busy = busy("waiting for the GPU", Duration::from_secs(5));
                at_work.send(()).unwrap();
                wait.recv().unwrap();
            })
            .unwrap();
        is_at_work.recv().unwrap();
        assert!(after(4, "stuck").is_empty());
        let found = after(7, "stuck");
        assert_eq!((found.len(), found[0].what), (1, "painting"));
        assert!(found[0].to_string().contains("'stuck' hangs: it has been painting for 7 s"), "{}", found[0]);
        assert!(after(9, "stuck").is_empty(), "it is told once");
        go_on.send(()).unwrap();
        is_at_work.recv().unwrap();
        assert!(after(100, "stuck").is_empty(), "it waits for work");
        go_on.send(()).unwrap();
        is_at_work.recv().unwrap();
        assert_eq!(after(6, "stuck").len(), 1, "the next hang is told of again");
        go_on.send(()).unwrap();
        thread.join().unwrap();
        assert!(after(100, "stuck").is_empty(), "a thread that ended hangs no more");
    }
}
