//! What is set once: which graphics adapter, the camera's mode and controls, folders, what happens at the start.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use directories::UserDirs;
use winit::event_loop::ActiveEventLoop;
use winit::window::WindowLevel;

use super::{App, Wake};
use crate::cli::WindowArgs;
use crate::export::{Endpoint, otlp};
use crate::fault::Fault;
use crate::gpu::{Adapter, Gpu, GpuChoice, GpuKind, adapters};
use crate::nn::engines::EngineWish;
use crate::output::Folders;
use crate::settings::Settings;
use crate::source::{SourceError, SourceSpec, camera_controls, camera_modes, set_camera_control};
use crate::ui::{CameraSetup, Kept, Setup, Startup};

/// Sources that are remembered.
const MOST_SOURCES: usize = 8;

/// What is set, and what the settings have to choose from.
pub(super) struct Preferences {
    /// The adapter that was asked for, as far as it is worth remembering.
    chosen_gpu: Option<GpuChoice>,
    /// The one that is wanted: chosen, or what suits what was kept at the start.
    gpu: GpuChoice,
    /// Those that there are; empty until somebody looked.
    adapters: Vec<Adapter>,
    camera: Option<CameraSetup>,
    /// The camera that was asked last.
    asked: Option<u32>,
    /// An answer is on its way.
    asking: bool,
    /// By the driver's number, what is to be set of the camera once it has answered.
    to_set: BTreeMap<u32, i32>,
    pub folders: Folders,
    usual_folders: Folders,
    telemetry: Option<String>,
    disclosure: String,
    pub startup: Startup,
    /// Sources that were looked at, the last first.
    sources: Vec<String>,
}

impl Preferences {
    pub fn new(args: &WindowArgs, settings: &Settings) -> Self {
        let usual = |kept| Some(SavePlace { kept, chosen: None }.path());
        Self {
            chosen_gpu: args.paint.gpu.clone().or_else(|| settings.gpu.clone()),
            gpu: args.paint.gpu(settings.gpu.as_ref(), args.quality.keep.or(settings.keep)),
            adapters: Vec::new(),
            camera: None,
            asked: None,
            asking: false,
            to_set: BTreeMap::new(),
            folders: settings.folders.clone().unwrap_or_default(),
            usual_folders: Folders {
                pictures: usual(Kept::Pictures),
                recordings: usual(Kept::Recordings),
                reports: usual(Kept::Reports),
            },
            telemetry: settings.telemetry.destination().map(ToString::to_string),
            disclosure: otlp::disclosure(),
            startup: settings.startup.unwrap_or_default(),
            sources: settings.sources.clone().unwrap_or_default(),
        }
    }

    /// As far as it is worth remembering.
    pub fn settings(&self, rest: Settings) -> Settings {
        Settings {
            gpu: self.chosen_gpu.clone(),
            folders: Some(self.folders.clone()),
            startup: Some(self.startup),
            sources: Some(self.sources.clone()),
            ..rest
        }
    }

    /// Where such things are saved.
    pub fn place(&self, kept: Kept) -> SavePlace {
        let chosen = match kept {
            Kept::Pictures => &self.folders.pictures,
            Kept::Recordings => &self.folders.recordings,
            Kept::Reports => &self.folders.reports,
        };
        SavePlace { kept, chosen: chosen.clone() }
    }

    /// What is to be looked at first where the command line names nothing; `None`: the first camera.
    pub fn first_source(&self) -> Option<SourceSpec> {
        let last = self.sources.first().filter(|_| self.startup.last_source)?;
        SourceSpec::parse(last).ok()
    }

    /// Files that were looked at, the last first.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let is_file = |spec: &&String| matches!(SourceSpec::parse(spec), Ok(SourceSpec::File(_)));
        self.sources.iter().filter(is_file).map(String::as_str)
    }

    /// A source is looked at.
    pub fn looked_at(&mut self, spec: &str) {
        // What comes through a pipe comes once.
        if spec == SourceSpec::Stdin.to_string() || self.sources.first().is_some_and(|last| last == spec) {
            return;
        }
        self.sources.retain(|known| known != spec);
        self.sources.insert(0, spec.to_owned());
        self.sources.truncate(MOST_SOURCES);
    }

    /// For the interface. `choice` is the adapter that is wanted now.
    pub fn view<'a>(
        &'a self,
        adapter: &'a str,
        choice: &'a GpuChoice,
        engine: EngineWish,
        camera: Option<u32>,
    ) -> Setup<'a> {
        Setup {
            adapters: &self.adapters,
            adapter,
            gpu: choice,
            engine,
            camera: self.camera.as_ref().filter(|setup| Some(setup.index) == camera),
            folders: &self.folders,
            usual_folders: &self.usual_folders,
            telemetry: self.telemetry.as_deref(),
            disclosure: &self.disclosure,
            startup: self.startup,
        }
    }
}

/// A folder for one sort of thing, looked for when something is saved.
pub(super) struct SavePlace {
    kept: Kept,
    chosen: Option<PathBuf>,
}

impl SavePlace {
    /// The one that was chosen, else as the desktop names it, else that of its usual name, else the home folder, else the
    /// current one.
    pub fn path(&self) -> PathBuf {
        if let Some(chosen) = &self.chosen {
            return chosen.clone();
        }
        let user = UserDirs::new();
        let (named, name) = match self.kept {
            Kept::Pictures => (user.as_ref().and_then(UserDirs::picture_dir), "Pictures"),
            Kept::Recordings => (user.as_ref().and_then(UserDirs::video_dir), "Videos"),
            Kept::Reports => (user.as_ref().and_then(UserDirs::document_dir), "Documents"),
        };
        // A desktop that was never started has not said where its folders are.
        let home = user.as_ref().map(UserDirs::home_dir);
        let usual = home.map(|home| home.join(name));
        let there = [named.map(Path::to_owned), usual, home.map(Path::to_owned)];
        let there = there.into_iter().flatten().find(|folder| folder.is_dir());
        there.unwrap_or_else(|| std::env::current_dir().unwrap_or_default())
    }
}

/// What the settings asked the system for.
pub(super) struct Asked {
    pub adapters: Option<Vec<Adapter>>,
    pub camera: Option<CameraSetup>,
    /// What went wrong.
    pub fault: Option<Fault>,
}

impl App {
    pub(super) fn toggle_setup(&mut self) {
        if self.gui.interface.toggle_setup() {
            self.ask();
        }
    }

    /// Another camera is looked at while the settings are open: they are about that one from now on.
    pub(super) fn follow_camera(&mut self) {
        if self.gui.interface.is_setup_open() && self.session.camera() != self.preferences.asked {
            self.ask();
        }
    }

    /// Asks the camera and the graphics drivers, on a thread; before, sets what is to be set. One at a time, so that the last
    /// value of a slider is the last one that is set.
    fn ask(&mut self) {
        if std::mem::replace(&mut self.preferences.asking, true) {
            return;
        }
        let proxy = self.proxy.clone();
        let camera = self.session.camera();
        self.preferences.asked = camera;
        let list = self.preferences.adapters.is_empty();
        let to_set = std::mem::take(&mut self.preferences.to_set);
        let asking = self.threads.start("settings asked for", move || {
            let all = to_set.into_iter().zip(camera.into_iter().cycle());
            let set: Vec<_> = all.map(|((id, value), index)| set_camera_control(index, id, value)).collect();
            let asked = camera.map(|index| {
                let (name, modes) = camera_modes(index)?;
                let modes = modes.iter().map(ToString::to_string).collect();
                Ok(CameraSetup { index, name, modes, mode: None, controls: camera_controls(index)? })
            });
            let adapters = list.then(|| adapters(&Gpu::instance(None)));
            let (camera, trouble) = match asked.transpose() {
                Ok(camera) => (camera, None),
                Err(error) => (None, Some(error)),
            };
            let trouble = set.into_iter().find_map(Result::err).or(trouble);
            let fault = trouble.map(|error: SourceError| error.fault());
            let _ = proxy.send_event(Wake::Asked(Asked { adapters, camera, fault }));
        });
        if let Err(fault) = asking {
            log::warn!("{fault}");
            self.preferences.asking = false;
        }
    }

    pub(super) fn take_asked(&mut self, asked: Asked, now: Instant) {
        if let Some(adapters) = asked.adapters {
            self.preferences.adapters = adapters;
        }
        self.preferences.asking = false;
        if self.preferences.to_set.is_empty() {
            self.preferences.camera = asked.camera.map(|camera| {
                let mode = self.session.camera_mode(&camera.name);
                CameraSetup { mode, ..camera }
            });
        } else {
            // What was set meanwhile is newer than this answer.
            self.ask();
        }
        if let Some(fault) = asked.fault {
            self.session.tell(fault, now);
        }
        self.renew();
    }

    /// `None`: the mode is chosen by the program.
    pub(super) fn choose_camera_mode(&mut self, mode: Option<String>, now: Instant) {
        let Some(camera) = &mut self.preferences.camera else { return };
        camera.mode.clone_from(&mode);
        let name = camera.name.clone();
        self.session.set_camera_mode(&name, mode, now);
    }

    pub(super) fn set_camera_control(&mut self, id: u32, value: i32) {
        if let Some(control) = self.preferences.camera.iter_mut().flat_map(|c| &mut c.controls).find(|c| c.id == id) {
            control.value = value;
        }
        self.preferences.to_set.insert(id, value);
        self.ask();
    }

    pub(super) fn set_folder(&mut self, kept: Kept, folder: Option<PathBuf>, now: Instant) {
        if let Some(path) = folder.as_ref().filter(|path| !path.is_dir()) {
            let what = format!("There is no folder {}", path.display());
            return self.session.tell(Fault::failed(what, "Make it first, or name another one"), now);
        }
        let folders = &mut self.preferences.folders;
        *match kept {
            Kept::Pictures => &mut folders.pictures,
            Kept::Recordings => &mut folders.recordings,
            Kept::Reports => &mut folders.reports,
        } = folder;
    }

    pub(super) fn set_startup(&mut self, startup: Startup) {
        self.preferences.startup = startup;
        if let Some(window) = &self.window {
            window.set_window_level(level(startup));
        }
    }

    pub(super) fn set_telemetry(&mut self, to: Option<String>, now: Instant) {
        match to.map(|address| Endpoint::parse(&address)).transpose() {
            Ok(to) => {
                self.preferences.telemetry = to.as_ref().map(ToString::to_string);
                if to.is_none() {
                    self.session.end_telemetry();
                }
                self.memory.set_telemetry(to, now);
            }
            Err(what) => self.session.tell(Fault::failed(what, ""), now),
        }
    }

    /// The adapter that is to be opened.
    pub(super) fn wanted_gpu(&self) -> GpuChoice {
        if self.attempt.is_safe() {
            return GpuChoice::Kind(GpuKind::Software);
        }
        self.preferences.gpu.clone()
    }

    /// Draws and paints with another adapter from now on.
    pub(super) fn choose_gpu(&mut self, event_loop: &ActiveEventLoop, choice: GpuChoice) {
        let before = self.wanted_gpu();
        self.preferences.chosen_gpu = Some(choice.clone());
        self.preferences.gpu = choice;
        if self.wanted_gpu() != before && !self.is_opening() {
            self.reopen(event_loop);
        }
    }
}

/// Where a window with these settings stands among others.
pub(super) fn level(startup: Startup) -> WindowLevel {
    if startup.on_top { WindowLevel::AlwaysOnTop } else { WindowLevel::Normal }
}
