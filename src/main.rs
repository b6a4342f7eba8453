//! Reads the command line, sets up logging, runs, and exits: the only place that does.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use impasto::export::crash;
use impasto::{app, cli, nn, roundtrip};

/// How long to wait, before the process ends, for a network that is still painting.
const PAINTERS_END: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let started = Instant::now();
    // Here because a process's environment may only be changed while it has one thread.
    #[allow(unsafe_code, reason = "the environment is how ONNX Runtime is told")]
    // SAFETY: nothing before this line starts a thread.
    unsafe {
        std::env::set_var(nn::ort::TELEMETRY_OFF.0, nn::ort::TELEMETRY_OFF.1);
    }
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to stdout with 0, mistakes to stderr with 2. Where even that cannot be printed, so be it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let filter = env_logger::Env::default().default_filter_or(cli::log_filter(&cli));
    env_logger::Builder::from_env(filter).format_timestamp_millis().init();
    crash::install(crash::folder());
    let ended = match &cli.command {
        Some(command) => cli::run(command, &cli.common),
        None => app::run(cli.window, &cli.common, started),
    };
    roundtrip::settle(PAINTERS_END);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", cli::describe(error.as_ref()));
            ExitCode::from(cli::exit_code(error.as_ref()))
        }
    }
}
