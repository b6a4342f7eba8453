//! Every compute kernel of the chain against the CPU kernel of the same name.

mod chain_support;

use chain_support::passes::Passes;
use chain_support::{frame, gpu, noise};
use half::f16;
use impasto::canvas::Brush;
use impasto::frame::{CameraFrame, ColorSpec, FrameShape, PixelFormat, YuvMatrix, YuvRange};
use impasto::kernels;
use impasto::kernels::compose::{Before, Detail, Painting, Steady};
use impasto::kernels::drift::{Drift, HOME};
use impasto::kernels::prepare::Crop;
use impasto::pipeline::pass::Varying;
use impasto::pipeline::pass::canvas::SAMPLE_CANVAS;
use impasto::pipeline::pass::gain::GAIN;
use impasto::pipeline::pass::ingest::INGEST;
use impasto::pipeline::pass::prepare::PREPARE;
use impasto::pipeline::pass::stabilise::STABILISE;
use impasto::pipeline::product::{
    CANVAS, CANVAS_FIELD, DRIFT, FRAME, GAINS, GUIDE, IMAGE, PAINTED, PAINTING, RAW, STEADY, Sizes,
};
use impasto::units::Extent;
use proptest::prelude::*;

/// Shapes of frame that break packing: odd strides, one pair, one pixel, sizes no multiple of a workgroup.
fn shapes() -> impl Strategy<Value = FrameShape> {
    let format = prop::sample::select(&PixelFormat::ALL[..]);
    let color = (any::<bool>(), any::<bool>());
    (format, 1..70_u32, 1..23_u32, 0..7_usize, color).prop_map(|(format, width, height, padding, (hd, full))| {
        let even = |n: u32| n.next_multiple_of(2);
        let extent = match format {
            PixelFormat::Yuyv | PixelFormat::Uyvy => Extent::new(even(width), height),
            PixelFormat::Nv12 | PixelFormat::Nv21 => Extent::new(even(width), even(height)),
            _ => Extent::new(width, height),
        };
        let color = ColorSpec {
            matrix: if hd { YuvMatrix::Bt709 } else { YuvMatrix::Bt601 },
            range: if full { YuvRange::Full } else { YuvRange::Limited },
        };
        FrameShape { format, extent, stride: format.row_bytes(extent.width) + padding, color }
    })
}

fn frame_of(shape: FrameShape, seed: u64) -> CameraFrame {
    frame(shape, 0, noise(seed, shape.min_bytes()))
}

fn ingested(frame: &CameraFrame) -> Vec<[u8; 4]> {
    let mut picture = vec![[0; 4]; frame.shape().extent.pixels() as usize];
    kernels::ingest::ingest(frame, &mut picture);
    picture
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..Default::default() })]

    /// One step of 255 either way: the GPU may fuse multiply and add, and rounds a half either way.
    #[test]
    fn ingest(shape in shapes(), seed: u64) {
        let Some(gpu) = gpu() else { return Ok(()) };
        let frame = frame_of(shape, seed);
        let mut passes = Passes::new(gpu, Sizes::new(shape, None, 0), &[&INGEST]);
        passes.put(RAW, &frame.bytes()[..shape.min_bytes()]);
        passes.run(Varying::default());
        let got = passes.get(FRAME);
        for (at, (got, want)) in got.chunks_exact(4).zip(ingested(&frame)).enumerate() {
            prop_assert!(got.iter().zip(want).all(|(a, b)| a.abs_diff(b) <= 1), "{shape:?} pixel {at}: {got:?}, CPU {want:?}");
        }
    }

    /// 1e-5: sums of at most some hundred terms in another order. The guide: one step of rounding.
    #[test]
    fn prepare(
        (fw, fh) in (1..60_u32, 1..40_u32), (w, h) in (1..50_u32, 1..30_u32),
        crop in (0.0..0.5_f32, 0.0..0.5_f32, 0.3..1.0_f32, 0.3..1.0_f32), whole: bool, seed: u64,
    ) {
        let Some(gpu) = gpu() else { return Ok(()) };
        let (source, extent) = (Extent::new(fw, fh), Extent::new(w, h));
        let shape = FrameShape::packed(PixelFormat::Rgba8, source);
        let frame = frame_of(shape, seed);
        let crop = if whole { Crop::fitting(source, extent) } else {
            let (left, top) = (crop.0 * fw as f32, crop.1 * fh as f32);
            Crop { left, top, width: (fw as f32 - left) * crop.2, height: (fh as f32 - top) * crop.3 }
        };
        let sizes = Sizes { crop, ..Sizes::new(shape, Some(extent), 0) };
        let mut passes = Passes::new(gpu, sizes, &[&INGEST, &PREPARE]);
        passes.put(RAW, frame.bytes());
        passes.run(Varying::default());
        let mut want = vec![[0.0; 4]; extent.pixels() as usize];
        kernels::prepare::prepare(&ingested(&frame), source, crop, extent, &mut want);
        let (image, guide) = (passes.get(IMAGE), passes.get(GUIDE));
        let image: &[[f32; 4]] = bytemuck::cast_slice(&image);
        for (at, (got, want)) in image.iter().zip(&want).enumerate() {
            prop_assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5), "{crop:?} pixel {at}: {got:?}, CPU {want:?}");
            let guide: [u8; 4] = guide[at * 4..at * 4 + 4].try_into().unwrap();
            let reference = kernels::compose::guide_of(*want);
            prop_assert!(guide.iter().zip(reference).all(|(a, b)| a.abs_diff(b) <= 1), "{guide:?}, CPU {reference:?}");
        }
        // An area average neither adds nor loses light.
        prop_assert!(want.iter().flatten().all(|c| (-1e-5..=1.00001).contains(c)));
    }

    /// The camera's bytes straight to planes, against ingest and prepare one after the other. Half a step of 255, because
    /// the frame's picture in between is rounded to eight bits.
    #[test]
    fn prepare_planar(shape in shapes(), (w, h) in (1..40_u32, 1..30_u32), seed: u64) {
        let extent = Extent::new(w, h);
        let frame = frame_of(shape, seed);
        let crop = Crop::fitting(shape.extent, extent);
        let mut want = vec![[0.0; 4]; extent.pixels() as usize];
        kernels::prepare::prepare(&ingested(&frame), shape.extent, crop, extent, &mut want);
        let mut got = vec![f32::NAN; extent.pixels() as usize * 3];
        kernels::prepare::prepare_planar(&frame, crop, extent, &mut got);
        let plane = extent.pixels() as usize;
        for (at, want) in want.iter().enumerate() {
            for channel in 0..3 {
                let (got, want) = (got[channel * plane + at], want[channel]);
                prop_assert!((got - want).abs() < 0.51 / 255.0, "{shape:?} {crop:?} {at}/{channel}: {got}, CPU {want}");
            }
        }
    }

    /// 1e-4: interpolation in another order, at places a hundred away. A field of noise; the GPU's canvas is groups of four channels.
    #[test]
    fn sample_canvas(
        (w, h) in (2..70_u32, 2..40_u32), groups in 1..=2_u32, scale in 0.25..8.0_f32, strength in 0.0..2.0_f32, seed: u64,
    ) {
        let Some(gpu) = gpu() else { return Ok(()) };
        let extent = Extent::new(w, h);
        let field = impasto::canvas::known(7);
        let sizes = Sizes {
            canvas_channels: groups * 4,
            ..Sizes::new(FrameShape::packed(PixelFormat::Rgba8, extent), Some(extent), 0)
        };
        let brush = Brush { seed: 7, strength, scale };
        let mut passes = Passes::new(gpu, sizes, &[&SAMPLE_CANVAS]);
        passes.put(CANVAS_FIELD, bytemuck::cast_slice(field.places()));
        // Some cells rest, some have gone somewhere, some fade.
        let drift: Vec<Drift> = noise(seed, ((w / 2).max(1) * (h / 2).max(1) * 4) as usize).chunks_exact(4)
            .map(|c| if c[0] < 80 { HOME } else {
                let share = if c[3] < 128 { 1.0 } else { f32::from(c[2]) / 255.0 };
                [f32::from(c[0]) / 8.0 - 16.0, f32::from(c[1]) / 8.0 - 16.0, share, f32::from(c[3]) / 255.0].map(f16::from_f32)
            })
            .collect();
        passes.put(DRIFT, bytemuck::cast_slice(&drift));
        passes.run(Varying { brush, ..Varying::default() });
        let plane = ((w / 2) * (h / 2)) as usize;
        let mut want = vec![0.0; plane * groups as usize * 4];
        kernels::canvas::sample_canvas(&field, &brush, extent, Some(&drift), &mut want);
        let got: Vec<[f32; 4]> = bytemuck::pod_collect_to_vec(&passes.get(CANVAS));
        for (channel, want) in want.chunks(plane).enumerate() {
            for (at, want) in want.iter().enumerate() {
                let got = got[channel / 4 * plane + at][channel % 4];
                prop_assert!((got - want).abs() < 1e-4, "{channel} {at}: {got}, CPU {want}");
            }
        }
    }

    /// Steadied painting: 2e-3, two steps of a half float near one. Stored painting: half a step of 255. Gain: half a step of
    /// its 64th, and 2e-3 for a quotient of differences of products in another order.
    #[test]
    fn compose((w, h) in (1..70_u32, 1..20_u32), blend in 0.0..1.0_f32, seed: u64) {
        let Some(gpu) = gpu() else { return Ok(()) };
        let extent = Extent::new(w, h);
        let pixels = extent.pixels() as usize;
        let floats = |seed| -> Vec<[f32; 4]> {
            let bytes = noise(seed, pixels * 4);
            bytes.chunks_exact(4).map(|c| [c[0], c[1], c[2], 255].map(|b| f32::from(b) / 255.0)).collect()
        };
        let (painted, image) = (floats(seed), floats(seed ^ 0xA5A5));
        let guide: Vec<[u8; 4]> = image.iter().map(|p| kernels::compose::guide_of(*p)).collect();
        // A previous frame that moved here and there, by much and by little.
        let old_guide: Vec<[u8; 4]> = guide.iter().zip(noise(seed ^ 77, pixels))
            .map(|(g, n)| g.map(|c| c.saturating_add(if n > 200 { n / 4 } else { n % 8 }))).collect();
        let old: Vec<[f16; 4]> = floats(seed ^ 99).iter().map(|p| p.map(f16::from_f32)).collect();

        let shape = FrameShape::packed(PixelFormat::Rgba8, extent);
        let mut passes = Passes::new(gpu, Sizes::new(shape, Some(extent), 0), &[&STABILISE, &GAIN]);
        passes.put(PAINTED, bytemuck::cast_slice(&painted));
        passes.put(IMAGE, bytemuck::cast_slice(&image));
        passes.put(GUIDE, bytemuck::cast_slice(&guide));
        passes.put_before(GUIDE, bytemuck::cast_slice(&old_guide));
        passes.put_before(STEADY, bytemuck::cast_slice(&old));
        passes.run(Varying { blend, ..Varying::default() });

        let old: Vec<Steady> = old.iter().map(|p| p.map(f16::to_f32)).collect();
        let mut want = vec![[0.0; 4]; pixels];
        let before = (blend > 0.0).then_some(Before { steady: &old, guide: &old_guide, blend });
        let now = Painting { painted: &painted, image: &image, guide: &guide };
        kernels::compose::stabilise(now, before, extent, 0..extent.height as usize, &mut want);
        let steady: Vec<[f16; 4]> = bytemuck::pod_collect_to_vec(&passes.get(STEADY));
        let steady: Vec<Steady> = steady.iter().map(|p| p.map(f16::to_f32)).collect();
        for (got, want) in steady.iter().zip(&want) {
            prop_assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 2e-3), "{got:?}, CPU {want:?}");
        }

        // The reference of the second kernel starts from what the first one left, so that errors do not add up.
        let mut details = vec![Detail::default(); pixels];
        kernels::compose::gain(&steady, extent, &mut details);
        let (painting, gains) = (passes.get(PAINTING), passes.get(GAINS));
        for (at, detail) in details.iter().enumerate() {
            let [r, g, b] = detail.painting;
            for (i, want) in [r, g, b, detail.luma].into_iter().enumerate() {
                let got = f32::from(painting[at * 4 + i]);
                prop_assert!((got - want * 255.0).abs() < 0.51, "pixel {at}: {got}, CPU {}", want * 255.0);
            }
            for (i, want) in detail.gain.into_iter().enumerate() {
                let got = (f32::from(gains[at * 4 + i]) - 128.0) / 64.0;
                prop_assert!((got - want).abs() < 0.51 / 64.0 + 2e-3 * (1.0 + want.abs()), "gain {got}, CPU {want}");
            }
        }
    }
}
