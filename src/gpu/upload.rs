//! Bytes to the GPU each frame, through buffers that are mapped again and again.
//!
//! `Queue::write_buffer` makes a new buffer for every call; a camera's frame every 33 ms deserves better.

use super::{Belt, Gpu};

/// Staging buffers for values of up to a fixed size.
#[derive(Debug)]
pub struct Uploader(Belt<()>);

impl Uploader {
    /// `depth` uploads of up to `bytes` may be on their way at once.
    pub fn new(gpu: &Gpu, bytes: usize, depth: usize) -> Self {
        Self(Belt::to_gpu(gpu, "upload", bytes as u64, depth))
    }

    /// Records that `bytes` be copied to the beginning of `target`. The target must have room for a multiple of four bytes.
    ///
    /// Where no staging buffer has come back yet, the queue's own way is taken: slower, and never a wait.
    pub fn write(&mut self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder, target: &wgpu::Buffer, bytes: &[u8]) {
        let whole = bytes.len() & !3;
        let size = bytes.len().next_multiple_of(4) as u64;
        let mut tail = [0; 4];
        tail[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
        gpu.work.copied(size);
        let staged = self.0.write(size, (), |view| {
            view.slice(..whole).copy_from_slice(&bytes[..whole]);
            if whole < bytes.len() {
                view.slice(whole..).copy_from_slice(&tail);
            }
        });
        match staged {
            Some(buffer) => encoder.copy_buffer_to_buffer(buffer, 0, target, 0, size),
            None => {
                gpu.queue.write_buffer(target, 0, &bytes[..whole]);
                if whole < bytes.len() {
                    gpu.queue.write_buffer(target, whole as u64, &tail);
                }
            }
        }
    }

    /// Records that a picture of four bytes a pixel be copied to `target`, which has its size. A staging buffer holds rows of
    /// [`Self::row_bytes`].
    pub fn write_picture(
        &mut self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        target: &wgpu::Texture,
        pixels: &[[u8; 4]],
    ) {
        let size = target.size();
        let (width, row) = (size.width as usize, Self::row_bytes(size.width));
        let layout = |bytes_per_row| wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(bytes_per_row),
            rows_per_image: None,
        };
        let bytes = row as u64 * u64::from(size.height);
        gpu.work.copied(bytes);
        let staged = self.0.write(bytes, (), |view| {
            for (y, line) in pixels.chunks_exact(width).enumerate() {
                view.slice(y * row..y * row + width * 4).copy_from_slice(line.as_flattened());
            }
        });
        match staged {
            Some(buffer) => encoder.copy_buffer_to_texture(
                wgpu::TexelCopyBufferInfo { buffer, layout: layout(row as u32) },
                target.as_image_copy(),
                size,
            ),
            None => {
                gpu.queue.write_texture(target.as_image_copy(), pixels.as_flattened(), layout(size.width * 4), size);
            }
        }
    }

    /// Bytes from one row of a picture to the next in a staging buffer.
    pub fn row_bytes(width: u32) -> usize {
        (width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT) as usize
    }

    /// Must be called after the encoder given to [`Self::write`] was submitted: asks for the buffers back.
    pub fn submitted(&mut self) {
        self.0.all_submitted();
    }
}
