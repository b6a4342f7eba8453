//! The CPU back end of the chain: the same pictures as the GPU's, and what becomes of faults and of changes of the target.

mod chain_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chain_support::{FORMAT, Negative, frame, gpu, wait_until};
use image::RgbaImage;
use impasto::canvas::{Brush, Relief, Surface, Tables};
use impasto::fault::Fault;
use impasto::frame::{FrameShape, PixelFormat};
use impasto::gpu::Gpu;
use impasto::nn::cpu::{CpuOptions, CpuStudent};
use impasto::nn::gpu::GpuStudent;
use impasto::nn::graph::Graph;
use impasto::nn::plan::{Plan, Precision};
use impasto::pipeline::{ChainKind, Look, Pipeline, Student};
use impasto::roundtrip::{Painter, RoundTrip, RoundTripEvent};
use impasto::source::demo::DemoScene;
use impasto::units::Extent;

const FRAME: Extent = Extent::new(160, 120);
const STUDENT: Extent = Extent::new(80, 64);

fn tiny() -> Graph {
    let graph = Graph::from_onnx(include_bytes!("data/tiny.onnx")).unwrap();
    let style: Vec<f32> = (0..graph.style_len()).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect();
    graph.fold(&style).unwrap()
}

fn on_gpu(gpu: &Gpu) -> Pipeline {
    let plan = Plan::new(&tiny(), STUDENT, Precision::F32).unwrap();
    let student = Student::InPlace(GpuStudent::new(gpu, &plan).unwrap());
    Pipeline::new(gpu, DemoScene::new(FRAME, 30).shape(), student, FORMAT).unwrap()
}

fn on_cpu(gpu: &Gpu, painter: impl Painter + 'static) -> Pipeline {
    let shape = DemoScene::new(FRAME, 30).shape();
    Pipeline::on_cpu(gpu, shape, Student::OnCpu(Box::new(painter)), FORMAT, || {}).unwrap()
}

fn tiny_on_cpu(gpu: &Gpu) -> Pipeline {
    on_cpu(gpu, CpuStudent::new(&tiny(), STUDENT, CpuOptions::default()).unwrap())
}

fn submit(pipeline: &mut Pipeline, id: u64) {
    let scene = DemoScene::new(FRAME, 30);
    let mut bytes = vec![0; scene.shape().min_bytes()];
    scene.draw(id, &mut bytes);
    pipeline.submit(frame(scene.shape(), id, bytes));
    pipeline.finish(&mut |_| {}).unwrap();
}

/// Shares of the pixels that may differ by more than one step of 255, and by more than two.
///
/// Adapters filter textures with more or less precision. The software adapter rounds to eight bits between its mixtures,
/// gains among them, which is a step or two where the painting changes much with luma; the other back end mixes floats.
#[derive(Clone, Copy)]
struct Alike(f64, f64);

const PLAIN: Alike = Alike(0.001, 0.0);
const PAINTED: Alike = Alike(0.02, 0.001);
/// Noise, enlarged four times.
const HARD: Alike = Alike(0.15, 0.01);

fn assert_alike(name: &str, a: &RgbaImage, b: &RgbaImage, Alike(over_one, over_two): Alike) {
    assert_eq!(a.dimensions(), b.dimensions(), "{name}");
    let apart = |(a, b): (&image::Rgba<u8>, &image::Rgba<u8>)| a.0.iter().zip(b.0).map(|(a, b)| a.abs_diff(b)).max();
    let apart: Vec<_> = a.pixels().zip(b.pixels()).filter_map(apart).collect();
    let share = |than: u8| apart.iter().filter(|apart| **apart > than).count() as f64 / apart.len() as f64;
    println!("{name}: {:.3} % differ by more than one step, {:.3} % by more than two", share(1) * 1e2, share(2) * 1e2);
    if share(1) > over_one || share(2) > over_two {
        for (picture, of) in [(a, "gpu"), (b, "cpu")] {
            picture.save(std::env::temp_dir().join(format!("impasto-{name}-{of}.png"))).unwrap();
        }
        panic!(
            "{name}: {:.2} %, {:.2} %; pictures in {}",
            share(1) * 1e2,
            share(2) * 1e2,
            std::env::temp_dir().display()
        );
    }
}

/// Larger and smaller than the frame, wider and higher, in every look.
#[test]
fn both_back_ends_show_the_same_picture() {
    let Some(gpu) = gpu() else { return };
    let looks = [
        Look::default(),
        Look { strength: 0.7, mirror: true, split: Some(0.4), ..Look::default() },
        Look { fit: impasto::pipeline::Fit::Cover, split: Some(0.9), ..Look::default() },
        Look { strength: 0.0, ..Look::default() },
    ];
    for every in [1, 2] {
        let mut pipelines = [on_gpu(gpu), tiny_on_cpu(gpu)];
        assert_eq!(pipelines.each_ref().map(Pipeline::chain_kind), [ChainKind::Gpu, ChainKind::Cpu]);
        pipelines.iter_mut().for_each(|pipeline| pipeline.set_every(every));
        for id in 20..26 {
            pipelines.iter_mut().for_each(|pipeline| submit(pipeline, id));
        }
        for (index, look) in looks.iter().enumerate() {
            for extent in [Extent::new(160, 120), Extent::new(333, 181), Extent::new(90, 131), Extent::new(700, 525)] {
                let [a, b] = pipelines.each_mut().map(|pipeline| pipeline.read_picture(extent, look).unwrap());
                let limits = if look.strength > 0.0 { PAINTED } else { PLAIN };
                assert_alike(&format!("every {every}, look {index}, {extent}"), &a, &b, limits);
            }
        }
    }
}

/// The mean difference of two pictures, of 255.
fn apart(a: &RgbaImage, b: &RgbaImage) -> f64 {
    let sum: u64 = a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / (a.len() as f64 * 0.75)
}

/// Paint, paper, a press and glass, over a scene that moves: the CPU's relief is an approximation, and it is the same relief.
#[test]
fn both_back_ends_lay_the_relief() {
    let Some(gpu) = gpu() else { return };
    let none = Relief::default();
    let reliefs = [
        Relief { thickness: 0.7, gloss: 0.5, pigment: 0.7, drag: 0.8, width: 1.4, length: 1.5, ..none },
        Relief { paper: 0.8, rim: 0.6, tooth: 0.6, ..none },
        Relief { press: 1.5, ..none },
        Relief { ripple: 0.6, ..none },
    ];
    for relief in reliefs {
        let mut pipelines = [on_gpu(gpu), tiny_on_cpu(gpu)];
        for pipeline in &mut pipelines {
            let brush = Brush { seed: 7, strength: 0.0, scale: 1.0 };
            pipeline.surface().set(Surface { canvas: None, brush, relief, tables: Some(Tables::known()) });
            for id in 20..25 {
                submit(pipeline, id);
            }
        }
        let extent = Extent::new(480, 360);
        for look in [Look::default(), Look { mirror: true, split: Some(0.3), strength: 0.8, ..Look::default() }] {
            let [a, b] = pipelines.each_mut().map(|pipeline| pipeline.read_picture(extent, &look).unwrap());
            let flat = pipelines[0].read_picture(extent, &Look { thickness: 0.0, ..look }).unwrap();
            let (off, shows) = (apart(&a, &b), apart(&a, &flat));
            println!("{relief:?}: {off} apart, the relief is {shows}");
            assert!(shows > 0.4 && off < 0.5 * shows, "{relief:?}: {off} apart, the relief is {shows}");
        }
    }
}

/// Every format that a camera delivers, not painted; and painted on a thread beside the chain.
#[test]
fn both_back_ends_take_every_format_and_a_painter_beside_them() {
    let Some(gpu) = gpu() else { return };
    for format in PixelFormat::ALL {
        let extent = Extent::new(62, 46);
        let shape = FrameShape { stride: format.row_bytes(extent.width) + 3, ..FrameShape::packed(format, extent) };
        let students = || [Student::Untouched, round_trip()];
        let on_cpu = |student| Pipeline::on_cpu(gpu, shape, student, FORMAT, || {}).unwrap();
        for ((a, b), limits) in students().into_iter().zip(students()).zip([PLAIN, HARD]) {
            let mut pipelines = [Pipeline::new(gpu, shape, a, FORMAT).unwrap(), on_cpu(b)];
            let [a, b] = pipelines.each_mut().map(|pipeline| {
                for id in 0..3 {
                    let smooth = (0..shape.min_bytes()).map(|i| (i as u64 / 7 + id * 3) as u8 / 2 + 60).collect();
                    pipeline.submit(frame(shape, id, smooth));
                    pipeline.finish(&mut |_| {}).unwrap();
                }
                assert_eq!(pipeline.shown().map(|stamp| stamp.id.0), Some(2));
                assert_eq!(pipeline.counts().processed, 3, "{format:?}");
                pipeline.read_picture(Extent::new(124, 92), &Look::default()).unwrap()
            });
            assert_alike(&format!("{format:?}"), &a, &b, limits);
        }
    }
}

fn round_trip() -> Student {
    Student::RoundTrip(RoundTrip::spawn(Negative::new(Extent::new(32, 24)), || {}).unwrap())
}

/// Fails at every second picture, and panics at the tenth.
struct Fails {
    negative: Negative,
    pictures: u32,
}

impl Painter for Fails {
    fn extent(&self) -> Extent {
        self.negative.extent
    }

    fn image_mut(&mut self) -> &mut [f32] {
        self.negative.image_mut()
    }

    fn paint(&mut self) -> Result<&[f32], Fault> {
        self.pictures += 1;
        assert!(self.pictures != 10, "on purpose");
        if self.pictures.is_multiple_of(2) {
            return Err(Fault::failed("It does not paint", ""));
        }
        self.negative.paint()
    }
}

/// A student that fails is told of, and the camera's picture is shown meanwhile, and for good after a panic.
#[test]
fn a_student_that_fails_costs_the_painting_alone() {
    let Some(gpu) = gpu() else { return };
    let mut pipeline = on_cpu(gpu, Fails { negative: Negative::new(STUDENT), pictures: 0 });
    let bare = {
        let shape = DemoScene::new(FRAME, 30).shape();
        let mut pipeline = Pipeline::on_cpu(gpu, shape, Student::Untouched, FORMAT, || {}).unwrap();
        submit(&mut pipeline, 7);
        pipeline.read_picture(FRAME, &Look::default()).unwrap()
    };
    for id in 0..8 {
        submit(&mut pipeline, if id % 2 == 1 { 7 } else { id });
        assert_eq!(pipeline.shown_painted(), id % 2 == 0, "{id}");
        let events = pipeline.events();
        let expected = match id {
            0 => 0,
            _ => 1,
        };
        assert_eq!(events.len(), expected, "{id}: {events:?}");
        assert!(events.iter().all(|event| matches!(event, RoundTripEvent::Fault(_)) == (id % 2 == 1)), "{events:?}");
        if id % 2 == 1 {
            assert_eq!(pipeline.read_picture(FRAME, &Look::default()).unwrap(), bare);
        }
    }
    for id in 8..12 {
        submit(&mut pipeline, id);
    }
    let events = pipeline.events();
    assert!(events.iter().any(|e| matches!(e, RoundTripEvent::Fault(f) if f.what.contains("stopped"))), "{events:?}");
    assert!(!pipeline.shown_painted());
    submit(&mut pipeline, 7);
    assert_eq!(pipeline.read_picture(FRAME, &Look::default()).unwrap(), bare);
}

/// Whatever a target can do, and however often its size and the look change, it shows what is asked for in the end, and
/// something at once.
#[test]
fn targets_of_any_kind_show_what_was_asked_for() {
    let Some(gpu) = gpu() else { return };
    for copied in [false, true] {
        let woken = Arc::new(AtomicU64::new(0));
        let count = woken.clone();
        let shape = DemoScene::new(FRAME, 30).shape();
        let painter = Student::OnCpu(Box::new(Negative::new(STUDENT)));
        let done = move || {
            count.fetch_add(1, Ordering::SeqCst);
        };
        let mut pipeline = Pipeline::on_cpu(gpu, shape, painter, FORMAT, done).unwrap();
        submit(&mut pipeline, 3);
        for (round, extent) in
            [Extent::new(200, 150), Extent::new(90, 90), Extent::new(200, 150)].into_iter().enumerate()
        {
            let look = Look { split: (round == 2).then_some(0.5), ..Look::default() };
            let want = pipeline.read_picture(extent, &look).unwrap();
            let before = woken.load(Ordering::SeqCst);
            draw(gpu, &mut pipeline, extent, &look, copied);
            wait_until(|| pipeline.poll(&mut |_| {}).is_some());
            assert!(woken.load(Ordering::SeqCst) > before);
            assert!(draw(gpu, &mut pipeline, extent, &look, copied) == want, "{copied} {extent}");
            // From here on frames are composed for this target.
            submit(&mut pipeline, 4 + round as u64);
            let want = pipeline.read_picture(extent, &look).unwrap();
            assert!(draw(gpu, &mut pipeline, extent, &look, copied) == want, "{copied} {extent}, next frame");
            assert_eq!(pipeline.poll(&mut |_| {}), None, "nothing is composed twice");
        }
    }
}

/// What a target of that size holds after the pipeline was drawn onto it.
fn draw(gpu: &Gpu, pipeline: &mut Pipeline, extent: Extent, look: &Look, copied: bool) -> RgbaImage {
    let size = wgpu::Extent3d { width: extent.width, height: extent.height, depth_or_array_layers: 1 };
    let copy = if copied { wgpu::TextureUsages::COPY_DST } else { wgpu::TextureUsages::empty() };
    let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size,
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: FORMAT,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC | copy,
        view_formats: &[],
    });
    let row = (extent.width * 4).next_multiple_of(256);
    let back = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: u64::from(row * extent.height),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    pipeline.draw(&mut encoder, &texture.create_view(&Default::default()), extent, look);
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None };
    let info = wgpu::TexelCopyBufferInfo { buffer: &back, layout };
    encoder.copy_texture_to_buffer(texture.as_image_copy(), info, size);
    let bytes = chain_support::mapped(gpu, encoder, &back);
    let rows = bytes.chunks_exact(row as usize).flat_map(|line| line[..extent.width as usize * 4].to_vec());
    RgbaImage::from_raw(extent.width, extent.height, rows.collect()).unwrap()
}
