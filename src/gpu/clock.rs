//! The GPU's clock brought to the CPU's, so that both can stand on one time line.
//!
//! Vulkan, Metal and DirectX can be asked for both clocks at one moment (`VK_EXT_calibrated_timestamps`,
//! `sampleTimestamps`, `GetClockCalibration`); wgpu offers none of that. What it does offer bounds the difference: work never begins
//! before it was submitted and never ends after it was seen to be done. Each measured submission therefore tells
//!
//! ```text
//! submitted - begin  <=  offset  <=  seen - end        where  CPU time = GPU time + offset
//! ```
//!
//! and the tightest bounds of all submissions so far are kept: the least delay on either side is what counts, as in NTP's
//! clock filter (RFC 5905, section 10). Two crystals drift apart, so a bound is believed a little less with every second; by how
//! much they drift is bounded in the same way, by what was known when they were first compared and what is known now. When
//! two bounds contradict each other, a clock was reset, and calibration begins anew. A few empty submissions when
//! the GPU is opened give the first bounds; the frames themselves go on from there, and nothing is ever waited for.
//!
//! Durations on the GPU need none of this and are exact. [`GpuClock::within`] states how far a place can be wrong.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Gpu, Timestamps};
use crate::units::FrameId;

/// By how much two clocks may drift apart, nanoseconds each nanosecond: crystals are good to 50 ppm each.
const DRIFT: f64 = 100e-6;
/// By how much that rate may change while the program runs: crystals get warm, and the CPU's clock follows a time server.
const WANDER: f64 = 5e-6;
/// A rate is learnt from moments at least so far apart.
const BASELINE_NS: f64 = 1e9;
/// An empty submission begins within this after it was submitted; bounds further apart than twice this say nothing more.
const SOON_NS: f64 = 100e3;
/// Bounds that cross by less are rounding.
const ROUNDING_NS: f64 = 1e3;

/// What is known of the difference between the clocks. Pure.
#[derive(Clone, Copy, Debug)]
pub struct Calibration {
    ns_per_tick: f64,
    /// Times of the CPU are nanoseconds since this.
    zero: Instant,
    /// Times of the GPU are nanoseconds since this tick.
    first: Option<u64>,
    /// The offset is at least this, and when that was found.
    lower: (f64, f64),
    /// The offset is at most this, and when that was found.
    upper: (f64, f64),
    /// The offset grows by so much each nanosecond, at least and at most.
    rate: (f64, f64),
    /// When the clocks were first known well, and the bounds of the offset then.
    anchor: Option<(f64, (f64, f64))>,
}

impl Calibration {
    /// `zero`: any moment before the first observation.
    pub fn new(ns_per_tick: f64, zero: Instant) -> Self {
        Self {
            ns_per_tick,
            zero,
            first: None,
            lower: (f64::NEG_INFINITY, 0.0),
            upper: (f64::INFINITY, 0.0),
            rate: (-DRIFT, DRIFT),
            anchor: None,
        }
    }

    /// Work that was handed over at `submitted` or later began at tick `begin`, ended at tick `end`, and was seen to be done
    /// at `seen`.
    pub fn observe(&mut self, submitted: Instant, begin: u64, end: u64, seen: Instant) {
        let first = *self.first.get_or_insert(begin);
        // Where between the two moments it was that a bound held is not known: its age counts from the earlier one.
        let (then, now) = (self.cpu_ns(submitted), self.cpu_ns(seen));
        let lower = (then - self.gpu_ns(first, begin), then);
        let upper = (now - self.gpu_ns(first, end), then);
        let worth = Self { lower, upper, ..*self }.bounds(now);
        let known = self.bounds(now);
        if worth.0 > known.1 + ROUNDING_NS || worth.1 < known.0 - ROUNDING_NS {
            *self = Self::new(self.ns_per_tick, self.zero);
            return self.observe(submitted, begin, end, seen);
        }
        if worth.0 >= known.0 {
            self.lower = lower;
        }
        if worth.1 <= known.1 {
            self.upper = upper;
        }
        self.learn_rate(lower.0, upper.0, then, now);
    }

    /// The offset was at least `lower` and at most `upper` somewhere between `then` and `now`.
    fn learn_rate(&mut self, lower: f64, upper: f64, then: f64, now: f64) {
        let Some((at, (least, most))) = self.anchor else {
            let (lower, upper) = self.bounds(then);
            if upper - lower <= SOON_NS {
                self.anchor = Some((then, (lower, upper)));
            }
            return;
        };
        if then - at < BASELINE_NS {
            return;
        }
        // Over the span that makes the least of what was seen.
        let slope = |rise: f64, up: bool| rise / if (rise > 0.0) == up { then - at } else { now - at };
        let (least_rate, most_rate) = (slope(lower - most, false) - WANDER, slope(upper - least, true) + WANDER);
        self.rate = (self.rate.0.max(least_rate), self.rate.1.min(most_rate));
        if self.rate.0 > self.rate.1 {
            self.rate = (-DRIFT, DRIFT);
            self.anchor = None;
        }
    }

    /// When the GPU's counter stood at `tick`, in the CPU's time. `None` before the first observation.
    pub fn place(&self, tick: u64, now: Instant) -> Option<Instant> {
        let first = self.first?;
        let (offset, _) = self.offset(self.cpu_ns(now))?;
        let ns = self.gpu_ns(first, tick) + offset;
        if ns >= 0.0 {
            self.zero.checked_add(Duration::from_nanos(ns as u64))
        } else {
            self.zero.checked_sub(Duration::from_nanos(-ns as u64))
        }
    }

    /// How far [`Self::place`] may be wrong at most. `None` before the first observation.
    pub fn within(&self, now: Instant) -> Option<Duration> {
        let (_, within) = self.offset(self.cpu_ns(now))?;
        Some(Duration::from_nanos(within.max(0.0) as u64))
    }

    /// The offset, and how far it may be wrong. Work begins soon after it was submitted, but is seen to be done whenever
    /// somebody looks: where the bounds are far apart, the truth lies near the lower one.
    fn offset(&self, now: f64) -> Option<(f64, f64)> {
        let (lower, upper) = self.bounds(now);
        if !(lower.is_finite() && upper.is_finite()) {
            return None;
        }
        let offset = lower + ((upper - lower) / 2.0).clamp(0.0, SOON_NS);
        Some((offset, (upper - offset).max(offset - lower)))
    }

    /// What the bounds are worth at `now`.
    fn bounds(&self, now: f64) -> (f64, f64) {
        let moved = |rate: f64, at: f64| rate * (now - at);
        let least = |at: f64| moved(self.rate.0, at).min(moved(self.rate.1, at));
        let most = |at: f64| moved(self.rate.0, at).max(moved(self.rate.1, at));
        (self.lower.0 + least(self.lower.1), self.upper.0 + most(self.upper.1))
    }

    fn cpu_ns(&self, at: Instant) -> f64 {
        match at.checked_duration_since(self.zero) {
            Some(after) => after.as_nanos() as f64,
            None => -(self.zero.saturating_duration_since(at).as_nanos() as f64),
        }
    }

    fn gpu_ns(&self, first: u64, tick: u64) -> f64 {
        // Ticks of one run are few enough for a float; those since the machine was started may not be.
        tick.wrapping_sub(first) as i64 as f64 * self.ns_per_tick
    }
}

/// The calibration of one device, shared by all who measure on it.
#[derive(Debug)]
pub struct GpuClock(Mutex<Calibration>);

impl GpuClock {
    /// Empty submissions when the device is opened.
    const ROUNDS: usize = 8;
    /// One that takes longer than this tells nothing.
    const PATIENCE: Duration = Duration::from_millis(50);

    pub(super) fn new(ns_per_tick: f64) -> Self {
        Self(Mutex::new(Calibration::new(ns_per_tick, Instant::now())))
    }

    /// Finds the first bounds. Waits for the GPU, some milliseconds: to be called where the device is opened.
    pub(super) fn calibrate(gpu: &Gpu) {
        let Some(mut times) = Timestamps::new(gpu, 1, 1) else { return };
        for _ in 0..Self::ROUNDS {
            let Some(measure) = times.begin(FrameId(0)) else { return };
            let mut encoder =
                gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("clock") });
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some("clock"),
                timestamp_writes: Some(times.compute(&measure, 0)),
            });
            let commands = {
                times.resolve(&measure, &mut encoder);
                encoder.finish()
            };
            times.submitting(&measure);
            gpu.queue.submit([commands]);
            times.submitted(measure);
            let waited =
                gpu.device.poll(wgpu::PollType::Wait { submission_index: None, timeout: Some(Self::PATIENCE) });
            times.drain(&mut |_| {});
            if waited.is_err() || times.pending() {
                return;
            }
        }
    }

    pub fn observe(&self, submitted: Instant, begin: u64, end: u64, seen: Instant) {
        self.lock().observe(submitted, begin, end, seen);
    }

    /// When the GPU's counter stood at `tick`, in the CPU's time. `None` where no clock can be compared.
    pub fn place(&self, tick: u64, now: Instant) -> Option<Instant> {
        self.lock().place(tick, now)
    }

    /// How far [`Self::place`] may be wrong at most. `None` where no clock can be compared.
    pub fn within(&self) -> Option<Duration> {
        self.lock().within(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Calibration> {
        // Nothing under this lock can stop halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const US: Duration = Duration::from_micros(1);

    /// A GPU whose counter stood at `base` when the CPU's clock stood at `t0`, and runs `ppm` fast.
    struct Fake {
        t0: Instant,
        base: u64,
        ppm: f64,
        ns_per_tick: f64,
    }

    impl Fake {
        fn tick(&self, us: f64) -> u64 {
            self.base.wrapping_add((us * 1e3 * (1.0 + self.ppm * 1e-6) / self.ns_per_tick) as u64)
        }

        fn at(&self, us: f64) -> Instant {
            self.t0 + US.mul_f64(us)
        }

        /// Work submitted at `us`, begun, ended and seen each so much later.
        fn observe(&self, clock: &mut Calibration, us: f64, [begin, end, seen]: [f64; 3]) {
            let done = us + begin + end;
            clock.observe(self.at(us), self.tick(us + begin), self.tick(done), self.at(done + seen));
        }

        fn error_us(&self, clock: &Calibration, us: f64) -> f64 {
            let placed = clock.place(self.tick(us), self.at(us)).unwrap();
            let truth = self.at(us);
            let error = placed.max(truth) - placed.min(truth);
            error.as_secs_f64() * 1e6
        }
    }

    #[test]
    fn nothing_is_placed_before_anything_was_seen() {
        let now = Instant::now();
        let clock = Calibration::new(1.0, now);
        assert_eq!((clock.place(5, now), clock.within(now)), (None, None));
    }

    #[test]
    fn a_counter_that_starts_anew_is_noticed() {
        let t0 = Instant::now();
        let mut clock = Calibration::new(10.0, t0);
        let before = Fake { t0, base: 1 << 40, ppm: 0.0, ns_per_tick: 10.0 };
        (0..10).for_each(|i| before.observe(&mut clock, f64::from(i) * 1e4, [20.0, 500.0, 100.0]));
        assert!(before.error_us(&clock, 1e5) < 130.0);
        let after = Fake { base: 7, ..before };
        after.observe(&mut clock, 2e5, [20.0, 500.0, 100.0]);
        assert!(after.error_us(&clock, 2e5) < 130.0);
    }

    #[test]
    fn the_drift_is_learnt() {
        let fake = Fake { t0: Instant::now(), base: 1 << 50, ppm: 40.0, ns_per_tick: 1.0 };
        let mut clock = Calibration::new(1.0, fake.t0);
        (0..8).for_each(|i| fake.observe(&mut clock, f64::from(i) * 100.0, [12.0, 1.0, 15.0]));
        // Ten minutes of frames that begin some 200 us after they were submitted, and are seen 2 ms after they ended.
        (1..6000).for_each(|i| fake.observe(&mut clock, f64::from(i) * 1e5, [200.0, 8000.0, 2000.0]));
        let now = 600.0 * 1e6;
        assert!(fake.error_us(&clock, now) < 500.0, "{} us", fake.error_us(&clock, now));
        assert!(clock.within(fake.at(now)).unwrap() < Duration::from_millis(3));
        // And without any for a minute: wander alone, not the drift of a crystal.
        let later = now + 60e6;
        let grown = clock.within(fake.at(later)).unwrap() - clock.within(fake.at(now)).unwrap();
        assert!(grown < Duration::from_micros(1600), "{grown:?}");
        assert!(fake.error_us(&clock, later) <= clock.within(fake.at(later)).unwrap().as_secs_f64() * 1e6);
    }

    proptest! {
        #[test]
        fn the_truth_lies_within_what_is_stated(
            delays in prop::collection::vec((5.0..3000.0f64, 0.0..30_000.0f64, 5.0..20_000.0f64), 1..120),
            ppm in -80.0..80.0f64,
            quick in any::<bool>(),
            base in 0u64..1 << 60,
            ns_per_tick in prop::sample::select(vec![1.0, 10.0, 41.666, 52.083]),
        ) {
            let fake = Fake { t0: Instant::now(), base, ppm, ns_per_tick };
            let mut clock = Calibration::new(ns_per_tick, fake.t0);
            if quick {
                // As when the device is opened.
                (0..8).for_each(|i| fake.observe(&mut clock, f64::from(i) * 100.0, [12.0, 1.0, 15.0]));
            }
            for (i, &(begin, end, seen)) in delays.iter().enumerate() {
                let us = 1e4 + i as f64 * 133_333.0;
                fake.observe(&mut clock, us, [begin, end, seen]);
                let now = us + begin + end + seen;
                let within = clock.within(fake.at(now)).unwrap().as_secs_f64() * 1e6;
                let error = fake.error_us(&clock, now);
                prop_assert!(error <= within + 2.0, "{} us off, {} us stated, after {} observations", error, within, i + 1);
            }
        }

        #[test]
        fn one_quick_answer_is_enough(others in prop::collection::vec(200.0..5000.0f64, 0..30), quick in 0usize..30) {
            let fake = Fake { t0: Instant::now(), base: 1 << 33, ppm: 30.0, ns_per_tick: 1.0 };
            let mut clock = Calibration::new(1.0, fake.t0);
            for (i, &slow) in others.iter().enumerate() {
                let delays = if i == quick { [10.0, 5.0, 10.0] } else { [slow, 8000.0, slow] };
                fake.observe(&mut clock, i as f64 * 33_333.0, delays);
                if i >= quick {
                    let since = (i - quick) as f64 * 33_333.0;
                    prop_assert!(fake.error_us(&clock, i as f64 * 33_333.0) < 30.0 + since * DRIFT * 2.0);
                }
            }
        }
    }
}
