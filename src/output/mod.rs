//! Painted pictures to files: stills, GIF, Y4M, numbered sequences, contact sheets.
//!
//! Everything is written beside its destination and moved there when it is complete, so a file that exists is whole: a
//! full disk or a stopped program leaves what was there before. Knows pixels and files; nothing of GPUs or effects.

mod atomic;
mod folders;
mod gif;
mod sheet;
mod still;
mod y4m;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::RgbaImage;

use crate::units::Extent;
pub use atomic::AtomicFile;
pub use folders::{FOLDER_VARIABLE, config_folder, local_folder};
pub use sheet::{SHEET_GAP, Tile, at_height, compose, framed};
pub use still::save_new;

/// Why a picture could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error(
        "'{path}' does not name a format that can be written; end it in .png, .jpg, .gif, .y4m, or in a number pattern such as out_%04d.png"
    )]
    Format { path: PathBuf },
    #[error(
        "'{path}' can hold one picture and there are more; write a clip (.gif, .y4m) or a sequence such as out_%04d.png"
    )]
    OnePicture { path: PathBuf },
    #[error("{path} could not be written; {}", remedy(source))]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{path} could not be encoded; choose another format")]
    Encode { path: PathBuf, source: image::ImageError },
    #[error("picture {index} is {extent}, those before it are {first}; all pictures of one file must have one size")]
    Size { index: u64, extent: Extent, first: Extent },
    #[error(
        "a picture of {extent} does not fit in this format, whose limit is {limit} pixels a side; choose another one"
    )]
    TooLarge { extent: Extent, limit: u32 },
    #[error("there was no picture to write")]
    Nothing,
}

fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "make room on the disk, or choose another one"
        }
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            "choose a folder that you may write to"
        }
        std::io::ErrorKind::NotFound => "make the folder first, or choose another one",
        _ => "choose another place, or look at the disk",
    }
}

impl OutputError {
    pub(crate) fn write(path: &Path, source: std::io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }

    /// Encoders wrap the disk's errors in their own: unwrap them, so that a full disk is called a full disk.
    fn encode(path: &Path, error: image::ImageError) -> Self {
        match error {
            image::ImageError::IoError(source) => Self::write(path, source),
            source => Self::Encode { path: path.to_owned(), source },
        }
    }
}

/// Writes `bytes` to `path`, whole or not at all.
///
/// # Errors
/// When they cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let mut file = AtomicFile::new(path)?;
    file.write_all(bytes).map_err(|e| OutputError::write(path, e))?;
    file.commit()
}

/// Where a row of pictures goes, by the name of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One PNG or JPEG.
    Still,
    Gif,
    Y4m,
    /// One PNG or JPEG for each picture; the name is made of these parts around the number, padded to so many digits.
    Sequence {
        before: String,
        digits: usize,
        after: String,
    },
}

impl Format {
    /// Reads the format off a file's name.
    ///
    /// # Errors
    /// When the name ends in nothing that can be written.
    pub fn of(path: &Path) -> Result<Self, OutputError> {
        let wrong = || OutputError::Format { path: path.to_owned() };
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase).ok_or_else(wrong)?;
        match extension.as_str() {
            "gif" => Ok(Self::Gif),
            "y4m" => Ok(Self::Y4m),
            "png" | "jpg" | "jpeg" => {
                let name = path.file_name().and_then(|n| n.to_str()).ok_or_else(wrong)?;
                let Some((before, rest)) = name.split_once('%') else { return Ok(Self::Still) };
                let (number, after) = rest.split_once('d').ok_or_else(wrong)?;
                let digits = if number.is_empty() { 1 } else { number.parse().map_err(|_| wrong())? };
                if digits > 18 || after.contains('%') {
                    return Err(wrong());
                }
                Ok(Self::Sequence { before: before.to_owned(), digits, after: after.to_owned() })
            }
            _ => Err(wrong()),
        }
    }
}

/// Takes pictures in order and makes files of them.
pub struct Writer {
    path: PathBuf,
    sink: Sink,
    first: Option<Extent>,
    written: u64,
}

enum Sink {
    Still,
    Sequence { before: String, digits: usize, after: String },
    Gif(gif::GifWriter),
    Y4m(y4m::Y4mWriter),
}

impl Writer {
    /// Opens the file that `path` names, or rather its neighbour: the destination is untouched until [`Self::finish`].
    /// `interval` is the time between pictures of a clip that has one rate.
    ///
    /// # Errors
    /// When the format is none, or the folder cannot be written to.
    pub fn new(path: &Path, interval: Duration) -> Result<Self, OutputError> {
        let sink = match Format::of(path)? {
            Format::Still => Sink::Still,
            Format::Sequence { before, digits, after } => Sink::Sequence { before, digits, after },
            Format::Gif => Sink::Gif(gif::GifWriter::new(AtomicFile::new(path)?)),
            Format::Y4m => Sink::Y4m(y4m::Y4mWriter::new(AtomicFile::new(path)?, interval)),
        };
        Ok(Self { path: path.to_owned(), sink, first: None, written: 0 })
    }

    /// The next picture, to be shown for `delay` where the format can say so.
    ///
    /// # Errors
    /// When it cannot be written, or there is no room for another in the format.
    pub fn write(&mut self, picture: &RgbaImage, delay: Duration) -> Result<(), OutputError> {
        let extent = Extent::new(picture.width(), picture.height());
        let first = *self.first.get_or_insert(extent);
        let index = self.written;
        let one_size = !matches!(self.sink, Sink::Sequence { .. });
        if one_size && extent != first {
            return Err(OutputError::Size { index, extent, first });
        }
        match &mut self.sink {
            Sink::Still if index > 0 => return Err(OutputError::OnePicture { path: self.path.clone() }),
            Sink::Still => still::save(&self.path, picture)?,
            Sink::Sequence { before, digits, after } => {
                let name = format!("{before}{:0digits$}{after}", index + 1);
                still::save(&self.path.with_file_name(name), picture)?;
            }
            Sink::Gif(gif) => gif.write(picture, delay)?,
            Sink::Y4m(y4m) => y4m.write(picture)?,
        }
        self.written += 1;
        Ok(())
    }

    /// Completes the file and puts it in its place. Returns the number of pictures in it.
    ///
    /// # Errors
    /// When the rest cannot be written, or there was no picture.
    pub fn finish(self) -> Result<u64, OutputError> {
        if self.written == 0 {
            return Err(OutputError::Nothing);
        }
        match self.sink {
            Sink::Still | Sink::Sequence { .. } => {}
            Sink::Gif(gif) => gif.finish()?,
            Sink::Y4m(y4m) => y4m.finish()?,
        }
        Ok(self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_by_name() {
        let of = |name: &str| Format::of(Path::new(name)).ok();
        assert_eq!(of("a.PNG"), Some(Format::Still));
        assert_eq!(of("dir.d/a.jpeg"), Some(Format::Still));
        assert_eq!(of("a.gif"), Some(Format::Gif));
        assert_eq!(of("a.y4m"), Some(Format::Y4m));
        let sequence = |before: &str, digits, after: &str| {
            Some(Format::Sequence { before: before.into(), digits, after: after.into() })
        };
        assert_eq!(of("out_%04d.png"), sequence("out_", 4, ".png"));
        assert_eq!(of("%d.jpg"), sequence("", 1, ".jpg"));
        for wrong in ["a", "a.mp4", "a.", "%s.png", "%99999999999999999999d.png", "%d%d.png", "50%.png"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
