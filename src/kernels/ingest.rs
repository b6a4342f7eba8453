//! Raw camera bytes to colour: the definition of the kernels in `shaders/ingest/`.
//!
//! The result is R'G'B' as the camera coded it (sRGB transfer curve, never linear light), eight bits a channel, alpha
//! 255: the frame's picture. Everything downstream, the student included, works on these coded values; only the last
//! pass to a `*Srgb` target undoes the curve, because that target's hardware applies it again.
//!
//! Chroma is replicated to the pixels it belongs to, not interpolated: the error is half a pixel of colour (never of
//! luma), and costs one load instead of four.

use crate::frame::{CameraFrame, ColorSpec, FrameShape, PixelFormat, YuvMatrix, YuvRange};

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
    match shape.format {
        PixelFormat::Yuyv => yuv422(frame.bytes(), &shape, false, out),
        PixelFormat::Uyvy => yuv422(frame.bytes(), &shape, true, out),
        PixelFormat::Nv12 => yuv420(frame.bytes(), &shape, false, out),
        PixelFormat::Nv21 => yuv420(frame.bytes(), &shape, true, out),
        PixelFormat::Rgb8 => rgb(frame.bytes(), &shape, 3, false, out),
        PixelFormat::Bgr8 => rgb(frame.bytes(), &shape, 3, true, out),
        PixelFormat::Rgba8 => rgb(frame.bytes(), &shape, 4, false, out),
        PixelFormat::Gray8 => gray(frame.bytes(), &shape, out),
    }
}

/// `ingest/yuv422`: `Y0 U Y1 V`, or `U Y0 V Y1` when chroma comes first.
pub fn yuv422(bytes: &[u8], shape: &FrameShape, chroma_first: bool, out: &mut [[u8; 4]]) {
    let color = YuvToRgb::for_shape(shape);
    let (y, c) = if chroma_first { (1, 0) } else { (0, 1) };
    each_pixel(shape, out, |column, row| {
        let pair = row * shape.stride + column / 2 * 4;
        color.apply(bytes[pair + y + column % 2 * 2], bytes[pair + c], bytes[pair + c + 2])
    });
}

/// `ingest/yuv420`: a plane of Y, then a half-height plane of `U V`, or `V U` when V comes first.
pub fn yuv420(bytes: &[u8], shape: &FrameShape, v_first: bool, out: &mut [[u8; 4]]) {
    let color = YuvToRgb::for_shape(shape);
    let chroma = shape.stride * shape.extent.height as usize;
    let (u, v) = if v_first { (1, 0) } else { (0, 1) };
    each_pixel(shape, out, |column, row| {
        let pair = chroma + row / 2 * shape.stride + column / 2 * 2;
        color.apply(bytes[row * shape.stride + column], bytes[pair + u], bytes[pair + v])
    });
}

/// `ingest/rgb`: three or four bytes a pixel.
pub fn rgb(bytes: &[u8], shape: &FrameShape, pixel_bytes: usize, blue_first: bool, out: &mut [[u8; 4]]) {
    each_pixel(shape, out, |column, row| {
        let at = row * shape.stride + column * pixel_bytes;
        let rgb = [bytes[at], bytes[at + 1], bytes[at + 2]].map(|byte| f32::from(byte) / 255.0);
        if blue_first { [rgb[2], rgb[1], rgb[0]] } else { rgb }
    });
}

/// `ingest/gray`: luma alone.
pub fn gray(bytes: &[u8], shape: &FrameShape, out: &mut [[u8; 4]]) {
    let color = YuvToRgb::for_shape(shape);
    each_pixel(shape, out, |column, row| color.apply(bytes[row * shape.stride + column], 128, 128));
}

fn each_pixel(shape: &FrameShape, out: &mut [[u8; 4]], color: impl Fn(usize, usize) -> [f32; 3]) {
    let width = shape.extent.width as usize;
    for (row, line) in out.chunks_exact_mut(width).take(shape.extent.height as usize).enumerate() {
        for (column, pixel) in line.iter_mut().enumerate() {
            // How the hardware stores a `unorm`: to nearest.
            let [r, g, b] = color(column, row).map(|c| (c * 255.0).round() as u8);
            *pixel = [r, g, b, 255];
        }
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
