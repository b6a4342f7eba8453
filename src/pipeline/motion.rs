//! What stands in for the student on the frames that it does not paint: the motion since the frame that it painted last, and
//! that painting moved along.
//!
//! The chain gives it the guide of each frame ([`Motion::record_look`]) and says which of these frames is the one that the
//! newest painting was made from; [`Motion::record_carry`] then leaves in [`Motion::carried`] what the student would have
//! painted for the present frame, as well as motion can tell. Knows buffers; not when frames come, nor who paints.
//!
//! Per carried frame, five dispatches: one `motion/pyramid`, three `motion/search`, one `motion/carry`. At 320 by 192 the search
//! has 1,260 blocks of 64 pixels, each with at most 49 candidates: 2.7 million differences if everything moves, and next to none
//! where nothing does. Memory moved, without what caches save: 45 bytes a pixel, 2.8 MB, most of it the painting itself (16 bytes
//! a pixel, in and out). Per painted frame: one dispatch and copies of 5 bytes a pixel.

use std::sync::Arc;

use super::stages::{self, uniform};
use crate::gpu::{Gpu, GpuError, GpuWork, Kernel, Shader, shader};
use crate::kernels::motion::{Fields, LEVELS, level_extent, levels_len};
use crate::units::{Extent, FrameId};

pub const PYRAMID: Shader = shader!("motion/pyramid");
pub const SEARCH: Shader = shader!("motion/search");
pub const CARRY: Shader = shader!("motion/carry");

/// Mirrors `PyramidLayout` in `shaders/motion/pyramid.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct PyramidLayout {
    pub width: u32,
    pub height: u32,
}

/// Mirrors `SearchLayout` in `shaders/motion/search.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct SearchLayout {
    pub width: u32,
    pub height: u32,
    pub level_at: u32,
    pub columns: u32,
    pub rows: u32,
    pub field_at: u32,
    pub parent_columns: u32,
    pub parent_rows: u32,
    pub parent_at: u32,
    pub radius: u32,
    pub finest: u32,
}

/// Mirrors `CarryLayout` in `shaders/motion/carry.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct CarryLayout {
    pub width: u32,
    pub height: u32,
    pub columns: u32,
    pub rows: u32,
}

/// What is remembered of a frame so that motion since then can be found.
#[derive(Debug)]
struct Sight {
    /// The student's input, H*W `u32`.
    guide: wgpu::Buffer,
    /// As `motion/pyramid` leaves it.
    levels: wgpu::Buffer,
}

impl Sight {
    fn new(gpu: &Gpu, extent: Extent) -> Self {
        Self {
            guide: stages::storage(gpu, "motion guide", extent.pixels() * 4),
            levels: stages::storage(gpu, "motion levels", levels_len(extent) as u64 * 4),
        }
    }

    fn copy_from(
        &self,
        work: &GpuWork,
        encoder: &mut wgpu::CommandEncoder,
        guide: &wgpu::Buffer,
        levels: &wgpu::Buffer,
    ) {
        work.copied(self.guide.size());
        work.copied(self.levels.size());
        encoder.copy_buffer_to_buffer(guide, 0, &self.guide, 0, self.guide.size());
        encoder.copy_buffer_to_buffer(levels, 0, &self.levels, 0, self.levels.size());
    }
}

/// A frame whose painting is on its way.
#[derive(Debug)]
struct Away {
    frame: Option<FrameId>,
    sight: Sight,
}

/// See the module's text. Everything is made by [`Motion::new`].
#[derive(Debug)]
pub struct Motion {
    extent: Extent,
    work: Arc<GpuWork>,
    fields: Fields,
    pyramid: Kernel,
    search: Kernel,
    carry: Kernel,
    /// The present frame's levels.
    now: wgpu::Buffer,
    /// Of the frame that the newest painting was made from.
    key: Sight,
    has_key: bool,
    away: Vec<Away>,
    field: wgpu::Buffer,
    carried: wgpu::Buffer,
    guides: [wgpu::Buffer; 2],
    /// By slot.
    look: [wgpu::BindGroup; 2],
    /// By level, the finest first.
    searches: Vec<wgpu::BindGroup>,
    /// By slot.
    carries: [wgpu::BindGroup; 2],
}

impl Motion {
    /// `extent`: the student's. `painted`: where its newest painting stays, H*W `vec4<f32>`. `guides`: those of the two slots.
    /// `trips`: how many frames may be away to be painted at once, 0 in place.
    ///
    /// # Errors
    /// When the device refuses a kernel or a buffer.
    pub fn new(
        gpu: &Gpu,
        extent: Extent,
        painted: &wgpu::Buffer,
        guides: [&wgpu::Buffer; 2],
        trips: usize,
    ) -> Result<Self, GpuError> {
        let Extent { width, height } = extent;
        let fields = Fields::new(extent);
        let pyramid = Kernel::new(gpu, PYRAMID, &[])?;
        let search = Kernel::new(gpu, SEARCH, &[])?;
        let carry = Kernel::new(gpu, CARRY, &[])?;
        let key = Sight::new(gpu, extent);
        let now = stages::storage(gpu, "motion levels now", levels_len(extent) as u64 * 4);
        let field = stages::storage(gpu, "motion field", fields.len() as u64 * 8);
        let carried = stages::storage(gpu, "carried painting", extent.pixels() * 16);

        let pyramid_layout = uniform(gpu, "pyramid layout", bytemuck::bytes_of(&PyramidLayout { width, height }));
        let look_at = |guide: &wgpu::Buffer| {
            pyramid.bind(
                gpu,
                &[
                    ("guide", guide.as_entire_binding()),
                    ("pyramid_layout", pyramid_layout.as_entire_binding()),
                    ("levels", now.as_entire_binding()),
                ],
            )
        };
        let look = [look_at(guides[0])?, look_at(guides[1])?];
        let searches = (0..LEVELS)
            .map(|level| {
                let layout = search_layout(extent, &fields, level);
                let layout = uniform(gpu, "search layout", bytemuck::bytes_of(&layout));
                search.bind(
                    gpu,
                    &[
                        ("now", now.as_entire_binding()),
                        ("key", key.levels.as_entire_binding()),
                        ("field", field.as_entire_binding()),
                        ("search_layout", layout.as_entire_binding()),
                    ],
                )
            })
            .collect::<Result<Vec<_>, GpuError>>()?;
        let Extent { width: columns, height: rows } = fields.grid(0);
        let carry_layout =
            uniform(gpu, "carry layout", bytemuck::bytes_of(&CarryLayout { width, height, columns, rows }));
        let carry_to = |guide: &wgpu::Buffer| {
            carry.bind(
                gpu,
                &[
                    ("key_painting", painted.as_entire_binding()),
                    ("key_guide", key.guide.as_entire_binding()),
                    ("guide", guide.as_entire_binding()),
                    ("field", field.as_entire_binding()),
                    ("carry_layout", carry_layout.as_entire_binding()),
                    ("carried", carried.as_entire_binding()),
                ],
            )
        };
        let carries = [carry_to(guides[0])?, carry_to(guides[1])?];
        Ok(Self {
            extent,
            work: gpu.work.clone(),
            fields,
            pyramid,
            search,
            carry,
            now,
            key,
            has_key: false,
            away: (0..trips).map(|_| Away { frame: None, sight: Sight::new(gpu, extent) }).collect(),
            field,
            carried,
            guides: guides.map(wgpu::Buffer::clone),
            look,
            searches,
            carries,
        })
    }

    /// Where [`Self::record_carry`] leaves the painting: H*W `vec4<f32>`.
    pub fn carried(&self) -> &wgpu::Buffer {
        &self.carried
    }

    /// What [`Self::record_look`] left: the present frame's levels.
    pub fn levels(&self) -> &wgpu::Buffer {
        &self.now
    }

    /// What [`Self::record_carry`] found: `vec2<i32>` for each block, the finest level first.
    pub fn field(&self) -> &wgpu::Buffer {
        &self.field
    }

    /// Whether it is known which frame the newest painting was made from.
    pub fn has_key(&self) -> bool {
        self.has_key
    }

    /// The newest painting is of a frame that was not looked at, or too old.
    pub fn forget(&mut self) {
        self.has_key = false;
    }

    /// Looks at the frame in `slot`, whose guide is complete: it is the present frame from here on.
    pub fn record_look(&self, pass: &mut wgpu::ComputePass<'_>, slot: usize) {
        let half = level_extent(self.extent, 0);
        self.pyramid.dispatch(pass, &self.look[slot], [half.width, half.height, 1]);
    }

    /// The newest painting is that of the frame in `slot`, which was looked at last.
    pub fn remember(&mut self, encoder: &mut wgpu::CommandEncoder, slot: usize) {
        self.key.copy_from(&self.work, encoder, &self.guides[slot], &self.now);
        self.has_key = true;
    }

    /// The frame in `slot`, which was looked at last, is away to be painted. Takes the place of the oldest when there are too
    /// many.
    pub fn send(&mut self, encoder: &mut wgpu::CommandEncoder, slot: usize, frame: FrameId) {
        if let Some(away) = self.away.iter_mut().min_by_key(|away| away.frame) {
            away.sight.copy_from(&self.work, encoder, &self.guides[slot], &self.now);
            away.frame = Some(frame);
        }
    }

    /// The newest painting is that of `frame`, which was away. False when that frame is not known.
    pub fn receive(&mut self, encoder: &mut wgpu::CommandEncoder, frame: FrameId) -> bool {
        let Some(away) = self.away.iter_mut().find(|away| away.frame == Some(frame)) else { return false };
        away.frame = None;
        self.key.copy_from(&self.work, encoder, &away.sight.guide, &away.sight.levels);
        self.has_key = true;
        true
    }

    /// Finds the motion since the painted frame and moves its painting to where things are in the frame in `slot`, which was
    /// looked at last.
    pub fn record_carry(&self, pass: &mut wgpu::ComputePass<'_>, slot: usize) {
        self.record_search(pass);
        let Extent { width, height } = self.extent;
        self.carry.dispatch(pass, &self.carries[slot], [width, height, 1]);
    }

    /// The first part of [`Self::record_carry`] alone, for measuring.
    pub fn record_search(&self, pass: &mut wgpu::ComputePass<'_>) {
        for level in (0..LEVELS).rev() {
            let Extent { width, height } = self.fields.grid(level);
            let [invocations, ..] = self.search.workgroup();
            self.search.dispatch(pass, &self.searches[level], [width * invocations, height, 1]);
        }
    }
}

/// The uniform buffer for the search on one level, 0 the finest.
pub fn search_layout(extent: Extent, fields: &Fields, level: usize) -> SearchLayout {
    let Extent { width, height } = level_extent(extent, level);
    let grid = fields.grid(level);
    let coarsest = level + 1 == LEVELS;
    let parent = if coarsest { Extent::new(0, 0) } else { fields.grid(level + 1) };
    SearchLayout {
        width,
        height,
        level_at: crate::kernels::motion::level_at(extent, level) as u32,
        columns: grid.width,
        rows: grid.height,
        field_at: fields.at(level) as u32,
        parent_columns: parent.width,
        parent_rows: parent.height,
        parent_at: if coarsest { 0 } else { fields.at(level + 1) as u32 },
        radius: crate::kernels::motion::RADIUS[level] as u32,
        finest: u32::from(level == 0),
    }
}
