//! Whole pictures in memory, brought to other sizes. Knows pixels, not where they come from nor where they go.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage, RgbaImage};

use crate::units::Extent;

/// The size of a picture of `extent` that fits into `inside` and is as large as it can be there, never empty.
pub fn fitted_inside(extent: Extent, inside: Extent) -> Extent {
    let across = f64::from(inside.width) / f64::from(extent.width.max(1));
    let down = f64::from(inside.height) / f64::from(extent.height.max(1));
    let scale = across.min(down);
    let side = |length: u32, most: u32| ((f64::from(length) * scale).round() as u32).clamp(1, most.max(1));
    Extent::new(side(extent.width, inside.width), side(extent.height, inside.height))
}

/// `picture` as large as it fits into `inside`, and where its left and top lie there, centred.
pub fn contained(picture: &RgbaImage, inside: Extent) -> (RgbaImage, u32, u32) {
    let to = fitted_inside(Extent::new(picture.width(), picture.height()), inside);
    let filter = if to.width < picture.width() { FilterType::Triangle } else { FilterType::CatmullRom };
    let inner = imageops::resize(picture, to.width, to.height, filter);
    (inner, (inside.width - to.width) / 2, (inside.height - to.height) / 2)
}

/// All of `picture` on a frame of `onto`, as large as it fits, black beside it. The picture itself where it has that size.
pub fn on_black(picture: RgbImage, onto: Extent) -> RgbImage {
    let extent = Extent::new(picture.width(), picture.height());
    if extent == onto {
        return picture;
    }
    let to = fitted_inside(extent, onto);
    let filter = if to.width < extent.width { FilterType::Triangle } else { FilterType::CatmullRom };
    let inner = imageops::resize(&picture, to.width, to.height, filter);
    let mut frame = RgbImage::from_pixel(onto.width, onto.height, Rgb([0; 3]));
    let (left, top) = ((onto.width - to.width) / 2, (onto.height - to.height) / 2);
    imageops::replace(&mut frame, &inner, i64::from(left), i64::from(top));
    frame
}

/// Lays transparent pixels onto `ground` and makes all opaque: RGBA to RGB.
pub fn laid_on(ground: [u8; 3], rgba: &[u8]) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for pixel in rgba.chunks_exact(4) {
        let alpha = u32::from(pixel[3]);
        for (channel, under) in pixel[..3].iter().zip(ground) {
            let mixed = (u32::from(*channel) * alpha + u32::from(under) * (255 - alpha) + 127) / 255;
            // A mean of two bytes is one.
            rgb.push(mixed as u8);
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparency_shows_the_ground() {
        let pixels = [10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 255, 51];
        assert_eq!(laid_on([255; 3], &pixels), [10, 20, 30, 255, 255, 255, 204, 224, 255]);
        assert_eq!(laid_on([0, 0, 200], &pixels), [10, 20, 30, 0, 0, 200, 0, 20, 211]);
    }

    #[test]
    fn all_of_a_picture_fits_inside() {
        let inside = Extent::new(100, 50);
        assert_eq!(fitted_inside(Extent::new(200, 200), inside), Extent::new(50, 50));
        assert_eq!(fitted_inside(Extent::new(10, 1), inside), Extent::new(100, 10));
        assert_eq!(fitted_inside(Extent::new(100_000, 1), inside), Extent::new(100, 1));
        let frame = on_black(RgbImage::from_pixel(2, 2, Rgb([9; 3])), Extent::new(4, 2));
        let reds: Vec<u8> = frame.pixels().map(|p| p.0[0]).collect();
        assert_eq!(reds, [0, 9, 9, 0, 0, 9, 9, 0]);
    }
}
