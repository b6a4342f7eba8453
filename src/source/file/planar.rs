//! Planar YUV, as video files hold it, into the layouts that frames have. Pure.
//!
//! ```text
//! 4:2:0  YYYY.. UU.. VV..   -> NV12   YYYY.. UVUV..        odd sides, 4:4:4 -> RGB
//! 4:2:2  YYYY.. UU.. VV..   -> YUYV   YUYV..               mono             -> grey
//! ```

use crate::frame::{ColorSpec, FrameShape, PixelFormat, YuvMatrix, YuvRange};
use crate::units::Extent;

/// How far the chroma planes are subsampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subsampling {
    Yuv420,
    Yuv422,
    Yuv444,
    Mono,
}

/// Pictures of one stream: 8 bits per sample, no padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Planar {
    pub extent: Extent,
    pub subsampling: Subsampling,
    pub color: ColorSpec,
}

impl Planar {
    fn chroma(&self) -> (usize, usize) {
        let (width, height) = (self.extent.width as usize, self.extent.height as usize);
        match self.subsampling {
            Subsampling::Yuv420 => (width.div_ceil(2), height.div_ceil(2)),
            Subsampling::Yuv422 => (width.div_ceil(2), height),
            Subsampling::Yuv444 => (width, height),
            Subsampling::Mono => (0, 0),
        }
    }

    /// Bytes of one picture as the file holds it.
    pub(super) fn file_bytes(&self) -> usize {
        let (width, height) = self.chroma();
        self.extent.width as usize * self.extent.height as usize + 2 * width * height
    }

    /// The layout that [`Self::convert`] makes.
    pub(super) fn shape(&self) -> FrameShape {
        let Extent { width, height } = self.extent;
        let format = match self.subsampling {
            Subsampling::Yuv420 if width.is_multiple_of(2) && height.is_multiple_of(2) => PixelFormat::Nv12,
            Subsampling::Yuv422 if width.is_multiple_of(2) => PixelFormat::Yuyv,
            Subsampling::Mono => PixelFormat::Gray8,
            _ => PixelFormat::Rgb8,
        };
        FrameShape { color: self.color, ..FrameShape::packed(format, self.extent) }
    }

    /// Converts a picture of [`Self::file_bytes`] into one of [`Self::shape`].
    pub(super) fn convert(&self, planes: &[u8], out: &mut [u8]) {
        let (width, height) = (self.extent.width as usize, self.extent.height as usize);
        let (chroma_width, chroma_height) = self.chroma();
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
                let (across, down) = (width.div_ceil(chroma_width.max(1)), height.div_ceil(chroma_height.max(1)));
                for (i, (pixel, &y)) in out.chunks_exact_mut(3).zip(luma).enumerate() {
                    let c = (i / width / down) * chroma_width + i % width / across;
                    pixel.copy_from_slice(&rgb(y, cb[c], cr[c], self.color));
                }
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
            width in 1u32..9, height in 1u32..9, kind in 0usize..4, seed: u8,
        ) {
            let subsampling = [Subsampling::Yuv420, Subsampling::Yuv422, Subsampling::Yuv444, Subsampling::Mono][kind];
            let planar = Planar { extent: Extent::new(width, height), subsampling, color: ColorSpec::default() };
            let planes: Vec<u8> = (0..planar.file_bytes()).map(|i| (i as u8).wrapping_mul(37).wrapping_add(seed)).collect();
            let shape = planar.shape();
            let mut out = vec![0; shape.min_bytes()];
            planar.convert(&planes, &mut out);
            let (w, h) = (width as usize, height as usize);
            let (cw, ch) = planar.chroma();
            for y in 0..h {
                for x in 0..w {
                    let luma = planes[y * w + x];
                    let at = |plane: usize| {
                        let cx = if cw == w { x } else { x / 2 };
                        let cy = if ch == h { y } else { y / 2 };
                        planes[w * h + plane * cw * ch + cy * cw + cx]
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
}
