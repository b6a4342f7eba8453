//! Animated GIF: 256 colours for each picture, looping.

use std::cell::RefCell;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, RgbaImage};

use super::{AtomicFile, OutputError};
use crate::units::Extent;

/// How coarsely colours are sampled when a palette is made, 1 (all) to 30. 10 looks the same and takes a tenth.
const SPEED: i32 = 10;

/// The format counts sides in 16 bits.
const LIMIT: u32 = u16::MAX as u32;

pub struct GifWriter {
    encoder: GifEncoder<Shared>,
    file: Shared,
    path: PathBuf,
    begun: bool,
}

/// The encoder keeps its file until it is dropped, and writes the end of the stream then.
#[derive(Clone)]
struct Shared(Rc<RefCell<AtomicFile>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

impl GifWriter {
    pub fn new(file: AtomicFile) -> Self {
        let path = file.destination().to_owned();
        let file = Shared(Rc::new(RefCell::new(file)));
        Self { encoder: GifEncoder::new_with_speed(file.clone(), SPEED), file, path, begun: false }
    }

    pub fn write(&mut self, picture: &RgbaImage, delay: Duration) -> Result<(), OutputError> {
        if picture.width() > LIMIT || picture.height() > LIMIT {
            let extent = Extent::new(picture.width(), picture.height());
            return Err(OutputError::TooLarge { extent, limit: LIMIT });
        }
        let failed = |e| OutputError::encode(&self.path, e);
        // Readers take a delay of less than two hundredths for a tenth of a second.
        let delay = Delay::from_saturating_duration(delay.max(Duration::from_millis(20)));
        if !self.begun {
            self.encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
            self.begun = true;
        }
        self.encoder.encode_frame(Frame::from_parts(picture.clone(), 0, 0, delay)).map_err(failed)
    }

    pub fn finish(self) -> Result<(), OutputError> {
        drop(self.encoder);
        match Rc::into_inner(self.file.0) {
            Some(file) => file.into_inner().commit(),
            // The encoder held the only other handle.
            None => Ok(()),
        }
    }
}
