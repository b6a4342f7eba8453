//! The pipeline as a whole: which frame is shown and when, whose painting lies on it, what the last pass makes of it.

mod chain_support;

use chain_support::{Negative, frame, gpu};
use image::RgbaImage;
use impasto::frame::{FrameShape, PixelFormat};
use impasto::gpu::Gpu;
use impasto::metrics::{Span, Stage};
use impasto::pipeline::{Fit, Look, Pipeline, PipelineCounts, PipelineError, Placement, Student};
use impasto::roundtrip::RoundTrip;
use impasto::units::{Extent, FrameId};

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
const FRAME: Extent = Extent::new(40, 30);
const STUDENT: Extent = Extent::new(16, 12);

fn gray(value: u8) -> (FrameShape, Vec<u8>) {
    let shape = FrameShape::packed(PixelFormat::Rgba8, FRAME);
    (shape, vec![value; shape.min_bytes()])
}

fn untouched(gpu: &Gpu) -> Pipeline {
    Pipeline::new(gpu, gray(0).0, Student::Untouched, FORMAT).unwrap()
}

fn negative(gpu: &Gpu) -> Pipeline {
    let trip = RoundTrip::spawn(Negative::new(STUDENT), || {}).unwrap();
    Pipeline::new(gpu, gray(0).0, Student::RoundTrip(trip), FORMAT).unwrap()
}

fn submit(pipeline: &mut Pipeline, id: u64, value: u8) {
    let (shape, bytes) = gray(value);
    pipeline.submit(frame(shape, id, bytes));
}

fn finish(pipeline: &mut Pipeline) -> Vec<Span> {
    let mut spans = Vec::new();
    pipeline.finish(&mut |span| spans.push(span)).unwrap();
    spans
}

fn middle(picture: &RgbaImage) -> [u8; 4] {
    picture.get_pixel(picture.width() / 2, picture.height() / 2).0
}

fn assert_near(got: [u8; 4], want: [u8; 4], what: &str) {
    assert!(got.iter().zip(want).all(|(a, b)| a.abs_diff(b) <= 2), "{what}: {got:?}, expected {want:?}");
}

#[test]
fn newest_wins_in_place_and_order_is_kept() {
    let Some(gpu) = gpu() else { return };
    let mut pipeline = untouched(gpu);
    assert_eq!(pipeline.shown(), None);
    for id in 0..10 {
        submit(&mut pipeline, id, id as u8 * 20);
    }
    // One went to the GPU, one waits, eight gave way: none of them was polled for.
    assert_eq!(pipeline.counts(), PipelineCounts { submitted: 10, processed: 0, dropped: 8 });
    let mut ready = Vec::new();
    while !pipeline.is_idle() {
        ready.extend(pipeline.poll(&mut |_| {}).map(|stamp| stamp.id.0));
    }
    assert_eq!(ready, [0, 9]);
    assert_eq!(pipeline.counts(), PipelineCounts { submitted: 10, processed: 2, dropped: 8 });
    assert_eq!(pipeline.shown().map(|s| s.id), Some(FrameId(9)));
    assert_near(middle(&pipeline.read_picture(FRAME, &Look::default()).unwrap()), [180, 180, 180, 255], "last frame");
}

#[test]
fn a_frame_of_another_shape_is_dropped() {
    let Some(gpu) = gpu() else { return };
    let mut pipeline = untouched(gpu);
    let other = FrameShape::packed(PixelFormat::Gray8, FRAME);
    pipeline.submit(frame(other, 0, vec![0; other.min_bytes()]));
    assert_eq!(pipeline.counts(), PipelineCounts { submitted: 1, processed: 0, dropped: 1 });
    assert!(pipeline.is_idle());
}

/// Grey frames of different brightness, painted as negatives: if a painting ever lay on another frame, or an old frame were
/// shown as a new one, brightness would not be that of the frame whose stamp is shown.
#[test]
fn a_painting_lies_on_its_own_frame() {
    let Some(gpu) = gpu() else { return };
    let mut pipeline = negative(gpu);
    pipeline.set_blend(0.0);
    let value = |id: u64| 40 + (id * 37 % 170) as u8;
    let look = Look { blend: 0.0, ..Look::default() };
    let mut last = None;
    let mut painted = 0;
    for id in 0..60 {
        submit(&mut pipeline, id, value(id));
        if id % 3 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        if let Some(stamp) = pipeline.poll(&mut |_| {}) {
            assert!(last.is_none_or(|last| last <= stamp.id), "{:?} after {last:?}", stamp.id);
            assert_eq!(pipeline.shown(), Some(stamp));
            last = Some(stamp.id);
            let camera = value(stamp.id.0);
            let shown = if pipeline.shown_painted() { 255 - camera } else { camera };
            painted += u32::from(pipeline.shown_painted());
            let picture = pipeline.read_picture(Extent::new(20, 15), &look).unwrap();
            assert_near(middle(&picture), [shown, shown, shown, 255], &format!("frame {}", stamp.id));
        }
    }
    finish(&mut pipeline);
    assert!(pipeline.shown_painted());
    assert_eq!(pipeline.shown().map(|s| s.id), Some(FrameId(59)));
    let PipelineCounts { submitted, processed, dropped } = pipeline.counts();
    assert_eq!((submitted, processed + dropped), (60, 60));
    assert!(processed >= 1 && painted <= processed as u32);
}

#[test]
fn the_camera_stands_in_until_there_is_a_painting_and_after_the_painter_ended() {
    let Some(gpu) = gpu() else { return };
    let painter = Negative { panics: true, ..Negative::new(STUDENT) };
    let trip = RoundTrip::spawn(painter, || {}).unwrap();
    let mut pipeline = Pipeline::new(gpu, gray(0).0, Student::RoundTrip(trip), FORMAT).unwrap();
    for (id, value) in [(0, 10), (1, 90), (2, 200)] {
        submit(&mut pipeline, id, value);
        assert_eq!(pipeline.poll(&mut |_| {}).map(|s| s.id), Some(FrameId(id)));
        assert!(!pipeline.shown_painted());
        let picture = pipeline.read_picture(FRAME, &Look::default()).unwrap();
        assert_near(middle(&picture), [value, value, value, 255], "camera");
    }
    assert!(matches!(pipeline.finish(&mut |_| {}), Err(PipelineError::Stalled(_))));
}

#[test]
fn spans_come_for_every_stage_that_was_measured() {
    let Some(gpu) = gpu() else { return };
    let mut pipeline = negative(gpu);
    submit(&mut pipeline, 7, 100);
    let spans = finish(&mut pipeline);
    let measured = |stage| spans.iter().filter(|s| s.stage == stage && s.frame == FrameId(7)).count();
    assert_eq!(measured(Stage::Upload), 1);
    assert_eq!(measured(Stage::Prepare), 1);
    assert_eq!(measured(Stage::Infer), 1);
    // By the GPU's own clock, or not at all.
    assert_eq!(measured(Stage::Compose), usize::from(gpu.caps.timestamps));
    assert_eq!(measured(Stage::Wait) + measured(Stage::Capture) + measured(Stage::Present), 0);

    // Drawing the same frame twice counts once.
    let target = texture(gpu, FORMAT, FRAME);
    for _ in 0..2 {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        pipeline.draw(&mut encoder, &target.create_view(&Default::default()), FRAME, &Look::default());
        gpu.queue.submit([encoder.finish()]);
    }
    let drawn: Vec<_> = finish(&mut pipeline);
    assert_eq!(
        drawn.iter().map(|s| (s.frame, s.stage)).collect::<Vec<_>>(),
        match gpu.caps.timestamps {
            true => vec![(FrameId(7), Stage::Compose)],
            false => vec![],
        }
    );
}

/// Still input: the previous painting is mixed in. Here a painter whose answer depends on how often it was asked.
#[test]
fn the_blend_steadies_still_pictures_only() {
    struct Flicker(Negative, bool);
    impl impasto::roundtrip::Painter for Flicker {
        fn extent(&self) -> Extent {
            self.0.extent
        }
        fn image_mut(&mut self) -> &mut [f32] {
            &mut self.0.image
        }
        fn paint(&mut self) -> Result<&[f32], impasto::fault::Fault> {
            self.1 = !self.1;
            self.0.painted.fill(if self.1 { 1.0 } else { 0.0 });
            Ok(&self.0.painted)
        }
    }
    let Some(gpu) = gpu() else { return };
    for (second, expected) in [(100, 128), (200, 0)] {
        let trip = RoundTrip::spawn(Flicker(Negative::new(STUDENT), false), || {}).unwrap();
        let mut pipeline = Pipeline::new(gpu, gray(0).0, Student::RoundTrip(trip), FORMAT).unwrap();
        pipeline.set_blend(0.5);
        for (id, value) in [(0, 100), (1, second)] {
            submit(&mut pipeline, id, value);
            finish(&mut pipeline);
        }
        let picture = pipeline.read_picture(FRAME, &Look::default()).unwrap();
        assert_near(middle(&picture), [expected, expected, expected, 255], "second frame");
    }
}

fn texture(gpu: &Gpu, format: wgpu::TextureFormat, extent: Extent) -> wgpu::Texture {
    gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d { width: extent.width, height: extent.height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    })
}

/// Both kinds of target end up with the same bytes: the curve is applied once, by the shader or by the hardware.
#[test]
fn srgb_and_plain_targets_hold_the_same_bytes() {
    let Some(gpu) = gpu() else { return };
    // 64 pixels wide, so that rows need no padding to be copied; every value from 0 to 252.
    let extent = Extent::new(64, 4);
    let shape = FrameShape::packed(PixelFormat::Gray8, extent);
    let mut shape = shape;
    shape.color.range = impasto::frame::YuvRange::Full;
    let bytes: Vec<u8> = (0..256).map(|i| (i % 64 * 4) as u8).collect();
    let pictures = [FORMAT, wgpu::TextureFormat::Rgba8UnormSrgb].map(|format| {
        let mut pipeline = Pipeline::new(gpu, shape, Student::Untouched, format).unwrap();
        pipeline.submit(frame(shape, 0, bytes.clone()));
        finish(&mut pipeline);
        let target = texture(gpu, format, extent);
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        pipeline.draw(&mut encoder, &target.create_view(&Default::default()), extent, &Look::default());
        let back = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 1024,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(256), rows_per_image: None };
        let info = wgpu::TexelCopyBufferInfo { buffer: &back, layout };
        encoder.copy_texture_to_buffer(target.as_image_copy(), info, target.size());
        gpu.queue.submit([encoder.finish()]);
        back.slice(..).map_async(wgpu::MapMode::Read, |r| r.unwrap());
        gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
        back.slice(..).get_mapped_range().unwrap().to_vec()
    });
    for (at, (plain, srgb)) in pictures[0].iter().zip(&pictures[1]).enumerate() {
        assert!(plain.abs_diff(*srgb) <= 1, "byte {at}: {plain} plain, {srgb} through the curve twice");
    }
    assert_eq!(pictures[0][..12], [0, 0, 0, 255, 4, 4, 4, 255, 8, 8, 8, 255]);
}

/// A frame that is dark on its left and bright on its right half, painted as its negative.
#[test]
fn strength_mirror_split_and_bars() {
    let Some(gpu) = gpu() else { return };
    let shape = FrameShape::packed(PixelFormat::Gray8, FRAME);
    let shape = FrameShape {
        color: impasto::frame::ColorSpec { range: impasto::frame::YuvRange::Full, ..shape.color },
        ..shape
    };
    let bytes: Vec<u8> = (0..1200).map(|i| if i % 40 < 20 { 50 } else { 220 }).collect();
    let trip = RoundTrip::spawn(Negative::new(STUDENT), || {}).unwrap();
    let mut pipeline = Pipeline::new(gpu, shape, Student::RoundTrip(trip), FORMAT).unwrap();
    pipeline.submit(frame(shape, 0, bytes));
    finish(&mut pipeline);
    let mut columns = |extent: Extent, look: Look, at: [u32; 2]| {
        let picture = pipeline.read_picture(extent, &look).unwrap();
        at.map(|x| picture.get_pixel(x, extent.height / 2).0[0])
    };
    let near = |got: [u8; 2], want: [u8; 2]| {
        assert!(got.iter().zip(want).all(|(a, b)| a.abs_diff(b) <= 2), "{got:?} {want:?}")
    };
    let plain = Look::default();
    near(columns(FRAME, plain, [5, 35]), [205, 35]);
    near(columns(FRAME, Look { mirror: true, ..plain }, [5, 35]), [35, 205]);
    near(columns(FRAME, Look { strength: 0.0, ..plain }, [5, 35]), [50, 220]);
    near(columns(FRAME, Look { strength: 0.5, ..plain }, [5, 35]), [128, 128]);
    near(columns(FRAME, Look { split: Some(0.5), ..plain }, [5, 35]), [50, 35]);
    // The line: two columns around the middle, and nothing of it beside them.
    near(columns(FRAME, Look { split: Some(0.5), ..plain }, [19, 20]), [245, 245]);
    near(columns(FRAME, Look { split: Some(0.25), ..plain }, [8, 12]), [50, 205]);
    // Split counts from the left of what is seen, mirrored or not.
    near(columns(FRAME, Look { split: Some(0.5), mirror: true, ..plain }, [5, 35]), [220, 205]);
    // A target twice as wide: the picture in its middle half, bars beside it.
    near(columns(Extent::new(80, 30), plain, [25, 55]), [205, 35]);
    near(columns(Extent::new(80, 30), plain, [5, 75]), [14, 14]);
    near(columns(Extent::new(80, 30), Look { fit: Fit::Cover, ..plain }, [5, 75]), [205, 35]);
}

#[test]
fn placement_contains_or_covers() {
    let at = |aspect, w, h, fit| {
        let p = Placement::of(aspect, Extent::new(w, h), fit);
        (p.left, p.top, p.width, p.height)
    };
    assert_eq!(at(4.0 / 3.0, 640, 480, Fit::Contain), (0.0, 0.0, 640.0, 480.0));
    assert_eq!(at(4.0 / 3.0, 1280, 720, Fit::Contain), (160.0, 0.0, 960.0, 720.0));
    assert_eq!(at(4.0 / 3.0, 1280, 720, Fit::Cover), (0.0, -120.0, 1280.0, 960.0));
    assert_eq!(at(16.0 / 9.0, 480, 640, Fit::Contain), (0.0, 185.0, 480.0, 270.0));
    let place = Placement::of(4.0 / 3.0, Extent::new(1280, 720), Fit::Contain);
    assert_eq!([0.0, 160.0, 640.0, 1120.0, 1280.0].map(|x| place.share_of_column(x)), [0.0, 0.0, 0.5, 1.0, 1.0]);
}

#[test]
fn impossible_sizes_are_told() {
    let Some(gpu) = gpu() else { return };
    let mut pipeline = untouched(gpu);
    assert!(matches!(pipeline.read_picture(Extent::new(0, 5), &Look::default()), Err(PipelineError::Empty(_))));
    assert!(matches!(
        pipeline.read_picture(Extent::new(1 << 20, 5), &Look::default()),
        Err(PipelineError::TooLarge { .. })
    ));
    // Before the first frame there is black, not an error.
    assert_eq!(middle(&pipeline.read_picture(FRAME, &Look::default()).unwrap()), [0, 0, 0, 255]);
}
