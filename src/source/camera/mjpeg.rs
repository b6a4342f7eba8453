//! Decodes the JPEGs that a camera sends one per frame.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::source::huffman;
use crate::units::Extent;

/// Why a camera's JPEG cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum JpegError {
    #[error("{bytes} bytes that are not a JPEG: {what}")]
    Unreadable { bytes: usize, what: String },
    #[error("a picture of {have} in a stream of {want}")]
    Size { have: Extent, want: Extent },
    #[error("{bytes} bytes without an end")]
    CutShort { bytes: usize },
}

/// Decodes frame after frame of one stream.
#[derive(Debug, Default)]
pub struct Decoder {
    /// This camera ends its pictures as the standard says. Some leave the end away; then its absence says nothing.
    marks_end: bool,
    /// Holds pictures that come without Huffman tables, with them.
    completed: Vec<u8>,
}

impl Decoder {
    /// Decodes `jpeg` into `rgb`: 3 bytes per pixel, row-major, exactly `extent.pixels() * 3` long. Bytes after the picture's end are
    /// ignored: drivers round their buffers up. On an error `rgb` may be partly written.
    ///
    /// # Errors
    /// When the bytes are damaged, cut short, or a picture of another size.
    pub fn decode(&mut self, jpeg: &[u8], extent: Extent, rgb: &mut [u8]) -> Result<(), JpegError> {
        let bytes = jpeg.len();
        let unreadable = |what: String| JpegError::Unreadable { bytes, what };
        let ended = jpeg.windows(2).rev().any(|pair| pair == [0xff, 0xd9]);
        if self.marks_end && !ended {
            return Err(JpegError::CutShort { bytes });
        }
        let options = DecoderOptions::new_fast()
            .jpeg_set_out_colorspace(ColorSpace::RGB)
            .set_max_width(extent.width as usize)
            .set_max_height(extent.height as usize);
        let jpeg = huffman::completed(jpeg, &mut self.completed);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(jpeg), options);
        decoder.decode_headers().map_err(|e| unreadable(format!("{e:?}")))?;
        let (width, height) = decoder.dimensions().unwrap_or((0, 0));
        let have = Extent::new(width as u32, height as u32);
        if have != extent || decoder.output_buffer_size() != Some(rgb.len()) {
            return Err(JpegError::Size { have, want: extent });
        }
        decoder.decode_into(rgb).map_err(|e| unreadable(format!("{e:?}")))?;
        self.marks_end |= ended;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 9) as u8, (y * 11) as u8, 90]));
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn junk_after_the_end_is_ignored() {
        let (extent, mut whole) = (Extent::new(24, 16), jpeg(24, 16));
        let mut decoder = Decoder::default();
        let (mut clean, mut padded) = (vec![0; 24 * 16 * 3], vec![0; 24 * 16 * 3]);
        decoder.decode(&whole, extent, &mut clean).unwrap();
        whole.extend((0..5000).map(|i| (i * 7) as u8));
        decoder.decode(&whole, extent, &mut padded).unwrap();
        assert_eq!(clean, padded);
        assert!(clean[30].abs_diff(90) < 12 && clean[2].abs_diff(90) < 12);
    }

    #[test]
    fn cut_frames_are_refused_once_whole_ones_were_seen() {
        let (extent, whole) = (Extent::new(24, 16), jpeg(24, 16));
        let mut rgb = vec![0; 24 * 16 * 3];
        let mut decoder = Decoder::default();
        decoder.decode(&whole, extent, &mut rgb).unwrap();
        for cut in 0..whole.len() - 1 {
            assert!(decoder.decode(&whole[..cut], extent, &mut rgb).is_err(), "cut at {cut}");
        }
        assert!(matches!(
            decoder.decode(&jpeg(16, 24), extent, &mut rgb),
            Err(JpegError::Size { .. } | JpegError::Unreadable { .. })
        ));
    }

    #[test]
    fn cameras_may_leave_the_huffman_tables_out() {
        let (extent, whole) = (Extent::new(24, 16), jpeg(24, 16));
        let bare = huffman::without_tables(&whole);
        let mut decoder = Decoder::default();
        let (mut with, mut without) = (vec![0; 24 * 16 * 3], vec![0; 24 * 16 * 3]);
        decoder.decode(&whole, extent, &mut with).unwrap();
        decoder.decode(&bare, extent, &mut without).unwrap();
        assert_eq!(with, without);
    }

    proptest::proptest! {
        #[test]
        fn damage_never_panics(hits in proptest::collection::vec((0usize..900, proptest::prelude::any::<u8>()), 1..12)) {
            let mut bytes = jpeg(24, 16);
            for (at, value) in hits {
                let at = at % bytes.len();
                bytes[at] = value;
            }
            let _ = Decoder::default().decode(&bytes, Extent::new(24, 16), &mut vec![0; 24 * 16 * 3]);
        }
    }
}
