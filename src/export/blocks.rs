//! A run cut into stretches of frames that follow each other: how much the figures vary within one run.
//!
//! Frames next to each other are alike, so the spread of single frames says little about how far the mean of another run
//! would lie; that of stretches says more. What differs from start to start (other programs, heat, where memory happens to
//! lie) no single run can show. Pure.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::metrics::{FrameCost, Stage};

/// Figures of one stretch: milliseconds, means over its frames unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Block {
    pub frames: u64,
    /// Frames presented per second.
    pub fps: f64,
    pub total_ms: f64,
    pub total_p95_ms: f64,
    pub work_ms: f64,
    /// In the order of the stages; those that were measured in every frame.
    pub stages: Vec<StageMean>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StageMean {
    pub name: String,
    pub mean_ms: f64,
}

/// Stretches wished for.
const WANTED: usize = 20;
/// Fewer frames than that make no stretch.
const LEAST_FRAMES: usize = 6;

/// Cuts `costs`, oldest first, into about 20 stretches of equal length; the frames that are left over at the beginning
/// belong to none. `since` is when the first frame began to be worked on. Empty for a run that is too short for two.
pub fn blocks(costs: &[FrameCost], since: Instant) -> Vec<Block> {
    let length = (costs.len() / WANTED).max(LEAST_FRAMES);
    let count = costs.len() / length;
    if count < 2 {
        return Vec::new();
    }
    let spare = costs.len() - count * length;
    let mut before = spare.checked_sub(1).map_or(since, |i| costs[i].presented);
    costs[spare..]
        .chunks_exact(length)
        .map(|chunk| {
            let end = chunk.last().map_or(before, |c| c.presented);
            let seconds = end.saturating_duration_since(before).as_secs_f64();
            before = end;
            block(chunk, seconds)
        })
        .collect()
}

fn block(chunk: &[FrameCost], seconds: f64) -> Block {
    let frames = chunk.len() as f64;
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let mean = |of: &dyn Fn(&FrameCost) -> Duration| chunk.iter().map(|c| ms(of(c))).sum::<f64>() / frames;
    let mut totals: Vec<f64> = chunk.iter().map(|c| ms(c.total)).collect();
    totals.sort_by(f64::total_cmp);
    let p95 = ((totals.len() as f64 * 0.95).ceil() as usize).clamp(1, totals.len()) - 1;
    Block {
        frames: chunk.len() as u64,
        fps: if seconds > 0.0 { frames / seconds } else { 0.0 },
        total_ms: mean(&|c| c.total),
        total_p95_ms: totals[p95],
        work_ms: mean(&|c| c.work()),
        stages: Stage::ALL
            .into_iter()
            .filter(|&stage| chunk.iter().all(|c| c.stage(stage).is_some()))
            .map(|stage| StageMean {
                name: stage.name().to_owned(),
                mean_ms: mean(&|c| c.stage(stage).unwrap_or_default()),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::samples;

    #[test]
    fn every_frame_but_the_spare_ones_is_in_one_block() {
        let t0 = Instant::now();
        let costs = samples::costs(t0, 127);
        let blocks = blocks(&costs, t0);
        assert_eq!((blocks.len(), blocks[0].frames), (21, 6));
        for block in &blocks {
            assert!((block.total_ms - 21.0).abs() < 1e-9 && (block.total_p95_ms - 21.0).abs() < 1e-9);
            assert!((block.fps - 1000.0 / 33.0).abs() < 0.01, "{}", block.fps);
            let rows: f64 = block.stages.iter().map(|s| s.mean_ms).sum();
            assert!((rows - block.total_ms).abs() < 1e-9);
            assert!(block.stages.iter().all(|s| s.name != "compose"));
        }
    }

    #[test]
    fn too_short_a_run_has_no_blocks() {
        let t0 = Instant::now();
        assert!(blocks(&samples::costs(t0, 11), t0).is_empty());
        assert!(blocks(&[], t0).is_empty());
        assert_eq!(blocks(&samples::costs(t0, 12), t0).len(), 2);
    }
}
