//! Cameras: which there are, what they can do, and how one is opened.
//!
//! On Linux the frames come through V4L2 directly ([`v4l2`]), because only there are the stride, the error flag, the
//! sequence number, the driver's time stamp and a time-out to be had; elsewhere through [`nokhwa`]. Which mode is used is
//! decided in one place for both ([`choose`]).

pub mod choose;
mod color;
mod control;
mod mjpeg;
mod nokhwa;
#[cfg(target_os = "linux")]
mod v4l2;

use super::{Source, SourceError, SourceWish};

pub use choose::{CameraMode, Coding, choose_mode};
pub use color::color_spec;
pub use control::{CameraControl, ControlKind, camera_controls, camera_modes, set_camera_control};
pub use mjpeg::{Decoder as MjpegDecoder, JpegError};

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
    let wish = SourceWish::default();
    let mut listings: Vec<_> = nokhwa::enumerate()?.into_iter().filter_map(complete).collect();
    listings.sort_by_key(|listing| listing.index);
    for listing in &mut listings {
        listing.preferred = choose_mode(&listing.modes, &wish).copied();
    }
    Ok(listings)
}

#[cfg(target_os = "linux")]
fn complete(listing: CameraListing) -> Option<CameraListing> {
    v4l2::complete(listing)
}

#[cfg(not(target_os = "linux"))]
fn complete(listing: CameraListing) -> Option<CameraListing> {
    Some(nokhwa::complete(listing))
}

/// Opens the camera with that number, or the first one that opens.
pub(super) fn open(index: Option<u32>, wish: &SourceWish) -> Result<Box<dyn Source>, SourceError> {
    open_by(index, wish, |index| {
        #[cfg(target_os = "linux")]
        return v4l2::V4l2Camera::open(index, wish).map(|camera| Box::new(camera) as Box<dyn Source>);
        #[cfg(not(target_os = "linux"))]
        return nokhwa::NokhwaCamera::open(index, wish).map(|camera| Box::new(camera) as Box<dyn Source>);
    })
}

/// As [`open`], through nokhwa on every platform.
pub(super) fn open_nokhwa(index: Option<u32>, wish: &SourceWish) -> Result<Box<dyn Source>, SourceError> {
    open_by(index, wish, |index| {
        nokhwa::NokhwaCamera::open(index, wish).map(|camera| Box::new(camera) as Box<dyn Source>)
    })
}

fn open_by(
    index: Option<u32>,
    wish: &SourceWish,
    mut open_one: impl FnMut(u32) -> Result<Box<dyn Source>, SourceError>,
) -> Result<Box<dyn Source>, SourceError> {
    if let Some(index) = index {
        return match open_one(index) {
            Err(SourceError::Gone { name }) => {
                // It was never there, or is gone; which of the two only the caller can know.
                let here = cameras().unwrap_or_default();
                if here.iter().any(|listing| listing.index == index) {
                    return Err(SourceError::Gone { name });
                }
                let have: Vec<_> = here.iter().map(|l| format!("{} ({})", l.index, l.name)).collect();
                let have = if have.is_empty() { "none".into() } else { have.join(", ") };
                Err(SourceError::NoSuchCamera { index, have })
            }
            other => other,
        };
    }
    let mut first_error = None;
    for listing in cameras()? {
        if wish.stop.is_set() {
            return Err(SourceError::Stopped);
        }
        match open_one(listing.index) {
            Ok(source) => return Ok(source),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    Err(first_error.unwrap_or(SourceError::NoCamera))
}

/// Something that changes when a camera is plugged in or out, found without touching any camera.
pub(super) fn fingerprint() -> Vec<std::ffi::OsString> {
    #[cfg(target_os = "linux")]
    return v4l2::nodes();
    #[cfg(not(target_os = "linux"))]
    return nokhwa::enumerate().unwrap_or_default().into_iter().map(|listing| listing.name.into()).collect();
}
