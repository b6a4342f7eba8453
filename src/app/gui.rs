//! egui between the window and the interface: the window's events go in, triangles and wishes come out.

use std::time::{Duration, Instant};

use winit::event::WindowEvent;
use winit::window::Window;

use super::screen::Triangles;
use super::session::Session;
use crate::export::crash;
use crate::ui::{Action, Interface, Level, View, style};

pub(super) struct Gui {
    /// `None` until there is a window.
    input: Option<egui_winit::State>,
    pub interface: Interface,
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
        Self { input: None, interface, actions: Vec::new(), triangles: None, until: now }
    }

    /// For `window`, and for a screen that has seen nothing yet: all textures come again.
    pub fn attach(&mut self, window: &Window) {
        // A new context would forget what is open; only its textures must be sent again.
        let context = egui::Context::default();
        style::apply(&context);
        let scale = window.scale_factor() as f32;
        let viewport = egui::ViewportId::ROOT;
        self.input = Some(egui_winit::State::new(context, viewport, window, Some(scale), window.theme(), None));
        self.triangles = None;
    }

    /// Takes in what happened to the window. True when the interface has to run again for it.
    pub fn hear(&mut self, window: &Window, event: &WindowEvent) -> bool {
        self.input.as_mut().is_some_and(|input| input.on_window_event(window, event).repaint)
    }

    /// Keys are typed into the interface.
    pub fn wants_keys(&self) -> bool {
        self.input.as_ref().is_some_and(|input| input.egui_ctx().egui_wants_keyboard_input())
    }

    /// Pictures come more often than figures change: in between the interface is drawn as it was.
    pub fn is_due(&self, now: Instant) -> bool {
        self.triangles.is_none() || now >= self.until
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
    pub fn run(&mut self, window: &Window, session: &mut Session, now: Instant) -> Option<Duration> {
        let input = self.input.as_mut()?;
        let raw = input.take_egui_input(window);
        session.refresh_summary(now);
        let faults = session.faults(now);
        let system = session.system();
        crash::sensed(&system);
        let source = session.source_spec();
        let choices = session.choices();
        let view = View {
            meter: session.meter_ref(),
            summary: session.summary()?,
            subject: session.subject(),
            effects: choices.effects(),
            effect: choices.effect(),
            variant: session.variant(),
            preparing: session.preparing(),
            sources: session.sources(),
            source: &source,
            controls: choices.controls(),
            blend: choices.blend(),
            governor: session.governor(),
            picture_aspect: session.picture_aspect(),
            faults: &faults,
            system: &system,
            now,
        };
        let context = input.egui_ctx().clone();
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
