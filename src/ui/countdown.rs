//! The seconds before a still, in the middle of the picture, and its flash.

use egui::{Align2, Color32, Ui};

use super::style;

/// What is to be seen of a countdown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Countdown {
    /// Seconds that are left, from 1.
    Left(u32),
    /// How bright the flash still is, 0..=1.
    Flash(f32),
}

pub fn show(ui: &Ui, countdown: Countdown) {
    let window = ui.ctx().viewport_rect();
    let painter = ui.ctx().layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("countdown")));
    match countdown {
        Countdown::Left(seconds) => {
            let size = (window.height() * 0.4).clamp(60.0, 320.0);
            let (at, text, font) = (window.center(), seconds.to_string(), style::strong(size));
            // Seen on bright pictures too.
            painter.text(
                at + egui::vec2(0.0, 3.0),
                Align2::CENTER_CENTER,
                &text,
                font.clone(),
                Color32::from_black_alpha(150),
            );
            painter.text(at, Align2::CENTER_CENTER, text, font, style::INK);
        }
        Countdown::Flash(rest) => {
            painter.rect_filled(window, 0.0, Color32::from_white_alpha((rest.clamp(0.0, 1.0) * 255.0) as u8));
        }
    }
    // It goes on even where no new picture comes.
    ui.ctx().request_repaint_after(std::time::Duration::from_millis(33));
}
