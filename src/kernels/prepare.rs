//! The frame's picture to the student's input: crop, and resize by area.
//!
//! One filter for both directions: an output pixel is the mean of the picture under a box around its centre, as wide as
//! the distance between output pixels but never narrower than one source pixel, each source pixel counted by how much of
//! it lies under the box. Shrinking, that is the area average (no aliasing, sums to one, two by two taps at a half); enlarging,
//! a box one pixel wide over two pixels *is* bilinear interpolation. Beyond the picture its border pixels repeat.
//!
//! [`Resize`] is the definition of the kernel `shaders/ingest/prepare.wgsl`. [`Prepare`] computes the same straight from a
//! camera's bytes, for networks that run on the CPU: no pixel has to come back from the GPU for them.

use std::cell::RefCell;
use std::ops::Range;

use super::ingest::YuvToRgb;
use crate::frame::{CameraFrame, FrameShape, PixelFormat};
use crate::units::Extent;
use crate::wide::{nearest, widely, within};

/// The part of a frame that the student sees and the window shows, in pixels of the frame. Need not lie on whole pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    pub left: f32,
    pub top: f32,
    pub width: f32,
    pub height: f32,
}

impl Crop {
    /// How far the student's aspect ratio may be from the frame's before the frame is cropped rather than squeezed. Sides in
    /// multiples of 16 miss a ratio by this much; the squeeze is undone when the painting is laid back over the frame.
    pub const SQUEEZE: f32 = 1.1;

    pub fn whole(frame: Extent) -> Self {
        Self { left: 0.0, top: 0.0, width: frame.width as f32, height: frame.height as f32 }
    }

    /// The whole frame where the two ratios agree within [`Self::SQUEEZE`], else the largest centred part with the
    /// student's ratio.
    pub fn fitting(frame: Extent, student: Extent) -> Self {
        let wider = frame.aspect() / student.aspect();
        let whole = Self::whole(frame);
        if wider > Self::SQUEEZE {
            let width = whole.height * student.aspect();
            Self { left: (whole.width - width) / 2.0, width, ..whole }
        } else if wider < 1.0 / Self::SQUEEZE {
            let height = whole.width / student.aspect();
            Self { top: (whole.height - height) / 2.0, height, ..whole }
        } else {
            whole
        }
    }

    pub fn aspect(&self) -> f32 {
        self.width / self.height
    }
}

/// The source pixels under the box of one output pixel, along one axis: `[first, end)` before clamping to the picture, and the
/// box's own ends.
#[derive(Clone, Copy, Debug)]
struct Footprint {
    from: f32,
    to: f32,
    first: i32,
    end: i32,
}

impl Footprint {
    /// `start`, `length`: the crop along this axis; `out` output pixels.
    fn of(index: u32, start: f32, length: f32, out: u32) -> Self {
        let step = length / out as f32;
        let centre = start + (index as f32 + 0.5) * step;
        let half = step.max(1.0) / 2.0;
        let (from, to) = (centre - half, centre + half);
        Self { from, to, first: from.floor() as i32, end: to.ceil() as i32 }
    }

    /// How much of source pixel `i` lies under the box, as a share of the box.
    fn weight(&self, i: i32) -> f32 {
        let covered = self.to.min(i as f32 + 1.0) - self.from.max(i as f32);
        covered.max(0.0) / (self.to - self.from)
    }
}

/// `ingest/prepare` for a single picture: RGBA bytes to rgb 0..1 and a w of 1, row-major. For frame after frame, keep a
/// [`Resize`].
///
/// # Panics
/// When `frame` is shorter than `frame_extent`, or `out` than `extent`.
pub fn prepare(frame: &[[u8; 4]], frame_extent: Extent, crop: Crop, extent: Extent, out: &mut [[f32; 4]]) {
    let mut guide = vec![[0; 4]; extent.pixels() as usize];
    Resize::new(frame_extent, crop, extent).rows(frame, 0..extent.height as usize, out, &mut guide);
}

/// `ingest/prepare`: a frame's picture to what the student sees, for one size of each. All tables are made once.
#[derive(Clone, Debug)]
pub struct Resize {
    frame: Extent,
    extent: Extent,
    across: Axis,
    down: Axis,
}

thread_local! {
    /// A row of sums over the rows of the frame; as long as the widest frame that this thread has seen.
    static SUMS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Resize {
    /// From the crop of a frame to pictures of `extent`.
    pub fn new(frame: Extent, crop: Crop, extent: Extent) -> Self {
        let across = Axis::new(crop.left, crop.width, frame.width, extent.width);
        let down = Axis::new(crop.top, crop.height, frame.height, extent.height);
        Self { frame, extent, across, down }
    }

    /// Some rows of the student's picture, into `image` and `guide`, which have room for them: rgb 0..1 and a w of 1, and
    /// the same in eight bits a channel.
    ///
    /// # Panics
    /// When a slice is too short.
    pub fn rows(&self, frame: &[[u8; 4]], rows: Range<usize>, image: &mut [[f32; 4]], guide: &mut [[u8; 4]]) {
        SUMS.with_borrow_mut(|sums| {
            let frame_width = self.frame.width as usize;
            sums.resize(frame_width * 4, 0.0);
            let width = self.extent.width as usize;
            let out = image.chunks_exact_mut(width).zip(guide.chunks_exact_mut(width));
            widely(
                #[inline(always)]
                || {
                    for (row, (image, guide)) in rows.zip(out) {
                        let down = self.down.taps[row];
                        for tap in 0..down.count {
                            let line = &frame[(down.first + tap) * frame_width..][..frame_width];
                            add_line(line.as_flattened(), self.down.weights[down.at + tap] / 255.0, tap == 0, sums);
                        }
                        let pixels = image.iter_mut().zip(guide);
                        for (taps, (image, guide)) in self.across.taps.iter().zip(pixels) {
                            let weights = &self.across.weights[taps.at..taps.at + taps.count];
                            let colors = &sums.as_chunks::<4>().0[taps.first..taps.first + taps.count];
                            let mut color: Lanes = [0.0; 4];
                            for (sum, weight) in colors.iter().zip(weights) {
                                color = std::array::from_fn(|i| color[i] + sum[i] * weight);
                            }
                            *image = [color[0], color[1], color[2], 1.0];
                            *guide = image.map(|c| nearest(within(c, 1.0) * 255.0) as u8);
                        }
                    }
                },
            );
        });
    }
}

/// Adds `weight` times a row of bytes to the sums, or begins them anew.
#[inline(always)]
fn add_line(line: &[u8], weight: f32, begin: bool, sums: &mut [f32]) {
    if begin {
        for (sum, byte) in sums.iter_mut().zip(line) {
            *sum = f32::from(*byte) * weight;
        }
    } else {
        for (sum, byte) in sums.iter_mut().zip(line) {
            *sum += f32::from(*byte) * weight;
        }
    }
}

/// The part of an axis that one output pixel gathers: `count` taps from `first`, weights at `at` in the axis' table.
#[derive(Clone, Copy, Debug)]
struct Taps {
    first: usize,
    at: usize,
    count: usize,
}

/// Taps with the border already folded in: every index lies inside the picture.
#[derive(Clone, Debug)]
struct Axis {
    taps: Vec<Taps>,
    weights: Vec<f32>,
}

impl Axis {
    fn new(start: f32, length: f32, source: u32, out: u32) -> Self {
        let mut axis = Self { taps: Vec::with_capacity(out as usize), weights: Vec::new() };
        for index in 0..out {
            let span = Footprint::of(index, start, length, out);
            let last = source as i32 - 1;
            let (first, end) = (span.first.clamp(0, last), (span.end - 1).clamp(0, last) + 1);
            let at = axis.weights.len();
            axis.weights.resize(at + (end - first) as usize, 0.0);
            for i in span.first..span.end {
                axis.weights[at + (i.clamp(0, last) - first) as usize] += span.weight(i);
            }
            axis.taps.push(Taps { first: first as usize, at, count: (end - first) as usize });
        }
        axis
    }
}

/// A colour in four lanes; the fourth is idle, and there so that one instruction does a pixel.
type Lanes = [f32; 4];

/// Camera bytes to the student's planar input, for one shape of frame: ingest, crop and resize in one sweep over the rows.
///
/// Equals [`prepare`] after `ingest`, except that colours are not rounded to eight bits in between. All tables and row buffers are
/// made once; [`Prepare::run`] allocates nothing.
#[derive(Clone, Debug)]
pub struct Prepare {
    shape: FrameShape,
    extent: Extent,
    across: Axis,
    down: Axis,
    /// Source columns that any output column reads: `[left, right)`, starting at an even one so that chroma pairs stay whole.
    left: usize,
    right: usize,
    /// What each byte adds to the colour. For RGB formats `luma` alone serves, as byte / 255.
    luma: [f32; 256],
    u: Box<[Lanes; 256]>,
    v: Box<[Lanes; 256]>,
    /// Weighted sum of the source rows under the current output row.
    sum: Vec<Lanes>,
}

impl Prepare {
    pub fn new(shape: FrameShape, crop: Crop, extent: Extent) -> Self {
        let across = Axis::new(crop.left, crop.width, shape.extent.width, extent.width);
        let down = Axis::new(crop.top, crop.height, shape.extent.height, extent.height);
        let left = across.taps.iter().map(|t| t.first).min().unwrap_or(0) & !1;
        let right = across.taps.iter().map(|t| t.first + t.count).max().unwrap_or(0);
        let color = YuvToRgb::for_shape(&shape);
        let lanes =
            |rgb: [f32; 3], byte: usize| [rgb[0] * byte as f32, rgb[1] * byte as f32, rgb[2] * byte as f32, 0.0];
        let chroma = shape.format.is_yuv();
        let mut u: Box<[Lanes; 256]> = Box::new(std::array::from_fn(|i| lanes(color.u, i)));
        for entry in u.iter_mut() {
            // The constant part rides on U, which every YUV pixel has exactly one of.
            for (lane, offset) in entry.iter_mut().zip(color.offset) {
                *lane += if chroma { offset } else { 0.0 };
            }
        }
        let v = Box::new(std::array::from_fn(|i| lanes(color.v, i)));
        let rest = if chroma { 0.0 } else { color.offset[0] };
        let luma = std::array::from_fn(|i| color.luma * i as f32 + rest);
        Self { shape, extent, across, down, left, right, luma, u, v, sum: vec![[0.0; 4]; right - left] }
    }

    /// The shape of frame that it was made for.
    pub fn shape(&self) -> FrameShape {
        self.shape
    }

    /// The size of the student's input.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Writes R, G and B planes of `extent` one after the other (NCHW, N = 1), values 0..=1.
    ///
    /// # Panics
    /// When the frame's shape is another than [`Self::shape`], or `out` is shorter than three planes.
    pub fn run(&mut self, frame: &CameraFrame, out: &mut [f32]) {
        assert_eq!(frame.shape(), self.shape, "a Prepare serves one shape of frame");
        let pixels = self.extent.pixels() as usize;
        let (red, rest) = out[..3 * pixels].split_at_mut(pixels);
        let (green, blue) = rest.split_at_mut(pixels);
        let width = self.extent.width as usize;
        for row in 0..self.extent.height as usize {
            let down = self.down.taps[row];
            for tap in 0..down.count {
                let weight = self.down.weights[down.at + tap];
                self.add_row(frame.bytes(), down.first + tap, weight, tap == 0);
            }
            let line = row * width..(row + 1) * width;
            let planes = red[line.clone()].iter_mut().zip(&mut green[line.clone()]).zip(&mut blue[line]);
            for (taps, ((red, green), blue)) in self.across.taps.iter().zip(planes) {
                let weights = &self.across.weights[taps.at..taps.at + taps.count];
                let colors = &self.sum[taps.first - self.left..][..taps.count];
                let mut color: Lanes = [0.0; 4];
                for (sum, weight) in colors.iter().zip(weights) {
                    color = std::array::from_fn(|i| color[i] + sum[i] * weight);
                }
                [*red, *green, *blue, _] = color;
            }
        }
    }

    /// Adds `weight` times source row `row` to the running sum, or begins it anew.
    fn add_row(&mut self, bytes: &[u8], row: usize, weight: f32, begin: bool) {
        let Self { shape, luma, u, v, sum, left, right, .. } = self;
        let (left, right) = (*left, *right);
        if begin {
            sum.fill([0.0; 4]);
        }
        let add = |sum: &mut Lanes, color: Lanes| {
            *sum = std::array::from_fn(|i| sum[i] + weight * color[i].clamp(0.0, 1.0));
        };
        let tinted = |chroma: Lanes, y: f32| -> Lanes { std::array::from_fn(|i| chroma[i] + y) };
        let pair = |u_byte: u8, v_byte: u8| -> Lanes {
            let (u, v) = (u[u_byte as usize], v[v_byte as usize]);
            std::array::from_fn(|i| u[i] + v[i])
        };
        let line = &bytes[row * shape.stride..];
        // The last pair may be cut by the crop: `chunks` of one pixel there.
        match shape.format {
            PixelFormat::Yuyv => {
                for (sums, b) in sum.chunks_mut(2).zip(line[left * 2..].chunks_exact(4)) {
                    let chroma = pair(b[1], b[3]);
                    for (sum, y) in sums.iter_mut().zip([b[0], b[2]]) {
                        add(sum, tinted(chroma, luma[y as usize]));
                    }
                }
            }
            PixelFormat::Uyvy => {
                for (sums, b) in sum.chunks_mut(2).zip(line[left * 2..].chunks_exact(4)) {
                    let chroma = pair(b[0], b[2]);
                    for (sum, y) in sums.iter_mut().zip([b[1], b[3]]) {
                        add(sum, tinted(chroma, luma[y as usize]));
                    }
                }
            }
            PixelFormat::Nv12 | PixelFormat::Nv21 => {
                let swap = shape.format == PixelFormat::Nv21;
                let plane = shape.stride * shape.extent.height as usize;
                let chroma = bytes[plane + row / 2 * shape.stride + left..].chunks_exact(2);
                for ((sums, y), c) in sum.chunks_mut(2).zip(line[left..].chunks_exact(2)).zip(chroma) {
                    let chroma = if swap { pair(c[1], c[0]) } else { pair(c[0], c[1]) };
                    for (sum, y) in sums.iter_mut().zip(y) {
                        add(sum, tinted(chroma, luma[*y as usize]));
                    }
                }
            }
            PixelFormat::Rgb8 | PixelFormat::Bgr8 => {
                let (r, b) = if shape.format == PixelFormat::Rgb8 { (0, 2) } else { (2, 0) };
                for (sum, p) in sum.iter_mut().zip(line[left * 3..right * 3].chunks_exact(3)) {
                    add(sum, [luma[p[r] as usize], luma[p[1] as usize], luma[p[b] as usize], 0.0]);
                }
            }
            PixelFormat::Rgba8 => {
                for (sum, p) in sum.iter_mut().zip(line[left * 4..right * 4].chunks_exact(4)) {
                    add(sum, [luma[p[0] as usize], luma[p[1] as usize], luma[p[2] as usize], 0.0]);
                }
            }
            PixelFormat::Gray8 => {
                for (sum, y) in sum.iter_mut().zip(&line[left..right]) {
                    add(sum, [luma[*y as usize]; 4]);
                }
            }
        }
    }
}

/// [`Prepare`] for a single picture. For frame after frame, keep a [`Prepare`].
pub fn prepare_planar(frame: &CameraFrame, crop: Crop, extent: Extent, out: &mut [f32]) {
    Prepare::new(frame.shape(), crop, extent).run(frame, out);
}
