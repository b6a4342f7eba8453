//! Single pictures: PNG and JPEG.

use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{RgbImage, RgbaImage};

use super::{AtomicFile, OutputError, StillFormat};
use crate::units::Extent;

/// JPEG quality, 1 to 100: high, because a painting has fine texture.
pub const JPEG_QUALITY: u8 = 92;
/// JPEG counts sides in 16 bits.
const JPEG_LIMIT: u32 = u16::MAX as u32;

/// A picture in a file that is complete but not yet in its place. `quality` is JPEG's, 1 to 100.
///
/// # Errors
/// When it is too large for the format, or cannot be written.
pub fn encode(path: &Path, picture: &RgbImage, format: StillFormat, quality: u8) -> Result<AtomicFile, OutputError> {
    check(Extent::new(picture.width(), picture.height()), format)?;
    let mut file = AtomicFile::new(path)?;
    let encoded = match format {
        StillFormat::Jpeg => JpegEncoder::new_with_quality(&mut file, quality).encode_image(picture),
        StillFormat::Png => picture.write_with_encoder(PngEncoder::new(&mut file)),
    };
    encoded.map_err(|e| OutputError::encode_image(path, e))?;
    Ok(file)
}

/// Whether the format can hold a picture of that size.
pub fn check(extent: Extent, format: StillFormat) -> Result<(), OutputError> {
    let too_large = extent.width > JPEG_LIMIT || extent.height > JPEG_LIMIT;
    match format {
        StillFormat::Jpeg if too_large => Err(OutputError::TooLarge { extent, limit: JPEG_LIMIT }),
        _ => Ok(()),
    }
}

/// The picture without its alpha, which is 255 everywhere.
pub fn opaque(picture: RgbaImage) -> RgbImage {
    image::DynamicImage::from(picture).into_rgb8()
}

/// How pictures of the window are saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Stills {
    pub format: StillFormat,
    /// The camera's picture lies to the left of the painted one.
    pub original_beside: bool,
}

/// Where things are saved, by what they are; `None`: where the desktop keeps such things.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Folders {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recordings: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reports: Option<PathBuf>,
}

/// Writes a picture under a name in `folder` that nobody has yet: `impasto-0001.png` or `.jpg` and so on. Returns its path.
///
/// # Errors
/// When it is too large for the format, or writing fails.
pub fn save_new(folder: &Path, picture: &RgbaImage, format: StillFormat) -> Result<PathBuf, OutputError> {
    let ending = match format {
        StillFormat::Png => "png",
        StillFormat::Jpeg => "jpg",
    };
    let mut path = folder.join(format!("impasto.{ending}"));
    for number in 1..=9999 {
        path = folder.join(format!("impasto-{number:04}.{ending}"));
        if !path.exists() {
            break;
        }
    }
    encode(&path, &opaque(picture.clone()), format, JPEG_QUALITY)?.commit()?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let picture = RgbaImage::from_fn(7, 3, |x, y| image::Rgba([x as u8 * 30, y as u8 * 80, 9, 255]));
        let first = save_new(folder.path(), &picture, StillFormat::Png).unwrap();
        let second = save_new(folder.path(), &picture, StillFormat::Png).unwrap();
        let third = save_new(folder.path(), &picture, StillFormat::Jpeg).unwrap();
        assert_eq!(third.file_name().unwrap(), "impasto-0001.jpg");
        assert_eq!(image::ImageReader::open(&third).unwrap().format(), Some(image::ImageFormat::Jpeg));
        assert_ne!(first, second);
        assert_eq!(image::open(&second).unwrap().into_rgba8(), picture);
        let jpeg = folder.path().join("a.jpg");
        let encoded = |quality| encode(&jpeg, &opaque(picture.clone()), StillFormat::Jpeg, quality).unwrap();
        drop(encoded(92));
        assert!(!jpeg.exists(), "it was not put in its place");
        encoded(92).commit().unwrap();
        assert_eq!(image::image_dimensions(&jpeg).unwrap(), (7, 3));
    }
}
