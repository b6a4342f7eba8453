//! The two small levels: one line, and a compact card.

use egui::{Align, Pos2, Rect, pos2, vec2};

use super::{BODY, Column, SMALL, budget, heading, headline, state, verdict, verdict_at};
use crate::metrics::Summary;
use crate::ui::figures::Text;
use crate::ui::sheet::{Font, Pen};
use crate::ui::snapshot::Snapshot;
use crate::ui::style::Verdict;
use crate::ui::{explain, graph, style};

const FIGURE: Font = Font::strong(13.5);

/// One line of the most important figures in words that need no explanation, at most `room` points wide: what does not fit is left out, from the right.
pub fn line(pen: &mut Pen<'_>, at: Pos2, room: f32, summary: &Summary, text: &mut Text) -> Rect {
    let card = pen.reserve();
    let height = 30.0;
    let y = at.y + height / 2.0 + 4.7;
    let end = at.x + room - 12.0;
    let mut x = at.x + 12.0;
    let figure = |pen: &mut Pen<'_>, x: f32, value: &str, unit: &str, hint: &'static str| {
        let needed = pen.width(value, FIGURE) + 4.0 + pen.width(unit, SMALL);
        if x + needed > end {
            return x;
        }
        let put = pen.put(pos2(x, y), Align::Min, value, FIGURE, style::INK);
        let put = pen.put(pos2(put.right() + 4.0, y), Align::Min, unit, SMALL, style::MUTED);
        pen.explain(Rect::from_min_max(pos2(x, at.y), pos2(put.right() + 6.0, at.y + height)), hint);
        put.right() + 14.0
    };
    x = figure(pen, x, text.fps(summary.presented_fps), "pictures a second", explain::FPS);
    x = figure(pen, x, text.ms(summary.total.map(|q| q.p50)), "ms delay", explain::LATENCY);
    let (verdict, _) = verdict(summary);
    let said = match verdict {
        Verdict::Measuring => "measuring",
        Verdict::Good => "keeps up with the camera",
        Verdict::Caution => "too slow at times",
        Verdict::Bad => "slower than the camera",
    };
    let words = 14.0 + pen.width(said, BODY);
    if x + 84.0 + words <= end {
        let bar = Rect::from_min_size(pos2(x, at.y + height / 2.0 - 4.5), vec2(70.0, 9.0));
        graph::budget(pen, bar, summary);
        pen.explain(bar.expand(4.0), explain::BUDGET);
        x = bar.right() + 14.0;
    }
    if x + words <= end {
        let put = verdict_at(pen, pos2(x, y - 0.2), verdict, said, BODY);
        pen.explain(put.expand2(vec2(2.0, 8.0)), explain::VERDICT);
        x = put.right() + 14.0;
    }
    let rect = Rect::from_min_max(at, pos2(x - 2.0, at.y + height));
    pen.replace(card, style::card_shape(rect));
    rect
}

/// What paints, the three figures, the budget, what holds frames up, and what the governor does.
pub fn compact(pen: &mut Pen<'_>, at: Pos2, snapshot: &Snapshot, cramped: bool, text: &mut Text) -> Option<Rect> {
    let (summary, _) = snapshot.figures()?;
    let mut column = Column::begin(pen, at, super::WIDTH);
    heading(pen, &mut column, snapshot, 0.0, text);
    column.gap(5.0);
    headline(pen, &mut column, summary, text);
    column.gap(6.0);
    budget(pen, &mut column, summary, text);
    state::bottleneck(pen, &mut column, summary, text);
    state::rung(pen, &mut column, snapshot, text);
    if cramped {
        let (row, y) = column.row(16.0);
        pen.put(pos2(row.left(), y), Align::Min, "all figures need a larger window", SMALL, style::MUTED);
    }
    Some(column.end(pen))
}
