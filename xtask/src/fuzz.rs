//! Hostile bytes for everything that reads files: libFuzzer through `cargo fuzz`, on the nightly compiler.
//!
//! The targets are in `fuzz/fuzz_targets`. What they learn stays in `target/fuzz`, so that the next run goes on from there;
//! they begin with the small files of the tests and, where it lies beside the repository, of `../shared/data/cases`.

use std::path::{Path, PathBuf};

use crate::shell::{cargo, program, say, succeed, works};
use crate::{Outcome, root};

const CARGO_FUZZ: &str = "0.13.2";
const MINUTES: f64 = 5.0;
/// One input may not take longer, or more memory.
const LIMITS: [&str; 3] = ["-timeout=20", "-rss_limit_mb=3000", "-malloc_limit_mb=2000"];

/// A target, the endings of the files that it begins with, the first byte that chooses what they are taken for, and how long
/// inputs get.
struct Target {
    name: &'static str,
    seeds: &'static [(&'static str, Option<u8>)],
    longest: u32,
}

const TARGETS: [Target; 5] = [
    Target { name: "network", seeds: &[("onnx", None)], longest: 1 << 20 },
    Target { name: "pack", seeds: &[("toml", None)], longest: 1 << 16 },
    Target {
        name: "clip",
        seeds: &[
            ("y4m", Some(0)),
            ("gif", Some(1)),
            ("webp", Some(2)),
            ("png", Some(3)),
            ("jpg", Some(4)),
            ("tif", Some(5)),
            ("bmp", Some(6)),
            ("apng", Some(7)),
        ],
        longest: 1 << 18,
    },
    Target { name: "mjpeg", seeds: &[("jpg", None)], longest: 1 << 16 },
    Target { name: "words", seeds: &[("toml", Some(0)), ("json", Some(1)), ("txt", Some(2))], longest: 1 << 15 },
];

pub fn fuzz(args: &[String]) -> Outcome {
    let (mut minutes, mut chosen) = (MINUTES, Vec::new());
    let mut words = args.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if word == "--minutes" {
            let value = words.next().and_then(|value| value.parse::<f64>().ok());
            minutes = value.filter(|m| (0.01..=10_000.0).contains(m)).ok_or("--minutes takes a number")?;
        } else {
            let target = TARGETS.iter().find(|target| target.name == word);
            let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            chosen.push(target.ok_or(format!("'{word}' is no target; there are {}", names.join(", ")))?);
        }
    }
    if chosen.is_empty() {
        chosen.extend(&TARGETS);
    }
    if !works(cargo_nightly().arg("--version")) {
        succeed(program("rustup").args(["toolchain", "install", "nightly", "--profile", "minimal"]))?;
    }
    if !works(cargo().args(["fuzz", "--version"])) {
        succeed(cargo().args(["install", "--locked", &format!("cargo-fuzz@{CARGO_FUZZ}")]))?;
    }
    for target in chosen {
        let learned = root().join("target/fuzz").join(target.name);
        let begun = seed(target, &learned)?;
        say(&format!("{}: {begun} files to begin with, {minutes} minutes", target.name));
        let mut run = cargo_nightly();
        // A folder of its own: the nightly compiler would make the stable one build everything anew.
        run.args(["fuzz", "run", "--target-dir"]).arg(root().join("target/fuzz/build")).arg(target.name).arg(&learned);
        run.arg("--").args(LIMITS).arg(format!("-max_len={}", target.longest));
        succeed(run.arg(format!("-max_total_time={}", (minutes * 60.0) as u64)).arg("-print_final_stats=1"))?;
    }
    Ok(())
}

fn cargo_nightly() -> std::process::Command {
    let mut command = program("cargo");
    // The compiler that runs us must not be handed on.
    command.env_remove("CARGO").env_remove("RUSTC").env("RUSTUP_TOOLCHAIN", "nightly");
    command
}

/// Copies what a target begins with into the folder of what it has learned; says how many files there were.
fn seed(target: &Target, learned: &Path) -> Outcome<usize> {
    let failed = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
    std::fs::create_dir_all(learned).map_err(|e| failed(learned, e))?;
    let mut found = Vec::new();
    for folder in ["tests", "models", "fuzz/seeds", "../shared/data/cases"] {
        files(&root().join(folder), &mut found);
    }
    let mut count = 0;
    for path in found {
        let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        let Some((_, first)) = target.seeds.iter().find(|(wanted, _)| *wanted == ending) else { continue };
        let bytes = std::fs::read(&path).map_err(|e| failed(&path, e))?;
        if bytes.len() > target.longest as usize {
            continue;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let to = learned.join(format!("seed-{count}-{name}"));
        std::fs::write(&to, first.iter().copied().chain(bytes).collect::<Vec<_>>()).map_err(|e| failed(&to, e))?;
        count += 1;
    }
    Ok(count)
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}
