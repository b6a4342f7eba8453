//! Everything that the user can ask for, and who does it: the one place where an [`Action`] is carried out.

use std::time::Instant;

use winit::event_loop::ActiveEventLoop;
use winit::window::Fullscreen;

use super::App;
use super::countdown::STRIP;
use crate::ui::Action;

impl App {
    /// Does what a key or the interface asks for.
    pub(super) fn act(&mut self, event_loop: &ActiveEventLoop, action: Action, now: Instant) {
        let session = &mut self.session;
        if action.changes_picture() {
            session.enliven(now);
        }
        match action {
            Action::Effect(index) => self.choose(index, now),
            Action::EffectBeside(by) => session.choose_effect_beside(by, now),
            Action::Variant(id) => session.choose_variant(id),
            Action::NextVariant => session.choose_next_variant(),
            Action::Engine(engine) => session.choose_engine(engine),
            Action::Gpu(choice) => self.choose_gpu(event_loop, choice),
            Action::NextEngine => session.choose_next_engine(now),
            Action::Strength(strength) => session.set_strength(strength),
            Action::StrengthBy(percent) => session.strengthen(percent),
            Action::Touch(touch) => session.set_touch(touch),
            Action::Blend { other, share } => session.blend(other, share, now),
            Action::BlendWith(other) => session.blend_with(other, now),
            Action::BlendBy(percent) => session.blend_by(percent, now),
            Action::ToggleBlend => session.toggle_blend(now),
            Action::Keep(keep) => session.set_keep(keep),
            Action::NextKeep => session.choose_next_keep(now),
            Action::Star(index) => session.star(index),

            Action::Source(spec) => session.set_source(&spec, now),
            Action::CameraMode(mode) => self.choose_camera_mode(mode, now),
            Action::CameraControl { id, value } => self.set_camera_control(id, value),
            Action::ToggleMirror => session.toggle_mirror(),
            Action::Split(at) => session.set_split(at),
            Action::ToggleSplit => session.toggle_split(),
            Action::ToggleFreeze => session.toggle_freeze(),

            Action::Still => self.save_still(now),
            Action::ToggleCountdown => self.begin_countdown(1, now),
            Action::ToggleStrip => self.begin_countdown(STRIP, now),
            Action::Stills(stills) => self.stills = stills,
            Action::Folder(kept, folder) => self.set_folder(kept, folder, now),
            Action::ToggleRecording => self.toggle_recording(now),
            Action::ToggleCamera => self.toggle_camera(now),
            Action::ToggleReplay => self.toggle_replay(now),
            Action::SaveReplay => self.save_replay(now),
            Action::StopAll => self.stop_all(now),
            Action::SaveReport => self.save_report(now),

            Action::Level(level) => self.gui.interface.level = level,
            Action::NextLevel => self.gui.interface.level = self.gui.interface.level.next(),
            Action::TogglePause => self.gui.interface.pause(!self.gui.interface.paused()),
            Action::Step(by) => self.gui.interface.step(by),
            Action::ToggleHelp => self.gui.interface.toggle_help(),
            Action::ToggleSetup => self.toggle_setup(),
            Action::Startup(startup) => self.set_startup(startup),
            Action::Telemetry(to) => self.set_telemetry(to, now),
            Action::TogglePalette => self.gui.interface.toggle_palette(),
            Action::ToggleWall => self.toggle_wall(),
            Action::SearchWall => self.search_wall(),
            Action::WalkWall { right, down } => {
                let effects = self.session.choices().effects();
                if let Some(wall) = self.gui.interface.wall() {
                    wall.walk(right, down, effects);
                }
            }
            Action::StarOnWall => {
                if let Some(index) = self.under_cursor() {
                    self.session.star(index);
                }
            }
            Action::ChooseOnWall => {
                if let Some(index) = self.under_cursor() {
                    self.choose(index, now);
                }
            }
            Action::ToggleFullscreen => self.toggle_fullscreen(),
            Action::Escape => {
                if !self.gui.escape() && self.is_fullscreen() {
                    self.toggle_fullscreen();
                }
            }
            Action::Quit => event_loop.exit(),
        }
    }

    /// Paints with the effect of that index. The wall has done its part then.
    fn choose(&mut self, index: usize, now: Instant) {
        self.session.choose_effect(index, now);
        self.gui.interface.close_wall();
    }

    fn toggle_wall(&mut self) {
        let choices = self.session.choices();
        let effect = choices.effect().and_then(|i| choices.effects().get(i));
        self.gui.interface.toggle_wall(effect);
    }

    fn search_wall(&mut self) {
        if self.gui.interface.wall().is_none() {
            self.toggle_wall();
        }
        if let Some(wall) = self.gui.interface.wall() {
            wall.search();
        }
    }

    /// The effect under the wall's cursor; `None` while the wall is closed.
    fn under_cursor(&mut self) -> Option<usize> {
        let effects = self.session.choices().effects();
        self.gui.interface.wall()?.under_cursor(effects)
    }

    fn is_fullscreen(&self) -> bool {
        self.window.as_ref().is_some_and(|window| window.fullscreen().is_some())
    }

    fn toggle_fullscreen(&mut self) {
        let fullscreen = self.is_fullscreen();
        if let Some(window) = &self.window {
            window.set_fullscreen((!fullscreen).then_some(Fullscreen::Borderless(None)));
        }
    }
}
