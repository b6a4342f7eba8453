//! The small quantities that everything else is measured in: which frame, when, how large, how long it may take.
//!
//! Knows nothing but `std`. Things that look alike get types of their own here, so that a width cannot be taken for a
//! height nor a count of frames for an identity.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Identity of one captured frame, given once: by the source, out of the [`FrameIds`] that it was opened with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub u64);

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Gives out ids from 0. Clones go on where the others are: sources that are opened one after the other share one.
#[derive(Clone, Debug, Default)]
pub struct FrameIds(Arc<AtomicU64>);

impl FrameIds {
    /// The id of the frame that a source delivers now.
    pub fn give(&self) -> FrameId {
        FrameId(self.0.fetch_add(1, Ordering::Relaxed))
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
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

/// Pictures per second, as a fraction in lowest terms: `30:1`, `30000:1001`. Neither number is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Rate {
    pictures: u32,
    seconds: u32,
}

impl Rate {
    /// `None` when one of the two is 0.
    pub fn new(pictures: u32, seconds: u32) -> Option<Self> {
        if pictures == 0 || seconds == 0 {
            return None;
        }
        let divisor = gcd(u64::from(pictures), u64::from(seconds)) as u32;
        Some(Self { pictures: pictures / divisor, seconds: seconds / divisor })
    }

    /// The rate at which one picture follows the other after `interval`: whole and NTSC rates where it is one of those to half
    /// a thousandth, others to a thousandth.
    pub fn near(interval: Duration) -> Self {
        let fps = 1.0 / interval.as_secs_f64().max(1e-6);
        let whole = fps.round().max(1.0);
        let ntsc = (fps * 1.001).round().max(1.0);
        // `as` saturates; none of the numbers is 0.
        if (fps - whole).abs() < 5e-4 * whole {
            Self { pictures: whole as u32, seconds: 1 }
        } else if (fps * 1.001 - ntsc).abs() < 5e-4 * ntsc {
            Self { pictures: ntsc as u32 * 1000, seconds: 1001 }
        } else {
            Self::new((fps * 1000.0).round().max(1.0) as u32, 1000).unwrap_or(Self { pictures: 1, seconds: 1000 })
        }
    }

    /// So many pictures in that time, to a millisecond.
    pub fn mean(pictures: u64, length: Duration) -> Self {
        let length_ms = length.as_millis().max(1) as u64;
        let per_second = pictures.max(1).saturating_mul(1000);
        let divisor = gcd(per_second, length_ms);
        match (u32::try_from(per_second / divisor), u32::try_from(length_ms / divisor)) {
            (Ok(pictures), Ok(seconds)) => Self { pictures, seconds },
            _ => Self::near(length.div_f64(pictures.max(1) as f64)),
        }
    }

    /// Time from one picture to the next.
    pub fn interval(self) -> Duration {
        self.time_of(1)
    }

    /// When picture `index` is due, counted from 0. Exact to a nanosecond however many there are.
    pub fn time_of(self, index: u64) -> Duration {
        let nanos = u128::from(index) * u128::from(self.seconds) * 1_000_000_000;
        let nanos = (nanos + u128::from(self.pictures) / 2) / u128::from(self.pictures);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    pub fn fps(self) -> f64 {
        f64::from(self.pictures) / f64::from(self.seconds)
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{}", self.pictures, self.seconds))
    }
}

/// `30000:1001`.
impl std::str::FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is not a rate: write PICTURES:SECONDS, for example 30000:1001");
        let (pictures, seconds) = text.split_once(':').ok_or_else(wrong)?;
        let number = |t: &str| t.parse::<u32>().map_err(|_| wrong());
        Self::new(number(pictures)?, number(seconds)?).ok_or_else(wrong)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        let near = |fps: f64| Rate::near(Duration::from_secs_f64(1.0 / fps)).to_string();
        assert_eq!(near(30.0), "30:1");
        assert_eq!(near(30000.0 / 1001.0), "30000:1001");
        assert_eq!(near(12.5), "25:2");
        assert_eq!(near(0.25), "1:4");
        let ntsc: Rate = "60000:2002".parse().unwrap();
        assert_eq!((ntsc.to_string(), ntsc.interval().as_nanos()), ("30000:1001".to_owned(), 33_366_667));
        assert_eq!(ntsc.time_of(30_000_000), Duration::from_secs(1_001_000));
        assert_eq!(Rate::mean(36, Duration::from_millis(1204)).to_string(), "9000:301");
        assert_eq!(Rate::mean(60, Duration::from_secs(2)).to_string(), "30:1");
        for wrong in ["", "30", "0:1", "1:0", "-1:1", "99999999999:1"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
