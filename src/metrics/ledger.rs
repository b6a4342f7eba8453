//! The ledger: one account per frame, into which spans are entered whenever they arrive.
//!
//! GPU spans come some frames after the picture was shown, so an account stays open for a few frames after its picture
//! and is then settled: the time between capture and present that no stage claims is `Wait`, and the rows add up to the
//! total exactly. A moment that two spans claim counts once. Pure: times are arguments, no clock is read, nothing is
//! allocated after [`Ledger::new`].

use std::time::{Duration, Instant};

use super::{FrameCost, Gap, Piece, Pieces, Span, Stage};
use crate::units::{FrameId, FrameStamp};

/// An account that still takes entries.
#[derive(Clone, Copy, Debug)]
struct Account {
    stamp: FrameStamp,
    presented: Option<Instant>,
    gap: Option<Gap>,
    /// All that was entered, also what found no room in `pieces`.
    stages: [Option<Duration>; Stage::COUNT],
    pieces: Pieces,
    /// How many pictures were presented before this one: its age counts in pictures, not in time.
    turn: u64,
}

/// Joins spans to frames. See the module's text.
#[derive(Debug)]
pub struct Ledger {
    open: Vec<Account>,
    presented: u64,
    late: u64,
    /// The picture before, and when it was presented.
    before: Option<(FrameStamp, Instant)>,
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
        Self { open: Vec::with_capacity(Self::OPEN), presented: 0, late: 0, before: None }
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
        self.open.push(Account {
            stamp,
            presented: None,
            gap: None,
            stages: [None; Stage::COUNT],
            pieces: Pieces::default(),
            turn: 0,
        });
    }

    /// Enters a span. Several spans of one stage add up. A span whose account is gone is counted in [`Self::late`].
    pub fn enter(&mut self, span: Span) {
        match self.open.iter_mut().find(|a| a.stamp.id == span.frame) {
            Some(account) => {
                let entry = &mut account.stages[span.stage as usize];
                *entry = Some(entry.unwrap_or_default() + span.duration);
                // What lies before the capture began elsewhere, and is not part of this frame's time line.
                let begin = span.begin.and_then(|at| at.checked_duration_since(account.stamp.captured));
                let Span { stage, track, duration, .. } = span;
                account.pieces.push(Piece { stage, track, begin, duration });
            }
            None => self.late += 1,
        }
    }

    /// The picture made from `frame` was handed over at `now`. Only the first time counts: showing it again is a repeat.
    /// Returns `None` for a repeat or an unknown frame, else how far the picture lies from the one before, if there was one.
    pub fn present(&mut self, frame: FrameId, now: Instant) -> Option<Option<Gap>> {
        let account = self.open.iter_mut().find(|a| a.stamp.id == frame && a.presented.is_none())?;
        account.presented = Some(now);
        account.turn = self.presented;
        account.gap = self.before.map(|(stamp, presented)| Gap {
            presented: now.saturating_duration_since(presented),
            captured: account.stamp.captured.saturating_duration_since(stamp.captured),
            skipped: frame.0.saturating_sub(stamp.id.0).saturating_sub(1),
        });
        self.before = Some((account.stamp, now));
        self.presented += 1;
        Some(account.gap)
    }

    /// The picture stands still on purpose: the time until the next one says nothing.
    pub fn pause(&mut self) {
        self.before = None;
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
                each(&cost(&account, presented));
            }
        }
    }

    /// Forgets what was presented and not yet settled: another effect or engine begins, whose spans these cannot be. Frames
    /// on their way keep their accounts.
    pub fn forget_presented(&mut self) {
        self.open.retain(|account| account.presented.is_none());
    }

    /// Spans that came for frames already settled or never opened.
    pub fn late(&self) -> u64 {
        self.late
    }
}

fn cost(account: &Account, presented: Instant) -> FrameCost {
    let Account { stamp, gap, pieces, mut stages, .. } = *account;
    for (row, twice) in stages.iter_mut().zip(pieces.counted_elsewhere()) {
        *row = row.map(|time| time.saturating_sub(twice));
    }
    // A measured wait would be counted twice: what the other stages leave over is the wait.
    stages[Stage::Wait as usize] = None;
    let mut marks = pieces.marks();
    marks[Stage::Wait as usize] = None;
    let claimed: Duration = stages.iter().flatten().sum();
    let age = stamp.age(presented);
    let last = marks.iter().flatten().map(|mark| mark.end).max().unwrap_or_default();
    let total = age.max(last).max(claimed);
    stages[Stage::Wait as usize] = Some(total - claimed);
    FrameCost { total, overlap: total - age, marks, pieces, gap, ..FrameCost::bare(stamp, presented, stages) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::Track;
    use crate::units::CaptureClock;

    const MS: Duration = Duration::from_millis(1);

    fn stamp(id: u64, captured: Instant) -> FrameStamp {
        FrameStamp { id: FrameId(id), captured, clock: CaptureClock::Driver }
    }

    fn span(id: u64, stage: Stage, ms: u32) -> Span {
        Span::lasting(FrameId(id), stage, MS * ms)
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
        assert_eq!(ledger.present(FrameId(0), t0 + MS * 10), Some(None));
        assert_eq!(ledger.present(FrameId(0), t0 + MS * 20), None);
        assert_eq!(ledger.present(FrameId(9), t0 + MS * 20), None);
        let mut total = None;
        ledger.settle_all(&mut |c| total = Some(c.total));
        assert_eq!(total, Some(MS * 10));
    }

    #[test]
    fn work_inside_the_handing_over_counts_once() {
        let t0 = Instant::now();
        let mut ledger = Ledger::new();
        ledger.open(stamp(0, t0));
        ledger.enter(Span::cpu(FrameId(0), Stage::Present, t0 + MS * 20, t0 + MS * 50));
        ledger.enter(Span::gpu(FrameId(0), Stage::Compose, Some(t0 + MS * 25), MS * 20));
        ledger.present(FrameId(0), t0 + MS * 50);
        let mut cost = None;
        ledger.settle_all(&mut |c| cost = Some(*c));
        let cost = cost.unwrap();
        assert_eq!(
            [Stage::Wait, Stage::Compose, Stage::Present].map(|s| cost.stage(s)),
            [20, 20, 10].map(|ms| Some(MS * ms))
        );
        assert_eq!(cost.spent(Stage::Present, Track::Cpu), Some(MS * 30));
        assert_eq!(cost.marks[Stage::Present as usize].unwrap().end, MS * 50);
    }

    #[test]
    fn a_frame_ends_with_its_last_work() {
        let t0 = Instant::now();
        let mut ledger = Ledger::new();
        ledger.open(stamp(0, t0));
        ledger.present(FrameId(0), t0 + MS * 10);
        // The GPU was busy with another frame first.
        ledger.enter(Span::gpu(FrameId(0), Stage::Compose, Some(t0 + MS * 14), MS * 2));
        let mut cost = None;
        ledger.settle_all(&mut |c| cost = Some(*c));
        let cost = cost.unwrap();
        assert_eq!((cost.total, cost.overlap, cost.stage(Stage::Wait)), (MS * 16, MS * 6, Some(MS * 14)));
    }

    #[test]
    fn the_rhythm_is_told_with_the_pictures() {
        let t0 = Instant::now();
        let mut ledger = Ledger::new();
        for (id, captured, presented) in [(0, 0, 10), (1, 33, 43), (4, 133, 150)] {
            ledger.open(stamp(id, t0 + MS * captured));
            let gap = ledger.present(FrameId(id), t0 + MS * presented).unwrap();
            let expected = match id {
                0 => None,
                1 => Some(Gap { presented: MS * 33, captured: MS * 33, skipped: 0 }),
                _ => Some(Gap { presented: MS * 107, captured: MS * 100, skipped: 2 }),
            };
            assert_eq!(gap, expected);
        }
        ledger.pause();
        ledger.open(stamp(5, t0 + MS * 9000));
        assert_eq!(ledger.present(FrameId(5), t0 + MS * 9010), Some(None));
    }

    #[test]
    fn what_is_on_its_way_outlives_a_switch() {
        let t0 = Instant::now();
        let mut ledger = Ledger::new();
        ledger.open(stamp(0, t0));
        ledger.open(stamp(1, t0));
        ledger.present(FrameId(0), t0 + MS);
        ledger.forget_presented();
        assert!(ledger.present(FrameId(1), t0 + MS).is_some());
        let mut settled = Vec::new();
        ledger.settle_all(&mut |c| settled.push(c.stamp.id.0));
        assert_eq!(settled, [1]);
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
            spans in prop::collection::vec((0usize..Stage::COUNT, 0u64..40_000, prop::option::of(0u64..90_000), any::<bool>()), 0..20),
            age_us in 0u64..100_000,
        ) {
            let t0 = Instant::now();
            let us = Duration::from_micros;
            let mut ledger = Ledger::new();
            ledger.open(stamp(0, t0));
            for &(stage, long, begin, gpu) in &spans {
                ledger.enter(Span {
                    frame: FrameId(0),
                    stage: Stage::ALL[stage],
                    track: if gpu { Track::Gpu } else { Track::Cpu },
                    begin: begin.map(|at| t0 + us(at)),
                    duration: us(long),
                });
            }
            ledger.present(FrameId(0), t0 + us(age_us));
            let mut cost = None;
            ledger.settle_all(&mut |c| cost = Some(*c));
            let cost = cost.unwrap();
            prop_assert_eq!(cost.stages.iter().flatten().sum::<Duration>(), cost.total);
            prop_assert_eq!(cost.total, us(age_us) + cost.overlap);
            let measured = |s: Stage| s == Stage::Wait || spans.iter().any(|span| Stage::ALL[span.0] == s);
            for stage in Stage::ALL {
                prop_assert_eq!(cost.stage(stage).is_some(), measured(stage));
            }
        }
    }
}
