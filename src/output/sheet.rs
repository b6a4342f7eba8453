//! A contact sheet: pictures side by side in rows of one height, each with a line of words under it.
//!
//! Knows pixels, not where they come from nor how words are drawn.

use image::imageops::{self, FilterType};
use image::{Rgba, RgbaImage};

use crate::picture::contained;
use crate::units::Extent;

/// Space around and between pictures, in pixels.
pub const SHEET_GAP: u32 = 10;
const GAP: u32 = SHEET_GAP;
/// Between a picture and its words.
const UNDER: u32 = 4;
const PAPER: Rgba<u8> = Rgba([24, 25, 29, 255]);
/// Longest side of a sheet: what a JPEG can hold.
const MAX_SIDE: u32 = 65_000;

/// A picture and the words under it. The words are a mask: 255 where there is ink.
pub struct Tile {
    pub picture: RgbaImage,
    pub words: image::GrayImage,
}

/// Where each tile lies: left and top in pixels; and the sheet's own size.
struct Layout {
    places: Vec<(u32, u32)>,
    width: u32,
    height: u32,
}

/// All tiles on one sheet, in order, in rows no wider than `max_width` unless one tile alone is wider. `title` stands
/// above them. Every picture is brought to `height` pixels, keeping its shape.
pub fn compose(title: &image::GrayImage, tiles: &[Tile], height: u32, max_width: u32) -> RgbaImage {
    let height = height.max(1);
    let pictures: Vec<RgbaImage> = tiles.iter().map(|tile| at_height(&tile.picture, height)).collect();
    let words = tiles.iter().map(|tile| tile.words.height()).max().unwrap_or(0);
    let widths: Vec<u32> = pictures.iter().map(RgbaImage::width).collect();
    let head = if title.height() == 0 { GAP } else { 2 * GAP + title.height() };
    let layout = arrange(&widths, height + UNDER + words, head, max_width);
    let mut sheet = RgbaImage::from_pixel(layout.width.max(title.width() + 2 * GAP), layout.height, PAPER);
    ink(&mut sheet, title, GAP, GAP, u32::MAX);
    for ((picture, tile), (x, y)) in pictures.iter().zip(tiles).zip(layout.places) {
        imageops::replace(&mut sheet, picture, i64::from(x), i64::from(y));
        ink(&mut sheet, &tile.words, x, y + height + UNDER, picture.width());
    }
    sheet
}

/// The same picture so many pixels high, keeping its shape.
pub fn at_height(picture: &RgbaImage, height: u32) -> RgbaImage {
    if picture.height() == height || picture.height() == 0 {
        return picture.clone();
    }
    let width = (f64::from(picture.width()) * f64::from(height) / f64::from(picture.height())).round() as u32;
    // Areas that are averaged: small pictures of fine texture would glitter otherwise.
    let filter = if height < picture.height() { FilterType::Triangle } else { FilterType::CatmullRom };
    imageops::resize(picture, width.clamp(1, MAX_SIDE), height, filter)
}

fn arrange(widths: &[u32], row: u32, head: u32, max_width: u32) -> Layout {
    let max_width = max_width.min(MAX_SIDE);
    let (mut x, mut y, mut widest) = (GAP, head, 0);
    let mut places = Vec::with_capacity(widths.len());
    for &width in widths {
        if x > GAP && x + width + GAP > max_width {
            (x, y) = (GAP, y + row + GAP);
        }
        places.push((x, y));
        x += width + GAP;
        widest = widest.max(x);
    }
    let height = if widths.is_empty() { head } else { y + row + GAP };
    Layout { places, width: widest.clamp(2 * GAP, MAX_SIDE), height: height.min(MAX_SIDE) }
}

/// Draws words in light grey, cut at `width` pixels and at the sheet's edges.
fn ink(sheet: &mut RgbaImage, words: &image::GrayImage, left: u32, top: u32, width: u32) {
    for (x, y, mask) in words.enumerate_pixels().filter(|(x, ..)| *x < width) {
        if let Some(pixel) = sheet.get_pixel_mut_checked(left + x, top + y) {
            let share = u16::from(mask.0[0]);
            for channel in &mut pixel.0[..3] {
                *channel = ((u16::from(*channel) * (255 - share) + 226 * share) / 255) as u8;
            }
        }
    }
}

/// `picture` as a camera of `width` by `height` pixels would have it: all of it, as large as it fits, its borders reflected
/// where it does not reach. Returns the frame, and where the picture itself lies in it: left, top, width, height.
pub fn framed(picture: &RgbaImage, width: u32, height: u32) -> (RgbaImage, [u32; 4]) {
    let (inner, left, top) = contained(picture, Extent::new(width, height));
    let (w, h) = inner.dimensions();
    let frame = RgbaImage::from_fn(width, height, |x, y| {
        *inner.get_pixel(reflected(i64::from(x) - i64::from(left), w), reflected(i64::from(y) - i64::from(top), h))
    });
    (frame, [left, top, w, h])
}

/// The index that a mirror at each end of `0..length` shows at `at`.
fn reflected(at: i64, length: u32) -> u32 {
    let length = i64::from(length);
    let at = at.rem_euclid(2 * length);
    // Within 0..length by construction.
    (if at < length { at } else { 2 * length - 1 - at }) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_fill_from_the_left_and_break_where_they_must() {
        let layout = arrange(&[100, 100, 300, 50], 40, 20, 250);
        assert_eq!(layout.places, [(10, 20), (120, 20), (10, 70), (10, 120)]);
        assert_eq!((layout.width, layout.height), (320, 170));
        let empty = arrange(&[], 40, 20, 250);
        assert!(empty.places.is_empty() && empty.width > 0 && empty.height > 0);
    }

    #[test]
    fn a_sheet_holds_its_pictures_and_its_words() {
        let tile = |value: u8| Tile {
            picture: RgbaImage::from_pixel(32, 16, Rgba([value, 0, 0, 255])),
            words: image::GrayImage::from_pixel(200, 6, image::Luma([255])),
        };
        let sheet = compose(&image::GrayImage::new(0, 0), &[tile(10), tile(200)], 16, 1000);
        assert_eq!((sheet.width(), sheet.height()), (10 + 32 + 10 + 32 + 10, 10 + 16 + 4 + 6 + 10));
        assert_eq!(sheet.get_pixel(10, 10).0, [10, 0, 0, 255]);
        assert_eq!(sheet.get_pixel(52, 25).0, [200, 0, 0, 255]);
        // Words end with their picture.
        assert_eq!(sheet.get_pixel(10 + 31, 30).0[0], 226);
        assert_eq!(*sheet.get_pixel(10 + 32, 30), PAPER);
    }

    proptest! {
        #[test]
        fn a_frame_shows_all_of_a_picture(w in 1u32..60, h in 1u32..60, width in 1u32..80, height in 1u32..80) {
            let picture = RgbaImage::from_fn(w, h, |x, y| Rgba([x as u8, y as u8, 7, 255]));
            let (frame, [left, top, pw, ph]) = framed(&picture, width, height);
            prop_assert_eq!((frame.width(), frame.height()), (width, height));
            prop_assert!(left + pw <= width && top + ph <= height && (pw == width || ph == height));
            prop_assert!(frame.pixels().all(|p| p.0[2] == 7 && p.0[3] == 255));
        }

        #[test]
        fn reflections_stay_inside_and_touch_the_border(at in -500i64..500, length in 1u32..40) {
            prop_assert!(reflected(at, length) < length);
            prop_assert_eq!(reflected(-1, length), 0);
            prop_assert_eq!(reflected(i64::from(length), length), length - 1);
        }
    }
}
