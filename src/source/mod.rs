//! Where frames come from: a camera, a file, or the demo scene.
//!
//! A [`Source`] hands out one raw picture after the other, each with its identity and the time of its capture, in buffers
//! that go round ([`FramePool`]). [`SourceThread`] runs one on a thread of its own, keeps it alive through stalls and
//! unplugging, and leaves the newest frame in a mailbox. Nothing here knows of the GPU, of effects, or of the window;
//! problems leave as [`Fault`]s, which say what happened and what the user can do.
//!
//! ```text
//! SourceSpec --open--> Box<dyn Source> --next--> CameraFrame --SourceThread--> Latest<CameraFrame>
//!                       camera/  V4L2 on Linux, nokhwa elsewhere
//!                       file/    stills, animated pictures, Y4M, ffmpeg   } clips: Paced gives them a clock
//!                       demo/    drawn, not read                          }
//! ```

pub mod camera;
pub mod demo;
mod error;
mod fallback;
pub mod file;
mod huffman;
mod paced;
mod spec;
mod thread;

use std::time::{Duration, Instant};

pub use camera::{
    CameraControl, CameraListing, ControlKind, camera_controls, camera_modes, cameras, set_camera_control,
};
pub use demo::DemoScene;
pub use error::{Recovery, SourceError};
pub use file::{Holds, holds};
pub use paced::{Clip, ClipInfo, Paced, Picture};
pub use spec::{Pacing, SourceSpec, SourceWish};
pub use thread::{SourceEvent, SourceThread};

pub use crate::clock::Stop;
use crate::fault::Fault;
pub use crate::frame::Losses;
use crate::frame::{CameraFrame, FramePool, FrameShape};
use crate::units::{Budget, CaptureClock, Rate};

/// A supplier of frames, used from one thread.
pub trait Source: Send {
    /// What this source delivers. Constant while it is open.
    fn info(&self) -> &SourceInfo;

    /// The next frame, waiting for it if need be. Its id comes from the wish that the source was opened with.
    ///
    /// Waits in short slices and returns [`SourceError::Stopped`] soon after the wish's [`Stop`] was set.
    ///
    /// # Errors
    /// [`SourceError::Ended`] after the last frame of a source that does not loop. Whether it is worth calling again is
    /// told by [`SourceError::recovery`].
    fn next(&mut self, pool: &FramePool) -> Result<CameraFrame, SourceError>;

    /// When the frame after the last one is due, where that is known: of files.
    fn next_due(&self) -> Option<Instant> {
        None
    }

    /// Frames that existed but were not delivered, since opening.
    fn losses(&self) -> Losses {
        Losses::default()
    }
}

/// What kind of thing a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    Camera,
    File,
    Demo,
}

/// What a source delivers.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SourceInfo {
    pub kind: SourceKind,
    /// For people: the camera's or the file's name.
    pub name: String,
    /// How the frames arrive, for people: `MJPG 1280x720 at 30 fps`.
    pub detail: String,
    /// The first frame's. A folder of pictures of several sizes that is read at its own pace delivers each in its own.
    pub shape: FrameShape,
    /// Time from one frame to the next; the mean where it varies.
    pub interval: Duration,
    pub clock: CaptureClock,
    /// A camera's number.
    pub camera: Option<u32>,
    /// How long it goes on, where that is known: not of a camera.
    pub timeline: Option<Timeline>,
}

/// What is known of a clip before it is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Timeline {
    /// Where one picture follows the other at one rate, exactly that.
    pub rate: Option<Rate>,
    pub pictures: Option<u64>,
    pub length: Option<Duration>,
}

impl Timeline {
    /// Pictures at one rate.
    pub fn steady(rate: Rate, pictures: Option<u64>) -> Self {
        Self { rate: Some(rate), pictures, length: pictures.map(|n| rate.time_of(n)) }
    }
}

impl SourceInfo {
    /// The time that one frame may take if none is to be missed.
    pub fn budget(&self) -> Budget {
        Budget(self.interval)
    }

    /// One picture that is shown again and again.
    pub fn is_still(&self) -> bool {
        self.timeline.is_some_and(|timeline| timeline.pictures == Some(1))
    }

    pub fn fps(&self) -> f64 {
        1.0 / self.interval.as_secs_f64().max(1e-9)
    }
}

/// An open source, and what there is to say about the choice when the user did not make it.
pub struct Opened {
    pub source: Box<dyn Source>,
    pub notice: Option<Fault>,
}

/// Opens what `spec` names. May take as long as a camera takes to start (a second or two): not for a thread that draws.
///
/// # Errors
/// When it is not there, in use, or not readable; the error's [`SourceError::fault`] says what to do.
pub fn open(spec: &SourceSpec, wish: &SourceWish) -> Result<Box<dyn Source>, SourceError> {
    open_with_notice(spec, wish).map(|opened| opened.source)
}

/// As [`open`], and tells when [`SourceSpec::Auto`] had to fall back on the demo scene.
///
/// # Errors
/// As [`open`]. `Auto` itself never fails.
pub fn open_with_notice(spec: &SourceSpec, wish: &SourceWish) -> Result<Opened, SourceError> {
    let plain = |source: Box<dyn Source>| Opened { source, notice: None };
    match spec {
        SourceSpec::Auto => match camera::open(None, wish) {
            Ok(source) => Ok(plain(source)),
            Err(SourceError::Stopped) => Err(SourceError::Stopped),
            Err(error) => {
                let refused = !matches!(error, SourceError::NoCamera);
                let notice = match error {
                    SourceError::NoCamera => Fault::notice(
                        "No camera was found, so this is the demo scene",
                        "Plug a camera in, or choose with --source camera:N or --source FILE",
                    ),
                    other => Fault::notice(
                        format!("{}, so this is the demo scene", other.fault().what),
                        "It is taken as soon as it can be; choose another camera with --source camera:N, or a file with --source FILE",
                    ),
                };
                Ok(Opened { source: Box::new(fallback::Fallback::new(refused, wish)), notice: Some(notice) })
            }
        },
        SourceSpec::Camera(index) => camera::open(*index, wish).map(plain),
        SourceSpec::Nokhwa(index) => camera::open_nokhwa(*index, wish).map(plain),
        SourceSpec::Demo => Ok(plain(demo::open(wish))),
        SourceSpec::File(path) => file::open(path, wish).map(plain),
        SourceSpec::Stdin => file::open_stdin(wish).map(plain),
    }
}
