//! What an effect is: a way of painting that the user can pick by name, the pack of networks that paints it, and the
//! values that the user may turn.
//!
//! A *pack* is a folder with a `pack.toml` and the `.onnx` files that it lists, one per *variant* (size class). One network
//! can hold many styles, so one pack can offer many effects, and any two of them can be blended ([`Blend`]). A *style pack*
//! adds one more style, a user's own painting, to the networks of another pack. [`pack`] says what both look like on disk.
//! [`Gallery::load`] collects the effects of all packs that it finds, in the folders of [`models_dirs`], and checks every
//! file against the sum written in its pack before anything uses it.
//!
//! This module knows files, names and sizes. It must not know engines, GPUs or windows, and it never runs a network.

mod blend;
mod check;
mod extent;
mod file;
mod gallery;
mod kind;
mod listing;
pub mod pack;
mod parameter;
mod touch;

pub use blend::{Blend, Share};
pub use extent::{fitted_size, student_extent};
pub use gallery::{Effect, Gallery, Style, models_dirs, own_models_dir};
pub use kind::EffectKind;
pub use listing::{EffectListing, GalleryListing, VariantListing};
pub use pack::{Loaded, PACK_SCHEMA, Pack, PackCanvas, PackError, StyleCanvas, StyleEntry, StylePack, Variant};
pub use parameter::{PARAMETERS, Parameter, Unit};
pub use touch::Touch;
