//! Colour profiles of photos (ICC): what they mean, in sRGB.

use image::DynamicImage;
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// The picture's colours, which `icc` describes, in sRGB and eight bits. A profile that is damaged, or that is not about
/// this kind of picture, changes nothing and says why.
pub(super) fn to_srgb(picture: DynamicImage, icc: &[u8]) -> (DynamicImage, Result<(), String>) {
    let profile = match ColorProfile::new_from_slice(icc) {
        Ok(profile) => profile,
        Err(error) => return (picture, Err(format!("its colour profile cannot be read: {error}"))),
    };
    let gray = matches!(
        picture,
        DynamicImage::ImageLuma8(_)
            | DynamicImage::ImageLuma16(_)
            | DynamicImage::ImageLumaA8(_)
            | DynamicImage::ImageLumaA16(_)
    );
    let alpha = picture.color().has_alpha();
    let layout = match (profile.color_space, gray) {
        (DataColorSpace::Rgb, false) if alpha => Layout::Rgba,
        (DataColorSpace::Rgb, false) => Layout::Rgb,
        (DataColorSpace::Gray, true) if alpha => Layout::GrayAlpha,
        (DataColorSpace::Gray, true) => Layout::Gray,
        (space, _) => {
            return (picture, Err(format!("its colour profile is one for {space:?}, which the picture is not")));
        }
    };
    let to = if alpha { Layout::Rgba } else { Layout::Rgb };
    let srgb = ColorProfile::new_srgb();
    let transform = match profile.create_transform_8bit(layout, &srgb, to, TransformOptions::default()) {
        Ok(transform) => transform,
        Err(error) => return (picture, Err(format!("its colour profile cannot be used: {error}"))),
    };
    let (width, height) = (picture.width(), picture.height());
    let mut failed = None;
    // Row by row: a second copy of a large picture would take as much memory again.
    let mut convert = |from: &[u8], to: &mut [u8]| {
        if let Err(error) = transform.transform(from, to) {
            failed.get_or_insert_with(|| error.to_string());
        }
    };
    let in_place = |pixels: &mut [u8], row: usize, convert: &mut dyn FnMut(&[u8], &mut [u8])| {
        let mut from = vec![0; row];
        for to in pixels.chunks_exact_mut(row.max(1)) {
            from.copy_from_slice(to);
            convert(&from, to);
        }
    };
    let width_px = width as usize;
    let converted = match (gray, alpha) {
        (false, false) => {
            let mut rgb = picture.into_rgb8();
            in_place(&mut rgb, width_px * 3, &mut convert);
            DynamicImage::from(rgb)
        }
        (false, true) => {
            let mut rgba = picture.into_rgba8();
            in_place(&mut rgba, width_px * 4, &mut convert);
            DynamicImage::from(rgba)
        }
        (true, false) => {
            let luma = picture.into_luma8();
            let mut rgb = image::RgbImage::new(width, height);
            let rows = luma.chunks_exact(width_px.max(1)).zip(rgb.chunks_exact_mut(width_px.max(1) * 3));
            rows.for_each(|(from, to)| convert(from, to));
            DynamicImage::from(rgb)
        }
        (true, true) => {
            let luma = picture.into_luma_alpha8();
            let mut rgba = image::RgbaImage::new(width, height);
            let rows = luma.chunks_exact(width_px.max(1) * 2).zip(rgba.chunks_exact_mut(width_px.max(1) * 4));
            rows.for_each(|(from, to)| convert(from, to));
            DynamicImage::from(rgba)
        }
    };
    (converted, failed.map_or(Ok(()), |what| Err(format!("its colour profile cannot be applied: {what}"))))
}

#[cfg(test)]
mod tests {
    use image::{Luma, Rgb, RgbImage, Rgba, RgbaImage};

    use super::*;

    fn close(have: [u8; 3], want: [u8; 3]) {
        assert!(have.iter().zip(want).all(|(a, b)| a.abs_diff(b) <= 2), "{have:?} where {want:?} belongs");
    }

    /// The same green has less green and more red in a wider space.
    #[test]
    fn wide_colours_come_to_srgb() {
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        let picture = RgbImage::from_pixel(3, 2, Rgb([0x75, 0xfb, 0x4c]));
        let (converted, done) = to_srgb(picture.into(), &p3);
        done.unwrap();
        // sRGB green in Display P3 is (117, 251, 76).
        close(converted.into_rgb8().get_pixel(1, 1).0, [0, 255, 0]);

        let half = RgbaImage::from_pixel(1, 1, Rgba([0x75, 0xfb, 0x4c, 90]));
        let (converted, done) = to_srgb(half.into(), &p3);
        done.unwrap();
        let pixel = converted.into_rgba8().get_pixel(0, 0).0;
        close([pixel[0], pixel[1], pixel[2]], [0, 255, 0]);
        assert_eq!(pixel[3], 90);
    }

    #[test]
    fn gray_has_profiles_too() {
        let linear = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
        let picture = image::GrayImage::from_pixel(2, 2, Luma([55]));
        let (converted, done) = to_srgb(picture.into(), &linear);
        done.unwrap();
        // 55 of 255 in linear light is 128 in sRGB.
        close(converted.into_rgb8().get_pixel(0, 0).0, [128; 3]);
    }

    #[test]
    fn a_profile_of_no_use_changes_nothing() {
        let picture = DynamicImage::from(RgbImage::from_pixel(2, 2, Rgb([1, 2, 3])));
        let gray = ColorProfile::new_gray_with_gamma(2.2).encode().unwrap();
        for icc in [&b"nonsense"[..], &gray] {
            let (same, done) = to_srgb(picture.clone(), icc);
            assert_eq!(same, picture);
            assert!(done.is_err());
        }
    }
}
