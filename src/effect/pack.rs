//! Packs: what `pack.toml` may say, and what is left of it once it was checked.
//!
//! A pack may come from anywhere, so everything in it is suspect: sizes are bounded before memory is taken, files may not
//! lie outside the pack's folder, and text is short and printable ([`super::check`]).
//!
//! # The description
//! ```toml
//! schema = "impasto.pack/1"
//! name = "gallery"                # lower-case letters, digits, '-', '_'
//! kind = "painting"               # of the effects that do not say themselves; one of EffectKind
//! licence = "MIT OR Apache-2.0"
//! command = "what made the networks"
//! credits = ["one line each"]
//! multiple_of = 16                # both sides of a picture, in pixels
//! value_range = [0.0, 1.0]
//!
//! [canvas]                        # of networks that take one; may be left out, and then their canvas is empty
//! seed = 7                        # what its field is made from: crate::canvas::field
//! channels = 8                    # as the networks take them
//!
//! [[variants]]                    # one network each
//! id = "s"
//! file = "s.onnx"
//! sha256 = "64 hexadecimal digits"
//! width = 320                     # the size that mmac holds for, in pixels
//! height = 192
//! pixel_budget = 61440
//! mmac = 248.7                    # these three may be left out
//! params = 188914
//! bytes = 429834
//! machine = "what the latency was measured on"
//! [variants.measured]             # numbers of the card, by name; all of them optional:
//! parity_psnr = 81.2              #   dB, the file against the network that was trained
//! latency_p50_ms = 7.6            #   by the first engine that `machine` names
//! latency_p95_ms = 8.1
//! input_flicker = 0.4             #   mean |difference| of two frames of the noisy input, of 255; also input_warping,
//!                                 #   input_clip_flicker
//!
//! [[effects]]
//! name = "starry-night"
//! title = "The Starry Night"
//! artist = "Vincent van Gogh, 1889"
//! kind = "painting"               # may be left out
//! style = 0                       # which of the network's styles
//! thumbnail = "starry-night.jpg"
//! relief = { thickness = 0.6, width = 1.2 }  # strokes, paper or press where it is shown: the numbers of canvas::Relief
//! canvas = { strength = 1.0, scale = 1.4 }  # how strong the canvas is, and how large its strokes; left out, it is empty
//! [effects.scores.s]              # numbers of the card for a variant, by name; all of them optional:
//! student_psnr = 20.1             #   dB against the teacher, mean of the held-out pictures
//! student_ssim = 0.66
//! student_lpips = 0.19            #   LPIPS-sq
//! portraits_lpips = 0.18          #   the same over portraits alone; also _psnr, _ssim
//! untouched_lpips = 0.55          #   of the photo itself; also _psnr, _ssim
//! flicker = 1.2                   #   mean |difference| of a still scene's paintings under sensor noise, of 255
//! warping = 2.1                   #   the same under exact motion, moved back
//! clip_flicker = 1.4              #   the same in still regions of clips
//! teacher_flicker = 9.0           #   also teacher_warping, teacher_clip_flicker
//! worst_tone_group = 0.06         #   by how much the worst skin-tone group lies above the mean; also _face
//! ```
//!
//! # A style pack
//! A user's own painting is one more row for the style table of a pack that is there already, its *base*:
//! ```toml
//! schema = "impasto.pack/1"
//! name = "my-painting"
//! kind = "painting"
//! licence = "..."
//! base = "gallery"                # makes it a style pack
//!
//! [[variants]]                    # for at least one of the base's variants
//! id = "s"
//! file = "s.style"                # "{id}.style" when left out: T numbers, float16, lowest byte first, nothing else
//! sha256 = "of that file"
//! base_sha256 = "of the base's s.onnx that it was made for"
//!
//! [[effects]]                     # exactly one; no style number
//! name = "my-painting"
//! title = "My painting"
//! artist = "..."
//! thumbnail = "my-painting.jpg"
//! canvas = { strength = 1.0 }     # on its base's canvas; may be left out
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::EffectKind;
use super::check::{self, MAX_NAME_CHARS, is_name_char};
use crate::canvas::Relief;

use super::file::{read_bounded, read_summed, sum_of};

/// The `schema` that `pack.toml` must name.
pub const PACK_SCHEMA: &str = "impasto.pack/1";

pub(super) const MAX_MANIFEST_BYTES: u64 = 1 << 20;
pub(super) const MAX_NETWORK_BYTES: u64 = 128 << 20;

/// Why a pack, or a file of it, was refused.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("{path} cannot be read: {cause}")]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("{path} is {bytes} bytes, and at most {limit} are accepted")]
    TooLarge { path: PathBuf, bytes: u64, limit: u64 },
    #[error("{path} is not a pack description: {cause}")]
    Syntax { path: PathBuf, cause: String },
    #[error("{path}: {what}")]
    Invalid { path: PathBuf, what: String },
    #[error("'{file}' in {path} leads out of the pack's folder; only files inside it are used")]
    Outside { path: PathBuf, file: String },
    #[error("{path} is not the file that its pack describes: its SHA-256 is {found}, expected {expected}")]
    Sum { path: PathBuf, expected: String, found: String },
}

impl PackError {
    /// What the user can do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Read { .. } => "Check that the file is there and readable, or install the pack again",
            Self::Sum { .. } => {
                "The file was changed or damaged: install the pack again, or correct its sum in pack.toml if the change is yours"
            }
            Self::TooLarge { .. } | Self::Syntax { .. } | Self::Invalid { .. } | Self::Outside { .. } => {
                "Correct the pack's description, or install the pack again"
            }
        }
    }
}

/// Numbers of a card, by name. Finite.
pub type Numbers = BTreeMap<String, f64>;

/// A checked pack with networks. Its files were there, inside its folder, and had the right sums when it was loaded.
#[derive(Clone, Debug)]
pub struct Pack {
    pub name: String,
    pub about: About,
    pub folder: PathBuf,
    /// Smallest first. Never empty.
    pub variants: Vec<Variant>,
    /// Never empty.
    pub styles: Vec<StyleEntry>,
    /// What the networks' canvas is made from; `None` where it is empty.
    pub canvas: Option<PackCanvas>,
}

/// What the canvas of a pack's networks is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackCanvas {
    pub seed: u32,
    /// As the networks take them.
    pub channels: usize,
}

/// Where a pack comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// SPDX expression.
    pub licence: String,
    /// What made it; empty for a user's own network.
    pub command: String,
    pub credits: Vec<String>,
}

/// A checked style pack: one more style for the networks of another pack. Its rows had the right sums, and hold finite
/// numbers; whether they fit the base is for whoever has both.
#[derive(Clone, Debug)]
pub struct StylePack {
    pub name: String,
    /// Name of the pack whose networks paint it.
    pub base: String,
    pub about: About,
    pub folder: PathBuf,
    /// Never empty.
    pub rows: Vec<OwnRow>,
    /// Its `style` counts for nothing.
    pub entry: StyleEntry,
}

/// A style pack's numbers for one variant of its base.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnRow {
    /// The variant's id.
    pub variant: String,
    /// SHA-256 of the base's network that the numbers were made for.
    pub base_sha256: String,
    pub values: Arc<[f32]>,
}

/// One network of a pack: the same effects at one cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// `s`, `m`, `l`: lower case.
    pub id: String,
    /// The `.onnx` file.
    pub path: PathBuf,
    /// Lower-case hexadecimal SHA-256 of the file.
    pub sha256: String,
    /// The size that the numbers below were measured at, in pixels.
    pub width: u32,
    pub height: u32,
    /// Pixels that a picture may have at most.
    pub pixel_budget: u64,
    /// Both sides of a picture are multiples of this, in pixels.
    pub multiple_of: u32,
    /// Millions of multiply-adds for one picture of `width` by `height`; 0 when unknown.
    pub mmac: f64,
    /// Numbers in the network; 0 when unknown.
    pub params: u64,
    /// Size of the file.
    pub bytes: u64,
    /// What the card says of the network itself.
    pub measured: Numbers,
    /// What the latencies among them were measured on; empty when unknown.
    pub machine: String,
}

impl Variant {
    /// The network's file, checked: what is returned is what was hashed.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or its sum differs from the pack's.
    pub fn read(&self) -> Result<Vec<u8>, PackError> {
        read_summed(&self.path, MAX_NETWORK_BYTES, &self.sha256)
    }

    /// A variant of which nothing is known but its size, that of a small network.
    pub(super) fn unknown(path: &Path, sha256: String, bytes: u64) -> Self {
        Self {
            id: "custom".into(),
            path: path.to_owned(),
            sha256,
            width: 320,
            height: 192,
            pixel_budget: 320 * 192,
            multiple_of: 16,
            mmac: 0.0,
            params: 0,
            bytes,
            measured: Numbers::new(),
            machine: String::new(),
        }
    }
}

/// One effect as its pack describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct StyleEntry {
    /// Lower-case letters, digits, `-` and `_`.
    pub name: String,
    pub title: String,
    /// Empty when unknown.
    pub artist: String,
    pub kind: EffectKind,
    /// Which of the network's styles.
    pub style: usize,
    pub thumbnail: Option<PathBuf>,
    /// What the card says of the effect, by the variant's id.
    pub scores: BTreeMap<String, Numbers>,
    pub canvas: StyleCanvas,
    pub relief: Relief,
}

/// How an effect uses its networks' canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StyleCanvas {
    /// What the field's values are multiplied by; within [`Brush::STRENGTHS`]. 0 is an empty canvas.
    pub strength: f32,
    /// How large strokes are; within [`Brush::SCALES`].
    pub scale: f32,
}

impl Default for StyleCanvas {
    /// An empty canvas.
    fn default() -> Self {
        Self { strength: 0.0, scale: 1.0 }
    }
}

impl StyleCanvas {
    /// Between two effects: strokes are as large as those of the effects that have any.
    pub fn between(self, other: Self, share: f32) -> Self {
        let (mine, others) = ((1.0 - share) * self.strength, share * other.strength);
        let strength = mine + others;
        let scale = if strength > 0.0 { (mine * self.scale + others * other.scale) / strength } else { self.scale };
        Self { strength, scale }
    }
}

/// What a pack's folder turned out to hold.
#[derive(Clone, Debug)]
pub enum Loaded {
    Networks(Pack),
    Style(StylePack),
}

impl Loaded {
    /// Reads and checks the pack in `folder`: its description, and that each file is there with the right sum.
    ///
    /// # Errors
    /// At the first thing that is wrong.
    pub fn read(folder: &Path) -> Result<Self, PackError> {
        let manifest = folder.join("pack.toml");
        let bytes = read_bounded(&manifest, MAX_MANIFEST_BYTES)?;
        let syntax = |cause: String| PackError::Syntax { path: manifest.clone(), cause };
        let text = String::from_utf8(bytes).map_err(|e| syntax(e.to_string()))?;
        let toml = |e: toml::de::Error| syntax(e.to_string().trim_end().to_owned());
        let check = check::Check { manifest: &manifest, folder };
        // Each reads the keys that it knows and passes over the others.
        let mut about: check::RawAbout = toml::from_str(&text).map_err(toml)?;
        if let Some(base) = about.base.take() {
            return check.style_pack(about, base, toml::from_str(&text).map_err(toml)?).map(Self::Style);
        }
        let pack = check.pack(about, toml::from_str(&text).map_err(toml)?)?;
        for variant in &pack.variants {
            variant.read()?;
        }
        Ok(Self::Networks(pack))
    }
}

impl Pack {
    /// What keeps the canvas of a network empty that takes so many channels: what the pack says of it, or that it says
    /// nothing.
    pub fn canvas_trouble(&self, channels: usize) -> Option<String> {
        let wrong = match self.canvas {
            _ if channels == 0 => return None,
            Some(canvas) if canvas.channels == channels => return None,
            Some(canvas) => format!("describes one of {}", canvas.channels),
            None => "describes none".to_owned(),
        };
        Some(format!(
            "a network of the pack {} takes a canvas of {channels} channels, and its pack.toml {wrong}: its canvas stays empty",
            self.name
        ))
    }

    /// Reads and checks the pack of networks in `folder`, as [`Loaded::read`] does.
    ///
    /// # Errors
    /// Those of [`Loaded::read`], and when it is a style pack.
    pub fn load(folder: &Path) -> Result<Self, PackError> {
        match Loaded::read(folder)? {
            Loaded::Networks(pack) => Ok(pack),
            Loaded::Style(style) => Err(PackError::Invalid {
                path: folder.join("pack.toml"),
                what: format!("it holds a style for '{}' and no network", style.base),
            }),
        }
    }

    /// A pack around one network of the user's own, which is trusted to be what it is: its sum is taken, not compared.
    ///
    /// # Errors
    /// When the file cannot be read or is too large.
    pub fn around_network(path: &Path) -> Result<Self, PackError> {
        let bytes = read_bounded(path, MAX_NETWORK_BYTES)?;
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let mut name: String =
            stem.to_lowercase().chars().map(|c| if is_name_char(c) { c } else { '-' }).take(MAX_NAME_CHARS).collect();
        if name.is_empty() {
            name.push_str("custom");
        }
        let style = StyleEntry {
            name: name.clone(),
            title: stem,
            artist: String::new(),
            kind: EffectKind::Custom,
            style: 0,
            thumbnail: None,
            scores: BTreeMap::new(),
            canvas: StyleCanvas::default(),
            relief: Relief::default(),
        };
        Ok(Self {
            name,
            about: About::default(),
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            variants: vec![Variant::unknown(path, sum_of(&bytes), bytes.len() as u64)],
            styles: vec![style],
            canvas: None,
        })
    }
}
