//! The demo scene in place of a camera, with an eye on whether one has come.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::{Losses, Source, SourceError, SourceInfo, SourceWish, Stop, camera, demo};
use crate::frame::{CameraFrame, FramePool};

/// Plays the demo scene until a new device appears, then asks to be opened anew.
pub(super) struct Fallback {
    scene: Box<dyn Source>,
    devices: Vec<OsString>,
    look_at: Instant,
    stop: Stop,
}

impl Fallback {
    const LOOK_EVERY: Duration = Duration::from_secs(2);
    /// A device's node appears before it can be used.
    const SETTLES_IN: Duration = Duration::from_millis(300);

    pub(super) fn new(wish: &SourceWish) -> Self {
        Self {
            scene: demo::open(wish),
            devices: camera::fingerprint(),
            look_at: Instant::now() + Self::LOOK_EVERY,
            stop: wish.stop.clone(),
        }
    }
}

impl Source for Fallback {
    fn info(&self) -> &SourceInfo {
        self.scene.info()
    }

    fn next(&mut self, pool: &FramePool) -> Result<CameraFrame, SourceError> {
        let now = Instant::now();
        if now >= self.look_at {
            self.look_at = now + Self::LOOK_EVERY;
            let devices = camera::fingerprint();
            let new = devices.iter().any(|device| !self.devices.contains(device));
            self.devices = devices;
            if new {
                let stopped = self.stop.sleep_until(now + Self::SETTLES_IN);
                return Err(if stopped { SourceError::Stopped } else { SourceError::Appeared });
            }
        }
        self.scene.next(pool)
    }

    fn losses(&self) -> Losses {
        self.scene.losses()
    }
}
