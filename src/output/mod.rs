//! Painted pictures to files: stills, GIF, Y4M, MP4, numbered sequences, contact sheets; and to other programs: a stream, a
//! virtual camera.
//!
//! Everything is written beside its destination and moved there when it is complete, so a file that exists is whole: a
//! full disk or a stopped program leaves what was there before. Knows pixels and files; nothing of GPUs or effects.

mod arrange;
mod atomic;
mod format;
mod gif;
mod mp4;
mod serve;
mod sheet;
mod still;
pub mod virtual_camera;
mod writer;
mod y4m;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::units::Extent;
pub use arrange::{beside, strip};
pub use atomic::{AtomicFile, check_writable, remove_unfinished};
pub use format::{Format, StillFormat};
pub use mp4::{Mp4Error, Recording, RecordingState, Replay, ReplayState, Shot};
pub use serve::{ServeError, Stream};
pub use sheet::{SHEET_GAP, Tile, at_height, compose, framed};
pub use still::{Folders, JPEG_QUALITY, Stills, save_new};
pub use virtual_camera::{VirtualCamera, VirtualCameraError, VirtualCameraState};
pub use writer::{Encoded, Encoder, Finished, Options, Writer};

/// Why a picture could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error(
        "'{path}' does not name a format that can be written; end it in .png, .jpg, .gif, .mp4, .y4m, or in a number pattern such as out_%04d.png"
    )]
    Format { path: PathBuf },
    #[error(
        "'{path}' can hold one picture and there are more; write a clip (.gif, .mp4, .y4m) or a sequence such as out_%04d.png"
    )]
    OnePicture { path: PathBuf },
    #[error("'{path}' holds two number patterns; keep the one that counts the pictures")]
    TwoNumbers { path: PathBuf },
    #[error("{path} could not be written; {}", remedy(source))]
    Write { path: PathBuf, source: io::Error },
    #[error("{path} could not be encoded; choose another format")]
    Encode { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error(
        "a picture of {extent} does not fit in this format, whose limit is {limit} pixels a side; choose another one"
    )]
    TooLarge { extent: Extent, limit: u32 },
    #[error("{path} could not be written; {source}")]
    Mp4 { path: PathBuf, source: Mp4Error },
    #[error("there was no picture to write")]
    Nothing,
}

fn remedy(error: &io::Error) -> &'static str {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => "make room on the disk, or choose another one",
        Kind::PermissionDenied => "choose a file and a folder that you may write to",
        Kind::ReadOnlyFilesystem => "choose a folder that you may write to",
        Kind::NotFound | Kind::NotADirectory => "make the folder first, or choose another one",
        Kind::IsADirectory => "it is a folder: name a file in it",
        Kind::InvalidFilename => "choose a shorter name",
        Kind::FileTooLarge => "choose a format that takes less room, or another disk",
        _ => "choose another place, or look at the disk",
    }
}

impl OutputError {
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }

    fn encode(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Encode { path: path.to_owned(), source: Box::new(source) }
    }

    /// Encoders wrap the disk's errors in their own: unwrap them, so that a full disk is called a full disk.
    fn encode_image(path: &Path, error: image::ImageError) -> Self {
        match error {
            image::ImageError::IoError(source) => Self::write(path, source),
            source => Self::encode(path, source),
        }
    }

    /// Whether what was written to went away, as `head` does when it has seen enough: nothing that anybody need be told.
    pub fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
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
