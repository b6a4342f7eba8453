//! Files as sources: stills, animated pictures, folders of pictures, Y4M, and whatever ffmpeg reads.
//!
//! What a file is, its first bytes say, never its name. Every reader here gets hostile input: sizes are checked before memory is
//! asked for, and whatever is wrong ends in an error that names the file and the numbers. Each reader is a [`Clip`]; the
//! clock is [`Paced`]'s business.

mod animation;
mod ffmpeg;
mod kind;
mod order;
mod planar;
mod profile;
mod sequence;
mod still;
mod stored;
mod webp;
mod y4m;

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::time::Duration;

use super::{Clip, ClipInfo, Paced, Source, SourceError, SourceInfo, SourceKind, SourceWish};
use crate::frame::FrameShape;
use crate::units::{CaptureClock, Extent};
use kind::{Kind, START_BYTES, raw_photo};

/// Neither side of a picture may be longer: what a JPEG can hold.
const MAX_SIDE: u32 = 65535;
/// No picture may have more pixels: 256 million are 768 MiB as RGB.
const MAX_PIXELS: u64 = 256 << 20;

/// What a file holds, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// A picture whose colours are approximate: JPEG.
    Photo,
    Picture,
    /// GIF, and PNG and WebP with more than one picture.
    Animation,
    Clip,
    /// A folder of pictures.
    Folder,
}

/// Looks into a file, without decoding it. What cannot be read counts as a picture: opening it will say why.
pub fn holds(path: &Path) -> Holds {
    if path.is_dir() {
        return Holds::Folder;
    }
    match kind_of(path) {
        Ok(Kind::Picture(image::ImageFormat::Jpeg)) => Holds::Photo,
        Ok(Kind::Picture(format)) if animation::is_animated(path, format) => Holds::Animation,
        Ok(Kind::Y4m | Kind::Other) => Holds::Clip,
        Ok(Kind::Picture(_) | Kind::ForeignPicture(..) | Kind::NoPicture(..) | Kind::Nothing) | Err(_) => {
            Holds::Picture
        }
    }
}

/// Opens a file, or a folder of pictures. A pipe is read as Y4M.
///
/// # Errors
/// When it is not there, not readable, of no known kind, damaged at its start, or too large.
pub(super) fn open(path: &Path, wish: &SourceWish) -> Result<Box<dyn Source>, SourceError> {
    let unopenable = |source: io::Error| SourceError::Unopenable { path: path.into(), source };
    let kind = std::fs::metadata(path).map_err(unopenable)?.file_type();
    if kind.is_dir() {
        return Ok(paced(sequence::Sequence::open(path, wish)?, wish));
    }
    if is_pipe(kind) {
        return open_pipe(path, File::open(path).map_err(unopenable)?, wish);
    }
    if !kind.is_file() {
        return Err(SourceError::Unreadable { path: path.into(), what: "it is neither a file nor a folder".into() });
    }
    match kind_of(path).map_err(unopenable)? {
        Kind::Nothing => Err(SourceError::Empty { path: path.into() }),
        Kind::Y4m => match y4m::Y4m::open(path)? {
            y4m::Opened::Clip(clip) => Ok(paced(clip, wish)),
            y4m::Opened::Foreign(_) if ffmpeg::installed() => through_ffmpeg(path, wish),
            y4m::Opened::Foreign(what) => Err(SourceError::Unreadable { path: path.into(), what }),
        },
        Kind::Picture(format) => match animation::Animation::open(path, format, wish.ground)? {
            Some(clip) => Ok(paced(clip, wish)),
            None => Ok(paced(still::Still::open(path, format, wish)?, wish)),
        },
        Kind::ForeignPicture(what, remedy) => through_ffmpeg(path, wish).map_err(|error| match error {
            // It is known what it is: that says more than that ffmpeg does not know it.
            SourceError::Ffmpeg { said, .. } => SourceError::Foreign {
                path: path.into(),
                what: format!("{what} (ffmpeg says: {said})"),
                remedy: remedy.into(),
            },
            other => other,
        }),
        Kind::NoPicture(what, remedy) => {
            Err(SourceError::Foreign { path: path.into(), what: what.into(), remedy: remedy.into() })
        }
        Kind::Other => through_ffmpeg(path, wish),
    }
}

/// Y4M on standard input.
///
/// # Errors
/// When something else comes, or nothing.
pub(super) fn open_stdin(wish: &SourceWish) -> Result<Box<dyn Source>, SourceError> {
    open_pipe(Path::new("standard input"), io::stdin(), wish)
}

fn open_pipe(
    name: &Path,
    mut pipe: impl Read + Send + 'static,
    wish: &SourceWish,
) -> Result<Box<dyn Source>, SourceError> {
    let mut start = [0; START_BYTES];
    let len =
        read_up_to(&mut pipe, &mut start).map_err(|source| SourceError::Unopenable { path: name.into(), source })?;
    match Kind::of(&start[..len]) {
        Kind::Nothing => Err(SourceError::Empty { path: name.into() }),
        Kind::Y4m => {
            let input = Cursor::new(start[..len].to_vec()).chain(pipe);
            // What was read once is gone.
            let wish = SourceWish { looping: false, ..wish.clone() };
            Ok(paced(y4m::Y4m::stream(name, Box::new(BufReader::with_capacity(1 << 16, input)))?, &wish))
        }
        _ => Err(SourceError::Foreign {
            path: name.into(),
            what: "something else than Y4M".into(),
            remedy: "Write it to a file and name that, or convert it on the way: ffmpeg -i IN -f yuv4mpegpipe - | impasto render - OUT".into(),
        }),
    }
}

fn is_pipe(kind: std::fs::FileType) -> bool {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileTypeExt::is_fifo(&kind)
    }
    #[cfg(not(unix))]
    {
        let _ = kind;
        false
    }
}

fn through_ffmpeg(path: &Path, wish: &SourceWish) -> Result<Box<dyn Source>, SourceError> {
    Ok(match ffmpeg::open(path, wish)? {
        ffmpeg::Opened::Still(still) => paced(still, wish),
        ffmpeg::Opened::Clip(clip) => paced(clip, wish),
    })
}

fn paced(clip: impl Clip + 'static, wish: &SourceWish) -> Box<dyn Source> {
    Box::new(Paced::new(clip, wish))
}

/// What a file is, by its first bytes. What is no regular file is nothing.
fn kind_of(path: &Path) -> io::Result<Kind> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(Kind::Nothing);
    }
    let mut start = [0; START_BYTES];
    let len = read_up_to(&mut file, &mut start)?;
    Ok(match (Kind::of(&start[..len]), raw_photo(path)) {
        (Kind::Picture(image::ImageFormat::Tiff), Some((what, remedy))) => Kind::NoPicture(what, remedy),
        (kind, _) => kind,
    })
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
        let (most_side, most_pixels) = (MAX_SIDE, MAX_PIXELS);
        return Err(SourceError::TooLarge { path: path.into(), extent, most_side, most_pixels });
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
    let source = SourceInfo {
        kind: SourceKind::File,
        name,
        detail,
        shape,
        interval,
        clock: CaptureClock::Schedule,
        camera: None,
        timeline: None,
    };
    ClipInfo { source, path: Some(path.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
