//! macOS: what `NSProcessInfo` says. Temperatures and loads need private or privileged interfaces and stay dashes.

use std::time::Instant;

use objc2_foundation::{NSProcessInfo, NSProcessInfoThermalState};

use super::{Probe, Reading, Thermal};

pub struct MacOs;

impl Probe for MacOs {
    fn read(&mut self, _now: Instant) -> Reading {
        let process = NSProcessInfo::processInfo();
        let thermal = match process.thermalState() {
            NSProcessInfoThermalState::Nominal => Some(Thermal::Nominal),
            NSProcessInfoThermalState::Fair => Some(Thermal::Fair),
            NSProcessInfoThermalState::Serious => Some(Thermal::Serious),
            NSProcessInfoThermalState::Critical => Some(Thermal::Critical),
            _ => None,
        };
        Reading {
            thermal,
            // Apple's words: in `Serious` and above the system reduces performance.
            throttled: thermal.map(|t| t >= Thermal::Serious),
            saver: Some(process.isLowPowerModeEnabled()),
            ..Reading::default()
        }
    }
}
