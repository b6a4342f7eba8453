//! Clips as MP4: H.264 from the system's ffmpeg, in fragments of our own.
//!
//! ```text
//! push ──pixels──▶ ffmpeg (a process) ──H.264──▶ reader thread: annexb ▶ mux ──▶ file
//!   └──────────────times──────────────────────────▶┘
//! ```
//!
//! ffmpeg only codes: which picture is shown when is kept here, so that every picture has its own time, and what was written
//! before the program ends, however it ends, can be played. Encoders that reorder pictures are told not to.

mod annexb;
mod encoding;
mod mux;
mod recording;
mod replay;

use std::collections::VecDeque;
use std::io::{self, Read as _, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use annexb::Splitter;
pub use encoding::Shot;
use mux::{Muxer, Sink};
pub use recording::{Recording, RecordingState};
pub use replay::{Replay, ReplayState};

use crate::ffmpeg;
use crate::units::Extent;

/// Longest side of a clip: what every player takes.
pub const MOST: Extent = Extent { width: 1920, height: 1920 };

/// Why no clip came of it.
#[derive(Debug, thiserror::Error)]
pub enum Mp4Error {
    #[error("MP4 needs ffmpeg, which is not installed; install it (`apt install ffmpeg`), or write .gif or .y4m")]
    NoFfmpeg,
    #[error("the ffmpeg that is installed cannot encode H.264; install one with libx264, or write .gif or .y4m")]
    NoEncoder,
    #[error("there was no picture to record")]
    Nothing,
    #[error("ffmpeg could not encode: {0}")]
    Encoder(String),
    #[error(transparent)]
    Write(io::Error),
    #[error("a thread could not be started: {0}")]
    Thread(io::Error),
}

/// What matters more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Pictures come as they come: use little of the processor.
    Live,
    /// Nobody waits for the next picture: use little of the disk.
    Thorough,
}

/// An encoder of ffmpeg's, and how it is told to code without reordering.
#[derive(Clone, Copy, Debug)]
struct Codec {
    name: &'static str,
    live: &'static [&'static str],
    thorough: &'static [&'static str],
}

/// Best first: hardware leaves the processor to the painting.
const CODECS: [Codec; 6] = [
    Codec {
        name: "h264_nvenc",
        live: &["-preset", "p3", "-tune", "ll", "-rc", "vbr", "-cq", "21", "-b:v", "0"],
        thorough: &["-preset", "p6", "-tune", "hq", "-rc", "vbr", "-cq", "19", "-b:v", "0"],
    },
    Codec { name: "h264_videotoolbox", live: &["-realtime", "1", "-q:v", "60"], thorough: &["-q:v", "70"] },
    Codec {
        name: "h264_qsv",
        live: &["-preset", "veryfast", "-global_quality", "22"],
        thorough: &["-global_quality", "20"],
    },
    Codec {
        name: "libx264",
        live: &["-preset", "superfast", "-tune", "zerolatency", "-crf", "20"],
        thorough: &["-preset", "medium", "-tune", "zerolatency", "-crf", "18"],
    },
    Codec {
        name: "h264_mf",
        live: &["-rate_control", "quality", "-quality", "80"],
        thorough: &["-rate_control", "quality", "-quality", "90"],
    },
    Codec { name: "libopenh264", live: &["-b:v", "6M"], thorough: &["-b:v", "12M"] },
];

impl Codec {
    /// The first one that works here: it has coded a picture. Asked once; takes some tenths of a second.
    pub fn find() -> Result<Self, Mp4Error> {
        static FOUND: OnceLock<Result<Codec, bool>> = OnceLock::new();
        let found = FOUND.get_or_init(|| {
            let listing = ffmpeg::command("ffmpeg").args(["-hide_banner", "-encoders"]).stderr(Stdio::null()).output();
            let listing = listing.map_err(|_| false)?;
            let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
            let listed = |name: &str| listing.lines().any(|line| line.split_whitespace().nth(1) == Some(name));
            CODECS.into_iter().find(|codec| listed(codec.name) && codec.works()).ok_or(true)
        });
        match found {
            Ok(codec) => Ok(*codec),
            Err(true) => Err(Mp4Error::NoEncoder),
            Err(false) => Err(Mp4Error::NoFfmpeg),
        }
    }

    fn works(&self) -> bool {
        let mut command = ffmpeg::command("ffmpeg");
        command.args(["-v", "error", "-f", "lavfi", "-i", "color=black:size=256x144:rate=5", "-frames:v", "1"]);
        command.args(["-c:v", self.name]).args(self.live).args(["-pix_fmt", "yuv420p", "-f", "null", "-"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }
}

/// How far a clip is. Shared, for whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    bytes: AtomicU64,
    pictures: AtomicU64,
}

impl Progress {
    /// Bytes that are in the file.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Acquire)
    }

    /// Pictures that were coded.
    pub fn pictures(&self) -> u64 {
        self.pictures.load(Ordering::Acquire)
    }
}

/// A clip that is being written.
pub struct Mp4<W> {
    child: Child,
    /// `None` once the pictures are over.
    pixels: Option<ChildStdin>,
    reader: Option<JoinHandle<Result<W, Mp4Error>>>,
    said: Option<JoinHandle<Vec<u8>>>,
    times: Arc<Mutex<Times>>,
    progress: Arc<Progress>,
    extent: Extent,
    room: Vec<u8>,
}

/// Times of pictures that are being coded, and when the last one ends.
#[derive(Debug, Default)]
struct Times {
    waiting: VecDeque<Duration>,
    end: Duration,
}

impl<W: Sink + Send + 'static> Mp4<W> {
    /// Begins a clip of pictures of `extent`, which are reduced where they are larger than [`MOST`]. `out` is written to on
    /// another thread.
    ///
    /// # Errors
    /// When there is no ffmpeg that can, or it does not start.
    pub fn begin(out: W, extent: Extent, effort: Effort) -> Result<Self, Mp4Error> {
        let codec = Codec::find()?;
        let coded = coded_extent(extent);
        let even = Extent::new(extent.width.next_multiple_of(2), extent.height.next_multiple_of(2));
        let settings = match effort {
            Effort::Live => codec.live,
            Effort::Thorough => codec.thorough,
        };
        let mut command = ffmpeg::command("ffmpeg");
        command.args(["-hide_banner", "-loglevel", "error", "-f", "rawvideo", "-pixel_format", "rgba"]);
        command.args(["-video_size", &even.to_string(), "-framerate", "30", "-i", "pipe:0", "-an", "-vf"]);
        let Extent { width, height } = coded;
        command.arg(format!("scale={width}:{height}:flags=area:out_color_matrix=bt709:out_range=tv,format=yuv420p"));
        command.args(["-c:v", codec.name]).args(settings).args(["-g", "60", "-bf", "0"]);
        command.args([
            "-colorspace",
            "bt709",
            "-color_primaries",
            "bt709",
            "-color_trc",
            "bt709",
            "-color_range",
            "tv",
        ]);
        command.args(["-bsf:v", "h264_metadata=aud=insert", "-f", "h264", "-flush_packets", "1", "pipe:1"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => Mp4Error::NoFfmpeg,
            _ => Mp4Error::Encoder(e.to_string()),
        })?;
        let (times, progress) = (Arc::<Mutex<Times>>::default(), Arc::<Progress>::default());
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        // From here on dropping it ends the process.
        let mut clip =
            Self { child, pixels: stdin, reader: None, said: None, times, progress, extent, room: Vec::new() };
        if let Some(mut stderr) = stderr {
            let listen = move || {
                let mut said = Vec::new();
                // What cannot be read is not said.
                let _ = stderr.read_to_end(&mut said);
                said
            };
            clip.said = Some(thread("clip errors", listen)?);
        }
        if let Some(stdout) = stdout {
            let (times, progress) = (clip.times.clone(), clip.progress.clone());
            clip.reader = Some(thread("clip", move || read(stdout, out, coded, &times, &progress))?);
        }
        Ok(clip)
    }

    pub fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }

    /// The next picture: red, green, blue, alpha, of the size that was said at the beginning, shown `at` this time after the
    /// beginning. Waits while the encoder is behind.
    ///
    /// # Errors
    /// When the encoder ended: what it or the disk said.
    pub fn push(&mut self, rgba: &[u8], at: Duration) -> Result<(), Mp4Error> {
        {
            let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
            times.waiting.push_back(at);
            times.end = times.end.max(at);
        }
        let Extent { width, height } = self.extent;
        let even = width.is_multiple_of(2) && height.is_multiple_of(2);
        let bytes = if even { rgba } else { made_even(rgba, self.extent, &mut self.room) };
        let written = match &mut self.pixels {
            Some(pixels) => pixels.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        match written {
            Ok(()) => Ok(()),
            // It ended before its pictures did: it tells why.
            Err(error) => Err(self.ended().map_or_else(|told| told, |_| Mp4Error::Write(error))),
        }
    }

    /// The last picture is shown until `end`. Waits until all is written, and gives back what was written to.
    ///
    /// # Errors
    /// What the encoder or the disk said. What is in the file can be played.
    pub fn finish(mut self, end: Duration) -> Result<W, Mp4Error> {
        {
            let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
            times.end = times.end.max(end);
        }
        self.ended()
    }

    fn ended(&mut self) -> Result<W, Mp4Error> {
        self.pixels = None;
        let gone = || Mp4Error::Encoder("it had ended before".to_owned());
        let read = self.reader.take().ok_or_else(gone)?.join();
        let status = self.child.wait();
        let said = self.said.take().and_then(|said| said.join().ok()).and_then(|said| ffmpeg::last_line(&said));
        match read {
            // The disk's error comes first: the encoder only lost its reader.
            Ok(Err(error)) => Err(error),
            Ok(Ok(out)) if status.is_ok_and(|status| status.success()) => Ok(out),
            _ => Err(Mp4Error::Encoder(said.unwrap_or_else(|| "it ended without a word".to_owned()))),
        }
    }
}

impl<W> Drop for Mp4<W> {
    fn drop(&mut self) {
        self.pixels = None;
        if self.reader.is_some() {
            // Given up: nobody waits for the rest.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The size at which pictures of `extent` are coded: even sides, at most [`MOST`].
fn coded_extent(extent: Extent) -> Extent {
    let fitted = crate::picture::fitted_inside(extent, MOST);
    let smaller = if extent.width > MOST.width || extent.height > MOST.height { fitted } else { extent };
    Extent::new(smaller.width.next_multiple_of(2).max(16), smaller.height.next_multiple_of(2).max(16))
}

/// The picture with its last column and row once more where the sides are odd.
fn made_even<'a>(rgba: &[u8], extent: Extent, room: &'a mut Vec<u8>) -> &'a [u8] {
    room.clear();
    let row_bytes = extent.width as usize * 4;
    let rows = rgba.chunks_exact(row_bytes);
    let again = if extent.height.is_multiple_of(2) { None } else { rows.clone().next_back() };
    for row in rows.chain(again) {
        room.extend_from_slice(row);
        if !extent.width.is_multiple_of(2) {
            room.extend_from_slice(&row[row_bytes - 4..]);
        }
    }
    room
}

/// Takes the coded pictures and writes them with their times.
fn read<W: Sink>(
    mut coded: impl io::Read,
    out: W,
    extent: Extent,
    times: &Mutex<Times>,
    progress: &Progress,
) -> Result<W, Mp4Error> {
    let lock = || times.lock().unwrap_or_else(PoisonError::into_inner);
    let mut splitter = Splitter::default();
    let mut out = Some(out);
    let mut muxer = None;
    let mut buffer = vec![0; 1 << 16];
    let mut pictures = Vec::new();
    loop {
        let count = match coded.read(&mut buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Mp4Error::Write(error)),
        };
        if count == 0 {
            splitter.finish(|picture| pictures.push(picture));
        } else {
            splitter.feed(&buffer[..count], |picture| pictures.push(picture));
        }
        for picture in pictures.drain(..) {
            if let Some(out) = out.take() {
                muxer = Some(Muxer::new(out, extent, splitter.parameters()).map_err(Mp4Error::Write)?);
            }
            let at = {
                let mut times = lock();
                times.waiting.pop_front().unwrap_or(times.end)
            };
            if let Some(muxer) = &mut muxer {
                muxer.push(picture, at).map_err(Mp4Error::Write)?;
                progress.bytes.store(muxer.written(), Ordering::Release);
                progress.pictures.fetch_add(1, Ordering::AcqRel);
            }
        }
        if count == 0 {
            let end = lock().end;
            return match (muxer, out) {
                (Some(muxer), _) => {
                    let (out, bytes) = muxer.finish(end).map_err(Mp4Error::Write)?;
                    progress.bytes.store(bytes, Ordering::Release);
                    Ok(out)
                }
                (None, Some(out)) => Ok(out),
                (None, None) => Err(Mp4Error::Encoder("it gave no pictures".to_owned())),
            };
        }
    }
}

fn thread<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>, Mp4Error> {
    std::thread::Builder::new().name(name.into()).spawn(work).map_err(Mp4Error::Thread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_even_and_not_too_long() {
        assert_eq!(coded_extent(Extent::new(640, 480)), Extent::new(640, 480));
        assert_eq!(coded_extent(Extent::new(641, 479)), Extent::new(642, 480));
        assert_eq!(coded_extent(Extent::new(3840, 2160)), Extent::new(1920, 1080));
        assert_eq!(coded_extent(Extent::new(3, 3)), Extent::new(16, 16));
        let mut room = Vec::new();
        let rgba: Vec<u8> = (0..12).collect();
        let even = made_even(&rgba, Extent::new(3, 1), &mut room);
        let row = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 8, 9, 10, 11];
        assert_eq!(even, [row, row].concat());
    }
}
