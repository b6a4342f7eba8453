//! Colours, sizes and small drawings that all parts of the interface share.
//!
//! Stage colours are those of Okabe and Ito ("Color Universal Design", 2008), chosen so that people with protanopia,
//! deuteranopia or tritanopia can tell them apart by hue or by lightness; the two stages in which nothing was done
//! (capture, wait) are greys. A test simulates the three and measures the distance of colours that touch in a drawing.
//! Nothing is said by colour alone: verdicts have a shape and a word, stages a name.
//!
//! Words are set in Inter, in a medium weight that stands out from a picture, with digits of equal width.

use std::sync::{Arc, LazyLock};

use egui::{
    Align2, Color32, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Painter, Pos2, Rect, Shape,
    Stroke, StrokeKind, TextStyle, Vec2, pos2, vec2,
};

use crate::fault::Severity;
use crate::metrics::Stage;

pub const INK: Color32 = Color32::from_rgb(238, 240, 244);
pub const MUTED: Color32 = Color32::from_rgb(166, 173, 186);
pub const FAINT: Color32 = Color32::from_rgb(92, 99, 112);
/// Behind everything that is read: dark enough for 7:1 contrast of `INK` over white.
pub const BACKDROP: Color32 = Color32::from_rgba_premultiplied(13, 14, 18, 243);
/// Behind lists and menus that lie over other words.
pub const GROUND: Color32 = Color32::from_rgb(20, 22, 27);
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

/// Words and figures of the interface. Digits are of equal width, so that figures do not dance.
pub fn words(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// Headings, and the figures that people look for first. Known to a context after [`apply`].
pub fn strong(size: f32) -> FontId {
    static STRONG: LazyLock<FontFamily> = LazyLock::new(|| FontFamily::Name("strong".into()));
    FontId::new(size, STRONG.clone())
}

/// Inter for everything that it has letters for, egui's own fonts for the rest.
pub(super) fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let mut add = |name: &str, bytes: &'static [u8], family: FontFamily| {
        let others = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
        fonts.families.insert(family, std::iter::once(name.to_owned()).chain(others).collect());
    };
    add("Inter SemiBold", include_bytes!("../../assets/fonts/Inter-SemiBold.otf"), strong(1.0).family);
    add("Inter Medium", include_bytes!("../../assets/fonts/Inter-Medium.otf"), FontFamily::Proportional);
    fonts
}

/// How a figure compares with what it should be: a colour, a shape and a word each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    Measuring,
    Good,
    Caution,
    Bad,
}

impl Verdict {
    pub fn color(self) -> Color32 {
        match self {
            Self::Measuring => MUTED,
            Self::Good => GOOD,
            Self::Caution => CAUTION,
            Self::Bad => BAD,
        }
    }

    /// A ring, a disc, a triangle, a diamond: to be told apart without colours. 9 points across.
    pub fn mark(self, center: Pos2) -> Shape {
        let r = 4.5;
        let point = |x: f32, y: f32| pos2(center.x + x * r, center.y + y * r);
        match self {
            Self::Measuring => Shape::circle_stroke(center, r - 1.0, Stroke::new(1.5, self.color())),
            Self::Good => Shape::circle_filled(center, r - 0.3, self.color()),
            Self::Caution => {
                let corners = vec![point(0.0, -1.0), point(1.1, 0.85), point(-1.1, 0.85)];
                Shape::convex_polygon(corners, self.color(), Stroke::NONE)
            }
            Self::Bad => {
                let corners = vec![point(0.0, -1.15), point(1.15, 0.0), point(0.0, 1.15), point(-1.15, 0.0)];
                Shape::convex_polygon(corners, self.color(), Stroke::NONE)
            }
        }
    }
}

/// The look of controls, set once per context.
pub fn apply(ctx: &egui::Context) {
    ctx.set_fonts(fonts());
    ctx.set_theme(egui::Theme::Dark);
    ctx.all_styles_mut(|style| {
        style.interaction.selectable_labels = false;
        style.interaction.tooltip_delay = 0.25;
        for (text, size) in [(TextStyle::Body, 13.0), (TextStyle::Button, 13.0), (TextStyle::Small, 11.0)] {
            style.text_styles.insert(text, words(size));
        }
        style.spacing.item_spacing = vec2(8.0, 6.0);
        style.spacing.button_padding = vec2(9.0, 4.0);
        style.spacing.slider_width = 120.0;
        style.animation_time = 0.0;
        let visuals = &mut style.visuals;
        visuals.override_text_color = Some(INK);
        visuals.window_fill = GROUND;
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

/// Words that stand on a colour: dark on light ones, light on dark ones.
pub fn ink_on(color: Color32) -> Color32 {
    let light = 0.299 * f32::from(color.r()) + 0.587 * f32::from(color.g()) + 0.114 * f32::from(color.b());
    if light > 110.0 { Color32::from_rgb(16, 17, 20) } else { INK }
}

/// The backdrop of a drawn card.
pub fn card_shape(rect: Rect) -> Shape {
    egui::epaint::RectShape::new(rect, CornerRadius::same(10), BACKDROP, Stroke::new(1.0, EDGE), StrokeKind::Inside)
        .into()
}

/// The backdrop of a part of the interface.
pub fn card() -> egui::Frame {
    egui::Frame::new()
        .fill(BACKDROP)
        .stroke(Stroke::new(1.0, EDGE))
        .corner_radius(CornerRadius::same(10))
        .inner_margin(Margin::symmetric(14, 11))
}

/// As [`card`], for what lies over other words: nothing shines through.
pub fn opaque_card() -> egui::Frame {
    card().fill(GROUND)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Linear light, 0..=1.
    fn linear(color: Color32) -> [f64; 3] {
        [color.r(), color.g(), color.b()].map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// CIE L*a*b* under D65.
    fn lab(rgb: [f64; 3]) -> [f64; 3] {
        let row = |m: [f64; 3]| m.iter().zip(rgb).map(|(m, c)| m * c).sum::<f64>();
        let xyz = [
            row([0.4124, 0.3576, 0.1805]) / 0.9505,
            row([0.2126, 0.7152, 0.0722]),
            row([0.0193, 0.1192, 0.9505]) / 1.089,
        ];
        let [x, y, z] = xyz.map(|t| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    /// Machado, Oliveira, Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (2009),
    /// severity 1.
    const VISIONS: [(&str, [[f64; 3]; 3]); 4] = [
        ("common", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protanopia",
            [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        ),
        (
            "deuteranopia",
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        ),
        (
            "tritanopia",
            [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
        ),
    ];

    fn distance(a: Color32, b: Color32, vision: &[[f64; 3]; 3]) -> f64 {
        let seen = |color: Color32| {
            let rgb = linear(color);
            lab([0, 1, 2].map(|i| (0..3).map(|j| vision[i][j] * rgb[j]).sum::<f64>().clamp(0.0, 1.0)))
        };
        seen(a).iter().zip(seen(b)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn colours_that_touch_can_be_told_apart() {
        let stack = super::super::graph::WORK_FIRST;
        for (name, vision) in VISIONS {
            for pair in stack.windows(2) {
                let d = distance(stage_color(pair[0]), stage_color(pair[1]), &vision);
                assert!(d > 12.0, "{} beside {} under {name}: {d:.1}", pair[0].name(), pair[1].name());
            }
            for (a, b) in [(GOOD, CAUTION), (CAUTION, BAD), (GOOD, BAD)] {
                assert!(distance(a, b, &vision) > 12.0, "{name}");
            }
        }
    }

    #[test]
    fn words_can_be_read_over_any_picture() {
        // The backdrop over white and over black; WCAG 2: at least 4.5 for text, 7 for what matters most.
        let light = |rgb: [f64; 3]| 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
        let over = |behind: u8| {
            let keep = 1.0 - f64::from(BACKDROP.a()) / 255.0;
            let mixed = |own: u8| (f64::from(own) + keep * f64::from(behind)).round() as u8;
            Color32::from_rgb(mixed(BACKDROP.r()), mixed(BACKDROP.g()), mixed(BACKDROP.b()))
        };
        for behind in [0, 255] {
            let ground = light(linear(over(behind)));
            let contrast = |ink: Color32| (light(linear(ink)) + 0.05) / (ground + 0.05);
            assert!(contrast(INK) > 10.0, "{}", contrast(INK));
            for ink in [MUTED, GOOD, CAUTION, BAD] {
                assert!(contrast(ink) > 5.5, "{ink:?} over {behind}: {}", contrast(ink));
            }
        }
    }
}
