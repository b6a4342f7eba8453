//! The ledger over the real chain: what it says adds up, and the GPU's pieces stand where they belong among the CPU's. Needs
//! an adapter (lavapipe will do), no window; the network in place needs an effect under models/.

mod chain_support;

use std::time::{Duration, Instant};

use chain_support::{Same, built, factory, headless, in_place, models, round_trip, runtime_with, target, wait_until};
use impasto::frame::{CameraFrame, FramePool};
use impasto::gpu::{Gpu, Timestamps};
use impasto::metrics::{Counts, FrameCost, Lap, Report, Stage, Track};
use impasto::pipeline::Look;
use impasto::runtime::{BuiltPipeline, EffectRequest, PipelineFactory, Runtime};
use impasto::source::DemoScene;
use impasto::units::{Budget, CaptureClock, Extent, FrameId, FrameStamp};

const SOURCE: Extent = Extent::new(160, 120);

/// Frames one after the other through the chain, on the real clock, each presented with laps as a window has them.
fn run(
    gpu: &Gpu,
    frames: u64,
    student: impl FnOnce(&PipelineFactory, &DemoScene) -> Option<BuiltPipeline>,
) -> Option<Runtime> {
    let scene = DemoScene::new(SOURCE, 30);
    let factory = factory(gpu, &[&models()]);
    let built = student(&factory, &scene)?;
    let mut runtime = runtime_with(factory, EffectRequest::default(), Budget::default(), built, scene.shape());
    runtime.meter().set_paced(false);
    let pool = FramePool::default();
    let view = target(gpu, SOURCE);
    for id in 0..frames {
        let captured = Instant::now();
        let mut bytes = pool.take(scene.shape().min_bytes());
        scene.draw(id, &mut bytes);
        let stamp = FrameStamp { id: FrameId(id), captured, clock: CaptureClock::Dequeue };
        let now = Instant::now();
        runtime.captured(id + 1, 0, now);
        runtime.offer(CameraFrame::new(scene.shape(), stamp, bytes).unwrap(), now);
        wait_until(|| {
            let picture = runtime.poll(Instant::now()).picture;
            picture.is_some_and(|picture| picture.id == stamp.id)
                && runtime.pipeline().is_some_and(|p| p.shown_painted())
        });
        let begin = Instant::now();
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        runtime.draw(&mut encoder, &view, SOURCE, &Look::default());
        let recorded = Instant::now();
        gpu.queue.submit([encoder.finish()]);
        let now = Instant::now();
        let laps = [
            Lap { stage: Stage::Interface, begin, end: recorded },
            Lap { stage: Stage::Present, begin: recorded, end: now },
        ];
        assert!(runtime.presented(&laps, now));
    }
    runtime.finish(Instant::now()).unwrap();
    Some(runtime)
}

/// A painter whose time can be seen.
fn slow(factory: &PipelineFactory, scene: &DemoScene) -> Option<BuiltPipeline> {
    let student = round_trip(Same::new(Extent::new(64, 48), Duration::from_millis(4)));
    Some(built(&factory.gpu, scene.shape(), student))
}

/// Checks the whole run's figures, and that each frame's pieces lie in the order of the chain, `within` what is stated.
fn check(runtime: &mut Runtime, frames: u64, chain: &[(Stage, Track)]) {
    let subject = runtime.subject().cloned().unwrap();
    let report = Report::new(runtime.meter(), subject, Counts::default(), 1.0, true);
    assert_eq!(runtime.meter_ref().run().frames(), frames);
    let near = |sum: f64, what: &str| {
        let total = report.total_ms.mean;
        assert!((sum - total).abs() <= total * 0.02, "{what}: rows of {sum} ms for a total of {total} ms");
    };
    near(report.stages.iter().map(|s| s.mean_ms).sum(), "stages");
    near(report.stages.iter().map(|s| s.per_frame_ms).sum(), "stages per frame");
    near(report.units.iter().map(|u| u.charged_ms).sum(), "units");
    assert!(report.bound_by.is_some() && report.bottleneck.is_some());

    let Some(within_us) = report.gpu_clock_within_us else {
        println!("no GPU clock: order not checked");
        return;
    };
    println!("the GPU's clock is known within {within_us:.0} us");
    // Uncertainty as of the end; it was another one when each frame was placed, never larger than a few of these.
    let within = Duration::from_secs_f64(within_us * 4e-6) + Duration::from_millis(1);
    for cost in runtime.meter_ref().costs() {
        assert_eq!(cost.stages.iter().flatten().sum::<Duration>(), cost.total);
        let begins: Vec<_> = chain.iter().map(|of| begin(cost, *of)).collect();
        for (pair, of) in begins.windows(2).zip(chain.windows(2)) {
            assert!(pair[0] <= pair[1] + within, "{of:?} began in another order: {begins:?}");
        }
        let first = begin(cost, chain[0]);
        assert!(first <= cost.total, "{:?} of a frame of {:?}", first, cost.total);
    }
}

fn begin(cost: &FrameCost, (stage, track): (Stage, Track)) -> Duration {
    let mut pieces = cost.pieces.iter().filter(|p| p.stage == stage && p.track == track);
    let piece = pieces.next().unwrap_or_else(|| panic!("{stage:?} on {track:?} in {:?}", cost.pieces));
    piece.begin.unwrap_or_else(|| panic!("{stage:?} on {track:?} has no place"))
}

#[test]
fn the_round_trip_adds_up() {
    let Some(gpu) = headless() else { return };
    let Some(mut runtime) = run(&gpu, 40, slow) else { return };
    let chain = [
        (Stage::Capture, Track::Cpu),
        (Stage::Prepare, Track::Cpu),
        (Stage::Infer, Track::Cpu),
        (Stage::Upload, Track::Cpu),
        (Stage::Compose, Track::Gpu),
    ];
    check(&mut runtime, 40, &chain);
}

#[test]
fn the_chain_in_place_adds_up() {
    let Some(gpu) = headless() else { return };
    let Some(mut runtime) = run(&gpu, 40, |factory, scene| in_place(factory, scene.shape())) else { return };
    let chain = [
        (Stage::Capture, Track::Cpu),
        (Stage::Upload, Track::Cpu),
        (Stage::Prepare, Track::Gpu),
        (Stage::Infer, Track::Gpu),
        (Stage::Compose, Track::Gpu),
    ];
    check(&mut runtime, 40, &chain);
}

/// Mesa's software adapter stamps with the very clock that `Instant` reads: there the truth is known.
#[cfg(target_os = "linux")]
#[test]
fn on_a_software_adapter_the_truth_is_known() {
    let Some(gpu) = headless() else { return };
    if !gpu.caps.name.contains("llvmpipe") || !gpu.caps.timestamps {
        println!("skipped: {} has a clock of its own", gpu.caps.name);
        return;
    }
    let monotonic = || {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        #[allow(unsafe_code, reason = "a call of the C library")]
        // SAFETY: writes to the structure that it is given.
        unsafe {
            libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time)
        };
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    };
    // Some work, so that there is more than the first calibration of the clocks.
    let mut times = Timestamps::new(&gpu, 1, 1).unwrap();
    for _ in 0..5 {
        let measure = times.begin(FrameId(0)).unwrap();
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: None,
            timestamp_writes: Some(times.compute(&measure, 0)),
        });
        times.resolve(&measure, &mut encoder);
        gpu.queue.submit([encoder.finish()]);
        times.submitted(measure);
        gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        times.drain(&mut |measured| assert!(measured.begin.is_some()));
    }
    let (now, tick) = (Instant::now(), monotonic());
    let placed = gpu.clock.place(tick, now).unwrap();
    let off = placed.max(now) - placed.min(now);
    let within = gpu.clock.within().unwrap();
    println!("{off:?} off, {within:?} stated");
    // Between the two readings of the clock, and of it through Instant, lies a moment itself.
    assert!(off <= within + Duration::from_micros(50), "{off:?} off where {within:?} was stated");
}
