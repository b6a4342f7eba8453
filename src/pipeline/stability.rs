//! How steady the painting is, measured while it runs: on every fifth frame it is compared with the one before, where the input
//! did not change.
//!
//! Two dispatches a comparison, `stability/compare` over all pixels of the student and `stability/gather` over its blocks; 24 bytes
//! read a pixel, 1.5 MB at 320 by 192, so 0.3 MB a frame. Eight bytes come back, some frames late and never waited for, through a
//! ring like that of [`crate::gpu::Timestamps`]; when all of it is on its way there is a gap in the numbers. Every fifth frame
//! rather than every fourth: with a cadence of two, painted and carried frames are then met in turn.

use std::sync::Arc;

use super::stages::{self, Memory, uniform};
use crate::gpu::{Gpu, GpuError, GpuWork, Kernel, Shader, shader};
use crate::kernels::stability::{Gathered, Stability, blocks_of};
use crate::units::Extent;

pub const COMPARE: Shader = shader!("stability/compare");
pub const GATHER: Shader = shader!("stability/gather");

/// Mirrors `CompareLayout` in `shaders/stability/compare.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct CompareLayout {
    pub width: u32,
    pub height: u32,
}

/// Mirrors `GatherLayout` in `shaders/stability/gather.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct GatherLayout {
    pub width: u32,
    pub height: u32,
}

/// From one comparison to the next, in frames.
pub const EVERY: u32 = 5;
/// Comparisons whose results may be on their way at once.
const DEPTH: usize = 3;
/// The number that is shown is a mean over the last so many comparisons: 1.3 s at 30 frames per second.
const KEPT: usize = 8;

const RESULT_BYTES: u64 = size_of::<Gathered>() as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    /// The copy is in a command buffer that has not been submitted yet.
    Recorded,
    /// Mapping was asked for.
    Reading,
}

/// The kernels, and the ring through which their results come back. Everything is made by [`Steadiness::new`].
#[derive(Debug)]
pub struct Steadiness {
    extent: Extent,
    work: Arc<GpuWork>,
    compare: Kernel,
    gather: Kernel,
    /// By slot.
    compares: [wgpu::BindGroup; 2],
    gathers: wgpu::BindGroup,
    result: wgpu::Buffer,
    ring: [(wgpu::Buffer, State); DEPTH],
    /// Frames since the last comparison.
    since: u32,
    /// The last comparisons; those with too little still picture are `None`.
    kept: [Option<Stability>; KEPT],
    next: usize,
}

impl Steadiness {
    /// `extent`: the student's. `memories`: those of the two slots.
    ///
    /// # Errors
    /// When the device refuses a kernel or a buffer.
    pub fn new(gpu: &Gpu, extent: Extent, memories: &[Memory; 2]) -> Result<Self, GpuError> {
        let Extent { width, height } = extent;
        let compare = Kernel::new(gpu, COMPARE, &[])?;
        let gather = Kernel::new(gpu, GATHER, &[])?;
        let blocks = stages::storage(gpu, "stability blocks", blocks_of(extent).pixels() * 8);
        let result = stages::storage(gpu, "stability", RESULT_BYTES);
        let compare_layout = uniform(gpu, "compare layout", bytemuck::bytes_of(&CompareLayout { width, height }));
        let gather_layout = uniform(gpu, "gather layout", bytemuck::bytes_of(&GatherLayout { width, height }));
        let comparing = |now: &Memory, before: &Memory| {
            compare.bind(
                gpu,
                &[
                    ("guide", now.guide.as_entire_binding()),
                    ("previous_guide", before.guide.as_entire_binding()),
                    ("steady", now.steady.as_entire_binding()),
                    ("previous", before.steady.as_entire_binding()),
                    ("compare_layout", compare_layout.as_entire_binding()),
                    ("blocks", blocks.as_entire_binding()),
                ],
            )
        };
        let [first, second] = memories;
        let compares = [comparing(first, second)?, comparing(second, first)?];
        let gathers = gather.bind(
            gpu,
            &[
                ("blocks", blocks.as_entire_binding()),
                ("gather_layout", gather_layout.as_entire_binding()),
                ("result", result.as_entire_binding()),
            ],
        )?;
        let readback = || {
            gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("stability"),
                size: RESULT_BYTES,
                usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
                mapped_at_creation: false,
            })
        };
        Ok(Self {
            extent,
            work: gpu.work.clone(),
            compare,
            gather,
            compares,
            gathers,
            result,
            ring: std::array::from_fn(|_| (readback(), State::Free)),
            since: 0,
            kept: [None; KEPT],
            next: 0,
        })
    }

    /// Another frame was painted, and the one before as well. Whether it is to be compared: [`Self::record`] and [`Self::fetch`] must
    /// follow then.
    pub fn is_due(&mut self) -> bool {
        self.since = self.since.saturating_add(1);
        let due = self.since >= EVERY && self.ring.iter().any(|(_, state)| *state == State::Free);
        if due {
            self.since = 0;
        }
        due
    }

    /// Compares the frame in `slot` with that in the other one, after both were composed.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>, slot: usize) {
        let Extent { width, height } = self.extent;
        self.compare.dispatch(pass, &self.compares[slot], [width, height, 1]);
        self.gather.dispatch(pass, &self.gathers, [1, 1, 1]);
    }

    /// Has the result brought to where it can be read.
    pub fn fetch(&mut self, encoder: &mut wgpu::CommandEncoder) {
        if let Some((buffer, state)) = self.ring.iter_mut().find(|(_, state)| *state == State::Free) {
            encoder.copy_buffer_to_buffer(&self.result, 0, buffer, 0, RESULT_BYTES);
            self.work.copied(RESULT_BYTES);
            *state = State::Recorded;
        }
    }

    /// Must be called after the encoder given to [`Self::fetch`] was submitted.
    pub fn submitted(&mut self) {
        for (buffer, state) in self.ring.iter_mut().filter(|(_, state)| *state == State::Recorded) {
            *state = State::Reading;
            // Whether it succeeded shows when the range is asked for; a callback without captures allocates nothing.
            buffer.slice(..).map_async(wgpu::MapMode::Read, |_| {});
        }
    }

    /// Takes in what has arrived. Never waits; the device must have been polled.
    pub fn drain(&mut self) {
        for (buffer, state) in self.ring.iter_mut().filter(|(_, state)| *state == State::Reading) {
            let Ok(view) = buffer.slice(..).get_mapped_range() else { continue };
            let gathered: Gathered = bytemuck::pod_read_unaligned(&view);
            drop(view);
            buffer.unmap();
            *state = State::Free;
            self.kept[self.next] = Stability::of(gathered, self.extent);
            self.next = (self.next + 1) % KEPT;
        }
    }

    /// The mean over the last comparisons that had enough still picture; `None` when none had.
    pub fn latest(&self) -> Option<Stability> {
        Stability::mean(self.kept.iter().copied().flatten())
    }

    /// What `stability/gather` left: for tests.
    pub fn result(&self) -> &wgpu::Buffer {
        &self.result
    }
}
