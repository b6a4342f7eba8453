//! The card on the left: what a frame costs, stage by stage and over time.

use egui::{Align, Pos2, Rect, pos2};

use super::{BODY, Column, SMALL, budget, heading, headline, state};
use crate::metrics::{Quantiles, Row, Stage, Summary};
use crate::ui::figures::{Text, percent};
use crate::ui::graph::{self, Frames};
use crate::ui::sheet::Pen;
use crate::ui::snapshot::Snapshot;
use crate::ui::{explain, style};
use crate::units::CaptureClock;

/// Points that the card is high, about: what decides whether it fits.
pub const HEIGHT: f32 = 446.0;
/// Points at the right of the first line that are left for the pause button.
pub const BUTTON_WIDTH: f32 = 62.0;

/// Where things that can be used lie.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    pub card: Rect,
    pub graph: Rect,
    pub button: Rect,
}

pub fn card(pen: &mut Pen<'_>, at: Pos2, snapshot: &Snapshot, frames: &Frames<'_>, text: &mut Text) -> Option<Places> {
    let (summary, _) = snapshot.figures()?;
    let mut column = Column::begin(pen, at, super::WIDTH);
    let button = Rect::from_min_max(pos2(column.right - BUTTON_WIDTH, column.y), pos2(column.right, column.y + 20.0));
    heading(pen, &mut column, snapshot, BUTTON_WIDTH + 6.0, text);
    column.gap(5.0);
    headline(pen, &mut column, summary, text);
    column.gap(6.0);
    budget(pen, &mut column, summary, text);
    state::bottleneck(pen, &mut column, summary, text);
    column.gap(5.0);
    let graph = column.strip(72.0);
    graph::stacked(pen, graph, frames, text);
    pen.explain(graph, explain::GRAPH);
    let strip = column.strip(5.0);
    if frames.paused {
        graph::scroll_bar(pen, strip.shrink2(egui::vec2(0.0, 1.0)), frames.range);
    }
    let (row, y) = column.row(13.0);
    let back = frames.range.back;
    let said = text.format(format_args!("{:.1} s ago", back + frames.range.span));
    pen.put(pos2(row.left(), y), Align::Min, said, SMALL, style::MUTED);
    let said = match (frames.paused, back < 0.05) {
        (false, _) => "now",
        (true, true) => "when paused",
        (true, false) => text.format(format_args!("{back:.1} s ago")),
    };
    pen.put(pos2(row.right(), y), Align::Max, said, SMALL, style::MUTED);
    column.gap(3.0);
    table(pen, &mut column, summary, text);
    column.gap(4.0);
    counts(pen, &mut column, summary, text);
    Some(Places { card: column.end(pen), graph, button })
}

/// Right edges of the columns, from the right.
const COLUMNS: [(&str, f32); 4] = [("mean", 138.0), ("p50", 92.0), ("p95", 46.0), ("p99", 0.0)];
const ROW: f32 = 15.5;

fn table(pen: &mut Pen<'_>, column: &mut Column, summary: &Summary, text: &mut Text) {
    let (head, y) = column.row(15.0);
    let seconds = text.format(format_args!("ms, last {:.0} s", summary.window.as_secs_f64()));
    pen.put(pos2(head.left(), y), Align::Min, seconds, SMALL, style::MUTED);
    for (name, x) in COLUMNS {
        pen.put(pos2(head.right() - x, y), Align::Max, name, SMALL, style::MUTED);
    }
    pen.explain(head, explain::QUANTILES);
    let figures = |pen: &mut Pen<'_>, row: Rect, y: f32, cost: Option<Quantiles>, text: &mut Text| {
        let values = cost.map_or([None; 4], |q| [Some(q.mean), Some(q.p50), Some(q.p95), Some(q.p99)]);
        for ((_, x), value) in COLUMNS.into_iter().zip(values) {
            let color = if value.is_none() { style::MUTED } else { style::INK };
            pen.put(pos2(row.right() - x, y), Align::Max, text.ms(value), BODY, color);
        }
    };
    for Row { stage, cost } in &summary.rows {
        let (row, y) = column.row(ROW);
        let chip = Rect::from_center_size(pos2(row.left() + 4.0, row.center().y), egui::Vec2::splat(8.0));
        pen.fill(chip, 2, style::stage_color(*stage));
        let color = if cost.is_some() { style::INK } else { style::MUTED };
        let put = pen.put(pos2(row.left() + 14.0, y), Align::Min, stage.name(), BODY, color);
        if *stage == Stage::Capture
            && let Some(clock) = summary.clock
        {
            let said = match clock {
                CaptureClock::Driver => "by driver",
                CaptureClock::Dequeue => "by arrival",
                CaptureClock::Schedule => "by plan",
            };
            pen.put(pos2(put.right() + 6.0, y), Align::Min, said, SMALL, style::MUTED);
            pen.explain(row, explain::CLOCK);
        } else {
            pen.explain(row, explain::stage(*stage));
        }
        figures(pen, row, y, *cost, text);
    }
    let rule = column.strip(3.0);
    pen.rule(rule.left(), rule.right(), rule.center().y, style::FAINT);
    let (row, y) = column.row(ROW);
    pen.put(pos2(row.left() + 14.0, y), Align::Min, "total", BODY, style::INK);
    figures(pen, row, y, summary.total, text);
    pen.explain(row, explain::TOTAL);
}

/// Rates and counts of frames.
fn counts(pen: &mut Pen<'_>, column: &mut Column, summary: &Summary, text: &mut Text) {
    let (row, y) = column.row(ROW);
    let mut x = row.left();
    let rates =
        [("source", summary.source_fps), ("processed", summary.processed_fps), ("shown", summary.presented_fps)];
    for (name, fps) in rates {
        let put = pen.put(pos2(x, y), Align::Min, name, SMALL, style::MUTED);
        let put = pen.put(pos2(put.right() + 5.0, y), Align::Min, text.fps(fps), SMALL, style::INK);
        x = put.right() + 13.0;
    }
    pen.put(pos2(row.right(), y), Align::Max, "fps", SMALL, style::MUTED);
    pen.explain(row, explain::RATES);
    let (row, y) = column.row(ROW);
    let counts = summary.counts;
    let share = if counts.captured > 0 { counts.dropped as f64 / counts.captured as f64 } else { 0.0 };
    let said = text.format(format_args!(
        "{} of {} dropped ({:.0} %), {} repeated",
        counts.dropped,
        counts.captured,
        percent(share.min(1.0)),
        summary.repeated
    ));
    pen.line(pos2(row.left(), y), Align::Min, said, SMALL, style::MUTED, row.width());
    pen.explain(row, explain::COUNTS);
    let losses = counts.losses;
    if losses.total() > 0 {
        let (row, y) = column.row(ROW);
        let said = text.format(format_args!(
            "source: {} lost, {} damaged, {} skipped",
            losses.lost, losses.damaged, losses.skipped
        ));
        pen.line(pos2(row.left(), y), Align::Min, said, SMALL, style::MUTED, row.width());
        pen.explain(row, explain::LOSSES);
    }
}
