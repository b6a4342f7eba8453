//! Whole networks on the adapter, against the twin and ONNX Runtime.

#[path = "nn_support/mod.rs"]
mod support;

use impasto::gpu::Gpu;
use impasto::nn::gpu::{EngineError, GpuStudent};
use impasto::nn::graph::Graph;
use impasto::nn::plan::{Plan, Precision};
use impasto::twin::nn::graph;
use impasto::units::Extent;
use proptest::prelude::*;
use support::*;

/// One run, as a frame would: image in, all steps in one pass, painting out. Planar.
fn paint(gpu: &Gpu, student: &GpuStudent, planar: &[f32]) -> Vec<f32> {
    gpu.queue.write_buffer(student.input(), 0, bytemuck::cast_slice(&packed_image(planar)));
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    student.record(&mut encoder.begin_compute_pass(&Default::default()));
    planar_of(&bytemuck::pod_collect_to_vec::<u8, [f32; 4]>(&read(gpu, encoder, student.output())))
}

fn paint_once(gpu: &Gpu, network: &Graph, extent: Extent, precision: Precision, planar: &[f32]) -> Vec<f32> {
    let plan = Plan::new(network, extent, precision).unwrap();
    paint(gpu, &GpuStudent::new(gpu, &plan).unwrap(), planar)
}

#[test]
fn tiny_paints_what_its_twin_paints() {
    let Some(gpu) = gpu() else { return };
    let network = Graph::from_onnx(TINY).unwrap().fold(&[0.25, 0.75]).unwrap();
    for extent in [Extent::new(80, 48), Extent::new(16, 16), Extent::new(48, 144)] {
        let image = planar_image(extent, 3);
        let expected = graph::run(&network, extent, &image, &[]).unwrap().data;
        let found = paint_once(gpu, &network, extent, Precision::F32, &image);
        // The contract between engines is 1e-3; sums in another order stay far below.
        let difference = max_difference(&found, &expected);
        assert!(difference <= 1e-4, "{difference} at {extent}");
        if gpu.caps.f16 {
            let found = paint_once(gpu, &network, extent, Precision::F16, &image);
            let psnr = psnr_db(&found, &expected);
            println!("tiny at {extent}: float32 differs by {difference:e}, float16 by {psnr:.1} dB");
            assert!(psnr >= 45.0, "{psnr} dB at {extent}");
        }
    }
}

#[test]
fn awkward_networks_paint_what_their_twins_paint() {
    let Some(gpu) = gpu() else { return };
    let config = ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(seed in 0..1000u64, w in 1..20u32, h in 1..20u32)| {
        let extent = Extent::new(2 * w, 2 * h);
        let network = awkward(seed);
        let image = planar_image(extent, seed);
        let expected = graph::run(&network, extent, &image, &[]).unwrap().data;
        let found = paint_once(gpu, &network, extent, Precision::F32, &image);
        prop_assert!(max_difference(&found, &expected) <= 1e-4);
        if gpu.caps.f16 {
            let found = paint_once(gpu, &network, extent, Precision::F16, &image);
            prop_assert!(psnr_db(&found, &expected) >= 45.0);
        }
    });
}

#[test]
fn another_style_is_an_upload() {
    let Some(gpu) = gpu() else { return };
    let network = Graph::from_onnx(TINY).unwrap();
    let extent = Extent::new(48, 32);
    let image = planar_image(extent, 5);
    let plan = |style: &[f32]| Plan::new(&network.fold(style).unwrap(), extent, Precision::F32).unwrap();
    let (first, second) = (plan(&[1.0, 0.0]), plan(&[0.0, 1.0]));
    let student = GpuStudent::new(gpu, &first).unwrap();
    let painted = paint(gpu, &student, &image);
    student.load_weights(gpu, &second).unwrap();
    let other = paint(gpu, &student, &image);
    let fresh = paint(gpu, &GpuStudent::new(gpu, &second).unwrap(), &image);
    assert_eq!(max_difference(&other, &fresh), 0.0);
    assert!(max_difference(&other, &painted) > 1e-3);

    let elsewhere = Plan::new(&network.fold(&[1.0, 0.0]).unwrap(), Extent::new(32, 48), Precision::F32).unwrap();
    assert!(matches!(student.load_weights(gpu, &elsewhere), Err(EngineError::OtherStructure)));
}

/// What one frame leaves in memory must not show in the next.
#[test]
fn a_frame_does_not_depend_on_the_one_before() {
    let Some(gpu) = gpu() else { return };
    let extent = Extent::new(38, 22);
    let student = GpuStudent::new(gpu, &Plan::new(&awkward(4), extent, Precision::F32).unwrap()).unwrap();
    let image = planar_image(extent, 1);
    let first = paint(gpu, &student, &image);
    paint(gpu, &student, &planar_image(extent, 2));
    assert_eq!(paint(gpu, &student, &image), first);
}
