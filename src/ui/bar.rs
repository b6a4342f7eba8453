//! The bar at the bottom: effects, and two lines of controls. Hides by itself.

use egui::scroll_area::ScrollBarVisibility;
use egui::{Align2, Button, ComboBox, Popup, PopupCloseBehavior, RichText, ScrollArea, Ui, vec2};

use super::tile::{self, Marks};
use super::wall::DIGITS;
use super::{Action, EffectEntry, Level, View, style};
use crate::effect::Touch;
use crate::output::{StillFormat, Stills};
use crate::quality::Keep;

/// What the bar takes of the window.
pub struct Bar {
    /// Points from the window's bottom to the bar's top.
    pub height: f32,
    /// The pointer is on it, or a menu of it is open: it must not hide now.
    pub held: bool,
}

/// Points between the window's edge and the bar.
const MARGIN: f32 = 10.0;
/// In lower windows the controls keep to one row.
const LOW: f32 = 480.0;

pub fn show(ui: &mut Ui, view: &View<'_>, level: Level, help: &mut bool, actions: &mut Vec<Action>) -> Bar {
    let widest = (ui.max_rect().width() - 2.0 * MARGIN).max(200.0);
    let shown = egui::Area::new(egui::Id::unique("bar")).anchor(Align2::CENTER_BOTTOM, vec2(0.0, -MARGIN)).show(
        ui.ctx(),
        |ui| {
            style::card().inner_margin(egui::Margin::symmetric(12, 7)).show(ui, |ui| {
                ui.set_max_width(widest - 26.0);
                // Names are cut or scrolled, never broken letter by letter.
                ui.style_mut().wrap_mode = Some(egui::TextWrapMode::Extend);
                ui.spacing_mut().button_padding = vec2(8.0, 2.0);
                ui.spacing_mut().interact_size.y = 23.0;
                ui.spacing_mut().item_spacing = vec2(6.0, 5.0);
                ui.horizontal(|ui| {
                    // What is always at hand keeps the right end; the effects take the rest.
                    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                        program(ui, level, help, actions);
                        ui.separator();
                        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                            effects(ui, view, actions);
                        });
                    });
                });
                let mut controls = |ui: &mut Ui| {
                    painting(ui, view, actions);
                    picture(ui, view, actions);
                };
                if ui.ctx().content_rect().height() < LOW {
                    // A third row would hide the picture.
                    ScrollArea::horizontal().id_salt("controls").show(ui, |ui| ui.horizontal(controls));
                } else {
                    ui.horizontal_wrapped(|ui| controls(ui));
                }
            });
        },
    );
    let response = shown.response;
    let menu = Popup::is_any_open(ui.ctx());
    Bar { height: response.rect.height() + MARGIN, held: response.contains_pointer() || menu }
}

fn effects(ui: &mut Ui, view: &View<'_>, actions: &mut Vec<Action>) {
    if view.effects.is_empty() {
        ui.label(RichText::new("No effects installed").color(style::MUTED));
        return;
    }
    let hint = "All effects at once, live, to choose by eye (G); / searches them";
    let all = format!("All {}", view.effects.len());
    if ui.button(all).on_hover_text(hint).clicked() {
        actions.push(Action::ToggleWall);
    }
    ui.separator();
    let low = ui.ctx().content_rect().height() < LOW;
    let picture = if low { vec2(54.0, 30.0) } else { vec2(72.0, 38.0) };
    // Where a click on an arrow leads.
    let wish = ui.scope_id().with("strip wish");
    let to = ui.data_mut(|d| d.remove_temp::<f32>(wish));
    let area = ScrollArea::horizontal().id_salt("effects").scroll_bar_visibility(ScrollBarVisibility::AlwaysHidden);
    let strip = match to {
        Some(to) => area.horizontal_scroll_offset(to),
        None => area,
    };
    let strip = strip.show(ui, |ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.horizontal(|ui| {
            for (i, effect) in view.effects.iter().enumerate() {
                let key = if i < 9 { DIGITS[i] } else { "" };
                let chosen = view.effect == Some(i);
                let marks = Marks { chosen, mirrored: view.controls.mirror, key, ..Marks::default() };
                let response = tile::show(ui, effect, view.pictures.get(i).copied().flatten(), picture, marks);
                if tile::star(ui, response.rect, effect, false) {
                    actions.push(Action::Star(i));
                } else if response.clicked() {
                    actions.push(Action::Effect(i));
                }
                let response = response.on_hover_text(&effect.title);
                // Chosen with a key, it may be out of sight.
                let remembered = response.id.with("chosen");
                let before = ui.data_mut(|d| d.get_temp::<bool>(remembered).unwrap_or(false));
                if chosen != before {
                    ui.data_mut(|d| d.insert_temp(remembered, chosen));
                    if chosen {
                        response.scroll_to_me(None);
                    }
                }
            }
        });
    });
    // What is out of sight shows by an arrow at that end, which brings a page of it.
    let (view_rect, hidden) = (strip.inner_rect, strip.content_size.x - strip.inner_rect.width());
    let offset = strip.state.unclamped_offset().x;
    for (there, left) in [(offset > 1.0, true), (hidden - offset > 1.0, false)] {
        if there && page(ui, view_rect, left) {
            let by = view_rect.width() * 0.8;
            let to = (if left { offset - by } else { offset + by }).clamp(0.0, hidden);
            ui.data_mut(|d| d.insert_temp(wish, to));
            ui.ctx().request_repaint();
        }
    }
}

/// The arrow at an end of the strip; true when it was clicked.
fn page(ui: &mut Ui, strip: egui::Rect, left: bool) -> bool {
    let align = if left { Align2::LEFT_CENTER } else { Align2::RIGHT_CENTER };
    let at = if left { strip.left_center() } else { strip.right_center() };
    let rect = align.anchor_size(at, vec2(20.0, strip.height().min(46.0)));
    let (name, words) = if left { ("earlier effects", "\u{2039}") } else { ("more effects", "\u{203a}") };
    let response = ui.interact(rect, ui.scope_id().with(name), egui::Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, name));
    let ground = if response.hovered() { style::FAINT } else { style::GROUND };
    ui.painter().rect_filled(rect, 6, ground);
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, words, style::strong(20.0), style::INK);
    response.clicked()
}

/// How it is painted: network, strength, a second style, what the governor keeps.
fn painting(ui: &mut Ui, view: &View<'_>, actions: &mut Vec<Action>) {
    let current = view.effect.and_then(|i| view.effects.get(i));
    if let Some(effect) = current.filter(|e| e.variants.len() > 1) {
        for id in &effect.variants {
            let selected = id.eq_ignore_ascii_case(view.variant);
            let hint = "The size of the network: larger paints finer and costs more (V)";
            if ui.add(Button::new(id.to_uppercase()).selected(selected)).on_hover_text(hint).clicked() {
                actions.push(Action::Variant(id.clone()));
            }
        }
    }
    if let Some(state) = view.governor {
        let name = if state.manual { "by hand" } else { state.keep.name() };
        ComboBox::from_id_salt("keep")
            .selected_text(format!("Keep: {name}"))
            .width(100.0)
            .show_ui(ui, |ui| {
                for keep in Keep::ALL {
                    let chosen = keep == state.keep && !state.manual;
                    let hint = keep.explanation();
                    if ui.selectable_label(chosen, keep.name()).on_hover_text(hint).clicked() {
                        actions.push(Action::Keep(keep));
                    }
                }
            })
            .response
            .on_hover_text("What the governor keeps when not everything fits into the budget");
    }
    label(ui, "Strength");
    let mut percent = (view.controls.strength * 100.0).round();
    if slider(ui, &mut percent, "How much of the painting is shown (Up, Down)") {
        actions.push(Action::Strength(percent / 100.0));
    }
    if let Some(effect) = current {
        paint(ui, view, effect, actions);
    }
    if let Some((i, effect)) = view.effect.zip(current) {
        blend(ui, view, i, effect, actions);
    }
}

/// The chosen effect's paint: its relief and its strokes.
fn paint(ui: &mut Ui, view: &View<'_>, effect: &EffectEntry, actions: &mut Vec<Action>) {
    if !effect.relief && !effect.canvas {
        return;
    }
    let button = ui.button("Paint \u{25bc}").on_hover_text("Thickness of the paint, size of the brush");
    Popup::menu(&button).close_behavior(PopupCloseBehavior::CloseOnClickOutside).show(|ui| {
        let before = view.controls.touch;
        let mut touch = before;
        let mut row = |name: &str, value: &mut f32, [least, most]: [u16; 2], hint: &str| {
            ui.horizontal(|ui| {
                let mut percent = (*value * 100.0).round();
                let range = f32::from(least)..=f32::from(most);
                let slider = egui::Slider::new(&mut percent, range).step_by(5.0).fixed_decimals(0).suffix(" %");
                if ui.add(slider).on_hover_text(hint).changed() {
                    *value = percent / 100.0;
                }
                ui.label(name);
            });
        };
        if effect.relief {
            row("Thickness", &mut touch.thickness, Touch::THICKNESS, "How thick the paint lies; 0 is flat");
        }
        row("Brush size", &mut touch.brush, Touch::BRUSH, "How wide the strokes are");
        if effect.canvas {
            row("Boldness", &mut touch.boldness, Touch::BOLDNESS, "How boldly the network paints strokes");
        }
        ui.horizontal(|ui| {
            if ui.button("Another hand").on_hover_text("The same paint, with other strokes").clicked() {
                touch = touch.next_hand();
            }
            if ui.button("Reset").on_hover_text("As the effect comes").clicked() {
                touch = Touch::default();
            }
        });
        if touch != before {
            actions.push(Action::Touch(touch));
        }
    });
}

/// A second style of the same network, and its share.
fn blend(ui: &mut Ui, view: &View<'_>, here: usize, effect: &EffectEntry, actions: &mut Vec<Action>) {
    let mixes = |(i, e): &(usize, &EffectEntry)| *i != here && e.network == effect.network;
    if effect.network.is_empty() || !view.effects.iter().enumerate().any(|e| mixes(&e)) {
        return;
    }
    let other = view.blend.map(|(_, other, _)| other);
    let share = view.blend.map_or(0.0, |(.., share)| share);
    let title = other.and_then(|i| view.effects.get(i)).map_or("Blend with …", |e| e.title.as_str());
    ComboBox::from_id_salt("blend")
        .selected_text(title)
        .width(100.0)
        .height(320.0)
        .show_ui(ui, |ui| {
            if let Some(other) = other
                && ui.selectable_label(false, "nothing").clicked()
            {
                actions.push(Action::Blend { other, share: 0.0 });
            }
            for (i, entry) in view.effects.iter().enumerate().filter(mixes) {
                if ui.selectable_label(other == Some(i), &entry.title).clicked() {
                    actions.push(Action::Blend { other: i, share: if share > 0.0 { share } else { 0.5 } });
                }
            }
        })
        .response
        .on_hover_text("A second effect to blend into this one");
    if let Some(other) = other {
        let mut percent = (share * 100.0).round();
        if slider(ui, &mut percent, "How much of the second effect") {
            actions.push(Action::Blend { other, share: percent / 100.0 });
        }
    }
}

/// How the picture is put together, and where it comes from.
fn picture(ui: &mut Ui, view: &View<'_>, actions: &mut Vec<Action>) {
    let controls = view.controls;
    let hint = "Camera picture left, painting right; drag the line (S)";
    toggle(ui, "Split", controls.split.is_some(), hint, Action::ToggleSplit, actions);
    toggle(ui, "Freeze", controls.frozen, "Stop the picture (Space)", Action::ToggleFreeze, actions);
    let recording = view.recording.is_some();
    let name = if recording { "Stop" } else { "Record" };
    toggle(ui, name, recording, "Record what is shown as MP4, or stop (R)", Action::ToggleRecording, actions);
    toggle(ui, "Picture", false, "Save a picture (P)", Action::Still, actions);
    ui.menu_button("More", |ui| {
        toggle(ui, "Mirror", controls.mirror, "Left and right as in a mirror (M)", Action::ToggleMirror, actions);
        let counting = view.countdown.is_some();
        let hint = "Save a picture in three seconds (T)";
        toggle(ui, "Picture in 3 seconds", counting, hint, Action::ToggleCountdown, actions);
        let hint = "Four pictures on a strip, the first in three seconds (U)";
        toggle(ui, "Photo strip", false, hint, Action::ToggleStrip, actions);
        ui.menu_button("Pictures are saved as", |ui| stills(ui, view.stills, actions));
        let kept = view.replay.is_some();
        let hint = "Keep what happens in memory, for the key L to save";
        toggle(ui, "Keep the last 10 seconds", kept, hint, Action::ToggleReplay, actions);
        let sent = view.sent.is_some();
        let hint = "Be a camera for video calls, or no longer (C)";
        toggle(ui, "Camera for calls", sent, hint, Action::ToggleCamera, actions);
    })
    .response
    .on_hover_text("The mirror, a picture after a countdown, the last ten seconds, a camera for video calls");
    if view.sources.len() > 1 {
        let current = view.sources.iter().find(|s| s.spec == view.source).map_or(view.source, |s| s.title.as_str());
        ComboBox::from_id_salt("source")
            .selected_text(current)
            .width(100.0)
            .show_ui(ui, |ui| {
                for source in view.sources {
                    let chosen = source.spec == view.source;
                    if ui.selectable_label(chosen, &source.title).clicked() && !chosen {
                        actions.push(Action::Source(source.spec.clone()));
                    }
                }
            })
            .response
            .on_hover_text("Where the picture comes from");
    }
}

/// The format of saved pictures, and what is on them.
pub(super) fn stills(ui: &mut Ui, now: Stills, actions: &mut Vec<Action>) {
    for (format, name, hint) in STILL_FORMATS {
        toggle(ui, name, now.format == format, hint, Action::Stills(Stills { format, ..now }), actions);
    }
    let original_beside = !now.original_beside;
    let hint = "The camera's picture to the left of the painted one";
    let action = Action::Stills(Stills { original_beside, ..now });
    toggle(ui, "With the original beside", now.original_beside, hint, action, actions);
}

const STILL_FORMATS: [(StillFormat, &str, &str); 2] = [
    (StillFormat::Png, "PNG", "Larger files, exact to the last pixel"),
    (StillFormat::Jpeg, "JPEG", "Smaller files, for sending"),
];

/// Figures, report, help; from the right.
fn program(ui: &mut Ui, level: Level, help: &mut bool, actions: &mut Vec<Action>) {
    if ui.add(Button::new("?").selected(*help)).on_hover_text("All keys (H)").clicked() {
        *help = !*help;
    }
    let hint = "Write a report of this run: every figure, to show to others (F3)";
    toggle(ui, "Report", false, hint, Action::SaveReport, actions);
    let hint = "Figures: nothing, a line, a card, everything (F1)";
    toggle(ui, "Figures", level != Level::Hidden, hint, Action::NextLevel, actions);
}

fn label(ui: &mut Ui, what: &str) {
    ui.add_space(2.0);
    ui.label(RichText::new(what).color(style::MUTED));
}

/// A slider in percent; true when it was moved.
fn slider(ui: &mut Ui, percent: &mut f32, hint: &str) -> bool {
    ui.spacing_mut().slider_width = 72.0;
    let slider = egui::Slider::new(percent, 0.0..=100.0).step_by(5.0).fixed_decimals(0).suffix(" %");
    ui.add(slider).on_hover_text(hint).changed()
}

fn toggle(ui: &mut Ui, name: &str, on: bool, hint: &str, action: Action, actions: &mut Vec<Action>) {
    if ui.add(Button::new(name).selected(on)).on_hover_text(hint).clicked() {
        actions.push(action);
    }
}
