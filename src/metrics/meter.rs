//! The meter: ledger, percentiles and rates of one running chain, and a summary of them for showing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::hitch::Hitches;
use super::{
    Counts, FrameCost, Hitch, Ledger, Rate, Recent, Row, RunStats, Span, Stage, StatsBySubject, Subject, Summary,
    Track, bottleneck,
};
use crate::frame::Losses;
use crate::units::{Budget, CaptureClock, FrameId, FrameStamp};

/// See the module's text. Allocates nothing after [`Meter::new`] but where [`Meter::switch`] turns to something new.
#[derive(Debug)]
pub struct Meter {
    ledger: Ledger,
    settled: Settled,
    source: Rate,
    processed: Rate,
    presented: Rate,
    dropped: u64,
    losses: Losses,
    repeated: u64,
    clock: Option<CaptureClock>,
    stability: Option<f32>,
    gpu_clock_within: Option<Duration>,
}

/// What becomes of settled accounts.
#[derive(Debug)]
struct Settled {
    recent: Recent,
    stats: StatsBySubject,
    hitches: Hitches,
    budget: Budget,
    paced: bool,
    /// What deciding cost that no frame was charged for yet.
    governor: Duration,
    throttled: Option<bool>,
}

impl Settled {
    /// Judges and files a frame's account.
    fn take(&mut self, cost: &FrameCost) {
        let mut cost = *cost;
        cost.units = bottleneck::charge(&cost, std::mem::take(&mut self.governor));
        cost.bottleneck = Some(bottleneck::bounds(&cost, self.budget, self.paced));
        cost.overrun = bottleneck::overrun(&cost, self.budget);
        let Self { recent, stats, hitches, throttled, .. } = self;
        hitches.judge(&cost, recent, stats.subject(), *throttled);
        recent.record(&cost);
        stats.stats_mut().record(&cost, cost.work() > self.budget.0);
    }
}

impl Meter {
    /// How far back the overlay's figures reach.
    pub const WINDOW: Duration = Duration::from_secs(5);

    pub fn new(budget: Budget) -> Self {
        Self {
            ledger: Ledger::new(),
            settled: Settled {
                recent: Recent::new(Self::WINDOW),
                stats: StatsBySubject::default(),
                hitches: Hitches::new(),
                budget,
                paced: true,
                governor: Duration::ZERO,
                throttled: None,
            },
            source: Rate::new(),
            processed: Rate::new(),
            presented: Rate::new(),
            dropped: 0,
            losses: Losses::default(),
            repeated: 0,
            clock: None,
            stability: None,
            gpu_clock_within: None,
        }
    }

    pub fn budget(&self) -> Budget {
        self.settled.budget
    }

    pub fn set_budget(&mut self, budget: Budget) {
        self.settled.budget = budget;
    }

    /// Whether frames come at a rate of their own, as a camera's do (the default), or as fast as they are painted: then the
    /// camera bounds nothing.
    pub fn set_paced(&mut self, paced: bool) {
        self.settled.paced = paced;
    }

    /// Mean difference, of 255, of successive paintings where the camera's picture did not change; `None` while unknown.
    pub fn set_stability(&mut self, stability: Option<f32>) {
        self.stability = stability;
    }

    /// Deciding what to paint with took this long just now: charged to the frame that is settled next.
    pub fn set_governor_cost(&mut self, cost: Duration) {
        self.settled.governor += cost;
    }

    /// Whether the machine is throttling now; `None` where nobody can tell.
    pub fn set_throttled(&mut self, throttled: Option<bool>) {
        self.settled.throttled = throttled;
    }

    /// How far the GPU's times may lie from their true place among the CPU's.
    pub fn set_gpu_clock_within(&mut self, within: Option<Duration>) {
        self.gpu_clock_within = within;
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

    /// The source had these frames by now and did not deliver them.
    pub fn lost(&mut self, losses: Losses) {
        self.losses = losses;
    }

    /// The picture of `frame` was handed over. Returns false when it was shown before.
    pub fn present(&mut self, frame: FrameId, now: Instant) -> bool {
        let Some(gap) = self.ledger.present(frame, now) else {
            self.repeated += 1;
            return false;
        };
        self.presented.tick(now);
        let Self { ledger, settled, .. } = self;
        if let Some(gap) = gap {
            settled.stats.stats_mut().record_interval(gap.presented);
        }
        ledger.settle(&mut |cost| settled.take(cost));
        true
    }

    /// The picture stands still on purpose, or comes from elsewhere: the time until the next one says nothing.
    pub fn pause(&mut self) {
        self.ledger.pause();
    }

    /// Settles all that was presented: the GPU is done and no span will come any more.
    pub fn finish(&mut self) {
        let Self { ledger, settled, .. } = self;
        ledger.settle_all(&mut |cost| settled.take(cost));
    }

    /// Something else paints from now on: its figures are its own, and go on where they were when it painted before. Counts,
    /// history and hitches go on.
    pub fn switch(&mut self, subject: Arc<Subject>) {
        self.ledger.forget_presented();
        self.settled.recent.restart();
        self.settled.stats.turn_to(subject);
    }

    /// Figures of what paints now begin anew, as after a warm-up. Counts, history and hitches go on.
    pub fn restart(&mut self) {
        self.ledger.forget_presented();
        self.settled.recent.restart();
        self.settled.stats.stats_mut().clear();
    }

    /// What paints now, as of the last [`Self::switch`].
    pub fn subject(&self) -> &Arc<Subject> {
        self.settled.stats.subject()
    }

    /// Settled frames of the window, oldest first.
    pub fn costs(&self) -> impl ExactSizeIterator<Item = &FrameCost> + DoubleEndedIterator {
        self.settled.recent.costs()
    }

    /// Settled frames of the last [`Recent::HISTORY`], oldest first, whatever painted.
    pub fn history(&self) -> impl ExactSizeIterator<Item = &FrameCost> + DoubleEndedIterator {
        self.settled.recent.history()
    }

    /// The newest frames that stood out, oldest first, at most 32.
    pub fn hitches(&self) -> impl ExactSizeIterator<Item = &Hitch> + DoubleEndedIterator {
        self.settled.hitches.list()
    }

    /// Figures of what paints now, over the run.
    pub fn run(&self) -> &RunStats {
        self.settled.stats.stats()
    }

    /// Figures over the run of everything that painted.
    pub fn runs(&self) -> impl Iterator<Item = (&Arc<Subject>, &RunStats)> {
        self.settled.stats.all()
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
            repeated: self.repeated,
            losses: self.losses,
        }
    }

    /// The figures at `now`.
    pub fn summary(&mut self, now: Instant) -> Summary {
        let counts = self.counts();
        let Settled { recent, stats, hitches, budget, .. } = &mut self.settled;
        recent.forget(now);
        let frames = recent.costs().len();
        let over = recent.costs().filter(|c| c.work() > budget.0).count();
        let per_frame = |of: &dyn Fn(&FrameCost) -> Option<Duration>| {
            let measured = recent.costs().filter(|c| of(c).is_some()).count();
            let sum: Duration = recent.costs().filter_map(of).sum();
            (measured > 0).then(|| sum.as_secs_f64() * 1e3 / frames as f64)
        };
        let interface_gpu_ms = per_frame(&|c| c.spent(Stage::Interface, Track::Gpu));
        let interface_cpu_ms = per_frame(&|c| c.spent(Stage::Interface, Track::Cpu));
        let interface_ms = interface_cpu_ms.map(|cpu| cpu + interface_gpu_ms.unwrap_or(0.0));
        let stats = stats.stats();
        Summary {
            window: recent.window(),
            rows: Stage::ALL.map(|stage| Row { stage, cost: recent.stage(stage) }),
            total: recent.total(),
            budget: *budget,
            over_budget: (frames > 0).then(|| over as f64 / frames as f64),
            work: recent.work(),
            overrun: recent.overrun(),
            bottleneck: recent.bottleneck(),
            source_fps: self.source.per_second(now),
            processed_fps: self.processed.per_second(now),
            presented_fps: self.presented.per_second(now),
            intervals: recent.intervals(),
            jitter_ms: recent.jitter(),
            low_1_fps: stats.low_fps(0.01),
            low_01_fps: stats.low_fps(0.001),
            run_frames: stats.frames(),
            run: stats.presented_for(),
            counts,
            repeated: counts.repeated,
            hitches: hitches.count(),
            clock: self.clock,
            stability: self.stability,
            interface_ms,
            interface_gpu_ms,
            interface_share: interface_ms.map(|ms| ms / budget.ms()),
            gpu_clock_within: self.gpu_clock_within,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Bottleneck, HitchKind};

    const MS: Duration = Duration::from_millis(1);

    /// A chain on a fake clock: 50 Hz, capture 4, upload 1, infer 8 on the GPU (told two frames late), the interface 1 on the
    /// CPU, and 1 on the GPU while the picture is handed over; present from 14 to 16.
    fn run(meter: &mut Meter, ids: std::ops::Range<u64>, t0: Instant) -> Instant {
        let at = |id: u64| t0 + MS * 20 * id as u32;
        let (first, last) = (ids.start, at(ids.end - 1) + MS * 16);
        for id in ids {
            meter.captured(id + 1, at(id) + MS * 4);
            meter.open(FrameStamp { id: FrameId(id), captured: at(id), clock: CaptureClock::Driver });
            let mut lap = |stage, from: u32, to: u32| {
                meter.enter(Span::cpu(FrameId(id), stage, at(id) + MS * from, at(id) + MS * to));
            };
            lap(Stage::Capture, 0, 4);
            lap(Stage::Upload, 4, 5);
            lap(Stage::Interface, 13, 14);
            lap(Stage::Present, 14, 16);
            if let Some(late) = id.checked_sub(2).filter(|late| *late >= first) {
                let gpu =
                    |stage, from: u32, ms: u32| Span::gpu(FrameId(late), stage, Some(at(late) + MS * from), MS * ms);
                meter.enter(gpu(Stage::Infer, 5, 8));
                meter.enter(gpu(Stage::Interface, 15, 1));
            }
            meter.processed(id + 1, at(id) + MS * 13);
            assert!(meter.present(FrameId(id), at(id) + MS * 16));
        }
        last
    }

    #[test]
    fn a_steady_chain_reads_as_it_is() {
        let t0 = Instant::now();
        let mut meter = Meter::new(Budget(MS * 20));
        let now = run(&mut meter, 0..300, t0);
        let summary = meter.summary(now);
        let row = |s: Stage| summary.rows[s as usize].cost.map(|q| (q.p50, q.p95));
        assert_eq!(row(Stage::Infer), Some((8.0, 8.0)));
        assert_eq!(row(Stage::Wait), Some((0.0, 0.0)));
        assert_eq!(row(Stage::Present), Some((1.0, 1.0)));
        assert_eq!(row(Stage::Interface), Some((2.0, 2.0)));
        assert_eq!(row(Stage::Compose), None);
        assert_eq!(summary.total.map(|q| q.p50), Some(16.0));
        assert_eq!(summary.work.map(|q| q.p50), Some(12.0));
        assert_eq!(summary.over_budget, Some(0.0));
        assert_eq!(summary.overrun.map(|q| (q.p50, q.worst)), Some((-9.0, -9.0)));
        assert_eq!(summary.bottleneck, Some((Bottleneck::Camera, 1.0)));
        for fps in [summary.source_fps, summary.processed_fps, summary.presented_fps, summary.low_1_fps] {
            assert!((fps.unwrap() - 50.0).abs() < 0.1);
        }
        assert_eq!((summary.low_01_fps, summary.jitter_ms), (None, Some(0.0)));
        assert_eq!((summary.interface_ms, summary.interface_gpu_ms), (Some(2.0), Some(1.0)));
        assert_eq!(summary.interface_share, Some(0.1));
        let rows: f64 = summary.rows.iter().filter_map(|r| r.cost).map(|q| q.mean).sum();
        assert!((rows - summary.total.unwrap().mean).abs() < 1e-9);
        let counts = Counts { captured: 300, processed: 300, presented: 300, ..Counts::default() };
        assert_eq!(meter.counts(), counts);
        assert!(!meter.present(FrameId(299), now));
        assert_eq!(meter.counts().repeated, 1);
    }

    #[test]
    fn a_switch_does_not_blur_the_figures_and_coming_back_goes_on() {
        let t0 = Instant::now();
        let mut meter = Meter::new(Budget(MS * 20));
        let subject = |variant: &str| Arc::new(Subject { variant: variant.into(), ..Subject::default() });
        meter.switch(subject("s"));
        let now = run(&mut meter, 0..50, t0);
        let before = meter.run().frames();
        meter.switch(subject("l"));
        let summary = meter.summary(now);
        assert_eq!(summary.total, None);
        assert!(meter.run().total().is_none());
        assert_eq!(summary.counts.presented, 50);
        assert_eq!(meter.history().len() as u64, before);
        run(&mut meter, 50..80, t0);
        assert_eq!(meter.run().frames(), 30 - Ledger::SETTLE_AFTER);
        meter.switch(subject("s"));
        assert_eq!(meter.run().frames(), before);
        assert_eq!(meter.runs().count(), 2);
        meter.restart();
        assert_eq!(meter.run().frames(), 0);
        assert_eq!(meter.runs().map(|(s, _)| s.variant.as_str()).collect::<Vec<_>>(), ["l"]);
    }

    #[test]
    fn a_stalled_camera_is_a_hitch_with_its_state() {
        let t0 = Instant::now();
        let mut meter = Meter::new(Budget(MS * 20));
        meter.switch(Arc::new(Subject { effect: "ink".into(), ..Subject::default() }));
        meter.set_throttled(Some(true));
        run(&mut meter, 0..60, t0);
        let now = run(&mut meter, 60..80, t0 + MS * 400);
        let summary = meter.summary(now);
        assert_eq!(summary.hitches, 1);
        let hitch = meter.hitches().next().unwrap();
        assert_eq!((hitch.kind, hitch.cause, hitch.took), (HitchKind::Gap, Bottleneck::Camera, MS * 420));
        assert_eq!((hitch.subject.effect.as_str(), hitch.throttled), ("ink", Some(true)));
        assert!(summary.jitter_ms.unwrap() > 20.0);
        // A pause is none.
        meter.pause();
        run(&mut meter, 80..120, t0 + MS * 4000);
        assert_eq!(meter.hitches().len(), 1);
    }

    #[test]
    fn the_governor_is_charged_for_deciding() {
        let t0 = Instant::now();
        let mut meter = Meter::new(Budget(MS * 4));
        let stamp = FrameStamp { id: FrameId(0), captured: t0, clock: CaptureClock::Driver };
        meter.open(stamp);
        meter.set_governor_cost(MS * 30);
        meter.present(FrameId(0), t0 + MS * 40);
        meter.finish();
        let cost = meter.history().next().unwrap();
        assert_eq!(cost.bottleneck, Some(Bottleneck::Governor));
        assert_eq!(cost.units[Bottleneck::Governor as usize], 30.0);
    }
}
