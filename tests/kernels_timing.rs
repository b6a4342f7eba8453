//! What each stage of the chain costs on this machine's adapter. Prints; asserts nothing about time.
//!
//! `cargo test --test kernels_timing -- --ignored --nocapture`

mod chain_support;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chain_support::passes::Passes;
use impasto::fault::Fault;
use impasto::frame::{CameraFrame, FrameBytes, FrameShape, PixelFormat};
use impasto::gpu::Gpu;
use impasto::gpu::{Timestamps, Uploader};
use impasto::kernels::prepare::Crop;
use impasto::metrics::Stage;
use impasto::pipeline::pass::Varying;
use impasto::pipeline::pass::gain::GAIN;
use impasto::pipeline::pass::ingest::INGEST;
use impasto::pipeline::pass::prepare::PREPARE;
use impasto::pipeline::pass::stabilise::STABILISE;
use impasto::pipeline::product::{RAW, Sizes, Which};
use impasto::pipeline::{Look, Pipeline, Student};
use impasto::roundtrip::{Painter, RoundTrip};
use impasto::units::{CaptureClock, Extent, FrameId, FrameStamp};

const FRAME: Extent = Extent::new(640, 480);
const STUDENT: Extent = Extent::new(320, 192);
const ROUNDS: u64 = 150;

fn frame(shape: FrameShape, id: u64) -> CameraFrame {
    let bytes: Vec<u8> = (0..shape.min_bytes()).map(|i| (i / 7 + i * i / 4099) as u8).collect();
    let stamp = FrameStamp { id: FrameId(id), captured: Instant::now(), clock: CaptureClock::Schedule };
    CameraFrame::new(shape, stamp, FrameBytes::from(bytes)).unwrap()
}

#[derive(Default)]
struct Table(BTreeMap<String, Vec<f64>>);

impl Table {
    fn add(&mut self, row: &str, time: Duration) {
        self.0.entry(row.to_owned()).or_default().push(time.as_secs_f64() * 1e3);
    }

    fn print(mut self) {
        println!("{:36} {:>8} {:>8} {:>8}", "ms", "least", "p50", "p95");
        for (row, times) in &mut self.0 {
            times.sort_by(f64::total_cmp);
            let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
            println!("{row:36} {:8.3} {:8.3} {:8.3}", at(0.0), at(0.5), at(0.95));
        }
    }
}

/// Time that all threads of this program spent on all cores: unlike the wall clock, the same on a busy machine. The software
/// adapter's work is in it.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "the standard library has no clock for CPU time")]
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on Linux, and `time` outlives the call.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(not(target_os = "linux"))]
fn cpu_time() -> Duration {
    Duration::ZERO
}

fn target(gpu: &Gpu, extent: Extent) -> wgpu::TextureView {
    let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d { width: extent.width, height: extent.height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Bgra8Unorm,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT,
        view_formats: &[],
    });
    texture.create_view(&Default::default())
}

/// Each kernel in a pass of its own, by the GPU's own clock.
#[test]
#[ignore = "measures"]
fn stages_by_timestamp() {
    let Some(gpu) = chain_support::headless() else { return };
    println!("{} ({})", gpu.caps.name, gpu.caps.driver);
    for format in [PixelFormat::Yuyv, PixelFormat::Nv12, PixelFormat::Rgb8] {
        let shape = FrameShape::packed(format, FRAME);
        let Some(mut times) = Timestamps::new(&gpu, 4, 4) else { return println!("skipped: no time stamps") };
        let sizes = Sizes::new(shape, Some(STUDENT), 0);
        let mut passes = Passes::new(&gpu, sizes, &[&INGEST, &PREPARE, &STABILISE, &GAIN]);
        passes.vary(Varying { blend: 0.5, ..Varying::default() });
        let whole = Passes::new(&gpu, Sizes::new(shape, Some(Extent::new(288, 216)), 0), &[&PREPARE]);
        let raw = passes.store.buffer(RAW.info, Which::Now, Default::default()).unwrap().clone();
        let mut upload = Uploader::new(&gpu, shape.min_bytes(), 3);
        let bytes = frame(shape, 0);
        let mut table = Table::default();
        for round in 0..ROUNDS {
            let started = Instant::now();
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            upload.write(&gpu, &mut encoder, &raw, bytes.bytes());
            table.add("0 upload, staged (CPU)", started.elapsed());
            let cpu = cpu_time();
            let measure = times.begin(FrameId(round)).unwrap();
            {
                let mut pass = |region: u32, record: &dyn Fn(&mut wgpu::ComputePass<'_>)| {
                    record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                        label: None,
                        timestamp_writes: Some(times.compute(&measure, region)),
                    }));
                };
                pass(0, &|pass| passes.record(0, pass));
                pass(1, &|pass| passes.record(1, pass));
                pass(2, &|pass| whole.record(0, pass));
                pass(3, &|pass| (2..4).for_each(|index| passes.record(index, pass)));
            }
            times.resolve(&measure, &mut encoder);
            gpu.queue.submit([encoder.finish()]);
            upload.submitted();
            times.submitted(measure);
            gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
            table.add("4 all kernels, all cores' CPU time", cpu_time() - cpu);
            times.drain(&mut |measured| {
                let names =
                    ["1 ingest", "2 prepare 320x192 of 640x384", "2 prepare 288x216 of 640x480", "3 compose 320x192"];
                table.add(names[measured.region as usize], measured.duration);
            });
            let started = Instant::now();
            gpu.queue.write_buffer(&raw, 0, bytes.bytes());
            table.add("0 upload, write_buffer (CPU)", started.elapsed());
        }
        // One kernel at a time, several dispatches to a submission: what a software adapter's clock cannot tell apart.
        let mut alone = |name: &str, record: &dyn Fn(&mut wgpu::ComputePass<'_>)| {
            for _ in 0..10 {
                let cpu = cpu_time();
                let mut encoder = gpu.device.create_command_encoder(&Default::default());
                {
                    let mut pass = encoder.begin_compute_pass(&Default::default());
                    (0..10).for_each(|_| record(&mut pass));
                }
                gpu.queue.submit([encoder.finish()]);
                gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
                table.add(name, (cpu_time() - cpu) / 10);
            }
        };
        alone("5 ingest, CPU time", &|pass| passes.record(0, pass));
        alone("5 prepare 320x192, CPU time", &|pass| passes.record(1, pass));
        alone("5 prepare 288x216, CPU time", &|pass| whole.record(0, pass));
        alone("5 compose, CPU time", &|pass| (2..4).for_each(|index| passes.record(index, pass)));
        alone("5 compose/stabilise, CPU time", &|pass| passes.record(2, pass));
        println!("{format:?} {FRAME}");
        table.print();
    }
}

/// Stands for a network that costs nothing: what is left is the chain.
struct Nothing {
    image: Vec<f32>,
}

impl Painter for Nothing {
    fn extent(&self) -> Extent {
        STUDENT
    }

    fn image_mut(&mut self) -> &mut [f32] {
        &mut self.image
    }

    fn paint(&mut self) -> Result<&[f32], Fault> {
        Ok(&self.image)
    }
}

/// The whole chain but the network, frame by frame, for two sizes of window.
#[test]
#[ignore = "measures"]
fn chain_without_a_network() {
    let Some(gpu) = chain_support::headless() else { return };
    for (name, size) in [("640x480", FRAME), ("1280x720", Extent::new(1280, 720))] {
        for split in [None, Some(0.5)] {
            let shape = FrameShape::packed(PixelFormat::Yuyv, FRAME);
            let painter = Nothing { image: vec![0.0; 3 * STUDENT.pixels() as usize] };
            let student = Student::RoundTrip(RoundTrip::spawn(painter, || {}).unwrap());
            let mut pipeline = Pipeline::new(&gpu, shape, student, wgpu::TextureFormat::Bgra8Unorm).unwrap();
            let view = target(&gpu, size);
            let look = Look { split, ..Default::default() };
            let mut table = Table::default();
            for id in 0..ROUNDS {
                let frame = frame(shape, id);
                let (started, cpu) = (Instant::now(), cpu_time());
                pipeline.submit(frame);
                // The span of a draw comes with the next frame's finish: kept apart from the compose of this one.
                let row = |span: &impasto::metrics::Span| match (span.stage, span.frame.0 == id) {
                    (Stage::Compose, false) => "Compose, last pass (GPU clock)".to_owned(),
                    (Stage::Compose, true) => "Compose, kernels (GPU clock)".to_owned(),
                    (stage, _) => format!("{stage:?}"),
                };
                pipeline.finish(&mut |span| table.add(&row(&span), span.duration)).unwrap();
                let (painted, cpu_painted) = (Instant::now(), cpu_time());
                let mut encoder = gpu.device.create_command_encoder(&Default::default());
                pipeline.draw(&mut encoder, &view, size, &look);
                gpu.queue.submit([encoder.finish()]);
                gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
                table.add("_draw, wall", painted.elapsed());
                table.add("_draw, all cores' CPU time", cpu_time() - cpu_painted);
                table.add("_whole frame, wall", started.elapsed());
                table.add("_whole frame, all cores' CPU time", cpu_time() - cpu);
            }
            println!("target {name}, split {split:?}");
            table.print();
        }
    }
}

/// The camera's bytes to the network's input on one CPU core.
#[test]
#[ignore = "measures"]
fn prepare_on_the_cpu() {
    for format in PixelFormat::ALL {
        let shape = FrameShape::packed(format, FRAME);
        let mut prepare = impasto::kernels::prepare::Prepare::new(shape, Crop::fitting(FRAME, STUDENT), STUDENT);
        let mut out = vec![0.0; STUDENT.pixels() as usize * 3];
        let frame = frame(shape, 0);
        let mut table = Table::default();
        for _ in 0..ROUNDS {
            let started = Instant::now();
            prepare.run(&frame, &mut out);
            table.add(&format!("{format:?}"), started.elapsed());
        }
        table.print();
    }
}
