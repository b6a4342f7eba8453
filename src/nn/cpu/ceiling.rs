//! What the processor can do at best, with as many threads as a network gets: bandwidth of a copy, rate of multiply-adds.
//! Takes half a second; never beside a live picture.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::kernels::Isa;
use crate::metrics::roofline::Ceiling;

/// How long one measurement takes.
const ENOUGH: Duration = Duration::from_millis(40);
/// Of each figure the best of so many is taken: what else runs on the machine only makes it worse.
const TRIES: usize = 5;
/// Rounds of multiply-adds between two looks at the clock.
const ROUNDS: usize = 4096;

/// Measures; copies go through about `working_set_bytes` again and again, shared by all threads.
pub fn measure(isa: &'static Isa, threads: usize, working_set_bytes: u64) -> Ceiling {
    let threads = threads.max(1);
    let numbers = (working_set_bytes as usize / threads / 8).max(1024);
    let flop = 2.0 * (ROUNDS * isa.chains()) as f64;
    let bytes = 8.0 * numbers as f64;
    Ceiling {
        bytes_per_s: bytes
            * rate(threads, || {
                let (from, mut to) = (vec![0.5f32; numbers], vec![0.0f32; numbers]);
                move || std::hint::black_box(&mut to).copy_from_slice(std::hint::black_box(&from))
            }),
        working_set_bytes: (8 * numbers * threads) as u64,
        flop_per_s: flop
            * rate(threads, || {
                let mut sum = 0.0;
                move || sum = std::hint::black_box(sum + isa.multiply_add(ROUNDS, 0.5, 0.5, 0.25))
            }),
        half_flop_per_s: None,
        dispatch_s: None,
    }
}

/// Calls a second of what `make` makes for each thread, all threads together.
fn rate<W: FnMut()>(threads: usize, make: impl Fn() -> W + Sync) -> f64 {
    let barrier = Barrier::new(threads);
    let once = |_| {
        let mut work = make();
        work();
        barrier.wait();
        let (began, mut calls) = (Instant::now(), 0u32);
        while began.elapsed() < ENOUGH {
            work();
            calls += 1;
        }
        f64::from(calls) / began.elapsed().as_secs_f64()
    };
    let all = || -> f64 {
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|n| scope.spawn(move || once(n))).collect();
            // A thread that broke off did nothing.
            once(0) + others.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum::<f64>()
        })
    };
    (0..TRIES).map(|_| all()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_of_multiply_adds_are_what_they_say() {
        for isa in Isa::available() {
            let mut one = 3.0f32;
            for _ in 0..7 {
                one = one.mul_add(0.5, 0.25);
            }
            let sum = isa.multiply_add(7, 3.0, 0.5, 0.25);
            let wanted = one * isa.chains() as f32;
            assert!((sum - wanted).abs() < 1e-3 * wanted, "{isa:?}: {sum} for {wanted}");
        }
    }

    #[test]
    fn every_figure_is_measured() {
        let ceiling = measure(Isa::best(), 2, 1 << 20);
        assert!(ceiling.bytes_per_s > 1e8 && ceiling.bytes_per_s < 1e13, "{ceiling:?}");
        assert!(ceiling.flop_per_s > 1e8 && ceiling.flop_per_s < 1e14, "{ceiling:?}");
    }
}
