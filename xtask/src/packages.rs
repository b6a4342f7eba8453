//! System packages. Only Debian and its relatives are known by name; elsewhere what is needed is said, not installed.

use std::path::Path;

use crate::Outcome;
use crate::shell::{output, program, say, succeed, works};

/// What the machine is set up for. Tests need what running needs, and more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    Running,
    Tests,
}

/// To draw (Vulkan), to open a window (X11 libraries that are loaded at run time), and to fetch over HTTPS.
pub const RUNNING: &[&str] = &[
    "ca-certificates",
    "python3",
    "libvulkan1",
    "mesa-vulkan-drivers",
    "libx11-6",
    "libx11-xcb1",
    "libxcursor1",
    "libxi6",
    "libxrandr2",
    "libxkbcommon-x11-0",
];

/// A display for the window tests, and what works it; and what reads the clips that are not read here.
const TESTS: &[&str] = &["xvfb", "xauth", "xdotool", "imagemagick", "ffmpeg"];

/// Installs what is missing, where that is allowed.
///
/// # Errors
/// With the line to type, where it is not allowed.
pub fn install(purpose: For) -> Outcome {
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    if !works(program("dpkg-query").arg("--version")) {
        say(
            "not a Debian system: if the window does not open, install the Vulkan loader and driver, libX11, libXcursor, libXi, libXrandr and libxkbcommon-x11",
        );
        return Ok(());
    }
    let tests = if purpose == For::Tests { TESTS } else { &[] };
    let missing: Vec<&str> = RUNNING.iter().chain(tests).copied().filter(|p| !is_there(p)).collect();
    if missing.is_empty() {
        return Ok(());
    }

    let line = format!("apt-get install --yes --no-install-recommends {}", missing.join(" "));
    let root = output(program("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    if !root && !works(program("sudo").args(["-n", "true"])) {
        return Err(format!(
            "system packages are missing. Type this, then the same command again:\n\n    sudo {line}\n\n(--skip-packages goes on without them)"
        ));
    }
    let apt = |args: &[&str]| {
        let mut command = if root { program("env") } else { program("sudo") };
        succeed(command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]).args(args))
    };
    let install: Vec<&str> = line.split(' ').skip(1).collect();
    // Fails on a machine whose package lists were never fetched, or are out of date.
    if apt(&install).is_err() {
        apt(&["update"])?;
        apt(&install)?;
    }
    Ok(())
}

fn is_there(package: &str) -> bool {
    // Any Vulkan driver will do, and any python3.
    let otherwise = match package {
        "mesa-vulkan-drivers" => ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"].iter().any(|d| has_entries(d)),
        "python3" => works(program("python3").arg("--version")),
        "ca-certificates" => Path::new("/etc/ssl/certs/ca-certificates.crt").exists(),
        _ => false,
    };
    otherwise
        || output(program("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]))
            .is_some_and(|status| status.trim() == "installed")
}

fn has_entries(folder: &str) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}
