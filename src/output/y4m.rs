//! Y4M (YUV4MPEG2): uncompressed video that ffmpeg, mpv and encoders read.
//!
//! 4:2:0, chroma between four pixels (`C420jpeg`): the mean of the four pixels' (fewer at odd borders). The matrix is
//! BT.601 at every size: the format has no word for it, and that is what ffmpeg takes a file without one for. Format:
//! <https://wiki.multimedia.cx/index.php/YUV4MPEG2>; matrix: ITU-R BT.601-7 section 2.5.

use std::io::{self, BufWriter, Seek as _, SeekFrom, Stdout, Write};
use std::path::Path;
use std::time::Duration;

use image::RgbaImage;

use super::{AtomicFile, OutputError};
use crate::frame::YuvRange;
use crate::units::{Extent, Rate};

/// Room for a rate in the header: two numbers of 32 bits and what is between them.
const RATE_ROOM: usize = 21;

pub struct Y4mWriter {
    out: Out,
    extent: Extent,
    range: YuvRange,
    rate: HeaderRate,
    written: u64,
    /// How long the pictures so far are shown.
    length: Duration,
}

/// Where the stream goes.
pub enum Out {
    File(AtomicFile),
    Stdout(BufWriter<Stdout>),
}

/// What the header says of the rate.
enum HeaderRate {
    Known(Rate),
    /// Pictures are shown for times of their own: their mean is written at the end, where that is possible.
    Mean {
        assumed: Rate,
        at: Option<u64>,
    },
}

impl Out {
    fn path(&self) -> &Path {
        match self {
            Self::File(file) => file.destination(),
            Self::Stdout(_) => Path::new("-"),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(bytes),
            Self::Stdout(stdout) => stdout.write_all(bytes),
        }
    }
}

impl Y4mWriter {
    /// Pictures of `extent`. Without a `rate`, each is shown for a time of its own, about `interval`.
    pub fn new(out: Out, extent: Extent, range: YuvRange, rate: Option<Rate>, interval: Duration) -> Self {
        let seekable = matches!(&out, Out::File(file) if file.seekable());
        let rate = match rate {
            Some(rate) => HeaderRate::Known(rate),
            None => HeaderRate::Mean { assumed: Rate::near(interval), at: seekable.then_some(0) },
        };
        Self { out, extent, range, rate, written: 0, length: Duration::ZERO }
    }

    /// Adds a picture that [`to_yuv420`] made.
    pub fn write(&mut self, planes: &[u8], shown_for: Duration) -> Result<(), OutputError> {
        let begin = if self.written == 0 { self.header() } else { String::new() };
        self.written += 1;
        self.length += shown_for;
        let out = &mut self.out;
        let written = out.write(begin.as_bytes()).and_then(|()| out.write(b"FRAME\n")).and_then(|()| out.write(planes));
        written.map_err(|e| OutputError::write(self.out.path(), e))
    }

    fn header(&mut self) -> String {
        let Extent { width, height } = self.extent;
        let range = match self.range {
            YuvRange::Limited => "LIMITED",
            YuvRange::Full => "FULL",
        };
        let rest = format!("Ip A1:1 C420jpeg XCOLORRANGE={range}");
        let start = format!("YUV4MPEG2 W{width} H{height} F");
        match &mut self.rate {
            HeaderRate::Known(rate) => format!("{start}{rate} {rest}\n"),
            HeaderRate::Mean { assumed, at: None } => format!("{start}{assumed} {rest}\n"),
            HeaderRate::Mean { assumed, at: Some(at) } => {
                *at = start.len() as u64;
                // More than one space between two words is allowed; the room is filled at the end.
                format!("{start}{assumed:<RATE_ROOM$} {rest}\n")
            }
        }
    }

    /// Completes the stream. Returns the rate that stands for pictures that are shown for times of their own.
    pub fn finish(self) -> Result<Option<Rate>, OutputError> {
        let Self { out, rate, written, length, .. } = self;
        let path = out.path().to_owned();
        let failed = |e| OutputError::write(&path, e);
        let mean = Rate::mean(written, length);
        match out {
            Out::Stdout(mut stdout) => {
                stdout.flush().map_err(failed)?;
                Ok(match rate {
                    HeaderRate::Mean { assumed, .. } => Some(assumed),
                    HeaderRate::Known(_) => None,
                })
            }
            Out::File(mut file) => {
                let told = match rate {
                    HeaderRate::Known(_) => None,
                    HeaderRate::Mean { at: Some(at), .. } if written > 0 => {
                        file.seek(SeekFrom::Start(at)).map_err(failed)?;
                        file.write_all(format!("{mean:<RATE_ROOM$}").as_bytes()).map_err(failed)?;
                        Some(mean)
                    }
                    HeaderRate::Mean { assumed, .. } => Some(assumed),
                };
                file.commit()?;
                Ok(told)
            }
        }
    }
}

/// R'G'B' 0..=255 to Y'CbCr (BT.601) as three planes, 4:2:0.
pub fn to_yuv420(picture: &RgbaImage, range: YuvRange) -> Vec<u8> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let mut planes = vec![0; width * height + 2 * half_width * half_height];
    let (luma, chroma) = planes.split_at_mut(width * height);
    let (blue, red) = chroma.split_at_mut(half_width * half_height);
    let pixels = picture.as_raw();
    let (black, luma_scale, chroma_scale) = match range {
        YuvRange::Limited => (16.0, 219.0 / 255.0, 224.0 / 255.0),
        YuvRange::Full => (0.0, 1.0, 1.0),
    };
    let luma_of = |[r, g, b]: [f32; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
    for (y, pixel) in luma.iter_mut().zip(pixels.chunks_exact(4)) {
        let rgb = [pixel[0], pixel[1], pixel[2]].map(f32::from);
        *y = (black + luma_scale * luma_of(rgb)).round() as u8;
    }
    for j in 0..half_height {
        for i in 0..half_width {
            let mut sum = [0.0f32; 3];
            let mut count = 0.0;
            for y in (2 * j)..(2 * j + 2).min(height) {
                for x in (2 * i)..(2 * i + 2).min(width) {
                    let at = (y * width + x) * 4;
                    for (s, p) in sum.iter_mut().zip(&pixels[at..at + 3]) {
                        *s += f32::from(*p);
                    }
                    count += 1.0;
                }
            }
            let [r, g, b] = sum.map(|s| s / count);
            let y = luma_of([r, g, b]);
            // `as` saturates: a full-range blue of 255.5 is 255.
            blue[j * half_width + i] = (128.0 + chroma_scale * (b - y) / 1.772).round() as u8;
            red[j * half_width + i] = (128.0 + chroma_scale * (r - y) / 1.402).round() as u8;
        }
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_at_an_odd_size() {
        for (range, color, yuv) in [
            (YuvRange::Limited, [255, 255, 255], [235, 128, 128]),
            (YuvRange::Limited, [0, 0, 0], [16, 128, 128]),
            (YuvRange::Limited, [255, 0, 0], [81, 90, 240]),
            (YuvRange::Limited, [0, 0, 255], [41, 240, 110]),
            (YuvRange::Full, [255, 255, 255], [255, 128, 128]),
            (YuvRange::Full, [255, 0, 0], [76, 85, 255]),
        ] {
            let picture = RgbaImage::from_pixel(3, 5, image::Rgba([color[0], color[1], color[2], 255]));
            let planes = to_yuv420(&picture, range);
            assert_eq!(planes.len(), 15 + 2 * 6);
            assert!(planes[..15].iter().all(|&y| y == yuv[0]));
            assert_eq!([planes[15], planes[21]], [yuv[1], yuv[2]], "{color:?}");
        }
    }

    fn stream(rate: Option<Rate>, delays_ms: &[u64]) -> (Vec<u8>, Option<Rate>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.y4m");
        let out = Out::File(AtomicFile::new(&path).unwrap());
        let mut writer =
            Y4mWriter::new(out, Extent::new(4, 2), YuvRange::Limited, rate, Duration::from_millis(delays_ms[0]));
        for ms in delays_ms {
            writer.write(&[7; 12], Duration::from_millis(*ms)).unwrap();
        }
        let told = writer.finish().unwrap();
        (std::fs::read(&path).unwrap(), told)
    }

    #[test]
    fn the_stream_has_its_header_once() {
        let (bytes, told) = stream(Rate::new(25, 1), &[40, 40]);
        let header = b"YUV4MPEG2 W4 H2 F25:1 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n";
        assert!(bytes.starts_with(header));
        assert_eq!(bytes.len(), header.len() + 2 * (6 + 12));
        assert_eq!(told, None);
    }

    /// 0.0, 0.05, 0.2 and an end at 0.3 s: three pictures in 0.3 s are ten a second.
    #[test]
    fn varying_times_become_their_mean() {
        let (bytes, told) = stream(None, &[50, 150, 100]);
        assert_eq!(told, Rate::new(10, 1));
        assert!(bytes.starts_with(b"YUV4MPEG2 W4 H2 F10:1                  Ip A1:1 "), "{:?}", &bytes[..60]);
    }
}
