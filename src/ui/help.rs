//! The list of keys, over everything else.

use egui::{Align2, RichText, Ui, vec2};

use super::style;

/// What the keys do, in groups. What they really do is in `app::keys`,
/// whose tests compare the two.
pub const KEYS: [(&str, &[(&str, &str)]); 3] = [
    (
        "Painting",
        &[
            ("G", "all effects at once, live"),
            ("/", "search them"),
            ("1 … 9", "choose an effect"),
            ("← →", "the effect before, the next one"),
            ("↑ ↓", "more or less of the painting"),
            ("Shift 1 … 9", "blend a second effect in"),
            ("B", "blend or not"),
            ("[ ]", "less or more of the second"),
            ("V", "another size of the network"),
            ("E", "engine: automatic, GPU, CPU"),
            ("K", "what the governor keeps"),
            ("M", "mirror"),
            ("S", "split: camera left, painting right"),
        ],
    ),
    (
        "Figures",
        &[
            ("F1", "none, line, card, everything"),
            ("F2", "pause, and look at frames"),
            (", .", "the frame before, the next one"),
            ("F3", "save a report of the run"),
        ],
    ),
    (
        "Picture",
        &[
            ("Space", "freeze the picture"),
            ("P", "save the picture"),
            ("T", "save it in three seconds"),
            ("R", "record, and stop"),
            ("C", "be a camera for video calls"),
            ("F  F11", "full screen"),
            ("H  ?", "show or hide this list"),
            ("Esc", "close, leave the full screen"),
            ("Q  Ctrl Q", "quit"),
        ],
    ),
];

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
                        ui.vertical(|ui| groups.iter().for_each(|&g| group(ui, KEYS[g].0, KEYS[g].1, low)));
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

/// Which of [`KEYS`]' groups stand in which column of a window that is `width` points wide.
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

fn group(ui: &mut Ui, name: &str, keys: &[(&str, &str)], low: bool) {
    ui.label(RichText::new(name).font(style::strong(14.0)));
    let spacing = if low { vec2(8.0, 1.0) } else { vec2(12.0, 5.0) };
    egui::Grid::new(name).num_columns(2).spacing(spacing).min_row_height(0.0).show(ui, |ui| {
        for (key, what) in keys {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 4.0;
                key.split_whitespace().for_each(|cap| keycap(ui, cap));
            });
            ui.label(RichText::new(*what).font(style::words(12.5)).color(style::MUTED));
            ui.end_row();
        }
    });
    if !low {
        ui.add_space(8.0);
    }
}
