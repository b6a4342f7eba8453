//! Networks.

pub mod choose;
pub mod gpu;
pub mod graph;
pub mod onnx;
pub mod ort;
pub mod plan;
