//! The picture that is shown, on its way to a recording, a stream, a virtual camera: tapped from what paints, at a size that
//! suits whoever takes it.

use std::sync::{Arc, mpsc};
use std::time::Instant;

use crate::fault::Fault;
use crate::output::{Recording, Replay, Shot, Stream, VirtualCamera, virtual_camera};
use crate::pipeline::Fit;
use crate::pipeline::tap::{self, TapFormat, TapFrame, TapWish, Taps};
use crate::units::Extent;

/// Pictures that may wait for the event loop to hand them on.
const DEPTH: usize = 3;
/// Longest side of what is tapped.
const MOST: u32 = 1920;

/// Who takes the pictures.
#[derive(Clone, Copy)]
pub(super) struct Takers<'a> {
    pub recording: Option<&'a Recording>,
    pub replay: Option<&'a Replay>,
    pub stream: Option<&'a Stream>,
    pub camera: Option<&'a Sent>,
}

impl Takers<'_> {
    /// Whether anybody takes pictures of the size of what is shown.
    pub fn exist(&self) -> bool {
        self.recording.is_some() || self.replay.is_some() || self.stream.is_some()
    }

    /// Whether anybody takes pictures at all.
    pub fn any(&self) -> bool {
        self.exist() || self.camera.is_some()
    }

    /// Whether the picture leaves the program.
    pub fn leave(&self) -> bool {
        self.stream.is_some() || self.camera.is_some()
    }
}

/// A tap of one size, and the pictures that came through it.
pub(super) struct Tap {
    extent: Extent,
    /// Goes before the tap, whose thread may be waiting for room in it and is waited for.
    shots: mpsc::Receiver<Shot>,
    tap: tap::Tap,
    /// The newest picture's capture, so that a frame is not taken twice.
    newest: Option<Instant>,
    /// Pictures that the tap had no room for, as far as the recording knows.
    dropped: u64,
}

/// The size at which a picture of `extent` is recorded.
pub(super) fn recorded_extent(extent: Extent) -> Extent {
    let inside = Extent::new(MOST, MOST);
    let large = extent.width > MOST || extent.height > MOST;
    if large { crate::picture::fitted_inside(extent, inside) } else { extent }
}

impl Tap {
    /// `woken` is called, on another thread, when there are pictures to be handed on.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn new(taps: &Taps, extent: Extent, woken: Arc<dyn Fn() + Send + Sync>) -> Result<Self, Fault> {
        let (sender, shots) = mpsc::sync_channel(DEPTH);
        let wish = TapWish {
            name: "output".to_owned(),
            extent,
            fit: Fit::Contain,
            format: TapFormat::Rgba,
            split: true,
            mirror: true,
        };
        let tap = taps.register(wish, move |frame: &TapFrame| {
            let Some(stamp) = frame.stamp else { return };
            let shot = Shot { rgba: frame.bytes.clone(), extent: frame.extent, at: stamp.captured };
            // Waits while the event loop is behind: what comes meanwhile is dropped by the tap, and counted.
            if sender.send(shot).is_ok() {
                woken();
            }
        })?;
        Ok(Self { extent, shots, tap, newest: None, dropped: 0 })
    }

    /// Whether it is for pictures of that size.
    pub fn fits(&self, extent: Extent) -> bool {
        self.extent == extent
    }

    /// Hands on what has come. Never waits.
    pub fn drain(&mut self, takers: Takers<'_>) {
        let dropped = self.tap.counts().dropped;
        for _ in self.dropped..dropped {
            takers.recording.iter().for_each(|recording| recording.leave_out());
        }
        self.dropped = dropped;
        for shot in self.shots.try_iter() {
            if self.newest.is_some_and(|newest| shot.at <= newest) {
                continue;
            }
            self.newest = Some(shot.at);
            if let Some(stream) = takers.stream.filter(|stream| stream.wants_shot()) {
                stream.offer(Shot { rgba: shot.rgba.clone(), ..shot });
            }
            if let Some(replay) = takers.replay.filter(|replay| replay.wants_shot()) {
                let mut rgba = replay.buffer();
                rgba.clear();
                rgba.extend_from_slice(&shot.rgba);
                replay.offer(Shot { rgba, ..shot });
            }
            match takers.recording {
                Some(recording) if recording.wants_shot() => recording.offer(shot),
                Some(recording) => recording.leave_out(),
                None => {}
            }
        }
    }
}

/// The picture on its way to a virtual camera.
pub(super) struct Sent {
    /// Goes before the camera, which it writes to.
    tap: Option<tap::Tap>,
    pub camera: VirtualCamera,
}

impl Sent {
    /// Nothing is sent before [`Self::tap`].
    pub fn new(camera: VirtualCamera) -> Self {
        Self { tap: None, camera }
    }

    /// Sends what is painted from now on, if that does not happen already. Others see the picture as it is, however the
    /// window mirrors it, and without the line between before and after.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn tap(&mut self, taps: &Taps) -> Result<(), Fault> {
        if self.tap.is_none() {
            let mut sink = self.camera.sink();
            let wish = TapWish {
                name: "camera tap".to_owned(),
                extent: virtual_camera::EXTENT,
                fit: Fit::Contain,
                format: TapFormat::Nv12,
                split: false,
                mirror: false,
            };
            self.tap = Some(taps.register(wish, move |frame: &TapFrame| sink.put(&frame.bytes))?);
        }
        Ok(())
    }
}
