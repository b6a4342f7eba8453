//! Animated pictures: GIF, and PNG and WebP where they are animated, with their own delays.
//!
//! A thread decodes ahead, two pictures at most. The first pass keeps what it decoded, and further passes play from memory;
//! animations too large to keep are decoded anew in each pass.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::{AnimationDecoder, Frames, ImageDecoder, ImageError, ImageFormat, RgbaImage};

use super::still::name_of;
use super::stored::Stored;
use super::{check_size, clip_info, profile, webp};
use crate::frame::{FramePool, FrameShape, PixelFormat};
use crate::picture::laid_on;
use crate::source::{Clip, ClipInfo, Picture, SourceError, Timeline};
use crate::terminal::counted;
use crate::units::Extent;

/// Decoded pictures of at most this many bytes are kept.
const KEEP_BYTES: usize = 256 << 20;

/// Delays up to this are taken to mean "unspecified", as browsers do, and become [`UNSPECIFIED_DELAY`].
const SHORTEST_DELAY: Duration = Duration::from_millis(10);
const UNSPECIFIED_DELAY: Duration = Duration::from_millis(100);

pub(super) struct Animation {
    path: PathBuf,
    format: ImageFormat,
    ground: [u8; 3],
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
    Begin(Option<(Extent, Timeline)>),
    /// Opaque RGB.
    Picture(Vec<u8>, Duration),
    Failed(SourceError),
    End,
}

impl Animation {
    /// `None` when the file holds a still.
    pub(super) fn open(path: &Path, format: ImageFormat, ground: [u8; 3]) -> Result<Option<Self>, SourceError> {
        if !matches!(format, ImageFormat::Gif | ImageFormat::Png | ImageFormat::WebP) {
            return Ok(None);
        }
        let decoder = decode_aside(path, format, ground)?;
        let (extent, timeline) = match decoder.recv() {
            Ok(Message::Begin(Some(begin))) => begin,
            Ok(Message::Begin(None)) => return Ok(None),
            Ok(Message::Failed(error)) => return Err(error),
            Ok(Message::Picture(..) | Message::End) | Err(_) => return Err(crashed(path)),
        };
        let shape = FrameShape::packed(PixelFormat::Rgb8, extent);
        let mut animation = Self {
            path: path.into(),
            format,
            ground,
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
        animation.info.source.timeline = Some(timeline);
        Ok(Some(animation))
    }

    /// Takes the next picture from the decoder, keeps it or leaves it in `current`, and returns how long it is shown.
    fn decode(&mut self) -> Result<Option<Duration>, SourceError> {
        let Some(decoder) = &self.decoder else { return Ok(None) };
        let (pixels, delay) = match decoder.recv() {
            Ok(Message::Picture(pixels, delay)) => (pixels, delay),
            Ok(Message::Failed(error)) => {
                // What there is goes on from memory.
                if self.keeping {
                    self.decoder = None;
                }
                return Err(error);
            }
            Ok(Message::End) => {
                if self.keeping {
                    self.decoder = None;
                }
                return Ok(None);
            }
            // The end was told already.
            Err(_) if self.position > 0 => return Ok(None),
            Ok(Message::Begin(_)) | Err(_) => return Err(crashed(&self.path)),
        };
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
fn decode_aside(path: &Path, format: ImageFormat, ground: [u8; 3]) -> Result<mpsc::Receiver<Message>, SourceError> {
    let (sender, receiver) = mpsc::sync_channel(2);
    let owned = path.to_path_buf();
    std::thread::Builder::new()
        .name("decoder".into())
        .spawn(move || {
            // An error in sending means that nobody listens any more.
            let _ = decode_all(&owned, format, ground, &sender);
        })
        .map_err(|source| SourceError::Unopenable { path: path.into(), source })?;
    Ok(receiver)
}

fn decode_all(
    path: &Path,
    format: ImageFormat,
    ground: [u8; 3],
    sender: &mpsc::SyncSender<Message>,
) -> Result<(), mpsc::SendError<Message>> {
    let Started { extent, icc, timeline, mut pictures } = match start(path, format) {
        Ok(Some(started)) => started,
        Ok(None) => return sender.send(Message::Begin(None)),
        Err(error) => return sender.send(Message::Failed(error)),
    };
    sender.send(Message::Begin(Some((extent, timeline))))?;
    let mut count = 0u64;
    loop {
        let path = path.to_path_buf();
        let damaged = |what: String| {
            Message::Failed(match count {
                0 => SourceError::Corrupt { path, frame: 0, what },
                n => SourceError::CutShort { path, what: format!("after {}, {what}", counted(n, "picture")) },
            })
        };
        let (picture, delay) = match pictures.next() {
            Ok(Some(next)) => next,
            Ok(None) => return sender.send(Message::End),
            Err(what) => return sender.send(damaged(what)),
        };
        let have = Extent::new(picture.width(), picture.height());
        if have != extent {
            return sender.send(damaged(format!("one is {have} in an animation of {extent}")));
        }
        let delay = if delay <= SHORTEST_DELAY { UNSPECIFIED_DELAY } else { delay };
        let picture = match &icc {
            Some(icc) => profile::to_srgb(picture.into(), icc).0.into_rgba8(),
            None => picture,
        };
        sender.send(Message::Picture(laid_on(ground, &picture), delay))?;
        count += 1;
    }
}

/// An animation at its first picture.
struct Started {
    extent: Extent,
    icc: Option<Vec<u8>>,
    timeline: Timeline,
    pictures: Pictures,
}

/// Whole pictures with alpha, and how long the file says that each is shown.
enum Pictures {
    Decoded(Frames<'static>),
    WebP(Box<webp::Animated>),
}

impl Pictures {
    fn next(&mut self) -> Result<Option<(RgbaImage, Duration)>, String> {
        match self {
            Self::Decoded(frames) => frames.next().transpose().map_err(|e| super::still::said(&e)).map(|frame| {
                frame.map(|frame| {
                    let (numerator, denominator) = frame.delay().numer_denom_ms();
                    let nanos = u64::from(numerator) * 1_000_000 / u64::from(denominator.max(1));
                    (frame.into_buffer(), Duration::from_nanos(nanos))
                })
            }),
            Self::WebP(animated) => animated.next(),
        }
    }
}

/// A decoder at the first picture, or `None` when the file is not animated.
fn start(path: &Path, format: ImageFormat) -> Result<Option<Started>, SourceError> {
    let unreadable =
        |error: ImageError| SourceError::Unreadable { path: path.into(), what: super::still::said(&error) };
    let unopenable = |source| SourceError::Unopenable { path: path.into(), source };
    let sized = |extent: Extent| {
        check_size(path, extent)?;
        if extent.is_empty() { Err(SourceError::Empty { path: path.into() }) } else { Ok(extent) }
    };
    let extent_of = |(width, height)| Extent::new(width, height);
    let mut file = BufReader::new(File::open(path).map_err(unopenable)?);
    Ok(match format {
        ImageFormat::Gif => {
            let decoder = GifDecoder::new(file).map_err(unreadable)?;
            let extent = sized(extent_of(decoder.dimensions()))?;
            let pictures = Pictures::Decoded(decoder.into_frames());
            Some(Started { extent, icc: None, timeline: Timeline::default(), pictures })
        }
        ImageFormat::WebP => {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(unopenable)?;
            let Some(mut animated) = webp::Animated::parse(bytes) else { return Ok(None) };
            let extent = sized(animated.canvas)?;
            let times = animated.times();
            let timeline = Timeline { rate: None, pictures: Some(times.len() as u64), length: Some(times.sum()) };
            let icc = animated.icc.take();
            Some(Started { extent, icc, timeline, pictures: Pictures::WebP(Box::new(animated)) })
        }
        ImageFormat::Png => {
            let mut decoder = PngDecoder::new(file).map_err(unreadable)?;
            if !decoder.is_apng().map_err(unreadable)? {
                return Ok(None);
            }
            let extent = sized(extent_of(decoder.dimensions()))?;
            let icc = decoder.icc_profile().ok().flatten().filter(|_| !is_gray(decoder.color_type()));
            let pictures = Pictures::Decoded(decoder.apng().map_err(unreadable)?.into_frames());
            Some(Started { extent, icc, timeline: Timeline::default(), pictures })
        }
        _ => None,
    })
}

/// Whether a file of that format holds more than a still.
pub(super) fn is_animated(path: &Path, format: ImageFormat) -> bool {
    match format {
        ImageFormat::Gif => true,
        ImageFormat::Png => File::open(path).is_ok_and(|file| {
            PngDecoder::new(BufReader::new(file)).is_ok_and(|decoder| decoder.is_apng().unwrap_or(false))
        }),
        ImageFormat::WebP => File::open(path).is_ok_and(|file| {
            let mut start = Vec::new();
            let read = file.take(webp::START_BYTES).read_to_end(&mut start);
            read.is_ok() && webp::is_animated(&start)
        }),
        _ => false,
    }
}

/// A profile for grey is of no use once the decoder has made RGBA of it.
fn is_gray(color: image::ColorType) -> bool {
    !color.has_color()
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
            let decoder = decode_aside(&self.path, self.format, self.ground)?;
            let extent = self.kept.shape.extent;
            if !matches!(decoder.recv(), Ok(Message::Begin(Some((same, _)))) if same == extent) {
                let what = "it has changed while it was played".into();
                return Err(SourceError::Unreadable { path: self.path.clone(), what });
            }
            self.decoder = Some(decoder);
        }
        Ok(())
    }
}
