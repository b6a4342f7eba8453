//! The whole program but its window, on a clock that is set by hand: source, runtime, governor, faults and messages. A minute
//! of it takes as long as its pictures take to paint, and nobody sleeps.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::session::Session;
use crate::cli::{self, WindowArgs};
use crate::clock::Clock;
use crate::gpu::Gpu;
use crate::quality::State;
use crate::runtime::{Catalog, Runtime};
use crate::settings::Settings;

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
/// One frame of the clips.
const INTERVAL: Duration = Duration::from_nanos(33_333_333);
/// Real time; as good as for ever.
const PATIENCE: Duration = Duration::from_secs(60);

struct Fixture {
    clock: Clock,
    started: Instant,
    session: Session,
    gpu: Gpu,
    target: wgpu::TextureView,
    /// Pictures that were shown, and whether each was painted.
    shown: Vec<(Duration, bool)>,
    /// What was said, in order, each once.
    said: Vec<String>,
}

impl Fixture {
    /// The program as it is started with these words; `None` where there is no adapter.
    fn start(words: &[&str]) -> Option<Self> {
        let gpu = match Gpu::headless() {
            Ok(gpu) => gpu,
            Err(error) => {
                assert!(std::env::var_os("REQUIRE_GPU").is_none(), "{error}");
                println!("skipped: {error}");
                return None;
            }
        };
        let effect = if words.contains(&"--effect") { &[][..] } else { &["--effect", "oil"] };
        let typed = ["impasto", "--engine", "cpu", "--chain", "cpu"].iter().chain(effect).chain(words);
        let args: WindowArgs = cli::parse(typed.map(Into::into)).unwrap().window;
        let clock = Clock::set_by_hand(Instant::now());
        let started = clock.now();
        let catalog = Catalog::new(vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/models"))]);
        catalog.found();
        let mut session = Session::start(&args, &Settings::default(), catalog, Arc::new(|| {}), clock.clone(), started);
        session.attach(gpu.clone(), FORMAT).unwrap();
        let target = target(&gpu);
        Some(Self { clock, started, session, gpu, target, shown: Vec::new(), said: Vec::new() })
    }

    /// Since the start.
    fn time(&self) -> Duration {
        self.clock.now() - self.started
    }

    /// One frame's time goes by, and everything that was due in it is done.
    fn step(&mut self) {
        self.clock.advance(INTERVAL);
        // The source has delivered, and waits for its next frame or for its next try.
        assert!(self.clock.wait_for_sleepers(1, PATIENCE), "the source neither delivers nor waits");
        self.settle();
    }

    /// Until nothing is on its way any more.
    fn settle(&mut self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let now = self.clock.now();
            self.session.advance(now);
            self.show(now);
            if self.session.runtime().is_some_and(|runtime| runtime.open_frames() == 0 && !runtime.is_building()) {
                break;
            }
            assert!(Instant::now() < until, "something is stuck at {:?}: {:?}", self.time(), self.said);
            std::thread::sleep(Duration::from_micros(200));
        }
        for (fault, _) in self.session.faults(self.clock.now()) {
            if !self.said.contains(&fault.what) {
                self.said.push(fault.what);
            }
        }
    }

    fn show(&mut self, now: Instant) {
        let look = self.session.choices().look();
        let Some(runtime) = self.session.runtime() else { return };
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let extent = crate::units::Extent::new(64, 48);
        runtime.draw(&mut encoder, &self.target, extent, &look);
        self.gpu.queue.submit([encoder.finish()]);
        let before = self.session.record().shown();
        self.session.presented(&[], now);
        if self.session.record().shown() > before {
            let painted = self.session.runtime().and_then(Runtime::pipeline).is_some_and(|p| p.shown_painted());
            self.shown.push((now - self.started, painted));
        }
    }

    fn run_until(&mut self, seconds: f64) {
        while self.time().as_secs_f64() < seconds {
            self.step();
        }
    }

    /// Pictures that were shown within these seconds: all, and the painted ones.
    fn between(&self, from: f64, to: f64) -> (usize, usize) {
        let within = |(at, _): &&(Duration, bool)| (from..to).contains(&at.as_secs_f64());
        let shown: Vec<_> = self.shown.iter().filter(within).collect();
        (shown.len(), shown.iter().filter(|(_, painted)| *painted).count())
    }

    fn faults(&mut self) -> Vec<String> {
        let now = self.clock.now();
        self.session.faults(now).into_iter().map(|(fault, _)| fault.what).collect()
    }
}

fn target(gpu: &Gpu) -> wgpu::TextureView {
    let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: Some("window"),
        size: wgpu::Extent3d { width: 64, height: 48, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: FORMAT,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
        view_formats: &[],
    });
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

/// A clip of ten pictures at 30 a second, `width` by `height`, which looks a little different in each.
fn clip(folder: &Path, name: &str, width: usize, height: usize) -> String {
    let mut bytes = format!("YUV4MPEG2 W{width} H{height} F30:1 Ip A1:1 C420jpeg\n").into_bytes();
    for picture in 0..10 {
        bytes.extend_from_slice(b"FRAME\n");
        bytes.extend((0..width * height).map(|i| ((i % width + i / width + 7 * picture) % 200) as u8 + 20));
        bytes.extend(std::iter::repeat_n(120, width * height / 2));
    }
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_camera_that_falls_silent_is_said_tried_again_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(folder.path(), "clip.y4m", 64, 48);
    let script = "stall@3s..8s";
    let words = ["--source", &source, "--inject", script, "--keep", "fixed", "--size", "64x48"];
    let Some(mut program) = Fixture::start(&words) else { return };
    program.run_until(3.0);
    let (shown, painted) = program.between(1.0, 3.0);
    assert!((58..=61).contains(&shown) && painted == shown, "{shown} shown, {painted} painted");
    program.run_until(7.9);
    assert_eq!(program.between(3.1, 7.9).0, 0, "nothing comes while it is silent");
    let silent = |what: &String| what.contains("clip.y4m has sent nothing");
    let faults = program.faults();
    assert!(faults.iter().any(silent), "{faults:?}");
    program.run_until(13.0);
    // The longest pause between two tries is two seconds, and then it waits a second for a sign.
    let (shown, painted) = program.between(11.0, 13.0);
    assert!(shown >= 55 && painted == shown, "{shown} shown, {painted} painted");
    let faults = program.faults();
    assert!(!faults.iter().any(silent), "it works again: {faults:?}");
}

#[test]
fn another_shape_under_way_leaves_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let (small, large) = (clip(folder.path(), "a.y4m", 64, 48), clip(folder.path(), "b.y4m", 128, 72));
    let words = ["--source", &small, "--keep", "fixed", "--size", "64x48"];
    let Some(mut program) = Fixture::start(&words) else { return };
    program.run_until(2.0);
    let now = program.clock.now();
    program.session.set_source(&large, now);
    program.run_until(4.0);
    let (shown, painted) = program.between(2.2, 4.0);
    assert!(shown >= 50 && painted == shown, "{shown} shown, {painted} painted");
    let extent = program.session.subject().source_extent;
    assert_eq!((extent.width, extent.height), (128, 72), "{:?}", program.said);
    let gaps = program.shown.windows(2).map(|pair| pair[1].0 - pair[0].0);
    assert!(gaps.max().unwrap() < Duration::from_millis(300), "{:?}", program.shown);
    let ids = program.session.meter_ref().history().map(|cost| cost.stamp.id).collect::<Vec<_>>();
    assert!(ids.is_sorted_by(|a, b| a < b), "an id is given once: {ids:?}");
}

#[test]
fn the_governor_yields_to_heat_and_forgets_it_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(folder.path(), "clip.y4m", 64, 48);
    let script = "thermal=serious@3s..8s";
    // A network that every machine has time for, so that heat alone makes the governor yield.
    let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny.onnx");
    let words = ["--source", &source, "--inject", script, "--keep", "balanced", "--effect", tiny];
    let Some(mut program) = Fixture::start(&words) else { return };
    // What else runs on this machine may move it too, and then its reason says that; so each state is looked at.
    let mut states = Vec::new();
    for tenth in 1..=200 {
        program.run_until(f64::from(tenth) / 10.0);
        states.extend(program.session.governor().map(|state| (tenth, state.clone())));
    }
    let within =
        |tenths: std::ops::Range<i32>| states.iter().filter(move |(at, _)| tenths.contains(at)).map(|(_, s)| s);
    let waits = |state: &&State| state.waiting_for.as_ref().is_some_and(|what| what.contains("until it cools"));
    let hot = |state: &&State| waits(state) || state.reason.contains("hot (serious)");
    let before = within(1..30).next_back().expect("there was a picture").index;
    assert!(!within(1..30).any(|state| hot(&state)), "{states:?}");
    let first = within(30..80).find(hot).expect("it yields to heat");
    assert!(first.index > before, "{first:?}");
    assert!(!within(90..201).any(|state| waits(&state)), "{states:?}");
    let (shown, painted) = program.between(1.0, 20.0);
    assert!(painted * 100 >= shown * 99 && shown > 550, "{painted} of {shown} painted: heat takes no painting away");
}
