//! What is counted between two messages: histograms of durations per stage and per thing that paints.

use std::time::SystemTime;

use crate::metrics::{Counts, FrameCost, Stage};
use crate::system::Reading;

/// Upper bounds of the histograms' buckets, seconds; frames at 120, 60, 30 and 15 Hz have bounds of their own.
pub const BOUNDS_S: [f64; 16] = [
    0.000_25,
    0.000_5,
    0.001,
    0.002,
    0.004,
    0.006,
    1.0 / 120.0,
    0.012,
    1.0 / 60.0,
    0.024,
    1.0 / 30.0,
    0.05,
    1.0 / 15.0,
    0.1,
    0.25,
    1.0,
];

/// Durations in seconds, counted by bucket: as many as bounds, and one for what lies above them all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Histogram {
    pub count: u64,
    pub sum_s: f64,
    pub min_s: f64,
    pub max_s: f64,
    pub buckets: [u64; BOUNDS_S.len() + 1],
}

impl Histogram {
    pub fn record(&mut self, seconds: f64) {
        self.min_s = if self.count == 0 { seconds } else { self.min_s.min(seconds) };
        self.max_s = if self.count == 0 { seconds } else { self.max_s.max(seconds) };
        self.count += 1;
        self.sum_s += seconds;
        // A bound belongs to the bucket that it closes.
        self.buckets[BOUNDS_S.partition_point(|bound| *bound < seconds)] += 1;
    }
}

/// What paints, as far as it is told: no names of people's own files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Key {
    /// Name of an effect in an installed pack, `custom` for a style or network of the user's own, empty when nothing paints.
    pub effect: String,
    pub variant: String,
    /// `wgpu`, `ort` or `none`.
    pub engine: String,
    /// `discrete`, `integrated`, `virtual`, `cpu` or `other`.
    pub device_class: String,
}

/// The histograms of one thing that paints.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub key: Key,
    /// Indexed by `Stage as usize`.
    pub stages: [Histogram; Stage::COUNT],
    pub total: Histogram,
}

impl Series {
    fn new(key: Key) -> Self {
        Self { key, stages: Default::default(), total: Histogram::default() }
    }
}

/// Everything of one interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub since: SystemTime,
    pub until: SystemTime,
    pub series: Vec<Series>,
    current: usize,
    /// Frames within the interval.
    pub frames: Counts,
    /// At its end.
    pub reading: Reading,
}

impl Figures {
    pub fn new(key: Key, since: SystemTime) -> Self {
        Self {
            since,
            until: since,
            series: vec![Series::new(key)],
            current: 0,
            frames: Counts::default(),
            reading: Reading::default(),
        }
    }

    /// Another thing paints from now on.
    pub fn switch(&mut self, key: Key) {
        self.current = match self.series.iter().position(|s| s.key == key) {
            Some(known) => known,
            None => {
                self.series.push(Series::new(key));
                self.series.len() - 1
            }
        };
    }

    /// Counts a frame of what paints now. Allocates nothing.
    pub fn record(&mut self, cost: &FrameCost) {
        let Some(series) = self.series.get_mut(self.current) else { return };
        series.total.record(cost.total.as_secs_f64());
        for stage in Stage::ALL {
            if let Some(duration) = cost.stage(stage) {
                series.stages[stage as usize].record(duration.as_secs_f64());
            }
        }
    }

    /// Ends the interval and begins the next one with what paints now.
    pub fn take(&mut self, now: SystemTime) -> Self {
        let key = self.series.get(self.current).map(|s| s.key.clone()).unwrap_or_default();
        let mut ended = std::mem::replace(self, Self::new(key, now));
        // A clock that was set back must not end an interval before it began.
        ended.until = now.max(ended.since);
        ended.series.retain(|s| s.total.count > 0);
        ended
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::export::samples;

    #[test]
    fn a_switch_keeps_figures_apart() {
        let key = |effect: &str| Key { effect: effect.to_owned(), ..Key::default() };
        let mut figures = Figures::new(key("ink"), SystemTime::UNIX_EPOCH);
        let costs = samples::costs(Instant::now(), 3);
        figures.record(&costs[0]);
        figures.switch(key("oil"));
        figures.record(&costs[1]);
        figures.switch(key("ink"));
        figures.record(&costs[2]);
        figures.switch(key("never painted"));
        let ended = figures.take(SystemTime::UNIX_EPOCH);
        let counts: Vec<_> = ended.series.iter().map(|s| (s.key.effect.as_str(), s.total.count)).collect();
        assert_eq!(counts, [("ink", 2), ("oil", 1)]);
        assert_eq!(ended.series[0].stages[Stage::Compose as usize].count, 0);
        assert_eq!(figures.series[0].key, key("never painted"), "the next interval begins with what paints");
    }

    proptest! {
        #[test]
        fn every_duration_is_in_the_bucket_that_the_bounds_say(seconds in prop::collection::vec(0.0f64..2.0, 1..50)) {
            let mut histogram = Histogram::default();
            seconds.iter().for_each(|s| histogram.record(*s));
            prop_assert_eq!(histogram.buckets.iter().sum::<u64>(), seconds.len() as u64);
            for (i, count) in histogram.buckets.iter().enumerate() {
                let above = i.checked_sub(1).map_or(f64::NEG_INFINITY, |i| BOUNDS_S[i]);
                let upto = BOUNDS_S.get(i).copied().unwrap_or(f64::INFINITY);
                let within = seconds.iter().filter(|s| **s > above && **s <= upto).count();
                prop_assert_eq!(*count, within as u64);
            }
            prop_assert_eq!(histogram.max_s, seconds.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            prop_assert_eq!(histogram.min_s, seconds.iter().copied().fold(f64::INFINITY, f64::min));
        }
    }
}
