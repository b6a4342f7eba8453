//! The real window for a long time: switched, resized, robbed of its graphics device, and watched for what grows.
//!
//! Linux with Xvfb and xdotool. The same round of wishes is played over and over. Memory, file descriptors and threads are
//! read from `/proc` all the while; the least of each round is what does not depend on what the round was doing, and a
//! line is fitted through those. A soak fails where a line rises beyond its limit by more than twice its standard error,
//! where the program logs an error that nobody provoked, and where it does not end well.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::shell::{cargo, program, say, succeed, works};
use crate::{Outcome, root};

const MINUTES: f64 = 10.0;
/// Between two wishes.
const PACE: Duration = Duration::from_millis(1500);
/// Rounds before anything is fitted: everything was made once by then.
const WARM_UP: usize = 2;
/// The program has to end within this when it is asked to.
const END: Duration = Duration::from_secs(20);

/// A round: what xdotool is told, one wish after the other.
const ROUND: &[&[&str]] = &[
    &["key", "Right"],
    &["key", "v"],
    &["key", "F1"],
    &["key", "Right"],
    &["key", "shift+3"],
    &["key", "bracketright"],
    &["key", "b"],
    &["key", "s"],
    &["key", "m"],
    &["size", "640x360"],
    &["key", "F1"],
    &["key", "g"],
    &["key", "Down"],
    &["key", "Escape"],
    &["key", "v"],
    &["size", "1000x600"],
    &["key", "Up"],
    &["key", "space"],
    &["key", "space"],
    &["key", "F1"],
    &["key", "h"],
    &["key", "h"],
    &["key", "Left"],
    &["key", "v"],
    &["key", "F1"],
    &["key", "s"],
    &["key", "m"],
    &["key", "k"],
    &["key", "Down"],
    &["key", "Right"],
];

/// What is watched, in which unit, and how much more of it an hour is too much.
const WATCHED: [(&str, &str, f64); 3] =
    [("memory", "MB", 1.0), ("file descriptors", "descriptors", 0.5), ("threads", "threads", 0.5)];

pub fn soak(args: &[String]) -> Outcome {
    let (mut minutes, mut table) = (MINUTES, root().join("target/soak.csv"));
    let mut words = args.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match (word, words.next()) {
            ("--minutes", Some(value)) => {
                minutes =
                    value.parse().ok().filter(|m| (0.1..=10_000.0).contains(m)).ok_or("--minutes takes a number")?;
            }
            ("--out", Some(value)) => table = PathBuf::from(value),
            _ => {
                return Err(format!(
                    "'{word}' is no option of 'cargo xtask soak'; it takes --minutes N and --out FILE.csv"
                ));
            }
        }
    }
    if !cfg!(target_os = "linux") {
        return Err("a soak needs Xvfb, xdotool and /proc: run it on Linux".into());
    }
    for tool in ["Xvfb", "xdotool"] {
        if !works(Command::new("sh").args(["-c", &format!("command -v {tool}")])) {
            return Err(format!("{tool} is not installed: cargo xtask setup --tests"));
        }
    }
    succeed(cargo().args(["build", "--release", "--locked", "--bin", "impasto"]))?;
    let samples = run(minutes)?;
    let failed = |e: std::io::Error| format!("{} could not be written: {e}", table.display());
    if let Some(folder) = table.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(&table, csv(&samples)).map_err(failed)?;
    say(&format!("{} samples are in {}", samples.len(), table.display()));
    judge(&samples)
}

/// What the program had at one moment.
#[derive(Clone, Copy, Debug)]
struct Sample {
    seconds: f64,
    round: usize,
    /// In the order of [`WATCHED`].
    values: [f64; 3],
}

fn csv(samples: &[Sample]) -> String {
    samples.iter().fold("seconds,round,memory_mb,descriptors,threads\n".to_owned(), |mut text, sample| {
        let [memory, descriptors, threads] = sample.values;
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:.1},{},{memory:.1},{descriptors},{threads}", sample.seconds, sample.round);
        text
    })
}

/// A program that is ended when nobody needs it any more.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(minutes: f64) -> Outcome<Vec<Sample>> {
    let failed = |what: &str, e: &dyn std::fmt::Display| format!("{what}: {e}");
    let folder = std::env::temp_dir().join(format!("impasto-soak-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|e| failed("a folder could not be made", &e))?;
    let mut server = Command::new("Xvfb");
    server.args(["-displayfd", "1", "-screen", "0", "1100x700x24", "-nolisten", "tcp"]).stdout(Stdio::piped());
    let mut server = Running(server.stderr(Stdio::null()).spawn().map_err(|e| failed("Xvfb", &e))?);
    let mut number = String::new();
    let told = server.0.stdout.take().ok_or("Xvfb says nothing")?;
    BufReader::new(told).read_line(&mut number).map_err(|e| failed("Xvfb", &e))?;
    let display = format!(":{}", number.trim());

    let log = folder.join("log.txt");
    let file = std::fs::File::create(&log).map_err(|e| failed("the log could not be made", &e))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let mut impasto = program(target.join("release/impasto"));
    impasto
        .args(["--source", "demo", "--inject", &faults(minutes)])
        .env("DISPLAY", &display)
        .env("IMPASTO_CONFIG", folder.join("config"))
        .env("IMPASTO_CACHE", folder.join("cache"))
        .env("RUST_LOG", "warn")
        .env_remove("WAYLAND_DISPLAY")
        .stdout(Stdio::null())
        .stderr(file);
    let mut impasto = Running(impasto.spawn().map_err(|e| failed("impasto could not be started", &e))?);
    let samples = play(&mut impasto.0, &display, minutes);
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    let samples = samples.map_err(|e| format!("{e}\n{said}"))?;
    let errors: Vec<&str> = said.lines().filter(|line| is_error(line)).collect();
    if !errors.is_empty() {
        return Err(format!("it logged errors:\n{}", errors.join("\n")));
    }
    // What failed is kept to be looked at.
    let _ = std::fs::remove_dir_all(&folder);
    Ok(samples)
}

/// A stall every two minutes, a lost graphics device every five.
fn faults(minutes: f64) -> String {
    let seconds = (minutes * 60.0) as u64;
    let stalls =
        (1..).map(|n| n * 120).take_while(|at| at + 30 < seconds).map(|at| format!("stall@{at}s..{}s", at + 2));
    let losses = (1..).map(|n| n * 300 + 40).take_while(|at| at + 60 < seconds).map(|at| format!("gpu-loss@{at}s"));
    let faults: Vec<String> = stalls.chain(losses).collect();
    // A script must not be empty.
    if faults.is_empty() { "stall@1s..2s".to_owned() } else { faults.join(",") }
}

/// Whether a line of the log is an error that the soak did not provoke.
fn is_error(line: &str) -> bool {
    line.split_whitespace().nth(1) == Some("ERROR") && !line.contains("the GPU was lost")
}

fn play(impasto: &mut Child, display: &str, minutes: f64) -> Outcome<Vec<Sample>> {
    let (pid, began) = (impasto.id(), Instant::now());
    let mut samples = Vec::new();
    'soak: for round in 0.. {
        for wish in ROUND {
            std::thread::sleep(PACE);
            if let Some(status) = impasto.try_wait().map_err(|e| e.to_string())? {
                return Err(format!("it ended by itself after {:.0} s ({status})", began.elapsed().as_secs_f64()));
            }
            act(display, wish);
            let seconds = began.elapsed().as_secs_f64();
            samples.push(Sample { seconds, round, values: read(pid).ok_or("/proc does not tell of it any more")? });
            if seconds >= minutes * 60.0 {
                break 'soak;
            }
        }
        let last = samples.last().map_or([0.0; 3], |sample| sample.values);
        say(&format!("round {round}: {:.0} MB, {} descriptors, {} threads", last[0], last[1], last[2]));
    }
    act(display, &["key", "q"]);
    let asked = Instant::now();
    loop {
        match impasto.try_wait().map_err(|e| e.to_string())? {
            Some(status) if status.success() => return Ok(samples),
            Some(status) => return Err(format!("it did not end well ({status})")),
            None if asked.elapsed() > END => return Err(format!("it is still there {} s after Q", END.as_secs())),
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// A key, or another size, for the program's window. One that is missed does no harm.
fn act(display: &str, wish: &[&str]) {
    let mut xdotool = Command::new("xdotool");
    xdotool.env("DISPLAY", display).args(["search", "--onlyvisible", "--name", "Impasto"]);
    match wish {
        ["size", size] => match size.split_once('x') {
            Some((width, height)) => xdotool.args(["windowsize", width, height]),
            None => return,
        },
        // Without a window manager nobody else gives the window the keyboard.
        _ => xdotool.args(["windowfocus"]).args(wish),
    };
    let _ = works(&mut xdotool);
}

fn read(pid: u32) -> Option<[f64; 3]> {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let number = |name: &str| -> Option<f64> {
        status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
    };
    let descriptors = std::fs::read_dir(process.join("fd")).ok()?.count();
    Some([number("VmRSS:")? / 1024.0, descriptors as f64, number("Threads:")?])
}

/// Fits a line through the least of each round, and prints it beside its limit.
fn judge(samples: &[Sample]) -> Outcome {
    let rounds = samples.last().map_or(0, |sample| sample.round);
    // The last one is not whole.
    let whole: Vec<Vec<&Sample>> =
        (WARM_UP..rounds).map(|round| samples.iter().filter(|s| s.round == round).collect()).collect();
    if whole.len() < 3 {
        say(&format!("NOT JUDGED: {rounds} rounds were played, {} are needed", WARM_UP + 3));
        return Ok(());
    }
    let mut grown = Vec::new();
    for (place, (what, unit, limit)) in WATCHED.iter().enumerate() {
        let points: Vec<(f64, f64)> = whole
            .iter()
            .filter_map(|round| {
                let least = round.iter().min_by(|a, b| a.values[place].total_cmp(&b.values[place]))?;
                Some((least.seconds / 3600.0, least.values[place]))
            })
            .collect();
        let (slope, error) = line(&points);
        say(&format!("{what}: {slope:+.1} ± {error:.1} {unit} an hour (limit {limit})"));
        if slope - 2.0 * error > *limit {
            grown.push(*what);
        }
    }
    if grown.is_empty() { Ok(()) } else { Err(format!("it grows: {}", grown.join(", "))) }
}

/// Slope of the line of least squares, and its standard error.
fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let slope = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / spread;
    let rest: f64 = points.iter().map(|point| (point.1 - y - slope * (point.0 - x)).powi(2)).sum();
    (slope, (rest / (n - 2.0) / spread).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(grow: impl Fn(f64) -> f64) -> Vec<Sample> {
        let each = ROUND.len();
        (0..12 * each)
            .map(|n| {
                let seconds = n as f64 * PACE.as_secs_f64();
                // What is open differs within a round.
                let wave = (n % each) as f64;
                Sample { seconds, round: n / each, values: [grow(seconds) + wave, 20.0 + wave, 9.0] }
            })
            .collect()
    }

    #[test]
    fn what_grows_is_found_and_what_swings_is_not() {
        assert!(judge(&samples(|_| 300.0)).is_ok());
        let grown = judge(&samples(|seconds| 300.0 + seconds / 60.0)).unwrap_err();
        assert!(grown.contains("memory") && !grown.contains("threads"), "{grown}");
        // Growth within the warm-up alone is none.
        assert!(judge(&samples(|seconds| 300.0 + seconds.min(60.0))).is_ok());
    }

    #[test]
    fn a_line_is_fitted_with_its_error() {
        let (slope, error) = line(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 7.0)]);
        assert!((slope - 2.0).abs() < 1e-12 && error < 1e-9);
        let (slope, error) = line(&[(0.0, 1.0), (1.0, -1.0), (2.0, 1.0), (3.0, -1.0)]);
        assert!((slope + 0.4).abs() < 1e-9 && error > 0.4);
    }

    #[test]
    fn errors_that_were_provoked_are_none() {
        assert!(is_error("[2026-01-01T00:00:00Z ERROR impasto::app] nobody expected this"));
        assert!(!is_error("[2026-01-01T00:00:00Z ERROR impasto::gpu] the GPU was lost (Destroyed) on purpose"));
        assert!(!is_error("[2026-01-01T00:00:00Z WARN  impasto] an ERROR in a name"));
        assert_eq!(faults(1.0), "stall@1s..2s");
        assert!(faults(12.0).contains("stall@120s..122s") && faults(12.0).contains("gpu-loss@340s"));
    }
}
