//! YUV4MPEG2: a line of text, then pictures of raw planar YUV, each after a line of its own.
//!
//! ```text
//! YUV4MPEG2 W640 H480 F30:1 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n
//! FRAME\n <Y> <U> <V>   FRAME\n <Y> <U> <V> ...
//! ```
//! The format as mjpegtools' `yuv4mpeg(5)` describes it, and what ffmpeg takes beyond that: lines that end as on Windows, any
//! rate. It does not name the colour matrix: every size counts as BT.601, as ffmpeg has it, and as
//! [`crate::output::Writer`] writes it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::planar::{PixelAspect, Planar, Subsampling};
use super::{check_size, clip_info, read_up_to};
use crate::frame::{ColorSpec, FramePool, YuvMatrix, YuvRange};
use crate::source::{Clip, ClipInfo, Picture, SourceError, Timeline};
use crate::terminal::counted;
use crate::units::{Extent, Rate};

/// Longer header lines are refused.
const MAX_LINE: usize = 1024;

/// What a stream without a rate counts as.
const UNKNOWN_RATE: (u32, u32) = (30, 1);

/// What the first line says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub planar: Planar,
    pub rate: Rate,
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
        let mut words = line.trim_end_matches('\r').split(' ').filter(|word| !word.is_empty());
        if words.next() != Some("YUV4MPEG2") {
            return Err(HeaderError::Wrong("it does not begin with YUV4MPEG2".into()));
        }
        let (mut width, mut height) = (0, 0);
        let mut rate = None;
        let mut subsampling = Subsampling::Yuv420;
        let mut range = YuvRange::Limited;
        let mut aspect = PixelAspect::SQUARE;
        for word in words {
            let (tag, value) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
            match tag {
                "W" => width = value.parse().map_err(|_| wrong(word))?,
                "H" => height = value.parse().map_err(|_| wrong(word))?,
                // An unknown rate is written so.
                "F" if value == "0:0" => {}
                "F" => rate = Some(value.parse::<Rate>().map_err(|_| wrong(word))?),
                "A" => aspect = parse_aspect(value).ok_or_else(|| wrong(word))?,
                "C" => {
                    subsampling = match value {
                        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Subsampling::Yuv420,
                        "411" => Subsampling::Yuv411,
                        "422" => Subsampling::Yuv422,
                        "444" => Subsampling::Yuv444,
                        "mono" => Subsampling::Mono,
                        _ => {
                            let what = format!("its samples are C{value}; 420, 411, 422, 444 and mono can be read");
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
        let (pictures, seconds) = UNKNOWN_RATE;
        let rate = rate.or(Rate::new(pictures, seconds));
        let rate = rate.ok_or_else(|| HeaderError::Wrong("the header says no rate".into()))?;
        let color = ColorSpec { matrix: YuvMatrix::Bt601, range };
        Ok(Self { planar: Planar { extent, subsampling, color, aspect }, rate })
    }
}

/// `64:45`; `0:0` is unknown, and counts as square.
fn parse_aspect(text: &str) -> Option<PixelAspect> {
    let (width, height) = text.split_once(':')?;
    let aspect = PixelAspect { width: width.parse().ok()?, height: height.parse().ok()? };
    if aspect.width == 0 || aspect.height == 0 { Some(PixelAspect::SQUARE) } else { Some(aspect) }
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
    input: Input,
    header: Header,
    info: ClipInfo,
    planes: Vec<u8>,
    stretched: Vec<u8>,
    /// Of the next picture.
    frame: u64,
    /// It ended within a picture, which was said.
    cut: bool,
}

/// What a stream is read from.
enum Input {
    File {
        file: BufReader<File>,
        len_bytes: u64,
        /// Where the first picture's line begins, in bytes.
        first_frame: u64,
    },
    /// A pipe, which is read once.
    Pipe(Box<dyn BufRead + Send>),
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => file.read(buffer),
            Self::Pipe(pipe) => pipe.read(buffer),
        }
    }
}

#[expect(clippy::large_enum_variant, reason = "there is one, moved once")]
pub(super) enum Opened {
    Clip(Y4m),
    /// Why this program cannot read it, though another may.
    Foreign(String),
}

impl Y4m {
    pub(super) fn open(path: &Path) -> Result<Opened, SourceError> {
        let unopenable = |source| SourceError::Unopenable { path: path.into(), source };
        let file = File::open(path).map_err(unopenable)?;
        let len_bytes = file.metadata().map_err(unopenable)?.len();
        let mut file = BufReader::with_capacity(1 << 16, file);
        let header = match header_of(path, &mut file)? {
            Ok(header) => header,
            Err(what) => return Ok(Opened::Foreign(what)),
        };
        let first_frame = file.stream_position().map_err(unopenable)?;
        let need = header.planar.file_bytes();
        let have = len_bytes.saturating_sub(first_frame);
        if have == 0 {
            return Err(SourceError::Empty { path: path.into() });
        }
        // Before memory is taken for a size that only the header claims.
        if have < need as u64 {
            let what =
                format!("pictures of {} take {need} bytes, and only {have} follow the header", header.planar.extent);
            return Err(SourceError::Corrupt { path: path.into(), frame: 0, what });
        }
        // With lines of more than one word it is an estimate.
        let pictures = have / (need as u64 + 6);
        Self::new(path, Input::File { file, len_bytes, first_frame }, header, Some(pictures)).map(Opened::Clip)
    }

    /// A stream that is read as it comes.
    pub(super) fn stream(name: &Path, mut input: Box<dyn BufRead + Send>) -> Result<Self, SourceError> {
        match header_of(name, &mut input)? {
            Ok(header) => Self::new(name, Input::Pipe(input), header, None),
            Err(what) => Err(SourceError::Unreadable { path: name.into(), what }),
        }
    }

    fn new(path: &Path, input: Input, header: Header, pictures: Option<u64>) -> Result<Self, SourceError> {
        let shape = header.planar.shape();
        check_size(path, header.planar.extent)?;
        check_size(path, shape.extent)?;
        let detail = format!("Y4M {} at {:.4} fps", shape.extent, (header.rate.fps() * 100.0).round() / 100.0);
        let mut info = clip_info(path, detail, shape, header.rate.interval());
        info.source.timeline = Some(Timeline::steady(header.rate, pictures));
        let planes = vec![0; header.planar.file_bytes()];
        Ok(Self { path: path.into(), input, header, info, planes, stretched: Vec::new(), frame: 0, cut: false })
    }

    /// The next picture's own line. `false` at the end of the stream.
    fn begin(&mut self) -> Result<bool, SourceError> {
        if self.cut {
            return Ok(false);
        }
        frame_line(&mut self.input).map_err(|what| self.cut_short(what))
    }

    /// How long the picture that was just read is shown.
    fn finish(&mut self) -> Duration {
        let rate = self.header.rate;
        self.frame += 1;
        rate.time_of(self.frame).saturating_sub(rate.time_of(self.frame - 1))
    }

    fn cut_short(&mut self, what: String) -> SourceError {
        self.cut = true;
        let path = self.path.clone();
        match self.frame {
            0 => SourceError::Corrupt { path, frame: 0, what },
            n => SourceError::CutShort { path, what: format!("after {}, {what}", counted(n, "picture")) },
        }
    }
}

/// The header, or why it is one that cannot be read here.
fn header_of(path: &Path, input: &mut impl Read) -> Result<Result<Header, String>, SourceError> {
    let unreadable = |what| SourceError::Unreadable { path: path.into(), what };
    match Header::read(input) {
        Ok(header) => Ok(Ok(header)),
        Err(HeaderError::Foreign(what)) => Ok(Err(what)),
        Err(HeaderError::Wrong(what)) => Err(unreadable(what)),
        Err(HeaderError::Io(error)) => Err(unreadable(error.to_string())),
    }
}

impl Clip for Y4m {
    fn info(&self) -> &ClipInfo {
        &self.info
    }

    fn read(&mut self, pool: &FramePool) -> Result<Option<Picture>, SourceError> {
        if !self.begin()? {
            return Ok(None);
        }
        frame_planes(&mut self.input, &mut self.planes).map_err(|what| self.cut_short(what))?;
        let shape = self.info.source.shape;
        let mut bytes = pool.take(shape.min_bytes());
        self.header.planar.convert(&self.planes, &mut self.stretched, &mut bytes);
        Ok(Some(Picture { shape, bytes, shown_for: self.finish() }))
    }

    fn skip(&mut self) -> Result<Option<Duration>, SourceError> {
        if !self.begin()? {
            return Ok(None);
        }
        let need = self.planes.len() as u64;
        let skipped = match &mut self.input {
            Input::File { file, len_bytes, .. } => file.stream_position().and_then(|at| {
                let have = len_bytes.saturating_sub(at);
                // In range: the largest picture is far below 2^63 bytes.
                file.seek_relative(need.min(have) as i64).map(|()| have)
            }),
            Input::Pipe(pipe) => io::copy(&mut pipe.take(need), &mut io::sink()),
        };
        let have = skipped.map_err(|e| self.cut_short(e.to_string()))?;
        if have < need {
            return Err(self.cut_short(format!("it ends after {have} of {need} bytes")));
        }
        Ok(Some(self.finish()))
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        let Input::File { file, first_frame, .. } = &mut self.input else { return Err(SourceError::Ended) };
        file.seek(SeekFrom::Start(*first_frame))
            .map_err(|source| SourceError::Unopenable { path: self.path.clone(), source })?;
        (self.frame, self.cut) = (0, false);
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
        assert_eq!(header.rate.to_string(), "30000:1001");
        let hd = Header::parse("YUV4MPEG2 H720 W1280 F0:0 C422").unwrap();
        assert_eq!((hd.planar.subsampling, hd.planar.color.matrix), (Subsampling::Yuv422, YuvMatrix::Bt601));
        assert_eq!(hd.rate.to_string(), "30:1");
        // What ffmpeg takes, too.
        let odd = Header::parse("YUV4MPEG2 W161 H121 F90000:1 A64:45 C411\r").unwrap();
        assert_eq!((odd.planar.subsampling, odd.rate.to_string()), (Subsampling::Yuv411, "90000:1".to_owned()));
        assert_eq!(odd.planar.aspect, PixelAspect { width: 64, height: 45 });
        assert_eq!(Header::parse("YUV4MPEG2 W2 H2 A0:0").unwrap().planar.aspect, PixelAspect::SQUARE);
        for wrong in [
            "",
            "YUV4MPEG2",
            "YUV4MPEG2 W0 H4",
            "YUV4MPEG2 W4 H-4",
            "YUV4MPEG2 W4 H99999999999",
            "YUV4MPEG2 W4 H4 F30",
            "YUV4MPEG2 W4 H4 F1:0",
            "YUV4MPEG2 W4 H4 F0:1",
            "YUV4MPEG2 W4 H4 F4000000000000:1",
            "YUV4MPEG2 W4 H4 A1",
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
