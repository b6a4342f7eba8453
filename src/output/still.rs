//! Single pictures: PNG and JPEG.

use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageFormat, RgbaImage};

use super::{AtomicFile, OutputError};

/// JPEG quality, 1 to 100: high, because a painting has fine texture.
const JPEG_QUALITY: u8 = 92;

/// Writes one picture; the ending of the name says how.
///
/// # Errors
/// When the ending is none of .png, .jpg, .jpeg, or writing fails.
pub fn save(path: &Path, picture: &RgbaImage) -> Result<(), OutputError> {
    let format = ImageFormat::from_path(path).ok().filter(|f| matches!(f, ImageFormat::Png | ImageFormat::Jpeg));
    let format = format.ok_or_else(|| OutputError::Format { path: path.to_owned() })?;
    let mut file = AtomicFile::new(path)?;
    // The picture is opaque; neither format needs to say so for each pixel.
    let rgb = DynamicImage::ImageRgba8(picture.clone()).into_rgb8();
    let encoded = match format {
        ImageFormat::Jpeg => {
            image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY).encode_image(&rgb)
        }
        _ => rgb.write_to(&mut file, format),
    };
    encoded.map_err(|e| OutputError::encode(path, e))?;
    file.commit()
}

/// Writes a PNG under a name in `folder` that nobody has yet: `impasto-0001.png` and so on. Returns its path.
///
/// # Errors
/// When writing fails.
pub fn save_new(folder: &Path, picture: &RgbaImage) -> Result<PathBuf, OutputError> {
    let mut path = folder.join("impasto.png");
    for number in 1..=9999 {
        path = folder.join(format!("impasto-{number:04}.png"));
        if !path.exists() {
            break;
        }
    }
    save(&path, picture)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let picture = RgbaImage::from_fn(7, 3, |x, y| image::Rgba([x as u8 * 30, y as u8 * 80, 9, 255]));
        let first = save_new(folder.path(), &picture).unwrap();
        let second = save_new(folder.path(), &picture).unwrap();
        assert_ne!(first, second);
        assert_eq!(image::open(&second).unwrap().into_rgba8(), picture);
        let jpeg = folder.path().join("a.jpg");
        save(&jpeg, &picture).unwrap();
        assert_eq!(image::image_dimensions(&jpeg).unwrap(), (7, 3));
        assert!(matches!(save(&folder.path().join("a.webp"), &picture), Err(OutputError::Format { .. })));
    }
}
