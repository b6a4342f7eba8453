//! A network at one size as a list of kernel calls, with a place in memory for everything: plain data, made by pure code.
//!
//! ```text
//! Graph ──lower──▶ activations and sums fused into the steps before them
//!       ──place──▶ concatenations become slices that their parts are written into; buffers get banks and offsets (arena)
//!       ──pack───▶ weights in the order in which the kernels read them
//! ```
//!
//! [`super::gpu`] executes a plan and decides nothing; [`crate::kernels::nn::run_plan`] does the same on the CPU. Print a plan
//! to see it.
//!
//! # Layout
//! A picture of C channels is C/4 planes, rounded up, of four channels each, known elsewhere as NC4HW4 or C4-packed:
//! ```text
//!            pixel (0,0)       pixel (0,1)            row-major, then the next plane
//! group 0   [c0 c1 c2 c3]     [c0 c1 c2 c3]     …     one vec4 is one element
//! group 1   [c4 c5 c6 c7]     [c4 c5 c6 c7]     …     element ((group * height) + y) * width + x
//! ```
//! The image and the painting are the same with C = 3: `height * width` elements of red, green, blue and one unused number,
//! always float32. So is the canvas of a network that takes one, with its own C at half the width and height. Unused lanes of a last group hold any finite number; weights that meet them are zero.

mod arena;
pub mod cost;
pub mod fused;
pub(super) mod lower;
mod pack;
mod place;

use std::fmt;

use super::graph::{Arithmetic, Graph, GraphError, Shape};
use crate::units::Extent;

/// Largest bank of activations.
pub const MAX_BANK_BYTES: u64 = 1 << 30;
/// Most workgroups in one direction: every device has at least this limit.
const MAX_WORKGROUPS: u32 = 65_535;

/// Why a network cannot be planned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(
        "at {extent} the network needs {bytes} bytes for its pictures, the limit is {MAX_BANK_BYTES}; choose a smaller size"
    )]
    Memory { extent: Extent, bytes: u64 },
    #[error("at {extent} step '{step}' is too large for one dispatch; choose a smaller size")]
    Dispatch { extent: Extent, step: String },
}

/// How numbers are stored. Sums are always float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    F32,
    F16,
}

impl Precision {
    /// Bytes of one number.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// Which kernel of `shaders/nn` runs, with what its pipeline is specialised for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KernelKind {
    /// 1x1 convolution; each invocation makes 4 pixels of `groups` output groups.
    Pointwise { groups: u32 },
    /// Dense 3x3 convolution; 4 rows of `groups` output groups.
    Conv3x3 { groups: u32, stride: u32 },
    /// 3x3 convolution of each channel by itself; 4 rows.
    Depthwise3x3 { stride: u32 },
    /// To twice the size.
    Resize { linear: bool },
    /// Four channels to a square of four pixels.
    DepthToSpace,
    /// Two pictures, number by number.
    Combine,
    /// Scale, shift and activation of each channel.
    Affine,
    /// Into a part of another picture's channels.
    Copy,
}

impl KernelKind {
    /// The shader's file name, entry point and CPU kernel.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pointwise { .. } => "pointwise",
            Self::Conv3x3 { .. } => "conv3x3",
            Self::Depthwise3x3 { .. } => "depthwise3x3",
            Self::Resize { .. } => "resize",
            Self::DepthToSpace => "depth_to_space",
            Self::Combine => "combine",
            Self::Affine => "affine",
            Self::Copy => "copy",
        }
    }

    /// Values of the shader's `override` constants.
    pub fn constants(self) -> Vec<(&'static str, f64)> {
        match self {
            Self::Pointwise { groups } => vec![("GROUPS", f64::from(groups))],
            Self::Conv3x3 { groups, stride } => vec![("GROUPS", f64::from(groups)), ("STRIDE", f64::from(stride))],
            Self::Depthwise3x3 { stride } => vec![("STRIDE", f64::from(stride))],
            Self::Resize { linear } => vec![("LINEAR", f64::from(u8::from(linear)))],
            _ => Vec::new(),
        }
    }

    /// Invocations that cover a result of `target`, or for [`Self::DepthToSpace`] and [`Self::Copy`] a source of `source`.
    pub fn invocations(self, source: Shape, target: Shape) -> [u32; 3] {
        let groups = channel_groups(target.channels);
        let Extent { width, height } = target.extent;
        let pixels = width * height;
        match self {
            // 64 lanes make 4 pixels each.
            Self::Pointwise { groups: tile } => [pixels.div_ceil(256) * 64, groups.div_ceil(tile), 1],
            Self::Conv3x3 { groups: tile, .. } => [width, height.div_ceil(4), groups.div_ceil(tile)],
            Self::Depthwise3x3 { .. } => [width, height.div_ceil(4), groups],
            Self::Resize { .. } => [width, height, groups],
            Self::DepthToSpace => [source.extent.width, source.extent.height, groups],
            Self::Combine | Self::Affine => [pixels, groups, 1],
            // A part that begins inside a group touches one group more.
            Self::Copy => [pixels, channel_groups(source.channels) + 1, 1],
        }
    }

    /// Invocations of a workgroup, as the shader has them.
    pub const fn workgroup(self) -> [u32; 3] {
        match self {
            Self::Pointwise { .. } | Self::Combine | Self::Affine | Self::Copy => [64, 1, 1],
            _ => [16, 4, 1],
        }
    }
}

/// Groups of four channels.
pub const fn channel_groups(channels: usize) -> u32 {
    channels.div_ceil(4) as u32
}

/// What a kernel is told, the same for every kernel: mirrors `StepParams` in `shaders/nn/shared/params.wgsl`. Bases count elements.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct StepParams {
    pub source_width: u32,
    pub source_height: u32,
    pub result_width: u32,
    pub result_height: u32,
    pub source_base: u32,
    pub second_base: u32,
    pub result_base: u32,
    pub weight_base: u32,
    pub source_groups: u32,
    pub result_groups: u32,
    /// Counts `vec4<f32>`.
    pub bias_base: u32,
    /// Copy: the first channel of the result that is written.
    pub channel_offset: u32,
    pub pad_left: u32,
    pub pad_top: u32,
    /// What the second picture is for: [`SecondUse::code`], [`SecondUse::NONE`] without one.
    pub second_use: u32,
    /// [`Finish::code`].
    pub activation: u32,
    pub low: f32,
    pub high: f32,
    /// Channels of the source.
    pub channels: u32,
    pub unused: u32,
}

/// What a step does with its second picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondUse {
    AddAfterActivation,
    BeforeActivation(Arithmetic),
}

impl SecondUse {
    /// The code of a step without a second picture.
    pub const NONE: u32 = 0;

    /// As `shaders/nn/shared/params.wgsl` has it.
    pub const fn code(self) -> u32 {
        match self {
            Self::AddAfterActivation => 1,
            Self::BeforeActivation(Arithmetic::Add) => 2,
            Self::BeforeActivation(Arithmetic::Sub) => 3,
            Self::BeforeActivation(Arithmetic::Mul) => 4,
        }
    }

    /// The use that a code of [`StepParams`] stands for; `None` for [`Self::NONE`] and for what is no code.
    pub const fn of_code(code: u32) -> Option<Self> {
        match code {
            1 => Some(Self::AddAfterActivation),
            2 => Some(Self::BeforeActivation(Arithmetic::Add)),
            3 => Some(Self::BeforeActivation(Arithmetic::Sub)),
            4 => Some(Self::BeforeActivation(Arithmetic::Mul)),
            _ => None,
        }
    }
}

/// How a step's numbers end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Limited to [`StepParams`]' `low..=high`.
    Limits,
    /// The logistic function.
    Sigmoid,
}

impl Finish {
    /// As `shaders/nn/shared/params.wgsl` has it.
    pub const fn code(self) -> u32 {
        match self {
            Self::Limits => 0,
            Self::Sigmoid => 1,
        }
    }
}

/// A buffer that pictures lie in. A step never reads the bank that it writes, so sources can be bound read-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bank {
    Image,
    Canvas,
    Painted,
    Arena(u8),
}

/// One kernel call.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub name: String,
    pub kernel: KernelKind,
    pub source: Bank,
    /// A second picture of the result's shape: one to add, or the right-hand side of Combine.
    pub second: Option<Bank>,
    pub target: Bank,
    pub params: StepParams,
    pub source_shape: Shape,
    pub target_shape: Shape,
    /// Multiply-accumulates of a convolution.
    pub macs: u64,
    /// Least traffic: pictures and weights once each.
    pub bytes: u64,
}

impl Step {
    pub fn invocations(&self) -> [u32; 3] {
        self.kernel.invocations(self.source_shape, self.target_shape)
    }
}

/// A network at one size: steps, memory, weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    extent: Extent,
    precision: Precision,
    steps: Vec<Step>,
    canvas: Option<Shape>,
    /// Bytes of each arena bank.
    banks: Vec<u64>,
    /// Bytes that all activations would take if none shared memory.
    unshared_bytes: u64,
    /// Elements of four numbers in `precision`, as the steps' `weight_base` points into them.
    weights: Vec<u8>,
    /// Biases, scales and shifts, always float32.
    biases: Vec<[f32; 4]>,
}

impl Plan {
    /// Plans `graph`, whose style is fixed, for an image of `extent`.
    ///
    /// # Errors
    /// When the network cannot run at that size, takes a style, or needs too much memory.
    pub fn new(graph: &Graph, extent: Extent, precision: Precision) -> Result<Self, PlanError> {
        if graph.style_len() > 0 {
            return Err(GraphError::Unfolded.into());
        }
        let lowered = lower::lower(graph, extent, precision)?;
        let placed = place::place(&lowered, precision);
        if let Some(&bytes) = placed.banks.iter().find(|b| **b > MAX_BANK_BYTES) {
            return Err(PlanError::Memory { extent, bytes });
        }
        let packed = pack::steps(&lowered, &placed, precision);
        for step in &packed.steps {
            let fits =
                step.invocations().iter().zip(step.kernel.workgroup()).all(|(n, w)| n.div_ceil(w) <= MAX_WORKGROUPS);
            if !fits {
                return Err(PlanError::Dispatch { extent, step: step.name.clone() });
            }
        }
        Ok(Self {
            extent,
            precision,
            steps: packed.steps,
            canvas: lowered.canvas.map(|canvas| lowered.shapes[canvas.0]),
            banks: placed.banks,
            unshared_bytes: placed.unshared_bytes,
            weights: packed.weights,
            biases: packed.biases,
        })
    }

    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// Channels and size of the canvas, where the network takes one.
    pub fn canvas(&self) -> Option<Shape> {
        self.canvas
    }

    pub fn precision(&self) -> Precision {
        self.precision
    }

    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Bytes of each arena bank.
    pub fn banks(&self) -> &[u64] {
        &self.banks
    }

    pub fn arena_bytes(&self) -> u64 {
        self.banks.iter().sum()
    }

    /// As [`StepParams::weight_base`] points into it; never empty.
    pub fn weights(&self) -> &[u8] {
        &self.weights
    }

    /// As [`StepParams::bias_base`] points into it; never empty.
    pub fn biases(&self) -> &[[f32; 4]] {
        &self.biases
    }

    pub fn weight_bytes(&self) -> u64 {
        (self.weights.len() + size_of_val(self.biases.as_slice())) as u64
    }

    /// Whether `other` runs the same steps in the same memory, so that only weights differ.
    pub fn same_structure(&self, other: &Plan) -> bool {
        self.extent == other.extent
            && self.precision == other.precision
            && self.canvas == other.canvas
            && self.banks == other.banks
            && self.weights.len() == other.weights.len()
            && self.biases.len() == other.biases.len()
            && self.steps.len() == other.steps.len()
            && self.steps.iter().zip(&other.steps).all(|(a, b)| {
                a.kernel == b.kernel
                    && a.params == b.params
                    && (a.source, a.second, a.target) == (b.source, b.second, b.target)
            })
    }
}

impl fmt::Display for Bank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image => f.pad("image"),
            Self::Canvas => f.pad("canvas"),
            Self::Painted => f.pad("painted"),
            Self::Arena(n) => f.pad(&format!("bank {n}")),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = |s: Shape| format!("{}x{}", s.channels, s.extent);
        writeln!(
            f,
            "{:<28} {:<14} {:>14} {:>14} {:<17} {:<7} {:>9} {:>9}",
            "step", "kernel", "in", "out", "from", "to", "kMAC", "KiB"
        )?;
        for step in &self.steps {
            let from = match step.second {
                Some(second) => format!("{} + {second}", step.source),
                None => step.source.to_string(),
            };
            writeln!(
                f,
                "{:<28} {:<14} {:>14} {:>14} {:<17} {:<7} {:>9} {:>9}",
                step.name,
                step.kernel.name(),
                shape(step.source_shape),
                shape(step.target_shape),
                from,
                step.target,
                step.macs / 1000,
                step.bytes / 1024,
            )?;
        }
        writeln!(
            f,
            "{} steps at {} in {:?}: {:.1} MMAC, {:.1} MiB moved, arena {} KiB in {} banks ({} KiB unshared), weights {} KiB",
            self.steps.len(),
            self.extent,
            self.precision,
            self.steps.iter().map(|s| s.macs).sum::<u64>() as f64 / 1e6,
            self.steps.iter().map(|s| s.bytes).sum::<u64>() as f64 / f64::from(1 << 20),
            self.arena_bytes() / 1024,
            self.banks.len(),
            self.unshared_bytes / 1024,
            self.weight_bytes() / 1024,
        )
    }
}
