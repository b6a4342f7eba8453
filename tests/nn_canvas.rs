//! Networks that take a canvas, a second picture at half resolution, on every engine; `tiny_canvas.onnx` was written by
//! `python -m impasto_training fixture PATH --canvas`.

#[path = "nn_support/mod.rs"]
mod support;

use std::num::NonZeroUsize;

use impasto::gpu::Gpu;
use impasto::kernels::nn::graph::{self, Inputs};
use impasto::kernels::nn::run_plan;
use impasto::nn::cpu::kernels::Isa;
use impasto::nn::cpu::{CpuOptions, CpuStudent};
use impasto::nn::gpu::GpuStudent;
use impasto::nn::graph::{Activation, Graph, GraphError, Op, Pads, ValueId};
use impasto::nn::ort::{OrtOptions, OrtRuntime, OrtStudent};
use impasto::nn::plan::{Bank, Plan, Precision, channel_groups};
use impasto::units::Extent;
use support::*;

const CANVAS: &[u8] = include_bytes!("data/tiny_canvas.onnx");
const EXTENT: Extent = Extent::new(64, 48);

fn tiny() -> Graph {
    Graph::from_onnx(CANVAS).unwrap().fold(&[0.25, 0.75]).unwrap()
}

/// A canvas about -1..1, and the same in the plan's layout.
fn canvas(network: &Graph, extent: Extent, seed: u64) -> (Vec<f32>, Vec<[f32; 4]>) {
    let channels = network.channels(network.canvas().unwrap());
    let plane = (extent.width / 2 * (extent.height / 2)) as usize;
    let planar = numbers(channels * plane, seed);
    let packed = (0..channel_groups(channels) as usize * plane)
        .map(|at| std::array::from_fn(|lane| planar[(4 * (at / plane) + lane) * plane + at % plane]))
        .collect();
    (planar, packed)
}

fn paint(gpu: &Gpu, student: &GpuStudent, image: &[f32], canvas: Option<&[[f32; 4]]>) -> Vec<f32> {
    gpu.queue.write_buffer(student.input(), 0, bytemuck::cast_slice(&packed_image(image)));
    if let Some(canvas) = canvas {
        gpu.queue.write_buffer(student.canvas().unwrap(), 0, bytemuck::cast_slice(canvas));
    }
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    student.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
    planar_of(&bytemuck::pod_collect_to_vec::<u8, [f32; 4]>(&read(gpu, encoder, student.output())))
}

/// What the network paints with a canvas and without.
fn truth(network: &Graph, extent: Extent, image: &[f32], canvas: &[f32]) -> [Vec<f32>; 2] {
    [Some(canvas), None]
        .map(|canvas| graph::run(network, extent, Inputs { image, canvas, ..Inputs::default() }).unwrap().data)
}

/// A canvas that is joined, is read by itself, and is all that some results are made of.
fn awkward_canvas(seed: u64, channels: usize) -> Graph {
    let mut b = Builder::default();
    let even = Pads { bottom: 1, right: 1, ..Pads::default() };
    let half = b.push(conv(3, 7, 3, 2, false, even, seed), &[ValueId::IMAGE]);
    let canvas = b.push(Op::Canvas { channels }, &[]);
    let joined = b.push(Op::Concat, &[half, canvas, half]);
    let mixed = b.push(conv(14 + channels, 14 + channels, 3, 1, true, Pads::all(1), seed + 2), &[joined]);
    let mixed = b.push(conv(14 + channels, channels, 1, 1, false, Pads::default(), seed + 4), &[mixed]);
    let alone = b.push(Op::Activate(Activation::RELU), &[canvas]);
    let sum = b.push(Op::Combine(impasto::nn::graph::Arithmetic::Add), &[mixed, canvas]);
    let product = b.push(Op::Combine(impasto::nn::graph::Arithmetic::Mul), &[sum, alone]);
    let deep = b.push(conv(channels, 12, 3, 1, false, Pads::all(1), seed + 6), &[product]);
    let output = b.push(Op::DepthToSpace, &[deep]);
    b.finish(output)
}

#[test]
fn the_second_input_is_read_and_written() {
    let network = Graph::from_onnx(CANVAS).unwrap();
    let value = network.canvas().unwrap();
    assert_eq!((network.channels(value), network.style_len()), (8, 2));
    assert_eq!(network.shapes(EXTENT).unwrap()[value.0].extent, Extent::new(32, 24));
    assert_eq!(Graph::from_onnx(TINY).unwrap().canvas(), None);
    for graph in [network.clone(), tiny()] {
        let again = Graph::from_onnx(&graph.to_onnx()).unwrap();
        assert_eq!((again.canvas().is_some(), again.to_onnx()), (true, graph.to_onnx()));
    }
    assert!(matches!(tiny().shapes(Extent::new(63, 48)), Err(GraphError::Extent { .. })));

    let mut two = Builder::default();
    let first = two.push(Op::Canvas { channels: 4 }, &[]);
    two.push(Op::Canvas { channels: 4 }, &[]);
    assert!(matches!(Graph::new(two.nodes, first, 0), Err(GraphError::Contract(_))));
    let mut odd = Builder::default();
    let first = odd.push(Op::Canvas { channels: 6 }, &[]);
    assert!(matches!(Graph::new(odd.nodes, first, 0), Err(GraphError::Node { .. })));
}

#[test]
fn a_network_that_heeds_no_canvas_takes_none() {
    let mut b = Builder::default();
    b.push(Op::Canvas { channels: 8 }, &[]);
    let output = b.push(conv(3, 3, 1, 1, false, Pads::default(), 1), &[ValueId::IMAGE]);
    assert_eq!(b.finish(output).canvas(), None);
}

#[test]
fn plans_read_the_canvas_from_its_own_bank() {
    for (network, extent) in
        [(tiny(), EXTENT), (awkward_canvas(1, 4), Extent::new(22, 10)), (awkward_canvas(2, 12), EXTENT)]
    {
        let image = planar_image(extent, 3);
        let (planar, packed) = canvas(&network, extent, 5);
        let [with, without] = truth(&network, extent, &image, &planar);
        assert!(max_difference(&with, &without) > 1e-3, "the canvas shows");
        for (precision, tolerance) in [(Precision::F32, 1e-4), (Precision::F16, 2e-2)] {
            let plan = Plan::new(&network, extent, precision).unwrap();
            assert_eq!(plan.canvas().map(|s| s.extent), Some(Extent::new(extent.width / 2, extent.height / 2)));
            assert!(plan.steps().iter().any(|s| s.source == Bank::Canvas), "{plan}");
            assert!(plan.steps().iter().all(|s| s.target != Bank::Canvas), "{plan}");
            for (canvas, expected) in [(Some(packed.as_slice()), &with), (None, &without)] {
                let found = planar_of(&run_plan(&plan, &packed_image(&image), canvas));
                let difference = max_difference(&found, expected);
                assert!(difference <= tolerance, "{difference} in {precision:?}\n{plan}");
            }
        }
    }
}

#[test]
fn the_gpu_paints_with_the_canvas() {
    let Some(gpu) = gpu() else { return };
    for (network, extent) in [(tiny(), EXTENT), (awkward_canvas(3, 8), Extent::new(34, 18))] {
        let image = planar_image(extent, 3);
        let (planar, packed) = canvas(&network, extent, 5);
        let [with, without] = truth(&network, extent, &image, &planar);
        let student = |precision| GpuStudent::new(gpu, &Plan::new(&network, extent, precision).unwrap()).unwrap();
        let whole = student(Precision::F32);
        assert!(max_difference(&paint(gpu, &whole, &image, None), &without) <= 1e-4, "zeros at first");
        assert!(max_difference(&paint(gpu, &whole, &image, Some(&packed)), &with) <= 1e-4);
        assert!(max_difference(&paint(gpu, &whole, &image, None), &with) <= 1e-4, "it stays");
        if gpu.caps.f16 {
            let psnr = psnr_db(&paint(gpu, &student(Precision::F16), &image, Some(&packed)), &with);
            assert!(psnr >= 45.0, "{psnr} dB");
        }
    }
    let plain = Graph::from_onnx(TINY).unwrap().fold(&[1.0, 0.0]).unwrap();
    let student = GpuStudent::new(gpu, &Plan::new(&plain, EXTENT, Precision::F32).unwrap()).unwrap();
    assert!(student.canvas().is_none());
}

#[test]
fn the_processor_paints_with_the_canvas() {
    for (network, extent) in [(tiny(), EXTENT), (awkward_canvas(3, 8), Extent::new(34, 18))] {
        let image = planar_image(extent, 3);
        let (planar, _) = canvas(&network, extent, 5);
        let [with, without] = truth(&network, extent, &image, &planar);
        for isa in Isa::available() {
            let options = CpuOptions { isa, ..CpuOptions::threads(NonZeroUsize::MIN.saturating_add(1)) };
            let mut student = CpuStudent::new(&network, extent, options).unwrap();
            student.image_mut().copy_from_slice(&image);
            assert!(max_difference(student.paint().unwrap(), &without) <= 1e-5, "zeros at first");
            student.canvas_mut().copy_from_slice(&planar);
            assert!(max_difference(student.paint().unwrap(), &with) <= 1e-5);
            assert!(max_difference(student.paint().unwrap(), &with) <= 1e-5, "it stays");
        }
    }
}

#[test]
fn onnx_runtime_paints_with_the_canvas() {
    let runtime = match OrtRuntime::find(None) {
        Ok(runtime) => runtime,
        Err(error) if std::env::var_os("IMPASTO_ORT_LIB").is_none() => return println!("skipped: {error}"),
        Err(error) => panic!("IMPASTO_ORT_LIB is set, but: {error}"),
    };
    let image = planar_image(EXTENT, 3);
    let (planar, _) = canvas(&tiny(), EXTENT, 5);
    let [with, without] = truth(&tiny(), EXTENT, &image, &planar);
    let options = OrtOptions::default();
    // The file as it is, and written by us, folded.
    let students = [
        OrtStudent::from_onnx(&runtime, CANVAS, &[0.25, 0.75], EXTENT, options).unwrap(),
        OrtStudent::new(&runtime, &tiny(), EXTENT, options).unwrap(),
    ];
    for mut student in students {
        student.image_mut().copy_from_slice(&image);
        assert!(max_difference(student.run_in_place().unwrap(), &without) <= 1e-5, "zeros at first");
        student.canvas_mut().copy_from_slice(&planar);
        assert!(max_difference(student.run_in_place().unwrap(), &with) <= 1e-5);
    }
    let mut plain = OrtStudent::from_onnx(&runtime, TINY, &[1.0, 0.0], EXTENT, options).unwrap();
    assert!(plain.canvas_mut().is_empty());
}
