//! The wall: all effects at once, to choose by eye. Pictures are live while whoever owns the window sees to it
//! ([`Wall::wanted`]), else those of the packs.
//!
//! Keys that are not typed into the search come in through [`Wall::walk`] and its like, from whoever knows keyboards.

use egui::{Button, RichText, ScrollArea, Ui, Vec2, vec2};

use super::tile::{self, Marks};
use super::{Action, EffectEntry, View, style};
use crate::metrics::WallCost;

/// Points; the picture of a tile is at least so wide, and wider where the columns leave room.
const LEAST_WIDTH: f32 = 148.0;
const SMALL_WIDTH: f32 = 104.0;
const GAP: f32 = 10.0;
/// Points below the pictures for what they cost.
const FOOT: f32 = 24.0;

/// What is open, and how.
#[derive(Clone, Debug, Default)]
pub struct Wall {
    search: String,
    /// The search is to take the keyboard with the next picture.
    focus_search: bool,
    filter: Filter,
    /// Name of the effect where the keyboard is. It stays on it when the filter changes.
    cursor: Option<String>,
    /// The cursor was moved with keys: it has to come into sight.
    reveal: bool,
    columns: usize,
    /// What is to be seen now, in order, and where the pointer is: indices into [`View::effects`].
    visible: Vec<usize>,
    pointed: Option<usize>,
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Filter {
    #[default]
    All,
    Starred,
    Kind(String),
}

/// Which effects the wall wants live pictures of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    pub visible: &'a [usize],
    /// More often than the others.
    pub first: Option<usize>,
}

impl Wall {
    /// A wall with the keyboard on `effect`.
    pub fn at(effect: Option<&EffectEntry>) -> Self {
        Self { cursor: effect.map(|e| e.name.clone()), reveal: true, columns: 1, ..Self::default() }
    }

    /// The search takes the keyboard.
    pub fn search(&mut self) {
        self.focus_search = true;
    }

    pub fn wanted(&self) -> Wanted<'_> {
        Wanted { visible: &self.visible, first: self.pointed }
    }

    fn shows(&self, effect: &EffectEntry) -> bool {
        let kind = match &self.filter {
            Filter::All => true,
            Filter::Starred => effect.starred,
            Filter::Kind(kind) => effect.kind == *kind,
        };
        let words = self.search.to_lowercase();
        let text = format!("{} {} {} {}", effect.title, effect.name, effect.artist, effect.kind).to_lowercase();
        kind && words.split_whitespace().all(|word| text.contains(word))
    }

    fn shown(&self, effects: &[EffectEntry]) -> Vec<usize> {
        (0..effects.len()).filter(|&i| self.shows(&effects[i])).collect()
    }

    /// The effect where the keyboard is, among those that the search leaves.
    pub fn under_cursor(&self, effects: &[EffectEntry]) -> Option<usize> {
        let shown = self.shown(effects);
        let at = |name: &String| shown.iter().copied().find(|&i| effects[i].name == *name);
        self.cursor.as_ref().and_then(at).or(shown.first().copied())
    }

    /// Moves the cursor so many tiles to the right and rows down.
    pub fn walk(&mut self, right: isize, down: isize, effects: &[EffectEntry]) {
        let shown = self.shown(effects);
        let Some(here) = self.under_cursor(effects).and_then(|i| shown.iter().position(|&s| s == i)) else { return };
        let there = here as isize + right + down * self.columns as isize;
        if let Some(&index) = usize::try_from(there).ok().and_then(|there| shown.get(there)) {
            self.cursor = Some(effects[index].name.clone());
        }
        self.reveal = true;
    }

    /// Draws it over the whole of `ui`. False when it is to be closed.
    pub fn show(&mut self, ui: &mut Ui, view: &View<'_>, actions: &mut Vec<Action>) -> bool {
        let window = ui.max_rect();
        let mut open = true;
        let area = egui::Area::new(egui::Id::unique("wall")).order(egui::Order::Middle).fixed_pos(window.min);
        area.show(ui.ctx(), |ui| {
            ui.set_clip_rect(window);
            ui.painter().rect_filled(window, 0.0, style::GROUND);
            let inner = window.shrink2(vec2(14.0, 10.0));
            ui.scope_builder(egui::UiBuilder::new().max_rect(inner), |ui| {
                open = self.head(ui, view, actions);
                ui.add_space(4.0);
                open &= self.grid(ui, view, actions);
                if let Some(cost) = view.wall {
                    ui.label(RichText::new(said(&cost)).font(style::words(11.5)).color(style::MUTED))
                        .on_hover_text(COST);
                }
            });
        });
        open
    }

    /// Search, kinds, and how to get out.
    fn head(&mut self, ui: &mut Ui, view: &View<'_>, actions: &mut Vec<Action>) -> bool {
        let (mut open, mut chosen) = (true, false);
        ui.style_mut().wrap_mode = Some(egui::TextWrapMode::Extend);
        ui.horizontal(|ui| {
            let hint = "Search (/)";
            let width = if ui.max_rect().width() < 560.0 { 96.0 } else { 160.0 };
            let search = ui.add(egui::TextEdit::singleline(&mut self.search).hint_text(hint).desired_width(width));
            if std::mem::take(&mut self.focus_search) {
                search.request_focus();
            }
            // Enter takes what the search leaves first, the arrow down goes on among the pictures.
            let pressed = |key| ui.input(|input| input.key_pressed(key));
            chosen = search.lost_focus() && pressed(egui::Key::Enter);
            if search.has_focus() && pressed(egui::Key::ArrowDown) {
                search.surrender_focus();
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if ui.button("Close").on_hover_text("Back to the picture (G, Esc)").clicked() {
                    open = false;
                }
                ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                    ScrollArea::horizontal().id_salt("kinds").show(ui, |ui| ui.horizontal(|ui| self.kinds(ui, view)));
                });
            });
        });
        if chosen && let Some(index) = self.under_cursor(view.effects) {
            actions.push(Action::Effect(index));
            open = false;
        }
        open
    }

    fn kinds(&mut self, ui: &mut Ui, view: &View<'_>) {
        let mut filters = vec![(Filter::All, "All")];
        if view.effects.iter().any(|e| e.starred) {
            filters.push((Filter::Starred, "Favourites"));
        }
        for effect in view.effects {
            let kind = Filter::Kind(effect.kind.clone());
            if !filters.iter().any(|(f, _)| *f == kind) {
                filters.push((kind, &effect.kind));
            }
        }
        for (filter, name) in filters {
            if ui.add(Button::new(name).selected(self.filter == filter)).clicked() {
                self.filter = filter;
            }
        }
    }

    fn grid(&mut self, ui: &mut Ui, view: &View<'_>, actions: &mut Vec<Action>) -> bool {
        let mut open = true;
        self.visible.clear();
        self.pointed = None;
        let shown = self.shown(view.effects);
        if shown.is_empty() {
            let what = if view.effects.is_empty() { "No effects are installed" } else { "No effect is called so" };
            ui.label(RichText::new(what).font(style::words(14.0)).color(style::MUTED));
            return true;
        }
        let cursor = self.under_cursor(view.effects);
        ui.spacing_mut().scroll = egui::style::ScrollStyle::solid();
        // The bar takes its room whether or not it is there, so that tiles keep their places.
        let bar = ui.spacing().scroll.bar_width + ui.spacing().scroll.bar_inner_margin + 2.0;
        let width = ui.available_width() - bar;
        let picture = self.lay_out(width, view.picture_aspect);
        let height = ui.available_height() - FOOT;
        ScrollArea::vertical().id_salt("wall").auto_shrink([false, false]).max_height(height).show(ui, |ui| {
            ui.spacing_mut().item_spacing = vec2(GAP, GAP);
            for row in shown.chunks(self.columns) {
                ui.horizontal(|ui| {
                    for &i in row {
                        let effect = &view.effects[i];
                        let key = if i < 9 { DIGITS[i] } else { "" };
                        let marks = Marks {
                            chosen: view.effect == Some(i),
                            cursor: cursor == Some(i),
                            mirrored: view.controls.mirror,
                            key,
                        };
                        let face = view.pictures.get(i).copied().flatten();
                        let response = tile::show(ui, effect, face, picture, marks);
                        if ui.is_rect_visible(response.rect) {
                            self.visible.push(i);
                        }
                        if response.contains_pointer() {
                            self.pointed = Some(i);
                        }
                        if cursor == Some(i) && self.reveal {
                            response.scroll_to_me(None);
                        }
                        let starred = tile::star(ui, response.rect, effect, response.contains_pointer());
                        if starred {
                            actions.push(Action::Star(i));
                        } else if response.clicked() {
                            actions.push(Action::Effect(i));
                            open = false;
                        }
                    }
                });
            }
        });
        self.reveal = false;
        // Without a pointer the keyboard says what is looked at.
        self.pointed = self.pointed.or(cursor);
        open
    }

    /// Settles the columns for a grid so many points wide; returns the size of a tile's picture.
    fn lay_out(&mut self, width: f32, aspect: Option<f32>) -> Vec2 {
        let least = if width < 720.0 { SMALL_WIDTH } else { LEAST_WIDTH };
        self.columns = (((width + GAP) / (least + GAP)).floor() as usize).max(1);
        let wide = ((width + GAP) / self.columns as f32 - GAP).floor();
        // Faces of tall pictures are shown from their middle.
        let aspect = aspect.unwrap_or(16.0 / 9.0).clamp(1.2, 1.8);
        vec2(wide, (wide / aspect).floor())
    }
}

/// What the live pictures cost, in one line.
fn said(cost: &WallCost) -> String {
    let WallCost { load, picture_ms, age_ms } = cost;
    format!("{picture_ms:.0} ms each, new every {:.1} s, {:.0} % of a core", age_ms / 1e3, load * 100.0)
}

const COST: &str = "What these pictures cost: time for one of them, the longest wait from one to the next, and how much of \
                    one processor core they take. The large picture waits meanwhile.";

pub(super) const DIGITS: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

#[cfg(test)]
mod tests {
    use super::*;

    fn effects() -> Vec<EffectEntry> {
        let effect = |title: &str, kind: &str, starred: bool| EffectEntry {
            name: title.to_lowercase().replace(' ', "-"),
            title: title.to_owned(),
            artist: if kind == "Paintings" { "Vincent van Gogh".to_owned() } else { String::new() },
            kind: kind.to_owned(),
            starred,
            ..EffectEntry::default()
        };
        vec![
            effect("The Starry Night", "Paintings", false),
            effect("The Night Café", "Paintings", true),
            effect("Oil", "Oil", false),
            effect("Neon", "Glass", false),
            effect("Stained Glass", "Glass", true),
        ]
    }

    #[test]
    fn words_kinds_and_stars_leave_what_fits() {
        let effects = effects();
        let mut wall = Wall::at(effects.get(3));
        let shown = |wall: &Wall| wall.shown(&effects);
        assert_eq!(shown(&wall), [0, 1, 2, 3, 4]);
        assert_eq!(wall.under_cursor(&effects), Some(3));
        wall.search = "night gogh".to_owned();
        assert_eq!(shown(&wall), [0, 1]);
        assert_eq!(wall.under_cursor(&effects), Some(0), "where the cursor is filtered out, the first takes its place");
        wall.search = "glass".to_owned();
        assert_eq!(shown(&wall), [3, 4], "kinds are found too");
        wall.filter = Filter::Starred;
        assert_eq!(shown(&wall), [4]);
        wall.search.clear();
        assert_eq!(shown(&wall), [1, 4]);
        wall.filter = Filter::Kind("Glass".to_owned());
        assert_eq!(shown(&wall), [3, 4]);
        wall.search = "nothing".to_owned();
        assert_eq!(wall.under_cursor(&effects), None);
    }

    #[test]
    fn arrows_walk_in_rows_and_stop_at_the_edges() {
        let effects = effects();
        let mut wall = Wall::at(effects.first());
        wall.lay_out(340.0, None);
        assert_eq!(wall.columns, 3);
        let mut go = |right, down| {
            wall.walk(right, down, &effects);
            wall.under_cursor(&effects)
        };
        assert_eq!(go(-1, 0), Some(0));
        assert_eq!(go(0, 1), Some(3));
        assert_eq!(go(1, 0), Some(4));
        assert_eq!(go(1, 0), Some(4), "the end");
        assert_eq!(go(0, -1), Some(1));
        assert_eq!(go(0, -1), Some(1));
    }
}
