//! The last pass: the picture onto a target, at the target's own resolution.
//!
//! The painting is brought to full size here rather than into a picture of its own: nothing larger than the student's own
//! size is ever written before the target itself.

use super::{OnCpu, OnGpu, Pass};
use crate::gpu::{Shader, shader};
use crate::pipeline::product::{COMPOSED, DRIFT, FLOW, FRAME, GAINS, PAINTING};

pub const SHADER: Shader = shader!("present/picture", uses "shared/color");

/// Reads frame, painting, gains and the strokes' flow; where nobody paints, the last three are one pixel of nothing.
pub const PICTURE: Pass = Pass {
    name: "picture",
    reads: &[FRAME.now(), PAINTING.now(), GAINS.now(), FLOW.now(), DRIFT.now()],
    writes: &[COMPOSED.now()],
    gpu: OnGpu::Draw,
    cpu: OnCpu::Compose,
};
