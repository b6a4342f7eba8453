//! The programs ffmpeg and ffprobe: how they are started, and what they say when something is wrong.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::ffmpeg;
use crate::source::SourceError;

#[derive(Clone, Copy, Debug)]
pub(super) enum Program {
    Ffmpeg,
    Ffprobe,
}

impl Program {
    /// Without a terminal, so that it neither asks nor takes keys.
    pub(super) fn command(self) -> Command {
        ffmpeg::command(match self {
            Self::Ffmpeg => "ffmpeg",
            Self::Ffprobe => "ffprobe",
        })
    }

    /// The name of a file as an argument: `file:` keeps names with a colon from being taken for an address on the network,
    /// and those that begin with a dash from being taken for an option.
    pub(super) fn input(path: &Path) -> OsString {
        let mut input = OsString::from("file:");
        input.push(path);
        input
    }

    pub(super) fn unstartable(path: &Path, error: &std::io::Error) -> SourceError {
        match error.kind() {
            std::io::ErrorKind::NotFound => SourceError::NeedsFfmpeg { path: path.into() },
            _ => SourceError::Ffmpeg { path: path.into(), said: error.to_string() },
        }
    }
}

/// What the installed ffmpeg can do.
#[derive(Clone, Debug, Default)]
pub(super) struct Abilities {
    /// `5.1.9`, or whatever it calls itself.
    pub version: String,
    /// Converts light and colour spaces (the library zimg).
    pub zscale: bool,
    /// Decoders that see the alpha of VP8 and VP9.
    pub libvpx: bool,
}

impl Abilities {
    /// Asked once. `None` where there is no ffmpeg.
    pub(super) fn get() -> Option<&'static Self> {
        static ABILITIES: OnceLock<Option<Abilities>> = OnceLock::new();
        ABILITIES.get_or_init(Self::ask).as_ref()
    }

    fn ask() -> Option<Self> {
        let ask = |args: &[&str]| {
            let output = Program::Ffmpeg.command().args(args).stderr(Stdio::null()).output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let version = ask(&["-version"])?;
        let version = version.split_whitespace().nth(2).unwrap_or("unknown").to_owned();
        let has = |listing: Option<String>, name: &str| {
            listing.is_some_and(|text| text.lines().any(|line| line.split_whitespace().nth(1) == Some(name)))
        };
        Some(Self {
            version,
            zscale: has(ask(&["-hide_banner", "-filters"]), "zscale"),
            libvpx: has(ask(&["-hide_banner", "-decoders"]), "libvpx-vp9"),
        })
    }

    /// The option that hands on every picture with its own time: its name changed with version 5.1.
    pub(super) fn passthrough(&self) -> &'static str {
        let mut numbers = self.version.trim_start_matches('n').split(['.', '-']).map(|part| part.parse::<u32>());
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), _) if major < 5 => "-vsync",
            (Some(Ok(5)), Some(Ok(0))) => "-vsync",
            _ => "-fps_mode",
        }
    }
}

/// Whether ffmpeg can be started.
pub(in crate::source::file) fn installed() -> bool {
    Abilities::get().is_some()
}

/// The last line that it said, without the file's own name.
pub(super) fn said_of(stderr: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(stderr);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    // "file:/a/b.mp4: Invalid data found": whoever reads it knows which file is meant.
    let line = if line.starts_with("file:") { line.rsplit(": ").next().unwrap_or(line) } else { line };
    // "[mov,mp4 @ 0x55d0c8f1b2c0] moov atom not found".
    let line = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((part, said)) if part.contains(" @ 0x") => said,
        _ => line,
    };
    Some(line.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_short() {
        let said = |text: &str| said_of(text.as_bytes());
        assert_eq!(
            said("file:/tmp/a: b.mp4: Invalid data found when processing input\n").unwrap(),
            "Invalid data found when processing input"
        );
        assert_eq!(said("x\n[mov,mp4 @ 0x55d0] moov atom not found\n\n").unwrap(), "moov atom not found");
        assert_eq!(said(" \n"), None);
    }

    #[test]
    fn versions() {
        let option = |version: &str| Abilities { version: version.into(), ..Abilities::default() }.passthrough();
        for (version, name) in [
            ("4.4.2-0ubuntu0.22.04.1", "-vsync"),
            ("5.0", "-vsync"),
            ("5.1.9-0+deb12u1", "-fps_mode"),
            ("n7.1", "-fps_mode"),
            ("N-118000-g1234567", "-fps_mode"),
        ] {
            assert_eq!(option(version), name, "{version}");
        }
    }
}
