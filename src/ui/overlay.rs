//! The overlay: what each frame cost, against what it may cost.

use egui::{Align, Align2, Layout, RichText, Sense, Ui, pos2, vec2};

use super::figures::{DASH, Text, percent};
use super::{View, graph, style};
use crate::metrics::{Quantiles, Row, Summary};
use crate::units::CaptureClock;

/// Points; the panel does not grow with the window.
const WIDTH: f32 = 332.0;

/// One line of the most important figures.
pub fn line(ui: &mut Ui, view: &View<'_>, text: &mut Text) {
    area(ui, "overlay line", |ui| {
        style::card().inner_margin(egui::Margin::symmetric(11, 6)).show(ui, |ui| {
            ui.horizontal(|ui| {
                ui.spacing_mut().item_spacing.x = 5.0;
                let summary = view.summary;
                let figure = |ui: &mut Ui, value: &str, unit: &str| {
                    ui.label(RichText::new(value).font(style::digits(13.0)));
                    ui.label(RichText::new(unit).font(style::words(12.0)).color(style::MUTED));
                    ui.add_space(6.0);
                };
                figure(ui, text.fps(summary.presented_fps), "fps");
                figure(ui, text.ms(summary.total.map(|q| q.p50)), "ms latency");
                figure(ui, text.ms(summary.work.map(|q| q.p50)), "ms work");
                let (color, said) = verdict(summary);
                ui.label(RichText::new(said).font(style::words(12.0)).color(color));
            });
        });
    });
}

/// Everything.
pub fn full(ui: &mut Ui, view: &View<'_>, text: &mut Text) {
    area(ui, "overlay", |ui| {
        style::card().show(ui, |ui| {
            ui.set_width(WIDTH);
            ui.spacing_mut().item_spacing = vec2(6.0, 3.0);
            heading(ui, view, text);
            ui.add_space(5.0);
            headline(ui, view.summary, text);
            ui.add_space(4.0);
            budget(ui, view.summary, text);
            ui.add_space(4.0);
            let (_, rect) = ui.allocate_space(vec2(WIDTH, 58.0));
            graph::scroll(ui.painter(), rect, view.meter, view.summary, view.now, text);
            ui.add_space(4.0);
            table(ui, view.summary, text);
            ui.add_space(4.0);
            footer(ui, view, text);
        });
    });
}

fn area(ui: &Ui, name: &str, contents: impl FnOnce(&mut Ui)) {
    egui::Area::new(egui::Id::unique(name))
        .anchor(Align2::LEFT_TOP, vec2(12.0, 12.0))
        .interactable(false)
        .constrain(false)
        .show(ui.ctx(), contents);
}

/// What is painting: effect, variant, size, engine, device.
fn heading(ui: &mut Ui, view: &View<'_>, text: &mut Text) {
    let subject = view.subject;
    let title =
        view.effects.iter().find(|e| e.name == subject.effect).map_or(subject.effect.as_str(), |e| e.title.as_str());
    ui.horizontal(|ui| {
        let title = if title.is_empty() { "Camera picture" } else { title };
        ui.label(RichText::new(title).font(style::words(17.0)));
        if !subject.variant.is_empty() {
            let size =
                text.format(format_args!("{}  {}x{}", subject.variant.to_uppercase(), subject.width, subject.height));
            ui.label(RichText::new(size).font(style::digits(12.0)).color(style::MUTED));
        }
        if let Some(what) = view.preparing {
            ui.label(RichText::new(what).font(style::words(12.0)).color(style::CAUTION));
        }
    });
    let device = match subject.engine.as_str() {
        "ort" => text.format(format_args!("ONNX Runtime on the CPU, shown by {}", subject.device)),
        "wgpu" => text.format(format_args!("wgpu on {}", subject.device)),
        _ if subject.device.is_empty() => "waiting for the first picture",
        _ => text.format(format_args!("not painted, shown by {}", subject.device)),
    };
    clipped(ui, device, style::MUTED);
}

/// The three figures that people look for first.
fn headline(ui: &mut Ui, summary: &Summary, text: &mut Text) {
    ui.columns(3, |columns| {
        let mut figure = |i: usize, value: &str, unit: &str, name: &str| {
            let ui: &mut Ui = &mut columns[i];
            ui.spacing_mut().item_spacing = vec2(4.0, 0.0);
            ui.horizontal(|ui| {
                ui.label(RichText::new(value).font(style::digits(21.0)));
                ui.with_layout(Layout::left_to_right(Align::BOTTOM), |ui| {
                    ui.label(RichText::new(unit).font(style::words(11.0)).color(style::MUTED));
                });
            });
            ui.label(RichText::new(name).font(style::words(11.0)).color(style::MUTED));
        };
        figure(0, text.fps(summary.presented_fps), "fps", "presented");
        figure(1, text.ms(summary.total.map(|q| q.p50)), "ms", "capture to present");
        figure(2, text.ms(summary.work.map(|q| q.p50)), "ms", "work per frame");
    });
}

/// What the comparison with the budget comes to, in a colour and in words.
fn verdict(summary: &Summary) -> (egui::Color32, &'static str) {
    match summary.over_budget {
        None => (style::MUTED, "measuring"),
        Some(share) if share <= 0.05 => (style::GOOD, "within budget"),
        Some(share) if share <= 0.5 => (style::CAUTION, "at times over budget"),
        Some(_) => (style::BAD, "over budget"),
    }
}

fn budget(ui: &mut Ui, summary: &Summary, text: &mut Text) {
    let (_, rect) = ui.allocate_space(vec2(WIDTH, 12.0));
    graph::budget(ui.painter(), rect, summary);
    ui.add_space(3.0);
    ui.horizontal(|ui| {
        let (color, said) = verdict(summary);
        ui.label(RichText::new(said).font(style::words(12.0)).color(color));
        if let (Some(work), Some(over)) = (summary.work, summary.over_budget) {
            let budget = summary.budget.ms();
            let used = percent(work.mean / budget);
            let detail = if over > 0.0 {
                text.format(format_args!("{used:.0} % of {budget:.1} ms; {:.0} % of frames over", percent(over)))
            } else {
                text.format(format_args!("{used:.0} % of {budget:.1} ms"))
            };
            ui.label(RichText::new(detail).font(style::words(12.0)).color(style::MUTED));
        }
    });
}

/// Right edges of the columns, from the panel's left.
const COLUMNS: [(&str, f32); 3] = [("mean", 190.0), ("p50", 258.0), ("p95", WIDTH)];
const ROW: f32 = 16.5;

fn table(ui: &mut Ui, summary: &Summary, text: &mut Text) {
    let rows = summary.rows.len() as f32 + 2.0;
    let (rect, _) = ui.allocate_exact_size(vec2(WIDTH, rows * ROW + 3.0), Sense::hover());
    let painter = ui.painter();
    let put = |x: f32, y: f32, align: Align2, what: &str, font: egui::FontId, color: egui::Color32| {
        painter.text(pos2(rect.left() + x, y), align, what, font, color);
    };
    let mut y = rect.top() + ROW / 2.0;
    put(0.0, y, Align2::LEFT_CENTER, "ms per frame", style::words(11.0), style::MUTED);
    for (name, x) in COLUMNS {
        put(x, y, Align2::RIGHT_CENTER, name, style::words(11.0), style::MUTED);
    }
    let figures = |y: f32, cost: Option<Quantiles>, text: &mut Text, color: egui::Color32| {
        let values = cost.map_or([None; 3], |q| [Some(q.mean), Some(q.p50), Some(q.p95)]);
        for ((_, x), value) in COLUMNS.into_iter().zip(values) {
            let color = if value.is_none() { style::FAINT } else { color };
            put(x, y, Align2::RIGHT_CENTER, text.ms(value), style::digits(12.5), color);
        }
    };
    for Row { stage, cost } in &summary.rows {
        y += ROW;
        style::chip(painter, pos2(rect.left() + 4.0, y), style::stage_color(*stage));
        let color = if cost.is_some() { style::INK } else { style::MUTED };
        put(14.0, y, Align2::LEFT_CENTER, stage.name(), style::words(13.0), color);
        figures(y, *cost, text, style::INK);
    }
    y += ROW / 2.0 + 1.5;
    painter.hline(rect.x_range(), y, egui::Stroke::new(1.0, style::FAINT));
    y += ROW / 2.0 + 1.5;
    put(14.0, y, Align2::LEFT_CENTER, "total", style::words(13.0), style::INK);
    figures(y, summary.total, text, style::INK);
}

fn footer(ui: &mut Ui, view: &View<'_>, text: &mut Text) {
    let summary = view.summary;
    let fps = |fps: Option<f64>| fps.map_or_else(|| DASH.to_owned(), |f| format!("{f:.1}"));
    let said = text.format(format_args!(
        "source {}   processed {}   presented {} fps",
        fps(summary.source_fps),
        fps(summary.processed_fps),
        fps(summary.presented_fps)
    ));
    clipped(ui, said, style::INK);
    let counts = summary.counts;
    let share = if counts.captured > 0 { counts.dropped as f64 / counts.captured as f64 } else { 0.0 };
    let said = text.format(format_args!(
        "{} of {} frames dropped ({:.0} %)",
        counts.dropped,
        counts.captured,
        percent(share.min(1.0))
    ));
    clipped(ui, said, style::MUTED);
    let clock = match summary.clock {
        Some(CaptureClock::Driver) => "captured: the driver's time stamp",
        Some(CaptureClock::Dequeue) => "captured: when the program got the frame; the camera's own delay is not known",
        Some(CaptureClock::Schedule) => "captured: when the frame was due",
        None => "no frame yet",
    };
    ui.label(RichText::new(clock).font(style::words(11.5)).color(style::MUTED));
    if !view.subject.why.is_empty() {
        let why = text.format(format_args!("why: {}", view.subject.why));
        ui.label(RichText::new(why).font(style::words(11.5)).color(style::MUTED));
    }
    let keys =
        text.format(format_args!("means of the last {:.0} s add up; F1 shows less", summary.window.as_secs_f64()));
    ui.label(RichText::new(keys).font(style::words(11.0)).color(style::FAINT.gamma_multiply(1.4)));
}

/// One line, cut where the panel ends.
fn clipped(ui: &mut Ui, said: &str, color: egui::Color32) {
    ui.add(egui::Label::new(RichText::new(said).font(style::words(12.0)).color(color)).truncate());
}
