//! The list of keys, over everything else.

use egui::{Align2, RichText, Ui, vec2};

use super::commands::{GROUPS, Line};
use super::style;

/// Draws the list in as many columns as the window has room for; a click on its button closes it.
pub fn show(ui: &mut Ui, open: &mut bool) {
    let window = ui.max_rect();
    let (columns, low) = (columns(window.width()), window.height() < 460.0);
    egui::Area::new(egui::Id::unique("help")).anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0)).show(ui.ctx(), |ui| {
        let margin = if low { egui::Margin::symmetric(14, 8) } else { egui::Margin::symmetric(20, 16) };
        style::opaque_card().inner_margin(margin).show(ui, |ui| {
            ui.spacing_mut().scroll = egui::style::ScrollStyle::solid();
            let room = window.height() - if low { 62.0 } else { 90.0 };
            egui::ScrollArea::vertical().max_height(room).show(ui, |ui| {
                ui.spacing_mut().item_spacing = vec2(10.0, if low { 1.0 } else { 5.0 });
                ui.horizontal_top(|ui| {
                    for (i, groups) in columns.iter().enumerate() {
                        if i > 0 {
                            ui.add_space(if low { 6.0 } else { 18.0 });
                        }
                        ui.vertical(|ui| groups.iter().for_each(|&g| group(ui, GROUPS[g].0, GROUPS[g].1, low)));
                    }
                });
            });
            if !low {
                ui.add_space(6.0);
            }
            ui.horizontal(|ui| {
                if ui.button("Close").on_hover_text("Hide this list (H, ?, Esc)").clicked() {
                    *open = false;
                }
                let more = "Rest the pointer on a figure and it explains itself.";
                ui.label(RichText::new(more).font(style::words(12.0)).color(style::MUTED));
            });
        });
    });
}

/// Which of the [`GROUPS`] stand in which column of a window that is `width` points wide.
fn columns(width: f32) -> &'static [&'static [usize]] {
    match width {
        w if w >= 900.0 => &[&[0], &[1], &[2]],
        w if w >= 600.0 => &[&[0], &[1, 2]],
        _ => &[&[0, 1, 2]],
    }
}

/// The name of a key as it looks on a keyboard; what stands between two keys has no cap.
fn keycap(ui: &mut Ui, cap: &str) {
    let words = RichText::new(cap).font(style::strong(12.0));
    if cap == "…" {
        ui.label(words);
        return;
    }
    egui::Frame::new()
        .fill(egui::Color32::from_rgb(46, 50, 60))
        .corner_radius(egui::CornerRadius::same(4))
        .inner_margin(egui::Margin::symmetric(6, 1))
        .show(ui, |ui| ui.label(words));
}

fn group(ui: &mut Ui, name: &str, lines: &[Line], low: bool) {
    ui.label(RichText::new(name).font(style::strong(14.0)));
    let spacing = if low { vec2(8.0, 1.0) } else { vec2(12.0, 5.0) };
    egui::Grid::new(name).num_columns(2).spacing(spacing).min_row_height(0.0).show(ui, |ui| {
        for Line { caps, words, .. } in lines {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                caps.split_whitespace().for_each(|cap| keycap(ui, cap));
            });
            ui.label(RichText::new(*words).font(style::words(12.5)).color(style::MUTED));
            ui.end_row();
        }
    });
    if !low {
        ui.add_space(8.0);
    }
}
