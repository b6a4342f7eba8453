//! Threads that work on one picture together: kept for good, started for each picture, meeting after each block.
//!
//! Waiting is by spinning first, because blocks take tens of microseconds and waking a thread takes as long, and then by
//! sleeping, because the other processor may be doing something else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A member of the team panicked; the team works no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Looks at the counter before going to sleep. About 50 microseconds.
const SPINS: usize = 1000;

/// Where all members wait for each other.
#[derive(Debug)]
pub(super) struct Meeting {
    members: usize,
    arrived: AtomicUsize,
    /// Counts meetings.
    met: Turn,
    broken: AtomicBool,
}

/// A number that one thread counts up and others wait for.
#[derive(Debug, Default)]
struct Turn {
    count: AtomicUsize,
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Turn {
    fn advance(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        // Whoever is about to sleep has said so before it looks at the count for the last time.
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.changed.notify_all();
        }
    }

    /// Until the count is no longer `seen`, or `enough` says so.
    fn wait(&self, seen: usize, enough: impl Fn() -> bool) {
        let over = || self.count.load(Ordering::SeqCst) != seen || enough();
        for _ in 0..SPINS {
            if over() {
                return;
            }
            std::hint::spin_loop();
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while !over() {
            guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Meeting {
    fn new(members: usize) -> Self {
        Self { members, arrived: AtomicUsize::new(0), met: Turn::default(), broken: AtomicBool::new(false) }
    }

    /// Returns when all members have called it.
    ///
    /// # Errors
    /// When a member panicked.
    pub fn wait(&self) -> Result<(), Broken> {
        if self.members > 1 {
            let seen = self.met.count.load(Ordering::SeqCst);
            if self.arrived.fetch_add(1, Ordering::SeqCst) + 1 == self.members {
                self.arrived.store(0, Ordering::SeqCst);
                self.met.advance();
            } else {
                self.met.wait(seen, || self.broken.load(Ordering::SeqCst));
            }
        }
        if self.broken.load(Ordering::SeqCst) { Err(Broken) } else { Ok(()) }
    }

    fn break_up(&self) {
        self.broken.store(true, Ordering::SeqCst);
        self.met.wake();
    }
}

/// What the members do: called once for each picture, with the member's number.
pub(super) trait Job: Send + Sync + 'static {
    /// # Errors
    /// When [`Meeting::wait`] fails.
    fn work(&self, member: usize, meeting: &Meeting) -> Result<(), Broken>;
}

#[derive(Debug)]
struct Shared<J> {
    job: J,
    meeting: Meeting,
    start: Turn,
    stop: AtomicBool,
}

/// The threads. Member 0 is whoever calls [`Self::work`]. Dropping it ends the others.
#[derive(Debug)]
pub(super) struct Team<J> {
    shared: Arc<Shared<J>>,
    helpers: Vec<JoinHandle<()>>,
}

impl<J: Job> Team<J> {
    /// # Errors
    /// When the system starts no more threads.
    pub fn new(members: usize, job: J) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            job,
            meeting: Meeting::new(members.max(1)),
            start: Turn::default(),
            stop: AtomicBool::new(false),
        });
        let mut team = Self { shared, helpers: Vec::new() };
        for member in 1..members {
            let shared = team.shared.clone();
            let helper = std::thread::Builder::new().name(format!("painter {}", member + 1));
            team.helpers.push(helper.spawn(move || shared.help(member))?);
        }
        Ok(team)
    }

    pub fn job(&self) -> &J {
        &self.shared.job
    }

    pub fn members(&self) -> usize {
        self.shared.meeting.members
    }

    /// Has all members do the job once, the caller among them.
    ///
    /// # Errors
    /// When a member panicked, now or earlier.
    pub fn work(&self) -> Result<(), Broken> {
        self.shared.start.advance();
        self.shared.part(0)?;
        self.shared.meeting.wait()
    }
}

impl<J: Job> Shared<J> {
    /// One member's part. A panic becomes an error for all.
    fn part(&self, member: usize) -> Result<(), Broken> {
        let done = catch_unwind(AssertUnwindSafe(|| self.job.work(member, &self.meeting))).unwrap_or(Err(Broken));
        if done.is_err() {
            self.meeting.break_up();
        }
        done
    }

    fn help(&self, member: usize) {
        let mut seen = 0;
        loop {
            self.start.wait(seen, || self.stop.load(Ordering::SeqCst));
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            // Every start is waited for by every member, so no start is skipped.
            seen += 1;
            if self.part(member).and_then(|()| self.meeting.wait()).is_err() {
                return;
            }
        }
    }
}

impl<J> Drop for Team<J> {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.start.wake();
        for helper in self.helpers.drain(..) {
            // It ended, one way or the other.
            let _ = helper.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every member adds to its own number, and after the meeting sees what all others have.
    struct Count {
        turns: Vec<AtomicUsize>,
        panics_at: usize,
    }

    impl Job for Count {
        fn work(&self, member: usize, meeting: &Meeting) -> Result<(), Broken> {
            for round in 0..20 {
                let turn = self.turns[member].fetch_add(1, Ordering::Relaxed) + 1;
                assert!(turn != self.panics_at || member != 1, "on purpose");
                meeting.wait()?;
                assert!(self.turns.iter().all(|t| t.load(Ordering::Relaxed) == turn), "member {member} round {round}");
                meeting.wait()?;
            }
            Ok(())
        }
    }

    fn team(members: usize, panics_at: usize) -> Team<Count> {
        Team::new(members, Count { turns: (0..members).map(|_| AtomicUsize::new(0)).collect(), panics_at }).unwrap()
    }

    #[test]
    fn members_meet_and_start_again() {
        for members in [1, 2, 3, 5] {
            let team = team(members, usize::MAX);
            for _ in 0..50 {
                team.work().unwrap();
            }
            assert!(team.job().turns.iter().all(|t| t.load(Ordering::Relaxed) == 1000));
        }
    }

    #[test]
    fn a_panic_ends_the_work_and_hangs_nobody() {
        let team = team(3, 47);
        assert_eq!((0..5).map(|_| team.work()).collect::<Vec<_>>()[2..], [Err(Broken); 3]);
    }
}
