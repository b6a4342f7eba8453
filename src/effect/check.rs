//! From what a pack's description says to what the rest of the program may rely on.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::EffectKind;
use super::file::{file_bytes, inside, read_summed};
use super::pack::{
    About, MAX_NETWORK_BYTES, Numbers, OwnRow, PACK_SCHEMA, Pack, PackCanvas, PackError, StyleCanvas, StyleEntry,
    StylePack, Variant,
};
use crate::canvas::{Brush, CHANNELS, Relief};

/// A style is two numbers for each channel of a network: thousands.
const MAX_ROW_BYTES: u64 = 1 << 20;
const MAX_VARIANTS: usize = 16;
const MAX_STYLES: usize = 256;
pub(super) const MAX_NAME_CHARS: usize = 64;
const MAX_TEXT_CHARS: usize = 500;
const MAX_SIDE_PX: u32 = 8192;
const MAX_MULTIPLE: u32 = 256;
/// Numbers of a card for one effect and variant.
const MAX_NUMBERS: usize = 64;

/// What both kinds of packs say.
#[derive(serde::Deserialize)]
pub(super) struct RawAbout {
    /// Makes it a style pack.
    pub base: Option<String>,
    schema: String,
    name: String,
    kind: EffectKind,
    licence: String,
    #[serde(default)]
    command: String,
    #[serde(default)]
    credits: Vec<String>,
}

#[derive(serde::Deserialize)]
pub(super) struct RawPack {
    multiple_of: u32,
    #[serde(default = "unit_range")]
    value_range: [f64; 2],
    canvas: Option<RawCanvas>,
    variants: Vec<RawVariant>,
    effects: Vec<RawEffect>,
}

#[derive(serde::Deserialize)]
pub(super) struct RawStylePack {
    variants: Vec<RawRow>,
    effects: Vec<RawEffect>,
}

#[derive(serde::Deserialize)]
struct RawCanvas {
    seed: u32,
    channels: usize,
}

#[derive(serde::Deserialize)]
struct RawStyleCanvas {
    strength: f32,
    #[serde(default = "one")]
    scale: f32,
}

fn one() -> f32 {
    1.0
}

fn unit_range() -> [f64; 2] {
    [0.0, 1.0]
}

#[derive(serde::Deserialize)]
struct RawVariant {
    id: String,
    file: String,
    sha256: String,
    width: u32,
    height: u32,
    pixel_budget: u64,
    #[serde(default)]
    mmac: f64,
    #[serde(default)]
    params: u64,
    #[serde(default)]
    bytes: u64,
    #[serde(default)]
    measured: Numbers,
    #[serde(default)]
    machine: String,
}

#[derive(serde::Deserialize)]
struct RawRow {
    id: String,
    file: Option<String>,
    sha256: String,
    base_sha256: String,
}

#[derive(serde::Deserialize)]
struct RawEffect {
    name: String,
    title: String,
    #[serde(default)]
    artist: String,
    kind: Option<EffectKind>,
    #[serde(default)]
    style: usize,
    thumbnail: Option<String>,
    #[serde(default)]
    scores: BTreeMap<String, Numbers>,
    canvas: Option<RawStyleCanvas>,
    #[serde(default)]
    relief: Relief,
}

pub(super) struct Check<'a> {
    pub manifest: &'a Path,
    pub folder: &'a Path,
}

impl Check<'_> {
    pub fn pack(&self, about: RawAbout, raw: RawPack) -> Result<Pack, PackError> {
        let (name, kind, about) = self.about(about)?;
        self.ensure((1..=MAX_MULTIPLE).contains(&raw.multiple_of), || {
            format!("multiple_of is {}, expected 1 to {MAX_MULTIPLE}", raw.multiple_of)
        })?;
        self.ensure(raw.value_range == unit_range(), || {
            format!("value_range is {:?}, and only [0.0, 1.0] is supported", raw.value_range)
        })?;
        self.count("variants", raw.variants.len(), MAX_VARIANTS)?;
        self.count("effects", raw.effects.len(), MAX_STYLES)?;
        let mut variants =
            raw.variants.into_iter().map(|v| self.variant(v, raw.multiple_of)).collect::<Result<Vec<_>, _>>()?;
        variants.sort_by_key(|v| v.pixel_budget);
        let styles = raw.effects.into_iter().map(|e| self.style(e, kind)).collect::<Result<Vec<_>, _>>()?;
        self.distinct("variant id", variants.iter().map(|v| &*v.id))?;
        self.distinct("effect name", styles.iter().map(|s| &*s.name))?;
        let canvas = raw.canvas.map(|canvas| self.canvas(&canvas)).transpose()?;
        Ok(Pack { name, about, folder: self.folder.to_owned(), variants, styles, canvas })
    }

    pub fn style_pack(&self, about: RawAbout, base: String, raw: RawStylePack) -> Result<StylePack, PackError> {
        let (name, kind, about) = self.about(about)?;
        self.name("base", &base)?;
        self.count("variants", raw.variants.len(), MAX_VARIANTS)?;
        self.count("effects", raw.effects.len(), 1)?;
        let rows = raw.variants.into_iter().map(|v| self.row(v)).collect::<Result<Vec<_>, _>>()?;
        self.distinct("variant id", rows.iter().map(|r| &*r.variant))?;
        let mut entries = raw.effects.into_iter().map(|e| self.style(e, kind)).collect::<Result<Vec<_>, _>>()?;
        let entry = entries.pop().ok_or_else(|| self.invalid("it describes no effect".to_owned()))?;
        Ok(StylePack { name, base, about, folder: self.folder.to_owned(), rows, entry })
    }

    fn about(&self, raw: RawAbout) -> Result<(String, EffectKind, About), PackError> {
        self.ensure(raw.schema == PACK_SCHEMA, || format!("schema is '{}', expected '{PACK_SCHEMA}'", raw.schema))?;
        self.name("name", &raw.name)?;
        self.text("licence", &raw.licence)?;
        self.text("command", &raw.command)?;
        self.ensure(raw.credits.len() <= MAX_STYLES, || {
            format!("{} credits, at most {MAX_STYLES}", raw.credits.len())
        })?;
        for credit in &raw.credits {
            self.text("credits", credit)?;
        }
        let about = About { licence: raw.licence, command: raw.command, credits: raw.credits };
        Ok((raw.name, raw.kind, about))
    }

    fn variant(&self, raw: RawVariant, multiple_of: u32) -> Result<Variant, PackError> {
        self.name("a variant's id", &raw.id)?;
        let sides_fit = [raw.width, raw.height].iter().all(|s| (1..=MAX_SIDE_PX).contains(s));
        self.ensure(sides_fit, || {
            format!("variant {} is {}x{}, sides are 1 to {MAX_SIDE_PX}", raw.id, raw.width, raw.height)
        })?;
        let most = u64::from(MAX_SIDE_PX) * u64::from(MAX_SIDE_PX);
        self.ensure((1..=most).contains(&raw.pixel_budget), || {
            format!("variant {} has a pixel_budget of {}, expected 1 to {most}", raw.id, raw.pixel_budget)
        })?;
        self.ensure(raw.mmac.is_finite() && raw.mmac >= 0.0, || format!("variant {} has {} mmac", raw.id, raw.mmac))?;
        self.numbers("measured", &raw.measured)?;
        self.text("machine", &raw.machine)?;
        let sha256 = self.sum(&raw.id, &raw.sha256)?;
        let path = inside(self.manifest, self.folder, &raw.file)?;
        let bytes = file_bytes(&path, MAX_NETWORK_BYTES)?;
        self.ensure(raw.bytes == 0 || raw.bytes == bytes, || {
            format!("variant {} is said to have {} bytes, its file has {bytes}", raw.id, raw.bytes)
        })?;
        Ok(Variant {
            id: raw.id,
            path,
            sha256,
            width: raw.width,
            height: raw.height,
            pixel_budget: raw.pixel_budget,
            multiple_of,
            mmac: raw.mmac,
            params: raw.params,
            bytes,
            measured: raw.measured,
            machine: raw.machine,
        })
    }

    fn canvas(&self, raw: &RawCanvas) -> Result<PackCanvas, PackError> {
        self.ensure((1..=CHANNELS).contains(&raw.channels), || {
            format!("canvas has {} channels, expected 1 to {CHANNELS}", raw.channels)
        })?;
        Ok(PackCanvas { seed: raw.seed, channels: raw.channels })
    }

    fn style_canvas(&self, effect: &str, raw: &RawStyleCanvas) -> Result<StyleCanvas, PackError> {
        for (name, value, range) in [("strength", raw.strength, Brush::STRENGTHS), ("scale", raw.scale, Brush::SCALES)]
        {
            self.ensure(range.contains(&value), || {
                format!("the canvas of {effect} has a {name} of {value}, expected {} to {}", range.start(), range.end())
            })?;
        }
        Ok(StyleCanvas { strength: raw.strength, scale: raw.scale })
    }

    /// A style's numbers, read: they are small, and what is kept is what was summed.
    fn row(&self, raw: RawRow) -> Result<OwnRow, PackError> {
        self.name("a variant's id", &raw.id)?;
        let sha256 = self.sum(&raw.id, &raw.sha256)?;
        let base_sha256 = self.sum(&raw.id, &raw.base_sha256)?;
        let file = raw.file.unwrap_or_else(|| format!("{}.style", raw.id));
        let path = inside(self.manifest, self.folder, &file)?;
        let bytes = read_summed(&path, MAX_ROW_BYTES, &sha256)?;
        let (halves, rest) = bytes.as_chunks();
        let wrong = |what: String| PackError::Invalid { path: path.clone(), what };
        if halves.is_empty() || !rest.is_empty() {
            return Err(wrong(format!("{} bytes are no float16 numbers", bytes.len())));
        }
        let values: Vec<f32> = halves.iter().map(|half| half::f16::from_le_bytes(*half).to_f32()).collect();
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(wrong(format!("number {index} of the style is {}", values[index])));
        }
        Ok(OwnRow { variant: raw.id, base_sha256, values: values.into() })
    }

    fn style(&self, raw: RawEffect, kind: EffectKind) -> Result<StyleEntry, PackError> {
        self.name("an effect's name", &raw.name)?;
        self.text("title", &raw.title)?;
        self.text("artist", &raw.artist)?;
        self.ensure(raw.style < MAX_STYLES, || format!("effect {} is style {} of {MAX_STYLES}", raw.name, raw.style))?;
        self.ensure(raw.scores.len() <= MAX_VARIANTS, || {
            format!("effect {} has scores for {} variants, at most {MAX_VARIANTS}", raw.name, raw.scores.len())
        })?;
        for (variant, numbers) in &raw.scores {
            self.name("a variant's id", variant)?;
            self.numbers("scores", numbers)?;
        }
        let canvas = raw.canvas.map(|canvas| self.style_canvas(&raw.name, &canvas)).transpose()?;
        for (name, value, range) in raw.relief.parts() {
            self.ensure(range.contains(&value), || {
                let (low, high) = range.into_inner();
                format!("the relief of {} has a {name} of {value}, expected {low} to {high}", raw.name)
            })?;
        }
        // A picture that is missing costs the user a picture, not the effect. One that leads elsewhere is refused.
        let thumbnail = match raw.thumbnail {
            None => None,
            Some(file) => match inside(self.manifest, self.folder, &file) {
                Ok(path) => Some(path),
                Err(PackError::Read { .. }) => None,
                Err(other) => return Err(other),
            },
        };
        Ok(StyleEntry {
            name: raw.name,
            title: raw.title,
            artist: raw.artist,
            kind: raw.kind.unwrap_or(kind),
            style: raw.style,
            thumbnail,
            scores: raw.scores,
            canvas: canvas.unwrap_or_default(),
            relief: raw.relief,
        })
    }

    fn sum(&self, variant: &str, sum: &str) -> Result<String, PackError> {
        let sum = sum.to_ascii_lowercase();
        self.ensure(sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()), || {
            format!("a sha256 of variant {variant} is not 64 hexadecimal digits")
        })?;
        Ok(sum)
    }

    fn numbers(&self, what: &str, numbers: &Numbers) -> Result<(), PackError> {
        self.ensure(numbers.len() <= MAX_NUMBERS, || {
            format!("{what} has {} numbers, at most {MAX_NUMBERS}", numbers.len())
        })?;
        for (name, value) in numbers {
            self.name(what, name)?;
            self.ensure(value.is_finite(), || format!("{name} in {what} is {value}"))?;
        }
        Ok(())
    }

    fn count(&self, what: &str, found: usize, most: usize) -> Result<(), PackError> {
        self.ensure((1..=most).contains(&found), || format!("{found} {what}, expected 1 to {most}"))
    }

    fn name(&self, what: &str, name: &str) -> Result<(), PackError> {
        let fits = (1..=MAX_NAME_CHARS).contains(&name.len()) && name.chars().all(is_name_char);
        self.ensure(fits, || {
            let name: String = name.chars().take(MAX_NAME_CHARS).collect();
            format!("{what} is {name:?}, expected 1 to {MAX_NAME_CHARS} of the characters a-z, 0-9, '-' and '_'")
        })
    }

    fn text(&self, what: &str, text: &str) -> Result<(), PackError> {
        let fits = text.chars().count() <= MAX_TEXT_CHARS && !text.chars().any(char::is_control);
        self.ensure(fits, || format!("{what} is not one printable line of at most {MAX_TEXT_CHARS} characters"))
    }

    fn distinct<'a>(&self, what: &str, names: impl Iterator<Item = &'a str>) -> Result<(), PackError> {
        let mut seen = HashSet::new();
        for name in names {
            self.ensure(seen.insert(name), || format!("the {what} '{name}' appears twice"))?;
        }
        Ok(())
    }

    fn ensure(&self, holds: bool, what: impl FnOnce() -> String) -> Result<(), PackError> {
        if holds { Ok(()) } else { Err(self.invalid(what())) }
    }

    fn invalid(&self, what: String) -> PackError {
        PackError::Invalid { path: self.manifest.to_owned(), what }
    }
}

pub(super) fn is_name_char(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_'
}
