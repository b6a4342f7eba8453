//! Words to whoever started the program. Nothing here fails: where stderr is closed or full, the words are lost and the
//! program goes on. `eprintln!` would end it.

use std::fmt::Display;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

/// Writes a line to stderr.
pub fn say(line: impl Display) {
    // In one piece, so that lines of several threads do not run into each other.
    let text = format!("{line}\n");
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Whether somebody reads stderr as it is written.
pub fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

/// Whether somebody can be asked.
pub fn can_ask() -> bool {
    is_watched() && std::io::stdin().is_terminal()
}

/// Asks a question that `y` answers with yes, and everything else with no. See [`can_ask`].
pub fn ask(question: &str) -> bool {
    let mut stderr = std::io::stderr().lock();
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    // An end of the input is a no.
    let _ = std::io::stdin().lock().read_line(&mut answer);
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// `1 picture`, `2 pictures`: a number with its noun, which takes an s.
pub fn counted(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular() {
        assert_eq!(counted(1, "frame"), "1 frame");
        assert_eq!(counted(0, "frame"), "0 frames");
        assert_eq!(counted(12, "picture"), "12 pictures");
    }
}
