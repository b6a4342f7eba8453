//! The shown picture back on the CPU: for stills, rendering to files, and tests. Blocks; never on the way to the display.

use super::{GpuChain, build_present, check_size};
use crate::pipeline::PipelineError;
use crate::pipeline::present::PictureLayout;
use crate::units::Extent;

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

impl GpuChain {
    /// The frame in that slot on a target of `extent`, as sRGB bytes with alpha 255; black without one. Waits for the GPU.
    ///
    /// # Errors
    /// When the size is empty or too large for the GPU, or the picture cannot be read.
    pub fn read_picture(
        &mut self,
        extent: Extent,
        layout: PictureLayout,
        slot: Option<usize>,
    ) -> Result<image::RgbaImage, PipelineError> {
        check_size(&self.gpu, extent)?;
        let gpu = self.gpu.clone();
        let mut present = match self.reader.take() {
            Some(present) => present,
            None => build_present(&gpu, FORMAT, &self.store)?,
        };
        let row_bytes = (extent.width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let size = wgpu::Extent3d { width: extent.width, height: extent.height, depth_or_array_layers: 1 };
        let (target, buffer) = gpu.checked("a picture to read back", || {
            let target = gpu.device.create_texture(&wgpu::TextureDescriptor {
                label: Some("still"),
                size,
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: FORMAT,
                usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
                view_formats: &[],
            });
            let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("still"),
                size: u64::from(row_bytes) * u64::from(extent.height),
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            });
            Ok((target, buffer))
        })?;

        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("still") });
        let view = target.create_view(&wgpu::TextureViewDescriptor::default());
        present.record(&gpu, &mut encoder, &view, slot, layout, None);
        self.reader = Some(present);
        encoder.copy_texture_to_buffer(
            target.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: &buffer,
                layout: wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row_bytes), rows_per_image: None },
            },
            size,
        );
        gpu.submit([encoder.finish()]);
        buffer.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        gpu.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| PipelineError::Read(e.to_string()))?;
        let view = buffer.slice(..).get_mapped_range().map_err(|e| PipelineError::Read(e.to_string()))?;
        let mut pixels = Vec::with_capacity(extent.pixels() as usize * 4);
        for row in view.chunks_exact(row_bytes as usize) {
            pixels.extend_from_slice(&row[..extent.width as usize * 4]);
        }
        image::RgbaImage::from_raw(extent.width, extent.height, pixels)
            .ok_or_else(|| PipelineError::Read(format!("{extent} did not fill its own size")))
    }
}
