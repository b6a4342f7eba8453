//! What leaves the program, through the real program: frames as CSV, traces, reports that are compared, and their exit codes.
//! What paints needs an adapter (lavapipe will do) and the effect packs of the source tree.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn impasto(arguments: &[&str]) -> Output {
    let config = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_impasto"))
        .args(arguments)
        .env("IMPASTO_CONFIG", config.path())
        .env_remove("RUST_LOG")
        .env_remove("IMPASTO_MODELS")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Without an adapter a bench cannot run: skipped with a line, or a failure where one is required.
fn can_paint() -> bool {
    let doctor: Value = serde_json::from_slice(&impasto(&["doctor", "--json"]).stdout).unwrap();
    let healthy = doctor["healthy"] == true;
    if !healthy {
        assert!(std::env::var_os("REQUIRE_GPU").is_none(), "nothing can be painted here: {doctor}");
        println!("skipped: nothing can be painted here");
    }
    healthy
}

#[test]
fn a_bench_as_table_trace_and_report() {
    if !can_paint() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (csv, trace) = (path("frames.csv"), path("trace.json"));
    let small = ["--size", "64x48", "--picture", "160x120", "--frames", "40", "--warm-up", "5"];
    let output = impasto(&[&["bench", "--json", "--csv", &csv, "--trace", &trace][..], &small].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let frames = report["stages"][0]["frames"].as_u64().unwrap() as usize;
    assert!(frames >= 40, "{frames}");
    assert!(report["blocks"].as_array().unwrap().len() >= 4, "{}", report["blocks"]);
    assert!(report["machine"]["cores"].as_u64().unwrap() >= 1);
    assert!(report["made"].as_str().unwrap().ends_with('Z'));

    let lines: Vec<String> = std::fs::read_to_string(&csv).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), frames + 1, "a header and every counted frame");
    let mean: f64 =
        lines[1..].iter().map(|l| l.split(',').nth(4).unwrap().parse::<f64>().unwrap()).sum::<f64>() / frames as f64;
    let told = report["total_ms"]["mean"].as_f64().unwrap();
    assert!((mean / told - 1.0).abs() < 0.01, "{mean} in the table, {told} in the report");

    let trace: Value = serde_json::from_slice(&std::fs::read(&trace).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let count = |ph: &str| events.iter().filter(|e| e["ph"] == ph).count();
    assert_eq!((count("b"), count("e")), (frames, frames));
    assert!(count("X") >= frames && count("C") >= frames);

    // The same report twice: nothing changed, whatever it says.
    let a = path("a.json");
    std::fs::write(&a, &output.stdout).unwrap();
    let same = impasto(&["bench", "--compare", &a, &a]);
    assert_eq!(same.status.code(), Some(0), "{}", text(&same.stderr));
    assert!(text(&same.stdout).contains("Nothing changed beyond noise"), "{}", text(&same.stdout));
}

/// A report as far as comparing reads it, with twenty stretches around `ms`.
fn report(folder: &Path, name: &str, ms: f64, effect: &str) -> String {
    let block = |i: u32| {
        let ms = ms * (1.0 + 0.02 * f64::from(i % 5));
        json!({
            "frames": 12, "fps": 1000.0 / ms, "total_ms": ms, "total_p95_ms": ms, "work_ms": ms,
            "stages": [{ "name": "infer", "mean_ms": ms / 2.0 }],
        })
    };
    let report = json!({
        "schema": "impasto.bench/1", "version": "1", "effect": effect, "blocks": (0..20).map(block).collect::<Vec<_>>(),
        "total_ms": { "mean": ms },
    });
    let path = folder.join(name);
    std::fs::write(&path, report.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn comparing_tells_scripts_what_happened() {
    let folder = tempfile::tempdir().unwrap();
    let (a, slower) = (report(folder.path(), "a", 20.0, "ink"), report(folder.path(), "b", 24.0, "ink"));
    let other = report(folder.path(), "c", 20.0, "oil");
    let code = |arguments: &[&str]| {
        let output = impasto(&[&["bench", "--compare"], arguments].concat());
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (status, table, said) = code(&[&a, &slower]);
    assert_eq!(status, 3, "{said}");
    assert!(table.contains("B is slower beyond noise") && table.contains("1.200"), "{table}");
    assert!(said.contains("slower beyond noise: rate"), "{said}");
    assert_eq!(code(&[&slower, &a]).0, 0, "faster is no trouble");
    assert_eq!(code(&[&a, &slower, "--threshold", "30"]).0, 0);

    let (status, table, said) = code(&[&a, &other]);
    assert_eq!((status, table.as_str()), (1, ""));
    assert!(said.contains("effect ink against oil") && said.contains("--anyway"), "{said}");
    assert_eq!(code(&[&a, &other, "--anyway"]).0, 0);

    let (status, json, _) = code(&[&a, &slower, "--json"]);
    let comparison: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((status, comparison["schema"].as_str()), (3, Some("impasto.compare/1")));
    assert_eq!(comparison["verdict"], "slower");

    for (wrong, about) in [("{}", "schema"), ("nonsense", "no report")] {
        let path = folder.path().join("wrong");
        std::fs::write(&path, wrong).unwrap();
        let (status, _, said) = code(&[&a, path.to_str().unwrap()]);
        assert_eq!(status, 1);
        assert!(said.contains(about), "{said}");
    }
    assert_eq!(code(&[&a, "/no/such/file.json"]).0, 1);
    assert_eq!(code(&[&a]).0, 2, "one file is a mistake in the command line");
}

#[test]
fn a_panic_and_a_lost_gpu_leave_reports_that_are_told_of() {
    if !can_paint() {
        return;
    }
    let config = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_impasto"))
            .args(arguments)
            .env("IMPASTO_CONFIG", config.path())
            .env_remove("RUST_LOG")
            .env_remove("IMPASTO_MODELS")
            .output()
            .unwrap()
    };
    let reports = || {
        let mut paths: Vec<_> =
            std::fs::read_dir(config.path().join("crashes")).unwrap().map(|e| e.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let small = ["bench", "--size", "64x48", "--picture", "160x120", "--warm-up", "2"];
    // The program breaks down while it paints: here at once, because the bench begins after that moment.
    let broken = run(&[&small[..], &["--frames", "100000", "--inject", "panic@1ms"]].concat());
    let said = text(&broken.stderr);
    assert_eq!(broken.status.code(), Some(101), "{said}");
    let [path] = &reports()[..] else { panic!("{:?}", reports()) };
    assert!(said.contains("panicked at") && said.contains(path.to_str().unwrap()), "{said}");
    let report: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!((&report["schema"], &report["kind"]), (&json!("impasto.crash/1"), &json!("panic")));
    assert_eq!((&report["thread"], &report["version"]), (&json!("main"), &json!(env!("CARGO_PKG_VERSION"))));
    assert!(report["message"].as_str().unwrap().contains("provoked"));
    assert!(report["location"].as_str().unwrap().contains("crash.rs"));
    assert!(report["backtrace"].as_str().unwrap().contains("provoke"), "{}", report["backtrace"]);
    assert!(!report["device"].as_str().unwrap().is_empty() && !report["effect"].as_str().unwrap().is_empty());
    assert!(report["frames"].is_array());

    // A GPU that is lost leaves one too, and the bench goes on.
    let lost = run(&[&small[..], &["--frames", "5", "--json", "--inject", "gpu-loss@1ms"]].concat());
    assert!(lost.status.success(), "{}", text(&lost.stderr));
    let newest: Value = serde_json::from_slice(&std::fs::read(reports().last().unwrap()).unwrap()).unwrap();
    assert_eq!((reports().len(), &newest["kind"]), (2, &json!("device_lost")));
    let doctor: Value = serde_json::from_slice(&run(&["doctor", "--json"]).stdout).unwrap();
    assert_eq!(doctor["crash_reports"].as_array().unwrap().len(), 2);
}

#[test]
fn telemetry_is_off_shown_and_agreed_to_before_it_is_on() {
    let config = tempfile::tempdir().unwrap();
    let settings = config.path().join("settings.toml");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_impasto"))
            .arg("telemetry")
            .args(arguments)
            .env("IMPASTO_CONFIG", config.path())
            .env_remove("RUST_LOG")
            .output()
            .unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (_, said, _) = run(&[]);
    assert!(said.contains("It is OFF") && said.contains("impasto.frame.stage.duration"), "{said}");
    let (_, said, _) = run(&["--on", "http://localhost:4318"]);
    assert!(said.contains("Never sent: pictures") && said.contains("nothing was changed"), "{said}");
    assert!(!settings.exists(), "without agreement nothing is written");
    let (_, said, _) = run(&["--on", "http://localhost:4318", "--agree"]);
    assert!(said.contains("It is ON") && said.contains("http://localhost:4318/v1/metrics"), "{said}");
    let stored = std::fs::read_to_string(&settings).unwrap();
    assert!(stored.contains("on = true") && stored.contains("http://localhost:4318"), "{stored}");
    assert!(run(&["--off"]).1.contains("It is OFF"));
    assert!(std::fs::read_to_string(&settings).unwrap().contains("on = false"));
    let (code, _, said) = run(&["--on", "localhost:4318"]);
    assert!(code == 2 && said.contains("http://localhost:4318"), "{said}");
    let (_, example, _) = run(&["--example"]);
    let example: Value = serde_json::from_str(&example).unwrap();
    assert!(example["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap().len() >= 9);
}

#[cfg(target_os = "linux")]
#[test]
fn a_crash_of_native_code_leaves_a_report_that_is_told_of() {
    if !can_paint() {
        return;
    }
    let config = tempfile::tempdir().unwrap();
    let crashes = config.path().join("crashes");
    for (signal, number, meaning) in [("SEGV", 11, "SIGSEGV"), ("ABRT", 6, "SIGABRT")] {
        let mut bench = Command::new(env!("CARGO_BIN_EXE_impasto"))
            .args(["bench", "--size", "64x48", "--picture", "160x120", "--warm-up", "2", "--frames", "100000"])
            .env("IMPASTO_CONFIG", config.path())
            .env_remove("RUST_LOG")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        // The handler is there long before the bench ends; a second is ample for the program to have begun.
        std::thread::sleep(std::time::Duration::from_secs(1));
        let pid = bench.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
        let ended = bench.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(number), "it ends by its signal");
        let mut said = String::new();
        std::io::Read::read_to_string(&mut bench.stderr.take().unwrap(), &mut said).unwrap();
        let path = std::fs::read_dir(&crashes)
            .unwrap_or_else(|e| panic!("{e}: {said}"))
            .map(|e| e.unwrap().path())
            .find(|p| p.to_string_lossy().contains(&format!("-{pid}-native")))
            .unwrap_or_else(|| panic!("no report: {said}"));
        assert!(said.contains(path.to_str().unwrap()), "{said}");
        let report: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!((&report["schema"], &report["kind"]), (&json!("impasto.crash/1"), &json!("native")));
        assert!(report["message"].as_str().unwrap().starts_with(meaning), "{report}");
        let stack = report["stack"].as_array().unwrap();
        assert!(stack.iter().any(|frame| frame.as_str().unwrap().starts_with("impasto+0x")), "{report}");
    }
}
