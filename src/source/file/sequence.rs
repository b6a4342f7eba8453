//! A folder of pictures, played in the order of their names at the budget's rate.
//!
//! Names are ordered as people count; hidden files are none of it. Read at its own pace, each picture has its own size;
//! played, all are fitted onto the first one's, so that the picture never stops for another size. A picture that cannot be
//! read is said once and left out.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::RgbImage;

use super::kind::Kind;
use super::still::{self, Decoded, Wanted};
use super::{clip_info, ffmpeg, kind_of, order};
use crate::frame::{FrameBytes, FramePool, FrameShape, PixelFormat};
use crate::picture::on_black;
use crate::source::{Clip, ClipInfo, Pacing, Picture, SourceError, SourceWish, Timeline};
use crate::units::{Extent, Rate};

pub(super) struct Sequence {
    info: ClipInfo,
    files: Vec<(PathBuf, Kind)>,
    next: usize,
    wanted: Wanted,
    /// Where all pictures are to have one size.
    onto: Option<Extent>,
    /// The picture at `next`, if it is decoded already.
    ahead: Option<Decoded>,
    /// Said of the picture that was just delivered.
    damage: Option<SourceError>,
    /// Files of which it was said that they are damaged.
    told: HashSet<usize>,
}

impl Sequence {
    pub(super) fn open(folder: &Path, wish: &SourceWish) -> Result<Self, SourceError> {
        let unopenable = |source| SourceError::Unopenable { path: folder.into(), source };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unopenable)? {
            let entry = entry.map_err(unopenable)?;
            if is_hidden(&entry.file_name()) {
                continue;
            }
            if let Ok(kind @ (Kind::Picture(_) | Kind::ForeignPicture(..))) = kind_of(&entry.path()) {
                files.push((entry.path(), kind));
            }
        }
        let name = |path: &Path| path.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default();
        files.sort_by(|(a, _), (b, _)| order::natural(&name(a), &name(b)));
        let wanted = Wanted::of(wish);
        let mut sequence = Self {
            info: clip_info(
                folder,
                String::new(),
                FrameShape::packed(PixelFormat::Rgb8, Extent::default()),
                Duration::ZERO,
            ),
            files,
            next: 0,
            wanted,
            onto: None,
            ahead: None,
            damage: None,
            told: HashSet::new(),
        };
        let first = sequence.first()?;
        let rate = Rate::near(wish.budget.0.max(Duration::from_millis(1)));
        let shape = FrameShape::packed(PixelFormat::Rgb8, first);
        let detail = format!("{}, {first}", crate::terminal::counted(sequence.files.len() as u64, "picture"));
        sequence.info = clip_info(folder, detail, shape, rate.interval());
        sequence.info.source.timeline = Some(Timeline::steady(rate, Some(sequence.files.len() as u64)));
        sequence.onto = (wish.pacing != Pacing::Offline).then_some(first);
        Ok(sequence)
    }

    /// Size of the first picture that can be read. Those before it are said to be left out when it comes to them.
    fn first(&mut self) -> Result<Extent, SourceError> {
        let mut last = None;
        for index in 0..self.files.len() {
            match self.decode(index) {
                Ok(decoded) => {
                    let extent = decoded.extent;
                    if index == 0 {
                        self.ahead = Some(decoded);
                    }
                    return Ok(extent);
                }
                Err(error) => last = Some(error),
            }
        }
        let folder = self.info.path.clone().unwrap_or_default();
        Err(match (last, self.files.len()) {
            (Some(error), 1) => error,
            (Some(_), n) => {
                SourceError::Unreadable { path: folder, what: format!("none of its {n} pictures can be read") }
            }
            (None, _) => SourceError::Empty { path: folder },
        })
    }

    fn decode(&self, index: usize) -> Result<Decoded, SourceError> {
        match &self.files[index] {
            (path, Kind::Picture(format)) => still::decode(path, *format, self.wanted),
            (path, _) => ffmpeg::decode(path, self.wanted),
        }
    }
}

/// Files that are none of a folder's pictures, whatever they hold: `._IMG_1.jpg` is a Mac's note on `IMG_1.jpg`.
fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name.eq_ignore_ascii_case("Thumbs.db")
}

impl Clip for Sequence {
    fn info(&self) -> &ClipInfo {
        &self.info
    }

    fn read(&mut self, pool: &FramePool) -> Result<Option<Picture>, SourceError> {
        if let Some(damage) = self.damage.take() {
            return Err(damage);
        }
        while self.next < self.files.len() {
            let index = self.next;
            let decoded = self.ahead.take().map_or_else(|| self.decode(index), Ok);
            self.next += 1;
            let path = || self.files[index].0.clone();
            let Decoded { mut extent, mut rgb, damage } = match decoded {
                Ok(decoded) => decoded,
                Err(error) if self.told.insert(index) => {
                    let what = match error {
                        SourceError::Unreadable { what, .. } | SourceError::Ffmpeg { said: what, .. } => what,
                        other => other.to_string(),
                    };
                    return Err(SourceError::LeftOut { path: path(), what });
                }
                Err(_) => continue,
            };
            if let Some(what) = damage.filter(|_| self.told.insert(index)) {
                self.damage = Some(SourceError::Incomplete { path: path(), what });
            }
            if let Some(onto) = self.onto.filter(|onto| *onto != extent) {
                let picture = RgbImage::from_raw(extent.width, extent.height, rgb).unwrap_or_default();
                (extent, rgb) = (onto, on_black(picture, onto).into_raw());
            }
            let bytes = if self.onto.is_some() {
                let mut bytes = pool.take(rgb.len());
                bytes.copy_from_slice(&rgb);
                bytes
            } else {
                // Each may have another size: nothing is gained by keeping buffers.
                FrameBytes::from(rgb)
            };
            let shape = FrameShape::packed(PixelFormat::Rgb8, extent);
            return Ok(Some(Picture { shape, bytes, shown_for: self.info.source.interval }));
        }
        Ok(None)
    }

    fn skip(&mut self) -> Result<Option<Duration>, SourceError> {
        if self.next >= self.files.len() {
            return Ok(None);
        }
        self.ahead = None;
        self.next += 1;
        Ok(Some(self.info.source.interval))
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        self.next = 0;
        self.ahead = None;
        Ok(())
    }
}
