//! Mains or battery, how much is drawn, and whether the user asked the system to save.

use std::path::{Path, PathBuf};

use super::{entries, number, text};
use crate::system::{Power, Reading};

/// See the module's text.
#[derive(Debug)]
pub struct Supply {
    /// Batteries of the machine itself: a mouse's has `scope` `Device`.
    batteries: Vec<PathBuf>,
    /// Mains adapters and chargers.
    adapters: Vec<PathBuf>,
    /// Power inputs of GPU drivers, microwatts.
    gpus: Vec<PathBuf>,
    profile: PathBuf,
    preference: PathBuf,
}

impl Supply {
    pub fn find(root: &Path) -> Self {
        let supplies = entries(&root.join("sys/class/power_supply"), "");
        let of_kind = |kinds: &[&str]| -> Vec<PathBuf> {
            supplies
                .iter()
                .filter(|s| text(&s.join("type")).is_some_and(|t| kinds.contains(&t.as_str())))
                .filter(|s| text(&s.join("scope")).as_deref() != Some("Device"))
                .cloned()
                .collect()
        };
        Self {
            batteries: of_kind(&["Battery"]),
            adapters: of_kind(&["Mains", "USB"]),
            gpus: entries(&root.join("sys/class/hwmon"), "hwmon")
                .into_iter()
                .filter(|chip| {
                    text(&chip.join("name")).is_some_and(|n| matches!(n.as_str(), "amdgpu" | "nouveau" | "i915" | "xe"))
                })
                .filter_map(|chip| ["power1_average", "power1_input"].iter().map(|n| chip.join(n)).find(|p| p.exists()))
                .collect(),
            profile: root.join("sys/firmware/acpi/platform_profile"),
            preference: root.join("sys/devices/system/cpu/cpufreq/policy0/energy_performance_preference"),
        }
    }

    pub fn read(&self, reading: &mut Reading) {
        reading.power = self.power();
        let discharging = matches!(reading.power, Some(Power::Battery { .. }));
        let drawn = discharging.then(|| self.batteries.iter().filter_map(|b| drawn_watts(b)).sum::<f32>());
        if let Some(watts) = drawn.filter(|w| *w > 0.0) {
            (reading.watts, reading.watts_of) = (Some(watts), Some("whole machine"));
        } else {
            let gpu = self.gpus.iter().filter_map(|p| number(p)).map(|uw| uw as f32 / 1e6).max_by(f32::total_cmp);
            (reading.watts, reading.watts_of) = (gpu, gpu.map(|_| "GPU"));
        }
        reading.saver = self.saver();
    }

    /// A machine without batteries or adapters says nothing about what it runs on.
    fn power(&self) -> Option<Power> {
        let online: Vec<bool> =
            self.adapters.iter().filter_map(|a| number(&a.join("online"))).map(|on| on != 0).collect();
        let states: Vec<String> = self.batteries.iter().filter_map(|b| text(&b.join("status"))).collect();
        // `Discharging` with an adapter plugged in is an adapter too weak for the load: it runs on the battery.
        if states.iter().any(|s| s == "Discharging") {
            return Some(Power::Battery { percent: self.percent() });
        }
        if online.contains(&true) || states.iter().any(|s| matches!(s.as_str(), "Charging" | "Full" | "Not charging")) {
            return Some(Power::Mains);
        }
        let unplugged = !online.is_empty() && !self.batteries.is_empty();
        unplugged.then(|| Power::Battery { percent: self.percent() })
    }

    /// Charge over all batteries, weighted by what they hold where they say so.
    fn percent(&self) -> Option<f32> {
        let charges: Vec<(f32, f32)> = self
            .batteries
            .iter()
            .filter_map(|b| {
                let percent = number(&b.join("capacity")).filter(|p| (0..=100).contains(p))? as f32;
                let holds = ["energy_full", "charge_full"].iter().find_map(|n| number(&b.join(n)));
                Some((percent, holds.filter(|h| *h > 0).unwrap_or(1) as f32))
            })
            .collect();
        let whole: f32 = charges.iter().map(|(_, weight)| weight).sum();
        (whole > 0.0).then(|| charges.iter().map(|(percent, weight)| percent * weight).sum::<f32>() / whole)
    }

    /// Power saving as the desktops set it: `platform_profile` is `low-power` or `quiet`, or the processors' energy
    /// preference is `power`. Both are what power-profiles-daemon and TLP write.
    fn saver(&self) -> Option<bool> {
        let profile = text(&self.profile).filter(|p| !p.is_empty());
        let preference = text(&self.preference).filter(|p| !p.is_empty());
        if profile.is_none() && preference.is_none() {
            return None;
        }
        let by_profile = profile.is_some_and(|p| matches!(p.as_str(), "low-power" | "quiet"));
        Some(by_profile || preference.as_deref() == Some("power"))
    }
}

/// What a battery gives: `power_now`, else current times voltage. Some drivers count discharge as negative.
fn drawn_watts(battery: &Path) -> Option<f32> {
    let micro = |name: &str| number(&battery.join(name)).map(|n| n.unsigned_abs() as f32 / 1e6);
    micro("power_now").or_else(|| Some(micro("current_now")? * micro("voltage_now")?)).filter(|w| *w < 1000.0)
}
