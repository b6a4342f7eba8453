//! What a frame cost: the stages that a frame goes through, and spans of time spent in them.
//!
//! # From spans to figures
//!
//! - `ledger` joins spans, which arrive late, to frames and settles each frame's account so that its rows add up to its total.
//! - `cost` is a settled account: rows, and the pieces of time that they are made of, on one time line for CPU and GPU.
//! - `bottleneck` names the unit that bounds a frame; `hitch` tells frames that stand out, and why they do.
//! - `distribution` makes percentiles of a run of any length in fixed memory, `run_stats` keeps one set of them for each thing that
//!   is measured, `recent` makes exact figures of the last seconds; `rate` counts events per second.
//! - `roofline` compares a network's parts with what the device can do at best.
//! - `meter` is all of these together, as the window, `bench` and `render` use them; `summary` is what is shown of it,
//!   `report` what is written to disk or printed as JSON.
//!
//! # Over which window
//!
//! | figure | over |
//! |---|---|
//! | rows, total, work, overrun, jitter, bottleneck, share over budget | the last [`Meter::WINDOW`] of what paints now |
//! | 1 % and 0.1 % low, everything in a report | the run, of what paints now (effect, engine, variant, sizes) |
//! | frames a second | the last two seconds |
//! | counts of frames, hitches | since the program started |
//! | history | the last [`Recent::HISTORY`], whatever painted |
//!
//! # Whose time
//!
//! A frame's time begins with its capture: by the driver's own clock where it has one that can be compared with the
//! program's, else when the program got the frame, and which of them it was is part of every report
//! ([`crate::units::CaptureClock`]). It ends when the picture was handed to the display, or when the GPU was done with it where
//! that is later. What the display does with it from then on is not known.
//!
//! Pure: times come in as values, numbers go out. Knows nothing of GPUs, windows or sources.

pub mod bottleneck;
mod cost;
mod distribution;
mod hitch;
mod ledger;
mod meter;
mod rate;
mod recent;
mod report;
pub mod roofline;
mod run_stats;
mod summary;

pub use bottleneck::{Bottleneck, Units};
pub use cost::{FrameCost, Gap, Mark, Piece, Pieces, Track};
pub use distribution::{Distribution, Quantiles, Signed, nearest_rank};
pub use hitch::{Hitch, HitchKind};
pub use ledger::Ledger;
pub use meter::Meter;
pub use rate::Rate;
pub use recent::Recent;
pub use report::{
    FrameCounts, HitchReport, InterfaceReport, Percentiles, Rates, Report, RunReport, SCHEMA, StageReport, Subject,
    UnitReport, resident_bytes,
};
pub use run_stats::{RunStats, StatsBySubject};
pub use summary::{Counts, Row, Summary};

use std::time::{Duration, Instant};

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
    pub track: Track,
    /// On the CPU's clock; `None` where only the duration is known.
    pub begin: Option<Instant>,
    pub duration: Duration,
}

impl Span {
    /// Work on a thread of this program.
    pub fn cpu(frame: FrameId, stage: Stage, begin: Instant, end: Instant) -> Self {
        let duration = end.saturating_duration_since(begin);
        Self { frame, stage, track: Track::Cpu, begin: Some(begin), duration }
    }

    /// Work of the GPU; `begin` where the GPU's clock could be brought to the CPU's.
    pub fn gpu(frame: FrameId, stage: Stage, begin: Option<Instant>, duration: Duration) -> Self {
        Self { frame, stage, track: Track::Gpu, begin, duration }
    }

    /// A duration of which nothing else is known.
    pub fn lasting(frame: FrameId, stage: Stage, duration: Duration) -> Self {
        Self { frame, stage, track: Track::Cpu, begin: None, duration }
    }
}

/// A span of whatever frame it belongs to: the window draws, and does not know which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lap {
    pub stage: Stage,
    pub begin: Instant,
    pub end: Instant,
}

/// What small pictures of all effects cost, beside the frames.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WallCost {
    /// Share of one processor core's time, over the last second or so.
    pub load: f32,
    /// One picture, milliseconds.
    pub picture_ms: f32,
    /// From one picture of an effect to its next, milliseconds: the longest of the last ones.
    pub age_ms: f32,
}
