//! What a camera's driver lets people set: brightness, exposure, white balance and so on.

use super::CameraMode;
use crate::source::SourceError;

/// One thing to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraControl {
    /// The driver's number for it.
    pub id: u32,
    /// As the driver calls it.
    pub name: String,
    pub kind: ControlKind,
    pub value: i32,
    /// What it is at first.
    pub default: i32,
    /// Cannot be set while another control (an automatic one) has it.
    pub inactive: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlKind {
    /// Both ends included; `step` is at least 1.
    Number {
        least: i32,
        most: i32,
        step: i32,
    },
    Switch,
    /// Values with what they are called.
    Menu(Vec<(i32, String)>),
}

/// The name of the camera with that number, and its modes; none on systems where they can only be asked while nobody looks.
///
/// # Errors
/// When the camera cannot be asked.
pub fn camera_modes(index: u32) -> Result<(String, Vec<CameraMode>), SourceError> {
    #[cfg(target_os = "linux")]
    return super::v4l2::modes(index);
    #[cfg(not(target_os = "linux"))]
    Ok((format!("Camera {index}"), Vec::new()))
}

/// What the camera with that number lets people set, in the driver's order; empty where it says nothing. It may be in use
/// meanwhile. Asks the driver: not for a thread that draws.
///
/// # Errors
/// When the camera cannot be asked.
pub fn camera_controls(index: u32) -> Result<Vec<CameraControl>, SourceError> {
    #[cfg(target_os = "linux")]
    return super::v4l2::controls(index);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = index;
        Ok(Vec::new())
    }
}

/// Sets a control of the camera with that number.
///
/// # Errors
/// When the camera cannot be reached, or its driver refuses the value.
pub fn set_camera_control(index: u32, id: u32, value: i32) -> Result<(), SourceError> {
    #[cfg(target_os = "linux")]
    return super::v4l2::set_control(index, id, value);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (index, id, value);
        Ok(())
    }
}
