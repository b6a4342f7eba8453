//! Why the governor changes nothing, and how that is said.

use std::fmt;

use super::Rung;
use crate::system::Thermal;

/// Why nothing happens now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum HoldReason {
    Nothing,
    Fixed,
    Manual {
        over_ms: Option<f32>,
    },
    Preparing {
        to: usize,
    },
    Measuring,
    Settling {
        for_s: u64,
    },
    Lightest {
        need_ms: f32,
    },
    /// The lightest painting is too slow for the budget, and still better than none.
    StillPainted {
        per_s: Option<f32>,
    },
    /// The network is not what takes the time.
    Elsewhere {
        what: Option<&'static str>,
        ms: f32,
    },
    Heat(Thermal),
    Blocked {
        rung: usize,
        for_s: u64,
    },
    Forecast {
        rung: usize,
        ms: f32,
        needs_ms: f32,
    },
}

/// A reason for people, with the names of the rungs that it is about.
pub(super) struct HoldText<'a> {
    pub reason: HoldReason,
    pub ladder: &'a [Rung],
}

impl fmt::Display for HoldText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            HoldReason::Nothing => Ok(()),
            HoldReason::Fixed => f.write_str("nothing is changed by itself"),
            HoldReason::Manual { over_ms: None } => f.write_str("nothing is changed while a size is chosen by hand"),
            HoldReason::Manual { over_ms: Some(ms) } => write!(f, "chosen by hand, {ms:.1} ms over the budget"),
            HoldReason::Preparing { to } => write!(f, "{} is being prepared", self.ladder[to]),
            HoldReason::Measuring => f.write_str("the first frames are being measured"),
            HoldReason::Settling { for_s } => write!(f, "stays at least {for_s} s"),
            HoldReason::Lightest { need_ms } => write!(f, "nothing lighter is left; frames take {need_ms:.1} ms"),
            HoldReason::StillPainted { per_s: None } => f.write_str("the painting stays, although it is slow"),
            HoldReason::StillPainted { per_s: Some(rate) } => {
                write!(f, "the painting stays, although it is slow: {rate:.0} pictures a second")
            }
            HoldReason::Elsewhere { what, ms } => {
                write!(f, "a smaller network would not help: the rest of a frame takes {ms:.1} ms")?;
                what.map_or(Ok(()), |what| write!(f, ", most of it {what}"))
            }
            HoldReason::Heat(thermal) => write!(f, "nothing larger until it cools ({})", thermal.name()),
            HoldReason::Blocked { rung, for_s } => write!(f, "{} did not hold; again in {for_s} s", self.ladder[rung]),
            HoldReason::Forecast { rung, ms, needs_ms } => {
                write!(f, "{} would take {ms:.1} ms; {needs_ms:.1} ms is the limit", self.ladder[rung])
            }
        }
    }
}
