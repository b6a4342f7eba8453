//! What is drawn over the picture: the overlay with its figures, the bar with its controls, the messages.
//!
//! Data in ([`View`]), actions out ([`Action`]): nothing here knows windows, GPUs or threads, and nothing here changes
//! anything but what the interface itself looks like ([`Interface`]). Everything is readable over any picture (each part
//! has a backdrop of its own), and what a colour says is said in words too.

mod action;
mod bar;
pub mod commands;
mod countdown;
mod explain;
mod figures;
mod graph;
mod help;
mod layout;
mod messages;
mod overlay;
mod palette;
mod pointer;
mod recording;
mod setup;
mod sheet;
mod snapshot;
mod split;
pub mod style;
mod tile;
mod wall;
mod words;

pub use action::Action;
pub use countdown::Countdown;
pub use setup::{CameraSetup, Kept, Setup, Startup};
pub use tile::Picture;
pub use wall::Wanted;
pub use words::Words;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::effect::Touch;
use crate::fault::Fault;
use crate::metrics::{Meter, Subject, Summary, WallCost};
use crate::output::{RecordingState, ReplayState, Stills, VirtualCameraState};
use crate::quality;
use crate::system::Reading;
use crate::units::FrameId;
use graph::{Frames, Range};
use layout::{Layout, Left, Right};
use overlay::MARGIN;
use palette::Palette;
use sheet::{Letters, Sheet};
use snapshot::Snapshot;
use wall::Wall;

/// How much of the overlay is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Hidden,
    /// One line of the most important figures.
    #[default]
    Line,
    /// A small card: the line's figures, the budget, what holds frames up.
    Compact,
    /// Everything: stages, frames over time, how they are spread, decisions, hitches, the machine.
    Full,
}

impl Level {
    /// The next in the circle hidden, line, compact, full.
    pub fn next(self) -> Self {
        match self {
            Self::Hidden => Self::Line,
            Self::Line => Self::Compact,
            Self::Compact => Self::Full,
            Self::Full => Self::Hidden,
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
    /// How the chosen effect's paint is wanted.
    pub touch: Touch,
}

/// One effect to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EffectEntry {
    pub name: String,
    pub title: String,
    /// Empty when unknown.
    pub artist: String,
    /// Ids, smallest network first.
    pub variants: Vec<String>,
    /// What sort of effect it is, for people: `Paintings`.
    pub kind: String,
    /// Effects with the same one share a network and can be blended.
    pub network: String,
    /// It has a relief of paint or paper.
    pub relief: bool,
    /// Its network heeds a canvas.
    pub canvas: bool,
    /// The pack's picture of it.
    pub thumbnail: Option<PathBuf>,
    /// A favourite.
    pub starred: bool,
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
    /// Of each effect; none for those at the end that are missing.
    pub pictures: &'a [Option<Picture>],
    /// What the live pictures of the wall cost; `None` while there are none.
    pub wall: Option<WallCost>,
    /// Index of the effect that was asked for; it may still be being prepared.
    pub effect: Option<usize>,
    pub variant: &'a str,
    /// What is being prepared aside, for people; `None` when nothing is.
    pub preparing: Option<&'a str>,
    pub sources: &'a [SourceEntry],
    pub source: &'a str,
    pub controls: Controls,
    /// Two effects that are blended, and the share of the second, 0..=1.
    pub blend: Option<(usize, usize, f32)>,
    /// What is being recorded; `None` while nothing is.
    pub recording: Option<&'a RecordingState>,
    /// What is kept of the last seconds; `None` while nothing is.
    pub replay: Option<&'a ReplayState>,
    /// Where the picture is served, and to how many; `None` while it is not.
    pub serving: Option<(SocketAddr, usize)>,
    /// The virtual camera that the picture is sent to, and how it fares; `None` while there is none.
    pub sent: Option<(&'a Path, VirtualCameraState)>,
    /// How pictures are saved.
    pub stills: Stills,
    /// What is set once.
    pub setup: Setup<'a>,
    /// The seconds before a still, and its flash.
    pub countdown: Option<Countdown>,
    /// What the governor does; `None` while there is none.
    pub governor: Option<&'a quality::State>,
    /// Width over height of the picture, which lies centred in the window, whole; `None` while there is none.
    pub picture_aspect: Option<f32>,
    /// Why the picture is the camera's own, and what to do about it; `None` while it is painted.
    pub unpainted: Option<&'a Fault>,
    /// The worst first, with how often each was reported.
    pub faults: &'a [(Fault, u32)],
    /// What the machine's sensors said last.
    pub system: &'a Reading,
    pub now: Instant,
}

/// The interface's own state. One per window.
#[derive(Debug)]
pub struct Interface {
    pub level: Level,
    /// Until when the bar stays although nobody touches anything.
    bar_until: Option<Instant>,
    bar_held: bool,
    /// Points at the bottom that the bar takes when it is there.
    bar_height: f32,
    help: bool,
    palette: Option<Palette>,
    setup: Option<setup::Card>,
    wall: Option<Wall>,
    paused: bool,
    range: Range,
    selected: Option<FrameId>,
    snapshot: Snapshot,
    letters: Letters,
    left: Sheet,
    right: Sheet,
    drawn: Option<Layout>,
    places: Places,
    text: figures::Text,
}

/// Where what can be used lies, since the cards were last laid out.
#[derive(Clone, Debug, Default)]
struct Places {
    small: Option<egui::Rect>,
    cost: Option<overlay::cost::Places>,
    state: Option<overlay::state::Places>,
    timeline: Option<overlay::timeline::Places>,
}

impl Default for Interface {
    fn default() -> Self {
        Self::new(Level::default())
    }
}

impl Interface {
    /// How long the bar stays after the last movement.
    const BAR_FOR: Duration = Duration::from_secs(3);
    /// What the bar takes before it was ever drawn.
    const BAR_HEIGHT: f32 = 90.0;

    pub fn new(level: Level) -> Self {
        Self {
            level,
            bar_until: None,
            bar_held: false,
            bar_height: Self::BAR_HEIGHT,
            help: false,
            palette: None,
            setup: None,
            wall: None,
            paused: false,
            range: Range::live(),
            selected: None,
            snapshot: Snapshot::default(),
            letters: Letters::default(),
            left: Sheet::default(),
            right: Sheet::default(),
            drawn: None,
            places: Places::default(),
            text: figures::Text::default(),
        }
    }

    /// It is drawn with another egui context from now on, whose letters lie elsewhere.
    pub fn context_changed(&mut self) {
        self.letters = Letters::default();
        self.drawn = None;
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

    /// How often the interface has to be run although nobody touches anything: figures older than this are renewed.
    pub const REFRESH: Duration = Snapshot::EVERY;

    /// Whether the figures stand still.
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// Stops the figures for reading, or lets them go on. The picture goes on in any case.
    pub fn pause(&mut self, on: bool) {
        if on != self.paused {
            self.paused = on;
            self.range = if on { Range { span: Range::PAUSED, back: 0.0 } } else { Range::live() };
            self.selected = None;
            self.drawn = None;
        }
    }

    /// Opens one frame of those that the figures are about as a time line, or closes it. Pauses.
    pub fn open(&mut self, frame: Option<FrameId>) {
        if frame.is_some() {
            self.pause(true);
        }
        if let (Some(cost), Some(now)) = (frame.and_then(|id| self.snapshot.frame(id)), self.snapshot.at) {
            self.range.reveal(now.saturating_duration_since(cost.presented).as_secs_f32());
        }
        self.selected = frame;
        self.drawn = None;
    }

    /// Goes from the open frame to the one that was presented `by` after it (negative: before). With none open, opens the
    /// newest.
    pub fn step(&mut self, by: isize) {
        let next = match self.selected {
            Some(id) => self.snapshot.neighbour(id, by),
            None => self.snapshot.costs.last(),
        };
        if let Some(id) = next.map(|c| c.stamp.id) {
            self.open(Some(id));
        }
    }

    /// The moment of the figures on screen; `None` before there were any.
    pub fn figures_from(&self) -> Option<Instant> {
        self.snapshot.at
    }

    /// The frame that is open as a time line.
    pub fn open_frame(&self) -> Option<FrameId> {
        self.selected
    }

    /// Where the graph lies, while there is one.
    pub fn graph_place(&self) -> Option<egui::Rect> {
        self.places.cost.map(|p| p.graph)
    }

    /// Where the listed hitches lie, newest first.
    pub fn hitch_places(&self) -> impl Iterator<Item = egui::Rect> {
        self.places.state.iter().flat_map(|p| p.hitches.iter().flatten().map(|(row, _)| *row))
    }

    /// Shows or hides the list of keys.
    pub fn toggle_help(&mut self) {
        self.help = !self.help;
    }

    /// Opens the settings, and closes the wall for them; or closes them. True when they are open now.
    pub fn toggle_setup(&mut self) -> bool {
        self.setup = if self.setup.is_some() { None } else { Some(setup::Card::default()) };
        if self.setup.is_some() {
            // The wall lies over everything.
            self.wall = None;
        }
        self.setup.is_some()
    }

    pub fn is_setup_open(&self) -> bool {
        self.setup.is_some()
    }

    /// Opens the palette, or closes it.
    pub fn toggle_palette(&mut self) {
        self.palette = if self.palette.is_some() { None } else { Some(Palette::default()) };
    }

    /// Shows all effects at once, with the keyboard on `effect`, or no longer.
    pub fn toggle_wall(&mut self, effect: Option<&EffectEntry>) {
        self.wall = if self.wall.is_some() { None } else { Some(Wall::at(effect)) };
        self.setup = None;
    }

    /// Shows the picture again.
    pub fn close_wall(&mut self) {
        self.wall = None;
    }

    /// What there is to do on the wall; `None` while it is closed.
    pub fn wall(&mut self) -> Option<&mut Wall> {
        self.wall.as_mut()
    }

    /// Which effects the wall wants live pictures of; `None` while it is closed.
    pub fn wanted(&self) -> Option<Wanted<'_>> {
        self.wall.as_ref().map(Wall::wanted)
    }

    /// Closes what lies on top: the palette, the list of keys, the settings, the wall, the open frame, the pause. False when nothing was
    /// open.
    pub fn escape(&mut self) -> bool {
        if self.palette.is_some() {
            self.palette = None;
        } else if self.help {
            self.help = false;
        } else if self.setup.is_some() {
            self.setup = None;
        } else if self.wall.is_some() {
            self.wall = None;
        } else if self.selected.is_some() {
            self.open(None);
        } else if self.paused {
            self.pause(false);
        } else {
            return false;
        }
        true
    }

    /// Draws everything into `ui`, which covers the window, and reports what the user asked for.
    pub fn show(&mut self, ui: &mut egui::Ui, view: &View<'_>, actions: &mut Vec<Action>) {
        // First: it takes its keys before anything else looks at them.
        if self.palette.as_mut().is_some_and(|palette| !palette.show(ui, view, actions)) {
            self.palette = None;
        }
        recording::show(ui, view);
        if let Some(countdown) = view.countdown {
            countdown::show(ui, countdown);
        }
        if let Some(wall) = &mut self.wall {
            if !wall.show(ui, view, actions) {
                self.wall = None;
            }
            self.bar_held = false;
            messages::show(ui, view, 0.0);
            if self.help {
                help::show(ui, &mut self.help);
            }
            return;
        }
        let bar_top = if self.bar_visible(view.now) { ui.max_rect().bottom() - self.bar_height } else { f32::MAX };
        split::show(ui, view, bar_top, actions);
        self.figures(ui, view);
        let bar_height = if self.bar_visible(view.now) {
            let bar = bar::show(ui, view, self.level, &mut self.help, actions);
            self.bar_held = bar.held;
            self.bar_height = bar.height;
            bar.height
        } else {
            self.bar_held = false;
            0.0
        };
        messages::show(ui, view, bar_height);
        if self.setup.as_mut().is_some_and(|setup| !setup.show(ui, view, actions)) {
            self.setup = None;
        }
        if self.help {
            help::show(ui, &mut self.help);
        }
    }

    /// The overlay: laid out anew when it is time to or something about it changed, and drawn.
    fn figures(&mut self, ui: &mut egui::Ui, view: &View<'_>) {
        if self.level != Level::Full && (self.paused || self.selected.is_some()) {
            self.pause(false);
        }
        if !self.paused && self.snapshot.old(view.now) {
            self.snapshot.take(view);
            self.drawn = None;
        }
        // Asked each time: it notes what it sees.
        if !self.letters.valid(ui.ctx()) {
            self.drawn = None;
        }
        let below = self.bar_height + 8.0;
        let layout = Layout::choose(self.level, ui.max_rect(), below, self.selected.is_some());
        if self.drawn != Some(layout) {
            self.lay_out(ui.painter(), layout);
            self.drawn = Some(layout);
        }
        self.left.draw(ui.painter());
        self.right.draw(ui.painter());
        self.use_cards(ui);
    }

    fn lay_out(&mut self, painter: &egui::Painter, layout: Layout) {
        self.left.clear();
        self.right.clear();
        self.places = Places::default();
        let Some((summary, now)) = self.snapshot.figures() else { return };
        let at = layout.window.min + egui::Vec2::splat(MARGIN);
        let text = &mut self.text;
        let mut pen = self.left.pen(painter, &mut self.letters);
        match layout.left {
            Left::Nothing => {}
            Left::Line => {
                let room = layout.window.width() - 2.0 * MARGIN;
                self.places.small = Some(overlay::line::line(&mut pen, at, room, summary, text));
            }
            Left::Compact { cramped } => {
                self.places.small = overlay::line::compact(&mut pen, at, &self.snapshot, cramped, text);
            }
            Left::Cost => {
                let frames = Frames {
                    costs: &self.snapshot.costs,
                    summary,
                    now,
                    range: self.range,
                    paused: self.paused,
                    selected: self.selected,
                };
                self.places.cost = overlay::cost::card(&mut pen, at, &self.snapshot, &frames, text);
            }
        }
        let mut pen = self.right.pen(painter, &mut self.letters);
        match layout.right {
            Right::Nothing => {}
            Right::State(at) => self.places.state = overlay::state::card(&mut pen, at, &self.snapshot, text),
            Right::Timeline { at, width, state } => {
                if let Some(at) = state {
                    self.places.state = overlay::state::card(&mut pen, at, &self.snapshot, text);
                }
                if let Some(cost) = self.selected.and_then(|id| self.snapshot.frame(id)) {
                    self.places.timeline = overlay::timeline::card(&mut pen, at, width, &self.snapshot, cost, text);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_go_round() {
        let mut level = Level::Hidden;
        for expected in [Level::Line, Level::Compact, Level::Full, Level::Hidden] {
            level = level.next();
            assert_eq!(level, expected);
        }
    }
}
