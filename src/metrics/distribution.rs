//! How durations spread: percentiles of a whole run in constant memory, and exact ones of the last few seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::{FrameCost, Stage};

/// Milliseconds. `mean` is exact; percentiles are the smallest value that at least that share of frames does not exceed.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Quantiles {
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub worst: f64,
    /// Frames that these numbers come from.
    pub count: u64,
}

/// Durations of a whole run, from 1 us to 60 s, to three significant digits (an HDR histogram), in memory that does not grow.
#[derive(Clone, Debug)]
pub struct Distribution {
    histogram: Histogram<u32>,
    sum: Duration,
    worst: Duration,
}

impl Default for Distribution {
    fn default() -> Self {
        Self::new()
    }
}

impl Distribution {
    const TOP_US: u64 = 60_000_000;

    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, Self::TOP_US, 3)
            .expect("the bounds are constants that the histogram accepts");
        Self { histogram, sum: Duration::ZERO, worst: Duration::ZERO }
    }

    pub fn record(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
        self.histogram.saturating_record(us.clamp(1, Self::TOP_US));
        self.sum += duration;
        self.worst = self.worst.max(duration);
    }

    /// `None` before the first value.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let count = self.histogram.len();
        let at = |q| self.histogram.value_at_quantile(q) as f64 / 1e3;
        (count > 0).then(|| Quantiles {
            mean: self.sum.as_secs_f64() * 1e3 / count as f64,
            p50: at(0.50),
            p95: at(0.95),
            p99: at(0.99),
            worst: self.worst.as_secs_f64() * 1e3,
            count,
        })
    }

    pub fn clear(&mut self) {
        self.histogram.reset();
        self.sum = Duration::ZERO;
        self.worst = Duration::ZERO;
    }
}

/// Totals and stages of a run of any length.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    total: Distribution,
    stages: [Distribution; Stage::COUNT],
}

impl Tally {
    pub fn record(&mut self, cost: &FrameCost) {
        self.total.record(cost.total);
        for (distribution, duration) in self.stages.iter_mut().zip(cost.stages) {
            if let Some(duration) = duration {
                distribution.record(duration);
            }
        }
    }

    pub fn total(&self) -> Option<Quantiles> {
        self.total.quantiles()
    }

    /// `None` where the stage was never measured.
    pub fn stage(&self, stage: Stage) -> Option<Quantiles> {
        self.stages[stage as usize].quantiles()
    }

    pub fn clear(&mut self) {
        self.total.clear();
        self.stages.iter_mut().for_each(Distribution::clear);
    }
}

/// The last seconds, frame by frame, with exact percentiles. Allocates nothing after [`Recent::new`].
#[derive(Clone, Debug)]
pub struct Recent {
    costs: VecDeque<FrameCost>,
    window: Duration,
    scratch: Vec<Duration>,
}

impl Recent {
    /// More frames than this are not kept, whatever the window.
    pub const MOST: usize = 1024;

    pub fn new(window: Duration) -> Self {
        Self { costs: VecDeque::with_capacity(Self::MOST), window, scratch: Vec::with_capacity(Self::MOST) }
    }

    pub fn record(&mut self, cost: &FrameCost) {
        if self.costs.len() == Self::MOST {
            self.costs.pop_front();
        }
        self.costs.push_back(*cost);
        self.forget(cost.presented);
    }

    /// Lets go of what is older than the window at `now`.
    pub fn forget(&mut self, now: Instant) {
        let window = self.window;
        while self.costs.front().is_some_and(|c| now.saturating_duration_since(c.presented) > window) {
            self.costs.pop_front();
        }
    }

    /// Oldest first.
    pub fn costs(&self) -> impl ExactSizeIterator<Item = &FrameCost> {
        self.costs.iter()
    }

    pub fn window(&self) -> Duration {
        self.window
    }

    pub fn clear(&mut self) {
        self.costs.clear();
    }

    pub fn total(&mut self) -> Option<Quantiles> {
        self.quantiles(|c| Some(c.total))
    }

    /// `None` where no frame of the window measured the stage. The mean is over all frames of the window, an unmeasured
    /// frame counting as zero, so that the stages' means add up to the total's.
    pub fn stage(&mut self, stage: Stage) -> Option<Quantiles> {
        let frames = self.costs.len() as f64;
        self.quantiles(|c| c.stage(stage)).map(|q| Quantiles { mean: q.mean * q.count as f64 / frames, ..q })
    }

    /// The total without capture and wait: what the program itself did for the frame.
    pub fn work(&mut self) -> Option<Quantiles> {
        self.quantiles(|c| Some(super::meter::work(c)))
    }

    fn quantiles(&mut self, of: impl Fn(&FrameCost) -> Option<Duration>) -> Option<Quantiles> {
        self.scratch.clear();
        self.scratch.extend(self.costs.iter().filter_map(of));
        let values = &mut self.scratch;
        values.sort_unstable();
        let count = values.len();
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        // Nearest rank: the smallest value with at least `share` of the values at or below it.
        let at = |share: f64| values.get(((count as f64 * share).ceil() as usize).max(1) - 1).copied().map(ms);
        Some(Quantiles {
            mean: ms(values.iter().sum()) / count.max(1) as f64,
            p50: at(0.50)?,
            p95: at(0.95)?,
            p99: at(0.99)?,
            worst: values.last().copied().map(ms)?,
            count: count as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::{CaptureClock, FrameId, FrameStamp};

    fn cost(at: Instant, total_ms: u64) -> FrameCost {
        let mut stages = [None; Stage::COUNT];
        stages[Stage::Infer as usize] = Some(Duration::from_millis(total_ms / 2));
        stages[Stage::Wait as usize] = Some(Duration::from_millis(total_ms - total_ms / 2));
        FrameCost {
            stamp: FrameStamp { id: FrameId(0), captured: at, clock: CaptureClock::Driver },
            presented: at,
            stages,
            total: Duration::from_millis(total_ms),
            overlap: Duration::ZERO,
        }
    }

    #[test]
    fn nearest_rank() {
        let t0 = Instant::now();
        let mut recent = Recent::new(Duration::from_secs(5));
        assert_eq!(recent.total(), None);
        (1..=100).for_each(|ms| recent.record(&cost(t0, ms)));
        let q = recent.total().unwrap();
        assert_eq!((q.p50, q.p95, q.p99, q.worst, q.count), (50.0, 95.0, 99.0, 100.0, 100));
        assert!((q.mean - 50.5).abs() < 1e-9);
        assert_eq!(recent.stage(Stage::Upload), None);
    }

    #[test]
    fn old_frames_leave_the_window() {
        let t0 = Instant::now();
        let mut recent = Recent::new(Duration::from_secs(5));
        recent.record(&cost(t0, 500));
        recent.record(&cost(t0 + Duration::from_secs(6), 10));
        assert_eq!(recent.total().unwrap().worst, 10.0);
        recent.forget(t0 + Duration::from_secs(60));
        assert_eq!(recent.total(), None);
    }

    proptest! {
        #[test]
        fn the_run_agrees_with_the_window(ms in prop::collection::vec(0u64..4000, 1..200)) {
            let t0 = Instant::now();
            let (mut tally, mut recent) = (Tally::default(), Recent::new(Duration::from_secs(5)));
            for &ms in &ms {
                tally.record(&cost(t0, ms));
                recent.record(&cost(t0, ms));
            }
            let (run, window) = (tally.total().unwrap(), recent.total().unwrap());
            let near = |a: f64, b: f64| (a - b).abs() <= b * 2e-3 + 2e-3;
            prop_assert!(near(run.p50, window.p50) && near(run.p95, window.p95) && near(run.p99, window.p99));
            prop_assert!((run.mean - window.mean).abs() < 1e-6 && run.worst == window.worst);
            let rows: f64 = Stage::ALL.iter().filter_map(|&s| recent.stage(s)).map(|q| q.mean).sum();
            prop_assert!((rows - window.mean).abs() < 1e-6);
        }
    }
}
