//! Frames never leave the machine, and nothing else does: the window and the commands run in a network of their own, without
//! any interface, where the kernel counts every attempt to reach somebody. Skipped with a line where the system makes no such
//! network for this user.
#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Output};

/// What the kernel counts when somebody is to be reached, found or not: `/proc/net/snmp` and `/proc/net/snmp6`.
const COUNTS: [&str; 7] = [
    "Ip:OutRequests",
    "Ip:OutNoRoutes",
    "Tcp:ActiveOpens",
    "Tcp:PassiveOpens",
    "Udp:OutDatagrams",
    "Ip6OutRequests",
    "Ip6OutNoRoutes",
];

fn apart(script: &str, folder: &Path) -> Output {
    let counts = folder.join("counts");
    Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c"])
        .arg(format!("{script}\nstatus=$?; cat /proc/net/snmp /proc/net/snmp6 >'{}'; exit $status", counts.display()))
        .env("IMPASTO", env!("CARGO_BIN_EXE_impasto"))
        .env("FOLDER", folder)
        .env("IMPASTO_CONFIG", folder.join("config"))
        .env("IMPASTO_CACHE", env!("CARGO_TARGET_TMPDIR"))
        .env_remove("WAYLAND_DISPLAY")
        .output()
        .unwrap()
}

/// How often somebody was to be reached while `script` ran, which must succeed.
fn attempts(script: &str) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let output = apart(script, folder.path());
    assert!(output.status.success(), "{script}: {output:?}");
    let text = std::fs::read_to_string(folder.path().join("counts")).unwrap();
    let found: Vec<u64> = COUNTS.iter().filter_map(|name| count(&text, name)).collect();
    assert!(found.len() >= 5, "{text}");
    found.iter().sum()
}

/// `snmp` has a line of names and one of numbers for each protocol, `snmp6` a name and a number on each line.
fn count(text: &str, name: &str) -> Option<u64> {
    let Some((protocol, field)) = name.split_once(':') else {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
        return line.split_whitespace().nth(1)?.parse().ok();
    };
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(protocol)?.strip_prefix(':'));
    let place = lines.next()?.split_whitespace().position(|word| word == field)?;
    lines.next()?.split_whitespace().nth(place)?.parse().ok()
}

/// False, and a line that says so, where nobody can be cut off.
fn can_be_cut_off() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let there = Command::new("unshare").arg("--version").output().is_ok();
    let can = there && apart("true", folder.path()).status.success();
    if !can {
        println!("skipped: this system makes no network of its own for this user");
    }
    can
}

#[test]
fn whoever_reaches_out_is_counted() {
    if can_be_cut_off() {
        assert_eq!(attempts("bash -c 'exec 3<>/dev/udp/192.0.2.1/53' 2>/dev/null || true"), 1);
        assert_eq!(attempts("bash -c 'exec 3<>/dev/tcp/192.0.2.1/80' 2>/dev/null || true"), 1);
        assert_eq!(attempts("true"), 0);
    }
}

#[test]
fn no_command_reaches_out() {
    if !can_be_cut_off() {
        return;
    }
    let picture = image::RgbImage::from_fn(64, 48, |x, y| image::Rgb([x as u8 * 3, y as u8 * 5, 90]));
    let folder = tempfile::tempdir().unwrap();
    let photo = folder.path().join("photo.png");
    picture.save(&photo).unwrap();
    let photo = photo.display();
    for command in [
        "effects",
        "plan starry-night --variant m",
        "cameras",
        "doctor",
        "telemetry",
        "bench --frames 3 --warm-up 1 --size 64x48 --picture 64x48",
        &format!("render --size 64x48 {photo} $FOLDER/painted.png"),
        &format!("sheet --effects starry-night --picture 64x48 --out $FOLDER/sheet.jpg {photo}"),
    ] {
        assert_eq!(attempts(&format!("$IMPASTO {command}")), 0, "{command}");
    }
    // ONNX Runtime brings telemetry of its own.
    if std::env::var_os("IMPASTO_ORT_LIB").is_some() {
        let command = format!("$IMPASTO render --engine ort --size 64x48 {photo} $FOLDER/painted.png");
        assert_eq!(attempts(&command), 0, "{command}");
    }
}

#[test]
fn the_window_reaches_nobody() {
    if !can_be_cut_off() {
        return;
    }
    if Command::new("Xvfb").arg("-version").output().is_err() {
        assert!(std::env::var_os("REQUIRE_GPU").is_none(), "Xvfb is not installed");
        println!("skipped: Xvfb is not installed");
        return;
    }
    let script = "Xvfb -displayfd 3 -nolisten tcp 3>$FOLDER/display 2>/dev/null & x=$!
        while [ ! -s $FOLDER/display ]; do sleep 0.1; done
        DISPLAY=:$(cat $FOLDER/display) $IMPASTO --source demo --size 64x48 --frames 30 --report $FOLDER/report.json
        status=$?; kill $x; (exit $status)";
    assert_eq!(attempts(script), 0);
}
