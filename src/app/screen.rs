//! The window's surface, and the drawing of one picture with the interface over it.

use std::sync::Arc;
use std::time::Instant;

use winit::window::Window;

use crate::fault::Fault;
use crate::gpu::{Gpu, GpuChoice, GpuError, GpuRequest, Timestamps};
use crate::metrics::{Lap, Span, Stage};
use crate::units::{Extent, FrameId};

/// Drawings whose time stamps may be on their way back at once.
const MEASURED: usize = 6;

/// The GPU, the surface on the window, and what draws the interface. Made on a thread of its own.
pub struct Screen {
    pub gpu: Gpu,
    /// What is to be told of how it was opened.
    pub notice: Option<Fault>,
    surface: wgpu::Surface<'static>,
    config: wgpu::SurfaceConfiguration,
    interface: egui_wgpu::Renderer,
    /// The interface's pass, measured once for each frame. `None` where the GPU has no time stamps.
    times: Option<Timestamps>,
    /// The last frame for which it was.
    measured: Option<FrameId>,
    configured: bool,
}

/// What became of an attempt to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// Handed to the display: running and recording the interface, waiting for the display and handing over the picture.
    Yes { laps: [Lap; 4] },
    /// Nothing to see (minimised, covered) or not now: try with the next picture.
    Skipped,
    /// The surface has to be made anew.
    Lost,
}

/// Why there is nothing to draw on.
enum Missed {
    Skipped,
    Lost,
}

/// The interface as triangles.
pub struct Triangles {
    pub primitives: Vec<egui::ClippedPrimitive>,
    pub textures: egui::TexturesDelta,
    pub pixels_per_point: f32,
    /// When running the interface and making triangles began and ended; `None` once they were drawn, and are only drawn
    /// again.
    pub ran: Option<(Instant, Instant)>,
}

impl Drop for Triangles {
    fn drop(&mut self) {
        // The screen that they were for is gone; egui insists on being told.
        self.textures.clear();
    }
}

impl Screen {
    /// Opens the adapter of `choice`, or the fastest where that is not there any more, and compiles the interface's shaders.
    /// It must be able to present to `surface`. Slow.
    ///
    /// # Errors
    /// When there is no adapter, or it cannot present to the window.
    pub fn open(
        instance: wgpu::Instance,
        surface: wgpu::Surface<'static>,
        size: Extent,
        choice: GpuChoice,
    ) -> Result<Self, Fault> {
        let request = GpuRequest { surface: Some(&surface), choice };
        let (opened, notice) = match Gpu::open(instance.clone(), &request) {
            // It was chosen in another dock, or its driver is gone.
            Err(gone @ GpuError::NotThere { .. }) => {
                let notice = Fault::notice(format!("The fastest graphics adapter is used: {gone}"), "");
                (Gpu::open(instance, &GpuRequest { choice: GpuChoice::Fastest, ..request }), Some(notice))
            }
            opened => (opened, None),
        };
        let gpu = opened
            .map_err(|e| Fault::failed(format!("The window cannot be drawn: {e}"), "Look at `impasto doctor`"))?;
        let mut config =
            surface.get_default_config(&gpu.adapter, size.width.max(1), size.height.max(1)).ok_or_else(|| {
                Fault::failed(
                    format!("{} cannot show pictures in this window", gpu.caps.name),
                    "Choose another adapter with --gpu, as `impasto doctor` lists them, or another backend with WGPU_BACKEND",
                )
            })?;
        let offered = surface.get_capabilities(&gpu.adapter);
        // Bytes as they are: the picture and the interface are both made of sRGB-coded values already.
        let plain = [wgpu::TextureFormat::Bgra8Unorm, wgpu::TextureFormat::Rgba8Unorm];
        if let Some(format) = plain.into_iter().find(|f| offered.formats.contains(f)) {
            config.format = format;
        }
        // The newest picture at the next refresh, without tearing; a queue of pictures where that is not to be had.
        config.present_mode = if offered.present_modes.contains(&wgpu::PresentMode::Mailbox) {
            wgpu::PresentMode::Mailbox
        } else {
            wgpu::PresentMode::Fifo
        };
        config.desired_maximum_frame_latency = 1;
        // A picture that was composed elsewhere need not be drawn then.
        config.usage |= offered.usages & wgpu::TextureUsages::COPY_DST;
        let interface = egui_wgpu::Renderer::new(&gpu.device, config.format, egui_wgpu::RendererOptions::default());
        let times = Timestamps::new(&gpu, 1, MEASURED);
        Ok(Self { gpu, notice, surface, config, interface, times, measured: None, configured: false })
    }

    pub fn format(&self) -> wgpu::TextureFormat {
        self.config.format
    }

    pub fn extent(&self) -> Extent {
        Extent::new(self.config.width, self.config.height)
    }

    /// The window has another size now. Nothing happens while it has none.
    pub fn resize(&mut self, size: Extent) {
        let limit = self.gpu.device.limits().max_texture_dimension_2d;
        let size = Extent::new(size.width.min(limit), size.height.min(limit));
        if size.is_empty() || (self.configured && size == self.extent()) {
            return;
        }
        (self.config.width, self.config.height) = (size.width, size.height);
        self.surface.configure(&self.gpu.device, &self.config);
        self.configured = true;
    }

    /// Hands out what the GPU spent on the interface over earlier frames. Never waits; the device must have been polled.
    pub fn spans(&mut self, each: &mut dyn FnMut(Span)) {
        if let Some(times) = &mut self.times {
            times.drain(&mut |m| each(Span::gpu(m.frame, Stage::Interface, m.begin, m.duration)));
        }
    }

    /// Draws one picture: `picture` records what lies under the interface. `frame` is the one that is shown.
    pub fn draw(
        &mut self,
        window: &Arc<Window>,
        triangles: &mut Triangles,
        frame: Option<FrameId>,
        picture: impl FnOnce(&mut wgpu::CommandEncoder, &wgpu::TextureView, Extent) -> bool,
    ) -> Drawn {
        let began = Instant::now();
        let texture = match self.acquire() {
            Ok(texture) => texture,
            Err(missed) => {
                // The textures must reach the renderer even when nothing is shown: they are not sent again.
                self.take_textures(triangles);
                return match missed {
                    Missed::Skipped => Drawn::Skipped,
                    Missed::Lost => Drawn::Lost,
                };
            }
        };
        let acquired = Instant::now();
        let view = texture.texture.create_view(&wgpu::TextureViewDescriptor::default());
        let extent = self.extent();
        let mut encoder =
            self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("window") });
        let covered = picture(&mut encoder, &view, extent);

        let recording = Instant::now();
        self.take_textures(triangles);
        let screen = egui_wgpu::ScreenDescriptor {
            size_in_pixels: [extent.width, extent.height],
            pixels_per_point: triangles.pixels_per_point,
        };
        let ran = triangles.ran.take();
        // Triangles that were drawn before are on the GPU.
        let extra = match ran {
            None => Vec::new(),
            Some(_) => self.interface.update_buffers(
                &self.gpu.device,
                &self.gpu.queue,
                &mut encoder,
                &triangles.primitives,
                &screen,
            ),
        };
        let fresh = frame.filter(|frame| self.measured != Some(*frame));
        let measure = self.times.as_mut().zip(fresh).and_then(|(times, frame)| times.begin(frame));
        self.measured = fresh.or(self.measured);
        {
            let timestamp_writes = match (&mut self.times, &measure) {
                (Some(times), Some(measure)) => Some(times.render(measure, 0)),
                _ => None,
            };
            let load = if covered { wgpu::LoadOp::Load } else { wgpu::LoadOp::Clear(wgpu::Color::BLACK) };
            let pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("interface"),
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view: &view,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations { load, store: wgpu::StoreOp::Store },
                })],
                depth_stencil_attachment: None,
                timestamp_writes,
                occlusion_query_set: None,
                multiview_mask: None,
            });
            self.interface.render(&mut pass.forget_lifetime(), &triangles.primitives, &screen);
        }
        if let (Some(times), Some(measure)) = (&mut self.times, &measure) {
            times.resolve(measure, &mut encoder);
        }
        let handing = Instant::now();
        self.gpu.submit(extra.into_iter().chain([encoder.finish()]));
        if let (Some(times), Some(measure)) = (&mut self.times, measure) {
            times.submitted(measure);
        }
        window.pre_present_notify();
        self.gpu.queue.present(texture);
        let lap = |stage, begin, end| Lap { stage, begin, end };
        Drawn::Yes {
            laps: [
                ran.map_or(lap(Stage::Interface, recording, recording), |(from, to)| lap(Stage::Interface, from, to)),
                lap(Stage::Present, began, acquired),
                lap(Stage::Interface, recording, handing),
                lap(Stage::Present, handing, Instant::now()),
            ],
        }
    }

    fn acquire(&mut self) -> Result<wgpu::SurfaceTexture, Missed> {
        if !self.configured {
            return Err(Missed::Skipped);
        }
        // A surface that is out of date is configured once and tried again; twice means that it is changing just now.
        for _ in 0..2 {
            match self.surface.get_current_texture() {
                wgpu::CurrentSurfaceTexture::Success(texture) => return Ok(texture),
                wgpu::CurrentSurfaceTexture::Suboptimal(texture) => return Ok(texture),
                wgpu::CurrentSurfaceTexture::Outdated => self.surface.configure(&self.gpu.device, &self.config),
                wgpu::CurrentSurfaceTexture::Lost => return Err(Missed::Lost),
                wgpu::CurrentSurfaceTexture::Timeout
                | wgpu::CurrentSurfaceTexture::Occluded
                | wgpu::CurrentSurfaceTexture::Validation => return Err(Missed::Skipped),
            }
        }
        Err(Missed::Skipped)
    }

    fn take_textures(&mut self, triangles: &mut Triangles) {
        for (id, deltas) in &triangles.textures.set {
            for delta in deltas {
                self.interface.update_texture(&self.gpu.device, &self.gpu.queue, *id, delta);
            }
        }
        for id in &triangles.textures.free {
            self.interface.free_texture(id);
        }
        triangles.textures.clear();
    }
}
