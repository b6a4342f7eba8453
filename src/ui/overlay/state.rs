//! The card on the right: what the governor decided and why, how latencies are spread, hitches, and the machine.

use egui::{Align, Pos2, Rect, pos2};

use super::{BODY, Column, SMALL, pair, section};
use crate::metrics::{Bottleneck, Hitch, HitchKind, Summary};
use crate::quality;
use crate::system::{Power, Reading, Thermal};
use crate::ui::figures::{DASH, Text, percent};
use crate::ui::sheet::Pen;
use crate::ui::snapshot::Snapshot;
use crate::ui::{explain, graph, style};
use crate::units::FrameId;

/// Points that the card is high at most.
pub const HEIGHT: f32 = 440.0;
/// So many hitches are listed.
const HITCHES: usize = 3;
const ROW: f32 = 15.5;

/// Where things that can be used lie.
#[derive(Clone, Debug)]
pub struct Places {
    pub card: Rect,
    pub hitches: [Option<(Rect, FrameId)>; HITCHES],
}

pub fn card(pen: &mut Pen<'_>, at: Pos2, snapshot: &Snapshot, text: &mut Text) -> Option<Places> {
    let (summary, _) = snapshot.figures()?;
    let mut column = Column::begin(pen, at, super::WIDTH);
    decisions(pen, &mut column, snapshot, text);
    column.gap(6.0);
    latency(pen, &mut column, snapshot, summary, text);
    column.gap(6.0);
    let hitches = hitches(pen, &mut column, snapshot, text);
    column.gap(6.0);
    machine(pen, &mut column, summary, &snapshot.system, text);
    Some(Places { card: column.end(pen), hitches })
}

/// What holds frames up, in words.
pub fn bottleneck(pen: &mut Pen<'_>, column: &mut Column, summary: &Summary, text: &mut Text) {
    let (row, y) = column.row(17.0);
    let put = pen.put(pos2(row.left(), y), Align::Min, "bottleneck", SMALL, style::MUTED);
    let left = put.right() + 6.0;
    match summary.bottleneck {
        None => {
            pen.put(pos2(left, y), Align::Min, DASH, BODY, style::MUTED);
        }
        Some((unit, share)) => {
            // Frames that wait for the camera are done in time: nothing has to get faster.
            let name = if unit == Bottleneck::Camera { "the camera's own rate" } else { unit.name() };
            let put = pen.put(pos2(left, y), Align::Min, name, BODY, style::INK);
            let said = text.format(format_args!("{:.0} % of frames", percent(share)));
            let left = put.right() + 6.0;
            pen.line(pos2(left, y), Align::Min, said, SMALL, style::MUTED, row.right() - left);
        }
    }
    pen.explain(row, explain::BOTTLENECK);
}

/// The governor's rung, in one line.
pub fn rung(pen: &mut Pen<'_>, column: &mut Column, snapshot: &Snapshot, text: &mut Text) {
    let Some(state) = &snapshot.governor else { return };
    let (row, y) = column.row(17.0);
    let put = pen.put(pos2(row.left(), y), Align::Min, "governor", SMALL, style::MUTED);
    let left = put.right() + 6.0;
    let said = text.format(format_args!("{}", state.rung));
    let put = pen.line(pos2(left, y), Align::Min, said, BODY, style::INK, row.right() - left);
    let left = put.right() + 6.0;
    let said = if state.manual {
        "by hand"
    } else {
        text.format(format_args!("quality {} of {}, {}", quality(state), state.of, state.keep.name()))
    };
    pen.line(pos2(left, y), Align::Min, said, SMALL, style::MUTED, row.right() - left);
    pen.explain(row, explain::GOVERNOR);
}

/// The rung's place counted from the coarsest, which is 1: more is better.
fn quality(state: &quality::State) -> usize {
    state.of.saturating_sub(state.index)
}

fn decisions(pen: &mut Pen<'_>, column: &mut Column, snapshot: &Snapshot, text: &mut Text) {
    let Some(state) = &snapshot.governor else {
        section(pen, column, "Decisions", "");
        why(pen, column, snapshot, text);
        return;
    };
    let keep = if state.manual { "by hand" } else { text.format(format_args!("keeping {}", state.keep.name())) };
    let top = column.y;
    section(pen, column, "Decisions", keep);
    pen.explain(Rect::from_min_max(pos2(column.left, top), pos2(column.right, column.y)), explain::KEEP);
    let (row, y) = column.row(16.5);
    let said = text.format(format_args!("{}", state.rung));
    let put = pen.line(pos2(row.left(), y), Align::Min, said, BODY, style::INK, row.width());
    let left = put.right() + 6.0;
    let said = text.format(format_args!("quality {} of {}", quality(state), state.of));
    pen.line(pos2(left, y), Align::Min, said, SMALL, style::MUTED, row.right() - left);
    pen.explain(row, explain::GOVERNOR);
    said_over(pen, column, &state.reason, 2, explain::GOVERNOR);
    if let Some(waiting) = &state.waiting_for {
        let said = text.format(format_args!("next: {waiting}"));
        said_over(pen, column, said, 2, explain::WAITING_FOR);
    }
    why(pen, column, snapshot, text);
}

fn why(pen: &mut Pen<'_>, column: &mut Column, snapshot: &Snapshot, text: &mut Text) {
    if !snapshot.subject.why.is_empty() {
        let said = text.format(format_args!("engine: {}", snapshot.subject.why));
        said_over(pen, column, said, 2, explain::WHY);
    }
}

/// A sentence over as many lines as it needs, up to `rows`.
fn said_over(pen: &mut Pen<'_>, column: &mut Column, said: &str, rows: usize, hint: &'static str) {
    if said.is_empty() {
        return;
    }
    let at = pos2(column.left, column.y + 12.0);
    let put = pen.paragraph(at, said, SMALL, style::MUTED, column.width(), rows);
    column.strip(put.height() + 1.5);
    pen.explain(put, hint);
}

fn latency(pen: &mut Pen<'_>, column: &mut Column, snapshot: &Snapshot, summary: &Summary, text: &mut Text) {
    let seconds = text.format(format_args!("capture to present, last {:.0} s", summary.window.as_secs_f64()));
    section(pen, column, "Latency", seconds);
    let rect = column.strip(42.0);
    let newest = snapshot.at;
    let within = snapshot
        .costs
        .iter()
        .filter(|c| newest.is_some_and(|now| now.saturating_duration_since(c.presented) <= summary.window));
    graph::histogram(pen, rect, within.map(|c| c.total), summary);
    pen.explain(rect, explain::HISTOGRAM);
    let (row, y) = column.row(14.0);
    pen.put(pos2(row.left(), y), Align::Min, "0 ms", SMALL, style::MUTED);
    if let Some(top) = graph::histogram_top(summary) {
        let said = text.format(format_args!("{top:.0} ms and more"));
        pen.put(pos2(row.right(), y), Align::Max, said, SMALL, style::MUTED);
    }
    let quantiles = summary.total;
    let cells = [
        ("p50", quantiles.map(|q| q.p50)),
        ("p95", quantiles.map(|q| q.p95)),
        ("p99", quantiles.map(|q| q.p99)),
        ("worst", quantiles.map(|q| q.worst)),
    ];
    let (row, y) = column.row(ROW);
    let quarter = row.width() / 4.0;
    for (i, (name, ms)) in cells.into_iter().enumerate() {
        let put = pen.put(pos2(row.left() + quarter * i as f32, y), Align::Min, name, SMALL, style::MUTED);
        pen.put(pos2(put.right() + 5.0, y), Align::Min, text.ms(ms), SMALL, style::INK);
    }
    pen.explain(row, explain::QUANTILES);

    let (left, right, y) = halves(column);
    pair(pen, left, y, "1 % low", text.unit(summary.low_1_fps, 1, " fps"), style::INK);
    pen.explain(left, explain::LOWS);
    pair(pen, right, y, "0.1 % low", text.unit(summary.low_01_fps, 1, " fps"), style::INK);
    pen.explain(right, explain::LOWS);
    let (left, right, y) = halves(column);
    let overrun = summary.overrun.map(|o| o.p95);
    let color = if overrun.is_some_and(|o| o > 0.0) { style::CAUTION } else { style::INK };
    pair(pen, left, y, "late, p95", text.signed(overrun, " ms"), color);
    pen.explain(left, explain::OVERRUN);
    pair(pen, right, y, "jitter", text.unit(summary.jitter_ms, 1, " ms"), style::INK);
    pen.explain(right, explain::JITTER);
}

/// The next line in two halves, and its baseline.
fn halves(column: &mut Column) -> (Rect, Rect, f32) {
    let (row, y) = column.row(ROW);
    let half = row.width() / 2.0;
    let left = Rect::from_min_max(row.min, pos2(row.left() + half - 9.0, row.bottom()));
    let right = Rect::from_min_max(pos2(row.left() + half + 9.0, row.top()), row.max);
    (left, right, y)
}

fn hitches(
    pen: &mut Pen<'_>,
    column: &mut Column,
    snapshot: &Snapshot,
    text: &mut Text,
) -> [Option<(Rect, FrameId)>; HITCHES] {
    let mut places = [None; HITCHES];
    let top = column.y;
    let count = snapshot.figures().map_or(0, |(summary, _)| summary.hitches);
    let said = match count {
        0 => "none yet",
        n => text.format(format_args!("{n} since the start, over twice the median")),
    };
    section(pen, column, "Hitches", said);
    pen.explain(Rect::from_min_max(pos2(column.left, top), pos2(column.right, column.y)), explain::HITCHES);
    for (place, hitch) in places.iter_mut().zip(snapshot.hitches.iter().rev()) {
        let (row, y) = column.row(ROW);
        hitch_line(pen, row, y, hitch, snapshot, text);
        pen.explain(row, explain::HITCHES);
        *place = Some((row, hitch.cost.stamp.id));
    }
    places
}

fn hitch_line(pen: &mut Pen<'_>, row: Rect, y: f32, hitch: &Hitch, snapshot: &Snapshot, text: &mut Text) {
    let ago = snapshot.at.map(|now| now.saturating_duration_since(hitch.at));
    pen.add(style::Verdict::Caution.mark(pos2(row.left() + 4.5, row.center().y)));
    let put = pen.put(pos2(row.left() + 14.0, y), Align::Min, text.ago(ago.unwrap_or_default()), SMALL, style::MUTED);
    let left = put.right().max(row.left() + 74.0) + 6.0;
    let ms = hitch.took.as_secs_f64() * 1e3;
    let times = ms / (hitch.median.as_secs_f64() * 1e3).max(1e-3);
    let said = text.format(format_args!("{ms:.0} ms, {times:.1}\u{d7}"));
    let put = pen.put(pos2(left, y), Align::Min, said, SMALL, style::INK);
    let left = put.right().max(left + 82.0) + 6.0;
    let hot = if hitch.throttled == Some(true) { ", throttled" } else { "" };
    let gap = if hitch.kind == HitchKind::Gap { "stood still, " } else { "" };
    let said = text.format(format_args!("{gap}{}{hot}", hitch.cause.name()));
    pen.line(pos2(left, y), Align::Min, said, SMALL, style::MUTED, row.right() - left);
}

fn machine(pen: &mut Pen<'_>, column: &mut Column, summary: &Summary, system: &Reading, text: &mut Text) {
    let top = column.y;
    section(pen, column, "Machine", "");
    pen.explain(Rect::from_min_max(pos2(column.left, top), pos2(column.right, column.y)), explain::MACHINE);
    let (left, right, y) = halves(column);
    let name = match system.temperature_of {
        Some("GPU") => "GPU heat",
        Some("CPU") => "CPU heat",
        _ => "heat",
    };
    pair(pen, left, y, name, text.unit(system.temperature_c.map(f64::from), 0, " °C"), style::INK);
    pen.explain(left, explain::TEMPERATURE);
    let (said, color) = match (system.throttled, system.thermal) {
        (Some(true), _) => ("throttled", style::CAUTION),
        (_, Some(thermal @ (Thermal::Serious | Thermal::Critical))) => (thermal.name(), style::CAUTION),
        (_, Some(thermal)) => (thermal.name(), style::INK),
        (Some(false), None) => ("full clock", style::INK),
        (None, None) => (DASH, style::MUTED),
    };
    pair(pen, right, y, "state", said, color);
    pen.explain(right, explain::THERMAL);

    let (left, right, y) = halves(column);
    let said = match system.power {
        None => DASH,
        Some(Power::Mains) => "mains",
        Some(Power::Battery { percent: None }) => "battery",
        Some(Power::Battery { percent: Some(left) }) => text.format(format_args!("battery {left:.0} %")),
    };
    pair(pen, left, y, if system.saver == Some(true) { "power (saver)" } else { "power" }, said, style::INK);
    pen.explain(left, explain::POWER);
    let name = match system.watts_of {
        Some("GPU") => "GPU draws",
        _ => "draws",
    };
    pair(pen, right, y, name, text.unit(system.watts.map(f64::from), 1, " W"), style::INK);
    pen.explain(right, explain::POWER);

    let (left, right, y) = halves(column);
    let share = |load: Option<f32>| load.map(|l| f64::from(l) * 100.0);
    pair(pen, left, y, "CPU load", text.unit(share(system.cpu_load), 0, " %"), style::INK);
    pen.explain(left, explain::CPU_LOAD);
    pair(pen, right, y, "GPU load", text.unit(share(system.gpu_load), 0, " %"), style::INK);
    pen.explain(right, explain::GPU_LOAD);

    let (left, right, y) = halves(column);
    let mib = system.memory_bytes.map(|bytes| bytes as f64 / f64::from(1 << 20));
    pair(pen, left, y, "memory", text.unit(mib, 0, " MiB"), style::INK);
    pen.explain(left, explain::MEMORY);
    pair(pen, right, y, "flicker", text.unit(summary.stability.map(f64::from), 1, " of 255"), style::INK);
    pen.explain(right, explain::STABILITY);

    let (row, y) = column.row(ROW);
    let said = match summary.interface_ms.zip(summary.interface_share) {
        None => DASH,
        Some((ms, share)) if share < 0.1 => {
            text.format(format_args!("{ms:.2} ms, {:.1} % of the budget", share * 100.0))
        }
        Some((ms, share)) => text.format(format_args!("{ms:.1} ms, {:.0} % of the budget", share * 100.0)),
    };
    pair(pen, row, y, "these figures cost", said, style::INK);
    pen.explain(row, explain::OWN_COST);
}
