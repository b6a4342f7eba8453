//! What is compared to find motion.

use super::{Dispatch, Layout, OnCpu, OnGpu, Pass, Variant};
use crate::gpu::{Shader, shader};
use crate::kernels::motion::{self, level_at, level_extent, pyramid_rows};
use crate::pipeline::product::{GUIDE, LEVELS};
use crate::units::Extent;

pub const SHADER: Shader = shader!("motion/pyramid");

/// Mirrors `PyramidLayout` in `shaders/motion/pyramid.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct PyramidLayout {
    pub width: u32,
    pub height: u32,
}

pub const PYRAMID: Pass = Pass {
    name: "pyramid",
    reads: &[GUIDE.now()],
    writes: &[LEVELS.now()],
    gpu: OnGpu::Dispatch(Dispatch {
        shaders: &[SHADER],
        shader: |_| Variant::plain(SHADER),
        layout_name: "pyramid_layout",
        layout: |sizes, _, _| {
            let Extent { width, height } = sizes.student;
            Layout::of(&PyramidLayout { width, height })
        },
        count: 1,
        invocations: |sizes, _| {
            let half = level_extent(sizes.student, 0);
            [half.width, half.height, 1]
        },
    }),
    cpu: OnCpu::Kernel(|frame| {
        frame.write(LEVELS, |frame, levels| {
            let (extent, guide) = (frame.sizes().student, frame.read(GUIDE));
            for level in 0..motion::LEVELS {
                let size = level_extent(extent, level);
                let own = &mut levels[level_at(extent, level)..][..size.pixels() as usize];
                frame.pool().rows(own, size.width as usize, |rows, band| {
                    pyramid_rows(guide, extent, level, rows, band);
                });
            }
        });
    }),
};
