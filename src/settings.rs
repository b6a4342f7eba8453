//! What is remembered between starts: read from a TOML file, checked once, written back whole.
//!
//! [`Raw`] is the file as it stands; [`Settings`] is what the rest of the program sees, every value within its range. A
//! value that makes no sense is left out with a message that names it and what would make sense; a file that is no TOML is
//! set aside under another name, never overwritten. Only what the user changes in the window is remembered: the command line
//! holds for one run, and wins over the settings. Knows nothing of windows: whoever has choices hands them to [`Memory`].

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::effect::{Blend, Touch};
use crate::export::Endpoint;
use crate::fault::Fault;
use crate::gpu::GpuChoice;
use crate::nn::engines::EngineWish;

use crate::output::{AtomicFile, Folders, Stills};
use crate::quality::Keep;
use crate::ui::{Level, Startup};

const FILE: &str = "settings.toml";
const HEADER: &str =
    "# What Impasto remembers between starts. It writes this file whenever something changes in its window.\n";
/// Larger files were not written by this program.
const MOST_BYTES: u64 = 256 * 1024;

/// The checked settings. `None` was never chosen: the program's own default holds, which may change with its versions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Name of the effect, as in `impasto effects`.
    pub effect: Option<String>,
    /// A second effect that is blended into it, and how much of it.
    pub blend: Option<Blend>,
    /// Names of favourite effects.
    pub favourites: Option<Vec<String>>,
    /// Id of the variant, of that effect.
    pub variant: Option<String>,
    pub engine: Option<EngineWish>,
    /// Which graphics adapter.
    pub gpu: Option<GpuChoice>,
    pub keep: Option<Keep>,
    pub overlay: Option<Level>,
    pub mirror: Option<bool>,
    /// 0 shows the camera's picture, 1 the painting.
    pub strength: Option<f32>,
    /// How the paint of effects is wanted, by their names in lower case.
    pub touches: BTreeMap<String, Touch>,
    /// How pictures are saved.
    pub stills: Option<Stills>,
    /// Where things are saved.
    pub folders: Option<Folders>,
    /// What the program does when it starts.
    pub startup: Option<Startup>,
    /// Sources that were looked at, the last first, as `--source` takes them.
    pub sources: Option<Vec<String>>,
    /// By a camera's name, the mode that was chosen for it.
    pub camera_modes: BTreeMap<String, String>,
    /// The window's inside, logical pixels.
    pub window: Option<WindowSize>,
    pub telemetry: Telemetry,
    /// Entries that this version does not know: a newer one wrote them and will want them back.
    pub unknown: toml::Table,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    pub width: u32,
    pub height: u32,
}

/// Whether figures are sent, and where. Off unless both were set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telemetry {
    pub on: bool,
    pub endpoint: Option<Endpoint>,
}

impl Telemetry {
    /// Where to send; `None` while it is off.
    pub fn destination(&self) -> Option<&Endpoint> {
        self.endpoint.as_ref().filter(|_| self.on)
    }
}

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Raw {
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blend: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    favourites: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlay: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mirror: Option<toml::Value>,
    /// Percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    strength: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sources: Option<toml::Value>,
    // Tables come after values, or TOML takes what follows as theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    folders: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    startup: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    camera_modes: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stills: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<toml::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    telemetry: Option<toml::Value>,
    /// By effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    touch: Option<toml::Value>,
    #[serde(flatten)]
    unknown: toml::Table,
}

#[derive(Serialize, Deserialize)]
struct RawTelemetry {
    #[serde(default)]
    on: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

/// Percent, and a hand's number.
#[derive(Serialize, Deserialize)]
#[serde(default)]
struct RawTouch {
    thickness: u16,
    brush: u16,
    boldness: u16,
    hand: u32,
}

impl Default for RawTouch {
    fn default() -> Self {
        Self { thickness: 100, brush: 100, boldness: 100, hand: 0 }
    }
}

/// Effects whose paint is remembered; more are not read.
const MOST_TOUCHES: usize = 1024;

impl RawTouch {
    /// `None` where a number is out of its range.
    fn checked((effect, raw): (String, Self)) -> Option<(String, Touch)> {
        let share = |percent: u16| f32::from(percent) / 100.0;
        let touch = Touch {
            thickness: share(raw.thickness),
            brush: share(raw.brush),
            boldness: share(raw.boldness),
            hand: raw.hand,
        };
        (touch.checked() == touch).then_some((effect, touch))
    }

    fn all(settings: &Settings) -> BTreeMap<&str, Self> {
        let percent = |share: f32| (share * 100.0).round() as u16;
        let raw = |touch: &Touch| Self {
            thickness: percent(touch.thickness),
            brush: percent(touch.brush),
            boldness: percent(touch.boldness),
            hand: touch.hand,
        };
        settings.touches.iter().take(MOST_TOUCHES).map(|(name, touch)| (name.as_str(), raw(touch))).collect()
    }
}

/// Takes one entry out of the file, or says what would have made sense.
fn check<T>(
    value: Option<toml::Value>,
    name: &str,
    sense: &str,
    read: impl FnOnce(&toml::Value) -> Option<T>,
    wrong: &mut Vec<String>,
) -> Option<T> {
    let value = value?;
    let read = read(&value);
    if read.is_none() {
        let mut shown = value.to_string();
        shown.truncate(shown.char_indices().nth(60).map_or(shown.len(), |(i, _)| i));
        wrong.push(format!("{name} = {shown} (write {sense})"));
    }
    read
}

impl Raw {
    /// The entries that make sense, and what is wrong with the others.
    fn checked(self) -> (Settings, Vec<String>) {
        let mut wrong = Vec::new();
        let name = |v: &toml::Value| v.as_str().filter(|s| !s.is_empty() && s.len() <= 4096).map(str::to_owned);
        let known = |v: &toml::Value| v.clone().try_into::<Level>().ok();
        let settings = Settings {
            effect: check(self.effect, "effect", "a name from `impasto effects`", name, &mut wrong),
            blend: check(
                self.blend,
                "blend",
                "a name and a share, such as \"udnie=0.4\"",
                |v| v.as_str().filter(|s| s.len() <= 4096).and_then(|s| s.parse().ok()),
                &mut wrong,
            ),
            favourites: check(
                self.favourites,
                "favourites",
                "names from `impasto effects`, such as [\"neon\", \"oil\"]",
                |v| v.as_array()?.iter().map(name).collect(),
                &mut wrong,
            ),
            variant: check(self.variant, "variant", "an id from `impasto effects`", name, &mut wrong),
            engine: check(
                self.engine,
                "engine",
                "auto, wgpu, cpu or ort",
                |v| v.as_str().and_then(|s| s.parse().ok()),
                &mut wrong,
            ),
            gpu: check(
                self.gpu,
                "gpu",
                "a name from `impasto doctor`, or fastest, thrifty, discrete, integrated or software",
                |v| v.as_str().filter(|s| s.len() <= 4096).and_then(|s| s.parse().ok()),
                &mut wrong,
            ),
            keep: check(
                self.keep,
                "keep",
                "quality, balanced, smooth, battery or fixed",
                |v| v.as_str().and_then(|s| s.parse().ok()),
                &mut wrong,
            ),
            overlay: check(self.overlay, "overlay", "full, compact, line or hidden", known, &mut wrong),
            mirror: check(self.mirror, "mirror", "true or false", toml::Value::as_bool, &mut wrong),
            strength: check(
                self.strength,
                "strength",
                "a number from 0 to 100",
                |v| {
                    let percent = v.as_float().or_else(|| v.as_integer().map(|n| n as f64))?;
                    (0.0..=100.0).contains(&percent).then_some(percent as f32 / 100.0)
                },
                &mut wrong,
            ),
            touches: check(
                self.touch,
                "touch",
                "tables such as [touch.oil] with thickness, brush and boldness in percent, and hand",
                |v| {
                    v.clone()
                        .try_into::<BTreeMap<String, RawTouch>>()
                        .ok()?
                        .into_iter()
                        .map(RawTouch::checked)
                        .collect()
                },
                &mut wrong,
            )
            .unwrap_or_default(),
            stills: check(
                self.stills,
                "stills",
                "{ format = \"png\", original_beside = false }, or \"jpeg\"",
                |v| v.clone().try_into().ok(),
                &mut wrong,
            ),
            folders: check(
                self.folders,
                "folders",
                "tables such as { pictures = \"/home/me/Pictures\" }, also recordings and reports",
                |v| v.clone().try_into().ok(),
                &mut wrong,
            ),
            startup: check(
                self.startup,
                "startup",
                "{ last_source = true, fullscreen = false, on_top = false }",
                |v| v.clone().try_into().ok(),
                &mut wrong,
            ),
            sources: check(
                self.sources,
                "sources",
                "what --source takes, such as [\"camera:0\", \"demo\"]",
                |v| v.as_array()?.iter().map(name).collect(),
                &mut wrong,
            ),
            camera_modes: check(
                self.camera_modes,
                "camera_modes",
                "modes as `impasto cameras` lists them, by the camera's name",
                |v| v.clone().try_into().ok(),
                &mut wrong,
            )
            .unwrap_or_default(),
            window: check(
                self.window,
                "window",
                "{ width = 1024, height = 576 }, at least 320x180",
                |v| {
                    let size: WindowSize = v.clone().try_into().ok()?;
                    ((320..=16384).contains(&size.width) && (180..=16384).contains(&size.height)).then_some(size)
                },
                &mut wrong,
            ),
            telemetry: check(
                self.telemetry,
                "telemetry",
                "{ on = true, address = \"http://localhost:4318\" }",
                |v| {
                    let raw: RawTelemetry = v.clone().try_into().ok()?;
                    let endpoint = match raw.address {
                        Some(address) => Some(Endpoint::parse(&address).ok()?),
                        None => None,
                    };
                    Some(Telemetry { on: raw.on, endpoint })
                },
                &mut wrong,
            )
            .unwrap_or_default(),
            unknown: self.unknown,
        };
        (settings, wrong)
    }

    fn from_settings(settings: &Settings) -> Result<Self, toml::ser::Error> {
        let text = |s: &Option<String>| s.clone().map(toml::Value::String);
        let telemetry = &settings.telemetry;
        let raw = RawTelemetry { on: telemetry.on, address: telemetry.endpoint.as_ref().map(ToString::to_string) };
        Ok(Self {
            effect: text(&settings.effect),
            blend: settings.blend.as_ref().map(|b| toml::Value::String(b.to_string())),
            favourites: settings.favourites.clone().map(toml::Value::from),
            variant: text(&settings.variant),
            engine: settings.engine.map(|e| toml::Value::String(e.to_string())),
            gpu: settings.gpu.as_ref().map(|g| toml::Value::String(g.to_string())),
            keep: settings.keep.map(|k| toml::Value::String(k.to_string())),
            overlay: settings.overlay.map(toml::Value::try_from).transpose()?,
            mirror: settings.mirror.map(toml::Value::Boolean),
            strength: settings.strength.map(|s| toml::Value::Integer((s.clamp(0.0, 1.0) * 100.0).round() as i64)),
            stills: settings.stills.map(toml::Value::try_from).transpose()?,
            folders: settings.folders.as_ref().map(toml::Value::try_from).transpose()?,
            startup: settings.startup.map(toml::Value::try_from).transpose()?,
            sources: settings.sources.clone().map(toml::Value::from),
            camera_modes: (!settings.camera_modes.is_empty())
                .then(|| toml::Value::try_from(&settings.camera_modes))
                .transpose()?,
            window: settings.window.map(toml::Value::try_from).transpose()?,
            touch: (!settings.touches.is_empty())
                .then(|| toml::Value::try_from(RawTouch::all(settings)))
                .transpose()?,
            telemetry: (*telemetry != Telemetry::default()).then(|| toml::Value::try_from(raw)).transpose()?,
            unknown: settings.unknown.clone(),
        })
    }
}

impl Settings {
    /// Reads `folder`'s settings. Without a file there, and with one that cannot be used, the defaults; what was wrong comes
    /// with them.
    pub fn load(folder: &Path) -> (Self, Option<Fault>) {
        let path = folder.join(FILE);
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return (Self::default(), None),
            Ok(found) if found.len() > MOST_BYTES => {
                let what = format!("it has {} bytes, and at most {MOST_BYTES} make sense", found.len());
                return (Self::default(), Some(set_aside(&path, &what)));
            }
            _ => {}
        }
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| "it is not text".to_owned()),
            Err(error) => {
                let fault = Fault::degraded(
                    format!("The settings {} cannot be read: {error}", path.display()),
                    "The defaults hold; make the file readable to keep settings",
                );
                return (Self::default(), Some(fault));
            }
        };
        match text.and_then(|t| toml::from_str::<Raw>(&t).map_err(|e| first_line(&e.to_string()))) {
            Err(what) => (Self::default(), Some(set_aside(&path, &what))),
            Ok(raw) => {
                let (settings, wrong) = raw.checked();
                let fault = (!wrong.is_empty()).then(|| {
                    Fault::notice(
                        format!("The settings {} hold what makes no sense: {}", path.display(), wrong.join("; ")),
                        "The default holds instead",
                    )
                });
                (settings, fault)
            }
        }
    }

    /// Writes `folder`'s settings whole, making the folder where it is missing.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), Fault> {
        let path = folder.join(FILE);
        let failed = |what: String| {
            Fault::degraded(
                format!("The settings were not written to {}: {what}", path.display()),
                "Make the folder writable, or name another one with IMPASTO_CONFIG",
            )
        };
        let body = Raw::from_settings(self).and_then(|raw| toml::to_string(&raw)).map_err(|e| failed(e.to_string()))?;
        std::fs::create_dir_all(folder).map_err(|e| failed(e.to_string()))?;
        let mut file = AtomicFile::new(&path).map_err(|e| failed(e.to_string()))?;
        write!(file, "{HEADER}{body}").map_err(|e| failed(e.to_string()))?;
        file.commit().map_err(|e| failed(with_cause(&e)))
    }
}

/// What an error says, and what it says caused it.
fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

fn first_line(text: &str) -> String {
    let mut lines = text.lines().filter(|l| !l.trim().is_empty());
    lines.next().unwrap_or("it is no TOML").trim().to_owned()
}

/// Renames the file so that neither it nor what was in it is lost.
fn set_aside(path: &Path, what: &str) -> Fault {
    let free = (1..100).map(|n| path.with_file_name(format!("settings.broken-{n}.toml"))).find(|p| !p.exists());
    let moved = free.and_then(|aside| std::fs::rename(path, &aside).ok().map(|()| aside));
    let remedy = match moved {
        Some(aside) => format!("It was set aside as {}; the defaults hold", aside.display()),
        None => "The defaults hold; delete or mend the file".to_owned(),
    };
    Fault::degraded(format!("The settings {} cannot be understood: {what}", path.display()), remedy)
}

/// Notices what the user changes and writes it soon after, on a thread.
#[derive(Debug)]
pub struct Memory {
    folder: Option<PathBuf>,
    settings: Settings,
    /// What was chosen when somebody last looked, by whomever.
    seen: Option<Settings>,
    changed: Option<Instant>,
}

impl Memory {
    /// How long to wait after a change before writing: somebody who drags a slider changes it with each picture.
    pub const WRITE_AFTER: Duration = Duration::from_secs(2);

    /// `None` for `folder`: nothing is remembered.
    pub fn new(folder: Option<PathBuf>, settings: Settings) -> Self {
        Self { folder, settings, seen: None, changed: None }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What is chosen now. The first call tells where the run began, from the command line or the settings; from then on what
    /// differs from the call before was changed by the user, and is remembered. The telemetry in `chosen` is not looked at.
    pub fn notice(&mut self, chosen: Settings, now: Instant) {
        if let Some(seen) = &self.seen {
            let mut changed = false;
            let settings = &mut self.settings;
            macro_rules! learn {
                ($($field:ident),*) => {$(
                    if seen.$field != chosen.$field {
                        changed |= settings.$field != chosen.$field;
                        settings.$field.clone_from(&chosen.$field);
                    }
                )*};
            }
            learn!(
                effect,
                blend,
                favourites,
                variant,
                engine,
                gpu,
                keep,
                overlay,
                mirror,
                strength,
                touches,
                stills,
                folders,
                startup,
                sources,
                camera_modes
            );
            // A window that is not there yet, or that covers the screen, has no size of the user's making.
            if seen.window.is_some() && chosen.window.is_some() && seen.window != chosen.window {
                changed |= settings.window != chosen.window;
                settings.window = chosen.window;
            }
            if changed {
                self.changed = Some(now);
            }
        }
        let before = self.seen.take().and_then(|seen| seen.window);
        self.seen = Some(Settings { window: chosen.window.or(before), ..chosen });
    }

    /// Figures are sent there from the next start on, or to nobody.
    pub fn set_telemetry(&mut self, to: Option<Endpoint>, now: Instant) {
        let telemetry = &mut self.settings.telemetry;
        telemetry.on = to.is_some();
        telemetry.endpoint = to.or_else(|| telemetry.endpoint.take());
        self.changed = Some(now);
    }

    /// What is to be written now, if the last change is old enough: hand it to [`Self::write`] on another thread.
    pub fn due(&mut self, now: Instant) -> Option<(PathBuf, Settings)> {
        self.changed.filter(|at| now.saturating_duration_since(*at) >= Self::WRITE_AFTER)?;
        self.rest()
    }

    /// What is still to be written, however recent the change: at the end.
    pub fn rest(&mut self) -> Option<(PathBuf, Settings)> {
        self.changed.take()?;
        Some((self.folder.clone()?, self.settings.clone()))
    }

    /// Writes what [`Self::due`] or [`Self::rest`] gave. Waits for the disk.
    pub fn write((folder, settings): (PathBuf, Settings)) {
        if let Err(fault) = settings.save(&folder) {
            log::warn!("{fault}");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full() -> Settings {
        Settings {
            effect: Some("woodcut".to_owned()),
            blend: Some("etching=0.4".parse().unwrap()),
            favourites: Some(vec!["woodcut".to_owned(), "etching".to_owned()]),
            variant: Some("m".to_owned()),
            engine: Some("ort".parse().unwrap()),
            gpu: Some("Radeon 780M".parse().unwrap()),
            keep: Some(Keep::Battery),
            overlay: Some(Level::Line),
            mirror: Some(false),
            strength: Some(0.35),
            touches: [("oil".to_owned(), Touch { thickness: 1.2, brush: 0.8, boldness: 1.5, hand: 3 })].into(),
            stills: Some(Stills { format: crate::output::StillFormat::Jpeg, original_beside: true }),
            folders: Some(Folders { pictures: Some("/home/me/Pictures".into()), ..Folders::default() }),
            startup: Some(Startup { last_source: true, fullscreen: false, on_top: true }),
            sources: Some(vec!["camera:0".to_owned(), "demo".to_owned()]),
            camera_modes: [("Webcam".to_owned(), "MJPG 1280x720 at 30 fps".to_owned())].into(),
            window: Some(WindowSize { width: 1280, height: 720 }),
            telemetry: Telemetry { on: true, endpoint: Some(Endpoint::parse("http://localhost:4318").unwrap()) },
            unknown: toml::Table::new(),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("not/there/yet");
        assert_eq!(Settings::load(&deep), (Settings::default(), None));
        for settings in [full(), Settings::default()] {
            settings.save(&deep).unwrap();
            assert_eq!(Settings::load(&deep), (settings, None));
        }
        assert_eq!(names(&deep), [FILE]);
    }

    #[test]
    fn a_broken_file_is_set_aside_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        for (round, broken) in [&b"effect = \"wood"[..], &[0xff, 0xfe, 0x00], b"= = ="].iter().enumerate() {
            std::fs::write(folder.path().join(FILE), broken).unwrap();
            let (settings, fault) = Settings::load(folder.path());
            assert_eq!(settings, Settings::default());
            let said = fault.unwrap().to_string();
            let aside = format!("settings.broken-{}.toml", round + 1);
            assert!(said.contains(&aside) && said.contains("cannot be understood"), "{said}");
            assert_eq!(std::fs::read(folder.path().join(aside)).unwrap(), *broken);
            assert!(!folder.path().join(FILE).exists());
        }
        let large = vec![b'#'; MOST_BYTES as usize + 1];
        std::fs::write(folder.path().join(FILE), large).unwrap();
        assert!(Settings::load(folder.path()).1.unwrap().what.contains("262145 bytes"));
    }

    #[test]
    fn one_wrong_value_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let text = "effect = \"woodcut\"\nengine = \"steam\"\nstrength = 140\nmirror = \"yes\"\noverlay = 3\nfuture = [1, 2]\n\
                    [window]\nwidth = 10\nheight = 10\n[telemetry]\non = true\naddress = \"ftp://x\"\n";
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let (settings, fault) = Settings::load(folder.path());
        assert_eq!(settings.effect.as_deref(), Some("woodcut"));
        assert_eq!(
            (settings.engine, settings.strength, settings.mirror, settings.overlay, settings.window),
            (None, None, None, None, None)
        );
        assert_eq!(settings.telemetry.destination(), None, "what cannot be understood is off");
        let said = fault.unwrap().to_string();
        for name in ["engine", "strength", "mirror", "overlay", "window", "telemetry"] {
            assert!(said.contains(name), "{name} is not in: {said}");
        }
        // What a newer version wrote is still there after this one saved.
        settings.save(folder.path()).unwrap();
        assert!(std::fs::read_to_string(folder.path().join(FILE)).unwrap().contains("future = [1, 2]"));
    }

    #[test]
    fn telemetry_is_off_unless_on_and_addressed() {
        assert_eq!(Telemetry::default().destination(), None);
        assert_eq!(Telemetry { on: true, endpoint: None }.destination(), None);
        let endpoint = full().telemetry.endpoint;
        assert_eq!(Telemetry { on: false, endpoint: endpoint.clone() }.destination(), None);
        assert!(Telemetry { on: true, endpoint }.destination().is_some());
    }

    #[test]
    fn only_changes_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let mut memory = Memory::new(Some(folder.path().to_owned()), Settings::default());
        let t0 = Instant::now();
        let typed = Settings { effect: Some("from the command line".to_owned()), ..Settings::default() };
        memory.notice(typed.clone(), t0);
        memory.notice(typed.clone(), t0);
        assert_eq!(memory.due(t0 + Duration::from_secs(60)), None, "the command line holds for one run");
        memory.notice(Settings { strength: Some(0.5), ..typed.clone() }, t0);
        memory.notice(Settings { strength: Some(0.6), ..typed }, t0 + Duration::from_secs(1));
        assert_eq!(memory.due(t0 + Duration::from_secs(2)), None, "the slider may still move");
        let due = memory.due(t0 + Duration::from_secs(3)).unwrap();
        assert_eq!((due.1.strength, &due.1.effect), (Some(0.6), &None));
        Memory::write(due);
        assert_eq!(memory.rest(), None);
        let sized = |width| Settings { window: Some(WindowSize { width, height: 600 }), ..Settings::default() };
        memory.notice(sized(1024), t0);
        memory.notice(Settings::default(), t0);
        memory.notice(sized(1024), t0);
        assert_eq!(memory.settings().window, None, "opened, over the whole screen, and back: nobody resized it");
        memory.notice(sized(800), t0);
        assert_eq!(memory.settings().window, sized(800).window);
        assert_eq!(Settings::load(folder.path()).0.strength, Some(0.6));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_file_stops_the_program(text in "\\PC{0,300}") {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(FILE), &text).unwrap();
            let (settings, fault) = Settings::load(folder.path());
            prop_assert!(settings == Settings::default() || fault.is_some() || !settings.unknown.is_empty());
            settings.save(folder.path()).unwrap();
        }
    }
}
