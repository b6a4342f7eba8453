//! What an effect is: a way of painting that the user can pick by name, the pack of networks that paints it, and the
//! values that the user may turn.
//!
//! A *pack* is a folder with a `pack.toml` and the `.onnx` files that it lists, one per *variant* (size class). One network
//! can hold many styles, so one pack can offer many effects. [`Gallery::load`] collects the effects of all packs that it
//! finds and checks every file against the sum written in its pack before anything uses it.
//!
//! This module knows files, names and sizes. It must not know engines, GPUs or windows, and it never runs a network.

mod extent;
mod gallery;
mod pack;
mod parameter;

pub use extent::student_extent;
pub use gallery::{Effect, EffectListing, Gallery, GalleryListing, VariantListing, models_dirs};
pub use pack::{EffectKind, PACK_SCHEMA, Pack, PackError, StyleEntry, Variant};
pub use parameter::{PARAMETERS, Parameter, Unit};
