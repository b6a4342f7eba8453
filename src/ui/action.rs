//! What the user can ask for, by whatever means: a key, a control of the bar, the palette.

use std::path::PathBuf;

use super::{Kept, Level, Startup};
use crate::effect::Touch;
use crate::gpu::GpuChoice;
use crate::nn::engines::EngineWish;
use crate::output::Stills;
use crate::quality::Keep;

/// One wish. Whoever owns the window carries it out in one place (`app::act`).
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Paint with the effect of that index in [`super::View::effects`].
    Effect(usize),
    /// Paint with the effect so many places on (negative: back), in a circle.
    EffectBeside(isize),
    /// An id of the chosen effect's variants.
    Variant(String),
    NextVariant,
    Engine(EngineWish),
    NextEngine,
    /// Draw and paint with another graphics adapter.
    Gpu(GpuChoice),
    /// How much of the painting is shown, 0..=1.
    Strength(f32),
    /// So many percent more or less of the painting.
    StrengthBy(i8),
    /// How the chosen effect's paint is wanted.
    Touch(Touch),
    /// Blend the chosen effect with another one (index into [`super::View::effects`]), whose share is 0..=1; 0 ends it.
    Blend {
        other: usize,
        share: f32,
    },
    /// Blend with the effect of that index, with the share that the blend has or would have at first.
    BlendWith(usize),
    /// So many percent more or less of the second effect.
    BlendBy(i8),
    /// The last blend, or none.
    ToggleBlend,
    /// What the governor is to keep.
    Keep(Keep),
    NextKeep,
    /// The effect of that index is a favourite from now on, or no longer.
    Star(usize),

    /// A spec from [`super::View::sources`], or anything that `--source` takes.
    Source(String),
    /// The mode of the camera that is looked at, as it is written; `None`: the program chooses.
    CameraMode(Option<String>),
    /// Set one of the camera's controls.
    CameraControl {
        id: u32,
        value: i32,
    },
    ToggleMirror,
    /// Where the line between before and after lies, as a share of the width; `None`: no line.
    Split(Option<f32>),
    ToggleSplit,
    ToggleFreeze,

    /// Save the picture.
    Still,
    /// Save it in three seconds, or do not.
    ToggleCountdown,
    /// Save four pictures on a strip, the first in three seconds, or do not.
    ToggleStrip,
    /// How pictures are saved.
    Stills(Stills),
    /// Where things are saved from now on; `None`: where the desktop keeps such things.
    Folder(Kept, Option<PathBuf>),
    /// Begin a recording, or end it.
    ToggleRecording,
    /// Begin to be a camera for other programs, or end it.
    ToggleCamera,
    /// Keep the last ten seconds from now on, or no longer.
    ToggleReplay,
    /// Save the last ten seconds, or begin to keep them.
    SaveReplay,
    /// Record, keep, send and serve nothing any more.
    StopAll,
    /// Write the report of the run so far.
    SaveReport,

    /// How much of the figures is shown.
    Level(Level),
    NextLevel,
    /// Stop the figures for reading, or let them go on.
    TogglePause,
    /// So many frames on, or back, among those that the figures are about.
    Step(isize),
    ToggleHelp,
    /// The settings, or no longer.
    ToggleSetup,
    /// What the program does when it starts.
    Startup(Startup),
    /// Send figures to this address from the next start on, or never more.
    Telemetry(Option<String>),
    TogglePalette,
    /// All effects at once, or no longer.
    ToggleWall,
    /// The wall, with the keyboard in its search.
    SearchWall,
    /// Move the wall's cursor so many tiles to the right and rows down.
    WalkWall {
        right: isize,
        down: isize,
    },
    /// The effect under the wall's cursor is a favourite from now on, or no longer.
    StarOnWall,
    /// Paint with the effect under the wall's cursor; nothing while the wall is closed.
    ChooseOnWall,
    ToggleFullscreen,
    /// Close what is open, else leave the full screen, else nothing.
    Escape,
    Quit,
}

impl Action {
    /// Whether a key that is held down goes on asking for it.
    pub fn repeats(&self) -> bool {
        matches!(
            self,
            Self::EffectBeside(_) | Self::StrengthBy(_) | Self::BlendBy(_) | Self::Step(_) | Self::WalkWall { .. }
        )
    }

    /// Whether the picture can look different for it, and not only what lies over it.
    pub fn changes_picture(&self) -> bool {
        let over = matches!(
            self,
            Self::Level(_)
                | Self::NextLevel
                | Self::TogglePause
                | Self::Step(_)
                | Self::ToggleHelp
                | Self::TogglePalette
                | Self::ToggleSetup
                | Self::WalkWall { .. }
                | Self::SearchWall
        );
        let elsewhere = matches!(
            self,
            Self::Star(_)
                | Self::StarOnWall
                | Self::Stills(_)
                | Self::Folder(..)
                | Self::Startup(_)
                | Self::Telemetry(_)
                | Self::SaveReport
                | Self::Escape
                | Self::Quit
        );
        !over && !elsewhere
    }

    /// What the same key means while the wall is open: arrows walk there, Space gives a star, a chosen effect closes it.
    pub fn on_wall(self) -> Self {
        match self {
            Self::EffectBeside(by) => Self::WalkWall { right: by, down: 0 },
            // Up is more strength elsewhere.
            Self::StrengthBy(by) => Self::WalkWall { right: 0, down: if by > 0 { -1 } else { 1 } },
            Self::ToggleFreeze => Self::StarOnWall,
            other => other,
        }
    }
}
