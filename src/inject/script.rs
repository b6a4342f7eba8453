//! The language of `--inject`.

use std::fmt;
use std::time::Duration;

use super::Injected;
use crate::system::Thermal;
use crate::units::Burden;

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    /// Each painting takes longer.
    Load(Burden),
    /// The source gives nothing.
    Stall,
    /// The sensors say so.
    Thermal(Thermal),
    /// The system saves its battery.
    Saver,
    /// The device is destroyed.
    GpuLoss,
    /// The program breaks down.
    Panic,
}

/// A fault and when it happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    pub what: What,
    /// From the start of the program.
    pub from: Duration,
    /// [`Duration::MAX`] when it does not end; equal to `from` for what happens once.
    pub until: Duration,
}

/// What happens when. Empty: nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    events: Vec<Event>,
}

const THERMALS: [Thermal; 4] = [Thermal::Nominal, Thermal::Fair, Thermal::Serious, Thermal::Critical];
const MOST_EVENTS: usize = 1000;
/// A frame that is held up for longer says nothing more.
const MOST_LOAD: Duration = Duration::from_secs(10);
const MOST_FACTOR: f32 = 100.0;

impl Script {
    /// As written.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// What is wrong `elapsed` after the start. Loads add up, of several temperatures the highest counts.
    pub fn at(&self, elapsed: Duration) -> Injected {
        let mut now = Injected::default();
        for event in self.events.iter().filter(|e| (e.from..e.until).contains(&elapsed)) {
            match event.what {
                What::Load(burden) => now.burden = now.burden.and(burden),
                What::Stall => now.stalled = true,
                What::Thermal(thermal) => now.thermal = now.thermal.max(Some(thermal)),
                What::Saver => now.saver = Some(true),
                What::GpuLoss | What::Panic => {}
            }
        }
        now
    }
}

impl std::str::FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let events = text.split(',').map(|item| parse_event(item.trim())).collect::<Result<Vec<_>, _>>()?;
        if events.len() > MOST_EVENTS {
            return Err(format!("{} faults are too many; at most {MOST_EVENTS} are taken", events.len()));
        }
        Ok(Self { events })
    }
}

fn parse_event(item: &str) -> Result<Event, String> {
    let (fault, when) = item
        .split_once('@')
        .ok_or_else(|| format!("'{item}' does not say when: write NAME@FROM..TO, for example stall@12s..14s"))?;
    let (name, value) = fault.split_once('=').map_or((fault, None), |(name, value)| (name, Some(value)));
    let what = match (name, value) {
        ("load", Some(value)) => What::Load(parse_load(value)?),
        ("load", None) => {
            return Err(format!("'{item}' does not say how much: write load=20ms@5s..10s or load=3x@5s..10s"));
        }
        ("thermal", Some(value)) => What::Thermal(parse_thermal(value)?),
        ("thermal", None) => {
            return Err(format!(
                "'{item}' does not say how hot: write thermal=serious@15s..20s (nominal, fair, serious or critical)"
            ));
        }
        ("stall", None) => What::Stall,
        ("saver", None) => What::Saver,
        ("gpu-loss", None) => What::GpuLoss,
        ("panic", None) => What::Panic,
        ("stall" | "saver" | "gpu-loss" | "panic", Some(value)) => {
            return Err(format!("'{item}' has a value that {name} does not take: leave out ={value}"));
        }
        _ => {
            return Err(format!("'{name}' is no fault: choose load, stall, thermal, saver, gpu-loss or panic"));
        }
    };
    let once = matches!(what, What::GpuLoss | What::Panic);
    let (from, until) = match when.split_once("..") {
        Some(_) if once => {
            return Err(format!("'{item}' happens at one moment: write {name}@25s"));
        }
        Some((from, "")) => (parse_time(from)?, Duration::MAX),
        Some((from, until)) => (parse_time(from)?, parse_time(until)?),
        None => {
            let at = parse_time(when)?;
            (at, if once { at } else { Duration::MAX })
        }
    };
    if until < from || (until == from && !once) {
        return Err(format!("'{item}' ends before it begins: write the earlier time first, {until:?} .. {from:?}"));
    }
    Ok(Event { what, from, until })
}

/// `20ms`, `0.5s`, `3x`.
fn parse_load(text: &str) -> Result<Burden, String> {
    if let Some(factor) = text.strip_suffix('x') {
        let number = factor.parse::<f32>().ok().filter(|f| (1.0..=MOST_FACTOR).contains(f));
        let factor = number.ok_or_else(|| format!("'{text}' is no load: write a factor from 1x to {MOST_FACTOR}x"))?;
        return Ok(Burden { extra: Duration::ZERO, factor });
    }
    let extra = parse_time(text)?;
    if extra > MOST_LOAD {
        return Err(format!("'{text}' is too much: at most {} s more for each picture", MOST_LOAD.as_secs()));
    }
    Ok(Burden { extra, factor: 1.0 })
}

fn parse_thermal(text: &str) -> Result<Thermal, String> {
    let found = THERMALS.into_iter().find(|t| t.name() == text);
    found.ok_or_else(|| format!("'{text}' is no temperature: choose nominal, fair, serious or critical"))
}

/// `25s`, `1.5s`, `500ms`, `2m`; a number alone counts seconds.
fn parse_time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no time: write seconds or milliseconds, for example 5s or 500ms");
    let (number, unit_s) = match text {
        t if t.ends_with("ms") => (t.trim_end_matches("ms"), 1e-3),
        t if t.ends_with('s') => (t.trim_end_matches('s'), 1.0),
        t if t.ends_with('m') => (t.trim_end_matches('m'), 60.0),
        t => (t, 1.0),
    };
    let seconds = number.parse::<f64>().map_err(|_| wrong())? * unit_s;
    // A run of more than a week is none.
    if !(0.0..=604_800.0).contains(&seconds) {
        return Err(wrong());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// What happens, for people.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Load(burden) if burden.factor > 1.0 => {
                write!(f, "each painting takes {:.1} times as long", burden.factor)?;
            }
            What::Load(burden) => write!(f, "each painting takes {:.0} ms longer", burden.extra.as_secs_f64() * 1e3)?,
            What::Stall => f.write_str("the source stalls")?,
            What::Thermal(thermal) => write!(f, "the sensors say '{}'", thermal.name())?,
            What::Saver => f.write_str("the system saves its battery")?,
            What::GpuLoss => return f.write_str("the GPU is lost"),
            What::Panic => return f.write_str("the program breaks down"),
        }
        match self.until {
            Duration::MAX => Ok(()),
            until => write!(f, " for {:.1} s", (until - self.from).as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn a_whole_script() {
        let script: Script =
            "load=20ms@5s..10s, load=3x@8s..9s,stall@12s..14s,thermal=serious@15..20,saver@18s..,gpu-loss@25s"
                .parse()
                .unwrap();
        assert_eq!(script.events().len(), 6);
        assert_eq!(script.at(MS(4999)), Injected::default());
        assert_eq!(script.at(MS(5000)).burden, Burden { extra: MS(20), factor: 1.0 });
        assert_eq!(script.at(MS(8500)).burden, Burden { extra: MS(20), factor: 3.0 });
        assert_eq!(script.at(MS(10_000)), Injected::default());
        assert!(script.at(MS(13_000)).stalled);
        let late = script.at(MS(19_000));
        assert_eq!((late.thermal, late.saver), (Some(Thermal::Serious), Some(true)));
        assert_eq!(script.at(MS(3_600_000)).saver, Some(true));
        assert_eq!(script.events()[0].to_string(), "each painting takes 20 ms longer for 5.0 s");
        assert_eq!(script.events()[5].to_string(), "the GPU is lost");
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, part) in [
            ("", "does not say when"),
            ("stall", "does not say when"),
            ("lod=20ms@5s", "choose load, stall, thermal, saver, gpu-loss or panic"),
            ("load@5s", "load=20ms@5s..10s"),
            ("load=fast@5s", "'fast' is no time"),
            ("load=0.5x@5s", "from 1x to 100x"),
            ("load=1m@5s", "at most 10 s"),
            ("thermal@5s", "serious"),
            ("thermal=hot@5s", "choose nominal, fair, serious or critical"),
            ("stall=3@5s", "leave out =3"),
            ("stall@5s..3s", "ends before it begins"),
            ("stall@5s..5s", "ends before it begins"),
            ("stall@-5s", "is no time"),
            ("stall@NaNs", "is no time"),
            ("gpu-loss@1s..2s", "gpu-loss@25s"),
            ("panic@1s..2s", "panic@25s"),
            ("panic=now@1s", "leave out =now"),
            ("stall@1s..2s,", "does not say when"),
        ] {
            let error = text.parse::<Script>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(load|stall|thermal|gpu-loss|panic|[a-z]{0,4})?=?[0-9a-z.]{0,6}@?[0-9.]{0,5}(s|ms|x)?(\\.\\.)?[0-9]{0,9}s?") {
            if let Ok(script) = text.parse::<Script>() {
                for event in script.events() {
                    prop_assert!(event.until >= event.from);
                    prop_assert!(!event.to_string().is_empty());
                    let _ = script.at(event.from);
                }
            }
        }
    }
}
