//! Everything that the overlay shows, as it was at one moment: taken some times a second, and kept while the figures are
//! paused, so that what is read is what was seen.

use std::time::{Duration, Instant};

use super::View;
use super::graph::Range;
use crate::metrics::{FrameCost, Hitch, Subject, Summary};
use crate::quality;
use crate::system::Reading;
use crate::units::FrameId;

#[derive(Debug, Default)]
pub struct Snapshot {
    /// `None` before the first was taken.
    pub at: Option<Instant>,
    summary: Option<Summary>,
    /// The last seconds, oldest first.
    pub costs: Vec<FrameCost>,
    /// Oldest first.
    pub hitches: Vec<Hitch>,
    pub subject: Subject,
    /// Of the effect that paints, for people.
    pub title: String,
    pub preparing: String,
    pub governor: Option<quality::State>,
    pub system: Reading,
}

impl Snapshot {
    /// How old the figures on screen may be: numbers that change faster cannot be read.
    pub const EVERY: Duration = Duration::from_millis(100);

    /// Whether it is time to take another.
    pub fn old(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| now.saturating_duration_since(at) >= Self::EVERY || now < at)
    }

    /// Takes over what `view` has. Buffers are kept.
    pub fn take(&mut self, view: &View<'_>) {
        self.at = Some(view.now);
        self.summary = Some(view.summary.clone());
        self.costs.clear();
        let seen = |c: &&FrameCost| view.now.saturating_duration_since(c.presented).as_secs_f32() <= Range::ALL;
        self.costs.extend(view.meter.history().filter(seen));
        self.hitches.clear();
        self.hitches.extend(view.meter.hitches().cloned());
        self.subject.clone_from(view.subject);
        self.title.clear();
        // A blend is called by both of its names.
        for (i, name) in view.subject.effect.split(" + ").enumerate() {
            let entry = view.effects.iter().find(|e| e.name == name);
            self.title.push_str(if i > 0 { " + " } else { "" });
            self.title.push_str(entry.map_or(name, |e| e.title.as_str()));
        }
        self.preparing.clear();
        self.preparing.push_str(view.preparing.unwrap_or_default());
        match (&mut self.governor, view.governor) {
            (Some(old), Some(new)) => old.clone_from(new),
            (old, new) => *old = new.cloned(),
        }
        self.system = *view.system;
    }

    /// The figures and their moment; `None` before the first were taken.
    pub fn figures(&self) -> Option<(&Summary, Instant)> {
        self.summary.as_ref().zip(self.at)
    }

    /// A frame of the last seconds, or one that stood out before.
    pub fn frame(&self, id: FrameId) -> Option<&FrameCost> {
        let kept = self.hitches.iter().map(|h| &h.cost);
        self.costs.iter().chain(kept).find(|c| c.stamp.id == id)
    }

    /// The frame that was presented `by` after (or, negative, before) the frame `id`; at an end of the record that end.
    pub fn neighbour(&self, id: FrameId, by: isize) -> Option<&FrameCost> {
        let here = self.costs.iter().position(|c| c.stamp.id == id)?;
        let there = here.saturating_add_signed(by).min(self.costs.len().saturating_sub(1));
        self.costs.get(there)
    }
}
