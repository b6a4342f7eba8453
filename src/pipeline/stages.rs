//! The compute stages around the student, each with its kernels, its small uniform buffer, and the Rust side of its WGSL
//! structs. Knows buffers and textures; not when frames come or which of them is shown.

use wgpu::util::DeviceExt as _;

use crate::frame::{FrameShape, PixelFormat};
use crate::gpu::{Gpu, GpuError, Kernel, Shader, shader};
use crate::kernels::ingest::YuvToRgb;
use crate::kernels::prepare::Crop;
use crate::units::Extent;

pub const YUV422: Shader = shader!("ingest/yuv422", uses "shared/color", uses "shared/raw");
pub const YUV420: Shader = shader!("ingest/yuv420", uses "shared/color", uses "shared/raw");
pub const RGB: Shader = shader!("ingest/rgb", uses "shared/color", uses "shared/raw");
pub const GRAY: Shader = shader!("ingest/gray", uses "shared/color", uses "shared/raw");
pub const PREPARE: Shader = shader!("ingest/prepare");
pub const STABILISE: Shader = shader!("compose/stabilise", uses "shared/color");
pub const GAIN: Shader = shader!("compose/gain");

/// Format of every texture of the chain: coded R'G'B', or gains, in eight bits a channel.
pub const PICTURE_FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// Mirrors `RawLayout` in `shaders/shared/raw.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct RawLayout {
    pub width: u32,
    pub height: u32,
    pub stride_bytes: u32,
    pub chroma_bytes: u32,
    pub color: YuvToRgb,
}

/// Mirrors `PrepareLayout` in `shaders/ingest/prepare.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct PrepareLayout {
    pub origin: [f32; 2],
    pub step: [f32; 2],
    pub width: u32,
    pub height: u32,
}

/// Mirrors `StabiliseLayout` in `shaders/compose/stabilise.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct StabiliseLayout {
    pub width: u32,
    pub height: u32,
    pub blend: f32,
}

/// Mirrors `GainLayout` in `shaders/compose/gain.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct GainLayout {
    pub width: u32,
    pub height: u32,
}

pub(super) fn uniform(gpu: &Gpu, label: &str, contents: &[u8]) -> wgpu::Buffer {
    gpu.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some(label),
        contents,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
    })
}

/// A storage buffer that bytes can be uploaded to, and that tests can read.
pub fn storage(gpu: &Gpu, label: &str, bytes: u64) -> wgpu::Buffer {
    gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: bytes.next_multiple_of(4).max(16),
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
        mapped_at_creation: false,
    })
}

/// A texture that a kernel writes and a later one reads.
pub fn texture(gpu: &Gpu, label: &str, extent: Extent) -> wgpu::Texture {
    gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d { width: extent.width, height: extent.height, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: PICTURE_FORMAT,
        usage: wgpu::TextureUsages::STORAGE_BINDING
            | wgpu::TextureUsages::TEXTURE_BINDING
            | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    })
}

pub fn view(texture: &wgpu::Texture) -> wgpu::TextureView {
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

/// Raw bytes to the frame's picture.
#[derive(Debug)]
pub struct Ingest {
    kernel: Kernel,
    layout: wgpu::Buffer,
    raw: wgpu::Buffer,
    invocations: [u32; 3],
}

impl Ingest {
    /// # Errors
    /// When the device refuses a kernel or a buffer.
    pub fn new(gpu: &Gpu, shape: &FrameShape) -> Result<Self, GpuError> {
        let Extent { width, height } = shape.extent;
        let flag = f64::from;
        let aligned = ("aligned", flag(u8::from(shape.stride.is_multiple_of(4))));
        let (shader, constants, invocations) = match shape.format {
            PixelFormat::Yuyv | PixelFormat::Uyvy => {
                let chroma_first = flag(u8::from(shape.format == PixelFormat::Uyvy));
                (YUV422, vec![aligned, ("chroma_first", chroma_first)], [width.div_ceil(2), height, 1])
            }
            PixelFormat::Nv12 | PixelFormat::Nv21 => {
                let v_first = flag(u8::from(shape.format == PixelFormat::Nv21));
                (YUV420, vec![aligned, ("v_first", v_first)], [width.div_ceil(4), height.div_ceil(2), 1])
            }
            PixelFormat::Rgb8 | PixelFormat::Bgr8 => {
                let blue_first = flag(u8::from(shape.format == PixelFormat::Bgr8));
                let constants = vec![("aligned", 0.0), ("pixel_bytes", 3.0), ("blue_first", blue_first)];
                (RGB, constants, [width, height, 1])
            }
            PixelFormat::Rgba8 => (RGB, vec![aligned, ("pixel_bytes", 4.0), ("blue_first", 0.0)], [width, height, 1]),
            PixelFormat::Gray8 => (GRAY, vec![aligned], [width.div_ceil(4), height, 1]),
        };
        let semiplanar = matches!(shape.format, PixelFormat::Nv12 | PixelFormat::Nv21);
        let layout = RawLayout {
            width,
            height,
            stride_bytes: shape.stride as u32,
            chroma_bytes: if semiplanar { shape.stride as u32 * height } else { 0 },
            color: YuvToRgb::for_shape(shape),
        };
        Ok(Self {
            kernel: Kernel::new(gpu, shader, &constants)?,
            layout: uniform(gpu, "raw layout", bytemuck::bytes_of(&layout)),
            raw: storage(gpu, "raw", shape.min_bytes() as u64),
            invocations,
        })
    }

    /// Where a frame's bytes go. Has room for the shape's `min_bytes`, rounded up to a multiple of four.
    pub fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }

    /// # Errors
    /// When `frame` is not a storage texture of [`PICTURE_FORMAT`].
    pub fn bind(&self, gpu: &Gpu, frame: &wgpu::TextureView) -> Result<wgpu::BindGroup, GpuError> {
        self.kernel.bind(
            gpu,
            &[
                ("raw", self.raw.as_entire_binding()),
                ("raw_layout", self.layout.as_entire_binding()),
                ("frame", wgpu::BindingResource::TextureView(frame)),
            ],
        )
    }

    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>, bound: &wgpu::BindGroup) {
        self.kernel.dispatch(pass, bound, self.invocations);
    }
}

/// The frame's picture to the student's input.
#[derive(Debug)]
pub struct Prepare {
    kernel: Kernel,
    layout: wgpu::Buffer,
    extent: Extent,
}

impl Prepare {
    /// # Errors
    /// When the device refuses the kernel.
    pub fn new(gpu: &Gpu, crop: Crop, extent: Extent) -> Result<Self, GpuError> {
        let Extent { width, height } = extent;
        let layout = PrepareLayout {
            origin: [crop.left, crop.top],
            step: [crop.width / width as f32, crop.height / height as f32],
            width,
            height,
        };
        Ok(Self {
            kernel: Kernel::new(gpu, PREPARE, &[])?,
            layout: uniform(gpu, "prepare layout", bytemuck::bytes_of(&layout)),
            extent,
        })
    }

    /// `image`: H*W `vec4<f32>`. `guide`: H*W `u32`.
    ///
    /// # Errors
    /// When the device refuses a resource.
    pub fn bind(
        &self,
        gpu: &Gpu,
        frame: &wgpu::TextureView,
        image: &wgpu::Buffer,
        guide: &wgpu::Buffer,
    ) -> Result<wgpu::BindGroup, GpuError> {
        self.kernel.bind(
            gpu,
            &[
                ("frame", wgpu::BindingResource::TextureView(frame)),
                ("prepare_layout", self.layout.as_entire_binding()),
                ("image", image.as_entire_binding()),
                ("guide", guide.as_entire_binding()),
            ],
        )
    }

    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>, bound: &wgpu::BindGroup) {
        self.kernel.dispatch(pass, bound, [self.extent.width, self.extent.height, 1]);
    }
}

/// The state that a frame leaves to the next one: what its steadied painting and its guide were.
#[derive(Debug)]
pub struct Memory {
    /// H*W `u32`: the student's input, eight bits a channel.
    pub guide: wgpu::Buffer,
    /// H*W `vec2<u32>`: painting rgb and luma of the guide, half floats.
    pub steady: wgpu::Buffer,
}

impl Memory {
    pub fn new(gpu: &Gpu, extent: Extent) -> Self {
        Self {
            guide: storage(gpu, "guide", extent.pixels() * 4),
            steady: storage(gpu, "steady painting", extent.pixels() * 8),
        }
    }
}

/// The student's painting, steadied, and what brings it to full size.
///
/// At full size the painting is `painting + gain * (luma of the camera's picture - luma of the student's input)`, the last term being
/// the detail that the student never saw; `gain` is the slope of the painting over luma in a window of three by three pixels of the student,
/// as in the fast guided filter (He and Sun, "Fast Guided Filter", arXiv:1505.00996; the same injection with local regression sharpens
/// satellite pictures: Aiazzi et al. 2006, GLP-CBD). Unlike the guided filter it leaves the painting at the student's own pixels
/// as it is, so brush texture survives, and only what lies between those pixels is led by the camera's picture.
///
/// Chosen by measurement: teacher paintings of 384 by 384 shrunk and brought back up; PSNR against the painting / sharpness of its
/// strongest edges (1 is as sharp):
///
/// | | from a half | from a quarter |
/// |---|---|---|
/// | bilinear | 29.6 dB / 0.66 | 23.6 dB / 0.35 |
/// | fast guided filter, luma, radius 1 | 24.2 / 0.52 | 21.5 / 0.40 |
/// | joint bilateral (Kopf et al. 2007), radius 1 | 27.9 / 0.78 | 23.8 / 0.62 |
/// | this, colour guide, radius 2 | 29.0 / 0.84 | 24.7 / 0.71 |
/// | this, luma, radius 1, half floats `gain`, `painting - gain * luma` | 29.8 / 0.84 | 25.0 / 0.66 |
/// | **this, luma, radius 1, eight bits** | **29.6 / 0.82** | **25.0 / 0.66** |
///
/// Eight bits rather than half floats because the last pass reads them at every pixel of the window.
#[derive(Debug)]
pub struct Compose {
    stabilise: Kernel,
    stabilise_layout: wgpu::Buffer,
    gain: Kernel,
    gain_layout: wgpu::Buffer,
    extent: Extent,
    /// What the uniform buffer holds now.
    blend: f32,
}

/// The bind groups of one slot for [`Compose`].
#[derive(Debug)]
pub struct ComposeBound {
    stabilise: wgpu::BindGroup,
    gain: wgpu::BindGroup,
}

/// Rows that one invocation of `compose/gain` does; its `ROWS`.
const GAIN_ROWS: u32 = 4;

impl Compose {
    /// # Errors
    /// When the device refuses a kernel.
    pub fn new(gpu: &Gpu, extent: Extent) -> Result<Self, GpuError> {
        let Extent { width, height } = extent;
        let blend = 0.0;
        Ok(Self {
            stabilise: Kernel::new(gpu, STABILISE, &[])?,
            stabilise_layout: uniform(
                gpu,
                "stabilise layout",
                bytemuck::bytes_of(&StabiliseLayout { width, height, blend }),
            ),
            gain: Kernel::new(gpu, GAIN, &[])?,
            gain_layout: uniform(gpu, "gain layout", bytemuck::bytes_of(&GainLayout { width, height })),
            extent,
            blend,
        })
    }

    /// `painted`, `image`: the student's output and input. `previous` is read, `next` is written.
    ///
    /// # Errors
    /// When the device refuses a resource.
    #[expect(clippy::too_many_arguments, reason = "one for each resource that the two kernels name")]
    pub fn bind(
        &self,
        gpu: &Gpu,
        painted: &wgpu::Buffer,
        image: &wgpu::Buffer,
        previous: &Memory,
        next: &Memory,
        painting: &wgpu::TextureView,
        gains: &wgpu::TextureView,
    ) -> Result<ComposeBound, GpuError> {
        Ok(ComposeBound {
            stabilise: self.stabilise.bind(
                gpu,
                &[
                    ("painted", painted.as_entire_binding()),
                    ("image", image.as_entire_binding()),
                    ("guide", next.guide.as_entire_binding()),
                    ("previous_guide", previous.guide.as_entire_binding()),
                    ("previous", previous.steady.as_entire_binding()),
                    ("steady", next.steady.as_entire_binding()),
                    ("stabilise_layout", self.stabilise_layout.as_entire_binding()),
                ],
            )?,
            gain: self.gain.bind(
                gpu,
                &[
                    ("steady", next.steady.as_entire_binding()),
                    ("gain_layout", self.gain_layout.as_entire_binding()),
                    ("painting", wgpu::BindingResource::TextureView(painting)),
                    ("gains", wgpu::BindingResource::TextureView(gains)),
                ],
            )?,
        })
    }

    /// Share of the previous painting from the next submission on, 0..=1. Writes only what changes.
    pub fn set_blend(&mut self, gpu: &Gpu, blend: f32) {
        if blend.to_bits() != self.blend.to_bits() {
            let Extent { width, height } = self.extent;
            let layout = StabiliseLayout { width, height, blend };
            gpu.queue.write_buffer(&self.stabilise_layout, 0, bytemuck::bytes_of(&layout));
            self.blend = blend;
        }
    }

    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>, bound: &ComposeBound) {
        let Extent { width, height } = self.extent;
        self.record_stabilise(pass, bound);
        self.gain.dispatch(pass, &bound.gain, [width, height.div_ceil(GAIN_ROWS), 1]);
    }

    /// The first of the two kernels alone, for measuring.
    pub fn record_stabilise(&self, pass: &mut wgpu::ComputePass<'_>, bound: &ComposeBound) {
        let Extent { width, height } = self.extent;
        self.stabilise.dispatch(pass, &bound.stabilise, [width, height, 1]);
    }
}
