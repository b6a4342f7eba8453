//! What a file's name says about what it is to hold.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::OutputError;

/// Where a row of pictures goes, by the name of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One PNG or JPEG.
    Still(StillFormat),
    Gif,
    Y4m,
    Mp4,
    /// One PNG or JPEG for each picture.
    Sequence(StillFormat, Numbered),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StillFormat {
    #[default]
    Png,
    Jpeg,
}

/// A name with a number in it: `out_%04d.png` stands for `out_0001.png` and those that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    before: OsString,
    /// Zeros in front fill the number up to so many digits.
    digits: usize,
    after: OsString,
}

/// More digits than this are not a number that pictures could be counted by.
const MOST_DIGITS: usize = 18;

impl Format {
    /// Reads the format off a file's name. The name may be anything that the system allows, UTF-8 or not.
    ///
    /// # Errors
    /// When the name ends in nothing that can be written, or holds two number patterns.
    pub fn of(path: &Path) -> Result<Self, OutputError> {
        let wrong = || OutputError::Format { path: path.to_owned() };
        let extension = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase).ok_or_else(wrong)?;
        let still = match extension.as_str() {
            "gif" => return Ok(Self::Gif),
            "y4m" => return Ok(Self::Y4m),
            "mp4" => return Ok(Self::Mp4),
            "png" => StillFormat::Png,
            "jpg" | "jpeg" => StillFormat::Jpeg,
            _ => return Err(wrong()),
        };
        let Some(numbered) = Numbered::of(path.file_name().unwrap_or_default()) else { return Ok(Self::Still(still)) };
        if Numbered::of(&numbered.after).is_some() {
            return Err(OutputError::TwoNumbers { path: path.to_owned() });
        }
        Ok(Self::Sequence(still, numbered))
    }

    /// Whether there is room for more than one picture.
    pub fn is_clip(&self) -> bool {
        !matches!(self, Self::Still(_))
    }

    /// The first file that is written.
    pub fn first_path(&self, path: &Path) -> PathBuf {
        match self {
            Self::Sequence(_, numbered) => path.with_file_name(numbered.name(1)),
            _ => path.to_owned(),
        }
    }
}

impl Numbered {
    /// The first `%d` or `%0Nd` in a name. A letter or digit right after it makes it part of a word: `100%done.png` has none,
    /// nor has `50% off.png`.
    fn of(name: &OsStr) -> Option<Self> {
        // The bytes of a name agree with ASCII wherever they are below 128, on every system.
        let bytes = name.as_encoded_bytes();
        (0..bytes.len()).filter(|&at| bytes[at] == b'%').find_map(|at| {
            let rest = &bytes[at + 1..];
            let number = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let after = rest.get(number..).filter(|r| r.first() == Some(&b'd'))?;
            if after.get(1).is_some_and(u8::is_ascii_alphanumeric) {
                return None;
            }
            let digits = match &rest[..number] {
                [] => 1,
                [b'0', more @ ..] => std::str::from_utf8(more).ok()?.parse().ok()?,
                _ => return None,
            };
            (1..=MOST_DIGITS).contains(&digits).then(|| Self {
                before: part(name, 0, at),
                digits,
                after: part(name, at + 1 + number + 1, bytes.len()),
            })
        })
    }

    /// The name of picture `number`.
    pub fn name(&self, number: u64) -> OsString {
        let mut name = self.before.clone();
        name.push(format!("{number:0digits$}", digits = self.digits));
        name.push(&self.after);
        name
    }
}

/// Bytes `from..to` of a name; both lie beside ASCII characters.
fn part(name: &OsStr, from: usize, to: usize) -> OsString {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        OsStr::from_bytes(&name.as_bytes()[from..to]).to_owned()
    }
    #[cfg(not(unix))]
    {
        // Where names are no bytes, what is not Unicode in them cannot be cut out; the rest is kept.
        String::from_utf8_lossy(&name.as_encoded_bytes()[from..to]).into_owned().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Option<Format> {
        Format::of(Path::new(name)).ok()
    }

    #[test]
    fn formats_by_name() {
        assert_eq!(of("a.PNG"), Some(Format::Still(StillFormat::Png)));
        assert_eq!(of("dir.d/a.jpeg"), Some(Format::Still(StillFormat::Jpeg)));
        assert_eq!(of("a.gif"), Some(Format::Gif));
        assert_eq!(of("a.y4m"), Some(Format::Y4m));
        assert_eq!(of("a.mp4"), Some(Format::Mp4));
        for wrong in ["a", "a.mkv", "a.", "%d%d.png", "a_%d_%03d.png"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_number_patterns_make_a_sequence() {
        let first = |name: &str| match of(name) {
            Some(Format::Sequence(_, numbered)) => Some(numbered.name(1).into_string().unwrap()),
            Some(_) => None,
            None => panic!("{name} is no format"),
        };
        for (name, one) in [
            ("out_%04d.png", "out_0001.png"),
            ("%d.jpg", "1.jpg"),
            ("100%_%03d.png", "100%_001.png"),
            ("%d of 9.png", "1 of 9.png"),
            ("ä%02dö.png", "ä01ö.png"),
            ("100%done %d.png", "100%done 1.png"),
        ] {
            assert_eq!(first(name).as_deref(), Some(one), "{name}");
        }
        for name in [
            "100%done.png",
            "50% off.png",
            "50%.png",
            "%s.png",
            "%4d.png",
            "%0d.png",
            "%099d.png",
            "%%.png",
            "a%d2.png",
        ] {
            assert_eq!(first(name), None, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_need_not_be_utf_8() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = |bytes: &'static [u8]| Path::new(OsStr::from_bytes(bytes));
        assert_eq!(Format::of(name(b"a\xff.png")).unwrap(), Format::Still(StillFormat::Png));
        let Format::Sequence(_, numbered) = Format::of(name(b"\xff%02d\xfe.png")).unwrap() else { panic!() };
        assert_eq!(numbered.name(7).as_bytes(), b"\xff07\xfe.png");
    }
}
