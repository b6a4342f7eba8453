//! A plain CPU function for every compute kernel, of the same name: the kernel's definition, and what it is tested against.

pub mod canvas;
pub mod compose;
pub mod drift;
pub mod ingest;
pub mod motion;
pub mod nn;
pub mod prepare;
pub mod relief;
pub mod stability;
