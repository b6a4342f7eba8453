//! `Latest<T>`: a mailbox with one slot, in which the newest value wins.
//!
//! This is what keeps the program live: a slow reader never makes a queue, it misses frames, and they are counted.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One slot between a writer and a reader on different threads.
#[derive(Debug)]
pub struct Latest<T> {
    slot: Mutex<Slot<T>>,
    filled: Condvar,
}

#[derive(Debug)]
struct Slot<T> {
    value: Option<T>,
    put: u64,
    dropped: u64,
    closed: bool,
}

/// How many values went in, and how many of those were replaced before anybody took them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailboxCounts {
    pub put: u64,
    pub dropped: u64,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self { slot: Mutex::new(Slot { value: None, put: 0, dropped: 0, closed: false }), filled: Condvar::new() }
    }
}

impl<T> Latest<T> {
    /// Puts a value in, replacing and returning one that nobody took. The replaced value counts as dropped.
    pub fn put(&self, value: T) -> Option<T> {
        let mut slot = self.lock();
        let old = slot.value.replace(value);
        slot.put += 1;
        slot.dropped += u64::from(old.is_some());
        drop(slot);
        self.filled.notify_one();
        old
    }

    /// Takes the newest value, if there is one that was not taken before. Never waits.
    pub fn take(&self) -> Option<T> {
        self.lock().value.take()
    }

    /// Takes the newest value, waiting for one at most `timeout`. `None` when none came or the mailbox was closed.
    pub fn wait(&self, timeout: Duration) -> Option<T> {
        let slot = self.lock();
        let (mut slot, _) = self
            .filled
            .wait_timeout_while(slot, timeout, |s| s.value.is_none() && !s.closed)
            .unwrap_or_else(PoisonError::into_inner);
        slot.value.take()
    }

    /// Ends all waiting, now and later. A value already inside can still be taken.
    pub fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
    }

    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub fn counts(&self) -> MailboxCounts {
        let slot = self.lock();
        MailboxCounts { put: slot.put, dropped: slot.dropped }
    }

    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        // No code runs under this lock that could panic half-way through a change.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_wins_and_drops_are_counted() {
        let mailbox = Latest::default();
        assert_eq!(mailbox.take(), None);
        assert_eq!(mailbox.put(1), None);
        assert_eq!(mailbox.put(2), Some(1));
        assert_eq!(mailbox.put(3), Some(2));
        assert_eq!(mailbox.take(), Some(3));
        assert_eq!(mailbox.take(), None);
        assert_eq!(mailbox.counts(), MailboxCounts { put: 3, dropped: 2 });
    }

    #[test]
    fn closing_wakes_a_waiting_reader() {
        let mailbox = std::sync::Arc::new(Latest::<u32>::default());
        let reader = {
            let mailbox = mailbox.clone();
            std::thread::spawn(move || mailbox.wait(Duration::from_secs(60)))
        };
        mailbox.close();
        assert_eq!(reader.join().unwrap(), None);
    }
}
