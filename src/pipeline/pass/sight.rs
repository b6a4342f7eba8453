//! What is remembered of a frame so that motion since then can be found: its guide and its levels.

use super::{OnCpu, OnGpu, Pass};
use crate::pipeline::product::{AWAY_GUIDE, AWAY_LEVELS, GUIDE, KEY_GUIDE, KEY_LEVELS, LEVELS};

/// The frame in work is the one that the newest painting was made from.
pub const REMEMBER: Pass = Pass {
    name: "remember",
    reads: &[GUIDE.now(), LEVELS.now()],
    writes: &[KEY_GUIDE.now(), KEY_LEVELS.now()],
    gpu: OnGpu::Copy,
    cpu: OnCpu::Copy,
};

/// The frame in work is away to be painted.
pub const SEND: Pass = Pass {
    name: "send",
    reads: &[GUIDE.now(), LEVELS.now()],
    writes: &[AWAY_GUIDE.now(), AWAY_LEVELS.now()],
    gpu: OnGpu::Copy,
    cpu: OnCpu::Copy,
};

/// A frame that was away is the one that the newest painting was made from.
pub const RECEIVE: Pass = Pass {
    name: "receive",
    reads: &[AWAY_GUIDE.now(), AWAY_LEVELS.now()],
    writes: &[KEY_GUIDE.now(), KEY_LEVELS.now()],
    gpu: OnGpu::Copy,
    cpu: OnCpu::Copy,
};
