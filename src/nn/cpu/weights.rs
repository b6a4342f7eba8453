//! Weights in the order in which the kernels read them.
//!
//! ```text
//! gemm       [group][entry][depth][block of the group][lane]     bias [block][lane]
//! winograd   16 times that, for the transformed weights
//! depthwise  [block][9][lane]                                    bias [block][lane]
//! planes     [channel][9]                                        bias [channel]
//! affine     [block][lane] scales                                bias [block][lane] shifts
//! ```
//! What a last block lacks is zero.

use super::kernels::Gemm;
use super::layout::{Layout, Line, numbers_mut, zeros};
use super::program::{Input, Kernel, Plain, Program, Step};
use crate::nn::graph::Conv;
use crate::nn::plan::lower::Work;

/// All weights of a program: `works` has one for each stage of its plan.
pub(super) fn pack(program: &Program, works: &[Work<'_>]) -> Vec<Line> {
    let mut lines = zeros(program.weight_numbers);
    let all = numbers_mut(&mut lines);
    for step in program.blocks.iter().flat_map(|b| &b.steps) {
        let Some(work) = step.stage.map(|stage| &works[stage]) else { continue };
        let (weights, bias) = step_weights(step, work, program.isa.lanes());
        all[step.weights.clone()][..weights.len()].copy_from_slice(&weights);
        all[step.bias.clone()][..bias.len()].copy_from_slice(&bias);
    }
    lines
}

fn step_weights(step: &Step, work: &Work<'_>, lanes: usize) -> (Vec<f32>, Vec<f32>) {
    let target = &step.target.layout;
    match (&step.kernel, work) {
        (Kernel::Gemm { gemm, inputs, .. }, Work::Conv(conv)) => {
            let taps = conv.kernel * conv.kernel;
            let weight = |o: usize, i: usize, tap: usize| conv.weight[(o * conv.in_channels + i) * taps + tap];
            (product(gemm, inputs, target, lanes, weight), per_channel(target, lanes, &conv.bias))
        }
        (Kernel::Winograd { gemm, inputs, .. }, Work::Conv(conv)) => {
            let transformed = transform(conv);
            let all = (0..16).flat_map(|number| {
                let weight = |o: usize, i: usize, _| transformed[(o * conv.in_channels + i) * 16 + number];
                product(gemm, inputs, target, lanes, weight)
            });
            (all.collect(), per_channel(target, lanes, &conv.bias))
        }
        (Kernel::Depthwise { .. }, Work::Conv(conv)) => {
            let mut weights = vec![0.0; step.weights.len()];
            for (channel, (block, lane)) in target.places().into_iter().enumerate() {
                for tap in 0..9 {
                    weights[(9 * block + tap) * lanes + lane] = conv.weight[9 * channel + tap];
                }
            }
            (weights, per_channel(target, lanes, &conv.bias))
        }
        (Kernel::Planes, Work::Conv(conv)) => (conv.weight.to_vec(), conv.bias.to_vec()),
        (Kernel::Plain(Plain::Affine { .. }), Work::Conv(conv)) => {
            (per_channel(target, lanes, &conv.weight), per_channel(target, lanes, &conv.bias))
        }
        (Kernel::Plain(Plain::Affine { .. }), Work::Affine { scale, shift }) => {
            let channels = target.places().len();
            let or = |values: &Option<&[f32]>, default: f32| values.map_or(vec![default; channels], <[f32]>::to_vec);
            (per_channel(target, lanes, &or(scale, 1.0)), per_channel(target, lanes, &or(shift, 0.0)))
        }
        _ => (Vec::new(), Vec::new()),
    }
}

/// `weight(output channel, input channel, tap)` in the order of a matrix product.
fn product(
    gemm: &Gemm,
    inputs: &[Input],
    target: &Layout,
    lanes: usize,
    weight: impl Fn(usize, usize, usize) -> f32,
) -> Vec<f32> {
    let channels: usize = target.channels.iter().sum();
    let depth = gemm.reading().depth();
    let mut packed = Vec::with_capacity(gemm.weights(lanes));
    let mut first = 0;
    for &blocks in gemm.groups() {
        for input in inputs {
            for i in 0..depth {
                for output in first * lanes..(first + blocks) * lanes {
                    let there = output < channels && i < input.count;
                    packed.push(if there { weight(output, input.channel + i, input.tap) } else { 0.0 });
                }
            }
        }
        first += blocks;
    }
    packed
}

fn per_channel(layout: &Layout, lanes: usize, values: &[f32]) -> Vec<f32> {
    let mut packed = vec![0.0; layout.blocks() * lanes];
    for ((block, lane), value) in layout.places().into_iter().zip(values) {
        packed[block * lanes + lane] = *value;
    }
    packed
}

/// `G g Gᵀ` of every 3x3 filter `g`: Lavin and Gray (2015), equation 8.
fn transform(conv: &Conv) -> Vec<f32> {
    const G: [[f64; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
    let filters = conv.weight.as_chunks::<9>().0;
    let one = |filter: &[f32; 9], y: usize, x: usize| {
        let taps = (0..9).map(|tap| G[y][tap / 3] * G[x][tap % 3] * f64::from(filter[tap]));
        taps.sum::<f64>() as f32
    };
    filters.iter().flat_map(|filter| (0..16).map(move |number| one(filter, number / 4, number % 4))).collect()
}
