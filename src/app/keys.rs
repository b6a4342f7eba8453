//! Keys to wishes.

use winit::event::KeyEvent;
use winit::keyboard::{Key, KeyCode, ModifiersState, NamedKey, PhysicalKey};

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// All effects at once, or no longer.
    Wall,
    /// Search among all effects.
    Search,
    /// Take what the keyboard is on.
    Choose,
    /// More or less of the figures.
    Level,
    /// Stops the figures for reading, or lets them go on.
    Pause,
    /// So many frames on, or back, among those that the figures are about.
    Step(isize),
    Help,
    Report,
    /// Begins a recording, or ends it.
    Record,
    /// Begins to be a camera for other programs, or ends it.
    Camera,
    /// A still in three seconds, or not.
    Countdown,
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
    /// Closes what is open, else leaves the full screen, else does nothing.
    Escape,
    Quit,
}

/// The meaning of a key that was pressed; `None` for all others, and for releases.
pub fn command(event: &KeyEvent, held: ModifiersState) -> Option<Command> {
    if !event.state.is_pressed() {
        return None;
    }
    let command = understood(&event.logical_key, event.physical_key, held)?;
    // Held down, only what moves step by step goes on.
    (!event.repeat || matches!(command, Command::Strength(_) | Command::Leaf(_) | Command::Step(_))).then_some(command)
}

/// What `key` at `place` means while `held` is held.
///
/// What the key writes decides where it means something. On a keyboard that lacks the character (digits on AZERTY, all letters
/// on a Russian one) the place of the key decides, as if the keyboard were an American one. A Latin letter without a meaning
/// stays without one: its keyboard has the other letters too.
fn understood(key: &Key, place: PhysicalKey, held: ModifiersState) -> Option<Command> {
    let at_place = || american(place).and_then(character);
    if held.control_key() {
        // All else with Ctrl belongs to the desktop.
        let quit = |command: &Command| *command == Command::Quit;
        return written(key, at_place).filter(quit);
    }
    if held.alt_key() || held.super_key() {
        return None;
    }
    // What Shift makes of a digit depends on the keyboard, so the key's place counts.
    let second = if held.shift_key() { digit(place).map(Command::Second) } else { None };
    second.or_else(|| written(key, at_place))
}

/// The meaning of what the key writes, else of its place.
fn written(key: &Key, at_place: impl FnOnce() -> Option<Command>) -> Option<Command> {
    match key {
        Key::Named(named) => name(*named),
        Key::Character(text) => character(text).or_else(|| {
            let latin = text.chars().all(|c| c.is_ascii_alphabetic());
            if latin { None } else { at_place() }
        }),
        // A key that only puts an accent on the next one, or that the system does not know.
        Key::Dead(_) | Key::Unidentified(_) => at_place(),
    }
}

/// The keys 1 to 9 above the letters, from 0.
fn digit(key: PhysicalKey) -> Option<usize> {
    use KeyCode::*;
    let digits = [Digit1, Digit2, Digit3, Digit4, Digit5, Digit6, Digit7, Digit8, Digit9];
    digits.iter().position(|digit| PhysicalKey::Code(*digit) == key)
}

/// What the key at `place` writes on an American keyboard, as far as that means something.
fn american(place: PhysicalKey) -> Option<&'static str> {
    const DIGITS: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    use KeyCode::*;
    let PhysicalKey::Code(code) = place else { return None };
    Some(match code {
        KeyB => "b",
        KeyC => "c",
        KeyE => "e",
        KeyF => "f",
        KeyG => "g",
        KeyH => "h",
        KeyK => "k",
        KeyM => "m",
        KeyP => "p",
        KeyQ => "q",
        KeyR => "r",
        KeyS => "s",
        KeyT => "t",
        KeyV => "v",
        Comma => ",",
        Period => ".",
        BracketLeft => "[",
        BracketRight => "]",
        Slash => "/",
        _ => return digit(place).map(|n| DIGITS[n]),
    })
}

fn name(key: NamedKey) -> Option<Command> {
    match key {
        NamedKey::F1 => Some(Command::Level),
        NamedKey::F2 => Some(Command::Pause),
        NamedKey::F3 => Some(Command::Report),
        NamedKey::F11 => Some(Command::Fullscreen),
        NamedKey::ArrowLeft => Some(Command::Leaf(-1)),
        NamedKey::ArrowRight => Some(Command::Leaf(1)),
        NamedKey::ArrowUp => Some(Command::Strength(5)),
        NamedKey::ArrowDown => Some(Command::Strength(-5)),
        NamedKey::Enter => Some(Command::Choose),
        NamedKey::Space => Some(Command::Freeze),
        NamedKey::Escape => Some(Command::Escape),
        _ => None,
    }
}

fn character(text: &str) -> Option<Command> {
    match text.to_lowercase().as_str() {
        "g" => Some(Command::Wall),
        "/" => Some(Command::Search),
        "h" | "?" => Some(Command::Help),
        "," => Some(Command::Step(-1)),
        "." => Some(Command::Step(1)),
        "r" => Some(Command::Record),
        "c" => Some(Command::Camera),
        "t" => Some(Command::Countdown),
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
            assert!(character(cap).is_some(), "{cap}");
            letters += 1;
        }
        assert!(letters > 12);
    }

    #[test]
    fn every_command_is_in_the_help_and_has_a_place() {
        let caps: Vec<_> = crate::ui::KEYS
            .iter()
            .flat_map(|(_, keys)| keys.iter())
            .flat_map(|(caps, _)| caps.split_whitespace())
            .collect();
        for letter in ('a'..='z').map(|c| c.to_string()).filter(|c| character(c).is_some()) {
            assert!(caps.contains(&letter.to_uppercase().as_str()), "{letter} is not in the help");
            let code = KEYS_BY_LETTER.iter().find(|(l, _)| *l == letter).map(|(_, code)| *code);
            let code = code.unwrap_or_else(|| panic!("{letter}: name its place here"));
            assert_eq!(american(PhysicalKey::Code(code)), Some(letter.as_str()), "{letter} has no place");
        }
    }

    const KEYS_BY_LETTER: [(&str, KeyCode); 14] = [
        ("b", KeyCode::KeyB),
        ("c", KeyCode::KeyC),
        ("e", KeyCode::KeyE),
        ("f", KeyCode::KeyF),
        ("g", KeyCode::KeyG),
        ("h", KeyCode::KeyH),
        ("k", KeyCode::KeyK),
        ("m", KeyCode::KeyM),
        ("p", KeyCode::KeyP),
        ("q", KeyCode::KeyQ),
        ("r", KeyCode::KeyR),
        ("s", KeyCode::KeyS),
        ("t", KeyCode::KeyT),
        ("v", KeyCode::KeyV),
    ];

    fn press(text: &str, code: KeyCode, held: ModifiersState) -> Option<Command> {
        understood(&Key::Character(text.into()), PhysicalKey::Code(code), held)
    }

    #[test]
    fn letters_in_any_case_and_digits() {
        assert_eq!(character("M"), Some(Command::Mirror));
        assert_eq!(character("m"), Some(Command::Mirror));
        assert_eq!(character("1"), Some(Command::Effect(0)));
        assert_eq!(character("9"), Some(Command::Effect(8)));
        assert_eq!(character("?"), Some(Command::Help));
        assert_eq!(character(","), Some(Command::Step(-1)));
        assert_eq!(character("0"), None);
        assert_eq!(character("10"), None);
        assert_eq!(character("é"), None);
        assert_eq!(
            (character("b"), character("]"), character("[")),
            (Some(Command::Blend), Some(Command::Share(5)), Some(Command::Share(-5)))
        );
        assert_eq!(digit(PhysicalKey::Code(KeyCode::Digit9)), Some(8));
        assert_eq!(digit(PhysicalKey::Code(KeyCode::Digit0)), None);
    }

    #[test]
    fn where_the_letter_is_not_there_the_place_counts() {
        let none = ModifiersState::empty();
        // French: the digits need Shift, and Shift means the second effect of a blend everywhere.
        assert_eq!(press("&", KeyCode::Digit1, none), Some(Command::Effect(0)));
        assert_eq!(press("ç", KeyCode::Digit9, none), Some(Command::Effect(8)));
        assert_eq!(press("1", KeyCode::Digit1, ModifiersState::SHIFT), Some(Command::Second(0)));
        let circumflex = understood(&Key::Dead(Some('^')), PhysicalKey::Code(KeyCode::BracketLeft), none);
        assert_eq!(circumflex, Some(Command::Share(-5)));
        // French again: A stands where others have Q, and does not quit.
        assert_eq!(press("a", KeyCode::KeyQ, none), None);
        assert_eq!(press("q", KeyCode::KeyA, none), Some(Command::Quit));
        // Czech, Russian, Greek.
        assert_eq!(press("ě", KeyCode::Digit2, none), Some(Command::Effect(1)));
        assert_eq!(press("ь", KeyCode::KeyM, none), Some(Command::Mirror));
        assert_eq!(press("Ь", KeyCode::KeyM, ModifiersState::SHIFT), Some(Command::Mirror));
        assert_eq!(press("κ", KeyCode::KeyK, none), Some(Command::Keep));
        // A key of the number pad writes a digit, wherever it stands.
        assert_eq!(press("3", KeyCode::Numpad3, none), Some(Command::Effect(2)));
    }

    #[test]
    fn with_ctrl_only_quitting_is_ours() {
        assert_eq!(press("q", KeyCode::KeyQ, ModifiersState::CONTROL), Some(Command::Quit));
        assert_eq!(press("й", KeyCode::KeyQ, ModifiersState::CONTROL), Some(Command::Quit));
        assert_eq!(press("s", KeyCode::KeyS, ModifiersState::CONTROL), None);
        assert_eq!(press("f", KeyCode::KeyF, ModifiersState::ALT), None);
        let f1 = understood(&Key::Named(NamedKey::F1), PhysicalKey::Code(KeyCode::F1), ModifiersState::SUPER);
        assert_eq!(f1, None);
    }
}
