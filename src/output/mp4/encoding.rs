//! Coding pictures as they come, on a thread: one is being coded and one waits; a newer one replaces it, and is counted.
//! Whoever hands them over never waits.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::mux::Sink;
use super::{Codec, Effort, Mp4, Mp4Error, Progress};
use crate::mailbox::Latest;
use crate::units::Extent;

/// A picture to record.
#[derive(Debug)]
pub struct Shot {
    /// Red, green, blue, alpha, row by row from the top.
    pub rgba: Vec<u8>,
    pub extent: Extent,
    /// When its frame was captured.
    pub at: Instant,
}

/// How far the coding is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct EncodingState {
    /// From the first picture to the last.
    pub length: Duration,
    pub bytes: u64,
    /// Pictures that were coded.
    pub pictures: u64,
    /// Pictures that came too fast for the encoder.
    pub dropped: u64,
    /// It has ended, or is about to, because of this.
    pub failed: Option<String>,
}

/// Handle to the thread that codes. Dropping it ends the clip in good order, and waits for that.
pub(super) struct Encoding {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), Mp4Error>>>,
}

#[derive(Default)]
struct Shared {
    inbox: Latest<Shot>,
    /// Buffers that were coded, to be filled again.
    free: Mutex<Vec<Vec<u8>>>,
    /// No shot waits: another would be taken at once.
    hungry: AtomicBool,
    left_out: AtomicU64,
    /// It has an encoder.
    ready: AtomicBool,
    live: Mutex<Live>,
}

#[derive(Default)]
struct Live {
    progress: Option<Arc<Progress>>,
    began: Option<Instant>,
    last: Option<Instant>,
    failed: Option<String>,
}

/// How long to wait for a picture before looking whether the clip is over.
const IDLE: Duration = Duration::from_millis(100);

impl Encoding {
    /// Begins a clip into `out`, on a thread of that name. The first picture says how large it is. `ended` is called on that
    /// thread when the clip is over, with the bytes that it has and whether it is complete.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn begin<S: Sink + Send + 'static>(
        name: &str,
        out: S,
        ended: impl FnOnce(u64, bool) + Send + 'static,
    ) -> Result<Self, Mp4Error> {
        let shared = Arc::<Shared>::default();
        let thread = {
            let shared = shared.clone();
            super::thread(name, move || {
                let recorded = shared.record(out);
                shared.inbox.close();
                let mut live = shared.live.lock().unwrap_or_else(PoisonError::into_inner);
                live.failed = recorded.as_ref().err().map(ToString::to_string);
                let bytes = live.progress.as_ref().map_or(0, |p| p.bytes());
                drop(live);
                ended(bytes, recorded.is_ok());
                recorded
            })?
        };
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Whether a picture would be taken at once: whoever makes them can save itself the trouble.
    pub fn wants_shot(&self) -> bool {
        self.shared.hungry.load(Ordering::Acquire)
    }

    /// A picture was not made because it would not have been taken.
    pub fn leave_out(&self) {
        if self.shared.ready.load(Ordering::Acquire) {
            self.shared.left_out.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// A buffer for the next picture: one that was coded already, if there is one.
    pub fn buffer(&self) -> Vec<u8> {
        self.shared.free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes a picture, in the place of one that still waits. Never waits itself.
    pub fn offer(&self, shot: Shot) {
        self.shared.hungry.store(false, Ordering::Release);
        if let Some(old) = self.shared.inbox.put(shot) {
            self.shared.give_back(old.rgba);
        }
    }

    pub fn state(&self) -> EncodingState {
        let live = self.shared.live.lock().unwrap_or_else(PoisonError::into_inner);
        let length =
            live.began.zip(live.last).map_or(Duration::ZERO, |(began, last)| last.saturating_duration_since(began));
        let progress = live.progress.as_ref();
        EncodingState {
            length,
            bytes: progress.map_or(0, |p| p.bytes()),
            pictures: progress.map_or(0, |p| p.pictures()),
            dropped: self.shared.inbox.counts().dropped + self.shared.left_out.load(Ordering::Acquire),
            failed: live.failed.clone(),
        }
    }

    /// Ends the clip in good order. Waits for the encoder.
    ///
    /// # Errors
    /// What went wrong, if something did. What is written plays.
    pub fn end(&mut self) -> Result<(), Mp4Error> {
        self.shared.inbox.close();
        let ended = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        ended.unwrap_or_else(|_| Err(Mp4Error::Encoder("the recording broke down".to_owned())))
    }
}

impl Drop for Encoding {
    fn drop(&mut self) {
        // Whoever wanted to know how it went has asked.
        let _ = self.end();
    }
}

impl Shared {
    fn give_back(&self, buffer: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < 3 {
            free.push(buffer);
        }
    }

    fn record<S: Sink + Send + 'static>(&self, out: S) -> Result<(), Mp4Error> {
        // Looking for an encoder takes a moment the first time: the recording begins when it is there.
        Codec::find()?;
        self.ready.store(true, Ordering::Release);
        self.hungry.store(true, Ordering::Release);
        let mut out = Some(out);
        let mut clip: Option<(Mp4<S>, Extent, Instant)> = None;
        let mut end = Duration::ZERO;
        loop {
            let shot = self.inbox.wait(IDLE);
            self.hungry.store(true, Ordering::Release);
            let Some(Shot { rgba, extent, at }) = shot else {
                if self.inbox.is_closed() {
                    break;
                }
                continue;
            };
            if let Some(out) = out.take() {
                let mp4 = Mp4::begin(out, extent, Effort::Live)?;
                let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
                (live.progress, live.began) = (Some(mp4.progress()), Some(at));
                clip = Some((mp4, extent, at));
            }
            let Some((mp4, first, began)) = &mut clip else { break };
            let time = at.saturating_duration_since(*began);
            if extent == *first {
                mp4.push(&rgba, time)?;
            } else if let Some(picture) = image::RgbaImage::from_raw(extent.width, extent.height, rgba.clone()) {
                // Another source: its pictures go into the size of the first, whole.
                let rgb = image::DynamicImage::from(picture).into_rgb8();
                let fitted = image::DynamicImage::from(crate::picture::on_black(rgb, *first)).into_rgba8();
                mp4.push(fitted.as_raw(), time)?;
            }
            end = time;
            self.live.lock().unwrap_or_else(PoisonError::into_inner).last = Some(at);
            self.give_back(rgba);
        }
        match clip {
            // The last picture is shown as long as those before it were on average.
            Some((mp4, ..)) => {
                let pictures = mp4.progress().pictures().max(1) as u32;
                mp4.finish(end + (end / pictures).clamp(Duration::from_millis(1), Duration::from_secs(1))).map(drop)
            }
            None => Ok(()),
        }
    }
}
