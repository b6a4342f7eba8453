//! Which of a camera's modes to use. Pure: the same rule for every platform, and for tests.

use std::cmp::Reverse;
use std::time::Duration;

use crate::frame::PixelFormat;
use crate::source::SourceWish;
use crate::units::Extent;

/// How a camera's pictures are coded on their way to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    Raw(PixelFormat),
    /// One JPEG per frame. Costs decoding, but passes 720p at 30 fps through USB 2.
    Mjpeg,
}

impl Coding {
    /// The name that V4L2 and camera data sheets use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mjpeg => "MJPG",
            Self::Raw(PixelFormat::Yuyv) => "YUYV",
            Self::Raw(PixelFormat::Uyvy) => "UYVY",
            Self::Raw(PixelFormat::Nv12) => "NV12",
            Self::Raw(PixelFormat::Nv21) => "NV21",
            Self::Raw(PixelFormat::Rgb8) => "RGB3",
            Self::Raw(PixelFormat::Bgr8) => "BGR3",
            Self::Raw(PixelFormat::Rgba8) => "AB24",
            Self::Raw(PixelFormat::Gray8) => "GREY",
        }
    }

    /// The four characters by which V4L2 knows it, or `None` for a coding that is not supported here.
    pub const fn from_fourcc(fourcc: [u8; 4]) -> Option<Self> {
        Some(match &fourcc {
            b"YUYV" => Self::Raw(PixelFormat::Yuyv),
            b"UYVY" => Self::Raw(PixelFormat::Uyvy),
            b"NV12" => Self::Raw(PixelFormat::Nv12),
            b"NV21" => Self::Raw(PixelFormat::Nv21),
            b"RGB3" => Self::Raw(PixelFormat::Rgb8),
            b"BGR3" => Self::Raw(PixelFormat::Bgr8),
            b"AB24" => Self::Raw(PixelFormat::Rgba8),
            b"GREY" => Self::Raw(PixelFormat::Gray8),
            b"MJPG" | b"JPEG" => Self::Mjpeg,
            _ => return None,
        })
    }

    /// What a frame costs before it can be painted, cheapest first: bytes over the bus and to the GPU, and decoding.
    const fn cost(self) -> u8 {
        match self {
            Self::Raw(PixelFormat::Nv12) => 0,
            Self::Raw(PixelFormat::Nv21) => 1,
            Self::Raw(PixelFormat::Yuyv) => 2,
            Self::Raw(PixelFormat::Uyvy) => 3,
            Self::Mjpeg => 4,
            Self::Raw(PixelFormat::Rgb8) => 5,
            Self::Raw(PixelFormat::Bgr8) => 6,
            Self::Raw(PixelFormat::Rgba8) => 7,
            Self::Raw(PixelFormat::Gray8) => 8,
        }
    }

    const fn has_color(self) -> bool {
        !matches!(self, Self::Raw(PixelFormat::Gray8))
    }

    /// Whether pictures of this size can be handled in this coding.
    pub const fn fits(self, extent: Extent) -> bool {
        let even_width = extent.width.is_multiple_of(2);
        let even_height = extent.height.is_multiple_of(2);
        !extent.is_empty()
            && match self {
                Self::Raw(PixelFormat::Yuyv | PixelFormat::Uyvy) => even_width,
                Self::Raw(PixelFormat::Nv12 | PixelFormat::Nv21) => even_width && even_height,
                _ => true,
            }
    }
}

impl serde::Serialize for Coding {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// One way in which a camera can deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct CameraMode {
    pub coding: Coding,
    pub extent: Extent,
    /// Time from frame to frame, as a fraction of seconds: (numerator, denominator), both above 0.
    pub interval_s: (u32, u32),
}

impl CameraMode {
    pub fn interval(&self) -> Duration {
        let (numerator, denominator) = self.interval_s;
        Duration::from_nanos(u64::from(numerator) * 1_000_000_000 / u64::from(denominator.max(1)))
    }

    pub fn fps(&self) -> f64 {
        let (numerator, denominator) = self.interval_s;
        f64::from(denominator) / f64::from(numerator.max(1))
    }
}

impl std::fmt::Display for CameraMode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fps = (self.fps() * 100.0).round() / 100.0;
        write!(f, "{} {} at {fps} fps", self.coding.name(), self.extent)
    }
}

/// An interval that is longer than the wished one by at most this share still counts as meeting it (29.97 for 30).
const RATE_TOLERANCE: f64 = 0.02;

/// The mode that the user chose for the camera of that name, where it is still offered, else the one that serves the wish
/// best.
pub fn wanted_mode<'a>(name: &str, modes: &'a [CameraMode], wish: &SourceWish) -> Option<&'a CameraMode> {
    let chosen = wish.camera_modes.get(name);
    let found = chosen.and_then(|chosen| modes.iter().find(|m| m.coding.fits(m.extent) && m.to_string() == *chosen));
    found.or_else(|| choose_mode(modes, wish))
}

/// The mode that serves the wish best, from what the device offers.
///
/// In this order: colour before grey; a rate that meets the budget, else the highest there is; a size within the wish's
/// (else the smallest beyond it), and of those the largest; the cheapest coding; the lowest rate that meets the budget,
/// which leaves the camera the most light. The order of `modes` does not matter, save between equals.
pub fn choose_mode<'a>(modes: &'a [CameraMode], wish: &SourceWish) -> Option<&'a CameraMode> {
    let max = wish.max_extent.unwrap_or(SourceWish::DEFAULT_MAX);
    let longest_ns = (wish.budget.0.as_nanos() as f64 * (1.0 + RATE_TOLERANCE)) as u128;
    modes
        .iter()
        .filter(|mode| mode.coding.fits(mode.extent) && wish.coding.is_none_or(|only| only == mode.coding))
        .filter(|mode| mode.interval_s.0 > 0 && mode.interval_s.1 > 0)
        .min_by_key(|mode| {
            let interval_ns = mode.interval().as_nanos();
            let meets = interval_ns <= longest_ns;
            let within = mode.extent.width <= max.width && mode.extent.height <= max.height;
            let pixels = mode.extent.pixels();
            (
                !mode.coding.has_color(),
                if meets { 0 } else { interval_ns },
                !within,
                if within { (Reverse(pixels), 0) } else { (Reverse(0), pixels) },
                mode.coding.cost(),
                Reverse(interval_ns),
            )
        })
}
