//! One `/dev/videoN`: asking what it can do, and setting it up.
#![allow(unsafe_code, reason = "ioctl takes untyped memory")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use v4l::v4l_sys as sys;
use v4l::v4l2::{self, vidioc};

use super::SetFormat;
use crate::source::camera::choose::{CameraMode, Coding};
use crate::source::camera::color::color_spec;
use crate::source::camera::control::{CameraControl, ControlKind};
use crate::units::Extent;

pub(super) const CAPTURE: u32 = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;

/// An open device node; closed on drop.
pub(super) struct Node {
    fd: OwnedFd,
}

pub(super) struct Identity {
    pub card: String,
    pub bus: String,
    /// Delivers single-planar video by streaming.
    pub captures: bool,
}

pub(super) struct Offered {
    pub modes: Vec<CameraMode>,
    /// Names of the formats that this program cannot use.
    pub unusable: Vec<String>,
}

/// A C structure of numbers (and of unions of numbers and pointers), all zero.
pub(super) fn zeroed<T: Plain>() -> T {
    // SAFETY: `Plain` is implemented below only for the kernel's interface structures, for which all zero is valid.
    unsafe { std::mem::zeroed() }
}

/// Structures of the kernel's interface: plain C data.
pub(super) trait Plain {}
impl Plain for sys::v4l2_capability {}
impl Plain for sys::v4l2_fmtdesc {}
impl Plain for sys::v4l2_frmsizeenum {}
impl Plain for sys::v4l2_frmivalenum {}
impl Plain for sys::v4l2_format {}
impl Plain for sys::v4l2_streamparm {}
impl Plain for sys::v4l2_requestbuffers {}
impl Plain for sys::v4l2_buffer {}
impl Plain for sys::v4l2_queryctrl {}
impl Plain for sys::v4l2_querymenu {}
impl Plain for sys::v4l2_control {}
impl Plain for std::os::raw::c_int {}

impl Node {
    /// No device lists more than this many of anything; a driver that never says "no more" is cut off here.
    const MOST: u32 = 128;

    pub(super) fn path(index: u32) -> String {
        format!("/dev/video{index}")
    }

    pub(super) fn open(index: u32) -> io::Result<Self> {
        let fd = v4l2::open(Self::path(index), libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC)?;
        // SAFETY: just opened, and owned by nobody else.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    pub(super) fn raw_fd(&self) -> std::os::raw::c_int {
        self.fd.as_raw_fd()
    }

    /// One request to the driver, repeated when a signal interrupts it. `request` must be the one for a `T`.
    pub(super) fn ioctl<T: Plain>(&self, request: vidioc::_IOC_TYPE, argument: &mut T) -> io::Result<()> {
        loop {
            // SAFETY: the request numbers carry the size of the structure that the kernel reads and writes, and every call
            // in this module passes that very structure; it lives through the call.
            match unsafe { v4l2::ioctl(self.raw_fd(), request, std::ptr::from_mut(argument).cast()) } {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Waits at most `timeout_ms` until a buffer can be taken, or an error waits to be fetched.
    pub(super) fn wait_readable(&self, timeout_ms: i32) -> io::Result<()> {
        let mut poll = libc::pollfd { fd: self.raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid entry.
        match unsafe { libc::poll(&mut poll, 1, timeout_ms) } {
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                error => Err(error),
            },
            _ if poll.revents & libc::POLLNVAL != 0 => Err(io::Error::from_raw_os_error(libc::ENODEV)),
            _ => Ok(()),
        }
    }

    pub(super) fn identity(&self) -> io::Result<Identity> {
        let mut caps: sys::v4l2_capability = zeroed();
        self.ioctl(vidioc::VIDIOC_QUERYCAP, &mut caps)?;
        let bits =
            if caps.capabilities & sys::V4L2_CAP_DEVICE_CAPS != 0 { caps.device_caps } else { caps.capabilities };
        let needed = sys::V4L2_CAP_VIDEO_CAPTURE | sys::V4L2_CAP_STREAMING;
        Ok(Identity { card: text(&caps.card), bus: text(&caps.bus_info), captures: bits & needed == needed })
    }

    pub(super) fn modes(&self) -> Offered {
        let mut offered = Offered { modes: Vec::new(), unusable: Vec::new() };
        for index in 0..Self::MOST {
            let mut format: sys::v4l2_fmtdesc = zeroed();
            format.index = index;
            format.type_ = CAPTURE;
            if self.ioctl(vidioc::VIDIOC_ENUM_FMT, &mut format).is_err() {
                break;
            }
            match Coding::from_fourcc(format.pixelformat.to_le_bytes()) {
                Some(coding) => self.add_sizes(format.pixelformat, coding, &mut offered.modes),
                None => offered.unusable.push(String::from_utf8_lossy(&format.pixelformat.to_le_bytes()).into_owned()),
            }
        }
        offered
    }

    /// What can be set, as far as it is a number, a switch or a menu.
    pub(super) fn controls(&self) -> Vec<CameraControl> {
        let mut found = Vec::new();
        let mut query: sys::v4l2_queryctrl = zeroed();
        for _ in 0..Self::MOST {
            query.id |= sys::V4L2_CTRL_FLAG_NEXT_CTRL;
            if self.ioctl(vidioc::VIDIOC_QUERYCTRL, &mut query).is_err() {
                break;
            }
            let fixed = sys::V4L2_CTRL_FLAG_DISABLED | sys::V4L2_CTRL_FLAG_READ_ONLY | sys::V4L2_CTRL_FLAG_WRITE_ONLY;
            let kind = match query.type_ {
                _ if query.flags & fixed != 0 => continue,
                sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER if query.minimum < query.maximum => {
                    ControlKind::Number { least: query.minimum, most: query.maximum, step: query.step.max(1) }
                }
                sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN => ControlKind::Switch,
                sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU => ControlKind::Menu(self.menu(&query)),
                _ => continue,
            };
            let mut control: sys::v4l2_control = zeroed();
            control.id = query.id;
            if self.ioctl(vidioc::VIDIOC_G_CTRL, &mut control).is_err() {
                continue;
            }
            found.push(CameraControl {
                id: query.id,
                name: text(&query.name),
                kind,
                value: control.value,
                default: query.default_value,
                inactive: query.flags & (sys::V4L2_CTRL_FLAG_INACTIVE | sys::V4L2_CTRL_FLAG_GRABBED) != 0,
            });
        }
        found
    }

    fn menu(&self, query: &sys::v4l2_queryctrl) -> Vec<(i32, String)> {
        let most = query.maximum.min(query.minimum.saturating_add(Self::MOST as i32));
        let item = |index: i32| {
            let mut item: sys::v4l2_querymenu = zeroed();
            (item.id, item.index) = (query.id, u32::try_from(index).ok()?);
            // Drivers leave gaps: what they do not know is no item.
            self.ioctl(vidioc::VIDIOC_QUERYMENU, &mut item).ok()?;
            // SAFETY: of a menu of words, the name is the member that is set; the structure is packed, so it is copied.
            let name = unsafe { item.__bindgen_anon_1.name };
            Some((index, text(&name)))
        };
        (query.minimum..=most).filter_map(item).collect()
    }

    pub(super) fn set_control(&self, id: u32, value: i32) -> io::Result<()> {
        let mut control: sys::v4l2_control = zeroed();
        (control.id, control.value) = (id, value);
        self.ioctl(vidioc::VIDIOC_S_CTRL, &mut control)
    }

    fn add_sizes(&self, fourcc: u32, coding: Coding, modes: &mut Vec<CameraMode>) {
        let before = modes.len();
        for index in 0..Self::MOST {
            let mut size: sys::v4l2_frmsizeenum = zeroed();
            size.index = index;
            size.pixel_format = fourcc;
            if self.ioctl(vidioc::VIDIOC_ENUM_FRAMESIZES, &mut size).is_err() {
                break;
            }
            if size.type_ == sys::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
                // SAFETY: the type says which member is set; both are plain numbers.
                let s = unsafe { size.__bindgen_anon_1.discrete };
                self.add_intervals(fourcc, coding, Extent::new(s.width, s.height), modes);
            } else {
                // SAFETY: as above.
                let s = unsafe { size.__bindgen_anon_1.stepwise };
                let on = |n: u32, min: u32, max: u32, step: u32| {
                    (min..=max).contains(&n) && (n - min).is_multiple_of(step.max(1))
                };
                for (width, height) in COMMON_SIZES {
                    if on(width, s.min_width, s.max_width, s.step_width)
                        && on(height, s.min_height, s.max_height, s.step_height)
                    {
                        self.add_intervals(fourcc, coding, Extent::new(width, height), modes);
                    }
                }
                if modes.len() == before {
                    self.add_intervals(fourcc, coding, Extent::new(s.max_width, s.max_height), modes);
                }
                break;
            }
        }
        if modes.len() == before {
            // It does not tell its sizes: there is the one it is set to.
            let mut current: sys::v4l2_format = zeroed();
            current.type_ = CAPTURE;
            if self.ioctl(vidioc::VIDIOC_G_FMT, &mut current).is_ok() {
                // SAFETY: `pix` is the member for this buffer type.
                let pix = unsafe { current.fmt.pix };
                self.add_intervals(fourcc, coding, Extent::new(pix.width, pix.height), modes);
            }
        }
    }

    fn add_intervals(&self, fourcc: u32, coding: Coding, extent: Extent, modes: &mut Vec<CameraMode>) {
        let before = modes.len();
        let mut add = |numerator: u32, denominator: u32| {
            if numerator > 0 && denominator > 0 {
                modes.push(CameraMode { coding, extent, interval_s: (numerator, denominator) });
            }
        };
        for index in 0..Self::MOST {
            let mut interval: sys::v4l2_frmivalenum = zeroed();
            interval.index = index;
            interval.pixel_format = fourcc;
            interval.width = extent.width;
            interval.height = extent.height;
            if self.ioctl(vidioc::VIDIOC_ENUM_FRAMEINTERVALS, &mut interval).is_err() {
                break;
            }
            if interval.type_ == sys::v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE {
                // SAFETY: the type says which member is set; both are plain numbers.
                let fraction = unsafe { interval.__bindgen_anon_1.discrete };
                add(fraction.numerator, fraction.denominator);
            } else {
                // SAFETY: as above.
                let s = unsafe { interval.__bindgen_anon_1.stepwise };
                let seconds = |f: sys::v4l2_fract| f64::from(f.numerator) / f64::from(f.denominator.max(1));
                for fps in COMMON_RATES {
                    let interval_s = 1.0 / f64::from(fps);
                    if (seconds(s.min)..=seconds(s.max)).contains(&interval_s) {
                        add(1, fps);
                    }
                }
                add(s.min.numerator, s.min.denominator);
                break;
            }
        }
        if modes.len() == before {
            modes.push(CameraMode { coding, extent, interval_s: self.interval().unwrap_or((1, 30)) });
        }
    }

    /// Sets the mode's coding and size, and at least `stride_bytes` from row to row if the driver can.
    pub(super) fn set_format(&self, mode: &CameraMode, stride_bytes: Option<u32>) -> io::Result<SetFormat> {
        let fourcc = self.fourcc_of(mode.coding);
        let mut format: sys::v4l2_format = zeroed();
        format.type_ = CAPTURE;
        format.fmt.pix = sys::v4l2_pix_format {
            width: mode.extent.width,
            height: mode.extent.height,
            pixelformat: fourcc,
            field: sys::v4l2_field_V4L2_FIELD_ANY,
            bytesperline: stride_bytes.unwrap_or(0),
            // Without it the kernel leaves the colour encoding and the range unset.
            priv_: sys::V4L2_PIX_FMT_PRIV_MAGIC,
            // SAFETY: plain numbers.
            ..unsafe { std::mem::zeroed() }
        };
        self.ioctl(vidioc::VIDIOC_S_FMT, &mut format)?;
        // SAFETY: `pix` is the member for this buffer type.
        let pix = unsafe { format.fmt.pix };
        let told_all = pix.priv_ == sys::V4L2_PIX_FMT_PRIV_MAGIC;
        // SAFETY: both members of the union are the same number.
        let encoding = if told_all { unsafe { pix.__bindgen_anon_1.ycbcr_enc } } else { 0 };
        let quantization = if told_all { pix.quantization } else { 0 };
        Ok(SetFormat {
            coding: Coding::from_fourcc(pix.pixelformat.to_le_bytes()),
            extent: Extent::new(pix.width, pix.height),
            stride_bytes: pix.bytesperline as usize,
            color: color_spec(pix.colorspace, encoding, quantization),
        })
    }

    /// Two codes stand for JPEG frames: the one that this device lists.
    fn fourcc_of(&self, coding: Coding) -> u32 {
        if coding == Coding::Mjpeg {
            for index in 0..Self::MOST {
                let mut format: sys::v4l2_fmtdesc = zeroed();
                format.index = index;
                format.type_ = CAPTURE;
                if self.ioctl(vidioc::VIDIOC_ENUM_FMT, &mut format).is_err() {
                    break;
                }
                if Coding::from_fourcc(format.pixelformat.to_le_bytes()) == Some(coding) {
                    return format.pixelformat;
                }
            }
        }
        let mut name = [b' '; 4];
        name.iter_mut().zip(coding.name().bytes()).for_each(|(to, from)| *to = from);
        u32::from_le_bytes(name)
    }

    /// Asks for a frame interval and returns the one that the driver took. A camera with a fixed rate keeps its own.
    pub(super) fn set_interval(&self, interval_s: (u32, u32)) -> io::Result<(u32, u32)> {
        let mut parameters: sys::v4l2_streamparm = zeroed();
        parameters.type_ = CAPTURE;
        parameters.parm.capture = sys::v4l2_captureparm {
            timeperframe: sys::v4l2_fract { numerator: interval_s.0, denominator: interval_s.1 },
            // SAFETY: plain numbers.
            ..unsafe { std::mem::zeroed() }
        };
        match self.ioctl(vidioc::VIDIOC_S_PARM, &mut parameters) {
            Ok(()) => {}
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTTY | libc::EINVAL)) => {}
            Err(error) => return Err(error),
        }
        Ok(self.interval().unwrap_or(interval_s))
    }

    fn interval(&self) -> Option<(u32, u32)> {
        let mut parameters: sys::v4l2_streamparm = zeroed();
        parameters.type_ = CAPTURE;
        self.ioctl(vidioc::VIDIOC_G_PARM, &mut parameters).ok()?;
        // SAFETY: `capture` is the member for this buffer type.
        let fraction = unsafe { parameters.parm.capture.timeperframe };
        (fraction.numerator > 0 && fraction.denominator > 0).then_some((fraction.numerator, fraction.denominator))
    }
}

/// Sizes to try where a device takes any within a range.
const COMMON_SIZES: [(u32, u32); 12] = [
    (160, 120),
    (320, 180),
    (320, 240),
    (424, 240),
    (640, 360),
    (640, 480),
    (800, 600),
    (960, 540),
    (1024, 768),
    (1280, 720),
    (1280, 960),
    (1920, 1080),
];

/// Rates in Hz to try where a device takes any within a range.
const COMMON_RATES: [u32; 6] = [60, 50, 30, 25, 15, 10];

/// A fixed array of C characters as text, up to its first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_string()
}
