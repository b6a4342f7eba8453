//! A network at one size as fused blocks: plain data, made by pure code, the same for every device.
//!
//! A block is a run of stages that are worked through together, tile by tile. What a stage makes for the next stages of its
//! block lives only as the few rows of a tile that are needed at a time, in the device's fast memory; only the block's
//! result is stored whole, and what later blocks read. The price is the halo: what lies around a tile is computed by its
//! neighbour once more.
//!
//! ```text
//! Graph ──lower──▶ stages: activations and sums fused into them, concatenations turned into lists of sources
//!       ──cut────▶ blocks: the cheapest way to cut the list of stages, by a model of what each way costs on a device
//! ```
//!
//! [`crate::nn::cpu`] executes it. Print it to see it.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use super::super::graph::{Activation, Arithmetic, Graph, GraphError, Interpolation, Pads, Shape, ValueId};
use super::cost::{self, Cost, Device};
use super::lower::{self, Item, Lowered, Work};
use super::{Precision, SecondUse};
use crate::units::Extent;

/// What a stage computes, without its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `kernel` and `stride` both ways. Depthwise: each channel by itself.
    Conv { kernel: usize, stride: usize, pads: Pads, depthwise: bool },
    /// To twice the size.
    Resize(Interpolation),
    /// Four channels to a square of four pixels.
    DepthToSpace,
    /// With the second picture, number by number.
    Combine(Arithmetic),
    /// Scale and shift of each channel.
    Affine,
    /// The sources side by side, as one picture.
    Copy,
}

impl Operation {
    /// The rows of the source that rows `rows` of the result are made of, or the columns for columns; those below 0 and
    /// beyond the source are padding.
    pub fn source_span(self, axis: Axis, of: Range<i64>) -> Range<i64> {
        match self {
            Self::Conv { kernel, stride, pads, .. } => {
                let before = match axis {
                    Axis::Rows => pads.top,
                    Axis::Columns => pads.left,
                } as i64;
                let (kernel, stride) = (kernel as i64, stride as i64);
                of.start * stride - before..(of.end - 1) * stride - before + kernel
            }
            Self::Resize(Interpolation::Linear) => (of.start - 1).div_euclid(2)..of.end.div_euclid(2) + 1,
            Self::Resize(Interpolation::Nearest) | Self::DepthToSpace => {
                of.start.div_euclid(2)..(of.end - 1).div_euclid(2) + 1
            }
            Self::Combine(_) | Self::Affine | Self::Copy => of,
        }
    }

    /// The field's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conv { kernel: 1, depthwise: false, .. } => "pointwise",
            Self::Conv { depthwise: false, .. } => "conv3x3",
            Self::Conv { depthwise: true, .. } => "depthwise3x3",
            Self::Resize(_) => "resize",
            Self::DepthToSpace => "depth_to_space",
            Self::Combine(_) => "combine",
            Self::Affine => "affine",
            Self::Copy => "copy",
        }
    }
}

/// Along which side of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    Rows,
    Columns,
}

/// When the second picture of a convolution is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    BeforeActivation,
    AfterActivation,
}

/// One operation with what it reads and makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    pub name: String,
    pub operation: Operation,
    /// Side by side along the channels.
    pub sources: Vec<ValueId>,
    /// A picture of the result's shape: added by a convolution, the right-hand side of [`Operation::Combine`].
    pub second: Option<(ValueId, Join)>,
    pub activation: Option<Activation>,
    pub target: ValueId,
    /// Multiply-accumulates for the whole picture.
    pub macs: u64,
    /// Weights and biases, float32.
    pub weight_bytes: u64,
}

impl Stage {
    pub fn reads(&self) -> impl Iterator<Item = ValueId> + '_ {
        self.sources.iter().copied().chain(self.second.map(|(value, _)| value))
    }
}

/// How a block is worked through: a strip of columns after the other, each from top to bottom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tile {
    /// Columns of the block's result that are made at a time.
    pub width: u32,
    /// Rows of the block's result that are made at a time.
    pub rows: u32,
}

/// Stages that are worked through together.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// What its stages' names have in common.
    pub name: String,
    pub stages: Range<usize>,
    /// Those of them, counted from the first, whose results are stored whole beside the last's: later blocks read them.
    pub kept: Vec<usize>,
    pub tile: Tile,
    pub cost: Cost,
    /// The same stages, each a block of its own.
    pub unfused: Cost,
}

/// A network at one size as fused blocks.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedPlan {
    extent: Extent,
    /// Of each value: the graph's, and those made by lowering.
    shapes: Vec<Shape>,
    stages: Vec<Stage>,
    blocks: Vec<Block>,
    painted: ValueId,
    canvas: Option<ValueId>,
}

/// Which stages share a block, and how blocks are worked through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fusing {
    /// As the cost model finds cheapest.
    #[default]
    Cheapest,
    /// As it finds cheapest where every block has this tile, as far as it is so large.
    Tiles(Tile),
    /// None: every stage is a block of its own.
    Never,
}

/// A plan, and for each of its stages the weights that it stands for.
pub(in super::super) struct Planned<'g> {
    pub plan: FusedPlan,
    pub works: Vec<Work<'g>>,
}

impl FusedPlan {
    /// Plans `graph`, whose style is fixed, for an image of `extent` on `device`.
    ///
    /// # Errors
    /// When the network cannot run at that size or still takes a style.
    pub fn new(graph: &Graph, extent: Extent, device: &Device, fusing: Fusing) -> Result<Self, GraphError> {
        Ok(plan(graph, extent, device, fusing)?.plan)
    }

    pub fn extent(&self) -> Extent {
        self.extent
    }

    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    pub fn shape(&self, value: ValueId) -> Shape {
        self.shapes[value.0]
    }

    /// The number of values: more than the graph has where lowering made some.
    pub fn values(&self) -> usize {
        self.shapes.len()
    }

    /// The value that is the canvas, made by no stage, where the network takes one.
    pub fn canvas(&self) -> Option<ValueId> {
        self.canvas
    }

    /// What the last stage makes; read by no stage.
    pub fn painted(&self) -> ValueId {
        self.painted
    }
}

/// Plans and keeps hold of the weights.
pub(in super::super) fn plan<'g>(
    graph: &'g Graph,
    extent: Extent,
    device: &Device,
    fusing: Fusing,
) -> Result<Planned<'g>, GraphError> {
    let Flattened { shapes, stages, works, painted, canvas, .. } = Flattened::new(graph, extent)?;
    let blocks = match fusing {
        Fusing::Cheapest => cost::cut(&stages, &shapes, device, None),
        Fusing::Tiles(tile) => cost::cut(&stages, &shapes, device, Some(tile)),
        Fusing::Never => cost::alone(&stages, &shapes, device),
    };
    Ok(Planned { plan: FusedPlan { extent, shapes, stages, blocks, painted, canvas }, works })
}

/// The weights of `graph` for the stages of `plan`, or None when they are another network's.
pub(in super::super) fn works<'g>(graph: &'g Graph, plan: &FusedPlan) -> Result<Option<Vec<Work<'g>>>, GraphError> {
    let flat = Flattened::new(graph, plan.extent)?;
    Ok((flat.stages == plan.stages && flat.shapes == plan.shapes).then_some(flat.works))
}

/// Turns concatenations into lists of sources.
struct Flattened<'g> {
    shapes: Vec<Shape>,
    stages: Vec<Stage>,
    works: Vec<Work<'g>>,
    /// Of each concatenation, what it joins: never a concatenation itself.
    parts: HashMap<ValueId, Vec<ValueId>>,
    painted: ValueId,
    canvas: Option<ValueId>,
}

impl<'g> Flattened<'g> {
    fn new(graph: &'g Graph, extent: Extent) -> Result<Self, GraphError> {
        if graph.style_len() > 0 {
            return Err(GraphError::Unfolded);
        }
        let Lowered { items, shapes, painted, canvas } = lower::lower(graph, extent, Precision::F32)?;
        let mut flat = Self { shapes, stages: Vec::new(), works: Vec::new(), parts: HashMap::new(), painted, canvas };
        for item in items {
            flat.item(item);
        }
        Ok(flat)
    }

    fn item(&mut self, item: Item<'g>) {
        let call = match item {
            Item::Call(call) => call,
            Item::Concat { parts, target, .. } => {
                let parts = parts.iter().flat_map(|v| self.parts.get(v).cloned().unwrap_or(vec![*v])).collect();
                self.parts.insert(target, parts);
                return;
            }
        };
        let shape = self.shapes[call.target.0];
        let (mut operation, macs, weights) = match &call.work {
            Work::Conv(conv) => (
                Operation::Conv {
                    kernel: conv.kernel,
                    stride: conv.stride,
                    pads: conv.pads,
                    depthwise: conv.is_depthwise(),
                },
                conv.macs_per_pixel() * shape.extent.pixels(),
                conv.weight.len() + conv.bias.len(),
            ),
            Work::Resize(interpolation) => (Operation::Resize(*interpolation), 0, 0),
            Work::DepthToSpace => (Operation::DepthToSpace, 0, 0),
            Work::Combine => (Operation::Combine(Arithmetic::Add), 0, 0),
            Work::Affine { .. } => (Operation::Affine, 0, 2 * shape.channels),
            Work::Copy => (Operation::Copy, 0, 0),
        };
        let second = call.second.map(|(value, how)| {
            let join = match how {
                SecondUse::AddAfterActivation => Join::AfterActivation,
                SecondUse::BeforeActivation(wanted) => {
                    if let Operation::Combine(arithmetic) = &mut operation {
                        *arithmetic = wanted;
                    }
                    Join::BeforeActivation
                }
            };
            (self.whole(value), join)
        });
        // Only what goes through each channel by itself, and what mixes all, can read parts where they lie.
        let sources = match operation {
            Operation::Conv { .. } | Operation::Resize(_) | Operation::Affine | Operation::Copy => {
                self.parts.get(&call.source).cloned().unwrap_or(vec![call.source])
            }
            Operation::DepthToSpace | Operation::Combine(_) => vec![self.whole(call.source)],
        };
        let sources = if sources.len() > MAX_SOURCES && operation != Operation::Copy {
            vec![self.whole(call.source)]
        } else {
            sources
        };
        self.stages.push(Stage {
            name: call.name,
            operation,
            sources,
            second,
            activation: call.activation,
            target: call.target,
            macs,
            weight_bytes: weights as u64 * 4,
        });
        self.works.push(call.work);
    }

    /// The value as one picture: a concatenation is copied together.
    fn whole(&mut self, value: ValueId) -> ValueId {
        let Some(parts) = self.parts.get(&value) else { return value };
        let target = ValueId(self.shapes.len());
        self.shapes.push(self.shapes[value.0]);
        self.stages.push(Stage {
            name: format!("{}.joined", value.0),
            operation: Operation::Copy,
            sources: parts.clone(),
            second: None,
            activation: None,
            target,
            macs: 0,
            weight_bytes: 0,
        });
        self.works.push(Work::Copy);
        // Later readers take the copy.
        self.parts.insert(value, vec![target]);
        target
    }
}

/// Most sources of a stage that is not a copy.
pub const MAX_SOURCES: usize = 4;

impl fmt::Display for FusedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<30} {:<15} {:>14} {:>12} {:>9} {:>9} {:>9} {:>9} {:>9}",
            "block and its stages", "kernel", "out", "tile", "kMAC", "halo %", "KiB", "unfused", "KiB fast"
        )?;
        let kib = |bytes: u64| bytes.div_ceil(1024);
        for block in &self.blocks {
            let tile = format!("{}x{}", block.tile.width, block.tile.rows);
            let row = |f: &mut fmt::Formatter<'_>, name: &str, kernel: &str, tile: &str, shape: Shape, macs: u64| {
                let out = format!("{}x{}", shape.channels, shape.extent);
                write!(f, "{name:<30} {kernel:<15} {out:>14} {tile:>12} {:>9}", macs / 1000)
            };
            let stages = &self.stages[block.stages.clone()];
            let Some(last) = stages.last() else { continue };
            let (kernel, macs) = match stages {
                [only] => (only.operation.name(), only.macs),
                _ => ("", stages.iter().map(|s| s.macs).sum()),
            };
            row(f, &block.name, kernel, &tile, self.shape(last.target), macs)?;
            writeln!(
                f,
                " {:>9.1} {:>9} {:>9} {:>9}",
                100.0 * block.cost.halo(),
                kib(block.cost.bytes),
                kib(block.unfused.bytes),
                kib(block.cost.fast_bytes)
            )?;
            if stages.len() > 1 {
                for stage in stages {
                    let name = format!("  {}", stage.name);
                    row(f, &name, stage.operation.name(), "", self.shape(stage.target), stage.macs)?;
                    writeln!(f)?;
                }
            }
        }
        let sum = |value: fn(&Block) -> u64| self.blocks.iter().map(value).sum::<u64>();
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        writeln!(
            f,
            "{} blocks of {} stages at {}: {:.1} MMAC and {:.1} % of halo, {:.1} MiB moved, {:.1} MiB without fusing",
            self.blocks.len(),
            self.stages.len(),
            self.extent,
            self.stages.iter().map(|s| s.macs).sum::<u64>() as f64 / 1e6,
            100.0 * (sum(|b| b.cost.macs) as f64 / sum(|b| b.unfused.macs).max(1) as f64 - 1.0),
            mib(sum(|b| b.cost.bytes)),
            mib(sum(|b| b.unfused.bytes)),
        )
    }
}
