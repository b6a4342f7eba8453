//! The flow of frames, on a clock of the test's own: frames are dropped, never queued; order is kept; every frame is
//! accounted for; a new pipeline takes over without a gap. Needs an adapter (lavapipe will do), no network and no window.

mod chain_support;

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use chain_support::{built, factory, headless, round_trip, runtime_with, target, wait_until};
use impasto::clock::Clock;
use impasto::fault::Fault;
use impasto::frame::{CameraFrame, FrameShape, PixelFormat};
use impasto::gpu::Gpu;
use impasto::metrics::Stage;
use impasto::pipeline::{Look, Student};
use impasto::roundtrip::Painter;
use impasto::runtime::{EffectRequest, Runtime, RuntimeEvent};
use impasto::units::{Budget, CaptureClock, Extent, FrameId, FrameStamp};
use proptest::prelude::*;

const INTERVAL: Duration = Duration::from_millis(33);

fn shape(width: u32, height: u32) -> FrameShape {
    FrameShape::packed(PixelFormat::Rgb8, Extent::new(width, height))
}

fn frame(shape: FrameShape, id: u64, captured: Instant) -> CameraFrame {
    let stamp = FrameStamp { id: FrameId(id), captured, clock: CaptureClock::Driver };
    CameraFrame::new(shape, stamp, vec![id as u8; shape.min_bytes()].into()).unwrap()
}

/// No effects installed: what is built in the end is a fault, and the bridge stays.
fn runtime(gpu: &Gpu, shape: FrameShape, student: Student) -> Runtime {
    let built = built(gpu, shape, student);
    runtime_with(factory(gpu, &[]), EffectRequest::default(), Budget(INTERVAL), built, shape)
}

/// Polls until `done` says so; a minute is for ever.
fn poll_until(runtime: &mut Runtime, now: Instant, mut done: impl FnMut(&mut Runtime, Option<FrameStamp>) -> bool) {
    wait_until(|| {
        let picture = runtime.poll(now).picture;
        done(runtime, picture)
    });
}

/// A painter that waits at a gate for each picture, and counts how many are inside.
struct Gated {
    gate: Arc<Gate>,
    image: Vec<f32>,
    extent: Extent,
}

#[derive(Default)]
struct Gate {
    /// Pictures that may be painted, and pictures that were begun.
    state: Mutex<(u32, u32)>,
    moved: Condvar,
}

impl Gate {
    fn open(&self, pictures: u32) {
        self.state.lock().unwrap().0 += pictures;
        self.moved.notify_all();
    }

    fn wait_begun(&self, pictures: u32) {
        let state = self.state.lock().unwrap();
        let (state, out) = self.moved.wait_timeout_while(state, Duration::from_secs(60), |s| s.1 < pictures).unwrap();
        assert!(!out.timed_out(), "only {} begun", state.1);
    }
}

impl Painter for Gated {
    fn extent(&self) -> Extent {
        self.extent
    }

    fn image_mut(&mut self) -> &mut [f32] {
        &mut self.image
    }

    fn paint(&mut self) -> Result<&[f32], Fault> {
        let mut state = self.gate.state.lock().unwrap();
        state.1 += 1;
        self.gate.moved.notify_all();
        let mut state = self.gate.moved.wait_while(state, |s| s.0 == 0).unwrap();
        state.0 -= 1;
        drop(state);
        Ok(&self.image)
    }
}

fn gated(gate: &Arc<Gate>) -> Student {
    let extent = Extent::new(16, 16);
    let painter = Gated { gate: gate.clone(), image: vec![0.0; 3 * 256], extent };
    round_trip(painter)
}

#[test]
fn a_slow_painter_makes_no_queue() {
    let Some(gpu) = headless() else { return };
    let gate = Arc::new(Gate::default());
    let shape = shape(48, 32);
    let mut runtime = runtime(&gpu, shape, gated(&gate));
    let t0 = Instant::now();
    let at = |id: u64| t0 + INTERVAL * id as u32;
    // The first frame goes to the painter, who is stuck with it; nine more come.
    runtime.captured(1, 0, at(0));
    runtime.offer(frame(shape, 0, at(0)), at(0));
    gate.wait_begun(1);
    for id in 1..10 {
        runtime.captured(id + 1, 0, at(id));
        runtime.offer(frame(shape, id, at(id)), at(id));
        runtime.poll(at(id));
    }
    // Two pictures are painted: the one in work and the newest.
    gate.open(2);
    let mut shown = Vec::new();
    poll_until(&mut runtime, at(12), |runtime, picture| {
        let painted = runtime.pipeline().is_some_and(|p| p.shown_painted());
        shown.extend(picture.filter(|_| painted).map(|p| p.id.0));
        runtime.presented(&[], at(12));
        shown.last() == Some(&9)
    });
    assert!(shown == [0, 9] || shown == [9], "{shown:?}");
    runtime.finish(at(12)).unwrap();
    let counts = runtime.meter_ref().counts();
    // Frame 0 is shown too, unless 9 was painted before anybody looked.
    assert_eq!((counts.captured, counts.processed + counts.dropped), (10, 10));
    assert_eq!(counts.processed, shown.len() as u64);
    // Frame 9 was captured at 9 intervals and shown at 12.
    let newest = runtime.meter_ref().costs().last().copied().unwrap();
    assert_eq!((newest.stamp.id.0, newest.total >= INTERVAL * 3), (9, true));
    assert_eq!(newest.stages.iter().flatten().sum::<Duration>(), newest.total);
    assert!(newest.stage(Stage::Infer).is_some() && newest.stage(Stage::Interface).is_none());
}

#[test]
fn frames_before_any_pipeline_are_dropped_and_the_bridge_shows_the_camera() {
    let Some(gpu) = headless() else { return };
    let mut runtime = Runtime::new(factory(&gpu, &[]), EffectRequest::default(), Budget(INTERVAL)).unwrap();
    let shape = shape(40, 30);
    let t0 = Instant::now();
    runtime.offer(frame(shape, 0, t0), t0);
    assert_eq!(runtime.open_frames(), 0);
    let mut id = 0;
    poll_until(&mut runtime, t0, |runtime, picture| {
        id += 1;
        runtime.captured(id + 1, 0, t0);
        runtime.offer(frame(shape, id, t0 + INTERVAL * id as u32), t0 + INTERVAL * id as u32);
        picture.is_some()
    });
    assert_eq!(runtime.subject().unwrap().engine, "none");
    // Nothing is installed: that is said, once, and the camera's picture stays.
    let mut faults = Vec::new();
    poll_until(&mut runtime, t0, |runtime, _| {
        faults.extend(runtime.events().filter_map(|e| match e {
            RuntimeEvent::Fault(fault) => Some(fault),
            _ => None,
        }));
        !runtime.is_preparing()
    });
    faults.extend(runtime.events().filter_map(|e| if let RuntimeEvent::Fault(f) = e { Some(f) } else { None }));
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(!faults[0].remedy.is_empty());
}

#[test]
fn a_new_shape_is_taken_over_without_a_gap() {
    let Some(gpu) = headless() else { return };
    let (first, second) = (shape(48, 32), shape(32, 48));
    let mut runtime = runtime(&gpu, first, Student::Untouched);
    let t0 = Instant::now();
    runtime.offer(frame(first, 0, t0), t0);
    poll_until(&mut runtime, t0, |_, picture| picture.is_some());
    let view = target(&gpu, Extent::new(20, 20));
    // The source changes its shape: the old pipeline's picture is there until the new one has its own.
    let mut id = 1;
    let mut now = t0;
    let began = Instant::now();
    loop {
        now += INTERVAL;
        runtime.offer(frame(second, id, now), now);
        id += 1;
        runtime.poll(now);
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        assert!(runtime.draw(&mut encoder, &view, Extent::new(20, 20), &Look::default()), "there was nothing to draw");
        gpu.queue.submit([encoder.finish()]);
        assert!(runtime.pipeline().unwrap().shown().is_some(), "a pipeline without a picture took over");
        // No effect is installed, so only the fault tells that the wished-for pipeline will not come.
        let over = runtime.events().any(|e| matches!(e, RuntimeEvent::Fault(_)));
        if over {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(runtime.pipeline().unwrap().shape(), first, "what could not be built did not replace what works");
}

/// Two seconds without a painting, by a clock that nobody waits for: the camera's picture takes its place, and gives way again.
#[test]
fn after_two_seconds_without_a_painting_the_camera_s_picture_goes_on() {
    let Some(gpu) = headless() else { return };
    let gate = Arc::new(Gate::default());
    let (shape, clock) = (shape(48, 32), Clock::set_by_hand(Instant::now()));
    let mut built = built(&gpu, shape, gated(&gate));
    built.pipeline.set_clock(clock.clone());
    let mut runtime = runtime_with(factory(&gpu, &[]), EffectRequest::default(), Budget(INTERVAL), built, shape);
    let mut ids = 0..;
    // Whether a picture came within these frames, and whether the last that is shown is painted.
    let mut give = |runtime: &mut Runtime, frames: u32| {
        let mut came = 0;
        for _ in 0..frames {
            clock.advance(INTERVAL);
            let now = clock.now();
            runtime.offer(frame(shape, ids.next().unwrap(), now), now);
            came += u32::from(runtime.poll(now).picture.is_some());
        }
        (came, runtime.poll(clock.now()).painted)
    };
    gate.open(1);
    give(&mut runtime, 1);
    poll_until(&mut runtime, clock.now(), |runtime, _| runtime.poll(clock.now()).painted);
    assert_eq!(give(&mut runtime, 55), (0, true), "for a moment the last painting stays");
    let (came, painted) = give(&mut runtime, 20);
    assert!(came >= 10 && !painted, "{came} pictures came, painted: {painted}");
    gate.open(1000);
    wait_until(|| give(&mut runtime, 1).1);
}

#[test]
fn a_student_that_gives_nothing_does_not_stop_the_picture() {
    let Some(gpu) = headless() else { return };
    let gate = Arc::new(Gate::default());
    let shape = shape(48, 32);
    let mut runtime = runtime(&gpu, shape, gated(&gate));
    let t0 = Instant::now();
    let mut shown = Vec::new();
    for id in 0..20u64 {
        let now = t0 + INTERVAL * id as u32;
        runtime.offer(frame(shape, id, now), now);
        shown.extend(runtime.poll(now).picture.map(|p| p.id.0));
    }
    assert!(shown.len() >= 15, "the camera's picture goes on: {shown:?}");
    assert!(shown.is_sorted());
    gate.open(1000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// However frames and polls alternate: at most two on the way, shown in order, and each is processed or dropped.
    #[test]
    fn every_frame_is_accounted_for(steps in prop::collection::vec(0u8..3, 1..60)) {
        let Some(gpu) = headless() else { return Ok(()) };
        let shape = shape(34, 17);
        let mut runtime = runtime(&gpu, shape, Student::Untouched);
        let t0 = Instant::now();
        let mut offered = 0;
        let mut shown: Vec<u64> = Vec::new();
        for step in steps {
            let now = t0 + INTERVAL * offered as u32;
            if step == 0 {
                shown.extend(runtime.poll(now).picture.map(|p| p.id.0));
            } else {
                runtime.offer(frame(shape, offered, now), now);
                offered += 1;
                runtime.captured(offered, 0, now);
            }
            prop_assert!(runtime.open_frames() <= 2);
        }
        runtime.finish(t0 + INTERVAL * offered as u32).unwrap();
        prop_assert!(shown.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", shown);
        let counts = runtime.meter_ref().counts();
        prop_assert_eq!(counts.processed + counts.dropped, offered);
        prop_assert_eq!(counts.captured, offered);
        if offered > 0 {
            prop_assert_eq!(runtime.pipeline().unwrap().shown().map(|s| s.id.0), Some(offered - 1), "the newest wins");
        }
    }
}
