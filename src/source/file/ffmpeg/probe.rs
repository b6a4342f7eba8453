//! What ffprobe says of a file: which stream is the picture, and how its numbers are meant.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::super::planar::PixelAspect;
use super::program::{Program, said_of};
use crate::source::SourceError;
use crate::units::{Extent, Rate};

/// A stream with pictures.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Probe {
    /// Number of the stream in the file.
    pub index: u32,
    pub codec: String,
    /// As stored: before it is turned and its pixels made square.
    pub stored: Extent,
    /// As it is to be seen, at full size.
    pub shown: Extent,
    pub pixels: Pixels,
    pub light: Light,
    /// Seconds in a unit of its time stamps, as ffmpeg writes it: `1/90000`.
    pub time_base: String,
    /// Exactly one picture after the other, if the file says so.
    pub rate: Option<Rate>,
    /// Time from one picture to the next, about.
    pub interval: Option<Duration>,
    pub pictures: Option<u64>,
    pub length: Option<Duration>,
    /// Alpha of VP8 and VP9 is a stream within the stream, which only some decoders see.
    pub hidden_alpha: bool,
}

/// How colour is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pixels {
    /// 4:2:0.
    Halved {
        bt709: bool,
    },
    /// Anything else that is opaque.
    Full,
    Transparent,
}

/// What light the numbers stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Light {
    /// As a screen shows it.
    Sdr,
    /// More colours than a screen has; as bright as one.
    Wide,
    /// Brighter than a screen.
    Hdr,
}

#[derive(Debug, Deserialize)]
struct Raw {
    #[serde(default)]
    streams: Vec<RawStream>,
    #[serde(default)]
    packets: Vec<RawPacket>,
    #[serde(default)]
    format: RawFormat,
}

#[derive(Debug, Default, Deserialize)]
struct RawFormat {
    #[serde(default)]
    format_name: String,
    #[serde(default)]
    format_long_name: String,
    duration: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RawStream {
    index: u32,
    codec_type: Option<String>,
    codec_name: Option<String>,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
    sample_aspect_ratio: Option<String>,
    pix_fmt: Option<String>,
    color_space: Option<String>,
    color_transfer: Option<String>,
    color_primaries: Option<String>,
    time_base: Option<String>,
    r_frame_rate: Option<String>,
    avg_frame_rate: Option<String>,
    duration: Option<String>,
    nb_frames: Option<String>,
    #[serde(default)]
    disposition: RawDisposition,
    #[serde(default)]
    side_data_list: Vec<RawSideData>,
    #[serde(default)]
    tags: std::collections::HashMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
struct RawDisposition {
    #[serde(default)]
    attached_pic: u8,
    #[serde(default)]
    timed_thumbnails: u8,
}

#[derive(Debug, Deserialize)]
struct RawSideData {
    rotation: Option<f64>,
}

#[derive(Debug, Deserialize)]
struct RawPacket {
    stream_index: u32,
    pts_time: Option<String>,
}

/// Packets of the first seconds are looked at, for the time from one picture to the next where the file does not say it.
const LOOK_AT: &str = "%+2";

/// Asks ffprobe.
///
/// # Errors
/// When it is not installed, cannot read the file, or finds no picture in it.
pub(super) fn probe(path: &Path) -> Result<Probe, SourceError> {
    let output = Program::Ffprobe
        .command()
        .args(["-v", "error", "-of", "json", "-show_format", "-show_streams"])
        .args(["-show_entries", "packet=stream_index,pts_time", "-read_intervals", LOOK_AT, "-i"])
        .arg(Program::input(path))
        .output()
        .map_err(|error| Program::unstartable(path, &error))?;
    let raw: Option<Raw> = serde_json::from_slice(&output.stdout).ok();
    match raw {
        Some(raw) if !raw.streams.is_empty() => raw.judge(path),
        _ => {
            let said = said_of(&output.stderr).unwrap_or_else(|| "it says nothing of it".to_owned());
            Err(SourceError::Ffmpeg { path: path.into(), said })
        }
    }
}

impl Probe {
    pub(super) fn is_still(&self) -> bool {
        self.pictures == Some(1)
    }
}

impl Raw {
    fn judge(self, path: &Path) -> Result<Probe, SourceError> {
        let foreign = |what: &str, remedy: &str| SourceError::Foreign {
            path: path.into(),
            what: what.to_owned(),
            remedy: remedy.to_owned(),
        };
        let is = |stream: &RawStream, kind: &str| stream.codec_type.as_deref() == Some(kind);
        let attached = |s: &RawStream| s.disposition.attached_pic != 0 || s.disposition.timed_thumbnails != 0;
        let chosen = self.streams.iter().find(|s| is(s, "video") && !attached(s));
        let Some(stream) = chosen else {
            let name = if self.format.format_long_name.is_empty() { "sound" } else { &self.format.format_long_name };
            let cover = self.streams.iter().any(|s| is(s, "video"));
            return Err(match cover {
                true => foreign(
                    &format!("sound with a cover picture ({name}), not a video"),
                    "Choose a picture or a video; `ffmpeg -i IN -an cover.jpg` takes the cover out",
                ),
                false if self.streams.iter().any(|s| is(s, "audio")) => {
                    foreign(&format!("sound without a picture ({name})"), "Choose a picture or a video")
                }
                false => foreign(&format!("a file without pictures ({name})"), "Choose a picture or a video"),
            });
        };
        if stream.width == 0 || stream.height == 0 {
            let codec = stream.codec_name.as_deref().unwrap_or("unknown");
            let said = format!("the size of its pictures is not known (codec {codec})");
            return Err(SourceError::Ffmpeg { path: path.into(), said });
        }
        Ok(self.describe(stream))
    }

    fn describe(&self, stream: &RawStream) -> Probe {
        let stored = Extent::new(stream.width, stream.height);
        let aspect = stream.sample_aspect_ratio.as_deref().and_then(pixel_aspect).unwrap_or(PixelAspect::SQUARE);
        let pix_fmt = stream.pix_fmt.as_deref().unwrap_or_default();
        let hidden_alpha =
            stream.tags.iter().any(|(name, value)| name.eq_ignore_ascii_case("alpha_mode") && value == "1");
        let bt709 = stream.color_space.as_deref() == Some("bt709");
        let pixels = if hidden_alpha || has_alpha(pix_fmt) {
            Pixels::Transparent
        } else if is_halved(pix_fmt) {
            Pixels::Halved { bt709 }
        } else {
            Pixels::Full
        };
        let even = matches!(pixels, Pixels::Halved { .. })
            && stored.width.is_multiple_of(2)
            && stored.height.is_multiple_of(2);
        let squared = aspect.squared(stored, if even { 2 } else { 1 });
        let turned = stream.side_data_list.iter().find_map(|side| side.rotation).unwrap_or(0.0);
        let on_its_side = (turned / 90.0).round().rem_euclid(2.0) == 1.0;
        let shown = if on_its_side { Extent::new(squared.height, squared.width) } else { squared };
        let light = match (stream.color_transfer.as_deref(), stream.color_primaries.as_deref()) {
            (Some("smpte2084" | "arib-std-b67"), _) => Light::Hdr,
            (_, Some("bt2020" | "smpte431" | "smpte432")) => Light::Wide,
            _ => Light::Sdr,
        };
        let (real, mean) = (rate(stream.r_frame_rate.as_deref()), rate(stream.avg_frame_rate.as_deref()));
        // The two agree where every picture is shown for the same time.
        let steady = mean.filter(|mean| real == Some(*mean));
        let seconds = |text: &Option<String>| text.as_deref().and_then(duration);
        let length = seconds(&stream.duration).or_else(|| seconds(&self.format.duration));
        let pictures = stream.nb_frames.as_deref().and_then(|n| n.parse().ok()).filter(|n| *n > 0);
        let one = self.format.format_name.ends_with("_pipe") || self.format.format_name == "image2";
        Probe {
            index: stream.index,
            codec: stream.codec_name.clone().unwrap_or_default(),
            stored,
            shown,
            pixels,
            light,
            // Fine enough for all that is in use, where the file has none.
            time_base: stream.time_base.clone().filter(|t| t != "0/1").unwrap_or_else(|| "1/90000".to_owned()),
            rate: steady,
            interval: mean.map(Rate::interval).or_else(|| self.typical_interval(stream.index)),
            pictures: if one { Some(1) } else { pictures },
            length: length.filter(|_| !one),
            hidden_alpha,
        }
    }

    /// The middle one of the times between pictures at the beginning.
    fn typical_interval(&self, index: u32) -> Option<Duration> {
        let times = self.packets.iter().filter(|p| p.stream_index == index);
        let mut times: Vec<f64> = times.filter_map(|p| p.pts_time.as_deref()?.parse().ok()).collect();
        times.sort_by(f64::total_cmp);
        let mut gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0.0).collect();
        gaps.sort_by(f64::total_cmp);
        gaps.get(gaps.len() / 2).and_then(|gap| Duration::try_from_secs_f64(*gap).ok())
    }
}

/// `64:45`.
fn pixel_aspect(text: &str) -> Option<PixelAspect> {
    let (width, height) = text.split_once(':')?;
    let aspect = PixelAspect { width: width.parse().ok()?, height: height.parse().ok()? };
    (aspect.width > 0 && aspect.height > 0).then_some(aspect)
}

/// `30000/1001`; rates beyond what anything records are a time base, not a rate.
fn rate(text: Option<&str>) -> Option<Rate> {
    let (pictures, seconds) = text?.split_once('/')?;
    Rate::new(pictures.parse().ok()?, seconds.parse().ok()?).filter(|rate| rate.fps() < 1000.0)
}

fn duration(text: &str) -> Option<Duration> {
    text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).filter(|d| !d.is_zero())
}

/// ffmpeg's names of pixel formats with alpha: `rgba`, `yuva420p10le`, `gbrap`, `ya8`; palettes may have it.
fn has_alpha(pix_fmt: &str) -> bool {
    ["rgba", "bgra", "argb", "abgr", "yuva", "gbrap", "ya8", "ya16", "pal8", "ayuv"]
        .iter()
        .any(|p| pix_fmt.starts_with(p))
}

/// ffmpeg's names of pixel formats with a quarter of the colour samples.
fn is_halved(pix_fmt: &str) -> bool {
    ["yuv420p", "yuvj420p", "nv12", "nv21", "p010", "p012", "p016"].iter().any(|p| pix_fmt.starts_with(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Result<Probe, SourceError> {
        serde_json::from_str::<Raw>(text).unwrap().judge(Path::new("clip"))
    }

    #[test]
    fn a_browsers_clip_has_no_rate() {
        let probe = judge(
            r#"{ "packets": [ {"stream_index":0,"pts_time":"0.000"}, {"stream_index":0,"pts_time":"0.033"},
                 {"stream_index":0,"pts_time":"0.125"}, {"stream_index":0,"pts_time":"0.074"}, {"stream_index":1} ],
                 "streams": [ {"index":0,"codec_name":"vp8","codec_type":"video","width":160,"height":120,
                 "sample_aspect_ratio":"1:1","pix_fmt":"yuv420p","r_frame_rate":"1000/1","avg_frame_rate":"0/0",
                 "disposition":{"attached_pic":0}} ], "format": {"format_name":"matroska,webm"} }"#,
        )
        .unwrap();
        assert_eq!((probe.rate, probe.interval), (None, Some(Duration::from_millis(41))));
        assert_eq!(probe.pixels, Pixels::Halved { bt709: false });
        assert_eq!((probe.pictures, probe.length), (None, None));
    }

    #[test]
    fn pixels_are_made_square_and_phones_turned() {
        let probe = judge(
            r#"{ "streams": [ {"index":1,"codec_name":"h264","codec_type":"video","width":720,"height":576,
                 "sample_aspect_ratio":"64:45","pix_fmt":"yuv420p","color_space":"bt709","r_frame_rate":"25/1",
                 "avg_frame_rate":"25/1","nb_frames":"15","duration":"0.6","side_data_list":[{"rotation":-90}]} ],
                 "format": {"format_name":"mov,mp4"} }"#,
        )
        .unwrap();
        assert_eq!((probe.stored, probe.shown), (Extent::new(720, 576), Extent::new(576, 1024)));
        assert_eq!(probe.rate.unwrap().to_string(), "25:1");
        assert_eq!((probe.pictures, probe.length), (Some(15), Some(Duration::from_millis(600))));
        assert_eq!(probe.pixels, Pixels::Halved { bt709: true });
    }

    #[test]
    fn sound_is_told_from_video() {
        let error = judge(
            r#"{ "streams": [ {"index":0,"codec_type":"audio","codec_name":"mp3"},
                 {"index":1,"codec_type":"video","codec_name":"mjpeg","width":300,"height":300,"disposition":{"attached_pic":1}} ],
                 "format": {"format_name":"mp3","format_long_name":"MP2/3 (MPEG audio layer 2/3)"} }"#,
        )
        .unwrap_err();
        assert!(error.to_string().contains("cover picture"), "{error}");
        let error = judge(r#"{ "streams": [ {"index":0,"codec_type":"audio"} ], "format": {} }"#).unwrap_err();
        assert!(error.to_string().contains("without a picture"), "{error}");
    }

    #[test]
    fn formats_and_light() {
        for (name, halved, alpha) in [
            ("yuv420p", true, false),
            ("yuv420p10le", true, false),
            ("yuvj420p", true, false),
            ("nv12", true, false),
            ("yuv422p", false, false),
            ("yuva420p", false, true),
            ("gbrp", false, false),
            ("gbrap16le", false, true),
            ("rgba64le", false, true),
            ("rgb24", false, false),
            ("gray", false, false),
            ("ya8", false, true),
        ] {
            assert_eq!((is_halved(name), has_alpha(name)), (halved, alpha), "{name}");
        }
        let light = |transfer: &str, primaries: &str| {
            judge(&format!(
                r#"{{ "streams": [ {{"index":0,"codec_type":"video","width":2,"height":2,"color_transfer":"{transfer}",
                     "color_primaries":"{primaries}"}} ] }}"#
            ))
            .unwrap()
            .light
        };
        assert_eq!(light("arib-std-b67", "bt2020"), Light::Hdr);
        assert_eq!(light("bt709", "smpte432"), Light::Wide);
        assert_eq!(light("bt709", "bt709"), Light::Sdr);
    }
}
