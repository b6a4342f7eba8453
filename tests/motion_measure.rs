//! What carrying a painting along is worth, and what it costs. Prints; asserts nothing.
//!
//! `IMPASTO_CLIP=clip.mkv cargo test --test motion_measure -- --ignored --nocapture` (read by ffmpeg; without it the demo scene).
//! With `IMPASTO_PICTURES=FOLDER`, pictures to look at: camera, painted, carried, as it was, side by side.

mod chain_support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use chain_support::frame;
use chain_support::passes::Passes;
use image::RgbaImage;
use impasto::clock::Clock;
use impasto::frame::{FrameShape, PixelFormat};
use impasto::gpu::{Gpu, Timestamps};
use impasto::nn::engines::{Engine, EngineWish};
use impasto::pipeline::pass::Varying;
use impasto::pipeline::pass::carry::CARRY;
use impasto::pipeline::pass::pyramid::PYRAMID;
use impasto::pipeline::pass::search::SEARCH;
use impasto::pipeline::pass::stability::{COMPARE, GATHER};
use impasto::pipeline::product::{GUIDE, KEY_GUIDE, KEY_LEVELS, LEVELS, Sizes};
use impasto::pipeline::{ChainKind, ChainWish, Look, Pipeline};
use impasto::runtime::{BuiltPipeline, Catalog, EffectRequest, PipelineFactory};
use impasto::source::DemoScene;
use impasto::units::{Extent, FrameId};

const FRAME: Extent = Extent::new(640, 480);

/// Frames as RGBA: of the clip that was named, from its first second on, or of the demo scene.
fn clip(frames: usize) -> Vec<Vec<u8>> {
    let Some(path) = std::env::var_os("IMPASTO_CLIP") else {
        let scene = DemoScene::new(FRAME, 30);
        assert_eq!(scene.shape().format, PixelFormat::Rgba8, "the demo scene draws another format now");
        return (0..frames as u64)
            .map(|id| {
                let mut bytes = vec![0; scene.shape().min_bytes()];
                scene.draw(id, &mut bytes);
                bytes
            })
            .collect();
    };
    let read = Command::new("ffmpeg")
        .args(["-v", "error", "-ss", "0.6", "-i"])
        .arg(path)
        .args(["-vf", &format!("scale={}:{}", FRAME.width, FRAME.height), "-frames:v", &frames.to_string()])
        .args(["-f", "rawvideo", "-pix_fmt", "rgba", "-"])
        .output()
        .unwrap();
    read.stdout.chunks_exact(FRAME.pixels() as usize * 4).map(<[u8]>::to_vec).collect()
}

fn painter(gpu: &Gpu, effect: &str) -> Option<Pipeline> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let factory = PipelineFactory {
        gpu: gpu.clone(),
        catalog: Catalog::new(vec![models]),
        format: wgpu::TextureFormat::Rgba8Unorm,
        chain: ChainWish::Only(ChainKind::Gpu),
        waker: std::sync::Arc::new(|| {}),
        clock: Clock::default(),
    };
    let request = EffectRequest {
        effect: Some(effect.to_owned()),
        variant: Some("s".to_owned()),
        engine: EngineWish::Only(Engine::Wgpu),
        ..EffectRequest::default()
    };
    match factory.build(&request, FrameShape::packed(PixelFormat::Rgba8, FRAME)) {
        Ok(BuiltPipeline { pipeline, .. }) => Some(pipeline),
        Err(fault) => {
            println!("skipped: {fault}");
            None
        }
    }
}

fn psnr(a: &RgbaImage, b: &RgbaImage, counts: impl Fn(u32, u32) -> bool) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for (x, y, p) in a.enumerate_pixels().filter(|(x, y, _)| counts(*x, *y)) {
        let q = b.get_pixel(x, y);
        sum += (0..3).map(|i| f64::from(p[i].abs_diff(q[i])).powi(2)).sum::<f64>();
        count += 3;
    }
    (count > 0 && sum > 0.0).then(|| 10.0 * (255.0_f64.powi(2) * f64::from(count) / sum).log10())
}

fn beside(pictures: &[&RgbaImage]) -> RgbaImage {
    let (width, height) = pictures[0].dimensions();
    let mut sheet = RgbaImage::new(width * pictures.len() as u32, height);
    for (i, picture) in pictures.iter().enumerate() {
        image::imageops::replace(&mut sheet, *picture, i64::from(width) * i as i64, 0);
    }
    sheet
}

/// Each second frame carried, against the same frame painted; beside it, what showing the last painting again gives. Over the
/// whole picture, and where the camera's picture changed by more than 13 of 255 around.
#[test]
#[ignore = "measures"]
fn worth() {
    let Some(gpu) = chain_support::headless() else { return };
    let effect = std::env::var("IMPASTO_EFFECT").unwrap_or_else(|_| "starry-night".to_owned());
    let count = std::env::var("IMPASTO_FRAMES").ok().and_then(|n| n.parse().ok()).unwrap_or(30);
    let frames = clip(count);
    let look = Look { blend: 0.0, ..Look::default() };
    let (Some(mut own), Some(mut carried)) = (painter(&gpu, &effect), painter(&gpu, &effect)) else { return };
    carried.set_every(2);
    let show = |pipeline: &mut Pipeline, id: usize| {
        pipeline.set_blend(0.0);
        pipeline.submit(frame(pipeline.shape(), id as u64, frames[id].clone()));
        pipeline.finish(&mut |_| {}).unwrap();
        pipeline.read_picture(FRAME, &look).unwrap()
    };
    let mut before: Option<RgbaImage> = None;
    let (mut all, mut moving) = (Vec::new(), Vec::new());
    for id in 0..frames.len() {
        let (painted, got) = (show(&mut own, id), show(&mut carried, id));
        if let (Some(before), true) = (&before, id % 2 == 1) {
            let moved = |x: u32, y: u32| {
                (-4_i32..=4).step_by(2).any(|dy| {
                    (-4_i32..=4).step_by(2).any(|dx| {
                        let x = x.saturating_add_signed(dx).min(FRAME.width - 1);
                        let y = y.saturating_add_signed(dy).min(FRAME.height - 1);
                        let at = (y * FRAME.width + x) as usize * 4;
                        (at..at + 3).any(|at| frames[id][at].abs_diff(frames[id - 1][at]) > 13)
                    })
                })
            };
            all.extend(psnr(before, &painted, |_, _| true).zip(psnr(&got, &painted, |_, _| true)));
            let here = psnr(before, &painted, moved).zip(psnr(&got, &painted, moved));
            println!("frame {id}: moving {here:.2?}");
            moving.extend(here);
            if let Some(folder) = std::env::var_os("IMPASTO_PICTURES") {
                let camera = RgbaImage::from_raw(FRAME.width, FRAME.height, frames[id].clone()).unwrap();
                let sheet = beside(&[&camera, &painted, &got, before]);
                sheet.save(Path::new(&folder).join(format!("carried_{id:03}.png"))).unwrap();
            }
        }
        before = Some(painted);
    }
    let mean = |of: &[(f64, f64)], pick: fn(&(f64, f64)) -> f64| of.iter().map(pick).sum::<f64>() / of.len() as f64;
    for (name, of) in [("whole picture", &all), ("where it moved", &moving)] {
        println!("{effect}, {name}: shown again {:.2} dB, carried {:.2} dB", mean(of, |p| p.0), mean(of, |p| p.1));
    }
}

/// Each part in a pass of its own by the GPU's clock, ten times over.
#[test]
#[ignore = "measures"]
fn cost() {
    let Some(gpu) = chain_support::headless() else { return };
    println!("{} ({})", gpu.caps.name, gpu.caps.driver);
    let frames = clip(2);
    for extent in [Extent::new(288, 208), Extent::new(512, 288)] {
        let guides = [0, 1].map(|index: usize| -> Vec<[u8; 4]> {
            let frame = &frames[index];
            (0..extent.height)
                .flat_map(|y| (0..extent.width).map(move |x| (x, y)))
                .map(|(x, y)| (x * FRAME.width / extent.width, y * FRAME.height / extent.height))
                .map(|(x, y)| (y * FRAME.width + x) as usize * 4)
                .map(|at| [frame[at], frame[at + 1], frame[at + 2], 255])
                .collect()
        });
        let [key, guide]: [&[u8]; 2] = guides.each_ref().map(|guide| bytemuck::cast_slice(guide));
        let sizes = Sizes::new(FrameShape::packed(PixelFormat::Rgba8, FRAME), Some(extent), 1);
        let mut seen = Passes::new(&gpu, sizes, &[&PYRAMID]);
        seen.put(GUIDE, key);
        seen.run(Varying::default());
        let passes = Passes::new(&gpu, sizes, &[&PYRAMID, &SEARCH, &CARRY, &COMPARE, &GATHER]);
        passes.put(KEY_LEVELS, &seen.get(LEVELS));
        passes.put(KEY_GUIDE, key);
        passes.put_before(GUIDE, key);
        passes.put(GUIDE, guide);
        let record = |which: &[usize], pass: &mut wgpu::ComputePass<'_>| {
            which.iter().for_each(|index| passes.record(*index, pass));
        };
        type Part<'a> = (&'a str, &'a dyn Fn(&mut wgpu::ComputePass<'_>));
        let parts: [Part<'_>; 4] = [
            ("pyramid", &|pass| record(&[0], pass)),
            ("search", &|pass| record(&[1], pass)),
            ("search and carry", &|pass| record(&[1, 2], pass)),
            ("stability (compare, gather), every fifth frame", &|pass| record(&[3, 4], pass)),
        ];
        let mut times = Timestamps::new(&gpu, parts.len() as u32, 4);
        let mut least = [f64::INFINITY; 4];
        for round in 0..20 {
            let Some(times) = &mut times else { break };
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            let measure = times.begin(FrameId(round)).unwrap();
            for (region, (_, record)) in parts.iter().enumerate() {
                let timestamp_writes = Some(times.compute(&measure, region as u32));
                let descriptor = wgpu::ComputePassDescriptor { label: None, timestamp_writes };
                let mut pass = encoder.begin_compute_pass(&descriptor);
                (0..10).for_each(|_| record(&mut pass));
            }
            times.resolve(&measure, &mut encoder);
            let commands = encoder.finish();
            times.submitting(&measure);
            gpu.queue.submit([commands]);
            times.submitted(measure);
            gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
            times.drain(&mut |m| {
                let least = &mut least[m.region as usize];
                *least = least.min(m.duration.as_secs_f64() * 100.0);
            });
        }
        for ((name, record), least) in parts.iter().zip(least) {
            let started = Instant::now();
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            record(&mut encoder.begin_compute_pass(&Default::default()));
            gpu.queue.submit([encoder.finish()]);
            gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
            let wall: Duration = started.elapsed();
            println!(
                "{extent}: {name}: {least:.3} ms by the GPU's clock, {:.3} ms from record to done",
                wall.as_secs_f64() * 1e3
            );
        }
    }
}
