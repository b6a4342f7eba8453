//! What a file is, by its first bytes and never by its name.

use image::ImageFormat;

/// So many bytes tell every kind.
pub(super) const START_BYTES: usize = 64;

/// What a file's first bytes make it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nothing,
    /// A picture, or an animation, that is decoded here.
    Picture(ImageFormat),
    Y4m,
    /// A picture that ffmpeg may be able to read: its name, and what to do where it is not.
    ForeignPicture(&'static str, &'static str),
    /// Nothing with a picture that could be shown: what it is, and what to do.
    NoPicture(&'static str, &'static str),
    /// Whatever ffmpeg makes of it.
    Other,
}

const EXPORT: &str = "Export it as JPEG, PNG or TIFF first";
/// Not tried through ffmpeg: its tiles come out one by one.
const HEIC: (&str, &str) = (
    "a HEIC photo, as iPhones take them",
    "Convert it to JPEG first (heif-convert IN.heic OUT.jpg, from the package libheif-examples), or set the phone to 'Most Compatible'",
);
const NO_SOUND: &str = "Choose a picture or a video";

impl Kind {
    pub(super) fn of(start: &[u8]) -> Self {
        let at = |offset: usize, magic: &[u8]| start.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        let begins = |magic: &[u8]| at(0, magic);
        if start.is_empty() {
            return Self::Nothing;
        }
        if begins(b"YUV4MPEG2") {
            return Self::Y4m;
        }
        if at(4, b"ftyp") {
            return Self::of_brands(start);
        }
        let picture = [
            (begins(b"\x89PNG"), ImageFormat::Png),
            (begins(b"\xff\xd8\xff"), ImageFormat::Jpeg),
            (begins(b"GIF8"), ImageFormat::Gif),
            (begins(b"RIFF") && at(8, b"WEBP"), ImageFormat::WebP),
            (begins(b"BM") && at(6, &[0; 4]), ImageFormat::Bmp),
            (begins(b"II\x2a\0") || begins(b"MM\0\x2a"), ImageFormat::Tiff),
        ];
        if at(8, b"CR\x02\0") {
            return Self::ForeignPicture("a raw photo (CR2)", EXPORT);
        }
        if let Some((_, format)) = picture.into_iter().find(|(is, _)| *is) {
            return Self::Picture(format);
        }
        let foreign = [
            (begins(b"\xff\x0a") || at(4, b"JXL \r\n\x87\n"), "a JPEG XL picture"),
            (at(4, b"jP  \r\n\x87\n") || begins(b"\xff\x4f\xff\x51"), "a JPEG 2000 picture"),
            (begins(b"8BPS"), "a Photoshop picture"),
            (begins(b"\x76\x2f\x31\x01"), "an OpenEXR picture"),
            (begins(b"SDPX") || begins(b"XPDS"), "a DPX picture"),
            (begins(b"qoif"), "a QOI picture"),
            (begins(b"#?RADIANCE") || begins(b"#?RGBE"), "a Radiance picture"),
            (
                start.len() > 2 && begins(b"P") && matches!(start[1], b'1'..=b'7') && start[2].is_ascii_whitespace(),
                "a Netpbm picture",
            ),
            (begins(b"II\x55\0"), "a raw photo (RW2)"),
            (begins(b"IIRO") || begins(b"IIRS"), "a raw photo (ORF)"),
            (begins(b"FUJIFILMCCD-RAW"), "a raw photo (RAF)"),
            (begins(b"gimp xcf"), "a GIMP picture"),
            (begins(b"\0\0\x01\0"), "an icon"),
        ];
        if let Some((_, name)) = foreign.into_iter().find(|(is, _)| *is) {
            return Self::ForeignPicture(name, EXPORT);
        }
        let text = std::str::from_utf8(start).map(str::trim_start).unwrap_or_default();
        let lower = text.to_ascii_lowercase();
        let none = [
            (begins(b"%PDF"), "a PDF", "Export the page that you want as PNG first"),
            (
                lower.starts_with("<svg") || lower.starts_with("<?xml") && lower.contains("svg"),
                "an SVG drawing",
                "Export it as PNG first",
            ),
            (
                lower.starts_with("<!doctype html") || lower.starts_with("<html"),
                "a web page",
                "Save the picture itself: the download gave a page in its place",
            ),
            (
                lower.starts_with("version https://git-lfs"),
                "a Git LFS pointer",
                "Fetch the file itself with `git lfs pull`",
            ),
            (begins(b"PK\x03\x04"), "a ZIP archive", "Unpack it first"),
            (begins(b"\x1f\x8b") || begins(b"7z\xbc\xaf\x27\x1c") || begins(b"Rar!"), "an archive", "Unpack it first"),
            (begins(b"fLaC"), "a FLAC sound file", NO_SOUND),
        ];
        if let Some((_, name, remedy)) = none.into_iter().find(|(is, ..)| *is) {
            return Self::NoPicture(name, remedy);
        }
        Self::Other
    }

    /// ISO base media files (ISO/IEC 14496-12): the brands say whether it is a film or a photo.
    fn of_brands(start: &[u8]) -> Self {
        let len = start.get(..4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes) as usize;
        let brands = start.get(8..len.min(start.len())).unwrap_or_default();
        // The major brand, its version, then the compatible ones.
        let mut brands = brands.chunks_exact(4).enumerate().filter(|(i, _)| *i != 1).map(|(_, brand)| brand);
        let major = brands.next().unwrap_or_default();
        match major {
            b"avif" | b"avis" => Self::ForeignPicture("an AVIF picture", EXPORT),
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => Self::NoPicture(HEIC.0, HEIC.1),
            b"crx " => Self::ForeignPicture("a raw photo (CR3)", EXPORT),
            b"mif1" | b"msf1" if brands.any(|b| b == b"avif") => Self::ForeignPicture("an AVIF picture", EXPORT),
            b"mif1" | b"msf1" => Self::NoPicture(HEIC.0, HEIC.1),
            _ => Self::Other,
        }
    }
}

/// What files of this name are, where their first bytes look like an ordinary TIFF's: raw photos hold a small preview there.
pub(super) fn raw_photo(path: &std::path::Path) -> Option<(&'static str, &'static str)> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    ["dng", "nef", "nrw", "arw", "sr2", "srf", "pef", "3fr", "iiq", "erf", "mef", "mos", "dcr", "kdc", "srw"]
        .contains(&extension.as_str())
        .then_some(("a raw photo", "Develop it first, and export it as TIFF or JPEG"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_their_first_bytes() {
        let name = |start: &[u8]| match Kind::of(start) {
            Kind::Nothing => "nothing".to_owned(),
            Kind::Picture(format) => format!("{format:?}"),
            Kind::Y4m => "Y4m".to_owned(),
            Kind::ForeignPicture(name, _) | Kind::NoPicture(name, _) => name.to_owned(),
            Kind::Other => "other".to_owned(),
        };
        for (start, kind) in [
            (&b""[..], "nothing"),
            (b"\x89PNG\r\n\x1a\n", "Png"),
            (b"\xff\xd8\xff\xe0", "Jpeg"),
            (b"GIF89a", "Gif"),
            (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP"),
            (b"RIFF\x10\0\0\0AVI LIST", "other"),
            (b"BM\x36\x10\0\0\0\0\0\0\x36\0", "Bmp"),
            (b"BMW is a car", "other"),
            (b"II\x2a\0\x08\0\0\0", "Tiff"),
            (b"II\x2a\0\x10\0\0\0CR\x02\0", "a raw photo (CR2)"),
            (b"YUV4MPEG2 W4 H2", "Y4m"),
            (b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf", HEIC.0),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf", HEIC.0),
            (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf", "an AVIF picture"),
            (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "an AVIF picture"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "other"),
            (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "other"),
            (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture"),
            (b"P6\n640 480\n255\n", "a Netpbm picture"),
            (b"%PDF-1.7", "a PDF"),
            (b"\n <!DOCTYPE HTML><html>", "a web page"),
            (b"<?xml version=\"1.0\"?><svg xmlns=", "an SVG drawing"),
            (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
            (b"Not a picture at all.\n", "other"),
        ] {
            assert_eq!(name(start), kind, "{:?}", String::from_utf8_lossy(start));
        }
        assert!(raw_photo(std::path::Path::new("a/DSC_0001.NEF")).is_some());
        assert!(raw_photo(std::path::Path::new("a/scan.tif")).is_none());
    }
}
