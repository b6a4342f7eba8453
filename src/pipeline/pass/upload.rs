//! What comes from the CPU each frame.

use super::{OnCpu, OnGpu, Pass};
use crate::pipeline::product::{PAINTED, RAW};

/// The camera's bytes, as they came.
pub const UPLOAD_RAW: Pass =
    Pass { name: "upload", reads: &[], writes: &[RAW.now()], gpu: OnGpu::Upload, cpu: OnCpu::Upload };

/// A painting that was made on another thread.
pub const UPLOAD_PAINTED: Pass =
    Pass { name: "upload_painted", reads: &[], writes: &[PAINTED.now()], gpu: OnGpu::Upload, cpu: OnCpu::Upload };
