//! The command line and the files around it: names, links, pipes, disks that are full, signals. Through the real program.

#![cfg(unix)]

mod cli_support;

use std::io::{BufRead as _, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cli_support::*;

/// The program with files as they are named, which need not be text.
fn run(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = command();
    for argument in arguments {
        command.arg(argument.as_ref());
    }
    command.output().unwrap()
}

fn render_to(input: &Path, output: &Path) -> Output {
    run(&[&"render", &input, &output, &"--size", &"64x48"])
}

fn still(folder: &Path) -> PathBuf {
    let path = folder.join("photo.png");
    photo(64, 48, 0).save(&path).unwrap();
    path
}

/// A Y4M clip of so many pictures.
fn clip(folder: &Path, pictures: usize, (width, height): (u32, u32)) -> PathBuf {
    let path = folder.join("clip.y4m");
    let mut bytes = format!("YUV4MPEG2 W{width} H{height} F25:1 C444\n").into_bytes();
    for picture in 0..pictures {
        bytes.extend(b"FRAME\n");
        bytes.extend((0..width * height * 3).map(|i| (i as usize * 7 + picture * 11) as u8));
    }
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn names_are_taken_as_they_are() {
    if !can_paint() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let input = still(folder.path());
    let long = format!("{}.png", "n".repeat(251));
    let names: [&[u8]; 6] =
        [b"100%done.png", b"50% off.png", b"a\xff\xfeb.png", b"%%.png", "ä ö.png".as_bytes(), long.as_bytes()];
    for name in names {
        let output = folder.path().join(std::ffi::OsStr::from_bytes(name));
        let done = render_to(&input, &output);
        assert!(done.status.success(), "{output:?}: {}", stderr(&done));
        assert!(output.is_file(), "{output:?}");
        // And read again.
        let again = render_to(&output, &folder.path().join("again.png"));
        assert!(again.status.success(), "{output:?}: {}", stderr(&again));
    }
    let done = render_to(&input, &folder.path().join("out_%03d.png"));
    assert!(done.status.success() && folder.path().join("out_001.png").is_file(), "{}", stderr(&done));
    // One letter more than any name may have: said before anything is painted.
    let began = Instant::now();
    let refused = render_to(&input, &folder.path().join(format!("{}.png", "n".repeat(252))));
    failed(&refused, "shorter name");
    println!("refused after {:?}", began.elapsed());
}

#[test]
fn a_closed_or_full_output_brings_nothing_down() {
    let shell = |line: &str| {
        let line = line.replace("IMPASTO", env!("CARGO_BIN_EXE_impasto"));
        let mut command = Command::new("bash");
        settle(&mut command);
        command.arg("-c").arg(format!("set -o pipefail; {line}")).output().unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    for line in [
        "IMPASTO effects -vv 2>&1 | head -c1 >/dev/null; exit ${PIPESTATUS[0]}",
        "IMPASTO effects -vv 2>/dev/full",
        "IMPASTO effects 2>&- >/dev/null",
        "IMPASTO effects -vv | head -c1 >/dev/null; exit ${PIPESTATUS[0]}",
        "IMPASTO --help | head -c1 >/dev/null; exit ${PIPESTATUS[0]}",
    ] {
        let output = shell(line);
        assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{line}");
    }
    // A result that cannot be written is a failure, not a panic.
    let full = shell("IMPASTO effects --json >/dev/full");
    assert_eq!(full.status.code(), Some(1), "{}", stderr(&full));
    if can_paint() {
        let input = still(folder.path());
        let (input, output) = (input.display(), folder.path().join("out.png"));
        let line = format!(
            "IMPASTO render {input} {} --size 64x48 -vv 2>&1 | head -c1 >/dev/null; exit ${{PIPESTATUS[0]}}",
            output.display()
        );
        assert_eq!(shell(&line).status.code(), Some(0));
        assert_eq!(names(folder.path()), ["out.png", "photo.png"]);
    }
    assert!(!crashes().exists(), "no report of a crash was written");
}

#[test]
fn links_and_permissions_are_kept() {
    if !can_paint() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let input = still(folder.path());
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("real.png"), "old").unwrap();
    std::fs::set_permissions(at("real.png"), PermissionsExt::from_mode(0o600)).unwrap();
    symlink("real.png", at("link.png")).unwrap();
    let done = render_to(&input, &at("link.png"));
    assert!(done.status.success(), "{}", stderr(&done));
    assert!(at("link.png").is_symlink());
    assert_eq!(std::fs::metadata(at("real.png")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(image::open(at("real.png")).is_ok());
}

#[test]
fn a_command_that_fails_writes_nothing() {
    if !can_paint() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let input = clip(folder.path(), 3, (64, 48));
    let output = folder.path().join("a.png");
    std::fs::write(&output, "precious").unwrap();
    failed(&render_to(&input, &output), "one picture");
    assert_eq!(std::fs::read(&output).unwrap(), b"precious");
    assert_eq!(names(folder.path()), ["a.png", "clip.y4m"]);
    // A place that cannot be written to is said before anything is painted.
    for place in ["/dev/null/out.png", "/proc/out.png", "no/such/folder/out.gif"] {
        let refused = render_to(&input, Path::new(place));
        assert_eq!(refused.status.code(), Some(1), "{place}: {}", stderr(&refused));
    }
    for option in ["--csv", "--trace"] {
        let began = Instant::now();
        let refused = run(&[&"bench", &option, &"/no/such/folder/file", &"--frames", &"100000"]);
        failed(&refused, "folder");
        assert!(began.elapsed() < Duration::from_secs(20), "it was noticed at the beginning");
    }
}

#[test]
fn a_full_disk_is_called_that_and_leaves_nothing() {
    if !can_paint() || !Path::new("/dev/full").exists() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let input = clip(folder.path(), 3, (64, 48));
    // The disk is full as soon as something is written through the link.
    symlink("/dev/full", folder.path().join("out.gif")).unwrap();
    let full = render_to(&input, &folder.path().join("out.gif"));
    failed(&full, "make room on the disk");
    assert_eq!(names(folder.path()), ["clip.y4m", "out.gif"]);
}

/// Starts the program and waits until `ready` says that it is at work.
fn at_work(arguments: &[&str], ready: impl Fn() -> bool) -> Child {
    let child = command().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    while !ready() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not begin");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

/// Sends a signal, waits for the end, and returns how it ended and what it said.
fn ended_by(mut child: Child, signal: &str) -> (std::process::ExitStatus, String, String) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args([&format!("-{signal}"), &pid]).status().unwrap().success());
    let (mut out, mut err) = (String::new(), String::new());
    let mut stdout = child.stdout.take().unwrap();
    let reading = std::thread::spawn(move || {
        stdout.read_to_string(&mut out).unwrap();
        out
    });
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap(), reading.join().unwrap(), err)
}

const SIGNALS: [(&str, i32); 3] = [("INT", 130), ("TERM", 143), ("HUP", 129)];

#[test]
fn signals_end_a_rendering_and_leave_nothing_half_written() {
    if !can_paint() {
        return;
    }
    for (signal, code) in SIGNALS {
        let folder = tempfile::tempdir().unwrap();
        let input = clip(folder.path(), 2000, (96, 64));
        let output = folder.path().join("out.y4m");
        let begun = || names(folder.path()).iter().any(|name| name.ends_with(".part"));
        let arguments = ["render", input.to_str().unwrap(), output.to_str().unwrap(), "--size", "64x48"];
        let (status, _, said) = ended_by(at_work(&arguments, begun), signal);
        assert_eq!((status.code(), status.signal()), (Some(code), None), "{said}");
        assert_eq!(names(folder.path()), ["clip.y4m"], "{said}");
        assert!(said.contains("stopped"), "{said}");
    }
}

#[test]
fn signals_end_a_bench_with_what_was_measured() {
    if !can_paint() {
        return;
    }
    let arguments = ["bench", "--frames", "1000000", "--warm-up", "2", "--size", "64x48", "--json"];
    for (signal, code) in SIGNALS {
        let mut child = command().args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Long enough to count some; where it is not, it must say so.
        std::thread::sleep(Duration::from_secs(4));
        assert!(child.try_wait().unwrap().is_none());
        let (status, out, said) = ended_by(child, signal);
        assert_eq!(status.code(), Some(code), "{said}");
        if !said.contains("before a frame was counted") {
            let report: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"));
            assert!(report["frames"]["processed"].as_u64().unwrap() > 0);
            assert!(said.contains("stopped after"), "{said}");
        }
    }
}

#[test]
fn what_was_told_to_ignore_a_signal_ignores_it() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("trap '' HUP; exec {} bench --frames 1000000 --size 64x48", env!("CARGO_BIN_EXE_impasto"));
    if !can_paint() {
        return;
    }
    let mut command = Command::new("bash");
    settle(&mut command);
    let mut child = command
        .arg("-c")
        .arg(script)
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    std::thread::sleep(Duration::from_secs(1));
    assert!(child.try_wait().unwrap().is_none(), "HUP was ignored, as nohup arranges");
    let (status, ..) = ended_by(child, "TERM");
    assert_eq!(status.code(), Some(143));
}

#[test]
fn an_environment_without_the_usual_folders_changes_nothing() {
    let bare = |name: &str, value: Option<&str>| {
        let mut command = command();
        command.args(["doctor", "--json"]);
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
        command.output().unwrap()
    };
    let whole: serde_json::Value = json(&command().args(["doctor", "--json"]).output().unwrap());
    for (name, value) in [
        ("XDG_RUNTIME_DIR", None),
        ("XDG_RUNTIME_DIR", Some("not/absolute")),
        ("HOME", None),
        ("HOME", Some("")),
        ("HOME", Some("/nonexistent")),
    ] {
        let output = bare(name, value);
        let doctor = json(&output);
        assert!(!stderr(&output).contains("error"), "{name}={value:?}: {}", stderr(&output));
        assert_eq!(doctor["onnx_runtime"]["version"], whole["onnx_runtime"]["version"], "{name}={value:?}");
    }
}

/// Every line of stderr that a command prints in a terminal-less run is a sentence of ours.
#[test]
fn numbers_and_their_nouns_agree() {
    if !can_paint() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let input = still(folder.path());
    let out = folder.path().join("sheet.jpg");
    let sheet = run(&[
        &"sheet",
        &input,
        &"--effects",
        &"starry-night",
        &"--out",
        &out,
        &"--picture",
        &"64x48",
        &"--tile-height",
        &"48",
    ]);
    assert!(sheet.status.success(), "{}", stderr(&sheet));
    assert!(stderr(&sheet).contains("1 picture,"), "{}", stderr(&sheet));
    for line in sheet.stderr.lines() {
        assert!(!line.unwrap().contains("1 pictures"));
    }
}
