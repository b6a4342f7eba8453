//! What the user asked for, before anything is opened: which source, how large, how fast, and when to stop.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::camera::Coding;
use crate::clock::{Clock, Stop};
use crate::units::{Budget, Extent, FrameIds};

/// Which source to open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceSpec {
    /// The first camera that opens, else the demo scene.
    #[default]
    Auto,
    /// A camera by its number in the listing; the first one without a number.
    Camera(Option<u32>),
    /// As `Camera`, but always through nokhwa: for a camera that the direct route on Linux cannot drive.
    Nokhwa(Option<u32>),
    Demo,
    File(PathBuf),
    /// Y4M on standard input.
    Stdin,
}

impl SourceSpec {
    /// Reads `auto`, `camera`, `camera:2`, `nokhwa:2`, `demo`, `/dev/video2`, `-`, or a path. A file that is named like one of
    /// the words is reached as `./demo`.
    ///
    /// # Errors
    /// With a sentence for the user when the text is empty or a camera's number is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let number = |digits: &str| {
            digits.parse::<u32>().map(Some).map_err(|_| {
                format!("'{text}' does not name a camera: write camera, or camera:N with N from `impasto cameras`")
            })
        };
        match text {
            "" => Err("the source is empty: write camera, camera:N, demo, or the path of a file".into()),
            "auto" => Ok(Self::Auto),
            "camera" => Ok(Self::Camera(None)),
            "nokhwa" => Ok(Self::Nokhwa(None)),
            "demo" => Ok(Self::Demo),
            "-" => Ok(Self::Stdin),
            _ => {
                if let Some(digits) = text.strip_prefix("camera:") {
                    number(digits).map(Self::Camera)
                } else if let Some(digits) = text.strip_prefix("nokhwa:") {
                    number(digits).map(Self::Nokhwa)
                } else if let Some(digits) = text.strip_prefix("/dev/video").filter(|_| cfg!(target_os = "linux")) {
                    number(digits).map(Self::Camera)
                } else {
                    Ok(Self::File(PathBuf::from(text)))
                }
            }
        }
    }
}

impl std::str::FromStr for SourceSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => write!(f, "auto"),
            Self::Camera(None) => write!(f, "camera"),
            Self::Camera(Some(n)) => write!(f, "camera:{n}"),
            Self::Nokhwa(None) => write!(f, "nokhwa"),
            Self::Nokhwa(Some(n)) => write!(f, "nokhwa:{n}"),
            Self::Demo => write!(f, "demo"),
            Self::Stdin => write!(f, "-"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Which clock files and the demo scene run by. Cameras have their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pacing {
    /// As in life: a frame is delivered when it is due, and one whose time has gone by is passed over.
    #[default]
    RealTime,
    /// As fast as frames are asked for, each stamped with the moment of its delivery. For benchmarks.
    Free,
    /// As fast as frames are asked for, none passed over, stamped as if played: the differences between stamps are
    /// exactly those in the file. For rendering to a file.
    Offline,
}

/// How the caller would like its frames.
#[derive(Clone, Debug)]
pub struct SourceWish {
    /// No frame need be larger. A camera is asked for at most that; a still or a clip that is larger is scaled down where
    /// that is cheap. `None` takes files at their own size and cameras at up to 1280x720.
    pub max_extent: Option<Extent>,
    /// The longest interval between frames that is wanted; decides a camera's mode, and the demo scene's rate.
    pub budget: Budget,
    /// Whether a file begins again after its end.
    pub looping: bool,
    /// R, G and B of what transparent pixels of a file lie on.
    pub ground: [u8; 3],
    pub pacing: Pacing,
    /// Use only the camera modes of this coding.
    pub coding: Option<Coding>,
    /// By a camera's name, the mode that the user chose for it, as [`super::camera::CameraMode`] is written.
    pub camera_modes: BTreeMap<String, String>,
    /// Ask the camera's driver for rows of at least this many bytes.
    pub stride_bytes: Option<u32>,
    /// Set by the owner when no more frames are wanted.
    pub stop: Stop,
    /// What frames are paced by.
    pub clock: Clock,
    /// Where frames get their identity from.
    pub ids: FrameIds,
}

impl SourceWish {
    /// What a camera or the demo scene may be at most when nothing is asked for.
    pub const DEFAULT_MAX: Extent = Extent::new(1280, 720);
    /// White, as paper is.
    pub const PAPER: [u8; 3] = [255; 3];
}

impl Default for SourceWish {
    fn default() -> Self {
        Self {
            max_extent: Some(Self::DEFAULT_MAX),
            budget: Budget::default(),
            looping: true,
            ground: Self::PAPER,
            pacing: Pacing::RealTime,
            coding: None,
            camera_modes: BTreeMap::new(),
            stride_bytes: None,
            stop: Stop::default(),
            clock: Clock::default(),
            ids: FrameIds::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_read_and_written_alike() {
        for text in
            ["auto", "camera", "camera:2", "nokhwa", "nokhwa:0", "demo", "-", "clip.y4m", "./demo", "/tmp/a b.gif"]
        {
            assert_eq!(SourceSpec::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "camera:", "camera:-1", "camera:x", "nokhwa:99999999999"] {
            assert!(SourceSpec::parse(text).is_err(), "{text}");
        }
        #[cfg(target_os = "linux")]
        assert_eq!(SourceSpec::parse("/dev/video3").unwrap(), SourceSpec::Camera(Some(3)));
    }
}
