//! Animated pictures: GIF, and PNG and WebP where they are animated, with their own delays.
//!
//! A thread decodes ahead, two pictures at most. The first pass keeps what it decoded, and further passes play from memory;
//! animations too large to keep are decoded anew in each pass.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, Frames, ImageDecoder, ImageError, ImageFormat};

use super::still::name_of;
use super::stored::Stored;
use super::{check_size, clip_info, flatten};
use crate::frame::{FramePool, FrameShape, PixelFormat};
use crate::source::{Clip, ClipInfo, Picture, SourceError};
use crate::units::Extent;

/// Decoded pictures of at most this many bytes are kept.
const KEEP_BYTES: usize = 256 << 20;

/// Delays up to this are taken to mean "unspecified", as browsers do, and become [`UNSPECIFIED_DELAY`].
const SHORTEST_DELAY: Duration = Duration::from_millis(10);
const UNSPECIFIED_DELAY: Duration = Duration::from_millis(100);

pub(super) struct Animation {
    path: PathBuf,
    format: ImageFormat,
    info: ClipInfo,
    kept: Stored,
    keeping: bool,
    /// `None` when all pictures are kept.
    decoder: Option<mpsc::Receiver<Message>>,
    /// Of the next picture.
    position: usize,
    /// Decoded by [`Clip::read`] or [`Clip::skip`] when it is not kept.
    current: Vec<u8>,
}

/// From the decoding thread.
enum Message {
    /// Comes first; `None` when the file is not animated, and then nothing follows.
    Extent(Option<Extent>),
    /// As decoded, with alpha.
    Picture(Vec<u8>, Duration),
    Failed(SourceError),
    End,
}

impl Animation {
    /// `None` when the file holds a still.
    pub(super) fn open(path: &Path, format: ImageFormat) -> Result<Option<Self>, SourceError> {
        if format == ImageFormat::Jpeg {
            return Ok(None);
        }
        let decoder = decode_aside(path, format)?;
        let extent = match decoder.recv() {
            Ok(Message::Extent(Some(extent))) => extent,
            Ok(Message::Extent(None)) => return Ok(None),
            Ok(Message::Failed(error)) => return Err(error),
            Ok(Message::Picture(..) | Message::End) | Err(_) => return Err(crashed(path)),
        };
        let shape = FrameShape::packed(PixelFormat::Rgba8, extent);
        let mut animation = Self {
            path: path.into(),
            format,
            info: clip_info(path, String::new(), shape, UNSPECIFIED_DELAY),
            kept: Stored { shape, pictures: Vec::new() },
            keeping: true,
            decoder: Some(decoder),
            position: 0,
            current: Vec::new(),
        };
        let Some(first) = animation.decode()? else { return Err(SourceError::Empty { path: path.into() }) };
        animation.position = 0;
        // Rates vary within an animation; the first delay stands for them all until somebody needs better.
        let detail = format!("{} {extent}, animated", name_of(format));
        animation.info = clip_info(path, detail, shape, first);
        Ok(Some(animation))
    }

    /// Takes the next picture from the decoder, keeps it or leaves it in `current`, and returns how long it is shown.
    fn decode(&mut self) -> Result<Option<Duration>, SourceError> {
        let Some(decoder) = &self.decoder else { return Ok(None) };
        let (mut pixels, delay) = match decoder.recv() {
            Ok(Message::Picture(pixels, delay)) => (pixels, delay),
            Ok(Message::Failed(error)) => return Err(error),
            Ok(Message::End) => {
                if self.keeping {
                    self.decoder = None;
                }
                return Ok(None);
            }
            Ok(Message::Extent(_)) | Err(_) => return Err(crashed(&self.path)),
        };
        flatten(&mut pixels);
        self.keeping &= self.kept.bytes() + pixels.len() <= KEEP_BYTES;
        if self.keeping {
            self.kept.pictures.push((pixels, delay));
        } else {
            self.current = pixels;
        }
        self.position += 1;
        Ok(Some(delay))
    }

    /// Makes sure that the next picture is decoded; returns how long it is shown.
    fn advance(&mut self) -> Result<Option<Duration>, SourceError> {
        if let Some((_, delay)) = self.kept.pictures.get(self.position) {
            self.position += 1;
            return Ok(Some(*delay));
        }
        self.decode()
    }
}

fn crashed(path: &Path) -> SourceError {
    SourceError::Unreadable { path: path.into(), what: "its decoder failed".into() }
}

/// Starts decoding from the first picture. The thread ends with the file, or when the receiver is dropped.
fn decode_aside(path: &Path, format: ImageFormat) -> Result<mpsc::Receiver<Message>, SourceError> {
    let (sender, receiver) = mpsc::sync_channel(2);
    let owned = path.to_path_buf();
    std::thread::Builder::new()
        .name("decoder".into())
        .spawn(move || {
            // An error in sending means that nobody listens any more.
            let _ = decode_all(&owned, format, &sender);
        })
        .map_err(|source| SourceError::Unopenable { path: path.into(), source })?;
    Ok(receiver)
}

fn decode_all(
    path: &Path,
    format: ImageFormat,
    sender: &mpsc::SyncSender<Message>,
) -> Result<(), mpsc::SendError<Message>> {
    let (extent, frames) = match start(path, format) {
        Ok(Some(started)) => started,
        Ok(None) => return sender.send(Message::Extent(None)),
        Err(error) => return sender.send(Message::Failed(error)),
    };
    sender.send(Message::Extent(Some(extent)))?;
    for (index, frame) in frames.enumerate() {
        let corrupt = |what: String| SourceError::Corrupt { path: path.into(), frame: index as u64, what };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return sender.send(Message::Failed(corrupt(error.to_string()))),
        };
        let (numerator, denominator) = frame.delay().numer_denom_ms();
        let delay = Duration::from_secs_f64(f64::from(numerator) / f64::from(denominator.max(1)) / 1e3);
        let delay = if delay <= SHORTEST_DELAY { UNSPECIFIED_DELAY } else { delay };
        let picture = frame.into_buffer();
        let have = Extent::new(picture.width(), picture.height());
        if have != extent {
            let what = format!("it is {have} in an animation of {extent}");
            return sender.send(Message::Failed(corrupt(what)));
        }
        sender.send(Message::Picture(picture.into_raw(), delay))?;
    }
    sender.send(Message::End)
}

/// A decoder at the first picture, or `None` when the file is not animated.
fn start(path: &Path, format: ImageFormat) -> Result<Option<(Extent, Frames<'static>)>, SourceError> {
    let unreadable = |error: ImageError| SourceError::Unreadable { path: path.into(), what: error.to_string() };
    let file = File::open(path).map_err(|source| SourceError::Unopenable { path: path.into(), source })?;
    let file = BufReader::new(file);
    let sized = |decoder: &dyn HasExtent| {
        let extent = decoder.extent();
        check_size(path, extent)?;
        if extent.is_empty() { Err(SourceError::Empty { path: path.into() }) } else { Ok(extent) }
    };
    Ok(match format {
        ImageFormat::Gif => {
            let decoder = GifDecoder::new(file).map_err(unreadable)?;
            Some((sized(&decoder)?, decoder.into_frames()))
        }
        ImageFormat::WebP => {
            let decoder = WebPDecoder::new(file).map_err(unreadable)?;
            match decoder.has_animation() {
                true => Some((sized(&decoder)?, decoder.into_frames())),
                false => None,
            }
        }
        ImageFormat::Png => {
            let decoder = PngDecoder::new(file).map_err(unreadable)?;
            match decoder.is_apng().map_err(unreadable)? {
                true => Some((sized(&decoder)?, decoder.apng().map_err(unreadable)?.into_frames())),
                false => None,
            }
        }
        _ => None,
    })
}

trait HasExtent {
    fn extent(&self) -> Extent;
}

impl<D: ImageDecoder> HasExtent for D {
    fn extent(&self) -> Extent {
        let (width, height) = self.dimensions();
        Extent::new(width, height)
    }
}

impl Clip for Animation {
    fn info(&self) -> &ClipInfo {
        &self.info
    }

    fn read(&mut self, pool: &FramePool) -> Result<Option<Picture>, SourceError> {
        let index = self.position;
        let Some(shown_for) = self.advance()? else { return Ok(None) };
        if let Some(picture) = self.kept.deliver(index, pool) {
            return Ok(Some(picture));
        }
        let mut bytes = pool.take(self.current.len());
        bytes.copy_from_slice(&self.current);
        Ok(Some(Picture { shape: self.kept.shape, bytes, shown_for }))
    }

    fn skip(&mut self) -> Result<Option<Duration>, SourceError> {
        self.advance()
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        self.position = 0;
        if self.decoder.is_some() {
            self.kept.pictures.clear();
            let decoder = decode_aside(&self.path, self.format)?;
            if !matches!(decoder.recv(), Ok(Message::Extent(Some(extent))) if extent == self.kept.shape.extent) {
                let what = "it has changed while it was played".into();
                return Err(SourceError::Unreadable { path: self.path.clone(), what });
            }
            self.decoder = Some(decoder);
        }
        Ok(())
    }
}
