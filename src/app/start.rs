//! The start of the window: what must be there before the event loop runs, and what an earlier run left to tell.

use std::time::Instant;

use winit::event_loop::{EventLoop, EventLoopProxy};

#[cfg(target_os = "linux")]
use super::display;
use super::{App, Attempt, Wake, taking};
use crate::canvas;
use crate::cli::{CliError, Common, WindowArgs};
use crate::export::crash;
use crate::fault::{Fault, capital};
use crate::output::{self, Stream};
use crate::settings::Settings;
use crate::signals;
use crate::watch;

/// Opens the window and returns when it is closed.
///
/// # Errors
/// When there is no display, no GPU that can draw to it, or the report cannot be written.
pub fn run(args: WindowArgs, common: &Common, started: Instant, attempt: Attempt) -> Result<(), CliError> {
    // What would fail in the end should fail at the beginning.
    for path in [&args.report, &args.csv, &args.trace].into_iter().flatten() {
        output::check_writable(path)?;
    }
    if let Some(safe) = attempt.notice() {
        log::warn!("{safe}");
    }
    let event_loop = event_loop()?;
    canvas::prepare();
    watch_threads(event_loop.create_proxy())?;
    let proxy = event_loop.create_proxy();
    signals::listen(move || {
        // The loop is gone: the program is ending.
        let _ = proxy.send_event(Wake::End);
    });
    let stream = args.serve.map(Stream::open).transpose()?;
    let camera = args.virtual_camera.as_deref().map(taking::open_camera).transpose()?;
    let mut app = App::new(args, common, started, attempt, event_loop.create_proxy())?;
    if let Some(stream) = &stream {
        log::info!("the picture is served on http://{}", stream.address());
    }
    app.stream = stream;
    if let Some(camera) = camera {
        app.send(camera, Instant::now());
    }
    event_loop.run_app(&mut app).map_err(|e| Fault::failed(format!("The window broke down: {e}"), "Start it again"))?;
    app.end()
}

/// A thread that hangs is named: in the log, in a report, and on screen as far as that still goes on.
///
/// # Errors
/// When the system starts no more threads.
fn watch_threads(proxy: EventLoopProxy<Wake>) -> Result<(), Fault> {
    let tell = move |hang: &watch::Hang| {
        log::error!("{hang}");
        let report = crash::hang(&hang.to_string(), &hang.thread);
        let remedy = report.map_or_else(
            || "Start the program again if it does not go on".to_owned(),
            |path| format!("Start the program again if it does not go on; a report is in {}", path.display()),
        );
        // The loop is gone: the program is ending.
        let _ = proxy.send_event(Wake::Hangs(Fault::notice(capital(&hang.to_string()), remedy)));
    };
    watch::start(tell).map_err(|e| Fault::failed(format!("No thread can be started: {e}"), "Close other programs"))
}

/// # Errors
/// When there is no display.
fn event_loop() -> Result<EventLoop<Wake>, Fault> {
    let none = |why: &str| {
        Fault::failed(
            format!("No window can be opened: {why}"),
            "Start it inside a desktop session; `impasto render` and `impasto bench` need none",
        )
    };
    let mut builder = EventLoop::<Wake>::with_user_event();
    #[cfg(target_os = "linux")]
    match display::find_display() {
        display::Display::Named => {}
        display::Display::X11 { stale } => {
            use winit::platform::x11::EventLoopBuilderExtX11 as _;
            log::warn!("WAYLAND_DISPLAY={stale} does not answer: the window opens on X11");
            builder.with_x11();
        }
        display::Display::Nowhere(why) => return Err(none(&why)),
    }
    let built = builder.build().map_err(|error| none(&said_by(&error)));
    #[cfg(target_os = "linux")]
    display::end_asking();
    built
}

/// What went wrong, without the place in the library's source that winit puts before it.
fn said_by(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let own = text.split_once(".rs:").and_then(|(_, rest)| rest.split_once(": ")).map(|(_, said)| said);
    own.unwrap_or(&text).trim_end_matches(['.', ' ']).to_owned()
}

/// What an earlier run left to tell, and what nobody should have to look up.
pub(super) fn announcements(settings: &Settings) -> Vec<Fault> {
    let crashed = crash::folder().and_then(|folder| crash::announce(&folder));
    let sending = settings.telemetry.destination().map(|endpoint| {
        Fault::notice(
            format!("Figures are sent to {endpoint}, as you asked for"),
            "`impasto telemetry` lists them and turns it off",
        )
    });
    crashed.into_iter().chain(sending).collect()
}
