//! Files as sources: stills, animated pictures, Y4M, and whatever ffmpeg reads.

use std::path::Path;

use super::{Source, SourceError, SourceWish};

pub(super) fn open(path: &Path, _wish: &SourceWish) -> Result<Box<dyn Source>, SourceError> {
    Err(SourceError::Unreadable { path: path.into(), what: "files are not read yet".into() })
}
