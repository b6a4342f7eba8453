//! The painting, steadied in time.

use super::{CpuFrame, Dispatch, Layout, OnCpu, OnGpu, Pass, Variant};
use crate::gpu::{Shader, shader};
use crate::kernels::compose::{Before, Painting, stabilise};
use crate::pipeline::product::{CARRIED, GUIDE, IMAGE, PAINTED, Product, STEADY, Use};
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
    of_painted,
);

/// Of what was carried along to it.
pub const STABILISE_CARRIED: Pass = pass(
    "stabilise_carried",
    &[CARRIED.as_named("painted"), IMAGE.now(), GUIDE.now(), GUIDE.before("previous_guide"), STEADY.before("previous")],
    of_carried,
);

const WRITES: &[Use] = &[STEADY.now()];

const fn pass(name: &'static str, reads: &'static [Use], cpu: fn(&mut CpuFrame<'_>)) -> Pass {
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
        cpu: OnCpu::Kernel(cpu),
    }
}

/// The kernel over what the student painted, with `PAINTED` as its painting.
fn of_painted(frame: &mut CpuFrame<'_>) {
    steadied(frame, PAINTED);
}

/// The kernel over what was carried along.
fn of_carried(frame: &mut CpuFrame<'_>) {
    steadied(frame, CARRIED);
}

fn steadied(frame: &mut CpuFrame<'_>, painting: Product<[f32; 4]>) {
    frame.write(STEADY, |frame, steady| {
        let (extent, blend) = (frame.sizes().student, frame.varying().blend);
        let now = Painting { painted: frame.read(painting), image: frame.read(IMAGE), guide: frame.read(GUIDE) };
        let before = (blend > 0.0).then(|| Before { steady: frame.before(STEADY), guide: frame.before(GUIDE), blend });
        frame.pool().rows(steady, extent.width as usize, |rows, band| stabilise(now, before, extent, rows, band));
    });
}
