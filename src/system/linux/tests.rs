//! Machines as trees of files.

use std::collections::BTreeMap;

use super::*;
use crate::system::{Power, Thermal};

/// Lays out `path -> text` under a new folder.
fn machine(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), files);
    folder
}

fn write(root: &Path, files: &[(&str, &str)]) {
    // Later ones win, as when a state changes.
    for (path, text) in files.iter().copied().collect::<BTreeMap<_, _>>() {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{text}\n")).unwrap();
    }
}

const LAPTOP: &[(&str, &str)] = &[
    ("sys/class/hwmon/hwmon0/name", "BAT0"),
    ("sys/class/hwmon/hwmon1/name", "nvme"),
    ("sys/class/hwmon/hwmon1/temp1_input", "99000"),
    ("sys/class/hwmon/hwmon2/name", "coretemp"),
    ("sys/class/hwmon/hwmon2/temp1_input", "71000"),
    ("sys/class/hwmon/hwmon2/temp1_label", "Package id 0"),
    ("sys/class/hwmon/hwmon2/temp1_crit", "100000"),
    ("sys/class/hwmon/hwmon2/temp2_input", "73000"),
    ("sys/class/hwmon/hwmon2/temp2_label", "Core 0"),
    ("sys/class/power_supply/AC/type", "Mains"),
    ("sys/class/power_supply/AC/online", "0"),
    ("sys/class/power_supply/BAT0/type", "Battery"),
    ("sys/class/power_supply/BAT0/status", "Discharging"),
    ("sys/class/power_supply/BAT0/capacity", "64"),
    ("sys/class/power_supply/BAT0/power_now", "18500000"),
    ("sys/class/power_supply/hidpp_battery_0/type", "Battery"),
    ("sys/class/power_supply/hidpp_battery_0/scope", "Device"),
    ("sys/class/power_supply/hidpp_battery_0/status", "Discharging"),
    ("sys/class/power_supply/hidpp_battery_0/capacity", "5"),
    ("sys/firmware/acpi/platform_profile", "low-power"),
    ("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "3"),
    ("sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", "40"),
    ("sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "2"),
    ("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "4700000"),
    ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "4700000"),
    ("sys/class/thermal/cooling_device0/type", "Processor"),
    ("sys/class/thermal/cooling_device0/cur_state", "0"),
    ("sys/class/thermal/cooling_device1/type", "Fan"),
    ("sys/class/thermal/cooling_device1/cur_state", "4"),
    ("sys/class/drm/card0/gt/gt0/rc6_residency_ms", "50000"),
    ("sys/class/drm/card0-eDP-1/status", "connected"),
    ("proc/stat", "cpu  100 0 0 900 0 0 0 0 0 0"),
    ("proc/self/stat", "7 (impasto) R 1 7 7 0 -1 0 0 0 0 0 10 10 0 0 20 0 9 0 1 1 1"),
    ("proc/self/status", "Name:\timpasto\nVmRSS:\t  204800 kB"),
];

#[test]
fn a_laptop_on_its_battery() {
    let folder = machine(LAPTOP);
    let root = folder.path();
    let mut linux = Linux::new(root);
    let t0 = Instant::now();
    let first = linux.read(t0);
    assert_eq!((first.temperature_c, first.temperature_of), (Some(71.0), Some("CPU")));
    assert_eq!(first.thermal, Some(Thermal::Nominal));
    assert_eq!(first.throttled, Some(false));
    assert_eq!(first.power, Some(Power::Battery { percent: Some(64.0) }));
    assert_eq!((first.watts, first.watts_of), (Some(18.5), Some("whole machine")));
    assert_eq!(first.saver, Some(true));
    assert_eq!(first.memory_bytes, Some(200 << 20));
    assert_eq!((first.cpu_load, first.process_load, first.gpu_load), (None, None, None), "rates need two readings");

    // A second later: plugged in, 60 % of the processors busy, a third of that by us, the GPU asleep for 250 ms.
    write(
        root,
        &[
            ("sys/class/power_supply/AC/online", "1"),
            ("sys/class/power_supply/BAT0/status", "Charging"),
            ("sys/firmware/acpi/platform_profile", "balanced"),
            ("sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count", "9"),
            ("sys/class/drm/card0/gt/gt0/rc6_residency_ms", "50250"),
            ("proc/stat", "cpu  160 0 0 940 0 0 0 0 0 0"),
            ("proc/self/stat", "7 (impasto) R 1 7 7 0 -1 0 0 0 0 0 25 15 0 0 20 0 9 0 1 1 1"),
        ],
    );
    let second = linux.read(t0 + Duration::from_secs(1));
    assert_eq!(second.power, Some(Power::Mains));
    assert_eq!(second.watts, None, "the battery no longer says what the machine draws");
    assert_eq!(second.saver, Some(false));
    assert_eq!((second.throttled, second.thermal), (Some(true), Some(Thermal::Serious)));
    assert_eq!((second.cpu_load, second.process_load), (Some(0.6), Some(0.2)));
    assert_eq!(second.gpu_load, Some(0.75));

    // It stops throttling as soon as the counters stand still.
    let third = linux.read(t0 + Duration::from_secs(2));
    assert_eq!((third.throttled, third.thermal), (Some(false), Some(Thermal::Nominal)));
    // And the search for new sensors once a minute does not take old throttling for new.
    let later = linux.read(t0 + Duration::from_secs(90));
    assert_eq!(later.throttled, Some(false));
}

#[test]
fn a_desktop_with_an_amd_gpu() {
    let folder = machine(&[
        ("sys/class/hwmon/hwmon0/name", "k10temp"),
        ("sys/class/hwmon/hwmon0/temp1_input", "52125"),
        ("sys/class/hwmon/hwmon0/temp1_label", "Tctl"),
        ("sys/class/hwmon/hwmon4/name", "amdgpu"),
        ("sys/class/hwmon/hwmon4/temp1_input", "83000"),
        ("sys/class/hwmon/hwmon4/temp1_label", "edge"),
        ("sys/class/hwmon/hwmon4/temp1_crit", "92000"),
        ("sys/class/hwmon/hwmon4/temp2_input", "101000"),
        ("sys/class/hwmon/hwmon4/temp2_label", "junction"),
        ("sys/class/hwmon/hwmon4/power1_average", "187000000"),
        ("sys/class/drm/card1/device/gpu_busy_percent", "97"),
        ("sys/class/drm/card1-DP-1/device/gpu_busy_percent", "3"),
        ("sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq", "5000000"),
        ("sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq", "3000000"),
        ("sys/devices/system/cpu/cpufreq/policy0/energy_performance_preference", "balance_performance"),
    ]);
    let reading = Linux::new(folder.path()).read(Instant::now());
    assert_eq!((reading.temperature_c, reading.temperature_of), (Some(83.0), Some("GPU")));
    assert_eq!(reading.thermal, Some(Thermal::Fair), "9 degrees below its limit");
    assert_eq!(reading.throttled, Some(true), "a policy holds the clock at 3 of 5 GHz");
    assert_eq!((reading.watts, reading.watts_of), (Some(187.0), Some("GPU")));
    assert_eq!(reading.gpu_load, Some(0.97));
    assert_eq!(reading.saver, Some(false));
    assert_eq!(reading.power, None, "nothing says what it runs on");
}

#[test]
fn a_board_with_thermal_zones_alone() {
    let folder = machine(&[
        ("sys/class/thermal/thermal_zone0/type", "gpu-thermal"),
        ("sys/class/thermal/thermal_zone0/temp", "60000"),
        ("sys/class/thermal/thermal_zone1/type", "cpu-thermal"),
        ("sys/class/thermal/thermal_zone1/temp", "104500"),
        ("sys/class/thermal/thermal_zone1/trip_point_0_type", "passive"),
        ("sys/class/thermal/thermal_zone1/trip_point_0_temp", "80000"),
        ("sys/class/thermal/thermal_zone1/trip_point_1_type", "critical"),
        ("sys/class/thermal/thermal_zone1/trip_point_1_temp", "105000"),
        ("sys/class/thermal/cooling_device0/type", "thermal-cpufreq-0"),
        ("sys/class/thermal/cooling_device0/cur_state", "7"),
    ]);
    let reading = Linux::new(folder.path()).read(Instant::now());
    assert_eq!((reading.temperature_c, reading.temperature_of), (Some(104.5), Some("CPU")));
    assert_eq!((reading.throttled, reading.thermal), (Some(true), Some(Thermal::Critical)));
}

#[test]
fn a_container_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut linux = Linux::new(folder.path());
    let now = Instant::now();
    assert_eq!(linux.read(now), Reading::default());
    assert_eq!(linux.read(now + Duration::from_secs(61)), Reading::default());
}

#[test]
fn garbage_says_nothing() {
    for garbage in ["", "many", "-", "99999999999999999999999", "\u{0}\u{0}", "1e9"] {
        let files: Vec<(&str, &str)> = LAPTOP
            .iter()
            .map(|&(path, text)| {
                let structure = path.ends_with("/type") || path.ends_with("/name") || path.ends_with("_label");
                (path, if structure { text } else { garbage })
            })
            .collect();
        let folder = machine(&files);
        let mut linux = Linux::new(folder.path());
        let now = Instant::now();
        linux.read(now);
        let reading = linux.read(now + Duration::from_secs(1));
        let expected = Reading { saver: reading.saver, ..Reading::default() };
        assert_eq!(reading, expected, "{garbage:?}");
        assert_ne!(reading.saver, Some(true), "{garbage:?}");
    }
    // Neither text nor numbers.
    let folder = machine(LAPTOP);
    for (path, _) in LAPTOP {
        std::fs::write(folder.path().join(path), [0xff, 0xfe, 0x00, 0x80]).unwrap();
    }
    assert_eq!(Linux::new(folder.path()).read(Instant::now()), Reading::default());
}

#[test]
fn a_sensor_that_freezes_or_melts_is_broken() {
    for broken in ["-273000", "-1000000", "255000"] {
        let folder = machine(&[
            ("sys/class/hwmon/hwmon0/name", "coretemp"),
            ("sys/class/hwmon/hwmon0/temp1_input", broken),
            ("sys/class/hwmon/hwmon0/temp1_crit", "100000"),
        ]);
        let reading = Linux::new(folder.path()).read(Instant::now());
        assert_eq!((reading.temperature_c, reading.temperature_of, reading.thermal), (None, None, None), "{broken}");
    }
}

#[test]
fn two_batteries_count_by_what_they_hold() {
    let folder = machine(&[
        ("sys/class/power_supply/BAT0/type", "Battery"),
        ("sys/class/power_supply/BAT0/status", "Discharging"),
        ("sys/class/power_supply/BAT0/capacity", "100"),
        ("sys/class/power_supply/BAT0/energy_full", "20000000"),
        ("sys/class/power_supply/BAT0/current_now", "-1000000"),
        ("sys/class/power_supply/BAT0/voltage_now", "12000000"),
        ("sys/class/power_supply/BAT1/type", "Battery"),
        ("sys/class/power_supply/BAT1/status", "Unknown"),
        ("sys/class/power_supply/BAT1/capacity", "50"),
        ("sys/class/power_supply/BAT1/energy_full", "60000000"),
    ]);
    let reading = Linux::new(folder.path()).read(Instant::now());
    assert_eq!(reading.power, Some(Power::Battery { percent: Some(62.5) }));
    assert_eq!(reading.watts, Some(12.0));
}
