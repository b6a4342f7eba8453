//! What went wrong or is worth knowing, at the bottom of the picture, with what to do about it.

use egui::{Align2, CornerRadius, RichText, Sense, Ui, vec2};

use super::{View, style};
use crate::fault::{Fault, Severity};

/// More than these would hide the picture; the worst come first.
const MOST: usize = 3;

/// Stacks the messages above whatever stands `below` points high at the bottom; that the picture is not painted comes first.
pub fn show(ui: &mut Ui, view: &View<'_>, below: f32) {
    if view.faults.is_empty() && view.unpainted.is_none() {
        return;
    }
    let width = (ui.max_rect().width() - 32.0).clamp(120.0, 560.0);
    egui::Area::new(egui::Id::unique("messages"))
        .anchor(Align2::CENTER_BOTTOM, vec2(0.0, -(below + 14.0)))
        .interactable(false)
        .show(ui.ctx(), |ui| {
            ui.spacing_mut().item_spacing.y = 6.0;
            if let Some(unpainted) = view.unpainted {
                message(ui, unpainted, 1, width);
            }
            for (fault, times) in view.faults.iter().take(MOST) {
                message(ui, fault, *times, width);
            }
            let more = view.faults.len().saturating_sub(MOST);
            if more > 0 {
                style::card().show(ui, |ui| {
                    ui.label(RichText::new(format!("and {more} more")).font(style::words(12.0)).color(style::MUTED));
                });
            }
        });
}

fn message(ui: &mut Ui, fault: &Fault, times: u32, width: f32) {
    style::card().show(ui, |ui| {
        ui.set_width(width);
        ui.horizontal_top(|ui| {
            let (mark, _) = ui.allocate_exact_size(vec2(4.0, 34.0), Sense::hover());
            ui.painter().rect_filled(mark, CornerRadius::same(2), style::severity_color(fault.severity));
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 2.0;
                let again = if times > 1 { format!("  ({times} times)") } else { String::new() };
                let what = format!("{}{}{again}", word(fault.severity), fault.what);
                ui.label(RichText::new(what).font(style::words(14.0)));
                if !fault.remedy.is_empty() {
                    ui.label(RichText::new(&fault.remedy).font(style::words(12.5)).color(style::MUTED));
                }
            });
        });
    });
}

/// What the colour says, in words.
fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Notice => "",
        Severity::Degraded => "Careful: ",
        Severity::Failed => "Problem: ",
    }
}
