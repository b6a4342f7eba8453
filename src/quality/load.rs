//! What the governor is told: how long frames take, and how the machine is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::system::Thermal;

/// One look at how it goes. `None` where nothing is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// 95th percentile of the work per frame over the last second or so, milliseconds: decides about stepping down.
    pub recent_ms: Option<f32>,
    /// The same over the last seconds: decides about climbing.
    pub p95_ms: Option<f32>,
    /// The network's part of `p95_ms`.
    pub infer_ms: Option<f32>,
    /// What takes the most time of the rest of it, for people.
    pub elsewhere: Option<&'static str>,
    /// Frames behind `p95_ms`.
    pub frames: u32,
    /// Share of the source's frames that get through the chain, 0..=1.
    pub delivered: Option<f32>,
    /// Painted pictures a second that come out of the chain.
    pub painted_per_s: Option<f32>,
    pub thermal: Option<Thermal>,
    /// Whether the system saves its battery.
    pub saver: Option<bool>,
}

impl Load {
    /// Below this share, frames are lost because the chain is too slow, not by chance.
    pub(super) const LOSING: f32 = 0.7;

    /// The work per frame that a budget has to hold, milliseconds. A chain through which only half of the frames get needs
    /// at least twice the budget for each, whatever was measured.
    pub(super) fn demand(&self, budget_ms: f32) -> Option<f32> {
        let lost = self.delivered.filter(|share| *share < Self::LOSING).map(|share| budget_ms / share.max(0.01));
        match (self.recent_ms, lost) {
            (Some(measured), Some(lost)) => Some(measured.max(lost)),
            (measured, lost) => measured.or(lost),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    work_ms: f32,
    infer_ms: Option<f32>,
}

/// The frames since a rung took effect, as far back as they matter. Allocates nothing after [`Window::new`].
#[derive(Debug)]
pub struct Window {
    samples: VecDeque<Sample>,
    scratch: Vec<(f32, Option<f32>)>,
    /// Frames still to be passed over: the first ones after a change fill caches and are no measure.
    skip: u32,
    every: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

impl Window {
    /// How far back [`Load::recent_ms`] looks.
    pub const RECENT: Duration = Duration::from_millis(1200);
    /// How far back [`Load::p95_ms`] looks.
    pub const LONG: Duration = Duration::from_millis(5000);
    /// Fewer frames than this are no measure; where they come slowly, the window reaches back until it has so many.
    pub const FEWEST: usize = 8;
    /// Frames after a change that do not count.
    const SKIPPED: u32 = 2;
    const MOST: usize = 1024;

    pub fn new() -> Self {
        Self {
            samples: VecDeque::with_capacity(Self::MOST),
            scratch: Vec::with_capacity(Self::MOST),
            skip: Self::SKIPPED,
            every: 1,
        }
    }

    /// Another rung took effect, which paints each `every`-th frame: work is averaged over so many, because the frames
    /// between them are what the painted one may take longer by.
    pub fn restart(&mut self, every: u32) {
        self.samples.clear();
        self.skip = Self::SKIPPED;
        self.every = every.max(1) as usize;
    }

    /// A frame that was finished at `at` took `work_ms` in all, `infer_ms` of it in the network (`None` where not measured).
    pub fn record(&mut self, at: Instant, work_ms: f32, infer_ms: Option<f32>) {
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        if self.samples.len() == Self::MOST {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at, work_ms, infer_ms });
    }

    /// What is known at `now`; the machine's state and `delivered` are for the caller to fill in.
    pub fn load(&mut self, now: Instant) -> Load {
        let recent = self.p95(now, Self::RECENT);
        let long = self.p95(now, Self::LONG);
        Load {
            recent_ms: recent.map(|(work, _)| work),
            p95_ms: long.map(|(work, _)| work),
            infer_ms: long.and_then(|(_, infer)| infer),
            frames: self.scratch.len() as u32,
            ..Load::default()
        }
    }

    /// 95th percentile of the work of the last frames (nearest rank), and the network's part of that frame. A few more
    /// outliers than one in twenty do not decide: two are left out, and it is at most the fourth largest.
    fn p95(&mut self, now: Instant, back: Duration) -> Option<(f32, Option<f32>)> {
        let Self { samples, scratch, every, .. } = self;
        let from = samples.partition_point(|s| now.saturating_duration_since(s.at) > back);
        let from = from.min(samples.len().saturating_sub(Self::FEWEST * *every));
        scratch.clear();
        let part = samples.len() - from;
        for start in 0..(part / *every) {
            let group = samples.range(from + start * *every..from + (start + 1) * *every);
            let (mut work, mut infer) = (0.0, None);
            for sample in group {
                work += sample.work_ms;
                infer = sample.infer_ms.map(|ms| ms + infer.unwrap_or(0.0)).or(infer);
            }
            let share = 1.0 / *every as f32;
            scratch.push((work * share, infer.map(|ms| ms * share)));
        }
        let count = scratch.len();
        if count < Self::FEWEST {
            return None;
        }
        let rank = ((count * 95).div_ceil(100) - 2).min(count - 3);
        let (_, at, _) = scratch.select_nth_unstable_by(rank - 1, |a, b| a.0.total_cmp(&b.0));
        Some(*at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(33);

    fn filled(every: u32, works: impl IntoIterator<Item = f32>) -> (Window, Instant) {
        let mut window = Window::new();
        window.restart(every);
        let mut now = Instant::now();
        for work in [900.0, 900.0].into_iter().chain(works) {
            window.record(now, work, Some(work / 2.0));
            now += FRAME;
        }
        (window, now)
    }

    #[test]
    fn three_outliers_do_not_decide_and_four_do() {
        let mut works = [10.0; 30];
        (works[12], works[20], works[21]) = (80.0, 90.0, 85.0);
        let (mut window, now) = filled(1, works);
        assert_eq!(window.load(now).recent_ms, Some(10.0));
        works[25] = 70.0;
        let (mut window, now) = filled(1, works);
        let load = window.load(now);
        assert_eq!((load.recent_ms, load.infer_ms, load.frames), (Some(70.0), Some(35.0), 30));
    }

    #[test]
    fn few_frames_are_no_measure_and_old_ones_leave() {
        let (mut window, now) = filled(1, [10.0; 7]);
        assert_eq!(window.load(now), Load::default().with_frames(7));
        let (mut window, now) = filled(1, std::iter::repeat_n(50.0, 60).chain(std::iter::repeat_n(10.0, 60)));
        let load = window.load(now);
        assert_eq!((load.recent_ms, load.p95_ms), (Some(10.0), Some(50.0)));
        // Slow frames: the window reaches back until it has enough of them.
        let mut slow = Window::new();
        let t0 = Instant::now();
        (0..10).for_each(|i| slow.record(t0 + Duration::from_secs(2) * i, 1900.0, None));
        let load = slow.load(t0 + Duration::from_secs(20));
        assert_eq!((load.recent_ms, load.infer_ms), (Some(1900.0), None));
    }

    #[test]
    fn frames_between_paintings_share_their_cost() {
        let works = (0..60).map(|i| if i % 2 == 0 { 50.0 } else { 4.0 });
        let (mut window, now) = filled(2, works);
        let load = window.load(now);
        assert_eq!((load.recent_ms, load.infer_ms), (Some(27.0), Some(13.5)));
    }

    #[test]
    fn lost_frames_count_as_work() {
        let load = Load { recent_ms: Some(20.0), delivered: Some(0.5), ..Load::default() };
        assert_eq!(load.demand(33.0), Some(66.0));
        assert_eq!(Load { delivered: Some(0.9), ..load }.demand(33.0), Some(20.0));
        assert_eq!(Load::default().demand(33.0), None);
        assert!(Load { delivered: Some(0.0), ..Load::default() }.demand(33.0).unwrap() > 1000.0);
    }

    impl Load {
        fn with_frames(self, frames: u32) -> Self {
            Self { frames, ..self }
        }
    }
}
