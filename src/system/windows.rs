//! Windows: power mode, processor times and memory, from the Win32 functions. Temperatures need a driver and stay dashes.
#![allow(unsafe_code, reason = "calls of the system's C functions")]

use std::time::Instant;

use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::Power::{GetSystemPowerStatus, SYSTEM_POWER_STATUS};
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessTimes, GetSystemTimes};

use super::{Power, Probe, Reading};

/// 100 ns ticks, summed over all processors.
#[derive(Clone, Copy)]
struct Ticks {
    all: u64,
    idle: u64,
    own: u64,
}

#[derive(Default)]
pub struct Windows {
    ticks: Option<Ticks>,
}

impl Probe for Windows {
    fn read(&mut self, _now: Instant) -> Reading {
        let (power, saver) = power();
        let mut reading = Reading { power, saver, memory_bytes: memory_bytes(), ..Reading::default() };
        let ticks = ticks();
        if let (Some(before), Some(now)) = (self.ticks, ticks) {
            let all = now.all.saturating_sub(before.all);
            let share = |part: u64| (all > 0).then(|| (part as f32 / all as f32).clamp(0.0, 1.0));
            reading.cpu_load = share(all.saturating_sub(now.idle.saturating_sub(before.idle)));
            reading.process_load = share(now.own.saturating_sub(before.own));
        }
        self.ticks = ticks;
        reading
    }
}

/// Mains or battery, and whether the battery saver is on.
fn power() -> (Option<Power>, Option<bool>) {
    let mut status = SYSTEM_POWER_STATUS::default();
    // SAFETY: the structure is ours, of the size that the function writes, and lives through the call.
    if unsafe { GetSystemPowerStatus(&mut status) } == 0 {
        return (None, None);
    }
    let percent = (status.BatteryLifePercent <= 100).then(|| f32::from(status.BatteryLifePercent));
    let power = match status.ACLineStatus {
        0 => Some(Power::Battery { percent }),
        1 => Some(Power::Mains),
        // 255: the system does not know.
        _ => None,
    };
    (power, Some(status.SystemStatusFlag == 1))
}

fn ticks() -> Option<Ticks> {
    let zero = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    let (mut idle, mut kernel, mut user) = (zero, zero, zero);
    // SAFETY: three structures of ours that live through the call.
    if unsafe { GetSystemTimes(&mut idle, &mut kernel, &mut user) } == 0 {
        return None;
    }
    let (mut began, mut ended, mut own_kernel, mut own_user) = (zero, zero, zero, zero);
    // SAFETY: the pseudo handle of this process needs no closing; four structures of ours that live through the call.
    let ok = unsafe { GetProcessTimes(GetCurrentProcess(), &mut began, &mut ended, &mut own_kernel, &mut own_user) };
    if ok == 0 {
        return None;
    }
    let ticks = |t: FILETIME| u64::from(t.dwHighDateTime) << 32 | u64::from(t.dwLowDateTime);
    // Kernel time holds the idle time.
    Some(Ticks { all: ticks(kernel) + ticks(user), idle: ticks(idle), own: ticks(own_kernel) + ticks(own_user) })
}

fn memory_bytes() -> Option<u64> {
    let size = u32::try_from(size_of::<PROCESS_MEMORY_COUNTERS>()).ok()?;
    let mut counters = PROCESS_MEMORY_COUNTERS { cb: size, ..Default::default() };
    // SAFETY: the pseudo handle of this process needs no closing; the structure is ours and as large as `cb` says.
    if unsafe { K32GetProcessMemoryInfo(GetCurrentProcess(), &mut counters, size) } == 0 {
        return None;
    }
    u64::try_from(counters.WorkingSetSize).ok()
}
