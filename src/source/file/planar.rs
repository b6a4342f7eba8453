//! Planar YUV, as video files hold it, into the layouts that frames have. Pure.
//!
//! ```text
//! 4:2:0  YYYY.. UU.. VV..   -> NV12   YYYY.. UVUV..        odd sides, 4:4:4, 4:1:1 -> RGB
//! 4:2:2  YYYY.. UU.. VV..   -> YUYV   YUYV..               mono                    -> grey
//! ```
//!
//! Pixels that are not square are made square on the way: the picture is stretched along one side.

use crate::frame::{ColorSpec, FrameShape, PixelFormat, YuvMatrix, YuvRange};
use crate::units::Extent;

/// How far the chroma planes are subsampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subsampling {
    Yuv420,
    Yuv422,
    Yuv444,
    /// A chroma sample for every four pixels of a row.
    Yuv411,
    Mono,
}

/// Width over height of a pixel, as a fraction of two numbers that are not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PixelAspect {
    pub width: u32,
    pub height: u32,
}

impl PixelAspect {
    pub(super) const SQUARE: Self = Self { width: 1, height: 1 };

    /// A picture of that size with square pixels: larger along one side, so that nothing is lost. `step`: that side is a
    /// multiple of it.
    pub(super) fn squared(self, extent: Extent, step: u32) -> Extent {
        let stretched = |side: u32, by: u32, over: u32| {
            let exact = f64::from(side) * f64::from(by) / f64::from(over) / f64::from(step);
            // `as` saturates.
            (exact.round().max(1.0) as u32).saturating_mul(step)
        };
        let Extent { width, height } = extent;
        match self.width.cmp(&self.height) {
            std::cmp::Ordering::Equal => extent,
            std::cmp::Ordering::Greater => Extent::new(stretched(width, self.width, self.height), height),
            std::cmp::Ordering::Less => Extent::new(width, stretched(height, self.height, self.width)),
        }
    }
}

/// Pictures of one stream: 8 bits per sample, no padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planar {
    /// As the file holds them.
    pub extent: Extent,
    pub subsampling: Subsampling,
    pub color: ColorSpec,
    pub aspect: PixelAspect,
}

impl Planar {
    /// Width and height of a chroma plane of a picture of `extent`.
    fn chroma(&self, extent: Extent) -> (usize, usize) {
        let (width, height) = (extent.width as usize, extent.height as usize);
        match self.subsampling {
            Subsampling::Yuv420 => (width.div_ceil(2), height.div_ceil(2)),
            Subsampling::Yuv422 => (width.div_ceil(2), height),
            Subsampling::Yuv444 => (width, height),
            Subsampling::Yuv411 => (width.div_ceil(4), height),
            Subsampling::Mono => (0, 0),
        }
    }

    fn plane_bytes(&self, extent: Extent) -> usize {
        let (width, height) = self.chroma(extent);
        extent.width as usize * extent.height as usize + 2 * width * height
    }

    /// Bytes of one picture as the file holds it.
    pub(super) fn file_bytes(&self) -> usize {
        self.plane_bytes(self.extent)
    }

    /// The size with square pixels. A side that can stay even is even.
    pub(super) fn shown(&self) -> Extent {
        let even = self.extent.width.is_multiple_of(2) && self.extent.height.is_multiple_of(2);
        self.aspect.squared(self.extent, if even { 2 } else { 1 })
    }

    /// The layout that [`Self::convert`] makes.
    pub(super) fn shape(&self) -> FrameShape {
        let extent = self.shown();
        let Extent { width, height } = extent;
        let format = match self.subsampling {
            Subsampling::Yuv420 if width.is_multiple_of(2) && height.is_multiple_of(2) => PixelFormat::Nv12,
            Subsampling::Yuv422 if width.is_multiple_of(2) => PixelFormat::Yuyv,
            Subsampling::Mono => PixelFormat::Gray8,
            _ => PixelFormat::Rgb8,
        };
        FrameShape { color: self.color, ..FrameShape::packed(format, extent) }
    }

    /// Converts a picture of [`Self::file_bytes`] into one of [`Self::shape`]. `stretched` is room for pictures whose pixels
    /// are not square; it is kept from picture to picture.
    pub(super) fn convert(&self, planes: &[u8], stretched: &mut Vec<u8>, out: &mut [u8]) {
        let shown = self.shown();
        if shown == self.extent {
            self.interleave(planes, shown, out);
            return;
        }
        stretched.resize(self.plane_bytes(shown), 0);
        let (from_chroma, to_chroma) = (self.chroma(self.extent), self.chroma(shown));
        let sides = |extent: Extent| (extent.width as usize, extent.height as usize);
        let (mut from, mut to) = (planes, stretched.as_mut_slice());
        for (from_sides, to_sides) in
            [(sides(self.extent), sides(shown)), (from_chroma, to_chroma), (from_chroma, to_chroma)]
        {
            let (plane, rest) = from.split_at(from_sides.0 * from_sides.1);
            let (new, new_rest) = to.split_at_mut(to_sides.0 * to_sides.1);
            stretch(plane, from_sides, new, to_sides);
            (from, to) = (rest, new_rest);
        }
        self.interleave(stretched, shown, out);
    }

    fn interleave(&self, planes: &[u8], extent: Extent, out: &mut [u8]) {
        let (width, height) = (extent.width as usize, extent.height as usize);
        let (chroma_width, chroma_height) = self.chroma(extent);
        let (luma, chroma) = planes.split_at(width * height);
        let (cb, cr) = chroma.split_at(chroma_width * chroma_height);
        match self.shape().format {
            PixelFormat::Nv12 => {
                let (out_luma, out_chroma) = out.split_at_mut(width * height);
                out_luma.copy_from_slice(luma);
                for ((pair, &u), &v) in out_chroma.chunks_exact_mut(2).zip(cb).zip(cr) {
                    pair.copy_from_slice(&[u, v]);
                }
            }
            PixelFormat::Yuyv => {
                let pairs = luma.chunks_exact(2).zip(cb.iter().zip(cr));
                for (four, (y, (&u, &v))) in out.chunks_exact_mut(4).zip(pairs) {
                    four.copy_from_slice(&[y[0], u, y[1], v]);
                }
            }
            PixelFormat::Gray8 => out.copy_from_slice(luma),
            _ => {
                let (across, down) = self.pixels_per_chroma();
                for (i, (pixel, &y)) in out.chunks_exact_mut(3).zip(luma).enumerate() {
                    let c = (i / width / down) * chroma_width + i % width / across;
                    pixel.copy_from_slice(&rgb(y, cb[c], cr[c], self.color));
                }
            }
        }
    }

    fn pixels_per_chroma(&self) -> (usize, usize) {
        match self.subsampling {
            Subsampling::Yuv420 => (2, 2),
            Subsampling::Yuv422 => (2, 1),
            Subsampling::Yuv411 => (4, 1),
            Subsampling::Yuv444 | Subsampling::Mono => (1, 1),
        }
    }
}

/// One plane to another size by linear interpolation between the centres of samples. Meant for one side that becomes longer.
fn stretch(from: &[u8], (from_width, from_height): (usize, usize), to: &mut [u8], (width, height): (usize, usize)) {
    if from.is_empty() || to.is_empty() {
        return;
    }
    // The two samples beside a place, and the share of the second in 256ths.
    let taps = |(index, out, source): (usize, usize, usize)| {
        let place = ((index as f32 + 0.5) * source as f32 / out as f32 - 0.5).clamp(0.0, (source - 1) as f32);
        let first = place as usize;
        (first, (first + 1).min(source - 1), ((place - first as f32) * 256.0) as u32)
    };
    let mix = |a: u8, b: u8, share: u32| ((u32::from(a) * (256 - share) + u32::from(b) * share + 128) >> 8) as u8;
    let columns: Vec<_> = (0..width).map(|x| taps((x, width, from_width))).collect();
    for (y, row) in to.chunks_exact_mut(width).take(height).enumerate() {
        let (above, below, down) = taps((y, height, from_height));
        let line = |y: usize| &from[y * from_width..][..from_width];
        let (above, below) = (line(above), line(below));
        if width == from_width {
            for ((pixel, &a), &b) in row.iter_mut().zip(above).zip(below) {
                *pixel = mix(a, b, down);
            }
        } else {
            for (pixel, &(left, right, across)) in row.iter_mut().zip(&columns) {
                let at = |line: &[u8]| mix(line[left], line[right], across);
                *pixel = mix(at(above), at(below), down);
            }
        }
    }
}

/// R'G'B' of one sample (ITU-R BT.601-7 section 2.5, BT.709-6 section 3).
fn rgb(y: u8, cb: u8, cr: u8, color: ColorSpec) -> [u8; 3] {
    let (kr, kb) = match color.matrix {
        YuvMatrix::Bt601 => (0.299, 0.114),
        YuvMatrix::Bt709 => (0.2126, 0.0722),
    };
    let (y, scale) = match color.range {
        YuvRange::Limited => ((f32::from(y) - 16.0) * (255.0 / 219.0), 255.0 / 224.0),
        YuvRange::Full => (f32::from(y), 1.0),
    };
    let (cb, cr) = ((f32::from(cb) - 128.0) * scale, (f32::from(cr) - 128.0) * scale);
    let r = y + 2.0 * (1.0 - kr) * cr;
    let b = y + 2.0 * (1.0 - kb) * cb;
    let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
    // `as` saturates.
    [r, g, b].map(|channel| (channel + 0.5) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_sample_arrives_where_it_belongs(
            width in 1u32..9, height in 1u32..9, kind in 0usize..5, seed: u8,
        ) {
            use Subsampling::{Mono, Yuv411, Yuv420, Yuv422, Yuv444};
            let subsampling = [Yuv420, Yuv422, Yuv444, Yuv411, Mono][kind];
            let extent = Extent::new(width, height);
            let planar = Planar { extent, subsampling, color: ColorSpec::default(), aspect: PixelAspect::SQUARE };
            let planes: Vec<u8> = (0..planar.file_bytes()).map(|i| (i as u8).wrapping_mul(37).wrapping_add(seed)).collect();
            let shape = planar.shape();
            let mut out = vec![0; shape.min_bytes()];
            planar.convert(&planes, &mut Vec::new(), &mut out);
            let (w, h) = (width as usize, height as usize);
            let (cw, ch) = planar.chroma(extent);
            let (across, down) = planar.pixels_per_chroma();
            for y in 0..h {
                for x in 0..w {
                    let luma = planes[y * w + x];
                    let at = |plane: usize| {
                        planes[w * h + plane * cw * ch + y / down * cw + x / across]
                    };
                    match shape.format {
                        PixelFormat::Gray8 => prop_assert_eq!(out[y * w + x], luma),
                        PixelFormat::Nv12 => {
                            prop_assert_eq!(out[y * w + x], luma);
                            let pair = w * h + y / 2 * w + x / 2 * 2;
                            prop_assert_eq!((out[pair], out[pair + 1]), (at(0), at(1)));
                        }
                        PixelFormat::Yuyv => {
                            let four = y * w * 2 + x / 2 * 4;
                            prop_assert_eq!(out[y * w * 2 + x * 2], luma);
                            prop_assert_eq!((out[four + 1], out[four + 3]), (at(0), at(1)));
                        }
                        _ => prop_assert_eq!(&out[(y * w + x) * 3..][..3], &rgb(luma, at(0), at(1), planar.color)[..]),
                    }
                }
            }
        }
    }

    #[test]
    fn black_white_and_red() {
        let limited = ColorSpec::default();
        let full = ColorSpec { range: YuvRange::Full, ..limited };
        assert_eq!(rgb(16, 128, 128, limited), [0, 0, 0]);
        assert_eq!(rgb(235, 128, 128, limited), [255, 255, 255]);
        assert_eq!(rgb(255, 128, 128, full), [255, 255, 255]);
        assert_eq!(rgb(81, 90, 240, limited), [254, 0, 0]);
    }

    #[test]
    fn pixels_become_square() {
        let dvd = PixelAspect { width: 64, height: 45 };
        assert_eq!(dvd.squared(Extent::new(720, 576), 2), Extent::new(1024, 576));
        let tall = PixelAspect { width: 8, height: 9 };
        assert_eq!(tall.squared(Extent::new(720, 480), 2), Extent::new(720, 540));
        assert_eq!(PixelAspect::SQUARE.squared(Extent::new(5, 3), 2), Extent::new(5, 3));
        let huge = PixelAspect { width: u32::MAX, height: 1 };
        assert!(huge.squared(Extent::new(9000, 1), 1).width == u32::MAX);
    }

    proptest! {
        /// A ramp stays one, a flat plane stays flat, and nothing is read beyond the planes.
        #[test]
        fn stretching_interpolates(width in 1u32..40, height in 1u32..9, w in 1u32..9, h in 1u32..9, kind in 0usize..5) {
            use Subsampling::{Mono, Yuv411, Yuv420, Yuv422, Yuv444};
            let subsampling = [Yuv420, Yuv422, Yuv444, Yuv411, Mono][kind];
            let aspect = PixelAspect { width: w, height: h };
            let planar =
                Planar { extent: Extent::new(width, height), subsampling, color: ColorSpec::default(), aspect };
            let shape = planar.shape();
            let mut out = vec![0; shape.min_bytes()];
            planar.convert(&vec![128; planar.file_bytes()], &mut Vec::new(), &mut out);
            let flat = if shape.format == PixelFormat::Rgb8 { rgb(128, 128, 128, planar.color)[0] } else { 128 };
            prop_assert!(out.iter().all(|byte| *byte == flat));
            prop_assert!(shape.extent.width >= width && shape.extent.height >= height);

            let ramp: Vec<u8> = (0..width * height).map(|i| (i % width * 6) as u8).collect();
            let mono = Planar { subsampling: Mono, ..planar };
            let shown = mono.shown();
            let mut out = vec![0; shown.pixels() as usize];
            mono.convert(&ramp, &mut Vec::new(), &mut out);
            for row in out.chunks(shown.width as usize) {
                prop_assert!(row.is_sorted());
                prop_assert_eq!((row[0], row[row.len() - 1]), (0, (width - 1) as u8 * 6));
            }
        }
    }
}
