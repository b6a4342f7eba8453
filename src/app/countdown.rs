//! A still after three seconds, so that whoever pressed the key is in the picture too.

use std::time::{Duration, Instant};

use crate::ui::Countdown as Shown;

const LASTS: Duration = Duration::from_secs(3);
/// How long the flash fades.
const FLASH: Duration = Duration::from_millis(350);

/// Seconds that are counted down, and the flash after them.
#[derive(Debug, Default)]
pub(super) struct Countdown {
    until: Option<Instant>,
    flash: Option<Instant>,
}

impl Countdown {
    /// Begins, or ends before its time.
    pub fn toggle(&mut self, now: Instant) {
        self.until = if self.until.is_some() { None } else { Some(now + LASTS) };
        self.flash = None;
    }

    /// True once, when the time is over: the picture is to be taken.
    pub fn is_over(&mut self, now: Instant) -> bool {
        let over = self.until.is_some_and(|until| until <= now);
        if over {
            self.until = None;
            self.flash = Some(now);
        }
        over
    }

    /// What is to be seen of it.
    pub fn shown(&self, now: Instant) -> Option<Shown> {
        let left =
            |until: Instant| Shown::Left(until.saturating_duration_since(now).as_secs_f32().ceil().max(1.0) as u32);
        let fading = |since: Instant| 1.0 - now.saturating_duration_since(since).as_secs_f32() / FLASH.as_secs_f32();
        let flash = || self.flash.map(fading).filter(|rest| *rest > 0.0).map(Shown::Flash);
        self.until.map(left).or_else(flash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_takes_one_picture_and_flashes() {
        let mut countdown = Countdown::default();
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!(countdown.shown(start), None);
        countdown.toggle(start);
        let left: Vec<_> = [0, 900, 1100, 2900].map(|ms| countdown.shown(at(ms))).to_vec();
        assert_eq!(left, [3, 3, 2, 1].map(|n| Some(Shown::Left(n))));
        assert!(!countdown.is_over(at(2999)) && countdown.is_over(at(3001)) && !countdown.is_over(at(3002)));
        assert!(matches!(countdown.shown(at(3101)), Some(Shown::Flash(rest)) if rest > 0.6 && rest < 0.8));
        assert_eq!(countdown.shown(at(3400)), None);
    }

    #[test]
    fn the_second_press_ends_it() {
        let mut countdown = Countdown::default();
        let start = Instant::now();
        countdown.toggle(start);
        countdown.toggle(start + Duration::from_secs(1));
        assert!(!countdown.is_over(start + Duration::from_secs(9)));
        assert_eq!(countdown.shown(start + Duration::from_secs(9)), None);
    }
}
