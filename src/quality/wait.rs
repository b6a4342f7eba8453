//! Why the governor changes nothing, and how that is said.

use std::fmt;

use super::Rung;
use crate::system::Thermal;

/// Why nothing happens now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wait {
    Nothing,
    Fixed,
    Manual { over_ms: Option<f32> },
    Preparing { to: usize },
    Measuring,
    Settling { for_s: u64 },
    Lightest { need_ms: f32 },
    /// The lightest painting is too slow for the budget, and still better than none.
    StillPainted { per_s: Option<f32> },
    Heat(Thermal),
    Blocked { rung: usize, for_s: u64 },
    Forecast { rung: usize, ms: f32, needs_ms: f32 },
}

/// A reason for people, with the names of the rungs that it is about.
pub(super) struct Words<'a> {
    pub wait: Wait,
    pub ladder: &'a [Rung],
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wait {
            Wait::Nothing => Ok(()),
            Wait::Fixed => f.write_str("nothing is changed by itself"),
            Wait::Manual { over_ms: None } => f.write_str("nothing is changed while a size is chosen by hand"),
            Wait::Manual { over_ms: Some(ms) } => write!(f, "chosen by hand, {ms:.1} ms over the budget"),
            Wait::Preparing { to } => write!(f, "{} is being prepared", self.ladder[to]),
            Wait::Measuring => f.write_str("the first frames are being measured"),
            Wait::Settling { for_s } => write!(f, "stays at least {for_s} s"),
            Wait::Lightest { need_ms } => write!(f, "nothing lighter is left; frames take {need_ms:.1} ms"),
            Wait::StillPainted { per_s: None } => f.write_str("the painting stays, although it is slow"),
            Wait::StillPainted { per_s: Some(rate) } => {
                write!(f, "the painting stays, although it is slow: {rate:.0} pictures a second")
            }
            Wait::Heat(thermal) => write!(f, "nothing larger until it cools ({})", thermal.name()),
            Wait::Blocked { rung, for_s } => write!(f, "{} did not hold; again in {for_s} s", self.ladder[rung]),
            Wait::Forecast { rung, ms, needs_ms } => {
                write!(f, "{} would take {ms:.1} ms; {needs_ms:.1} ms is the limit", self.ladder[rung])
            }
        }
    }
}
