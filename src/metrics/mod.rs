//! What a frame cost: the stages that a frame goes through, and spans of time spent in them.
//!
//! Pure: times come in as values, numbers go out. See `metrics/` for the ledger that joins spans to frames.

use std::time::Duration;

use crate::units::FrameId;

/// The stages of a frame, in order. Each moment between capture and present belongs to exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// From the capture time to the frame being in our hands: driver, transfer, decoding.
    Capture,
    /// In a mailbox or on a queue: whatever lies between the other stages.
    Wait,
    /// Raw bytes to the GPU.
    Upload,
    /// Raw bytes to colour, then to the student's input.
    Prepare,
    /// The student.
    Infer,
    /// The student's output to the picture that is shown.
    Compose,
    /// Overlay and panels.
    Interface,
    /// Handing the picture to the display.
    Present,
}

impl Stage {
    pub const COUNT: usize = 8;
    pub const ALL: [Self; Self::COUNT] = [
        Self::Capture,
        Self::Wait,
        Self::Upload,
        Self::Prepare,
        Self::Infer,
        Self::Compose,
        Self::Interface,
        Self::Present,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Wait => "wait",
            Self::Upload => "upload",
            Self::Prepare => "prepare",
            Self::Infer => "infer",
            Self::Compose => "compose",
            Self::Interface => "interface",
            Self::Present => "present",
        }
    }
}

/// Time that one frame spent in one stage. GPU spans arrive some frames late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub frame: FrameId,
    pub stage: Stage,
    pub duration: Duration,
}
