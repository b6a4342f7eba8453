//! Pictures in order, into one file or many.
//!
//! The work has two halves: [`Encoder::encode`] is the expensive one, and may be done for several pictures side by side;
//! [`Writer::append`] takes its results in order.

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::Duration;

use image::{DynamicImage, RgbaImage};

use super::mp4::{Effort, Mp4, Mp4Error};
use super::y4m::{Out, Y4mWriter, to_yuv420};
use super::{AtomicFile, Format, OutputError, gif, still};
use crate::frame::YuvRange;
use crate::units::{Extent, Rate};

/// What is known of the pictures before the first one comes.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The size of the first one; of all of them where the format has one size for all.
    pub extent: Extent,
    /// Where they come at one rate.
    pub rate: Option<Rate>,
    /// Time from one to the next, about.
    pub interval: Duration,
    /// Range of the samples where the format is YUV.
    pub range: YuvRange,
    /// JPEG quality, 1 to 100.
    pub quality: u8,
}

impl Options {
    /// For pictures of `extent` that stand alone.
    pub fn still(extent: Extent) -> Self {
        let interval = Duration::from_millis(100);
        Self { extent, rate: None, interval, range: YuvRange::Limited, quality: still::JPEG_QUALITY }
    }
}

/// Takes pictures in order and makes files of them.
pub struct Writer {
    encoder: Encoder,
    sink: Sink,
    written: u64,
}

enum Sink {
    /// The picture waits for [`Writer::finish`].
    Still(Option<AtomicFile>),
    Sequence,
    Gif(gif::GifWriter),
    Y4m(Y4mWriter),
    Mp4 {
        clip: Mp4<AtomicFile>,
        at: Duration,
    },
}

/// What became of a [`Writer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    pub pictures: u64,
    /// Of those, the ones that came too fast for the format and are not shown.
    pub left_out: u64,
    /// The one rate that was written for pictures with times of their own.
    pub mean_rate: Option<Rate>,
}

impl Writer {
    /// Opens the file that `path` names, or rather its neighbour: the destination is untouched until [`Self::finish`]. The
    /// files of a sequence appear one by one, each complete.
    ///
    /// # Errors
    /// When the format is none or too small for the pictures, or the destination cannot be written to.
    pub fn new(path: &Path, options: &Options) -> Result<Self, OutputError> {
        let format = Format::of(path)?;
        let Options { extent, rate, interval, range, quality } = *options;
        let sink = match &format {
            Format::Still(still) => {
                still::check(extent, *still)?;
                super::check_writable(path)?;
                Sink::Still(None)
            }
            Format::Sequence(still, _) => {
                still::check(extent, *still)?;
                super::check_writable(&format.first_path(path))?;
                Sink::Sequence
            }
            Format::Gif => Sink::Gif(gif::GifWriter::new(AtomicFile::new(path)?, extent)?),
            Format::Mp4 => {
                let clip = Mp4::begin(AtomicFile::new(path)?, extent, Effort::Thorough).map_err(|e| failed(path, e))?;
                Sink::Mp4 { clip, at: Duration::ZERO }
            }
            Format::Y4m => Sink::Y4m(Y4mWriter::new(Out::File(AtomicFile::new(path)?), extent, range, rate, interval)),
        };
        let encoder = Encoder { path: path.to_owned(), format, extent, range, quality };
        Ok(Self { encoder, sink, written: 0 })
    }

    /// Y4M to stdout.
    pub fn stdout(options: &Options) -> Self {
        let Options { extent, rate, interval, range, quality } = *options;
        let out = Out::Stdout(BufWriter::new(std::io::stdout()));
        let encoder = Encoder { path: "-".into(), format: Format::Y4m, extent, range, quality };
        Self { encoder, sink: Sink::Y4m(Y4mWriter::new(out, extent, range, rate, interval)), written: 0 }
    }

    /// For the expensive half of the work, on any thread.
    pub fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// The next picture, to be shown for `shown_for` where the format can say so.
    ///
    /// # Errors
    /// When it cannot be written, or there is no room for another in the format.
    pub fn append(&mut self, encoded: Encoded, shown_for: Duration) -> Result<(), OutputError> {
        match (&mut self.sink, encoded.0) {
            (Sink::Still(None), Inner::File(file)) => self.sink = Sink::Still(Some(file)),
            (Sink::Still(_), _) => return Err(OutputError::OnePicture { path: self.encoder.path.clone() }),
            (Sink::Sequence, Inner::File(file)) => file.commit()?,
            (Sink::Gif(gif), Inner::Gif(frame)) => gif.write(*frame, shown_for)?,
            (Sink::Y4m(y4m), Inner::Planes(planes)) => y4m.write(&planes, shown_for)?,
            (Sink::Mp4 { clip, at }, Inner::Rgba(picture)) => {
                clip.push(picture.as_raw(), *at).map_err(|e| failed(&self.encoder.path, e))?;
                *at += shown_for;
            }
            // Only a picture that another writer's encoder made comes here.
            _ => return Err(OutputError::Format { path: self.encoder.path.clone() }),
        }
        self.written += 1;
        Ok(())
    }

    /// [`Encoder::encode`] and [`Self::append`] in one.
    ///
    /// # Errors
    /// As those two.
    pub fn write(&mut self, picture: impl Into<DynamicImage>, shown_for: Duration) -> Result<(), OutputError> {
        let encoded = self.encoder.encode(self.written, picture.into())?;
        self.append(encoded, shown_for)
    }

    /// Completes the file and puts it in its place.
    ///
    /// # Errors
    /// When the rest cannot be written, or there was no picture.
    pub fn finish(self) -> Result<Finished, OutputError> {
        if self.written == 0 {
            return Err(OutputError::Nothing);
        }
        let mut finished = Finished { pictures: self.written, left_out: 0, mean_rate: None };
        match self.sink {
            Sink::Still(Some(file)) => file.commit()?,
            Sink::Still(None) | Sink::Sequence => {}
            Sink::Gif(gif) => finished.left_out = gif.finish()?,
            Sink::Mp4 { clip, at } => clip.finish(at).map_err(|e| failed(&self.encoder.path, e))?.commit()?,
            Sink::Y4m(y4m) => finished.mean_rate = y4m.finish()?,
        }
        Ok(finished)
    }
}

/// Makes what a [`Writer`] takes.
#[derive(Clone, Debug)]
pub struct Encoder {
    path: PathBuf,
    format: Format,
    extent: Extent,
    range: YuvRange,
    quality: u8,
}

/// A picture in its format.
pub struct Encoded(Inner);

enum Inner {
    File(AtomicFile),
    Gif(Box<::gif::Frame<'static>>),
    Planes(Vec<u8>),
    Rgba(RgbaImage),
}

fn failed(path: &Path, error: Mp4Error) -> OutputError {
    match error {
        Mp4Error::Write(source) => OutputError::write(path, source),
        source => OutputError::Mp4 { path: path.to_owned(), source },
    }
}

impl Encoder {
    /// Picture `index`, counted from 0. Where all must have one size, another one is fitted into that, with black beside it.
    ///
    /// # Errors
    /// When it is too large for the format, or its file cannot be written.
    pub fn encode(&self, index: u64, picture: DynamicImage) -> Result<Encoded, OutputError> {
        Ok(Encoded(match &self.format {
            Format::Still(still) => Inner::File(still::encode(&self.path, &picture.into_rgb8(), *still, self.quality)?),
            Format::Sequence(still, numbered) => {
                let path = self.path.with_file_name(numbered.name(index + 1));
                Inner::File(still::encode(&path, &picture.into_rgb8(), *still, self.quality)?)
            }
            Format::Gif => {
                let limit = u32::from(u16::MAX);
                let frame = gif::quantised(self.of_one_size(picture));
                Inner::Gif(Box::new(frame.ok_or(OutputError::TooLarge { extent: self.extent, limit })?))
            }
            Format::Mp4 => Inner::Rgba(self.of_one_size(picture)),
            Format::Y4m => Inner::Planes(to_yuv420(&self.of_one_size(picture), self.range)),
        }))
    }

    fn of_one_size(&self, picture: DynamicImage) -> RgbaImage {
        let Extent { width, height } = self.extent;
        let picture = picture.into_rgba8();
        if picture.dimensions() == (width, height) {
            return picture;
        }
        let rgb = DynamicImage::from(picture).into_rgb8();
        DynamicImage::from(crate::picture::on_black(rgb, self.extent)).into_rgba8()
    }
}

#[cfg(test)]
mod tests {
    use image::Rgba;

    use super::*;

    fn picture(width: u32, height: u32, value: u8) -> RgbaImage {
        RgbaImage::from_pixel(width, height, Rgba([value, 0, 0, 255]))
    }

    #[test]
    fn a_still_with_a_second_picture_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let mut writer = Writer::new(&path, &Options::still(Extent::new(2, 2))).unwrap();
        writer.write(picture(2, 2, 1), Duration::ZERO).unwrap();
        assert!(!path.exists());
        assert!(matches!(writer.write(picture(2, 2, 2), Duration::ZERO), Err(OutputError::OnePicture { .. })));
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_sequence_takes_all_sizes_and_a_clip_fits_them_in() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options::still(Extent::new(4, 2));
        let pattern = folder.path().join("%02d.png");
        let clip = folder.path().join("a.gif");
        for path in [&pattern, &clip] {
            let mut writer = Writer::new(path, &options).unwrap();
            writer.write(picture(4, 2, 255), Duration::from_millis(40)).unwrap();
            writer.write(picture(2, 2, 255), Duration::from_millis(40)).unwrap();
            assert_eq!(writer.finish().unwrap().pictures, 2);
        }
        assert_eq!(image::image_dimensions(folder.path().join("02.png")).unwrap(), (2, 2));
        let mut gif = ::gif::DecodeOptions::new();
        gif.set_color_output(::gif::ColorOutput::RGBA);
        let mut gif = gif.read_info(std::fs::File::open(&clip).unwrap()).unwrap();
        gif.read_next_frame().unwrap();
        let second = gif.read_next_frame().unwrap().unwrap();
        let red: Vec<u8> = second.buffer.chunks(4).map(|p| p[0]).collect();
        assert_eq!(red, [0, 255, 255, 0, 0, 255, 255, 0]);
    }
}
