//! Every kernel of `shaders/nn` against its CPU kernel, on the adapter: odd sizes, one pixel, odd channels, every border, strides
//! with uneven padding, and nothing written outside the result.

#[path = "nn_support/mod.rs"]
mod support;

use half::f16;
use impasto::gpu::{Gpu, Kernel};
use impasto::kernels::nn::{Element, Task, run_kernel};
use impasto::nn::gpu::{Resource, Storage, resources_of, shader_of};
use impasto::nn::graph::Shape;
use impasto::nn::plan::{KernelKind, StepParams, channel_groups};
use impasto::units::Extent;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use support::*;

/// One problem for one kernel.
#[derive(Clone, Debug)]
struct Problem {
    kernel: KernelKind,
    storage: Storage,
    params: StepParams,
    source_shape: Shape,
    target_shape: Shape,
    seed: u64,
}

impl Problem {
    fn elements(&self, shape: Shape, base: u32) -> usize {
        base as usize + channel_groups(shape.channels) as usize * shape.extent.pixels() as usize + 3
    }
}

fn elements(count: usize, seed: u64, half: bool) -> Vec<Element> {
    let round = |v: f32| if half { f16::from_f32(v).to_f32() } else { v };
    numbers(4 * count, seed).as_chunks().0.iter().map(|four: &[f32; 4]| four.map(round)).collect()
}

fn bytes_of(elements: &[Element], half: bool) -> Vec<u8> {
    let numbers = elements.as_flattened();
    match half {
        false => bytemuck::cast_slice(numbers).to_vec(),
        true => bytemuck::cast_slice(&numbers.iter().map(|v| f16::from_f32(*v)).collect::<Vec<_>>()).to_vec(),
    }
}

fn run_on(gpu: &Gpu, kernel: &Kernel, problem: &Problem, data: &HashMap<&str, Vec<u8>>) -> Vec<u8> {
    let buffer = |name: &str, usage| {
        let bytes = &data[name];
        let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(name),
            size: bytes.len() as u64,
            usage: usage | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        gpu.queue.write_buffer(&buffer, 0, bytes);
        buffer
    };
    let buffers: Vec<(&str, wgpu::Buffer)> = resources_of(problem.kernel)
        .iter()
        .map(|resource| {
            let uniform = *resource == Resource::Params;
            let usage = if uniform { wgpu::BufferUsages::UNIFORM } else { wgpu::BufferUsages::STORAGE };
            (resource.name(), buffer(resource.name(), usage))
        })
        .collect();
    let resources: Vec<_> = buffers.iter().map(|(name, b)| (*name, b.as_entire_binding())).collect();
    let bindings = kernel.bind(gpu, &resources).unwrap();
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    let invocations = problem.kernel.invocations(problem.source_shape, problem.target_shape);
    kernel.dispatch(&mut pass, &bindings, invocations);
    drop(pass);
    let result = &buffers.iter().find(|(name, _)| *name == "result").unwrap().1;
    read(gpu, encoder, result)
}

fn check(gpu: &Gpu, kernels: &RefCell<HashMap<(KernelKind, Storage), Kernel>>, problem: &Problem) {
    let (source_half, result_half, weight_half) = match problem.storage {
        Storage::F32 => (false, false, false),
        Storage::F16 => (true, true, true),
        Storage::F16FromF32 => (false, true, true),
        Storage::F32FromF16 => (true, false, true),
    };
    let p = &problem.params;
    let (groups_in, groups_out) = (p.source_groups as usize, p.result_groups as usize);
    let seed = problem.seed;
    let source = elements(problem.elements(problem.source_shape, p.source_base), seed, source_half);
    let second = elements(problem.elements(problem.target_shape, p.second_base), seed + 1, source_half);
    let weights = elements(p.weight_base as usize + groups_out * groups_in * 36 + 9, seed + 2, weight_half);
    let biases = elements(p.bias_base as usize + 2 * groups_out, seed + 3, false);
    let before = elements(problem.elements(problem.target_shape, p.result_base), seed + 4, result_half);

    let mut expected = before.clone();
    let mut task =
        Task { params: p, source: &source, second: &second, weights: &weights, biases: &biases, result: &mut expected };
    run_kernel(problem.kernel, &mut task);

    let data = HashMap::from([
        ("params", bytemuck::bytes_of(p).to_vec()),
        ("source", bytes_of(&source, source_half)),
        ("second", bytes_of(&second, source_half)),
        ("weights", bytes_of(&weights, weight_half)),
        ("biases", bytes_of(&biases, false)),
        ("result", bytes_of(&before, result_half)),
    ]);
    let mut kernels = kernels.borrow_mut();
    let kernel = kernels.entry((problem.kernel, problem.storage)).or_insert_with(|| {
        let shader = shader_of(problem.kernel, problem.storage);
        let kernel = Kernel::new(gpu, shader, &problem.kernel.constants()).unwrap();
        assert_eq!(kernel.workgroup(), problem.kernel.workgroup());
        kernel
    });
    let bytes = run_on(gpu, kernel, problem, &data);
    let found: Vec<f32> = match result_half {
        false => bytemuck::pod_collect_to_vec(&bytes),
        true => bytemuck::pod_collect_to_vec::<u8, f16>(&bytes).into_iter().map(f16::to_f32).collect(),
    };
    for (at, (found, expected)) in found.iter().zip(expected.as_flattened()).enumerate() {
        // float32: sums of up to 9 * 40 products of numbers below 1, in another order and with fused multiply-adds; each
        // addition rounds to 24 bits of what was summed so far. float16: rounding the result to 11 bits on top.
        let rounding = if result_half { expected.abs() / 1024.0 } else { expected.abs() * 4e-6 };
        let tolerance = 2e-5 + rounding;
        let difference = (found - expected).abs();
        assert!(difference <= tolerance, "{found} instead of {expected} at {at}: {problem:?}");
    }
}

fn extent() -> impl Strategy<Value = Extent> {
    // Small ones for borders, long ones for more than one workgroup.
    prop_oneof![(1..6u32, 1..6u32), (1..40u32, 1..20u32), (60..300u32, 1..4u32), (1..4u32, 60..100u32)]
        .prop_map(|(w, h)| Extent::new(w, h))
}

fn kernel() -> impl Strategy<Value = KernelKind> {
    prop_oneof![
        (1..5u32).prop_map(|groups| KernelKind::Pointwise { groups }),
        (1..5u32, 1..3u32).prop_map(|(groups, stride)| KernelKind::Conv3x3 { groups, stride }),
        (1..3u32).prop_map(|stride| KernelKind::Depthwise3x3 { stride }),
        any::<bool>().prop_map(|linear| KernelKind::Resize { linear }),
        Just(KernelKind::DepthToSpace),
        Just(KernelKind::Combine),
        Just(KernelKind::Affine),
        Just(KernelKind::Copy),
    ]
}

fn storage() -> impl Strategy<Value = Storage> {
    prop_oneof![Just(Storage::F32), Just(Storage::F16), Just(Storage::F16FromF32), Just(Storage::F32FromF16)]
}

prop_compose! {
    fn problem()(
        kernel in kernel(),
        storage in storage(),
        source in extent(),
        channels_in in 1..40usize,
        channels_out in 1..40usize,
        pads in proptest::array::uniform4(0..3u32),
        bases in proptest::array::uniform5(0..9u32),
        second_use in 0..5u32,
        activation in 0..2u32,
        limits in (-1.0..0.5f32, 0.5..1.5f32),
        unlimited in any::<bool>(),
        seed in 1..1_000_000u64,
    ) -> Problem {
        let [left, top, right, bottom] = pads;
        let (mut channels_out, mut extent) = (channels_out, source);
        let mut source_shape = Shape { channels: channels_in, extent: source };
        let mut channel_offset = 0;
        match kernel {
            KernelKind::Conv3x3 { stride, .. } | KernelKind::Depthwise3x3 { stride } => {
                let side = |n: u32, pads: u32| ((n + pads).max(3) - 3) / stride + 1;
                extent = Extent::new(side(source.width, left + right), side(source.height, top + bottom));
                if matches!(kernel, KernelKind::Depthwise3x3 { .. }) {
                    channels_out = channels_in;
                }
            }
            KernelKind::Resize { .. } => {
                extent = Extent::new(2 * source.width, 2 * source.height);
                channels_out = channels_in;
            }
            KernelKind::DepthToSpace => {
                extent = Extent::new(2 * source.width, 2 * source.height);
                source_shape.channels = 4 * channels_out;
            }
            KernelKind::Combine | KernelKind::Affine => channels_out = channels_in,
            KernelKind::Copy => {
                channel_offset = channels_out as u32 % 12;
                channels_out = channel_offset as usize + channels_in + channels_out % 7;
            }
            KernelKind::Pointwise { .. } => {}
        }
        let target_shape = Shape { channels: channels_out, extent };
        let params = StepParams {
            source_width: source.width,
            source_height: source.height,
            result_width: extent.width,
            result_height: extent.height,
            source_base: bases[0],
            second_base: bases[1],
            result_base: bases[2],
            weight_base: bases[3],
            bias_base: bases[4],
            source_groups: channel_groups(source_shape.channels),
            result_groups: channel_groups(channels_out),
            channel_offset,
            pad_left: left,
            pad_top: top,
            second_use,
            activation,
            low: if unlimited { f32::MIN } else { limits.0 },
            high: if unlimited { f32::MAX } else { limits.1 },
            channels: source_shape.channels as u32,
            unused: 0,
        };
        Problem { kernel, storage, params, source_shape, target_shape, seed }
    }
}

#[test]
fn kernels_equal_their_definition() {
    let Some(gpu) = gpu() else { return };
    let kernels = RefCell::new(HashMap::new());
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 250,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let halves = std::cell::Cell::new(0);
    let result = runner.run(&problem(), |mut problem| {
        // Where there is no float16 the case is checked in float32: none is left out.
        if !gpu.caps.f16 && problem.storage != Storage::F32 {
            problem.storage = Storage::F32;
            halves.set(halves.get() + 1);
        }
        check(gpu, &kernels, &problem);
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}");
    }
    if halves.get() > 0 {
        eprintln!("skipped: {} has no float16; {} cases were checked in float32", gpu.caps.name, halves.get());
    }
    eprintln!("{} pipelines", kernels.borrow().len());
}
