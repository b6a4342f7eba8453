//! Frames over time against the budget: the stacked graph, which can be scrolled through when the figures are paused, and
//! the bar of one average frame.

use std::time::{Duration, Instant};

use egui::{Align, Color32, Pos2, Rect, Shape, Stroke, pos2, vec2};

use super::figures::Text;
use super::sheet::{Font, Pen};
use super::style;
use crate::metrics::{FrameCost, Stage, Summary};
use crate::units::FrameId;

/// Which part of the last seconds the graph shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Seconds from its left edge to its right one.
    pub span: f32,
    /// Seconds before the newest moment at its right edge.
    pub back: f32,
}

impl Range {
    /// Seconds that can be looked back at.
    pub const ALL: f32 = 10.0;
    /// While paused a part is shown, so that single frames are wide enough to be chosen.
    pub const PAUSED: f32 = 2.5;
    const LEAST: f32 = 0.4;

    pub fn live() -> Self {
        Self { span: Self::ALL, back: 0.0 }
    }

    /// Moves by `seconds` into the past (or, negative, back towards now), as far as there is anything.
    pub fn scroll(&mut self, seconds: f32) {
        self.back = (self.back + seconds).clamp(0.0, Self::ALL - self.span);
    }

    /// Shows `factor` times as much, keeping what stands at `share` of the width (0 left, 1 right) where it is.
    pub fn zoom(&mut self, factor: f32, share: f32) {
        let span = (self.span * factor).clamp(Self::LEAST, Self::ALL);
        let back = self.back + (self.span - span) * (1.0 - share);
        *self = Self { span, back: back.clamp(0.0, Self::ALL - span) };
    }

    /// Moves just so far that the moment `age` seconds ago is to be seen.
    pub fn reveal(&mut self, age: f32) {
        let margin = self.span * 0.1;
        if age < self.back + margin || age > self.back + self.span - margin {
            self.back = (age - self.span / 2.0).clamp(0.0, Self::ALL - self.span);
        }
    }
}

/// Frames as the graph shows them.
pub struct Frames<'a> {
    /// Oldest first.
    pub costs: &'a [FrameCost],
    pub summary: &'a Summary,
    pub now: Instant,
    pub range: Range,
    pub paused: bool,
    pub selected: Option<FrameId>,
}

impl Frames<'_> {
    fn age(&self, at: Instant) -> f32 {
        self.now.saturating_duration_since(at).as_secs_f32()
    }

    /// The frame whose column is nearest to `x` in a graph that lies at `rect`, if any is near.
    pub fn at(&self, rect: Rect, x: f32) -> Option<&FrameCost> {
        let share = (x - rect.left()) / rect.width().max(1.0);
        let age = self.range.back + (1.0 - share) * self.range.span;
        // A column ends at its frame's presentation: the frame at x is the first presented at or after it.
        let next = self.costs.partition_point(|c| self.age(c.presented) > age);
        let near = |c: &&FrameCost| (self.age(c.presented) - age).abs() < self.range.span.mul_add(0.02, 0.15);
        self.costs.get(next).or(self.costs.last()).filter(near)
    }

    /// The scale moves in steps, so that it can be read: live, room for all but the slowest frames, which are clipped;
    /// paused, room for all that is to be seen. Always room for the budget.
    fn top_ms(&self) -> f32 {
        let budget = self.summary.budget.ms() as f32 * 1.4;
        let slow = if self.paused {
            let (from, to) = (self.range.back, self.range.back + self.range.span);
            let seen = self.costs.iter().filter(|c| (from..=to).contains(&self.age(c.presented)));
            seen.map(|c| c.total.as_secs_f32() * 1e3).fold(0.0, f32::max)
        } else {
            self.summary.total.map_or(0.0, |q| q.p95 as f32 * 1.15)
        };
        scale_for(slow.max(budget))
    }
}

/// The stacked graph: one column per frame, from the presentation of the frame before it to its own, stacked by what it
/// spent its time on. Where frames are closer than can be told apart the slowest of them is shown.
pub fn stacked(pen: &mut Pen<'_>, rect: Rect, frames: &Frames<'_>, text: &mut Text) {
    pen.fill(rect, 4, Color32::from_black_alpha(110));
    let budget_ms = frames.summary.budget.ms() as f32;
    let top_ms = frames.top_ms();
    let y_of = |ms: f32| rect.bottom() - (ms / top_ms).clamp(0.0, 1.0) * rect.height();
    let pixel = 1.0 / pen.pixels_per_point();
    let snap = |x: f32| (x / pixel).round() * pixel;
    let Range { span, back } = frames.range;
    let x_of = |age: f32| rect.right() - (age - back) / span * rect.width();

    let mut mesh = egui::Mesh::default();
    let mut hitches = egui::Mesh::default();
    let slow_ms = frames.summary.total.map_or(f32::MAX, |q| q.p50 as f32 * 2.0);
    let mut before: Option<f32> = None;
    let mut kept: Option<(&FrameCost, f32, f32)> = None;
    let mut flush = |kept: Option<(&FrameCost, f32, f32)>| {
        let Some((cost, left, right)) = kept else { return };
        let (left, right) = (left.max(rect.left()), right.min(rect.right()));
        if right <= left {
            return;
        }
        let gap = if right - left > 4.0 * pixel { pixel } else { 0.0 };
        let selected = frames.selected == Some(cost.stamp.id);
        if selected {
            let whole = Rect::from_x_y_ranges(left..=right, rect.y_range());
            mesh.add_colored_rect(whole, Color32::from_white_alpha(36));
            for x in [left - pixel, right] {
                mesh.add_colored_rect(Rect::from_x_y_ranges(x..=x + pixel, rect.y_range()), style::INK);
            }
        }
        column(&mut mesh, cost, left, right - gap, &y_of);
        if cost.total.as_secs_f32() * 1e3 > slow_ms {
            let x = (left + right) / 2.0;
            triangle(&mut hitches, pos2(x, rect.top() + 5.0), style::CAUTION);
        }
    };
    for cost in frames.costs {
        let right = snap(x_of(frames.age(cost.presented)));
        // Since the picture before it; after a pause there is none, and the column is as thin as can be.
        let seen = cost.gap.map_or(0.0, |gap| gap.presented.as_secs_f32());
        let left = snap(right - seen / span * rect.width()).min(right - pixel);
        // Rounded apart by a pixel they still follow each other.
        let left = before.filter(|b| (left - b).abs() < 2.5 * pixel && *b < right).unwrap_or(left);
        before = Some(right);
        if right <= rect.left() || left >= rect.right() {
            continue;
        }
        kept = match kept {
            // Too close to the one before: the slower of the two stays.
            Some((old, l, r)) if right - l < LEAST_COLUMN => {
                Some((if old.total >= cost.total { old } else { cost }, l, r.max(right)))
            }
            done => {
                flush(done);
                Some((cost, left, right))
            }
        };
    }
    flush(kept);
    pen.add(Shape::mesh(mesh));
    pen.add(Shape::mesh(hitches));

    let y = y_of(budget_ms);
    let mut dashes = egui::Mesh::default();
    let y = snap(y);
    for dash in 0..(rect.width() / 8.0) as usize {
        let x = snap(rect.left() + dash as f32 * 8.0);
        let dash = Rect::from_min_max(pos2(x, y), pos2((x + 5.0).min(rect.right()), y + pixel.max(1.0)));
        dashes.add_colored_rect(dash, style::INK);
    }
    pen.add(Shape::mesh(dashes));
    let label = text.format(format_args!("budget {budget_ms:.1} ms"));
    small(pen, pos2(rect.left() + 5.0, y - 4.0), Align::Min, label);
    let label = text.format(format_args!("{top_ms:.0} ms"));
    small(pen, pos2(rect.right() - 4.0, rect.top() + 11.0), Align::Max, label);
}

/// Where the shown part lies in all that can be shown; `rect` is a thin strip under the graph.
pub fn scroll_bar(pen: &mut Pen<'_>, rect: Rect, range: Range) {
    pen.fill(rect, 1, Color32::from_white_alpha(24));
    let right = rect.right() - range.back / Range::ALL * rect.width();
    let left = right - range.span / Range::ALL * rect.width();
    pen.fill(Rect::from_x_y_ranges(left..=right, rect.y_range()), 1, style::MUTED);
}

/// The next of 10, 20, 50, 100, 200 ... that is at least `need`.
pub fn scale_for(need: f32) -> f32 {
    let mut top = 10.0;
    for factor in [2.0, 2.5, 2.0].into_iter().cycle().take(12) {
        if top >= need {
            break;
        }
        top *= factor;
    }
    top
}

/// Stacks the stages of one frame from the bottom up, working stages first: what stands above the budget line is work.
fn column(mesh: &mut egui::Mesh, cost: &FrameCost, left: f32, right: f32, y_of: &impl Fn(f32) -> f32) {
    let mut ms = 0.0;
    let mut low = y_of(ms);
    for stage in WORK_FIRST {
        let Some(spent) = cost.stage(stage) else { continue };
        ms += spent.as_secs_f32() * 1e3;
        let high = y_of(ms);
        // What is too thin to be seen goes with the stage above it: triangles that nobody sees cost as much as others.
        if low - high > 0.4 {
            let color = style::stage_color(stage);
            mesh.add_colored_rect(Rect::from_min_max(pos2(left, high), pos2(right, low)), color);
            low = high;
        }
    }
}

/// Pointing down at a frame that took long.
fn triangle(mesh: &mut egui::Mesh, tip: Pos2, color: Color32) {
    let first = mesh.vertices.len() as u32;
    for corner in [vec2(0.0, 0.0), vec2(-3.5, -5.0), vec2(3.5, -5.0)] {
        mesh.colored_vertex(tip + corner, color);
    }
    mesh.add_triangle(first, first + 1, first + 2);
}

/// Points: columns that are thinner can neither be told apart nor pointed at.
const LEAST_COLUMN: f32 = 1.6;

/// Order of stacking: the program's own work, then what it had no hand in.
pub const WORK_FIRST: [Stage; Stage::COUNT] = [
    Stage::Infer,
    Stage::Prepare,
    Stage::Upload,
    Stage::Compose,
    Stage::Interface,
    Stage::Present,
    Stage::Wait,
    Stage::Capture,
];
/// So many of [`WORK_FIRST`] are work.
const WORK: usize = 6;

/// The budget as a bar: the mean work of a frame, by stage, against the frame interval.
pub fn budget(pen: &mut Pen<'_>, rect: Rect, summary: &Summary) {
    pen.fill(rect, 3, Color32::from_white_alpha(26));
    let budget = summary.budget.ms() as f32;
    let mean = |stage: Stage| summary.rows[stage as usize].cost.map_or(0.0, |q| q.mean as f32);
    let work: f32 = WORK_FIRST[..WORK].iter().map(|&s| mean(s)).sum();
    // The whole width is the budget, or the work where that is more.
    let whole = budget.max(work).max(1e-3);
    let mut mesh = egui::Mesh::default();
    let mut x = rect.left();
    for &stage in &WORK_FIRST[..WORK] {
        let next = (x + mean(stage) / whole * rect.width()).min(rect.right());
        if next - x > 0.2 {
            let part = Rect::from_x_y_ranges(x..=next, rect.y_range());
            mesh.add_colored_rect(part, style::stage_color(stage));
        }
        x = next;
    }
    pen.add(Shape::mesh(mesh));
    let mark = rect.left() + budget / whole * rect.width();
    pen.fill(Rect::from_x_y_ranges(mark - 2.0..=mark, rect.expand2(vec2(0.0, 3.0)).y_range()), 0, style::INK);
}

/// How the frames' totals are spread, with the percentiles as marks. `quantiles` are those of the same frames.
pub fn histogram(pen: &mut Pen<'_>, rect: Rect, totals: impl Iterator<Item = Duration>, summary: &Summary) {
    const BINS: usize = 48;
    pen.fill(rect, 4, Color32::from_black_alpha(110));
    let Some(q) = summary.total else { return };
    let top_ms = fine_scale(q.p99 as f32);
    let mut bins = [0u32; BINS];
    for total in totals {
        let bin = (total.as_secs_f32() * 1e3 / top_ms * BINS as f32) as usize;
        bins[bin.min(BINS - 1)] += 1;
    }
    let most = bins.iter().copied().max().unwrap_or(0).max(1) as f32;
    let pixel = 1.0 / pen.pixels_per_point();
    let snap = |x: f32| (x / pixel).round() * pixel;
    let mut mesh = egui::Mesh::default();
    let width = rect.width() / BINS as f32;
    for (i, count) in bins.into_iter().enumerate().filter(|(_, n)| *n > 0) {
        let (left, right) = (snap(rect.left() + i as f32 * width), snap(rect.left() + (i + 1) as f32 * width) - pixel);
        // By the square root: the few slow ones are what this is for, and would not be seen beside the many.
        let height = (count as f32 / most).sqrt() * (rect.height() - 12.0);
        let bar = Rect::from_min_max(pos2(left, rect.bottom() - height.max(1.5)), pos2(right, rect.bottom()));
        mesh.add_colored_rect(bar, style::GOOD);
    }
    pen.add(Shape::mesh(mesh));
    let mut free_from = rect.left();
    for (name, ms) in [("p50", q.p50), ("p95", q.p95), ("p99", q.p99)] {
        let x = snap(rect.left() + (ms as f32 / top_ms).min(1.0) * rect.width());
        let line = Stroke::new(1.0, style::INK);
        pen.add(Shape::vline(x, rect.top()..=rect.top() + 12.0, line));
        // Thin where it crosses the bars, which it must not hide.
        let below = Stroke::new(pixel, style::INK.gamma_multiply(0.5));
        pen.add(Shape::vline(x, rect.top() + 12.0..=rect.bottom(), below));
        let width = pen.width(name, SMALL);
        let (at, align) = if x + width + 4.0 > rect.right() { (x - 3.0, Align::Max) } else { (x + 3.0, Align::Min) };
        let left = if align == Align::Min { at } else { at - width };
        // Where two marks stand close together one of the names would be written over the other.
        if left >= free_from {
            pen.put(pos2(at, rect.top() + 10.0), align, name, SMALL, style::INK);
            free_from = left + width + 3.0;
        }
    }
}

/// The time at the right edge of [`histogram`], in milliseconds.
pub fn histogram_top(summary: &Summary) -> Option<f32> {
    summary.total.map(|q| fine_scale(q.p99 as f32))
}

/// The next of 10, 15, 20, 30, 40, 60, 80, 100, 150 ... that is a little more than `ms`.
fn fine_scale(ms: f32) -> f32 {
    let need = (ms * 1.08).min(1e9);
    let mut decade = 10.0;
    while decade * 10.0 < need {
        decade *= 10.0;
    }
    let step = [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0].into_iter().find(|step| decade * step >= need);
    decade * step.unwrap_or(10.0)
}

const SMALL: Font = Font::words(10.5);

fn small(pen: &mut Pen<'_>, at: Pos2, align: Align, what: &str) {
    let place = pen.reserve();
    let rect = pen.put(at, align, what, SMALL, style::INK);
    let behind = Rect::from_x_y_ranges(rect.left() - 3.0..=rect.right() + 3.0, at.y - 9.5..=at.y + 3.0);
    pen.replace(place, Shape::rect_filled(behind, 2, Color32::from_black_alpha(170)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_scale_has_round_numbers() {
        assert_eq!(scale_for(3.0), 10.0);
        assert_eq!(scale_for(46.0), 50.0);
        assert_eq!(scale_for(51.0), 100.0);
        assert_eq!(scale_for(150.0), 200.0);
        assert!(scale_for(f32::MAX).is_finite());
        assert_eq!([3.0, 21.0, 52.0, 95.0, 101.0].map(fine_scale), [10.0, 30.0, 60.0, 150.0, 150.0]);
        assert!(fine_scale(f32::MAX).is_finite());
    }

    proptest! {
        #[test]
        fn the_range_stays_within_what_is_kept(moves in prop::collection::vec((-20.0f32..20.0, 0.1f32..8.0, 0.0f32..=1.0), 0..40)) {
            let mut range = Range { span: Range::PAUSED, back: 0.0 };
            for (seconds, factor, share) in moves {
                range.scroll(seconds);
                let at = range.back + (1.0 - share) * range.span;
                let before = range;
                range.zoom(factor, share);
                prop_assert!(range.back >= 0.0 && range.span >= Range::LEAST && range.back + range.span <= Range::ALL + 1e-3);
                let after = range.back + (1.0 - share) * range.span;
                // The moment under the pointer stays there unless an end of the record is in the way.
                let inner = range.back > 0.0 && range.back + range.span < Range::ALL - 1e-3;
                if inner {
                    prop_assert!((after - at).abs() < 1e-2, "{before:?} {range:?}");
                }
                range.reveal(seconds.abs().min(Range::ALL));
                prop_assert!(range.back >= 0.0 && range.back + range.span <= Range::ALL + 1e-3);
            }
        }
    }
}
