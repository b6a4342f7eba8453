//! YUV4MPEG2: a line of text, then pictures of raw planar YUV, each after a line of its own.
//!
//! ```text
//! YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n
//! FRAME\n <Y> <U> <V>   FRAME\n <Y> <U> <V> ...
//! ```
//! The format as mjpegtools' `yuv4mpeg(5)` describes it. It does not name the colour matrix: as players do, small pictures
//! count as BT.601 and larger ones as BT.709.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::planar::{Planar, Subsampling};
use super::{check_size, clip_info, read_up_to};
use crate::frame::{ColorSpec, FramePool, YuvMatrix, YuvRange};
use crate::source::{Clip, ClipInfo, Picture, SourceError};
use crate::units::Extent;

/// Longer header lines are refused.
const MAX_LINE: usize = 1024;

/// What the first line says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub planar: Planar,
    pub interval: Duration,
}

/// Why a stream's first line is of no use.
#[derive(Debug)]
pub(super) enum HeaderError {
    /// A stream like this may exist, but cannot be read here: more bits, alpha.
    Foreign(String),
    Wrong(String),
    Io(io::Error),
}

impl Header {
    /// Reads the first line.
    pub(super) fn read(input: &mut impl Read) -> Result<Self, HeaderError> {
        let line = read_line(input).map_err(HeaderError::Io)?;
        let line = line.ok_or_else(|| HeaderError::Wrong("it has no header line".into()))?;
        Self::parse(&line)
    }

    pub(super) fn parse(line: &str) -> Result<Self, HeaderError> {
        let wrong = |field: &str| HeaderError::Wrong(format!("the header says '{field}'"));
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        if words.next() != Some("YUV4MPEG2") {
            return Err(HeaderError::Wrong("it does not begin with YUV4MPEG2".into()));
        }
        let (mut width, mut height) = (0, 0);
        let mut interval = Duration::from_secs(1) / 30;
        let mut subsampling = Subsampling::Yuv420;
        let mut range = YuvRange::Limited;
        for word in words {
            let (tag, value) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
            match tag {
                "W" => width = value.parse().map_err(|_| wrong(word))?,
                "H" => height = value.parse().map_err(|_| wrong(word))?,
                "F" => interval = parse_rate(value).ok_or_else(|| wrong(word))?,
                "C" => {
                    subsampling = match value {
                        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Subsampling::Yuv420,
                        "422" => Subsampling::Yuv422,
                        "444" => Subsampling::Yuv444,
                        "mono" => Subsampling::Mono,
                        _ => {
                            let what = format!("its samples are C{value}; 420, 422, 444 and mono can be read");
                            return Err(HeaderError::Foreign(what));
                        }
                    }
                }
                "X" if value == "COLORRANGE=FULL" => range = YuvRange::Full,
                _ => {}
            }
        }
        let extent = Extent::new(width, height);
        if extent.is_empty() {
            return Err(HeaderError::Wrong(format!("the header says that pictures are {extent}")));
        }
        let matrix = if width >= 1280 || height > 576 { YuvMatrix::Bt709 } else { YuvMatrix::Bt601 };
        Ok(Self { planar: Planar { extent, subsampling, color: ColorSpec { matrix, range } }, interval })
    }
}

/// `30000:1001`. An unknown rate (`0:0`) counts as 30.
fn parse_rate(text: &str) -> Option<Duration> {
    let (numerator, denominator) = text.split_once(':')?;
    let (numerator, denominator) = (numerator.parse::<u32>().ok()?, denominator.parse::<u32>().ok()?);
    if (numerator, denominator) == (0, 0) {
        return Some(Duration::from_secs(1) / 30);
    }
    if numerator == 0 || denominator == 0 {
        return None;
    }
    let seconds = f64::from(denominator) / f64::from(numerator);
    (1e-3..=60.0).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// One line without its end; `None` at the end of the input.
fn read_line(input: &mut impl Read) -> io::Result<Option<String>> {
    let mut line = Vec::with_capacity(80);
    let mut byte = [0];
    while read_up_to(input, &mut byte)? == 1 {
        if byte[0] == b'\n' {
            return Ok(Some(String::from_utf8_lossy(&line).into_owned()));
        }
        if line.len() >= MAX_LINE {
            return Err(io::Error::other(format!("a header line is longer than {MAX_LINE} bytes")));
        }
        line.push(byte[0]);
    }
    if line.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Passes a picture's own line. `false` at the end of the stream. Does not allocate.
pub(super) fn frame_line(input: &mut impl Read) -> Result<bool, String> {
    let mut word = [0; 6];
    match read_up_to(input, &mut word).map_err(|e| e.to_string())? {
        0 => return Ok(false),
        6 if &word[..5] == b"FRAME" => {}
        6 => return Err("the word FRAME is not where it belongs".into()),
        n => return Err(format!("it ends after {n} bytes of a line")),
    }
    let mut byte = word[5];
    for _ in 0..MAX_LINE {
        if byte == b'\n' {
            return Ok(true);
        }
        let mut next = [0];
        if read_up_to(input, &mut next).map_err(|e| e.to_string())? == 0 {
            return Err("it ends within a line".into());
        }
        byte = next[0];
    }
    Err(format!("a frame's line is longer than {MAX_LINE} bytes"))
}

/// Fills `planes` with the picture that follows its line.
pub(super) fn frame_planes(input: &mut impl Read, planes: &mut [u8]) -> Result<(), String> {
    let have = read_up_to(input, planes).map_err(|e| e.to_string())?;
    if have < planes.len() {
        return Err(format!("it ends after {have} of {} bytes", planes.len()));
    }
    Ok(())
}

pub(super) struct Y4m {
    path: PathBuf,
    input: BufReader<File>,
    header: Header,
    info: ClipInfo,
    planes: Vec<u8>,
    /// Of the next picture.
    frame: u64,
    /// Where the first picture's line begins, in bytes.
    first_frame: u64,
    len_bytes: u64,
}

pub(super) enum Opened {
    Clip(Box<Y4m>),
    /// Why this program cannot read it, though another may.
    Foreign(String),
}

impl Y4m {
    pub(super) fn open(path: &Path) -> Result<Opened, SourceError> {
        let unopenable = |source| SourceError::Unopenable { path: path.into(), source };
        let file = File::open(path).map_err(unopenable)?;
        let len_bytes = file.metadata().map_err(unopenable)?.len();
        let mut input = BufReader::with_capacity(1 << 16, file);
        let header = match Header::read(&mut input) {
            Ok(header) => header,
            Err(HeaderError::Foreign(what)) => return Ok(Opened::Foreign(what)),
            Err(HeaderError::Wrong(what)) => return Err(SourceError::Unreadable { path: path.into(), what }),
            Err(HeaderError::Io(error)) => {
                return Err(SourceError::Unreadable { path: path.into(), what: error.to_string() });
            }
        };
        let Planar { extent, .. } = header.planar;
        check_size(path, extent)?;
        let first_frame = input.stream_position().map_err(unopenable)?;
        let need = header.planar.file_bytes();
        let have = len_bytes.saturating_sub(first_frame);
        if have == 0 {
            return Err(SourceError::Empty { path: path.into() });
        }
        // Before memory is taken for a size that only the header claims.
        if have < need as u64 {
            let what = format!("pictures of {extent} take {need} bytes, and only {have} follow the header");
            return Err(SourceError::Corrupt { path: path.into(), frame: 0, what });
        }
        let fps = 1.0 / header.interval.as_secs_f64();
        let detail = format!("Y4M {extent} at {:.4} fps", (fps * 100.0).round() / 100.0);
        let info = clip_info(path, detail, header.planar.shape(), header.interval);
        let planes = vec![0; need];
        Ok(Opened::Clip(Box::new(Self {
            path: path.into(),
            input,
            header,
            info,
            planes,
            frame: 0,
            first_frame,
            len_bytes,
        })))
    }

    fn corrupt(&self, what: String) -> SourceError {
        SourceError::Corrupt { path: self.path.clone(), frame: self.frame, what }
    }
}

impl Clip for Y4m {
    fn info(&self) -> &ClipInfo {
        &self.info
    }

    fn read(&mut self, pool: &FramePool) -> Result<Option<Picture>, SourceError> {
        if !frame_line(&mut self.input).map_err(|what| self.corrupt(what))? {
            return Ok(None);
        }
        frame_planes(&mut self.input, &mut self.planes).map_err(|what| self.corrupt(what))?;
        self.frame += 1;
        let shape = self.info.source.shape;
        let mut bytes = pool.take(shape.min_bytes());
        self.header.planar.convert(&self.planes, &mut bytes);
        Ok(Some(Picture { shape, bytes, shown_for: self.header.interval }))
    }

    fn skip(&mut self) -> Result<Option<Duration>, SourceError> {
        if !frame_line(&mut self.input).map_err(|what| self.corrupt(what))? {
            return Ok(None);
        }
        let need = self.planes.len() as u64;
        let at = self.input.stream_position().map_err(|e| self.corrupt(e.to_string()))?;
        if self.len_bytes.saturating_sub(at) < need {
            let have = self.len_bytes.saturating_sub(at);
            return Err(self.corrupt(format!("it ends after {have} of {need} bytes")));
        }
        // In range: the largest picture is far below 2^63 bytes.
        self.input.seek_relative(need as i64).map_err(|e| self.corrupt(e.to_string()))?;
        self.frame += 1;
        Ok(Some(self.header.interval))
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        self.frame = 0;
        self.input
            .seek(SeekFrom::Start(self.first_frame))
            .map_err(|source| SourceError::Unopenable { path: self.path.clone(), source })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers() {
        let header =
            Header::parse("YUV4MPEG2 W854 H480 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=FULL").unwrap();
        assert_eq!(header.planar.extent, Extent::new(854, 480));
        assert_eq!(header.planar.color, ColorSpec { matrix: YuvMatrix::Bt601, range: YuvRange::Full });
        assert_eq!(header.interval.as_nanos(), 33_366_667);
        let hd = Header::parse("YUV4MPEG2 H720 W1280 F0:0 C422").unwrap();
        assert_eq!((hd.planar.subsampling, hd.planar.color.matrix), (Subsampling::Yuv422, YuvMatrix::Bt709));
        for wrong in [
            "",
            "YUV4MPEG2",
            "YUV4MPEG2 W0 H4",
            "YUV4MPEG2 W4 H-4",
            "YUV4MPEG2 W4 H99999999999",
            "YUV4MPEG2 W4 H4 F30",
            "YUV4MPEG2 W4 H4 F1:0",
            "YUV4MPEG2 W4 H4 F0:1",
            "YUV4MPEG2 W4 H4 F4000000000:1",
        ] {
            assert!(matches!(Header::parse(wrong), Err(HeaderError::Wrong(_))), "{wrong}");
        }
        assert!(matches!(Header::parse("YUV4MPEG2 W4 H4 C420p10"), Err(HeaderError::Foreign(_))));
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in "(YUV4MPEG2)?( [WHFIACX\u{e4}]?[0-9a-zA-Z:=.-]{0,12}){0,8}") {
            let _ = Header::parse(&line);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Header::read(&mut &bytes[..]);
            let _ = frame_line(&mut &bytes[..]);
        }
    }
}
