//! A folder of pictures, played in the order of their names at the budget's rate.

use std::path::{Path, PathBuf};
use std::time::Duration;

use image::ImageFormat;

use super::{Kind, clip_info, read_up_to, still};
use crate::frame::{FramePool, FrameShape, PixelFormat};
use crate::source::{Clip, ClipInfo, Picture, SourceError, SourceWish};
use crate::units::Extent;

pub(super) struct Sequence {
    info: ClipInfo,
    files: Vec<(PathBuf, ImageFormat)>,
    next: usize,
    max: Option<Extent>,
}

impl Sequence {
    pub(super) fn open(folder: &Path, wish: &SourceWish) -> Result<Self, SourceError> {
        let unopenable = |source| SourceError::Unopenable { path: folder.into(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unopenable)? {
            let path = entry.map_err(unopenable)?.path();
            if let Some(Kind::Picture(format)) = kind_of(&path) {
                files.push((path, format));
            }
        }
        files.sort_by(|(a, _), (b, _)| a.cmp(b));
        let Some((first, format)) = files.first() else { return Err(SourceError::Empty { path: folder.into() }) };
        let (extent, _) = still::decode(first, *format, wish.max_extent)?;
        let interval = wish.budget.0.max(Duration::from_millis(1));
        let shape = FrameShape::packed(PixelFormat::Rgba8, extent);
        let detail = format!("{} pictures, {extent}", files.len());
        Ok(Self { info: clip_info(folder, detail, shape, interval), files, next: 0, max: wish.max_extent })
    }
}

fn kind_of(path: &Path) -> Option<Kind> {
    let mut file = std::fs::File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut start = [0; 16];
    let len = read_up_to(&mut file, &mut start).ok()?;
    Some(Kind::of(&start[..len]))
}

impl Clip for Sequence {
    fn info(&self) -> &ClipInfo {
        &self.info
    }

    fn read(&mut self, pool: &FramePool) -> Result<Option<Picture>, SourceError> {
        let Some((path, format)) = self.files.get(self.next) else { return Ok(None) };
        let (extent, pixels) = still::decode(path, *format, self.max)?;
        let shape = self.info.source.shape;
        if extent != shape.extent {
            let what = format!("it is {extent} in a sequence of {}", shape.extent);
            return Err(SourceError::Corrupt { path: path.clone(), frame: self.next as u64, what });
        }
        self.next += 1;
        let mut bytes = pool.take(pixels.len());
        bytes.copy_from_slice(&pixels);
        Ok(Some(Picture { shape, bytes, shown_for: self.info.source.interval }))
    }

    fn skip(&mut self) -> Result<Option<Duration>, SourceError> {
        if self.next >= self.files.len() {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(self.info.source.interval))
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        self.next = 0;
        Ok(())
    }
}
