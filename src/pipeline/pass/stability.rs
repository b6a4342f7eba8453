//! How steady the painting is, measured while it runs: the painting is compared with the one before, where the input did not
//! change.
//!
//! Two dispatches a comparison, `stability/compare` over all pixels of the student and `stability/gather` over its blocks; 24 bytes
//! read a pixel, 1.5 MB at 320 by 192.

use super::{Dispatch, Layout, OnCpu, OnGpu, Pass, Variant};
use crate::gpu::{Shader, shader};
use crate::kernels::stability::{Seen, blocks_of, compare_rows, gather};
use crate::pipeline::product::{BLOCKS, GUIDE, STABILITY, STEADY};
use crate::units::Extent;

pub const COMPARE_SHADER: Shader = shader!("stability/compare");
pub const GATHER_SHADER: Shader = shader!("stability/gather");

/// Mirrors `CompareLayout` in `shaders/stability/compare.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct CompareLayout {
    pub width: u32,
    pub height: u32,
}

/// Mirrors `GatherLayout` in `shaders/stability/gather.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct GatherLayout {
    pub width: u32,
    pub height: u32,
}

pub const COMPARE: Pass = Pass {
    name: "compare",
    reads: &[GUIDE.now(), GUIDE.before("previous_guide"), STEADY.now(), STEADY.before("previous")],
    writes: &[BLOCKS.now()],
    gpu: OnGpu::Dispatch(Dispatch {
        shaders: &[COMPARE_SHADER],
        shader: |_| Variant::plain(COMPARE_SHADER),
        layout_name: "compare_layout",
        layout: |sizes, _, _| {
            let Extent { width, height } = sizes.student;
            Layout::of(&CompareLayout { width, height })
        },
        count: 1,
        invocations: |sizes, _| [sizes.student.width, sizes.student.height, 1],
    }),
    cpu: OnCpu::Kernel(|frame| {
        frame.write(BLOCKS, |frame, blocks| {
            let extent = frame.sizes().student;
            let now = Seen { guide: frame.read(GUIDE), steady: frame.read(STEADY) };
            let before = Seen { guide: frame.before(GUIDE), steady: frame.before(STEADY) };
            let width = blocks_of(extent).width as usize;
            frame.pool().rows(blocks, width, |rows, band| compare_rows(now, before, extent, rows, band));
        });
    }),
};

pub const GATHER: Pass = Pass {
    name: "gather",
    reads: &[BLOCKS.now()],
    writes: &[STABILITY.as_named("result")],
    gpu: OnGpu::Dispatch(Dispatch {
        shaders: &[GATHER_SHADER],
        shader: |_| Variant::plain(GATHER_SHADER),
        layout_name: "gather_layout",
        layout: |sizes, _, _| {
            let Extent { width, height } = sizes.student;
            Layout::of(&GatherLayout { width, height })
        },
        count: 1,
        invocations: |_, _| [1, 1, 1],
    }),
    cpu: OnCpu::Kernel(|frame| {
        frame.write(STABILITY, |frame, result| {
            result.fill(gather(frame.read(BLOCKS), frame.sizes().student));
        });
    }),
};
