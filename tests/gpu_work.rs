//! What each kind of frame makes of work for the GPU: passes, dispatches, copies, bytes, submissions. Nothing may make it more
//! unnoticed.

mod chain_support;

use chain_support::{Negative, frame, target};
use impasto::frame::{FrameShape, PixelFormat};
use impasto::gpu::{Gpu, WorkCounts};
use impasto::nn::gpu::GpuStudent;
use impasto::nn::graph::Graph;
use impasto::nn::plan::{Plan, Precision};
use impasto::pipeline::{Look, Pipeline, Student};
use impasto::roundtrip::RoundTrip;
use impasto::units::Extent;

const FRAME: Extent = Extent::new(96, 64);
const STUDENT: Extent = Extent::new(48, 32);
/// Frames compared for steadiness come every fifth time.
const ROUND: u64 = 10;

fn shape() -> FrameShape {
    FrameShape::packed(PixelFormat::Yuyv, FRAME)
}

fn in_place(gpu: &Gpu) -> (Student, u64) {
    let graph = Graph::from_onnx(include_bytes!("data/tiny.onnx")).unwrap();
    let style: Vec<f32> = (0..graph.style_len()).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect();
    let plan = Plan::new(&graph.fold(&style).unwrap(), STUDENT, Precision::F32).unwrap();
    let steps = plan.steps().len() as u64;
    (Student::InPlace(GpuStudent::new(gpu, &plan).unwrap()), steps)
}

fn round_trip() -> Student {
    Student::RoundTrip(RoundTrip::spawn(Negative::new(STUDENT), || {}).unwrap())
}

/// What ten frames make of work, once everything is in steady state; each is drawn once.
fn ten_frames(gpu: &Gpu, student: Student, every: u32) -> WorkCounts {
    let mut pipeline = Pipeline::new(gpu, shape(), student, chain_support::FORMAT).unwrap();
    pipeline.set_every(every);
    let view = target(gpu, FRAME);
    let mut one = |id: u64| {
        pipeline.submit(frame(shape(), id, vec![(id * 3) as u8; shape().min_bytes()]));
        pipeline.finish(&mut |_| {}).unwrap();
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        pipeline.draw(&mut encoder, &view, FRAME, &Look::default());
        gpu.submit([encoder.finish()]);
        pipeline.finish(&mut |_| {}).unwrap();
    };
    (0..2 * ROUND).for_each(&mut one);
    let before = gpu.work.counts();
    (2 * ROUND..3 * ROUND).for_each(&mut one);
    gpu.work.counts().since(&before)
}

/// Copies of what the GPU measured: the frame's three regions, and the drawing's one.
fn times(gpu: &Gpu, frames: u64, frame_regions: u64) -> (u64, u64) {
    if gpu.caps.timestamps { (frames * 2, frames * (frame_regions + 256)) } else { (0, 0) }
}

#[test]
fn each_kind_of_frame_makes_as_much_work_as_it_did() {
    // A device of its own: others' work must not be counted.
    let Some(gpu) = chain_support::headless() else { return };
    let upload = (FRAME.pixels() * 2).next_multiple_of(4);
    let pixels = STUDENT.pixels();
    let levels = 4 * (24 * 16 + 12 * 8 + 6 * 4);
    let (result, painting) = (8, pixels * 16);
    let (times_copies, times_bytes) = times(&gpu, ROUND, 3 * 256);

    let work = ten_frames(&gpu, Student::Untouched, 1);
    let expected = WorkCounts {
        passes: ROUND * 2,
        dispatches: ROUND,
        draws: ROUND,
        copies: ROUND + times_copies,
        copied_bytes: ROUND * upload + times_bytes,
        submissions: ROUND * 2,
    };
    assert_eq!(work, expected, "the camera's picture as it is");

    let (student, steps) = in_place(&gpu);
    let work = ten_frames(&gpu, student, 1);
    let expected = WorkCounts {
        // Prepare, infer, compose, draw.
        passes: ROUND * 4,
        // Ingest, prepare, the student, stabilise, gain; and compare and gather on two of ten.
        dispatches: ROUND * (4 + steps) + 2 * 2,
        draws: ROUND,
        copies: ROUND + 2 + times_copies,
        copied_bytes: ROUND * upload + 2 * result + times_bytes,
        submissions: ROUND * 2,
    };
    assert_eq!(work, expected, "painted in place");

    let (student, steps) = in_place(&gpu);
    let work = ten_frames(&gpu, student, 2);
    let half = ROUND / 2;
    let expected = WorkCounts {
        passes: half * 4 + half * 3,
        // On all: ingest, prepare, pyramid, stabilise, gain. Between: three searches and the carrying.
        dispatches: ROUND * 5 + half * steps + half * 4 + 2 * 2,
        draws: ROUND,
        // What was painted is remembered: guide and levels.
        copies: ROUND + half * 2 + 2 + times_copies,
        copied_bytes: ROUND * upload + half * (pixels * 4 + levels) + 2 * result + times_bytes,
        submissions: ROUND * 2,
    };
    assert_eq!(work, expected, "painted in place on every second frame");

    let work = ten_frames(&gpu, round_trip(), 1);
    let expected = WorkCounts {
        // All in one, and the drawing.
        passes: ROUND * 2,
        dispatches: ROUND * 4 + 2 * 2,
        draws: ROUND,
        copies: ROUND * 2 + 2 + times_copies,
        copied_bytes: ROUND * (upload + painting) + 2 * result + times_bytes,
        submissions: ROUND * 2,
    };
    assert_eq!(work, expected, "painted on the round trip");

    let work = ten_frames(&gpu, round_trip(), 2);
    let expected = WorkCounts {
        passes: ROUND * 3,
        dispatches: ROUND * 9 + 2 * 2,
        draws: ROUND,
        // Half of them go on the round trip and come back, each remembered twice on the way.
        copies: ROUND + half * 5 + 2 + times_copies,
        copied_bytes: ROUND * upload + half * (painting + 2 * (pixels * 4 + levels)) + 2 * result + times_bytes,
        submissions: ROUND * 2 + half,
    };
    assert_eq!(work, expected, "on the round trip on every second frame");
}
