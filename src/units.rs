//! The small quantities that everything else is measured in: which frame, when, how large, how long it may take.
//!
//! Knows nothing but `std`. Things that look alike get types of their own here, so that a width cannot be taken for a
//! height nor a count of frames for an identity.

use std::fmt;
use std::time::{Duration, Instant};

/// Identity of one captured frame. Counts up by one for each frame that a source delivers, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub u64);

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Where a frame's capture time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureClock {
    /// The driver's own monotonic stamp, taken when the exposure was read out.
    Driver,
    /// The moment the program took the frame out of the driver's queue: later than the exposure by an unknown amount.
    Dequeue,
    /// The moment a file or generated frame was due.
    Schedule,
}

/// Which frame a value was made from, and when that frame was captured.
///
/// Travels unchanged with every product of the frame, from the camera's bytes to the pixels on screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameStamp {
    pub id: FrameId,
    /// Monotonic.
    pub captured: Instant,
    pub clock: CaptureClock,
}

impl FrameStamp {
    /// How old the frame is at `now`; zero if `now` lies before the capture.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.captured)
    }
}

/// Width and height in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
pub struct Extent {
    pub width: u32,
    pub height: u32,
}

impl Extent {
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Number of pixels.
    pub const fn pixels(self) -> u64 {
        self.width as u64 * self.height as u64
    }

    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// Width over height. An empty extent counts as square.
    pub fn aspect(self) -> f32 {
        if self.is_empty() { 1.0 } else { self.width as f32 / self.height as f32 }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// `640x480`. Both sides at least 1 and at most 16384.
impl std::str::FromStr for Extent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a size: write WIDTHxHEIGHT, for example 512x288");
        let (width, height) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
        let side = |t: &str| t.trim().parse::<u32>().ok().filter(|n| (1..=16384).contains(n)).ok_or_else(wrong);
        Ok(Self::new(side(width)?, side(height)?))
    }
}

/// Work that is put on top of a network's own, to try out what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burden {
    /// Each picture takes longer by this.
    pub extra: Duration,
    /// Each picture takes so many times as long; at least 1.
    pub factor: f32,
}

impl Burden {
    pub const NONE: Self = Self { extra: Duration::ZERO, factor: 1.0 };

    /// What comes on top of a network that takes `own`.
    pub fn on_top_of(self, own: Duration) -> Duration {
        self.extra + own.mul_f32((self.factor - 1.0).max(0.0))
    }

    /// Both at once.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { extra: self.extra + other.extra, factor: self.factor * other.factor }
    }
}

impl Default for Burden {
    fn default() -> Self {
        Self::NONE
    }
}

/// The time that one frame may take: the source's frame interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget(pub Duration);

impl Budget {
    pub fn ms(self) -> f64 {
        self.0.as_secs_f64() * 1e3
    }
}

impl Default for Budget {
    /// A 30 Hz camera's.
    fn default() -> Self {
        Self(Duration::from_nanos(33_333_333))
    }
}
