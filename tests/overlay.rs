//! The overlay, the bar and the messages as pictures, at two scale factors, over a picture that is hard to read on; and
//! what the controls say when they are used. Needs an adapter for the pictures (lavapipe will do).

use std::time::{Duration, Instant};

use egui_kittest::kittest::Queryable;
use egui_kittest::{Harness, SnapshotOptions, SnapshotResults};
use impasto::fault::Fault;
use impasto::metrics::{Meter, Span, Stage, Subject};
use impasto::system::Reading;
use impasto::ui::{Action, Controls, EffectEntry, Interface, Level, SourceEntry, View, style};
use impasto::units::{Budget, CaptureClock, Extent, FrameId, FrameStamp};

const US: Duration = Duration::from_micros(1);

/// Everything that a view borrows.
struct Scene {
    meter: Meter,
    subject: Subject,
    effects: Vec<EffectEntry>,
    sources: Vec<SourceEntry>,
    faults: Vec<(Fault, u32)>,
    controls: Controls,
    interface: Interface,
    actions: Vec<Action>,
    now: Instant,
    preparing: Option<&'static str>,
}

impl Scene {
    /// Five seconds of a 30 Hz camera, one frame in forty slow, the display not measured.
    fn new(level: Level) -> Self {
        let t0 = Instant::now();
        let mut meter = Meter::new(Budget::default());
        let at = |id: u64| t0 + US * 33_333 * id as u32;
        for id in 0..150u64 {
            let frame = FrameId(id);
            meter.captured(id + 1, at(id));
            meter.open(FrameStamp { id: frame, captured: at(id), clock: CaptureClock::Driver });
            let wobble = (id * 7919 % 13) as u32 * 180;
            let slow = if id % 40 == 17 { 21_000 } else { 0 };
            let spans = [
                (Stage::Capture, 6_100),
                (Stage::Upload, 420),
                (Stage::Prepare, 910),
                (Stage::Infer, 14_300 + wobble + slow),
            ];
            let spans = spans.into_iter().chain([(Stage::Compose, 2_600), (Stage::Interface, 1_100)]);
            let mut total = 2_500;
            for (stage, us) in spans {
                meter.enter(Span::lasting(frame, stage, US * us));
                total += us;
            }
            meter.processed(id + 1, at(id) + US * total);
            meter.present(frame, at(id) + US * total);
        }
        meter.dropped(3);
        let effect = |name: &str, title: &str| EffectEntry {
            name: name.into(),
            title: title.into(),
            variants: vec!["s".into(), "m".into()],
        };
        Self {
            meter,
            subject: Subject {
                effect: "gauguin".into(),
                variant: "m".into(),
                engine: "wgpu".into(),
                device: "NVIDIA GeForce RTX 4060 (vulkan)".into(),
                why: "a real GPU paints in place, without copying pixels back".into(),
                width: 512,
                height: 288,
                source: "camera:0".into(),
                source_extent: Extent::new(1280, 720),
            },
            effects: vec![
                effect("gauguin", "Gauguin"),
                effect("starry-night", "Starry Night"),
                effect("great-wave", "The Great Wave"),
            ],
            sources: ["camera:0", "demo"]
                .map(|s| SourceEntry {
                    spec: s.into(),
                    title: if s == "demo" { "Demo scene" } else { "HD Webcam" }.into(),
                })
                .into(),
            faults: Vec::new(),
            controls: Controls { strength: 1.0, mirror: true, split: None, frozen: false },
            interface: Interface::new(level),
            actions: Vec::new(),
            now: at(149) + US * 30_000,
            preparing: None,
        }
    }

    fn show(&mut self, ui: &mut egui::Ui) {
        let summary = self.meter.summary(self.now);
        let view = View {
            meter: &self.meter,
            summary: &summary,
            subject: &self.subject,
            effects: &self.effects,
            effect: Some(0),
            variant: "m",
            preparing: self.preparing,
            sources: &self.sources,
            source: "camera:0",
            controls: self.controls,
            picture_aspect: None,
            faults: &self.faults,
            system: &Reading::default(),
            now: self.now,
        };
        self.interface.show(ui, &view, &mut self.actions);
    }
}

/// A picture with bright, dark and busy parts.
fn backdrop(ui: &egui::Ui) {
    let whole = ui.max_rect();
    let painter = ui.painter();
    for y in 0..12 {
        for x in 0..20 {
            let cell = egui::Rect::from_min_size(
                whole.min + whole.size() * egui::vec2(x as f32 / 20.0, y as f32 / 12.0),
                whole.size() / egui::vec2(20.0, 12.0) + egui::vec2(1.0, 1.0),
            );
            let wave = ((x * 37 + y * 91) % 97) as f32 / 97.0;
            let color = egui::Color32::from_rgb(
                (255.0 * wave) as u8,
                (250.0 - 140.0 * (y as f32 / 12.0)) as u8,
                (120.0 + 130.0 * (x as f32 / 20.0)) as u8,
            );
            painter.rect_filled(cell, 0, if (x + y) % 5 == 0 { egui::Color32::WHITE } else { color });
        }
    }
}

fn harness(scene: Scene, size: egui::Vec2, pixels_per_point: f32) -> Harness<'static, Scene> {
    let mut harness = Harness::builder()
        .with_size(size)
        .with_pixels_per_point(pixels_per_point)
        .with_context_setup(style::apply)
        .build_ui_state(
            |ui, scene: &mut Scene| {
                backdrop(ui);
                scene.show(ui);
            },
            scene,
        );
    harness.run_steps(3);
    harness
}

/// Whether pictures can be drawn here; prints why not.
fn can_draw() -> bool {
    match impasto::gpu::Gpu::headless() {
        Ok(_) => true,
        Err(error) => {
            assert!(std::env::var_os("REQUIRE_GPU").is_none(), "{error}");
            println!("skipped: {error}");
            false
        }
    }
}

fn snapshot(scene: Scene, size: egui::Vec2, name: &str) {
    if !can_draw() {
        return;
    }
    let mut results = SnapshotResults::new();
    for (scale, suffix) in [(1.0, "1x"), (2.0, "2x")] {
        // Drivers round edges differently; a moved or missing letter is far more than this.
        let options = SnapshotOptions::new().threshold(1.5).max_failed_pixels(60);
        let scene = scene.copy();
        let mut harness = harness(scene, size, scale);
        harness.snapshot_options(format!("{name}_{suffix}"), &options);
        results.extend_harness(&mut harness);
    }
}

impl Scene {
    /// The same scene for another picture.
    fn copy(&self) -> Self {
        let fresh = Scene::new(self.interface.level);
        let mut interface = Interface::new(self.interface.level);
        if self.interface.bar_visible(self.now) {
            interface.touched(fresh.now);
        }
        Scene {
            faults: self.faults.clone(),
            controls: self.controls,
            preparing: self.preparing,
            interface,
            subject: self.subject.clone(),
            effects: self.effects.clone(),
            ..fresh
        }
    }
}

#[test]
fn full() {
    snapshot(Scene::new(Level::Full), egui::vec2(960.0, 576.0), "full");
}

#[test]
fn line_with_bar_and_split() {
    let mut scene = Scene::new(Level::Line);
    scene.controls.split = Some(0.4);
    scene.preparing = Some("preparing Starry Night");
    let now = scene.now;
    scene.interface.touched(now);
    snapshot(scene, egui::vec2(960.0, 540.0), "line_bar_split");
}

#[test]
fn messages() {
    let mut scene = Scene::new(Level::Hidden);
    scene.faults = vec![
        (
            Fault::failed(
                "HD Webcam was unplugged",
                "Plug it in again: the picture goes on by itself. Or choose another source with --source",
            ),
            3,
        ),
        (Fault::notice("Saved impasto-0001.png", "In /home/you/Pictures"), 1),
    ];
    snapshot(scene, egui::vec2(720.0, 480.0), "messages");
}

#[test]
fn narrow_window_with_everything() {
    let mut scene = Scene::new(Level::Full);
    let now = scene.now;
    scene.interface.touched(now);
    scene.faults =
        vec![(Fault::degraded("The camera delivers 12.5 instead of 30 frames per second", "More light helps"), 1)];
    snapshot(scene, egui::vec2(520.0, 640.0), "narrow");
}

#[test]
fn controls_say_what_was_asked_for() {
    let mut scene = Scene::new(Level::Hidden);
    let now = scene.now;
    scene.interface.touched(now);
    let mut harness = Harness::builder()
        .with_size(egui::vec2(960.0, 540.0))
        .with_context_setup(style::apply)
        .build_ui_state(|ui, scene: &mut Scene| scene.show(ui), scene);
    harness.run_steps(2);
    for (label, action) in [
        ("2  Starry Night", Action::Effect(1)),
        ("S", Action::Variant("s".into())),
        ("Mirror", Action::Mirror(false)),
        ("Split", Action::Split(Some(0.5))),
        ("Save picture", Action::Still),
    ] {
        harness.get_by_label(label).click();
        harness.run_steps(2);
        assert_eq!(std::mem::take(&mut harness.state_mut().actions), [action], "{label}");
    }
}

#[test]
fn the_split_line_follows_the_pointer() {
    let mut scene = Scene::new(Level::Full);
    scene.controls.split = Some(0.5);
    let mut harness = Harness::builder()
        .with_size(egui::vec2(800.0, 600.0))
        .with_context_setup(style::apply)
        .build_ui_state(|ui, scene: &mut Scene| scene.show(ui), scene);
    harness.run_steps(2);
    harness.drag_at(egui::pos2(400.0, 300.0));
    harness.run_steps(2);
    harness.hover_at(egui::pos2(600.0, 300.0));
    harness.run_steps(2);
    let asked = harness.state().actions.iter().rev().find_map(|a| match a {
        Action::Split(Some(share)) => Some(*share),
        _ => None,
    });
    assert!((asked.unwrap() - 0.75).abs() < 0.01, "{asked:?}");
}

#[test]
fn the_bar_hides_by_itself() {
    let mut interface = Interface::default();
    let t0 = Instant::now();
    assert!(!interface.bar_visible(t0));
    interface.touched(t0);
    assert!(interface.bar_visible(t0 + Duration::from_secs(2)));
    assert!(!interface.bar_visible(t0 + Duration::from_secs(4)));
    assert_eq!(interface.next_change(), Some(t0 + Duration::from_secs(3)));
}
