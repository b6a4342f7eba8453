//! Pictures back on the CPU: for stills, rendering to files, and taps. Drawing is recorded here; what comes back is waited for
//! by whoever wants it, on a thread that may wait.

use super::{GpuChain, build_present, check_size};
use crate::gpu::{Gpu, GpuError};
use crate::pipeline::PipelineError;
use crate::pipeline::present::PictureLayout;
use crate::units::Extent;

pub(super) const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Something of a fixed size to draw a picture to.
pub(super) struct Target {
    texture: wgpu::Texture,
    pub view: wgpu::TextureView,
}

impl Target {
    pub fn new(gpu: &Gpu, extent: Extent) -> Result<Self, GpuError> {
        gpu.checked("a picture to read back", || {
            let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
                label: Some("to read back"),
                size: wgpu::Extent3d { width: extent.width, height: extent.height, depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: FORMAT,
                usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
                view_formats: &[],
            });
            let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
            Ok(Self { texture, view })
        })
    }

    /// Records that the picture be copied to where it can be read.
    pub fn copy(&self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder, back: &ReadBack) {
        let layout =
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(back.row_bytes), rows_per_image: None };
        let info = wgpu::TexelCopyBufferInfo { buffer: &back.buffer, layout };
        encoder.copy_texture_to_buffer(self.texture.as_image_copy(), info, self.texture.size());
        gpu.work.copied(back.buffer.size());
    }
}

/// A buffer in which a picture comes back.
pub(super) struct ReadBack {
    buffer: wgpu::Buffer,
    row_bytes: u32,
    extent: Extent,
}

impl ReadBack {
    pub fn new(gpu: &Gpu, extent: Extent) -> Result<Self, GpuError> {
        let row_bytes = (extent.width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let buffer = gpu.checked("a picture to read back", || {
            Ok(gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("read back"),
                size: u64::from(row_bytes) * u64::from(extent.height),
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            }))
        })?;
        Ok(Self { buffer, row_bytes, extent })
    }

    /// Asks for it back, once what copies to it was submitted.
    pub fn map(&self) {
        // Whether it succeeded shows when the range is asked for.
        self.buffer.slice(..).map_async(wgpu::MapMode::Read, |_| {});
    }

    pub fn unmap(&self) {
        self.buffer.unmap();
    }

    /// What came back, into `pixels`, which have its size. False where nothing did.
    pub fn read(&self, pixels: &mut [[u8; 4]]) -> bool {
        let Ok(view) = self.buffer.slice(..).get_mapped_range() else { return false };
        let width = self.extent.width as usize;
        for (pixels, row) in pixels.chunks_exact_mut(width).zip(view.chunks_exact(self.row_bytes as usize)) {
            pixels.as_flattened_mut().copy_from_slice(&row[..width * 4]);
        }
        true
    }
}

/// A picture on its way back.
pub(in crate::pipeline) struct Coming {
    gpu: Gpu,
    back: ReadBack,
    submission: wgpu::SubmissionIndex,
}

impl Coming {
    /// The picture as sRGB bytes with alpha 255. Blocks until it is there.
    ///
    /// # Errors
    /// When the GPU was lost.
    pub fn wait(self) -> Result<image::RgbaImage, PipelineError> {
        let asked = wgpu::PollType::Wait { submission_index: Some(self.submission), timeout: None };
        self.gpu.device.poll(asked).map_err(|e| PipelineError::Read(e.to_string()))?;
        let Extent { width, height } = self.back.extent;
        let mut pixels = vec![[0; 4]; width as usize * height as usize];
        let read = self.back.read(&mut pixels);
        let image = image::RgbaImage::from_raw(width, height, pixels.into_flattened()).filter(|_| read);
        image.ok_or_else(|| PipelineError::Read("nothing came back".to_owned()))
    }
}

impl GpuChain {
    /// Draws the frame in that slot on a target of `extent`, black without one, and has it brought back. Does not wait.
    ///
    /// # Errors
    /// When the size is empty or too large for the GPU.
    pub fn picture(
        &mut self,
        extent: Extent,
        layout: PictureLayout,
        slot: Option<usize>,
    ) -> Result<Coming, PipelineError> {
        check_size(&self.gpu, extent)?;
        let gpu = self.gpu.clone();
        let mut present = match self.reader.take() {
            Some(present) => present,
            None => build_present(&gpu, FORMAT, &self.store)?,
        };
        let (target, back) = (Target::new(&gpu, extent)?, ReadBack::new(&gpu, extent)?);
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("still") });
        present.record(&gpu, &mut encoder, &target.view, slot, layout, None);
        self.reader = Some(present);
        target.copy(&gpu, &mut encoder, &back);
        let submission = gpu.submit([encoder.finish()]);
        back.map();
        Ok(Coming { gpu, back, submission })
    }
}
