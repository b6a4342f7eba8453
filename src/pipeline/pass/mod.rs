//! The passes, one file each: what a pass reads and writes, its shader, its sizes.
//!
//! # How to add a pass
//!
//! 1. What it writes is a [`Product`](super::product::Product): declare it in `product.rs`. State that it needs from the
//!    frame before is the same product, read with `before`.
//! 2. Its shader, `shaders/FOLDER/NAME.wgsl`, names its resources as the products are named (or as the
//!    [`Use`](super::product::Use) says), and its CPU kernel is a function of the same name in [`crate::kernels`].
//! 3. Its file here holds one `const NAME: Pass`. Nothing else is to be written for the GPU: buffers, bind groups and
//!    dispatches are made from what that says, and a test compares it with what the shader itself declares. For the CPU it
//!    says how the kernel is called for some rows, with slices of the products ([`CpuFrame`]).
//! 4. One line in [`super::list`], where it belongs in the order, with when it runs and to which stage its time counts.

pub mod canvas;
pub mod carry;
pub mod drift;
pub mod gain;
pub mod ingest;
pub mod paint;
pub mod picture;
pub mod prepare;
pub mod pyramid;
pub mod relief;
pub mod search;
pub mod sight;
pub mod stabilise;
pub mod stability;
pub mod upload;

use super::cpu::CpuFrame;
use super::product::{Sizes, Use};
use crate::canvas::Brush;
use crate::gpu::Shader;

/// One pass over one frame.
#[derive(Debug)]
pub struct Pass {
    /// Its shader's file and its CPU kernel are named so, where it has them.
    pub name: &'static str,
    pub reads: &'static [Use],
    pub writes: &'static [Use],
    pub gpu: OnGpu,
    pub cpu: OnCpu,
}

/// What the GPU does for it.
#[derive(Debug)]
pub enum OnGpu {
    /// A compute shader.
    Dispatch(Dispatch),
    /// What it reads is copied to what it writes, one to one, in that order.
    Copy,
    /// Bytes come from the CPU.
    Upload,
    /// The student's own steps.
    Student,
    /// A picture is drawn over the whole of a target.
    Draw,
}

/// What the CPU does for it.
#[derive(Clone, Copy, Debug)]
pub enum OnCpu {
    /// Calls its kernel for the rows of what it writes, on all threads.
    Kernel(fn(&mut CpuFrame<'_>)),
    /// What it reads is copied to what it writes, one to one, in that order.
    Copy,
    /// Bytes come from outside.
    Upload,
    /// The student's own steps.
    Student,
    /// Nothing: the student's canvas is made where the student is, and reliefs are for GPUs alone.
    Nothing,
    /// The picture is composed for a target.
    Compose,
}

/// A compute shader over a product.
#[derive(Debug)]
pub struct Dispatch {
    /// Every shader that it may be, for tests.
    pub shaders: &'static [Shader],
    /// The shader for these sizes, and the values of its `override` constants.
    pub shader: fn(&Sizes) -> Variant,
    /// What the shader calls its uniform buffer.
    pub layout_name: &'static str,
    /// What is in it, for the dispatch of that number.
    pub layout: fn(&Sizes, &Varying, usize) -> Layout,
    /// Dispatches one after the other, each with a layout of its own.
    pub count: usize,
    /// Invocations that are needed, for the dispatch of that number.
    pub invocations: fn(&Sizes, usize) -> [u32; 3],
}

/// A shader with the values of its `override` constants.
#[derive(Clone, Debug)]
pub struct Variant {
    pub shader: Shader,
    pub constants: Vec<(&'static str, f64)>,
}

impl Variant {
    pub fn plain(shader: Shader) -> Self {
        Self { shader, constants: Vec::new() }
    }
}

/// What may differ from frame to frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Varying {
    /// Share of the previous painting where nothing moves, 0..=1; 0 where there is none.
    pub blend: f32,
    /// How the canvas is made, of a network that takes one; strokes of the relief follow it too.
    pub brush: Brush,
    /// How much strokes of the relief swirl.
    pub swirl: f32,
    /// Whether strokes are held where those of the frame before were.
    pub follows: bool,
    /// Whether strokes go on from where those of the frame before were.
    pub continues: bool,
}

/// The contents of a small uniform buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    bytes: [u8; Self::MOST],
    len: usize,
}

impl Layout {
    /// More than any of them has.
    const MOST: usize = 128;

    /// # Panics
    /// Where a struct is larger than any shader's: a bug that the first test of it finds.
    pub fn of<T: bytemuck::Pod>(layout: &T) -> Self {
        let from = bytemuck::bytes_of(layout);
        let mut bytes = [0; Self::MOST];
        bytes[..from.len()].copy_from_slice(from);
        Self { bytes, len: from.len() }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
