//! The split view: the camera's picture left of a line, the painted one right of it, and the line to be dragged.

use super::{Action, View, style};

/// The line, while there is one. `bar_top`: what lies below it is covered.
pub fn show(ui: &mut egui::Ui, view: &View<'_>, bar_top: f32, actions: &mut Vec<Action>) {
    let Some(split) = view.controls.split else { return };
    let whole = picture_rect(ui.max_rect(), view.picture_aspect);
    let x = whole.left() + whole.width() * split.clamp(0.0, 1.0);
    let grip = egui::Rect::from_center_size(egui::pos2(x, whole.center().y), egui::vec2(28.0, whole.height()));
    let response = ui
        .interact(grip, ui.scope_id().with("split"), egui::Sense::drag())
        .on_hover_cursor(egui::CursorIcon::ResizeHorizontal);
    if let Some(pointer) = response.interact_pointer_pos().filter(|_| response.dragged()) {
        let share = ((pointer.x - whole.left()) / whole.width().max(1.0)).clamp(0.0, 1.0);
        actions.push(Action::Split(Some(share)));
    }
    let painter = ui.painter();
    let strong = response.hovered() || response.dragged();
    style::handle(painter, egui::pos2(x, whole.center().y), strong);
    let label = |text: &str, align: egui::Align2, x: f32| {
        style::tag(painter, egui::pos2(x, (whole.bottom() - 26.0).min(bar_top - 18.0)), align, text);
    };
    // The words step aside where there is no room for them.
    if x - whole.left() > 80.0 {
        label("camera", egui::Align2::RIGHT_CENTER, x - 12.0);
    }
    if whole.right() - x > 80.0 {
        label("painted", egui::Align2::LEFT_CENTER, x + 12.0);
    }
}

/// Where a picture of that aspect ratio lies in the window: all of it, centred, bars beside it.
fn picture_rect(window: egui::Rect, aspect: Option<f32>) -> egui::Rect {
    let Some(aspect) = aspect.filter(|a| *a > 0.0) else { return window };
    let width = window.width().min(window.height() * aspect);
    egui::Rect::from_center_size(window.center(), egui::vec2(width, width / aspect))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_lies_between_bars() {
        let window = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(1024.0, 576.0));
        let picture = picture_rect(window, Some(4.0 / 3.0));
        assert_eq!((picture.left(), picture.width(), picture.height()), (128.0, 768.0, 576.0));
        let wide = picture_rect(window, Some(4.0));
        assert_eq!((wide.top(), wide.width(), wide.height()), (160.0, 1024.0, 256.0));
        assert_eq!(picture_rect(window, None), window);
    }
}
