//! Networks and pictures for the tests of the engines.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::sync::Arc;

use impasto::gpu::Gpu;
use impasto::nn::graph::{Activation, Arithmetic, Conv, Graph, Interpolation, Node, Op, Pads, PerChannel, ValueId};
use impasto::units::Extent;

pub const TINY: &[u8] = include_bytes!("../data/tiny.onnx");

/// The adapter, or None with a printed line; with REQUIRE_GPU=1 its lack is a failure.
pub fn gpu() -> Option<&'static Gpu> {
    static GPU: std::sync::OnceLock<Option<Gpu>> = std::sync::OnceLock::new();
    GPU.get_or_init(|| match Gpu::headless() {
        Ok(gpu) => Some(gpu),
        Err(e) => {
            assert!(std::env::var_os("REQUIRE_GPU").is_none_or(|v| v != "1"), "REQUIRE_GPU is set: {e}");
            eprintln!("skipped: {e}");
            None
        }
    })
    .as_ref()
}

/// Numbers in -1..1 that look random and are the same every time.
pub fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    std::iter::repeat_with(next).take(count).collect()
}

/// A planar image `[3][height][width]` in 0..1.
pub fn planar_image(extent: Extent, seed: u64) -> Vec<f32> {
    numbers(3 * extent.pixels() as usize, seed).iter().map(|v| v * 0.5 + 0.5).collect()
}

/// The same as one element for each pixel.
pub fn packed_image(planar: &[f32]) -> Vec<[f32; 4]> {
    let plane = planar.len() / 3;
    (0..plane).map(|i| [planar[i], planar[plane + i], planar[2 * plane + i], 0.5]).collect()
}

/// And back.
pub fn planar_of(packed: &[[f32; 4]]) -> Vec<f32> {
    (0..3).flat_map(|c| packed.iter().map(move |p| p[c])).collect()
}

pub fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // A number that is not one counts as infinitely far.
    a.iter().zip(b).map(|(a, b)| if (a - b).is_nan() { f32::INFINITY } else { (a - b).abs() }).fold(0.0, f32::max)
}

/// Peak signal-to-noise ratio of pictures in 0..1.
pub fn psnr_db(a: &[f32], b: &[f32]) -> f64 {
    let error = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len() as f64;
    -10.0 * error.max(1e-20).log10()
}

/// A convolution whose sums stay about as large as its inputs.
pub fn conv(inputs: usize, outputs: usize, kernel: usize, stride: usize, depthwise: bool, pads: Pads, seed: u64) -> Op {
    let groups = if depthwise { inputs } else { 1 };
    let fan_in = inputs / groups * kernel * kernel;
    let gain = 1.5 / (fan_in as f32).sqrt();
    let weight: Vec<f32> = numbers(outputs * fan_in, seed).iter().map(|v| v * gain).collect();
    Op::Conv(Conv {
        weight: weight.into(),
        bias: numbers(outputs, seed + 1).iter().map(|v| v * 0.3).collect(),
        out_channels: outputs,
        in_channels: inputs,
        groups,
        kernel,
        stride,
        pads,
    })
}

pub fn constant(channels: usize, seed: u64) -> PerChannel {
    PerChannel::Constant(Arc::from(numbers(channels, seed)))
}

/// Builds a graph node by node.
#[derive(Default)]
pub struct Builder {
    pub nodes: Vec<Node>,
}

impl Builder {
    pub fn push(&mut self, op: Op, inputs: &[ValueId]) -> ValueId {
        let name = format!("{}{}", op.onnx_name().to_lowercase(), self.nodes.len());
        self.nodes.push(Node { name, op, inputs: inputs.to_vec() });
        ValueId(self.nodes.len())
    }

    pub fn finish(self, output: ValueId) -> Graph {
        Graph::new(self.nodes, output, 0).unwrap()
    }
}

/// A small network with everything in it that is awkward: odd channels, a join that begins inside a group, a value joined
/// twice, a join with the image, a sum with the image, an activation that cannot be fused, a value read by many.
/// For extents that are multiples of 2.
pub fn awkward(seed: u64) -> Graph {
    let mut b = Builder::default();
    let image = ValueId::IMAGE;
    let shifted = b.push(Op::Shift(constant(3, seed)), &[image]);
    let half = b.push(conv(3, 7, 3, 2, false, Pads { bottom: 1, right: 1, ..Pads::default() }, seed + 2), &[shifted]);
    let relu = b.push(Op::Activate(Activation::RELU), &[half]);
    let deep = b.push(conv(7, 7, 3, 1, true, Pads::all(1), seed + 4), &[relu]);
    let sum = b.push(Op::Combine(Arithmetic::Add), &[deep, relu]);
    let clipped = b.push(Op::Activate(Activation::Clip { min: -0.2, max: 0.7 }), &[sum]);
    let wide = b.push(conv(7, 18, 1, 1, false, Pads::default(), seed + 6), &[clipped]);
    let joined = b.push(Op::Concat, &[wide, relu, wide, clipped]);
    let relu_joined = b.push(Op::Activate(Activation::RELU), &[joined]);
    let narrow = b.push(conv(50, 5, 1, 1, false, Pads::default(), seed + 8), &[relu_joined]);
    let product = b.push(Op::Combine(Arithmetic::Mul), &[narrow, narrow]);
    let up = b.push(Op::Resize(Interpolation::Linear), &[product]);
    let with_image = b.push(Op::Concat, &[up, image]);
    let mixed = b.push(conv(8, 12, 3, 1, false, Pads::all(1), seed + 10), &[with_image]);
    let slices = b.push(conv(12, 4, 1, 1, false, Pads::default(), seed + 12), &[mixed]);
    let beside = b.push(Op::Concat, &[mixed, slices]);
    let down = b.push(conv(16, 12, 3, 2, false, Pads { bottom: 1, right: 1, ..Pads::default() }, seed + 14), &[beside]);
    let down = b.push(Op::Activate(Activation::Sigmoid), &[down]);
    let large = b.push(Op::DepthToSpace, &[down]);
    let nearest = b.push(conv(3, 3, 1, 2, false, Pads::default(), seed + 16), &[large]);
    let nearest = b.push(Op::Resize(Interpolation::Nearest), &[nearest]);
    let difference = b.push(Op::Combine(Arithmetic::Sub), &[large, nearest]);
    let scaled = b.push(conv(3, 3, 1, 1, true, Pads::default(), seed + 18), &[difference]);
    let output = b.push(Op::Combine(Arithmetic::Add), &[image, scaled]);
    b.finish(output)
}

/// Submits `encoder` and reads `buffer` back.
pub fn read(gpu: &Gpu, mut encoder: wgpu::CommandEncoder, buffer: &wgpu::Buffer) -> Vec<u8> {
    let readback = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("readback"),
        size: buffer.size(),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    encoder.copy_buffer_to_buffer(buffer, 0, &readback, 0, buffer.size());
    gpu.queue.submit([encoder.finish()]);
    readback.map_async(wgpu::MapMode::Read, .., |mapped| mapped.unwrap());
    gpu.device.poll(wgpu::PollType::wait_indefinitely()).unwrap();
    readback.get_mapped_range(..).unwrap().to_vec()
}
