//! Bytes to the GPU each frame, through buffers that are mapped again and again.
//!
//! `Queue::write_buffer` makes a new buffer for every call; a camera's frame every 33 ms deserves better. A few staging buffers
//! go round: written while mapped, copied from by the frame's own command buffer, mapped again when the GPU is done.

use super::Gpu;

/// Staging buffers for values of up to a fixed size.
#[derive(Debug)]
pub struct Uploader {
    staging: Vec<Staging>,
    bytes: u64,
}

#[derive(Debug)]
struct Staging {
    buffer: wgpu::Buffer,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Mapped,
    /// Written, and read by a command buffer that has not been submitted yet.
    Recorded,
    /// Waiting for the GPU to be done with it.
    Returning,
}

impl Uploader {
    /// `depth` uploads of up to `bytes` may be on their way at once.
    pub fn new(gpu: &Gpu, bytes: usize, depth: usize) -> Self {
        let bytes = (bytes as u64).next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT).max(wgpu::COPY_BUFFER_ALIGNMENT);
        let staging = |_| Staging {
            buffer: gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("upload"),
                size: bytes,
                usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: true,
            }),
            state: State::Mapped,
        };
        Self { staging: (0..depth).map(staging).collect(), bytes }
    }

    /// Records that `bytes` be copied to the beginning of `target`. The target must have room for a multiple of four bytes.
    ///
    /// Where no staging buffer has come back yet, the queue's own way is taken: slower, and never a wait.
    pub fn write(&mut self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder, target: &wgpu::Buffer, bytes: &[u8]) {
        let whole = bytes.len() & !3;
        let size = bytes.len().next_multiple_of(4);
        let mut tail = [0; 4];
        tail[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);

        let ready = self.staging.iter_mut().filter(|_| size as u64 <= self.bytes).find_map(|staging| {
            let usable = matches!(staging.state, State::Mapped | State::Returning);
            let view = staging.buffer.slice(..size as u64);
            usable.then(|| view.get_mapped_range_mut().ok()).flatten().map(|view| (staging, view))
        });
        let Some((staging, mut view)) = ready else {
            gpu.work.copied(size as u64);
            gpu.queue.write_buffer(target, 0, &bytes[..whole]);
            if whole < bytes.len() {
                gpu.queue.write_buffer(target, whole as u64, &tail);
            }
            return;
        };
        view.slice(..whole).copy_from_slice(&bytes[..whole]);
        if whole < bytes.len() {
            view.slice(whole..).copy_from_slice(&tail);
        }
        drop(view);
        staging.buffer.unmap();
        staging.state = State::Recorded;
        encoder.copy_buffer_to_buffer(&staging.buffer, 0, target, 0, size as u64);
        gpu.work.copied(size as u64);
    }

    /// Must be called after the encoder given to [`Self::write`] was submitted: asks for the buffers back.
    pub fn submitted(&mut self) {
        for staging in self.staging.iter_mut().filter(|s| s.state == State::Recorded) {
            staging.state = State::Returning;
            staging.buffer.slice(..).map_async(wgpu::MapMode::Write, |_| {});
        }
    }
}
