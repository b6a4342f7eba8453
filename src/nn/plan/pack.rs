//! Steps with their parameters, and weights in the order in which the kernels read them.
//!
//! Elements of four numbers, one for each output channel of a group:
//! ```text
//! pointwise     [group out][group in][channel in]           conv3x3  [group out][group in][tap][channel in]
//! depthwise3x3  [group][tap]                                affine   biases: [group] scales, then [group] shifts
//! ```
//! A tap is `3 * row + column`. Channels that a last group lacks are zero.

use super::super::graph::{Activation, Conv, Interpolation};
use super::lower::{Call, Lowered, Work};
use super::place::Placed;
use super::{Bank, Finish, KernelKind, Precision, SecondUse, Step, StepParams, channel_groups};

pub(super) struct Packed {
    pub steps: Vec<Step>,
    pub weights: Vec<u8>,
    pub biases: Vec<[f32; 4]>,
}

pub(super) fn steps(lowered: &Lowered<'_>, placed: &Placed<'_>, precision: Precision) -> Packed {
    let mut weights: Vec<[f32; 4]> = Vec::new();
    let mut biases: Vec<[f32; 4]> = Vec::new();
    let mut steps = Vec::new();
    for placed_call in &placed.calls {
        let call = &placed_call.call;
        let (weights_before, biases_before) = (weights.len(), biases.len());
        let (kernel, macs) = match &call.work {
            Work::Conv(conv) => {
                pack_conv(conv, &mut weights);
                pack_channels(&conv.bias, &mut biases);
                (kernel_of(conv), conv.macs_per_pixel() * lowered.shapes[call.target.0].extent.pixels())
            }
            Work::Affine { scale, shift } => {
                let channels = lowered.shapes[call.source.0].channels;
                pack_channels(&scale.map_or_else(|| vec![1.0; channels], <[f32]>::to_vec), &mut biases);
                pack_channels(&shift.map_or_else(|| vec![0.0; channels], <[f32]>::to_vec), &mut biases);
                (KernelKind::Affine, 0)
            }
            Work::Resize(how) => (KernelKind::Resize { linear: *how == Interpolation::Linear }, 0),
            Work::DepthToSpace => (KernelKind::DepthToSpace, 0),
            Work::Combine => (KernelKind::Combine, 0),
            Work::Copy => (KernelKind::Copy, 0),
        };
        let weight_bytes = (weights.len() - weights_before) as u64 * 4 * precision.bytes()
            + (biases.len() - biases_before) as u64 * 16;
        let (params, bytes) = params(call, kernel, lowered, placed, precision);
        let bank = |value: super::super::graph::ValueId| placed.places[value.0].map_or(Bank::Image, |p| p.bank);
        steps.push(Step {
            name: call.name.clone(),
            kernel,
            source: bank(call.source),
            second: call.second.map(|(v, _)| bank(v)),
            target: bank(call.target),
            params: StepParams {
                weight_base: weights_before as u32,
                bias_base: biases_before as u32,
                channel_offset: placed_call.channel_offset as u32,
                ..params
            },
            source_shape: lowered.shapes[call.source.0],
            target_shape: lowered.shapes[call.target.0],
            macs,
            bytes: bytes + weight_bytes,
        });
    }
    // Buffers cannot be empty.
    weights.push([0.0; 4]);
    biases.push([0.0; 4]);
    let weights = match precision {
        Precision::F32 => bytemuck::cast_slice(&weights).to_vec(),
        Precision::F16 => {
            // Beyond the largest float16 lies infinity, and infinity times zero is not a number.
            let half = |v: f32| half::f16::from_f32(v.clamp(-65504.0, 65504.0));
            let halves: Vec<half::f16> = weights.as_flattened().iter().map(|v| half(*v)).collect();
            bytemuck::cast_slice(&halves).to_vec()
        }
    };
    Packed { steps, weights, biases }
}

/// All but what packing the weights decides; and the bytes of the pictures.
fn params(
    call: &Call<'_>,
    kernel: KernelKind,
    lowered: &Lowered<'_>,
    placed: &Placed<'_>,
    precision: Precision,
) -> (StepParams, u64) {
    let (source, target) = (lowered.shapes[call.source.0], lowered.shapes[call.target.0]);
    // Offsets fit 32 bits: a bank has at most 2^30 bytes.
    let base = |value: super::super::graph::ValueId| placed.places[value.0].map_or(0, |p| p.base as u32);
    let bytes = |value: super::super::graph::ValueId| {
        let shape = lowered.shapes[value.0];
        let number = match placed.places[value.0].map(|p| p.bank) {
            Some(Bank::Arena(_)) => precision.bytes(),
            _ => 4,
        };
        u64::from(channel_groups(shape.channels)) * shape.extent.pixels() * 4 * number
    };
    let (pad_left, pad_top) = match &call.work {
        // Run as the centre of a 3x3.
        Work::Conv(conv) if conv.kernel == 1 && !matches!(kernel, KernelKind::Pointwise { .. }) => (1, 1),
        Work::Conv(conv) => (conv.pads.left as u32, conv.pads.top as u32),
        _ => (0, 0),
    };
    let (activation, low, high) = match call.activation {
        None => (Finish::Limits, f32::MIN, f32::MAX),
        Some(Activation::Clip { min, max }) => (Finish::Limits, min.max(f32::MIN), max.min(f32::MAX)),
        Some(Activation::Sigmoid) => (Finish::Sigmoid, f32::MIN, f32::MAX),
    };
    let params = StepParams {
        source_width: source.extent.width,
        source_height: source.extent.height,
        result_width: target.extent.width,
        result_height: target.extent.height,
        source_base: base(call.source),
        second_base: call.second.map_or(0, |(v, _)| base(v)),
        result_base: base(call.target),
        source_groups: channel_groups(source.channels),
        result_groups: channel_groups(target.channels),
        pad_left,
        pad_top,
        second_use: call.second.map_or(SecondUse::NONE, |(_, how)| how.code()),
        activation: activation.code(),
        low,
        high,
        channels: source.channels as u32,
        ..StepParams::default()
    };
    let target_bytes = if call.work_is_copy() { bytes(call.source) } else { bytes(call.target) };
    (params, bytes(call.source) + call.second.map_or(0, |(v, _)| bytes(v)) + target_bytes)
}

/// The kernel that runs a convolution.
fn kernel_of(conv: &Conv) -> KernelKind {
    let stride = conv.stride as u32;
    let groups = channel_tile(channel_groups(conv.out_channels));
    match (conv.is_depthwise(), conv.kernel, stride) {
        (true, ..) => KernelKind::Depthwise3x3 { stride },
        (false, 1, 1) => KernelKind::Pointwise { groups },
        _ => KernelKind::Conv3x3 { groups, stride },
    }
}

/// How many of `groups` output groups one invocation makes: up to 4. A larger tile loads its source less often, a smaller
/// one leaves less of the last tile idle; a load costs about three quarters of a group's arithmetic.
fn channel_tile(groups: u32) -> u32 {
    (1..=4).rev().min_by_key(|tile| groups.div_ceil(*tile) * (4 * tile + 3)).unwrap_or(1)
}

fn pack_conv(conv: &Conv, weights: &mut Vec<[f32; 4]>) {
    let taps = match kernel_of(conv) {
        KernelKind::Pointwise { .. } => 1,
        _ => 9,
    };
    let per_group = conv.in_channels / conv.groups;
    let weight = |o: usize, i: usize, tap: usize| {
        let inside = o < conv.out_channels && i < per_group;
        match (conv.kernel * conv.kernel, taps) {
            (own, all) if own == all && inside => conv.weight[(o * per_group + i) * own + tap],
            (1, 9) if inside && tap == 4 => conv.weight[o * per_group + i],
            _ => 0.0,
        }
    };
    for out in 0..conv.out_channels.div_ceil(4) {
        if conv.is_depthwise() {
            weights.extend((0..taps).map(|tap| std::array::from_fn(|lane| weight(4 * out + lane, 0, tap))));
            continue;
        }
        for group in 0..conv.in_channels.div_ceil(4) {
            for tap in 0..taps {
                for i in 4 * group..4 * group + 4 {
                    weights.push(std::array::from_fn(|lane| weight(4 * out + lane, i, tap)));
                }
            }
        }
    }
}

fn pack_channels(values: &[f32], into: &mut Vec<[f32; 4]>) {
    into.extend(values.chunks(4).map(|four| std::array::from_fn(|lane| four.get(lane).copied().unwrap_or(0.0))));
}
