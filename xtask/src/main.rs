//! `cargo xtask`: what a fresh machine needs to run and to check Impasto, in one command each.
//!
//! Uses the standard library alone, so that it is built in a second and before anything else is installed. What it
//! installs, fetches and runs is printed as the command that one would type. Knows nothing of how Impasto works inside.

mod fuzz;
mod install;
mod onnxruntime;
mod package;
mod packages;
mod readme;
mod shell;
mod soak;

use std::path::Path;
use std::process::ExitCode;

use onnxruntime::Build;
use packages::For;
use shell::{cargo, say, succeed};

/// A failure that ends the command: what went wrong, and what to do.
pub type Outcome<T = ()> = Result<T, String>;

/// Pinned, so that new advisories are news but a new linter is a decision.
const CARGO_DENY: &str = "0.20.2";

const USAGE: &str = "\
Usage: cargo xtask COMMAND [OPTIONS]

Commands:
  setup              Install missing system packages
  run [ARGS...]      Set up, build for release, and run impasto with ARGS
  check              Format, lints, licences and advisories, and that every command in README.md exists
  test               Set up with --tests, check, and run all tests
  package            Build what is handed out: an archive and a Debian package, into target/package
  try-package        Install that package on a bare Debian, and paint there (needs root and debootstrap)
  soak [ARGS...]     Use the window for a long time, and watch what grows (--minutes N, --out FILE.csv)
  fuzz [ARGS...]     Feed hostile bytes to everything that reads files (--minutes N, names of targets)
  peers [ARGS...]    Compare our engine on the processor with others, in turns (fetches them once; ARGS: --help)

Options of setup:
  --tests                   Also what the tests need, ONNX Runtime among it
  --onnxruntime [openvino]  Also fetch ONNX Runtime, which runs networks of other makers; with OpenVINO for Intel's hardware

Options:
  --skip-packages    Leave system packages alone (before ARGS)
  --help             This text

Environment:
  IMPASTO_ORT_WHEEL  An onnxruntime wheel on this machine, instead of downloading it
  PIP_INDEX_URL      Where to download it from, instead of https://pypi.org/simple
";

fn main() -> ExitCode {
    match command(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn command(mut args: Vec<String>) -> Outcome {
    let packages = match args.iter().position(|a| a == "--skip-packages") {
        Some(at) if at <= 1 => {
            args.remove(at);
            false
        }
        _ => true,
    };
    let Some((name, rest)) = args.split_first() else {
        print!("{USAGE}");
        return Ok(());
    };
    let plain = |rest: &[String]| match rest.first() {
        None => Ok(()),
        Some(arg) => Err(format!("'{arg}' is not an option of 'cargo xtask {name}'\n\n{USAGE}")),
    };
    match name.as_str() {
        "setup" => {
            let (purpose, build) = match rest.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                [] => (For::Running, None),
                ["--tests"] => (For::Tests, Some(Build::Plain)),
                ["--onnxruntime"] => (For::Running, Some(Build::Plain)),
                ["--onnxruntime", "openvino"] => (For::Running, Some(Build::OpenVino)),
                _ => return Err(format!("'{}' are no options of 'cargo xtask setup'\n\n{USAGE}", rest.join(" "))),
            };
            setup(packages, purpose)?;
            if let Some(build) = build {
                onnxruntime::fetch(build)?;
            }
            say(if purpose == For::Tests { "ready: cargo xtask test" } else { "ready: cargo xtask run" });
            Ok(())
        }
        "run" => {
            setup(packages, For::Running)?;
            succeed(cargo().args(["run", "--release", "--locked", "--bin", "impasto", "--"]).args(rest))
        }
        "check" => {
            plain(rest)?;
            check()
        }
        "test" => {
            plain(rest)?;
            test(packages)
        }
        "package" => {
            plain(rest)?;
            package::package()
        }
        "try-package" => {
            plain(rest)?;
            install::try_install()
        }
        "peers" => peers(rest),
        "fuzz" => fuzz::fuzz(rest),
        "soak" => soak::soak(rest),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("there is no command '{name}'\n\n{USAGE}")),
    }
}

fn setup(packages: bool, purpose: For) -> Outcome {
    if packages {
        packages::install(purpose)?;
    }
    Ok(())
}

fn check() -> Outcome {
    for (component, tool) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if !shell::works(cargo().args([tool, "--version"])) {
            succeed(shell::program("rustup").args(["component", "add", component]))?;
        }
    }
    let version = shell::output(cargo().args(["deny", "--version"])).unwrap_or_default();
    if version.split_whitespace().nth(1) != Some(CARGO_DENY) {
        say("cargo-deny is built from source once; that takes some minutes");
        succeed(cargo().args(["install", "--locked", "--force", &format!("cargo-deny@{CARGO_DENY}")]))?;
    }
    // Not --all: that would also format the crate under vendor/.
    succeed(cargo().args(["fmt", "--check", "--package", "impasto", "--package", "xtask"]))?;
    succeed(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]))?;
    succeed(cargo().args(["deny", "--locked", "check", "bans", "licenses", "sources"]))?;
    // The advisories live in a repository of their own. Out of reach is not the same as vulnerable, but must not go unseen.
    if succeed(cargo().args(["deny", "fetch", "db"])).is_ok() {
        succeed(cargo().args(["deny", "--locked", "--offline", "check", "advisories"]))?;
    } else {
        say("NOT CHECKED: advisories, because their database cannot be reached from here");
    }
    readme::check(root(), USAGE)
}

fn test(packages: bool) -> Outcome {
    setup(packages, For::Tests)?;
    let library = onnxruntime::fetch(Build::Plain)?;
    check()?;
    // With these a missing graphics adapter or ONNX Runtime fails the tests that need it, instead of skipping them.
    let mut tests = cargo();
    tests.args(["test", "--workspace", "--locked"]).env("REQUIRE_GPU", "1");
    if let (Some(library), None) = (library, std::env::var_os("IMPASTO_ORT_LIB")) {
        tests.env("IMPASTO_ORT_LIB", library);
    }
    succeed(&mut tests)?;
    say("all checks and tests passed");
    Ok(())
}

/// Builds our side, installs the others into the user's cache, and lets them take turns.
fn peers(args: &[String]) -> Outcome {
    succeed(cargo().args(["build", "--release", "--locked", "--example", "peer"]))?;
    let folder = onnxruntime::cache().ok_or("there is no home folder to keep the peers in; set HOME")?.join("peers");
    let python = folder.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let wanted = root().join("models/training/peers/requirements.txt");
    if !python.is_file() {
        succeed(shell::program(onnxruntime::python()?).args(["-m", "venv"]).arg(&folder))?;
    }
    succeed(shell::program(&python).args(["-m", "pip", "install", "--quiet", "--requirement"]).arg(&wanted))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), std::path::PathBuf::from);
    let program = target.join("release/examples").join(format!("peer{}", std::env::consts::EXE_SUFFIX));
    let script = root().join("models/training/peers/peers.py");
    succeed(shell::program(&python).arg(script).arg("--program").arg(program).args(args))
}

/// The folder that holds the workspace's `Cargo.toml`.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
