//! Networks: from a file to kernels on the GPU, to kernels on the processor, or to ONNX Runtime.
//!
//! ```text
//! .onnx ──import──▶ Graph ──fold(style)──▶ Graph ──Plan::new(extent, precision)──▶ Plan ──▶ GpuStudent   shaders/nn/*
//!        (onnx)     (graph)                  │ │        (plan: lower, place, pack)            (gpu)
//!                                            │ └──FusedPlan::new(extent, device)──▶ FusedPlan ──▶ CpuStudent
//!                                            │         (plan::fused, plan::cost)                  (cpu)
//!                                            └──export──▶ bytes ──▶ OrtStudent                (ort)
//! ```
//!
//! Everything up to a plan is pure and needs no device. `gpu`, `cpu` and `ort` execute; none decides anything about networks.
//! The definition of what the shaders compute is in [`crate::kernels::nn`].

pub mod adapt;
pub mod cpu;
pub mod engines;
mod export;
mod fold;
pub mod gpu;
pub mod graph;
mod import;
pub mod onnx;
pub mod ort;
pub mod plan;
mod profile;
pub mod restyle;
pub mod roofline;
pub mod style;

pub use gpu::SHADERS;
pub use graph::{Graph, GraphError};
pub use profile::Profile;
