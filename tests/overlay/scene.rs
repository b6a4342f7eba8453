//! Scenes for the overlay's pictures: a chain on a fake clock, and backdrops that are hard to read on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Color32, Rect, Vec2, pos2, vec2};
use impasto::effect::Touch;
use impasto::fault::Fault;
use impasto::gpu::Adapter;
use impasto::metrics::{Meter, Span, Stage, Subject, Summary};
use impasto::output::Folders;
use impasto::quality::{Keep, Rung, State};
use impasto::source::{CameraControl, ControlKind};
use impasto::system::{Power, Reading, Thermal};
use impasto::ui::{Action, CameraSetup, Controls, Countdown, EffectEntry, Interface, Level, SourceEntry, View};
use impasto::units::{Budget, CaptureClock, Extent, FrameId, FrameStamp};

const US: Duration = Duration::from_micros(1);

/// What lies under the interface.
#[derive(Clone, Copy, Debug)]
pub enum Backdrop {
    Busy,
    Bright,
    Dark,
}

/// What the chain is like.
#[derive(Clone, Copy, Debug)]
pub enum Chain {
    /// A GPU that has time left; one frame in eighty is slow.
    Easy,
    /// Most frames over the budget, on the CPU, with capture times that are only known from their arrival.
    Overloaded,
}

/// Everything that a view borrows.
pub struct Scene {
    pub meter: Meter,
    pub subject: Subject,
    pub effects: Vec<EffectEntry>,
    pub sources: Vec<SourceEntry>,
    pub faults: Vec<(Fault, u32)>,
    pub adapters: Vec<Adapter>,
    pub camera: Option<CameraSetup>,
    pub folders: Folders,
    pub usual_folders: Folders,
    pub controls: Controls,
    pub blend: Option<(usize, usize, f32)>,
    pub governor: Option<State>,
    pub system: Reading,
    pub countdown: Option<Countdown>,
    pub interface: Interface,
    pub actions: Vec<Action>,
    pub now: Instant,
    pub preparing: Option<&'static str>,
    pub backdrop: Backdrop,
}

fn subject(chain: Chain) -> Subject {
    let easy = matches!(chain, Chain::Easy);
    Subject {
        effect: "starry-night".into(),
        variant: if easy { "m" } else { "s" }.into(),
        engine: if easy { "wgpu" } else { "ort" }.into(),
        chain: "gpu".into(),
        device: if easy { "NVIDIA GeForce RTX 4060 (vulkan)" } else { "llvmpipe (LLVM 15.0.6, 256 bits)" }.into(),
        why: if easy {
            "a real GPU paints in place, without copying pixels back"
        } else {
            "the GPU is a software one; the CPU alone paints faster"
        }
        .into(),
        width: 512,
        height: 288,
        source: "camera:0".into(),
        source_extent: Extent::new(1280, 720),
    }
}

/// One frame of a chain whose clocks are known, entered as the window does it.
fn enter(meter: &mut Meter, chain: Chain, id: u64, captured: Instant) -> Instant {
    let frame = FrameId(id);
    let wobble = (id * 7919 % 13) as u32;
    let ms = |ms: f64| Duration::from_secs_f64(ms / 1e3);
    let (infer, slow) = match chain {
        Chain::Easy => (ms(9.3) + US * 90 * wobble, if id % 80 == 57 { ms(31.0) } else { Duration::ZERO }),
        Chain::Overloaded => (ms(41.0) + US * 900 * wobble, Duration::ZERO),
    };
    let arrived = captured + ms(6.1) + US * 40 * wobble;
    let uploaded = arrived + ms(0.42);
    meter.enter(Span::cpu(frame, Stage::Capture, captured, arrived));
    meter.enter(Span::cpu(frame, Stage::Upload, arrived, uploaded));
    let begin = uploaded + ms(0.6);
    meter.enter(Span::gpu(frame, Stage::Prepare, Some(begin), ms(0.91)));
    let begin = begin + ms(0.91);
    let inferred = begin + infer + slow;
    match chain {
        Chain::Easy => meter.enter(Span::gpu(frame, Stage::Infer, Some(begin), infer + slow)),
        Chain::Overloaded => meter.enter(Span::cpu(frame, Stage::Infer, begin, inferred)),
    }
    meter.enter(Span::gpu(frame, Stage::Compose, Some(inferred), ms(1.6)));
    let drawn = inferred + ms(2.2);
    meter.enter(Span::cpu(frame, Stage::Interface, drawn, drawn + ms(0.24)));
    // On the GPU, the interface has only a duration here.
    meter.enter(Span::gpu(frame, Stage::Interface, None, ms(0.05)));
    let shown = drawn + ms(0.9);
    meter.enter(Span::cpu(frame, Stage::Present, drawn + ms(0.3), shown));
    shown
}

impl Scene {
    pub fn new(level: Level) -> Self {
        Self::of(level, Chain::Easy)
    }

    /// Eleven seconds of a 30 Hz camera.
    pub fn of(level: Level, chain: Chain) -> Self {
        let t0 = Instant::now();
        let mut meter = Meter::new(Budget::default());
        let subject = subject(chain);
        meter.switch(Arc::new(subject.clone()));
        meter.set_stability(Some(1.3));
        meter.set_throttled(Some(false));
        let clock = match chain {
            Chain::Easy => CaptureClock::Driver,
            Chain::Overloaded => CaptureClock::Dequeue,
        };
        let each = match chain {
            Chain::Easy => 33_333,
            Chain::Overloaded => 58_200,
        };
        let frames = 11_000_000 / u64::from(each);
        let mut now = t0;
        for id in 0..frames {
            let captured = t0 + US * each * id as u32;
            // The camera delivers frames that an overloaded chain has no time for.
            let delivered = (id * u64::from(each)).div_ceil(33_333) + 1;
            meter.captured(delivered, captured);
            meter.open(FrameStamp { id: FrameId(delivered), captured, clock });
            let shown = enter(&mut meter, chain, delivered, captured);
            meter.processed(id + 1, shown);
            meter.present(FrameId(delivered), shown);
            meter.dropped(delivered - 1 - id + 3);
            now = shown;
        }
        Self {
            meter,
            subject,
            effects: effects(),
            sources: ["camera:0", "demo"]
                .map(|s| SourceEntry {
                    spec: s.into(),
                    title: if s == "demo" { "Demo scene" } else { "HD Webcam" }.into(),
                })
                .into(),
            faults: Vec::new(),
            adapters: ["Radeon 780M", "GeForce RTX 4060"].map(adapter).into(),
            camera: None,
            folders: Folders::default(),
            usual_folders: Folders {
                pictures: Some("/home/ada/Pictures".into()),
                recordings: Some("/home/ada/Videos".into()),
                reports: Some("/home/ada/Documents".into()),
            },
            controls: Controls { strength: 1.0, mirror: true, split: None, frozen: false, touch: Touch::default() },
            blend: None,
            governor: Some(governor(chain)),
            system: machine(chain),
            countdown: None,
            interface: Interface::new(level),
            actions: Vec::new(),
            now: now + US * 4_000,
            preparing: None,
            backdrop: Backdrop::Busy,
        }
    }

    pub fn over(self, backdrop: Backdrop) -> Self {
        Self { backdrop, ..self }
    }

    /// With the bar.
    pub fn touched(mut self) -> Self {
        let now = self.now;
        self.interface.touched(now);
        self
    }

    pub fn show(&mut self, ui: &mut egui::Ui) {
        let summary = self.meter.summary(self.now);
        self.show_with(ui, &summary);
    }

    pub fn show_with(&mut self, ui: &mut egui::Ui, summary: &Summary) {
        let view = View {
            meter: &self.meter,
            summary,
            subject: &self.subject,
            effects: &self.effects,
            pictures: &[],
            wall: None,
            effect: Some(1),
            variant: &self.subject.variant,
            preparing: self.preparing,
            sources: &self.sources,
            source: "camera:0",
            controls: self.controls,
            blend: self.blend,
            governor: self.governor.as_ref(),
            system: &self.system,
            picture_aspect: None,
            recording: None,
            replay: None,
            stills: impasto::output::Stills::default(),
            setup: impasto::ui::Setup {
                adapters: &self.adapters,
                adapter: "Radeon 780M",
                gpu: &impasto::gpu::GpuChoice::Fastest,
                engine: impasto::nn::engines::EngineWish::Auto,
                camera: self.camera.as_ref(),
                folders: &self.folders,
                usual_folders: &self.usual_folders,
                telemetry: None,
                disclosure: "",
                startup: impasto::ui::Startup::default(),
            },
            serving: None,
            sent: None,
            countdown: self.countdown,
            unpainted: None,
            faults: &self.faults,
            now: self.now,
        };
        self.interface.show(ui, &view, &mut self.actions);
    }
}

fn adapter(name: &str) -> Adapter {
    Adapter { name: name.into(), backend: "vulkan".into(), kind: "discrete", driver: String::new() }
}

/// A camera with one of each sort of control.
pub fn camera() -> CameraSetup {
    let control = |id, name: &str, kind, value, default, inactive| CameraControl {
        id,
        name: name.into(),
        kind,
        value,
        default,
        inactive,
    };
    let number = |least, most| ControlKind::Number { least, most, step: 1 };
    CameraSetup {
        index: 0,
        name: "HD Webcam".into(),
        modes: vec!["MJPG 1280x720 at 30 fps".into(), "YUYV 640x480 at 30 fps".into()],
        mode: None,
        controls: vec![
            control(1, "Brightness", number(-64, 64), 12, 0, false),
            control(2, "White Balance, Automatic", ControlKind::Switch, 1, 1, false),
            control(3, "White Balance Temperature", number(2800, 6500), 4600, 4600, true),
            control(
                4,
                "Power Line Frequency",
                ControlKind::Menu(vec![(0, "Disabled".into()), (1, "50 Hz".into()), (2, "60 Hz".into())]),
                1,
                1,
                false,
            ),
        ],
    }
}

fn effects() -> Vec<EffectEntry> {
    let entry = |title: &str, kind: &str, network: &str| EffectEntry {
        name: title.to_lowercase().replace(' ', "-").replace("the-", ""),
        title: title.into(),
        variants: vec!["s".into(), "m".into()],
        kind: kind.into(),
        network: network.into(),
        ..EffectEntry::default()
    };
    let paintings = ["Gauguin", "Starry Night", "The Great Wave", "Water Lilies", "The Scream", "Composition VII"];
    let drawings = ["Woodcut", "Charcoal", "Ink"];
    let paintings = paintings.map(|t| entry(t, "Paintings", "gallery")).into_iter();
    paintings.chain(drawings.map(|t| entry(t, "Drawings", "drawings"))).collect()
}

fn governor(chain: Chain) -> State {
    let rung = |variant: &str, every| Rung { variant: variant.into(), scale: 1.0, every, painted: true, cost: 1.0 };
    match chain {
        Chain::Easy => State {
            rung: rung("m", 1),
            index: 1,
            of: 7,
            keep: Keep::Balanced,
            reason: "p95 of 13.4 ms fits into 33.3 ms with a margin".into(),
            waiting_for: Some("8 s more without a late frame, then L is tried".into()),
            manual: false,
        },
        Chain::Overloaded => State {
            rung: rung("s", 2),
            index: 5,
            of: 7,
            keep: Keep::Quality,
            reason: "S took 46.1 ms of 33.3 ms for 1.2 s".into(),
            waiting_for: None,
            manual: false,
        },
    }
}

fn machine(chain: Chain) -> Reading {
    match chain {
        // A laptop that says little.
        Chain::Overloaded => Reading { cpu_load: Some(0.97), memory_bytes: Some(300 << 20), ..Reading::default() },
        Chain::Easy => Reading {
            temperature_c: Some(64.0),
            temperature_of: Some("GPU"),
            thermal: Some(Thermal::Nominal),
            throttled: Some(false),
            power: Some(Power::Battery { percent: Some(78.0) }),
            watts: Some(21.4),
            watts_of: Some("whole machine"),
            saver: Some(false),
            cpu_load: Some(0.23),
            process_load: Some(0.06),
            gpu_load: Some(0.41),
            memory_bytes: Some(412 << 20),
        },
    }
}

/// What is hard to read on.
pub fn paint(ui: &egui::Ui, backdrop: Backdrop) {
    let whole = ui.max_rect();
    let painter = ui.painter();
    match backdrop {
        Backdrop::Bright => {
            painter.rect_filled(whole, 0, Color32::from_rgb(250, 250, 246));
        }
        Backdrop::Dark => {
            painter.rect_filled(whole, 0, Color32::from_rgb(8, 8, 12));
        }
        Backdrop::Busy => {
            let cells = vec2(20.0, 12.0);
            for y in 0..12 {
                for x in 0..20 {
                    let at = whole.min + whole.size() * vec2(x as f32, y as f32) / cells;
                    let cell = Rect::from_min_size(pos2(at.x, at.y), whole.size() / cells + Vec2::splat(1.0));
                    let wave = ((x * 37 + y * 91) % 97) as f32 / 97.0;
                    let color = Color32::from_rgb(
                        (255.0 * wave) as u8,
                        (250.0 - 140.0 * (y as f32 / 12.0)) as u8,
                        (120.0 + 130.0 * (x as f32 / 20.0)) as u8,
                    );
                    painter.rect_filled(cell, 0, if (x + y) % 5 == 0 { Color32::WHITE } else { color });
                }
            }
        }
    }
}
