//! The camera's bytes to the frame's picture.

use super::{Dispatch, Layout, OnCpu, OnGpu, Pass, Variant};
use crate::frame::PixelFormat;
use crate::gpu::{Shader, shader};
use crate::kernels::ingest::{YuvToRgb, ingest_rows};
use crate::pipeline::product::{FRAME, RAW, Sizes};
use crate::units::Extent;

pub const YUV422: Shader = shader!("ingest/yuv422", uses "shared/color", uses "shared/raw");
pub const YUV420: Shader = shader!("ingest/yuv420", uses "shared/color", uses "shared/raw");
pub const RGB: Shader = shader!("ingest/rgb", uses "shared/color", uses "shared/raw");
pub const GRAY: Shader = shader!("ingest/gray", uses "shared/color", uses "shared/raw");

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

pub const INGEST: Pass = Pass {
    name: "ingest",
    reads: &[RAW.now()],
    writes: &[FRAME.now()],
    gpu: OnGpu::Dispatch(Dispatch {
        shaders: &[YUV422, YUV420, RGB, GRAY],
        shader,
        layout_name: "raw_layout",
        layout: |sizes, _, _| Layout::of(&layout(sizes)),
        count: 1,
        invocations: |sizes, _| invocations(sizes),
    }),
    cpu: OnCpu::Kernel(|frame| {
        frame.write(FRAME, |frame, picture| {
            let (shape, raw) = (frame.sizes().shape, frame.raw());
            frame.pool().rows(picture, shape.extent.width as usize, |rows, band| ingest_rows(raw, &shape, rows, band));
        });
    }),
};

fn shader(sizes: &Sizes) -> Variant {
    let shape = &sizes.shape;
    let flag = |on: bool| f64::from(u8::from(on));
    let aligned = ("aligned", flag(shape.stride.is_multiple_of(4)));
    let (shader, constants) = match shape.format {
        PixelFormat::Yuyv | PixelFormat::Uyvy => {
            (YUV422, vec![aligned, ("chroma_first", flag(shape.format == PixelFormat::Uyvy))])
        }
        PixelFormat::Nv12 | PixelFormat::Nv21 => {
            (YUV420, vec![aligned, ("v_first", flag(shape.format == PixelFormat::Nv21))])
        }
        PixelFormat::Rgb8 | PixelFormat::Bgr8 => {
            let blue_first = flag(shape.format == PixelFormat::Bgr8);
            (RGB, vec![("aligned", 0.0), ("pixel_bytes", 3.0), ("blue_first", blue_first)])
        }
        PixelFormat::Rgba8 => (RGB, vec![aligned, ("pixel_bytes", 4.0), ("blue_first", 0.0)]),
        PixelFormat::Gray8 => (GRAY, vec![aligned]),
    };
    Variant { shader, constants }
}

fn layout(sizes: &Sizes) -> RawLayout {
    let shape = &sizes.shape;
    let Extent { width, height } = shape.extent;
    let semiplanar = matches!(shape.format, PixelFormat::Nv12 | PixelFormat::Nv21);
    RawLayout {
        width,
        height,
        stride_bytes: shape.stride as u32,
        chroma_bytes: if semiplanar { shape.stride as u32 * height } else { 0 },
        color: YuvToRgb::for_shape(shape),
    }
}

fn invocations(sizes: &Sizes) -> [u32; 3] {
    let Extent { width, height } = sizes.shape.extent;
    match sizes.shape.format {
        PixelFormat::Yuyv | PixelFormat::Uyvy => [width.div_ceil(2), height, 1],
        PixelFormat::Nv12 | PixelFormat::Nv21 => [width.div_ceil(4), height.div_ceil(2), 1],
        PixelFormat::Rgb8 | PixelFormat::Bgr8 | PixelFormat::Rgba8 => [width, height, 1],
        PixelFormat::Gray8 => [width.div_ceil(4), height, 1],
    }
}
