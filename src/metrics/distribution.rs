//! How values spread: percentiles of a whole run in memory that does not grow.
//!
//! HDR histograms: the relative error of a percentile is bounded (one part in a thousand), whatever the run's length. Means
//! and worst values are kept beside them and are exact.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Milliseconds. `mean` is exact; percentiles are the smallest value that at least that share of frames does not exceed.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Quantiles {
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub worst: f64,
    /// Frames that these numbers come from.
    pub count: u64,
}

/// Nearest rank: the smallest of `sorted` that at least `share` (0..=1) of them do not exceed. `None` of nothing.
pub fn nearest_rank<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    sorted.get(((sorted.len() as f64 * share).ceil() as usize).max(1) - 1).copied()
}

/// Durations of a whole run, from 1 us to 60 s, to three significant digits (an HDR histogram), in memory that does not grow.
#[derive(Clone, Debug)]
pub struct Distribution {
    histogram: Histogram<u32>,
    sum: Duration,
    worst: Duration,
}

impl Default for Distribution {
    fn default() -> Self {
        Self::new()
    }
}

impl Distribution {
    const TOP_US: u64 = 60_000_000;

    pub fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, Self::TOP_US, 3)
            .expect("the bounds are constants that the histogram accepts");
        Self { histogram, sum: Duration::ZERO, worst: Duration::ZERO }
    }

    pub fn record(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
        self.histogram.saturating_record(us.clamp(1, Self::TOP_US));
        self.sum += duration;
        self.worst = self.worst.max(duration);
    }

    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// Milliseconds that at least `share` (0..=1) of the values do not exceed; `None` before the first value.
    pub fn at(&self, share: f64) -> Option<f64> {
        // A bar of the histogram reaches beyond the values in it; no percentile does.
        let within = |ms: f64| ms.min(self.worst.as_secs_f64() * 1e3);
        (self.count() > 0).then(|| within(self.histogram.value_at_quantile(share) as f64 / 1e3))
    }

    /// `None` before the first value.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let count = self.count();
        Some(Quantiles {
            mean: self.sum.as_secs_f64() * 1e3 / count.max(1) as f64,
            p50: self.at(0.50)?,
            p95: self.at(0.95)?,
            p99: self.at(0.99)?,
            worst: self.worst.as_secs_f64() * 1e3,
            count,
        })
    }

    /// The non-empty bars of the histogram, shortest durations first: up to how many milliseconds, and how many values.
    pub fn bars(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.histogram
            .iter_recorded()
            .map(|bar| (bar.value_iterated_to() as f64 / 1e3, u64::from(bar.count_at_value())))
    }

    pub fn clear(&mut self) {
        self.histogram.reset();
        self.sum = Duration::ZERO;
        self.worst = Duration::ZERO;
    }
}

/// Signed milliseconds of a whole run, each side of zero as a [`Distribution`].
#[derive(Clone, Debug, Default)]
pub struct Signed {
    /// Magnitudes of the values below zero.
    below: Distribution,
    /// Zero and above.
    above: Distribution,
    /// The largest; while all are below zero, the one nearest to it.
    most: Option<f64>,
}

impl Signed {
    pub fn record(&mut self, ms: f32) {
        let side = if ms < 0.0 { &mut self.below } else { &mut self.above };
        side.record(Duration::try_from_secs_f32(ms.abs() / 1e3).unwrap_or_default());
        let ms = f64::from(ms);
        self.most = Some(self.most.map_or(ms, |most| most.max(ms)));
    }

    /// As [`Distribution::at`].
    pub fn at(&self, share: f64) -> Option<f64> {
        let (below, above) = (self.below.count(), self.above.count());
        let all = below + above;
        let rank = ((all as f64 * share).ceil() as u64).clamp(1, all.max(1));
        if rank <= below {
            // The r-th smallest of the values below zero is the r-th largest magnitude.
            let from_smallest = below - rank + 1;
            self.below.at((from_smallest as f64 - 0.5) / below as f64).map(|ms| -ms)
        } else {
            self.above.at(((rank - below) as f64 - 0.5) / above as f64)
        }
    }

    /// `None` before the first value.
    pub fn quantiles(&self) -> Option<Quantiles> {
        let count = self.below.count() + self.above.count();
        let sum = self.above.sum().as_secs_f64() - self.below.sum().as_secs_f64();
        Some(Quantiles {
            mean: sum * 1e3 / count.max(1) as f64,
            p50: self.at(0.50)?,
            p95: self.at(0.95)?,
            p99: self.at(0.99)?,
            worst: self.most?,
            count,
        })
    }

    pub fn clear(&mut self) {
        self.below.clear();
        self.above.clear();
        self.most = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_has_no_percentiles() {
        assert_eq!(Distribution::new().quantiles(), None);
        assert_eq!(Signed::default().quantiles(), None);
        assert_eq!(nearest_rank::<u8>(&[], 0.5), None);
    }

    #[test]
    fn an_hour_fits_where_a_second_does() {
        let mut run = Distribution::new();
        (0..200_000u64).for_each(|i| run.record(Duration::from_micros(1_000 + i % 10_000)));
        let q = run.quantiles().unwrap();
        assert_eq!(q.count, 200_000);
        assert!((q.p50 - 6.0).abs() < 0.02 && (q.mean - 5.9995).abs() < 1e-3);
        assert_eq!(run.bars().map(|(_, n)| n).sum::<u64>(), 200_000);
        run.clear();
        assert_eq!(run.quantiles(), None);
    }

    proptest! {
        #[test]
        fn percentiles_agree_with_sorting(
            values in prop::collection::vec(1u64..20_000_000, 1..300),
            share in 0.01f64..=1.0,
        ) {
            let mut run = Distribution::new();
            values.iter().for_each(|&us| run.record(Duration::from_micros(us)));
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let exact = nearest_rank(&sorted, share).unwrap() as f64 / 1e3;
            let read = run.at(share).unwrap();
            prop_assert!((read - exact).abs() <= exact * 2e-3, "{read} for {exact}");
            let q = run.quantiles().unwrap();
            let mean = values.iter().sum::<u64>() as f64 / 1e3 / values.len() as f64;
            prop_assert!((q.mean - mean).abs() < 1e-6 * mean.max(1.0));
            prop_assert!((q.worst - *sorted.last().unwrap() as f64 / 1e3).abs() < 1e-9 * q.worst);
        }

        #[test]
        fn signed_percentiles_agree_with_sorting(
            values in prop::collection::vec(-500_000i64..500_000, 1..300),
            share in 0.01f64..=1.0,
        ) {
            let mut run = Signed::default();
            values.iter().for_each(|&us| run.record(us as f32 / 1e3));
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let exact = nearest_rank(&sorted, share).unwrap() as f64 / 1e3;
            let read = run.at(share).unwrap();
            prop_assert!((read - exact).abs() <= exact.abs() * 2e-3 + 2e-3, "{read} for {exact}");
            prop_assert!((run.quantiles().unwrap().worst - *sorted.last().unwrap() as f64 / 1e3).abs() < 1e-2);
        }
    }
}
