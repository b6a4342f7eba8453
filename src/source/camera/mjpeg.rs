//! Decodes the JPEGs that a camera sends one per frame.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

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
