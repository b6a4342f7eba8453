//! The kernels that carry a painting along, against their CPU kernels. Motion is found in whole numbers, so it is the very same.

mod chain_support;

use chain_support::passes::Passes;
use chain_support::{gpu, noise};
use impasto::frame::{FrameShape, PixelFormat};
use impasto::gpu::Gpu;
use impasto::kernels::motion::{Key, carry, motion, pyramid};
use impasto::pipeline::pass::Varying;
use impasto::pipeline::pass::carry::CARRY;
use impasto::pipeline::pass::pyramid::PYRAMID;
use impasto::pipeline::pass::search::SEARCH;
use impasto::pipeline::product::{CARRIED, FIELD, GUIDE, KEY_GUIDE, KEY_LEVELS, LEVELS, PAINTED, Sizes};
use impasto::units::Extent;
use proptest::prelude::*;

/// A picture that can be matched: noise, softened over a few pixels so that neighbours resemble each other, and moved.
fn picture(extent: Extent, seed: u64, soft: usize, shift: (i32, i32)) -> Vec<[u8; 4]> {
    let side = 97_i32;
    let grain = noise(seed, (side * side) as usize);
    let value = |x: i32, y: i32| grain[(y.rem_euclid(side) * side + x.rem_euclid(side)) as usize];
    let reach = soft as i32;
    let pixels = (0..extent.height as i32).flat_map(|y| (0..extent.width as i32).map(move |x| (x, y)));
    pixels
        .map(|(x, y)| {
            let (x, y) = (x - shift.0, y - shift.1);
            let sum: u32 = (0..=reach)
                .flat_map(|dy| (0..=reach).map(move |dx| (dx, dy)))
                .map(|(dx, dy)| u32::from(value(x + dx, y + dy)))
                .sum();
            let mean = (sum / ((reach + 1) * (reach + 1)) as u32) as u8;
            [mean, value(x, y) / 2, mean / 3 + 90, 255]
        })
        .collect()
}

struct Carried {
    levels: Vec<u32>,
    field: Vec<[i32; 2]>,
    painting: Vec<[f32; 4]>,
}

/// The kernels, as the pipeline records them: the levels of the painted frame, then those of the present one, then carry.
fn on_gpu(gpu: &Gpu, extent: Extent, key: Key<'_>, guide: &[[u8; 4]]) -> Carried {
    let sizes = Sizes::new(FrameShape::packed(PixelFormat::Rgba8, extent), Some(extent), 1);
    let mut seen = Passes::new(gpu, sizes, &[&PYRAMID]);
    seen.put(GUIDE, bytemuck::cast_slice(key.guide));
    seen.run(Varying::default());
    let mut passes = Passes::new(gpu, sizes, &[&PYRAMID, &SEARCH, &CARRY]);
    passes.put(KEY_LEVELS, &seen.get(LEVELS));
    passes.put(KEY_GUIDE, bytemuck::cast_slice(key.guide));
    passes.put(PAINTED, bytemuck::cast_slice(key.painting));
    passes.put(GUIDE, bytemuck::cast_slice(guide));
    passes.run(Varying::default());
    Carried {
        levels: bytemuck::pod_collect_to_vec(&passes.get(LEVELS)),
        field: bytemuck::pod_collect_to_vec(&passes.get(FIELD)),
        painting: bytemuck::pod_collect_to_vec(&passes.get(CARRIED)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..Default::default() })]

    /// Levels and motion: exactly. Carried painting: 1e-5, four products in another order.
    #[test]
    fn kernels_equal_their_definition(
        (w, h) in prop_oneof![Just((1, 1)), (1..9_u32, 1..60_u32), (1..110_u32, 1..70_u32)],
        soft in 0..5_usize, shift in (-14..15_i32, -14..15_i32), still: bool, seed: u64,
    ) {
        let Some(gpu) = gpu() else { return Ok(()) };
        let extent = Extent::new(w, h);
        let was = picture(extent, seed, soft, (0, 0));
        let mut is = picture(extent, seed, soft, if still { (0, 0) } else { shift });
        // Something that was not there before.
        for (pixel, byte) in is.iter_mut().zip(noise(seed ^ 5, w as usize * h as usize / 5)) {
            pixel[0] = byte;
        }
        let painting: Vec<[f32; 4]> = noise(seed ^ 9, was.len() * 4)
            .chunks_exact(4)
            .map(|c| [c[0], c[1], c[2], 255].map(|c| f32::from(c) / 255.0))
            .collect();
        let key = Key { guide: &was, painting: &painting };
        let got = on_gpu(gpu, extent, key, &is);

        let levels = pyramid(&is, extent);
        prop_assert_eq!(&got.levels, &levels);
        let field = motion(&levels, &pyramid(&was, extent), extent);
        prop_assert_eq!(&got.field, &field);
        let mut want = vec![[0.0; 4]; was.len()];
        carry(key, &is, &field, extent, &mut want);
        for (at, (got, want)) in got.painting.iter().zip(&want).enumerate() {
            prop_assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5), "pixel {at}: {got:?}, CPU {want:?}");
        }
    }
}
