//! How far a network's parts are from what the device can do at best (Williams, Waterman and Patterson 2009, "Roofline: an
//! insightful visual performance model").
//!
//! The floor of a part is the larger of two times: its bytes at the bandwidth that a plain copy reaches, and its arithmetic
//! at the rate that plain multiply-adds reach. Both are measured in the same run. Bytes are the least that could be moved:
//! what is read, what is written and the weights, each once.

use std::time::Duration;

/// What a device can do at best, as measured.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Ceiling {
    /// Bytes that a copy reads and writes each second.
    pub bytes_per_s: f64,
    /// Bytes that were gone through again and again for that: as many as the network's pictures take, so that they lie in
    /// the same caches.
    pub working_set_bytes: u64,
    /// Multiplications and additions each second, float32.
    pub flop_per_s: f64,
    /// In float16, where the device has it.
    pub half_flop_per_s: Option<f64>,
    /// To start a dispatch behind another one that it depends on; `None` on a processor.
    pub dispatch_s: Option<f64>,
}

/// What bounds a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    Bandwidth,
    Arithmetic,
}

impl Bound {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bandwidth => "bandwidth",
            Self::Arithmetic => "arithmetic",
        }
    }
}

impl Ceiling {
    /// Arithmetic of numbers that are stored in half precision or not.
    pub fn flop_rate(&self, half: bool) -> f64 {
        self.half_flop_per_s.filter(|_| half).unwrap_or(self.flop_per_s)
    }

    /// The least time for `flop` multiplications and additions and `bytes`, and which of the two it is.
    pub fn floor(&self, flop: u64, bytes: u64, half: bool) -> (Duration, Bound) {
        let arithmetic = flop as f64 / self.flop_rate(half);
        let bandwidth = bytes as f64 / self.bytes_per_s;
        let seconds = Duration::try_from_secs_f64(arithmetic.max(bandwidth)).unwrap_or(Duration::MAX);
        (seconds, if arithmetic > bandwidth { Bound::Arithmetic } else { Bound::Bandwidth })
    }
}

/// Something that was timed: a dispatch, or a block of fused stages.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Part {
    pub name: String,
    /// Which kernel; how many stages of a block.
    pub kernel: String,
    /// Multiplications and additions.
    pub flop: u64,
    /// The least that could be moved.
    pub bytes: u64,
    pub seconds: f64,
    pub floor_s: f64,
    pub bound: Bound,
}

impl Part {
    pub fn new(name: String, kernel: String, work: (u64, u64), took: Duration, ceiling: &Ceiling, half: bool) -> Self {
        let (flop, bytes) = work;
        let (floor, bound) = ceiling.floor(flop, bytes, half);
        Self { name, kernel, flop, bytes, seconds: took.as_secs_f64(), floor_s: floor.as_secs_f64(), bound }
    }

    /// Time over floor: 1 is as fast as the device can.
    pub fn over_floor(&self) -> f64 {
        self.seconds / self.floor_s
    }
}

/// A network on one engine, part by part.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Roofline {
    pub engine: String,
    pub device: String,
    /// Float16 storage and arithmetic.
    pub half: bool,
    pub ceiling: Ceiling,
    pub parts: Vec<Part>,
    /// The whole network, timed without looking at its parts.
    pub whole_s: f64,
}

impl Roofline {
    /// The sum of the parts' floors.
    pub fn floor_s(&self) -> f64 {
        self.parts.iter().map(|part| part.floor_s).sum()
    }

    /// Of the whole network.
    pub fn over_floor(&self) -> f64 {
        self.whole_s / self.floor_s()
    }

    /// Multiplications and additions, and bytes.
    pub fn work(&self) -> (u64, u64) {
        self.parts.iter().fold((0, 0), |(flop, bytes), part| (flop + part.flop, bytes + part.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ceiling() -> Ceiling {
        Ceiling {
            bytes_per_s: 10e9,
            working_set_bytes: 1 << 20,
            flop_per_s: 100e9,
            half_flop_per_s: Some(200e9),
            dispatch_s: None,
        }
    }

    #[test]
    fn the_slower_of_two_is_the_floor() {
        let ceiling = ceiling();
        // 10 flop a byte is where the roof's two sides meet.
        assert_eq!(ceiling.floor(100_000_000, 1_000_000, false), (Duration::from_millis(1), Bound::Arithmetic));
        assert_eq!(ceiling.floor(1_000, 10_000_000, false), (Duration::from_millis(1), Bound::Bandwidth));
        assert_eq!(ceiling.floor(200_000_000, 1_000_000, true), (Duration::from_millis(1), Bound::Arithmetic));
        let without = Ceiling { half_flop_per_s: None, ..ceiling };
        assert_eq!(without.floor(200_000_000, 0, true), (Duration::from_millis(2), Bound::Arithmetic));
    }

    #[test]
    fn a_network_s_floor_is_that_of_its_parts() {
        let ceiling = ceiling();
        let part = |work, ms| Part::new("p".into(), "k".into(), work, Duration::from_millis(ms), &ceiling, false);
        let parts = vec![part((100_000_000, 0), 2), part((0, 20_000_000), 3)];
        assert!((parts[0].over_floor() - 2.0).abs() < 1e-9 && (parts[1].over_floor() - 1.5).abs() < 1e-9);
        let (engine, device) = ("cpu".to_owned(), "any".to_owned());
        let all = Roofline { engine, device, half: false, ceiling: ceiling.clone(), parts, whole_s: 0.006 };
        assert!((all.over_floor() - 2.0).abs() < 1e-9);
        assert_eq!(all.work(), (100_000_000, 20_000_000));
    }
}
