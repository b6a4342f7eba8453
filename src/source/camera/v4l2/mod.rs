//! Cameras on Linux, through the kernel's V4L2 interface.
//!
//! The `v4l` crate supplies the system calls, the structures and the constants. Its streams and format types are not
//! used: they panic when STREAMOFF fails or when a driver reports a colour space that the crate does not know.

mod node;
mod ring;

use std::io;
use std::time::{Duration, Instant};

use super::choose::{CameraMode, Coding, wanted_mode};
use super::{CameraControl, CameraListing, mjpeg};
use crate::frame::{CameraFrame, FrameBytes, FramePool, FrameShape, PixelFormat};
use crate::source::{Losses, Source, SourceError, SourceInfo, SourceKind, SourceWish};
use crate::units::{CaptureClock, Extent, FrameIds, FrameStamp};

use node::Node;
use ring::{Dequeued, Ring};

/// Adds what the device itself says of its modes to what the enumeration found. `None` when it is no camera: the
/// metadata node beside a webcam, a decoder, an output.
pub(super) fn complete(mut listing: CameraListing) -> Option<CameraListing> {
    let asked = Node::open(listing.index).and_then(|node| node.identity().map(|identity| (node, identity)));
    match asked {
        Ok((_, identity)) if !identity.captures => return None,
        Ok((node, identity)) => {
            listing.name = identity.card;
            listing.place = format!("{} ({})", Node::path(listing.index), identity.bus);
            let offered = node.modes();
            if offered.modes.is_empty() {
                listing.trouble = Some(no_format(&listing.name, &offered.unusable).to_string());
            }
            listing.modes = offered.modes;
        }
        Err(error) => listing.trouble = Some(open_error(listing.name.clone(), error).to_string()),
    }
    Some(listing)
}

/// See [`super::camera_modes`].
pub(super) fn modes(index: u32) -> Result<(String, Vec<CameraMode>), SourceError> {
    let asked = Node::open(index).and_then(|node| Ok((node.identity()?.card, node.modes().modes)));
    let (name, mut modes) = asked.map_err(|error| open_error(Node::path(index), error))?;
    modes.retain(|mode| mode.coding.fits(mode.extent));
    Ok((name, modes))
}

/// See [`super::camera_controls`].
pub(super) fn controls(index: u32) -> Result<Vec<CameraControl>, SourceError> {
    Node::open(index).map(|node| node.controls()).map_err(|error| open_error(Node::path(index), error))
}

/// See [`super::set_camera_control`].
pub(super) fn set_control(index: u32, id: u32, value: i32) -> Result<(), SourceError> {
    let failed = |error: io::Error| match open_error(Node::path(index), error) {
        SourceError::Driver { name, source, .. } => SourceError::Driver { name, doing: "what was to be set", source },
        other => other,
    };
    Node::open(index).and_then(|node| node.set_control(id, value)).map_err(failed)
}

/// Names of the device nodes there are now: changes when a camera is plugged in.
pub(super) fn nodes() -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = std::fs::read_dir("/dev")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| name.to_string_lossy().starts_with("video"))
        .collect();
    names.sort();
    names
}

fn no_format(name: &str, unusable: &[String]) -> SourceError {
    let offered = if unusable.is_empty() { "none".into() } else { unusable.join(", ") };
    SourceError::NoUsableFormat { name: name.into(), offered }
}

fn open_error(name: String, error: io::Error) -> SourceError {
    match error.raw_os_error() {
        Some(libc::EBUSY) => SourceError::Busy { name },
        Some(libc::EACCES | libc::EPERM) => SourceError::Denied { name },
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => SourceError::Gone { name },
        _ => SourceError::Driver { name, doing: "to be opened", source: error },
    }
}

/// A camera that streams.
pub(super) struct V4l2Camera {
    /// First, so that it is dropped, and with it the streaming ended, before the node is closed.
    ring: Ring,
    node: Node,
    info: SourceInfo,
    coding: Coding,
    jpeg: mjpeg::Decoder,
    stop: crate::source::Stop,
    ids: FrameIds,
    /// A frame has come.
    delivers: bool,
    sequence: Option<u32>,
    losses: Losses,
    /// Rises by one with each damaged frame, fades with each good one.
    damage: f32,
}

impl V4l2Camera {
    /// A camera may take this long to send its first frame.
    const FIRST_FRAME: Duration = Duration::from_secs(4);
    /// Silence of this many frame intervals is a stall, within the limits below.
    const STALL_INTERVALS: u32 = 5;
    const STALL_MIN: Duration = Duration::from_secs(1);
    const STALL_MAX: Duration = Duration::from_secs(5);
    /// How soon a set `Stop` is noticed.
    const SLICE_MS: i32 = 40;
    /// `damage` at which the user is told.
    const DAMAGE_TOLD: f32 = 2.5;
    const DAMAGE_FADES: f32 = 0.97;

    pub(super) fn open(index: u32, wish: &SourceWish) -> Result<Self, SourceError> {
        let unnamed = || Node::path(index);
        let node = Node::open(index).map_err(|e| open_error(unnamed(), e))?;
        let identity = node.identity().map_err(|e| open_error(unnamed(), e))?;
        let name = identity.card;
        if !identity.captures {
            // A virtual camera says so while no program feeds it.
            return Err(SourceError::Idle { name });
        }
        let offered = node.modes();
        let mode = *wanted_mode(&name, &offered.modes, wish).ok_or_else(|| no_format(&name, &offered.unusable))?;

        let refused = |doing: &'static str| {
            let name = name.clone();
            move |error: io::Error| match open_error(name, error) {
                SourceError::Driver { name, source, .. } => SourceError::Driver { name, doing, source },
                other => other,
            }
        };
        let set = node.set_format(&mode, wish.stride_bytes).map_err(refused("the picture format"))?;
        let interval_s = node.set_interval(mode.interval_s).map_err(refused("the frame rate"))?;
        let mode = CameraMode { extent: set.extent, interval_s, ..mode };
        let shape = match mode.coding {
            Coding::Raw(format) => FrameShape {
                format,
                extent: set.extent,
                stride: set.stride_bytes.max(format.row_bytes(set.extent.width)),
                color: set.color,
            },
            Coding::Mjpeg => FrameShape::packed(PixelFormat::Rgb8, set.extent),
        };
        if set.coding != Some(mode.coding) || !mode.coding.fits(set.extent) {
            return Err(no_format(&name, &[format!("{} (asked for {mode})", set.extent)]));
        }
        let ring = Ring::start(&node).map_err(refused("to start streaming"))?;
        let clock = if ring.monotonic() { CaptureClock::Driver } else { CaptureClock::Dequeue };
        let info = SourceInfo {
            kind: SourceKind::Camera,
            name,
            detail: mode.to_string(),
            shape,
            interval: mode.interval(),
            clock,
            camera: Some(index),
            timeline: None,
        };
        Ok(Self {
            ring,
            node,
            info,
            coding: mode.coding,
            jpeg: mjpeg::Decoder::default(),
            stop: wish.stop.clone(),
            ids: wish.ids.clone(),
            delivers: false,
            sequence: None,
            losses: Losses::default(),
            damage: 0.0,
        })
    }

    fn name(&self) -> String {
        self.info.name.clone()
    }

    fn failed(&self, error: io::Error) -> SourceError {
        match error.raw_os_error() {
            Some(libc::ENODEV | libc::ENXIO) => SourceError::Gone { name: self.name() },
            Some(libc::EIO) => {
                SourceError::Broken { name: self.name(), what: "its driver reported an input or output error".into() }
            }
            _ => SourceError::Broken { name: self.name(), what: error.to_string() },
        }
    }

    /// The newest undamaged buffer of those that wait in the driver's queue; older ones go back to it. `None` when there is none yet.
    fn newest(&mut self) -> Result<Option<Dequeued>, SourceError> {
        let mut newest: Option<Dequeued> = None;
        loop {
            match self.ring.dequeue(&self.node) {
                Ok(Some(buffer)) => {
                    self.count_gap(buffer.sequence);
                    let passed_over = if buffer.flagged || buffer.bytes == 0 {
                        self.losses.damaged += 1;
                        self.damage += 1.0;
                        Some(buffer)
                    } else {
                        let older = newest.replace(buffer);
                        self.losses.skipped += u64::from(older.is_some());
                        older
                    };
                    if let Some(buffer) = passed_over {
                        self.ring.requeue(&self.node, buffer).map_err(|e| self.failed(e))?;
                    }
                }
                Ok(None) => return Ok(newest),
                // What arrived before the failure is still good; the failure will be there next time.
                Err(_) if newest.is_some() => return Ok(newest),
                Err(error) => return Err(self.failed(error)),
            }
        }
    }

    fn count_gap(&mut self, sequence: u32) {
        if let Some(last) = self.sequence {
            // Drivers that do not count give the same number for ever; one that starts afresh jumps back.
            let gap = sequence.wrapping_sub(last);
            if (2..100_000).contains(&gap) {
                self.losses.lost += u64::from(gap - 1);
            }
        }
        self.sequence = Some(sequence);
    }

    /// Copies or decodes a buffer's picture; `None` when it is damaged.
    fn picture(&mut self, buffer: &Dequeued, pool: &FramePool) -> Option<FrameBytes> {
        let raw = self.ring.bytes(buffer);
        let mut bytes = pool.take(self.info.shape.min_bytes());
        let good = match self.coding {
            Coding::Raw(_) => match raw.get(..bytes.len()) {
                Some(picture) => {
                    bytes.copy_from_slice(picture);
                    true
                }
                None => false,
            },
            Coding::Mjpeg => self.jpeg.decode(raw, self.info.shape.extent, &mut bytes).is_ok(),
        };
        good.then_some(bytes)
    }
}

impl Source for V4l2Camera {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next(&mut self, pool: &FramePool) -> Result<CameraFrame, SourceError> {
        let asked = Instant::now();
        let patience = match self.delivers {
            false => Self::FIRST_FRAME,
            true => (self.info.interval * Self::STALL_INTERVALS).clamp(Self::STALL_MIN, Self::STALL_MAX),
        };
        loop {
            if self.stop.is_set() {
                return Err(SourceError::Stopped);
            }
            if self.damage >= Self::DAMAGE_TOLD {
                self.damage = 0.0;
                return Err(SourceError::Damaged { name: self.name() });
            }
            let waited = asked.elapsed();
            if waited > patience {
                return Err(SourceError::Stalled { name: self.name(), waited });
            }
            self.node.wait_readable(Self::SLICE_MS).map_err(|e| self.failed(e))?;
            let Some(buffer) = self.newest()? else { continue };
            let now = Instant::now();
            let captured = buffer.age().and_then(|age| now.checked_sub(age)).unwrap_or(now);
            let picture = self.picture(&buffer, pool);
            self.ring.requeue(&self.node, buffer).map_err(|e| self.failed(e))?;
            let Some(bytes) = picture else {
                self.losses.damaged += 1;
                self.damage += 1.0;
                continue;
            };
            self.damage *= Self::DAMAGE_FADES;
            let stamp = FrameStamp { id: self.ids.give(), captured, clock: self.info.clock };
            self.delivers = true;
            return CameraFrame::new(self.info.shape, stamp, bytes)
                .map(|frame| frame.arrived_at(Instant::now()))
                .map_err(|source| SourceError::Frame { name: self.name(), source });
        }
    }

    fn losses(&self) -> Losses {
        self.losses
    }
}

/// What a driver made of a format that it was asked for.
struct SetFormat {
    coding: Option<Coding>,
    extent: Extent,
    /// 0 for compressed formats.
    stride_bytes: usize,
    color: crate::frame::ColorSpec,
}
