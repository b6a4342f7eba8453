//! What the pipeline keeps twice: one slot for the frame that is shown, one for the frame in work.

use super::PipelineError;
use super::motion::Motion;
use super::present::{Present, PresentSource};
use super::stability::Steadiness;
use super::stages::{self, Compose, ComposeBound, Memory, Prepare};
use crate::gpu::{Gpu, GpuError};
use crate::kernels::prepare::Crop;
use crate::units::{Extent, FrameStamp};

/// A frame's place on the GPU.
pub(super) struct Slot {
    pub(super) frame: wgpu::TextureView,
    pub(super) ingest: wgpu::BindGroup,
    pub(super) around: Option<SlotStages>,
    /// Whose frame it is; `None` while it holds nothing.
    pub(super) stamp: Option<FrameStamp>,
    /// Whether the student painted it.
    pub(super) painted: bool,
}

/// What a slot has more where there is a student.
pub(super) struct SlotStages {
    pub(super) prepare: wgpu::BindGroup,
    /// For what the student painted.
    pub(super) compose: ComposeBound,
    /// For what was carried along from an earlier frame.
    pub(super) compose_carried: ComposeBound,
    pub(super) painting: wgpu::TextureView,
    pub(super) gains: wgpu::TextureView,
}

/// The stages before and after a student.
pub(super) struct StudentStages {
    pub(super) prepare: Prepare,
    pub(super) compose: Compose,
    pub(super) motion: Motion,
    pub(super) steadiness: Steadiness,
}

/// What stands around a student that reads `image` and writes `painted`, for the two slots with these frames; `trips` frames may
/// be away at once to be painted.
pub(super) fn build_around(
    gpu: &Gpu,
    crop: Crop,
    extent: Extent,
    image: &wgpu::Buffer,
    painted: &wgpu::Buffer,
    frames: &[wgpu::TextureView; 2],
    trips: usize,
) -> Result<(StudentStages, [SlotStages; 2]), GpuError> {
    let prepare = Prepare::new(gpu, crop, extent)?;
    let compose = Compose::new(gpu, extent)?;
    let memories = [Memory::new(gpu, extent), Memory::new(gpu, extent)];
    let motion = Motion::new(gpu, extent, painted, memories.each_ref().map(|memory| &memory.guide), trips)?;
    let steadiness = Steadiness::new(gpu, extent, &memories)?;
    let slot = |index: usize| -> Result<SlotStages, GpuError> {
        let (next, previous) = (&memories[index], &memories[1 - index]);
        let painting = stages::view(&stages::texture(gpu, "painting", extent));
        let gains = stages::view(&stages::texture(gpu, "gains", extent));
        Ok(SlotStages {
            prepare: prepare.bind(gpu, &frames[index], image, &next.guide)?,
            compose: compose.bind(gpu, painted, image, previous, next, &painting, &gains)?,
            compose_carried: compose.bind(gpu, motion.carried(), image, previous, next, &painting, &gains)?,
            painting,
            gains,
        })
    };
    let slots = [slot(0)?, slot(1)?];
    Ok((StudentStages { prepare, compose, motion, steadiness }, slots))
}

/// The last pass for targets of `format`, over both slots.
pub(super) fn build_present(gpu: &Gpu, format: wgpu::TextureFormat, slots: &[Slot; 2]) -> Result<Present, GpuError> {
    let none = stages::view(&stages::texture(gpu, "no painting", Extent::new(1, 1)));
    let sources = slots.each_ref().map(|slot| PresentSource {
        frame: &slot.frame,
        painting: slot.around.as_ref().map_or(&none, |around| &around.painting),
        gains: slot.around.as_ref().map_or(&none, |around| &around.gains),
    });
    Present::new(gpu, format, &sources)
}

/// Whether the GPU takes a frame of that size.
pub(super) fn check_size(gpu: &Gpu, extent: Extent) -> Result<(), PipelineError> {
    let limit = gpu.device.limits().max_texture_dimension_2d;
    if extent.is_empty() {
        return Err(PipelineError::Empty(extent));
    }
    if extent.width > limit || extent.height > limit {
        return Err(PipelineError::TooLarge { extent, limit });
    }
    Ok(())
}
