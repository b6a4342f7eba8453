//! The commands: reads what was typed, runs it, prints the result.
//!
//! Results go to stdout, everything else to stderr; JSON stands on stdout alone. A command that fails returns its error,
//! which `main` prints as one chain of causes; nothing in here exits. Knows nothing of windows.

mod args;
mod bench;
mod compare;
mod completions;
mod doctor;
mod import;
mod large;
mod lists;
mod painter;
mod plan;
mod render;
mod roofline;
mod sheet;
mod telemetry;

use std::io::Write as _;

use clap::Parser as _;

pub use args::{
    AUTO, BenchArgs, Cli, Command, Common, CompletionsArgs, DoctorArgs, ImportArgs, ListArgs, LookArgs, OverlayLevel,
    PaintArgs, PlanArgs, QualityArgs, RenderArgs, SheetArgs, TelemetryArgs, WindowArgs,
};

use crate::fault::Fault;

/// Why a command failed.
pub type CliError = Box<dyn std::error::Error + Send + Sync>;

/// Reads the command line; on a mistake in it, on `--help` and on `--version`, the text to print and the exit code.
///
/// # Errors
/// What clap has to say.
pub fn parse(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(arguments)
}

/// What is worth logging for this command line, in `RUST_LOG`'s language.
pub fn log_filter(cli: &Cli) -> &'static str {
    match (cli.common.verbose, &cli.command) {
        (0, None) => "warn,impasto=info,wgpu_hal=error,wgpu_hal::gles=off,wgpu_core=error,naga=error",
        (0, Some(_)) => "warn,wgpu_hal=error,wgpu_hal::gles=off,wgpu_core=error,naga=error",
        (1, _) => "info,impasto=debug,wgpu_hal=warn,wgpu_core=warn,naga=warn",
        _ => "debug",
    }
}

/// Runs a command that needs no window.
///
/// # Errors
/// When it fails; ends in what the user can do.
pub fn run(command: &Command, common: &Common) -> Result<(), CliError> {
    match command {
        Command::Render(args) => render::run(args, common),
        Command::Sheet(args) => sheet::run(args, common),
        Command::Bench(args) => bench::run(args, common),
        Command::Effects(args) => lists::effects(args, common),
        Command::Cameras(args) => lists::cameras(args),
        Command::Plan(args) => plan::run(args, common),
        Command::Doctor(args) => doctor::run(args, common),
        Command::Import(args) => import::run(args, common),
        Command::Telemetry(args) => telemetry::run(args),
        Command::Completions(args) => completions::run(args),
    }
}

/// All was done that could be, and an input was not whole: scripts want to hear of it, and nothing need be done again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Incomplete(pub String);

/// The exit code of a command that returned `error`: 3 where a comparison found the second run slower, 4 where an input was not whole
/// and what there was of it was painted, else 1.
pub fn exit_code(error: &(dyn std::error::Error + 'static)) -> u8 {
    if error.is::<compare::Slower>() {
        3
    } else if error.is::<Incomplete>() {
        4
    } else {
        1
    }
}

/// One chain of causes, for stderr: `error: WHAT`, then each cause on a line of its own unless the line above says it.
pub fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    if error.is::<Incomplete>() {
        return error.to_string();
    }
    let mut text = format!("error: {error}");
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_said = next.to_string();
        if !said.contains(&next_said) {
            text.push_str(&format!("\n  because: {next_said}"));
        }
        said = next_said;
        cause = next.source();
    }
    text
}

/// Prints one JSON object to stdout, complete or not at all where that can be known.
fn print_json(value: &impl serde::Serialize) -> Result<(), CliError> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    print(&text)
}

/// Prints to stdout. A reader that went away (`| head`) is not an error of ours.
fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|e| Fault::failed(format!("The result could not be written: {e}"), "").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the file cannot be written")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_are_told_once() {
        let error = Outer(std::io::Error::other("the disk is full"));
        assert_eq!(describe(&error), "error: the file cannot be written\n  because: the disk is full");
        let fault = Fault::failed("The disk is full", "Delete something");
        assert_eq!(describe(&fault), "error: The disk is full. Delete something");
    }
}
