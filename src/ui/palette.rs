//! The palette: everything that can be asked for, found by typing some of its name.

use egui::{Align2, Key, Modifiers, RichText, ScrollArea, Ui, vec2};

use super::{Action, View, commands, style};
use crate::output::{StillFormat, Stills};
use crate::quality::Keep;

/// One thing to choose.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    /// What sort of thing it is: `Effect`, `Camera`; empty for what keys do.
    kind: &'static str,
    title: String,
    /// Found by these too.
    also: String,
    /// The key that does it; empty where there is none.
    key: &'static str,
    action: Action,
}

/// What is typed, and what the keyboard is on.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    query: String,
    /// Among what the query leaves.
    cursor: usize,
    /// It was drawn before: the key that opened it is over.
    shown: bool,
}

/// Points.
const WIDTH: f32 = 460.0;
const ROW: f32 = 26.0;

impl Palette {
    /// Draws it. False when it is to be closed.
    pub fn show(&mut self, ui: &mut Ui, view: &View<'_>, actions: &mut Vec<Action>) -> bool {
        let window = ui.max_rect();
        let first = !std::mem::replace(&mut self.shown, true);
        // Before the line of text sees them.
        let pressed = |key| ui.input_mut(|input| input.consume_key(Modifiers::NONE, key));
        let (up, down) = (pressed(Key::ArrowUp), pressed(Key::ArrowDown));
        let (enter, escape) = (pressed(Key::Enter), pressed(Key::Escape));
        let again = ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::K));
        if escape || (again && !first) {
            return false;
        }
        let mut open = true;
        let top = (window.height() * 0.12).min(90.0);
        egui::Area::new(egui::Id::unique("palette"))
            .order(egui::Order::Foreground)
            .anchor(Align2::CENTER_TOP, vec2(0.0, top))
            .show(ui.ctx(), |ui| {
                style::opaque_card().inner_margin(egui::Margin::same(12)).show(ui, |ui| {
                    ui.set_width(WIDTH.min(window.width() - 48.0));
                    let line = egui::TextEdit::singleline(&mut self.query)
                        .id_salt("palette")
                        .hint_text("An effect, a camera, what to do …")
                        .desired_width(f32::INFINITY);
                    let line = ui.add(line);
                    if !line.has_focus() {
                        line.request_focus();
                    }
                    if line.changed() {
                        self.cursor = 0;
                    }
                    let found = found(&self.query, entries(view));
                    let last = found.len().saturating_sub(1);
                    self.cursor = match (up, down) {
                        (true, _) => self.cursor.saturating_sub(1),
                        (_, true) => self.cursor + 1,
                        _ => self.cursor,
                    }
                    .min(last);
                    ui.add_space(6.0);
                    let height = (window.height() - top - 110.0).clamp(ROW, 12.0 * ROW);
                    ScrollArea::vertical().max_height(height).auto_shrink([false, true]).show(ui, |ui| {
                        ui.spacing_mut().item_spacing.y = 0.0;
                        if found.is_empty() {
                            ui.label(RichText::new("Nothing is called so").color(style::MUTED));
                        }
                        for (i, entry) in found.into_iter().enumerate() {
                            let here = i == self.cursor;
                            let response = row(ui, &entry, here);
                            if here && (up || down) {
                                response.scroll_to_me(None);
                            }
                            if response.clicked() || (here && enter) {
                                actions.push(entry.action);
                                open = false;
                            }
                        }
                    });
                });
            });
        open
    }
}

fn row(ui: &mut Ui, entry: &Entry, here: bool) -> egui::Response {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), egui::Sense::click());
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, here, &entry.title));
    if ui.is_rect_visible(rect) {
        if here || response.hovered() {
            ui.painter().rect_filled(rect, 5, if here { style::FAINT } else { style::EDGE });
        }
        let painter = ui.painter().with_clip_rect(rect);
        let mut at = rect.left_center() + vec2(8.0, 0.0);
        if !entry.kind.is_empty() {
            let kind = painter.text(at, Align2::LEFT_CENTER, entry.kind, style::words(11.5), style::MUTED);
            at.x = kind.right() + 8.0;
        }
        painter.text(at, Align2::LEFT_CENTER, &entry.title, style::words(14.0), style::INK);
        if !entry.key.is_empty() {
            let right = rect.right_center() - vec2(8.0, 0.0);
            painter.text(right, Align2::RIGHT_CENTER, entry.key, style::strong(12.0), style::MUTED);
        }
    }
    response
}

/// Everything that there is to choose.
fn entries(view: &View<'_>) -> Vec<Entry> {
    let plain = |title: String, kind, action| Entry { kind, title, also: String::new(), key: "", action };
    let keys = commands::bound()
        .filter(|bound| !bound.title.is_empty())
        .map(|bound| Entry { key: bound.key, ..plain(bound.title.to_owned(), "", bound.action.clone()) });
    let effects = view.effects.iter().enumerate().map(|(i, effect)| Entry {
        also: format!("{} {} {}", effect.name, effect.artist, effect.kind),
        ..plain(effect.title.clone(), "Effect", Action::Effect(i))
    });
    let sources = view.sources.iter().map(|s| plain(s.title.clone(), "Source", Action::Source(s.spec.clone())));
    let keeps = Keep::ALL.into_iter().map(|keep| Entry {
        also: keep.explanation().to_owned(),
        ..plain(keep.name().to_owned(), "Keep", Action::Keep(keep))
    });
    let effect = view.effect.and_then(|i| view.effects.get(i));
    let sizes = effect.filter(|e| e.variants.len() > 1).into_iter().flat_map(|e| &e.variants);
    let sizes = sizes.map(|id| plain(id.to_uppercase(), "Size of the network", Action::Variant(id.clone())));
    let (png, jpeg) = (StillFormat::Png, StillFormat::Jpeg);
    let stills = [
        ("PNG", Stills { format: png, ..view.stills }),
        ("JPEG", Stills { format: jpeg, ..view.stills }),
        ("with the original beside", Stills { original_beside: true, ..view.stills }),
        ("without the original", Stills { original_beside: false, ..view.stills }),
    ]
    .map(|(name, stills)| plain(name.to_owned(), "Save pictures", Action::Stills(stills)));
    effects.chain(keys).chain(sources).chain(keeps).chain(sizes).chain(stills).collect()
}

/// Those that have every word of `query`, those first whose title begins with it.
fn found(query: &str, entries: Vec<Entry>) -> Vec<Entry> {
    let query = query.to_lowercase();
    let words: Vec<&str> = query.split_whitespace().collect();
    let rank = |entry: &Entry| {
        let title = entry.title.to_lowercase();
        let rest = format!("{} {}", entry.kind, entry.also).to_lowercase();
        words.iter().all(|word| title.contains(word) || rest.contains(word)).then(|| {
            let begins = title.split_whitespace().any(|t| words.first().is_some_and(|word| t.starts_with(word)));
            match () {
                () if title.starts_with(query.trim()) => 0,
                () if begins => 1,
                () => 2,
            }
        })
    };
    let mut ranked: Vec<(u8, Entry)> = entries.into_iter().filter_map(|e| Some((rank(&e)?, e))).collect();
    // Stable: what is alike keeps its order.
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, entry)| entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &'static str, title: &str, also: &str) -> Entry {
        Entry { kind, title: title.into(), also: also.into(), key: "", action: Action::Escape }
    }

    #[test]
    fn every_word_counts_and_beginnings_come_first() {
        let all = vec![
            entry("Effect", "The Starry Night", "Vincent van Gogh Paintings"),
            entry("Effect", "Stained Glass", "Glass"),
            entry("", "Record, or stop", ""),
            entry("Source", "Demo", ""),
        ];
        let titles = |query: &str| found(query, all.clone()).into_iter().map(|e| e.title).collect::<Vec<_>>();
        assert_eq!(titles("").len(), 4);
        assert_eq!(titles("sta"), ["Stained Glass", "The Starry Night"]);
        assert_eq!(titles("gogh effect"), ["The Starry Night"]);
        assert_eq!(titles("STOP"), ["Record, or stop"]);
        assert_eq!(titles("source"), ["Demo"]);
        assert!(titles("nothing such").is_empty());
    }
}
