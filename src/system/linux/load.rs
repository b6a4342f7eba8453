//! How busy processors and GPUs are, and how much memory this process holds.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{entries, number, text};
use crate::system::Reading;

/// See the module's text.
#[derive(Debug)]
pub struct Load {
    stat: PathBuf,
    own_stat: PathBuf,
    own_status: PathBuf,
    gpus: Vec<Gpu>,
    ticks: Option<Ticks>,
}

/// Clock ticks since the machine or the process started.
#[derive(Clone, Copy, Debug)]
struct Ticks {
    all: u64,
    idle: u64,
    own: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
enum Meter {
    /// Percent busy, ready made (amdgpu).
    Busy(PathBuf),
    /// Milliseconds spent asleep since start (i915's RC6, xe's GT-C6): busy is the rest.
    Idle(PathBuf),
}

#[derive(Debug)]
struct Gpu {
    meter: Meter,
    asleep: Option<(i64, Instant)>,
}

impl Load {
    pub fn find(root: &Path) -> Self {
        Self {
            stat: root.join("proc/stat"),
            own_stat: root.join("proc/self/stat"),
            own_status: root.join("proc/self/status"),
            gpus: meters(root).into_iter().map(|meter| Gpu { meter, asleep: None }).collect(),
            ticks: None,
        }
    }

    pub fn find_again(&mut self, root: &Path) {
        let meters = meters(root);
        self.gpus.retain(|gpu| meters.contains(&gpu.meter));
        for meter in meters {
            if !self.gpus.iter().any(|gpu| gpu.meter == meter) {
                self.gpus.push(Gpu { meter, asleep: None });
            }
        }
    }

    pub fn read(&mut self, now: Instant, reading: &mut Reading) {
        let ticks = text(&self.stat).as_deref().and_then(machine_ticks).map(|(all, idle)| Ticks {
            all,
            idle,
            own: text(&self.own_stat).as_deref().and_then(process_ticks),
        });
        if let (Some(before), Some(now)) = (self.ticks, ticks) {
            let all = now.all.saturating_sub(before.all);
            let share = |part: u64| (all > 0).then(|| (part as f32 / all as f32).clamp(0.0, 1.0));
            reading.cpu_load = share(all.saturating_sub(now.idle.saturating_sub(before.idle)));
            reading.process_load = match (before.own, now.own) {
                (Some(before), Some(now)) => share(now.saturating_sub(before)),
                _ => None,
            };
        }
        self.ticks = ticks;
        reading.gpu_load = self.gpus.iter_mut().filter_map(|gpu| gpu.read(now)).max_by(f32::total_cmp);
        reading.memory_bytes = text(&self.own_status).as_deref().and_then(resident_bytes);
    }
}

impl Gpu {
    fn read(&mut self, now: Instant) -> Option<f32> {
        match &self.meter {
            Meter::Busy(path) => number(path).filter(|p| (0..=100).contains(p)).map(|p| p as f32 / 100.0),
            Meter::Idle(path) => {
                let asleep = number(path)?;
                let (before, since) = self.asleep.replace((asleep, now))?;
                let passed_ms = now.saturating_duration_since(since).as_secs_f64() * 1e3;
                let idle_ms = asleep.checked_sub(before).filter(|d| *d >= 0)? as f64;
                (passed_ms >= 1.0).then(|| (1.0 - idle_ms / passed_ms).clamp(0.0, 1.0) as f32)
            }
        }
    }
}

/// Each GPU's own way of telling how busy it is.
fn meters(root: &Path) -> Vec<Meter> {
    let cards = entries(&root.join("sys/class/drm"), "card");
    cards
        .iter()
        // Connectors are called card0-HDMI-A-1.
        .filter(|card| card.file_name().and_then(|n| n.to_str()).is_some_and(|n| !n.contains('-')))
        .filter_map(|card| {
            let busy = card.join("device/gpu_busy_percent");
            if busy.exists() {
                return Some(Meter::Busy(busy));
            }
            ["gt/gt0/rc6_residency_ms", "power/rc6_residency_ms", "device/tile0/gt0/gtidle/idle_residency_ms"]
                .iter()
                .map(|name| card.join(name))
                .find(|path| path.exists())
                .map(Meter::Idle)
        })
        .collect()
}

/// All and idle ticks from the first line of `/proc/stat`: `cpu user nice system idle iowait irq softirq steal guest guest_nice`.
fn machine_ticks(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    // Guests' time is in user and nice already.
    let ticks = line.split_whitespace().take(8).map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
    let idle = ticks.get(3)?.checked_add(ticks.get(4).copied().unwrap_or(0))?;
    let all = ticks.iter().try_fold(0u64, |sum, t| sum.checked_add(*t))?;
    Some((all, idle))
}

/// User and system ticks from `/proc/self/stat`; the name in parentheses may hold anything, even `) (`.
fn process_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    user.checked_add(fields.next()?.parse().ok()?)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_read_as_the_kernel_writes_them() {
        let stat = "cpu  100 5 50 800 40 0 5 0 30 0\ncpu0 1 2 3 4\n";
        assert_eq!(machine_ticks(stat), Some((1000, 840)));
        let own = "4242 (a) (b) R 1 4242 4242 0 -1 4194560 1 0 0 0 17 4 0 0 20 0 1 0 100 1 1";
        assert_eq!(process_ticks(own), Some(21));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
    }

    proptest! {
        #[test]
        fn garbage_is_nothing(garbage in "\\PC{0,200}") {
            // Whatever comes out, nothing panics, and no number is made of letters.
            let _ = (machine_ticks(&garbage), process_ticks(&garbage), resident_bytes(&garbage));
            let wordy = format!("cpu {}", garbage.replace(|c: char| c.is_ascii_digit(), "x"));
            prop_assert_eq!(machine_ticks(&wordy), None);
        }
    }
}
