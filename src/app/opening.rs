//! The window and its screen: opened at the start, and the screen again whenever the driver took the GPU away.

use std::sync::Arc;
use std::time::Instant;

use winit::event_loop::ActiveEventLoop;
use winit::window::{Fullscreen, Window};

use super::screen::Screen;
use super::{App, Wake, display, setup};
use crate::export::crash;
use crate::fault::Fault;
use crate::gpu::Gpu;
use crate::units::Extent;

/// The window at first, in logical pixels: 16:9, and small enough for a laptop.
const FIRST_SIZE: (f64, f64) = (1024.0, 576.0);
/// How a message about a lost GPU begins.
const GPU_LOST: &str = "The graphics driver took the GPU away";

impl App {
    pub(super) fn open_window(&mut self, event_loop: &ActiveEventLoop) -> Result<(), Fault> {
        let remembered = self.memory.settings().window;
        let (width, height) = remembered.map_or(FIRST_SIZE, |w| (f64::from(w.width), f64::from(w.height)));
        // winit makes pixels of logical sizes with whatever scale the desktop names.
        let scale = event_loop.primary_monitor().map_or(1.0, |m| display::held(m.scale_factor()));
        let size = |width: f64, height: f64| winit::dpi::LogicalSize::new(width, height).to_physical::<u32>(scale);
        let fullscreen = self.args.fullscreen || self.preferences.startup.fullscreen;
        let attributes = Window::default_attributes()
            .with_title("Impasto")
            .with_inner_size(size(width, height))
            .with_min_inner_size(size(320.0, 180.0))
            .with_visible(false)
            .with_window_level(setup::level(self.preferences.startup))
            .with_fullscreen(fullscreen.then_some(Fullscreen::Borderless(None)));
        let window = event_loop
            .create_window(attributes)
            .map_err(|e| Fault::failed(format!("No window can be opened: {e}"), "Look at the desktop session"))?;
        self.gui.attach(&window);
        self.gui.describe(event_loop, &window, self.proxy.clone());
        window.set_visible(true);
        self.window = Some(Arc::new(window));
        self.title();
        log::info!("window after {} ms", self.started.elapsed().as_millis());
        self.open_screen(event_loop)
    }

    /// Opens the GPU for the window, on a thread; the surface itself must be made here (macOS insists).
    fn open_screen(&mut self, event_loop: &ActiveEventLoop) -> Result<(), Fault> {
        let Some(window) = self.window.clone() else { return Ok(()) };
        if std::mem::replace(&mut self.opening, true) {
            return Ok(());
        }
        let size = self.window_extent();
        let instance = Gpu::instance(Some(Box::new(event_loop.owned_display_handle())));
        let surface = instance.create_surface(window).map_err(|e| {
            Fault::failed(format!("Nothing can be drawn in the window: {e}"), "Look at `impasto doctor`")
        })?;
        let (proxy, choice) = (self.proxy.clone(), self.wanted_gpu());
        self.threads.start("gpu", move || {
            let screen = Screen::open(instance, surface, size, choice).map(Box::new);
            let _ = proxy.send_event(Wake::Screen(screen));
        })
    }

    pub(super) fn take_screen(&mut self, event_loop: &ActiveEventLoop, screen: Result<Box<Screen>, Fault>) {
        self.opening = false;
        let attached = screen.and_then(|mut screen| {
            screen.resize(self.window_extent());
            log::info!("{} after {} ms", screen.gpu.caps.name, self.started.elapsed().as_millis());
            self.session.attach(screen.gpu.clone(), screen.format())?;
            self.announcements.extend(screen.notice.take());
            self.screen = Some(screen);
            Ok(())
        });
        match attached {
            Ok(()) => {
                self.look(event_loop);
                self.request_redraw();
            }
            Err(fault) => self.fail(event_loop, fault),
        }
    }

    /// Whether an adapter is on its way.
    pub(super) fn is_opening(&self) -> bool {
        self.opening
    }

    /// The window's inside, as it said last.
    fn window_extent(&self) -> Extent {
        let size = self.gui.size();
        Extent::new(size.width, size.height)
    }

    /// The GPU was taken away: everything on it is made anew.
    pub(super) fn rebuild(&mut self, event_loop: &ActiveEventLoop, now: Instant) {
        let said = Fault::degraded(GPU_LOST, "The picture is being set up again; nothing needs to be done");
        self.session.tell_gpu_lost(said, now);
        // It waits for the disk: not here.
        self.threads.attempt("crash report", || drop(crash::device_lost(GPU_LOST)));
        self.reopen(event_loop);
    }

    /// Takes down everything on the GPU, and opens the one that is wanted.
    pub(super) fn reopen(&mut self, event_loop: &ActiveEventLoop) {
        // Taking it down waits for what is being built: not here.
        let runtime = self.session.detach();
        self.threads.attempt("gpu closing", move || drop(runtime));
        self.screen = None;
        if let Some(window) = &self.window {
            self.gui.attach(window);
        }
        if let Err(fault) = self.open_screen(event_loop) {
            self.fail(event_loop, fault);
        }
    }
}
