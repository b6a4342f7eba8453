//! What the tests of the chain share: the adapter, frames, and painters that are simple enough to predict.
#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]

use std::sync::OnceLock;
use std::time::Instant;

use impasto::fault::Fault;
use impasto::frame::{CameraFrame, FrameBytes, FrameShape};
use impasto::gpu::{Gpu, GpuRequest};
use impasto::roundtrip::Painter;
use impasto::units::{CaptureClock, Extent, FrameId, FrameStamp};

/// The software adapter where there is one (the same on every machine), else any; opened once for all tests of a program. `None`, and a
/// printed line, where there is none. `IMPASTO_TEST_REAL_GPU` prefers a real one.
pub fn gpu() -> Option<&'static Gpu> {
    static GPU: OnceLock<Option<Gpu>> = OnceLock::new();
    GPU.get_or_init(|| {
        let request =
            GpuRequest { software: std::env::var_os("IMPASTO_TEST_REAL_GPU").is_none(), ..Default::default() };
        match Gpu::open(Gpu::instance(None), &request).or_else(|_| Gpu::headless()) {
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
