//! Strokes that go along with what is painted.

use super::{Dispatch, Layout, OnCpu, OnGpu, Pass, Variant};
use crate::gpu::{Shader, shader};
use crate::kernels::drift::{Step, drift_rows};
use crate::kernels::motion::Fields;
use crate::kernels::relief::cells;
use crate::pipeline::product::{DRIFT, GUIDE, STEP_FIELD, Sizes};
use crate::units::Extent;

pub const SHADER: Shader = shader!("motion/drift_of_cells");

/// Mirrors `DriftLayout` in `shaders/motion/drift_of_cells.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct DriftLayout {
    pub width: u32,
    pub height: u32,
    pub columns: u32,
    pub rows: u32,
    pub blocks_across: u32,
    pub blocks_down: u32,
    pub follows: u32,
}

pub const DRIFT_OF_CELLS: Pass = Pass {
    name: "drift_of_cells",
    reads: &[GUIDE.now(), GUIDE.before("previous_guide"), STEP_FIELD.as_named("field"), DRIFT.before("previous")],
    writes: &[DRIFT.now()],
    gpu: OnGpu::Dispatch(Dispatch {
        shaders: &[SHADER],
        shader: |_| Variant::plain(SHADER),
        layout_name: "drift_layout",
        layout: |sizes, varying, _| Layout::of(&layout(sizes, varying.continues)),
        count: 1,
        invocations: |sizes, _| {
            let Extent { width, height } = cells(sizes.student);
            [width, height, 1]
        },
    }),
    cpu: OnCpu::Kernel(|frame| {
        frame.write(DRIFT, |frame, drift| {
            let extent = frame.sizes().student;
            let step = frame.varying().continues.then(|| Step {
                guide: frame.read(GUIDE),
                previous_guide: frame.before(GUIDE),
                field: frame.read(STEP_FIELD),
                previous: frame.before(DRIFT),
            });
            frame.pool().rows(drift, cells(extent).width as usize, |rows, band| drift_rows(step, extent, rows, band));
        });
    }),
};

fn layout(sizes: &Sizes, continues: bool) -> DriftLayout {
    let Extent { width, height } = sizes.student;
    let Extent { width: columns, height: rows } = cells(sizes.student);
    let Extent { width: blocks_across, height: blocks_down } = Fields::new(sizes.student).grid(0);
    DriftLayout { width, height, columns, rows, blocks_across, blocks_down, follows: u32::from(continues) }
}
