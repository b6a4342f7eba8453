//! The CPU engine against the plain network and against ONNX Runtime, with every instruction set that this processor has.

#[path = "nn_support/mod.rs"]
mod support;

use std::num::NonZeroUsize;

use impasto::kernels::nn::graph::{self, Inputs};
use impasto::nn::cpu::kernels::Isa;
use impasto::nn::cpu::{CpuError, CpuOptions, CpuStudent};
use impasto::nn::graph::{Activation, Arithmetic, Graph, GraphError, Interpolation, Op, Pads, ValueId};
use impasto::nn::ort::{OrtOptions, OrtRuntime, OrtStudent};
use impasto::nn::plan::fused::{Fusing, Tile};
use impasto::units::Extent;
use proptest::prelude::*;
use support::*;

/// Every way to run a network: instructions, threads, fused or not, in large tiles and in tiles that are much too small.
fn ways() -> Vec<CpuOptions> {
    let threads = |n| NonZeroUsize::new(n).unwrap();
    let each = |isa| {
        let tiles = |width, rows| Fusing::Tiles(Tile { width, rows });
        [(1, Fusing::Cheapest), (3, Fusing::Cheapest), (2, Fusing::Never), (1, tiles(5, 3)), (2, tiles(8, 2))]
            .map(|(n, fusing)| CpuOptions { threads: threads(n), isa, fusing })
    };
    Isa::available().into_iter().flat_map(each).collect()
}

fn paint(student: &mut CpuStudent, image: &[f32]) -> Vec<f32> {
    student.image_mut().copy_from_slice(image);
    student.paint().unwrap().to_vec()
}

fn paint_once(network: &Graph, extent: Extent, options: CpuOptions, image: &[f32]) -> Vec<f32> {
    paint(&mut CpuStudent::new(network, extent, options).unwrap(), image)
}

fn agrees(network: &Graph, extent: Extent, seed: u64, tolerance: f32) -> Result<(), TestCaseError> {
    let image = planar_image(extent, seed);
    let expected = graph::run(network, extent, Inputs { image: &image, ..Inputs::default() }).unwrap().data;
    for options in ways() {
        let mut student = CpuStudent::new(network, extent, options).unwrap();
        let found = paint(&mut student, &image);
        let difference = max_difference(&found, &expected);
        prop_assert!(difference <= tolerance, "{difference} at {extent} with {options:?}\n{}", student.plan());
        // What a picture leaves in memory does not show in the next.
        paint(&mut student, &planar_image(extent, seed + 1));
        prop_assert_eq!(paint(&mut student, &image), found);
    }
    Ok(())
}

fn every_pads() -> impl Strategy<Value = Pads> {
    [0..3usize, 0..3usize, 0..3usize, 0..3usize].prop_map(|[top, left, bottom, right]| Pads {
        top,
        left,
        bottom,
        right,
    })
}

/// A network that ends in `op`, which takes `channels` channels at half the image's size or, without `half`, at its whole.
/// Before it the image is brought to so many channels, after it back to three at the image's size.
fn around(channels: usize, half: bool, op: impl FnOnce(&mut Builder, ValueId) -> ValueId, seed: u64) -> Builder {
    let mut b = Builder::default();
    let (stride, pads) = if half { (2, Pads { bottom: 1, right: 1, ..Pads::default() }) } else { (1, Pads::all(1)) };
    let wide = b.push(conv(3, channels, 3, stride, false, pads, seed), &[ValueId::IMAGE]);
    let wide = b.push(Op::Activate(Activation::Clip { min: -0.5, max: 6.0 }), &[wide]);
    op(&mut b, wide);
    b
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pointwise(inputs in 1..70usize, outputs in 1..70usize, w in 1..40u32, h in 1..6u32, seed in 0..1000u64) {
        let mut b = around(inputs, false, |b, x| {
            let y = b.push(conv(inputs, outputs, 1, 1, false, Pads::default(), seed + 2), &[x]);
            b.push(Op::Activate(Activation::RELU), &[y])
        }, seed);
        let last = ValueId(b.nodes.len());
        let output = b.push(conv(outputs, 3, 1, 1, false, Pads::default(), seed + 4), &[last]);
        agrees(&b.finish(output), Extent::new(w, h), seed, 2e-5)?;
    }

    #[test]
    fn convolutions_with_every_padding(
        (inputs, outputs, depthwise) in prop_oneof![
            (1..20usize, 1..20usize).prop_map(|(i, o)| (i, o, false)),
            (1..40usize).prop_map(|c| (c, c, true)),
        ],
        pads in every_pads(), w in 3..40u32, h in 3..7u32, seed in 0..1000u64
    ) {
        // The picture keeps its size: as much is padded as the kernel takes away.
        let pads = Pads { bottom: 2 - pads.top, right: 2 - pads.left, ..pads };
        let mut b = around(inputs, false, |b, x| {
            let y = b.push(conv(inputs, outputs, 3, 1, depthwise, pads, seed + 2), &[x]);
            b.push(Op::Activate(Activation::Clip { min: 0.0, max: 6.0 }), &[y])
        }, seed);
        let last = ValueId(b.nodes.len());
        let output = b.push(conv(outputs, 3, 1, 1, false, Pads::default(), seed + 4), &[last]);
        agrees(&b.finish(output), Extent::new(w, h), seed, 2e-5)?;
    }

    #[test]
    fn strides_and_what_undoes_them(
        channels in 1..40usize, depthwise in any::<bool>(), kernel in prop_oneof![Just(1usize), Just(3)],
        up in 0..3usize, w in 1..24u32, h in 1..8u32, seed in 0..1000u64
    ) {
        let pads = if kernel == 3 { Pads { bottom: 1, right: 1, ..Pads::default() } } else { Pads::default() };
        let wide = if up == 2 { 4 * channels } else { channels };
        let mut b = around(wide, false, |b, x| {
            let x = b.push(conv(wide, wide, kernel, 2, depthwise, pads, seed + 2), &[x]);
            b.push(match up {
                0 => Op::Resize(Interpolation::Linear),
                1 => Op::Resize(Interpolation::Nearest),
                _ => Op::DepthToSpace,
            }, &[x])
        }, seed);
        let last = ValueId(b.nodes.len());
        let output = b.push(conv(channels, 3, 3, 1, false, Pads::all(1), seed + 4), &[last]);
        agrees(&b.finish(output), Extent::new(2 * w, 2 * h), seed, 2e-5)?;
    }

    /// Wide enough for the algorithm with fewer products.
    #[test]
    fn dense_convolutions_of_many_channels(
        inputs in 16..50usize, outputs in 8..34usize, activation in 0..3usize,
        w in 1..30u32, h in 1..8u32, seed in 0..1000u64
    ) {
        let mut b = around(inputs, false, |b, x| {
            let y = b.push(conv(inputs, outputs, 3, 1, false, Pads::all(1), seed + 2), &[x]);
            match activation {
                0 => y,
                1 => b.push(Op::Activate(Activation::Sigmoid), &[y]),
                _ => b.push(Op::Activate(Activation::Clip { min: -0.1, max: 1.5 }), &[y]),
            }
        }, seed);
        let last = ValueId(b.nodes.len());
        let output = b.push(conv(outputs, 3, 1, 1, false, Pads::default(), seed + 4), &[last]);
        agrees(&b.finish(output), Extent::new(2 * w, 2 * h), seed, 5e-5)?;
    }

    /// The blocks that students are made of, joined as in students.
    #[test]
    fn blocks_of_a_student(
        (first, expanded, second) in (1..40usize, 1..70usize, 1..40usize), stride in 1..3usize,
        residual in any::<bool>(), w in 1..24u32, h in 1..10u32, seed in 0..1000u64
    ) {
        let mut b = Builder::default();
        let even = Pads { bottom: 1, right: 1, ..Pads::default() };
        let relu6 = Op::Activate(Activation::Clip { min: 0.0, max: 6.0 });
        let stem = b.push(conv(3, first, 3, 2, false, even, seed), &[ValueId::IMAGE]);
        let stem = b.push(relu6.clone(), &[stem]);
        let pads = if stride == 2 { even } else { Pads::all(1) };
        let out = if residual && stride == 1 { first } else { second };
        let x = b.push(conv(first, expanded, 1, 1, false, Pads::default(), seed + 2), &[stem]);
        let x = b.push(relu6.clone(), &[x]);
        let x = b.push(conv(expanded, expanded, 3, stride, true, pads, seed + 4), &[x]);
        let x = b.push(relu6.clone(), &[x]);
        let mut x = b.push(conv(expanded, out, 1, 1, false, Pads::default(), seed + 6), &[x]);
        if residual && stride == 1 {
            x = b.push(Op::Combine(Arithmetic::Add), &[x, stem]);
        }
        if stride == 2 {
            x = b.push(Op::Resize(Interpolation::Linear), &[x]);
        }
        let joined = b.push(Op::Concat, &[x, stem]);
        let all = out + first;
        let x = b.push(conv(all, all, 3, 1, true, Pads::all(1), seed + 8), &[joined]);
        let x = b.push(conv(all, 16, 1, 1, false, Pads::default(), seed + 10), &[x]);
        let x = b.push(relu6, &[x]);
        let head = b.push(conv(16, 12, 3, 1, false, Pads::all(1), seed + 12), &[x]);
        let x = b.push(Op::DepthToSpace, &[head]);
        let x = b.push(conv(3, 3, 3, 1, true, Pads::all(1), seed + 14), &[x]);
        let output = b.push(Op::Activate(Activation::Sigmoid), &[x]);
        let scale = 2 * stride as u32;
        agrees(&b.finish(output), Extent::new(scale * w, scale * h), seed, 2e-5)?;
    }

    #[test]
    fn awkward_networks(seed in 0..1000u64, w in 1..20u32, h in 1..20u32) {
        agrees(&awkward(seed), Extent::new(2 * w, 2 * h), seed, 1e-4)?;
    }
}

#[test]
fn a_network_of_nothing_copies() {
    let nothing = Graph::new(Vec::new(), ValueId::IMAGE, 0).unwrap();
    for (w, h) in [(1, 1), (5, 3), (40, 2)] {
        let extent = Extent::new(w, h);
        let image = planar_image(extent, 3);
        for options in ways() {
            assert_eq!(paint_once(&nothing, extent, options, &image), image);
        }
    }
}

#[test]
fn sums_behind_depthwise_convolutions_and_of_unlike_joins() {
    for seed in 0..4 {
        let mut b = Builder::default();
        let image = ValueId::IMAGE;
        let a = b.push(conv(3, 5, 3, 1, false, Pads::all(1), seed), &[image]);
        let c = b.push(conv(3, 6, 1, 1, false, Pads::default(), seed + 2), &[image]);
        let joined = b.push(Op::Concat, &[a, c]);
        let whole = b.push(conv(3, 11, 1, 1, false, Pads::default(), seed + 4), &[image]);
        let deep = b.push(conv(11, 11, 3, 1, true, Pads::all(1), seed + 6), &[joined]);
        let sum = b.push(Op::Combine(Arithmetic::Add), &[deep, whole]);
        let sum = b.push(Op::Activate(Activation::Sigmoid), &[sum]);
        let mixed = b.push(conv(11, 11, 1, 1, false, Pads::default(), seed + 8), &[whole]);
        let sum = b.push(Op::Combine(Arithmetic::Add), &[mixed, sum]);
        let product = b.push(Op::Combine(Arithmetic::Mul), &[sum, joined]);
        let scaled = b.push(Op::Scale(constant(11, seed + 10)), &[product]);
        let output = b.push(conv(11, 3, 3, 1, false, Pads::all(1), seed + 12), &[scaled]);
        agrees(&b.finish(output), Extent::new(21, 9), seed, 5e-5).unwrap();
    }
}

#[test]
fn another_style_is_another_set_of_weights() {
    let network = Graph::from_onnx(TINY).unwrap();
    let extent = Extent::new(48, 32);
    let image = planar_image(extent, 5);
    let (first, second) = (network.fold(&[1.0, 0.0]).unwrap(), network.fold(&[0.0, 1.0]).unwrap());
    for options in ways() {
        let mut student = CpuStudent::new(&first, extent, options).unwrap();
        let restyler = student.restyler();
        let painted = paint(&mut student, &image);
        restyler.load(&second).unwrap();
        let other = paint(&mut student, &image);
        assert_eq!(other, paint_once(&second, extent, options, &image));
        assert!(max_difference(&other, &painted) > 1e-3);
        assert!(matches!(restyler.load(&awkward(1)), Err(CpuError::OtherStructure)));
        assert!(matches!(restyler.load(&network), Err(CpuError::Graph(GraphError::Unfolded))));
        assert_eq!(paint(&mut student, &image), other);
    }
}

#[test]
fn what_cannot_be_painted_is_refused() {
    let network = Graph::from_onnx(TINY).unwrap();
    let options = ways()[0];
    let refused = |network: &Graph, w, h| CpuStudent::new(network, Extent::new(w, h), options).unwrap_err();
    assert!(matches!(refused(&network, 48, 32), CpuError::Graph(GraphError::Unfolded)));
    let folded = network.fold(&[1.0, 0.0]).unwrap();
    assert!(matches!(refused(&folded, 40, 30), CpuError::Graph(GraphError::Extent { .. })));
    assert!(matches!(refused(&folded, 0, 32), CpuError::Graph(GraphError::Extent { .. })));
}

/// ONNX Runtime, or None with a printed line; with IMPASTO_ORT_LIB set its lack is a failure.
fn runtime() -> Option<OrtRuntime> {
    match OrtRuntime::find(None) {
        Ok(runtime) => Some(runtime),
        Err(e) => {
            assert!(std::env::var_os("IMPASTO_ORT_LIB").is_none(), "IMPASTO_ORT_LIB is set: {e}");
            eprintln!("skipped: {e}");
            None
        }
    }
}

/// The networks that ship, folded in their first style.
fn shipped() -> Vec<(String, Graph)> {
    let packs = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/models")).unwrap();
    let files =
        packs.filter_map(|pack| std::fs::read_dir(pack.unwrap().path()).ok()).flatten().map(|f| f.unwrap().path());
    let networks = files.filter(|f| f.extension().is_some_and(|e| e == "onnx")).map(|file| {
        let network = Graph::from_onnx(&std::fs::read(&file).unwrap()).unwrap();
        let mut style = vec![0.0; network.style_len()];
        style.iter_mut().take(1).for_each(|v| *v = 1.0);
        (file.display().to_string(), network.fold(&style).unwrap())
    });
    networks.collect()
}

/// A gradient with noise on it: flat and busy at once.
fn picture(extent: Extent) -> Vec<f32> {
    let noise = planar_image(extent, 21);
    let width = extent.width as usize;
    noise.iter().zip(0..).map(|(v, i)| 0.3 * v + 0.7 * (i % width) as f32 / width as f32).collect()
}

#[test]
fn shipped_networks_paint_what_onnx_runtime_paints() {
    let Some(runtime) = runtime() else { return };
    for (name, network) in shipped() {
        // The sizes of S, M and L, and shapes that divide badly.
        for (w, h) in [(320, 192), (272, 208), (512, 288), (768, 432), (432, 320), (16, 16), (48, 400)] {
            let extent = Extent::new(w, h);
            let image = picture(extent);
            let mut oracle = OrtStudent::new(&runtime, &network, extent, OrtOptions::default()).unwrap();
            let mut truth = vec![0.0; image.len()];
            oracle.run(&image, &mut truth).unwrap();
            let two = NonZeroUsize::new(2).unwrap();
            for isa in Isa::available() {
                let options = CpuOptions { isa, ..CpuOptions::threads(two) };
                let painted = paint_once(&network, extent, options, &image);
                let difference = max_difference(&painted, &truth);
                println!("{name} at {extent} with {}: differs by {difference:e}", isa.name());
                assert!(difference <= 1e-5, "{name} at {extent} with {}: {difference}", isa.name());
            }
        }
    }
}

#[test]
fn hostile_pictures_are_painted_with_numbers() {
    let extent = Extent::new(96, 64);
    let numbers = 3 * extent.pixels() as usize;
    let checkerboard = (0..numbers).map(|i| ((i % 96 + i / 96) % 2) as f32).collect();
    let pictures = [vec![0.0; numbers], vec![1.0; numbers], checkerboard, planar_image(extent, 1)];
    for (name, network) in shipped() {
        for isa in Isa::available() {
            let options = CpuOptions { isa, ..CpuOptions::threads(NonZeroUsize::MIN) };
            let mut student = CpuStudent::new(&network, extent, options).unwrap();
            for image in &pictures {
                let painted = paint(&mut student, image);
                assert!(painted.iter().all(|v| (0.0..=1.0).contains(v)), "{name} with {}", isa.name());
            }
        }
    }
}
