//! Running the real program: settled, so that neither the user's own settings nor those of another test play a part.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Settings, crash reports and timings of the tests' own, and no packs or logging but the program's.
pub fn settle(command: &mut Command) {
    command
        .env("IMPASTO_CACHE", env!("CARGO_TARGET_TMPDIR"))
        .env("IMPASTO_CONFIG", config())
        .env_remove("RUST_LOG")
        .env_remove("IMPASTO_MODELS")
        .env("RUST_BACKTRACE", "0");
}

fn config() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("config")
}

/// Where reports of crashes would be written.
pub fn crashes() -> PathBuf {
    config().join("crashes")
}

pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
    settle(&mut command);
    command
}

pub fn impasto(arguments: &[&str]) -> Output {
    command().args(arguments).output().unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// stdout as JSON; fails when anything else is there.
pub fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stdout)))
}

/// The command failed as commands should: code 1, nothing on stdout, one error that names `about` on stderr, no panic.
pub fn failed(output: &Output, about: &str) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty());
    assert_eq!(said.lines().filter(|l| l.starts_with("error:")).count(), 1, "{said}");
    assert!(said.contains(about), "'{about}' is not in: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

/// Whether something can be painted here; prints why not.
pub fn can_paint() -> bool {
    let doctor = json(&impasto(&["doctor", "--json"]));
    if doctor["healthy"] == true {
        return true;
    }
    let why = format!("{} {} {}", doctor["gpu_trouble"], doctor["choice_trouble"], doctor["models"]["trouble"]);
    assert!(std::env::var_os("REQUIRE_GPU").is_none(), "{why}");
    println!("skipped: {why}");
    false
}

/// A picture with edges, so that painting can be told from copying.
pub fn photo(width: u32, height: u32, shift: u32) -> image::RgbImage {
    image::RgbImage::from_fn(width, height, |x, y| {
        let on = ((x + shift) / 9 + y / 7).is_multiple_of(2);
        image::Rgb([if on { 220 } else { 40 }, (x * 255 / width) as u8, (y * 255 / height) as u8])
    })
}

pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
