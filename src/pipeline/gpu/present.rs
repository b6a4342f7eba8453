//! The last pass on the GPU: one triangle over the whole of a target.

use wgpu::util::DeviceExt as _;

use crate::gpu::{Gpu, GpuError};
use crate::pipeline::pass::picture::SHADER;
use crate::pipeline::present::PictureLayout;

/// The render pipeline for one format of target, with a bind group for each slot.
#[derive(Debug)]
pub struct Present {
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::Buffer,
    slots: Vec<wgpu::BindGroup>,
    /// What the uniform buffer holds now.
    written: PictureLayout,
}

/// The textures of one slot that the last pass reads.
#[derive(Clone, Copy, Debug)]
pub struct PresentSource<'a> {
    pub frame: &'a wgpu::TextureView,
    pub painting: &'a wgpu::TextureView,
    pub gains: &'a wgpu::TextureView,
}

impl Present {
    /// # Errors
    /// When the device refuses the shader, or a target of that format.
    pub fn new(gpu: &Gpu, format: wgpu::TextureFormat, slots: &[PresentSource<'_>]) -> Result<Self, GpuError> {
        gpu.checked(SHADER.name, || {
            let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(SHADER.name),
                source: wgpu::ShaderSource::Wgsl(SHADER.wgsl().into()),
            });
            let constants = [("srgb_target", f64::from(u8::from(format.is_srgb())))];
            let compilation_options =
                wgpu::PipelineCompilationOptions { constants: &constants, zero_initialize_workgroup_memory: false };
            let pipeline = gpu.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
                label: Some(SHADER.name),
                layout: None,
                vertex: wgpu::VertexState {
                    module: &module,
                    entry_point: Some("picture_vertex"),
                    compilation_options: wgpu::PipelineCompilationOptions::default(),
                    buffers: &[],
                },
                primitive: wgpu::PrimitiveState::default(),
                depth_stencil: None,
                multisample: wgpu::MultisampleState::default(),
                fragment: Some(wgpu::FragmentState {
                    module: &module,
                    entry_point: Some("picture_fragment"),
                    compilation_options,
                    targets: &[Some(format.into())],
                }),
                multiview_mask: None,
                cache: None,
            });
            let sampler = gpu.device.create_sampler(&wgpu::SamplerDescriptor {
                label: Some("linear clamp"),
                mag_filter: wgpu::FilterMode::Linear,
                min_filter: wgpu::FilterMode::Linear,
                ..Default::default()
            });
            let written = bytemuck::Zeroable::zeroed();
            let layout = gpu.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: Some("picture layout"),
                contents: bytemuck::bytes_of::<PictureLayout>(&written),
                usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            });
            let group = pipeline.get_bind_group_layout(0);
            let bind = |source: &PresentSource<'_>| {
                let entry = |binding, resource| wgpu::BindGroupEntry { binding, resource };
                gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                    label: Some(SHADER.name),
                    layout: &group,
                    entries: &[
                        entry(0, wgpu::BindingResource::TextureView(source.frame)),
                        entry(1, wgpu::BindingResource::TextureView(source.painting)),
                        entry(2, wgpu::BindingResource::TextureView(source.gains)),
                        entry(3, wgpu::BindingResource::Sampler(&sampler)),
                        entry(4, layout.as_entire_binding()),
                    ],
                })
            };
            let slots = slots.iter().map(bind).collect();
            Ok(Self { pipeline, layout, slots, written })
        })
    }

    /// Records the pass over the whole of `target`. One layout serves all passes of a submission.
    pub fn record(
        &mut self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        target: &wgpu::TextureView,
        slot: Option<usize>,
        layout: PictureLayout,
        timestamp_writes: Option<wgpu::RenderPassTimestampWrites<'_>>,
    ) {
        if layout != self.written {
            gpu.queue.write_buffer(&self.layout, 0, bytemuck::bytes_of(&layout));
            self.written = layout;
        }
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some(SHADER.name),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: target,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store },
            })],
            depth_stencil_attachment: None,
            timestamp_writes,
            occlusion_query_set: None,
            multiview_mask: None,
        });
        gpu.work.pass();
        if let Some(slot) = slot.and_then(|slot| self.slots.get(slot)) {
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, slot, &[]);
            pass.draw(0..3, 0..1);
            gpu.work.drew();
        }
    }
}
