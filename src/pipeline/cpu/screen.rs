//! A finished picture onto a target: uploaded once, and copied or drawn for each drawing of the window.

use super::Finished;
use crate::gpu::{Gpu, GpuError, Uploader};
use crate::pipeline::gpu::{Present, PresentSource, TableTextures, no_painting};
use crate::pipeline::present::PictureLayout;
use crate::units::Extent;

/// Pictures on their way to the GPU at once: copied from, waiting for it, being written.
const UPLOADS: usize = 3;

/// See the module's text.
pub(super) struct Screen {
    gpu: Gpu,
    format: wgpu::TextureFormat,
    canvas: Option<Canvas>,
}

/// For pictures of one size.
struct Canvas {
    texture: wgpu::Texture,
    upload: Uploader,
    /// Draws it onto targets that cannot be copied to.
    present: Present,
    /// Number of the picture that it holds.
    holds: Option<u64>,
}

impl Screen {
    /// For targets of `format`.
    pub fn new(gpu: &Gpu, format: wgpu::TextureFormat) -> Self {
        Self { gpu: gpu.clone(), format, canvas: None }
    }

    /// Whether pictures are to have blue first.
    pub fn blue_first(&self) -> bool {
        matches!(self.format, wgpu::TextureFormat::Bgra8Unorm | wgpu::TextureFormat::Bgra8UnormSrgb)
    }

    /// What was uploaded was submitted.
    pub fn submitted(&mut self) {
        if let Some(canvas) = &mut self.canvas {
            canvas.upload.submitted();
        }
    }

    /// Records the picture over the whole of `target`, stretched where it is of another size; black without one.
    pub fn draw(&mut self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::TextureView, picture: Option<&Finished>) {
        let Some(picture) = picture else { return self.clear(encoder, target) };
        let extent = picture.show.target;
        let fits = |canvas: &Canvas| extent_of(&canvas.texture) == extent;
        if !self.canvas.as_ref().is_some_and(fits) {
            match self.canvas(extent) {
                Ok(canvas) => self.canvas = Some(canvas),
                Err(error) => {
                    log::error!("{error}");
                    self.canvas = None;
                }
            }
        }
        let Some(canvas) = &mut self.canvas else { return self.clear(encoder, target) };
        if canvas.holds != Some(picture.number) {
            canvas.upload.write_picture(&self.gpu, encoder, &canvas.texture, &picture.pixels);
            canvas.holds = Some(picture.number);
        }
        let onto = target.texture();
        let alike = onto.format() == canvas.texture.format() && extent_of(onto) == extent;
        if alike && onto.usage().contains(wgpu::TextureUsages::COPY_DST) {
            encoder.copy_texture_to_texture(canvas.texture.as_image_copy(), onto.as_image_copy(), onto.size());
            self.gpu.work.copied(extent.pixels() * 4);
        } else {
            let layout = PictureLayout::one_to_one(extent_of(onto));
            canvas.present.record(&self.gpu, encoder, target, Some(0), layout, None);
        }
    }

    fn clear(&self, encoder: &mut wgpu::CommandEncoder, target: &wgpu::TextureView) {
        let ops = wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store };
        drop(encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("nothing to show yet"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view: target,
                depth_slice: None,
                resolve_target: None,
                ops,
            })],
            ..Default::default()
        }));
        self.gpu.work.pass();
    }

    fn canvas(&self, extent: Extent) -> Result<Canvas, GpuError> {
        let Extent { width, height } = extent;
        let format = if self.blue_first() { wgpu::TextureFormat::Bgra8Unorm } else { wgpu::TextureFormat::Rgba8Unorm };
        let texture = self.gpu.checked("the finished picture", || {
            Ok(self.gpu.device.create_texture(&wgpu::TextureDescriptor {
                label: Some("finished picture"),
                size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format,
                usage: wgpu::TextureUsages::TEXTURE_BINDING
                    | wgpu::TextureUsages::COPY_SRC
                    | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            }))
        })?;
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let none = no_painting(&self.gpu)?;
        let source = PresentSource { frame: &view, painting: &none, gains: &none, flow: &none, drift: &none };
        let present = Present::new(&self.gpu, self.format, &[source], &TableTextures::of(&self.gpu)?)?;
        let bytes = Uploader::row_bytes(width) * height as usize;
        Ok(Canvas { texture, upload: Uploader::new(&self.gpu, bytes, UPLOADS), present, holds: None })
    }
}

fn extent_of(texture: &wgpu::Texture) -> Extent {
    Extent::new(texture.width(), texture.height())
}
