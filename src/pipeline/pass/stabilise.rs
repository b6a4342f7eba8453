//! The painting, steadied in time.

use super::{Dispatch, Layout, OnGpu, Pass, Variant};
use crate::gpu::{Shader, shader};
use crate::pipeline::product::{CARRIED, GUIDE, IMAGE, PAINTED, STEADY, Use};
use crate::units::Extent;

pub const SHADER: Shader = shader!("compose/stabilise", uses "shared/color");

/// Mirrors `StabiliseLayout` in `shaders/compose/stabilise.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct StabiliseLayout {
    pub width: u32,
    pub height: u32,
    pub blend: f32,
}

/// Of what the student painted from the frame in work.
pub const STABILISE: Pass = pass(
    "stabilise",
    &[PAINTED.now(), IMAGE.now(), GUIDE.now(), GUIDE.before("previous_guide"), STEADY.before("previous")],
);

/// Of what was carried along to it.
pub const STABILISE_CARRIED: Pass = pass(
    "stabilise_carried",
    &[CARRIED.as_named("painted"), IMAGE.now(), GUIDE.now(), GUIDE.before("previous_guide"), STEADY.before("previous")],
);

const WRITES: &[Use] = &[STEADY.now()];

const fn pass(name: &'static str, reads: &'static [Use]) -> Pass {
    Pass {
        name,
        reads,
        writes: WRITES,
        gpu: OnGpu::Dispatch(Dispatch {
            shaders: &[SHADER],
            shader: |_| Variant::plain(SHADER),
            layout_name: "stabilise_layout",
            layout: |sizes, varying, _| {
                let Extent { width, height } = sizes.student;
                Layout::of(&StabiliseLayout { width, height, blend: varying.blend })
            },
            count: 1,
            invocations: |sizes, _| [sizes.student.width, sizes.student.height, 1],
        }),
    }
}
