//! What leaves the program for other tools, only when asked: files that spreadsheets and trace viewers open, reports of
//! crashes, and, where the user turned it on, figures to an address of the user's.
//!
//! Everything here works on settled figures of [`crate::metrics`] and never on frames. Knows nothing of windows or GPUs.

mod endpoint;

pub use endpoint::Endpoint;
