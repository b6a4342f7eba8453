//! The pointer on the cards of the overlay: explanations, the graph that scrolls, hitches and buttons.

use super::graph::Frames;
use super::{Interface, Places, explain, overlay, style};

impl Interface {
    /// The cards as they were laid out last: explains what is under the pointer, and does what is clicked.
    pub(super) fn use_cards(&mut self, ui: &mut egui::Ui) {
        let Places { small, cost, state, timeline } = self.places.clone();
        let left = small.or(cost.map(|p| p.card));
        let (state_card, timeline_card) = (state.as_ref().map(|p| p.card), timeline.map(|p| p.card));
        let cards = [
            (left, &self.left, "figures"),
            (state_card, &self.right, "more figures"),
            (timeline_card, &self.right, "time line of a frame"),
        ];
        for (card, sheet, name) in cards {
            let Some(card) = card else { continue };
            let response = ui.interact(card, ui.scope_id().with(name), egui::Sense::hover());
            let said = &self.snapshot;
            response.widget_info(|| {
                let said = if name == "figures" { overlay::sentence(said) } else { name.to_owned() };
                egui::WidgetInfo::labeled(egui::Role::Label, true, said)
            });
            if let Some(hint) = response.hover_pos().and_then(|at| sheet.hint(at)) {
                tip(&response, hint);
            }
        }
        if let Some(places) = cost {
            let (name, hint) = if self.paused {
                ("Resume", "Let the figures go on (F2)")
            } else {
                ("Pause", "Stop the figures for reading; the picture goes on (F2)")
            };
            let button = egui::Button::new(egui::RichText::new(name).font(style::words(11.5))).selected(self.paused);
            if small_button(ui, places.button, button, hint) {
                self.pause(!self.paused);
            }
            self.use_graph(ui, places.graph);
        }
        if let Some(places) = state {
            for (row, frame) in places.hitches.into_iter().flatten() {
                let response = ui.interact(row, ui.scope_id().with(("hitch", frame.0)), egui::Sense::click());
                let response = response.on_hover_cursor(egui::CursorIcon::PointingHand);
                if response.clicked() {
                    self.open(Some(frame));
                }
                tip(&response, explain::HITCHES);
            }
        }
        if let Some(places) = timeline {
            let label = |name: &'static str| egui::Button::new(egui::RichText::new(name).font(style::words(11.5)));
            if small_button(ui, places.before, label("\u{2039}"), "The frame before (,)") {
                self.step(-1);
            }
            if small_button(ui, places.after, label("\u{203a}"), "The frame after (.)") {
                self.step(1);
            }
            if small_button(ui, places.close, label("Close"), "Back to all frames (Esc)") {
                self.open(None);
            }
        }
    }

    /// The wheel and dragging scroll through the last seconds, a click opens the frame under the pointer.
    fn use_graph(&mut self, ui: &mut egui::Ui, rect: egui::Rect) {
        let response = ui.interact(rect, ui.scope_id().with("graph"), egui::Sense::click_and_drag());
        let Some((summary, now)) = self.snapshot.figures() else { return };
        let frames = Frames {
            costs: &self.snapshot.costs,
            summary,
            now,
            range: self.range,
            paused: self.paused,
            selected: self.selected,
        };
        let under = response.hover_pos().or(response.interact_pointer_pos()).and_then(|at| frames.at(rect, at.x));
        let under = under.map(|c| (c.stamp.id, c.total, c.bottleneck));
        let (wheel, zoom) = if response.contains_pointer() {
            ui.input(|i| (i.smooth_scroll_delta(), i.zoom_delta()))
        } else {
            (egui::Vec2::ZERO, 1.0)
        };
        let moved = wheel.x + wheel.y + response.drag_delta().x;
        if moved != 0.0 || zoom != 1.0 {
            self.pause(true);
            let before = self.range;
            self.range.scroll(moved / rect.width() * self.range.span);
            if let Some(at) = response.hover_pos() {
                self.range.zoom(1.0 / zoom, (at.x - rect.left()) / rect.width());
            }
            if self.range != before {
                self.drawn = None;
            }
        }
        match under {
            Some((id, ..)) if response.clicked() => self.open(Some(id)),
            Some((id, total, bottleneck)) if response.hovered() => {
                let held = bottleneck.map_or("not judged", |b| b.name());
                response.on_hover_ui_at_pointer(|ui| {
                    ui.set_max_width(300.0);
                    let ms = total.as_secs_f64() * 1e3;
                    ui.label(format!("Frame {}: {ms:.1} ms, bottleneck: {held}", id.0));
                    ui.label(egui::RichText::new("Click opens it; wheel and dragging scroll").color(style::MUTED));
                    ui.separator();
                    ui.label(explain::GRAPH);
                });
            }
            _ => tip(&response, explain::GRAPH),
        }
    }
}

/// Explains what is under the pointer.
fn tip(response: &egui::Response, hint: &str) {
    response.clone().on_hover_ui_at_pointer(|ui| {
        ui.set_max_width(300.0);
        ui.label(hint);
    });
}

/// A button at a place on a card; true when it was clicked.
fn small_button(ui: &mut egui::Ui, rect: egui::Rect, button: egui::Button<'_>, hint: &str) -> bool {
    ui.scope(|ui| {
        ui.spacing_mut().button_padding = egui::vec2(6.0, 1.0);
        ui.spacing_mut().interact_size.y = rect.height();
        ui.put(rect, button).on_hover_text(hint).clicked()
    })
    .inner
}
