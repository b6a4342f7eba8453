//! The governor at work in a runtime: settled frames become its load, its decisions become requests.
//!
//! The work that is governed is what the program does to paint a frame: neither the camera's time, nor waiting, nor the
//! overlay, nor the display's refresh gets shorter with a smaller network, and a painting is not to be given up for them.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{EffectRequest, Runtime, Standing};
use crate::metrics::{FrameCost, Meter, Stage};
use crate::quality::{Decision, Governor, Keep, Load, State, Window};
use crate::system::Thermal;
use crate::units::{Budget, FrameId};

/// How often the governor looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Fewer frames than this say nothing of how many get lost.
const ENOUGH: u64 = 12;
/// Changes of rung that are kept for the trace: more than there are in the frames that it shows.
const RUNGS: usize = 256;

/// Frames that were offered to the chain, and that went through it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Through {
    pub offered: u64,
    pub processed: u64,
}

/// Stages that take time and are not the network.
const BESIDE: [Stage; 3] = [Stage::Upload, Stage::Prepare, Stage::Compose];

pub(super) struct QualityControl {
    governor: Governor,
    window: Window,
    /// The newest settled frame that was taken into the window.
    seen: Option<FrameId>,
    /// Frames captured before what paints now took effect say nothing of it.
    since: Option<Instant>,
    /// As things stood when `since` was.
    before: Through,
    before_at: Option<Instant>,
    offered: u64,
    looked: Option<Instant>,
    /// What each stage beside the network takes, ms, of late.
    beside: [f32; BESIDE.len()],
    thermal: Option<Thermal>,
    saver: Option<bool>,
    /// Decided and not yet in effect.
    decision: Option<Decision>,
    /// Since when which rung painted, oldest first.
    rungs: VecDeque<(Instant, usize)>,
}

impl QualityControl {
    pub fn new(keep: Keep, budget: Budget) -> Self {
        Self {
            governor: Governor::new(Vec::new(), keep, budget),
            window: Window::new(),
            seen: None,
            since: None,
            before: Through::default(),
            before_at: None,
            offered: 0,
            looked: None,
            beside: [0.0; BESIDE.len()],
            thermal: None,
            saver: None,
            decision: None,
            rungs: VecDeque::new(),
        }
    }

    pub fn state(&self) -> &State {
        self.governor.state()
    }

    pub fn keep(&self) -> Keep {
        self.governor.keep()
    }

    pub fn set_keep(&mut self, keep: Keep) {
        self.governor.set_keep(keep);
    }

    /// Rung `index` was chosen by hand.
    pub fn hold(&mut self, index: usize) {
        self.governor.hold(Some(index));
    }

    pub fn set_budget(&mut self, budget: Budget) {
        self.governor.set_budget(budget);
    }

    /// How the machine is, as its sensors say.
    pub fn set_machine(&mut self, thermal: Option<Thermal>, saver: Option<bool>) {
        (self.thermal, self.saver) = (thermal, saver);
    }

    pub fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// A pipeline that stands there paints from `now` on, chosen by hand or not.
    pub fn arrived(&mut self, standing: &Standing, by_hand: bool, through: Through, now: Instant) {
        let decided = self.decision.take();
        if standing.ladder != self.governor.ladder() {
            self.governor.set_ladder(standing.ladder.clone(), standing.index);
        } else if let Some(decision) = decided.filter(|d| d.index == standing.index && !by_hand) {
            self.governor.took_effect(&decision, now);
        } else if standing.index != self.governor.state().index {
            self.governor.stand(standing.index);
        }
        if by_hand {
            self.governor.hold(Some(standing.index));
        }
        self.measure_anew(through, now);
    }

    /// The decided rung paints from `now` on, in the pipeline that did before.
    pub fn took_effect(&mut self, through: Through, now: Instant) {
        if let Some(decision) = self.decision.take() {
            self.governor.took_effect(&decision, now);
        }
        self.measure_anew(through, now);
    }

    /// The decided rung cannot be had.
    pub fn refused(&mut self, now: Instant) {
        if let Some(decision) = self.decision.take() {
            self.governor.refused(&decision, now);
        }
    }

    fn measure_anew(&mut self, through: Through, now: Instant) {
        let State { rung, index, .. } = self.governor.state();
        self.window.restart(rung.every);
        if self.rungs.back().is_none_or(|(_, last)| last != index) {
            self.rungs.push_back((now, *index));
            if self.rungs.len() > RUNGS {
                self.rungs.pop_front();
            }
        }
        self.since = Some(now);
        (self.before, self.before_at) = (through, Some(now));
    }

    /// Looks, when it is time to, and returns what is to be changed.
    pub fn look(&mut self, meter: &Meter, through: Through, now: Instant) -> Option<&Decision> {
        if self.looked.is_some_and(|at| now.saturating_duration_since(at) < LOOK_EVERY) {
            return None;
        }
        self.looked = Some(now);
        // Nothing comes in: a frozen picture or a camera that stalls is not a load.
        let idle = std::mem::replace(&mut self.offered, through.offered) == through.offered;
        self.take_in(meter);
        if idle {
            return None;
        }
        let offered = through.offered.saturating_sub(self.before.offered);
        let processed = through.processed.saturating_sub(self.before.processed);
        let seconds = self.before_at.map(|at| now.saturating_duration_since(at).as_secs_f32());
        let per_s = seconds.filter(|s| *s > 0.0).map(|s| (processed + 1) as f32 / s);
        let load = Load {
            // The share and the rate are rough while there are few frames.
            painted_per_s: per_s.filter(|_| offered >= ENOUGH && self.governor.state().rung.painted),
            elsewhere: self.beside.iter().zip(BESIDE).max_by(|a, b| a.0.total_cmp(b.0)).map(|(_, stage)| stage.name()),
            thermal: self.thermal,
            saver: self.saver,
            // Two may be on their way.
            delivered: (offered >= ENOUGH).then(|| (processed + 2).min(offered) as f32 / offered as f32),
            ..self.window.load(now)
        };
        if offered >= 4 * ENOUGH {
            // So that a change shows after seconds, not after minutes.
            (self.before, self.before_at) = (through, Some(now));
        }
        let decision = self.governor.observe(&load, now)?;
        Some(self.decision.insert(decision))
    }

    /// Takes the frames that were settled since the last look into the window.
    fn take_in(&mut self, meter: &Meter) {
        let costs = meter.costs();
        let new = costs.rev().take_while(|c| self.seen.is_none_or(|seen| c.stamp.id > seen)).count();
        let costs = meter.costs();
        let skip = costs.len() - new;
        for cost in costs.skip(skip) {
            self.seen = Some(cost.stamp.id);
            if self.since.is_some_and(|since| cost.stamp.captured >= since) {
                let (work_ms, infer_ms) = governed(cost);
                for (mean, stage) in self.beside.iter_mut().zip(BESIDE) {
                    let ms = cost.stage(stage).map_or(0.0, |took| took.as_secs_f32() * 1e3);
                    *mean += (ms - *mean) / 16.0;
                }
                self.window.record(cost.presented, work_ms, infer_ms);
            }
        }
    }
}

impl Runtime {
    /// Since when which rung of the governor's ladder painted, oldest first, as numbers for a trace: 0 is the finest.
    pub fn rungs(&self) -> impl Iterator<Item = (Instant, f64)> {
        self.quality.rungs.iter().map(|(since, index)| (*since, *index as f64))
    }

    /// The pipeline that is there serves `request` too. It may have been chosen by hand, or no longer; and a rung may need the
    /// same network at the same size as the one before it, where frames are small.
    pub(super) fn settle_standing(&mut self, request: &EffectRequest, now: Instant) {
        let decided = self.quality.decision().filter(|d| request.rung.as_ref() == Some(&d.rung)).cloned();
        let Some(current) = self.current.as_mut().filter(|_| self.next.is_none()) else { return };
        current.by_hand = request.by_hand();
        if let Some(decision) = decided {
            current.pipeline.set_every(decision.rung.every);
            current.standing.index = decision.index;
            let through = self.through();
            self.quality.took_effect(through, now);
        } else if current.by_hand {
            self.quality.hold(current.standing.index);
        }
    }

    /// Another pipeline paints: the governor learns which rung that is.
    pub(super) fn tell_governor(&mut self, now: Instant) {
        let through = self.through();
        self.cadence_since = None;
        if let Some(current) = &self.current {
            self.quality.arrived(&current.standing, current.by_hand, through, now);
        }
    }

    fn through(&self) -> Through {
        Through { offered: self.offered, processed: self.meter.counts().processed }
    }

    /// Lets the governor look, and carries out what it decides.
    pub(super) fn govern(&mut self, now: Instant) {
        // While something else is being prepared, what is measured is about to go; and timing engines takes the processor
        // from the frames that are painted meanwhile.
        if self.is_preparing() || self.catalog.is_autotuning() {
            self.disturbed = true;
            return;
        }
        if std::mem::take(&mut self.disturbed) {
            let through = self.through();
            self.quality.measure_anew(through, now);
        }
        if self.change_cadence(now) {
            return;
        }
        let began = Instant::now();
        let through = self.through();
        let decided = self.quality.look(&self.meter, through, now).cloned();
        self.meter.set_governor_cost(began.elapsed());
        let Some(decision) = decided else { return };
        log::info!("{} instead of {}: {}", decision.rung, decision.from, decision.reason);
        self.request.rung = Some(decision.rung.clone());
        if decision.rung.same_network(&decision.from) {
            // What paints now is what is wished for.
            if let Some(asked) = &mut self.asked {
                asked.request = self.request.clone();
            }
        } else {
            self.ask();
        }
    }

    /// Carries out a decision that needs no other pipeline, once no frame is on its way that would be lost by it, or has been
    /// for a while. Returns whether there is such a decision.
    fn change_cadence(&mut self, now: Instant) -> bool {
        let decided = self.quality.decision().filter(|d| d.rung.same_network(&d.from));
        let (Some(decision), Some(current)) = (decided, &mut self.current) else { return false };
        let since = *self.cadence_since.get_or_insert(now);
        if current.pipeline.is_idle() || now.saturating_duration_since(since) > Self::LAST_FRAMES {
            current.pipeline.set_every(decision.rung.every);
            current.standing.index = decision.index;
            self.cadence_since = None;
            let through = self.through();
            self.quality.took_effect(through, now);
        }
        true
    }

    /// Whether `request` is what the governor decided and waits for.
    pub(super) fn is_decided(&self, request: &EffectRequest) -> bool {
        self.quality.decision().is_some_and(|d| request.rung.as_ref() == Some(&d.rung))
    }

    /// The decided rung cannot be had: what paints now is what is wished for.
    pub(super) fn give_up_decision(&mut self, now: Instant) {
        self.quality.refused(now);
        self.request.rung = self.current.as_ref().and_then(|c| c.standing.ladder.get(c.standing.index).cloned());
        if let Some(asked) = &mut self.asked {
            asked.request = self.request.clone();
        }
    }
}

/// The work for a frame that a smaller network can make less of, and the network's own part, ms.
fn governed(cost: &FrameCost) -> (f32, Option<f32>) {
    let ms = |d: Duration| d.as_secs_f32() * 1e3;
    let shown: Duration = [Stage::Interface, Stage::Present].into_iter().filter_map(|stage| cost.stage(stage)).sum();
    let work = cost.work().saturating_sub(shown);
    (ms(work), cost.stage(Stage::Infer).map(ms))
}
