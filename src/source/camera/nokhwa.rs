//! Cameras through nokhwa: finding them on every platform, and capturing on macOS and Windows. The only file that names it.
//!
//! nokhwa's `frame` blocks for as long as the camera is silent and has no time-out. It therefore runs on a thread of its own, which
//! is left behind if the camera never answers; what it captures comes over through a mailbox with a time-out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use nokhwa::utils::{
    ApiBackend, CameraFormat, CameraIndex, FrameFormat, RequestedFormat, RequestedFormatType, Resolution,
};
use nokhwa::{Camera, NokhwaError};

use super::choose::{CameraMode, Coding, wanted_mode};
use super::{CameraListing, mjpeg};
use crate::frame::{CameraFrame, ColorSpec, FrameBytes, FramePool, FrameShape, PixelFormat};
use crate::mailbox::Latest;
use crate::source::{Losses, Source, SourceError, SourceInfo, SourceKind, SourceWish, Stop};
use crate::units::{CaptureClock, Extent, FrameIds, FrameStamp};

/// The cameras that nokhwa finds, without their modes.
///
/// # Errors
/// When the platform's camera service does not answer.
pub(super) fn enumerate() -> Result<Vec<CameraListing>, SourceError> {
    let found = nokhwa::query(ApiBackend::Auto).map_err(|error| failed("The list of cameras", &error))?;
    Ok(found
        .into_iter()
        .map(|info| CameraListing {
            index: info.index().as_index().unwrap_or(0),
            name: info.human_name(),
            place: info.description().to_string(),
            modes: Vec::new(),
            preferred: None,
            trouble: None,
        })
        .collect())
}

/// Adds a camera's modes to its listing, which here means opening it.
#[cfg(not(target_os = "linux"))]
pub(super) fn complete(mut listing: CameraListing) -> CameraListing {
    match prepared(listing.index) {
        Ok(mut camera) => match modes(&mut camera) {
            Ok(modes) => listing.modes = modes,
            Err(error) => listing.trouble = Some(error.to_string()),
        },
        Err(error) => listing.trouble = Some(error.to_string()),
    }
    listing
}

const FORMATS: [FrameFormat; 6] = [
    FrameFormat::MJPEG,
    FrameFormat::YUYV,
    FrameFormat::NV12,
    FrameFormat::GRAY,
    FrameFormat::RAWRGB,
    FrameFormat::RAWBGR,
];

const fn coding_of(format: FrameFormat) -> Coding {
    match format {
        FrameFormat::MJPEG => Coding::Mjpeg,
        FrameFormat::YUYV => Coding::Raw(PixelFormat::Yuyv),
        FrameFormat::NV12 => Coding::Raw(PixelFormat::Nv12),
        FrameFormat::GRAY => Coding::Raw(PixelFormat::Gray8),
        FrameFormat::RAWRGB => Coding::Raw(PixelFormat::Rgb8),
        FrameFormat::RAWBGR => Coding::Raw(PixelFormat::Bgr8),
    }
}

/// A camera, opened in whatever mode it is in.
fn prepared(index: u32) -> Result<Camera, NokhwaError> {
    #[cfg(target_os = "macos")]
    if !nokhwa::nokhwa_check() {
        // Asks the user once; the system remembers the answer. Until it is given, opening fails and is tried again.
        nokhwa::nokhwa_initialize(|_| {});
    }
    Camera::new(CameraIndex::Index(index), RequestedFormat::with_formats(RequestedFormatType::None, &FORMATS))
}

fn modes(camera: &mut Camera) -> Result<Vec<CameraMode>, NokhwaError> {
    let listed = camera.compatible_camera_formats()?;
    Ok(listed
        .into_iter()
        .filter(|format| format.frame_rate() > 0)
        .map(|format| CameraMode {
            coding: coding_of(format.format()),
            extent: Extent::new(format.width(), format.height()),
            interval_s: (1, format.frame_rate()),
        })
        .collect())
}

/// nokhwa reports causes as text: the platforms' words for "in use" and "not allowed" are looked for in it.
fn failed(name: &str, error: &NokhwaError) -> SourceError {
    let name = name.to_string();
    let what = error.to_string();
    let says = |words: &[&str]| words.iter().any(|word| what.to_lowercase().contains(word));
    if says(&["busy", "in use", "0xc00d3704", "lock rejected"]) {
        SourceError::Busy { name }
    } else if says(&["denied", "permission", "not authorized", "0x80070005"]) {
        SourceError::Denied { name }
    } else if says(&["no such", "not found", "invalid index", "does not exist"]) {
        SourceError::Gone { name }
    } else {
        SourceError::Broken { name, what }
    }
}

struct Captured {
    bytes: FrameBytes,
    at: Instant,
}

/// Between the capturing thread and the source.
#[derive(Default)]
struct Shared {
    latest: Latest<Captured>,
    quit: AtomicBool,
    error: std::sync::Mutex<Option<SourceError>>,
}

/// A camera that streams through nokhwa.
pub(super) struct NokhwaCamera {
    shared: Arc<Shared>,
    /// Answers when the thread has let go of the camera.
    ended: mpsc::Receiver<()>,
    info: SourceInfo,
    coding: Coding,
    jpeg: mjpeg::Decoder,
    stop: Stop,
    ids: FrameIds,
    /// A frame has come.
    delivers: bool,
    damaged: u64,
}

impl NokhwaCamera {
    const OPENS_WITHIN: Duration = Duration::from_secs(10);
    const FIRST_FRAME: Duration = Duration::from_secs(5);
    const STALLED: Duration = Duration::from_secs(2);
    const SLICE: Duration = Duration::from_millis(40);

    pub(super) fn open(index: u32, wish: &SourceWish) -> Result<Self, SourceError> {
        let shared = Arc::new(Shared::default());
        let (opened_sender, opened) = mpsc::channel();
        let (ended_sender, ended) = mpsc::channel();
        let capture = Capture { index, wish: wish.clone(), shared: shared.clone() };
        std::thread::Builder::new()
            .name("camera".into())
            .spawn(move || {
                capture.run(&opened_sender);
                // Nobody listens any more when the source was dropped first.
                let _ = ended_sender.send(());
            })
            .map_err(|source| SourceError::Driver { name: index.to_string(), doing: "a thread", source })?;
        let began = Instant::now();
        let (name, mode) = loop {
            match opened.recv_timeout(Self::SLICE) {
                Ok(result) => break result?,
                Err(mpsc::RecvTimeoutError::Timeout) if wish.stop.is_set() => {
                    shared.quit.store(true, Ordering::Relaxed);
                    return Err(SourceError::Stopped);
                }
                Err(mpsc::RecvTimeoutError::Timeout) if began.elapsed() < Self::OPENS_WITHIN => {}
                Err(_) => {
                    shared.quit.store(true, Ordering::Relaxed);
                    return Err(SourceError::Stalled { name: format!("number {index}"), waited: began.elapsed() });
                }
            }
        };
        let format = match mode.coding {
            Coding::Raw(format) => format,
            Coding::Mjpeg => PixelFormat::Rgb8,
        };
        let info = SourceInfo {
            kind: SourceKind::Camera,
            name,
            detail: format!("{mode}, through nokhwa"),
            shape: FrameShape { color: ColorSpec::default(), ..FrameShape::packed(format, mode.extent) },
            interval: mode.interval(),
            clock: CaptureClock::Dequeue,
            camera: Some(index),
            timeline: None,
        };
        Ok(Self {
            shared,
            ended,
            info,
            coding: mode.coding,
            jpeg: mjpeg::Decoder::default(),
            stop: wish.stop.clone(),
            ids: wish.ids.clone(),
            delivers: false,
            damaged: 0,
        })
    }

    /// The shape of a raw picture of `len` bytes: nokhwa does not say how rows are padded, but the length does.
    fn shape_of(&self, len: usize) -> FrameShape {
        let shape = self.info.shape;
        let rows = shape.format.rows(shape.extent.height).max(1);
        let stride = if len.is_multiple_of(rows) { (len / rows).max(shape.stride) } else { shape.stride };
        FrameShape { stride, ..shape }
    }
}

impl Source for NokhwaCamera {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next(&mut self, pool: &FramePool) -> Result<CameraFrame, SourceError> {
        let asked = Instant::now();
        let patience = if self.delivers { Self::STALLED } else { Self::FIRST_FRAME };
        loop {
            if self.stop.is_set() {
                return Err(SourceError::Stopped);
            }
            if asked.elapsed() > patience {
                return Err(SourceError::Stalled { name: self.info.name.clone(), waited: asked.elapsed() });
            }
            let Some(captured) = self.shared.latest.wait(Self::SLICE) else {
                if self.shared.latest.is_closed() {
                    let told = self.shared.error.lock().ok().and_then(|mut error| error.take());
                    return Err(told.unwrap_or(SourceError::Gone { name: self.info.name.clone() }));
                }
                continue;
            };
            let (shape, bytes) = match self.coding {
                Coding::Raw(_) => (self.shape_of(captured.bytes.len()), captured.bytes),
                Coding::Mjpeg => {
                    let mut rgb = pool.take(self.info.shape.min_bytes());
                    if self.jpeg.decode(&captured.bytes, self.info.shape.extent, &mut rgb).is_err() {
                        self.damaged += 1;
                        continue;
                    }
                    (self.info.shape, rgb)
                }
            };
            let stamp = FrameStamp { id: self.ids.give(), captured: captured.at, clock: self.info.clock };
            match CameraFrame::new(shape, stamp, bytes) {
                Ok(frame) => {
                    self.delivers = true;
                    return Ok(frame.arrived_at(Instant::now()));
                }
                Err(_) => self.damaged += 1,
            }
        }
    }

    fn losses(&self) -> Losses {
        Losses { damaged: self.damaged, skipped: self.shared.latest.counts().dropped, lost: 0 }
    }
}

impl Drop for NokhwaCamera {
    fn drop(&mut self) {
        self.shared.quit.store(true, Ordering::Relaxed);
        // A living camera is let go within a frame or two; a silent one keeps its thread, which ends if it ever answers.
        let _ = self.ended.recv_timeout(Duration::from_millis(500));
    }
}

/// The capturing thread's work.
struct Capture {
    index: u32,
    wish: SourceWish,
    shared: Arc<Shared>,
}

impl Capture {
    fn run(&self, opened: &mpsc::Sender<Result<(String, CameraMode), SourceError>>) {
        match self.open() {
            Ok((camera, name, mode)) => {
                let _ = opened.send(Ok((name.clone(), mode)));
                let error = self.stream(camera, &name);
                if let (Some(error), Ok(mut told)) = (error, self.shared.error.lock()) {
                    *told = Some(error);
                }
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        }
        self.shared.latest.close();
    }

    fn open(&self) -> Result<(Camera, String, CameraMode), SourceError> {
        let number = format!("number {}", self.index);
        let mut camera = prepared(self.index).map_err(|e| failed(&number, &e))?;
        let name = camera.info().human_name();
        let failed = |e: &NokhwaError| failed(&name, e);
        let modes = modes(&mut camera).map_err(|e| failed(&e))?;
        let mode = *wanted_mode(&name, &modes, &self.wish).ok_or_else(|| SourceError::NoUsableFormat {
            name: name.clone(),
            offered: modes.iter().map(CameraMode::to_string).collect::<Vec<_>>().join(", "),
        })?;
        let format = FORMATS.into_iter().find(|&f| coding_of(f) == mode.coding).unwrap_or(FrameFormat::MJPEG);
        let resolution = Resolution::new(mode.extent.width, mode.extent.height);
        let wanted = CameraFormat::new(resolution, format, mode.interval_s.1);
        let request = RequestedFormat::with_formats(RequestedFormatType::Exact(wanted), &FORMATS);
        let got = camera.set_camera_requset(request).map_err(|e| failed(&e))?;
        camera.open_stream().map_err(|e| failed(&e))?;
        let mode = CameraMode {
            coding: coding_of(got.format()),
            extent: Extent::new(got.width(), got.height()),
            interval_s: (1, got.frame_rate().max(1)),
        };
        Ok((camera, name, mode))
    }

    /// Captures until told to quit, or until the camera fails.
    fn stream(&self, mut camera: Camera, name: &str) -> Option<SourceError> {
        let pool = FramePool::default();
        let mut error = None;
        while !self.shared.quit.load(Ordering::Relaxed) {
            match camera.frame_raw() {
                Ok(raw) => {
                    let at = Instant::now();
                    let mut bytes = pool.take(raw.len());
                    bytes.copy_from_slice(&raw);
                    drop(self.shared.latest.put(Captured { bytes, at }));
                }
                Err(why) => {
                    error = Some(failed(name, &why));
                    break;
                }
            }
        }
        // nokhwa panics when a camera that has failed cannot be stopped either; this thread is over in any case.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(camera)));
        error
    }
}
