//! Two styles of one network at once: the second, and how much of it.

use std::fmt;
use std::str::FromStr;

/// A part of a whole, 0..=1, in thousandths: finer than a slider on any screen, and equal when it looks equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

impl Share {
    pub const HALF: Self = Self(500);

    /// The nearest thousandth; what is outside 0..=1 becomes its nearer end, and what is not a number 0.
    pub fn new(share: f32) -> Self {
        // The cast saturates, and makes zero of what is not a number.
        Self((share.clamp(0.0, 1.0) * 1000.0).round() as u16)
    }

    /// 0..=1.
    pub fn get(self) -> f32 {
        f32::from(self.0) / 1000.0
    }

    /// 0..=100, rounded.
    pub fn percent(self) -> u32 {
        (u32::from(self.0) + 5) / 10
    }
}

/// What is blended into an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blend {
    /// Name of an effect of the same pack.
    pub other: String,
    /// How much of it: 0 leaves the first effect alone, 1 leaves nothing of it.
    pub share: Share,
}

impl fmt::Display for Blend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.other, self.share.get())
    }
}

impl FromStr for Blend {
    type Err = String;

    /// `NAME=0.4`, `NAME=40%`, or `NAME` for half.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("'{text}' is no blend: write the name of an effect and a share, such as udnie=0.4");
        let (other, share) = match text.rsplit_once('=') {
            None => (text, Share::HALF),
            Some((other, share)) => {
                let (number, whole) = match share.trim().strip_suffix('%') {
                    Some(percent) => (percent, 100.0),
                    None => (share, 1.0),
                };
                let number: f32 = number.trim().parse().map_err(|_| wrong())?;
                let share = number / whole;
                if !(0.0..=1.0).contains(&share) {
                    return Err(format!("a share of {} is impossible: give 0 to 1, or 0% to 100%", share));
                }
                (other, Share::new(share))
            }
        };
        let other = other.trim();
        if other.is_empty() { Err(wrong()) } else { Ok(Self { other: other.to_owned(), share }) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn blends_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Blend>().map(|b| (b.other, b.share.percent()));
        assert_eq!(read("udnie=0.4"), Ok(("udnie".into(), 40)));
        assert_eq!(read("the-scream = 35 %"), Ok(("the-scream".into(), 35)));
        assert_eq!(read("udnie"), Ok(("udnie".into(), 50)));
        for wrong in ["", "=0.4", "udnie=", "udnie=1.5", "udnie=-0.1", "udnie=NaN", "udnie=140%", "udnie=inf"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(thousandths in 0u16..=1000) {
            let blend = Blend { other: "a-b".into(), share: Share(thousandths) };
            prop_assert_eq!(blend.to_string().parse::<Blend>(), Ok(blend));
        }

        #[test]
        fn shares_stay_in_range(x in any::<f32>()) {
            let share = Share::new(x);
            prop_assert!((0.0..=1.0).contains(&share.get()) && share.percent() <= 100);
            prop_assert_eq!(Share::new(share.get()), share);
        }
    }
}
