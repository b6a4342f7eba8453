//! The newest painting moved to where things are now: what stands in for the student on the frames that it does not paint.

use super::{Dispatch, Layout, OnGpu, Pass, Variant};
use crate::gpu::{Shader, shader};
use crate::kernels::motion::Fields;
use crate::pipeline::product::{CARRIED, FIELD, GUIDE, KEY_GUIDE, PAINTED, Sizes};
use crate::units::Extent;

pub const SHADER: Shader = shader!("motion/carry");

/// Mirrors `CarryLayout` in `shaders/motion/carry.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct CarryLayout {
    pub width: u32,
    pub height: u32,
    pub columns: u32,
    pub rows: u32,
}

pub const CARRY: Pass = Pass {
    name: "carry",
    reads: &[PAINTED.as_named("key_painting"), KEY_GUIDE.now(), GUIDE.now(), FIELD.now()],
    writes: &[CARRIED.now()],
    gpu: OnGpu::Dispatch(Dispatch {
        shaders: &[SHADER],
        shader: |_| Variant::plain(SHADER),
        layout_name: "carry_layout",
        layout: |sizes, _, _| Layout::of(&layout(sizes)),
        count: 1,
        invocations: |sizes, _| [sizes.student.width, sizes.student.height, 1],
    }),
};

fn layout(sizes: &Sizes) -> CarryLayout {
    let Extent { width, height } = sizes.student;
    let Extent { width: columns, height: rows } = Fields::new(sizes.student).grid(0);
    CarryLayout { width, height, columns, rows }
}
