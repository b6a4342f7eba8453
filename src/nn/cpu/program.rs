//! From a fused plan to what the threads do: where every picture lies, which kernel makes each row of each stage, and in
//! which order. Made once, before the first picture; [`super::run`] decides nothing.

use std::collections::HashMap;
use std::ops::Range;

use super::kernels::{Entry, Finish, Gemm, Isa, MAX_ROWS, Reading};
use super::layout::Layout;
use crate::nn::graph::{Activation, Arithmetic, Interpolation, Pads, Shape, ValueId};
use crate::nn::plan::cost::{bands, spans, strips};
use crate::nn::plan::fused::{Axis, FusedPlan, Join, Operation, Stage};

/// Where a picture lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// `[3][height][width]`, from outside.
    Image,
    /// `[channels][height][width]`, from outside.
    Canvas,
    /// Whole: a number of [`Program::wholes`].
    Whole(usize),
    /// The rows that are needed at a time: a number of [`BlockProgram::rings`].
    Ring(usize),
}

/// A picture as a step reads or writes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    pub place: Place,
    pub layout: Layout,
    /// Numbers from a block to the next.
    pub stride: usize,
}

impl Picture {
    /// Numbers in a row.
    pub fn row(&self) -> usize {
        self.stride * self.layout.blocks()
    }
}

/// A picture that is kept whole.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Whole {
    /// Numbers in a row.
    pub row: usize,
    /// The rows of each thread.
    pub bands: Vec<Range<u32>>,
}

/// The kernel of a step.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kernel {
    /// A convolution that mixes channels, with the input channels and the tap of each entry.
    Gemm {
        gemm: Gemm,
        kernel: usize,
        inputs: Vec<Input>,
    },
    /// The same for 3x3, two rows at a time.
    Winograd {
        gemm: Gemm,
        inputs: Vec<Input>,
        tiles: usize,
    },
    Depthwise {
        stride: usize,
    },
    /// Depthwise on planes.
    Planes,
    Upsample,
    /// From channels to pixels of planes.
    Shuffle,
    /// From planes to blocks or planes.
    Load,
    /// From blocks to planes.
    Store,
    /// Number by number.
    Plain(Plain),
}

/// What has no kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plain {
    Combine(Arithmetic),
    /// Scale, shift, and a stride: a depthwise 1x1 is one too.
    Affine {
        stride: usize,
    },
    /// The nearest pixel of a picture half the size.
    Nearest,
    DepthToSpace,
    Copy,
}

/// The weights that an entry of a matrix product stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Input {
    /// `3 * row + column`, or 0.
    pub tap: usize,
    /// Up to four input channels, one after the other from this.
    pub channel: usize,
    pub count: usize,
}

/// A stage of the plan, or moving a picture, made ready.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub name: String,
    /// Its number in the plan; none for a move.
    pub stage: Option<usize>,
    pub kernel: Kernel,
    pub operation: Operation,
    pub sources: Vec<Picture>,
    /// And whether it is added before the limits are applied.
    pub second: Option<(Picture, bool)>,
    pub target: Picture,
    pub finish: Finish,
    /// Where its weights and biases are among all.
    pub weights: Range<usize>,
    pub bias: Range<usize>,
    /// For what goes channel by channel; empty where nothing does.
    pub channels: Channels,
}

/// Where each channel begins in a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Channels {
    /// Of the sources side by side: which source, and where.
    pub from: Vec<(usize, usize)>,
    pub second: Vec<usize>,
    pub to: Vec<usize>,
}

impl Step {
    /// Rows that it makes at a time.
    pub fn grain(&self) -> u32 {
        if matches!(self.kernel, Kernel::Winograd { .. }) { 2 } else { 1 }
    }

    /// Whether the second picture and the activation come in a pass after the kernel, which cannot do them.
    pub fn finishes_after(&self) -> bool {
        let sigmoid = self.finish == Finish::Sigmoid;
        match self.kernel {
            Kernel::Gemm { .. } => {
                sigmoid || self.second.as_ref().is_some_and(|(p, _)| p.layout.channels != self.target.layout.channels)
            }
            Kernel::Winograd { .. } | Kernel::Depthwise { .. } => sigmoid || self.second.is_some(),
            Kernel::Plain(Plain::Affine { .. }) => self.second.is_some(),
            _ => false,
        }
    }

    /// What the kernel itself makes of its sums.
    pub fn finish_in_kernel(&self) -> Finish {
        if self.finishes_after() { Finish::NONE } else { self.finish }
    }

    pub fn pads(&self) -> Pads {
        match self.operation {
            Operation::Conv { pads, .. } => pads,
            _ => Pads::default(),
        }
    }

    pub fn conv_stride(&self) -> usize {
        match self.operation {
            Operation::Conv { stride, .. } => stride,
            _ => 1,
        }
    }
}

/// Rows kept of a picture that is not kept whole.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ring {
    pub rows: usize,
    pub stride: usize,
    pub layout: Layout,
}

/// What a thread does for a block.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Band {
    /// The first row of each step.
    pub starts: Vec<u32>,
    /// In each turn, the row up to which each step is worked.
    pub turns: Vec<Vec<u32>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct BlockProgram {
    pub steps: Vec<Step>,
    /// `[strip][step]`: the columns that it makes.
    pub strips: Vec<Vec<Range<u32>>>,
    /// For each thread.
    pub bands: Vec<Band>,
    pub rings: Vec<Ring>,
    /// What is stored whole of what it makes: the step, and the number of [`Program::wholes`]; the last step's comes last.
    pub makes: Vec<(usize, usize)>,
    /// What it reads of other blocks, numbers of [`Program::wholes`].
    pub reads: Vec<usize>,
}

/// All that does not change from picture to picture.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Program {
    pub isa: &'static Isa,
    pub plan: FusedPlan,
    pub threads: usize,
    pub wholes: Vec<Whole>,
    pub painted: usize,
    pub blocks: Vec<BlockProgram>,
    /// Numbers that a worker needs for each ring, for the products of Winograd, and for a row of zeros.
    pub ring_numbers: Vec<usize>,
    pub transformed_numbers: usize,
    pub product_numbers: usize,
    pub zero_numbers: usize,
    /// Numbers in all weights.
    pub weight_numbers: usize,
}

/// Pictures that a block may read, times threads: locks that are held at once.
pub(super) const MAX_READS: usize = 128;
/// Pictures that a block may store: no block has more stages.
pub(super) const MAX_MAKES: usize = 24;

impl Program {
    pub fn new(plan: FusedPlan, isa: &'static Isa, threads: usize) -> Self {
        let mut builder = Builder::new(&plan, isa, threads);
        let blocks: Vec<BlockProgram> = (0..plan.blocks().len()).map(|index| builder.block(index)).collect();
        let Builder { wholes, places, weight_numbers, .. } = builder;
        let rings = blocks.iter().map(|b| b.rings.len()).max().unwrap_or(0);
        let ring_numbers = (0..rings)
            .map(|n| {
                let of = |ring: &Ring| ring.rows * ring.stride * ring.layout.blocks();
                blocks.iter().filter_map(|b| b.rings.get(n)).map(of).max().unwrap_or(0)
            })
            .collect();
        let steps = || blocks.iter().flat_map(|b| &b.steps);
        let winograd = |numbers: fn(&Step, usize) -> usize| {
            let of = |step: &Step| match step.kernel {
                Kernel::Winograd { tiles, .. } => 16 * numbers(step, tiles) * isa.lanes(),
                _ => 0,
            };
            steps().map(of).max().unwrap_or(0)
        };
        // Also the biases of what has none.
        let row = |step: &Step| step.sources.iter().chain([&step.target]).map(Picture::row).max().unwrap_or(0);
        Self {
            isa,
            threads,
            painted: places.get(&plan.painted()).map_or(0, |p| *p),
            ring_numbers,
            transformed_numbers: winograd(|step, tiles| step.sources[0].layout.blocks() * tiles),
            product_numbers: winograd(|step, tiles| step.target.layout.blocks() * tiles),
            zero_numbers: steps().map(row).max().unwrap_or(0),
            weight_numbers,
            wholes,
            blocks,
            plan,
        }
    }
}

struct Builder<'p> {
    plan: &'p FusedPlan,
    isa: &'static Isa,
    threads: usize,
    /// Of each value: whether it lies in planes.
    planar: Vec<bool>,
    /// Of each value made so far.
    layouts: HashMap<ValueId, Layout>,
    wholes: Vec<Whole>,
    /// The whole that holds a value.
    places: HashMap<ValueId, usize>,
    weight_numbers: usize,
}

/// A stage of a block, or a move that this module adds.
struct Member {
    stage: Stage,
    index: Option<usize>,
    kind: Moving,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Moving {
    No,
    Load,
    Store,
}

impl<'p> Builder<'p> {
    fn new(plan: &'p FusedPlan, isa: &'static Isa, threads: usize) -> Self {
        let planar = planar_values(plan);
        Self {
            plan,
            isa,
            threads,
            planar,
            layouts: HashMap::new(),
            wholes: Vec::new(),
            places: HashMap::new(),
            weight_numbers: 0,
        }
    }

    fn block(&mut self, number: usize) -> BlockProgram {
        let block = &self.plan.blocks()[number];
        let mut shapes: Vec<Shape> = (0..self.plan.values()).map(|v| self.plan.shape(ValueId(v))).collect();
        let members = self.members(block.stages.clone(), &mut shapes);
        let stages: Vec<Stage> = members.iter().map(|m| m.stage.clone()).collect();
        for member in &members {
            let layout = self.layout(member, &shapes);
            self.layouts.insert(member.stage.target, layout);
        }
        let last = stages.len() - 1;
        // By their place among the members: a load comes before the first stage.
        let loads = members.iter().take_while(|m| m.index.is_none()).count();
        let kept: Vec<usize> = block.kept.iter().map(|index| loads + index).collect();

        // Columns: of every strip and step.
        let target = shapes[stages[last].target.0].extent;
        let winograd: Vec<bool> = members.iter().map(|m| self.by_winograd(m, &shapes)).collect();
        let grain = |index: usize| if winograd[index] { 2 } else { 1 };
        let grain_columns = |index: usize| match stages[index].operation {
            Operation::DepthToSpace => 2,
            _ => grain(index),
        };
        let strips: Vec<Vec<Range<u32>>> = strips(target.width, block.tile.width)
            .into_iter()
            .filter(|strip| !strip.is_empty())
            .map(|strip| {
                // Of what is kept, the same share of its columns.
                let share = |index: usize| {
                    let width = shapes[stages[index].target.0].extent.width;
                    let cut = |x: u32| (u64::from(x) * u64::from(width) / u64::from(target.width)) as u32;
                    kept.contains(&index).then(|| cut(strip.start)..cut(strip.end))
                };
                spans(&stages, &shapes, Axis::Columns, strip.clone(), grain_columns, share)
            })
            .collect();
        let widest = |index: usize| strips.iter().map(|s| s[index].len()).max().unwrap_or(0);

        // Rows: of every thread, turn and step.
        let shares: Vec<Vec<Range<u32>>> =
            stages.iter().map(|s| bands(shapes[s.target.0].extent.height, self.threads as u32)).collect();
        let bands: Vec<Band> = (0..self.threads)
            .map(|thread| {
                let rows = &shares[last][thread];
                let made = |end: u32| {
                    // Of what is kept, a thread's own share is made in the end, whether or not it is needed here.
                    let share = |index: usize| {
                        (end == rows.end && kept.contains(&index)).then(|| shares[index][thread].clone())
                    };
                    spans(&stages, &shapes, Axis::Rows, rows.start..end, grain, share)
                };
                let starts = made(rows.end).iter().map(|s| s.start).collect();
                let turns = (rows.start..rows.end.max(rows.start + 1)).step_by(block.tile.rows as usize);
                let ends = turns.map(|y| (y + block.tile.rows).min(rows.end));
                Band { starts, turns: ends.map(|end| made(end).iter().map(|s| s.end).collect()).collect() }
            })
            .collect();

        // Rings.
        let mut rings = Vec::new();
        for (index, stage) in stages[..last].iter().enumerate() {
            let layout = self.layouts[&stage.target].clone();
            let rows = (kept_rows(&stages, index, &bands) as usize).next_multiple_of(grain(index) as usize);
            rings.push(Ring { rows: rows.max(1), stride: layout.stride(widest(index)), layout });
        }
        let mut makes = Vec::new();
        for index in kept.iter().copied().chain([last]) {
            let target = stages[index].target;
            let layout = &self.layouts[&target];
            let row = layout.stride(layout.width) * layout.blocks();
            makes.push((index, self.wholes.len()));
            self.places.insert(target, self.wholes.len());
            self.wholes.push(Whole { row, bands: shares[index].clone() });
        }
        let picture = |value: ValueId| {
            let outside = match value {
                ValueId::IMAGE => Some(Place::Image),
                value => self.plan.canvas().filter(|canvas| *canvas == value).map(|_| Place::Canvas),
            };
            if let Some(place) = outside {
                let layout = outer(shapes[value.0]);
                return Picture { place, stride: layout.width * layout.height, layout };
            }
            let layout = self.layouts[&value].clone();
            let (place, stride) = match stages[..last].iter().position(|s| s.target == value) {
                Some(ring) => (Place::Ring(ring), rings[ring].stride),
                None => (Place::Whole(self.places[&value]), layout.stride(layout.width)),
            };
            Picture { place, layout, stride }
        };
        let mut steps = Vec::new();
        for (index, member) in members.iter().enumerate() {
            let stage = &member.stage;
            let sources: Vec<Picture> = stage.sources.iter().map(|v| picture(*v)).collect();
            let target = picture(stage.target);
            let kernel = self.kernel(member, &sources, &target, winograd[index], widest(index));
            let step = Step {
                name: stage.name.clone(),
                stage: member.index,
                kernel,
                operation: stage.operation,
                sources,
                second: stage.second.map(|(v, join)| (picture(v), join == Join::BeforeActivation)),
                target,
                finish: match stage.activation {
                    None => Finish::NONE,
                    Some(Activation::Clip { min, max }) => Finish::Clip { low: min, high: max },
                    Some(Activation::Sigmoid) => Finish::Sigmoid,
                },
                weights: 0..0,
                bias: 0..0,
                channels: Channels::default(),
            };
            steps.push(step);
        }
        for step in &mut steps {
            self.weigh(step);
            if matches!(step.kernel, Kernel::Plain(_) | Kernel::Load | Kernel::Store) || step.finishes_after() {
                let starts = |(number, picture): (usize, &Picture)| {
                    let stride = picture.stride;
                    picture.layout.places().into_iter().map(move |(block, lane)| (number, block * stride + lane))
                };
                let second = step.second.as_ref().map(|(picture, _)| picture);
                step.channels = Channels {
                    from: step.sources.iter().enumerate().flat_map(starts).collect(),
                    second: second.into_iter().flat_map(|p| starts((0, p))).map(|(_, at)| at).collect(),
                    to: starts((0, &step.target)).map(|(_, at)| at).collect(),
                };
            }
        }
        let mut reads: Vec<usize> = steps
            .iter()
            .flat_map(|s| s.sources.iter().chain(s.second.as_ref().map(|(p, _)| p)))
            .filter_map(|p| if let Place::Whole(n) = p.place { Some(n) } else { None })
            .collect();
        reads.sort_unstable();
        reads.dedup();
        BlockProgram { steps, strips, bands, rings, makes, reads }
    }

    /// The stages of a block, with what brings pictures in and out, and into the same blocks of channels, before them.
    fn members(&self, stages: Range<usize>, shapes: &mut Vec<Shape>) -> Vec<Member> {
        let mut members: Vec<Member> = Vec::new();
        let mut fresh = |of: Shape| {
            shapes.push(of);
            ValueId(shapes.len() - 1)
        };
        let mut own: Vec<Stage> = self.plan.stages()[stages.clone()].to_vec();
        for (input, name) in [(Some(ValueId::IMAGE), "image"), (self.plan.canvas(), "canvas")] {
            let Some(input) = input.filter(|input| own.iter().any(|s| s.reads().any(|v| v == *input))) else {
                continue;
            };
            let loaded = fresh(self.plan.shape(input));
            members.push(Member { stage: moving(name, input, loaded), index: None, kind: Moving::Load });
            for stage in &mut own {
                for value in stage.sources.iter_mut().chain(stage.second.as_mut().map(|(v, _)| v)) {
                    if *value == input {
                        *value = loaded;
                    }
                }
            }
        }
        let painted = self.plan.painted();
        for (stage, index) in own.into_iter().zip(stages) {
            let mut stage = stage;
            let store = stage.target == painted && !self.planar[painted.0];
            let made = if store { fresh(self.plan.shape(painted)) } else { painted };
            if store {
                stage.target = made;
            }
            members.push(Member { stage, index: Some(index), kind: Moving::No });
            if store {
                members.push(Member { stage: moving("painted", made, painted), index: None, kind: Moving::Store });
            }
        }
        members
    }

    /// How the result of a member lies.
    fn layout(&self, member: &Member, shapes: &[Shape]) -> Layout {
        let stage = &member.stage;
        let shape = shapes[stage.target.0];
        let lanes = self.isa.lanes();
        let joined = || stage.sources.iter().flat_map(|v| self.layouts[v].channels.clone()).collect();
        let planar = self.is_planar(member);
        let channels = match stage.operation {
            _ if planar => vec![1; shape.channels],
            Operation::Conv { depthwise: true, .. } | Operation::Resize(_) | Operation::Affine => joined(),
            Operation::Combine(_) => self.layouts[&stage.sources[0]].channels.clone(),
            Operation::Conv { .. } | Operation::DepthToSpace | Operation::Copy => Layout::dense(shape.channels, lanes),
        };
        let (left, right) = self.border(stage.target, member);
        Layout {
            pixel: if planar { 1 } else { lanes },
            channels,
            left,
            right,
            width: shape.extent.width as usize,
            height: shape.extent.height as usize,
        }
    }

    fn is_planar(&self, member: &Member) -> bool {
        let stage = &member.stage;
        match member.kind {
            Moving::Store => true,
            Moving::Load if stage.sources != [ValueId::IMAGE] => false,
            // The image as planes is read by convolutions that mix channels.
            Moving::Load => self.plan.stages().iter().filter(|s| s.reads().any(|v| v == ValueId::IMAGE)).all(|s| {
                matches!(s.operation, Operation::Conv { depthwise: false, .. })
                    && s.sources == [ValueId::IMAGE]
                    && s.second.is_none_or(|(v, _)| v != ValueId::IMAGE)
            }),
            Moving::No => self.planar.get(stage.target.0).copied().unwrap_or(false),
        }
    }

    /// Columns of zeros that the readers of a value want.
    fn border(&self, value: ValueId, made_by: &Member) -> (usize, usize) {
        // What was loaded has its readers.
        let value = if made_by.kind == Moving::Load { made_by.stage.sources[0] } else { value };
        let readers = self.plan.stages().iter().filter(|s| s.sources.contains(&value));
        readers.fold((0, 0), |(left, right), stage| match stage.operation {
            Operation::Conv { pads, .. } => (left.max(pads.left), right.max(pads.right)),
            _ => (left, right),
        })
    }

    fn by_winograd(&self, member: &Member, shapes: &[Shape]) -> bool {
        let Stage { operation, sources, second, target, .. } = &member.stage;
        let Operation::Conv { kernel: 3, stride: 1, pads, depthwise: false } = *operation else { return false };
        let [source] = sources.as_slice() else { return false };
        let (from, to) = (shapes[source.0], shapes[target.0]);
        let even = to.extent.width.is_multiple_of(2) && to.extent.height.is_multiple_of(2);
        // With few channels the transforms cost more than they save.
        let worth = from.channels >= 16 && to.channels >= 8;
        pads == Pads::all(1) && second.is_none() && even && worth && !self.layouts[source].is_planar()
    }

    fn kernel(&self, member: &Member, sources: &[Picture], target: &Picture, winograd: bool, width: usize) -> Kernel {
        let planar = sources[0].layout.is_planar();
        match (member.kind, member.stage.operation) {
            (Moving::Load, _) => Kernel::Load,
            (Moving::Store, _) => Kernel::Store,
            (_, Operation::Conv { depthwise: false, .. }) if winograd => {
                let tiles = width.div_ceil(2);
                // The transformed picture is one row for each of the 16 numbers: its blocks follow each other.
                let moved = Picture { stride: tiles * self.isa.lanes(), ..sources[0].clone() };
                let (gemm, inputs) = self.product(&[moved], target, 1, 1);
                Kernel::Winograd { gemm, inputs, tiles }
            }
            (_, Operation::Conv { depthwise: false, kernel, stride, .. }) => {
                let (gemm, inputs) = self.product(sources, target, kernel, stride);
                Kernel::Gemm { gemm, kernel, inputs }
            }
            (_, Operation::Conv { kernel: 3, .. }) if planar => Kernel::Planes,
            (_, Operation::Conv { kernel: 3, stride, .. }) => Kernel::Depthwise { stride },
            (_, Operation::Conv { stride, .. }) => Kernel::Plain(Plain::Affine { stride }),
            (_, Operation::Resize(Interpolation::Linear)) => Kernel::Upsample,
            (_, Operation::Resize(Interpolation::Nearest)) => Kernel::Plain(Plain::Nearest),
            (_, Operation::DepthToSpace) if target.layout.is_planar() => Kernel::Shuffle,
            (_, Operation::DepthToSpace) => Kernel::Plain(Plain::DepthToSpace),
            (_, Operation::Combine(arithmetic)) => Kernel::Plain(Plain::Combine(arithmetic)),
            (_, Operation::Affine) => Kernel::Plain(Plain::Affine { stride: 1 }),
            (_, Operation::Copy) => Kernel::Plain(Plain::Copy),
        }
    }

    /// The matrix product of a convolution that mixes channels: an entry for every tap and every four channels.
    fn product(&self, sources: &[Picture], target: &Picture, kernel: usize, stride: usize) -> (Gemm, Vec<Input>) {
        let planar = sources[0].layout.is_planar();
        let reading = if planar { Reading::Planar { stride } } else { Reading::Blocked { stride } };
        let (mut entries, mut inputs) = (Vec::new(), Vec::new());
        for (ky, kx) in (0..kernel * kernel).map(|tap| (tap / kernel, tap % kernel)) {
            let mut first = 0;
            for (number, source) in sources.iter().enumerate() {
                for (block, &channels) in source.layout.channels.iter().enumerate() {
                    for lane in (0..channels).step_by(reading.depth()) {
                        entries.push(Entry {
                            row: (number * kernel + ky) as u32,
                            offset: (block * source.stride + kx * source.layout.pixel + lane) as u32,
                        });
                        inputs.push(Input {
                            tap: kernel * ky + kx,
                            channel: first + lane,
                            count: reading.depth().min(channels - lane),
                        });
                    }
                    first += channels;
                }
            }
        }
        assert!(sources.len() * kernel <= MAX_ROWS, "the plan bounds the sources of a stage");
        (Gemm::new(self.isa, reading, entries, target.layout.blocks()), inputs)
    }

    /// Gives a step its place among the weights.
    fn weigh(&mut self, step: &mut Step) {
        let lanes = self.isa.lanes();
        let blocks = step.target.layout.blocks();
        let (weights, biases) = match &step.kernel {
            Kernel::Gemm { gemm, .. } => (gemm.weights(lanes), blocks * lanes),
            Kernel::Winograd { gemm, .. } => (16 * gemm.weights(lanes), blocks * lanes),
            Kernel::Depthwise { .. } => (9 * blocks * lanes, blocks * lanes),
            Kernel::Planes => (9 * blocks, blocks),
            Kernel::Plain(Plain::Affine { .. }) => (blocks * lanes, blocks * lanes),
            _ => (0, 0),
        };
        let mut take = |count: usize| {
            let start = self.weight_numbers;
            self.weight_numbers = (start + count).next_multiple_of(16);
            start..start + count
        };
        step.weights = take(weights);
        step.bias = take(biases);
    }
}

fn moving(name: &str, source: ValueId, target: ValueId) -> Stage {
    Stage {
        name: name.to_owned(),
        operation: Operation::Copy,
        sources: vec![source],
        second: None,
        activation: None,
        target,
        macs: 0,
        weight_bytes: 0,
    }
}

/// A picture from outside.
fn outer(shape: Shape) -> Layout {
    Layout {
        pixel: 1,
        channels: vec![1; shape.channels],
        left: 0,
        right: 0,
        width: shape.extent.width as usize,
        height: shape.extent.height as usize,
    }
}

/// Which values lie in planes: few channels, made of single channels, and read by what can read planes.
fn planar_values(plan: &FusedPlan) -> Vec<bool> {
    let stages = plan.stages();
    let can_stay =
        |operation: Operation| matches!(operation, Operation::Conv { kernel: 3, stride: 1, depthwise: true, .. });
    let mut readable = vec![false; plan.values()];
    for value in (0..plan.values()).rev().map(ValueId) {
        let mut readers = stages.iter().filter(|s| s.reads().any(|v| v == value)).peekable();
        let few = plan.shape(value).channels <= 4;
        readable[value.0] = few
            && (value == plan.painted()
                || readers.peek().is_some()
                    && readers.all(|s| {
                        let alone = s.sources == [value] && s.second.is_none();
                        let mixes = matches!(s.operation, Operation::Conv { depthwise: false, .. });
                        alone && (mixes || can_stay(s.operation) && readable[s.target.0])
                    }));
    }
    let mut planar = vec![false; plan.values()];
    for stage in stages {
        let made = match stage.operation {
            Operation::DepthToSpace => true,
            operation => can_stay(operation) && stage.sources.iter().all(|v| planar[v.0]),
        };
        planar[stage.target.0] = made && readable[stage.target.0];
    }
    planar
}

/// Rows of a stage's result that must be there at once.
fn kept_rows(stages: &[Stage], index: usize, bands: &[Band]) -> u32 {
    let value = stages[index].target;
    let mut most = 1;
    for band in bands {
        let mut done = &band.starts;
        for turn in &band.turns {
            for (reader, stage) in stages.iter().enumerate().skip(index + 1) {
                if done[reader] >= turn[reader] {
                    continue;
                }
                let rows = i64::from(done[reader])..i64::from(turn[reader]);
                let lowest = if stage.sources.contains(&value) {
                    stage.operation.source_span(Axis::Rows, rows.clone()).start.max(0) as u32
                } else {
                    u32::MAX
                };
                let second = if stage.second.is_some_and(|(v, _)| v == value) { done[reader] } else { u32::MAX };
                most = most.max(turn[index].saturating_sub(lowest.min(second)));
            }
            done = turn;
        }
    }
    most
}
