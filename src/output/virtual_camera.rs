//! The picture as a camera of this machine, for video calls: written to a device of the kernel module v4l2loopback.
//!
//! ```text
//! sink ──NV12──▶ YUYV, the newest wins ──▶ writer thread ──▶ /dev/videoN ──▶ browsers, Zoom, OBS
//! ```
//!
//! While nothing new comes, the last picture is written again three times a second, so that programs that wait for one do
//! not think that the camera hangs; before the first one they get a dark one. A device that goes away is looked for
//! again every second. Knows pixels and devices; nothing of windows.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::units::Extent;

/// What browsers and programs for calls ask cameras for.
pub const EXTENT: Extent = Extent { width: 1280, height: 720 };
/// So long after the last picture it is written again. Not sooner: each writing takes one of the module's few buffers, and a
/// slow program may still be reading an old one.
const AGAIN: Duration = Duration::from_millis(300);
/// How often a device that went away is looked for.
const RETRY: Duration = Duration::from_secs(1);
/// Y and U, V of the picture before the first one.
const DARK: [u8; 2] = [32, 128];

/// Why there is no virtual camera.
#[derive(Debug, thiserror::Error)]
pub enum VirtualCameraError {
    #[error("there is none; {INSTALL}")]
    None,
    #[error("{} is no virtual camera but {what}; {INSTALL}", path.display())]
    NotVirtual { path: PathBuf, what: String },
    #[error("{} is written to by another program; end that program, or load v4l2loopback with devices=2", path.display())]
    Taken { path: PathBuf },
    #[error("{} takes no pictures of {EXTENT}: it is in use with another size; close the programs that look at it", path.display())]
    Size { path: PathBuf },
    #[error("{} cannot be opened: {source}; you may have to be in the group 'video'", path.display())]
    Open { path: PathBuf, source: std::io::Error },
    #[error(
        "virtual cameras are for Linux; serve the picture with --serve and take it into OBS, whose virtual camera sends it on"
    )]
    NotHere,
    #[error("a thread could not be started: {0}; close other programs")]
    Thread(std::io::Error),
}

/// What has to be typed once for a virtual camera on Linux. With the module's own two buffers slow programs see two pictures in
/// one.
pub const INSTALL: &str = "install v4l2loopback (Debian, Ubuntu: sudo apt install v4l2loopback-dkms), then load it: \
                           sudo modprobe v4l2loopback exclusive_caps=1 max_buffers=8 card_label=Impasto";

/// How the camera fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VirtualCameraState {
    /// Pictures that were written, repeated ones not counted.
    pub pictures: u64,
    /// False while the device is away.
    pub connected: bool,
}

/// Handle to the camera. Dropping it ends it; programs that look at it then see no more pictures.
pub struct VirtualCamera {
    shared: Arc<Shared>,
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
}

/// Takes pictures for a camera, from any one thread.
pub struct Sink(Arc<Shared>);

struct Shared {
    newest: Mutex<Newest>,
    came: Condvar,
    pictures: AtomicU64,
    connected: AtomicBool,
}

struct Newest {
    /// YUYV, [`EXTENT`].
    bytes: Vec<u8>,
    fresh: bool,
    over: bool,
}

impl VirtualCamera {
    /// Writes to `device` from now on, else to the first virtual camera that nobody writes to.
    ///
    /// # Errors
    /// When there is none, or it cannot be had.
    pub fn open(device: Option<&Path>) -> Result<Self, VirtualCameraError> {
        let (path, mut device) = match device {
            Some(path) => (path.to_owned(), Device::open(path)?),
            None => first_free(devices())?,
        };
        let pixels = EXTENT.pixels() as usize;
        let bytes = DARK.repeat(pixels);
        // From the first picture on the device is a camera, and taken.
        device.write(&bytes).map_err(|source| VirtualCameraError::Open { path: path.clone(), source })?;
        let newest = Newest { bytes, fresh: false, over: false };
        let shared = Arc::new(Shared {
            newest: Mutex::new(newest),
            came: Condvar::new(),
            pictures: AtomicU64::new(0),
            connected: AtomicBool::new(true),
        });
        let (theirs, again) = (shared.clone(), path.clone());
        let thread = std::thread::Builder::new().name("virtual camera".into());
        let thread = thread.spawn(move || theirs.write(device, &again)).map_err(VirtualCameraError::Thread)?;
        Ok(Self { shared, path, thread: Some(thread) })
    }

    /// What it writes to.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn state(&self) -> VirtualCameraState {
        VirtualCameraState {
            pictures: self.shared.pictures.load(Ordering::Relaxed),
            connected: self.shared.connected.load(Ordering::Acquire),
        }
    }

    pub fn sink(&self) -> Sink {
        Sink(self.shared.clone())
    }
}

impl Drop for VirtualCamera {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.came.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic there was printed when it happened.
            let _ = thread.join();
        }
    }
}

impl Sink {
    /// Takes a picture of [`EXTENT`] in NV12 (BT.601, Y 16..=235), in the place of one that still waits. Others are left.
    pub fn put(&mut self, nv12: &[u8]) {
        let mut newest = self.0.lock();
        if yuyv(nv12, EXTENT, &mut newest.bytes) {
            newest.fresh = true;
            drop(newest);
            self.0.came.notify_one();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Newest> {
        // No code runs under this lock that could leave more than half a picture behind.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread.
    fn write(&self, device: Device, path: &Path) {
        let mut device = Some(device);
        let mut tried = Instant::now();
        loop {
            let newest = self.lock();
            let waited = self.came.wait_timeout_while(newest, AGAIN, |newest| !newest.fresh && !newest.over);
            let (mut newest, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if newest.over {
                return;
            }
            if device.is_none() && tried.elapsed() >= RETRY {
                tried = Instant::now();
                device = Device::open(path).ok();
                if device.is_some() {
                    log::info!("the virtual camera {} is back", path.display());
                }
            }
            let fresh = std::mem::take(&mut newest.fresh);
            if let Some(open) = &mut device {
                match open.write(&newest.bytes) {
                    Ok(()) => self.pictures.fetch_add(u64::from(fresh), Ordering::Relaxed),
                    Err(error) => {
                        log::warn!("the virtual camera {} takes no pictures: {error}", path.display());
                        device = None;
                        tried = Instant::now();
                        0
                    }
                };
            }
            self.connected.store(device.is_some(), Ordering::Release);
        }
    }
}

/// NV12 to YUYV: each row of `U V` serves two rows of `Y`. False, and nothing is done, where the lengths do not fit.
fn yuyv(nv12: &[u8], extent: Extent, into: &mut [u8]) -> bool {
    let (width, pixels) = (extent.width as usize, extent.pixels() as usize);
    if nv12.len() != pixels + pixels / 2 || into.len() != 2 * pixels {
        return false;
    }
    let (luma, chroma) = nv12.split_at(pixels);
    let rows = luma.chunks_exact(width).zip(into.chunks_exact_mut(2 * width));
    for (row, (y, out)) in rows.enumerate() {
        let uv = &chroma[row / 2 * width..][..width];
        for ((y, uv), out) in y.as_chunks::<2>().0.iter().zip(uv.as_chunks::<2>().0).zip(out.as_chunks_mut::<4>().0) {
            *out = [y[0], uv[0], y[1], uv[1]];
        }
    }
    true
}

fn first_free(found: Vec<PathBuf>) -> Result<(PathBuf, Device), VirtualCameraError> {
    let mut trouble = VirtualCameraError::None;
    for path in found {
        match Device::open(&path) {
            Ok(device) => return Ok((path, device)),
            Err(error) => trouble = error,
        }
    }
    Err(trouble)
}

#[cfg(target_os = "linux")]
use linux::Device;
#[cfg(target_os = "linux")]
pub use linux::devices;

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{self, Write as _};
    use std::path::{Path, PathBuf};

    use v4l::video::Output as _;
    use v4l::video::output::Parameters;
    use v4l::{Format, FourCC, v4l_sys as sys, v4l2};

    use super::{EXTENT, VirtualCameraError};

    /// What the module calls itself.
    const DRIVER: &str = "v4l2 loopback";
    const FRAMES_PER_SECOND: u32 = 30;

    /// Virtual cameras of this machine, in use or not, in the order of their numbers.
    pub fn devices() -> Vec<PathBuf> {
        let listed = std::fs::read_dir("/sys/class/video4linux").into_iter().flatten().flatten();
        let number = |name: &std::ffi::OsStr| name.to_str()?.strip_prefix("video")?.parse::<u32>().ok();
        let mut numbers: Vec<u32> = listed.filter_map(|entry| number(&entry.file_name())).collect();
        numbers.sort_unstable();
        let paths = numbers.into_iter().map(|n| PathBuf::from(format!("/dev/video{n}")));
        paths.filter(|path| open(path).is_ok_and(|device| Identity::of(&device).driver == DRIVER)).collect()
    }

    /// A device that takes pictures of [`EXTENT`].
    pub struct Device(v4l::Device);

    impl Device {
        pub fn open(path: &Path) -> Result<Self, VirtualCameraError> {
            let at = |source| VirtualCameraError::Open { path: path.to_owned(), source };
            let mut device = open(path).map_err(at)?;
            let mut identity = Identity::of(&device);
            if identity.driver == DRIVER && !identity.gives && !identity.takes {
                // After a writer that did not say that it streams (ffmpeg) the module forgets that it takes pictures, and
                // refuses every format; a writer that says so, and ends, reminds it. That it cannot stream yet is no matter.
                let _ = stream(&device);
                drop(device);
                device = open(path).map_err(at)?;
                identity = Identity::of(&device);
            }
            let Identity { driver: what, takes, .. } = identity;
            if what != DRIVER {
                let what = if what.is_empty() { "something else".to_owned() } else { format!("a device of {what}") };
                return Err(VirtualCameraError::NotVirtual { path: path.to_owned(), what });
            }
            if !takes {
                return Err(VirtualCameraError::Taken { path: path.to_owned() });
            }
            let wanted = Format::new(EXTENT.width, EXTENT.height, FourCC::new(b"YUYV"));
            let got = device.set_format(&wanted).map_err(|error| match error.raw_os_error() {
                Some(libc::EBUSY) => VirtualCameraError::Taken { path: path.to_owned() },
                // Somebody looks at it who has room for smaller pictures alone.
                Some(libc::EINVAL) => VirtualCameraError::Size { path: path.to_owned() },
                _ => at(error),
            })?;
            if (got.width, got.height, got.fourcc) != (wanted.width, wanted.height, wanted.fourcc) {
                return Err(VirtualCameraError::Size { path: path.to_owned() });
            }
            stream(&device).map_err(at)?;
            // Only what programs are told; pictures come when they come.
            if let Err(error) = device.set_params(&Parameters::with_fps(FRAMES_PER_SECOND)) {
                log::debug!("{} keeps its rate: {error}", path.display());
            }
            Ok(Self(device))
        }

        /// One picture. Never waits: the module copies it.
        pub fn write(&mut self, picture: &[u8]) -> io::Result<()> {
            let written = self.0.write(picture)?;
            if written == picture.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
        }
    }

    #[expect(unsafe_code, reason = "the crate opens devices without this flag")]
    fn open(path: &Path) -> io::Result<v4l::Device> {
        let device = v4l::Device::with_path(path)?;
        // A recording's ffmpeg must not hold the camera.
        // SAFETY: the device owns the descriptor and is alive; the call takes numbers alone.
        if unsafe { libc::fcntl(device.handle().fd(), libc::F_SETFD, libc::FD_CLOEXEC) } == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(device)
    }

    /// Says that pictures are to come. Without it the module takes them as well, but does not notice that they end.
    #[expect(unsafe_code, reason = "ioctl takes untyped memory")]
    fn stream(device: &v4l::Device) -> io::Result<()> {
        let mut kind = sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT as std::os::raw::c_int;
        // SAFETY: the request is the one for this number, which lives through the call.
        unsafe {
            v4l2::ioctl(device.handle().fd(), v4l2::vidioc::VIDIOC_STREAMON, std::ptr::from_mut(&mut kind).cast())
        }
    }

    /// What a device is; nothing, where it is no video device.
    #[derive(Default)]
    struct Identity {
        driver: String,
        /// Whether it gives pictures; with `exclusive_caps` only while somebody writes.
        gives: bool,
        /// Whether it takes pictures; with `exclusive_caps` only while nobody writes.
        takes: bool,
    }

    impl Identity {
        /// The crate's own way panics where a camera's name is not UTF-8.
        #[expect(unsafe_code, reason = "ioctl takes untyped memory")]
        fn of(device: &v4l::Device) -> Self {
            // SAFETY: plain numbers, for which all zero is valid.
            let mut caps: sys::v4l2_capability = unsafe { std::mem::zeroed() };
            // SAFETY: the request is the one for this structure, which lives through the call.
            let asked = unsafe {
                v4l2::ioctl(device.handle().fd(), v4l2::vidioc::VIDIOC_QUERYCAP, std::ptr::from_mut(&mut caps).cast())
            };
            if asked.is_err() {
                return Self::default();
            }
            let length = caps.driver.iter().position(|&c| c == 0).unwrap_or(caps.driver.len());
            Self {
                driver: String::from_utf8_lossy(&caps.driver[..length]).into_owned(),
                gives: caps.device_caps & sys::V4L2_CAP_VIDEO_CAPTURE != 0,
                takes: caps.device_caps & sys::V4L2_CAP_VIDEO_OUTPUT != 0,
            }
        }
    }
}

/// None on this system.
#[cfg(not(target_os = "linux"))]
pub fn devices() -> Vec<PathBuf> {
    Vec::new()
}

#[cfg(not(target_os = "linux"))]
enum Device {}

#[cfg(not(target_os = "linux"))]
impl Device {
    fn open(_: &Path) -> Result<Self, VirtualCameraError> {
        Err(VirtualCameraError::NotHere)
    }

    fn write(&mut self, _: &[u8]) -> std::io::Result<()> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_chroma_serve_two_rows() {
        let extent = Extent::new(4, 4);
        let luma: Vec<u8> = (0..16).collect();
        let chroma = [100, 200, 101, 201, 110, 210, 111, 211];
        let nv12 = [&luma[..], &chroma[..]].concat();
        let mut out = vec![0; 32];
        assert!(yuyv(&nv12, extent, &mut out));
        assert_eq!(out[..8], [0, 100, 1, 200, 2, 101, 3, 201]);
        assert_eq!(out[8..16], [4, 100, 5, 200, 6, 101, 7, 201]);
        assert_eq!(out[24..], [12, 110, 13, 210, 14, 111, 15, 211]);
        assert!(!yuyv(&nv12[1..], extent, &mut out), "a picture of another size");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_is_no_virtual_camera_is_refused_with_a_remedy() {
        let open = |path| VirtualCamera::open(Some(Path::new(path))).err().expect("it is none").to_string();
        assert!(open("/dev/null").contains("modprobe v4l2loopback"));
        assert!(open("/dev/video-of-nobody").contains("group 'video'"));
    }
}
