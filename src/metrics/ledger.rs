//! The ledger: one account per frame, into which spans are entered whenever they arrive.
//!
//! GPU spans come some frames after the picture was shown, so an account stays open for a few frames after its picture
//! and is then settled: the time between capture and present that no stage claims is `Wait`, and the rows add up to the
//! total exactly. Pure: times are arguments, no clock is read, nothing is allocated after [`Ledger::new`].

use std::time::{Duration, Instant};

use super::{Span, Stage};
use crate::units::{FrameId, FrameStamp};

/// What one frame cost, settled: the measured stages and `Wait` add up to `total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameCost {
    pub stamp: FrameStamp,
    /// When the picture was handed to the display; without a window, when it was finished.
    pub presented: Instant,
    /// Indexed by `Stage as usize`. `None` where nothing measured the stage: shown as a dash, never as zero.
    pub stages: [Option<Duration>; Stage::COUNT],
    /// From capture to present, or the sum of the measured stages where that is longer (`overlap`).
    pub total: Duration,
    /// By how much the measured stages exceed capture to present: GPU work that ran on after the picture was handed over.
    pub overlap: Duration,
}

impl FrameCost {
    /// Time spent in `stage`; `None` when not measured.
    pub fn stage(&self, stage: Stage) -> Option<Duration> {
        self.stages[stage as usize]
    }
}

/// An account that still takes entries.
#[derive(Clone, Copy, Debug)]
struct Account {
    stamp: FrameStamp,
    presented: Option<Instant>,
    stages: [Option<Duration>; Stage::COUNT],
    /// How many pictures were presented before this one: its age counts in pictures, not in time.
    turn: u64,
}

/// Joins spans to frames. See the module's text.
#[derive(Debug)]
pub struct Ledger {
    open: Vec<Account>,
    presented: u64,
    late: u64,
    present_waits: bool,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    /// Pictures presented after a frame's own until its account is settled. Timestamp queries answer two to three frames late.
    pub const SETTLE_AFTER: u64 = 6;
    /// Accounts open at once. Frames that are never presented (dropped on the way) leave when room is needed.
    pub const OPEN: usize = 32;

    pub fn new() -> Self {
        Self { open: Vec::with_capacity(Self::OPEN), presented: 0, late: 0, present_waits: false }
    }

    /// Whether handing a picture over waits until it is drawn, as it does with a software adapter: the time that the GPU
    /// spent on `Compose` then lies within `Present`, and is taken off it so that it counts once.
    pub fn set_present_waits(&mut self, waits: bool) {
        self.present_waits = waits;
    }

    /// Opens an account. A frame that has one already keeps it.
    pub fn open(&mut self, stamp: FrameStamp) {
        if self.open.iter().any(|a| a.stamp.id == stamp.id) {
            return;
        }
        if self.open.len() == Self::OPEN {
            // The oldest that was not shown; if all were shown, the oldest.
            let oldest =
                (0..self.open.len()).min_by_key(|&i| (self.open[i].presented.is_some(), self.open[i].stamp.id));
            if let Some(oldest) = oldest {
                self.open.remove(oldest);
            }
        }
        self.open.push(Account { stamp, presented: None, stages: [None; Stage::COUNT], turn: 0 });
    }

    /// Enters a span. Several spans of one stage add up. A span whose account is gone is counted in [`Self::late`].
    pub fn enter(&mut self, span: Span) {
        match self.open.iter_mut().find(|a| a.stamp.id == span.frame) {
            Some(account) => {
                let entry = &mut account.stages[span.stage as usize];
                *entry = Some(entry.unwrap_or_default() + span.duration);
            }
            None => self.late += 1,
        }
    }

    /// The picture made from `frame` was handed over at `now`. Only the first time counts: showing it again is a repeat.
    /// Returns false for a repeat or an unknown frame.
    pub fn present(&mut self, frame: FrameId, now: Instant) -> bool {
        let turn = self.presented;
        let Some(account) = self.open.iter_mut().find(|a| a.stamp.id == frame && a.presented.is_none()) else {
            return false;
        };
        account.presented = Some(now);
        account.turn = turn;
        self.presented += 1;
        true
    }

    /// Hands over every account that has waited long enough for late spans, oldest first, and closes it.
    pub fn settle(&mut self, each: &mut dyn FnMut(&FrameCost)) {
        let presented = self.presented;
        self.close(each, |account| account.turn + Self::SETTLE_AFTER < presented);
    }

    /// As [`Self::settle`] for everything that was presented, however recently: at the end of a run, after the GPU is done.
    pub fn settle_all(&mut self, each: &mut dyn FnMut(&FrameCost)) {
        self.close(each, |_| true);
    }

    fn close(&mut self, each: &mut dyn FnMut(&FrameCost), due: impl Fn(&Account) -> bool) {
        loop {
            let next = self
                .open
                .iter()
                .enumerate()
                .filter(|(_, a)| a.presented.is_some() && due(a))
                .min_by_key(|(_, a)| a.turn)
                .map(|(i, _)| i);
            let Some(next) = next else { return };
            let account = self.open.remove(next);
            if let Some(presented) = account.presented {
                each(&cost(&account, presented, self.present_waits));
            }
        }
    }

    /// Forgets every open account: another effect or engine begins.
    pub fn clear(&mut self) {
        self.open.clear();
    }

    /// Spans that came for frames already settled or never opened.
    pub fn late(&self) -> u64 {
        self.late
    }
}

fn cost(account: &Account, presented: Instant, present_waits: bool) -> FrameCost {
    let mut stages = account.stages;
    if present_waits
        && let [Some(compose), Some(present)] = [Stage::Compose, Stage::Present].map(|s| stages[s as usize])
    {
        stages[Stage::Present as usize] = Some(present.saturating_sub(compose));
    }
    // A measured wait would be counted twice: what the other stages leave over is the wait.
    stages[Stage::Wait as usize] = None;
    let claimed: Duration = stages.iter().flatten().sum();
    let age = account.stamp.age(presented);
    let total = age.max(claimed);
    stages[Stage::Wait as usize] = Some(total - claimed);
    FrameCost { stamp: account.stamp, presented, stages, total, overlap: claimed.saturating_sub(age) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::CaptureClock;

    const MS: Duration = Duration::from_millis(1);

    fn stamp(id: u64, captured: Instant) -> FrameStamp {
        FrameStamp { id: FrameId(id), captured, clock: CaptureClock::Driver }
    }

    fn span(id: u64, stage: Stage, ms: u32) -> Span {
        Span { frame: FrameId(id), stage, duration: MS * ms }
    }

    #[test]
    fn what_nothing_claims_is_waiting() {
        let t0 = Instant::now();
        let mut ledger = Ledger::new();
        ledger.open(stamp(3, t0));
        ledger.enter(span(3, Stage::Capture, 5));
        ledger.enter(span(3, Stage::Infer, 11));
        ledger.present(FrameId(3), t0 + MS * 30);
        ledger.enter(span(3, Stage::Compose, 2)); // late, from the GPU
        let mut costs = Vec::new();
        ledger.settle(&mut |c| costs.push(*c));
        assert!(costs.is_empty(), "still open for late spans");
        ledger.settle_all(&mut |c| costs.push(*c));
        let cost = costs[0];
        assert_eq!(cost.total, MS * 30);
        assert_eq!(cost.stage(Stage::Wait), Some(MS * 12));
        assert_eq!(cost.stage(Stage::Upload), None);
        assert_eq!(cost.overlap, Duration::ZERO);
        ledger.enter(span(3, Stage::Present, 1));
        assert_eq!(ledger.late(), 1);
    }

    #[test]
    fn an_account_settles_once_enough_pictures_followed() {
        let t0 = Instant::now();
        let mut ledger = Ledger::new();
        let mut settled = Vec::new();
        for id in 0..20 {
            ledger.open(stamp(id, t0 + MS * (id as u32) * 33));
            ledger.present(FrameId(id), t0 + MS * (id as u32 * 33 + 20));
            ledger.settle(&mut |c| settled.push(c.stamp.id.0));
        }
        assert_eq!(settled, (0..20 - Ledger::SETTLE_AFTER).collect::<Vec<_>>());
    }

    #[test]
    fn a_repeat_does_not_make_a_frame_younger() {
        let t0 = Instant::now();
        let mut ledger = Ledger::new();
        ledger.open(stamp(0, t0));
        assert!(ledger.present(FrameId(0), t0 + MS * 10));
        assert!(!ledger.present(FrameId(0), t0 + MS * 20));
        assert!(!ledger.present(FrameId(9), t0 + MS * 20));
        let mut total = None;
        ledger.settle_all(&mut |c| total = Some(c.total));
        assert_eq!(total, Some(MS * 10));
    }

    #[test]
    fn work_inside_the_handing_over_counts_once() {
        let t0 = Instant::now();
        let mut ledger = Ledger::new();
        ledger.set_present_waits(true);
        ledger.open(stamp(0, t0));
        ledger.enter(span(0, Stage::Present, 30));
        ledger.enter(span(0, Stage::Compose, 20));
        ledger.present(FrameId(0), t0 + MS * 50);
        let mut cost = None;
        ledger.settle_all(&mut |c| cost = Some(*c));
        let cost = cost.unwrap();
        assert_eq!(
            [Stage::Wait, Stage::Compose, Stage::Present].map(|s| cost.stage(s)),
            [20, 20, 10].map(|ms| Some(MS * ms))
        );
    }

    #[test]
    fn dropped_frames_make_room_before_shown_ones() {
        let t0 = Instant::now();
        let mut ledger = Ledger::new();
        ledger.open(stamp(0, t0));
        ledger.present(FrameId(0), t0 + MS);
        for id in 1..200 {
            ledger.open(stamp(id, t0));
        }
        let mut settled = Vec::new();
        ledger.settle_all(&mut |c| settled.push(c.stamp.id.0));
        assert_eq!(settled, [0]);
    }

    proptest! {
        #[test]
        fn rows_add_up_to_the_total(
            spans in prop::collection::vec((0usize..Stage::COUNT, 0u64..40_000), 0..20),
            age_us in 0u64..100_000,
        ) {
            let t0 = Instant::now();
            let mut ledger = Ledger::new();
            ledger.open(stamp(0, t0));
            for &(stage, us) in &spans {
                ledger.enter(Span { frame: FrameId(0), stage: Stage::ALL[stage], duration: Duration::from_micros(us) });
            }
            ledger.present(FrameId(0), t0 + Duration::from_micros(age_us));
            let mut cost = None;
            ledger.settle_all(&mut |c| cost = Some(*c));
            let cost = cost.unwrap();
            prop_assert_eq!(cost.stages.iter().flatten().sum::<Duration>(), cost.total);
            prop_assert_eq!(cost.total, Duration::from_micros(age_us) + cost.overlap);
            let measured = |s: Stage| s == Stage::Wait || spans.iter().any(|&(i, _)| Stage::ALL[i] == s);
            for stage in Stage::ALL {
                prop_assert_eq!(cost.stage(stage).is_some(), measured(stage));
            }
        }
    }
}
