//! The relief of paint and paper: its shaders against their kernels, and what it does to a picture over time. Needs an adapter
//! (lavapipe will do).

mod chain_support;

use std::sync::Arc;

use chain_support::passes::Passes;
use chain_support::{FORMAT, Negative, frame, gpu, noise, round_trip};
use half::f16;
use image::RgbaImage;
use impasto::canvas::{Brush, Relief, Surface, Tables};
use impasto::frame::{FrameShape, PixelFormat};
use impasto::gpu::Gpu;
use impasto::kernels::compose::{Detail, Painting, Steady, gain, guide_of, stabilise};
use impasto::kernels::prepare::{Crop, prepare};
use impasto::kernels::relief::{
    Flow, FlowLook, FlowPlane, Gone, ReliefLook, cells, flow_of_cells, surface, tensor_of_cells,
};
use impasto::pipeline::pass::Varying;
use impasto::pipeline::pass::relief::{FLOW_OF_CELLS, TENSOR_OF_CELLS};
use impasto::pipeline::product::{FLOW, STEADY, Sizes};
use impasto::pipeline::{Look, Pipeline};
use impasto::units::Extent;
use proptest::prelude::*;

const BRUSH: Brush = Brush { seed: 7, strength: 0.0, scale: 1.0 };

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Two steps of 255: squares of half floats in another order, and the steps that a direction is kept in. Where the change
    /// is as large as what is held, one may hold what the other lets go: those cells are left out.
    #[test]
    fn flow((w, h) in (1..70_u32, 1..40_u32), follows: bool, swirl in 0.0..1.5_f32, contrast in 0.0..1.0_f32, seed: u64) {
        let Some(gpu) = gpu() else { return Ok(()) };
        let extent = Extent::new(w, h);
        let bytes = noise(seed, (w * h * 4) as usize);
        let halves: Vec<[f16; 4]> = bytes.chunks_exact(4)
            .map(|c| [c[0], c[1], c[2], c[3]].map(|b| f16::from_f32(0.5 + contrast * (f32::from(b) / 255.0 - 0.5))))
            .collect();
        let steady: Vec<Steady> = halves.iter().map(|pixel| pixel.map(f16::to_f32)).collect();
        let count = cells(extent).pixels() as usize;
        let before: Vec<Flow> = noise(seed ^ 5, count * 4).chunks_exact(4).map(|c| [c[0], c[1], c[2], c[3]]).collect();
        let sizes = Sizes::new(FrameShape::packed(PixelFormat::Rgba8, extent), Some(extent), 0);
        let mut passes = Passes::new(gpu, sizes, &[&TENSOR_OF_CELLS, &FLOW_OF_CELLS]);
        passes.put(STEADY, bytemuck::cast_slice(&halves));
        passes.put_before(FLOW, bytemuck::cast_slice(&before));
        passes.run(Varying { brush: BRUSH, swirl, follows, ..Varying::default() });
        let mut tensor = vec![[0.0; 4]; count];
        tensor_of_cells(&steady, extent, &mut tensor);
        let (mut want, mut free) = (vec![[0; 4]; count], vec![[0; 4]; count]);
        let look = FlowLook { brush: BRUSH, swirl };
        flow_of_cells(&tensor, extent, look, follows.then_some(&before), &mut want);
        flow_of_cells(&tensor, extent, look, None, &mut free);
        let got = passes.get(FLOW);
        for at in 0..count {
            let change: [f32; 4] = std::array::from_fn(|i| (f32::from(free[at][i]) - f32::from(before[at][i])) / 255.0);
            let turned = 2.0 * change[0].hypot(change[1]) + change[2].hypot(change[3]);
            if follows && (turned - 0.35).abs() < 0.06 {
                continue;
            }
            let got: Flow = got[at * 4..at * 4 + 4].try_into().unwrap();
            let close = got.iter().zip(want[at]).all(|(a, b)| a.abs_diff(b) <= 2);
            prop_assert!(close, "cell {at}: {got:?}, CPU {:?}", want[at]);
        }
    }
}

const FRAME: Extent = Extent::new(160, 120);
const STUDENT: Extent = Extent::new(80, 60);
const SHOWN: Extent = Extent::new(320, 240);

fn shape() -> FrameShape {
    FrameShape::packed(PixelFormat::Rgba8, FRAME)
}

/// A disc before a wall, with a stripe; `noise` adds the camera's, of 255.
fn scene(shift: f32, seed: u64, noisy: u8) -> Vec<u8> {
    let grain = noise(seed, (FRAME.pixels() * 3) as usize);
    let mut bytes = Vec::with_capacity(FRAME.pixels() as usize * 4);
    for y in 0..FRAME.height {
        for x in 0..FRAME.width {
            let (x, y) = (x as f32 - shift, y as f32);
            let inside = (26.0 - (x - 80.0).hypot(y - 60.0)).clamp(0.0, 1.0);
            let stripe = if (x + 0.5 * y).rem_euclid(64.0) < 12.0 { 0.25 } else { 0.0 };
            for (channel, base) in [0.35, 0.45, 0.6].into_iter().enumerate() {
                let value = base + stripe + inside * (0.85 - base - stripe) + 0.001 * y;
                let at = bytes.len() / 4 * 3 + channel;
                let more = i32::from(grain[at] % (2 * noisy + 1)) - i32::from(noisy);
                bytes.push(((value * 255.0) as i32 + more).clamp(0, 255) as u8);
            }
            bytes.push(255);
        }
    }
    bytes
}

fn with_relief(gpu: &Gpu, relief: Relief) -> Pipeline {
    let pipeline = Pipeline::new(gpu, shape(), round_trip(Negative::new(STUDENT)), FORMAT).unwrap();
    let tables: Option<Arc<Tables>> = Some(Tables::known());
    pipeline.surface().set(Surface { canvas: None, brush: BRUSH, relief, tables });
    pipeline
}

fn show(pipeline: &mut Pipeline, id: u64, bytes: Vec<u8>, look: &Look) -> RgbaImage {
    pipeline.submit(frame(shape(), id, bytes));
    pipeline.finish(&mut |_| {}).unwrap();
    pipeline.read_picture(SHOWN, look).unwrap()
}

fn reliefs() -> Vec<Relief> {
    let flat = Relief::default();
    let paint = Relief { thickness: 0.7, gloss: 0.5, pigment: 0.7, drag: 0.8, width: 1.4, ..flat };
    vec![
        paint,
        Relief { length: 1.6, swirl: 0.5, ..paint },
        Relief { paper: 0.8, rim: 0.6, ..flat },
        Relief { tooth: 0.8, ..flat },
        Relief { press: 0.7, ..flat },
        Relief { ripple: 0.6, ..flat },
    ]
}

/// A picture of four channels in eight bits, sampled as the GPU does: between pixels' centres, the border's repeating.
fn sample(picture: &[[u8; 4]], extent: Extent, uv: [f32; 2]) -> [f32; 4] {
    let place = |uv: f32, side: u32| {
        let at = (uv * side as f32 - 0.5).clamp(0.0, side as f32 - 1.0);
        (at as u32, (at as u32 + 1).min(side - 1), at.fract())
    };
    let ((x0, x1, fx), (y0, y1, fy)) = (place(uv[0], extent.width), place(uv[1], extent.height));
    let pixel = |x: u32, y: u32| picture[(y * extent.width + x) as usize].map(|v| f32::from(v) / 255.0);
    let (a, b, c, d) = (pixel(x0, y0), pixel(x1, y0), pixel(x0, y1), pixel(x1, y1));
    std::array::from_fn(|i| {
        let (upper, lower) = (a[i] + (b[i] - a[i]) * fx, c[i] + (d[i] - c[i]) * fx);
        upper + (lower - upper) * fy
    })
}

/// What the kernels make of the scene.
fn reference(relief: Relief, bytes: &[u8]) -> RgbaImage {
    let picture: Vec<[u8; 4]> = bytes.as_chunks().0.to_vec();
    let count = STUDENT.pixels() as usize;
    let mut image = vec![[0.0; 4]; count];
    prepare(&picture, FRAME, Crop::whole(FRAME), STUDENT, &mut image);
    let painted: Vec<[f32; 4]> = image.iter().map(|p| [1.0 - p[0], 1.0 - p[1], 1.0 - p[2], 1.0]).collect();
    let guide: Vec<[u8; 4]> = image.iter().map(|p| guide_of(*p)).collect();
    let mut steady = vec![[0.0; 4]; count];
    let now = Painting { painted: &painted, image: &image, guide: &guide };
    stabilise(now, None, STUDENT, 0..STUDENT.height as usize, &mut steady);
    let mut details = vec![Detail::default(); count];
    gain(&steady, STUDENT, &mut details);
    let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
    let small: Vec<[u8; 4]> =
        details.iter().map(|d| [d.painting[0], d.painting[1], d.painting[2], d.luma].map(byte)).collect();
    let gains: Vec<[u8; 4]> = details
        .iter()
        .map(|d| [d.gain[0], d.gain[1], d.gain[2], 0.0].map(|g| byte((g * 64.0 + 128.0) / 255.0)))
        .collect();
    let cells = cells(STUDENT);
    let mut tensor = vec![[0.0; 4]; cells.pixels() as usize];
    tensor_of_cells(&steady, STUDENT, &mut tensor);
    let mut flow = vec![[0; 4]; tensor.len()];
    flow_of_cells(&tensor, STUDENT, FlowLook { brush: BRUSH, swirl: relief.swirl }, None, &mut flow);
    let look = ReliefLook::new(relief, FRAME.aspect(), SHOWN.height as f32, BRUSH.seed);
    let flow = FlowPlane { flow: &flow, extent: cells };
    let painted_at = |uv: [f32; 2]| {
        let camera = sample(&picture, FRAME, uv);
        let [r, g, b, luma] = sample(&small, STUDENT, uv);
        let gain = sample(&gains, STUDENT, uv).map(|g| (g * 255.0 - 128.0) / 64.0);
        let detail = Detail { painting: [r, g, b], luma, gain: [gain[0], gain[1], gain[2]] };
        detail.painting_at([camera[0], camera[1], camera[2]])
    };
    let tables = Tables::known();
    RgbaImage::from_fn(SHOWN.width, SHOWN.height, |x, y| {
        let uv = [(x as f32 + 0.5) / SHOWN.width as f32, (y as f32 + 0.5) / SHOWN.height as f32];
        let [r, g, b] = surface(uv, &look, flow, Gone::HOME, &tables, painted_at).map(byte);
        image::Rgba([r, g, b, 255])
    })
}

fn mean_difference(a: &RgbaImage, b: &RgbaImage) -> f64 {
    a.iter().zip(b.iter()).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / (a.len() as f64 * 0.75)
}

/// A mean of one step of 255: texture units interpolate with eight bits, which strokes' slopes make three of.
#[test]
fn the_last_pass_lays_on_what_its_kernel_does() {
    let Some(gpu) = gpu() else { return };
    let bytes = scene(0.0, 1, 0);
    for relief in reliefs() {
        let mut pipeline = with_relief(gpu, relief);
        let got = show(&mut pipeline, 0, bytes.clone(), &Look::default());
        let want = reference(relief, &bytes);
        let flat = reference(Relief::default(), &bytes);
        let (off, shows) = (mean_difference(&got, &want), mean_difference(&want, &flat));
        assert!(off < 1.0 && shows > 1.5, "{relief:?}: {off} from the kernel, which is {shows} from the flat picture");
        let worst = got.iter().zip(want.iter()).filter(|(a, b)| a.abs_diff(**b) > 12).count();
        assert!(worst < got.len() / 500, "{relief:?}: {worst} values are far off");
    }
}

/// Nothing of it is left without thickness, and none of its work is done.
#[test]
fn without_thickness_the_picture_is_flat() {
    let Some(gpu) = gpu() else { return };
    let flat = Look { thickness: 0.0, ..Look::default() };
    let bytes = scene(0.0, 1, 2);
    let expected = show(&mut with_relief(gpu, Relief::default()), 0, bytes.clone(), &Look::default());
    for relief in reliefs() {
        let mut pipeline = with_relief(gpu, relief);
        assert_ne!(show(&mut pipeline, 0, bytes.clone(), &Look::default()), expected);
        assert_eq!(pipeline.read_picture(SHOWN, &flat).unwrap(), expected, "{relief:?}");
    }
}

/// A still scene with the camera's noise: strokes lie as still as the painting does.
#[test]
fn nothing_crawls_on_a_still_wall() {
    let Some(gpu) = gpu() else { return };
    for relief in reliefs() {
        let flicker = |relief| {
            let mut pipeline = with_relief(gpu, relief);
            let mut sum = 0.0;
            let mut before = show(&mut pipeline, 0, scene(0.0, 1, 3), &Look::default());
            for id in 1..6 {
                let now = show(&mut pipeline, id, scene(0.0, id + 1, 3), &Look::default());
                sum += mean_difference(&now, &before) / 5.0;
                before = now;
            }
            sum
        };
        let (with, without) = (flicker(relief), flicker(Relief::default()));
        assert!(with <= without + 0.5, "{relief:?}: {with} of 255, without {without}");
    }
}

/// Another hand lays the same paint otherwise; a wider brush changes more slowly over the picture.
#[test]
fn hand_and_brush_show() {
    let Some(gpu) = gpu() else { return };
    let mut pipeline = with_relief(gpu, Relief { thickness: 0.8, pigment: 0.8, width: 2.0, ..Relief::default() });
    let look = Look::default();
    let first = show(&mut pipeline, 0, scene(0.0, 1, 0), &look);
    let other = pipeline.read_picture(SHOWN, &Look { hand: 5, ..look }).unwrap();
    assert!(mean_difference(&first, &other) > 2.0);
    let change = |picture: &RgbaImage| {
        let row = |y: u32| (1..SHOWN.width).map(move |x| (x, y));
        let all = (0..SHOWN.height).flat_map(row);
        all.map(|(x, y)| f64::from(picture.get_pixel(x, y)[1].abs_diff(picture.get_pixel(x - 1, y)[1]))).sum::<f64>()
    };
    let wide = pipeline.read_picture(SHOWN, &Look { brush: 3.0, ..look }).unwrap();
    assert!(change(&wide) < 0.9 * change(&first), "{} {}", change(&wide), change(&first));
}
