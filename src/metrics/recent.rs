//! The last seconds, frame by frame: exact percentiles of a short window, and a longer history to look back at.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::distribution::nearest_rank;
use super::{Bottleneck, FrameCost, Quantiles, Stage};

/// Frames of the last [`Recent::HISTORY`], of which figures are made of those in the window that belong together: a switch
/// begins a new epoch, and figures never mix two. Allocates nothing after [`Recent::new`].
#[derive(Clone, Debug)]
pub struct Recent {
    /// Oldest first, with their epochs, which never go down.
    costs: VecDeque<(u32, FrameCost)>,
    epoch: u32,
    /// Where the window begins in `costs`.
    start: usize,
    window: Duration,
    scratch: Vec<f64>,
}

impl Recent {
    /// More frames than this are not kept, however short ago they were: ten seconds at 128 frames a second.
    pub const MOST: usize = 1280;
    /// How far back the history reaches.
    pub const HISTORY: Duration = Duration::from_secs(10);

    /// `window` of at most [`Self::HISTORY`].
    pub fn new(window: Duration) -> Self {
        Self {
            costs: VecDeque::with_capacity(Self::MOST),
            epoch: 0,
            start: 0,
            window: window.min(Self::HISTORY),
            scratch: Vec::with_capacity(Self::MOST),
        }
    }

    pub fn record(&mut self, cost: &FrameCost) {
        if self.costs.len() == Self::MOST {
            self.pop();
        }
        self.costs.push_back((self.epoch, *cost));
        self.forget(cost.presented);
    }

    /// Lets go of what is older than the window, or the history, at `now`.
    pub fn forget(&mut self, now: Instant) {
        let age = |cost: &FrameCost| now.saturating_duration_since(cost.presented);
        while self.costs.front().is_some_and(|(_, cost)| age(cost) > Self::HISTORY) {
            self.pop();
        }
        while self.costs.get(self.start).is_some_and(|(epoch, cost)| *epoch != self.epoch || age(cost) > self.window) {
            self.start += 1;
        }
    }

    fn pop(&mut self) {
        self.costs.pop_front();
        self.start = self.start.saturating_sub(1);
    }

    /// Another thing is measured from now on: the window is empty, the history goes on.
    pub fn restart(&mut self) {
        self.epoch += 1;
        self.start = self.costs.len();
    }

    /// The window, oldest first.
    pub fn costs(&self) -> impl ExactSizeIterator<Item = &FrameCost> + DoubleEndedIterator {
        self.costs.range(self.start..).map(|(_, cost)| cost)
    }

    /// The history, oldest first, whatever was measured.
    pub fn history(&self) -> impl ExactSizeIterator<Item = &FrameCost> + DoubleEndedIterator {
        self.costs.iter().map(|(_, cost)| cost)
    }

    pub fn window(&self) -> Duration {
        self.window
    }

    pub fn total(&mut self) -> Option<Quantiles> {
        self.quantiles(|c| Some(ms(c.total)))
    }

    /// `None` where no frame of the window measured the stage. The mean is over all frames of the window, an unmeasured
    /// frame counting as zero, so that the stages' means add up to the total's.
    pub fn stage(&mut self, stage: Stage) -> Option<Quantiles> {
        let frames = self.costs().len() as f64;
        self.quantiles(|c| c.stage(stage).map(ms)).map(|q| Quantiles { mean: q.mean * q.count as f64 / frames, ..q })
    }

    /// The total without capture and wait: what the program itself did for the frame.
    pub fn work(&mut self) -> Option<Quantiles> {
        self.quantiles(|c| Some(ms(c.work())))
    }

    /// Signed milliseconds past the deadline.
    pub fn overrun(&mut self) -> Option<Quantiles> {
        self.quantiles(|c| Some(f64::from(c.overrun)))
    }

    /// Milliseconds between pictures that were presented one after the other.
    pub fn intervals(&mut self) -> Option<Quantiles> {
        self.quantiles(|c| c.gap.map(|gap| ms(gap.presented)))
    }

    /// The standard deviation of [`Self::intervals`], in milliseconds. `None` with fewer than two.
    pub fn jitter(&self) -> Option<f64> {
        let intervals = || self.costs().filter_map(|c| c.gap.map(|gap| ms(gap.presented)));
        let count = intervals().count();
        if count < 2 {
            return None;
        }
        let mean = intervals().sum::<f64>() / count as f64;
        let squares: f64 = intervals().map(|ms| (ms - mean).powi(2)).sum();
        Some((squares / count as f64).sqrt())
    }

    /// The unit that bounds most frames of the window, and what share of them, 0..=1.
    pub fn bottleneck(&self) -> Option<(Bottleneck, f64)> {
        let mut counts = [0u32; Bottleneck::COUNT];
        self.costs().filter_map(|c| c.bottleneck).for_each(|unit| counts[unit as usize] += 1);
        let all: u32 = counts.iter().sum();
        let most = Bottleneck::ALL.into_iter().max_by_key(|&unit| counts[unit as usize])?;
        (all > 0).then(|| (most, f64::from(counts[most as usize]) / f64::from(all)))
    }

    /// The median over the newest `most` frames of the window; `None` when fewer than `least` have the value.
    pub fn median(&mut self, least: usize, most: usize, of: impl Fn(&FrameCost) -> Option<f64>) -> Option<f64> {
        let Self { costs, start, scratch, .. } = self;
        scratch.clear();
        scratch.extend(costs.range(*start..).rev().take(most).filter_map(|(_, cost)| of(cost)));
        if scratch.len() < least.max(1) {
            return None;
        }
        let middle = (scratch.len() - 1) / 2;
        let (_, median, _) = scratch.select_nth_unstable_by(middle, f64::total_cmp);
        Some(*median)
    }

    fn quantiles(&mut self, of: impl Fn(&FrameCost) -> Option<f64>) -> Option<Quantiles> {
        let Self { costs, start, scratch, .. } = self;
        scratch.clear();
        scratch.extend(costs.range(*start..).filter_map(|(_, cost)| of(cost)));
        scratch.sort_unstable_by(f64::total_cmp);
        Some(Quantiles {
            mean: scratch.iter().sum::<f64>() / scratch.len().max(1) as f64,
            p50: nearest_rank(scratch, 0.50)?,
            p95: nearest_rank(scratch, 0.95)?,
            p99: nearest_rank(scratch, 0.99)?,
            worst: scratch.last().copied()?,
            count: scratch.len() as u64,
        })
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::{Gap, RunStats};
    use crate::units::{CaptureClock, FrameId, FrameStamp};

    fn cost(at: Instant, total_ms: u64) -> FrameCost {
        let mut stages = [None; Stage::COUNT];
        stages[Stage::Infer as usize] = Some(Duration::from_millis(total_ms / 2));
        stages[Stage::Wait as usize] = Some(Duration::from_millis(total_ms - total_ms / 2));
        FrameCost::bare(FrameStamp { id: FrameId(0), captured: at, clock: CaptureClock::Driver }, at, stages)
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
        assert_eq!(recent.median(100, 1000, |c| Some(ms(c.total))), Some(50.0));
        assert_eq!(recent.median(1, 3, |c| Some(ms(c.total))), Some(99.0));
        assert_eq!(recent.median(101, 1000, |c| Some(ms(c.total))), None);
    }

    #[test]
    fn old_frames_leave_the_window_and_then_the_history() {
        let t0 = Instant::now();
        let at = |s| t0 + Duration::from_secs(s);
        let mut recent = Recent::new(Duration::from_secs(5));
        recent.record(&cost(t0, 500));
        recent.record(&cost(at(6), 10));
        assert_eq!(recent.total().unwrap().worst, 10.0);
        assert_eq!((recent.costs().len(), recent.history().len()), (1, 2));
        recent.record(&cost(at(11), 10));
        assert_eq!((recent.costs().len(), recent.history().len()), (2, 2));
        recent.forget(at(60));
        assert_eq!(recent.total(), None);
        assert_eq!(recent.history().len(), 0);
    }

    #[test]
    fn a_switch_empties_the_window_and_not_the_history() {
        let t0 = Instant::now();
        let mut recent = Recent::new(Duration::from_secs(5));
        (0..2000).for_each(|_| recent.record(&cost(t0, 40)));
        assert_eq!(recent.history().len(), Recent::MOST);
        recent.restart();
        assert_eq!(recent.total(), None);
        (0..3).for_each(|_| recent.record(&cost(t0, 7)));
        assert_eq!(recent.total().unwrap().worst, 7.0);
        assert_eq!((recent.costs().len(), recent.history().len()), (3, Recent::MOST));
    }

    #[test]
    fn an_uneven_rhythm_jitters() {
        let t0 = Instant::now();
        let mut recent = Recent::new(Duration::from_secs(5));
        let gap =
            |ms| Some(Gap { presented: Duration::from_millis(ms), captured: Duration::from_millis(ms), skipped: 0 });
        recent.record(&FrameCost { gap: gap(20), ..cost(t0, 1) });
        assert_eq!(recent.jitter(), None);
        recent.record(&FrameCost { gap: gap(40), ..cost(t0, 1) });
        recent.record(&FrameCost { gap: None, ..cost(t0, 1) });
        assert_eq!(recent.jitter(), Some(10.0));
        assert_eq!(recent.intervals().unwrap().count, 2);
    }

    #[test]
    fn most_frames_decide_what_bounds_the_window() {
        let t0 = Instant::now();
        let mut recent = Recent::new(Duration::from_secs(5));
        assert_eq!(recent.bottleneck(), None);
        for unit in [Bottleneck::Camera, Bottleneck::Compose, Bottleneck::Camera, Bottleneck::Camera] {
            recent.record(&FrameCost { bottleneck: Some(unit), ..cost(t0, 1) });
        }
        assert_eq!(recent.bottleneck(), Some((Bottleneck::Camera, 0.75)));
    }

    proptest! {
        #[test]
        fn the_run_agrees_with_the_window(ms in prop::collection::vec(0u64..4000, 1..200)) {
            let t0 = Instant::now();
            let (mut stats, mut recent) = (RunStats::default(), Recent::new(Duration::from_secs(5)));
            for &ms in &ms {
                stats.record(&cost(t0, ms), false);
                recent.record(&cost(t0, ms));
            }
            let (run, window) = (stats.total().unwrap(), recent.total().unwrap());
            let near = |a: f64, b: f64| (a - b).abs() <= b * 2e-3 + 2e-3;
            prop_assert!(near(run.p50, window.p50) && near(run.p95, window.p95) && near(run.p99, window.p99));
            prop_assert!((run.mean - window.mean).abs() < 1e-6 && run.worst == window.worst);
            let rows: f64 = Stage::ALL.iter().filter_map(|&s| recent.stage(s)).map(|q| q.mean).sum();
            prop_assert!((rows - window.mean).abs() < 1e-6);
        }
    }
}
