//! The student, where it paints in the frame's own command buffer.

use super::{OnCpu, OnGpu, Pass};
use crate::pipeline::product::{IMAGE, PAINTED};

pub const PAINT: Pass =
    Pass { name: "paint", reads: &[IMAGE.now()], writes: &[PAINTED.now()], gpu: OnGpu::Student, cpu: OnCpu::Student };
