//! `impasto completions`: what a shell needs to complete the command line.

use clap::CommandFactory as _;

use super::{Cli, CliError, CompletionsArgs, print};

pub fn run(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "impasto", &mut script);
    print(&String::from_utf8_lossy(&script))
}
