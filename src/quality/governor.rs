//! The governor: which rung, when, and why.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::hold_reason::{HoldReason, HoldText};
use super::{Keep, Load, Rung};
use crate::system::Thermal;
use crate::units::Budget;

/// A step to another rung, to be carried out: see [`Governor::took_effect`] and [`Governor::refused`].
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    pub rung: Rung,
    /// Position of `rung` in the ladder.
    pub index: usize,
    /// The rung that is left.
    pub from: Rung,
    /// One clause, no full stop.
    pub reason: String,
}

/// Where the governor stands, for people.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What paints now.
    pub rung: Rung,
    /// Its position, 0 being the finest.
    pub index: usize,
    /// Rungs that there are.
    pub of: usize,
    pub keep: Keep,
    /// Why this rung: one clause, no full stop.
    pub reason: String,
    /// What has to come before the next step; `None` when there is nothing better to wait for.
    pub waiting_for: Option<String>,
    /// Chosen by hand: nothing is changed.
    pub manual: bool,
}

/// What is remembered of a rung.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    /// Times that it had to be left soon after it was climbed.
    failures: u32,
    failed_at: Option<Instant>,
    blocked_until: Option<Instant>,
    /// It could not be made: it is passed over on the way down too.
    refused_until: Option<Instant>,
    /// What it really cost over what was forecast, at least 1.
    bias: f32,
    /// The network's part of a frame when it was last measured here, ms.
    infer_ms: Option<f32>,
}

/// Which way the last step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Down,
    Up,
    /// Placed there by hand or at the start.
    Set,
}

/// What was looked for after a step, to learn from it.
#[derive(Clone, Copy, Debug)]
struct Forecast {
    /// The rung below which the step went down, or onto which it climbed.
    rung: usize,
    ms: f32,
}

enum Verdict {
    Hold(HoldReason),
    Move(usize, String),
}

/// See the text of [the module](super).
///
/// **Reaction time.** After the load has got worse, p95 is back within the budget at the latest after
/// [`Governor::reaction`], where a rung can keep it: one [`Self::DWELL`] if it had just climbed, then for each rung on the
/// way one [`Self::SETTLE`] and the time that the pipeline for it takes to be prepared.
#[derive(Debug)]
pub struct Governor {
    ladder: Vec<Rung>,
    memory: Vec<Memory>,
    budget: Budget,
    keep: Keep,
    manual: bool,
    pending: Option<usize>,
    last: Last,
    since: Option<Instant>,
    /// The decision that was last carried out, for learning.
    forecast: Option<Forecast>,
    /// The demand that made us step down, ms.
    demand_ms: f32,
    thermal: Option<Thermal>,
    saver: bool,
    state: State,
}

impl Governor {
    /// After a change, so long until the next step in the same direction down: less cannot be measured.
    pub const SETTLE: Duration = Duration::from_millis(700);
    /// Whoever climbed stays at least so long.
    pub const DWELL: Duration = Duration::from_millis(2000);
    /// So long at a rung until the one above is tried.
    pub const CLIMB: Duration = Duration::from_secs(4);
    /// A rung that has to be left so soon after it was climbed did not hold.
    pub const PROBATION: Duration = Duration::from_secs(20);
    /// A rung that did not hold is left alone for so long, twice as long the next time, and so on …
    pub const BACK_OFF: Duration = Duration::from_secs(30);
    /// … up to this.
    pub const LONGEST_BACK_OFF: Duration = Duration::from_secs(240);
    /// One failure of a rung is forgotten in so long.
    const FORGET: Duration = Duration::from_secs(300);
    /// In so long, half of what a forecast adds to the present cost (logarithmically) is doubted away: what is never tried is
    /// never known. Twice as long for each failure.
    const DOUBT: Duration = Duration::from_secs(60);
    /// Between two steps down because of heat: cooling takes time.
    const COOL: Duration = Duration::from_secs(6);

    /// Share of a frame's work that all steps down together must save to be taken where they cannot bring it into the budget.
    const WORTHWHILE: f32 = 0.25;

    /// A painting that comes at least so often is never given up: people prefer it to a smooth picture without one.
    pub const LEAST_PAINTED_PER_S: f32 = 8.0;

    /// Stands on the first rung of `ladder`; an empty one counts as one rung that paints nothing.
    pub fn new(ladder: Vec<Rung>, keep: Keep, budget: Budget) -> Self {
        let mut governor = Self {
            ladder: Vec::new(),
            memory: Vec::new(),
            budget,
            keep,
            manual: false,
            pending: None,
            last: Last::Set,
            since: None,
            forecast: None,
            demand_ms: 0.0,
            thermal: None,
            saver: false,
            state: State { keep, ..State::default() },
        };
        governor.set_ladder(ladder, 0);
        governor
    }

    /// How long p95 may be out of the budget after the load got worse, on a ladder of `rungs` where each takes `preparing`
    /// to be made.
    pub fn reaction(rungs: usize, preparing: Duration) -> Duration {
        let steps = u32::try_from(rungs.saturating_sub(1)).unwrap_or(u32::MAX);
        // The window is full of the old load for so long.
        Self::DWELL + super::Window::RECENT + (Self::SETTLE + preparing) * steps
    }

    /// Another effect, engine or source: another ladder, of which rung `index` paints now. Nothing of the old is remembered.
    pub fn set_ladder(&mut self, ladder: Vec<Rung>, index: usize) {
        self.ladder = ladder;
        if self.ladder.is_empty() {
            self.ladder.push(Rung::untouched());
        }
        self.memory.clear();
        self.memory.resize(self.ladder.len(), Memory { bias: 1.0, ..Memory::default() });
        self.place(index, "the first choice");
    }

    pub fn ladder(&self) -> &[Rung] {
        &self.ladder
    }

    pub fn keep(&self) -> Keep {
        self.keep
    }

    /// The user wants something else to be kept. Ends a choice by hand.
    pub fn set_keep(&mut self, keep: Keep) {
        self.manual = false;
        self.state.manual = false;
        if self.keep != keep {
            self.keep = keep;
            self.state.keep = keep;
            self.conditions_changed();
        }
    }

    /// Another source delivers, at another rate.
    pub fn set_budget(&mut self, budget: Budget) {
        if self.budget != budget {
            self.budget = budget;
            self.conditions_changed();
        }
    }

    /// The user chose by hand: rung `index` paints now, or the one that did when `None`, and stays until
    /// [`Self::set_keep`].
    pub fn hold(&mut self, index: Option<usize>) {
        self.manual = true;
        self.state.manual = true;
        self.place(index.unwrap_or(self.state.index), "chosen by hand");
    }

    /// Something else was decided elsewhere, and rung `index` paints now.
    pub fn stand(&mut self, index: usize) {
        self.place(index, "where it was put");
    }

    /// Where things stand.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Takes one look, and says what is to change now. To be called some times a second; between a decision and its
    /// [`Self::took_effect`] nothing new is decided.
    pub fn observe(&mut self, load: &Load, now: Instant) -> Option<Decision> {
        self.notice_machine(load);
        self.since.get_or_insert(now);
        self.learn(load, now);
        match self.judge(load, now) {
            Verdict::Hold(reason) => {
                self.say(reason);
                None
            }
            Verdict::Move(to, reason) => {
                self.pending = Some(to);
                self.say(HoldReason::Preparing { to });
                let (rung, from) = (self.ladder[to].clone(), self.state.rung.clone());
                Some(Decision { rung, index: to, from, reason })
            }
        }
    }

    /// The decided rung paints from `now` on.
    pub fn took_effect(&mut self, decision: &Decision, now: Instant) {
        if self.pending.take() != Some(decision.index) {
            return;
        }
        let (from, to) = (self.state.index, decision.index);
        let left_soon = self.since.is_some_and(|at| now.saturating_duration_since(at) < Self::PROBATION);
        if to > from && self.last == Last::Up && left_soon {
            self.failed(from, now);
        }
        self.place(to, &decision.reason);
        self.last = if to > from { Last::Down } else { Last::Up };
        self.since = Some(now);
    }

    /// The decided rung cannot be had (its network does not load, say): it is left alone for a long time.
    pub fn refused(&mut self, decision: &Decision, now: Instant) {
        if self.pending.take() == Some(decision.index) {
            let until = Some(now + Self::LONGEST_BACK_OFF);
            let memory = &mut self.memory[decision.index];
            (memory.blocked_until, memory.refused_until) = (until, until);
            self.forecast = None;
            self.since = Some(now);
        }
    }

    fn place(&mut self, index: usize, reason: &str) {
        let index = index.min(self.ladder.len() - 1);
        self.pending = None;
        self.last = Last::Set;
        self.since = None;
        self.state.rung.clone_from(&self.ladder[index]);
        self.state.index = index;
        self.state.of = self.ladder.len();
        self.state.reason.clear();
        self.state.reason.push_str(reason);
        self.state.waiting_for = None;
    }

    fn judge(&mut self, load: &Load, now: Instant) -> Verdict {
        use Verdict::{Hold, Move};
        let (index, budget) = (self.state.index, self.budget.ms() as f32);
        let (down, up) = self.shares();
        let demand = load.demand(budget);
        let stood = self.since.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        if let Some(to) = self.pending {
            return Hold(HoldReason::Preparing { to });
        }
        if self.manual {
            return Hold(HoldReason::Manual { over_ms: demand.map(|ms| ms - budget).filter(|ms| *ms > 0.0) });
        }
        if self.keep == Keep::Fixed {
            return Hold(HoldReason::Fixed);
        }
        // After a climb the step back is a step back and forth; otherwise the next one down may follow soon.
        let stays = if self.last == Last::Up { Self::DWELL } else { Self::SETTLE };
        let lighter = self.lighter(index, now);
        if index < self.finest() && stood >= stays {
            let saver = if self.saver { "the system saves its battery" } else { "the battery is to last" };
            return Move(index + 1, saver.to_owned());
        }
        if let Some(thermal) = load.thermal.filter(|t| *t >= Thermal::Serious) {
            let cool = if thermal == Thermal::Critical { stays } else { Self::COOL.max(stays) };
            if let Some(to) = lighter.filter(|to| self.ladder[*to].painted && stood >= cool) {
                return Move(to, format!("the machine is hot ({})", thermal.name()));
            }
        }
        let Some(demand) = demand else { return Hold(HoldReason::Measuring) };
        // Where nothing is painted, giving up more is not possible: only the way up is open.
        if demand > down * budget && (self.state.rung.painted || index == 0) {
            let Some(to) = lighter else { return Hold(HoldReason::Lightest { need_ms: demand }) };
            let smooth = self.effective() == Keep::Smooth;
            if !self.ladder[to].painted && !smooth && !self.hopeless(load) {
                return Hold(HoldReason::StillPainted { per_s: load.painted_per_s });
            }
            if let Some(ms) = self.elsewhere(load, down * budget).filter(|_| !smooth && !self.hopeless(load)) {
                return Hold(HoldReason::Elsewhere { what: load.elsewhere, ms });
            }
            if stood < stays {
                return Hold(HoldReason::Settling { for_s: whole_seconds(stays - stood) });
            }
            self.demand_ms = demand;
            self.forecast = Some(Forecast { rung: index, ms: demand });
            return Move(to, format!("p95 {demand:.1} ms of a {budget:.1} ms budget"));
        }
        // From here on all is well, and the question is whether better can be had.
        let Some(above) = index.checked_sub(1).filter(|above| *above >= self.finest()) else {
            return Hold(HoldReason::Nothing);
        };
        if let Some(thermal) = load.thermal.filter(|t| *t >= Thermal::Fair) {
            return Hold(HoldReason::Heat(thermal));
        }
        if let Some(until) = self.memory[above].blocked_until.filter(|until| now < *until) {
            return Hold(HoldReason::Blocked { rung: above, for_s: whole_seconds(until - now) });
        }
        let Some(forecast) = self.forecast_above(above, load, now) else { return Hold(HoldReason::Measuring) };
        // From no painting to one: whatever is faster than what would be given up again.
        let smooth = self.effective() == Keep::Smooth;
        let fewest = if self.state.rung.painted || smooth { 0.0 } else { 1e3 / Self::LEAST_PAINTED_PER_S };
        let needs_ms = up * budget.max(fewest);
        if forecast > needs_ms {
            return Hold(HoldReason::Forecast { rung: above, ms: forecast, needs_ms });
        }
        if stood < Self::CLIMB {
            return Hold(HoldReason::Settling { for_s: whole_seconds(Self::CLIMB - stood) });
        }
        self.forecast = Some(Forecast { rung: above, ms: forecast });
        Move(above, format!("there is room: about {forecast:.1} ms of a {budget:.1} ms budget"))
    }

    /// Whether painting is so slow that no painting is better. Not known is no reason.
    fn hopeless(&self, load: &Load) -> bool {
        // A source that is slow itself is not the painting's fault.
        let least = Self::LEAST_PAINTED_PER_S.min(Load::LOSING * 1e3 / self.budget.ms() as f32);
        load.painted_per_s.is_some_and(|rate| rate < least)
    }

    /// What everything but the network takes, where that alone is more than `limit_ms` and the lightest painting would save
    /// less than [`Self::WORTHWHILE`] of a frame.
    fn elsewhere(&self, load: &Load, limit_ms: f32) -> Option<f32> {
        let (p95, infer) = (load.p95_ms?, load.infer_ms?);
        let here = self.state.rung.cost;
        let lightest = self.ladder.iter().rev().find(|rung| rung.painted)?.cost;
        let saved = infer * (1.0 - lightest / here.max(f32::MIN_POSITIVE)).clamp(0.0, 1.0);
        (p95 - infer > limit_ms && saved < Self::WORTHWHILE * p95).then_some(p95 - infer)
    }

    /// The next rung down. Only what could not be made is passed over: what "did not hold" is lighter all the same.
    fn lighter(&self, index: usize, now: Instant) -> Option<usize> {
        (index + 1..self.ladder.len()).find(|to| self.memory[*to].refused_until.is_none_or(|until| now >= until))
    }

    /// What the rung above would need, milliseconds, from what this one needs. `None` while that is not known.
    fn forecast_above(&self, above: usize, load: &Load, now: Instant) -> Option<f32> {
        let (p95, memory) = (load.p95_ms?, &self.memory[above]);
        let (here, there) = (self.ladder[self.state.index].cost, self.ladder[above].cost);
        let known_since = memory.failed_at.max(self.since).unwrap_or(now);
        let halvings = now.saturating_duration_since(known_since).as_secs_f32()
            / (Self::DOUBT.as_secs_f32() * 2.0f32.powi(memory.failures.min(4) as i32));
        let trust = 0.5f32.powf(halvings);
        match load.infer_ms.filter(|_| here > 0.0) {
            Some(infer) => Some((p95 - infer + infer * (there / here).powf(trust)) * memory.bias.powf(trust)),
            // Nothing is painted here, or the network cannot be measured: what it took when it was last seen, less and less.
            None => Some((p95 + memory.infer_ms.unwrap_or(0.0) * trust) * memory.bias.powf(trust)),
        }
    }

    /// Compares forecasts with what came, once after each step.
    fn learn(&mut self, load: &Load, now: Instant) {
        let (Some(p95), index) = (load.p95_ms, self.state.index) else { return };
        if self.pending.is_some() {
            return;
        }
        if self.ladder[index].painted {
            self.memory[index].infer_ms = load.infer_ms.or(self.memory[index].infer_ms);
        }
        let Some(Forecast { rung, ms }) = self.forecast else { return };
        if rung == index && self.last == Last::Up {
            // Climbed: it takes more or less than was thought.
            self.correct(index, p95 / ms.max(0.1));
        } else if rung + 1 == index && self.last == Last::Down {
            // Stepped down: would what is measured here have told what was measured there?
            self.memory[rung].bias = 1.0;
            if let Some(told) = self.forecast_above(rung, load, now) {
                self.correct(rung, ms / told.max(0.1));
            }
        } else {
            return;
        }
        self.forecast = None;
    }

    fn correct(&mut self, rung: usize, by: f32) {
        let bias = &mut self.memory[rung].bias;
        // Twice is as wrong as a forecast may be called from one look: the load may have changed in between.
        *bias = (*bias * by).clamp(1.0, 2.0);
    }

    fn failed(&mut self, rung: usize, now: Instant) {
        let memory = &mut self.memory[rung];
        if let Some(at) = memory.failed_at {
            let forgotten = now.saturating_duration_since(at).as_secs() / Self::FORGET.as_secs();
            memory.failures = memory.failures.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX));
        }
        memory.failures += 1;
        memory.failed_at = Some(now);
        let pause = Self::BACK_OFF.saturating_mul(1 << (memory.failures - 1).min(16));
        memory.blocked_until = Some(now + pause.min(Self::LONGEST_BACK_OFF));
    }

    /// Heat and battery: a change for the better opens what was closed.
    fn notice_machine(&mut self, load: &Load) {
        let saver = load.saver.unwrap_or(false);
        let cooled = matches!((self.thermal, load.thermal), (Some(was), Some(is)) if is < was);
        if cooled || self.saver && !saver {
            self.conditions_changed();
        }
        (self.thermal, self.saver) = (load.thermal, saver);
    }

    fn conditions_changed(&mut self) {
        for memory in &mut self.memory {
            *memory = Memory { bias: 1.0, infer_ms: memory.infer_ms, ..Memory::default() };
        }
        self.forecast = None;
    }

    /// What is kept, given that the system may save its battery.
    fn effective(&self) -> Keep {
        match self.keep {
            Keep::Balanced if self.saver => Keep::Battery,
            keep => keep,
        }
    }

    fn shares(&self) -> (f32, f32) {
        self.effective().shares()
    }

    /// The finest rung that may be climbed.
    fn finest(&self) -> usize {
        if self.effective() != Keep::Battery {
            return 0;
        }
        let smallest = self.ladder.iter().rev().find(|r| r.painted).map(|r| &r.variant);
        self.ladder.iter().position(|r| Some(&r.variant) == smallest).unwrap_or(0)
    }

    /// Writes down what is waited for, in the memory that is there already.
    fn say(&mut self, reason: HoldReason) {
        if reason == HoldReason::Nothing {
            self.state.waiting_for = None;
            return;
        }
        let text = self.state.waiting_for.get_or_insert_default();
        text.clear();
        // Writing to a string cannot fail.
        let _ = write!(text, "{}", HoldText { reason, ladder: &self.ladder });
    }
}

/// Seconds for people: never "0 s" for something that is still waited for.
fn whole_seconds(left: Duration) -> u64 {
    left.as_secs_f32().ceil().max(1.0) as u64
}

#[cfg(test)]
mod tests;
