//! The kernels of `shaders/nn` and whole networks, in plain Rust.

pub mod graph;
