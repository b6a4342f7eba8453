//! Running other programs, and showing which.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use crate::{Outcome, root};

pub fn say(what: &str) {
    eprintln!("xtask: {what}");
}

/// A program to be run at the root of the workspace.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

/// The cargo that runs us.
pub fn cargo() -> Command {
    program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Shows a command, runs it, and fails as it fails.
pub fn succeed(command: &mut Command) -> Outcome {
    let shown = shown(command);
    say(&shown);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("'{shown}' failed ({status})")),
        Err(e) => Err(format!("'{shown}' could not be started: {e}")),
    }
}

/// Whether a command can be started and succeeds. Silent.
pub fn works(command: &mut Command) -> bool {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

/// What a command writes to its standard output; `None` if it cannot be started or fails.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn shown(command: &Command) -> String {
    let name = std::path::Path::new(command.get_program()).file_stem().unwrap_or_default();
    std::iter::once(name).chain(command.get_args()).map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
