//! The last pass on the GPU: one triangle over the whole of a target.

use wgpu::util::DeviceExt as _;

use crate::canvas::{Tables, bristles};
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
    pub flow: &'a wgpu::TextureView,
    pub drift: &'a wgpu::TextureView,
}

/// What reliefs are made from, in textures that all pipelines of a device share.
#[derive(Debug)]
pub struct TableTextures {
    bristles: wgpu::Texture,
    paper: wgpu::Texture,
}

impl TableTextures {
    /// Those of the device, made when they are first asked for and then empty.
    ///
    /// # Errors
    /// When the device refuses them.
    pub fn of(gpu: &Gpu) -> Result<Self, GpuError> {
        let make = |name, layers, dimension| {
            let side = bristles::SIDE as u32;
            gpu.shared_texture(&wgpu::TextureDescriptor {
                label: Some(name),
                size: wgpu::Extent3d { width: side, height: side, depth_or_array_layers: layers },
                mip_level_count: 1,
                sample_count: 1,
                dimension,
                format: wgpu::TextureFormat::Rgba8Snorm,
                usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            })
        };
        Ok(Self {
            bristles: make(BRISTLES, bristles::TURNS as u32, wgpu::TextureDimension::D3)?,
            paper: make(PAPER, 1, wgpu::TextureDimension::D2)?,
        })
    }

    /// Once for a device: four megabytes.
    pub fn fill(&self, gpu: &Gpu, tables: &Tables) {
        for (texture, name, texels) in
            [(&self.bristles, BRISTLES, &tables.bristles.texels), (&self.paper, PAPER, &tables.paper.texels)]
        {
            if gpu.is_first_use(name) {
                let size = texture.size();
                let layout = wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(size.width * 4),
                    rows_per_image: Some(size.height),
                };
                gpu.queue.write_texture(texture.as_image_copy(), bytemuck::cast_slice(texels), layout, size);
            }
        }
    }
}

const BRISTLES: &str = "bristles";
const PAPER: &str = "paper";

impl Present {
    /// # Errors
    /// When the device refuses the shader, or a target of that format.
    pub fn new(
        gpu: &Gpu,
        format: wgpu::TextureFormat,
        slots: &[PresentSource<'_>],
        tables: &TableTextures,
    ) -> Result<Self, GpuError> {
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
            let repeat = gpu.device.create_sampler(&wgpu::SamplerDescriptor {
                label: Some("linear repeat"),
                address_mode_u: wgpu::AddressMode::Repeat,
                address_mode_v: wgpu::AddressMode::Repeat,
                address_mode_w: wgpu::AddressMode::Repeat,
                mag_filter: wgpu::FilterMode::Linear,
                min_filter: wgpu::FilterMode::Linear,
                ..Default::default()
            });
            let [bristles, paper] = [&tables.bristles, &tables.paper]
                .map(|texture| texture.create_view(&wgpu::TextureViewDescriptor::default()));
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
                        entry(5, wgpu::BindingResource::TextureView(source.flow)),
                        entry(6, wgpu::BindingResource::TextureView(&bristles)),
                        entry(7, wgpu::BindingResource::TextureView(&paper)),
                        entry(8, wgpu::BindingResource::Sampler(&repeat)),
                        entry(9, wgpu::BindingResource::TextureView(source.drift)),
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
