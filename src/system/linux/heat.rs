//! Temperature, how close it is to the limit, and whether something holds the clocks down.

use std::path::{Path, PathBuf};

use super::{cpus, entries, number, text};
use crate::system::{Reading, Thermal};

/// The drivers under `class/hwmon` whose temperature is a processor's, with the label of the right input where a driver
/// has several (none: the first), and whose it is.
const CHIPS: [(&str, &[&str], &str); 10] = [
    ("amdgpu", &["edge"], "GPU"),
    ("nouveau", &[], "GPU"),
    ("i915", &[], "GPU"),
    ("xe", &["pkg"], "GPU"),
    ("coretemp", &["Package id 0", "Physical id 0"], "CPU"),
    // Tdie is the silicon; Tctl can have an offset added to steer fans.
    ("k10temp", &["Tdie", "Tctl"], "CPU"),
    ("zenpower", &["Tdie", "Tctl"], "CPU"),
    ("cpu_thermal", &[], "CPU"),
    ("soc_thermal", &[], "CPU"),
    ("macsmc_hwmon", &[], "CPU"),
];

/// The types of `class/thermal` zones that stand in where no such chip is.
const ZONES: [(&str, &str); 7] = [
    ("x86_pkg_temp", "CPU"),
    ("TCPU", "CPU"),
    ("cpu-thermal", "CPU"),
    ("cpu_thermal", "CPU"),
    ("soc-thermal", "CPU"),
    ("gpu-thermal", "GPU"),
    ("acpitz", "mainboard"),
];

/// What is neither freezing nor melting: outside it, a sensor is broken or absent.
const CREDIBLE_C: std::ops::RangeInclusive<f32> = -40.0..=150.0;
/// Closer than this to the limit is [`Thermal::Fair`].
const FAIR_BELOW_LIMIT_C: f32 = 10.0;
/// Closer than this is [`Thermal::Critical`].
const CRITICAL_BELOW_LIMIT_C: f32 = 2.0;
/// A clock limit counts when it takes away more than this share: rounding to the hardware's steps does not.
const HELD_BELOW: f64 = 0.9;

#[derive(Debug)]
struct Thermometer {
    input: PathBuf,
    /// The temperature at which the part protects itself, as its driver says.
    limit_c: Option<f32>,
    of: &'static str,
}

/// See the module's text.
#[derive(Debug)]
pub struct Heat {
    thermometers: Vec<Thermometer>,
    /// Counters that grow whenever the hardware throttles.
    counters: Vec<PathBuf>,
    /// The counters' sum at the reading before.
    counted: Option<i64>,
    /// Cooling devices that cool by making processors slower.
    coolers: Vec<PathBuf>,
    /// `cpufreq` folders, one per group of processors that share a clock.
    clocks: Vec<PathBuf>,
}

impl Heat {
    pub fn find(root: &Path) -> Self {
        let mut thermometers = chips(&root.join("sys/class/hwmon"));
        if thermometers.is_empty() {
            thermometers = zones(&root.join("sys/class/thermal"));
        }
        let cpus = cpus(root);
        let counter = |cpu: &PathBuf, name: &str| Some(cpu.join("thermal_throttle").join(name)).filter(|p| p.exists());
        Self {
            thermometers,
            // The package's counter is the same in each processor of it; a core's is its own. One processor's package
            // counter and every core's cover it all on the machines that people have on their desks.
            counters: cpus
                .iter()
                .filter_map(|cpu| counter(cpu, "core_throttle_count"))
                .chain(cpus.iter().take(1).filter_map(|cpu| counter(cpu, "package_throttle_count")))
                .collect(),
            counted: None,
            coolers: entries(&root.join("sys/class/thermal"), "cooling_device")
                .into_iter()
                .filter(|device| text(&device.join("type")).is_some_and(|t| slows_processors(&t)))
                .collect(),
            clocks: entries(&root.join("sys/devices/system/cpu/cpufreq"), "policy"),
        }
    }

    pub fn find_again(&mut self, root: &Path) {
        let found = Self::find(root);
        let counted = self.counted.filter(|_| found.counters == self.counters);
        *self = Self { counted, ..found };
    }

    pub fn read(&mut self, reading: &mut Reading) {
        let hottest = self
            .thermometers
            .iter()
            .filter_map(|t| celsius(&t.input).map(|c| (c, t)))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        reading.temperature_c = hottest.map(|(c, _)| c);
        reading.temperature_of = hottest.map(|(_, t)| t.of);
        // How close to a limit each of them is: the one closest counts, whichever is hotter.
        let below_limit =
            self.thermometers.iter().filter_map(|t| Some(t.limit_c? - celsius(&t.input)?)).min_by(f32::total_cmp);

        let by_heat = self.by_heat();
        let by_limit = self.by_limit();
        reading.throttled = match (by_heat, by_limit) {
            (None, None) => None,
            (heat, limit) => Some(heat == Some(true) || limit == Some(true)),
        };
        reading.thermal = match (below_limit, by_heat) {
            (Some(below), _) if below <= CRITICAL_BELOW_LIMIT_C => Some(Thermal::Critical),
            (_, Some(true)) => Some(Thermal::Serious),
            (Some(below), _) if below <= FAIR_BELOW_LIMIT_C => Some(Thermal::Fair),
            (Some(_), _) | (None, Some(false)) => Some(Thermal::Nominal),
            (None, None) => None,
        };
    }

    /// Whether the hardware or the kernel slowed a processor down because of heat since the reading before.
    fn by_heat(&mut self) -> Option<bool> {
        let counts: Vec<i64> = self.counters.iter().filter_map(|p| number(p)).collect();
        let counted = (!counts.is_empty()).then(|| counts.iter().sum::<i64>());
        let grew = match (self.counted, counted) {
            (Some(before), Some(now)) => Some(now > before),
            // The first look says nothing about now: the counters run since the machine started.
            (None, Some(_)) => Some(false),
            (_, None) => None,
        };
        self.counted = counted;
        // Idle is 0, and -1 in `intel_powerclamp`.
        let states: Vec<bool> =
            self.coolers.iter().filter_map(|p| number(&p.join("cur_state"))).map(|state| state > 0).collect();
        let cooling = (!states.is_empty()).then(|| states.contains(&true));
        match (grew, cooling) {
            (None, None) => None,
            (a, b) => Some(a == Some(true) || b == Some(true)),
        }
    }

    /// Whether the firmware (`bios_limit`) or a policy (`scaling_max_freq`) keeps any clock well below what the hardware can
    /// (`cpuinfo_max_freq`).
    fn by_limit(&self) -> Option<bool> {
        let mut any = None;
        for clock in &self.clocks {
            let Some(full) = number(&clock.join("cpuinfo_max_freq")).filter(|f| *f > 0) else { continue };
            for limit in ["bios_limit", "scaling_max_freq"] {
                if let Some(limit) = number(&clock.join(limit)).filter(|f| *f > 0) {
                    let held = (limit as f64) < full as f64 * HELD_BELOW;
                    any = Some(any == Some(true) || held);
                }
            }
        }
        any
    }
}

/// Cooling devices that make processors slower, as opposed to fans, radios and displays.
fn slows_processors(kind: &str) -> bool {
    let kind = kind.to_lowercase();
    kind == "processor" || ["cpufreq", "devfreq", "powerclamp", "tcc offset"].iter().any(|part| kind.contains(part))
}

fn chips(folder: &Path) -> Vec<Thermometer> {
    let mut found = Vec::new();
    for chip in entries(folder, "hwmon") {
        let Some(name) = text(&chip.join("name")) else { continue };
        let Some((_, labels, of)) = CHIPS.iter().find(|(n, ..)| *n == name) else { continue };
        let inputs: Vec<PathBuf> = entries(&chip, "temp")
            .into_iter()
            .filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with("_input")))
            .collect();
        let beside = |input: &Path, what: &str| {
            let name = input.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            input.with_file_name(name.replace("_input", what))
        };
        let labelled = labels
            .iter()
            .find_map(|label| inputs.iter().find(|i| text(&beside(i, "_label")).as_deref() == Some(*label)))
            .or(inputs.first());
        if let Some(input) = labelled {
            let limit_c = ["_crit", "_emergency"].iter().find_map(|what| celsius(&beside(input, what)));
            found.push(Thermometer { input: input.clone(), limit_c: limit_c.filter(|c| *c > 40.0), of });
        }
    }
    found
}

/// The zones of the first kind in [`ZONES`] that this machine has.
fn zones(folder: &Path) -> Vec<Thermometer> {
    let zones: Vec<(PathBuf, String)> =
        entries(folder, "thermal_zone").into_iter().filter_map(|z| text(&z.join("type")).map(|t| (z, t))).collect();
    for (kind, of) in ZONES {
        let found: Vec<Thermometer> = zones
            .iter()
            .filter(|(_, t)| t == kind)
            .map(|(zone, _)| Thermometer { input: zone.join("temp"), limit_c: critical_trip(zone), of })
            .collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

fn critical_trip(zone: &Path) -> Option<f32> {
    entries(zone, "trip_point_")
        .into_iter()
        .filter(|p| p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.ends_with("_type")))
        .filter(|p| text(p).as_deref() == Some("critical"))
        .filter_map(|p| {
            let name = p.file_name()?.to_str()?.replace("_type", "_temp");
            celsius(&p.with_file_name(name)).filter(|c| *c > 40.0)
        })
        .min_by(f32::total_cmp)
}

/// A file with thousandths of a degree.
fn celsius(path: &Path) -> Option<f32> {
    number(path).map(|n| n as f32 / 1000.0).filter(|c| CREDIBLE_C.contains(c))
}
