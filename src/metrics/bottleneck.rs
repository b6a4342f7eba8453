//! What bounds a frame: the unit that would have to get faster for the frame to get faster.
//!
//! Every moment of a frame is charged to one unit. Work is charged to whoever did it. A wait is charged to whom it was for:
//!
//! | time | charged to |
//! |---|---|
//! | capture | transfer and decoding |
//! | upload, compose, interface | the unit of that name |
//! | prepare and infer | the inference, on the CPU or the GPU by where the network ran |
//! | present, and the wait from the last work on the painting to the interface taking it up | the display |
//! | deciding what to paint with | the governor, out of the wait |
//! | any other wait | the largest of upload, inference and compose: the frame queued behind its predecessor there |
//!
//! Then: a frame that was in our hands for no longer than the budget was finished before its successor came. Nothing in
//! this program could have brought the next picture any sooner: **the camera** bounds it. (Not so where frames do not come
//! at a rate of their own, as in a run that is as fast as possible.) Every other frame is bounded by the unit with
//! the largest charge. Pure.

use std::time::Duration;

use super::{FrameCost, Stage, Track};
use crate::units::Budget;

/// What can bound a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bottleneck {
    /// The source's rate: everything else is fast enough for it.
    Camera,
    /// Getting the frame from the camera: exposure, bus, driver, decoding.
    TransferDecode,
    /// Raw bytes to the GPU.
    Upload,
    /// The network and the making of its input, on the GPU.
    GpuInference,
    /// The network and the making of its input, on the CPU.
    CpuInference,
    /// From the network's output to the picture.
    Compose,
    /// Overlay and panels.
    Interface,
    /// The display's refresh, and the queue in front of it.
    DisplayWait,
    /// Deciding what to paint with.
    Governor,
}

impl Bottleneck {
    pub const COUNT: usize = 9;
    pub const ALL: [Self; Self::COUNT] = [
        Self::Camera,
        Self::TransferDecode,
        Self::Upload,
        Self::GpuInference,
        Self::CpuInference,
        Self::Compose,
        Self::Interface,
        Self::DisplayWait,
        Self::Governor,
    ];

    /// In words for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::TransferDecode => "transfer and decode",
            Self::Upload => "upload",
            Self::GpuInference => "GPU inference",
            Self::CpuInference => "CPU inference",
            Self::Compose => "compose",
            Self::Interface => "interface",
            Self::DisplayWait => "display wait",
            Self::Governor => "governor",
        }
    }

    /// In a word for files: as it is serialised.
    pub fn id(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::TransferDecode => "transfer_decode",
            Self::Upload => "upload",
            Self::GpuInference => "gpu_inference",
            Self::CpuInference => "cpu_inference",
            Self::Compose => "compose",
            Self::Interface => "interface",
            Self::DisplayWait => "display_wait",
            Self::Governor => "governor",
        }
    }
}

/// Milliseconds charged to each unit, indexed by `Bottleneck as usize`. They add up to the frame's total.
pub type Units = [f32; Bottleneck::COUNT];

/// Charges every moment of `cost` to a unit. `governor` is what deciding cost while the frame was under way.
pub fn charge(cost: &FrameCost, governor: Duration) -> Units {
    let mut units = Units::default();
    let ms = |d: Duration| d.as_secs_f32() * 1e3;
    let row = |stage| cost.stage(stage).unwrap_or_default();
    let inference = match cost.pieces.iter().find(|p| p.stage == Stage::Infer) {
        Some(piece) if piece.track == Track::Cpu => Bottleneck::CpuInference,
        _ => Bottleneck::GpuInference,
    };
    let mut add = |unit: Bottleneck, time: Duration| units[unit as usize] += ms(time);
    add(Bottleneck::TransferDecode, row(Stage::Capture));
    add(Bottleneck::Upload, row(Stage::Upload));
    add(inference, row(Stage::Prepare) + row(Stage::Infer));
    add(Bottleneck::Compose, row(Stage::Compose));
    add(Bottleneck::Interface, row(Stage::Interface));
    add(Bottleneck::DisplayWait, row(Stage::Present));

    let wait = row(Stage::Wait);
    let governor = governor.min(wait);
    add(Bottleneck::Governor, governor);
    let wait = wait - governor;
    let for_display = until_taken_up(cost).min(wait);
    add(Bottleneck::DisplayWait, for_display);
    let chain = [
        (inference, row(Stage::Prepare) + row(Stage::Infer)),
        (Bottleneck::Upload, row(Stage::Upload)),
        (Bottleneck::Compose, row(Stage::Compose)),
    ];
    // The first of equals: with nothing measured in the chain there is nothing to queue behind but the display.
    let largest = chain.into_iter().filter(|c| !c.1.is_zero()).reduce(|a, b| if b.1 > a.1 { b } else { a });
    add(largest.map_or(Bottleneck::DisplayWait, |(unit, _)| unit), wait - for_display);
    units
}

/// From the last work on the painting to the interface or the display taking it up; zero where it is not known.
fn until_taken_up(cost: &FrameCost) -> Duration {
    let marks = || cost.pieces.iter().filter_map(|p| p.mark().map(|mark| (p.stage, mark)));
    let display = |stage| matches!(stage, Stage::Interface | Stage::Present);
    let Some(taken_up) = marks().filter(|(s, m)| display(*s) && m.track == Track::Cpu).map(|(_, m)| m.begin).min()
    else {
        return Duration::ZERO;
    };
    let chain = |stage| matches!(stage, Stage::Upload | Stage::Prepare | Stage::Infer | Stage::Compose);
    let done = marks().filter(|(s, m)| chain(*s) && m.end <= taken_up).map(|(_, m)| m.end).max();
    done.map_or(Duration::ZERO, |done| taken_up - done)
}

/// The unit that bounds a frame whose units were charged. `paced` where frames come at a rate of their own.
pub fn bounds(cost: &FrameCost, budget: Budget, paced: bool) -> Bottleneck {
    if paced && cost.in_hand() <= budget.0 {
        return Bottleneck::Camera;
    }
    largest(&cost.units)
}

/// The unit with the largest charge; of equals the first.
pub fn largest(units: &Units) -> Bottleneck {
    let mut best = Bottleneck::Camera;
    for unit in Bottleneck::ALL {
        if units[unit as usize] > units[best as usize] {
            best = unit;
        }
    }
    best
}

/// Signed milliseconds past the frame's deadline; see [`FrameCost::overrun`].
pub fn overrun(cost: &FrameCost, budget: Budget) -> f32 {
    let display = cost.stage(Stage::Present).unwrap_or_default();
    ((cost.in_hand().saturating_sub(display)).as_secs_f64() * 1e3 - budget.ms()) as f32
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::metrics::Piece;
    use crate::units::{CaptureClock, FrameId, FrameStamp};

    const MS: Duration = Duration::from_millis(1);
    const BUDGET: Budget = Budget(Duration::from_millis(33));

    fn cost(rows: &[(Stage, u32)]) -> FrameCost {
        let t0 = Instant::now();
        let stamp = FrameStamp { id: FrameId(0), captured: t0, clock: CaptureClock::Driver };
        let mut stages = [None; Stage::COUNT];
        rows.iter().for_each(|&(stage, ms)| stages[stage as usize] = Some(MS * ms));
        FrameCost::bare(stamp, t0, stages)
    }

    fn judged(mut cost: FrameCost, governor: u32, paced: bool) -> (FrameCost, Bottleneck) {
        cost.units = charge(&cost, MS * governor);
        let bound = bounds(&cost, BUDGET, paced);
        (cost, bound)
    }

    #[test]
    fn what_is_done_in_time_waits_for_the_camera() {
        let rows = [(Stage::Capture, 30), (Stage::Infer, 20), (Stage::Wait, 10)];
        assert_eq!(judged(cost(&rows), 0, true).1, Bottleneck::Camera);
        // As fast as possible there is no successor to wait for.
        assert_eq!(judged(cost(&rows[1..]), 0, false).1, Bottleneck::GpuInference);
    }

    #[test]
    fn each_unit_can_be_the_one() {
        let cases = [
            (vec![(Stage::Capture, 90), (Stage::Infer, 40)], Bottleneck::TransferDecode),
            (vec![(Stage::Upload, 40), (Stage::Infer, 10)], Bottleneck::Upload),
            (vec![(Stage::Infer, 20), (Stage::Prepare, 5), (Stage::Wait, 20)], Bottleneck::GpuInference),
            (vec![(Stage::Compose, 40)], Bottleneck::Compose),
            (vec![(Stage::Interface, 40), (Stage::Infer, 20)], Bottleneck::Interface),
            (vec![(Stage::Present, 40), (Stage::Infer, 20)], Bottleneck::DisplayWait),
        ];
        for (rows, unit) in cases {
            assert_eq!(judged(cost(&rows), 0, true).1, unit, "{rows:?}");
        }
        let governed = cost(&[(Stage::Infer, 5), (Stage::Wait, 40)]);
        assert_eq!(judged(governed, 38, true).1, Bottleneck::Governor);
    }

    #[test]
    fn the_engines_place_decides_which_inference_it_is() {
        let mut on_cpu = cost(&[(Stage::Infer, 40)]);
        on_cpu.pieces.push(Piece { stage: Stage::Infer, track: Track::Cpu, begin: Some(MS), duration: MS * 40 });
        assert_eq!(judged(on_cpu, 0, true).1, Bottleneck::CpuInference);
    }

    #[test]
    fn a_finished_painting_that_nobody_takes_up_waits_for_the_display() {
        let mut waited = cost(&[(Stage::Infer, 10), (Stage::Wait, 40), (Stage::Interface, 1)]);
        let piece =
            |stage, track, begin, duration| Piece { stage, track, begin: Some(MS * begin), duration: MS * duration };
        waited.pieces.push(piece(Stage::Infer, Track::Gpu, 5, 10));
        waited.pieces.push(piece(Stage::Interface, Track::Cpu, 50, 1));
        let (judged, unit) = judged(waited, 0, true);
        assert_eq!(unit, Bottleneck::DisplayWait);
        assert_eq!(judged.units[Bottleneck::DisplayWait as usize], 35.0);
        assert_eq!(judged.units[Bottleneck::GpuInference as usize], 15.0);
    }

    #[test]
    fn lateness_has_a_sign() {
        let late = cost(&[(Stage::Capture, 10), (Stage::Infer, 40), (Stage::Present, 16), (Stage::Wait, 3)]);
        assert_eq!(overrun(&late, BUDGET), 10.0);
        assert_eq!(overrun(&cost(&[(Stage::Infer, 8)]), BUDGET), -25.0);
    }

    proptest! {
        #[test]
        fn all_of_a_frame_is_charged(
            rows in prop::collection::vec((0usize..Stage::COUNT, 0u32..200), 0..8),
            governor in 0u32..50,
        ) {
            let rows: Vec<_> = rows.into_iter().map(|(s, ms)| (Stage::ALL[s], ms)).collect();
            let (cost, _) = judged(cost(&rows), governor, true);
            let total = cost.total.as_secs_f32() * 1e3;
            prop_assert!((cost.units.iter().sum::<f32>() - total).abs() < 1e-2);
            prop_assert!(cost.units.iter().all(|u| *u >= 0.0));
        }
    }
}
