//! The canvas on its way from a pack to the painting, on every engine that is here; what is missing is skipped, with a line
//! that says so. `tiny_canvas.onnx` was written by `python -m impasto_training fixture PATH --canvas`.

mod chain_support;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use chain_support::{factory, headless, runtime_with, stamp, wait_until};
use impasto::canvas::{Brush, known};
use impasto::effect::{Blend, Share};
use impasto::frame::{CameraFrame, FrameShape, PixelFormat};
use impasto::gpu::Gpu;
use impasto::kernels::canvas::sample_canvas;
use impasto::kernels::nn::graph::{self, Inputs};
use impasto::nn::engines::{Engine, EngineWish, Provider};
use impasto::nn::graph::Graph;
use impasto::nn::ort::OrtRuntime;
use impasto::pipeline::Look;
use impasto::runtime::{EffectRequest, Runtime};
use impasto::units::{Budget, Extent};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

const NETWORK: &[u8] = include_bytes!("data/tiny_canvas.onnx");
const SIZE: Extent = Extent::new(96, 64);
const INTERVAL: Duration = Duration::from_millis(33);

fn engines() -> Vec<EngineWish> {
    let mut engines = vec![EngineWish::Only(Engine::Wgpu), EngineWish::Only(Engine::Cpu)];
    match OrtRuntime::find(None) {
        Ok(_) => engines.push(EngineWish::Only(Engine::Ort(Provider::Cpu))),
        Err(error) => {
            assert!(std::env::var_os("IMPASTO_ORT_LIB").is_none(), "IMPASTO_ORT_LIB is set: {error}");
            println!("skipped: ONNX Runtime, {error}");
        }
    }
    engines
}

/// A pack of three effects in one network that takes a canvas; the last one's is empty.
fn pack(models: &Path, canvas: &str) {
    let folder = models.join("pack");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("t.onnx"), NETWORK).unwrap();
    let sum: String = Sha256::digest(NETWORK).iter().map(|b| format!("{b:02x}")).collect();
    let text = format!(
        r#"schema = "impasto.pack/1"
name = "pack"
kind = "painting"
licence = "CC0-1.0"
multiple_of = 16
{canvas}
[[variants]]
id = "t"
file = "t.onnx"
sha256 = "{sum}"
width = 96
height = 64
pixel_budget = 6144
[[effects]]
name = "a"
title = "A"
style = 0
canvas = {{ strength = 1.0, scale = 1.4 }}
[[effects]]
name = "b"
title = "B"
style = 1
canvas = {{ strength = 0.5, scale = 2.0 }}
[[effects]]
name = "plain"
title = "Plain"
style = 0
"#
    );
    fs::write(folder.join("pack.toml"), text).unwrap();
}

const CANVAS: &str = "[canvas]\nseed = 7\nchannels = 8";

fn shape() -> FrameShape {
    FrameShape::packed(PixelFormat::Rgb8, SIZE)
}

fn bytes() -> Vec<u8> {
    (0..shape().min_bytes()).map(|i| ((i * 37) % 251) as u8 / 3 + (i / 400) as u8).collect()
}

struct Rig(Runtime, u64);

impl Rig {
    fn new(gpu: &Gpu, models: &TempDir, engine: EngineWish, effect: &str) -> Self {
        let factory = factory(gpu, &[models.path()]);
        let request = EffectRequest { effect: Some(effect.to_owned()), engine, ..EffectRequest::default() };
        let built = factory.build(&request, shape()).unwrap();
        let mut runtime = runtime_with(factory, request, Budget(INTERVAL), built, shape());
        runtime.pipeline().unwrap().set_blend(0.0);
        Self(runtime, 0)
    }

    /// One frame of the still picture through the chain.
    fn frame(&mut self) -> image::RgbaImage {
        let now = Instant::now();
        let stamp = stamp(self.1);
        self.1 += 1;
        self.0.captured(self.1, 0, now);
        self.0.offer(CameraFrame::new(shape(), stamp, bytes().into()).unwrap(), now);
        wait_until(|| {
            let polled = self.0.poll(now);
            polled.painted && self.0.pipeline().and_then(|p| p.shown()).is_some_and(|shown| shown.id == stamp.id)
        });
        self.0.pipeline().unwrap().read_picture(SIZE, &Look { blend: 0.0, ..Look::default() }).unwrap()
    }

    /// Another style of the same network, and the picture once it is there.
    fn request(&mut self, effect: &str, blend: Option<(&str, f32)>) -> image::RgbaImage {
        let blend = blend.map(|(other, share)| Blend { other: other.to_owned(), share: Share::new(share) });
        let request = EffectRequest { effect: Some(effect.to_owned()), blend, ..self.0.request().clone() };
        self.0.set_request(request);
        let began = Instant::now();
        let mut picture = self.frame();
        while began.elapsed() < Duration::from_millis(300) {
            picture = self.frame();
        }
        picture
    }
}

fn apart(a: &image::RgbaImage, b: &image::RgbaImage) -> u8 {
    a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

/// What a network paints of the still picture, by the definition of its operators, with 255 as alpha.
fn truth(style: &[f32], brush: Brush) -> image::RgbaImage {
    let brush = brush.for_student(SIZE);
    let graph = Graph::from_onnx(NETWORK).unwrap().fold(style).unwrap();
    let plane = SIZE.pixels() as usize;
    let rgb = bytes();
    let image: Vec<f32> = (0..3 * plane).map(|at| f32::from(rgb[at % plane * 3 + at / plane]) / 255.0).collect();
    let mut canvas = vec![0.0; 8 * plane / 4];
    sample_canvas(&known(brush.seed), &brush, SIZE, None, &mut canvas);
    let inputs = Inputs { image: &image, canvas: Some(&canvas), ..Inputs::default() };
    let painted = graph::run(&graph, SIZE, inputs).unwrap().data;
    image::RgbaImage::from_fn(SIZE.width, SIZE.height, |x, y| {
        let at = (y * SIZE.width + x) as usize;
        let byte = |channel: usize| (painted[channel * plane + at].clamp(0.0, 1.0) * 255.0).round() as u8;
        image::Rgba([byte(0), byte(1), byte(2), 255])
    })
}

/// 4 of 255: the painting is kept in half floats and eight bits, and a real GPU paints in half floats.
const CLOSE: u8 = 4;

#[test]
fn the_network_is_given_the_canvas_of_its_effect_on_every_engine() {
    let Some(gpu) = headless() else { return };
    let models = TempDir::new().unwrap();
    pack(models.path(), CANVAS);
    let brush = |strength, scale| Brush { seed: 7, strength, scale };
    let expected = [
        truth(&[1.0, 0.0], brush(1.0, 1.4)),
        truth(&[0.0, 1.0], brush(0.5, 2.0)),
        truth(&[1.0, 0.0], brush(0.0, 1.0)),
        // Between the first two, by half: strokes as large as the stronger canvas wants them.
        truth(&[0.5, 0.5], brush(0.75, (1.4 + 0.5 * 2.0) / 1.5)),
    ];
    assert!(apart(&expected[0], &expected[2]) > 4 * CLOSE, "the canvas shows");
    for engine in engines() {
        let mut rig = Rig::new(&gpu, &models, engine, "a");
        let first = rig.frame();
        assert!(apart(&first, &expected[0]) <= CLOSE, "{engine}: {}", apart(&first, &expected[0]));
        for _ in 0..5 {
            assert_eq!(rig.frame(), first, "{engine}: a still camera gives a still canvas");
        }
        for (effect, blend, expected) in [
            ("b", None, &expected[1]),
            ("plain", None, &expected[2]),
            ("a", Some(("b", 0.5)), &expected[3]),
            ("a", None, &expected[0]),
        ] {
            let found = rig.request(effect, blend);
            assert!(apart(&found, expected) <= CLOSE, "{engine} {effect}: {}", apart(&found, expected));
        }
    }
}

#[test]
fn a_canvas_that_is_not_described_is_empty_and_that_is_said() {
    let Some(gpu) = headless() else { return };
    let expected = truth(&[1.0, 0.0], Brush::default());
    for canvas in ["", "[canvas]\nseed = 7\nchannels = 4"] {
        let models = TempDir::new().unwrap();
        pack(models.path(), canvas);
        for engine in engines() {
            let found = Rig::new(&gpu, &models, engine, "a").frame();
            assert!(apart(&found, &expected) <= CLOSE, "{engine}");
        }
        let trouble = factory(&gpu, &[models.path()]).catalog.canvas_trouble();
        assert!(trouble.len() == 1 && trouble[0].contains("pack.toml"), "{trouble:?}");
    }
    let models = TempDir::new().unwrap();
    pack(models.path(), CANVAS);
    assert!(factory(&gpu, &[models.path()]).catalog.canvas_trouble().is_empty());
}
