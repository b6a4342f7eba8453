//! A source on a thread of its own: opened, kept alive, and its newest frame always at hand.
//!
//! The thread never waits for whoever takes the frames. When the source fails it says so once, tries again with growing
//! pauses, and says when the picture is back. What it says leaves as [`SourceEvent`]s; it draws and logs nothing.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Losses, Opened, Recovery, Source, SourceError, SourceInfo, SourceKind, SourceSpec, SourceWish, Stop};
use crate::fault::Fault;
use crate::frame::{CameraFrame, FramePool};
use crate::mailbox::Latest;
use crate::watch;

/// No source takes longer to open where all is well.
const MOST: Duration = Duration::from_secs(30);

/// What a source has to say, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceEvent {
    /// Frames of this shape follow, until the next `Opened`. Sent again when it was reopened.
    Opened(SourceInfo),
    /// Something is wrong, or worth knowing.
    Fault(Fault),
    /// Frames arrive again: the faults reported before are over.
    Recovered,
    /// No more frames will come: the file is over, or cannot be read.
    Ended,
}

/// Runs a source; dropping it stops the source and waits until the device is free again.
pub struct SourceThread {
    shared: Arc<Shared>,
    events: mpsc::Receiver<SourceEvent>,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    latest: Latest<CameraFrame>,
    pool: FramePool,
    captured: AtomicU64,
    lost: AtomicU64,
    damaged: AtomicU64,
    skipped: AtomicU64,
    rest: Rest,
}

/// Whether frames are to be fetched at all.
#[derive(Default)]
struct Rest {
    resting: Mutex<bool>,
    over: Condvar,
}

impl Rest {
    fn set(&self, resting: bool) {
        // A bool cannot be left half changed.
        *self.resting.lock().unwrap_or_else(PoisonError::into_inner) = resting;
        self.over.notify_all();
    }

    /// Waits as long as it is on.
    fn wait(&self) {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.over.wait_while(resting, |resting| *resting));
    }
}

impl SourceThread {
    /// Starts the thread and returns at once; opening happens there. `waker` is called after every frame and every event,
    /// from that thread: it must be quick. The wish's `stop` is replaced by this thread's own.
    pub fn spawn(spec: SourceSpec, wish: SourceWish, waker: impl Fn() + Send + 'static) -> Self {
        Self::spawn_each(spec, wish, |source, _| source, waker)
    }

    /// As [`Self::spawn`], with something done to each source that was opened: `each` may put another one around it.
    pub fn spawn_each(
        spec: SourceSpec,
        wish: SourceWish,
        mut each: impl FnMut(Box<dyn Source>, &SourceWish) -> Box<dyn Source> + Send + 'static,
        waker: impl Fn() + Send + 'static,
    ) -> Self {
        let mut spec = spec;
        let open = move |wish: &SourceWish| {
            let mut opened = super::open_with_notice(&spec, wish)?;
            opened.source = each(opened.source, wish);
            if spec == SourceSpec::Auto && opened.source.info().kind == SourceKind::Camera {
                // A camera that was there once is waited for when it goes, not replaced by the demo scene.
                spec = SourceSpec::Camera(None);
            }
            Ok(opened)
        };
        Self::spawn_with(open, wish, waker)
    }

    /// As [`Self::spawn`], with any way to open a source.
    pub fn spawn_with(
        open: impl FnMut(&SourceWish) -> Result<Opened, SourceError> + Send + 'static,
        mut wish: SourceWish,
        waker: impl Fn() + Send + 'static,
    ) -> Self {
        let stop = Stop::default();
        wish.stop = stop.clone();
        let shared = Arc::new(Shared::default());
        // Far more than can gather between two pictures; if nobody listens, the thread goes on.
        let (sender, events) = mpsc::sync_channel(64);
        let mut keeper = Keeper {
            open,
            wish,
            waker,
            shared: shared.clone(),
            events: sender,
            delivered: 0,
            trouble: None,
            before: Losses::default(),
        };
        let thread = std::thread::Builder::new().name("source".into()).spawn(move || keeper.run());
        let thread = match thread {
            Ok(thread) => Some(thread),
            Err(error) => {
                // The sender went away with the closure: `Ended` cannot be sent, a closed mailbox says the same.
                log::error!("the source's thread could not be started: {error}");
                shared.latest.close();
                None
            }
        };
        Self { shared, events, stop, thread }
    }

    /// Fetches no more frames until it is told otherwise: nobody would see them. A device stays open.
    pub fn rest(&self, resting: bool) {
        self.shared.rest.set(resting);
    }

    /// The mailbox with the newest frame. Closed when no more will come.
    pub fn latest(&self) -> &Latest<CameraFrame> {
        &self.shared.latest
    }

    /// Takes the events that have gathered. Never waits.
    pub fn events(&self) -> impl Iterator<Item = SourceEvent> + '_ {
        self.events.try_iter()
    }

    /// Frames that were put in the mailbox.
    pub fn captured(&self) -> u64 {
        self.shared.captured.load(Ordering::Relaxed)
    }

    /// Frames that the source itself lost, over all times that it was opened.
    pub fn losses(&self) -> Losses {
        Losses {
            lost: self.shared.lost.load(Ordering::Relaxed),
            damaged: self.shared.damaged.load(Ordering::Relaxed),
            skipped: self.shared.skipped.load(Ordering::Relaxed),
        }
    }

    /// Where the frames' buffers come from.
    pub fn pool(&self) -> &FramePool {
        &self.shared.pool
    }
}

impl Drop for SourceThread {
    fn drop(&mut self) {
        self.stop.set();
        self.shared.rest.set(false);
        if let Some(thread) = self.thread.take() {
            // It catches panics of sources itself; there is nothing else to learn from the result.
            let _ = thread.join();
        }
    }
}

/// The thread's own state.
struct Keeper<O, W> {
    open: O,
    wish: SourceWish,
    waker: W,
    shared: Arc<Shared>,
    events: mpsc::SyncSender<SourceEvent>,
    /// Frames, of all openings.
    delivered: u64,
    trouble: Option<Trouble>,
    /// Losses of the openings before this one.
    before: Losses,
}

/// A fault that was reported and that `Recovered` has not yet taken back.
struct Trouble {
    fault: Fault,
    /// Frames that come before this moment do not yet mean that all is well.
    over_from: Instant,
}

impl<O, W> Keeper<O, W>
where
    O: FnMut(&SourceWish) -> Result<Opened, SourceError>,
    W: Fn(),
{
    const FIRST_PAUSE: Duration = Duration::from_millis(100);
    const LONGEST_PAUSE: Duration = Duration::from_secs(2);
    /// Frames go on while some are damaged: the message stays until this long after the last damage.
    const DAMAGE_OVER_AFTER: Duration = Duration::from_secs(3);

    fn run(&mut self) {
        let mut pause = Self::FIRST_PAUSE;
        while !self.wish.stop.is_set() {
            let before = self.delivered;
            let error = self.one_opening();
            if self.delivered > before {
                pause = Self::FIRST_PAUSE;
            }
            match error.recovery() {
                _ if matches!(error, SourceError::Stopped) => break,
                Recovery::None => {
                    if !matches!(error, SourceError::Ended) {
                        self.report(&error);
                    }
                    self.tell(SourceEvent::Ended);
                    break;
                }
                Recovery::Continue | Recovery::Reopen => {
                    self.report(&error);
                    if self.wish.clock.sleep_until(self.wish.clock.now() + pause, &self.wish.stop) {
                        break;
                    }
                    pause = (pause * 2).min(Self::LONGEST_PAUSE);
                }
            }
        }
        self.shared.latest.close();
        (self.waker)();
    }

    /// Opens the source and delivers its frames until it fails.
    fn one_opening(&mut self) -> SourceError {
        // What follows waits for pictures, and how long is the source's own business.
        let busy = watch::busy("opening the source", MOST);
        let opened = guarded("(opening)", || (self.open)(&self.wish));
        drop(busy);
        let opened = match opened {
            Ok(opened) => opened,
            Err(error) => return error,
        };
        let mut source = opened.source;
        self.tell(SourceEvent::Opened(source.info().clone()));
        if let Some(notice) = opened.notice {
            self.tell(SourceEvent::Fault(notice));
        }
        let name = source.info().name.clone();
        let error = loop {
            self.shared.rest.wait();
            if self.wish.stop.is_set() {
                break SourceError::Stopped;
            }
            match guarded(&name, || source.next(&self.shared.pool)) {
                Ok(frame) => self.deliver(frame),
                Err(error) if error.recovery() == Recovery::Continue => self.report(&error),
                Err(error) => break error,
            }
            self.count(source.losses());
        };
        self.count(source.losses());
        let now = source.losses();
        self.before.lost += now.lost;
        self.before.damaged += now.damaged;
        self.before.skipped += now.skipped;
        error
    }

    fn deliver(&mut self, frame: CameraFrame) {
        // The replaced frame goes back to the pool here, outside the mailbox's lock.
        drop(self.shared.latest.put(frame));
        self.delivered += 1;
        self.shared.captured.store(self.delivered, Ordering::Relaxed);
        if self.trouble.as_ref().is_some_and(|trouble| self.wish.clock.now() >= trouble.over_from) {
            self.trouble = None;
            self.tell(SourceEvent::Recovered);
        } else {
            (self.waker)();
        }
    }

    fn count(&self, now: Losses) {
        self.shared.lost.store(self.before.lost + now.lost, Ordering::Relaxed);
        self.shared.damaged.store(self.before.damaged + now.damaged, Ordering::Relaxed);
        self.shared.skipped.store(self.before.skipped + now.skipped, Ordering::Relaxed);
    }

    /// Tells of an error, unless it is the one that was told last.
    fn report(&mut self, error: &SourceError) {
        let fault = error.fault();
        let mut over_from = self.wish.clock.now();
        if error.recovery() == Recovery::Continue {
            over_from += Self::DAMAGE_OVER_AFTER;
        }
        let known = self.trouble.as_ref().is_some_and(|trouble| trouble.fault == fault);
        if !known {
            self.tell(SourceEvent::Fault(fault.clone()));
        }
        self.trouble = Some(Trouble { fault, over_from });
    }

    fn tell(&self, event: SourceEvent) {
        // Full or nobody there: the newest state matters less than going on.
        let _ = self.events.try_send(event);
        (self.waker)();
    }
}

/// Runs `work`; a panic inside (a decoder's, say) becomes an error, so that the picture can go on.
fn guarded<T>(name: &str, work: impl FnOnce() -> Result<T, SourceError>) -> Result<T, SourceError> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "unknown".into());
        Err(SourceError::Crashed { name: name.into(), what })
    })
}
