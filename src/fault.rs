//! What the user is told when something goes wrong: what happened, and what they can do about it.
//!
//! A library error becomes a `Fault` exactly once, at the place that handles it. Pure: no logging, no window.

use std::fmt;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; nothing is lost.
    Notice,
    /// The picture goes on, less well than it could.
    Degraded,
    /// The part cannot go on until the user acts.
    Failed,
}

/// With a capital, as what faults say begins.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// One sentence of cause and one of remedy, for people.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    pub severity: Severity,
    /// The cause, with the numbers and names that it is about. Starts with a capital, ends without a full stop.
    pub what: String,
    /// What the user can do, or what the program does by itself. May be empty for a notice.
    pub remedy: String,
}

impl Fault {
    pub fn notice(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Notice, what: what.into(), remedy: remedy.into() }
    }

    pub fn degraded(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Degraded, what: what.into(), remedy: remedy.into() }
    }

    pub fn failed(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { severity: Severity::Failed, what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if !self.remedy.is_empty() {
            write!(f, ". {}", self.remedy)?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}

/// The faults on screen now: each once however often it is reported, gone some time after the last report.
#[derive(Debug, Default)]
pub struct FaultBoard {
    shown: Vec<Shown>,
}

#[derive(Debug)]
struct Shown {
    fault: Fault,
    times: u32,
    until: Option<Instant>,
}

impl FaultBoard {
    /// How long a notice stays after its last report.
    const NOTICE_FOR: Duration = Duration::from_secs(6);

    /// Shows `fault`, or counts it once more if it is on the board. Notices leave by themselves; the rest stay until [`Self::clear`].
    /// Returns true when it was not on the board: log it then, and only then.
    pub fn report(&mut self, fault: Fault, now: Instant) -> bool {
        let until = (fault.severity == Severity::Notice).then(|| now + Self::NOTICE_FOR);
        if let Some(shown) = self.shown.iter_mut().find(|s| s.fault == fault) {
            shown.times += 1;
            shown.until = until;
            return false;
        }
        self.shown.push(Shown { fault, times: 1, until });
        true
    }

    /// Takes away every fault for which `gone` holds: its cause went away.
    pub fn clear(&mut self, gone: impl Fn(&Fault) -> bool) {
        self.shown.retain(|s| !gone(&s.fault));
    }

    /// The worst first, each with the number of times it was reported.
    pub fn current(&mut self, now: Instant) -> impl Iterator<Item = (&Fault, u32)> {
        self.shown.retain(|s| s.until.is_none_or(|until| now < until));
        self.shown.sort_by_key(|s| std::cmp::Reverse(s.fault.severity));
        self.shown.iter().map(|s| (&s.fault, s.times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_once_and_counted() {
        let mut board = FaultBoard::default();
        let t0 = Instant::now();
        assert!(board.report(Fault::failed("The camera is gone", "Plug it in"), t0));
        assert!(!board.report(Fault::failed("The camera is gone", "Plug it in"), t0));
        assert!(board.report(Fault::notice("Saved", ""), t0));
        assert_eq!(
            board.current(t0).map(|(f, n)| (f.severity, n)).collect::<Vec<_>>(),
            [(Severity::Failed, 2), (Severity::Notice, 1)]
        );
        assert_eq!(board.current(t0 + Duration::from_secs(60)).count(), 1);
        board.clear(|f| f.severity == Severity::Failed);
        assert_eq!(board.current(t0).count(), 0);
    }
}
