//! Faults on purpose: `--inject` makes a machine slow, hot, blind or without a GPU at set times, so that what the program does
//! about it can be seen on any machine.
//!
//! ```text
//! load=20ms@5s..10s       each painting takes 20 ms longer        load=3x@5s..10s   … three times as long
//! stall@12s..14s          the source gives nothing
//! thermal=serious@15s..20s  the sensors say so: nominal, fair, serious or critical
//! saver@20s..30s          the system saves its battery
//! gpu-loss@25s            the device is destroyed, as by a driver that crashed
//! panic@30s               the program breaks down, as by a bug of its own
//! ```
//!
//! Several stand with commas between them. Times count from the start of the program; an event without an end lasts to the
//! end. What is injected is real wherever it can be: a GPU paints the same picture several times over, a thread waits with
//! its painting in hand, a source's call blocks and then fails as a camera's does, and a lost device is really destroyed. Only
//! what sensors say is made up.
//!
//! [`Script`] is the language and pure; [`Injector`] plays it; [`Stalling`] is the source that stalls.

mod script;
mod stall;

use std::time::Instant;

pub use script::{Event, Script, What};
pub use stall::Stalling;

use crate::source::{Source, SourceWish};
use crate::system::{Reading, Thermal};
use crate::units::Burden;

/// What is wrong at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Injected {
    pub burden: Burden,
    pub stalled: bool,
    pub thermal: Option<Thermal>,
    pub saver: Option<bool>,
}

impl Injected {
    /// The sensors' reading as it would be.
    pub fn reading(&self, reading: Reading) -> Reading {
        Reading {
            thermal: self.thermal.or(reading.thermal),
            saver: self.saver.or(reading.saver),
            throttled: self.thermal.map(|t| t >= Thermal::Serious).or(reading.throttled),
            ..reading
        }
    }
}

/// A script being played.
#[derive(Debug)]
pub struct Injector {
    script: Script,
    started: Instant,
    /// Events that were announced.
    told: Vec<bool>,
}

impl Injector {
    /// Times count from `started`.
    pub fn new(script: Script, started: Instant) -> Self {
        let told = vec![false; script.events().len()];
        Self { script, started, told }
    }

    /// What is wrong at `now`.
    pub fn at(&self, now: Instant) -> Injected {
        self.script.at(now.saturating_duration_since(self.started))
    }

    /// The next event that has begun by `now` and was not handed out before.
    pub fn begun(&mut self, now: Instant) -> Option<Event> {
        let elapsed = now.saturating_duration_since(self.started);
        let events = self.script.events();
        let next = events.iter().zip(&self.told).position(|(event, told)| !told && event.from <= elapsed)?;
        self.told[next] = true;
        Some(events[next])
    }

    /// A wrapper for sources that stalls them when the script says so; `None` when it never does.
    pub fn stalling(&self) -> Option<impl Fn(Box<dyn Source>, &SourceWish) -> Stalling + use<>> {
        let (script, started) = (self.script.clone(), self.started);
        let stalls = script.events().iter().any(|e| e.what == What::Stall);
        stalls.then_some(move |source: Box<dyn Source>, wish: &SourceWish| {
            Stalling::new(source, script.clone(), started, wish)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn events_are_announced_once_when_they_begin() {
        let start = Instant::now();
        let mut injector = Injector::new("stall@2s..3s,gpu-loss@1s,gpu-loss@1s".parse().unwrap(), start);
        let mut at = |ms| {
            let now = start + Duration::from_millis(ms);
            std::iter::from_fn(|| injector.begun(now)).map(|e| e.what).collect::<Vec<_>>()
        };
        assert_eq!(at(999), []);
        assert_eq!(at(1000), [What::GpuLoss, What::GpuLoss]);
        assert_eq!(at(1500), []);
        assert_eq!(at(9000), [What::Stall]);
    }

    #[test]
    fn sensors_say_what_was_injected_and_otherwise_what_they_see() {
        let seen = Reading { thermal: Some(Thermal::Fair), saver: Some(true), ..Reading::default() };
        assert_eq!(Injected::default().reading(seen), seen);
        let hot = Injected { thermal: Some(Thermal::Critical), saver: Some(false), ..Injected::default() };
        let read = hot.reading(seen);
        assert_eq!((read.thermal, read.saver, read.throttled), (Some(Thermal::Critical), Some(false), Some(true)));
    }
}
