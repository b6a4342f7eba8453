//! Which cards of the overlay are shown, and where: as much of the wanted level as the window has room for.

use super::Level;
use super::overlay::{self, MARGIN, WIDTH};

/// What is shown where.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layout {
    pub window: egui::Rect,
    pub left: Left,
    pub right: Right,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Left {
    Nothing,
    Line,
    Compact { cramped: bool },
    Cost,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Right {
    Nothing,
    State(egui::Pos2),
    Timeline {
        at: egui::Pos2,
        width: f32,
        /// Where the other card goes under it, if there is room.
        state: Option<egui::Pos2>,
    },
}

impl Layout {
    /// Points that the compact card is high, about.
    const COMPACT: f32 = 184.0;

    /// The largest level up to `level` that fits into `window` without touching the `below` points at the bottom.
    pub fn choose(level: Level, window: egui::Rect, below: f32, timeline: bool) -> Self {
        let (width, height) = (window.width() - 2.0 * MARGIN, window.height() - MARGIN - below);
        let at = window.min + egui::Vec2::splat(MARGIN);
        let second = egui::pos2(at.x + WIDTH + MARGIN, at.y);
        let (left, right) = match level {
            Level::Hidden => (Left::Nothing, Right::Nothing),
            Level::Line => (Left::Line, Right::Nothing),
            Level::Compact | Level::Full if height < Self::COMPACT || width < WIDTH => (Left::Line, Right::Nothing),
            Level::Compact => (Left::Compact { cramped: false }, Right::Nothing),
            Level::Full if height < overlay::cost::HEIGHT => (Left::Compact { cramped: true }, Right::Nothing),
            Level::Full if timeline && window.right() - MARGIN - second.x >= overlay::timeline::LEAST_WIDTH => {
                let width = window.right() - MARGIN - second.x;
                let under = egui::pos2(second.x, at.y + overlay::timeline::HEIGHT + MARGIN);
                let room = height >= overlay::timeline::HEIGHT + MARGIN + overlay::state::HEIGHT;
                (Left::Cost, Right::Timeline { at: second, width: width.min(900.0), state: room.then_some(under) })
            }
            Level::Full if timeline && width >= overlay::timeline::LEAST_WIDTH => {
                (Left::Nothing, Right::Timeline { at, width, state: None })
            }
            Level::Full if width >= 2.0 * WIDTH + MARGIN => {
                (Left::Cost, Right::State(egui::pos2(window.right() - MARGIN - WIDTH, at.y)))
            }
            Level::Full if height >= overlay::cost::HEIGHT + MARGIN + overlay::state::HEIGHT => {
                (Left::Cost, Right::State(egui::pos2(at.x, at.y + overlay::cost::HEIGHT + MARGIN)))
            }
            Level::Full => (Left::Cost, Right::Nothing),
        };
        Self { window, left, right }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Interface;
    use super::*;

    #[test]
    fn what_does_not_fit_gives_way_to_less() {
        let choose = |width: f32, height: f32, level: Level| {
            let window = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(width, height));
            Layout::choose(level, window, Interface::BAR_HEIGHT + 8.0, false)
        };
        let first = choose(1024.0, 576.0, Level::Full);
        assert!(matches!((first.left, first.right), (Left::Cost, Right::State(_))), "{first:?}");
        assert_eq!(choose(640.0, 360.0, Level::Full).left, Left::Compact { cramped: true });
        assert_eq!(choose(640.0, 360.0, Level::Compact).left, Left::Compact { cramped: false });
        assert_eq!(choose(320.0, 180.0, Level::Full).left, Left::Line);
        assert_eq!(choose(520.0, 640.0, Level::Full).right, Right::Nothing);
        assert!(matches!(choose(520.0, 1100.0, Level::Full).right, Right::State(_)));
        assert_eq!(choose(4000.0, 3000.0, Level::Hidden).left, Left::Nothing);
        // Never more than was asked for, and a level at every size.
        for width in (100..2000).step_by(61) {
            for height in (60..1500).step_by(47) {
                let layout = choose(width as f32, height as f32, Level::Line);
                assert_eq!((layout.left, layout.right), (Left::Line, Right::Nothing));
            }
        }
    }
}
