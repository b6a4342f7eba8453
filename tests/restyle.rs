//! Another style of the network that paints: how many frames until it is seen, and that none is lost on the way. Needs an
//! adapter (lavapipe will do); the round trip needs ONNX Runtime. What is missing is skipped, with a line that says so.

mod chain_support;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chain_support::{factory, headless, runtime_with, wait_until};
use impasto::effect::{Blend, Share};
use impasto::frame::{CameraFrame, FrameShape, PixelFormat};
use impasto::gpu::Gpu;
use impasto::nn::engines::{Engine, EngineWish, Provider};
use impasto::nn::graph::Graph;
use impasto::nn::ort::OrtRuntime;
use impasto::pipeline::Look;
use impasto::runtime::{Catalog, EffectRequest, Runtime, RuntimeEvent};
use impasto::units::{Budget, CaptureClock, Extent, FrameId, FrameStamp};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const NETWORK: &[u8] = include_bytes!("data/tiny.onnx");
const INTERVAL: Duration = Duration::from_millis(33);
const SIZE: Extent = Extent::new(96, 64);

const WGPU: EngineWish = EngineWish::Only(Engine::Wgpu);
const CPU: EngineWish = EngineWish::Only(Engine::Cpu);
const ORT: EngineWish = EngineWish::Only(Engine::Ort(Provider::Cpu));

/// The engines that this machine has.
fn engines() -> Vec<EngineWish> {
    match OrtRuntime::find(None) {
        Ok(_) => vec![WGPU, CPU, ORT],
        Err(error) => {
            assert!(std::env::var_os("IMPASTO_ORT_LIB").is_none(), "IMPASTO_ORT_LIB is set: {error}");
            println!("skipped: ONNX Runtime, {error}");
            vec![WGPU, CPU]
        }
    }
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// A pack of two effects in one network.
fn pack(models: &Path, name: &str) {
    let folder = models.join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("t.onnx"), NETWORK).unwrap();
    let text = format!(
        r#"schema = "impasto.pack/1"
name = "{name}"
kind = "painting"
licence = "CC0-1.0"
multiple_of = 16
[[variants]]
id = "t"
file = "t.onnx"
sha256 = "{}"
width = 96
height = 64
pixel_budget = 6144
[[effects]]
name = "{name}-a"
title = "A"
style = 0
[[effects]]
name = "{name}-b"
title = "B"
style = 1
"#,
        sum(NETWORK)
    );
    fs::write(folder.join("pack.toml"), text).unwrap();
}

/// A style pack whose row is `row`, for the pack called `base`.
fn style_pack(models: &Path, name: &str, base: &str, row: &[f32]) -> PathBuf {
    let folder = models.join(name);
    fs::create_dir_all(&folder).unwrap();
    let bytes: Vec<u8> = row.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect();
    fs::write(folder.join("t.style"), &bytes).unwrap();
    let text = format!(
        r#"schema = "impasto.pack/1"
name = "{name}"
kind = "painting"
licence = "CC0-1.0"
base = "{base}"
[[variants]]
id = "t"
sha256 = "{}"
base_sha256 = "{}"
[[effects]]
name = "{name}"
title = "My own"
"#,
        sum(&bytes),
        sum(NETWORK)
    );
    fs::write(folder.join("pack.toml"), text).unwrap();
    folder
}

/// A runtime with frames of one still picture, as a camera of 30 frames a second would deliver them.
struct Rig {
    runtime: Runtime,
    shape: FrameShape,
    picture: Vec<u8>,
    frames: u64,
}

impl Rig {
    fn new(gpu: &Gpu, models: &TempDir, engine: EngineWish, effect: &str) -> Self {
        let factory = factory(gpu, &[models.path()]);
        let shape = FrameShape::packed(PixelFormat::Rgb8, SIZE);
        let picture = (0..shape.min_bytes()).map(|i| ((i * 37) % 251) as u8 / 3 + (i / 400) as u8).collect();
        let request = EffectRequest { effect: Some(effect.to_owned()), engine, ..EffectRequest::default() };
        let built = factory.build(&request, shape).unwrap();
        let mut runtime = runtime_with(factory, request, Budget(INTERVAL), built, shape);
        // Each frame stands for itself, so that a picture tells its style.
        runtime.pipeline().unwrap().set_blend(0.0);
        Self { runtime, shape, picture, frames: 0 }
    }

    fn request(&mut self, effect: &str, blend: Option<(&str, f32)>) {
        let blend = blend.map(|(other, share)| Blend { other: other.to_owned(), share: Share::new(share) });
        let request = EffectRequest { effect: Some(effect.to_owned()), blend, ..self.runtime.request().clone() };
        self.runtime.set_request(request);
    }

    /// One frame through the chain: its picture.
    fn frame(&mut self) -> image::RgbaImage {
        let now = Instant::now();
        let stamp = FrameStamp { id: FrameId(self.frames), captured: now, clock: CaptureClock::Driver };
        self.frames += 1;
        self.runtime.captured(self.frames, 0, now);
        self.runtime.offer(CameraFrame::new(self.shape, stamp, self.picture.clone().into()).unwrap(), now);
        wait_until(|| {
            let polled = self.runtime.poll(now);
            polled.painted && self.runtime.pipeline().and_then(|p| p.shown()).is_some_and(|shown| shown.id == stamp.id)
        });
        let look = Look { blend: 0.0, ..Look::default() };
        self.runtime.pipeline().unwrap().read_picture(SIZE, &look).unwrap()
    }

    fn dropped(&mut self) -> u64 {
        let now = Instant::now();
        self.runtime.poll(now);
        self.runtime.meter_ref().counts().dropped
    }
}

/// The largest difference of two pictures, of 255.
fn apart(a: &image::RgbaImage, b: &image::RgbaImage) -> u8 {
    a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn the_next_style_is_there_within_two_frames_and_none_is_lost() {
    let Some(gpu) = headless() else { return };
    let models = TempDir::new().unwrap();
    pack(models.path(), "pair");
    for engine in engines() {
        let mut rig = Rig::new(&gpu, &models, engine, "pair-a");
        let mut reference = [rig.frame(), Rig::new(&gpu, &models, engine, "pair-b").frame()];
        assert!(apart(&reference[0], &reference[1]) > 8, "the effects can be told apart");
        // The network that takes styles is made ready when the picture runs.
        if engine == ORT {
            std::thread::sleep(Duration::from_millis(1300));
        }
        let mut waited = Vec::new();
        for turn in 0..9 {
            reference.swap(0, 1);
            rig.request(["pair-b", "pair-a"][turn % 2], None);
            let key = Instant::now();
            let mut frames = 0;
            loop {
                // Frames come when a camera's do, however fast they are painted.
                std::thread::sleep((key + INTERVAL * (frames + 1)).saturating_duration_since(Instant::now()));
                // The window's loop is woken when something is ready; here is the next chance to look.
                rig.runtime.poll(Instant::now());
                frames += 1;
                let picture = rig.frame();
                if apart(&picture, &reference[0]) <= 2 {
                    break;
                }
                assert!(apart(&picture, &reference[1]) <= 2, "something in between was shown");
                assert!(frames < 100, "the other style does not come");
            }
            waited.push(frames);
        }
        waited.sort_unstable();
        println!("{engine}: frames from the key to the first picture of the new effect, sorted: {waited:?}");
        // The middle one: a machine that is busy with something else may miss now and then.
        assert!(waited[waited.len() / 2] <= 2, "{waited:?}");
        assert_eq!(rig.dropped(), 0, "frames were lost");
        let changes = rig.runtime.events().filter(|e| matches!(e, RuntimeEvent::Changed(_))).count();
        assert_eq!(changes, 9, "each style was announced");
    }
}

#[test]
fn a_slider_between_two_styles_repaints_as_it_is_dragged() {
    let Some(gpu) = headless() else { return };
    let models = TempDir::new().unwrap();
    pack(models.path(), "pair");
    for engine in engines() {
        let mut rig = Rig::new(&gpu, &models, engine, "pair-a");
        let (a, b) = (rig.frame(), Rig::new(&gpu, &models, engine, "pair-b").frame());
        let mut distance = Vec::new();
        for step in 0..=10u16 {
            let share = f32::from(step) / 10.0;
            rig.request("pair-a", Some(("pair-b", share)));
            // The hand stops; what it stopped at comes.
            let began = Instant::now();
            let mut picture = rig.frame();
            while began.elapsed() < Duration::from_millis(250) {
                picture = rig.frame();
            }
            distance.push(apart(&picture, &b));
            if step == 0 {
                assert!(apart(&picture, &a) <= 2);
            }
        }
        assert!(distance[0] > 8 && distance[10] <= 2, "{distance:?}");
        assert!(distance.windows(2).filter(|pair| pair[1] < pair[0]).count() >= 6, "step by step: {distance:?}");
        assert_eq!(rig.dropped(), 0);
        assert_eq!(rig.runtime.subject().unwrap().effect, "pair-a + pair-b");
    }
}

#[test]
fn what_cannot_be_blended_is_said_and_the_old_goes_on() {
    let Some(gpu) = headless() else { return };
    let models = TempDir::new().unwrap();
    pack(models.path(), "one");
    pack(models.path(), "other");
    let mut rig = Rig::new(&gpu, &models, WGPU, "one-a");
    let before = rig.frame();
    rig.request("one-a", Some(("other-a", 0.5)));
    let mut faults = Vec::new();
    wait_until(|| {
        rig.runtime.poll(Instant::now());
        faults.extend(rig.runtime.events().filter_map(|e| if let RuntimeEvent::Fault(f) = e { Some(f) } else { None }));
        !faults.is_empty()
    });
    assert!(faults[0].what.contains("one-a and other-a") && faults[0].remedy.contains("one-b"), "{}", faults[0]);
    assert!(apart(&rig.frame(), &before) <= 1);
    // And the other network is still to be had, by a pipeline of its own.
    rig.request("other-b", None);
    for _ in 0..1000 {
        if rig.runtime.subject().unwrap().effect == "other-b" {
            break;
        }
        rig.frame();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(rig.runtime.subject().unwrap().effect, "other-b");
}

#[test]
fn a_style_of_the_users_own_is_one_more_effect_of_its_base() {
    let Some(gpu) = headless() else { return };
    let models = TempDir::new().unwrap();
    pack(models.path(), "pair");
    // The second style of the table, so that what it must look like is known.
    let row = Graph::from_onnx(NETWORK).unwrap().row(1).unwrap();
    style_pack(models.path(), "mine", "pair", &row);
    style_pack(models.path(), "short", "pair", &row[1..]);
    for engine in engines() {
        let expected = Rig::new(&gpu, &models, engine, "pair-b").frame();
        let mut rig = Rig::new(&gpu, &models, engine, "mine");
        assert!(apart(&rig.frame(), &expected) <= 2, "its row counts");
        // It blends with the base's styles.
        let half = Rig::new(&gpu, &models, engine, "pair-a").frame();
        rig.request("pair-a", Some(("mine", 1.0)));
        std::thread::sleep(Duration::from_millis(50));
        for _ in 0..100 {
            if rig.runtime.subject().unwrap().effect == "pair-a + mine" {
                break;
            }
            rig.frame();
            std::thread::sleep(Duration::from_millis(10));
        }
        let blended = rig.frame();
        assert!(apart(&blended, &expected) <= 2 && apart(&blended, &half) > 8);
        // One that does not fit costs itself alone.
        rig.request("short", None);
        let mut faults = Vec::new();
        wait_until(|| {
            rig.runtime.poll(Instant::now());
            faults.extend(
                rig.runtime.events().filter_map(|e| if let RuntimeEvent::Fault(f) = e { Some(f) } else { None }),
            );
            !faults.is_empty()
        });
        assert!(faults[0].what.contains("short") && !faults[0].remedy.is_empty(), "{}", faults[0]);
        assert!(apart(&rig.frame(), &expected) <= 2, "the picture goes on");
    }
}

#[test]
fn a_new_pack_is_found_while_the_program_runs() {
    let models = TempDir::new().unwrap();
    pack(models.path(), "pair");
    let catalog = Catalog::new(vec![models.path().to_owned()]);
    assert_eq!(catalog.found().gallery.effects().len(), 2);
    assert!(!catalog.refresh(), "nothing changed");
    let row = Graph::from_onnx(NETWORK).unwrap().row(0).unwrap();
    let folder = style_pack(models.path(), "mine", "pair", &row);
    assert!(catalog.refresh());
    let found = catalog.found();
    assert_eq!(
        found.gallery.effects().iter().map(|e| e.name.as_str()).collect::<Vec<_>>(),
        ["pair-a", "pair-b", "mine"]
    );
    fs::remove_dir_all(folder).unwrap();
    assert!(catalog.refresh() && catalog.found().gallery.effects().len() == 2);
}
