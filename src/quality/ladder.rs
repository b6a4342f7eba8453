//! The ladder: the ways to paint that a machine has for an effect, from the finest to none.

use std::fmt;

/// One way to paint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rung {
    /// Id of the effect's variant: `s`, `m`, `l`.
    pub variant: String,
    /// Share of the variant's own number of pixels, 0..=1.
    pub scale: f32,
    /// 1: each frame is painted; 2: each second one, and between the painting is carried along with what moves.
    pub every: u32,
    /// Whether anything is painted at all; otherwise the camera's picture is shown.
    pub painted: bool,
    /// What the network costs per frame, in any unit that is the same for the whole ladder. 0 when nothing is painted.
    pub cost: f32,
}

impl Rung {
    /// The camera's picture as it is.
    pub fn untouched() -> Self {
        Self { variant: String::new(), scale: 1.0, every: 1, painted: false, cost: 0.0 }
    }

    /// Whether the two need the same networks at the same size, so that going from one to the other makes nothing new.
    pub fn same_network(&self, other: &Self) -> bool {
        self.painted == other.painted && self.variant == other.variant && self.scale == other.scale
    }
}

/// For people: `M`, `S, 75 % size`, `S, 56 % size, every 2nd frame`, `camera picture`.
impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.painted {
            return f.write_str("camera picture");
        }
        for letter in self.variant.chars().flat_map(char::to_uppercase) {
            write!(f, "{letter}")?;
        }
        if self.scale < 1.0 {
            write!(f, ", {:.0} % size", self.scale * 100.0)?;
        }
        match self.every {
            0 | 1 => Ok(()),
            2 => f.write_str(", every 2nd frame"),
            3 => f.write_str(", every 3rd frame"),
            n => write!(f, ", every {n}th frame"),
        }
    }
}

/// Shares of a variant's pixels that are tried: sides of 1, 0.87 and 0.75 times the length.
const SCALES: [f32; 3] = [1.0, 0.75, 0.5625];
/// A rung that saves less than this against the one above is not worth a change of picture.
const WORTH: f32 = 0.87;
/// A shrunken network that costs hardly more than the next smaller one gives way to that one.
const APART: f32 = 1.15;

/// The ladder over `variants`, each an id and its cost per frame at full size (milliseconds or operations), smallest first;
/// `skipping` says whether each second frame may be left out. Costs fall from each rung to the next; the last rung paints
/// nothing. Where a cost is not known (0 or not finite), or does not rise with the size, all but the smallest variant are
/// left out, because nothing could be said about them.
///
/// ```
/// use impasto::quality::ladder;
///
/// let rungs = ladder(&[("s".into(), 8.0), ("m".into(), 30.0)], true);
/// let names: Vec<_> = rungs.iter().map(ToString::to_string).collect();
/// assert_eq!(names.join(" | "), "M | M, 75 % size | M, 56 % size | S | S, 75 % size | S, 56 % size \
///     | S, 56 % size, every 2nd frame | camera picture");
/// ```
pub fn ladder(variants: &[(String, f32)], skipping: bool) -> Vec<Rung> {
    let mut known: Vec<(&str, f32)> = Vec::new();
    for (id, cost) in variants {
        let good = cost.is_finite() && *cost > 0.0;
        match known.last() {
            None => known.push((id, if good { *cost } else { 1.0 })),
            Some((_, smaller)) if good && *cost * WORTH >= *smaller => known.push((id, *cost)),
            Some(_) => {}
        }
    }
    let mut rungs: Vec<Rung> = Vec::new();
    for (i, (id, full)) in known.iter().enumerate().rev() {
        let next = i.checked_sub(1).and_then(|i| known.get(i)).map_or(0.0, |(_, cost)| *cost);
        for scale in SCALES {
            let cost = full * scale;
            let worth = rungs.last().is_none_or(|above| cost <= above.cost * WORTH);
            if worth && (scale == 1.0 || cost >= next * APART) {
                rungs.push(Rung { variant: (*id).to_owned(), scale, every: 1, painted: true, cost });
            }
        }
    }
    if let Some(lightest) = rungs.last().cloned().filter(|_| skipping) {
        rungs.push(Rung { every: 2, cost: lightest.cost / 2.0, ..lightest });
    }
    rungs.push(Rung::untouched());
    rungs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_not_known_is_left_out() {
        let names = |variants: &[(&str, f32)]| {
            let owned: Vec<_> = variants.iter().map(|(id, cost)| ((*id).to_owned(), *cost)).collect();
            ladder(&owned, false).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(&[]), ["camera picture"]);
        let one = ["X", "X, 75 % size", "X, 56 % size", "camera picture"];
        assert_eq!(names(&[("x", 0.0)]), one);
        assert_eq!(names(&[("x", 5.0), ("y", f32::NAN), ("z", 5.1)]), one);
    }

    #[test]
    fn a_network_of_its_own_beats_a_shrunken_larger_one() {
        let rungs = ladder(&[("s".into(), 10.0), ("m".into(), 15.0)], false);
        let names: Vec<_> = rungs.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["M", "S", "S, 75 % size", "S, 56 % size", "camera picture"]);
    }

    proptest! {
        #[test]
        fn costs_fall_all_the_way(costs in prop::collection::vec(-1.0f32..100.0, 0..6), skipping: bool) {
            let variants: Vec<_> = costs.iter().enumerate().map(|(i, c)| (format!("v{i}"), *c)).collect();
            let rungs = ladder(&variants, skipping);
            prop_assert!(rungs.windows(2).all(|pair| pair[1].cost < pair[0].cost), "{:?}", rungs);
            prop_assert_eq!(rungs.last(), Some(&Rung::untouched()));
            prop_assert!(rungs.iter().rev().skip(1).all(|r| r.painted && r.cost > 0.0));
            prop_assert_eq!(rungs.len() > 1, !variants.is_empty());
        }
    }
}
