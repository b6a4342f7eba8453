//! How steady the painting is: the kernels against their CPU kernels, and the number through the whole chain.

mod chain_support;

use std::time::{Duration, Instant};

use chain_support::passes::Passes;
use chain_support::{frame, gpu, noise};
use half::f16;
use impasto::fault::Fault;
use impasto::frame::{FrameShape, PixelFormat};
use impasto::kernels::compose::Steady;
use impasto::kernels::stability::{Gathered, Seen, compare, gather};
use impasto::pipeline::pass::Varying;
use impasto::pipeline::pass::stability::{COMPARE, GATHER};
use impasto::pipeline::product::{GUIDE, STABILITY, STEADY, Sizes};
use impasto::pipeline::{Pipeline, Student};
use impasto::roundtrip::{Painter, RoundTrip};
use impasto::units::Extent;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..Default::default() })]

    /// The number of still pixels: exactly. The sum: half a part for each channel of a pixel, where a GPU multiplies and adds at once.
    #[test]
    fn kernels_equal_their_definition((w, h) in prop_oneof![Just((1, 1)), (1..150_u32, 1..40_u32)], moves in 0..40_u8, seed: u64) {
        let Some(gpu) = gpu() else { return Ok(()) };
        let extent = Extent::new(w, h);
        let pixels = extent.pixels() as usize;
        let before: Vec<[u8; 4]> = noise(seed, pixels * 4).chunks_exact(4).map(|c| [c[0], c[1], c[2], 255]).collect();
        // Still but for noise, and here and there a stretch that moved.
        let stretches = noise(seed ^ 3, pixels / 40 + 1);
        let now: Vec<[u8; 4]> = before
            .iter()
            .zip(noise(seed ^ 4, pixels))
            .enumerate()
            .map(|(i, (p, n))| {
                let by = if stretches[i / 40] < moves { 60 } else { n % 6 };
                [p[0] ^ by, p[1].saturating_add(by), p[2].saturating_sub(by), 255]
            })
            .collect();
        let halves = [5, 6].map(|n| -> Vec<[f16; 4]> {
            noise(seed ^ n, pixels * 4).chunks_exact(4).map(|c| [0, 1, 2, 3].map(|i| f16::from_f32(f32::from(c[i]) / 255.0))).collect()
        });
        let paintings = halves.clone().map(|of| -> Vec<Steady> { of.iter().map(|p| p.map(f16::to_f32)).collect() });
        let sizes = Sizes::new(FrameShape::packed(PixelFormat::Rgba8, extent), Some(extent), 0);
        let mut passes = Passes::new(gpu, sizes, &[&COMPARE, &GATHER]);
        passes.put(GUIDE, bytemuck::cast_slice(&now));
        passes.put_before(GUIDE, bytemuck::cast_slice(&before));
        passes.put(STEADY, bytemuck::cast_slice(&halves[0]));
        passes.put_before(STEADY, bytemuck::cast_slice(&halves[1]));
        passes.run(Varying::default());
        let got: Gathered = bytemuck::pod_read_unaligned(&passes.get(STABILITY));

        let [now, before] = [Seen { guide: &now, steady: &paintings[0] }, Seen { guide: &before, steady: &paintings[1] }];
        let want = gather(&compare(now, before, extent), extent);
        prop_assert_eq!(got[1], want[1]);
        prop_assert!(f64::from(got[0].abs_diff(want[0])) <= f64::from(want[1]) * 0.01 + 2.0, "{got:?}, CPU {want:?}");
    }
}

/// Paints one grey, then another, and so on.
struct Flickers {
    extent: Extent,
    image: Vec<f32>,
    painted: Vec<f32>,
    greys: [f32; 2],
    frame: usize,
}

impl Painter for Flickers {
    fn extent(&self) -> Extent {
        self.extent
    }

    fn image_mut(&mut self) -> &mut [f32] {
        &mut self.image
    }

    fn paint(&mut self) -> Result<&[f32], Fault> {
        self.painted.fill(self.greys[self.frame % 2]);
        self.frame += 1;
        Ok(&self.painted)
    }
}

const FRAME: Extent = Extent::new(64, 48);

fn shape() -> FrameShape {
    FrameShape::packed(PixelFormat::Rgba8, FRAME)
}

fn flickering(greys: [f32; 2]) -> Student {
    let extent = Extent::new(48, 40);
    let planes = vec![0.0; 3 * extent.pixels() as usize];
    let painter = Flickers { extent, image: planes.clone(), painted: planes, greys, frame: 0 };
    Student::RoundTrip(RoundTrip::spawn(painter, || {}).unwrap())
}

/// Frames one by one through the chain, until a number comes or none can be expected.
fn run(pipeline: &mut Pipeline, blend: f32, bytes: impl Fn(u64) -> u8) {
    for id in 0..60 {
        pipeline.set_blend(blend);
        pipeline.submit(frame(shape(), id, vec![bytes(id); shape().min_bytes()]));
        pipeline.finish(&mut |_| {}).unwrap();
    }
    // What is read back late comes with some poll or other.
    let began = Instant::now();
    while pipeline.stability().is_none() && began.elapsed() < Duration::from_millis(300) {
        pipeline.poll(&mut |_| {});
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_chain_says_how_steady_the_painting_is() {
    let Some(gpu) = gpu() else { return };
    let format = wgpu::TextureFormat::Rgba8Unorm;
    let mut pipeline = Pipeline::new(gpu, shape(), flickering([0.4, 0.5]), format).unwrap();
    assert_eq!(pipeline.stability(), None);
    run(&mut pipeline, 0.0, |_| 90);
    let raw = pipeline.stability().unwrap();
    assert!((raw.difference - 25.5).abs() < 0.2 && raw.share == 1.0, "{raw:?}");

    // The temporal blend makes it steadier: each new grey is met half way, so successive ones are a third as far apart.
    let mut pipeline = Pipeline::new(gpu, shape(), flickering([0.4, 0.5]), format).unwrap();
    run(&mut pipeline, 0.5, |_| 90);
    let blended = pipeline.stability().unwrap();
    assert!((blended.difference - 25.5 / 3.0).abs() < 0.4, "{blended:?}");

    // Where nothing is still there is no number.
    let mut pipeline = Pipeline::new(gpu, shape(), flickering([0.4, 0.5]), format).unwrap();
    run(&mut pipeline, 0.0, |id| (id * 50 % 250) as u8);
    assert_eq!(pipeline.stability(), None);
}
