//! Frames over time against the budget: the scrolling graph, and the bar of one average frame.

use std::time::Instant;

use egui::{Align2, Color32, CornerRadius, Painter, Rect, Shape, Stroke, pos2, vec2};

use super::figures::Text;
use super::style;
use crate::metrics::{FrameCost, Meter, Stage, Summary};

/// The scrolling graph: one column per frame at the time of its presentation, stacked by what it spent its time on, with
/// the budget as a line. The newest frame is at the right edge.
pub fn scroll(painter: &Painter, rect: Rect, meter: &Meter, summary: &Summary, now: Instant, text: &mut Text) {
    painter.rect_filled(rect, CornerRadius::same(4), Color32::from_rgba_premultiplied(0, 0, 0, 90));
    let window = summary.window.as_secs_f32();
    let budget_ms = summary.budget.ms() as f32;
    // The scale moves in steps, so that it can be read: room for the slowest frame in twenty, and always for the budget.
    let need = summary.total.map_or(0.0, |q| q.p95 as f32 * 1.15).max(budget_ms * 1.4);
    let top_ms = scale_for(need);
    let y_of = |ms: f32| rect.bottom() - (ms / top_ms).clamp(0.0, 1.0) * rect.height();
    // Columns as wide as frames are apart, within reason.
    let width = (rect.width() / meter.costs().len().max(40) as f32).clamp(1.0, 4.0);

    let mut mesh = egui::Mesh::default();
    for cost in meter.costs() {
        let age = now.saturating_duration_since(cost.presented).as_secs_f32();
        let x = rect.right() - age / window * rect.width();
        if x - width < rect.left() {
            continue;
        }
        column(&mut mesh, cost, x - width, x - width * 0.15, &y_of);
    }
    painter.with_clip_rect(rect).add(Shape::mesh(mesh));

    let y = y_of(budget_ms);
    painter.extend(Shape::dashed_line(
        &[pos2(rect.left(), y), pos2(rect.right(), y)],
        Stroke::new(1.0, style::INK),
        5.0,
        4.0,
    ));
    let label = text.format(format_args!("budget {budget_ms:.1}"));
    small(painter, pos2(rect.left() + 5.0, y - 2.0), Align2::LEFT_BOTTOM, label);
    let label = text.format(format_args!("{top_ms:.0} ms"));
    small(painter, pos2(rect.right() - 4.0, rect.top() + 2.0), Align2::RIGHT_TOP, label);
}

/// The next of 10, 20, 50, 100, 200 ... that is at least `need`.
fn scale_for(need: f32) -> f32 {
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
    for stage in WORK_FIRST {
        let Some(spent) = cost.stage(stage) else { continue };
        let low = y_of(ms);
        ms += spent.as_secs_f32() * 1e3;
        let high = y_of(ms);
        if low - high > 0.01 {
            mesh.add_colored_rect(Rect::from_min_max(pos2(left, high), pos2(right, low)), style::stage_color(stage));
        }
    }
}

/// Order of stacking: the program's own work, then what it had no hand in.
const WORK_FIRST: [Stage; Stage::COUNT] = [
    Stage::Infer,
    Stage::Prepare,
    Stage::Upload,
    Stage::Compose,
    Stage::Interface,
    Stage::Present,
    Stage::Wait,
    Stage::Capture,
];

/// The budget as a bar: the mean work of a frame, by stage, against the frame interval.
pub fn budget(painter: &Painter, rect: Rect, summary: &Summary) {
    let radius = CornerRadius::same(4);
    painter.rect_filled(rect, radius, Color32::from_rgba_premultiplied(0, 0, 0, 110));
    let budget = summary.budget.ms() as f32;
    let work: f32 = WORK_FIRST[..6].iter().filter_map(|&s| summary.rows[s as usize].cost).map(|q| q.mean as f32).sum();
    // The whole width is the budget, or the work where that is more.
    let whole = budget.max(work).max(1e-3);
    let mut x = rect.left();
    for stage in &WORK_FIRST[..6] {
        let Some(cost) = summary.rows[*stage as usize].cost else { continue };
        let width = cost.mean as f32 / whole * rect.width();
        let part = Rect::from_min_max(pos2(x, rect.top()), pos2((x + width).min(rect.right()), rect.bottom()));
        if part.width() > 0.3 {
            let left = if x == rect.left() { 4 } else { 0 };
            let corners = CornerRadius { nw: left, sw: left, ne: 0, se: 0 };
            painter.rect_filled(part, corners, style::stage_color(*stage));
        }
        x += width;
    }
    let mark = rect.left() + budget / whole * rect.width();
    painter.vline(mark - 1.0, rect.expand2(vec2(0.0, 3.0)).y_range(), Stroke::new(2.0, style::INK));
}

fn small(painter: &Painter, at: egui::Pos2, align: Align2, text: &str) {
    let galley = painter.layout_no_wrap(text.to_owned(), style::digits(10.0), style::INK);
    let rect = align.anchor_size(at, galley.size());
    painter.rect_filled(rect.expand2(vec2(2.0, 0.0)), CornerRadius::same(2), Color32::from_black_alpha(150));
    painter.galley(rect.min, galley, style::INK);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_has_round_numbers() {
        assert_eq!(scale_for(3.0), 10.0);
        assert_eq!(scale_for(46.0), 50.0);
        assert_eq!(scale_for(51.0), 100.0);
        assert_eq!(scale_for(150.0), 200.0);
        assert!(scale_for(f32::MAX).is_finite());
    }
}
