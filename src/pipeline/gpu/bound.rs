//! A compute pass made ready: its kernel, its uniform buffers, and its products bound for either of the two frames that are
//! kept.

use wgpu::util::DeviceExt as _;

use super::store::GpuStore;
use crate::gpu::{Gpu, GpuError, Kernel};
use crate::pipeline::pass::{Dispatch, Layout, OnGpu, Pass, Varying};
use crate::pipeline::product::{Copies, Place};

/// See the module's text.
#[derive(Debug)]
pub struct BoundPass {
    kernel: Kernel,
    dispatch: &'static Dispatch,
    each: Vec<Each>,
}

/// One of a pass' dispatches.
#[derive(Debug)]
struct Each {
    uniform: wgpu::Buffer,
    /// What the uniform buffer holds now.
    written: Layout,
    /// By slot.
    groups: [wgpu::BindGroup; 2],
    invocations: [u32; 3],
}

impl BoundPass {
    /// Compiles the pass' shader, makes the products that it needs and are not there yet, and binds them. `None` for a pass
    /// that is no compute shader.
    ///
    /// # Errors
    /// When the device refuses the shader or a resource.
    pub fn new(gpu: &Gpu, store: &mut GpuStore, pass: &'static Pass) -> Result<Option<Self>, GpuError> {
        let OnGpu::Dispatch(dispatch) = &pass.gpu else { return Ok(None) };
        let sizes = *store.sizes();
        pass.reads.iter().chain(pass.writes).for_each(|of| store.make(of.product));
        let variant = (dispatch.shader)(&sizes);
        let kernel = Kernel::new(gpu, variant.shader, &variant.constants)?;
        let twofold = pass.reads.iter().chain(pass.writes).any(|of| of.product.copies == Copies::PerFrame);
        let each = (0..dispatch.count).map(|index| {
            let written = (dispatch.layout)(&sizes, &Varying::default(), index);
            let uniform = gpu.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: Some(dispatch.layout_name),
                contents: written.bytes(),
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            });
            let bind = |slot| {
                let place = Place { slot, trip: 0 };
                let mut resources = vec![(dispatch.layout_name, uniform.as_entire_binding())];
                for of in pass.reads.iter().chain(pass.writes) {
                    resources.extend(store.binding(of.product, of.which, place).map(|bound| (of.name, bound)));
                }
                kernel.bind(gpu, &resources)
            };
            let first = bind(0)?;
            let second = if twofold { bind(1)? } else { first.clone() };
            let invocations = (dispatch.invocations)(&sizes, index);
            Ok(Each { uniform, written, groups: [first, second], invocations })
        });
        let each = each.collect::<Result<Vec<_>, GpuError>>()?;
        Ok(Some(Self { kernel, dispatch, each }))
    }

    /// Brings the uniform buffers up to date for the next submission. Writes only what changes.
    pub fn vary(&mut self, gpu: &Gpu, store: &GpuStore, varying: &Varying) {
        for (index, each) in self.each.iter_mut().enumerate() {
            let layout = (self.dispatch.layout)(store.sizes(), varying, index);
            if layout != each.written {
                gpu.queue.write_buffer(&each.uniform, 0, layout.bytes());
                each.written = layout;
            }
        }
    }

    /// Records its dispatches, for the frame in that slot.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>, slot: usize) {
        for each in &self.each {
            self.kernel.dispatch(pass, &each.groups[slot], each.invocations);
        }
    }
}
