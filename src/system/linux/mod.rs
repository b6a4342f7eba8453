//! Linux: sysfs and procfs under a root folder, so that tests lay out machines as trees of files.
//!
//! Which files exist is found out when reading begins and looked at again once a minute (a dock, an external GPU); in
//! between only the chosen ones are read. A file that is gone, unreadable or garbage is a sensor that says nothing.
//!
//! | figure | from |
//! |---|---|
//! | temperature | `class/hwmon` of GPU and CPU drivers, else `class/thermal` zones of the same parts (`heat`) |
//! | thermal state | that temperature against its own critical limit, and whether clocks are held down (`heat`) |
//! | throttled | throttle counters, active cooling devices, firmware and policy limits of the clock (`heat`) |
//! | power, watts, saver | `class/power_supply`, `hwmon` of the GPU, `platform_profile`, energy preference (`power`) |
//! | loads, memory | `/proc/stat`, `/proc/self`, `gpu_busy_percent`, idle residencies of Intel GPUs (`load`) |

mod heat;
mod load;
mod power;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Probe, Reading};
use heat::Heat;
use load::Load;
use power::Supply;

/// See the module's text.
#[derive(Debug)]
pub struct Linux {
    root: PathBuf,
    found: Option<(Found, Instant)>,
}

#[derive(Debug)]
struct Found {
    heat: Heat,
    supply: Supply,
    load: Load,
}

impl Linux {
    /// How often to look for sensors that came or went.
    const LOOK_EVERY: Duration = Duration::from_secs(60);

    /// `root` is `/` on a real machine.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), found: None }
    }

    /// Reads everything there is. Rates are those since the call before.
    pub fn read(&mut self, now: Instant) -> Reading {
        match &mut self.found {
            None => {
                let found = Found {
                    heat: Heat::find(&self.root),
                    supply: Supply::find(&self.root),
                    load: Load::find(&self.root),
                };
                self.found = Some((found, now));
            }
            Some((found, since)) if now.saturating_duration_since(*since) >= Self::LOOK_EVERY => {
                *since = now;
                // What was counted so far goes on where the same files are still there.
                found.heat.find_again(&self.root);
                found.supply = Supply::find(&self.root);
                found.load.find_again(&self.root);
            }
            Some(_) => {}
        }
        let mut reading = Reading::default();
        if let Some((found, _)) = &mut self.found {
            found.heat.read(&mut reading);
            found.supply.read(&mut reading);
            found.load.read(now, &mut reading);
        }
        reading
    }
}

impl Probe for Linux {
    fn read(&mut self, now: Instant) -> Reading {
        Linux::read(self, now)
    }
}

/// The text of a small file without the line end; `None` when it cannot be read or is no text.
fn text(path: &Path) -> Option<String> {
    use std::io::Read as _;
    let mut text = String::new();
    // What is larger than this is no attribute of sysfs.
    std::fs::File::open(path).ok()?.take(64 * 1024).read_to_string(&mut text).ok()?;
    text.truncate(text.trim_end().len());
    Some(text)
}

/// A whole number in a file of its own.
fn number(path: &Path) -> Option<i64> {
    text(path)?.trim().parse().ok()
}

/// The entries of a folder whose names begin with `prefix`, sorted by name so that the choice is the same each time.
fn entries(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(listing) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = listing
        .filter_map(Result::ok)
        .filter(|e| e.file_name().to_str().is_some_and(|n| n.starts_with(prefix)))
        .map(|e| e.path())
        .collect();
    found.sort();
    found
}

/// The folders `cpu0`, `cpu1`, … and not `cpufreq` or `cpuidle`.
fn cpus(root: &Path) -> Vec<PathBuf> {
    let numbered = |p: &PathBuf| {
        let number = p.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix("cpu"));
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    entries(&root.join("sys/devices/system/cpu"), "cpu").into_iter().filter(numbered).collect()
}

#[cfg(test)]
mod tests;
