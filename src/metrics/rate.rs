//! Events per second, from when they happened.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Rate over the last two seconds. Allocates nothing after [`Rate::new`].
#[derive(Clone, Debug)]
pub struct Rate {
    events: VecDeque<Instant>,
    total: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Self::new()
    }
}

impl Rate {
    const WINDOW: Duration = Duration::from_secs(2);
    /// More events than this are not kept; the rate is then over a shorter window.
    const MOST: usize = 512;

    pub fn new() -> Self {
        Self { events: VecDeque::with_capacity(Self::MOST), total: 0 }
    }

    /// One event at `now`. Times must not go backwards.
    pub fn tick(&mut self, now: Instant) {
        if self.events.len() == Self::MOST {
            self.events.pop_front();
        }
        self.events.push_back(now);
        self.total += 1;
    }

    /// Brings the count of events to `total`, all the new ones at `now`: for counters kept elsewhere.
    pub fn advance_to(&mut self, total: u64, now: Instant) {
        let new = total.saturating_sub(self.total);
        (0..new.min(Self::MOST as u64)).for_each(|_| self.tick(now));
        self.total = total;
    }

    /// Events since the beginning.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Events per second; `None` until two events are in the window. Falls off by itself when events stop.
    pub fn per_second(&self, now: Instant) -> Option<f64> {
        let start = self.events.partition_point(|&e| now.saturating_duration_since(e) > Self::WINDOW);
        let (&first, &last) = (self.events.get(start)?, self.events.back()?);
        // Events that came together with the first one lie before the span of time that is measured.
        let after = self.events.partition_point(|&e| e <= first);
        let intervals = (self.events.len() - after) as f64;
        let spread = last.saturating_duration_since(first).as_secs_f64();
        if intervals < 1.0 || spread <= 0.0 {
            return None;
        }
        // An event that is overdue counts against the rate from when it was due.
        let silence = now.saturating_duration_since(last).as_secs_f64();
        let interval = spread / intervals;
        let seconds = if silence > 2.0 * interval { spread + silence } else { spread };
        Some(intervals / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_exact_and_falls_off() {
        let t0 = Instant::now();
        let mut rate = Rate::new();
        assert_eq!(rate.per_second(t0), None);
        let at = |n: u32| t0 + Duration::from_millis(40) * n;
        (0..100).for_each(|n| rate.tick(at(n)));
        assert!((rate.per_second(at(99)).unwrap() - 25.0).abs() < 1e-6);
        assert!(rate.per_second(at(99) + Duration::from_secs(1)).unwrap() < 13.5);
        assert_eq!(rate.per_second(at(99) + Duration::from_secs(10)), None);
        assert_eq!(rate.total(), 100);
    }

    #[test]
    fn a_counter_kept_elsewhere() {
        let t0 = Instant::now();
        let mut rate = Rate::new();
        for n in 0..=20u32 {
            rate.advance_to(u64::from(n) * 3, t0 + Duration::from_millis(100) * n);
        }
        assert_eq!(rate.total(), 60);
        assert!((rate.per_second(t0 + Duration::from_secs(2)).unwrap() - 30.0).abs() < 1.0);
    }
}
