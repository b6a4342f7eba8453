//! The meter: ledger, percentiles and rates of one running chain, and a summary of them for showing.

use std::time::{Duration, Instant};

use super::{FrameCost, Ledger, Quantiles, Rate, Recent, Span, Stage, Tally};
use crate::units::{Budget, CaptureClock, FrameId, FrameStamp};

/// Frames since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Delivered by the source.
    pub captured: u64,
    /// Through the whole chain.
    pub processed: u64,
    /// Pictures handed to the display that had not been shown before.
    pub presented: u64,
    /// Replaced by a newer frame somewhere on the way.
    pub dropped: u64,
}

/// One row of the stage table; `None` is a dash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub stage: Stage,
    pub cost: Option<Quantiles>,
}

/// Everything that the overlay says in numbers, over the window that it states.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    pub window: Duration,
    /// One row per stage, in order. Their means add up to the mean of `total`.
    pub rows: [Row; Stage::COUNT],
    /// Capture to present; see [`FrameCost::total`].
    pub total: Option<Quantiles>,
    pub budget: Budget,
    /// Share of the window's frames, 0..=1, whose work (the total without capture and wait) exceeded the budget.
    pub over_budget: Option<f64>,
    /// Work per frame, the total without capture and wait: what the budget is compared with.
    pub work: Option<Quantiles>,
    pub source_fps: Option<f64>,
    pub processed_fps: Option<f64>,
    pub presented_fps: Option<f64>,
    pub counts: Counts,
    pub clock: Option<CaptureClock>,
}

/// See the module's text. Allocates nothing after [`Meter::new`].
#[derive(Debug)]
pub struct Meter {
    ledger: Ledger,
    recent: Recent,
    run: Tally,
    source: Rate,
    processed: Rate,
    presented: Rate,
    budget: Budget,
    dropped: u64,
    clock: Option<CaptureClock>,
    scratch: Vec<Duration>,
}

impl Meter {
    /// How far back the overlay's figures reach.
    pub const WINDOW: Duration = Duration::from_secs(5);

    pub fn new(budget: Budget) -> Self {
        Self {
            ledger: Ledger::new(),
            recent: Recent::new(Self::WINDOW),
            run: Tally::default(),
            source: Rate::new(),
            processed: Rate::new(),
            presented: Rate::new(),
            budget,
            dropped: 0,
            clock: None,
            scratch: Vec::with_capacity(Recent::MOST),
        }
    }

    pub fn budget(&self) -> Budget {
        self.budget
    }

    pub fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    /// See [`Ledger::set_present_waits`].
    pub fn set_present_waits(&mut self, waits: bool) {
        self.ledger.set_present_waits(waits);
    }

    /// The source has delivered `total` frames by now.
    pub fn captured(&mut self, total: u64, now: Instant) {
        self.source.advance_to(total, now);
    }

    /// The chain took a frame in.
    pub fn open(&mut self, stamp: FrameStamp) {
        self.clock = Some(stamp.clock);
        self.ledger.open(stamp);
    }

    pub fn enter(&mut self, span: Span) {
        self.ledger.enter(span);
    }

    /// `total` frames went through the whole chain by now.
    pub fn processed(&mut self, total: u64, now: Instant) {
        self.processed.advance_to(total, now);
    }

    /// `total` frames were replaced by newer ones by now.
    pub fn dropped(&mut self, total: u64) {
        self.dropped = total;
    }

    /// The picture of `frame` was handed over. Returns false when it was shown before.
    pub fn present(&mut self, frame: FrameId, now: Instant) -> bool {
        let first = self.ledger.present(frame, now);
        if first {
            self.presented.tick(now);
            let Self { ledger, recent, run, .. } = self;
            ledger.settle(&mut |cost| {
                recent.record(cost);
                run.record(cost);
            });
        }
        first
    }

    /// Settles all that was presented: the GPU is done and no span will come any more.
    pub fn finish(&mut self) {
        let Self { ledger, recent, run, .. } = self;
        ledger.settle_all(&mut |cost| {
            recent.record(cost);
            run.record(cost);
        });
    }

    /// Another effect, engine or source begins: figures of the one before must not blur into its own. Counts go on.
    pub fn restart(&mut self) {
        self.ledger.clear();
        self.recent.clear();
        self.run.clear();
    }

    /// Settled frames of the window, oldest first.
    pub fn costs(&self) -> impl ExactSizeIterator<Item = &FrameCost> {
        self.recent.costs()
    }

    /// Percentiles since the last [`Self::restart`].
    pub fn run(&self) -> &Tally {
        &self.run
    }

    /// Where the newest frame's capture time came from.
    pub fn clock(&self) -> Option<CaptureClock> {
        self.clock
    }

    pub fn counts(&self) -> Counts {
        Counts {
            captured: self.source.total(),
            processed: self.processed.total(),
            presented: self.presented.total(),
            dropped: self.dropped,
        }
    }

    /// The figures at `now`.
    pub fn summary(&mut self, now: Instant) -> Summary {
        self.recent.forget(now);
        let budget = self.budget.0;
        self.scratch.clear();
        self.scratch.extend(self.recent.costs().map(work));
        let frames = self.scratch.len();
        let over = self.scratch.iter().filter(|w| **w > budget).count();
        Summary {
            window: self.recent.window(),
            rows: Stage::ALL.map(|stage| Row { stage, cost: self.recent.stage(stage) }),
            total: self.recent.total(),
            budget: self.budget,
            over_budget: (frames > 0).then(|| over as f64 / frames as f64),
            work: self.recent.work(),
            source_fps: self.source.per_second(now),
            processed_fps: self.processed.per_second(now),
            presented_fps: self.presented.per_second(now),
            counts: self.counts(),
            clock: self.clock,
        }
    }
}

/// What the program itself did for a frame: neither the camera's time nor waiting.
pub(super) fn work(cost: &FrameCost) -> Duration {
    let idle = [Stage::Capture, Stage::Wait].iter().filter_map(|&s| cost.stage(s)).sum();
    cost.total.saturating_sub(idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A chain on a fake clock: 50 Hz, capture 4, upload 1, infer 8 (late by two frames), present at 16.
    fn run(meter: &mut Meter, frames: u64, t0: Instant) -> Instant {
        let at = |id: u64| t0 + MS * 20 * id as u32;
        for id in 0..frames {
            meter.captured(id + 1, at(id) + MS * 4);
            meter.open(FrameStamp { id: FrameId(id), captured: at(id), clock: CaptureClock::Driver });
            meter.enter(Span { frame: FrameId(id), stage: Stage::Capture, duration: MS * 4 });
            meter.enter(Span { frame: FrameId(id), stage: Stage::Upload, duration: MS });
            if let Some(late) = id.checked_sub(2) {
                meter.enter(Span { frame: FrameId(late), stage: Stage::Infer, duration: MS * 8 });
            }
            meter.processed(id + 1, at(id) + MS * 15);
            assert!(meter.present(FrameId(id), at(id) + MS * 16));
        }
        at(frames - 1) + MS * 16
    }

    #[test]
    fn a_steady_chain_reads_as_it_is() {
        let t0 = Instant::now();
        let mut meter = Meter::new(Budget(MS * 20));
        let now = run(&mut meter, 200, t0);
        let summary = meter.summary(now);
        let row = |s: Stage| summary.rows[s as usize].cost.map(|q| (q.p50, q.p95));
        assert_eq!(row(Stage::Infer), Some((8.0, 8.0)));
        assert_eq!(row(Stage::Wait), Some((3.0, 3.0)));
        assert_eq!(row(Stage::Compose), None);
        assert_eq!(summary.total.map(|q| q.p50), Some(16.0));
        assert_eq!(summary.work.map(|q| q.p50), Some(9.0));
        assert_eq!(summary.over_budget, Some(0.0));
        for fps in [summary.source_fps, summary.processed_fps, summary.presented_fps] {
            assert!((fps.unwrap() - 50.0).abs() < 0.1);
        }
        let rows: f64 = summary.rows.iter().filter_map(|r| r.cost).map(|q| q.mean).sum();
        assert!((rows - summary.total.unwrap().mean).abs() < 1e-9);
        assert_eq!(meter.counts(), Counts { captured: 200, processed: 200, presented: 200, dropped: 0 });
    }

    #[test]
    fn a_switch_does_not_blur_the_figures() {
        let t0 = Instant::now();
        let mut meter = Meter::new(Budget(MS * 20));
        let now = run(&mut meter, 50, t0);
        meter.restart();
        let summary = meter.summary(now);
        assert_eq!(summary.total, None);
        assert!(meter.run().total().is_none());
        assert_eq!(summary.counts.presented, 50);
    }
}
