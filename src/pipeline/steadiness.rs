//! How steady the painting is: when it is compared with the one before, and what is made of the comparisons.
//!
//! Every fifth frame rather than every fourth: with a cadence of two, painted and carried frames are then met in turn. Pure.

use crate::kernels::stability::{Gathered, Stability};
use crate::units::Extent;

/// From one comparison to the next, in frames.
pub const EVERY: u32 = 5;
/// The number that is shown is a mean over the last so many comparisons: 1.3 s at 30 frames per second.
const KEPT: usize = 8;

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub struct Steadiness {
    /// Frames since the last comparison.
    since: u32,
    kept: [Option<Stability>; KEPT],
    next: usize,
}

impl Steadiness {
    /// Another frame was painted, and the one before as well. Whether the two are to be compared; `possible` says whether
    /// they could be.
    pub fn is_due(&mut self, possible: bool) -> bool {
        self.since = self.since.saturating_add(1);
        let due = self.since >= EVERY && possible;
        if due {
            self.since = 0;
        }
        due
    }

    /// A comparison of two pictures of a student of that size.
    pub fn enter(&mut self, gathered: Gathered, student: Extent) {
        self.kept[self.next] = Stability::of(gathered, student);
        self.next = (self.next + 1) % KEPT;
    }

    /// The mean over the last comparisons that had enough still picture; `None` when none had.
    pub fn latest(&self) -> Option<Stability> {
        Stability::mean(self.kept.iter().copied().flatten())
    }
}
