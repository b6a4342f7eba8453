//! All effects that were found, and where they are looked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::canvas::Relief;
use crate::fault::Fault;
use crate::units::Extent;

use super::pack::{About, Loaded, Numbers, Pack, PackError, StyleCanvas, StyleEntry, StylePack, Variant};
use super::{EffectKind, GalleryListing, PARAMETERS, Parameter, student_extent};

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
    pub style: Style,
    pub thumbnail: Option<PathBuf>,
    /// What the card says of it, by the variant's id.
    pub scores: BTreeMap<String, Numbers>,
    /// How it uses the canvas of its pack's networks.
    pub canvas: StyleCanvas,
    /// What is laid on its painting where it is shown.
    pub relief: Relief,
    /// Whose networks paint it.
    pub pack: Arc<Pack>,
    variants: Arc<[Variant]>,
}

/// Where an effect's style is.
#[derive(Clone, Debug)]
pub enum Style {
    /// In the network's own table.
    Table(usize),
    /// In a style pack.
    Own(Arc<StylePack>),
}

impl Effect {
    fn new(pack: &Arc<Pack>, entry: &StyleEntry, style: Style, variants: Arc<[Variant]>) -> Self {
        Self {
            name: entry.name.clone(),
            title: entry.title.clone(),
            artist: entry.artist.clone(),
            kind: entry.kind,
            style,
            thumbnail: entry.thumbnail.clone(),
            scores: entry.scores.clone(),
            canvas: entry.canvas,
            relief: entry.relief,
            pack: pack.clone(),
            variants,
        }
    }

    /// The networks that can paint it, smallest first. Never empty.
    pub fn variants(&self) -> &[Variant] {
        &self.variants
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

    /// Whether the same networks paint both, so that they can be blended and exchanged without a pause.
    pub fn shares_network(&self, other: &Effect) -> bool {
        self.pack.name == other.pack.name && self.pack.folder == other.pack.folder
    }

    /// The number of its style in its network's table; `None` when a style pack holds it.
    pub fn table_style(&self) -> Option<usize> {
        match self.style {
            Style::Table(style) => Some(style),
            Style::Own(_) => None,
        }
    }

    /// Its style's numbers for a variant, when a style pack holds them.
    pub fn own_row(&self, variant: &str) -> Option<&Arc<[f32]>> {
        match &self.style {
            Style::Table(_) => None,
            Style::Own(pack) => pack.rows.iter().find(|row| row.variant == variant).map(|row| &row.values),
        }
    }

    /// The value of the network's `style` input, which is `style_len` long: one at this effect's style, zero elsewhere.
    ///
    /// # Errors
    /// When the network has fewer styles than the pack says, or a style pack holds the style.
    pub fn style_weights(&self, style_len: usize) -> Result<Vec<f32>, Fault> {
        match self.style {
            Style::Table(0) if style_len == 0 => Ok(Vec::new()),
            Style::Table(style) if style < style_len => {
                let mut weights = vec![0.0; style_len];
                weights[style] = 1.0;
                Ok(weights)
            }
            Style::Table(style) => Err(Fault::failed(
                format!("Effect {} is style {style} of a network that has {style_len}", self.name),
                "Correct the style's number in the pack's pack.toml",
            )),
            Style::Own(_) => Err(Fault::failed(
                format!("Effect {} is a style of its own, and its network takes no other", self.name),
                "Make the style again for the networks that are installed now",
            )),
        }
    }

    /// The pack that describes it: a style pack, or the networks' own.
    pub fn pack_name(&self) -> &str {
        match &self.style {
            Style::Table(_) => &self.pack.name,
            Style::Own(pack) => &pack.name,
        }
    }

    /// Where it comes from.
    pub fn about(&self) -> &About {
        match &self.style {
            Style::Table(_) => &self.pack.about,
            Style::Own(pack) => &pack.about,
        }
    }

    /// What the user may turn.
    pub fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }
}

/// Every effect that was found: those of packs with networks in the order of the packs' names, then those of style packs.
#[derive(Clone, Debug, Default)]
pub struct Gallery {
    effects: Vec<Effect>,
}

impl Gallery {
    /// Loads every pack in the folders, a pack being a folder with a `pack.toml`. Where two packs or two effects share a
    /// name, the one from the earlier folder stays. What is wrong with a pack is returned as a fault, and the others work.
    pub fn load(folders: &[PathBuf]) -> (Self, Vec<Fault>) {
        let mut gallery = Self::default();
        let mut faults = Vec::new();
        let (mut packs, mut styles): (Vec<Arc<Pack>>, Vec<StylePack>) = (Vec::new(), Vec::new());
        for folder in folders.iter().flat_map(|folder| pack_folders(folder)) {
            match Loaded::read(&folder) {
                Ok(Loaded::Networks(pack)) => match packs.iter().find(|p| p.name == pack.name) {
                    None => packs.push(Arc::new(pack)),
                    Some(first) => faults.push(twice("Pack", &pack.name, &first.folder, &pack.folder)),
                },
                Ok(Loaded::Style(style)) => styles.push(style),
                Err(error) => faults.push(fault_of(&error)),
            }
        }
        for pack in &packs {
            let variants: Arc<[Variant]> = pack.variants.as_slice().into();
            for entry in &pack.styles {
                let style = Style::Table(entry.style);
                gallery.add(Effect::new(pack, entry, style, variants.clone()), &pack.folder, &mut faults);
            }
        }
        for style in styles {
            match on_its_base(style, &packs) {
                Ok((effect, folder)) => gallery.add(effect, &folder, &mut faults),
                Err(fault) => faults.push(fault),
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

    fn add(&mut self, effect: Effect, folder: &Path, faults: &mut Vec<Fault>) {
        match self.effects.iter().find(|e| e.name == effect.name) {
            None => self.effects.push(effect),
            Some(first) => {
                let first = match &first.style {
                    Style::Table(_) => &first.pack.folder,
                    Style::Own(pack) => &pack.folder,
                };
                faults.push(twice("Effect", &effect.name, first, folder));
            }
        }
    }

    pub fn effects(&self) -> &[Effect] {
        &self.effects
    }

    pub fn is_empty(&self) -> bool {
        self.effects.is_empty()
    }

    /// The effect called `request` (its name or its title, in any case), or, when `request` is the path of an ONNX file, that
    /// network as an effect of its own.
    ///
    /// # Errors
    /// With the names that there are, or what is wrong with the file.
    pub fn find(&self, request: &str) -> Result<Effect, Fault> {
        if Path::new(request).extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx")) {
            let pack = Arc::new(Pack::around_network(Path::new(request)).map_err(|e| fault_of(&e))?);
            let effect = |entry| Effect::new(&pack, entry, Style::Table(0), pack.variants.as_slice().into());
            return pack.styles.first().map(effect).ok_or_else(|| self.unknown(request));
        }
        let named =
            |e: &&Effect| e.name.eq_ignore_ascii_case(request) || e.title.to_lowercase() == request.to_lowercase();
        self.effects.iter().find(named).cloned().ok_or_else(|| self.unknown(request))
    }

    fn unknown(&self, request: &str) -> Fault {
        let known: Vec<_> = self.effects.iter().map(|e| e.name.as_str()).collect();
        let remedy = if known.is_empty() {
            "No effects are installed: name the folder that holds them with --models FOLDER".to_owned()
        } else {
            format!("Choose one of: {}; or give the path of an .onnx file", known.join(", "))
        };
        Fault::failed(format!("There is no effect '{request}'"), remedy)
    }

    /// What `impasto effects --json` prints.
    pub fn listing(&self) -> GalleryListing<'_> {
        GalleryListing { schema: "impasto.effects/1", effects: self.effects.iter().map(Effect::listing).collect() }
    }
}

fn twice(what: &str, name: &str, first: &Path, second: &Path) -> Fault {
    let text = format!("{what} {name} is in {} and again in {}", first.display(), second.display());
    Fault::notice(text, "The first is used")
}

/// The effect that a style pack makes of its base, and the style pack's folder.
fn on_its_base(style: StylePack, packs: &[Arc<Pack>]) -> Result<(Effect, PathBuf), Fault> {
    let Some(base) = packs.iter().find(|pack| pack.name == style.base) else {
        let known: Vec<_> = packs.iter().map(|p| p.name.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(Fault::degraded(
            format!("Effect {} is a style for the pack {}, which was not found", style.entry.name, style.base),
            format!("Install that pack, or make the style again for one that is there ({known})"),
        ));
    };
    let mut variants = Vec::with_capacity(style.rows.len());
    for variant in &base.variants {
        let Some(row) = style.rows.iter().find(|row| row.variant == variant.id) else { continue };
        if row.base_sha256 != variant.sha256 {
            return Err(Fault::degraded(
                format!(
                    "Effect {} was made for another version of {} ({}) than the one that is installed",
                    style.entry.name, style.base, variant.id
                ),
                format!("Make it again for the installed one, or install the pack {} that it was made for", style.base),
            ));
        }
        variants.push(variant.clone());
    }
    if variants.is_empty() {
        return Err(Fault::degraded(
            format!("Effect {} is a style for no variant that {} has", style.entry.name, style.base),
            "Make the style again for the installed pack",
        ));
    }
    let (folder, entry, style) = (style.folder.clone(), style.entry.clone(), Arc::new(style));
    Ok((Effect::new(base, &entry, Style::Own(style), variants.into()), folder))
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
/// all of these that exist: `models` beside the executable, the share folder of the installation, and `models` next to
/// `Cargo.toml` when running from a source tree; and last [`own_models_dir`].
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
    folders.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("models"));
    folders.retain(|f| f.is_dir());
    // Also while it is not there yet: the first pack of the user's own may come while the program runs.
    folders.extend(own_models_dir());
    folders
}

/// Where packs of the user's own belong: `impasto/models` in the user's data folder, which is `~/.local/share` on Linux (or
/// `$XDG_DATA_HOME`), `~/Library/Application Support` on macOS and `%APPDATA%` on Windows.
pub fn own_models_dir() -> Option<PathBuf> {
    directories::BaseDirs::new().map(|base| base.data_dir().join("impasto").join("models"))
}

impl Variant {
    /// The size at which this variant paints a source; see [`student_extent`].
    pub fn extent_for(&self, source: Extent) -> Extent {
        student_extent(self, source)
    }
}
