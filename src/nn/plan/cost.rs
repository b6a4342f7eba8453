//! What a block costs on a device, and the cheapest way to cut a list of stages into blocks.
//!
//! The model counts what a device does and divides by what it can do: multiply-adds by their rate, bytes by the bandwidth
//! of the memory that they fit into, calls by what starting one takes. It needs to be right about which of two ways is
//! cheaper, not about how long either takes; what a device really takes is measured by its profile.

use std::ops::Range;

use super::super::graph::{Interpolation, Shape, ValueId};
use super::fused::{Axis, Block, Operation, Stage, Tile};
use crate::units::Extent;

/// What a device can do, roughly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Device {
    /// Channels that are computed together; a picture's channels are rounded up to a multiple.
    pub lanes: usize,
    /// Workers that share the rows of a picture.
    pub workers: u32,
    /// Memory of one worker that a tile should fit into: first-level cache or workgroup memory.
    pub fast_bytes: u64,
    /// Memory of one worker behind it: second-level cache.
    pub near_bytes: u64,
    /// Of one worker, at best.
    pub macs_per_ns: f64,
    pub near_bytes_per_ns: f64,
    pub far_bytes_per_ns: f64,
    /// To start one row of one stage.
    pub call_ns: f64,
    /// Until all workers have met at the end of a block.
    pub meet_ns: f64,
}

/// What a block costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Multiply-accumulates, with those of the halo.
    pub macs: u64,
    /// The same without.
    pub macs_once: u64,
    /// To and from memory beyond the block: inputs, result, weights.
    pub bytes: u64,
    /// What a tile keeps.
    pub fast_bytes: u64,
    /// By the model.
    pub ns: f64,
}

impl Cost {
    /// Work done twice, as a share of the work.
    pub fn halo(&self) -> f64 {
        self.macs as f64 / self.macs_once.max(1) as f64 - 1.0
    }

    fn and(self, other: Self) -> Self {
        Self {
            macs: self.macs + other.macs,
            macs_once: self.macs_once + other.macs_once,
            bytes: self.bytes + other.bytes,
            fast_bytes: self.fast_bytes.max(other.fast_bytes),
            ns: self.ns + other.ns,
        }
    }
}

/// Most stages in a block: a longer one has more halo than it saves.
const MAX_STAGES: usize = 24;

/// For each stage of a block, the rows (or columns) of its result that are made for `of` of the block's result: those that
/// later stages read, and those that `kept` says are stored. `grain` tells how many a stage makes at a time.
pub fn spans(
    stages: &[Stage],
    shapes: &[Shape],
    axis: Axis,
    of: Range<u32>,
    grain: impl Fn(usize) -> u32,
    kept: impl Fn(usize) -> Option<Range<u32>>,
) -> Vec<Range<u32>> {
    let mut needed: Vec<Option<Range<u32>>> = vec![None; stages.len()];
    let side = |value: ValueId| match axis {
        Axis::Rows => shapes[value.0].extent.height,
        Axis::Columns => shapes[value.0].extent.width,
    };
    for index in (0..stages.len()).rev() {
        let stage = &stages[index];
        let own = if index + 1 == stages.len() { Some(of.clone()) } else { kept(index) };
        // A result that nothing reads is not made.
        let Some(span) = hull(needed[index].take(), own) else {
            needed[index] = Some(0..0);
            continue;
        };
        let grain = grain(index).max(1);
        let span = span.start / grain * grain..span.end.next_multiple_of(grain).min(side(stage.target));
        let wide = i64::from(span.start)..i64::from(span.end);
        let from_sources = stage.operation.source_span(axis, wide.clone());
        let reads = stage.sources.iter().map(|v| (*v, from_sources.clone()));
        for (value, read) in reads.chain(stage.second.map(|(v, _)| (v, wide))) {
            let Some(maker) = stages[..index].iter().position(|s| s.target == value) else { continue };
            let end = i64::from(side(value));
            let read = read.start.clamp(0, end) as u32..read.end.clamp(0, end) as u32;
            needed[maker] = hull(needed[maker].take(), Some(read));
        }
        needed[index] = Some(span);
    }
    needed.into_iter().map(Option::unwrap_or_default).collect()
}

/// The least span that holds both.
fn hull(a: Option<Range<u32>>, b: Option<Range<u32>>) -> Option<Range<u32>> {
    let some = |span: &Range<u32>| !span.is_empty();
    match (a.filter(some), b.filter(some)) {
        (Some(a), Some(b)) => Some(a.start.min(b.start)..a.end.max(b.end)),
        (a, b) => a.or(b),
    }
}

/// The rows that each of `workers` makes of a picture `height` high: even numbers of rows, so that what goes by pairs of
/// rows is not torn.
pub fn bands(height: u32, workers: u32) -> Vec<Range<u32>> {
    let cut = |n: u32| {
        let even = (u64::from(height) * u64::from(n) / u64::from(workers)).next_multiple_of(2) as u32;
        if n == workers { height } else { even.min(height) }
    };
    (0..workers).map(|n| cut(n)..cut(n + 1)).collect()
}

/// Strips of at most `width` columns, as equal as multiples of 2 can be.
pub fn strips(columns: u32, width: u32) -> Vec<Range<u32>> {
    bands(columns, columns.div_ceil(width.max(1)).max(1))
}

/// Every stage a block of its own.
pub(super) fn alone(stages: &[Stage], shapes: &[Shape], device: &Device) -> Vec<Block> {
    let last_use = last_uses(stages, shapes.len());
    (0..stages.len()).map(|i| best(stages, i..i + 1, shapes, device, &last_use, None)).collect()
}

/// The cheapest blocks, in the cheapest tiles or all in one. Every block costs by itself, so the cheapest way to cut the
/// first n stages is the cheapest last block, and the cheapest way to cut what is before it.
pub(super) fn cut(stages: &[Stage], shapes: &[Shape], device: &Device, tile: Option<Tile>) -> Vec<Block> {
    let last_use = last_uses(stages, shapes.len());
    let mut cheapest: Vec<(f64, Option<Block>)> = vec![(0.0, None)];
    for end in 1..=stages.len() {
        let mut found: (f64, Option<Block>) = (f64::INFINITY, None);
        for start in (end.saturating_sub(MAX_STAGES)..end).rev() {
            let block = best(stages, start..end, shapes, device, &last_use, tile);
            let ns = cheapest[start].0 + block.cost.ns;
            if ns < found.0 {
                found = (ns, Some(block));
            }
        }
        cheapest.push(found);
    }
    let mut blocks = Vec::new();
    let mut end = stages.len();
    while let Some(block) = cheapest[end].1.take() {
        end = block.stages.start;
        blocks.push(block);
    }
    blocks.reverse();
    blocks
}

/// The last stage that reads each value.
fn last_uses(stages: &[Stage], values: usize) -> Vec<Option<usize>> {
    let mut last = vec![None; values];
    for (index, stage) in stages.iter().enumerate() {
        for value in stage.reads() {
            last[value.0] = Some(index);
        }
    }
    last
}

/// The stages of a block, counted from its first, whose results are read by later blocks, but for the last.
fn kept(stages: &[Stage], block: &Range<usize>, last_use: &[Option<usize>]) -> Vec<usize> {
    let later = |index: &usize| last_use[stages[block.start + index].target.0].is_some_and(|last| last >= block.end);
    (0..block.len() - 1).filter(later).collect()
}

/// The block of these stages in its cheapest tile, or in the one that is given.
fn best(
    stages: &[Stage],
    block: Range<usize>,
    shapes: &[Shape],
    device: &Device,
    last_use: &[Option<usize>],
    given: Option<Tile>,
) -> Block {
    let kept = kept(stages, &block, last_use);
    let members = &stages[block.clone()];
    let Extent { width, height } = shapes[members[members.len() - 1].target.0].extent;
    let mut tiles = vec![Tile { width, rows: 1 }];
    if let Some(Tile { width: w, rows }) = given {
        tiles = vec![Tile { width: w.clamp(1, width), rows: rows.clamp(1, height) }];
    } else if members.len() > 1 {
        for rows in [1, 2, 4] {
            tiles.extend([1, 2, 3, 4, 6, 8, 12, 16].map(|parts| Tile { width: width.div_ceil(parts), rows }));
        }
        tiles.retain(|t| t.width == width || t.width >= 8);
        tiles.retain(|t| t.rows == 1 || t.rows <= height);
    }
    let costs = tiles.into_iter().map(|tile| (tile, cost(members, &kept, shapes, tile, device)));
    let (tile, cheapest) = costs.min_by(|a, b| a.1.ns.total_cmp(&b.1.ns)).unwrap_or_default();
    let unfused = members
        .iter()
        .map(|stage| {
            cost(std::slice::from_ref(stage), &[], shapes, Tile { width: full_width(stage, shapes), rows: 1 }, device)
        })
        .fold(Cost::default(), Cost::and);
    Block { name: common_name(members), stages: block, kept, tile, cost: cheapest, unfused }
}

fn full_width(stage: &Stage, shapes: &[Shape]) -> u32 {
    shapes[stage.target.0].extent.width
}

/// What `members` cost as one block in this tile.
fn cost(members: &[Stage], kept: &[usize], shapes: &[Shape], tile: Tile, device: &Device) -> Cost {
    let result = shapes[members[members.len() - 1].target.0];
    let all = |axis, parts: &[Range<u32>]| -> Vec<u64> {
        let mut sums = vec![0u64; members.len()];
        for part in parts {
            for (sum, span) in sums.iter_mut().zip(spans(members, shapes, axis, part.clone(), |_| 1, |_| None)) {
                *sum += u64::from(span.end - span.start);
            }
        }
        sums
    };
    let strips = strips(result.extent.width, tile.width);
    let bands = bands(result.extent.height, device.workers.max(1));
    let (columns, rows) = (all(Axis::Columns, &strips), all(Axis::Rows, &bands));
    // A tile in the middle: what is kept of each stage.
    let middle = |axis, length: u32, side: u32| {
        let length = length.min(side);
        let start = (side - length) / 2;
        spans(members, shapes, axis, start..start + length, |_| 1, |_| None)
    };
    let tile_columns = middle(Axis::Columns, tile.width, result.extent.width);
    let tile_rows = middle(Axis::Rows, tile.rows, result.extent.height);

    let mut total = Cost::default();
    let mut ring_traffic = 0.0;
    let last = members.len() - 1;
    for (index, stage) in members.iter().enumerate() {
        let target = shapes[stage.target.0];
        let padded = target.channels.next_multiple_of(device.lanes);
        let pixels = columns[index] * rows[index];
        let share = pixels as f64 / target.extent.pixels().max(1) as f64;
        total.macs += (stage.macs as f64 * share) as u64;
        total.macs_once += stage.macs;
        total.ns += work(stage, target) * padded as f64 / target.channels.max(1) as f64 * share / device.macs_per_ns;
        total.ns += (rows[index] * strips.len() as u64) as f64 * device.call_ns;
        let size = |shape: Shape| shape.channels.next_multiple_of(device.lanes) as u64 * shape.extent.pixels() * 4;
        // To a whole picture and back: by the time that it is read, other pictures took its place in the caches.
        let mut outside = |bytes: u64| {
            total.bytes += bytes;
            total.ns += bytes as f64 / device.far_bytes_per_ns;
        };
        for value in stage.reads() {
            let source = shapes[value.0];
            if members[..index].iter().any(|s| s.target == value) {
                ring_traffic += taps(stage) * (size(source) as f64) * share;
            } else {
                outside((size(source) as f64 * share) as u64);
            }
        }
        if index == last || kept.contains(&index) {
            outside(size(target));
        }
        if index < last {
            let kept = u64::from(tile_rows[index].end - tile_rows[index].start)
                * u64::from(tile_columns[index].end - tile_columns[index].start);
            total.fast_bytes += kept * padded as u64 * 4;
            ring_traffic += size(target) as f64 * share;
        }
        total.bytes += stage.weight_bytes;
    }
    if total.fast_bytes > device.near_bytes / 2 {
        total.ns += ring_traffic / device.far_bytes_per_ns;
    } else if total.fast_bytes > device.fast_bytes {
        total.ns += ring_traffic / device.near_bytes_per_ns;
    }
    // Workers share all of it but the meeting.
    total.ns = total.ns / f64::from(device.workers.max(1)) + device.meet_ns;
    total
}

/// How often each number of the source is read from memory.
fn taps(stage: &Stage) -> f64 {
    match stage.operation {
        Operation::Conv { kernel: 3, stride: 1, .. } => 3.0,
        Operation::Conv { kernel: 3, .. } => 1.5,
        Operation::Resize(Interpolation::Linear) => 2.0,
        _ => 1.0,
    }
}

/// Multiply-adds, or what takes as long, for the whole picture.
fn work(stage: &Stage, target: Shape) -> f64 {
    let numbers = target.channels as f64 * target.extent.pixels() as f64;
    match stage.operation {
        Operation::Conv { depthwise: true, .. } => 2.0 * stage.macs as f64,
        Operation::Conv { .. } => 1.3 * stage.macs as f64,
        Operation::Resize(_) => 6.0 * numbers,
        Operation::DepthToSpace => 8.0 * numbers,
        Operation::Combine(_) | Operation::Affine | Operation::Copy => 4.0 * numbers,
    }
}

/// What the names of stages have in common, up to a dot; the first and the last where that is nothing.
fn common_name(stages: &[Stage]) -> String {
    let (first, last) = (&stages[0].name, &stages[stages.len() - 1].name);
    if stages.len() == 1 {
        return first.clone();
    }
    let parts: Vec<&str> = first.split('.').zip(last.split('.')).take_while(|(a, b)| a == b).map(|(a, _)| a).collect();
    if !parts.is_empty() {
        return parts.join(".");
    }
    let head = |name: &str| name.split('.').take(2).collect::<Vec<_>>().join(".");
    format!("{} .. {}", head(first), head(last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::graph::Pads;

    fn conv(kernel: usize, stride: usize, source: usize, target: usize) -> Stage {
        let pads = if kernel == 3 { Pads::all(1) } else { Pads::default() };
        Stage {
            name: format!("stage {target}"),
            operation: Operation::Conv { kernel, stride, pads, depthwise: false },
            sources: vec![ValueId(source)],
            second: None,
            activation: None,
            target: ValueId(target),
            macs: 1_000_000,
            weight_bytes: 0,
        }
    }

    fn device(workers: u32) -> Device {
        Device {
            lanes: 8,
            workers,
            fast_bytes: 32 << 10,
            near_bytes: 512 << 10,
            macs_per_ns: 50.0,
            near_bytes_per_ns: 100.0,
            far_bytes_per_ns: 10.0,
            call_ns: 100.0,
            meet_ns: 1000.0,
        }
    }

    fn shapes(sides: &[u32]) -> Vec<Shape> {
        sides.iter().map(|side| Shape { channels: 16, extent: Extent::new(*side, *side) }).collect()
    }

    #[test]
    fn bands_and_strips_cover_everything_once() {
        for length in [1, 2, 7, 16, 45] {
            for parts in 1..6 {
                for cut in [bands(length, parts), strips(length, length.div_ceil(parts))] {
                    assert_eq!((cut[0].start, cut[cut.len() - 1].end), (0, length));
                    assert!(cut.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].end % 2 == 0), "{cut:?}");
                }
            }
        }
    }

    #[test]
    fn a_stage_makes_what_later_stages_read_and_what_is_kept() {
        let stages = [conv(1, 1, 0, 1), conv(3, 1, 1, 2), conv(3, 2, 2, 3)];
        let shapes = shapes(&[32, 32, 32, 16]);
        let made = |of, kept: fn(usize) -> Option<Range<u32>>| spans(&stages, &shapes, Axis::Rows, of, |_| 1, kept);
        assert_eq!(made(4..8, |_| None), [6..17, 7..16, 4..8]);
        assert_eq!(made(0..2, |_| None), [0..5, 0..4, 0..2], "what lies above the picture is not made");
        assert_eq!(made(4..8, |index| (index == 0).then_some(2..10)), [2..17, 7..16, 4..8]);
        assert_eq!(made(4..4, |index| (index == 0).then_some(2..10)), [2..10, 0..0, 0..0]);
        assert_eq!(spans(&stages, &shapes, Axis::Rows, 4..8, |index| [1, 2, 1][index], |_| None), [5..17, 6..16, 4..8]);
    }

    #[test]
    fn the_cheapest_cut_fuses_and_keeps_what_is_read_later() {
        // The last reads the first's result again.
        let mut stages = vec![conv(1, 1, 0, 1), conv(3, 1, 1, 2), conv(1, 1, 2, 3)];
        stages[2].second = Some((ValueId(1), super::super::fused::Join::AfterActivation));
        let shapes = shapes(&[256; 4]);
        let together = cut(&stages, &shapes, &device(1), None);
        assert_eq!((together.len(), together[0].kept.as_slice()), (1, &[][..]));
        assert!(together[0].cost.bytes < together[0].unfused.bytes / 2, "{:?}", together[0]);
        assert!(together[0].cost.ns < together[0].unfused.ns);
        // Memory too small for a few rows of a few columns: less is gained.
        let apart = cut(&stages, &shapes, &Device { near_bytes: 1 << 10, ..device(1) }, None);
        assert!(apart.len() > 1);
        let kept = best(&stages, 0..2, &shapes, &device(2), &last_uses(&stages, shapes.len()), None).kept;
        assert_eq!(kept, [0]);
    }
}
