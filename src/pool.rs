//! A few threads that work on the rows of one picture together, started once and used for every picture.
//!
//! The calling thread works too, and takes every band that no helper has begun: on a busy machine, where no helper gets a
//! core, it does everything by itself and waits for nobody. Nothing is allocated for a picture.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// More threads than pictures of this program have work for.
const MOST: usize = 8;
/// Bands for each thread: the last ones even out what one thread was held up by.
const BANDS_EACH: usize = 2;
/// Fewer elements than this are not worth waking another thread for.
const WORTHWHILE: usize = 1 << 13;

/// Handle to the threads. Dropping it ends them.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// There is work, or the end.
    begin: Condvar,
    /// No helper works any more.
    idle: Condvar,
    /// The next part that nobody has begun.
    next: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    work: Option<Work>,
    /// Counts works, so that a helper takes part in each once.
    number: u64,
    /// Helpers that are inside the work.
    inside: usize,
    panicked: bool,
    end: bool,
}

/// A function that outlives its being here: see [`Pool::each`].
#[derive(Clone, Copy)]
struct Work {
    part: *const (dyn Fn(usize) + Sync),
    count: usize,
}

impl std::fmt::Debug for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} parts", self.count)
    }
}

#[allow(
    unsafe_code,
    reason = "a pointer to a `Sync` function may be sent; the compiler cannot see how long it is valid"
)]
// SAFETY: the function is `Sync`, and `Pool::each` keeps it alive while the pointer is where a helper can find it.
unsafe impl Send for Work {}

impl Pool {
    /// With the caller, so many threads work; at least one, eight at most.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let mut pool = Self { shared: Arc::default(), helpers: Vec::new() };
        for index in 1..threads.clamp(1, MOST) {
            let shared = pool.shared.clone();
            let helper = std::thread::Builder::new().name(format!("rows {index}"));
            pool.helpers.push(helper.spawn(move || shared.help())?);
        }
        Ok(pool)
    }

    /// The caller alone.
    pub fn alone() -> Self {
        Self { shared: Arc::default(), helpers: Vec::new() }
    }

    pub fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Calls `part` for each number below `count`, on whichever threads have time, and returns when all calls have. Not to be
    /// called from within a part, nor from two threads at once.
    ///
    /// # Panics
    /// When a part does.
    pub fn each(&self, count: usize, part: &(dyn Fn(usize) + Sync)) {
        if self.helpers.is_empty() || count < 2 {
            (0..count).for_each(part);
            return;
        }
        {
            let mut state = lock(&self.shared.state);
            self.shared.next.store(0, Ordering::Relaxed);
            state.number += 1;
            state.panicked = false;
            // The lifetime of the function is taken off here, and holds: this call returns only after the work was taken
            // away and the last helper has left it.
            #[allow(unsafe_code, reason = "a borrowed function for threads that live longer than the borrow")]
            // SAFETY: as said above. The pointer's type differs in its lifetime alone.
            let part = unsafe {
                std::mem::transmute::<*const (dyn Fn(usize) + Sync + '_), *const (dyn Fn(usize) + Sync)>(part)
            };
            state.work = Some(Work { part, count });
        }
        self.shared.begin.notify_all();
        let own = catch_unwind(AssertUnwindSafe(|| self.shared.parts(count, part)));
        let mut state = lock(&self.shared.state);
        state.work = None;
        while state.inside > 0 {
            state = self.shared.idle.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let panicked = state.panicked;
        drop(state);
        if let Err(panic) = own {
            resume_unwind(panic);
        }
        assert!(!panicked, "a thread of the pool panicked; what it said was printed");
    }

    /// Calls `work` for bands of whole rows that together are all of `out`, side by side: with the numbers of the band's rows
    /// and their elements. A row has `width` elements.
    pub fn rows<T: Send>(&self, out: &mut [T], width: usize, work: impl Fn(Range<usize>, &mut [T]) + Sync) {
        self.pairs(out, &mut [(); 0], width, 0, |rows, band, _| work(rows, band));
    }

    /// As [`Self::rows`] for two pictures with as many rows as each other.
    pub fn rows_of_two<A: Send, B: Send>(
        &self,
        (first, first_width): (&mut [A], usize),
        (second, second_width): (&mut [B], usize),
        work: impl Fn(Range<usize>, &mut [A], &mut [B]) + Sync,
    ) {
        self.pairs(first, second, first_width, second_width, work);
    }

    fn pairs<A: Send, B: Send>(
        &self,
        first: &mut [A],
        second: &mut [B],
        first_width: usize,
        second_width: usize,
        work: impl Fn(Range<usize>, &mut [A], &mut [B]) + Sync,
    ) {
        let rows = first.len() / first_width.max(1);
        assert!(
            second_width == 0 || second.len() / second_width >= rows,
            "two pictures have as many rows as each other"
        );
        let most = if first.len() < WORTHWHILE { 1 } else { self.threads() * BANDS_EACH };
        let each = rows.div_ceil(most).max(1);
        let (first, second) = (Parts(first.as_mut_ptr()), Parts(second.as_mut_ptr()));
        let band = |index: usize| {
            let range = index * each..((index + 1) * each).min(rows);
            let count = range.len();
            #[allow(unsafe_code, reason = "bands of one slice for several threads")]
            // SAFETY: bands do not overlap, each number is given out once, and all rows lie inside the slices, which are
            // borrowed until `each` returns.
            let (a, b) = unsafe {
                (
                    std::slice::from_raw_parts_mut(first.at(range.start * first_width), count * first_width),
                    std::slice::from_raw_parts_mut(second.at(range.start * second_width), count * second_width),
                )
            };
            work(range, a, b);
        };
        self.each(rows.div_ceil(each), &band);
    }
}

/// Where a slice begins of which each thread gets another band.
struct Parts<T>(*mut T);

#[allow(unsafe_code, reason = "bands of one slice for several threads")]
// SAFETY: only bands that do not overlap are made from it, and their elements may be sent.
unsafe impl<T: Send> Sync for Parts<T> {}

impl<T> Parts<T> {
    fn at(&self, index: usize) -> *mut T {
        self.0.wrapping_add(index)
    }
}

impl Shared {
    fn parts(&self, count: usize, part: &(dyn Fn(usize) + Sync)) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return;
            }
            part(index);
        }
    }

    fn help(&self) {
        let mut seen = 0;
        let mut state = lock(&self.state);
        loop {
            let (false, Some(work)) = (state.end, state.work.filter(|_| state.number != seen)) else {
                if state.end {
                    return;
                }
                state = self.begin.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            seen = state.number;
            state.inside += 1;
            drop(state);
            #[allow(unsafe_code, reason = "the function of a caller that waits for this thread")]
            // SAFETY: `inside` was counted while the work was there; `Pool::each` does not return before it is 0 again.
            let part = unsafe { &*work.part };
            let done = catch_unwind(AssertUnwindSafe(|| self.parts(work.count, part)));
            state = lock(&self.state);
            state.panicked |= done.is_err();
            state.inside -= 1;
            if state.inside == 0 {
                self.idle.notify_all();
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.shared.state).end = true;
        self.shared.begin.notify_all();
        for helper in self.helpers.drain(..) {
            // It ended, one way or the other.
            let _ = helper.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code runs under this lock that could leave the data half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_done_once() {
        for threads in [1, 2, 5] {
            let pool = Pool::new(threads).unwrap();
            for (width, rows) in [(1, 1), (7, 3), (300, 101), (1000, 64), (1, 20_000)] {
                let (mut a, mut b) = (vec![0_u32; width * rows], vec![0_u8; rows * 2]);
                for round in 1..=50 {
                    pool.rows_of_two((&mut a, width), (&mut b, 2), |range, a, b| {
                        assert_eq!((a.len(), b.len()), (range.len() * width, range.len() * 2));
                        for (row, line) in range.zip(a.chunks_exact_mut(width)) {
                            line.iter_mut().for_each(|x| *x += row as u32 + 1);
                        }
                        b.iter_mut().for_each(|x| *x += 1);
                    });
                    assert!(b.iter().all(|x| u32::from(*x) == round));
                }
                assert!(
                    a.chunks_exact(width).enumerate().all(|(y, row)| row.iter().all(|x| *x == 50 * (y as u32 + 1)))
                );
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_works_on() {
        let pool = Pool::new(3).unwrap();
        for round in 0..20 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool.each(8, &|index| assert!(index != round % 8, "on purpose"));
            }));
            assert!(caught.is_err());
            let sum = AtomicUsize::new(0);
            pool.each(8, &|index| {
                sum.fetch_add(index, Ordering::Relaxed);
            });
            assert_eq!(sum.into_inner(), 28);
        }
    }
}
