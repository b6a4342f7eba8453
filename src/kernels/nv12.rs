//! A finished picture to what video encoders and virtual cameras take.

use std::ops::Range;

use crate::units::Extent;
use crate::wide::{nearest, widely};

/// RGBA bytes, sRGB-coded, to NV12: BT.601 with Y in 16..=235 and chroma in 16..=240 around 128, each pair of rows from `rows`
/// (numbers of pairs). Chroma is the mean of two by two pixels. `luma` and `chroma` have room for those rows.
///
/// # Panics
/// When a side is odd, or a slice is too short.
pub fn nv12_rows(rgba: &[[u8; 4]], extent: Extent, rows: Range<usize>, luma: &mut [u8], chroma: &mut [u8]) {
    let width = extent.width as usize;
    assert!(width.is_multiple_of(2) && extent.height.is_multiple_of(2), "NV12 of {extent}");
    widely(
        #[inline(always)]
        || {
            let lines = luma.chunks_exact_mut(width * 2).zip(chroma.chunks_exact_mut(width));
            for (row, (luma, chroma)) in rows.zip(lines) {
                let pixels = &rgba[row * 2 * width..][..width * 2];
                for (y, pixel) in luma.iter_mut().zip(pixels) {
                    let [r, g, b, _] = pixel.map(f32::from);
                    *y = nearest(16.0 + r * (65.481 / 255.0) + g * (128.553 / 255.0) + b * (24.966 / 255.0)) as u8;
                }
                let (upper, lower) = pixels.split_at(width);
                let pairs = upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0);
                for (uv, (upper, lower)) in chroma.as_chunks_mut::<2>().0.iter_mut().zip(pairs) {
                    let sum = |i: usize| {
                        f32::from(upper[0][i])
                            + f32::from(upper[1][i])
                            + f32::from(lower[0][i])
                            + f32::from(lower[1][i])
                    };
                    let (r, g, b) = (sum(0), sum(1), sum(2));
                    let part = |r_part: f32, g_part: f32, b_part: f32| {
                        nearest(128.0 + (r * r_part + g * g_part + b * b_part) * (1.0 / (4.0 * 255.0))) as u8
                    };
                    *uv = [part(-37.797, -74.203, 112.0), part(112.0, -93.786, -18.214)];
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::super::ingest::YuvToRgb;
    use super::*;
    use crate::frame::{ColorSpec, YuvMatrix, YuvRange};

    /// What [`YuvToRgb`] makes of it is the colour again, to two steps.
    #[test]
    fn colours_come_back() {
        let extent = Extent::new(6, 4);
        let back = YuvToRgb::new(ColorSpec { matrix: YuvMatrix::Bt601, range: YuvRange::Limited });
        for color in [[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [200, 120, 33], [12, 250, 128]]
        {
            let [r, g, b] = color;
            let rgba = vec![[r, g, b, 255]; 24];
            let (mut luma, mut chroma) = (vec![0; 24], vec![0; 12]);
            nv12_rows(&rgba, extent, 0..1, &mut luma[..12], &mut chroma[..6]);
            nv12_rows(&rgba, extent, 1..2, &mut luma[12..], &mut chroma[6..]);
            for (at, y) in luma.iter().enumerate() {
                let pair = &chroma[at / 12 * 6 + at % 6 / 2 * 2..];
                let got = back.apply(*y, pair[0], pair[1]).map(|c| (c * 255.0).round() as u8);
                assert!(got.iter().zip(color).all(|(a, b)| a.abs_diff(b) <= 2), "{got:?} is not {color:?}");
            }
        }
    }
}
