//! Stills: one picture, delivered again and again.
//!
//! A still comes ten times a second. That keeps the window alive and lets the cost be watched, without painting the same picture as often
//! as a camera's.
//!
//! What a damaged file holds up to the damage is shown, and said.

use std::fs::File;
use std::hash::Hasher as _;
use std::io::{BufReader, Cursor, Read as _};
use std::path::Path;
use std::time::Duration;

use image::{ColorType, DynamicImage, ImageBuffer, ImageDecoder, ImageError, ImageFormat, ImageReader};

use super::stored::Stored;
use super::{check_size, clip_info, fitted, profile};
use crate::frame::{FramePool, FrameShape, PixelFormat};
use crate::picture::laid_on;
use crate::source::huffman;
use crate::source::{Clip, ClipInfo, Picture, SourceError, SourceWish, Timeline};
use crate::units::Extent;

/// Time from one delivery of a still to the next.
pub(super) const STILL_INTERVAL: Duration = Duration::from_millis(100);

/// What memory is filled with before a picture is decoded into it: a row that still holds nothing else was not reached.
const UNREACHED: u8 = 0xa5;

/// What stands for the part of a picture that a damaged file has lost.
const LOST: u8 = 128;

/// A decoded picture, opaque RGB, the right way up.
pub(super) struct Decoded {
    pub extent: Extent,
    pub rgb: Vec<u8>,
    /// What is missing of it: ends a sentence that begins with the file's name.
    pub damage: Option<String>,
}

/// How pictures are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// No more pixels than this one has.
    pub max: Option<Extent>,
    /// What transparent pixels lie on.
    pub ground: [u8; 3],
}

impl Wanted {
    pub(super) fn of(wish: &SourceWish) -> Self {
        Self { max: wish.max_extent, ground: wish.ground }
    }
}

pub(super) struct Still {
    info: ClipInfo,
    stored: Stored,
    /// Told once, after the picture.
    damage: Option<SourceError>,
    delivered: bool,
    looping: bool,
}

impl Still {
    pub(super) fn open(path: &Path, format: ImageFormat, wish: &SourceWish) -> Result<Self, SourceError> {
        let decoded = decode(path, format, Wanted::of(wish))?;
        Ok(Self::new(path, name_of(format), decoded, wish))
    }

    pub(super) fn new(path: &Path, name: &str, decoded: Decoded, wish: &SourceWish) -> Self {
        let Decoded { extent, rgb, damage } = decoded;
        let shape = FrameShape::packed(PixelFormat::Rgb8, extent);
        let mut info = clip_info(path, format!("{name} {extent}, still"), shape, STILL_INTERVAL);
        info.source.timeline = Some(Timeline { pictures: Some(1), ..Timeline::default() });
        Self {
            info,
            stored: Stored { shape, pictures: vec![(rgb, STILL_INTERVAL)] },
            damage: damage.map(|what| SourceError::CutShort { path: path.into(), what }),
            delivered: false,
            looping: wish.looping,
        }
    }
}

pub(super) fn name_of(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Gif => "GIF",
        ImageFormat::WebP => "WebP",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Tiff => "TIFF",
        _ => "picture",
    }
}

/// An error without the image crate's own words around it.
pub(super) fn said(error: &ImageError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Why a picture cannot be decoded here.
enum Trouble {
    /// It is one of its format that the decoder does not know.
    Unsupported(SourceError),
    Other(SourceError),
}

impl From<SourceError> for Trouble {
    fn from(error: SourceError) -> Self {
        Self::Other(error)
    }
}

/// Decodes a picture to opaque RGB in sRGB, the right way up. What the decoders here do not know of their own formats,
/// ffmpeg may.
///
/// # Errors
/// When nothing of it can be read, or it is too large.
pub(super) fn decode(path: &Path, format: ImageFormat, wanted: Wanted) -> Result<Decoded, SourceError> {
    match decode_here(path, format, wanted) {
        Ok(decoded) => Ok(decoded),
        Err(Trouble::Other(error)) => Err(error),
        Err(Trouble::Unsupported(error)) => super::ffmpeg::decode(path, wanted).map_err(|_| error),
    }
}

fn decode_here(path: &Path, format: ImageFormat, wanted: Wanted) -> Result<Decoded, Trouble> {
    let unopenable = |source| SourceError::Unopenable { path: path.into(), source };
    let mut file = BufReader::new(File::open(path).map_err(unopenable)?);
    let in_memory = |bytes: Vec<u8>| {
        let decoder = ImageReader::with_format(Cursor::new(bytes), format).into_decoder();
        decoder.map_err(|e| trouble(path, &e))
    };
    match format {
        // Their decoders want all of a file; so what is cut off can be made up for.
        ImageFormat::Jpeg | ImageFormat::WebP => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(unopenable)?;
            if format == ImageFormat::Jpeg {
                if let Some(at) = huffman::missing_at(&bytes) {
                    let mut tables = Vec::new();
                    huffman::append_standard(&mut tables);
                    bytes.splice(at..at, tables);
                }
                let cut = complete_jpeg(&mut bytes);
                return decode_with(path, in_memory(bytes)?, Whole::OrNot(cut), wanted);
            }
            match missing_of_riff(&bytes) {
                None => decode_with(path, in_memory(bytes)?, Whole::OrNot(None), wanted),
                Some(missing) => {
                    let filled = |byte| in_memory([bytes.as_slice(), &vec![byte; missing]].concat());
                    decode_with(path, filled(0)?, Whole::WhereAlike(Box::new(filled(0x5a)?)), wanted)
                }
            }
        }
        _ => {
            let decoder = ImageReader::with_format(file, format).into_decoder();
            decode_with(path, decoder.map_err(|e| trouble(path, &e))?, Whole::OrNot(None), wanted)
        }
    }
}

/// How much of what a decoder gives is the file's own.
enum Whole<'a> {
    /// All, or what is missing.
    OrNot(Option<String>),
    /// As far down as a second decoder gives the same, which was told something else in place of what is missing.
    WhereAlike(Box<dyn ImageDecoder + 'a>),
}

fn trouble(path: &Path, error: &ImageError) -> Trouble {
    let unreadable = SourceError::Unreadable { path: path.into(), what: said(error) };
    if matches!(error, ImageError::Unsupported(_)) { Trouble::Unsupported(unreadable) } else { unreadable.into() }
}

fn decode_with(
    path: &Path,
    mut decoder: impl ImageDecoder,
    whole: Whole<'_>,
    wanted: Wanted,
) -> Result<Decoded, Trouble> {
    let unreadable = |what: String| SourceError::Unreadable { path: path.into(), what };
    let (width, height) = decoder.dimensions();
    let extent = Extent::new(width, height);
    check_size(path, extent)?;
    if extent.is_empty() {
        return Err(SourceError::Empty { path: path.into() }.into());
    }
    // A picture whose orientation cannot be read is shown as it is stored; one whose profile cannot be read, as sRGB.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let icc = decoder.icc_profile().ok().flatten();
    let color = decoder.color_type();
    let bytes = usize::try_from(decoder.total_bytes()).map_err(|e| unreadable(e.to_string()))?;
    let mut pixels = vec![UNREACHED; bytes];
    let read = decoder.read_image(&mut pixels).map_err(|e| (trouble(path, &e), said(&e)));
    let read = match (read, whole) {
        (Ok(()), Whole::OrNot(cut)) => Ok(cut),
        (Ok(()), Whole::WhereAlike(second)) => {
            let mut again = vec![UNREACHED; bytes];
            let row = (bytes / height as usize).max(1);
            match second.read_image(&mut again) {
                Ok(()) => {
                    let alike = pixels.chunks(row).zip(again.chunks(row)).take_while(|(a, b)| a == b).count();
                    pixels[alike * row..].fill(UNREACHED);
                    let what = "its end is missing".to_owned();
                    Err((unreadable(what.clone()).into(), what))
                }
                Err(_) => Ok(Some("its end is missing; the lower part of the picture is made up".to_owned())),
            }
        }
        (Err(error), _) => Err(error),
    };
    let damage = match read {
        Ok(cut) => cut,
        Err((trouble, what)) => match fill_unreached(&mut pixels, height as usize, color) {
            0 => return Err(trouble),
            reached => {
                let percent = (reached * 100 / height as usize).clamp(1, 99);
                Some(format!("{percent} % of the picture can be read ({what}); the rest is grey"))
            }
        },
    };
    let picture = picture_of(color, width, height, pixels)
        .ok_or_else(|| unreadable(format!("pictures of {color:?} cannot be shown")))?;
    let mut picture = match icc {
        Some(icc) => {
            let (picture, done) = profile::to_srgb(picture, &icc);
            if let Err(what) = done {
                log::warn!("{}: {what}; it is shown without", path.display());
            }
            picture
        }
        None => picture,
    };
    picture.apply_orientation(orientation);
    let full = Extent::new(picture.width(), picture.height());
    let extent = fitted(full, wanted.max);
    if extent != full {
        picture = picture.resize_exact(extent.width, extent.height, image::imageops::FilterType::Triangle);
    }
    let rgb = if picture.color().has_alpha() {
        laid_on(wanted.ground, &picture.into_rgba8())
    } else {
        picture.into_rgb8().into_raw()
    };
    Ok(Decoded { extent, rgb, damage })
}

/// Makes the rows that a decoder did not reach grey and opaque, and returns the number of the others.
fn fill_unreached(pixels: &mut [u8], height: usize, color: ColorType) -> usize {
    let row = (pixels.len() / height.max(1)).max(1);
    let pixel = usize::from(color.bytes_per_pixel());
    let sample = pixel / usize::from(color.channel_count());
    let colour = if color.has_alpha() { pixel - sample } else { pixel };
    let mut reached = 0;
    for row in pixels.chunks_exact_mut(row) {
        if row.iter().any(|byte| *byte != UNREACHED) {
            reached += 1;
            continue;
        }
        for pixel in row.chunks_exact_mut(pixel) {
            let (colour, alpha) = pixel.split_at_mut(colour);
            colour.fill(LOST);
            alpha.fill(0xff);
        }
    }
    reached
}

/// What a decoder of the image crate wrote, as a picture. `None` for a colour type that did not exist when this was written.
fn picture_of(color: ColorType, width: u32, height: u32, pixels: Vec<u8>) -> Option<DynamicImage> {
    fn wide<T: bytemuck::Pod + Default>(bytes: Vec<u8>) -> Vec<T> {
        let mut samples = vec![T::default(); bytes.len() / size_of::<T>()];
        bytemuck::cast_slice_mut(&mut samples).copy_from_slice(&bytes);
        samples
    }
    Some(match color {
        ColorType::L8 => DynamicImage::ImageLuma8(ImageBuffer::from_raw(width, height, pixels)?),
        ColorType::La8 => DynamicImage::ImageLumaA8(ImageBuffer::from_raw(width, height, pixels)?),
        ColorType::Rgb8 => DynamicImage::ImageRgb8(ImageBuffer::from_raw(width, height, pixels)?),
        ColorType::Rgba8 => DynamicImage::ImageRgba8(ImageBuffer::from_raw(width, height, pixels)?),
        ColorType::L16 => DynamicImage::ImageLuma16(ImageBuffer::from_raw(width, height, wide(pixels))?),
        ColorType::La16 => DynamicImage::ImageLumaA16(ImageBuffer::from_raw(width, height, wide(pixels))?),
        ColorType::Rgb16 => DynamicImage::ImageRgb16(ImageBuffer::from_raw(width, height, wide(pixels))?),
        ColorType::Rgba16 => DynamicImage::ImageRgba16(ImageBuffer::from_raw(width, height, wide(pixels))?),
        ColorType::Rgb32F => DynamicImage::ImageRgb32F(ImageBuffer::from_raw(width, height, wide(pixels))?),
        ColorType::Rgba32F => DynamicImage::ImageRgba32F(ImageBuffer::from_raw(width, height, wide(pixels))?),
        _ => return None,
    })
}

/// Puts the end mark back where that is all that a JPEG lacks. Returns what is missing, if more than that is.
fn complete_jpeg(bytes: &mut Vec<u8>) -> Option<String> {
    const END: [u8; 2] = [0xff, 0xd9];
    /// Bits that stand for something wherever they are read.
    const MORE: [u8; 256] = [0x5a; 256];
    if jpeg_is_whole(bytes) {
        return None;
    }
    let len = bytes.len();
    // What follows the last block is not looked at; what follows any other is taken for the next one.
    let mut picture_with = |more: &[u8]| {
        bytes.truncate(len);
        bytes.extend(more);
        bytes.extend(END);
        let options = zune_core::options::DecoderOptions::default()
            .set_strict_mode(false)
            .set_max_width(usize::MAX)
            .set_max_height(usize::MAX);
        let cursor = zune_core::bytestream::ZCursor::new(bytes.as_slice());
        let picture = zune_jpeg::JpegDecoder::new_with_options(cursor, options).decode().ok()?;
        // Only its sum is kept: a picture may be large.
        let mut hasher = std::hash::DefaultHasher::new();
        hasher.write(&picture);
        Some(hasher.finish())
    };
    let (with_more, alone) = (picture_with(&MORE), picture_with(&[]));
    if alone.is_some() && alone == with_more {
        return None;
    }
    // Without an end the decoder makes grey of what is missing.
    bytes.truncate(len);
    Some("its end is missing; the rest of the picture is grey".to_owned())
}

/// Whether the end marker follows the picture's data.
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

/// Bytes that a RIFF file (WebP) lacks of the length that it claims. A length that only the header claims takes no memory.
fn missing_of_riff(bytes: &[u8]) -> Option<usize> {
    let claimed = bytes.get(4..8).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
    let need = (claimed as usize).saturating_add(8);
    need.checked_sub(bytes.len()).filter(|missing| *missing > 0 && *missing < 15 * bytes.len())
}

impl Clip for Still {
    fn info(&self) -> &ClipInfo {
        &self.info
    }

    fn read(&mut self, pool: &FramePool) -> Result<Option<Picture>, SourceError> {
        if std::mem::replace(&mut self.delivered, true) {
            return self.damage.take().map_or(Ok(None), Err);
        }
        // A picture that is wanted once is handed over rather than copied: it may be large.
        Ok(if self.looping { self.stored.deliver(0, pool) } else { self.stored.hand_over(0) })
    }

    fn skip(&mut self) -> Result<Option<Duration>, SourceError> {
        Ok((!std::mem::replace(&mut self.delivered, true)).then_some(STILL_INTERVAL))
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        self.delivered = false;
        Ok(())
    }
}
