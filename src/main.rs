//! Reads the command line, sets up logging and signals, runs, and exits: the only place that does.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use impasto::export::crash;
use impasto::settle::settle;
use impasto::{app, cli, nn, output, signals, terminal};

/// How long to wait, before the process ends, for a network that is still painting and a driver that is still asked.
const THREADS_END: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let started = Instant::now();
    set_environment();
    settle_allocator();
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
    let attempt = cli.command.is_none().then(app::Attempt::begin);
    if let Some(attempt) = &attempt {
        for (name, value) in attempt.environment() {
            set_variable(name, value);
        }
        if let Some((name, value)) = app::settle_scale() {
            set_variable(name, &value);
        }
    }
    // A child that looks at somebody's network may well break down; its parent tells what came of it.
    if !cli.inspects() {
        crash::install(crash::folder());
    }
    if let Err(error) = signals::install(output::remove_unfinished) {
        log::warn!("Ctrl-C ends the program at once: {error}");
    }
    let ended = match &cli.command {
        Some(command) => cli::run(command, &cli.common),
        None => app::run(cli.window, &cli.common, started, attempt.unwrap_or_else(app::Attempt::begin)),
    };
    settle(THREADS_END);
    if let Err(error) = &ended {
        terminal::say(cli::describe(error.as_ref()));
    }
    match (signals::received(), ended) {
        (Some(signal), _) => ExitCode::from(signal.exit_code()),
        (None, Ok(())) => ExitCode::SUCCESS,
        (None, Err(error)) => ExitCode::from(cli::exit_code(error.as_ref())),
    }
}

/// For what winit and loaders of graphics drivers read from the environment.
#[expect(unsafe_code, reason = "the environment is how they are told")]
fn set_variable(name: &str, value: &str) {
    // SAFETY: it is called before anything starts a thread.
    unsafe { std::env::set_var(name, value) };
}

/// Large buffers go back to the system when they are freed. By itself glibc keeps them in arenas of many threads, where those of
/// every network that is built and taken down again leave holes: half a gigabyte after some minutes of switching.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the allocator is the system's")]
fn settle_allocator() {
    /// Bytes from which on a buffer has pages of its own. The frame's path allocates nothing in steady state, so it pays nothing.
    const OWN_PAGES: std::os::raw::c_int = 64 << 10;
    const ARENAS: std::os::raw::c_int = 2;
    // SAFETY: plain settings, made before anything starts a thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES);
        libc::mallopt(libc::M_ARENA_MAX, ARENAS);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn settle_allocator() {}

/// Settles what libraries read from the environment. First of all, because it may only be changed while the process has one
/// thread.
#[expect(unsafe_code, reason = "the environment is how these libraries are told")]
fn set_environment() {
    let (name, value) = nn::ort::TELEMETRY_OFF;
    // SAFETY: nothing before this starts a thread.
    unsafe { std::env::set_var(name, value) };
    // Without it libwayland, which graphics drivers load, prints an error of its own to stderr on every start. This is where
    // it would be; nothing need be there.
    #[cfg(target_os = "linux")]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none_or(|folder| !std::path::Path::new(&folder).is_absolute()) {
        // SAFETY: as above; asking for a number cannot go wrong.
        unsafe { std::env::set_var("XDG_RUNTIME_DIR", format!("/run/user/{}", libc::getuid())) };
    }
}
