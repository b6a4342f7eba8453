//! Stills: one picture, delivered again and again.
//!
//! A still comes ten times a second. That keeps the window alive and lets the cost be watched, without painting the same picture as often
//! as a camera's.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};

use super::stored::Stored;
use super::{check_size, clip_info, fitted, flatten};
use crate::frame::{FramePool, FrameShape, PixelFormat};
use crate::source::{Clip, ClipInfo, Picture, SourceError, SourceWish};
use crate::units::Extent;

/// Time from one delivery of a still to the next.
pub(super) const STILL_INTERVAL: Duration = Duration::from_millis(100);

pub(super) struct Still {
    info: ClipInfo,
    stored: Stored,
    delivered: bool,
}

pub(super) fn open(path: &Path, format: ImageFormat, wish: &SourceWish) -> Result<Still, SourceError> {
    let (extent, pixels) = decode(path, format, wish.max_extent)?;
    let shape = FrameShape::packed(PixelFormat::Rgba8, extent);
    let detail = format!("{} {extent}, still", name_of(format));
    let info = clip_info(path, detail, shape, STILL_INTERVAL);
    Ok(Still { info, stored: Stored { shape, pictures: vec![(pixels, STILL_INTERVAL)] }, delivered: false })
}

pub(super) fn name_of(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Gif => "GIF",
        ImageFormat::WebP => "WebP",
        _ => "picture",
    }
}

/// Decodes a picture to opaque RGBA, the right way up, scaled down to as many pixels as `max` has.
pub(super) fn decode(path: &Path, format: ImageFormat, max: Option<Extent>) -> Result<(Extent, Vec<u8>), SourceError> {
    let unopenable = |source| SourceError::Unopenable { path: path.into(), source };
    let unreadable = |what: String| SourceError::Unreadable { path: path.into(), what };
    if format == ImageFormat::Jpeg {
        let bytes = std::fs::read(path).map_err(unopenable)?;
        if !jpeg_is_whole(&bytes) {
            let what = format!("the JPEG ends early, after {} bytes", bytes.len());
            return Err(SourceError::Corrupt { path: path.into(), frame: 0, what });
        }
    }
    let file = BufReader::new(File::open(path).map_err(unopenable)?);
    let mut decoder = ImageReader::with_format(file, format).into_decoder().map_err(|e| unreadable(e.to_string()))?;
    let (width, height) = decoder.dimensions();
    check_size(path, Extent::new(width, height))?;
    // A picture whose orientation cannot be read is shown as it is stored.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| unreadable(e.to_string()))?;
    picture.apply_orientation(orientation);
    let full = Extent::new(picture.width(), picture.height());
    if full.is_empty() {
        return Err(SourceError::Empty { path: path.into() });
    }
    let extent = fitted(full, max);
    if extent != full {
        picture = picture.resize_exact(extent.width, extent.height, image::imageops::FilterType::Triangle);
    }
    let mut pixels = picture.into_rgba8().into_raw();
    flatten(&mut pixels);
    Ok((extent, pixels))
}

/// Whether the end marker follows the picture's data. The decoder fills what is missing with grey and says nothing.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    let mut at = 2;
    // Segments (ITU-T T.81 annex B) up to the start of the scan: a marker, then a length that includes itself.
    while let Some(&[0xff, marker]) = bytes.get(at..at + 2) {
        if marker == 0xda {
            return bytes[at..].windows(2).rev().any(|pair| pair == [0xff, 0xd9]);
        }
        at += match marker {
            0xff => 1,
            0x01 | 0xd0..=0xd8 => 2,
            _ => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
        };
    }
    false
}

impl Clip for Still {
    fn info(&self) -> &ClipInfo {
        &self.info
    }

    fn read(&mut self, pool: &FramePool) -> Result<Option<Picture>, SourceError> {
        if std::mem::replace(&mut self.delivered, true) {
            return Ok(None);
        }
        Ok(self.stored.deliver(0, pool))
    }

    fn skip(&mut self) -> Result<Option<Duration>, SourceError> {
        Ok((!std::mem::replace(&mut self.delivered, true)).then_some(STILL_INTERVAL))
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        self.delivered = false;
        Ok(())
    }
}
