//! What is written beside an imported network: its pack's description, and its card.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::inspect::{Found, NETWORK, THUMBNAIL};
use crate::effect::PACK_SCHEMA;
use crate::nn::adapt::Sizes;
use crate::units::Extent;

/// Sizes of the gallery's variants: one file serves them all.
const VARIANTS: [(&str, Extent); 3] =
    [("s", Extent::new(320, 192)), ("m", Extent::new(512, 288)), ("l", Extent::new(768, 432))];

/// `pack.toml`.
pub fn pack(name: &str, title: &str, file: &str, network: &[u8], found: &Found) -> String {
    let sum = Sha256::digest(network).iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    });
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let multiple = match found.sizes {
        Sizes::MultiplesOf(multiple) => multiple,
        Sizes::Padded(_) => 2,
        // The one size is one multiple; the network is square.
        Sizes::Exactly(extent) => extent.width,
    };
    let mut text = format!(
        "# Made by `impasto import`.\nschema = {}\nname = {}\nkind = \"custom\"\nlicence = \"unknown\"\ncommand = {}\nmultiple_of = {multiple}\nvalue_range = [0.0, 1.0]\n",
        quoted(PACK_SCHEMA),
        quoted(name),
        quoted(&format!("impasto import {file}")),
    );
    for (id, extent) in VARIANTS {
        let extent = match found.sizes {
            Sizes::MultiplesOf(_) => extent,
            Sizes::Padded(most) => Extent::new(extent.width.min(most.width), extent.height.min(most.height)),
            Sizes::Exactly(only) => only,
        };
        let Extent { width, height } = extent;
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n[[variants]]\nid = \"{id}\"\nfile = \"{NETWORK}\"\nsha256 = \"{sum}\"\nwidth = {width}\nheight = {height}\npixel_budget = {}\n",
            match found.sizes {
                // Pictures up to twice as wide as high, or as high as wide, fit into the one that it takes.
                Sizes::Padded(most) => u64::from(most.width.min(most.height)).pow(2) / 2,
                _ => extent.pixels(),
            }
        );
        if !matches!(found.sizes, Sizes::MultiplesOf(_)) {
            break;
        }
    }
    let _ = write!(
        text,
        "\n[[effects]]\nname = {}\ntitle = {}\nartist = \"\"\nstyle = 0\nthumbnail = \"{THUMBNAIL}\"\n",
        quoted(name),
        quoted(title)
    );
    text
}

/// `CARD.md`.
pub fn card(title: &str, file: &str, found: &Found) -> String {
    let mut text = format!(
        "# {title}\n\nMade of `{file}` by `impasto import`. What it was trained on, and its licence, are not known: ask its makers before you pass it on.\n\n"
    );
    for line in found.lines() {
        let _ = writeln!(text, "- {line}");
    }
    let v = &found.verdict;
    let _ = write!(
        text,
        "\nJudged by painting the demo scene: its edges go along with the picture's by {:.2} of 1, its colours by {:.2}; {:.1} % of its numbers are out of range; contrast {:.2}. ONNX Runtime {}.\n",
        v.structure,
        v.colour,
        v.clipped * 100.0,
        v.contrast,
        found.onnx_runtime
    );
    text
}
