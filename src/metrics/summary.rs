//! What is shown of a meter: plain values, made at one moment.

use std::time::Duration;

use super::{Bottleneck, Quantiles, Stage};
use crate::frame::Losses;
use crate::units::{Budget, CaptureClock};

/// Frames since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Delivered by the source.
    pub captured: u64,
    /// Through the whole chain.
    pub processed: u64,
    /// Pictures handed to the display that had not been shown before.
    pub presented: u64,
    /// Replaced by a newer frame somewhere on the way.
    pub dropped: u64,
    /// Pictures handed to the display that had been shown before: because the figures changed, or somebody touched something.
    pub repeated: u64,
    /// What the source had and did not deliver.
    pub losses: Losses,
}

/// One row of the stage table; `None` is a dash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub stage: Stage,
    pub cost: Option<Quantiles>,
}

/// Everything that the overlay says in numbers, over the windows that it states.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// What the figures are over, unless they say otherwise.
    pub window: Duration,
    /// One row per stage, in order. Their means add up to the mean of `total`.
    pub rows: [Row; Stage::COUNT],
    /// Capture to present; see [`super::FrameCost::total`].
    pub total: Option<Quantiles>,
    pub budget: Budget,
    /// Share of the window's frames, 0..=1, whose work (the total without capture and wait) exceeded the budget.
    pub over_budget: Option<f64>,
    /// Work per frame, the total without capture and wait: what the budget is compared with.
    pub work: Option<Quantiles>,
    /// Signed milliseconds past the deadline; see [`super::FrameCost::overrun`].
    pub overrun: Option<Quantiles>,
    /// The unit that bounds most frames, and what share of them, 0..=1.
    pub bottleneck: Option<(Bottleneck, f64)>,
    pub source_fps: Option<f64>,
    pub processed_fps: Option<f64>,
    pub presented_fps: Option<f64>,
    /// Milliseconds between pictures that were presented one after the other.
    pub intervals: Option<Quantiles>,
    /// The standard deviation of `intervals`, in milliseconds.
    pub jitter_ms: Option<f64>,
    /// The rate that 99 of 100 pictures kept to, over `run`.
    pub low_1_fps: Option<f64>,
    /// The rate that 999 of 1000 pictures kept to, over `run`.
    pub low_01_fps: Option<f64>,
    /// Frames of the run so far with what paints now: what the lows are over.
    pub run_frames: u64,
    /// How long their pictures were seen.
    pub run: Duration,
    /// Since the program started.
    pub counts: Counts,
    /// Of those, pictures handed over that had been shown before.
    pub repeated: u64,
    /// Frames that stood out, since the program started.
    pub hitches: u64,
    /// Where the newest frame's capture time came from.
    pub clock: Option<CaptureClock>,
    /// How much successive paintings differ where the camera's picture does not: mean difference, of 255.
    pub stability: Option<f32>,
    /// What the overlay and the panels cost by themselves, a mean over the window: CPU, and GPU where it was measured.
    pub interface_ms: Option<f64>,
    /// Of `interface_ms`, the GPU's part; `None` where it was not measured.
    pub interface_gpu_ms: Option<f64>,
    /// `interface_ms` as a share of the budget, 0..; 0.01 is one percent.
    pub interface_share: Option<f64>,
    /// How far the GPU's times may lie from their true place among the CPU's; `None` while they cannot be placed.
    pub gpu_clock_within: Option<Duration>,
}
