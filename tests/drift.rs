//! Strokes that go along with what is painted: the shader against its kernel, and what comes of it in a pipeline. Needs an
//! adapter (lavapipe will do).

mod chain_support;

use chain_support::passes::Passes;
use chain_support::{FORMAT, Negative, frame, gpu, round_trip};
use impasto::canvas::{Brush, Relief, Surface, Tables};
use impasto::frame::{FrameShape, PixelFormat};
use impasto::kernels::drift::{Drift, HOME, Step, drift_of_cells};
use impasto::kernels::motion::{Fields, motion, pyramid};
use impasto::kernels::relief::cells;
use impasto::pipeline::pass::Varying;
use impasto::pipeline::pass::drift::DRIFT_OF_CELLS;
use impasto::pipeline::product::{DRIFT, GUIDE, STEP_FIELD, Sizes};
use impasto::pipeline::{Look, Pipeline};
use impasto::units::Extent;

const EXTENT: Extent = Extent::new(96, 64);

fn picture(extent: Extent, shift: [f32; 2]) -> Vec<[u8; 4]> {
    let value = |x: f32, y: f32| {
        let waves =
            (0.21 * x).sin() + (0.17 * y - 0.08 * x).sin() + (0.11 * (x + y)).cos() + (0.05 * x * y).sin() * 0.1;
        (127.0 + 38.0 * waves) as u8
    };
    let pixel = |at: u32| {
        let (x, y) = ((at % extent.width) as f32 - shift[0], (at / extent.width) as f32 - shift[1]);
        [value(x, y), value(y, x), value(x + 9.0, y), 255]
    };
    (0..extent.pixels() as u32).map(pixel).collect()
}

/// Half floats that differ by a step where sums come in another order; where a threshold lies between the two, a cell may
/// fade in one and not in the other: one cell in a hundred.
#[test]
fn the_shader_follows_its_kernel() {
    let Some(gpu) = gpu() else { return };
    let sizes = Sizes::new(FrameShape::packed(PixelFormat::Rgba8, EXTENT), Some(EXTENT), 0);
    let mut before = picture(EXTENT, [0.0; 2]);
    let mut drift = vec![HOME; cells(EXTENT).pixels() as usize];
    for (turn, shift) in
        [[0.0, 0.0], [2.0, 0.0], [3.5, 1.0], [9.0, -3.0], [9.0, -3.0], [40.0, 20.0]].into_iter().enumerate()
    {
        let now = picture(EXTENT, shift);
        let field = motion(&pyramid(&now, EXTENT), &pyramid(&before, EXTENT), EXTENT);
        let mut passes = Passes::new(gpu, sizes, &[&DRIFT_OF_CELLS]);
        passes.put(GUIDE, bytemuck::cast_slice(&now));
        passes.put_before(GUIDE, bytemuck::cast_slice(&before));
        passes.put(STEP_FIELD, bytemuck::cast_slice(&field));
        passes.put_before(DRIFT, bytemuck::cast_slice(&drift));
        let continues = turn > 0;
        passes.run(Varying { continues, ..Varying::default() });
        let mut want = drift.clone();
        let finest = &field[..Fields::new(EXTENT).grid(0).pixels() as usize];
        let step = Step { guide: &now, previous_guide: &before, field: finest, previous: &drift };
        drift_of_cells(continues.then_some(step), EXTENT, &mut want);
        let got: Vec<Drift> = bytemuck::pod_collect_to_vec(&passes.get(DRIFT));
        let off = |(a, b): &(&Drift, &Drift)| a.iter().zip(*b).any(|(a, b)| (a.to_f32() - b.to_f32()).abs() > 0.02);
        let off = got.iter().zip(&want).filter(off).count();
        assert!(off * 100 <= want.len(), "{shift:?}: {off} of {} cells", want.len());
        (before, drift) = (now, want);
    }
}

const FRAME: Extent = Extent::new(192, 128);

fn pipeline(gpu: &impasto::gpu::Gpu) -> Pipeline {
    let shape = FrameShape::packed(PixelFormat::Rgba8, FRAME);
    let pipeline = Pipeline::new(gpu, shape, round_trip(Negative::new(EXTENT)), FORMAT).unwrap();
    let relief = Relief { thickness: 0.8, pigment: 0.8, width: 2.0, ..Relief::default() };
    let brush = Brush { seed: 7, strength: 0.0, scale: 1.0 };
    pipeline.surface().set(Surface { canvas: None, brush, relief, tables: Some(Tables::known()) });
    pipeline
}

fn show(pipeline: &mut Pipeline, id: u64, shift: f32) -> image::RgbaImage {
    let bytes = picture(FRAME, [shift, 0.0]).into_flattened();
    pipeline.submit(frame(FrameShape::packed(PixelFormat::Rgba8, FRAME), id, bytes));
    pipeline.finish(&mut |_| {}).unwrap();
    pipeline.read_picture(FRAME, &Look { blend: 0.0, ..Look::default() }).unwrap()
}

/// How far two pictures are apart in their middle, the first having moved so many pixels to the right.
fn apart(a: &image::RgbaImage, b: &image::RgbaImage, moved: u32) -> f64 {
    let inside = |side: u32| side / 4..side * 3 / 4;
    let pixels = inside(FRAME.height).flat_map(|y| inside(FRAME.width).map(move |x| (x, y)));
    let difference = |(x, y)| f64::from(a.get_pixel(x + moved, y)[1].abs_diff(b.get_pixel(x, y)[1]));
    pixels.map(difference).sum::<f64>() / f64::from(FRAME.width * FRAME.height / 4)
}

/// A picture that moves takes its strokes along; a fresh start leaves them at home.
#[test]
fn strokes_move_with_the_picture() {
    let Some(gpu) = gpu() else { return };
    let mut carried = pipeline(gpu);
    let first = show(&mut carried, 0, 0.0);
    let mut last = first.clone();
    for id in 1..=4 {
        last = show(&mut carried, id, 4.0 * id as f32);
    }
    let mut resting = pipeline(gpu);
    show(&mut resting, 0, 0.0);
    for id in 1..=4 {
        resting.start_afresh();
        let at_home = show(&mut resting, id, 4.0 * id as f32);
        if id == 4 {
            let (with, without) = (apart(&last, &first, 16), apart(&at_home, &first, 16));
            assert!(with < 0.6 * without, "{with} of 255 with strokes that go along, {without} without");
        }
    }
}
