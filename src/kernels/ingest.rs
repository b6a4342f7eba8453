//! Raw camera bytes to colour: the definition of the kernels in `shaders/ingest/`.
//!
//! The result is R'G'B' as the camera coded it (sRGB transfer curve, never linear light), eight bits a channel, alpha
//! 255: the frame's picture. Everything downstream, the student included, works on these coded values; only the last
//! pass to a `*Srgb` target undoes the curve, because that target's hardware applies it again.
//!
//! Chroma is replicated to the pixels it belongs to, not interpolated: the error is half a pixel of colour (never of
//! luma), and costs one load instead of four.

use std::ops::Range;

use crate::frame::{CameraFrame, ColorSpec, FrameShape, PixelFormat, YuvMatrix, YuvRange};
use crate::wide::{nearest, widely, within};

/// Y'CbCr bytes to R'G'B': `rgb = luma * Y + u * U + v * V + offset`, bytes 0..=255 in, 0..1 out before clamping.
///
/// Mirrors `struct YuvToRgb` in `shaders/shared/color.wgsl`. The `_pad` fields are the alignment that WGSL gives a `vec3`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct YuvToRgb {
    pub u: [f32; 3],
    pub luma: f32,
    pub v: [f32; 3],
    pub _pad0: f32,
    pub offset: [f32; 3],
    pub _pad1: f32,
}

impl YuvToRgb {
    /// From the luma coefficients Kr and Kb (BT.601-7 section 2.5.1: 0.299, 0.114; BT.709-6 item 3.2: 0.2126, 0.0722)
    /// and the code ranges (BT.601-7 section 2.5.3: luma 16..=235, chroma 16..=240 around 128).
    pub fn new(color: ColorSpec) -> Self {
        let (kr, kb) = match color.matrix {
            YuvMatrix::Bt601 => (0.299_f64, 0.114),
            YuvMatrix::Bt709 => (0.2126, 0.0722),
        };
        let kg = 1.0 - kr - kb;
        let (black, luma, chroma) = match color.range {
            YuvRange::Limited => (16.0, 1.0 / 219.0, 1.0 / 224.0),
            YuvRange::Full => (0.0, 1.0 / 255.0, 1.0 / 255.0),
        };
        let u = [0.0, -2.0 * kb * (1.0 - kb) / kg * chroma, 2.0 * (1.0 - kb) * chroma];
        let v = [2.0 * (1.0 - kr) * chroma, -2.0 * kr * (1.0 - kr) / kg * chroma, 0.0];
        let offset: [f64; 3] = std::array::from_fn(|i| -black * luma - 128.0 * (u[i] + v[i]));
        let narrow = |x: [f64; 3]| x.map(|x| x as f32);
        Self { u: narrow(u), luma: luma as f32, v: narrow(v), _pad0: 0.0, offset: narrow(offset), _pad1: 0.0 }
    }

    /// For luma alone: chroma counts for nothing.
    pub fn gray(range: YuvRange) -> Self {
        let (black, luma) = match range {
            YuvRange::Limited => (16.0, 1.0 / 219.0),
            YuvRange::Full => (0.0, 1.0 / 255.0),
        };
        Self { u: [0.0; 3], luma, v: [0.0; 3], _pad0: 0.0, offset: [-black * luma; 3], _pad1: 0.0 }
    }

    /// The one that a frame of this shape needs. RGB frames need none and get the identity on luma.
    pub fn for_shape(shape: &FrameShape) -> Self {
        match shape.format {
            PixelFormat::Gray8 => Self::gray(shape.color.range),
            format if format.is_yuv() => Self::new(shape.color),
            _ => Self::gray(YuvRange::Full),
        }
    }

    /// R'G'B' clamped to 0..=1.
    pub fn apply(&self, y: u8, u: u8, v: u8) -> [f32; 3] {
        let (y, u, v) = (f32::from(y), f32::from(u), f32::from(v));
        std::array::from_fn(|i| (self.luma * y + self.u[i] * u + self.v[i] * v + self.offset[i]).clamp(0.0, 1.0))
    }
}

/// The frame as tightly packed RGBA, top row first; `out` has one element for each pixel.
///
/// # Panics
/// When `out` is shorter than the frame.
pub fn ingest(frame: &CameraFrame, out: &mut [[u8; 4]]) {
    let shape = frame.shape();
    ingest_rows(frame.bytes(), &shape, 0..shape.extent.height as usize, out);
}

/// Some rows of [`ingest`], into `out`, which has room for them: the kernels `ingest/yuv422`, `ingest/yuv420`, `ingest/rgb`
/// and `ingest/gray`.
///
/// # Panics
/// When `bytes` or `out` are too short.
pub fn ingest_rows(bytes: &[u8], shape: &FrameShape, rows: Range<usize>, out: &mut [[u8; 4]]) {
    widely(
        #[inline(always)]
        || {
            let width = shape.extent.width as usize;
            let color = YuvToRgb::for_shape(shape);
            for (row, line) in rows.zip(out.chunks_exact_mut(width)) {
                let begin = row * shape.stride;
                let own = &bytes[begin..begin + shape.format.row_bytes(shape.extent.width)];
                match shape.format {
                    PixelFormat::Yuyv => yuv422(own, &color, false, line),
                    PixelFormat::Uyvy => yuv422(own, &color, true, line),
                    PixelFormat::Nv12 | PixelFormat::Nv21 => {
                        let begin = shape.stride * (shape.extent.height as usize + row / 2);
                        let v_first = shape.format == PixelFormat::Nv21;
                        yuv420(own, &bytes[begin..begin + width], &color, v_first, line);
                    }
                    PixelFormat::Rgb8 => rgb(own.as_chunks::<3>().0, false, line),
                    PixelFormat::Bgr8 => rgb(own.as_chunks::<3>().0, true, line),
                    PixelFormat::Rgba8 => rgb(own.as_chunks::<4>().0, false, line),
                    PixelFormat::Gray8 => gray(own, &color, line),
                }
            }
        },
    );
}

/// Pixels of a row that are done at once.
const AT_ONCE: usize = 16;

/// Some pixels of a row, as many as [`Self::store`] is given room for.
#[derive(Clone, Copy)]
struct Yuv {
    y: [f32; AT_ONCE],
    u: [f32; AT_ONCE],
    v: [f32; AT_ONCE],
}

impl Yuv {
    const GRAY: Self = Self { y: [0.0; AT_ONCE], u: [128.0; AT_ONCE], v: [128.0; AT_ONCE] };

    #[inline(always)]
    fn store(&self, color: &YuvToRgb, out: &mut [[u8; 4]]) {
        let mut words = [0_u32; AT_ONCE];
        for (i, word) in words.iter_mut().enumerate() {
            let channel = |c: usize| {
                let value = color.luma * self.y[i] + color.u[c] * self.u[i] + color.v[c] * self.v[i] + color.offset[c];
                // How the hardware stores a `unorm`: to nearest.
                nearest(within(value, 1.0) * 255.0)
            };
            *word = channel(0) | channel(1) << 8 | channel(2) << 16 | 255 << 24;
        }
        for (pixel, word) in out.iter_mut().zip(words) {
            *pixel = word.to_le_bytes();
        }
    }
}

/// `Y0 U Y1 V`, or `U Y0 V Y1` when chroma comes first.
#[inline(always)]
fn yuv422(line: &[u8], color: &YuvToRgb, chroma_first: bool, out: &mut [[u8; 4]]) {
    let (y, c) = if chroma_first { (1, 0) } else { (0, 1) };
    let mut yuv = Yuv::GRAY;
    for (bytes, out) in line.chunks(AT_ONCE * 2).zip(out.chunks_mut(AT_ONCE)) {
        for (i, pair) in bytes.as_chunks::<4>().0.iter().enumerate() {
            let [u, v] = [pair[c], pair[c + 2]].map(f32::from);
            for (at, y) in [(2 * i, pair[y]), (2 * i + 1, pair[y + 2])] {
                (yuv.y[at], yuv.u[at], yuv.v[at]) = (f32::from(y), u, v);
            }
        }
        yuv.store(color, out);
    }
}

/// A row of Y, and the row of `U V`, or `V U` when V comes first, that it shares with its neighbour.
#[inline(always)]
fn yuv420(luma: &[u8], chroma: &[u8], color: &YuvToRgb, v_first: bool, out: &mut [[u8; 4]]) {
    let (u, v) = if v_first { (1, 0) } else { (0, 1) };
    let mut yuv = Yuv::GRAY;
    for ((luma, chroma), out) in luma.chunks(AT_ONCE).zip(chroma.chunks(AT_ONCE)).zip(out.chunks_mut(AT_ONCE)) {
        for (to, from) in yuv.y.iter_mut().zip(luma) {
            *to = f32::from(*from);
        }
        for (i, pair) in chroma.as_chunks::<2>().0.iter().enumerate() {
            let (u, v) = (f32::from(pair[u]), f32::from(pair[v]));
            (yuv.u[2 * i], yuv.u[2 * i + 1]) = (u, u);
            (yuv.v[2 * i], yuv.v[2 * i + 1]) = (v, v);
        }
        yuv.store(color, out);
    }
}

/// Three or four bytes a pixel.
#[inline(always)]
fn rgb<const BYTES: usize>(line: &[[u8; BYTES]], blue_first: bool, out: &mut [[u8; 4]]) {
    for (pixel, bytes) in out.iter_mut().zip(line) {
        *pixel = if blue_first { [bytes[2], bytes[1], bytes[0], 255] } else { [bytes[0], bytes[1], bytes[2], 255] };
    }
}

/// Luma alone.
#[inline(always)]
fn gray(line: &[u8], color: &YuvToRgb, out: &mut [[u8; 4]]) {
    let mut yuv = Yuv::GRAY;
    for (luma, out) in line.chunks(AT_ONCE).zip(out.chunks_mut(AT_ONCE)) {
        for (to, from) in yuv.y.iter_mut().zip(luma) {
            *to = f32::from(*from);
        }
        yuv.store(color, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgb_of(matrix: YuvMatrix, range: YuvRange, yuv: [u8; 3]) -> [u8; 3] {
        let [y, u, v] = yuv;
        YuvToRgb::new(ColorSpec { matrix, range }).apply(y, u, v).map(|c| (c * 255.0).round() as u8)
    }

    /// Colour bars at 100 %, as the standards give them.
    #[test]
    fn known_colours() {
        use YuvMatrix::{Bt601, Bt709};
        use YuvRange::{Full, Limited};
        for matrix in [Bt601, Bt709] {
            assert_eq!(rgb_of(matrix, Limited, [16, 128, 128]), [0, 0, 0]);
            assert_eq!(rgb_of(matrix, Limited, [235, 128, 128]), [255, 255, 255]);
            assert_eq!(rgb_of(matrix, Full, [0, 128, 128]), [0, 0, 0]);
            assert_eq!(rgb_of(matrix, Full, [255, 128, 128]), [255, 255, 255]);
        }
        let near = |got: [u8; 3], want: [u8; 3]| {
            assert!(got.iter().zip(want).all(|(&a, b)| a.abs_diff(b) <= 2), "{got:?} is not {want:?}");
        };
        near(rgb_of(Bt601, Limited, [81, 90, 240]), [255, 0, 0]);
        near(rgb_of(Bt601, Limited, [145, 54, 34]), [0, 255, 0]);
        near(rgb_of(Bt601, Limited, [41, 240, 110]), [0, 0, 255]);
        near(rgb_of(Bt709, Limited, [63, 102, 240]), [255, 0, 0]);
        near(rgb_of(Bt709, Limited, [173, 42, 26]), [0, 255, 0]);
        near(rgb_of(Bt709, Limited, [32, 240, 118]), [0, 0, 255]);
        near(rgb_of(Bt601, Full, [76, 85, 255]), [254, 0, 0]);
        near(rgb_of(Bt601, Full, [150, 44, 21]), [0, 255, 1]);
    }

    #[test]
    fn out_of_gamut_is_clamped() {
        assert_eq!(rgb_of(YuvMatrix::Bt601, YuvRange::Limited, [0, 255, 255]), [184, 0, 238]);
        assert_eq!(rgb_of(YuvMatrix::Bt601, YuvRange::Limited, [255, 0, 0]), [74, 255, 20]);
    }
}
