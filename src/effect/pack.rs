//! One pack: reading `pack.toml`, refusing what cannot be right, and handing out its files only after their sums agree.
//!
//! A pack may come from anywhere, so everything in it is suspect: sizes are bounded before memory is taken, files may not
//! lie outside the pack's folder, and text is short and printable.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The `schema` that `pack.toml` must name.
pub const PACK_SCHEMA: &str = "impasto.pack/1";

const MAX_MANIFEST_BYTES: u64 = 256 << 10;
const MAX_NETWORK_BYTES: u64 = 128 << 20;
const MAX_VARIANTS: usize = 16;
const MAX_STYLES: usize = 256;
const MAX_NAME_CHARS: usize = 64;
const MAX_TEXT_CHARS: usize = 500;
const MAX_SIDE_PX: u32 = 8192;
const MAX_MULTIPLE: u32 = 256;

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

/// What a pack's effects do. More kinds come with more kinds of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// Repaints the picture in the manner of a painting.
    Painting,
    /// A network that the user brought, of which nothing is known.
    Custom,
}

impl EffectKind {
    /// Its effects together, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Painting => "Paintings",
            Self::Custom => "Your own",
        }
    }
}

/// A checked pack. Its files were there, inside its folder, and had the right sums when it was loaded.
#[derive(Clone, Debug)]
pub struct Pack {
    pub name: String,
    pub kind: EffectKind,
    /// SPDX expression.
    pub licence: String,
    /// What made the networks; empty for a user's own.
    pub command: String,
    pub credits: Vec<String>,
    pub folder: PathBuf,
    /// Smallest first. Never empty.
    pub variants: Vec<Variant>,
    /// Never empty.
    pub styles: Vec<StyleEntry>,
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
}

impl Variant {
    /// The network's file, checked: what is returned is what was hashed.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or its sum differs from the pack's.
    pub fn read(&self) -> Result<Vec<u8>, PackError> {
        let bytes = read_bounded(&self.path, MAX_NETWORK_BYTES)?;
        let found = hex(&Sha256::digest(&bytes));
        if found == self.sha256 {
            Ok(bytes)
        } else {
            Err(PackError::Sum { path: self.path.clone(), expected: self.sha256.clone(), found })
        }
    }

    #[cfg(test)]
    pub(super) fn for_tests() -> Self {
        Self {
            id: "s".into(),
            path: PathBuf::new(),
            sha256: String::new(),
            width: 320,
            height: 192,
            pixel_budget: 320 * 192,
            multiple_of: 16,
            mmac: 0.0,
            params: 0,
            bytes: 0,
        }
    }
}

/// One effect as its pack describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StyleEntry {
    /// Lower-case letters, digits, `-` and `_`.
    pub name: String,
    pub title: String,
    /// Empty when unknown.
    pub artist: String,
    /// Which of the network's styles.
    pub style: usize,
    pub thumbnail: Option<PathBuf>,
}

#[derive(serde::Deserialize)]
struct RawPack {
    schema: String,
    name: String,
    kind: EffectKind,
    licence: String,
    #[serde(default)]
    command: String,
    #[serde(default)]
    credits: Vec<String>,
    multiple_of: u32,
    #[serde(default = "unit_range")]
    value_range: [f64; 2],
    variants: Vec<RawVariant>,
    effects: Vec<RawEffect>,
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
}

#[derive(serde::Deserialize)]
struct RawEffect {
    name: String,
    title: String,
    #[serde(default)]
    artist: String,
    style: usize,
    thumbnail: Option<String>,
}

impl Pack {
    /// Reads and checks the pack in `folder`: its description, and that each network is there with the right sum.
    ///
    /// # Errors
    /// At the first thing that is wrong.
    pub fn load(folder: &Path) -> Result<Self, PackError> {
        let manifest = folder.join("pack.toml");
        let bytes = read_bounded(&manifest, MAX_MANIFEST_BYTES)?;
        let syntax = |cause: String| PackError::Syntax { path: manifest.clone(), cause };
        let text = String::from_utf8(bytes).map_err(|e| syntax(e.to_string()))?;
        let raw: RawPack = toml::from_str(&text).map_err(|e| syntax(e.to_string().trim_end().to_owned()))?;
        let pack = Check { manifest: &manifest, folder }.pack(raw)?;
        for variant in &pack.variants {
            variant.read()?;
        }
        Ok(pack)
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
        let variant = Variant {
            id: "custom".into(),
            path: path.to_owned(),
            sha256: hex(&Sha256::digest(&bytes)),
            width: 320,
            height: 192,
            pixel_budget: 320 * 192,
            multiple_of: 16,
            mmac: 0.0,
            params: 0,
            bytes: bytes.len() as u64,
        };
        let style = StyleEntry { name: name.clone(), title: stem, artist: String::new(), style: 0, thumbnail: None };
        Ok(Self {
            name,
            kind: EffectKind::Custom,
            licence: String::new(),
            command: String::new(),
            credits: Vec::new(),
            folder: path.parent().unwrap_or(Path::new("")).to_owned(),
            variants: vec![variant],
            styles: vec![style],
        })
    }
}

/// Turns what was written into what the rest of the program may rely on.
struct Check<'a> {
    manifest: &'a Path,
    folder: &'a Path,
}

impl Check<'_> {
    fn pack(&self, raw: RawPack) -> Result<Pack, PackError> {
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
        self.ensure((1..=MAX_MULTIPLE).contains(&raw.multiple_of), || {
            format!("multiple_of is {}, expected 1 to {MAX_MULTIPLE}", raw.multiple_of)
        })?;
        self.ensure(raw.value_range == unit_range(), || {
            format!("value_range is {:?}, and only [0.0, 1.0] is supported", raw.value_range)
        })?;
        self.ensure((1..=MAX_VARIANTS).contains(&raw.variants.len()), || {
            format!("{} variants, expected 1 to {MAX_VARIANTS}", raw.variants.len())
        })?;
        self.ensure((1..=MAX_STYLES).contains(&raw.effects.len()), || {
            format!("{} effects, expected 1 to {MAX_STYLES}", raw.effects.len())
        })?;

        let mut variants =
            raw.variants.into_iter().map(|v| self.variant(v, raw.multiple_of)).collect::<Result<Vec<_>, _>>()?;
        variants.sort_by_key(|v| v.pixel_budget);
        let styles = raw.effects.into_iter().map(|e| self.style(e)).collect::<Result<Vec<_>, _>>()?;
        self.distinct("variant id", variants.iter().map(|v| &*v.id))?;
        self.distinct("effect name", styles.iter().map(|s| &*s.name))?;
        Ok(Pack {
            name: raw.name,
            kind: raw.kind,
            licence: raw.licence,
            command: raw.command,
            credits: raw.credits,
            folder: self.folder.to_owned(),
            variants,
            styles,
        })
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
        let sha256 = raw.sha256.to_ascii_lowercase();
        self.ensure(sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit()), || {
            format!("the sha256 of variant {} is not 64 hexadecimal digits", raw.id)
        })?;
        let path = self.inside(&raw.file)?;
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
        })
    }

    fn style(&self, raw: RawEffect) -> Result<StyleEntry, PackError> {
        self.name("an effect's name", &raw.name)?;
        self.text("title", &raw.title)?;
        self.text("artist", &raw.artist)?;
        self.ensure(raw.style < MAX_STYLES, || format!("effect {} is style {} of {MAX_STYLES}", raw.name, raw.style))?;
        // A picture that is missing costs the user a picture, not the effect. One that leads elsewhere is refused.
        let thumbnail = match raw.thumbnail {
            None => None,
            Some(file) => match self.inside(&file) {
                Ok(path) => Some(path),
                Err(PackError::Read { .. }) => None,
                Err(other) => return Err(other),
            },
        };
        Ok(StyleEntry { name: raw.name, title: raw.title, artist: raw.artist, style: raw.style, thumbnail })
    }

    /// The path of a file named by the pack, which must exist and, links followed, lie inside the pack's folder.
    fn inside(&self, file: &str) -> Result<PathBuf, PackError> {
        let outside = || PackError::Outside { path: self.manifest.to_owned(), file: file.to_owned() };
        // A backslash separates folders on one platform and is part of a name on the others.
        let plain = !file.is_empty()
            && !file.contains(['\\', ':', '\0'])
            && Path::new(file).components().all(|c| matches!(c, Component::Normal(_)));
        if !plain {
            return Err(outside());
        }
        let path = self.folder.join(file);
        let resolve = |p: &Path| p.canonicalize().map_err(|cause| PackError::Read { path: p.to_owned(), cause });
        let (real, root) = (resolve(&path)?, resolve(self.folder)?);
        if real.starts_with(&root) { Ok(path) } else { Err(outside()) }
    }

    fn name(&self, what: &str, name: &str) -> Result<(), PackError> {
        let fits = (1..=MAX_NAME_CHARS).contains(&name.len()) && name.chars().all(is_name_char);
        self.ensure(fits, || {
            format!(
                "{what} is {name:?}, expected 1 to {MAX_NAME_CHARS} of the characters a-z, 0-9, '-' and '_'",
                name = clipped(name)
            )
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
        if holds { Ok(()) } else { Err(PackError::Invalid { path: self.manifest.to_owned(), what: what() }) }
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_'
}

fn clipped(text: &str) -> String {
    text.chars().take(MAX_NAME_CHARS).collect()
}

fn file_bytes(path: &Path, limit: u64) -> Result<u64, PackError> {
    let read = |cause| PackError::Read { path: path.to_owned(), cause };
    let meta = std::fs::metadata(path).map_err(read)?;
    if !meta.is_file() {
        return Err(read(std::io::Error::other("it is not a file")));
    }
    if meta.len() > limit {
        return Err(PackError::TooLarge { path: path.to_owned(), bytes: meta.len(), limit });
    }
    Ok(meta.len())
}

/// The whole file. Never takes more memory than `limit`, even if the file grows while it is read.
fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, PackError> {
    let read = |cause| PackError::Read { path: path.to_owned(), cause };
    let expected = file_bytes(path, limit)?;
    let mut bytes = Vec::with_capacity(expected as usize);
    File::open(path).map_err(read)?.take(limit + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > limit {
        return Err(PackError::TooLarge { path: path.to_owned(), bytes: bytes.len() as u64, limit });
    }
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
