//! egui between the window and the interface: the window's events go in, triangles and wishes come out.

use std::time::{Duration, Instant};

use egui_winit::accesskit_winit;
use winit::dpi::PhysicalSize;
use winit::event::WindowEvent;
use winit::event_loop::{ActiveEventLoop, EventLoopProxy};
use winit::window::Window;

use super::display;
use super::pictures::Pictures;
use super::screen::Triangles;
use super::session::Session;
use super::setup::Preferences;
use super::tap::Takers;
use crate::export::crash;
use crate::gpu::GpuChoice;
use crate::output::{Recording, Replay, Stills};
use crate::ui::{Action, Countdown, Interface, Level, View, style};

/// What the interface shows beside the session.
pub(super) struct Beside<'a> {
    pub takers: Takers<'a>,
    /// How pictures are saved.
    pub stills: Stills,
    pub preferences: &'a Preferences,
    /// The adapter that is wanted.
    pub gpu: &'a GpuChoice,
    pub countdown: Option<Countdown>,
}

pub(super) struct Gui {
    /// `None` until there is a window.
    input: Option<egui_winit::State>,
    /// A screen reader is there.
    read_aloud: bool,
    /// The window's inside, physical pixels, as it said last.
    size: PhysicalSize<u32>,
    /// egui's time begins here.
    opened: Instant,
    pub interface: Interface,
    pub pictures: Pictures,
    actions: Vec<Action>,
    /// The interface as it was drawn last; `None` before it ran, and when it must run again.
    triangles: Option<Triangles>,
    /// Until when `triangles` may be drawn again although figures change.
    until: Instant,
}

impl Gui {
    pub fn new(level: Level, now: Instant) -> Self {
        let mut interface = Interface::new(level);
        interface.touched(now);
        Self {
            input: None,
            read_aloud: false,
            size: PhysicalSize::default(),
            opened: now,
            interface,
            pictures: Pictures::default(),
            actions: Vec::new(),
            triangles: None,
            until: now,
        }
    }

    /// Tells screen readers of the window from now on; `proxy` brings what they ask for. To be called before the window is
    /// shown.
    pub fn describe<T: From<accesskit_winit::Event> + Send>(
        &mut self,
        event_loop: &ActiveEventLoop,
        window: &Window,
        proxy: EventLoopProxy<T>,
    ) {
        if let Some(input) = &mut self.input {
            input.init_accesskit(event_loop, window, proxy);
        }
    }

    /// A screen reader asks for something.
    pub fn hear_reader(&mut self, event: accesskit_winit::WindowEvent, now: Instant) {
        use accesskit_winit::WindowEvent::{AccessibilityDeactivated, ActionRequested, InitialTreeRequested};
        let Some(input) = &mut self.input else { return };
        match event {
            InitialTreeRequested => {
                self.read_aloud = true;
                input.egui_ctx().enable_accesskit();
            }
            ActionRequested(request) => input.on_accesskit_action_request(request),
            AccessibilityDeactivated => {
                self.read_aloud = false;
                input.egui_ctx().disable_accesskit();
            }
        }
        self.renew(now);
    }

    /// For `window`, and for a screen that has seen nothing yet: all textures come again.
    pub fn attach(&mut self, window: &Window) {
        // Later it says so itself; asking for it would panic where somebody else took the window away a moment ago.
        let first = self.input.is_none();
        // A new context would forget what is open; only its textures must be sent again.
        let context = egui::Context::default();
        style::apply(&context);
        context.set_zoom_factor(display::correction(window));
        let scale = window.scale_factor() as f32;
        let viewport = egui::ViewportId::ROOT;
        if self.read_aloud {
            context.enable_accesskit();
        }
        let reader = self.input.take().and_then(|mut input| input.accesskit.take());
        let mut input = egui_winit::State::new(context, viewport, window, Some(scale), window.theme(), None);
        input.accesskit = reader;
        self.input = Some(input);
        if first {
            self.size = window.inner_size();
        }
        self.triangles = None;
        self.interface.context_changed();
        self.pictures.forget_textures();
    }

    /// The window has another scale now.
    pub fn rescale(&mut self, window: &Window) {
        if let Some(input) = &self.input {
            input.egui_ctx().set_zoom_factor(display::correction(window));
        }
    }

    /// Takes in what happened to the window. True when the interface has to run again for it.
    pub fn hear(&mut self, window: &Window, event: &WindowEvent) -> bool {
        if let WindowEvent::Resized(size) = event {
            self.size = *size;
        }
        self.input.as_mut().is_some_and(|input| input.on_window_event(window, event).repaint)
    }

    /// Keys are typed into the interface.
    pub fn wants_keys(&self) -> bool {
        self.input.as_ref().is_some_and(|input| input.egui_ctx().egui_wants_keyboard_input())
    }

    /// Closes what is open: a menu, else what the interface shows over the picture. False when nothing was open.
    pub fn escape(&mut self) -> bool {
        let context = self.input.as_ref().map(egui_winit::State::egui_ctx);
        if let Some(context) = context.filter(|c| egui::Popup::is_any_open(c)) {
            egui::Popup::close_all(context);
            return true;
        }
        self.interface.escape()
    }

    /// Pictures come more often than figures change: in between the interface is drawn as it was.
    pub fn is_due(&self, now: Instant) -> bool {
        self.triangles.is_none() || now >= self.until
    }

    /// The window's inside, physical pixels, as it said last.
    pub fn size(&self) -> PhysicalSize<u32> {
        self.size
    }

    /// The interface runs again with the next picture.
    pub fn renew(&mut self, now: Instant) {
        self.until = now;
    }

    /// The interface as it ran last.
    pub fn triangles(&mut self) -> Option<&mut Triangles> {
        self.triangles.as_mut()
    }

    /// What the user asked for since the last call.
    pub fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Runs the interface and makes triangles of it. There must be a screen to draw them on. Returns how long they last by
    /// themselves; `None` where nothing could be run.
    pub fn run(
        &mut self,
        window: &Window,
        session: &mut Session,
        beside: Beside<'_>,
        now: Instant,
    ) -> Option<Duration> {
        let Beside { takers, stills, preferences, gpu, countdown } = beside;
        let input = self.input.as_mut()?;
        let raw = raw_input(input, self.opened, self.size, window);
        session.refresh_summary(now);
        let faults = session.faults(now);
        let unpainted = session.unpainted(now);
        let recording = takers.recording.map(Recording::state);
        let replay = takers.replay.map(Replay::state);
        let serving = takers.stream.map(|s| (s.address(), s.clients()));
        let sent = takers.camera.map(|sent| (sent.camera.path(), sent.camera.state()));
        let system = session.system();
        crash::sensed(&system);
        let source = session.source_spec();
        let choices = session.choices();
        let context = input.egui_ctx().clone();
        let view = View {
            meter: session.meter_ref(),
            summary: session.summary()?,
            subject: session.subject(),
            effects: choices.effects(),
            pictures: self.pictures.shown(&context),
            wall: session.wall_cost(),
            effect: choices.effect(),
            variant: session.variant(),
            preparing: session.preparing(),
            sources: session.sources(),
            source: &source,
            controls: choices.controls(),
            blend: choices.blend(),
            recording: recording.as_ref(),
            replay: replay.as_ref(),
            serving,
            sent,
            stills,
            setup: preferences.view(session.adapter(), gpu, choices.request().engine, session.camera()),
            countdown,
            governor: session.governor(),
            picture_aspect: session.picture_aspect(),
            unpainted: unpainted.as_ref(),
            faults: &faults,
            system: &system,
            now,
        };
        let output = context.run_ui(raw, |ui| self.interface.show(ui, &view, &mut self.actions));
        let pixels_per_point = output.pixels_per_point;
        let primitives = context.tessellate(output.shapes, pixels_per_point);
        let mut textures = output.textures_delta;
        if let Some(mut old) = self.triangles.take() {
            // What the screen did not get to see must still reach it, first.
            old.textures.append(textures);
            textures = std::mem::take(&mut old.textures);
        }
        let ran = Some((now, Instant::now()));
        self.triangles = Some(Triangles { primitives, textures, pixels_per_point, ran });
        let repaint = output.viewport_output.values().map(|v| v.repaint_delay).min().unwrap_or(Duration::MAX);
        self.until = now + repaint.min(Interface::REFRESH);
        input.handle_platform_output(window, output.platform_output);
        Some(repaint)
    }
}

/// What egui is told, without asking the window for its size as egui-winit does: winit panics where somebody else took the window
/// away a moment ago.
fn raw_input(
    input: &mut egui_winit::State,
    opened: Instant,
    size: PhysicalSize<u32>,
    window: &Window,
) -> egui::RawInput {
    let native = window.scale_factor() as f32;
    let points = egui::vec2(size.width as f32, size.height as f32) / (input.egui_ctx().zoom_factor() * native);
    let raw = input.egui_input_mut();
    raw.time = Some(opened.elapsed().as_secs_f64());
    raw.screen_rect = (points.x > 0.0 && points.y > 0.0).then(|| egui::Rect::from_min_size(egui::Pos2::ZERO, points));
    raw.viewport_id = egui::ViewportId::ROOT;
    raw.viewports.entry(egui::ViewportId::ROOT).or_default().native_pixels_per_point = Some(native);
    raw.take()
}
