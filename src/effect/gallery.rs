//! All effects that were found, and where they are looked for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fault::Fault;
use crate::units::Extent;

use super::pack::{EffectKind, Pack, PackError, StyleEntry, Variant};
use super::{PARAMETERS, Parameter, student_extent};

/// Packs in one models folder; more are not looked at.
const MAX_PACKS: usize = 256;

/// One way of painting that the user can pick. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Effect {
    pub name: String,
    pub title: String,
    /// Empty when unknown.
    pub artist: String,
    pub kind: EffectKind,
    /// Which of the network's styles this is.
    pub style: usize,
    pub thumbnail: Option<PathBuf>,
    pub pack: Arc<Pack>,
}

impl Effect {
    fn new(pack: &Arc<Pack>, entry: &StyleEntry) -> Self {
        Self {
            name: entry.name.clone(),
            title: entry.title.clone(),
            artist: entry.artist.clone(),
            kind: pack.kind,
            style: entry.style,
            thumbnail: entry.thumbnail.clone(),
            pack: pack.clone(),
        }
    }

    /// The networks that can paint it, smallest first. Never empty.
    pub fn variants(&self) -> &[Variant] {
        &self.pack.variants
    }

    /// The variant called `id` (in any case), or the smallest when none is named.
    ///
    /// # Errors
    /// With the ids that there are.
    pub fn variant(&self, id: Option<&str>) -> Result<&Variant, Fault> {
        let found = match id {
            None => self.variants().first(),
            Some(id) => self.variants().iter().find(|v| v.id.eq_ignore_ascii_case(id)),
        };
        found.ok_or_else(|| {
            let known: Vec<_> = self.variants().iter().map(|v| v.id.as_str()).collect();
            Fault::failed(
                format!("Effect {} has no variant '{}'", self.name, id.unwrap_or_default()),
                format!("Choose one of: {}", known.join(", ")),
            )
        })
    }

    /// The value of the network's `style` input, which is `style_len` long: one at this effect's style, zero elsewhere.
    ///
    /// # Errors
    /// When the network has fewer styles than the pack says.
    pub fn style_weights(&self, style_len: usize) -> Result<Vec<f32>, Fault> {
        if style_len == 0 && self.style == 0 {
            return Ok(Vec::new());
        }
        if self.style >= style_len {
            return Err(Fault::failed(
                format!("Effect {} is style {} of a network that has {style_len}", self.name, self.style),
                "Correct the style's number in the pack's pack.toml",
            ));
        }
        let mut weights = vec![0.0; style_len];
        weights[self.style] = 1.0;
        Ok(weights)
    }

    /// What the user may turn.
    pub fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    /// What `impasto effects --json` says about it.
    pub fn listing(&self) -> EffectListing<'_> {
        EffectListing {
            name: &self.name,
            title: &self.title,
            artist: &self.artist,
            kind: self.kind,
            style: self.style,
            pack: &self.pack.name,
            licence: &self.pack.licence,
            thumbnail: self.thumbnail.as_deref(),
            parameters: self.parameters(),
            variants: self.variants().iter().map(VariantListing::new).collect(),
        }
    }
}

/// Every effect that was found, in the order of their packs' names.
#[derive(Clone, Debug, Default)]
pub struct Gallery {
    effects: Vec<Effect>,
}

impl Gallery {
    /// Loads every pack in the folders, a pack being a folder with a `pack.toml`. Where two effects share a name, the one
    /// from the earlier folder stays. What is wrong with a pack is returned as a fault, and the others work.
    pub fn load(folders: &[PathBuf]) -> (Self, Vec<Fault>) {
        let mut gallery = Self::default();
        let mut faults = Vec::new();
        for folder in folders {
            for pack in pack_folders(folder) {
                match Pack::load(&pack) {
                    Ok(pack) => gallery.add(pack, &mut faults),
                    Err(error) => faults.push(fault_of(&error)),
                }
            }
        }
        if gallery.effects.is_empty() {
            let places: Vec<_> = folders.iter().map(|f| f.display().to_string()).collect();
            let places = if places.is_empty() { "there is no models folder".to_owned() } else { places.join(", ") };
            faults.push(Fault::degraded(
                format!("No effects were found ({places})"),
                "Name the folder that holds the effect packs with --models FOLDER or IMPASTO_MODELS",
            ));
        }
        (gallery, faults)
    }

    fn add(&mut self, pack: Pack, faults: &mut Vec<Fault>) {
        let pack = Arc::new(pack);
        for entry in &pack.styles {
            match self.effects.iter().find(|e| e.name == entry.name) {
                None => self.effects.push(Effect::new(&pack, entry)),
                Some(first) => faults.push(Fault::notice(
                    format!(
                        "Effect {} is in pack {} and again in {}",
                        entry.name,
                        first.pack.folder.display(),
                        pack.folder.display()
                    ),
                    "The first is used",
                )),
            }
        }
    }

    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// The effect called `wish` (its name or its title, in any case), or, when `wish` is the path of an ONNX file, that
    /// network as an effect of its own.
    ///
    /// # Errors
    /// With the names that there are, or what is wrong with the file.
    pub fn find(&self, wish: &str) -> Result<Effect, Fault> {
        if Path::new(wish).extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) {
            let pack = Arc::new(Pack::around_network(Path::new(wish)).map_err(|e| fault_of(&e))?);
            return pack.styles.first().map(|entry| Effect::new(&pack, entry)).ok_or_else(|| self.unknown(wish));
        }
        let named = |e: &&Effect| e.name.eq_ignore_ascii_case(wish) || e.title.to_lowercase() == wish.to_lowercase();
        self.effects.iter().find(named).cloned().ok_or_else(|| self.unknown(wish))
    }

    fn unknown(&self, wish: &str) -> Fault {
        let known: Vec<_> = self.effects.iter().map(|e| e.name.as_str()).collect();
        let remedy = if known.is_empty() {
            "No effects are installed: name the folder that holds them with --models FOLDER".to_owned()
        } else {
            format!("Choose one of: {}; or give the path of an .onnx file", known.join(", "))
        };
        Fault::failed(format!("There is no effect '{wish}'"), remedy)
    }

    /// What `impasto effects --json` prints.
    pub fn listing(&self) -> GalleryListing<'_> {
        GalleryListing { schema: "impasto.effects/1", effects: self.effects.iter().map(Effect::listing).collect() }
    }
}

fn fault_of(error: &PackError) -> Fault {
    Fault::degraded(error.to_string(), error.remedy())
}

/// The folders inside `folder` that hold a `pack.toml`, sorted; `folder` itself when it holds one.
fn pack_folders(folder: &Path) -> Vec<PathBuf> {
    if folder.join("pack.toml").is_file() {
        return vec![folder.to_owned()];
    }
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut packs: Vec<_> =
        entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.join("pack.toml").is_file()).collect();
    packs.sort();
    packs.truncate(MAX_PACKS);
    packs
}

/// Where packs are looked for. A folder that the user named (`--models`, else `IMPASTO_MODELS`) is the only one; otherwise
/// all of these that exist: `models` beside the executable, the share folder of the installation, the user's own data
/// folder, and `models` next to `Cargo.toml` when running from a source tree.
pub fn models_dirs(named: Option<&Path>) -> Vec<PathBuf> {
    if let Some(folder) = named {
        return vec![folder.to_owned()];
    }
    if let Some(folder) = std::env::var_os("IMPASTO_MODELS").filter(|v| !v.is_empty()) {
        return vec![folder.into()];
    }
    let mut folders = Vec::new();
    if let Some(beside) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        folders.push(beside.join("models"));
        // An installation: PREFIX/bin/impasto and PREFIX/share/impasto/models; a macOS bundle: Contents/Resources/models.
        folders.push(beside.join("../share/impasto/models"));
        folders.push(beside.join("../Resources/models"));
    }
    if let Some(base) = directories::BaseDirs::new() {
        folders.push(base.data_dir().join("impasto/models"));
    }
    folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("models"));
    folders.retain(|f| f.is_dir());
    folders
}

/// One effect in `impasto effects --json`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct EffectListing<'a> {
    pub name: &'a str,
    pub title: &'a str,
    pub artist: &'a str,
    pub kind: EffectKind,
    pub style: usize,
    pub pack: &'a str,
    pub licence: &'a str,
    pub thumbnail: Option<&'a Path>,
    pub parameters: &'static [Parameter],
    pub variants: Vec<VariantListing<'a>>,
}

/// One variant in `impasto effects --json`. `width` and `height` are the size that `mmac` holds for.
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
}

impl<'a> VariantListing<'a> {
    fn new(variant: &'a Variant) -> Self {
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
        }
    }
}

/// What `impasto effects --json` prints.
#[derive(Clone, Debug, serde::Serialize)]
pub struct GalleryListing<'a> {
    pub schema: &'static str,
    pub effects: Vec<EffectListing<'a>>,
}

impl Variant {
    /// The size at which this variant paints a source; see [`student_extent`].
    pub fn extent_for(&self, source: Extent) -> Extent {
        student_extent(self, source)
    }
}
