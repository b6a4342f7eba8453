//! What is drawn over the picture: the overlay with its figures, the bar with its controls, the messages.
//!
//! Data in ([`View`]), actions out ([`Action`]): nothing here knows windows, GPUs or threads, and nothing here changes
//! anything but what the interface itself looks like ([`Interface`]). Everything is readable over any picture (each part
//! has a backdrop of its own), and what a colour says is said in words too.

mod bar;
mod figures;
mod graph;
mod messages;
mod overlay;
pub mod style;
mod words;

pub use words::Words;

use std::time::{Duration, Instant};

use crate::fault::Fault;
use crate::metrics::{Meter, Subject, Summary};
use crate::system::Reading;

/// How much of the overlay is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Hidden,
    /// One line of the most important figures.
    Line,
    /// Table, budget, graph and reasons.
    #[default]
    Full,
}

impl Level {
    /// The next in the circle full, line, hidden.
    pub fn next(self) -> Self {
        match self {
            Self::Full => Self::Line,
            Self::Line => Self::Hidden,
            Self::Hidden => Self::Full,
        }
    }
}

/// How the picture is put together, as the user set it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Controls {
    /// 0 shows the camera's picture, 1 the painting.
    pub strength: f32,
    pub mirror: bool,
    /// The line between before (left) and after (right), as a share of the width from the left.
    pub split: Option<f32>,
    /// The picture stands still.
    pub frozen: bool,
}

/// One effect to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectEntry {
    pub name: String,
    pub title: String,
    /// Ids, smallest network first.
    pub variants: Vec<String>,
}

/// One source to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceEntry {
    /// As `--source` takes it.
    pub spec: String,
    pub title: String,
}

/// Everything that the interface shows at one moment.
pub struct View<'a> {
    pub meter: &'a Meter,
    /// Figures of the meter, at most some tenths of a second old: numbers that change with each frame cannot be read.
    pub summary: &'a Summary,
    pub subject: &'a Subject,
    pub effects: &'a [EffectEntry],
    /// Index of the effect that was asked for; it may still be being prepared.
    pub effect: Option<usize>,
    pub variant: &'a str,
    /// What is being prepared aside, for people; `None` when nothing is.
    pub preparing: Option<&'a str>,
    pub sources: &'a [SourceEntry],
    pub source: &'a str,
    pub controls: Controls,
    /// Width over height of the picture, which lies centred in the window, whole; `None` while there is none.
    pub picture_aspect: Option<f32>,
    /// The worst first, with how often each was reported.
    pub faults: &'a [(Fault, u32)],
    /// What the machine's sensors said last.
    pub system: &'a Reading,
    pub now: Instant,
}

/// What the user asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Index into [`View::effects`].
    Effect(usize),
    /// An id of the chosen effect's variants.
    Variant(String),
    /// A spec from [`View::sources`].
    Source(String),
    Strength(f32),
    Mirror(bool),
    Split(Option<f32>),
    Freeze(bool),
    Level(Level),
    Still,
    Fullscreen,
}

/// The interface's own state. One per window.
#[derive(Debug)]
pub struct Interface {
    pub level: Level,
    /// Until when the bar stays although nobody touches anything.
    bar_until: Option<Instant>,
    bar_held: bool,
    dragging_split: bool,
    text: figures::Text,
}

impl Default for Interface {
    fn default() -> Self {
        Self::new(Level::default())
    }
}

impl Interface {
    /// How long the bar stays after the last movement.
    const BAR_FOR: Duration = Duration::from_secs(3);

    pub fn new(level: Level) -> Self {
        Self { level, bar_until: None, bar_held: false, dragging_split: false, text: figures::Text::default() }
    }

    /// The user moved the pointer or pressed a key: shows the bar for a while.
    pub fn touched(&mut self, now: Instant) {
        self.bar_until = Some(now + Self::BAR_FOR);
    }

    /// Whether the bar is to be seen at `now`.
    pub fn bar_visible(&self, now: Instant) -> bool {
        self.bar_held || self.bar_until.is_some_and(|until| now < until)
    }

    /// When the interface changes by itself next (the bar hides), if it does.
    pub fn next_change(&self) -> Option<Instant> {
        self.bar_until.filter(|_| !self.bar_held)
    }

    /// Draws everything into `ui`, which covers the window, and reports what the user asked for.
    pub fn show(&mut self, ui: &mut egui::Ui, view: &View<'_>, actions: &mut Vec<Action>) {
        self.split_line(ui, view, actions);
        match self.level {
            Level::Hidden => {}
            Level::Line => overlay::line(ui, view, &mut self.text),
            Level::Full => overlay::full(ui, view, &mut self.text),
        }
        let bar_height = if self.bar_visible(view.now) {
            let bar = bar::show(ui, view, self.level, actions);
            self.bar_held = bar.held;
            bar.height
        } else {
            self.bar_held = false;
            0.0
        };
        messages::show(ui, view, bar_height);
    }

    /// The draggable line of the split view.
    fn split_line(&mut self, ui: &mut egui::Ui, view: &View<'_>, actions: &mut Vec<Action>) {
        let Some(split) = view.controls.split else {
            self.dragging_split = false;
            return;
        };
        let whole = picture_rect(ui.max_rect(), view.picture_aspect);
        let x = whole.left() + whole.width() * split.clamp(0.0, 1.0);
        let grip = egui::Rect::from_center_size(egui::pos2(x, whole.center().y), egui::vec2(28.0, whole.height()));
        let response = ui
            .interact(grip, ui.scope_id().with("split"), egui::Sense::drag())
            .on_hover_cursor(egui::CursorIcon::ResizeHorizontal);
        self.dragging_split = response.dragged();
        if let Some(pointer) = response.interact_pointer_pos().filter(|_| response.dragged()) {
            let share = ((pointer.x - whole.left()) / whole.width().max(1.0)).clamp(0.0, 1.0);
            actions.push(Action::Split(Some(share)));
        }
        let painter = ui.painter();
        let strong = response.hovered() || response.dragged();
        style::handle(painter, egui::pos2(x, whole.center().y), strong);
        let label = |text: &str, align: egui::Align2, x: f32| {
            style::tag(painter, egui::pos2(x, whole.bottom() - 26.0), align, text);
        };
        // The words step aside where there is no room for them.
        if x - whole.left() > 80.0 {
            label("camera", egui::Align2::RIGHT_CENTER, x - 12.0);
        }
        if whole.right() - x > 80.0 {
            label("painted", egui::Align2::LEFT_CENTER, x + 12.0);
        }
    }
}

/// Where a picture of that aspect ratio lies in the window: all of it, centred, bars beside it.
fn picture_rect(window: egui::Rect, aspect: Option<f32>) -> egui::Rect {
    let Some(aspect) = aspect.filter(|a| *a > 0.0) else { return window };
    let width = window.width().min(window.height() * aspect);
    egui::Rect::from_center_size(window.center(), egui::vec2(width, width / aspect))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_lies_between_bars() {
        let window = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(1024.0, 576.0));
        let picture = picture_rect(window, Some(4.0 / 3.0));
        assert_eq!((picture.left(), picture.width(), picture.height()), (128.0, 768.0, 576.0));
        let wide = picture_rect(window, Some(4.0));
        assert_eq!((wide.top(), wide.width(), wide.height()), (160.0, 1024.0, 256.0));
        assert_eq!(picture_rect(window, None), window);
    }
}
