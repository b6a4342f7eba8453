//! Who paints: an engine in the frame's own command buffer, a thread that frames are handed to, or nobody.

use std::collections::VecDeque;
use std::time::Instant;

use super::slots::StudentStages;
use crate::gpu::Uploader;
use crate::nn::gpu::GpuStudent;
use crate::roundtrip::RoundTrip;
use crate::units::{Extent, FrameId};

/// Who paints.
#[expect(clippy::large_enum_variant, reason = "there is one, moved once; a box would only add an allocation")]
pub enum Student {
    /// Our own engine, in the frame's command buffer.
    InPlace(GpuStudent),
    /// A thread that takes frames and gives back pairs of a frame and its painting.
    RoundTrip(RoundTrip),
    /// Nobody: the camera's picture is shown.
    Untouched,
}

impl Student {
    /// The size at which it paints; `None` when nobody does.
    pub fn extent(&self) -> Option<Extent> {
        match self {
            Self::InPlace(student) => Some(student.extent()),
            Self::RoundTrip(student) => Some(student.extent()),
            Self::Untouched => None,
        }
    }
}

/// The student at work.
pub(super) enum Work {
    InPlace {
        student: GpuStudent,
        around: StudentStages,
    },
    RoundTrip {
        student: RoundTrip,
        around: StudentStages,
        /// Where paintings arrive on the GPU.
        painted: wgpu::Buffer,
        upload: Uploader,
        /// Frames handed over whose fate is open, oldest first.
        open: VecDeque<Open>,
        /// Since when there has been such a frame and no painting came.
        owed_since: Instant,
    },
    Untouched,
}

/// A frame on the round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) frame: FrameId,
    /// It came out with a painting that was carried along, and has been counted.
    pub(super) counted: bool,
}

/// Who paints a frame.
#[derive(Clone, Copy)]
pub(super) enum PaintSource<'a> {
    /// The student in place.
    Student,
    /// The round trip has: these pixels.
    Arrived(&'a [[f32; 4]]),
    /// Nobody; the newest painting is carried along.
    Carried,
    /// Nobody: the camera's picture is shown.
    Nobody,
}
