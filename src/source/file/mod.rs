//! Files as sources: stills, animated pictures, folders of pictures, Y4M, and whatever ffmpeg reads.
//!
//! What a file is, its first bytes say, never its name. Every reader here gets hostile input: sizes are checked before memory is
//! asked for, and whatever is wrong ends in an error that names the file and the numbers. Each reader is a [`Clip`]; the
//! clock is [`Paced`]'s business.

mod animation;
mod ffmpeg;
mod planar;
mod sequence;
mod still;
mod stored;
mod y4m;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use super::{Clip, ClipInfo, Paced, Source, SourceError, SourceInfo, SourceKind, SourceWish};
use crate::frame::FrameShape;
use crate::units::{CaptureClock, Extent};

/// Neither side of a picture may be longer.
const MAX_SIDE: u32 = 16384;
/// No picture may have more pixels: 64 million are 256 MiB as RGBA.
const MAX_PIXELS: u64 = 64 << 20;

/// Opens a file, or a folder of pictures.
///
/// # Errors
/// When it is not there, not readable, of no known kind, damaged at its start, or too large.
pub(super) fn open(path: &Path, wish: &SourceWish) -> Result<Box<dyn Source>, SourceError> {
    let unopenable = |source: io::Error| SourceError::Unopenable { path: path.into(), source };
    let kind = std::fs::metadata(path).map_err(unopenable)?.file_type();
    if kind.is_dir() {
        return Ok(paced(sequence::Sequence::open(path, wish)?, wish));
    }
    if !kind.is_file() {
        return Err(SourceError::Unreadable { path: path.into(), what: "it is neither a file nor a folder".into() });
    }
    let mut start = [0; 16];
    let mut file = File::open(path).map_err(unopenable)?;
    let len = read_up_to(&mut file, &mut start).map_err(unopenable)?;
    match Kind::of(&start[..len]) {
        Kind::Nothing => Err(SourceError::Empty { path: path.into() }),
        Kind::Y4m => match y4m::Y4m::open(path)? {
            y4m::Opened::Clip(clip) => Ok(paced(*clip, wish)),
            y4m::Opened::Foreign(_) if ffmpeg::installed() => Ok(paced(ffmpeg::Ffmpeg::open(path, wish)?, wish)),
            y4m::Opened::Foreign(what) => Err(SourceError::Unreadable { path: path.into(), what }),
        },
        Kind::Picture(format) => match animation::Animation::open(path, format)? {
            Some(clip) => Ok(paced(clip, wish)),
            None => Ok(paced(still::open(path, format, wish)?, wish)),
        },
        Kind::Other => Ok(paced(ffmpeg::Ffmpeg::open(path, wish)?, wish)),
    }
}

fn paced(clip: impl Clip + 'static, wish: &SourceWish) -> Box<dyn Source> {
    Box::new(Paced::new(clip, wish))
}

/// What a file's first bytes make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Nothing,
    Picture(image::ImageFormat),
    Y4m,
    Other,
}

impl Kind {
    fn of(start: &[u8]) -> Self {
        match start {
            [] => Self::Nothing,
            [0x89, b'P', b'N', b'G', ..] => Self::Picture(image::ImageFormat::Png),
            [0xff, 0xd8, 0xff, ..] => Self::Picture(image::ImageFormat::Jpeg),
            [b'G', b'I', b'F', b'8', ..] => Self::Picture(image::ImageFormat::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Self::Picture(image::ImageFormat::WebP),
            _ if start.starts_with(b"YUV4MPEG2") => Self::Y4m,
            _ => Self::Other,
        }
    }
}

/// Fills `buffer` as far as the input reaches, and returns how far that was.
fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn check_size(path: &Path, extent: Extent) -> Result<(), SourceError> {
    if extent.width > MAX_SIDE || extent.height > MAX_SIDE || extent.pixels() > MAX_PIXELS {
        return Err(SourceError::TooLarge { path: path.into(), extent, limit: Extent::new(8192, 8192) });
    }
    Ok(())
}

/// The same aspect with at most as many pixels as `max`. Never larger than `extent`, never empty.
fn fitted(extent: Extent, max: Option<Extent>) -> Extent {
    let Some(max) = max.filter(|max| extent.pixels() > max.pixels() && !max.is_empty()) else { return extent };
    let scale = (max.pixels() as f64 / extent.pixels() as f64).sqrt();
    let side = |n: u32| ((f64::from(n) * scale) as u32).max(1);
    Extent::new(side(extent.width), side(extent.height))
}

fn clip_info(path: &Path, detail: String, shape: FrameShape, interval: Duration) -> ClipInfo {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let source = SourceInfo { kind: SourceKind::File, name, detail, shape, interval, clock: CaptureClock::Schedule };
    ClipInfo { source, path: Some(path.into()) }
}

/// Lays transparent pixels onto white, the colour of paper, and makes all opaque.
fn flatten(rgba: &mut [u8]) {
    for pixel in rgba.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        if alpha != 255 {
            for channel in &mut pixel[..3] {
                *channel = ((u32::from(*channel) * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
            }
            pixel[3] = 255;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transparency_becomes_paper() {
        let mut pixels = [10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 255, 51];
        flatten(&mut pixels);
        assert_eq!(pixels, [10, 20, 30, 255, 255, 255, 255, 255, 204, 224, 255, 255]);
    }

    #[test]
    fn fitting_keeps_the_aspect_and_never_enlarges() {
        let max = Some(Extent::new(1280, 720));
        assert_eq!(fitted(Extent::new(640, 480), max), Extent::new(640, 480));
        assert_eq!(fitted(Extent::new(3840, 2160), max), Extent::new(1280, 720));
        assert_eq!(fitted(Extent::new(2160, 3840), max), Extent::new(720, 1280));
        assert_eq!(fitted(Extent::new(16384, 100), None), Extent::new(16384, 100));
        let thin = fitted(Extent::new(16384, 100), max);
        assert!(thin.pixels() <= 1280 * 720 && thin.height > 0);
    }
}
