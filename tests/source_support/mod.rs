//! What the tests of file sources share: playing a file, pictures whose pixels are known, encoding them.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::{Delay, Frame, ImageFormat, Rgba, RgbaImage};
use impasto::frame::{CameraFrame, FramePool};
use impasto::kernels::ingest::ingest;
use impasto::source::{Pacing, Source, SourceError, SourceInfo, SourceSpec, SourceWish, open};

pub fn once() -> SourceWish {
    SourceWish { looping: false, pacing: Pacing::Offline, max_extent: None, ..SourceWish::default() }
}

pub fn open_file(path: &Path, wish: &SourceWish) -> Result<Box<dyn Source>, SourceError> {
    open(&SourceSpec::File(path.into()), wish)
}

/// All that a file gives in one pass.
pub struct Played {
    pub info: SourceInfo,
    pub frames: Vec<CameraFrame>,
    /// What was said on the way, and did not end it.
    pub said: Vec<SourceError>,
}

/// One pass, with whatever is said on the way.
pub fn play_all(path: &Path) -> Result<Played, SourceError> {
    let mut source = open_file(path, &once())?;
    let pool = FramePool::default();
    let (mut frames, mut said) = (Vec::new(), Vec::new());
    loop {
        match source.next(&pool) {
            Ok(frame) => frames.push(frame),
            Err(SourceError::Ended) => return Ok(Played { info: source.info().clone(), frames, said }),
            Err(error) if error.recoverable() => said.push(error),
            Err(error) => return Err(error),
        }
    }
}

/// All frames of one pass of a file that is whole: whatever is said is an error.
pub fn play(path: &Path) -> Result<(SourceInfo, Vec<CameraFrame>), SourceError> {
    let Played { info, frames, said } = play_all(path)?;
    match said.into_iter().next() {
        Some(error) => Err(error),
        None => Ok((info, frames)),
    }
}

/// A frame's pixels, as the student and the screen get them.
pub fn rgb(frame: &CameraFrame) -> Vec<[u8; 3]> {
    let mut out = vec![[0; 4]; frame.shape().extent.pixels() as usize];
    ingest(frame, &mut out);
    out.iter().map(|p| [p[0], p[1], p[2]]).collect()
}

pub fn pixel(frame: &CameraFrame, x: u32, y: u32) -> [u8; 3] {
    rgb(frame)[(y * frame.shape().extent.width + x) as usize]
}

pub fn assert_close(have: [u8; 3], want: [u8; 3], by: u8) {
    assert!(have.iter().zip(want).all(|(a, b)| a.abs_diff(b) <= by), "{have:?} where {want:?} belongs, within {by}");
}

/// When each frame is due, in milliseconds after the first.
pub fn stamps_ms(frames: &[CameraFrame]) -> Vec<u64> {
    let first = frames[0].stamp().captured;
    frames.iter().map(|frame| ((frame.stamp().captured - first).as_secs_f64() * 1e3).round() as u64).collect()
}

/// A picture in which every pixel is known, with some transparent ones.
pub fn picture(width: u32, height: u32, seed: u8) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let alpha = if (x + y) % 7 == 0 { 0 } else { 255 };
        Rgba([(x * 40) as u8, (y * 30) as u8, seed.wrapping_add((x * y) as u8), alpha])
    })
}

pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.at(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// A file of `tests/data/files`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/files").join(name)
}

pub fn encode(image: &RgbaImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    match format {
        ImageFormat::Jpeg => image::DynamicImage::from(image.clone()).into_rgb8().write_to(&mut bytes, format),
        _ => image.write_to(&mut bytes, format),
    }
    .unwrap();
    bytes.into_inner()
}

pub fn gif(frames: &[(RgbaImage, u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for (image, delay_ms) in frames {
        let delay = Delay::from_numer_denom_ms(*delay_ms, 1);
        encoder.encode_frame(Frame::from_parts(image.clone(), 0, 0, delay)).unwrap();
    }
    drop(encoder);
    bytes
}

/// `planes` samples per picture, counting up; every picture begins one higher.
pub fn y4m(header: &str, planes: usize, pictures: usize) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 {header}\n").into_bytes();
    for picture in 0..pictures {
        bytes.extend(b"FRAME\n");
        bytes.extend((0..planes).map(|i| (i + picture) as u8));
    }
    bytes
}

/// An error about `path` names it; so does what the user sees, which has a remedy too.
pub fn assert_helpful(path: &Path, error: &SourceError) {
    let fault = error.fault();
    assert!(fault.what.contains(&*path.file_name().unwrap().to_string_lossy()), "{fault}");
    assert!(!fault.remedy.is_empty(), "{fault}");
}

pub fn has_ffmpeg() -> bool {
    let mut command = Command::new("ffmpeg");
    let there = command.arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !there {
        println!("skipped: ffmpeg is not installed");
    }
    there
}

/// Runs ffmpeg with these words, which must succeed, and returns what it wrote to stdout.
pub fn ffmpeg(args: &[&str]) -> Vec<u8> {
    let output = Command::new("ffmpeg").args(["-y", "-v", "error", "-nostdin"]).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The pictures of a file as ffmpeg reads them, one after the other.
pub fn as_ffmpeg_reads(path: &Path) -> Vec<[u8; 3]> {
    // Chroma as it is, not interpolated.
    let flags = "scale=flags=neighbor+accurate_rnd";
    let bytes = ffmpeg(&["-i", path.to_str().unwrap(), "-vf", flags, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"]);
    bytes.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect()
}
