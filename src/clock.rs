//! Where the program's time comes from, and how its threads wait for a moment.
//!
//! Whatever decides by time is given `now`, or a [`Clock`] where it runs on a thread of its own. A test sets such a clock by
//! hand, and a minute of the whole program passes without anybody sleeping. How long work took is measured with
//! [`Instant`] itself: no test can set that.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A clock. Clones show the same time.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// `None`: the system's.
    set: Option<Arc<Settable>>,
}

#[derive(Debug)]
struct Settable {
    hands: Mutex<Hands>,
    moved: Condvar,
}

#[derive(Debug)]
struct Hands {
    now: Instant,
    /// What each thread that sleeps waits for.
    sleepers: Vec<Instant>,
}

/// A flag that ends waiting on another thread. Once set it stays set.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Clock {
    /// How often a sleeper on a clock that is set by hand looks whether it was stopped.
    const SLICE: Duration = Duration::from_millis(2);

    /// A clock that stands still but for [`Self::advance`].
    pub fn set_by_hand(now: Instant) -> Self {
        let hands = Mutex::new(Hands { now, sleepers: Vec::new() });
        Self { set: Some(Arc::new(Settable { hands, moved: Condvar::new() })) }
    }

    pub fn now(&self) -> Instant {
        self.set.as_ref().map_or_else(Instant::now, |set| set.lock().now)
    }

    /// Begins to time work.
    pub fn stopwatch(&self) -> Stopwatch {
        let began = Instant::now();
        Stopwatch { at: self.set.as_ref().map_or(began, |set| set.lock().now), began }
    }

    /// Moves a clock that is set by hand on. The system's goes by itself: nothing happens.
    pub fn advance(&self, by: Duration) {
        if let Some(set) = &self.set {
            set.lock().now += by;
            set.moved.notify_all();
        }
    }

    /// Sleeps until `until`, less if `stop` is set meanwhile. Returns whether it is set.
    pub fn sleep_until(&self, until: Instant, stop: &Stop) -> bool {
        let Some(set) = &self.set else { return stop.sleep_until(until) };
        let mut hands = set.lock();
        hands.sleepers.push(until);
        set.moved.notify_all();
        while hands.now < until && !stop.is_set() {
            hands = set.moved.wait_timeout(hands, Self::SLICE).unwrap_or_else(PoisonError::into_inner).0;
        }
        if let Some(place) = hands.sleepers.iter().position(|sleeper| *sleeper == until) {
            hands.sleepers.swap_remove(place);
        }
        stop.is_set()
    }

    /// Waits until so many threads sleep on a clock that is set by hand, for moments that have not come: until all that was
    /// due is done. False when they do not within `patience` of real time.
    pub fn wait_for_sleepers(&self, threads: usize, patience: Duration) -> bool {
        let Some(set) = &self.set else { return false };
        let busy = |hands: &mut Hands| hands.sleepers.iter().filter(|until| **until > hands.now).count() < threads;
        let waited = set.moved.wait_timeout_while(set.lock(), patience, busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// Work that is being timed: it begins by a clock, and lasts as long as it really takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    at: Instant,
    began: Instant,
}

impl Stopwatch {
    /// When the work began, and when it would have ended by its clock.
    pub fn stop(self) -> (Instant, Instant) {
        (self.at, self.at + self.began.elapsed())
    }
}

impl Settable {
    fn lock(&self) -> MutexGuard<'_, Hands> {
        // Each change is whole before anything else runs.
        self.hands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stop {
    pub fn set(&self) {
        *self.lock() = true;
        self.shared.1.notify_all();
    }

    pub fn is_set(&self) -> bool {
        *self.lock()
    }

    /// By the system's clock.
    fn sleep_until(&self, until: Instant) -> bool {
        let mut set = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if *set || left.is_zero() {
                return *set;
            }
            set = self.shared.1.wait_timeout(set, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        // A bool cannot be left half changed.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_set_stop_ends_a_sleep_on_either_clock() {
        for clock in [Clock::default(), Clock::set_by_hand(Instant::now())] {
            let stop = Stop::default();
            let sleeper = {
                let (clock, stop) = (clock.clone(), stop.clone());
                std::thread::spawn(move || clock.sleep_until(clock.now() + MINUTE, &stop))
            };
            stop.set();
            assert!(sleeper.join().unwrap());
        }
    }

    #[test]
    fn without_a_stop_the_system_s_clock_is_slept_to_the_end() {
        let until = Instant::now() + Duration::from_millis(5);
        assert!(!Clock::default().sleep_until(until, &Stop::default()));
        assert!(Instant::now() >= until);
    }

    #[test]
    fn a_clock_set_by_hand_stands_still_and_wakes_those_whose_time_has_come() {
        let clock = Clock::set_by_hand(Instant::now());
        let start = clock.now();
        let sleeper = |seconds: u64| {
            let clock = clock.clone();
            std::thread::spawn(move || clock.sleep_until(start + Duration::from_secs(seconds), &Stop::default()))
        };
        let (early, late) = (sleeper(3600), sleeper(7200));
        assert!(clock.wait_for_sleepers(2, MINUTE));
        assert_eq!(clock.now(), start);
        clock.advance(Duration::from_secs(3600));
        assert!(!early.join().unwrap());
        assert!(clock.wait_for_sleepers(1, MINUTE) && !clock.wait_for_sleepers(2, Duration::ZERO));
        clock.advance(Duration::from_secs(3600));
        assert!(!late.join().unwrap());
    }
}
