//! Everything that can go wrong with a source, each with its cause in numbers and names, its remedy, and the way back.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::fault::{Fault, Severity};
use crate::frame::FrameError;
use crate::units::Extent;

/// What is to be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// The source still runs: ask it for the next frame.
    Continue,
    /// The source is of no more use; opening it again later may work.
    Reopen,
    /// Nothing but the user can change it.
    None,
}

/// Why there is no frame.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("No camera was found")]
    NoCamera,
    #[error("There is no camera {index}; the cameras here are: {have}")]
    NoSuchCamera { index: u32, have: String },
    #[error("The camera {name} is in use by another program")]
    Busy { name: String },
    #[error("The camera {name} has no picture to give yet")]
    Idle { name: String },
    #[error("Access to the camera {name} was denied")]
    Denied { name: String },
    #[error("The camera {name} is gone")]
    Gone { name: String },
    #[error("The camera {name} has sent nothing for {:.1} s", waited.as_secs_f32())]
    Stalled { name: String, waited: Duration },
    #[error("The camera {name} has stopped: {what}")]
    Broken { name: String, what: String },
    #[error("The camera {name} sends damaged frames")]
    Damaged { name: String },
    #[error("A camera was plugged in")]
    Appeared,
    #[error("The camera is free again")]
    Free,
    #[error("The camera {name} offers no picture format that can be used, only: {offered}")]
    NoUsableFormat { name: String, offered: String },
    #[error("The camera {name} refused {doing}: {source}")]
    Driver { name: String, doing: &'static str, source: io::Error },

    #[error("{} cannot be opened: {source}", path.display())]
    Unopenable { path: PathBuf, source: io::Error },
    #[error("{} is not a picture or a video that can be read: {what}", path.display())]
    Unreadable { path: PathBuf, what: String },
    #[error("{} is damaged at frame {frame}: {what}", path.display())]
    Corrupt { path: PathBuf, frame: u64, what: String },
    #[error("{} is not whole: {what}", path.display())]
    CutShort { path: PathBuf, what: String },
    #[error("{} is not whole: {what}", path.display())]
    Incomplete { path: PathBuf, what: String },
    #[error("{} was left out: {what}", path.display())]
    LeftOut { path: PathBuf, what: String },
    #[error("{} is {what}, which cannot be read here", path.display())]
    Foreign { path: PathBuf, what: String, remedy: String },
    #[error("{} holds no frames", path.display())]
    Empty { path: PathBuf },
    #[error("{} is {extent}; pictures can have {most_side} pixels a side and {} million together", path.display(), most_pixels / 1_000_000)]
    TooLarge { path: PathBuf, extent: Extent, most_side: u32, most_pixels: u64 },
    #[error("{} needs the program ffmpeg, which was not found", path.display())]
    NeedsFfmpeg { path: PathBuf },
    #[error("ffmpeg could not read {}: {said}", path.display())]
    Ffmpeg { path: PathBuf, said: String },

    #[error("{name} delivered an impossible frame: {source}")]
    Frame { name: String, source: FrameError },
    #[error("The source {name} failed inside: {what}")]
    Crashed { name: String, what: String },
    #[error("The source has ended")]
    Ended,
    #[error("The source was stopped")]
    Stopped,
}

impl SourceError {
    pub fn recovery(&self) -> Recovery {
        match self {
            Self::Damaged { .. } | Self::CutShort { .. } | Self::Incomplete { .. } | Self::LeftOut { .. } => {
                Recovery::Continue
            }
            Self::NoCamera
            | Self::NoSuchCamera { .. }
            | Self::Busy { .. }
            | Self::Denied { .. }
            | Self::Idle { .. }
            | Self::Gone { .. }
            | Self::Stalled { .. }
            | Self::Broken { .. }
            | Self::Driver { .. }
            | Self::Appeared
            | Self::Free
            | Self::Crashed { .. } => Recovery::Reopen,
            Self::NoUsableFormat { .. }
            | Self::Unopenable { .. }
            | Self::Unreadable { .. }
            | Self::Corrupt { .. }
            | Self::Empty { .. }
            | Self::Foreign { .. }
            | Self::TooLarge { .. }
            | Self::NeedsFfmpeg { .. }
            | Self::Ffmpeg { .. }
            | Self::Frame { .. }
            | Self::Ended
            | Self::Stopped => Recovery::None,
        }
    }

    /// Whether the source comes back by itself once the cause is gone.
    pub fn recoverable(&self) -> bool {
        self.recovery() != Recovery::None
    }

    /// The same for the user's eyes.
    pub fn fault(&self) -> Fault {
        let remedy = match self {
            Self::NoCamera => {
                "Plug one in and it will start by itself, or choose with --source demo or --source FILE".to_string()
            }
            Self::NoSuchCamera { .. } => {
                "Plug it in and it will start by itself, or take a number from `impasto cameras`".into()
            }
            Self::Busy { .. } => "Close the other program, and the picture comes back by itself".into(),
            Self::Idle { .. } => "Start the program that feeds it, and the picture comes by itself".into(),
            Self::Denied { .. } => denied_remedy().into(),
            Self::Gone { .. } => "Plug it in again, and the picture comes back by itself".into(),
            Self::Stalled { .. } => {
                "It is being restarted; if that does not help, unplug it and plug it in again".into()
            }
            Self::Broken { .. } | Self::Driver { .. } => {
                "It is being reopened; if that does not help, unplug it and plug it in again".into()
            }
            Self::Damaged { .. } => {
                "They are left out; a shorter cable, another USB port or fewer devices on the same hub may help".into()
            }
            Self::NoUsableFormat { .. } => {
                "YUYV, UYVY, NV12, NV21, MJPEG, RGB, BGR and GREY can be used; choose another camera with --source camera:N"
                    .into()
            }
            Self::Unopenable { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "Check the name and the folder".into(),
                io::ErrorKind::PermissionDenied => "Make the file readable for you".into(),
                _ => "Check the file and the disc that it is on".into(),
            },
            Self::Unreadable { .. } => {
                "PNG, JPEG, WebP, GIF, TIFF, BMP and Y4M can be read, and all that ffmpeg reads where it is installed".into()
            }
            Self::Corrupt { .. } => "Make the file again, or copy it again if the copy was cut short".into(),
            Self::CutShort { .. } | Self::Incomplete { .. } => "What there is was kept; copy or make the file again for the rest".into(),
            Self::LeftOut { .. } => "The others were kept; copy or make the file again".into(),
            Self::Foreign { remedy, .. } => remedy.clone(),
            Self::Empty { .. } => "Choose a file with at least one picture".into(),
            Self::TooLarge { .. } => "Scale it down first".into(),
            Self::NeedsFfmpeg { .. } => ffmpeg_remedy().into(),
            Self::Ffmpeg { .. } => "Check that the file plays elsewhere, or convert it to Y4M".into(),
            Self::Frame { .. } => "Choose another format or another source".into(),
            Self::Crashed { .. } => "It is being reopened; please report this with the file or the camera's name".into(),
            Self::Appeared | Self::Free => "The picture changes over to it".into(),
            Self::Ended | Self::Stopped => String::new(),
        };
        let severity = match self {
            Self::Appeared | Self::Free | Self::Ended | Self::Stopped => Severity::Notice,
            Self::Damaged { .. }
            | Self::Stalled { .. }
            | Self::CutShort { .. }
            | Self::Incomplete { .. }
            | Self::LeftOut { .. } => Severity::Degraded,
            _ => Severity::Failed,
        };
        Fault { severity, what: self.to_string(), remedy }
    }
}

fn denied_remedy() -> &'static str {
    if cfg!(target_os = "linux") {
        "Add yourself to the group video (sudo usermod -aG video $USER), then log out and in again"
    } else if cfg!(target_os = "macos") {
        "Allow the camera in System Settings, Privacy & Security, Camera"
    } else {
        "Allow the camera in Settings, Privacy & security, Camera"
    }
}

fn ffmpeg_remedy() -> &'static str {
    if cfg!(target_os = "linux") {
        "Install it (sudo apt install ffmpeg), or convert the file to Y4M, GIF or PNG"
    } else if cfg!(target_os = "macos") {
        "Install it (brew install ffmpeg), or convert the file to Y4M, GIF or PNG"
    } else {
        "Install it (winget install ffmpeg), or convert the file to Y4M, GIF or PNG"
    }
}
