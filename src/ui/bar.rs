//! The bar at the bottom: effects, network size, strength, mirror, split, freeze, still, source. Hides by itself.

use egui::{Align2, Button, RichText, ScrollArea, Ui, vec2};

use super::{Action, Level, View, style};

/// What the bar takes of the window.
pub struct Bar {
    /// Points from the window's bottom to the bar's top.
    pub height: f32,
    /// The pointer is on it, or a menu of it is open: it must not hide now.
    pub held: bool,
}

pub fn show(ui: &mut Ui, view: &View<'_>, level: Level, actions: &mut Vec<Action>) -> Bar {
    let widest = (ui.max_rect().width() - 24.0).max(200.0);
    let shown =
        egui::Area::new(egui::Id::unique("bar")).anchor(Align2::CENTER_BOTTOM, vec2(0.0, -12.0)).show(ui.ctx(), |ui| {
            style::card().inner_margin(egui::Margin::symmetric(12, 8)).show(ui, |ui| {
                ui.set_max_width(widest - 26.0);
                effects(ui, view, actions);
                ui.horizontal_wrapped(|ui| controls(ui, view, level, actions));
            });
        });
    let response = shown.response;
    let menu = egui::Popup::is_any_open(ui.ctx());
    Bar { height: response.rect.height() + 12.0, held: response.contains_pointer() || menu }
}

fn effects(ui: &mut Ui, view: &View<'_>, actions: &mut Vec<Action>) {
    ScrollArea::horizontal().id_salt("effects").show(ui, |ui| {
        ui.horizontal(|ui| {
            if view.effects.is_empty() {
                ui.label(RichText::new("No effects installed").color(style::MUTED));
            }
            for (i, effect) in view.effects.iter().enumerate() {
                let key = if i < 9 { format!("{}  ", i + 1) } else { String::new() };
                let label = format!("{key}{}", effect.title);
                let button =
                    Button::new(RichText::new(label).font(style::words(13.0))).selected(view.effect == Some(i));
                let response = ui.add(button);
                if response.clicked() {
                    actions.push(Action::Effect(i));
                }
            }
        });
    });
}

fn controls(ui: &mut Ui, view: &View<'_>, level: Level, actions: &mut Vec<Action>) {
    let controls = view.controls;
    if let Some(effect) = view.effect.and_then(|i| view.effects.get(i)).filter(|e| e.variants.len() > 1) {
        ui.spacing_mut().item_spacing.x = 3.0;
        for id in &effect.variants {
            let selected = id.eq_ignore_ascii_case(view.variant);
            let hint = "The size of the network: larger paints finer and costs more";
            if ui.add(Button::new(id.to_uppercase()).selected(selected)).on_hover_text(hint).clicked() {
                actions.push(Action::Variant(id.clone()));
            }
        }
        ui.spacing_mut().item_spacing.x = 8.0;
        ui.add_space(6.0);
    }
    ui.label(RichText::new("Strength").font(style::words(13.0)).color(style::MUTED));
    let mut percent = (controls.strength * 100.0).round();
    let slider = egui::Slider::new(&mut percent, 0.0..=100.0).step_by(5.0).suffix(" %");
    if ui.add(slider).on_hover_text("How much of the painting is shown (Up, Down)").changed() {
        actions.push(Action::Strength(percent / 100.0));
    }
    ui.add_space(6.0);
    let mut toggle = |ui: &mut Ui, name: &str, on: bool, hint: &str, action: Action| {
        if ui.add(Button::new(name).selected(on)).on_hover_text(hint).clicked() {
            actions.push(action);
        }
    };
    toggle(ui, "Mirror", controls.mirror, "Left and right as in a mirror (M)", Action::Mirror(!controls.mirror));
    let split = if controls.split.is_some() { None } else { Some(0.5) };
    toggle(
        ui,
        "Split",
        controls.split.is_some(),
        "Camera picture left, painting right; drag the line (S)",
        Action::Split(split),
    );
    toggle(ui, "Freeze", controls.frozen, "Stop the picture (Space)", Action::Freeze(!controls.frozen));
    toggle(ui, "Figures", level != Level::Hidden, "More or less of the figures (F1)", Action::Level(level.next()));
    toggle(ui, "Save picture", false, "Save a picture (P)", Action::Still);
    if view.sources.len() > 1 {
        let current = view.sources.iter().find(|s| s.spec == view.source).map_or(view.source, |s| s.title.as_str());
        egui::ComboBox::from_id_salt("source")
            .selected_text(current)
            .width(120.0)
            .show_ui(ui, |ui| {
                for source in view.sources {
                    if ui.selectable_label(source.spec == view.source, &source.title).clicked()
                        && source.spec != view.source
                    {
                        actions.push(Action::Source(source.spec.clone()));
                    }
                }
            })
            .response
            .on_hover_text("Where the picture comes from");
    }
}
