//! Cameras: which there are, what they can do, and how one is opened.
//!
//! On Linux the frames come through V4L2 directly ([`v4l2`]), because only there are the stride, the error flag, the
//! sequence number, the driver's time stamp and a time-out to be had; elsewhere through [`nokhwa`]. Which mode is used is
//! decided in one place for both ([`choose`]).

pub mod choose;

use super::{Source, SourceError, SourceWish};

pub use choose::{CameraMode, Coding, choose_mode};

/// A camera of this machine and its modes.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct CameraListing {
    /// What to write after `camera:`. On Linux the number in `/dev/videoN`.
    pub index: u32,
    pub name: String,
    /// Where it is: a device node, a bus address.
    pub place: String,
    /// What it offers and this program can use; best first within each coding as the device lists them.
    pub modes: Vec<CameraMode>,
    /// Which of `modes` is taken when nothing else is asked for.
    pub preferred: Option<CameraMode>,
    /// Why there are no modes, if there are none.
    pub trouble: Option<String>,
}

/// The cameras of this machine, by number. Does not start any of them.
///
/// # Errors
/// When the system cannot be asked at all; a camera that cannot be asked is listed with its `trouble`.
pub fn cameras() -> Result<Vec<CameraListing>, SourceError> {
    Ok(Vec::new())
}

pub(super) fn open(_index: Option<u32>, _wish: &SourceWish) -> Result<Box<dyn Source>, SourceError> {
    Err(SourceError::NoCamera)
}

pub(super) fn open_nokhwa(_index: Option<u32>, _wish: &SourceWish) -> Result<Box<dyn Source>, SourceError> {
    Err(SourceError::NoCamera)
}
