//! The student on every second frame: each frame is shown all the same, painted, and nothing waits.

mod chain_support;

use chain_support::{Negative, frame, gpu};
use image::RgbaImage;
use impasto::frame::{FrameShape, PixelFormat};
use impasto::gpu::Gpu;
use impasto::metrics::{Span, Stage};
use impasto::nn::gpu::GpuStudent;
use impasto::nn::graph::Graph;
use impasto::nn::plan::{Plan, Precision};
use impasto::pipeline::{Look, Pipeline, PipelineCounts, Student};
use impasto::roundtrip::RoundTrip;
use impasto::units::{Extent, FrameId};

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
const FRAME: Extent = Extent::new(96, 64);
const STUDENT: Extent = Extent::new(48, 32);
const LOOK: Look = Look {
    strength: 1.0,
    mirror: false,
    split: None,
    blend: 0.0,
    thickness: 0.0,
    brush: 1.0,
    hand: 0,
    fit: impasto::pipeline::Fit::Contain,
};

fn shape() -> FrameShape {
    FrameShape::packed(PixelFormat::Rgba8, FRAME)
}

/// A soft pattern without a period, `shift` pixels to the right.
fn picture(shift: i32) -> Vec<u8> {
    let value = |x: i32, y: i32| {
        let (x, y) = ((x - shift) as f32, y as f32);
        let wave = (x * 0.21).sin() + (y * 0.27 + x * 0.05).sin() + (x * 0.071 - y * 0.13).cos();
        (128.0 + wave * 40.0) as u8
    };
    (0..FRAME.height as i32)
        .flat_map(|y| (0..FRAME.width as i32).map(move |x| (x, y)))
        .flat_map(|(x, y)| [value(x, y), value(x + 31, y), value(x, y + 17), 255])
        .collect()
}

fn in_place(gpu: &Gpu) -> Pipeline {
    let graph = Graph::from_onnx(include_bytes!("data/tiny.onnx")).unwrap();
    let style: Vec<f32> = (0..graph.style_len()).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect();
    let plan = Plan::new(&graph.fold(&style).unwrap(), STUDENT, Precision::F32).unwrap();
    let student = Student::InPlace(GpuStudent::new(gpu, &plan).unwrap());
    let mut pipeline = Pipeline::new(gpu, shape(), student, FORMAT).unwrap();
    pipeline.set_blend(0.0);
    pipeline
}

fn round_trip(gpu: &Gpu) -> Pipeline {
    let trip = RoundTrip::spawn(Negative::new(STUDENT), || {}).unwrap();
    let mut pipeline = Pipeline::new(gpu, shape(), Student::RoundTrip(trip), FORMAT).unwrap();
    pipeline.set_blend(0.0);
    pipeline
}

/// One frame all the way, and everything that it brought.
fn show(pipeline: &mut Pipeline, id: u64, bytes: Vec<u8>) -> Vec<Span> {
    pipeline.submit(frame(shape(), id, bytes));
    let mut spans = Vec::new();
    pipeline.finish(&mut |span| spans.push(span)).unwrap();
    assert_eq!(pipeline.shown().map(|s| s.id), Some(FrameId(id)));
    spans
}

fn mean_difference(a: &RgbaImage, b: &RgbaImage) -> f64 {
    a.iter().zip(b.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / a.len() as f64
}

#[test]
fn in_place_the_student_works_every_second_frame_and_each_is_painted() {
    let Some(gpu) = gpu() else { return };
    let mut pipeline = in_place(gpu);
    let inferred = |pipeline: &mut Pipeline, ids: std::ops::Range<u64>| -> Vec<u64> {
        let mut spans = Vec::new();
        for id in ids {
            spans.extend(show(pipeline, id, picture(id as i32)));
            assert!(pipeline.shown_painted());
        }
        spans.iter().filter(|s| s.stage == Stage::Infer).map(|s| s.frame.0).collect()
    };
    let expect = |ids: &[u64]| if gpu.caps.timestamps { ids.to_vec() } else { Vec::new() };
    assert_eq!(inferred(&mut pipeline, 0..3), expect(&[0, 1, 2]));
    pipeline.set_every(2);
    assert_eq!(pipeline.every(), 2);
    assert_eq!(inferred(&mut pipeline, 3..8), expect(&[3, 5, 7]));
    pipeline.set_every(3);
    assert_eq!(inferred(&mut pipeline, 8..14), expect(&[10, 13]));
    pipeline.set_every(1);
    assert_eq!(inferred(&mut pipeline, 14..16), expect(&[14, 15]));
    assert_eq!(pipeline.counts(), PipelineCounts { submitted: 16, processed: 16, dropped: 0 });
}

/// Where nothing moves, a carried painting is the painting.
#[test]
fn a_still_picture_is_carried_unchanged() {
    let Some(gpu) = gpu() else { return };
    let mut pipeline = in_place(gpu);
    pipeline.set_every(2);
    show(&mut pipeline, 0, picture(0));
    let painted = pipeline.read_picture(FRAME, &LOOK).unwrap();
    show(&mut pipeline, 1, picture(0));
    assert_eq!(pipeline.read_picture(FRAME, &LOOK).unwrap(), painted);
}

/// Each frame is shown the moment it comes, with the newest painting, on its own colours: the negative of the frame itself.
#[test]
fn on_the_round_trip_every_frame_is_shown_at_once() {
    let Some(gpu) = gpu() else { return };
    let mut pipeline = round_trip(gpu);
    pipeline.set_every(2);
    for id in 0..6 {
        show(&mut pipeline, id, picture(2 * id as i32));
        assert!(pipeline.shown_painted(), "frame {id}");
    }
    let carried = pipeline.read_picture(FRAME, &LOOK).unwrap();
    let mut own = round_trip(gpu);
    show(&mut own, 5, picture(10));
    let difference = mean_difference(&carried, &own.read_picture(FRAME, &LOOK).unwrap());
    assert!(difference < 8.0, "carried differs from painted by {difference:.2}");
    assert_eq!(pipeline.counts(), PipelineCounts { submitted: 6, processed: 6, dropped: 0 });
}

/// Cadence on and off while frames fly: the frame that is shown never goes back, every frame is accounted for, and the
/// picture stays painted once it was.
#[test]
fn switching_at_any_time_loses_nothing() {
    let Some(gpu) = gpu() else { return };
    for mut pipeline in [in_place(gpu), round_trip(gpu)] {
        let (mut last, mut was_painted) = (None, false);
        for id in 0..80_u64 {
            pipeline.set_every([1, 2, 3, 1, 2][(id / 7 % 5) as usize]);
            pipeline.submit(frame(shape(), id, picture(id as i32)));
            if id % 3 != 0 {
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
            if let Some(stamp) = pipeline.poll(&mut |_| {}) {
                assert!(last.is_none_or(|last| last <= stamp.id), "{} after {last:?}", stamp.id);
                last = Some(stamp.id);
            }
            assert!(pipeline.shown_painted() || !was_painted, "frame {id} lost its painting");
            was_painted = pipeline.shown_painted();
        }
        pipeline.finish(&mut |_| {}).unwrap();
        assert!(pipeline.shown_painted());
        let PipelineCounts { submitted, processed, dropped } = pipeline.counts();
        assert_eq!((submitted, processed + dropped), (80, 80), "{processed} + {dropped}");
    }
}
