//! What a frame cost: the stages that a frame goes through, and spans of time spent in them.
//!
//! `ledger` joins spans, which arrive late, to frames and settles each frame's account so that its rows add up to its
//! total; `distribution` makes percentiles of settled accounts, over the last seconds and over a whole run; `rate` counts
//! events per second; `meter` is all of these together, as the window, `bench` and `render` use them; `report` is what
//! is written to disk or printed as JSON.
//!
//! Pure: times come in as values, numbers go out. Knows nothing of GPUs, windows or sources.

mod distribution;
mod ledger;
mod meter;
mod rate;
mod report;

pub use distribution::{Distribution, Quantiles, Recent, Tally};
pub use ledger::{FrameCost, Ledger};
pub use meter::{Counts, Meter, Row, Summary};
pub use rate::Rate;
pub use report::{FrameCounts, Percentiles, Rates, Report, SCHEMA, StageReport, Subject, resident_bytes};

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
