//! A source that gives nothing at set times, as a camera does whose cable is loose.

use std::time::{Duration, Instant};

use super::Script;
use crate::frame::{CameraFrame, FramePool};
use crate::source::{Losses, Source, SourceError, SourceInfo, Stop};

/// A source around another one.
pub struct Stalling {
    inner: Box<dyn Source>,
    script: Script,
    started: Instant,
    stop: Stop,
}

impl Stalling {
    /// As long as a real camera may keep silent before it is given up and opened again.
    const PATIENCE: Duration = Duration::from_secs(1);
    const SLICE: Duration = Duration::from_millis(20);

    /// The script's times count from `started`.
    pub fn new(inner: Box<dyn Source>, script: Script, started: Instant, stop: Stop) -> Self {
        Self { inner, script, started, stop }
    }
}

impl Source for Stalling {
    fn info(&self) -> &SourceInfo {
        self.inner.info()
    }

    fn next(&mut self, pool: &FramePool) -> Result<CameraFrame, SourceError> {
        let began = Instant::now();
        while self.script.at(self.started.elapsed()).stalled {
            let waited = began.elapsed();
            if waited > Self::PATIENCE {
                return Err(SourceError::Stalled { name: self.info().name.clone(), waited });
            }
            if self.stop.sleep_until(Instant::now() + Self::SLICE) {
                return Err(SourceError::Stopped);
            }
        }
        self.inner.next(pool)
    }

    fn losses(&self) -> Losses {
        self.inner.losses()
    }
}
