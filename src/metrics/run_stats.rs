//! Everything that a run of any length needs to be summed up, kept apart for each thing that was measured.
//!
//! A switch of effect, engine, variant or size begins another stats, and coming back goes on with the old one: what a
//! network costs must not be blurred by what another one cost.

use std::sync::Arc;
use std::time::Duration;

use super::{Bottleneck, Distribution, FrameCost, Quantiles, Signed, Stage, Subject, Track};

/// What makes two runs comparable: the fields of a [`Subject`] that change what a frame costs.
pub fn same_key(a: &Subject, b: &Subject) -> bool {
    (&a.effect, &a.engine, &a.variant, &a.device) == (&b.effect, &b.engine, &b.variant, &b.device)
        && (a.width, a.height, a.source_extent) == (b.width, b.height, b.source_extent)
}

/// Totals, stages, lateness and rhythm of a run of any length. Allocates nothing after it was made.
#[derive(Clone, Debug, Default)]
pub struct RunStats {
    total: Distribution,
    stages: [Distribution; Stage::COUNT],
    work: Distribution,
    overrun: Signed,
    intervals: Distribution,
    interface_gpu: Distribution,
    bounds: [u64; Bottleneck::COUNT],
    units_ms: [f64; Bottleneck::COUNT],
    over_budget: u64,
    frames: u64,
}

impl RunStats {
    /// `over_budget`: the frame's work exceeded the budget of that moment.
    pub fn record(&mut self, cost: &FrameCost, over_budget: bool) {
        self.total.record(cost.total);
        for (distribution, duration) in self.stages.iter_mut().zip(cost.stages) {
            if let Some(duration) = duration {
                distribution.record(duration);
            }
        }
        self.work.record(cost.work());
        self.overrun.record(cost.overrun);
        if let Some(gpu) = cost.spent(Stage::Interface, Track::Gpu) {
            self.interface_gpu.record(gpu);
        }
        if let Some(unit) = cost.bottleneck {
            self.bounds[unit as usize] += 1;
        }
        self.units_ms.iter_mut().zip(cost.units).for_each(|(sum, ms)| *sum += f64::from(ms));
        self.over_budget += u64::from(over_budget);
        self.frames += 1;
    }

    /// A picture was presented this long after the one before.
    pub fn record_interval(&mut self, interval: Duration) {
        self.intervals.record(interval);
    }

    pub fn frames(&self) -> u64 {
        self.frames
    }

    pub fn total(&self) -> Option<Quantiles> {
        self.total.quantiles()
    }

    /// `None` where the stage was never measured.
    pub fn stage(&self, stage: Stage) -> Option<Quantiles> {
        self.stages[stage as usize].quantiles()
    }

    /// The totals without capture and wait.
    pub fn work(&self) -> Option<Quantiles> {
        self.work.quantiles()
    }

    /// Signed milliseconds past the deadline; see [`FrameCost::overrun`].
    pub fn overrun(&self) -> Option<Quantiles> {
        self.overrun.quantiles()
    }

    /// Between pictures that were presented one after the other.
    pub fn intervals(&self) -> Option<Quantiles> {
        self.intervals.quantiles()
    }

    /// The interface's pass on the GPU.
    pub fn interface_gpu(&self) -> Option<Quantiles> {
        self.interface_gpu.quantiles()
    }

    /// Frames whose work exceeded the budget.
    pub fn over_budget(&self) -> u64 {
        self.over_budget
    }

    /// Of the frames, how many each unit bounded.
    pub fn bounds(&self) -> &[u64; Bottleneck::COUNT] {
        &self.bounds
    }

    /// Mean milliseconds charged to each unit; they add up to the total's mean. `None` before the first frame.
    pub fn units_ms(&self) -> Option<[f64; Bottleneck::COUNT]> {
        (self.frames > 0).then(|| self.units_ms.map(|ms| ms / self.frames as f64))
    }

    /// Pictures a second that all but `share` of the pictures kept to: 0.01 gives the "1 % low". `None` until enough pictures
    /// were presented for one of them to make up that share.
    pub fn low_fps(&self, share: f64) -> Option<f64> {
        if (self.intervals.count() as f64) * share < 1.0 {
            return None;
        }
        self.intervals.at(1.0 - share).map(|ms| 1e3 / ms)
    }

    /// How long the pictures were seen that the rhythm comes from.
    pub fn presented_for(&self) -> Duration {
        self.intervals.sum()
    }

    /// The totals as a histogram: up to how many milliseconds, how many frames; shortest first, empty bars left out.
    pub fn bars(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.total.bars()
    }

    pub fn clear(&mut self) {
        self.total.clear();
        self.stages.iter_mut().for_each(Distribution::clear);
        self.work.clear();
        self.overrun.clear();
        self.intervals.clear();
        self.interface_gpu.clear();
        self.bounds = [0; Bottleneck::COUNT];
        self.units_ms = [0.0; Bottleneck::COUNT];
        self.over_budget = 0;
        self.frames = 0;
    }
}

/// One stats for each thing that was measured in this run.
#[derive(Debug)]
pub struct StatsBySubject {
    pages: Vec<Page>,
    current: usize,
    turns: u64,
}

#[derive(Debug)]
struct Page {
    subject: Arc<Subject>,
    stats: Box<RunStats>,
    /// When it was last turned to, counted in turns.
    turned: u64,
}

impl Default for StatsBySubject {
    /// Open at a page for nothing in particular.
    fn default() -> Self {
        let mut pages = Vec::with_capacity(Self::MOST);
        pages.push(Page { subject: Arc::default(), stats: Box::default(), turned: 0 });
        Self { pages, current: 0, turns: 0 }
    }
}

impl StatsBySubject {
    /// Things kept apart at most; the one that was left longest ago makes room.
    pub const MOST: usize = 12;

    /// Measurements from now on are of `subject`. Allocates when it is a new one.
    pub fn turn_to(&mut self, subject: Arc<Subject>) {
        self.turns += 1;
        let known = self.pages.iter().position(|page| same_key(&page.subject, &subject));
        self.current = match known {
            Some(index) => index,
            // A page on which nothing was written is used again.
            None if self.pages[self.current].stats.frames() == 0 => {
                self.pages[self.current].stats.clear();
                self.current
            }
            None if self.pages.len() < Self::MOST => {
                self.pages.push(Page { subject: subject.clone(), stats: Box::default(), turned: 0 });
                self.pages.len() - 1
            }
            None => {
                let oldest = (0..self.pages.len()).min_by_key(|&i| self.pages[i].turned).unwrap_or(0);
                self.pages[oldest].stats.clear();
                oldest
            }
        };
        let page = &mut self.pages[self.current];
        (page.subject, page.turned) = (subject, self.turns);
    }

    pub fn subject(&self) -> &Arc<Subject> {
        &self.pages[self.current].subject
    }

    pub fn stats(&self) -> &RunStats {
        &self.pages[self.current].stats
    }

    pub fn stats_mut(&mut self) -> &mut RunStats {
        &mut self.pages[self.current].stats
    }

    /// All that was measured, in the order of first use.
    pub fn all(&self) -> impl Iterator<Item = (&Arc<Subject>, &RunStats)> {
        self.pages.iter().filter(|page| page.stats.frames() > 0).map(|page| (&page.subject, &*page.stats))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::units::{CaptureClock, FrameId, FrameStamp};

    const MS: Duration = Duration::from_millis(1);

    fn subject(effect: &str, variant: &str) -> Arc<Subject> {
        Arc::new(Subject { effect: effect.into(), variant: variant.into(), ..Subject::default() })
    }

    fn cost(ms: u32) -> FrameCost {
        let t0 = Instant::now();
        let mut stages = [None; Stage::COUNT];
        stages[Stage::Infer as usize] = Some(MS * ms);
        FrameCost::bare(FrameStamp { id: FrameId(0), captured: t0, clock: CaptureClock::Driver }, t0, stages)
    }

    #[test]
    fn coming_back_goes_on() {
        let mut by_subject = StatsBySubject::default();
        for (effect, variant, ms) in [("a", "s", 10), ("a", "l", 40), ("a", "s", 10), ("b", "s", 5)] {
            by_subject.turn_to(subject(effect, variant));
            (0..3).for_each(|_| by_subject.stats_mut().record(&cost(ms), false));
        }
        let all: Vec<_> =
            by_subject.all().map(|(s, t)| (s.effect.clone(), t.frames(), t.total().unwrap().worst)).collect();
        assert_eq!(all, [("a".into(), 6, 10.0), ("a".into(), 3, 40.0), ("b".into(), 3, 5.0)]);
        // Why it was chosen does not make it another thing.
        by_subject.turn_to(Arc::new(Subject { why: "asked for".into(), ..(*subject("a", "s")).clone() }));
        assert_eq!(by_subject.stats().frames(), 6);
    }

    #[test]
    fn the_book_does_not_grow_for_ever() {
        let mut by_subject = StatsBySubject::default();
        for i in 0..40 {
            by_subject.turn_to(subject(&i.to_string(), "s"));
            by_subject.stats_mut().record(&cost(1), false);
        }
        assert_eq!(by_subject.all().count(), StatsBySubject::MOST);
        assert_eq!(by_subject.subject().effect, "39");
        assert_eq!(by_subject.stats().frames(), 1);
    }

    #[test]
    fn lows_come_when_there_are_enough_pictures() {
        let mut stats = RunStats::default();
        (0..99).for_each(|_| stats.record_interval(MS * 20));
        assert_eq!(stats.low_fps(0.01), None);
        stats.record_interval(MS * 100);
        // 99 of 100 kept to 20 ms.
        assert!((stats.low_fps(0.01).unwrap() - 50.0).abs() < 0.1);
        stats.record_interval(MS * 100);
        assert!((stats.low_fps(0.01).unwrap() - 10.0).abs() < 0.1);
        assert_eq!(stats.low_fps(0.001), None);
        assert_eq!(stats.presented_for(), MS * (99 * 20 + 200));
    }
}
