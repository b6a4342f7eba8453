//! A made-up machine with a made-up load, on which a governor can be tried out without a clock: tests run thousands of these,
//! and `cargo run --example governor` draws one.
//!
//! A frame takes what is the same for all rungs, and the network's time on the rung that paints, which load and noise
//! multiply. The true times need not be in the proportions that the ladder says. A new rung takes effect some time after
//! it was decided. The same seed gives the same run.

use std::time::{Duration, Instant};

use super::{Decision, Governor, Keep, Load, Rung, Window};
use crate::system::Thermal;
use crate::units::Budget;

/// What frames take on a machine that does nothing else.
#[derive(Clone, Debug)]
pub struct Machine {
    pub ladder: Vec<Rung>,
    /// The network's time per frame on each rung, ms; one that paints every second frame takes twice as long on those.
    pub network_ms: Vec<f32>,
    /// Everything else, ms.
    pub fixed_ms: f32,
    pub budget: Budget,
    /// From a decision to its effect.
    pub preparing: Duration,
}

/// A stretch of time, in which the load goes evenly from one value to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Piece {
    pub seconds: f32,
    /// What the network's time is multiplied with, at the beginning and at the end.
    pub load: (f32, f32),
    pub thermal: Option<Thermal>,
}

/// What happens to the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    pub pieces: Vec<Piece>,
    /// Each network's time is multiplied with a random number that is at most so much above or below 1.
    pub noise: f32,
    /// Chance of each frame to take `spike_ms` longer.
    pub spikes: f32,
    pub spike_ms: f32,
}

/// One frame of a run.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub at_s: f32,
    pub load: f32,
    pub thermal: Option<Thermal>,
    /// The rung that painted it.
    pub index: usize,
    pub work_ms: f32,
    /// What the governor saw last.
    pub p95_ms: Option<f32>,
    /// The finest rung that paints and whose true p95 is within what is to be kept at this load; `None` when there is none.
    pub holds: Option<usize>,
}

/// A change of rung.
#[derive(Clone, Debug)]
pub struct Step {
    pub at_s: f32,
    pub from: usize,
    pub to: usize,
    pub reason: String,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Run {
    pub moments: Vec<Moment>,
    pub steps: Vec<Step>,
}

/// Evenly spread random numbers (SplitMix64: Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// In 0..1.
    pub fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        // 24 bits are what a float holds.
        (z >> 40) as f32 / (1u64 << 24) as f32
    }

    /// In `low..high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// In `0..count`; 0 when there is nothing to choose from.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f32) as usize).min(count.saturating_sub(1))
    }
}

impl Machine {
    /// The largest load at which the p95 of rung `index` is at most `limit_ms`, under the trace's noise and spikes.
    pub fn most_load(&self, index: usize, trace: &Trace, limit_ms: f32) -> f32 {
        // Rare spikes are not in the p95, frequent ones are; the noise is even, so its p95 lies at nine tenths of its width.
        let spike = if trace.spikes > 0.05 { trace.spike_ms } else { 0.0 };
        let room = limit_ms - self.fixed_ms - spike;
        let network = self.network_ms[index] * (1.0 + 0.9 * trace.noise);
        match (room < 0.0, network > 0.0) {
            (true, _) => 0.0,
            (false, true) => room / network,
            (false, false) => f32::INFINITY,
        }
    }
}

/// Lets `governor` keep the machine's budget through the whole trace. `fps` frames a second come from the source.
pub fn run(machine: &Machine, trace: &Trace, keep: Keep, seed: u64) -> Run {
    let mut random = Random::new(seed);
    let mut governor = Governor::new(machine.ladder.clone(), keep, machine.budget);
    let mut window = Window::new();
    let start = Instant::now();
    let interval = machine.budget.0;
    let look_every = Duration::from_millis(250);
    let (down, _) = keep.shares();
    let limit = down * machine.budget.ms() as f32;
    let most: Vec<f32> = (0..machine.ladder.len()).map(|i| machine.most_load(i, trace, limit)).collect();
    let mut run = Run { moments: Vec::new(), steps: Vec::new() };
    let (mut at, mut frame) = (Duration::ZERO, 0u32);
    let mut next_look = Duration::ZERO;
    let mut pending: Option<(Decision, Duration)> = None;
    let mut load_seen = Load::default();
    let mut piece_start = Duration::ZERO;
    for piece in &trace.pieces {
        let length = Duration::from_secs_f32(piece.seconds.max(0.0));
        while at < piece_start + length {
            let now = start + at;
            if let Some((decision, _)) = pending.take_if(|(_, due)| *due <= at) {
                run.steps.push(Step {
                    at_s: at.as_secs_f32(),
                    from: governor.state().index,
                    to: decision.index,
                    reason: decision.reason.clone(),
                });
                governor.took_effect(&decision, now);
                window.restart(decision.rung.every);
            }
            let through = (at - piece_start).as_secs_f32() / piece.seconds;
            let load = piece.load.0 + (piece.load.1 - piece.load.0) * through;
            let index = governor.state().index;
            let every = machine.ladder[index].every.max(1);
            let painted = frame.is_multiple_of(every);
            let noise = 1.0 + trace.noise * random.between(-1.0, 1.0);
            let network = machine.network_ms[index] * load * noise * if painted { every as f32 } else { 0.0 };
            let spike = if random.unit() < trace.spikes { trace.spike_ms } else { 0.0 };
            let work_ms = machine.fixed_ms + network + spike;
            window.record(now, work_ms, machine.ladder[index].painted.then_some(network));
            if at >= next_look {
                next_look += look_every;
                let seen = window.load(now);
                let painted = seen.recent_ms.filter(|_| machine.ladder[index].painted);
                let painted_per_s = painted.map(|ms| 1e3 / ms.max(machine.budget.ms() as f32));
                load_seen = Load { thermal: piece.thermal, painted_per_s, ..seen };
                if let Some(decision) = governor.observe(&load_seen, now) {
                    pending = Some((decision, at + machine.preparing));
                }
            }
            run.moments.push(Moment {
                at_s: at.as_secs_f32(),
                load,
                thermal: piece.thermal,
                index,
                work_ms,
                p95_ms: load_seen.recent_ms,
                holds: most.iter().zip(&machine.ladder).position(|(most, rung)| rung.painted && load <= *most),
            });
            at += interval;
            frame += 1;
        }
        piece_start += length;
    }
    run
}

impl Run {
    /// Of the frames for which a rung could keep the budget: how many there are, and how many of them took at most
    /// `budget_ms` each (averaged over `every` frames where only each n-th is painted).
    ///
    /// Not counted are frames within the reaction time after the load got worse, that is, after the finest rung that holds
    /// became a lighter one: [`Governor::DWELL`] and the length of the window, and for each rung further down one
    /// [`Governor::SETTLE`], two looks and the time that preparing takes.
    pub fn kept(&self, machine: &Machine) -> (usize, usize) {
        let per_rung = Governor::SETTLE + machine.preparing + Duration::from_millis(500);
        let per_rung = per_rung.as_secs_f32();
        let first = (Governor::DWELL + Window::RECENT).as_secs_f32();
        let budget_ms = machine.budget.ms() as f32;
        let (mut counted, mut kept) = (0, 0);
        let (mut before, mut excused_until) = (0usize, 0.0f32);
        for (i, moment) in self.moments.iter().enumerate() {
            let holds = moment.holds.unwrap_or(machine.ladder.len());
            if holds > before {
                let steps = (holds - before) as f32 * per_rung;
                excused_until = (excused_until + steps).max(moment.at_s + first + steps);
            }
            before = holds;
            if moment.holds.is_none() || moment.at_s < excused_until {
                continue;
            }
            let every = machine.ladder[moment.index].every.max(1) as usize;
            let group = &self.moments[i.saturating_sub(every - 1)..=i];
            let work = group.iter().map(|m| m.work_ms).sum::<f32>() / group.len() as f32;
            counted += 1;
            kept += usize::from(work <= budget_ms);
        }
        (counted, kept)
    }
}
