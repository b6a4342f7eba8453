//! A source that gives nothing at set times, as a camera does whose cable is loose.

use std::time::{Duration, Instant};

use super::Script;
use crate::frame::{CameraFrame, FramePool};
use crate::source::{Losses, Source, SourceError, SourceInfo, SourceWish};

/// A source around another one.
pub struct Stalling {
    inner: Box<dyn Source>,
    script: Script,
    started: Instant,
    wish: SourceWish,
}

impl Stalling {
    /// As long as a real camera may keep silent before it is given up and opened again.
    const PATIENCE: Duration = Duration::from_secs(1);
    const SLICE: Duration = Duration::from_millis(20);

    /// The script's times count from `started`, by the clock of the wish that `inner` was opened with.
    pub fn new(inner: Box<dyn Source>, script: Script, started: Instant, wish: &SourceWish) -> Self {
        Self { inner, script, started, wish: wish.clone() }
    }
}

impl Source for Stalling {
    fn info(&self) -> &SourceInfo {
        self.inner.info()
    }

    fn next(&mut self, pool: &FramePool) -> Result<CameraFrame, SourceError> {
        let SourceWish { clock, stop, .. } = &self.wish;
        let began = clock.now();
        while self.script.at(clock.now().saturating_duration_since(self.started)).stalled {
            let waited = clock.now().saturating_duration_since(began);
            if waited > Self::PATIENCE {
                return Err(SourceError::Stalled { name: self.info().name.clone(), waited });
            }
            if clock.sleep_until(clock.now() + Self::SLICE, stop) {
                return Err(SourceError::Stopped);
            }
        }
        self.inner.next(pool)
    }

    fn losses(&self) -> Losses {
        self.inner.losses()
    }
}
