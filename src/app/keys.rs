//! Keys to wishes.

use winit::event::KeyEvent;
use winit::keyboard::{Key, KeyCode, NamedKey, PhysicalKey};

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// More or less of the figures.
    Level,
    /// Stops the figures for reading, or lets them go on.
    Pause,
    /// So many frames on, or back, among those that the figures are about.
    Step(isize),
    Help,
    Report,
    /// The n-th effect, from 0.
    Effect(usize),
    /// The n-th effect, from 0, as the second of a blend.
    Second(usize),
    /// A blend of two effects, or not.
    Blend,
    /// So many percent more or less of the second effect.
    Share(i8),
    /// So many effects on, or back.
    Leaf(isize),
    /// The other size of network.
    Variant,
    Engine,
    /// The next thing for the governor to keep.
    Keep,
    Mirror,
    Split,
    /// So many percent more or less of the painting.
    Strength(i8),
    Freeze,
    Still,
    Fullscreen,
    /// Leaves the full screen first, if that is where we are.
    Escape,
    Quit,
}

/// The meaning of a key that was pressed; `None` for all others, and for releases.
///
/// `shift`: whether the shift key is held. What it makes of a digit depends on the keyboard, so the key's place counts.
pub fn command(event: &KeyEvent, shift: bool) -> Option<Command> {
    if !event.state.is_pressed() {
        return None;
    }
    let second = if shift { digit(event.physical_key).map(Command::Second) } else { None };
    let command = second.or_else(|| meaning(&event.logical_key))?;
    // Held down, only what moves step by step goes on.
    (!event.repeat || matches!(command, Command::Strength(_) | Command::Leaf(_) | Command::Step(_))).then_some(command)
}

/// The keys 1 to 9 above the letters, from 0.
fn digit(key: PhysicalKey) -> Option<usize> {
    use KeyCode::*;
    let digits = [Digit1, Digit2, Digit3, Digit4, Digit5, Digit6, Digit7, Digit8, Digit9];
    digits.iter().position(|digit| PhysicalKey::Code(*digit) == key)
}

fn meaning(key: &Key) -> Option<Command> {
    match key {
        Key::Named(named) => match named {
            NamedKey::F1 => Some(Command::Level),
            NamedKey::F2 => Some(Command::Pause),
            NamedKey::F11 => Some(Command::Fullscreen),
            NamedKey::ArrowLeft => Some(Command::Leaf(-1)),
            NamedKey::ArrowRight => Some(Command::Leaf(1)),
            NamedKey::ArrowUp => Some(Command::Strength(5)),
            NamedKey::ArrowDown => Some(Command::Strength(-5)),
            NamedKey::Space => Some(Command::Freeze),
            NamedKey::Escape => Some(Command::Escape),
            _ => None,
        },
        Key::Character(text) => match text.to_lowercase().as_str() {
            "h" | "?" => Some(Command::Help),
            "," => Some(Command::Step(-1)),
            "." => Some(Command::Step(1)),
            "r" => Some(Command::Report),
            "b" => Some(Command::Blend),
            "[" => Some(Command::Share(-5)),
            "]" => Some(Command::Share(5)),
            "v" => Some(Command::Variant),
            "e" => Some(Command::Engine),
            "k" => Some(Command::Keep),
            "m" => Some(Command::Mirror),
            "s" => Some(Command::Split),
            "p" => Some(Command::Still),
            "f" => Some(Command::Fullscreen),
            "q" => Some(Command::Quit),
            digit => digit.parse().ok().filter(|n| (1..=9).contains(n)).map(|n: usize| Command::Effect(n - 1)),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_help_does_something() {
        let caps =
            crate::ui::KEYS.iter().flat_map(|(_, keys)| keys.iter()).flat_map(|(caps, _)| caps.split_whitespace());
        let mut letters = 0;
        for cap in caps.filter(|cap| cap.chars().count() == 1 && !"…←→↑↓".contains(*cap)) {
            assert!(meaning(&Key::Character(cap.into())).is_some(), "{cap}");
            letters += 1;
        }
        assert!(letters > 12);
    }

    #[test]
    fn letters_in_any_case_and_digits() {
        let of = |text: &str| meaning(&Key::Character(text.into()));
        assert_eq!(of("M"), Some(Command::Mirror));
        assert_eq!(of("m"), Some(Command::Mirror));
        assert_eq!(of("1"), Some(Command::Effect(0)));
        assert_eq!(of("9"), Some(Command::Effect(8)));
        assert_eq!(of("?"), Some(Command::Help));
        assert_eq!(of(","), Some(Command::Step(-1)));
        assert_eq!(of("0"), None);
        assert_eq!(of("10"), None);
        assert_eq!(of("é"), None);
        assert_eq!(
            (of("b"), of("]"), of("[")),
            (Some(Command::Blend), Some(Command::Share(5)), Some(Command::Share(-5)))
        );
        assert_eq!(digit(PhysicalKey::Code(KeyCode::Digit9)), Some(8));
        assert_eq!(digit(PhysicalKey::Code(KeyCode::Digit0)), None);
    }
}
