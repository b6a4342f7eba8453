//! The one table of keys: what the keyboard does, what the help says of it, and what the palette offers.

use super::Action;

/// One line of the help: keys that belong together.
#[derive(Debug)]
pub struct Line {
    /// The keys as the help shows them, separated by blanks; `…` is no key.
    pub caps: &'static str,
    /// What they do, for the help.
    pub words: &'static str,
    /// Empty where a key's place on the keyboard counts (digits).
    pub keys: &'static [Bound],
}

/// A key and what it asks for.
#[derive(Debug)]
pub struct Bound {
    /// As on the keyboard's cap: `R`, `F1`, `←`, `Ctrl K`.
    pub key: &'static str,
    /// What it does, for the palette; empty where it makes no sense there.
    pub title: &'static str,
    pub action: Action,
}

// Literals, not functions: only what literals borrow lives as long as the table.
macro_rules! key {
    ($key:expr, $title:expr, $action:expr $(,)?) => {
        Bound { key: $key, title: $title, action: $action }
    };
}

macro_rules! line {
    ($caps:expr, $words:expr, $keys:expr $(,)?) => {
        Line { caps: $caps, words: $words, keys: $keys }
    };
}

/// All keys, in groups by what people want to do.
pub static GROUPS: [(&str, &[Line]); 3] = [
    (
        "Painting",
        &[
            line!("G", "all effects at once, live", &[key!("G", "All effects at once, live", Action::ToggleWall)]),
            line!("/", "search them", &[key!("/", "Search the effects", Action::SearchWall)]),
            line!("1 … 9", "choose an effect", &[]),
            line!(
                "← →",
                "the effect before, the next one",
                &[
                    key!("←", "The effect before", Action::EffectBeside(-1)),
                    key!("→", "The next effect", Action::EffectBeside(1)),
                ],
            ),
            line!(
                "↑ ↓",
                "more or less of the painting",
                &[
                    key!("↑", "More of the painting", Action::StrengthBy(5)),
                    key!("↓", "Less of the painting", Action::StrengthBy(-5)),
                ],
            ),
            line!("Shift 1 … 9", "blend a second effect in", &[]),
            line!("B", "blend or not", &[key!("B", "Blend the last two effects, or not", Action::ToggleBlend)]),
            line!(
                "[ ]",
                "less or more of the second",
                &[
                    key!("[", "Less of the second effect", Action::BlendBy(-5)),
                    key!("]", "More of the second effect", Action::BlendBy(5)),
                ],
            ),
            line!("V", "another size of the network", &[key!("V", "Another size of the network", Action::NextVariant)]),
            line!("E", "engine: automatic, GPU, CPU", &[key!("E", "Another engine", Action::NextEngine)]),
            line!(
                "K",
                "what the governor keeps",
                &[key!("K", "Another thing for the governor to keep", Action::NextKeep)],
            ),
            line!("M", "mirror", &[key!("M", "Mirror the picture, or not", Action::ToggleMirror)]),
            line!(
                "S",
                "split: camera left, painting right",
                &[key!("S", "Split: camera left, painting right", Action::ToggleSplit)],
            ),
        ],
    ),
    (
        "Figures",
        &[
            line!(
                "F1",
                "none, line, card, everything",
                &[key!("F1", "Figures: none, a line, a card, everything", Action::NextLevel)],
            ),
            line!("F2", "pause, and look at frames", &[key!("F2", "Pause the figures", Action::TogglePause)]),
            line!(
                ", .",
                "the frame before, the next one",
                &[
                    key!(",", "Figures of the frame before", Action::Step(-1)),
                    key!(".", "Figures of the next frame", Action::Step(1)),
                ],
            ),
            line!("F3", "save a report of the run", &[key!("F3", "Save a report of the run", Action::SaveReport)]),
        ],
    ),
    (
        "Picture",
        &[
            line!("Space", "freeze the picture", &[key!("Space", "Freeze the picture, or not", Action::ToggleFreeze)]),
            line!("P", "save the picture", &[key!("P", "Save the picture", Action::Still)]),
            line!(
                "T",
                "save it in three seconds",
                &[key!("T", "Save the picture in three seconds", Action::ToggleCountdown)],
            ),
            line!("U", "four pictures on a strip", &[key!("U", "Save four pictures on a strip", Action::ToggleStrip)]),
            line!("R", "record, and stop", &[key!("R", "Record, or stop", Action::ToggleRecording)]),
            line!("L", "save the last ten seconds", &[key!("L", "Save the last ten seconds", Action::SaveReplay)]),
            line!(
                "C",
                "be a camera for video calls",
                &[key!("C", "Be a camera for video calls, or no longer", Action::ToggleCamera)],
            ),
            line!(
                "F  F11",
                "full screen",
                &[
                    key!("F", "Full screen, or not", Action::ToggleFullscreen),
                    key!("F11", "", Action::ToggleFullscreen)
                ],
            ),
            line!(
                "X",
                "stop recording and sending",
                &[key!("X", "Stop recording, keeping and sending", Action::StopAll)]
            ),
            line!(
                "O",
                "settings",
                &[key!("O", "Settings: camera, folders, graphics adapter, start", Action::ToggleSetup)]
            ),
            line!("Ctrl K", "find anything by its name", &[key!("Ctrl K", "", Action::TogglePalette)]),
            line!(
                "H  ?",
                "show or hide this list",
                &[key!("H", "All keys", Action::ToggleHelp), key!("?", "", Action::ToggleHelp)],
            ),
            line!("Esc", "close, leave the full screen", &[key!("Esc", "", Action::Escape)]),
            line!("Q  Ctrl Q", "quit", &[key!("Q", "Quit", Action::Quit), key!("Ctrl Q", "", Action::Quit)]),
        ],
    ),
];

/// All keys that mean something by themselves.
pub fn bound() -> impl Iterator<Item = &'static Bound> {
    GROUPS.iter().flat_map(|(_, lines)| lines.iter()).flat_map(|line| line.keys)
}

/// What the key with that cap asks for.
pub fn action(cap: &str) -> Option<Action> {
    // The one key that means something in one place only.
    if cap == "Enter" {
        return Some(Action::ChooseOnWall);
    }
    bound().find(|bound| bound.key == cap).map(|bound| bound.action.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_is_in_the_help_once() {
        let mut seen = BTreeSet::new();
        for line in GROUPS.iter().flat_map(|(_, lines)| lines.iter()) {
            for bound in line.keys {
                assert!(line.caps.contains(bound.key), "{} is not among {}", bound.key, line.caps);
                assert!(seen.insert(bound.key), "{} has two meanings", bound.key);
            }
        }
        assert!(seen.len() > 25);
    }

    #[test]
    fn caps_are_found() {
        assert_eq!(action("R"), Some(Action::ToggleRecording));
        assert_eq!(action("Ctrl K"), Some(Action::TogglePalette));
        assert_eq!(action("Enter"), Some(Action::ChooseOnWall));
        assert_eq!(action("K"), Some(Action::NextKeep));
        assert_eq!(action("Z"), None);
    }
}
