//! A still after three seconds, so that whoever pressed the key is in the picture too; or four of them for a strip.

use std::time::{Duration, Instant};

use crate::ui::Countdown as Shown;

const LASTS: Duration = Duration::from_secs(3);
/// From one picture of a strip to the next.
const APART: Duration = Duration::from_millis(1200);
/// Pictures of a strip.
pub(super) const STRIP: u32 = 4;
/// How long the flash fades.
const FLASH: Duration = Duration::from_millis(350);

/// Seconds that are counted down, and the flash after them.
#[derive(Debug, Default)]
pub(super) struct Countdown {
    until: Option<Instant>,
    flash: Option<Instant>,
    /// Pictures that are to be taken when it is over, this one and those after it.
    pictures: u32,
}

impl Countdown {
    /// Begins, for so many pictures, or ends before its time.
    pub fn toggle(&mut self, pictures: u32, now: Instant) {
        self.until = if self.until.is_some() { None } else { Some(now + LASTS) };
        self.flash = None;
        self.pictures = pictures;
    }

    /// Once for each picture that is to be taken now: how many are to come after it.
    pub fn over(&mut self, now: Instant) -> Option<u32> {
        self.until.filter(|until| *until <= now)?;
        self.pictures = self.pictures.saturating_sub(1);
        self.until = (self.pictures > 0).then(|| now + APART);
        self.flash = Some(now);
        Some(self.pictures)
    }

    /// What is to be seen of it.
    pub fn shown(&self, now: Instant) -> Option<Shown> {
        let fading = |since: Instant| 1.0 - now.saturating_duration_since(since).as_secs_f32() / FLASH.as_secs_f32();
        let flash = self.flash.map(fading).filter(|rest| *rest > 0.0).map(Shown::Flash);
        let left =
            |until: Instant| Shown::Left(until.saturating_duration_since(now).as_secs_f32().ceil().max(1.0) as u32);
        flash.or(self.until.map(left))
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
        countdown.toggle(1, start);
        let left: Vec<_> = [0, 900, 1100, 2900].map(|ms| countdown.shown(at(ms))).to_vec();
        assert_eq!(left, [3, 3, 2, 1].map(|n| Some(Shown::Left(n))));
        assert_eq!([2999, 3001, 3002].map(|ms| countdown.over(at(ms))), [None, Some(0), None]);
        assert!(matches!(countdown.shown(at(3101)), Some(Shown::Flash(rest)) if rest > 0.6 && rest < 0.8));
        assert_eq!(countdown.shown(at(3400)), None);
    }

    #[test]
    fn a_strip_has_four_pictures_with_time_between_them() {
        let mut countdown = Countdown::default();
        let start = Instant::now();
        countdown.toggle(STRIP, start);
        let taken: Vec<(u64, u32)> = (0..1000)
            .filter_map(|step| Some((step * 10, countdown.over(start + Duration::from_millis(step * 10))?)))
            .collect();
        assert_eq!(taken, [(3000, 3), (4200, 2), (5400, 1), (6600, 0)]);
    }

    #[test]
    fn the_second_press_ends_it() {
        let mut countdown = Countdown::default();
        let start = Instant::now();
        countdown.toggle(STRIP, start);
        countdown.toggle(1, start + Duration::from_secs(1));
        assert_eq!(countdown.over(start + Duration::from_secs(9)), None);
        assert_eq!(countdown.shown(start + Duration::from_secs(9)), None);
    }
}
