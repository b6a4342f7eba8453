//! Y4M (YUV4MPEG2): uncompressed video that ffmpeg, mpv and encoders read.
//!
//! 4:2:0, BT.601, limited range, chroma between four pixels (`C420jpeg`). Chroma is the mean of the four pixels' (fewer at
//! odd borders). Format: <https://wiki.multimedia.cx/index.php/YUV4MPEG2>; matrix: ITU-R BT.601-7 section 2.5.

use std::io::Write as _;
use std::time::Duration;

use image::RgbaImage;

use super::{AtomicFile, OutputError};

pub struct Y4mWriter {
    file: AtomicFile,
    interval: Duration,
    /// One frame: luma, then both chroma planes.
    planes: Vec<u8>,
    begun: bool,
}

impl Y4mWriter {
    pub fn new(file: AtomicFile, interval: Duration) -> Self {
        Self { file, interval, planes: Vec::new(), begun: false }
    }

    pub fn write(&mut self, picture: &RgbaImage) -> Result<(), OutputError> {
        let (width, height) = picture.dimensions();
        to_yuv420(picture, &mut self.planes);
        let begin = if self.begun {
            String::new()
        } else {
            let (rate, per) = rate(self.interval);
            format!("YUV4MPEG2 W{width} H{height} F{rate}:{per} Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n")
        };
        self.begun = true;
        let Self { file, planes, .. } = self;
        file.write_all(begin.as_bytes())
            .and_then(|()| file.write_all(b"FRAME\n"))
            .and_then(|()| file.write_all(planes))
            .map_err(|e| OutputError::write(file.destination(), e))
    }

    pub fn finish(self) -> Result<(), OutputError> {
        self.file.commit()
    }
}

/// Frames per second as a fraction: whole and NTSC rates exactly, others to a thousandth.
fn rate(interval: Duration) -> (u64, u64) {
    let fps = 1.0 / interval.as_secs_f64().max(1e-4);
    let whole = fps.round().max(1.0);
    if (fps - whole).abs() < 1e-3 * whole.max(1.0) * 0.5 {
        return (whole as u64, 1);
    }
    let ntsc = (fps * 1.001).round().max(1.0);
    if (fps * 1.001 - ntsc).abs() < 1e-3 {
        return (ntsc as u64 * 1000, 1001);
    }
    ((fps * 1000.0).round().max(1.0) as u64, 1000)
}

/// R'G'B' 0..=255 to Y'CbCr with luma 16..=235 and chroma 16..=240.
fn to_yuv420(picture: &RgbaImage, planes: &mut Vec<u8>) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    planes.clear();
    planes.resize(width * height + 2 * half_width * half_height, 0);
    let (luma, chroma) = planes.split_at_mut(width * height);
    let (blue, red) = chroma.split_at_mut(half_width * half_height);
    let pixels = picture.as_raw();
    for (y, pixel) in luma.iter_mut().zip(pixels.chunks_exact(4)) {
        let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
        *y = (16.0 + (65.481 * r + 128.553 * g + 24.966 * b) / 255.0).round() as u8;
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
            let [r, g, b] = sum.map(|s| s / count / 255.0);
            blue[j * half_width + i] = (128.0 - 37.797 * r - 74.203 * g + 112.0 * b).round() as u8;
            red[j * half_width + i] = (128.0 + 112.0 * r - 93.786 * g - 18.214 * b).round() as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_colours_at_an_odd_size() {
        let mut planes = Vec::new();
        for (color, yuv) in [
            ([255, 255, 255], [235, 128, 128]),
            ([0, 0, 0], [16, 128, 128]),
            ([255, 0, 0], [81, 90, 240]),
            ([0, 0, 255], [41, 240, 110]),
        ] {
            let picture = RgbaImage::from_pixel(3, 5, image::Rgba([color[0], color[1], color[2], 255]));
            to_yuv420(&picture, &mut planes);
            assert_eq!(planes.len(), 15 + 2 * 6);
            assert!(planes[..15].iter().all(|&y| y == yuv[0]));
            assert_eq!([planes[15], planes[21]], [yuv[1], yuv[2]], "{color:?}");
        }
    }

    #[test]
    fn rates() {
        let of = |fps: f64| rate(Duration::from_secs_f64(1.0 / fps));
        assert_eq!(of(30.0), (30, 1));
        assert_eq!(of(30000.0 / 1001.0), (30000, 1001));
        assert_eq!(of(12.5), (12500, 1000));
        assert_eq!(of(25.0), (25, 1));
    }

    #[test]
    fn the_stream_has_its_header_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.y4m");
        let mut writer = Y4mWriter::new(AtomicFile::new(&path).unwrap(), Duration::from_millis(40));
        let picture = RgbaImage::from_pixel(4, 2, image::Rgba([1, 2, 3, 255]));
        writer.write(&picture).unwrap();
        writer.write(&picture).unwrap();
        writer.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let header = b"YUV4MPEG2 W4 H2 F25:1 Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n";
        assert!(bytes.starts_with(header));
        assert_eq!(bytes.len(), header.len() + 2 * (6 + 12));
    }
}
