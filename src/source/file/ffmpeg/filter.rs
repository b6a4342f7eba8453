//! What ffmpeg is asked to make of a stream: one size, square pixels, a layout that frames have, and colours of which the
//! meaning is known. Pure.

use super::probe::{Light, Pixels, Probe};
use super::program::Abilities;
use crate::frame::{ColorSpec, FrameShape, PixelFormat, YuvMatrix, YuvRange};
use crate::units::Extent;

/// The shape of the frames that ffmpeg hands over, and how it comes to them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Conversion {
    pub format: Layout,
    pub extent: Extent,
    pub color: ColorSpec,
    /// The argument of `-vf`.
    pub filter: String,
    /// HDR is shown as it is stored, because this ffmpeg cannot convert it.
    pub pale: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Nv12,
    Rgb,
    /// To be laid on a ground.
    Rgba,
}

/// Luminance of white in cd/m2: ITU-R BT.2408, section 2.
const WHITE: u32 = 203;

impl Conversion {
    /// `extent`: the size that is wanted, of the same shape as `probe.shown`. A still is RGB in any case.
    pub(super) fn new(probe: &Probe, extent: Extent, abilities: &Abilities) -> Self {
        let even = extent.width.is_multiple_of(2) && extent.height.is_multiple_of(2);
        let format = match probe.pixels {
            Pixels::Transparent => Layout::Rgba,
            Pixels::Halved { .. } if even && !probe.is_still() => Layout::Nv12,
            Pixels::Halved { .. } | Pixels::Full => Layout::Rgb,
        };
        let converts = probe.light != Light::Sdr && abilities.zscale;
        let bt709 = converts || probe.pixels == Pixels::Halved { bt709: true };
        let (matrix, name) = if bt709 { (YuvMatrix::Bt709, "bt709") } else { (YuvMatrix::Bt601, "bt601") };
        let Extent { width, height } = extent;
        let mut filters = Vec::new();
        let sized = format!("{width}:{height}");
        if converts {
            // Fewer pixels first: what follows works on floats.
            filters.push(format!("scale={sized}:flags=bicubic"));
            filters.extend(to_screen(probe.light));
        }
        let last = match format {
            Layout::Nv12 => format!(":out_color_matrix={name}:out_range=limited,format=nv12"),
            Layout::Rgb => ",format=rgb24".to_owned(),
            Layout::Rgba => ",format=rgba".to_owned(),
        };
        filters.push(format!("scale={sized}:flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp{last}"));
        Self {
            format,
            extent,
            color: ColorSpec { matrix, range: YuvRange::Limited },
            filter: filters.join(","),
            pale: probe.light == Light::Hdr && !converts,
        }
    }

    /// Of the frames that come of it.
    pub(super) fn shape(&self) -> FrameShape {
        let format = match self.format {
            Layout::Nv12 => PixelFormat::Nv12,
            Layout::Rgb | Layout::Rgba => PixelFormat::Rgb8,
        };
        FrameShape { color: self.color, ..FrameShape::packed(format, self.extent) }
    }

    /// Bytes of one picture as ffmpeg writes it.
    pub(super) fn picture_bytes(&self) -> usize {
        match self.format {
            Layout::Rgba => self.extent.pixels() as usize * 4,
            Layout::Nv12 | Layout::Rgb => self.shape().min_bytes(),
        }
    }
}

/// To BT.709 colours, and where it is brighter than a screen, to a screen's range by Hable's curve.
fn to_screen(light: Light) -> Vec<String> {
    let linear = format!("zscale=transfer=linear:npl={WHITE}");
    let mut filters = vec![linear, "format=gbrpf32le".to_owned(), "zscale=primaries=bt709".to_owned()];
    if light == Light::Hdr {
        filters.push("tonemap=tonemap=hable".to_owned());
    }
    filters.push("zscale=transfer=bt709:matrix=bt709:range=limited".to_owned());
    filters.push("format=yuv444p".to_owned());
    filters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(pixels: Pixels, light: Light) -> Probe {
        Probe {
            index: 0,
            codec: String::new(),
            stored: Extent::new(640, 360),
            shown: Extent::new(640, 360),
            pixels,
            light,
            time_base: "1/1000".into(),
            rate: None,
            interval: None,
            pictures: None,
            length: None,
            hidden_alpha: false,
        }
    }

    #[test]
    fn colour_keeps_its_samples_where_it_has_more() {
        let (even, odd) = (Extent::new(640, 360), Extent::new(641, 359));
        let of = |pixels, extent| {
            let conversion = Conversion::new(&probe(pixels, Light::Sdr), extent, &Abilities::default());
            (conversion.shape().format, conversion.shape().color.matrix)
        };
        assert_eq!(of(Pixels::Halved { bt709: true }, even), (PixelFormat::Nv12, YuvMatrix::Bt709));
        assert_eq!(of(Pixels::Halved { bt709: false }, even), (PixelFormat::Nv12, YuvMatrix::Bt601));
        assert_eq!(of(Pixels::Halved { bt709: true }, odd).0, PixelFormat::Rgb8);
        assert_eq!(of(Pixels::Full, even).0, PixelFormat::Rgb8);
        assert_eq!(of(Pixels::Transparent, even).0, PixelFormat::Rgb8);
    }

    #[test]
    fn bright_light_is_converted_where_ffmpeg_can() {
        let extent = Extent::new(640, 360);
        let hdr = probe(Pixels::Halved { bt709: false }, Light::Hdr);
        let can = Abilities { zscale: true, ..Abilities::default() };
        let converted = Conversion::new(&hdr, extent, &can);
        assert!(converted.filter.contains("tonemap") && !converted.pale, "{}", converted.filter);
        assert_eq!(converted.color.matrix, YuvMatrix::Bt709);
        let pale = Conversion::new(&hdr, extent, &Abilities::default());
        assert!(!pale.filter.contains("zscale") && pale.pale, "{}", pale.filter);
        let wide = Conversion::new(&probe(Pixels::Full, Light::Wide), extent, &can);
        assert!(wide.filter.contains("zscale") && !wide.filter.contains("tonemap"), "{}", wide.filter);
    }
}
