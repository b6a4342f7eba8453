//! What `impasto effects --json` prints: everything that the cards say.

use std::path::Path;

use super::pack::{Numbers, Variant};
use super::{Effect, EffectKind, Parameter};

/// All effects.
#[derive(Clone, Debug, serde::Serialize)]
pub struct GalleryListing<'a> {
    pub schema: &'static str,
    pub effects: Vec<EffectListing<'a>>,
}

/// One effect.
#[derive(Clone, Debug, serde::Serialize)]
pub struct EffectListing<'a> {
    pub name: &'a str,
    pub title: &'a str,
    pub artist: &'a str,
    pub kind: EffectKind,
    /// Which of its network's styles; `null` for a style that came in a pack of its own.
    pub style: Option<usize>,
    /// The pack that describes it.
    pub pack: &'a str,
    /// The pack whose networks paint it. Effects with the same can be blended.
    pub network: &'a str,
    pub licence: &'a str,
    /// What made it.
    pub command: &'a str,
    pub credits: &'a [String],
    pub thumbnail: Option<&'a Path>,
    pub parameters: &'static [Parameter],
    pub variants: Vec<VariantListing<'a>>,
}

/// One variant of an effect. `width` and `height` are the size that `mmac` holds for.
#[derive(Clone, Debug, serde::Serialize)]
pub struct VariantListing<'a> {
    pub id: &'a str,
    pub width: u32,
    pub height: u32,
    pub pixel_budget: u64,
    pub multiple_of: u32,
    pub mmac: f64,
    pub params: u64,
    pub bytes: u64,
    pub file: &'a Path,
    pub sha256: &'a str,
    /// The card's numbers for the network; see the description of packs for their names.
    pub measured: &'a Numbers,
    pub machine: &'a str,
    /// The card's numbers for this effect.
    pub scores: Option<&'a Numbers>,
}

impl Effect {
    /// What `impasto effects --json` says about it.
    pub fn listing(&self) -> EffectListing<'_> {
        let about = self.about();
        EffectListing {
            name: &self.name,
            title: &self.title,
            artist: &self.artist,
            kind: self.kind,
            style: self.table_style(),
            pack: self.pack_name(),
            network: &self.pack.name,
            licence: &about.licence,
            command: &about.command,
            credits: &about.credits,
            thumbnail: self.thumbnail.as_deref(),
            parameters: self.parameters(),
            variants: self.variants().iter().map(|v| VariantListing::new(v, self.scores.get(&v.id))).collect(),
        }
    }
}

impl<'a> VariantListing<'a> {
    fn new(variant: &'a Variant, scores: Option<&'a Numbers>) -> Self {
        Self {
            id: &variant.id,
            width: variant.width,
            height: variant.height,
            pixel_budget: variant.pixel_budget,
            multiple_of: variant.multiple_of,
            mmac: variant.mmac,
            params: variant.params,
            bytes: variant.bytes,
            file: &variant.path,
            sha256: &variant.sha256,
            measured: &variant.measured,
            machine: &variant.machine,
            scores,
        }
    }
}
