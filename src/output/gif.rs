//! Animated GIF: 256 colours for each picture, looping.
//!
//! The format counts time in hundredths of a second. Each picture begins at the hundredth nearest to its own time, so that
//! rounding never adds up, and is shown for at least two: readers take less for a tenth of a second. Of clips with more than
//! fifty pictures a second some are therefore left out.

use std::time::Duration;

use gif::{Encoder, EncodingError, Frame, Repeat};
use image::RgbaImage;

use super::{AtomicFile, OutputError};
use crate::units::Extent;

/// How coarsely colours are sampled when a palette is made, 1 (all) to 30. 10 looks the same and takes a tenth.
const SPEED: i32 = 10;
/// The shortest time that a picture is shown, in hundredths of a second.
const SHORTEST: u64 = 2;
/// A picture may begin so much later than its time, in hundredths of a second, before it is left out.
const LATEST: u64 = 1;
/// The format counts sides in 16 bits.
const LIMIT: u32 = u16::MAX as u32;

pub struct GifWriter {
    encoder: Encoder<AtomicFile>,
    path: std::path::PathBuf,
    /// How long it is shown is known when the next one comes.
    pending: Option<Frame<'static>>,
    /// When that one begins, in hundredths of a second.
    begins: u64,
    /// When the next one is due.
    due: Duration,
    left_out: u64,
}

impl GifWriter {
    /// Pictures of `extent`.
    pub fn new(file: AtomicFile, extent: Extent) -> Result<Self, OutputError> {
        let path = file.destination().to_owned();
        let side = |n: u32| u16::try_from(n).map_err(|_| OutputError::TooLarge { extent, limit: LIMIT });
        let (width, height) = (side(extent.width)?, side(extent.height)?);
        let begin = || {
            let mut encoder = Encoder::new(file, width, height, &[])?;
            encoder.set_repeat(Repeat::Infinite)?;
            Ok(encoder)
        };
        let encoder = begin().map_err(|e| failed(&path, e))?;
        Ok(Self { encoder, path, pending: None, begins: 0, due: Duration::ZERO, left_out: 0 })
    }

    /// Adds a picture that [`quantised`] made.
    pub fn write(&mut self, frame: Frame<'static>, shown_for: Duration) -> Result<(), OutputError> {
        let due = hundredths(self.due);
        self.due += shown_for;
        if self.pending.is_none() {
            self.pending = Some(frame);
            return Ok(());
        }
        let begins = due.max(self.begins + SHORTEST);
        if begins > due + LATEST {
            self.left_out += 1;
            return Ok(());
        }
        self.flush(begins)?;
        self.pending = Some(frame);
        Ok(())
    }

    /// Writes the picture that waits, shown until `end`.
    fn flush(&mut self, end: u64) -> Result<(), OutputError> {
        let Some(mut frame) = self.pending.take() else { return Ok(()) };
        let mut left = end.saturating_sub(self.begins);
        self.begins = end;
        while left > 0 {
            // A delay has 16 bits; the same picture again goes on from there.
            frame.delay = u16::try_from(left).unwrap_or(u16::MAX - SHORTEST as u16);
            left -= u64::from(frame.delay);
            self.encoder.write_lzw_pre_encoded_frame(&frame).map_err(|e| failed(&self.path, e))?;
        }
        Ok(())
    }

    /// Completes the file. Returns how many pictures were left out.
    pub fn finish(mut self) -> Result<u64, OutputError> {
        let end = hundredths(self.due).max(self.begins + SHORTEST);
        self.flush(end)?;
        self.encoder.into_inner().map_err(|e| failed(&self.path, e))?.commit()?;
        Ok(self.left_out)
    }
}

fn hundredths(time: Duration) -> u64 {
    // A clip of 2^64 hundredths does not fit on any disk.
    ((time.as_nanos() + 5_000_000) / 10_000_000) as u64
}

/// The picture in the 256 colours that suit it best, compressed. `None` when it is larger than the format allows.
pub fn quantised(picture: RgbaImage) -> Option<Frame<'static>> {
    let (width, height) = (u16::try_from(picture.width()).ok()?, u16::try_from(picture.height()).ok()?);
    let mut frame = Frame::from_rgba_speed(width, height, &mut picture.into_raw(), SPEED);
    frame.make_lzw_pre_encoded();
    Some(frame)
}

fn failed(path: &std::path::Path, error: EncodingError) -> OutputError {
    match error {
        EncodingError::Io(source) => OutputError::write(path, source),
        other => OutputError::encode(path, other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The delays that are written for pictures shown for so many microseconds each.
    fn delays(shown_us: &[u64]) -> Vec<u16> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let mut writer = GifWriter::new(AtomicFile::new(&path).unwrap(), Extent::new(2, 1)).unwrap();
        for (i, us) in shown_us.iter().enumerate() {
            let picture = RgbaImage::from_pixel(2, 1, image::Rgba([i as u8, 0, 0, 255]));
            writer.write(quantised(picture).unwrap(), Duration::from_micros(*us)).unwrap();
        }
        let left_out = writer.finish().unwrap();
        let mut decoder = gif::DecodeOptions::new().read_info(std::fs::File::open(&path).unwrap()).unwrap();
        let mut delays = Vec::new();
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            delays.push(frame.delay);
        }
        let expected = shown_us.len() as u64 - left_out;
        assert!(delays.len() as u64 >= expected, "{} pictures, {left_out} left out", delays.len());
        delays
    }

    #[test]
    fn rates_are_kept_on_the_whole() {
        for fps in [10, 12, 15, 24, 25, 30, 50] {
            let written = delays(&vec![1_000_000 / fps; 2 * fps as usize]);
            assert_eq!(written.len(), 2 * fps as usize);
            let total: u64 = written.iter().map(|d| u64::from(*d)).sum();
            assert!(total.abs_diff(200) <= 1, "{fps} pictures a second for 2 s are {total}");
            assert!(written.iter().all(|d| u64::from(*d).abs_diff(100 / fps) <= 1), "{written:?}");
        }
        assert_eq!(delays(&[33_333, 33_333, 33_334]), [3, 4, 3]);
    }

    /// At most fifty pictures a second can be shown: of sixty, ten are left out, and the speed stays.
    #[test]
    fn too_many_pictures_are_thinned_out() {
        let written = delays(&[16_667; 120]);
        assert_eq!(written.iter().map(|d| u64::from(*d)).sum::<u64>(), 200);
        assert!((99..=101).contains(&written.len()), "{} pictures", written.len());
    }

    #[test]
    fn a_long_pause_is_kept() {
        let written = delays(&[700_000_000, 40_000]);
        assert_eq!(written.iter().map(|d| u64::from(*d)).sum::<u64>(), 70_004);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn the_total_is_right_within_one_delay(shown_us in prop::collection::vec(0u64..300_000, 1..60)) {
            let total: u64 = delays(&shown_us).iter().map(|d| u64::from(*d)).sum();
            let wanted = shown_us.iter().sum::<u64>() / 10_000;
            prop_assert!(total.abs_diff(wanted) <= SHORTEST + LATEST, "{total} hundredths where {wanted} belong");
        }
    }
}
