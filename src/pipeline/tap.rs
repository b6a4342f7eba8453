//! Output taps: whoever wants every finished picture, as it is shown but at a size of its own, registers one.
//!
//! ```text
//! chain ──compose at the tap's size──▶ Offered: a few buffers that go round ──▶ the tap's own thread ──▶ its consumer
//! ```
//!
//! A tap never holds up the picture: where its consumer is slow and all its buffers are full, pictures are dropped and
//! counted. Its pictures carry the capture time of their frame. [`Taps`] outlives pipelines, and a GPU that is lost.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use super::present::{Fit, Look};
use crate::fault::Fault;
use crate::units::{Extent, FrameStamp};

/// Pictures of one tap in use at once: being filled, waiting, being consumed.
const BUFFERS: usize = 5;

/// What a consumer wants.
#[derive(Clone, Debug, PartialEq)]
pub struct TapWish {
    /// For the thread and for messages.
    pub name: String,
    /// Size of its pictures, at least 1x1; the picture that is shown lies within, as `fit` says.
    pub extent: Extent,
    pub fit: Fit,
    pub format: TapFormat,
    /// Whether the line between before and after is to be seen.
    pub split: bool,
    /// Whether left and right are swapped where the window swaps them.
    pub mirror: bool,
}

/// How the bytes of a picture lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapFormat {
    /// R, G, B and 255, sRGB-coded, rows tightly packed.
    Rgba,
    /// A plane of Y and a half-height plane of `U V` pairs: BT.601, Y 16..=235, as cameras give it. Both sides are even.
    Nv12,
}

impl TapFormat {
    /// Bytes of a picture.
    pub fn bytes(self, extent: Extent) -> usize {
        let pixels = extent.pixels() as usize;
        match self {
            Self::Rgba => pixels * 4,
            Self::Nv12 => pixels + pixels / 2,
        }
    }
}

/// A finished picture.
#[derive(Clone, Debug, Default)]
pub struct TapFrame {
    pub bytes: Vec<u8>,
    pub extent: Extent,
    /// Of the frame: its id, and when it was captured. `None` never reaches a consumer.
    pub stamp: Option<FrameStamp>,
    /// Whether anything is laid on the camera's picture.
    pub painted: bool,
}

/// How many pictures were offered to a tap, and how many of them it had no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct TapCounts {
    pub offered: u64,
    pub dropped: u64,
}

/// All taps of a program. Cheap to clone; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Taps(Arc<Registry>);

#[derive(Debug, Default)]
struct Registry {
    taps: RwLock<Vec<Arc<Line>>>,
    /// So that nobody looks for taps where there are none.
    any: AtomicBool,
}

/// One tap between the chain and its thread.
#[derive(Debug)]
pub(super) struct Line {
    pub wish: TapWish,
    state: Mutex<State>,
    came: Condvar,
    offered: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    full: VecDeque<TapFrame>,
    free: Vec<TapFrame>,
    made: usize,
    closed: bool,
}

/// A registered tap. Dropping it ends it: pictures that wait are still consumed, and the thread is waited for.
#[derive(Debug)]
pub struct Tap {
    line: Arc<Line>,
    taps: Taps,
    thread: Option<JoinHandle<()>>,
}

impl Taps {
    /// From now on `consume` is called for every picture, on a thread of its own, oldest first.
    ///
    /// # Errors
    /// When the size cannot be had in that format, or the system starts no more threads.
    pub fn register(&self, wish: TapWish, mut consume: impl FnMut(&TapFrame) + Send + 'static) -> Result<Tap, Fault> {
        let Extent { width, height } = wish.extent;
        let odd = wish.format == TapFormat::Nv12 && !(width.is_multiple_of(2) && height.is_multiple_of(2));
        if wish.extent.is_empty() || odd {
            return Err(Fault::failed(
                format!("{}: pictures of {} cannot be made", wish.name, wish.extent),
                "Choose sides that are even, at least 2",
            ));
        }
        let line = Arc::new(Line {
            state: Mutex::default(),
            came: Condvar::new(),
            offered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            wish,
        });
        let theirs = line.clone();
        let thread = std::thread::Builder::new()
            .name(line.wish.name.clone())
            .spawn(move || {
                while let Some(frame) = theirs.next() {
                    consume(&frame);
                    theirs.recycle(frame);
                }
            })
            .map_err(|e| {
                Fault::failed(format!("{}: a thread could not be started: {e}", line.wish.name), "Close other programs")
            })?;
        let mut taps = self.0.taps.write().unwrap_or_else(PoisonError::into_inner);
        taps.push(line.clone());
        self.0.any.store(true, Ordering::Release);
        drop(taps);
        Ok(Tap { line, taps: self.clone(), thread: Some(thread) })
    }

    /// Whether anybody wants pictures.
    pub fn is_empty(&self) -> bool {
        !self.0.any.load(Ordering::Acquire)
    }

    /// Calls `each` for every tap. Nobody can register meanwhile.
    pub(super) fn each(&self, each: impl FnMut(&Arc<Line>)) {
        if !self.is_empty() {
            self.0.taps.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(each);
        }
    }
}

impl Tap {
    pub fn counts(&self) -> TapCounts {
        TapCounts {
            offered: self.line.offered.load(Ordering::Relaxed),
            dropped: self.line.dropped.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        {
            let mut taps = self.taps.0.taps.write().unwrap_or_else(PoisonError::into_inner);
            taps.retain(|line| !Arc::ptr_eq(line, &self.line));
            self.taps.0.any.store(!taps.is_empty(), Ordering::Release);
        }
        lock(&self.line.state).closed = true;
        self.line.came.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Line {
    /// The look of this tap's pictures where the window has `shown`.
    pub fn look(&self, shown: &Look) -> Look {
        let split = shown.split.filter(|_| self.wish.split);
        Look { fit: self.wish.fit, split, mirror: shown.mirror && self.wish.mirror, ..*shown }
    }

    /// A buffer to be filled and given to [`Self::put`]; `None`, which is counted, where all are in use.
    pub fn take(&self) -> Option<TapFrame> {
        self.offered.fetch_add(1, Ordering::Relaxed);
        let mut state = lock(&self.state);
        let free = state.free.pop();
        if free.is_none() && state.made < BUFFERS && !state.closed {
            state.made += 1;
            let bytes = vec![0; self.wish.format.bytes(self.wish.extent)];
            return Some(TapFrame { bytes, extent: self.wish.extent, ..TapFrame::default() });
        }
        drop(state);
        if free.is_none() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        free
    }

    /// Hands a filled buffer to the tap's thread.
    pub fn put(&self, frame: TapFrame) {
        lock(&self.state).full.push_back(frame);
        self.came.notify_one();
    }

    /// Gives a buffer back that was not filled.
    pub fn give_up(&self, frame: TapFrame) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.recycle(frame);
    }

    /// A picture that never came to be is offered and dropped.
    pub fn missed(&self) {
        self.offered.fetch_add(1, Ordering::Relaxed);
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether its tap is gone.
    pub fn is_closed(&self) -> bool {
        lock(&self.state).closed
    }

    fn recycle(&self, frame: TapFrame) {
        lock(&self.state).free.push(frame);
    }

    fn next(&self) -> Option<TapFrame> {
        let mut state = lock(&self.state);
        loop {
            if let Some(frame) = state.full.pop_front() {
                return Some(frame);
            }
            if state.closed {
                return None;
            }
            state = self.came.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code runs under these locks that could leave the data half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
