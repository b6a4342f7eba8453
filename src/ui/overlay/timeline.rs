//! One frame from capture to present: what the CPU and the GPU did when.

use egui::{Align, Color32, Pos2, Rect, Shape, Stroke, pos2, vec2};

use super::{BODY, Column, SMALL, section};
use crate::metrics::{FrameCost, Stage, Track};
use crate::ui::figures::Text;
use crate::ui::sheet::{Font, Pen};
use crate::ui::snapshot::Snapshot;
use crate::ui::{explain, graph, style};

/// Points that the card is high at most.
pub const HEIGHT: f32 = 214.0;
/// Less than this cannot be read.
pub const LEAST_WIDTH: f32 = 420.0;
/// Left of the lanes, for their names.
const NAMES: f32 = 60.0;
const LANE: f32 = 27.0;
const TINY: Font = Font::words(11.0);

/// Where things that can be used lie.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    pub card: Rect,
    pub before: Rect,
    pub after: Rect,
    pub close: Rect,
}

/// Milliseconds to points.
#[derive(Clone, Copy)]
struct Axis {
    left: f32,
    right: f32,
    top_ms: f32,
}

impl Axis {
    fn x(&self, ms: f32) -> f32 {
        self.left + (ms / self.top_ms).clamp(0.0, 1.0) * (self.right - self.left)
    }
}

pub fn card(
    pen: &mut Pen<'_>,
    at: Pos2,
    width: f32,
    snapshot: &Snapshot,
    cost: &FrameCost,
    text: &mut Text,
) -> Option<Places> {
    let (summary, now) = snapshot.figures()?;
    let mut column = Column::begin(pen, at, width);
    let button = |right: f32, width: f32, y: f32| Rect::from_min_max(pos2(right - width, y), pos2(right, y + 20.0));
    let close = button(column.right, 50.0, column.y);
    let after = button(close.left() - 6.0, 28.0, column.y);
    let before = button(after.left() - 4.0, 28.0, column.y);

    let budget = summary.budget.ms() as f32;
    let name = text.format(format_args!("Frame {}", cost.stamp.id.0)).to_owned();
    let ago = text.ago(now.saturating_duration_since(cost.presented)).to_owned();
    let total = cost.total.as_secs_f32() * 1e3;
    section(pen, &mut column, &name, &ago);
    column.gap(3.0);
    said(pen, &mut column, cost, text);
    column.gap(5.0);

    let capture = cost.stage(Stage::Capture).unwrap_or_default().as_secs_f32() * 1e3;
    let deadline = capture + budget;
    let axis = Axis { left: column.left + NAMES, right: column.right, top_ms: (total.max(deadline) * 1.04).max(1.0) };
    let top = column.y + 12.0;
    let unplaced = unplaced(cost);
    let lanes = 2 + usize::from(!unplaced.is_empty());
    let bottom = top + lanes as f32 * LANE;
    ruler(pen, &axis, top, bottom, text);
    for (i, track) in [Track::Cpu, Track::Gpu].into_iter().enumerate() {
        let lane = lane(pen, &axis, top, i, track.name());
        let mut any = false;
        for piece in cost.pieces.iter().filter(|p| p.track == track) {
            let Some(mark) = piece.mark() else { continue };
            any = true;
            let span = (mark.begin.as_secs_f32() * 1e3, mark.end.as_secs_f32() * 1e3);
            bar(pen, &axis, lane, piece.stage, span, false, text);
        }
        if !any {
            let said = match track {
                Track::Cpu => "nothing was placed on the CPU's time",
                Track::Gpu => "nothing was placed on the GPU's time",
            };
            pen.put(pos2(lane.left() + 6.0, lane.center().y + 4.0), Align::Min, said, TINY, style::MUTED);
        }
    }
    if !unplaced.is_empty() {
        let lane = lane(pen, &axis, top, 2, "no place");
        let mut from = 0.0;
        for (stage, ms) in unplaced {
            bar(pen, &axis, lane, stage, (from, from + ms), true, text);
            from += ms;
        }
        // Beside the bars while there is room: what is hatched has its length here, not its time.
        let said = "only how long is known, not when";
        let left = axis.x(from) + 8.0;
        if left + pen.width(said, TINY) <= axis.right {
            pen.put(pos2(left, lane.center().y + 4.0), Align::Min, said, TINY, style::MUTED);
        }
    }
    let shown = total - cost.overlap.as_secs_f32() * 1e3;
    moments(pen, &axis, (top, bottom), [("deadline", deadline, style::INK), ("shown", shown, style::GOOD)], text);
    let whole = Rect::from_min_max(pos2(column.left, top - 12.0), pos2(column.right, bottom));
    pen.explain(whole, explain::TIMELINE);
    column.y = bottom + 16.0;
    column.gap(4.0);
    legend(pen, &mut column, cost, text);
    Some(Places { card: column.end(pen), before, after, close })
}

/// Total, lateness and what held it up, in a sentence.
fn said(pen: &mut Pen<'_>, column: &mut Column, cost: &FrameCost, text: &mut Text) {
    let (row, y) = column.row(17.0);
    let late = cost.overrun;
    let held = cost.bottleneck.map_or("not judged", |b| b.name());
    let (verdict, when) = if late > 0.0 { (style::Verdict::Bad, "after") } else { (style::Verdict::Good, "before") };
    let said = text.format(format_args!(
        "{:.1} ms from capture to present; ready {:.1} ms {when} its deadline",
        cost.total.as_secs_f64() * 1e3,
        late.abs()
    ));
    let put = super::verdict_at(pen, pos2(row.left(), y), verdict, said, BODY);
    let left = put.right() + 10.0;
    let said = text.format(format_args!("bottleneck: {held}"));
    pen.line(pos2(left, y), Align::Min, said, SMALL, style::MUTED, row.right() - left);
}

/// Pieces of which only the duration is known, and stages of which no piece is, with their milliseconds.
fn unplaced(cost: &FrameCost) -> Vec<(Stage, f32)> {
    let ms = |d: std::time::Duration| d.as_secs_f32() * 1e3;
    let pieces = cost.pieces.iter().filter(|p| p.begin.is_none()).map(|p| (p.stage, ms(p.duration)));
    let told = |stage: Stage| stage == Stage::Wait || cost.pieces.iter().any(|p| p.stage == stage);
    let stages = Stage::ALL.into_iter().filter(|&s| !told(s));
    let stages = stages.filter_map(|s| cost.stage(s).map(|d| (s, ms(d))));
    pieces.chain(stages).filter(|(_, ms)| *ms > 0.0).collect()
}

fn lane(pen: &mut Pen<'_>, axis: &Axis, top: f32, i: usize, name: &str) -> Rect {
    let y = top + i as f32 * LANE;
    let rect = Rect::from_min_max(pos2(axis.left, y + 2.0), pos2(axis.right, y + LANE - 2.0));
    pen.fill(rect, 3, Color32::from_white_alpha(12));
    pen.put(pos2(axis.left - NAMES, rect.center().y + 4.0), Align::Min, name, SMALL, style::MUTED);
    rect
}

/// One piece of work. Hatched where only its duration is known.
fn bar(
    pen: &mut Pen<'_>,
    axis: &Axis,
    lane: Rect,
    stage: Stage,
    (from, to): (f32, f32),
    hatched: bool,
    text: &mut Text,
) {
    let (left, right) = (axis.x(from), axis.x(to).max(axis.x(from) + 1.5));
    let rect = Rect::from_min_max(pos2(left, lane.top() + 1.0), pos2(right, lane.bottom() - 1.0));
    let color = style::stage_color(stage);
    if hatched {
        pen.fill(rect, 2, color.gamma_multiply(0.35));
        let mut x = rect.left() - rect.height();
        while x < rect.right() {
            // From the lower left to the upper right, cut at the bar's ends.
            let (x0, x1) = (x.max(rect.left()), (x + rect.height()).min(rect.right()));
            if x1 > x0 {
                let line = [pos2(x0, rect.bottom() - (x0 - x)), pos2(x1, rect.bottom() - (x1 - x))];
                pen.add(Shape::line_segment(line, Stroke::new(1.0, color)));
            }
            x += 6.0;
        }
    } else {
        pen.fill(rect, 2, color);
        // Pieces that touch are told apart.
        pen.add(Shape::vline(rect.left(), rect.y_range(), Stroke::new(1.0, Color32::from_black_alpha(160))));
    }
    let ms = to - from;
    let long = text.format(format_args!("{} {ms:.1}", stage.name())).to_owned();
    for said in [long.as_str(), stage.name()] {
        let width = pen.width(said, TINY);
        if width + 8.0 <= rect.width() {
            let at = pos2(rect.center().x - width / 2.0, rect.center().y + 4.0);
            let ink = if hatched { style::INK } else { style::ink_on(color) };
            if hatched {
                let behind = Rect::from_center_size(rect.center(), vec2(width + 6.0, 13.0));
                pen.fill(behind, 2, Color32::from_black_alpha(190));
            }
            pen.put(at, Align::Min, said, TINY, ink);
            break;
        }
    }
    pen.explain(rect, explain::stage(stage));
}

/// Lines at round milliseconds, and their numbers underneath.
fn ruler(pen: &mut Pen<'_>, axis: &Axis, top: f32, bottom: f32, text: &mut Text) {
    let step = graph::scale_for(axis.top_ms) / 10.0;
    let step = if axis.top_ms / step > 8.0 { step * 2.0 } else { step };
    let mut ms = 0.0;
    while ms <= axis.top_ms {
        let x = axis.x(ms);
        pen.add(Shape::vline(x, top..=bottom, Stroke::new(1.0, Color32::from_white_alpha(26))));
        let said = text.format(format_args!("{ms:.0}"));
        pen.put(pos2(x, bottom + 13.0), Align::Center, said, TINY, style::MUTED);
        ms += step;
    }
    pen.put(pos2(axis.left - NAMES, bottom + 13.0), Align::Min, "ms", TINY, style::MUTED);
}

/// Moments that have names: dashed lines with the names above them, side by side where they stand close together.
fn moments(
    pen: &mut Pen<'_>,
    axis: &Axis,
    (top, bottom): (f32, f32),
    mut moments: [(&str, f32, Color32); 2],
    text: &mut Text,
) {
    moments.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut free_to = axis.right;
    for (i, (name, ms, color)) in moments.into_iter().enumerate().rev() {
        let x = axis.x(ms);
        let mut y = top - 2.0;
        while y < bottom {
            pen.add(Shape::vline(x, y..=(y + 4.0).min(bottom), Stroke::new(1.5, color)));
            y += 6.5;
        }
        let said = text.format(format_args!("{name} {ms:.1}"));
        let width = pen.width(said, TINY);
        let room_left = if i == 0 { axis.left } else { axis.left + width + 10.0 };
        let left = (x - width / 2.0).min(free_to - width).max(room_left.min(axis.right - width));
        pen.put(pos2(left, top - 5.0), Align::Min, said, TINY, color);
        free_to = left - 10.0;
    }
}

/// Every stage with its milliseconds, in two lines.
fn legend(pen: &mut Pen<'_>, column: &mut Column, cost: &FrameCost, text: &mut Text) {
    let across = if column.width() > 520.0 { 4 } else { 3 };
    let cell = column.width() / across as f32;
    for stages in Stage::ALL.chunks(across) {
        let (row, y) = column.row(16.0);
        for (i, &stage) in stages.iter().enumerate() {
            let left = row.left() + cell * i as f32;
            let chip = Rect::from_center_size(pos2(left + 4.0, row.center().y), vec2(8.0, 8.0));
            pen.fill(chip, 2, style::stage_color(stage));
            let put = pen.put(pos2(left + 13.0, y), Align::Min, stage.name(), SMALL, style::MUTED);
            let ms = cost.stage(stage).map(|d| d.as_secs_f64() * 1e3);
            pen.put(pos2(put.right() + 6.0, y), Align::Min, text.ms(ms), SMALL, style::INK);
            pen.explain(Rect::from_min_size(pos2(left, row.top()), vec2(cell, row.height())), explain::stage(stage));
        }
    }
}
