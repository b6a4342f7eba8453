//! Animated WebP, put together as libwebp does: <https://developers.google.com/speed/webp/docs/riff_container>.
//!
//! Each picture of an animation is a WebP of its own, which the image crate decodes, and a rule for laying it over the one
//! before. The image crate's own rule is not used: it clears the wrong pixels of animations without transparency.
//!
//! ```text
//! RIFF size WEBP   VP8X flags.. canvas   [ICCP]   ANIM   ANMF ( x y w h duration flags   [ALPH] VP8 | VP8L ) ...
//! ```

use std::io::Cursor;
use std::ops::Range;
use std::time::Duration;

use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder as _, RgbaImage};

use crate::units::Extent;

/// A chunk's name and length.
const CHUNK_HEADER: usize = 8;
/// What stands before the chunks of one picture.
const ANMF_HEADER: usize = 16;

pub(super) struct Animated {
    bytes: Vec<u8>,
    pub canvas: Extent,
    pub icc: Option<Vec<u8>>,
    frames: Vec<FrameAt>,
    /// The file ends within a chunk.
    cut: bool,
    next: usize,
    picture: RgbaImage,
    /// What is cleared before the next picture: left, top, width, height.
    dispose: Option<[u32; 4]>,
}

/// A picture of the animation where it stands in the file.
#[derive(Clone, Debug)]
struct FrameAt {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
    shown_for: Duration,
    /// Laid over what is there, rather than replacing it.
    blended: bool,
    /// Its place is cleared before the next one.
    disposed: bool,
    chunks: Range<usize>,
}

/// So many bytes tell whether a file is animated.
pub(super) const START_BYTES: u64 = 30;

/// Whether a file that begins so is an animated one.
pub(super) fn is_animated(start: &[u8]) -> bool {
    const ANIMATION: u8 = 0b10;
    let Some((name, header)) = (Chunks { bytes: start, at: 12 }).next() else { return false };
    let header = &start[header];
    name == *b"VP8X" && header.len() >= 10 && header[0] & ANIMATION != 0
}

impl Animated {
    /// `None` when the file is not animated, or is no WebP that could be.
    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        if !is_animated(&bytes) {
            return None;
        }
        let mut chunks = Chunks { bytes: &bytes, at: 12 };
        let (_, header) = chunks.next()?;
        let header = &bytes[header];
        let canvas = Extent::new(u24(&header[4..]) + 1, u24(&header[7..]) + 1);
        let mut icc = None;
        let mut frames = Vec::new();
        for (name, chunk) in chunks {
            match &name {
                b"ICCP" => icc = Some(bytes[chunk].to_vec()),
                b"ANMF" if chunk.len() >= ANMF_HEADER => {
                    let head = &bytes[chunk.start..chunk.start + ANMF_HEADER];
                    frames.push(FrameAt {
                        left: u24(head) * 2,
                        top: u24(&head[3..]) * 2,
                        width: u24(&head[6..]) + 1,
                        height: u24(&head[9..]) + 1,
                        shown_for: Duration::from_millis(u64::from(u24(&head[12..]))),
                        blended: head[15] & 0b10 == 0,
                        disposed: head[15] & 0b01 != 0,
                        chunks: chunk.start + ANMF_HEADER..chunk.end,
                    });
                }
                _ => {}
            }
        }
        let claimed = bytes.get(4..8).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes);
        let cut = bytes.len() < claimed as usize + CHUNK_HEADER;
        Some(Self { canvas, icc, frames, cut, next: 0, picture: RgbaImage::new(0, 0), dispose: None, bytes })
    }

    /// How many pictures there are and how long they are shown, as far as the file goes.
    pub(super) fn times(&self) -> impl ExactSizeIterator<Item = Duration> + '_ {
        self.frames.iter().map(|frame| frame.shown_for)
    }

    /// The next picture, whole, with alpha. `None` at the end.
    ///
    /// # Errors
    /// When it is damaged, or the file ends before it.
    pub(super) fn next(&mut self) -> Result<Option<(RgbaImage, Duration)>, String> {
        let Some(frame) = self.frames.get(self.next).cloned() else {
            return if self.cut { Err("it ends before its last picture".to_owned()) } else { Ok(None) };
        };
        let part = self.decode(&frame)?;
        if self.next == 0 {
            self.picture = RgbaImage::new(self.canvas.width, self.canvas.height);
        }
        if let Some(place) = self.dispose.take() {
            for_each_inside(&mut self.picture, place, |pixel, _, _| *pixel = image::Rgba([0; 4]));
        }
        let place = [frame.left, frame.top, frame.width, frame.height];
        for_each_inside(&mut self.picture, place, |pixel, x, y| {
            let over = *part.get_pixel(x, y);
            *pixel = if frame.blended { laid_over(over, *pixel) } else { over };
        });
        self.dispose = frame.disposed.then_some(place);
        self.next += 1;
        Ok(Some((self.picture.clone(), frame.shown_for)))
    }

    /// The picture alone, of the size that the animation says.
    fn decode(&self, frame: &FrameAt) -> Result<RgbaImage, String> {
        let chunks = &self.bytes[frame.chunks.clone()];
        let alpha = chunks.starts_with(b"ALPH");
        let mut file = Vec::with_capacity(chunks.len() + 30);
        let extended = if alpha { 18 } else { 0 };
        file.extend(b"RIFF");
        file.extend(u32::try_from(chunks.len() + 4 + extended).map_err(|e| e.to_string())?.to_le_bytes());
        file.extend(b"WEBP");
        if alpha {
            // Alpha beside a lossy picture is only understood in an extended file.
            file.extend(b"VP8X\x0a\0\0\0\x10\0\0\0");
            file.extend(&(frame.width - 1).to_le_bytes()[..3]);
            file.extend(&(frame.height - 1).to_le_bytes()[..3]);
        }
        file.extend(chunks);
        let decoder = WebPDecoder::new(Cursor::new(file)).map_err(|e| e.to_string())?;
        let (width, height) = decoder.dimensions();
        // Before memory is taken for a size that only one of the two claims.
        if (width, height) != (frame.width, frame.height) || width > self.canvas.width || height > self.canvas.height {
            return Err(format!("a picture of it is {width}x{height} where {}x{} belongs", frame.width, frame.height));
        }
        Ok(DynamicImage::from_decoder(decoder).map_err(|e| e.to_string())?.into_rgba8())
    }
}

/// Each pixel of a place, as far as it lies inside the picture, with its coordinates within the place.
fn for_each_inside(
    picture: &mut RgbaImage,
    [left, top, width, height]: [u32; 4],
    mut visit: impl FnMut(&mut image::Rgba<u8>, u32, u32),
) {
    let right = left.saturating_add(width).min(picture.width());
    let bottom = top.saturating_add(height).min(picture.height());
    for y in top..bottom {
        for x in left..right {
            visit(picture.get_pixel_mut(x, y), x - left, y - top);
        }
    }
}

/// `over` on `under`, neither multiplied with its alpha beforehand.
fn laid_over(over: image::Rgba<u8>, under: image::Rgba<u8>) -> image::Rgba<u8> {
    let (a, b) = (u32::from(over.0[3]), u32::from(under.0[3]));
    if a == 255 || b == 0 {
        return over;
    }
    // In units of 1/255.
    let rest = b * (255 - a) / 255;
    let alpha = a + rest;
    if alpha == 0 {
        return image::Rgba([0; 4]);
    }
    let channel = |i: usize| {
        let sum = u32::from(over.0[i]) * a + u32::from(under.0[i]) * rest;
        // A weighted mean of two bytes is one.
        ((sum + alpha / 2) / alpha) as u8
    };
    image::Rgba([channel(0), channel(1), channel(2), alpha as u8])
}

fn u24(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])
}

/// The chunks of a file that lie in it whole: name and contents.
struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Iterator for Chunks<'_> {
    type Item = ([u8; 4], Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let header = self.bytes.get(self.at..self.at.checked_add(CHUNK_HEADER)?)?;
        let name = [header[0], header[1], header[2], header[3]];
        let len = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let start = self.at + CHUNK_HEADER;
        let end = start.checked_add(len).filter(|end| *end <= self.bytes.len())?;
        // Chunks begin at even places.
        self.at = end + len % 2;
        Some((name, start..end))
    }
}

#[cfg(test)]
mod tests {
    use image::Rgba;
    use proptest::prelude::*;

    use super::*;

    /// A lossless picture of one colour as the chunks of an animation's picture.
    fn chunks(width: u32, height: u32, color: [u8; 4]) -> Vec<u8> {
        let mut file = Vec::new();
        image::codecs::webp::WebPEncoder::new_lossless(&mut file)
            .encode(&RgbaImage::from_pixel(width, height, Rgba(color)), width, height, image::ExtendedColorType::Rgba8)
            .unwrap();
        file.split_off(12)
    }

    fn chunk(name: &[u8; 4], contents: &[u8]) -> Vec<u8> {
        let mut chunk = [&name[..], &(contents.len() as u32).to_le_bytes(), contents].concat();
        chunk.resize(chunk.len().next_multiple_of(2), 0);
        chunk
    }

    /// Pictures at places: left, top, width, height, colour, flags (1 clears afterwards, 2 replaces).
    fn animation(canvas: (u32, u32), frames: &[([u32; 4], [u8; 4], u8)]) -> Vec<u8> {
        let u24 = |n: u32| n.to_le_bytes()[..3].to_vec();
        let mut body = b"WEBP".to_vec();
        body.extend(chunk(b"VP8X", &[vec![0x12, 0, 0, 0], u24(canvas.0 - 1), u24(canvas.1 - 1)].concat()));
        body.extend(chunk(b"ANIM", &[0xff, 0xff, 0xff, 0xff, 0, 0]));
        for ([left, top, width, height], color, flags) in frames {
            let head = [u24(left / 2), u24(top / 2), u24(width - 1), u24(height - 1), u24(40), vec![*flags]].concat();
            body.extend(chunk(b"ANMF", &[head, chunks(*width, *height, *color)].concat()));
        }
        chunk(b"RIFF", &body)
    }

    fn play(bytes: Vec<u8>) -> Vec<RgbaImage> {
        let mut animated = Animated::parse(bytes).unwrap();
        std::iter::from_fn(|| animated.next().unwrap()).map(|(picture, _)| picture).collect()
    }

    const RED: [u8; 4] = [255, 0, 0, 255];
    const BLUE: [u8; 4] = [0, 0, 255, 255];
    const NONE: [u8; 4] = [0; 4];

    #[test]
    fn a_moving_square_leaves_no_trail() {
        let frames: Vec<_> = (0..4).map(|i| ([i * 4, 0, 4, 4], RED, 1)).collect();
        for (i, picture) in play(animation((16, 4), &frames)).iter().enumerate() {
            for (x, _, pixel) in picture.enumerate_pixels() {
                assert_eq!(pixel.0, if x as usize / 4 == i { RED } else { NONE }, "picture {i}, column {x}");
            }
        }
    }

    #[test]
    fn what_is_not_cleared_stays_and_alpha_blends() {
        let half = [0, 0, 255, 128];
        let pictures = play(animation(
            (6, 2),
            &[([0, 0, 6, 2], RED, 0), ([2, 0, 2, 2], half, 0), ([2, 0, 2, 2], half, 2), ([0, 0, 2, 2], BLUE, 1)],
        ));
        let row = |n: usize| (0..3).map(|i| pictures[n].get_pixel(i * 2, 0).0).collect::<Vec<_>>();
        assert_eq!(row(0), [RED, RED, RED]);
        assert_eq!(row(1), [RED, [127, 0, 128, 255], RED]);
        assert_eq!(row(2), [RED, half, RED]);
        assert_eq!(row(3), [BLUE, half, RED]);
    }

    #[test]
    fn the_end_is_where_the_file_ends() {
        let whole = animation((4, 4), &[([0, 0, 4, 4], RED, 0), ([0, 0, 4, 4], BLUE, 0), ([0, 0, 4, 4], RED, 0)]);
        let mut cut = Animated::parse(whole[..whole.len() - 3].to_vec()).unwrap();
        assert_eq!(cut.times().len(), 2);
        assert!(cut.next().unwrap().is_some() && cut.next().unwrap().is_some());
        assert!(cut.next().is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut: prop::sample::Index) {
            let mut bytes = animation((8, 6), &[([0, 0, 8, 6], RED, 1), ([2, 2, 4, 4], BLUE, 0)]);
            for (index, value) in hits {
                let at = index.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Some(mut animated) = Animated::parse(bytes)
                && animated.canvas.pixels() < 1 << 20
            {
                for _ in 0..3 {
                    let _ = animated.next();
                }
            }
        }
    }
}
