//! The demo scene through the whole chain, against pictures that were looked at. `IMPASTO_BLESS=1` writes them anew.

mod chain_support;

use std::path::Path;

use chain_support::{frame, gpu};
use image::RgbaImage;
use impasto::nn::gpu::GpuStudent;
use impasto::nn::graph::Graph;
use impasto::nn::plan::{Plan, Precision};
use impasto::pipeline::{Look, Pipeline, Student};
use impasto::source::demo::DemoScene;
use impasto::units::Extent;

const FRAME: Extent = Extent::new(160, 120);
const SHOWN: Extent = Extent::new(176, 120);
const STUDENT: Extent = Extent::new(80, 64);

/// A mean difference of one step and no pixel far off: adapters round and filter a little differently.
const MEAN: f64 = 1.0;
const WORST: u8 = 24;

fn compare(name: &str, got: &RgbaImage) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/golden").join(format!("{name}.png"));
    if std::env::var_os("IMPASTO_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::DynamicImage::from(got.clone()).to_rgb8().save(&path).unwrap();
        return;
    }
    let want = image::open(&path).unwrap_or_else(|e| panic!("{}: {e}; write it with IMPASTO_BLESS=1", path.display()));
    let want = want.to_rgba8();
    assert_eq!(got.dimensions(), want.dimensions(), "{name}");
    let differences = || got.iter().zip(want.iter()).map(|(a, b)| a.abs_diff(*b));
    let worst = differences().max().unwrap_or(0);
    let mean = differences().map(f64::from).sum::<f64>() / (got.len() as f64);
    if worst > WORST || mean > MEAN {
        let beside = std::env::temp_dir().join(format!("impasto-{name}.png"));
        got.save(&beside).unwrap();
        panic!("{name}: mean difference {mean:.2}, worst {worst}; what came out is in {}", beside.display());
    }
}

fn run(pipeline: &mut Pipeline, frames: std::ops::Range<u64>) {
    let scene = DemoScene::new(FRAME, 30);
    for id in frames {
        let mut bytes = vec![0; scene.shape().min_bytes()];
        scene.draw(id, &mut bytes);
        pipeline.submit(frame(scene.shape(), id, bytes));
        pipeline.finish(&mut |_| {}).unwrap();
    }
}

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

#[test]
fn untouched() {
    let Some(gpu) = gpu() else { return };
    let mut pipeline = Pipeline::new(gpu, DemoScene::new(FRAME, 30).shape(), Student::Untouched, FORMAT).unwrap();
    run(&mut pipeline, 20..21);
    compare("untouched", &pipeline.read_picture(SHOWN, &Look::default()).unwrap());
}

/// Five frames, so that the temporal blend has something to blend.
#[test]
fn painted() {
    let Some(gpu) = gpu() else { return };
    let graph = Graph::from_onnx(include_bytes!("data/tiny.onnx")).unwrap();
    let style: Vec<f32> = (0..graph.style_len()).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect();
    let plan = Plan::new(&graph.fold(&style).unwrap(), STUDENT, Precision::F32).unwrap();
    let student = Student::InPlace(GpuStudent::new(gpu, &plan).unwrap());
    let mut pipeline = Pipeline::new(gpu, DemoScene::new(FRAME, 30).shape(), student, FORMAT).unwrap();
    run(&mut pipeline, 20..25);
    let look = Look::default();
    compare("painted", &pipeline.read_picture(SHOWN, &look).unwrap());
    let split = Look { split: Some(0.4), mirror: true, strength: 0.8, ..look };
    compare("painted_split_mirror", &pipeline.read_picture(SHOWN, &split).unwrap());
}
