//! Where strokes go: what the last pass lays the relief along. Two dispatches over the cells of the student's picture.

use super::{Dispatch, Layout, OnCpu, OnGpu, Pass, Variant};
use crate::canvas::Swirl;
use crate::gpu::{Shader, shader};
use crate::kernels::canvas::step;
use crate::kernels::relief::{FlowLook, SLOW, cells, flow_rows, tensor_rows};
use crate::pipeline::product::{FLOW, STEADY, Sizes, TENSOR};
use crate::units::Extent;

pub const TENSOR_SHADER: Shader = shader!("relief/tensor_of_cells");
pub const FLOW_SHADER: Shader = shader!("relief/flow_of_cells");

/// Mirrors `TensorLayout` in `shaders/relief/tensor_of_cells.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct TensorLayout {
    pub width: u32,
    pub height: u32,
    pub columns: u32,
    pub rows: u32,
}

/// Mirrors `FlowLayout` in `shaders/relief/flow_of_cells.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct FlowLayout {
    pub waves: [[f32; 4]; 6],
    pub columns: u32,
    pub rows: u32,
    pub step: f32,
    pub swirl: f32,
    pub follows: u32,
    pub _pad: [u32; 3],
}

pub const TENSOR_OF_CELLS: Pass = Pass {
    name: "tensor_of_cells",
    reads: &[STEADY.now()],
    writes: &[TENSOR.now()],
    gpu: OnGpu::Dispatch(Dispatch {
        shaders: &[TENSOR_SHADER],
        shader: |_| Variant::plain(TENSOR_SHADER),
        layout_name: "tensor_layout",
        layout: |sizes, _, _| {
            let Extent { width, height } = sizes.student;
            let Extent { width: columns, height: rows } = cells(sizes.student);
            Layout::of(&TensorLayout { width, height, columns, rows })
        },
        count: 1,
        invocations: |sizes, _| invocations(sizes),
    }),
    cpu: OnCpu::Kernel(|frame| {
        frame.write(TENSOR, |frame, tensor| {
            let (extent, steady) = (frame.sizes().student, frame.read(STEADY));
            frame.pool().rows(tensor, cells(extent).width as usize, |rows, band| {
                tensor_rows(steady, extent, rows, band);
            });
        });
    }),
};

pub const FLOW_OF_CELLS: Pass = Pass {
    name: "flow_of_cells",
    reads: &[TENSOR.now(), FLOW.before("previous")],
    writes: &[FLOW.now()],
    gpu: OnGpu::Dispatch(Dispatch {
        shaders: &[FLOW_SHADER],
        shader: |_| Variant::plain(FLOW_SHADER),
        layout_name: "flow_layout",
        layout: |sizes, varying, _| {
            let Extent { width: columns, height: rows } = cells(sizes.student);
            let waves = Swirl::new(varying.brush.seed).waves.map(|[x, y, phase]| [x, y, phase, 0.0]);
            let (step, follows) = (SLOW * step(&varying.brush), u32::from(varying.follows));
            Layout::of(&FlowLayout { waves, columns, rows, step, swirl: varying.swirl, follows, _pad: [0; 3] })
        },
        count: 1,
        invocations: |sizes, _| invocations(sizes),
    }),
    cpu: OnCpu::Kernel(|frame| {
        frame.write(FLOW, |frame, flow| {
            let (extent, tensor, varying) = (frame.sizes().student, frame.read(TENSOR), frame.varying());
            let before = varying.follows.then(|| frame.before(FLOW));
            let look = FlowLook { brush: varying.brush, swirl: varying.swirl };
            frame.pool().rows(flow, cells(extent).width as usize, |rows, band| {
                flow_rows(tensor, extent, look, before, rows, band);
            });
        });
    }),
};

fn invocations(sizes: &Sizes) -> [u32; 3] {
    let Extent { width, height } = cells(sizes.student);
    [width, height, 1]
}
