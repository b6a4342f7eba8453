//! What a device can do at best, and how far a network's parts are from it. Asserts nothing about how long anything takes.

mod cli_support;
mod nn_support;

use std::num::NonZeroUsize;

use impasto::gpu::Kernel;
use impasto::gpu::ceiling::{MultiplyAddParams, SHADERS};
use impasto::kernels::ceiling::{copy_elements, multiply_add};
use impasto::metrics::roofline::Roofline;
use impasto::nn::cpu::{CpuOptions, CpuStudent};
use impasto::nn::gpu::GpuStudent;
use impasto::nn::graph::Graph;
use impasto::nn::plan::{Plan, Precision};
use impasto::nn::roofline::{on_cpu, on_gpu};
use impasto::units::Extent;
use nn_support::{TINY, gpu};

const EXTENT: Extent = Extent::new(64, 48);

fn network() -> Graph {
    Graph::from_onnx(TINY).unwrap().fold(&[1.0, 0.0]).unwrap()
}

/// Runs one dispatch over `storage` buffers, named, and reads the last of them.
fn run(index: usize, params: Option<MultiplyAddParams>, storage: &[(&str, &[f32])], invocations: u32) -> Vec<f32> {
    let gpu = gpu().unwrap();
    let kernel = Kernel::new(gpu, SHADERS[index], &[]).unwrap();
    let make = |bytes: &[u8], usage| {
        let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: bytes.len() as u64,
            usage: usage | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        gpu.queue.write_buffer(&buffer, 0, bytes);
        buffer
    };
    let mut buffers: Vec<(&str, wgpu::Buffer)> = Vec::new();
    if let Some(params) = params {
        buffers.push(("params", make(bytemuck::bytes_of(&params), wgpu::BufferUsages::UNIFORM)));
    }
    for (name, numbers) in storage {
        buffers.push((name, make(bytemuck::cast_slice(numbers), wgpu::BufferUsages::STORAGE)));
    }
    let resources: Vec<_> = buffers.iter().map(|(name, buffer)| (*name, buffer.as_entire_binding())).collect();
    let bindings = kernel.bind(gpu, &resources).unwrap();
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    kernel.dispatch(&mut encoder.begin_compute_pass(&Default::default()), &bindings, [invocations, 1, 1]);
    bytemuck::pod_collect_to_vec(&nn_support::read(gpu, encoder, &buffers.last().unwrap().1))
}

#[test]
fn what_is_timed_is_what_is_counted() {
    if gpu().is_none() {
        return;
    }
    let numbers: Vec<f32> = (0..256).map(|n| n as f32 * 0.01 - 1.0).collect();
    let params = MultiplyAddParams { rounds: 5, scale: 0.5, shift: 0.25 };
    let mut wanted = numbers.clone();
    multiply_add(&mut wanted, params.rounds, params.scale, params.shift);
    let found = run(0, Some(params), &[("chains", &numbers)], 64);
    for (found, wanted) in found.iter().zip(&wanted) {
        assert!((found - wanted).abs() <= 1e-5 * wanted.abs().max(1.0), "{found} is not {wanted}");
    }
    let mut wanted = vec![0.0; numbers.len()];
    copy_elements(&numbers, &mut wanted);
    let nothing = vec![0.0; numbers.len()];
    assert_eq!(run(2, None, &[("from_elements", &numbers), ("to_elements", &nothing)], 64), wanted);
}

/// Every part has a time and a floor, and together they are the whole network.
fn sound(roofline: &Roofline, parts: usize, macs: u64) {
    assert_eq!(roofline.parts.len(), parts);
    assert!(roofline.parts.iter().all(|p| p.floor_s > 0.0 && p.seconds >= 0.0 && p.bytes > 0), "{roofline:?}");
    assert_eq!(roofline.work().0, 2 * macs);
    assert!(roofline.whole_s > 0.0 && roofline.over_floor().is_finite());
}

#[test]
fn both_engines_are_measured_part_by_part() {
    let network = network();
    let mut student = CpuStudent::new(&network, EXTENT, CpuOptions::threads(NonZeroUsize::MIN)).unwrap();
    let (blocks, macs) =
        (student.plan().blocks().len(), student.plan().stages().iter().map(|stage| stage.macs).sum::<u64>());
    let roofline = on_cpu(&mut student).unwrap();
    sound(&roofline, blocks, macs);
    assert!(roofline.ceiling.half_flop_per_s.is_none() && roofline.ceiling.dispatch_s.is_none());

    let Some(gpu) = gpu() else { return };
    let plan = Plan::new(&network, EXTENT, Precision::F32).unwrap();
    let Some(roofline) = on_gpu(gpu, &GpuStudent::new(gpu, &plan).unwrap()).unwrap() else {
        eprintln!("skipped: {} has no time stamps", gpu.caps.name);
        return;
    };
    sound(&roofline, plan.steps().len(), plan.steps().iter().map(|step| step.macs).sum());
    assert!(roofline.ceiling.dispatch_s.is_some());
}
