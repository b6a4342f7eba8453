//! The overlay: what each frame cost, against what it may cost, and what was done about it.
//!
//! Cards are laid out from a [`Snapshot`] onto [`Sheet`]s some times a second, and only drawn in between. What can be used
//! (the graph, the buttons) is asked of egui with every picture.

pub mod cost;
pub mod line;
pub mod state;
pub mod timeline;

use egui::{Align, Color32, Pos2, Rect, pos2, vec2};

use super::figures::{Text, percent};
use super::sheet::{Font, Pen};
use super::snapshot::Snapshot;
use super::style::{self, Verdict};
use super::{explain, graph};
use crate::metrics::Summary;

/// Points between the window's edge and the cards, and between cards.
pub const MARGIN: f32 = 12.0;
/// Points; cards do not grow with the window.
pub const WIDTH: f32 = 322.0;
const PAD: egui::Vec2 = vec2(14.0, 10.0);

pub const BODY: Font = Font::words(12.5);
pub const SMALL: Font = Font::words(11.5);
const TITLE: Font = Font::strong(16.0);
const SECTION: Font = Font::strong(12.5);
const HERO: Font = Font::strong(22.0);

/// The column of a card in which lines follow each other from top to bottom.
pub struct Column {
    pub left: f32,
    pub right: f32,
    pub y: f32,
    top: f32,
    card: usize,
}

impl Column {
    /// Begins a card whose upper left corner is `at`.
    pub fn begin(pen: &mut Pen<'_>, at: Pos2, width: f32) -> Self {
        let card = pen.reserve();
        Self { left: at.x + PAD.x, right: at.x + width - PAD.x, y: at.y + PAD.y, top: at.y, card }
    }

    /// Draws the card behind all that was put into it, and returns where it lies.
    pub fn end(self, pen: &mut Pen<'_>) -> Rect {
        let rect = Rect::from_min_max(pos2(self.left - PAD.x, self.top), pos2(self.right + PAD.x, self.y + PAD.y));
        pen.replace(self.card, style::card_shape(rect));
        rect
    }

    pub fn width(&self) -> f32 {
        self.right - self.left
    }

    pub fn gap(&mut self, points: f32) {
        self.y += points;
    }

    /// The next `height` points, over the whole width.
    pub fn strip(&mut self, height: f32) -> Rect {
        let rect = Rect::from_min_max(pos2(self.left, self.y), pos2(self.right, self.y + height));
        self.y += height;
        rect
    }

    /// The next line: its place and its baseline.
    pub fn row(&mut self, height: f32) -> (Rect, f32) {
        let rect = self.strip(height);
        (rect, rect.top() + height * 0.5 + 4.3)
    }
}

/// What the comparison with the budget comes to.
pub fn verdict(summary: &Summary) -> (Verdict, &'static str) {
    match summary.over_budget {
        None => (Verdict::Measuring, "measuring"),
        Some(share) if share <= 0.05 => (Verdict::Good, "within budget"),
        Some(share) if share <= 0.5 => (Verdict::Caution, "at times over budget"),
        Some(_) => (Verdict::Bad, "over budget"),
    }
}

/// What is painting: effect, variant, size; and on a second line engine and device. Where the effect's name leaves no room for the
/// size, that goes to the second line.
/// `room` points at the right of the first line are left free.
pub fn heading(pen: &mut Pen<'_>, column: &mut Column, snapshot: &Snapshot, room: f32, text: &mut Text) {
    let subject = &snapshot.subject;
    let top = column.y;
    let (row, y) = column.row(20.0);
    let y = y + 1.0;
    let title = if snapshot.title.is_empty() { "Camera picture" } else { &snapshot.title };
    let width = column.width() - room;
    let size = if subject.variant.is_empty() {
        String::new()
    } else {
        format!("{}  {}\u{d7}{}", subject.variant.to_uppercase(), subject.width, subject.height)
    };
    let said = if snapshot.preparing.is_empty() { &size } else { &snapshot.preparing };
    let color = if snapshot.preparing.is_empty() { style::MUTED } else { style::CAUTION };
    let needed = if said.is_empty() { 0.0 } else { pen.width(said, SMALL) + 8.0 };
    let beside = pen.width(title, TITLE) <= width - needed;
    let put = pen.line(pos2(row.left(), y), Align::Min, title, TITLE, style::INK, width);
    if beside && !said.is_empty() {
        pen.line(pos2(put.right() + 8.0, y), Align::Min, said, SMALL, color, row.left() + width - put.right() - 8.0);
    }
    let device = device(&subject.device);
    let device = match subject.engine.as_str() {
        "cpu" if subject.chain == "cpu" => {
            text.format(format_args!("the processor, with all around it; shown by {device}"))
        }
        ort if ort.starts_with("ort") && subject.chain == "cpu" => {
            text.format(format_args!("ONNX Runtime, processor around it; shown by {device}"))
        }
        "cpu" => text.format(format_args!("the processor, shown by {device}")),
        ort if ort.starts_with("ort") => text.format(format_args!("ONNX Runtime, shown by {device}")),
        "wgpu" => text.format(format_args!("wgpu on {device}")),
        _ if device.is_empty() => "waiting for the first picture",
        _ => text.format(format_args!("not painted, shown by {device}")),
    };
    let (row, y) = column.row(16.0);
    let mut left = row.left();
    if !beside && !said.is_empty() {
        left = pen.put(pos2(left, y), Align::Min, said, SMALL, color).right() + 8.0;
    }
    pen.line(pos2(left, y), Align::Min, device, SMALL, style::MUTED, row.right() - left);
    pen.explain(Rect::from_min_max(pos2(row.left(), top), row.max), explain::SUBJECT);
}

/// A graphics device by the name that people know it by: without what its driver adds in brackets.
fn device(name: &str) -> &str {
    let name = name.split_once(" (").map_or(name, |(short, _)| short);
    if name == "llvmpipe" { "software rendering" } else { name }
}

/// The three figures that people look for first.
pub fn headline(pen: &mut Pen<'_>, column: &mut Column, summary: &Summary, text: &mut Text) {
    let row = column.strip(39.0);
    let third = row.width() / 3.0;
    let mut figure = |i: usize, value: &str, unit: &str, name: &str, hint: &'static str| {
        let left = row.left() + third * i as f32;
        let baseline = row.top() + 20.0;
        let put = pen.put(pos2(left, baseline), Align::Min, value, HERO, style::INK);
        pen.put(pos2(put.right() + 4.0, baseline), Align::Min, unit, SMALL, style::MUTED);
        pen.put(pos2(left, baseline + 15.5), Align::Min, name, SMALL, style::MUTED);
        pen.explain(Rect::from_min_size(pos2(left, row.top()), vec2(third, row.height())), hint);
    };
    figure(0, text.fps(summary.presented_fps), "fps", "presented", explain::FPS);
    figure(1, text.ms(summary.total.map(|q| q.p50)), "ms", "latency", explain::LATENCY);
    figure(2, text.ms(summary.work.map(|q| q.p50)), "ms", "work per frame", explain::WORK);
}

/// The bar of the budget, the verdict in shape, colour and words, and what holds frames up.
pub fn budget(pen: &mut Pen<'_>, column: &mut Column, summary: &Summary, text: &mut Text) {
    let bar = column.strip(10.0);
    graph::budget(pen, bar, summary);
    pen.explain(bar.expand2(vec2(0.0, 3.0)), explain::BUDGET);
    column.gap(4.0);
    let (row, y) = column.row(17.0);
    let (verdict, said) = verdict(summary);
    let put = verdict_at(pen, pos2(row.left(), y), verdict, said, BODY);
    if let (Some(work), Some(over)) = (summary.work, summary.over_budget) {
        let budget = summary.budget.ms();
        let used = percent(work.mean / budget);
        let detail = if used >= 200.0 {
            text.format(format_args!("{:.0} times the {budget:.1} ms that there are", used / 100.0))
        } else if over > 0.0 {
            text.format(format_args!("{used:.0} % of {budget:.1} ms, {:.0} % of frames late", percent(over)))
        } else {
            text.format(format_args!("{used:.0} % of {budget:.1} ms"))
        };
        let left = put.right() + 8.0;
        pen.line(pos2(left, y), Align::Min, detail, SMALL, style::MUTED, row.right() - left);
    }
    pen.explain(row, explain::VERDICT);
}

/// Shape and words; returns where they stand.
pub fn verdict_at(pen: &mut Pen<'_>, at: Pos2, verdict: Verdict, said: &str, font: Font) -> Rect {
    pen.add(verdict.mark(at + vec2(4.5, -4.3)));
    let put = pen.put(at + vec2(14.0, 0.0), Align::Min, said, font, verdict.color());
    put.union(Rect::from_min_size(at, vec2(1.0, 0.0)))
}

/// The name of a part of a card, and beside it what the part covers.
pub fn section(pen: &mut Pen<'_>, column: &mut Column, name: &str, said: &str) {
    let (row, y) = column.row(18.0);
    let put = pen.put(pos2(row.left(), y), Align::Min, name, SECTION, style::INK);
    if !said.is_empty() {
        let left = put.right() + 8.0;
        pen.line(pos2(left, y), Align::Min, said, SMALL, style::MUTED, row.right() - left);
    }
}

/// A name at the left and a figure at the right of a part of a line.
pub fn pair(pen: &mut Pen<'_>, rect: Rect, y: f32, name: &str, value: &str, color: Color32) {
    let put = pen.put(pos2(rect.left(), y), Align::Min, name, SMALL, style::MUTED);
    let room = rect.right() - put.right() - 6.0;
    let width = pen.width(value, SMALL).min(room);
    pen.line(pos2(rect.right() - width, y), Align::Min, value, SMALL, color, room);
}

/// The most important figures as a sentence, for those who have the screen read to them.
pub fn sentence(snapshot: &Snapshot) -> String {
    let Some((summary, _)) = snapshot.figures() else { return "waiting for the first picture".to_owned() };
    let mut text = Text::default();
    let fps = text.fps(summary.presented_fps).to_owned();
    let latency = text.ms(summary.total.map(|q| q.p50)).to_owned();
    let work = text.ms(summary.work.map(|q| q.p50)).to_owned();
    let (_, said) = verdict(summary);
    format!("{fps} frames per second, latency {latency} ms, work {work} of {:.1} ms, {said}", summary.budget.ms())
}
