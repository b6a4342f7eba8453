//! Keeping each frame within its budget: measurements in, decisions and their reasons out.
//!
//! A [`ladder()`] lists the ways to paint that a machine has for an effect, best first: larger networks, then smaller ones, then
//! fewer pixels, then a painting on each second frame only, in the end none. The [`Governor`] stands on one rung of it and
//! moves one rung at a time, so that the 95th percentile of the work per frame stays within the budget with a margin:
//!
//! - **Faster down than up.** A step down needs a second of frames that take too long, a step up some seconds in which the
//!   rung above *would have* held, by what its network costs in proportion.
//! - **No step back and forth.** Whoever just climbed stays for [`Governor::DWELL`] whatever happens, and whoever stepped
//!   down stays for [`Governor::CLIMB`].
//! - **What did not hold is remembered.** A rung that had to be left soon after it was climbed is not tried again for thirty
//!   seconds, then sixty, … up to four minutes; what it really cost corrects the next forecast. Both fade with time,
//!   and end at once when the conditions change.
//! - **Painted beats smooth.** The rung that paints nothing is taken only where the lightest painting comes less than
//!   [`Governor::LEAST_PAINTED_PER_S`] times a second, and with [`Keep::Smooth`] where no painting keeps the budget. Heat
//!   never takes the painting away.
//! - **The lever that helps.** Where everything around the network takes too long by itself and a lighter rung would save
//!   next to nothing, nothing is given up for it; the state names what takes the time.
//! - **A user's choice always wins.** While a rung was chosen by hand nothing moves; the state says what it costs.
//!
//! Pure: no clock is read, nothing is measured or started here. Knows neither GPUs nor windows nor networks, only what they
//! cost. [`simulator`] is a made-up machine for trying it out.

mod governor;
mod hold_reason;
mod ladder;
mod load;
pub mod simulator;

use std::fmt;

pub use governor::{Decision, Governor, State};
pub use ladder::{Rung, ladder};
pub use load::{Load, Window};

/// What the user wants to be kept: `--keep quality|balanced|battery|fixed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The finest painting that fits into the budget at all.
    Quality,
    /// The budget with a margin.
    #[default]
    Balanced,
    /// The budget with a margin, even where only the camera's own picture keeps it.
    Smooth,
    /// The smallest network, in at most about half of the budget.
    Battery,
    /// Whatever was chosen: nothing is changed.
    Fixed,
}

impl Keep {
    pub const ALL: [Self; 5] = [Self::Quality, Self::Balanced, Self::Smooth, Self::Battery, Self::Fixed];

    /// In one word, as `--keep` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quality => "quality",
            Self::Balanced => "balanced",
            Self::Smooth => "smooth",
            Self::Battery => "battery",
            Self::Fixed => "fixed",
        }
    }

    /// What it does, in a sentence for people.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Quality => "The finest painting that fits into the budget of a frame",
            Self::Balanced => "The finest painting that leaves a margin of the budget free",
            Self::Smooth => "The camera's rate first: no painting where none keeps up with it",
            Self::Battery => "The smallest network, in about half of the budget",
            Self::Fixed => "Nothing is changed by itself",
        }
    }

    /// The next in the circle.
    pub fn next(self) -> Self {
        match self {
            Self::Quality => Self::Balanced,
            Self::Balanced => Self::Smooth,
            Self::Smooth => Self::Battery,
            Self::Battery => Self::Fixed,
            Self::Fixed => Self::Quality,
        }
    }

    /// Shares of the budget: a p95 of work above the first is too much; a rung is climbed when it should need at most the
    /// second. The gap between the two is the hysteresis.
    pub(crate) fn shares(self) -> (f32, f32) {
        match self {
            Self::Quality => (0.95, 0.82),
            Self::Balanced | Self::Smooth | Self::Fixed => (0.9, 0.75),
            Self::Battery => (0.6, 0.45),
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|keep| keep.name().eq_ignore_ascii_case(text));
        found.ok_or_else(|| format!("'{text}' cannot be kept: choose quality, balanced, smooth, battery or fixed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_and_written_alike() {
        for keep in Keep::ALL {
            assert_eq!(keep.to_string().parse(), Ok(keep));
            let (down, up) = keep.shares();
            assert!(up < down && down <= 1.0);
        }
        assert!("speed".parse::<Keep>().unwrap_err().contains("quality, balanced, smooth, battery or fixed"));
        let circle = std::iter::successors(Some(Keep::Quality), |k| Some(k.next())).take(6).collect::<Vec<_>>();
        assert_eq!((circle[0], circle[5]), (Keep::Quality, Keep::Quality));
    }
}
