//! Hitches: frames that took over twice as long as frames do, and gaps in the rhythm that a person sees; each with its cause
//! and the state at that moment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Bottleneck, FrameCost, Recent, Stage, Subject, Units, bottleneck};

/// In which way a frame stood out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HitchKind {
    /// Its total was over twice the median total.
    Slow,
    /// It came in time by itself, and over twice the median interval after the picture before: the picture stood still.
    Gap,
}

/// A frame that stood out.
#[derive(Clone, Debug)]
pub struct Hitch {
    pub cost: FrameCost,
    pub kind: HitchKind,
    /// The total, or the interval since the picture before.
    pub took: Duration,
    /// The median of the same over the frames before.
    pub median: Duration,
    /// What took the time: the unit that was charged most beyond its own median; the camera where its frame came late.
    pub cause: Bottleneck,
    /// What painted at that moment, and at which size.
    pub subject: Arc<Subject>,
    /// Whether the machine was throttling; `None` where nobody can tell.
    pub throttled: Option<bool>,
    /// When it was seen.
    pub at: Instant,
}

/// The newest hitches, newest last.
#[derive(Debug)]
pub struct Hitches {
    list: VecDeque<Hitch>,
    count: u64,
}

impl Hitches {
    /// Older ones are counted and not kept.
    pub const MOST: usize = 32;
    /// So many times the median is a hitch.
    const TIMES: f64 = 2.0;
    /// A median of fewer frames is none.
    const LEAST: usize = 20;
    /// The running median is over so many frames at most.
    const MEDIAN_OVER: usize = 128;
    /// A frame captured so many times later than usual made its picture late.
    const CAMERA_LATE: f64 = 1.5;

    pub fn new() -> Self {
        Self { list: VecDeque::with_capacity(Self::MOST), count: 0 }
    }

    /// Judges `cost` against the frames before it, which `recent` holds.
    pub fn judge(&mut self, cost: &FrameCost, recent: &mut Recent, subject: &Arc<Subject>, throttled: Option<bool>) {
        // Where the network runs for some frames only, the others are cheaper: each is compared with its own kind.
        let inferred = |cost: &FrameCost| cost.stage(Stage::Infer).is_some();
        let kin = inferred(cost);
        let mut median = |of: &dyn Fn(&FrameCost) -> Option<f64>| {
            recent.median(Self::LEAST, Self::MEDIAN_OVER, |c| of(c).filter(|_| inferred(c) == kin))
        };
        let total = seconds(cost.total);
        let interval = cost.gap.map(|gap| seconds(gap.presented));
        let usual_total = median(&|c| Some(seconds(c.total)));
        let usual_interval = median(&|c| c.gap.map(|gap| seconds(gap.presented)));
        let (kind, took, usual) = match (usual_total, usual_interval, interval) {
            (Some(usual), ..) if total > Self::TIMES * usual => (HitchKind::Slow, total, usual),
            (_, Some(usual), Some(interval)) if interval > Self::TIMES * usual => (HitchKind::Gap, interval, usual),
            _ => return,
        };
        // A frame that came late, with none lost between, is the camera's doing; lost ones gave way to work.
        let late = |gap: &super::Gap| gap.skipped == 0 && seconds(gap.captured) > Self::CAMERA_LATE * usual;
        let cause = match (kind, &cost.gap) {
            (HitchKind::Gap, Some(gap)) if late(gap) => Bottleneck::Camera,
            _ => {
                let mut beyond = Units::default();
                for unit in Bottleneck::ALL {
                    let i = unit as usize;
                    let usual = median(&|c| Some(f64::from(c.units[i]))).unwrap_or(0.0) as f32;
                    beyond[i] = cost.units[i] - usual;
                }
                bottleneck::largest(&beyond)
            }
        };
        if self.list.len() == Self::MOST {
            self.list.pop_front();
        }
        self.count += 1;
        self.list.push_back(Hitch {
            cost: *cost,
            kind,
            took: Duration::from_secs_f64(took),
            median: Duration::from_secs_f64(usual),
            cause,
            subject: subject.clone(),
            throttled,
            at: cost.presented,
        });
    }

    /// Oldest first.
    pub fn list(&self) -> impl ExactSizeIterator<Item = &Hitch> + DoubleEndedIterator {
        self.list.iter()
    }

    /// Since the beginning, also those that are not kept any more.
    pub fn count(&self) -> u64 {
        self.count
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Gap;
    use crate::units::{CaptureClock, FrameId, FrameStamp};

    const MS: Duration = Duration::from_millis(1);

    fn cost(at: Instant, infer: u32, interface: u32, gap: (u32, u32, u64)) -> FrameCost {
        let mut stages = [None; Stage::COUNT];
        stages[Stage::Infer as usize] = Some(MS * infer);
        stages[Stage::Interface as usize] = Some(MS * interface);
        let stamp = FrameStamp { id: FrameId(0), captured: at, clock: CaptureClock::Driver };
        let gap = Some(Gap { presented: MS * gap.0, captured: MS * gap.1, skipped: gap.2 });
        let mut cost = FrameCost { gap, ..FrameCost::bare(stamp, at, stages) };
        cost.units = bottleneck::charge(&cost, Duration::ZERO);
        cost
    }

    fn after(frames: u32, odd: &FrameCost) -> Hitches {
        let mut recent = Recent::new(Duration::from_secs(5));
        let mut hitches = Hitches::new();
        let subject = Arc::new(Subject { effect: "ink".into(), ..Subject::default() });
        for cost in (0..frames).map(|_| cost(odd.presented, 20, 2, (33, 33, 0))).chain([*odd]) {
            hitches.judge(&cost, &mut recent, &subject, Some(false));
            recent.record(&cost);
        }
        hitches
    }

    #[test]
    fn the_cause_is_what_grew() {
        let t0 = Instant::now();
        // The network is the largest all the time; what grew is the interface.
        let hitches = after(50, &cost(t0, 30, 28, (33, 33, 0)));
        let hitch = hitches.list().next().unwrap();
        assert_eq!((hitch.kind, hitch.cause), (HitchKind::Slow, Bottleneck::Interface));
        assert_eq!((hitch.took, hitch.median), (MS * 58, MS * 22));
        assert_eq!((hitch.subject.effect.as_str(), hitch.throttled), ("ink", Some(false)));
    }

    #[test]
    fn a_late_camera_is_a_gap_of_its_own_doing() {
        let t0 = Instant::now();
        let cause = |gap| after(50, &cost(t0, 25, 2, gap)).list().next().map(|h| (h.kind, h.cause));
        assert_eq!(cause((120, 120, 0)), Some((HitchKind::Gap, Bottleneck::Camera)));
        assert_eq!(cause((120, 120, 3)), Some((HitchKind::Gap, Bottleneck::GpuInference)));
        assert_eq!(cause((40, 40, 0)), None);
    }

    #[test]
    fn frames_without_the_network_are_another_kind() {
        let t0 = Instant::now();
        let mut recent = Recent::new(Duration::from_secs(5));
        let mut hitches = Hitches::new();
        for n in 0..200 {
            let mut cost = cost(t0, 30, 2, (33, 33, 0));
            if n % 2 == 1 {
                cost.stages[Stage::Infer as usize] = None;
                cost.total = MS * 2;
            }
            if n == 181 {
                cost.total = MS * 9;
            }
            hitches.judge(&cost, &mut recent, &Arc::default(), None);
            recent.record(&cost);
        }
        assert_eq!(hitches.list().map(|h| h.took).collect::<Vec<_>>(), [MS * 9]);
    }

    #[test]
    fn nothing_stands_out_among_few() {
        let t0 = Instant::now();
        assert_eq!(after(10, &cost(t0, 500, 2, (500, 33, 0))).count(), 0);
        let mut recent = Recent::new(Duration::from_secs(5));
        let mut hitches = Hitches::new();
        for n in 0..2000 {
            let cost = cost(t0, if n % 25 == 24 { 90 } else { 10 }, 1, (33, 33, 0));
            hitches.judge(&cost, &mut recent, &Arc::default(), None);
            recent.record(&cost);
        }
        assert_eq!(hitches.list().len(), Hitches::MOST);
        assert_eq!(hitches.count(), 80);
    }
}
