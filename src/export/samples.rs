//! Frames as a chain would settle them, for the tests of the exports.

use std::time::{Duration, Instant};

use crate::metrics::{FrameCost, Gap, Piece, Pieces, Stage, Track};
use crate::units::{CaptureClock, FrameId, FrameStamp};

const MS: Duration = Duration::from_millis(1);

/// A 30 Hz chain: capture 4 ms, upload 1, infer 12 on the GPU, the rest waiting; 21 ms in all. Compose is not measured.
pub fn costs(t0: Instant, frames: u64) -> Vec<FrameCost> {
    (0..frames).map(|id| cost(t0, id, 12)).collect()
}

/// One of those, with `infer` milliseconds in the network.
pub fn cost(t0: Instant, id: u64, infer: u32) -> FrameCost {
    let captured = t0 + MS * 33 * id as u32;
    let stamp = FrameStamp { id: FrameId(id), captured, clock: CaptureClock::Driver };
    let mut stages = [None; Stage::COUNT];
    let mut pieces = Pieces::default();
    let mut add = |stage: Stage, track, begin: u32, length: u32| {
        stages[stage as usize] = Some(MS * length);
        pieces.push(Piece { stage, track, begin: Some(MS * begin), duration: MS * length });
    };
    add(Stage::Capture, Track::Cpu, 0, 4);
    add(Stage::Upload, Track::Cpu, 5, 1);
    add(Stage::Infer, Track::Gpu, 7, infer);
    stages[Stage::Wait as usize] = Some(MS * 4);
    let presented = captured + MS * (9 + infer);
    let gap = (id > 0).then_some(Gap { presented: MS * 33, captured: MS * 33, skipped: 0 });
    FrameCost { marks: pieces.marks(), pieces, gap, overrun: -16.3, ..FrameCost::bare(stamp, presented, stages) }
}
