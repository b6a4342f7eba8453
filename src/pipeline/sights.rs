//! Which frames are known well enough that motion since them can be found: the one that the newest painting was made from,
//! and those that are away to be painted. What is known of them lies in the back end's products; here are their names.

use crate::units::FrameId;

/// Pure.
#[derive(Clone, Debug)]
pub(super) struct Sights {
    has_key: bool,
    away: Vec<Option<FrameId>>,
}

impl Sights {
    /// `trips` frames may be away at once.
    pub fn new(trips: usize) -> Self {
        Self { has_key: false, away: vec![None; trips] }
    }

    /// Whether it is known which frame the newest painting was made from.
    pub fn has_key(&self) -> bool {
        self.has_key
    }

    /// The newest painting is of a frame that is not known, or too old.
    pub fn forget(&mut self) {
        self.has_key = false;
    }

    /// The newest painting is of the frame in work.
    pub fn keep(&mut self) {
        self.has_key = true;
    }

    /// The frame in work is away to be painted. Takes the place of the oldest when there are too many. Returns its place.
    pub fn send(&mut self, frame: FrameId) -> Option<usize> {
        let place = (0..self.away.len()).min_by_key(|place| self.away[*place])?;
        self.away[place] = Some(frame);
        Some(place)
    }

    /// The newest painting is that of `frame`, which was away. Returns its place; `None` when that frame is not known.
    pub fn receive(&mut self, frame: FrameId) -> Option<usize> {
        let place = self.away.iter().position(|away| *away == Some(frame))?;
        self.away[place] = None;
        self.has_key = true;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_unknown_ones_are_told() {
        let mut sights = Sights::new(2);
        assert_eq!([1, 2, 3].map(|id| sights.send(FrameId(id))), [Some(0), Some(1), Some(0)]);
        assert_eq!(sights.receive(FrameId(1)), None);
        assert!(!sights.has_key());
        assert_eq!(sights.receive(FrameId(3)), Some(0));
        assert!(sights.has_key());
        assert_eq!(sights.receive(FrameId(3)), None, "only once");
        sights.forget();
        assert!(!sights.has_key());
        assert_eq!(Sights::new(0).send(FrameId(1)), None);
    }
}
