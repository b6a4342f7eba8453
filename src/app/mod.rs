//! The window: the only place that names winit.
//!
//! The event loop draws and listens, nothing else: the source, the painter, the builder and the opening of the GPU have
//! threads of their own, which wake the loop through its proxy. The window opens first; the picture comes as soon as source
//! and GPU are there, and is painted as soon as the network is.

mod act;
mod choices;
mod countdown;
mod display;
#[cfg(test)]
mod fixture;
mod gui;
mod keys;
mod notices;
mod opening;
mod pictures;
mod record;
mod safe_mode;
mod saving;
mod screen;
mod session;
mod setup;
mod start;
mod stream;
mod taking;
mod tap;
mod threads;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use egui_winit::accesskit_winit;
use winit::application::ApplicationHandler;
use winit::dpi::PhysicalSize;
use winit::event::{StartCause, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoopProxy};
use winit::keyboard::ModifiersState;
use winit::window::{Window, WindowId};

use crate::autotune::Cache;
use crate::cli::{CliError, Common, OverlayLevel, WindowArgs};
use crate::clock::Clock;
use crate::effect::models_dirs;
use crate::fault::Fault;
use crate::output::{Recording, Replay, Stills, Stream};
use crate::runtime::{Catalog, Runtime};
use crate::settings::{Memory, Settings, WindowSize};
use crate::ui::{Level, SourceEntry};
use crate::units::Extent;
use crate::watch;
use countdown::Countdown;
pub use display::settle_scale;
use gui::{Beside, Gui};
pub use safe_mode::Attempt;
use saving::PendingStill;
use screen::{Drawn, Screen};
use session::{Session, Waker};
use setup::{Asked, Preferences};
pub use start::run;
use tap::{Sent, Takers, Tap};
use threads::{Threads, thread};

/// How often to look whether the GPU has finished a frame of our own engine.
const POLL_EVERY: Duration = Duration::from_micros(500);
/// How often the figures are drawn anew while no picture comes.
const IDLE_REDRAW: Duration = Duration::from_millis(500);
/// How often the system is asked whether the window can be seen.
const ASK_HIDDEN: Duration = Duration::from_secs(1);
/// As often while none is to come; and how often a hidden window is looked at.
const RESTING_REDRAW: Duration = Duration::from_secs(2);
/// How often to look for what the user changed and wants to find again.
const REMEMBER_EVERY: Duration = Duration::from_millis(500);
/// How often folders of packs are looked at.
const LOOK_FOR_PACKS: Duration = Duration::from_secs(1);

/// No event takes longer where all is well.
const EVENT_AT_MOST: Duration = Duration::from_secs(5);

/// What other threads tell the event loop.
enum Wake {
    /// Look at everything that can have changed.
    Look,
    Screen(Result<Box<Screen>, Fault>),
    Sources(Vec<SourceEntry>),
    Saved(Result<PathBuf, String>),
    /// What the settings asked the system for.
    Asked(Asked),
    /// Pictures of effects were read.
    Pictures(Vec<pictures::Read>),
    /// A screen reader asks for something.
    Reader(accesskit_winit::WindowEvent),
    /// A thread hangs.
    Hangs(Fault),
    /// A signal asks the program to end.
    End,
}

impl From<accesskit_winit::Event> for Wake {
    fn from(event: accesskit_winit::Event) -> Self {
        Self::Reader(event.window_event)
    }
}

struct App {
    args: WindowArgs,
    started: Instant,
    clock: Clock,
    proxy: EventLoopProxy<Wake>,
    /// One `Wake::Look` is enough however many threads ask for it.
    looking: Arc<AtomicBool>,
    window: Option<Arc<Window>>,
    /// Something else took the window away: nothing can be asked of it.
    destroyed: bool,
    /// The surface has to be made anew.
    surface_lost: bool,
    screen: Option<Box<Screen>>,
    opening: bool,
    preferences: Preferences,
    /// What is being recorded, and what brings its pictures back.
    recording: Option<Recording>,
    replay: Option<Replay>,
    tap: Option<Tap>,
    waker: Waker,
    stream: Option<Stream>,
    sent: Option<Sent>,
    countdown: Countdown,
    /// Pictures of a strip that is not full yet.
    strip: Vec<PendingStill>,
    stills: Stills,
    /// The GPU is to be lost, because the user wants to see that, as soon as there is one.
    lose_gpu: bool,
    gui: Gui,
    /// The modifier keys that are held.
    held: ModifiersState,
    session: Session,
    redraw_at: Option<Instant>,
    poll_at: Option<Instant>,
    last_draw: Instant,
    /// The window is covered by others.
    occluded: bool,
    /// When it was last asked whether it can be seen.
    seen_at: Instant,
    draws: u64,
    threads: Threads,
    /// While it lives, new packs are looked for.
    stay: Option<mpsc::Sender<()>>,
    failure: Option<Fault>,
    memory: Memory,
    remembered_at: Instant,
    /// What is to be told as soon as there is a picture.
    announcements: Vec<Fault>,
    /// Until there is a picture.
    attempt: Attempt,
}

impl App {
    fn new(
        args: WindowArgs,
        common: &Common,
        started: Instant,
        attempt: Attempt,
        proxy: EventLoopProxy<Wake>,
    ) -> Result<Self, CliError> {
        let folders = models_dirs(common.models.as_deref());
        let catalog = match Cache::of_user() {
            Some(cache) => Catalog::timing(folders, cache),
            None => Catalog::new(folders),
        };
        let clock = Clock::default();
        let looking = Arc::new(AtomicBool::new(false));
        let waker: Waker = {
            let (proxy, looking) = (proxy.clone(), looking.clone());
            Arc::new(move || {
                if !looking.swap(true, Ordering::AcqRel) {
                    // The loop is gone: so is everything that could be looked at.
                    let _ = proxy.send_event(Wake::Look);
                }
            })
        };
        let folder = crate::folders::config_folder();
        let (settings, unusable) = folder.as_deref().map(Settings::load).unwrap_or_default();
        let preferences = Preferences::new(&args, &settings);
        let mut args = args;
        args.source = args.source.or_else(|| preferences.first_source());
        let mut session = Session::start(&args, &settings, catalog.clone(), waker.clone(), clock.clone(), started);
        session.add_files(preferences.files());
        if let Some(fault) = unusable {
            session.tell(fault, started);
        }
        // The effects are read while the GPU opens.
        let reader = waker.clone();
        let (stay, gone) = mpsc::channel::<()>();
        let mut threads = Threads::default();
        threads.start("catalog", move || {
            catalog.found();
            reader();
            // A pack that was just made should not need another start.
            while gone.recv_timeout(LOOK_FOR_PACKS) == Err(mpsc::RecvTimeoutError::Timeout) {
                if catalog.refresh() {
                    reader();
                }
            }
        })?;
        let lister = proxy.clone();
        thread("cameras", move || {
            let _ = lister.send_event(Wake::Sources(stream::list_cameras()));
        })?;
        let level = match args.overlay {
            Some(OverlayLevel::Full) => Level::Full,
            Some(OverlayLevel::Compact) => Level::Compact,
            Some(OverlayLevel::Line) => Level::Line,
            Some(OverlayLevel::None) => Level::Hidden,
            None => settings.overlay.unwrap_or_default(),
        };
        let mut app = Self {
            args,
            started,
            clock,
            proxy,
            looking,
            window: None,
            destroyed: false,
            surface_lost: false,
            screen: None,
            opening: false,
            preferences,
            recording: None,
            replay: None,
            tap: None,
            waker: waker.clone(),
            stream: None,
            sent: None,
            countdown: Countdown::default(),
            strip: Vec::new(),
            stills: settings.stills.unwrap_or_default(),
            lose_gpu: false,
            gui: Gui::new(level, started),
            held: ModifiersState::empty(),
            session,
            redraw_at: None,
            poll_at: None,
            last_draw: started,
            occluded: false,
            seen_at: started,
            draws: 0,
            threads,
            stay: Some(stay),
            announcements: attempt.notice().into_iter().chain(start::announcements(&settings)).collect(),
            attempt,
            memory: Memory::new(folder, settings),
            remembered_at: started,
            failure: None,
        };
        app.notice_choices(started);
        Ok(app)
    }

    /// After the window is closed: the report, and what went wrong.
    fn end(mut self) -> Result<(), CliError> {
        let files = [&self.args.report, &self.args.csv, &self.args.trace];
        if files.iter().any(|f| f.is_some()) {
            self.session.finish(self.clock.now());
            let run_export = self.session.run_export(self.clock.now());
            let [report, csv, trace] = files;
            report.as_ref().map_or(Ok(()), |path| run_export.write_report(path))?;
            csv.as_ref().map_or(Ok(()), |path| run_export.write_csv(path))?;
            trace.as_ref().map_or(Ok(()), |path| run_export.write_trace(path))?;
        }
        log::info!("{} pictures shown in {} drawings", self.session.record().shown(), self.draws);
        self.notice_choices(self.clock.now());
        if let Some(rest) = self.memory.rest() {
            Memory::write(rest);
        }
        self.end_recording(self.clock.now());
        self.sent = None;
        // Before the window and its display go away.
        if let Some(window) = self.window.as_ref().filter(|_| !self.destroyed) {
            // What follows can take a moment, and nobody needs to watch.
            window.set_visible(false);
        }
        self.session.end_telemetry();
        drop(self.session.detach());
        self.screen = None;
        self.stay = None;
        self.threads.join();
        match self.failure {
            Some(fault) => Err(fault.into()),
            None => Ok(()),
        }
    }

    fn fail(&mut self, event_loop: &ActiveEventLoop, fault: Fault) {
        self.failure = Some(fault);
        event_loop.exit();
    }

    fn request_redraw(&self) {
        if let Some(window) = &self.window {
            window.request_redraw();
        }
    }

    /// Takes in what has happened elsewhere, and asks for a redraw if it can be seen.
    fn look(&mut self, event_loop: &ActiveEventLoop) {
        let now = self.clock.now();
        if self.destroyed {
            return;
        }
        // While something is painted the device is polled anyway.
        let idle = !self.session.is_painting();
        let gpu_lost = |s: &Screen| if idle { s.gpu.look_whether_lost() } else { s.gpu.is_lost() };
        let surface_lost = std::mem::take(&mut self.surface_lost);
        if self.screen.as_ref().is_some_and(|s| surface_lost || gpu_lost(s)) {
            self.rebuild(event_loop, now);
        }
        let advanced = self.session.advance(now);
        self.lose_gpu |= advanced.lose_gpu;
        if let Some(screen) = self.screen.as_ref().filter(|_| self.lose_gpu) {
            self.lose_gpu = false;
            screen.gpu.lose();
        }
        self.look_at_pictures();
        self.bring_back(now);
        self.poll_at = advanced.poll_soon.then(|| now + POLL_EVERY);
        if advanced.redraw {
            self.request_redraw();
        }
    }

    /// Pictures of effects that are to be read, and those that the wall painted.
    fn look_at_pictures(&mut self) {
        if self.session.has_new_effects() {
            let unread = self.gui.pictures.set_effects(self.session.choices().effects());
            let proxy = self.proxy.clone();
            self.threads.attempt("pictures", move || {
                let _ = proxy.send_event(Wake::Pictures(pictures::read(unread)));
            });
        }
        let live = self.session.wall_pictures();
        if !live.is_empty() {
            for picture in live {
                let size = [picture.extent.width as usize, picture.extent.height as usize];
                self.gui.pictures.set_live(&picture.effect, egui::ColorImage::from_rgb(size, &picture.rgb));
            }
            self.renew();
        }
    }

    /// Whether anybody can see the window, as far as the system says.
    fn notice_hidden(&mut self, now: Instant) -> bool {
        self.seen_at = now;
        let minimized = self.window.as_ref().is_some_and(|window| window.is_minimized() == Some(true));
        let hidden = self.occluded || minimized;
        self.session.set_hidden(hidden, now);
        hidden
    }

    fn draw(&mut self, event_loop: &ActiveEventLoop) {
        let now = self.clock.now();
        self.last_draw = now;
        let asked = now.saturating_duration_since(self.seen_at) < ASK_HIDDEN;
        if (self.occluded || !asked) && self.notice_hidden(now) {
            return;
        }
        // Before there is a screen nothing may run: what egui says about its textures is said once.
        let (Some(window), Some(_)) = (self.window.clone(), &self.screen) else { return };
        if self.destroyed {
            return;
        }
        if let Some(more) = self.countdown.over(now) {
            self.take_still(more, now);
            self.gui.renew(now);
        }
        let gpu = self.wanted_gpu();
        if self.gui.is_due(now)
            && let Some(lasts) = self.gui.run(
                &window,
                &mut self.session,
                Beside {
                    takers: Takers {
                        recording: self.recording.as_ref(),
                        replay: self.replay.as_ref(),
                        stream: self.stream.as_ref(),
                        camera: self.sent.as_ref(),
                    },
                    stills: self.stills,
                    preferences: &self.preferences,
                    gpu: &gpu,
                    countdown: self.countdown.shown(now),
                },
                now,
            )
        {
            self.redraw_at = (lasts < Duration::from_secs(60)).then(|| now + lasts);
        }
        // All of the window is covered by the wall: nothing need be drawn under it.
        let wanted = self.gui.interface.wanted();
        let covered = wanted.is_some();
        if !covered {
            self.gui.pictures.end_live();
        }
        let paints_on = self.takers().any();
        self.session.set_wall(wanted, paints_on, now);
        let (Some(screen), Some(triangles)) = (&mut self.screen, self.gui.triangles()) else { return };
        let look = self.session.choices().look();
        let session = &mut self.session;
        let shown = session.runtime().and_then(Runtime::pipeline).and_then(|p| p.shown()).map(|stamp| stamp.id);
        let drawn = screen.draw(&window, triangles, shown, |encoder, view, extent| {
            !covered && session.runtime().is_some_and(|runtime| runtime.draw(encoder, view, extent, &look))
        });
        match drawn {
            Drawn::Yes { laps } => {
                self.draws += 1;
                if let Some(runtime) = self.session.runtime() {
                    screen.spans(&mut |span| runtime.enter(span));
                }
                self.session.presented(&laps, self.clock.now());
            }
            Drawn::Skipped => {}
            // Not at once: that the window is gone, which is one reason for it, is heard next.
            Drawn::Lost => {
                self.surface_lost = true;
                // The loop is this one.
                let _ = self.proxy.send_event(Wake::Look);
            }
        }
        let actions = self.gui.actions();
        if !actions.is_empty() {
            self.renew();
        }
        for action in actions {
            self.act(event_loop, action, now);
        }
        self.remember(now);
        // Not before somebody can see it: notices leave by themselves.
        if self.session.record().shown() > 0 {
            self.attempt.succeeded();
            for fault in std::mem::take(&mut self.announcements) {
                self.session.tell(fault, now);
            }
        }
        if self.args.frames.is_some_and(|frames| self.session.record().shown() >= frames) {
            event_loop.exit();
        }
    }

    /// Something was touched: the interface runs again with the next picture, which is asked for.
    fn renew(&mut self) {
        self.gui.renew(self.clock.now());
        self.request_redraw();
    }

    fn notice_choices(&mut self, now: Instant) {
        if let Some(spec) = self.session.opened_source() {
            self.preferences.looked_at(&spec);
        }
        let window = self.window.as_deref().filter(|_| !self.destroyed);
        let chosen = Settings {
            overlay: Some(self.gui.interface.level),
            stills: Some(self.stills),
            window: window.and_then(|window| worth_remembering(window, self.gui.size())),
            ..self.preferences.settings(self.session.chosen())
        };
        self.memory.notice(chosen, now);
    }

    /// Notes what the user changed since the last look, and writes it once it has settled.
    fn remember(&mut self, now: Instant) {
        if now.saturating_duration_since(self.remembered_at) < REMEMBER_EVERY {
            return;
        }
        self.remembered_at = now;
        self.follow_camera();
        self.notice_choices(now);
        if let Some(due) = self.memory.due(now) {
            self.threads.attempt("settings", move || Memory::write(due));
        }
    }
}

impl ApplicationHandler<Wake> for App {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        let _busy = watch::busy("opening the window", EVENT_AT_MOST);
        if self.window.is_none()
            && let Err(fault) = self.open_window(event_loop)
        {
            self.fail(event_loop, fault);
        }
    }

    fn new_events(&mut self, event_loop: &ActiveEventLoop, cause: StartCause) {
        if !matches!(cause, StartCause::ResumeTimeReached { .. }) {
            return;
        }
        let now = self.clock.now();
        if self.poll_at.is_some_and(|at| at <= now) {
            self.look(event_loop);
        }
        if self.redraw_at.is_some_and(|at| at <= now) {
            self.redraw_at = None;
            // Also while nothing comes that would wake us.
            self.look(event_loop);
            self.request_redraw();
        }
    }

    fn user_event(&mut self, event_loop: &ActiveEventLoop, wake: Wake) {
        let _busy = watch::busy("taking in what other threads have done", EVENT_AT_MOST);
        let now = self.clock.now();
        match wake {
            Wake::Look => {
                // Before looking: what comes from here on deserves another look.
                self.looking.store(false, Ordering::Release);
                self.look(event_loop);
            }
            Wake::Screen(screen) => self.take_screen(event_loop, screen),
            Wake::Sources(cameras) => {
                self.session.add_sources(cameras);
                self.request_redraw();
            }
            Wake::Saved(saved) => {
                self.tell_saved(saved, now);
                self.request_redraw();
            }
            Wake::Asked(asked) => self.take_asked(asked, now),
            Wake::Pictures(read) => {
                self.gui.pictures.set_own(read);
                self.renew();
            }
            Wake::Reader(event) => {
                self.gui.hear_reader(event, now);
                self.request_redraw();
            }
            Wake::Hangs(fault) => {
                self.session.tell(fault, now);
                self.renew();
            }
            Wake::End => event_loop.exit(),
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _window: WindowId, event: WindowEvent) {
        let _busy = watch::busy("drawing, or doing what was asked for", EVENT_AT_MOST);
        let now = self.clock.now();
        let Some(window) = self.window.clone() else { return };
        let renew = self.gui.hear(&window, &event);
        match event {
            WindowEvent::CloseRequested => event_loop.exit(),
            WindowEvent::Destroyed => {
                self.destroyed = true;
                event_loop.exit();
            }
            WindowEvent::ScaleFactorChanged { .. } => self.gui.rescale(&window),
            WindowEvent::Resized(size) => {
                if let Some(screen) = &mut self.screen {
                    screen.resize(Extent::new(size.width, size.height));
                }
                self.renew();
            }
            WindowEvent::RedrawRequested => return self.draw(event_loop),
            WindowEvent::Occluded(occluded) => {
                self.occluded = occluded;
                self.notice_hidden(now);
                self.renew();
            }
            // Synthetic presses are keys that were held already when the window got the focus: meant for another one.
            WindowEvent::KeyboardInput { event, is_synthetic: false, .. } if !self.gui.wants_keys() => {
                if let Some(action) = keys::action(&event, self.held) {
                    let walled = self.gui.interface.wall().is_some();
                    self.act(event_loop, if walled { action.on_wall() } else { action }, now);
                    self.renew();
                }
            }
            WindowEvent::ModifiersChanged(held) => self.held = held.state(),
            WindowEvent::CursorMoved { .. } | WindowEvent::MouseInput { .. } | WindowEvent::Touch(_) => {
                self.gui.interface.touched(now);
                self.renew();
            }
            _ => {}
        }
        if renew {
            self.renew();
        }
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        let now = self.clock.now();
        // Figures fall off and the bar hides even when no picture comes.
        let resting = self.session.is_resting(now);
        let idle = self.last_draw + if resting { RESTING_REDRAW } else { IDLE_REDRAW };
        let next = [self.poll_at, self.redraw_at, Some(idle)].into_iter().flatten().min();
        if idle <= now {
            self.redraw_at = Some(now);
        }
        match next {
            Some(at) => event_loop.set_control_flow(ControlFlow::WaitUntil(at)),
            None => event_loop.set_control_flow(ControlFlow::Wait),
        }
    }
}

/// The window's inside, `size` physical pixels, as the user made it; nothing while it fills the screen or is hidden.
fn worth_remembering(window: &Window, size: PhysicalSize<u32>) -> Option<WindowSize> {
    let covers = window.fullscreen().is_some() || window.is_maximized() || window.is_minimized() == Some(true);
    let size = size.to_logical::<f64>(display::scale_of(window));
    let size = WindowSize { width: size.width.round() as u32, height: size.height.round() as u32 };
    (!covers && size.width > 0 && size.height > 0).then_some(size)
}
