//! Where the blocks of the present frame were in the frame that was painted last: block matching, from the coarsest level to
//! the finest.
//!
//! At 320 by 192 there are 1,260 blocks of 64 pixels, each with at most 49 candidates: 2.7 million differences if everything
//! moves, and next to none where nothing does.

use super::{CpuFrame, Dispatch, Layout, OnCpu, OnGpu, Pass, Variant};
use crate::gpu::{Shader, shader};
use crate::kernels::motion::{self, Fields, Vector, level_extent, search_rows};
use crate::pipeline::product::{FIELD, KEY_LEVELS, LEVELS, STEP_FIELD, Sizes, Use};
use crate::units::Extent;

pub const SHADER: Shader = shader!("motion/search");

/// Invocations of one workgroup, which does one block: the shader's `workgroup_size`.
const GROUP: u32 = 64;

/// Mirrors `SearchLayout` in `shaders/motion/search.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct SearchLayout {
    pub width: u32,
    pub height: u32,
    pub level_at: u32,
    pub columns: u32,
    pub rows: u32,
    pub field_at: u32,
    pub parent_columns: u32,
    pub parent_rows: u32,
    pub parent_at: u32,
    pub radius: u32,
    pub finest: u32,
}

/// Since the frame that was painted last.
pub const SEARCH: Pass =
    pass("search", &[LEVELS.as_named("now"), KEY_LEVELS.as_named("key")], &[FIELD.now()], OnCpu::Kernel(of_painted));

/// Since the frame before.
pub const SEARCH_STEP: Pass = pass(
    "search_step",
    &[LEVELS.as_named("now"), LEVELS.before("key")],
    &[STEP_FIELD.as_named("field")],
    OnCpu::Kernel(of_step),
);

const fn pass(name: &'static str, reads: &'static [Use], writes: &'static [Use], cpu: OnCpu) -> Pass {
    Pass {
        name,
        reads,
        writes,
        gpu: OnGpu::Dispatch(Dispatch {
            shaders: &[SHADER],
            shader: |_| Variant::plain(SHADER),
            layout_name: "search_layout",
            layout: |sizes, _, index| Layout::of(&layout(sizes, level(index))),
            count: motion::LEVELS,
            invocations: |sizes, index| {
                let Extent { width, height } = Fields::new(sizes.student).grid(level(index));
                [width * GROUP, height, 1]
            },
        }),
        cpu,
    }
}

fn of_painted(frame: &mut CpuFrame<'_>) {
    frame.write(FIELD, |frame, field| search(frame, frame.read(LEVELS), frame.read(KEY_LEVELS), field));
}

/// Where there is no frame before, nothing has moved.
fn of_step(frame: &mut CpuFrame<'_>) {
    frame.write(STEP_FIELD, |frame, field| match frame.before(LEVELS) {
        key if frame.varying().continues && !key.is_empty() => search(frame, frame.read(LEVELS), key, field),
        _ => field.fill([0; 2]),
    });
}

fn search(frame: &CpuFrame<'_>, now: &[u32], key: &[u32], field: &mut [Vector]) {
    let extent = frame.sizes().student;
    let fields = Fields::new(extent);
    for level in (0..motion::LEVELS).rev() {
        let grid = fields.grid(level);
        let (own, coarser) = field[fields.at(level)..].split_at_mut(grid.pixels() as usize);
        let coarser: &[_] = coarser;
        frame.pool().rows(own, grid.width as usize, |rows, band| {
            search_rows(now, key, extent, level, coarser, rows, band);
        });
    }
}

/// The coarsest level comes first.
fn level(index: usize) -> usize {
    motion::LEVELS - 1 - index
}

fn layout(sizes: &Sizes, level: usize) -> SearchLayout {
    let fields = Fields::new(sizes.student);
    let Extent { width, height } = level_extent(sizes.student, level);
    let grid = fields.grid(level);
    let coarsest = level + 1 == motion::LEVELS;
    let parent = if coarsest { Extent::new(0, 0) } else { fields.grid(level + 1) };
    SearchLayout {
        width,
        height,
        level_at: motion::level_at(sizes.student, level) as u32,
        columns: grid.width,
        rows: grid.height,
        field_at: fields.at(level) as u32,
        parent_columns: parent.width,
        parent_rows: parent.height,
        parent_at: if coarsest { 0 } else { fields.at(level + 1) as u32 },
        radius: motion::RADIUS[level] as u32,
        finest: u32::from(level == 0),
    }
}
