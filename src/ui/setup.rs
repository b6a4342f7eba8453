//! The settings: what people set once, on a card over the picture. Each takes effect at once, unless it says otherwise.

use std::path::{Path, PathBuf};

use egui::{Align2, ComboBox, Id, RichText, ScrollArea, TextEdit, Ui, vec2};

use super::{Action, View, style};
use crate::gpu::{Adapter, GpuChoice, GpuKind};
use crate::nn::engines::{Engine, EngineWish, Provider};
use crate::output::Folders;
use crate::quality::Keep;
use crate::source::{CameraControl, ControlKind};

/// What is set, and what there is to choose from.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// The graphics adapters of this machine.
    pub adapters: &'a [Adapter],
    /// The name of the one that draws and paints.
    pub adapter: &'a str,
    pub gpu: &'a GpuChoice,
    pub engine: EngineWish,
    /// The camera that is looked at, once it was asked; `None` where it is none.
    pub camera: Option<&'a CameraSetup>,
    /// Where things are saved, as the user chose it.
    pub folders: &'a Folders,
    /// Where they are saved where the user chose nothing.
    pub usual_folders: &'a Folders,
    /// Where figures are sent; `None` while they are not.
    pub telemetry: Option<&'a str>,
    /// Every figure that would be sent, with what it is.
    pub disclosure: &'a str,
    pub startup: Startup,
}

/// What a camera can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CameraSetup {
    pub index: u32,
    pub name: String,
    /// As they are written for people: `MJPG 1280x720 at 30 fps`.
    pub modes: Vec<String>,
    /// The one that was chosen; `None`: the program chooses.
    pub mode: Option<String>,
    pub controls: Vec<CameraControl>,
}

/// What the program does when it starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Startup {
    /// Show what was looked at last, not the first camera.
    pub last_source: bool,
    pub fullscreen: bool,
    /// Stay above the windows of other programs.
    pub on_top: bool,
}

/// Which of the folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    Pictures,
    Recordings,
    Reports,
}

/// What is typed and not yet asked for.
#[derive(Clone, Debug, Default)]
pub struct Card {
    pictures: String,
    recordings: String,
    reports: String,
    address: String,
    agreed: bool,
    /// The fields hold what is set.
    filled: bool,
}

/// Points.
const WIDTH: f32 = 590.0;
const LABEL: f32 = 184.0;

impl Card {
    /// Draws it. False when it is to be closed.
    pub fn show(&mut self, ui: &mut Ui, view: &View<'_>, actions: &mut Vec<Action>) -> bool {
        if !std::mem::replace(&mut self.filled, true) {
            let text = |path: &Option<PathBuf>| path.as_deref().map(shown).unwrap_or_default();
            let folders = view.setup.folders;
            self.pictures = text(&folders.pictures);
            self.recordings = text(&folders.recordings);
            self.reports = text(&folders.reports);
            self.address = view.setup.telemetry.unwrap_or("http://localhost:4318").to_owned();
        }
        let window = ui.max_rect();
        let mut open = true;
        let low = window.height() < 460.0;
        let top = if low { 4.0 } else { 24.0 };
        egui::Area::new(egui::Id::unique("setup"))
            .order(egui::Order::Middle)
            .default_size(window.size())
            // From the top: centred, it would have room for what it was before, and grow into the window step by step.
            .anchor(Align2::CENTER_TOP, vec2(0.0, top))
            .show(ui.ctx(), |ui| {
                let margin = if low { egui::Margin::symmetric(14, 8) } else { egui::Margin::symmetric(20, 16) };
                style::opaque_card().inner_margin(margin).show(ui, |ui| {
                    ui.set_width(WIDTH.min(window.width() - 56.0));
                    ui.spacing_mut().scroll = egui::style::ScrollStyle::solid();
                    let room = window.height() - if low { 62.0 } else { 124.0 };
                    ScrollArea::vertical().max_height(room).auto_shrink([false, true]).show(ui, |ui| {
                        ui.spacing_mut().item_spacing = vec2(8.0, 6.0);
                        self.camera(ui, view, actions);
                        painting(ui, view, actions);
                        self.saving(ui, view, actions);
                        start(ui, view.setup.startup, actions);
                        self.telemetry(ui, view, actions);
                    });
                    ui.add_space(if low { 2.0 } else { 8.0 });
                    ui.horizontal(|ui| {
                        if ui.button("Close").on_hover_text("Hide the settings (O, Esc)").clicked() {
                            open = false;
                        }
                        if ui.button("All keys").on_hover_text("What every key does (H)").clicked() {
                            actions.push(Action::ToggleHelp);
                            open = false;
                        }
                    });
                });
            });
        open
    }

    fn camera(&self, ui: &mut Ui, view: &View<'_>, actions: &mut Vec<Action>) {
        heading(ui, "Picture");
        row(ui, "Source", |ui, label| {
            let current = view.sources.iter().find(|s| s.spec == view.source).map_or(view.source, |s| s.title.as_str());
            let list = ComboBox::from_id_salt("setup source").selected_text(current).width(240.0).show_ui(ui, |ui| {
                for source in view.sources {
                    let chosen = source.spec == view.source;
                    if ui.selectable_label(chosen, &source.title).clicked() && !chosen {
                        actions.push(Action::Source(source.spec.clone()));
                    }
                }
            });
            list.response.labelled_by(label);
        });
        row(ui, "Mirror", |ui, _| {
            let mut on = view.controls.mirror;
            if ui.checkbox(&mut on, "Left and right as in a mirror").changed() {
                actions.push(Action::ToggleMirror);
            }
        });
        let Some(camera) = view.setup.camera else { return };
        if !camera.modes.is_empty() {
            row(ui, "Size and rate", |ui, label| {
                let chosen = camera.mode.as_deref();
                let list =
                    ComboBox::from_id_salt("setup mode").selected_text(chosen.unwrap_or("Automatic")).width(240.0);
                let list = list.show_ui(ui, |ui| {
                    if ui.selectable_label(chosen.is_none(), "Automatic").clicked() {
                        actions.push(Action::CameraMode(None));
                    }
                    for mode in &camera.modes {
                        if ui.selectable_label(chosen == Some(mode), mode).clicked() {
                            actions.push(Action::CameraMode(Some(mode.clone())));
                        }
                    }
                });
                list.response.labelled_by(label);
            });
        }
        for control in &camera.controls {
            ui.add_enabled_ui(!control.inactive, |ui| {
                row(ui, &control.name, |ui, label| set(ui, label, control, actions));
            });
        }
        if camera.controls.iter().any(|control| control.value != control.default && !control.inactive) {
            row(ui, "", |ui, _| {
                if ui.button("As the camera came").on_hover_text("Every control at its default").clicked() {
                    let changed = camera.controls.iter().filter(|c| c.value != c.default && !c.inactive);
                    actions.extend(changed.map(|c| Action::CameraControl { id: c.id, value: c.default }));
                }
            });
        }
    }

    fn saving(&mut self, ui: &mut Ui, view: &View<'_>, actions: &mut Vec<Action>) {
        heading(ui, "Saving");
        row(ui, "Pictures are saved as", |ui, _| super::bar::stills(ui, view.stills, actions));
        let usual = view.setup.usual_folders;
        for (kept, name, text, usual) in [
            (Kept::Pictures, "Pictures go to", &mut self.pictures, &usual.pictures),
            (Kept::Recordings, "Recordings go to", &mut self.recordings, &usual.recordings),
            (Kept::Reports, "Reports go to", &mut self.reports, &usual.reports),
        ] {
            row(ui, name, |ui, label| {
                let hint = usual.as_deref().map(shown).unwrap_or_default();
                let line = TextEdit::singleline(text)
                    .id_salt(name)
                    .hint_text(hint)
                    .desired_width((WIDTH - LABEL - 40.0).min(ui.available_width() - 24.0));
                let line = ui.add(line).labelled_by(label);
                if line.on_hover_text("A folder; empty for the usual one").lost_focus() {
                    let folder = Some(text.trim()).filter(|text| !text.is_empty()).map(PathBuf::from);
                    actions.push(Action::Folder(kept, folder));
                }
            });
        }
    }

    fn telemetry(&mut self, ui: &mut Ui, view: &View<'_>, actions: &mut Vec<Action>) {
        heading(ui, "Figures that are sent");
        if let Some(to) = view.setup.telemetry {
            row(ui, "Sent to", |ui, _| ui.label(format!("{to}, in every run from its start on")));
            row(ui, "", |ui, _| {
                if ui.button("Send nothing any more").clicked() {
                    actions.push(Action::Telemetry(None));
                    self.agreed = false;
                }
            });
            return;
        }
        let words = "Nothing is sent. You can have the figures, never pictures, sent to a collector of your own.";
        ui.label(RichText::new(words).color(style::MUTED));
        ui.collapsing("What would be sent", |ui| {
            ui.label(RichText::new(view.setup.disclosure).font(egui::FontId::monospace(10.5)));
        });
        row(ui, "Address", |ui, label| {
            let line = TextEdit::singleline(&mut self.address).id_salt("address").desired_width(240.0);
            ui.add(line).labelled_by(label);
        });
        row(ui, "", |ui, _| {
            ui.checkbox(&mut self.agreed, "I have read what is sent, and agree");
        });
        row(ui, "", |ui, _| {
            let send = ui.add_enabled(self.agreed, egui::Button::new("Send, from the next start on"));
            if send.clicked() {
                actions.push(Action::Telemetry(Some(self.address.trim().to_owned())));
            }
        });
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn heading(ui: &mut Ui, name: &str) {
    ui.add_space(6.0);
    ui.label(RichText::new(name).font(style::strong(14.0)));
}

/// A name, and what belongs to it to its right, which is told the name's id: screen readers find the two together.
fn row<R>(ui: &mut Ui, name: &str, add: impl FnOnce(&mut Ui, Id) -> R) {
    ui.horizontal_wrapped(|ui| {
        let (rect, label) = ui.allocate_exact_size(vec2(LABEL, ui.spacing().interact_size.y), egui::Sense::hover());
        if !name.is_empty() {
            label.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, name));
        }
        let painter = ui.painter().with_clip_rect(rect);
        painter.text(rect.left_center(), Align2::LEFT_CENTER, name, style::words(12.5), style::MUTED);
        add(ui, label.id);
    });
}

fn set(ui: &mut Ui, label: Id, control: &CameraControl, actions: &mut Vec<Action>) {
    let mut value = control.value;
    match &control.kind {
        ControlKind::Number { least, most, step } => {
            ui.spacing_mut().slider_width = 180.0;
            ui.add(egui::Slider::new(&mut value, *least..=*most).step_by(f64::from(*step))).labelled_by(label);
        }
        ControlKind::Switch => {
            let mut on = value != 0;
            if ui.checkbox(&mut on, "").labelled_by(label).changed() {
                value = i32::from(on);
            }
        }
        ControlKind::Menu(items) => {
            let current = items.iter().find(|(at, _)| *at == value).map_or("", |(_, name)| name.as_str());
            let list = ComboBox::from_id_salt(control.id).selected_text(current).width(180.0).show_ui(ui, |ui| {
                for (at, name) in items {
                    ui.selectable_value(&mut value, *at, name);
                }
            });
            list.response.labelled_by(label);
        }
    }
    if value != control.value {
        actions.push(Action::CameraControl { id: control.id, value });
    }
}

/// The adapters by name, each once.
fn names(adapters: &[Adapter]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for adapter in adapters {
        if !names.contains(&adapter.name.as_str()) {
            names.push(&adapter.name);
        }
    }
    names
}

fn painting(ui: &mut Ui, view: &View<'_>, actions: &mut Vec<Action>) {
    heading(ui, "Painting");
    row(ui, "What is kept", |ui, label| {
        let now = view.governor.map(|governor| governor.keep);
        let current = now.map_or("", |keep| keep.name());
        let list = ComboBox::from_id_salt("setup keep").selected_text(current).width(240.0).show_ui(ui, |ui| {
            for keep in Keep::ALL {
                let chosen = ui.selectable_label(now == Some(keep), keep.name()).on_hover_text(keep.explanation());
                if chosen.clicked() {
                    actions.push(Action::Keep(keep));
                }
            }
        });
        list.response.labelled_by(label);
    });
    let setup = &view.setup;
    row(ui, "Engine", |ui, label| {
        let engines = [
            (EngineWish::Auto, "Automatic"),
            (EngineWish::Only(Engine::Wgpu), "This program's own, on the GPU"),
            (EngineWish::Only(Engine::Cpu), "This program's own, on the processor"),
            (EngineWish::Only(Engine::Ort(Provider::Cpu)), "ONNX Runtime"),
        ];
        let other = setup.engine.to_string();
        let current = engines.iter().find(|(wish, _)| *wish == setup.engine).map_or(other.as_str(), |(_, name)| name);
        let list = ComboBox::from_id_salt("setup engine").selected_text(current).width(240.0).show_ui(ui, |ui| {
            for (wish, name) in engines {
                if ui.selectable_label(wish == setup.engine, name).clicked() {
                    actions.push(Action::Engine(wish));
                }
            }
        });
        list.response.labelled_by(label);
    });
    row(ui, "Graphics adapter", |ui, label| {
        let kinds = [
            (GpuChoice::Fastest, "The fastest"),
            (GpuChoice::Thrifty, "The one that saves power"),
            (GpuChoice::Kind(GpuKind::Software), "None: the processor draws"),
        ];
        let named = names(setup.adapters).into_iter().map(|name| (GpuChoice::Named(name.to_owned()), name));
        let choices: Vec<(GpuChoice, &str)> = kinds.into_iter().chain(named).collect();
        let other = setup.gpu.to_string();
        let current = choices.iter().find(|(choice, _)| choice == setup.gpu).map_or(other.as_str(), |(_, name)| name);
        ComboBox::from_id_salt("setup gpu")
            .selected_text(current)
            .width(240.0)
            .show_ui(ui, |ui| {
                for (choice, name) in &choices {
                    if ui.selectable_label(choice == setup.gpu, *name).clicked() && choice != setup.gpu {
                        actions.push(Action::Gpu(choice.clone()));
                    }
                }
            })
            .response
            .labelled_by(label)
            .on_hover_text(format!("Now: {}", setup.adapter));
    });
}

fn start(ui: &mut Ui, now: Startup, actions: &mut Vec<Action>) {
    heading(ui, "Start and window");
    let mut next = now;
    row(ui, "At the start", |ui, _| {
        ui.checkbox(&mut next.last_source, "Show what was looked at last");
    });
    row(ui, "", |ui, _| ui.checkbox(&mut next.fullscreen, "Fill the screen"));
    row(ui, "Always", |ui, _| ui.checkbox(&mut next.on_top, "Above other windows"));
    if next != now {
        actions.push(Action::Startup(next));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adapter_of_two_backends_is_listed_once() {
        let adapter = |name: &str, backend: &str| Adapter {
            name: name.into(),
            backend: backend.into(),
            kind: "integrated",
            driver: String::new(),
        };
        let all = [adapter("A", "vulkan"), adapter("B", "vulkan"), adapter("A", "gl")];
        assert_eq!(names(&all), ["A", "B"]);
    }
}
