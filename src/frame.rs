//! A camera's picture as the camera gave it: raw bytes, and all that is needed to read them rightly.
//!
//! No conversion happens here; colour is made on the GPU (`shaders/ingest/`) or, for the round trip to ONNX Runtime, by
//! `kernels::ingest`. Compressed formats (MJPEG) never appear: a source decodes them before it makes a `CameraFrame`.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::units::{Extent, FrameId, FrameStamp};

/// Memory layout of uncompressed pixels. `stride` below is the distance in bytes between the starts of two rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PixelFormat {
    /// 4:2:2 packed, `Y0 U Y1 V` per two pixels. Also known as YUY2. Width even.
    Yuyv,
    /// 4:2:2 packed, `U Y0 V Y1` per two pixels. Width even.
    Uyvy,
    /// 4:2:0, a plane of Y, then a half-height plane of interleaved `U V` with the same stride. Also known as 420v. Both sides even.
    Nv12,
    /// As `Nv12` with `V U`. Both sides even.
    Nv21,
    /// `R G B`.
    Rgb8,
    /// `B G R`. V4L2 calls it BGR3, OpenCV's order.
    Bgr8,
    /// `R G B A`; alpha is ignored.
    Rgba8,
    /// Luma only. V4L2 calls it GREY.
    Gray8,
}

impl PixelFormat {
    pub const ALL: [Self; 8] =
        [Self::Yuyv, Self::Uyvy, Self::Nv12, Self::Nv21, Self::Rgb8, Self::Bgr8, Self::Rgba8, Self::Gray8];

    /// Bytes in one row of the first plane without padding.
    pub const fn row_bytes(self, width: u32) -> usize {
        let width = width as usize;
        match self {
            Self::Yuyv | Self::Uyvy => width.div_ceil(2) * 4,
            Self::Nv12 | Self::Nv21 => width.next_multiple_of(2),
            Self::Gray8 => width,
            Self::Rgb8 | Self::Bgr8 => width * 3,
            Self::Rgba8 => width * 4,
        }
    }

    /// Rows of `stride` bytes that a picture of this height takes, all planes together.
    pub const fn rows(self, height: u32) -> usize {
        let height = height as usize;
        match self {
            Self::Nv12 | Self::Nv21 => height + height.div_ceil(2),
            _ => height,
        }
    }

    /// Smallest buffer that can hold the picture: the last row need not be padded to the stride.
    pub const fn min_bytes(self, extent: Extent, stride: usize) -> usize {
        if extent.is_empty() {
            return 0;
        }
        stride * (self.rows(extent.height) - 1) + self.row_bytes(extent.width)
    }

    pub const fn is_yuv(self) -> bool {
        matches!(self, Self::Yuyv | Self::Uyvy | Self::Nv12 | Self::Nv21)
    }
}

/// Which matrix turns Y'CbCr into R'G'B' (ITU-R BT.601-7 section 2.5, BT.709-6 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum YuvMatrix {
    #[default]
    Bt601,
    Bt709,
}

/// Whether luma spans 16..=235 (chroma 16..=240) or the whole byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum YuvRange {
    #[default]
    Limited,
    Full,
}

/// How the bytes of a YUV picture mean colour. Ignored for RGB; for grey only the range counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
pub struct ColorSpec {
    pub matrix: YuvMatrix,
    pub range: YuvRange,
}

/// All that a pipeline must know of a frame before it can be built; frames of equal shape need no rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub struct FrameShape {
    pub format: PixelFormat,
    pub extent: Extent,
    /// Bytes from one row to the next, at least `format.row_bytes(extent.width)`.
    pub stride: usize,
    pub color: ColorSpec,
}

/// Why bytes cannot be a frame of the shape they claim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the frame is empty ({0})")]
    Empty(Extent),
    #[error("a stride of {stride} bytes is less than a row's {row} bytes")]
    Stride { stride: usize, row: usize },
    #[error("{have} bytes where {extent} {format:?} with stride {stride} needs {need}")]
    Short { have: usize, need: usize, extent: Extent, format: PixelFormat, stride: usize },
    #[error("{format:?} pictures need even sides, this one is {extent}")]
    Odd { extent: Extent, format: PixelFormat },
}

impl FrameShape {
    /// Tightly packed rows, default colour.
    pub const fn packed(format: PixelFormat, extent: Extent) -> Self {
        Self {
            format,
            extent,
            stride: format.row_bytes(extent.width),
            color: ColorSpec { matrix: YuvMatrix::Bt601, range: YuvRange::Limited },
        }
    }

    /// Bytes that a frame of this shape takes, at least.
    pub const fn min_bytes(&self) -> usize {
        self.format.min_bytes(self.extent, self.stride)
    }

    fn check(&self, have: usize) -> Result<(), FrameError> {
        let Self { format, extent, stride, .. } = *self;
        if extent.is_empty() {
            return Err(FrameError::Empty(extent));
        }
        let odd_width = !extent.width.is_multiple_of(2);
        let odd_height = !extent.height.is_multiple_of(2);
        let odd = match format {
            PixelFormat::Yuyv | PixelFormat::Uyvy => odd_width,
            PixelFormat::Nv12 | PixelFormat::Nv21 => odd_width || odd_height,
            _ => false,
        };
        if odd {
            return Err(FrameError::Odd { extent, format });
        }
        let row = format.row_bytes(extent.width);
        if stride < row {
            return Err(FrameError::Stride { stride, row });
        }
        let need = self.min_bytes();
        if have < need {
            return Err(FrameError::Short { have, need, extent, format, stride });
        }
        Ok(())
    }
}

/// One raw picture with its identity. Its shape has been checked against its bytes: readers need not check again.
#[derive(Debug)]
pub struct CameraFrame {
    shape: FrameShape,
    stamp: FrameStamp,
    arrived: Instant,
    bytes: FrameBytes,
}

impl CameraFrame {
    /// A frame that is in our hands the moment it was captured; see [`Self::arrived_at`].
    ///
    /// # Errors
    /// When `bytes` cannot hold a picture of that shape, or the shape is impossible.
    pub fn new(shape: FrameShape, stamp: FrameStamp, bytes: FrameBytes) -> Result<Self, FrameError> {
        shape.check(bytes.len())?;
        Ok(Self { shape, stamp, arrived: stamp.captured, bytes })
    }

    pub fn shape(&self) -> FrameShape {
        self.shape
    }

    pub fn stamp(&self) -> FrameStamp {
        self.stamp
    }

    /// When its bytes were complete, decoded, and in our hands. From the capture to here it was the camera's.
    pub fn arrived(&self) -> Instant {
        self.arrived
    }

    /// The same frame as one whose bytes were complete at that moment.
    pub fn arrived_at(mut self, arrived: Instant) -> Self {
        self.arrived = arrived;
        self
    }

    /// The same frame as one that was captured, and arrived, at another time: for whoever shows it again.
    pub fn with_stamp(mut self, stamp: FrameStamp) -> Self {
        (self.stamp, self.arrived) = (stamp, stamp.captured);
        self
    }

    /// The same frame under another identity: for whoever numbers the frames of several openings of one source.
    pub fn with_id(mut self, id: FrameId) -> Self {
        self.stamp.id = id;
        self
    }

    /// The same frame once more, in a buffer of `pool`.
    pub fn copy_into(&self, pool: &FramePool) -> Self {
        let mut bytes = pool.take(self.bytes.len());
        bytes.copy_from_slice(&self.bytes);
        Self { bytes, ..*self }
    }

    /// At least `shape().min_bytes()` long.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes alone, without a copy.
    pub fn into_bytes(self) -> FrameBytes {
        self.bytes
    }
}

/// Buffers that go round between a source and its consumers, so that steady state allocates nothing.
#[derive(Clone, Debug, Default)]
pub struct FramePool {
    free: Arc<Mutex<Free>>,
}

#[derive(Debug, Default)]
struct Free {
    buffers: Vec<Vec<u8>>,
    allocations: u64,
}

impl FramePool {
    /// Frames in use at once: being filled, waiting, in flight, shown. More than that are not kept.
    const KEEP: usize = 8;

    /// A buffer of `len` bytes whose contents are unspecified. Allocates only while the pool is still filling up.
    pub fn take(&self, len: usize) -> FrameBytes {
        let mut bytes = {
            let mut free = self.lock();
            let recycled = free.buffers.pop().unwrap_or_default();
            free.allocations += u64::from(recycled.capacity() < len);
            recycled
        };
        bytes.resize(len, 0);
        FrameBytes { bytes, home: self.clone() }
    }

    /// How often a buffer had to be allocated or made larger. Stands still in steady state.
    pub fn allocations(&self) -> u64 {
        self.lock().allocations
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Free> {
        // A panic elsewhere cannot leave a Vec of buffers half changed: the data is good even if poisoned.
        self.free.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Bytes on loan from a [`FramePool`]; dropping them gives them back.
#[derive(Debug)]
pub struct FrameBytes {
    bytes: Vec<u8>,
    home: FramePool,
}

impl FrameBytes {
    /// The bytes for good: they do not go back.
    pub fn into_vec(mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

impl std::ops::Deref for FrameBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::ops::DerefMut for FrameBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl From<Vec<u8>> for FrameBytes {
    /// For stills and tests: bytes with a pool of their own.
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, home: FramePool::default() }
    }
}

impl Drop for FrameBytes {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut free = self.home.lock();
        // What was taken out for good leaves nothing to keep.
        if bytes.capacity() > 0 && free.buffers.len() < FramePool::KEEP {
            free.buffers.push(bytes);
        }
    }
}
/// Frames that a source had and did not deliver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Losses {
    /// Missing from the driver's sequence numbers: it had no free buffer, or the bus no room.
    pub lost: u64,
    /// Delivered by the device with an error flag, too short, or as a picture that does not decode.
    pub damaged: u64,
    /// Passed over because their time had gone by.
    pub skipped: u64,
}

impl std::ops::Add for Losses {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            lost: self.lost + other.lost,
            damaged: self.damaged + other.damaged,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl Losses {
    pub fn total(&self) -> u64 {
        self.lost + self.damaged + self.skipped
    }
}
