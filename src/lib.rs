//! Impasto.

pub mod fault;
pub mod frame;
pub mod gpu;
pub mod mailbox;
pub mod metrics;
pub mod nn;
pub mod source;
pub mod units;
