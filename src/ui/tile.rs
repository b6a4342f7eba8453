//! A picture of an effect that can be chosen, with its name: in the strip at the bottom and on the wall.

use egui::{Align2, Color32, CornerRadius, Rect, Response, Sense, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};

use super::{EffectEntry, style};

/// A picture on the GPU, for the interface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Picture {
    pub texture: egui::TextureId,
    /// Width over height.
    pub aspect: f32,
    /// What the camera sees now, rather than the pack's own picture.
    pub live: bool,
}

/// How a tile looks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks<'a> {
    /// The effect that paints.
    pub chosen: bool,
    /// Where the keyboard is.
    pub cursor: bool,
    /// Left and right are swapped.
    pub mirrored: bool,
    /// The key that chooses it.
    pub key: &'a str,
}

/// Points between the picture and what is below it.
const GAP: f32 = 3.0;
/// Points that the name is high.
const NAME: f32 = 15.0;

/// The size of a tile whose picture has this size.
pub fn size_of(picture: Vec2) -> Vec2 {
    vec2(picture.x, picture.y + GAP + NAME)
}

/// Draws a tile. It can be clicked; the effect's name is its label.
pub fn show(ui: &mut Ui, effect: &EffectEntry, picture: Option<Picture>, size: Vec2, marks: Marks<'_>) -> Response {
    let (rect, response) = ui.allocate_exact_size(size_of(size), Sense::click());
    let label = || egui::WidgetInfo::selected(egui::Role::Button, true, marks.chosen, &effect.title);
    response.widget_info(label);
    if !ui.is_rect_visible(rect) {
        return response;
    }
    let face = Rect::from_min_size(rect.min, size);
    let rounding = CornerRadius::same(6);
    match picture {
        Some(picture) => {
            egui::Image::from_texture((picture.texture, size))
                .uv(part(picture, size, marks.mirrored && picture.live))
                .corner_radius(rounding)
                .paint_at(ui, face);
        }
        None => {
            ui.painter().rect_filled(face, rounding, Color32::from_rgb(40, 44, 52));
        }
    }
    let painter = ui.painter();
    let edge = match marks {
        Marks { cursor: true, .. } => Stroke::new(3.0, style::INK),
        Marks { chosen: true, .. } => Stroke::new(3.0, style::GOOD),
        _ if response.hovered() => Stroke::new(1.5, style::INK),
        _ => Stroke::new(1.0, style::EDGE),
    };
    painter.rect_stroke(face, rounding, edge, StrokeKind::Inside);
    if !marks.key.is_empty() {
        let galley = painter.layout_no_wrap(marks.key.to_owned(), style::words(10.5), style::INK);
        let at = Align2::LEFT_TOP.anchor_size(face.min + vec2(3.0, 3.0), galley.size() + vec2(8.0, 2.0));
        painter.rect_filled(at, CornerRadius::same(4), style::BACKDROP);
        painter.galley(at.min + vec2(4.0, 1.0), galley, style::INK);
    }
    let color = if marks.chosen { style::GOOD } else { style::INK };
    let name = one_line(ui, &effect.title, size.x);
    let at = pos2(rect.center().x - name.size().x / 2.0, face.bottom() + GAP);
    ui.painter().galley(at, name, color);
    response
}

/// Words in one line, cut at `width` points.
fn one_line(ui: &Ui, words: &str, width: f32) -> std::sync::Arc<egui::Galley> {
    let mut job = egui::text::LayoutJob::simple_singleline(words.to_owned(), style::words(11.5), Color32::PLACEHOLDER);
    job.wrap = egui::text::TextWrapping::truncate_at_width(width);
    ui.painter().layout_job(job)
}

/// The star at the upper right corner of a tile's picture: filled where the effect is a favourite. True when it was clicked.
pub fn star(ui: &mut Ui, tile: Rect, effect: &EffectEntry, show_empty: bool) -> bool {
    if !effect.starred && !show_empty {
        return false;
    }
    let rect = Align2::RIGHT_TOP.anchor_size(tile.right_top() + vec2(-3.0, 3.0), vec2(24.0, 24.0));
    let response = ui.interact(rect, ui.scope_id().with(("star", &effect.name)), Sense::click());
    let name = format!("Favourite: {}", effect.title);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, effect.starred, &name));
    let color = if effect.starred { style::CAUTION } else { style::MUTED };
    ui.painter().circle_filled(rect.center(), 11.0, style::BACKDROP);
    ui.painter().add(star_shape(rect.center(), 7.5, color, effect.starred));
    response.on_hover_text("Favourite (Space)").clicked()
}

/// A star with five points around `center`.
fn star_shape(center: egui::Pos2, radius: f32, color: Color32, filled: bool) -> egui::Shape {
    let point = |i: usize| {
        let r = if i.is_multiple_of(2) { radius } else { radius * 0.42 };
        center + Vec2::angled(std::f32::consts::TAU * (i as f32 / 10.0 - 0.25)) * r
    };
    let outline: Vec<_> = (0..10).map(point).collect();
    if !filled {
        return egui::Shape::closed_line(outline, Stroke::new(1.3, color));
    }
    // egui fills convex shapes only: a kite for each point, which share the centre.
    let kite = |i: usize| {
        let corners = vec![center, outline[(2 * i + 9) % 10], outline[2 * i], outline[2 * i + 1]];
        egui::Shape::convex_polygon(corners, color, Stroke::NONE)
    };
    egui::Shape::Vec((0..5).map(kite).collect())
}

/// The middle of a picture that fills `size` without being distorted, as texture coordinates.
fn part(picture: Picture, size: Vec2, mirrored: bool) -> Rect {
    let wanted = size.x / size.y.max(1.0);
    let (width, height) =
        if picture.aspect > wanted { (wanted / picture.aspect, 1.0) } else { (1.0, picture.aspect / wanted) };
    let uv = Rect::from_center_size(pos2(0.5, 0.5), vec2(width, height));
    if mirrored { Rect::from_min_max(pos2(uv.max.x, uv.min.y), pos2(uv.min.x, uv.max.y)) } else { uv }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_cut_not_distorted() {
        let picture = |aspect| Picture { texture: egui::TextureId::default(), aspect, live: true };
        let uv = part(picture(2.0), vec2(100.0, 100.0), false);
        assert_eq!((uv.width(), uv.height(), uv.center()), (0.5, 1.0, pos2(0.5, 0.5)));
        let uv = part(picture(1.0), vec2(160.0, 80.0), false);
        assert_eq!((uv.width(), uv.height()), (1.0, 0.5));
        let mirrored = part(picture(1.0), vec2(160.0, 80.0), true);
        assert_eq!((mirrored.min.x, mirrored.max.x, mirrored.min.y), (1.0, 0.0, uv.min.y));
    }
}
