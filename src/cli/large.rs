//! Pictures that are too large for a GPU: painted at a few million pixels, and brought to full size on the CPU along the
//! edges of the picture itself.
//!
//! What the chain does between the network's size and the picture's ([`crate::kernels::compose`]) is done once more between
//! the small painting and the large picture, row by row and in place: 100 million pixels take their own 300 MB and little more.

use image::{RgbImage, RgbaImage};

use crate::kernels::compose::{Detail, Steady, gain, luma_of};
use crate::pipeline::Look;
use crate::units::Extent;

/// Pictures of more pixels are painted small.
pub(super) const FROM_PIXELS: u64 = 16 << 20;
/// Pixels of the small one: more than any network paints, so that nothing of the painting is lost.
const SMALL_PIXELS: f64 = 4e6;
/// The line between before and after: the chain's own.
const LINE: [u8; 3] = [245, 245, 240];

/// The picture at a size that every GPU takes, the mean of what each pixel stands for. No side is longer than `most`.
pub(super) fn reduced(picture: &RgbImage, most: u32) -> RgbImage {
    let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
    let by_pixels = (SMALL_PIXELS / (width * height)).sqrt();
    let by_side = f64::from(most) / width.max(height);
    let scale = by_pixels.min(by_side).min(1.0);
    let side = |length: f64| (length * scale).round().max(1.0) as u32;
    image::imageops::thumbnail(picture, side(width), side(height))
}

/// Paints `picture` in place: `painted` is the painting of `small`, which is `picture` reduced.
pub(super) fn enlarge(picture: &mut RgbImage, small: &RgbImage, painted: &RgbaImage, look: &Look) {
    let details = Details::of(small, painted);
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let columns: Vec<Taps> = (0..width).map(|x| Taps::of(x, width, details.extent.width as usize)).collect();
    let line = look.split.map(|split| (split.clamp(0.0, 1.0) * width as f32).round() as usize);
    let paint_rows = |first: usize, rows: &mut [u8]| {
        let mut between = vec![Detail::default(); details.extent.width as usize];
        let mut row_painted = vec![0; width * 3];
        for (y, row) in rows.chunks_exact_mut(width * 3).enumerate() {
            details.between_rows(Taps::of(first + y, height, details.extent.height as usize), &mut between);
            for (x, (pixel, taps)) in row.chunks_exact(3).zip(&columns).enumerate() {
                let at = if look.mirror { width - 1 - x } else { x };
                let color = match line {
                    Some(line) if at.abs_diff(line) < 1 || at + 1 == line => LINE,
                    Some(line) if at < line => [pixel[0], pixel[1], pixel[2]],
                    _ => {
                        let camera = [pixel[0], pixel[1], pixel[2]].map(|c| f32::from(c) / 255.0);
                        let painted =
                            mixed(&between[taps.first], &between[taps.second], taps.share).painting_at(camera);
                        let shown = |i: usize| camera[i] + (painted[i] - camera[i]) * look.strength.clamp(0.0, 1.0);
                        std::array::from_fn(|i| (shown(i) * 255.0).round() as u8)
                    }
                };
                row_painted[at * 3..at * 3 + 3].copy_from_slice(&color);
            }
            row.copy_from_slice(&row_painted);
        }
    };
    let paint_rows = &paint_rows;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let rows_each = height.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (index, rows) in picture.chunks_mut(rows_each * width * 3).enumerate() {
            scope.spawn(move || paint_rows(index * rows_each, rows));
        }
    });
}

/// How the small painting is brought to full size, at each of its pixels.
struct Details {
    extent: Extent,
    details: Vec<Detail>,
}

impl Details {
    fn of(small: &RgbImage, painted: &RgbaImage) -> Self {
        let extent = Extent::new(small.width(), small.height());
        let share = |byte: u8| f32::from(byte) / 255.0;
        let steady: Vec<Steady> = small
            .pixels()
            .zip(painted.pixels())
            .map(|(guide, painting)| {
                let [r, g, b, _] = painting.0.map(share);
                [r, g, b, luma_of(guide.0.map(share))]
            })
            .collect();
        let mut details = vec![Detail::default(); steady.len()];
        gain(&steady, extent, &mut details);
        Self { extent, details }
    }

    fn between_rows(&self, taps: Taps, out: &mut [Detail]) {
        let width = self.extent.width as usize;
        let row = |y: usize| &self.details[y * width..][..width];
        for ((out, a), b) in out.iter_mut().zip(row(taps.first)).zip(row(taps.second)) {
            *out = mixed(a, b, taps.share);
        }
    }
}

/// The two samples beside a place, and the share of the second.
#[derive(Clone, Copy, Debug)]
struct Taps {
    first: usize,
    second: usize,
    share: f32,
}

impl Taps {
    /// Where sample `index` of `length` lies among `source` samples, from centre to centre.
    fn of(index: usize, length: usize, source: usize) -> Self {
        let place = (index as f64 + 0.5) * source as f64 / length as f64 - 0.5;
        let place = place.clamp(0.0, (source - 1) as f64);
        let first = place as usize;
        Self { first, second: (first + 1).min(source - 1), share: (place - first as f64) as f32 }
    }
}

fn mixed(a: &Detail, b: &Detail, share: f32) -> Detail {
    let mix = |a: f32, b: f32| a + (b - a) * share;
    Detail {
        painting: std::array::from_fn(|i| mix(a.painting[i], b.painting[i])),
        luma: mix(a.luma, b.luma),
        gain: std::array::from_fn(|i| mix(a.gain[i], b.gain[i])),
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, Rgba};

    use super::*;

    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let on = (x / 40 + y / 30) % 2 == 0;
            Rgb([if on { 200 } else { 60 }, (x * 255 / width) as u8, (y * 255 / height) as u8])
        })
    }

    /// The painting of the small picture: red and blue swapped, so that it follows the luma of neither.
    fn painting_of(small: &RgbImage) -> RgbaImage {
        RgbaImage::from_fn(small.width(), small.height(), |x, y| {
            let [r, g, b] = small.get_pixel(x, y).0;
            Rgba([b, g, r, 255])
        })
    }

    fn mean_error(a: &RgbImage, b: &RgbImage) -> f64 {
        a.iter().zip(b.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
    }

    #[test]
    fn a_painting_comes_to_full_size_along_the_edges() {
        let original = picture(600, 400);
        let small = image::imageops::thumbnail(&original, 150, 100);
        let mut painted = original.clone();
        enlarge(&mut painted, &small, &painting_of(&small), &Look::default());
        let wanted = RgbImage::from_fn(600, 400, |x, y| {
            let [r, g, b] = original.get_pixel(x, y).0;
            Rgb([b, g, r])
        });
        let enlarged = image::imageops::resize(&painting_of(&small), 600, 400, image::imageops::FilterType::Triangle);
        let plain = image::DynamicImage::from(enlarged).into_rgb8();
        let (along, without) = (mean_error(&painted, &wanted), mean_error(&plain, &wanted));
        assert!(along < 6.0 && along < without, "{along} with the edges, {without} without");
    }

    #[test]
    fn the_look_is_heeded() {
        let original = picture(120, 80);
        let small = image::imageops::thumbnail(&original, 60, 40);
        let render = |look: Look| {
            let mut painted = original.clone();
            enlarge(&mut painted, &small, &painting_of(&small), &look);
            painted
        };
        let whole = render(Look::default());
        assert_eq!(render(Look { strength: 0.0, ..Look::default() }), original);
        let mirrored = render(Look { mirror: true, ..Look::default() });
        assert_eq!(mirrored, image::imageops::flip_horizontal(&whole));
        let split = render(Look { split: Some(0.5), ..Look::default() });
        assert_eq!(split.get_pixel(30, 20), original.get_pixel(30, 20));
        assert_eq!(split.get_pixel(90, 20), whole.get_pixel(90, 20));
        assert_eq!(split.get_pixel(60, 20).0, LINE);
    }

    #[test]
    fn what_is_reduced_has_its_shape_and_no_long_side() {
        let size = |width, height, most| {
            let small = reduced(&RgbImage::new(width, height), most);
            (small.width(), small.height())
        };
        assert_eq!(size(8000, 2000, 8192), (4000, 1000));
        assert_eq!(size(20_000, 50, 8192), (8192, 20));
        assert_eq!(size(100, 60, 8192), (100, 60));
        assert_eq!(size(30_000, 1, 1024), (1024, 1));
    }
}
