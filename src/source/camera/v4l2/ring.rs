//! The driver's buffers, mapped into memory, going round between it and us while the camera streams.
#![allow(unsafe_code, reason = "memory is shared with the driver")]

use std::io;
use std::time::Duration;

use v4l::v4l_sys as sys;
use v4l::v4l2::{self, vidioc};

use super::node::{CAPTURE, Node, zeroed};

const MMAP: u32 = sys::v4l2_memory_V4L2_MEMORY_MMAP;

/// Buffers asked for. One is being filled, one waits, one is read, and one is spare for a slow moment.
const BUFFERS: u32 = 4;

/// Streaming buffers of one node. Dropping it ends the streaming; failures to do so are of no consequence then.
pub(super) struct Ring {
    /// A copy of the node's descriptor number, valid because the owner drops the ring before the node.
    fd: std::os::raw::c_int,
    maps: Vec<Map>,
    monotonic: bool,
}

struct Map {
    start: *mut std::os::raw::c_void,
    len: usize,
}

// SAFETY: the mappings belong to the ring alone and are used by whoever owns it.
unsafe impl Send for Ring {}

/// A buffer that is ours until it is requeued.
pub(super) struct Dequeued {
    index: usize,
    /// Filled bytes.
    pub bytes: usize,
    pub sequence: u32,
    /// The driver says that its contents are damaged.
    pub flagged: bool,
    /// On the monotonic clock, if the driver gave it.
    stamp: Option<Duration>,
}

impl Dequeued {
    /// An age beyond this is no time of capture but some other clock's.
    const OLDEST: Duration = Duration::from_secs(10);

    /// Time since the capture, if the driver stamped it believably. Zero when it stamped a moment in the future, as some
    /// drivers do that stamp the end of a transfer.
    pub(super) fn age(&self) -> Option<Duration> {
        let stamp = self.stamp?;
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: a valid place for the answer.
        if unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) } != 0 {
            return None;
        }
        let now = Duration::new(u64::try_from(now.tv_sec).ok()?, u32::try_from(now.tv_nsec).ok()?);
        Some(now.saturating_sub(stamp)).filter(|&age| age <= Self::OLDEST)
    }
}

impl Ring {
    /// Asks for buffers, maps them, hands them all to the driver and starts the streaming.
    pub(super) fn start(node: &Node) -> io::Result<Self> {
        let mut request: sys::v4l2_requestbuffers = zeroed();
        request.count = BUFFERS;
        request.type_ = CAPTURE;
        request.memory = MMAP;
        node.ioctl(vidioc::VIDIOC_REQBUFS, &mut request)?;
        if request.count == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        // From here on, dropping `ring` gives back whatever was obtained.
        let mut ring = Self { fd: node.raw_fd(), maps: Vec::new(), monotonic: false };
        for index in 0..request.count {
            let mut buffer = ring.buffer(index);
            node.ioctl(vidioc::VIDIOC_QUERYBUF, &mut buffer)?;
            ring.monotonic = buffer.flags & sys::V4L2_BUF_FLAG_TIMESTAMP_MASK == sys::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
            let len = buffer.length as usize;
            // SAFETY: offset and length are the driver's own for this buffer; the kernel checks them and picks the address.
            let start = unsafe {
                let offset = libc::off_t::from(buffer.m.offset);
                let protection = libc::PROT_READ | libc::PROT_WRITE;
                v4l2::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, node.raw_fd(), offset)?
            };
            ring.maps.push(Map { start, len });
        }
        for index in 0..request.count {
            let mut buffer = ring.buffer(index);
            node.ioctl(vidioc::VIDIOC_QBUF, &mut buffer)?;
        }
        let mut kind = CAPTURE as std::os::raw::c_int;
        node.ioctl(vidioc::VIDIOC_STREAMON, &mut kind)?;
        Ok(ring)
    }

    /// Whether the driver stamps frames by the monotonic clock.
    pub(super) fn monotonic(&self) -> bool {
        self.monotonic
    }

    /// Takes the oldest filled buffer, or `None` when none is filled yet.
    pub(super) fn dequeue(&self, node: &Node) -> io::Result<Option<Dequeued>> {
        let mut buffer = self.buffer(0);
        match node.ioctl(vidioc::VIDIOC_DQBUF, &mut buffer) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let index = buffer.index as usize;
        let Some(map) = self.maps.get(index) else {
            return Err(io::Error::other(format!("the driver returned buffer {index} of {}", self.maps.len())));
        };
        let monotonic = buffer.flags & sys::V4L2_BUF_FLAG_TIMESTAMP_MASK == sys::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
        let time = buffer.timestamp;
        let stamp = u64::try_from(time.tv_sec)
            .ok()
            .zip(u64::try_from(time.tv_usec).ok())
            .map(|(s, us)| Duration::from_secs(s) + Duration::from_micros(us))
            .filter(|stamp| monotonic && !stamp.is_zero());
        Ok(Some(Dequeued {
            index,
            bytes: (buffer.bytesused as usize).min(map.len),
            sequence: buffer.sequence,
            flagged: buffer.flags & sys::V4L2_BUF_FLAG_ERROR != 0,
            stamp,
        }))
    }

    /// What the driver filled.
    pub(super) fn bytes(&self, buffer: &Dequeued) -> &[u8] {
        let map = &self.maps[buffer.index];
        // SAFETY: `dequeue` checked the index and bounded the length by the mapping's; the driver does not write to a
        // buffer that it does not hold, and the mapping lives as long as `self`.
        unsafe { std::slice::from_raw_parts(map.start.cast::<u8>(), buffer.bytes) }
    }

    /// Gives the buffer back to the driver.
    pub(super) fn requeue(&self, node: &Node, buffer: Dequeued) -> io::Result<()> {
        let mut raw = self.buffer(buffer.index as u32);
        node.ioctl(vidioc::VIDIOC_QBUF, &mut raw)
    }

    fn buffer(&self, index: u32) -> sys::v4l2_buffer {
        let mut buffer: sys::v4l2_buffer = zeroed();
        buffer.index = index;
        buffer.type_ = CAPTURE;
        buffer.memory = MMAP;
        buffer
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Whatever fails here (the device may be gone), closing the node ends the streaming as well.
        let mut kind = CAPTURE as std::os::raw::c_int;
        let mut none: sys::v4l2_requestbuffers = zeroed();
        none.type_ = CAPTURE;
        none.memory = MMAP;
        // SAFETY: valid structures for these requests; the mappings are our own and not used after this.
        unsafe {
            let _ = v4l2::ioctl(self.fd, vidioc::VIDIOC_STREAMOFF, std::ptr::from_mut(&mut kind).cast());
            for map in &self.maps {
                let _ = v4l2::munmap(map.start, map.len);
            }
            let _ = v4l2::ioctl(self.fd, vidioc::VIDIOC_REQBUFS, std::ptr::from_mut(&mut none).cast());
        }
    }
}
