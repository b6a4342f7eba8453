//! A plain CPU function for every compute kernel, of the same name: the kernel's definition, what it is tested against, and
//! what the CPU back end of the chain runs.
//!
//! A kernel works on a range of rows and writes into a slice that holds those rows, so that several threads can share a
//! picture; it allocates nothing. Where it matters it is written so that the compiler vectorises it ([`crate::wide`]).

pub mod canvas;
pub mod ceiling;
pub mod compose;
pub mod drift;
pub mod ingest;
pub mod motion;
pub mod nn;
pub mod nv12;
pub mod picture;
pub mod prepare;
pub mod relief;
pub mod ridges;
pub mod stability;
