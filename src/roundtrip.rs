//! The student on a thread of its own: frames in, painted pictures out, the newest wins on both sides.
//!
//! This is how ONNX Runtime takes part in live video without ever holding up the picture. At most one frame is being
//! painted and one waits; a newer one replaces it. The thread takes the camera's bytes as they are, so nothing is read back
//! from the GPU, and every painted picture comes with the frame that it was made from.
//!
//! Buffers go round ([`RoundTrip::recycle`]), so steady state allocates nothing. Knows frames and pictures; must not know
//! which engine paints, nor anything of the GPU or the window.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::canvas::SurfaceSlot;
use crate::fault::Fault;
use crate::frame::CameraFrame;
use crate::kernels::canvas::{FollowingCanvas, canvas_extent};
use crate::kernels::prepare::{Crop, Prepare};
use crate::mailbox::{Latest, MailboxCounts};
use crate::settle::Unsettled;
use crate::units::{Burden, Extent};
use crate::watch;

/// What paints on the thread: an engine holding one network at one size.
pub trait Painter: Send {
    /// The size of the pictures that it takes and gives.
    fn extent(&self) -> Extent;

    /// Where the next picture goes: three planes (red, green, blue) of `height` rows of `width` values in 0..1.
    fn image_mut(&mut self) -> &mut [f32];

    /// Where the canvas goes of a network that takes one: `[channels][height / 2][width / 2]`, planes like the image's. It
    /// stays from picture to picture; zeros at first. Empty for a network that takes none.
    fn canvas_mut(&mut self) -> &mut [f32] {
        &mut []
    }

    /// Paints what was put there. The result has the same layout.
    ///
    /// # Errors
    /// When the engine fails; the picture is skipped then, and the next one is tried.
    fn paint(&mut self) -> Result<&[f32], Fault>;
}

/// A frame and its painting.
#[derive(Debug)]
pub struct Painted {
    pub frame: CameraFrame,
    /// `extent.height` rows of `extent.width`: red, green, blue in 0..1, and 1.
    pub pixels: Vec<[f32; 4]>,
    pub extent: Extent,
    /// When the thread took the frame up. From the capture to here it waited.
    pub started: Instant,
    /// From the camera's bytes to the network's input.
    pub prepare: Duration,
    /// The network, and laying its output out as `pixels`.
    pub infer: Duration,
}

/// What happened on the thread, for the person in front of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoundTripEvent {
    /// Painting failed. Reported once, not for each frame that fails in the same way.
    Fault(Fault),
    /// A picture was painted after a failure.
    Recovered,
}

/// Handle to the thread. Dropping it ends the thread after the picture that it is painting, without waiting for it.
#[derive(Debug)]
pub struct RoundTrip {
    shared: Arc<Shared>,
    extent: Extent,
    canvas_channels: usize,
}

#[derive(Debug, Default)]
struct Shared {
    inbox: Latest<CameraFrame>,
    outbox: Latest<Painted>,
    free: Mutex<Vec<Vec<[f32; 4]>>>,
    events: Mutex<Vec<RoundTripEvent>>,
    burden: Mutex<Burden>,
    surface: SurfaceSlot,
    /// The next picture has nothing to do with those before.
    afresh: AtomicBool,
}

/// What the thread keeps from picture to picture.
#[derive(Default)]
struct Kept {
    /// Serves all frames of one shape.
    prepare: Option<Prepare>,
    canvas: FollowingCanvas,
}

/// Painted pictures in use at once: being painted, waiting, shown, and one changing hands.
const BUFFERS: usize = 4;

/// Events kept for a reader that does not come; newer ones are lost then.
const EVENTS: usize = 16;

/// How often the thread looks up while no frame comes.
const IDLE: Duration = Duration::from_secs(1);

/// No picture takes longer where all is well.
const MOST: Duration = Duration::from_secs(15);

impl RoundTrip {
    /// Starts the thread, called "painter". `done` is called on it after each picture and each event: wake the event loop
    /// there.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn spawn(mut painter: impl Painter + 'static, done: impl Fn() + Send + 'static) -> Result<Self, Fault> {
        let shared = Arc::new(Shared::default());
        let extent = painter.extent();
        let canvas_channels = painter.canvas_mut().len() / (canvas_extent(extent).pixels() as usize).max(1);
        let unsettled = Unsettled::new();
        let thread = {
            let shared = shared.clone();
            move || {
                let _unsettled = unsettled;
                shared.run(painter, &done);
            }
        };
        std::thread::Builder::new().name("painter".into()).spawn(thread).map_err(|e| {
            Fault::failed(format!("The painter thread could not be started: {e}"), "Close other programs and try again")
        })?;
        Ok(Self { shared, extent, canvas_channels })
    }

    /// The size of the painted pictures.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Channels of the canvas that the painter takes in; 0 where it takes none.
    pub fn canvas_channels(&self) -> usize {
        self.canvas_channels
    }

    /// What is painted on from the next picture on, by a painter that takes a canvas.
    pub fn surface(&self) -> &SurfaceSlot {
        &self.shared.surface
    }

    /// The next picture has nothing to do with those before it: strokes lie as if it were the first.
    pub fn start_afresh(&self) {
        self.shared.afresh.store(true, Ordering::Release);
    }

    /// Hands a frame over. One that still waits is replaced and counted as dropped. Never blocks.
    pub fn offer(&self, frame: CameraFrame) {
        self.shared.inbox.put(frame);
    }

    /// The newest painted picture, if there is one that was not taken before. Never blocks.
    pub fn take(&self) -> Option<Painted> {
        self.shared.outbox.take()
    }

    /// Gives a picture's memory back for a later one.
    pub fn recycle(&self, painted: Painted) {
        self.shared.recycle(painted.pixels);
    }

    /// Frames handed over, and those of them that were never painted.
    pub fn counts(&self) -> MailboxCounts {
        self.shared.inbox.counts()
    }

    /// Whether the thread still takes frames. It ends early only when the painter panics.
    pub fn is_alive(&self) -> bool {
        !self.shared.inbox.is_closed()
    }

    /// From the next picture on, the thread waits before it gives a painting back, as if the network took longer.
    pub fn set_burden(&self, burden: Burden) {
        *lock(&self.shared.burden) = burden;
    }

    /// What happened since the last call, oldest first. Never blocks.
    pub fn events(&self) -> Vec<RoundTripEvent> {
        std::mem::take(&mut *lock(&self.shared.events))
    }
}

impl Drop for RoundTrip {
    fn drop(&mut self) {
        self.shared.inbox.close();
    }
}

impl Shared {
    fn run(&self, mut painter: impl Painter, done: &impl Fn()) {
        let mut failing: Option<Fault> = None;
        let mut kept = Kept::default();
        while !self.inbox.is_closed() {
            let Some(frame) = self.inbox.wait(IDLE) else { continue };
            let _busy = watch::busy("painting", MOST);
            // A panic in an engine must cost the effect, not the program. The painter is not used again after one.
            match catch_unwind(AssertUnwindSafe(|| self.paint(&mut painter, &mut kept, frame))) {
                Ok(Ok(painted)) => {
                    if failing.take().is_some() {
                        self.report(RoundTripEvent::Recovered);
                    }
                    if let Some(missed) = self.outbox.put(painted) {
                        self.recycle(missed.pixels);
                    }
                }
                Ok(Err(fault)) => {
                    if failing.as_ref() == Some(&fault) {
                        continue;
                    }
                    self.report(RoundTripEvent::Fault(fault.clone()));
                    failing = Some(fault);
                }
                Err(_) => {
                    self.report(RoundTripEvent::Fault(Fault::failed(
                        "The engine that paints stopped because of an error in the program",
                        "The camera's picture is shown; choose the effect again, or another engine with --engine",
                    )));
                    self.inbox.close();
                }
            }
            done();
        }
    }

    fn paint(&self, painter: &mut impl Painter, kept: &mut Kept, frame: CameraFrame) -> Result<Painted, Fault> {
        let extent = painter.extent();
        let started = Instant::now();
        let shape = frame.shape();
        if kept.prepare.as_ref().is_none_or(|p| p.shape() != shape) {
            kept.prepare = None;
        }
        let crop = Crop::fitting(shape.extent, extent);
        kept.prepare.get_or_insert_with(|| Prepare::new(shape, crop, extent)).run(&frame, painter.image_mut());
        // After the image: which network paints is settled there.
        if let Some(canvas) = self.surface.now().canvas.filter(|_| !painter.canvas_mut().is_empty()) {
            if self.afresh.swap(false, Ordering::AcqRel) {
                kept.canvas.start_afresh();
            }
            kept.canvas.see(painter.image_mut(), extent);
            kept.canvas.put(&canvas, extent, painter.canvas_mut());
        }
        let prepared = Instant::now();
        let planes = painter.paint()?;
        let burden = *lock(&self.burden);
        if burden != Burden::NONE {
            std::thread::sleep(burden.on_top_of(prepared.elapsed()));
        }
        let mut pixels = lock(&self.free).pop().unwrap_or_default();
        interleave(planes, &mut pixels);
        let infer = prepared.elapsed();
        Ok(Painted { frame, pixels, extent, started, prepare: prepared - started, infer })
    }

    fn recycle(&self, pixels: Vec<[f32; 4]>) {
        let mut free = lock(&self.free);
        if free.len() < BUFFERS {
            free.push(pixels);
        }
    }

    fn report(&self, event: RoundTripEvent) {
        let mut events = lock(&self.events);
        if events.len() < EVENTS {
            events.push(event);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code runs under these locks that could leave the data half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Three planes to pixels of four, the fourth being 1.
fn interleave(planes: &[f32], pixels: &mut Vec<[f32; 4]>) {
    let plane = planes.len() / 3;
    let (red, rest) = planes.split_at(plane);
    let (green, blue) = rest.split_at(plane);
    pixels.clear();
    pixels.extend(red.iter().zip(green).zip(blue).map(|((&r, &g), &b)| [r, g, b, 1.0]));
}
