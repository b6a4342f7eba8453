//! What tells the student where strokes lie, of a network that takes that in.

use super::{Dispatch, Layout, OnCpu, OnGpu, Pass, Variant};
use crate::gpu::{Shader, shader};
use crate::kernels::canvas::{canvas_extent, step};
use crate::pipeline::product::{CANVAS, CANVAS_FIELD, DRIFT};
use crate::units::Extent;

pub const SHADER: Shader = shader!("canvas/sample_canvas");

/// Mirrors `CanvasLayout` in `shaders/canvas/sample_canvas.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct CanvasLayout {
    pub width: u32,
    pub height: u32,
    pub groups: u32,
    pub step: f32,
    pub strength: f32,
}

pub const SAMPLE_CANVAS: Pass = Pass {
    name: "sample_canvas",
    reads: &[CANVAS_FIELD.now(), DRIFT.now()],
    writes: &[CANVAS.now()],
    gpu: OnGpu::Dispatch(Dispatch {
        shaders: &[SHADER],
        shader: |_| Variant::plain(SHADER),
        layout_name: "canvas_layout",
        layout: |sizes, varying, _| {
            let Extent { width, height } = canvas_extent(sizes.student);
            let brush = &varying.brush;
            let groups = sizes.canvas_groups();
            Layout::of(&CanvasLayout { width, height, groups, step: step(brush), strength: brush.strength })
        },
        count: 1,
        invocations: |sizes, _| {
            let Extent { width, height } = canvas_extent(sizes.student);
            [width, height, 1]
        },
    }),
    cpu: OnCpu::Nothing,
};
