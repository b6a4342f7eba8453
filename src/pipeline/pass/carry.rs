//! The newest painting moved to where things are now: what stands in for the student on the frames that it does not paint.

use super::{Dispatch, Layout, OnCpu, OnGpu, Pass, Variant};
use crate::gpu::{Shader, shader};
use crate::kernels::motion::{Fields, Key, carry_rows};
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
    cpu: OnCpu::Kernel(|frame| {
        frame.write(CARRIED, |frame, carried| {
            let extent = frame.sizes().student;
            let key = Key { guide: frame.read(KEY_GUIDE), painting: frame.read(PAINTED) };
            let (guide, field) = (frame.read(GUIDE), frame.read(FIELD));
            frame.pool().rows(carried, extent.width as usize, |rows, band| {
                carry_rows(key, guide, field, extent, rows, band);
            });
        });
    }),
};

fn layout(sizes: &Sizes) -> CarryLayout {
    let Extent { width, height } = sizes.student;
    let Extent { width: columns, height: rows } = Fields::new(sizes.student).grid(0);
    CarryLayout { width, height, columns, rows }
}
