//! Who paints: an engine among the other passes, a thread that frames are handed to, or nobody.

use std::collections::VecDeque;
use std::time::Instant;

use super::PENDING;
use super::list::Route;
use crate::kernels::canvas::canvas_extent;
use crate::nn::gpu::GpuStudent;
use crate::roundtrip::{self, RoundTrip};
use crate::units::{Extent, FrameId};

/// Who paints.
#[expect(clippy::large_enum_variant, reason = "there is one, moved once; a box would only add an allocation")]
pub enum Student {
    /// Our own engine, in the frame's command buffer.
    InPlace(GpuStudent),
    /// An engine on the CPU, among the passes of the CPU's back end.
    OnCpu(Box<dyn roundtrip::Painter>),
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
            Self::OnCpu(student) => Some(student.extent()),
            Self::RoundTrip(student) => Some(student.extent()),
            Self::Untouched => None,
        }
    }
}

/// A student that belongs to a back end.
#[expect(clippy::large_enum_variant, reason = "there is one, moved once; a box would only add an allocation")]
pub(super) enum InPlace {
    Gpu(GpuStudent),
    Cpu(Box<dyn roundtrip::Painter>),
}

impl InPlace {
    /// Channels of the canvas that it takes in.
    pub fn canvas_channels(&mut self) -> u32 {
        match self {
            Self::Gpu(student) => student.plan().canvas().map_or(0, |canvas| canvas.channels as u32),
            Self::Cpu(student) => {
                let plane = canvas_extent(student.extent()).pixels().max(1);
                (student.canvas_mut().len() as u64 / plane) as u32
            }
        }
    }
}

/// The student at work. One that paints in place belongs to the back end.
pub(super) enum Painter {
    InPlace,
    RoundTrip {
        student: RoundTrip,
        /// Frames handed over whose fate is open, oldest first.
        open: VecDeque<Open>,
        /// Since when there has been such a frame and no painting came.
        owed_since: Option<Instant>,
    },
    Untouched,
}

impl Painter {
    /// The student at work, and what of it belongs to the back end.
    pub fn of(student: Student) -> (Self, Option<InPlace>) {
        match student {
            Student::InPlace(student) => (Self::InPlace, Some(InPlace::Gpu(student))),
            Student::OnCpu(student) => (Self::InPlace, Some(InPlace::Cpu(student))),
            Student::RoundTrip(student) => {
                let open = VecDeque::with_capacity(PENDING);
                (Self::RoundTrip { student, open, owed_since: None }, None)
            }
            Student::Untouched => (Self::Untouched, None),
        }
    }

    /// The student on its thread; `None` where there is none.
    pub fn round_trip(&self) -> Option<&RoundTrip> {
        match self {
            Self::RoundTrip { student, .. } => Some(student),
            Self::InPlace | Self::Untouched => None,
        }
    }

    pub fn route(&self) -> Route {
        match self {
            Self::InPlace => Route::InPlace,
            Self::RoundTrip { .. } => Route::RoundTrip,
            Self::Untouched => Route::Untouched,
        }
    }
}

/// A frame on the round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub frame: FrameId,
    /// It came out with a painting that was carried along, and has been counted.
    pub counted: bool,
}
