//! Colours, sizes and small drawings that all parts of the interface share.
//!
//! Stage colours are those of Okabe and Ito ("Color Universal Design", 2008), which people with any common colour vision
//! can tell apart; the two that say nothing was done (capture, wait) are greys.

use egui::{
    Align2, Color32, CornerRadius, FontFamily, FontId, Margin, Painter, Pos2, Rect, Stroke, StrokeKind, Vec2, vec2,
};

use crate::fault::Severity;
use crate::metrics::Stage;

pub const INK: Color32 = Color32::from_rgb(238, 240, 244);
pub const MUTED: Color32 = Color32::from_rgb(166, 173, 186);
pub const FAINT: Color32 = Color32::from_rgb(92, 99, 112);
/// Behind everything that is read: dark enough for 7:1 contrast of `INK` over white.
pub const BACKDROP: Color32 = Color32::from_rgba_premultiplied(12, 13, 17, 236);
pub const EDGE: Color32 = Color32::from_rgba_premultiplied(26, 26, 26, 26);
pub const GOOD: Color32 = Color32::from_rgb(86, 180, 233);
pub const BAD: Color32 = Color32::from_rgb(255, 128, 66);
pub const CAUTION: Color32 = Color32::from_rgb(240, 200, 66);

pub fn stage_color(stage: Stage) -> Color32 {
    match stage {
        Stage::Capture => Color32::from_rgb(128, 136, 150),
        Stage::Wait => Color32::from_rgb(78, 85, 98),
        Stage::Upload => Color32::from_rgb(86, 180, 233),
        Stage::Prepare => Color32::from_rgb(0, 158, 115),
        Stage::Infer => Color32::from_rgb(230, 159, 0),
        Stage::Compose => Color32::from_rgb(240, 228, 66),
        Stage::Interface => Color32::from_rgb(204, 121, 167),
        Stage::Present => Color32::from_rgb(64, 130, 200),
    }
}

pub fn severity_color(severity: Severity) -> Color32 {
    match severity {
        Severity::Notice => GOOD,
        Severity::Degraded => CAUTION,
        Severity::Failed => BAD,
    }
}

/// Words of the interface.
pub fn words(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// Figures: digits of equal width, so that they do not dance.
pub fn digits(size: f32) -> FontId {
    FontId::new(size, FontFamily::Monospace)
}

/// The look of controls, set once per context.
pub fn apply(ctx: &egui::Context) {
    ctx.set_theme(egui::Theme::Dark);
    ctx.all_styles_mut(|style| {
        style.interaction.selectable_labels = false;
        style.spacing.item_spacing = vec2(8.0, 6.0);
        style.spacing.button_padding = vec2(9.0, 4.0);
        style.spacing.slider_width = 120.0;
        style.animation_time = 0.0;
        let visuals = &mut style.visuals;
        visuals.override_text_color = Some(INK);
        visuals.window_fill = Color32::from_rgb(20, 22, 27);
        visuals.panel_fill = Color32::TRANSPARENT;
        visuals.popup_shadow = egui::Shadow::NONE;
        visuals.selection.bg_fill = Color32::from_rgb(30, 92, 140);
        visuals.selection.stroke = Stroke::new(1.0, INK);
        for widget in [&mut visuals.widgets.inactive, &mut visuals.widgets.hovered, &mut visuals.widgets.active] {
            widget.corner_radius = CornerRadius::same(6);
        }
        visuals.widgets.inactive.weak_bg_fill = Color32::from_rgb(40, 44, 52);
        visuals.widgets.inactive.bg_fill = Color32::from_rgb(58, 64, 76);
        visuals.widgets.hovered.weak_bg_fill = Color32::from_rgb(56, 62, 74);
        visuals.widgets.hovered.bg_stroke = Stroke::new(1.0, FAINT);
    });
}

/// The backdrop of a part of the interface.
pub fn card() -> egui::Frame {
    egui::Frame::new()
        .fill(BACKDROP)
        .stroke(Stroke::new(1.0, EDGE))
        .corner_radius(CornerRadius::same(10))
        .inner_margin(Margin::symmetric(14, 11))
}

/// The grip of the split line.
pub fn handle(painter: &Painter, center: Pos2, strong: bool) {
    let size = if strong { vec2(10.0, 44.0) } else { vec2(8.0, 36.0) };
    let rect = Rect::from_center_size(center, size);
    painter.rect(
        rect,
        CornerRadius::same(5),
        INK,
        Stroke::new(1.0, Color32::from_black_alpha(140)),
        StrokeKind::Outside,
    );
}

/// One word over the picture.
pub fn tag(painter: &Painter, at: Pos2, align: Align2, text: &str) {
    let galley = painter.layout_no_wrap(text.to_owned(), words(12.0), INK);
    let rect = align.anchor_size(at, galley.size() + vec2(14.0, 6.0));
    painter.rect_filled(rect, CornerRadius::same(6), BACKDROP);
    painter.galley(rect.min + Vec2::new(7.0, 3.0), galley, INK);
}

/// A small square in a stage's colour.
pub fn chip(painter: &Painter, center: Pos2, color: Color32) {
    painter.rect_filled(Rect::from_center_size(center, Vec2::splat(7.0)), CornerRadius::same(2), color);
}
