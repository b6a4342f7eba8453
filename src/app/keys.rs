//! Keys to wishes. What each key means stands in one table, which the help and the palette share (`ui::commands`).

use winit::event::KeyEvent;
use winit::keyboard::{Key, KeyCode, ModifiersState, NamedKey, PhysicalKey};

use crate::ui::{Action, commands};

/// The meaning of a key that was pressed; `None` for all others, and for releases.
pub fn action(event: &KeyEvent, held: ModifiersState) -> Option<Action> {
    if !event.state.is_pressed() {
        return None;
    }
    understood(&event.logical_key, event.physical_key, held).filter(|action| !event.repeat || action.repeats())
}

/// What `key` at `place` means while `held` is held.
///
/// What the key writes decides where it means something. On a keyboard that lacks the character (digits on AZERTY, all letters
/// on a Russian one) the place of the key decides, as if the keyboard were an American one. A Latin letter without a meaning
/// stays without one: its keyboard has the other letters too.
fn understood(key: &Key, place: PhysicalKey, held: ModifiersState) -> Option<Action> {
    if held.alt_key() || held.super_key() {
        return None;
    }
    if held.control_key() {
        // What is not in the table belongs to the desktop.
        return written(key, place, |cap| commands::action(&format!("Ctrl {cap}")));
    }
    // What Shift makes of a digit depends on the keyboard, so the key's place counts.
    let second = if held.shift_key() { digit(place).map(Action::BlendWith) } else { None };
    second.or_else(|| written(key, place, meaning))
}

/// The meaning of what the key writes, else of its place.
fn written(key: &Key, place: PhysicalKey, meaning: impl Fn(&str) -> Option<Action>) -> Option<Action> {
    let at_place = || american(place).and_then(|cap| meaning(&cap));
    match key {
        Key::Named(named) => meaning(name(*named)?),
        Key::Character(text) => meaning(&text.to_uppercase()).or_else(|| {
            let latin = text.chars().all(|c| c.is_ascii_alphabetic());
            if latin { None } else { at_place() }
        }),
        // A key that only puts an accent on the next one, or that the system does not know.
        Key::Dead(_) | Key::Unidentified(_) => at_place(),
    }
}

/// What the key with that cap asks for, without Ctrl.
fn meaning(cap: &str) -> Option<Action> {
    let effect = |n: &usize| (1..=9).contains(n);
    commands::action(cap).or_else(|| cap.parse().ok().filter(effect).map(|n: usize| Action::Effect(n - 1)))
}

/// The keys 1 to 9 above the letters, from 0.
fn digit(key: PhysicalKey) -> Option<usize> {
    use KeyCode::*;
    let digits = [Digit1, Digit2, Digit3, Digit4, Digit5, Digit6, Digit7, Digit8, Digit9];
    digits.iter().position(|digit| PhysicalKey::Code(*digit) == key)
}

/// The cap of the key at `place` on an American keyboard.
fn american(place: PhysicalKey) -> Option<String> {
    use KeyCode::*;
    const LETTERS: [KeyCode; 26] = [
        KeyA, KeyB, KeyC, KeyD, KeyE, KeyF, KeyG, KeyH, KeyI, KeyJ, KeyK, KeyL, KeyM, KeyN, KeyO, KeyP, KeyQ, KeyR,
        KeyS, KeyT, KeyU, KeyV, KeyW, KeyX, KeyY, KeyZ,
    ];
    let PhysicalKey::Code(code) = place else { return None };
    if let Some(letter) = LETTERS.iter().zip('A'..='Z').find_map(|(c, letter)| (*c == code).then_some(letter)) {
        return Some(letter.to_string());
    }
    Some(match code {
        Comma => ",".to_owned(),
        Period => ".".to_owned(),
        BracketLeft => "[".to_owned(),
        BracketRight => "]".to_owned(),
        Slash => "/".to_owned(),
        _ => (digit(place)? + 1).to_string(),
    })
}

/// The cap of a key that writes nothing.
fn name(key: NamedKey) -> Option<&'static str> {
    Some(match key {
        NamedKey::F1 => "F1",
        NamedKey::F2 => "F2",
        NamedKey::F3 => "F3",
        NamedKey::F11 => "F11",
        NamedKey::ArrowLeft => "←",
        NamedKey::ArrowRight => "→",
        NamedKey::ArrowUp => "↑",
        NamedKey::ArrowDown => "↓",
        NamedKey::Enter => "Enter",
        NamedKey::Space => "Space",
        NamedKey::Escape => "Esc",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an American keyboard says when the key with that cap is pressed.
    fn pressed(cap: &str) -> Option<Action> {
        let (cap, held) = match cap.strip_prefix("Ctrl ") {
            Some(cap) => (cap, ModifiersState::CONTROL),
            None => (cap, ModifiersState::empty()),
        };
        let named = [
            NamedKey::F1,
            NamedKey::F2,
            NamedKey::F3,
            NamedKey::F11,
            NamedKey::ArrowLeft,
            NamedKey::ArrowRight,
            NamedKey::ArrowUp,
            NamedKey::ArrowDown,
            NamedKey::Space,
            NamedKey::Escape,
        ];
        let key = named.into_iter().find(|key| name(*key) == Some(cap)).map(Key::Named);
        let key = key.unwrap_or_else(|| Key::Character(cap.to_lowercase().into()));
        understood(&key, PhysicalKey::Code(KeyCode::Fn), held)
    }

    #[test]
    fn every_key_of_the_table_does_what_the_table_says() {
        for bound in commands::bound() {
            assert_eq!(pressed(bound.key).as_ref(), Some(&bound.action), "{}", bound.key);
        }
    }

    fn press(text: &str, code: KeyCode, held: ModifiersState) -> Option<Action> {
        understood(&Key::Character(text.into()), PhysicalKey::Code(code), held)
    }

    #[test]
    fn letters_in_any_case_and_digits() {
        let written = |text: &str| press(text, KeyCode::Fn, ModifiersState::empty());
        assert_eq!(written("M"), Some(Action::ToggleMirror));
        assert_eq!(written("m"), Some(Action::ToggleMirror));
        assert_eq!(written("1"), Some(Action::Effect(0)));
        assert_eq!(written("9"), Some(Action::Effect(8)));
        assert_eq!((written("0"), written("10"), written("é")), (None, None, None));
        assert_eq!(digit(PhysicalKey::Code(KeyCode::Digit9)), Some(8));
        assert_eq!(digit(PhysicalKey::Code(KeyCode::Digit0)), None);
    }

    #[test]
    fn where_the_letter_is_not_there_the_place_counts() {
        let none = ModifiersState::empty();
        // French: the digits need Shift, and Shift means the second effect of a blend everywhere.
        assert_eq!(press("&", KeyCode::Digit1, none), Some(Action::Effect(0)));
        assert_eq!(press("ç", KeyCode::Digit9, none), Some(Action::Effect(8)));
        assert_eq!(press("1", KeyCode::Digit1, ModifiersState::SHIFT), Some(Action::BlendWith(0)));
        let circumflex = understood(&Key::Dead(Some('^')), PhysicalKey::Code(KeyCode::BracketLeft), none);
        assert_eq!(circumflex, Some(Action::BlendBy(-5)));
        // French again: A stands where others have Q, and does not quit.
        assert_eq!(press("a", KeyCode::KeyQ, none), None);
        assert_eq!(press("q", KeyCode::KeyA, none), Some(Action::Quit));
        // Czech, Russian, Greek.
        assert_eq!(press("ě", KeyCode::Digit2, none), Some(Action::Effect(1)));
        assert_eq!(press("ь", KeyCode::KeyM, none), Some(Action::ToggleMirror));
        assert_eq!(press("Ь", KeyCode::KeyM, ModifiersState::SHIFT), Some(Action::ToggleMirror));
        assert_eq!(press("κ", KeyCode::KeyK, none), Some(Action::NextKeep));
        // A key of the number pad writes a digit, wherever it stands.
        assert_eq!(press("3", KeyCode::Numpad3, none), Some(Action::Effect(2)));
    }

    #[test]
    fn with_ctrl_only_the_table_is_ours() {
        assert_eq!(press("q", KeyCode::KeyQ, ModifiersState::CONTROL), Some(Action::Quit));
        assert_eq!(press("й", KeyCode::KeyQ, ModifiersState::CONTROL), Some(Action::Quit));
        assert_eq!(press("k", KeyCode::KeyK, ModifiersState::CONTROL), Some(Action::TogglePalette));
        assert_eq!(press("s", KeyCode::KeyS, ModifiersState::CONTROL), None);
        assert_eq!(press("f", KeyCode::KeyF, ModifiersState::ALT), None);
        let f1 = understood(&Key::Named(NamedKey::F1), PhysicalKey::Code(KeyCode::F1), ModifiersState::SUPER);
        assert_eq!(f1, None);
    }
}
