//! The demo scene in place of a camera, with an eye on whether one has come or has become free.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::{Losses, Source, SourceError, SourceInfo, SourceWish, camera, demo};
use crate::frame::{CameraFrame, FramePool};

/// Plays the demo scene until a new device appears or one that would not open does, then asks to be opened anew.
pub(super) struct Fallback {
    scene: Box<dyn Source>,
    devices: Vec<OsString>,
    look_at: Instant,
    /// There is a camera; it could not be opened.
    refused: bool,
    wish: SourceWish,
}

impl Fallback {
    const LOOK_EVERY: Duration = Duration::from_secs(2);
    /// A device's node appears before it can be used.
    const SETTLES_IN: Duration = Duration::from_millis(300);

    /// `refused`: there is a camera, and it may open later.
    pub(super) fn new(refused: bool, wish: &SourceWish) -> Self {
        Self {
            scene: demo::open(wish),
            devices: camera::fingerprint(),
            look_at: wish.clock.now() + Self::LOOK_EVERY,
            refused,
            wish: wish.clone(),
        }
    }
}

impl Source for Fallback {
    fn info(&self) -> &SourceInfo {
        self.scene.info()
    }

    fn next(&mut self, pool: &FramePool) -> Result<CameraFrame, SourceError> {
        let now = self.wish.clock.now();
        if now >= self.look_at {
            self.look_at = now + Self::LOOK_EVERY;
            let devices = camera::fingerprint();
            let new = devices.iter().any(|device| !self.devices.contains(device));
            self.devices = devices;
            if self.refused && camera::open(None, &self.wish).is_ok() {
                return Err(SourceError::Free);
            }
            if new {
                let stopped = self.wish.clock.sleep_until(now + Self::SETTLES_IN, &self.wish.stop);
                return Err(if stopped { SourceError::Stopped } else { SourceError::Appeared });
            }
        }
        self.scene.next(pool)
    }

    fn losses(&self) -> Losses {
        self.scene.losses()
    }
}
