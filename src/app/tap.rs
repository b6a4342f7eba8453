//! The picture that is shown, on its way to a recording or a stream: drawn once more at its own size, and brought back without waiting.

use std::time::Instant;

use crate::gpu::{Belt, Gpu};
use crate::output::{Recording, Shot, Stream};
use crate::pipeline::Look;
use crate::runtime::Runtime;
use crate::units::{Extent, FrameId};

/// Pictures that may be on their way back at once.
const DEPTH: usize = 3;
/// Longest side of what is brought back.
const MOST: u32 = 1920;

/// Who takes the pictures.
#[derive(Clone, Copy)]
pub(super) struct Takers<'a> {
    pub recording: Option<&'a Recording>,
    pub stream: Option<&'a Stream>,
}

impl Takers<'_> {
    /// Whether there is anybody.
    pub fn exist(&self) -> bool {
        self.recording.is_some() || self.stream.is_some()
    }

    /// Whether somebody would take a picture now.
    fn want_shot(&self) -> bool {
        self.recording.is_some_and(Recording::wants_shot) || self.stream.is_some_and(Stream::wants_shot)
    }
}

/// The target of the drawing and the buffers that bring it back, for one size on one GPU.
pub(super) struct Tap {
    gpu: Gpu,
    extent: Extent,
    row_bytes: u32,
    blue_first: bool,
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    belt: Belt<Instant>,
    taken: Option<FrameId>,
}

/// The size at which a picture of `extent` is recorded.
pub(super) fn recorded_extent(extent: Extent) -> Extent {
    let inside = Extent::new(MOST, MOST);
    let large = extent.width > MOST || extent.height > MOST;
    if large { crate::picture::fitted_inside(extent, inside) } else { extent }
}

impl Tap {
    /// `None` where the GPU refuses it; the log says why.
    pub fn new(gpu: &Gpu, extent: Extent, format: wgpu::TextureFormat) -> Option<Self> {
        let blue_first = matches!(format.remove_srgb_suffix(), wgpu::TextureFormat::Bgra8Unorm);
        let row_bytes = (extent.width * 4).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
        let made = gpu.checked("pictures to record", || {
            let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
                label: Some("recorded"),
                size: wgpu::Extent3d { width: extent.width, height: extent.height, depth_or_array_layers: 1 },
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format,
                usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
                view_formats: &[],
            });
            let bytes = u64::from(row_bytes) * u64::from(extent.height);
            Ok((texture, Belt::to_cpu(gpu, "recorded", bytes, DEPTH)))
        });
        let (texture, belt) = made.map_err(|error| log::error!("nothing can be recorded: {error}")).ok()?;
        let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
        Some(Self { gpu: gpu.clone(), extent, row_bytes, blue_first, texture, view, belt, taken: None })
    }

    /// Whether it fits pictures of `extent` on `gpu`.
    pub fn fits(&self, gpu: &Gpu, extent: Extent) -> bool {
        self.extent == extent && self.gpu.device == gpu.device
    }

    /// Draws the shown picture once more and sends it on its way, unless it was taken before. Where nobody can take
    /// it, or all buffers are under way, it is left out, and the recording counts that.
    pub fn take(&mut self, runtime: &mut Runtime, look: &Look, takers: Takers<'_>) {
        let Some(stamp) = runtime.pipeline().and_then(|p| p.shown()) else { return };
        if self.taken == Some(stamp.id) {
            return;
        }
        self.taken = Some(stamp.id);
        let ticket = if takers.want_shot() { self.belt.take(stamp.captured) } else { None };
        let Some(ticket) = ticket else {
            takers.recording.iter().for_each(|r| r.leave_out());
            return;
        };
        let mut encoder =
            self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("recorded") });
        runtime.draw(&mut encoder, &self.view, self.extent, look);
        encoder.copy_texture_to_buffer(
            self.texture.as_image_copy(),
            wgpu::TexelCopyBufferInfo {
                buffer: self.belt.buffer(&ticket),
                layout: wgpu::TexelCopyBufferLayout {
                    offset: 0,
                    bytes_per_row: Some(self.row_bytes),
                    rows_per_image: None,
                },
            },
            self.texture.size(),
        );
        self.gpu.submit([encoder.finish()]);
        self.belt.submitted(ticket);
    }

    /// Whether pictures are on their way.
    pub fn pending(&self) -> bool {
        self.belt.pending()
    }

    /// Hands on what has come back. Never waits; the device must have been polled.
    pub fn drain(&mut self, takers: Takers<'_>) {
        let Self { extent, row_bytes, blue_first, .. } = *self;
        self.belt.drain(|_, at, bytes| {
            let mut rgba = takers.recording.map(Recording::buffer).unwrap_or_default();
            rgba.clear();
            rgba.reserve(extent.pixels() as usize * 4);
            for row in bytes.chunks_exact(row_bytes as usize) {
                rgba.extend_from_slice(&row[..extent.width as usize * 4]);
            }
            if blue_first {
                rgba.chunks_exact_mut(4).for_each(|pixel| pixel.swap(0, 2));
            }
            if let Some(stream) = takers.stream.filter(|stream| stream.wants_shot()) {
                stream.offer(Shot { rgba: rgba.clone(), extent, at });
            }
            if let Some(recording) = takers.recording {
                recording.offer(Shot { rgba, extent, at });
            }
        });
    }
}
