//! The frame's picture to what the student sees.

use super::{Dispatch, Layout, OnCpu, OnGpu, Pass, Variant};
use crate::gpu::{Shader, shader};
use crate::pipeline::product::{FRAME, GUIDE, IMAGE, Sizes};
use crate::units::Extent;

pub const SHADER: Shader = shader!("ingest/prepare");

/// Mirrors `PrepareLayout` in `shaders/ingest/prepare.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct PrepareLayout {
    pub origin: [f32; 2],
    pub step: [f32; 2],
    pub width: u32,
    pub height: u32,
}

pub const PREPARE: Pass = Pass {
    name: "prepare",
    reads: &[FRAME.now()],
    writes: &[IMAGE.now(), GUIDE.now()],
    gpu: OnGpu::Dispatch(Dispatch {
        shaders: &[SHADER],
        shader: |_| Variant::plain(SHADER),
        layout_name: "prepare_layout",
        layout: |sizes, _, _| Layout::of(&layout(sizes)),
        count: 1,
        invocations: |sizes, _| [sizes.student.width, sizes.student.height, 1],
    }),
    cpu: OnCpu::Kernel(|frame| {
        frame.write_two(IMAGE, GUIDE, |frame, image, guide| {
            let (picture, width) = (frame.read(FRAME), frame.sizes().student.width as usize);
            frame.pool().rows_of_two((image, width), (guide, width), |rows, image, guide| {
                frame.resize().rows(picture, rows, image, guide);
            });
        });
    }),
};

fn layout(Sizes { crop, student: Extent { width, height }, .. }: &Sizes) -> PrepareLayout {
    PrepareLayout {
        origin: [crop.left, crop.top],
        step: [crop.width / *width as f32, crop.height / *height as f32],
        width: *width,
        height: *height,
    }
}
