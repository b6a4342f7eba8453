//! What the tests of the chain share: the adapter, frames, runtimes, and painters that are simple enough to predict.
#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]

pub mod passes;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use impasto::clock::Clock;
use impasto::fault::Fault;
use impasto::frame::{CameraFrame, FrameBytes, FrameShape};
use impasto::gpu::{Gpu, GpuChoice, GpuKind};
use impasto::metrics::Subject;
use impasto::nn::engines::{Engine, EngineWish};
use impasto::pipeline::{ChainKind, ChainWish, Pipeline, Student};
use impasto::roundtrip::{Painter, RoundTrip};
use impasto::runtime::{BuiltPipeline, Catalog, EffectRequest, PipelineFactory, Runtime};
use impasto::units::{Budget, CaptureClock, Extent, FrameId, FrameStamp};

/// Of what runtimes draw to.
pub const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// The software adapter where there is one (the same on every machine), else any; opened once for all tests of a program.
/// `None`, and a printed line, where there is none. `IMPASTO_TEST_REAL_GPU` prefers a real one.
pub fn gpu() -> Option<&'static Gpu> {
    static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
    GPU.get_or_init(|| {
        let real = std::env::var_os("IMPASTO_TEST_REAL_GPU").is_some();
        let choice = if real { GpuChoice::Fastest } else { GpuChoice::Kind(GpuKind::Software) };
        match Gpu::headless_as(&choice).or_else(|_| Gpu::headless()) {
            Ok(gpu) => Some(gpu),
            Err(e) => {
                assert!(std::env::var_os("REQUIRE_GPU").is_none(), "REQUIRE_GPU is set: {e}");
                println!("skipped: {e}");
                None
            }
        }
    })
    .as_ref()
}

/// The adapter that the program itself would take, opened anew. `None`, and a printed line, where there is none.
pub fn headless() -> Option<Gpu> {
    match Gpu::headless() {
        Ok(gpu) => Some(gpu),
        Err(error) => {
            assert!(std::env::var_os("REQUIRE_GPU").is_none(), "{error}");
            println!("skipped: {error}");
            None
        }
    }
}

/// The effects of the source tree.
pub fn models() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("models")
}

/// With the effects of these folders. Wakes nobody: the tests poll.
pub fn factory(gpu: &Gpu, models: &[&Path]) -> PipelineFactory {
    let catalog = Catalog::new(models.iter().map(|folder| folder.to_path_buf()).collect());
    PipelineFactory {
        gpu: gpu.clone(),
        catalog,
        format: FORMAT,
        chain: ChainWish::Only(ChainKind::Gpu),
        waker: Arc::new(|| {}),
        clock: Clock::default(),
    }
}

/// A runtime whose first pipeline is there already, for frames of `shape`.
pub fn runtime_with(
    factory: PipelineFactory,
    request: EffectRequest,
    budget: Budget,
    built: BuiltPipeline,
    shape: FrameShape,
) -> Runtime {
    let mut runtime = Runtime::new(factory, request, budget).unwrap();
    runtime.start_with(built, shape, Instant::now());
    runtime
}

/// A pipeline with any student, without an effect.
pub fn built(gpu: &Gpu, shape: FrameShape, student: Student) -> BuiltPipeline {
    BuiltPipeline::new(Pipeline::new(gpu, shape, student, FORMAT).unwrap(), Subject::default())
}

pub fn round_trip(painter: impl Painter + 'static) -> Student {
    Student::RoundTrip(RoundTrip::spawn(painter, || {}).unwrap())
}

/// The first effect in our own engine, at a size that any machine paints quickly. `None`, and a printed line, where there is
/// no effect.
pub fn in_place(factory: &PipelineFactory, shape: FrameShape) -> Option<BuiltPipeline> {
    let request = EffectRequest {
        engine: EngineWish::Only(Engine::Wgpu),
        size: Some(Extent::new(64, 48)),
        ..EffectRequest::default()
    };
    match factory.build(&request, shape) {
        Ok(built) => Some(built),
        Err(fault) => {
            assert!(std::env::var_os("REQUIRE_GPU").is_none(), "REQUIRE_GPU is set: {fault}");
            println!("skipped: in place, {fault}");
            None
        }
    }
}

/// Something to draw to.
pub fn target(gpu: &Gpu, extent: Extent) -> wgpu::TextureView {
    let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d { width: extent.width, height: extent.height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: FORMAT,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
        view_formats: &[],
    });
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

/// Looks until `done`, often. A minute is for ever.
pub fn wait_until(mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing came");
        std::thread::sleep(Duration::from_micros(200));
    }
}

pub fn stamp(id: u64) -> FrameStamp {
    FrameStamp { id: FrameId(id), captured: Instant::now(), clock: CaptureClock::Schedule }
}

pub fn frame(shape: FrameShape, id: u64, bytes: Vec<u8>) -> CameraFrame {
    CameraFrame::new(shape, stamp(id), FrameBytes::from(bytes)).unwrap()
}

/// Bytes that look random and are the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// What a buffer holds. Waits for the GPU.
pub fn read_buffer(gpu: &Gpu, buffer: &wgpu::Buffer) -> Vec<u8> {
    let back = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(buffer, 0, &back, 0, buffer.size());
    mapped(gpu, encoder, &back)
}

/// What `back` holds after the encoder's commands. Waits for the GPU.
pub fn mapped(gpu: &Gpu, encoder: wgpu::CommandEncoder, back: &wgpu::Buffer) -> Vec<u8> {
    gpu.queue.submit([encoder.finish()]);
    back.slice(..).map_async(wgpu::MapMode::Read, |r| r.unwrap());
    gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    back.slice(..).get_mapped_range().unwrap().to_vec()
}

/// Paints the negative of what it gets, or panics when told to.
pub struct Negative {
    pub extent: Extent,
    pub image: Vec<f32>,
    pub painted: Vec<f32>,
    pub panics: bool,
}

impl Negative {
    pub fn new(extent: Extent) -> Self {
        let planes = vec![0.0; extent.pixels() as usize * 3];
        Self { extent, image: planes.clone(), painted: planes, panics: false }
    }
}

impl Painter for Negative {
    fn extent(&self) -> Extent {
        self.extent
    }

    fn image_mut(&mut self) -> &mut [f32] {
        &mut self.image
    }

    fn paint(&mut self) -> Result<&[f32], Fault> {
        assert!(!self.panics, "told to");
        for (painted, image) in self.painted.iter_mut().zip(&self.image) {
            *painted = 1.0 - image;
        }
        Ok(&self.painted)
    }
}

/// Takes its time and gives back what it got. Allocates nothing.
pub struct Same {
    extent: Extent,
    image: Vec<f32>,
    takes: Duration,
}

impl Same {
    pub fn new(extent: Extent, takes: Duration) -> Self {
        Self { extent, image: vec![0.0; extent.pixels() as usize * 3], takes }
    }
}

impl Painter for Same {
    fn extent(&self) -> Extent {
        self.extent
    }

    fn image_mut(&mut self) -> &mut [f32] {
        &mut self.image
    }

    fn paint(&mut self) -> Result<&[f32], Fault> {
        std::thread::sleep(self.takes);
        Ok(&self.image)
    }
}
