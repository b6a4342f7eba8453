//! The last pass: the picture onto a target, at the target's own resolution.
//!
//! The painting is brought to full size here rather than into a picture of its own: nothing larger than the student's own
//! size is ever written before the target itself.

use wgpu::util::DeviceExt as _;

use crate::gpu::{Gpu, GpuError, Shader, shader};
use crate::kernels::prepare::Crop;
use crate::units::Extent;

pub const PICTURE: Shader = shader!("present/picture", uses "shared/color");

/// How a picture of another aspect ratio meets its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// All of the picture, bars beside it.
    #[default]
    Contain,
    /// All of the target, the picture cut.
    Cover,
}

/// What the user chose about how the painted picture is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// How much of the painting shows, 0..=1.
    pub strength: f32,
    /// Left and right swapped, as in a mirror.
    pub mirror: bool,
    /// Where the before/after line stands, 0..=1 from the left of the picture as it is shown; painted right of it.
    pub split: Option<f32>,
    /// Share of the previous painting where nothing moves, 0..=1: steadier the higher. From the next frame on.
    pub blend: f32,
    pub fit: Fit,
}

impl Default for Look {
    fn default() -> Self {
        Self { strength: 1.0, mirror: false, split: None, blend: 0.5, fit: Fit::Contain }
    }
}

/// Where the picture lies on a target, in the target's pixels. Reaches beyond the target when it covers it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    pub left: f32,
    pub top: f32,
    pub width: f32,
    pub height: f32,
}

impl Placement {
    /// Centred, as large as `fit` allows, sides and corners on whole pixels.
    pub fn of(picture_aspect: f32, target: Extent, fit: Fit) -> Self {
        let (width, height) = (target.width as f32, target.height as f32);
        let wider = picture_aspect > target.aspect();
        let fill_width = match fit {
            Fit::Contain => wider,
            Fit::Cover => !wider,
        };
        let (w, h) = if fill_width {
            (width, (width / picture_aspect).round().max(1.0))
        } else {
            ((height * picture_aspect).round().max(1.0), height)
        };
        Self { left: ((width - w) / 2.0).floor(), top: ((height - h) / 2.0).floor(), width: w, height: h }
    }

    /// Where along the picture's width the target column `x_px` lies, 0..=1: what dragging the split line needs.
    pub fn share_of_column(&self, x_px: f32) -> f32 {
        ((x_px - self.left) / self.width).clamp(0.0, 1.0)
    }
}

/// Mirrors `PictureLayout` in `shaders/present/picture.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct PictureLayout {
    pub scale: [f32; 2],
    pub shift: [f32; 2],
    pub crop_scale: [f32; 2],
    pub crop_shift: [f32; 2],
    pub strength: f32,
    pub split_px: f32,
}

impl PictureLayout {
    /// `split_px` where there is no line: left of every column.
    const NO_LINE: f32 = -1e6;

    pub fn new(frame: Extent, crop: Crop, target: Extent, look: &Look, painted: bool) -> Self {
        let place = Placement::of(crop.aspect(), target, look.fit);
        let (mut scale, mut shift) =
            ([1.0 / place.width, 1.0 / place.height], [-place.left / place.width, -place.top / place.height]);
        if look.mirror {
            (scale[0], shift[0]) = (-scale[0], 1.0 - shift[0]);
        }
        let (width, height) = (frame.width as f32, frame.height as f32);
        let split_px = match look.split {
            Some(split) if painted => (place.left + split.clamp(0.0, 1.0) * place.width).round(),
            _ => Self::NO_LINE,
        };
        Self {
            scale,
            shift,
            crop_scale: [crop.width / width, crop.height / height],
            crop_shift: [crop.left / width, crop.top / height],
            strength: if painted { look.strength.clamp(0.0, 1.0) } else { 0.0 },
            split_px,
        }
    }
}

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
        gpu.checked(PICTURE.name, || {
            let module = gpu.device.create_shader_module(wgpu::ShaderModuleDescriptor {
                label: Some(PICTURE.name),
                source: wgpu::ShaderSource::Wgsl(PICTURE.wgsl().into()),
            });
            let constants = [("srgb_target", f64::from(u8::from(format.is_srgb())))];
            let compilation_options =
                wgpu::PipelineCompilationOptions { constants: &constants, zero_initialize_workgroup_memory: false };
            let pipeline = gpu.device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
                label: Some(PICTURE.name),
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
                    label: Some(PICTURE.name),
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
            label: Some(PICTURE.name),
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
