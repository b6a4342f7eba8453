//! Pictures that are kept in memory, delivered from there.

use std::time::Duration;

use crate::frame::{FrameBytes, FramePool, FrameShape};
use crate::source::Picture;

/// RGB pictures of one size, with the time that each is shown.
pub(super) struct Stored {
    pub shape: FrameShape,
    pub pictures: Vec<(Vec<u8>, Duration)>,
}

impl Stored {
    /// A copy of picture `index` in a buffer of the pool.
    pub(super) fn deliver(&self, index: usize, pool: &FramePool) -> Option<Picture> {
        let (pixels, shown_for) = self.pictures.get(index)?;
        let mut bytes = pool.take(pixels.len());
        bytes.copy_from_slice(pixels);
        Some(Picture { shape: self.shape, bytes, shown_for: *shown_for })
    }

    /// Picture `index` itself; it is not kept.
    pub(super) fn hand_over(&mut self, index: usize) -> Option<Picture> {
        let (pixels, shown_for) = self.pictures.get_mut(index)?;
        let bytes = FrameBytes::from(std::mem::take(pixels));
        Some(Picture { shape: self.shape, bytes, shown_for: *shown_for })
    }

    pub(super) fn bytes(&self) -> usize {
        self.pictures.iter().map(|(pixels, _)| pixels.len()).sum()
    }
}
