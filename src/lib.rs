//! Impasto.

pub mod app;
pub mod cli;
pub mod effect;
pub mod fault;
pub mod flow;
pub mod frame;
pub mod gpu;
pub mod mailbox;
pub mod metrics;
pub mod nn;
pub mod output;
pub mod pipeline;
pub mod roundtrip;
pub mod settings;
pub mod source;
pub mod twin;
pub mod ui;
pub mod units;
