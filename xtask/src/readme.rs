//! Every command that README.md shows must exist: in our own command line, in cargo, or as a file of this repository.

use std::collections::HashMap;
use std::path::Path;

use crate::Outcome;
use crate::shell::{cargo, output, say, works};

/// Programs that a reader has, or is told to get.
const KNOWN: &[&str] = &["cd", "git", "sudo", "apt-get", "rustup", "xcode-select", "winget", "ffmpeg"];

/// Checks the commands in the `sh` code blocks of `README.md`.
///
/// # Errors
/// With every command that does not exist, and why.
pub fn check(root: &Path, xtask_usage: &str) -> Outcome {
    let path = root.join("README.md");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
    let commands = commands(&text);
    let mut help = Help { xtask_usage, root, pages: HashMap::new() };
    let wrong: Vec<_> =
        commands.iter().filter_map(|c| help.problem(c).map(|problem| format!("  {c}\n    {problem}"))).collect();
    if wrong.is_empty() {
        say(&format!("README.md: {} commands, all of which exist", commands.len()));
        Ok(())
    } else {
        Err(format!("README.md shows commands that do not exist:\n{}", wrong.join("\n")))
    }
}

/// The commands of all fenced blocks marked `sh`, one a line; comments, prompts and line continuations are dealt with.
fn commands(markdown: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let mut inside = false;
    let mut pending = String::new();
    for line in markdown.lines().map(str::trim) {
        if let Some(mark) = line.strip_prefix("```") {
            inside = !inside && matches!(mark.trim(), "sh" | "bash" | "shell" | "console");
            continue;
        }
        if !inside || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("$ ").unwrap_or(line);
        let line = line.split(" # ").next().unwrap_or(line).trim_end();
        if let Some(begun) = line.strip_suffix('\\') {
            pending.push_str(begun);
            continue;
        }
        let whole = std::mem::take(&mut pending) + line;
        commands.extend(
            whole.split("&&").flat_map(|c| c.split(" | ")).map(|c| c.trim().to_owned()).filter(|c| !c.is_empty()),
        );
    }
    commands
}

struct Help<'a> {
    xtask_usage: &'a str,
    root: &'a Path,
    /// What `impasto ARGS --help` printed, by ARGS.
    pages: HashMap<String, Option<String>>,
}

impl Help<'_> {
    fn problem(&mut self, command: &str) -> Option<String> {
        let mut words = command.split_whitespace().skip_while(|w| is_assignment(w));
        let program = words.next()?;
        let args: Vec<&str> = words.take_while(|w| !matches!(*w, "|" | ">" | ">>" | "<" | ";")).collect();
        match program {
            "cargo" => self.cargo_problem(&args),
            _ if program == "impasto" || program.ends_with("/impasto") => self.impasto_problem(&args),
            _ if KNOWN.contains(&program) || self.root.join(program).is_file() => None,
            _ => Some(format!("'{program}' is neither a file of this repository nor a program that every reader has")),
        }
    }

    fn cargo_problem(&mut self, args: &[&str]) -> Option<String> {
        match args {
            ["xtask", name, rest @ ..] => {
                let known =
                    self.xtask_usage.lines().any(|l| l.starts_with("  ") && l.split_whitespace().next() == Some(name));
                if !known {
                    return Some(format!("'cargo xtask' has no command '{name}'"));
                }
                if *name == "run" { self.impasto_problem(rest) } else { None }
            }
            ["run", rest @ ..] => {
                let own = rest.iter().position(|a| *a == "--").map_or(&[][..], |at| &rest[at + 1..]);
                self.impasto_problem(own)
            }
            [name, ..] => (!works(cargo().args(["help", name]))).then(|| format!("cargo has no command '{name}'")),
            [] => None,
        }
    }

    /// The first word may be a subcommand; every `--flag` must stand in the help of what it is given to.
    fn impasto_problem(&mut self, args: &[&str]) -> Option<String> {
        let subcommand = args.first().copied().filter(|a| !a.starts_with('-'));
        let Some(page) = self.page(subcommand) else {
            return Some(format!("'impasto {} --help' fails", subcommand.unwrap_or_default()).replace("  ", " "));
        };
        let flags =
            args.iter().filter(|a| a.starts_with("--") && a.len() > 2).map(|a| a.split('=').next().unwrap_or(a));
        for flag in flags {
            let known = page.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|word| word == flag);
            if !known {
                return Some(format!("'impasto {}' has no option '{flag}'", subcommand.unwrap_or_default()));
            }
        }
        None
    }

    fn page(&mut self, subcommand: Option<&str>) -> Option<String> {
        let key = subcommand.unwrap_or_default().to_owned();
        let page = self.pages.entry(key).or_insert_with(|| {
            output(
                cargo().args(["run", "--quiet", "--locked", "--bin", "impasto", "--"]).args(subcommand).arg("--help"),
            )
        });
        page.clone()
    }
}

fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_in_shell_blocks_alone() {
        let text = "cargo nothing\n```sh\n# a comment\n$ cargo xtask run # go\nimpasto bench \\\n  --json\n\
                    cd a && .ci/run | git log\n```\n```toml\nx = 1\n```\n";
        assert_eq!(commands(text), ["cargo xtask run", "impasto bench --json", "cd a", ".ci/run", "git log"]);
    }

    #[test]
    fn unknown_commands_are_told_apart() {
        let pages = [
            (String::new(), Some("  --source <SOURCE>  from where".to_owned())),
            ("bench".to_owned(), Some("--json, --frames".to_owned())),
            ("nonsense".to_owned(), None),
        ];
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut help = Help { xtask_usage: crate::USAGE, root, pages: pages.into() };
        for good in [
            "cargo xtask run",
            "cargo xtask run --source demo",
            "cargo xtask test",
            "IMPASTO_MODELS=x impasto bench --json --frames=3",
            "cargo run --release -- bench --json",
            "src/main.rs",
        ] {
            assert_eq!(help.problem(good), None, "{good}");
        }
        for bad in [
            "cargo xtask fly",
            "cargo xtask run --sauce demo",
            "impasto nonsense",
            "impasto bench --fra",
            "src/absent.rs",
            "frobnicate",
        ] {
            assert!(help.problem(bad).is_some(), "{bad}");
        }
    }
}
