//! `impasto import FILE`: a network that somebody else trained, or a painting, becomes an effect in the user's own folder.
//!
//! A network is looked at, and its pack written, by [`crate::foreign`].

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{CliError, Common, ImportArgs};
use crate::effect::own_models_dir;
use crate::fault::Fault;
use crate::foreign::{self, Told};
use crate::terminal::say;

/// Longest name of an effect.
const MAX_NAME: usize = 64;

/// Runs the command.
///
/// # Errors
/// With what the file is instead, or what stood in the way; nothing is left behind then.
pub fn run(args: &ImportArgs, common: &Common) -> Result<(), CliError> {
    let told = Told { input: args.input_range, output: args.output_range, channels: args.channels };
    if let Some(folder) = &args.inspect_into {
        return Ok(foreign::inspect(&args.file, told, folder)?);
    }
    let name = name(args)?;
    let folder = common.models.clone().or_else(own_models_dir).ok_or_else(|| {
        Fault::failed("There is no folder for effects of your own", "Name one with --models FOLDER, or set HOME")
    })?;
    let pack = folder.join(&name);
    if pack.exists() && !args.force {
        let text = format!("There is an effect '{name}' already, in {}", pack.display());
        return Err(Fault::failed(text, "Give another name with --name NAME, or replace it with --force").into());
    }
    if is_painting(&args.file) {
        return painting(args, &name, &folder);
    }
    let title = args.title.clone().unwrap_or_else(|| foreign::title_of(&name));
    let found = foreign::make_pack(&args.file, told, (&name, &title), &pack)?;
    for line in found.lines() {
        super::print(&format!("{line}\n"))?;
    }
    super::print(&format!("effect '{name}' is in {}\ntry it: impasto --effect {name}\n", pack.display()))
}

fn is_painting(file: &Path) -> bool {
    let ending = file.extension().unwrap_or_default().to_ascii_lowercase();
    ["jpg", "jpeg", "png"].iter().any(|e| ending == *e)
}

/// The training's `own` command, where its environment is.
fn painting(args: &ImportArgs, name: &str, folder: &Path) -> Result<(), CliError> {
    let set_up = "Get the program's sources, set up models/training as its README.md says (three commands), and start this \
                  from the sources' folder";
    let training = ["models/training", "../models/training"]
        .into_iter()
        .map(PathBuf::from)
        .chain(std::iter::once(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/training")))
        .find(|folder| folder.join("src/impasto_training").is_dir())
        .ok_or_else(|| Fault::failed("A painting is learned by the training pipeline, which is not here", set_up))?;
    let python = pythons().into_iter().find(|python| python.is_file()).ok_or_else(|| {
        Fault::failed("A painting is learned by the training pipeline, whose Python environment is not set up", set_up)
    })?;
    let file = args
        .file
        .canonicalize()
        .map_err(|e| Fault::failed(format!("{} cannot be opened: {e}", args.file.display()), "Check the path"))?;
    let folder = std::path::absolute(folder)?;
    say(format_args!("the painting is being learned, which takes some minutes"));
    let mut command = Command::new(python);
    command.current_dir(&training).env("PYTHONPATH", "src").args(["-m", "impasto_training", "own"]).arg(file);
    command.args(["--name", name]).arg("--out").arg(&folder);
    if let Some(title) = &args.title {
        command.args(["--title", title]);
    }
    let status =
        command.status().map_err(|e| Fault::failed(format!("The training pipeline cannot be started: {e}"), set_up))?;
    if !status.success() {
        let text = format!("The training pipeline ended with {status}");
        return Err(Fault::failed(text, "What it said stands above").into());
    }
    super::print(&format!("effect '{name}' is in {}\ntry it: impasto --effect {name}\n", folder.join(name).display()))
}

/// Where the training's environment may be, best first.
fn pythons() -> Vec<PathBuf> {
    let cache = std::env::var_os("IMPASTO_TRAINING_CACHE")
        .map(PathBuf::from)
        .or_else(|| directories::BaseDirs::new().map(|base| base.home_dir().join(".cache/impasto-training")));
    let Some(cache) = cache else { return Vec::new() };
    let mut found: Vec<_> =
        std::fs::read_dir(&cache).map(|entries| entries.flatten().map(|e| e.path()).collect()).unwrap_or_default();
    found.retain(|path: &PathBuf| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("venv")));
    found.sort();
    found.into_iter().map(|venv| venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })).collect()
}

/// The effect's name.
fn name(args: &ImportArgs) -> Result<String, Fault> {
    let given = args.name.clone().unwrap_or_else(|| foreign::name_of(&args.file));
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if given.is_empty() || given.len() > MAX_NAME || !given.chars().all(fits) {
        let text = format!("'{given}' cannot be an effect's name");
        return Err(Fault::failed(text, "Give one with --name: 1 to 64 of a-z, 0-9, '-' and '_'"));
    }
    Ok(given)
}
