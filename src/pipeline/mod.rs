//! The way of a frame from the camera's bytes to a target.
//!
//! What happens to a frame is a list of passes ([`list`]), each of which says what it reads and writes ([`pass`],
//! [`product`]); what of the list runs for a frame is decided by pure code from what is wanted of it, and a back end
//! ([`gpu`]) executes that. `pass` tells how to add one; `listing` is the list as `impasto plan` prints it.
//!
//! Two slots take turns: one holds the frame that is shown together with its own painting, the other the frame in work. A
//! painting is therefore never laid over another frame, and the slot that is shown *is* the previous frame that the
//! temporal blend needs. All colours are the camera's own coded R'G'B' (sRGB curve) from end to end.
//!
//! With a cadence ([`Pipeline::set_every`]) the student paints only some of the frames. On the others the newest painting,
//! moved along with the picture, stands in for what it would have painted, and everything else is the same.
//!
//! `routes` decides which frame goes through the list when, and what is shown. Nothing here blocks except
//! [`Pipeline::finish`] and [`Pipeline::read_picture`], and after [`Pipeline::new`] no GPU object is made but command
//! encoders. Knows nothing of windows, of where frames come from, nor of how long they may take.

pub mod gpu;
pub mod list;
pub mod listing;
mod load;
mod painter;
pub mod pass;
mod present;
pub mod product;
mod routes;
mod sights;
mod steadiness;

use std::time::Duration;

use gpu::{GpuChain, Ticket};
use list::{Event, Paint, Route, Wanted};
use painter::Painter;
pub use painter::Student;
use pass::{OnGpu, Varying};
pub use present::{Fit, Look, PictureLayout, Placement};
use product::Sizes;
use sights::Sights;
use steadiness::Steadiness;

use crate::canvas::{Relief, Surface, SurfaceSlot};
use crate::frame::{CameraFrame, FrameShape};
use crate::gpu::{Gpu, GpuError, Shader};
pub use crate::kernels::stability::Stability;
use crate::metrics::Span;
use crate::nn::gpu::GpuStudent;
use crate::roundtrip::RoundTrip;
use crate::units::{Burden, Extent, FrameStamp};

/// The shaders of the chain, apart from the student's.
pub fn shaders() -> impl Iterator<Item = Shader> {
    let of_passes = list::LIST.iter().flat_map(|line| match &line.pass.gpu {
        OnGpu::Dispatch(dispatch) => dispatch.shaders,
        OnGpu::Draw => &[pass::picture::SHADER],
        OnGpu::Copy | OnGpu::Upload | OnGpu::Student => &[],
    });
    let mut seen = Vec::new();
    of_passes.copied().filter(move |shader| {
        let new = !seen.contains(&shader.name);
        seen.push(shader.name);
        new
    })
}

/// Why a pipeline could not be made, or a picture not be read.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    Gpu(#[from] GpuError),
    #[error("a picture of {extent} is larger than this GPU takes ({limit} pixels a side); choose a smaller size")]
    TooLarge { extent: Extent, limit: u32 },
    #[error(
        "a frame of {extent} takes {} MB, and this GPU takes {} at once; choose a smaller picture",
        bytes / 1_000_000, limit / 1_000_000
    )]
    TooManyBytes { extent: Extent, bytes: u64, limit: u64 },
    #[error("an empty picture ({0}) cannot be shown; choose a size of at least 1x1")]
    Empty(Extent),
    #[error(
        "the student gave no picture for {} s; choose another engine (--engine) or a smaller variant (--variant)",
        .0.as_secs()
    )]
    Stalled(Duration),
    #[error("the picture could not be read back from the GPU: {0}; try again, or choose a smaller size")]
    Read(String),
}

/// What became of the frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PipelineCounts {
    /// Frames handed to [`Pipeline::submit`].
    pub submitted: u64,
    /// Of those, the ones that came out ready to show; with a student, painted.
    pub processed: u64,
    /// Of those, the ones that gave way to a newer frame, or whose shape was not the pipeline's.
    pub dropped: u64,
}

/// Room for spans between two polls, and for frames on the round trip whose fate is open.
const PENDING: usize = 64;
/// Frames on the round trip at once: being painted, waiting for it, painted and not yet fetched.
pub const TRIPS: usize = 3;

/// What a back end is to do: a list of passes, and what they need from outside.
struct FrameJob<'a> {
    wanted: Wanted,
    stamp: FrameStamp,
    /// Which of the two slots holds the frame.
    slot: usize,
    /// Which of the frames that are away is meant.
    trip: usize,
    varying: Varying,
    /// The camera's bytes.
    bytes: Option<&'a [u8]>,
    /// A painting from another thread: rgb 0..1 and 1 for each pixel of the student.
    painting: Option<&'a [[f32; 4]]>,
    /// Whether it is measured.
    measured: bool,
}

/// A frame's place.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Whose frame it is; `None` while it holds nothing.
    stamp: Option<FrameStamp>,
    /// Whether something is laid on it.
    painted: bool,
    /// Whether it is known where strokes of a relief go.
    flow: bool,
    /// Whether it is known how far strokes have gone.
    drift: bool,
}

struct InFlight {
    slot: usize,
    stamp: FrameStamp,
    ticket: Ticket,
}

/// Everything between a camera's frame and a target. Made for one shape of frame, one student and one format of target; when
/// one of them changes, make a new one on another thread and swap.
pub struct Pipeline {
    sizes: Sizes,
    chain: GpuChain,
    painter: Painter,
    surface: SurfaceSlot,
    /// Of the look that was drawn last: without a relief its passes do not run.
    thickness: f32,
    slots: [Slot; 2],
    sights: Sights,
    steadiness: Steadiness,
    in_flight: Option<InFlight>,
    waiting: Option<CameraFrame>,
    shown: Option<usize>,
    /// Became shown without a poll.
    fresh: Option<FrameStamp>,
    blend: f32,
    /// See [`Pipeline::start_afresh`].
    afresh: bool,
    /// See [`Pipeline::set_every`].
    every: u32,
    /// Frames since the one that the student was last given.
    since: u32,
    counts: PipelineCounts,
    spans: Vec<Span>,
}

impl Pipeline {
    /// Compiles the kernels and makes all buffers and textures. Takes from milliseconds to a second: call it on another thread
    /// than the one that draws.
    ///
    /// # Errors
    /// When the frame is too large for the GPU, or the device refuses something.
    pub fn new(
        gpu: &Gpu,
        shape: FrameShape,
        student: Student,
        target_format: wgpu::TextureFormat,
    ) -> Result<Self, PipelineError> {
        let extent = student.extent();
        let (painter, in_place) = Painter::of(student);
        let trips = if painter.route() == Route::RoundTrip { TRIPS } else { 0 };
        let canvas_channels = in_place.as_ref().and_then(|s| s.plan().canvas()).map_or(0, |c| c.channels as u32);
        let sizes = Sizes { canvas_channels, ..Sizes::new(shape, extent, trips) };
        let surface = painter.round_trip().map(|student| student.surface().clone()).unwrap_or_default();
        Ok(Self {
            surface,
            thickness: Look::default().thickness,
            chain: GpuChain::new(gpu, sizes, painter.route(), in_place, target_format)?,
            sizes,
            painter,
            slots: [Slot::default(); 2],
            sights: Sights::new(trips),
            steadiness: Steadiness::default(),
            in_flight: None,
            waiting: None,
            shown: None,
            fresh: None,
            blend: Look::default().blend,
            afresh: true,
            every: 1,
            since: u32::MAX,
            counts: PipelineCounts::default(),
            spans: Vec::with_capacity(PENDING),
        })
    }

    /// Records the last pass over the whole of `target`: the newest finished frame with its own painting. Before the first
    /// frame, black; before the first painting, the camera's picture.
    ///
    /// The first pass for each frame is measured, and counts as part of its compose stage (spans of one frame and stage add
    /// up). Submit the encoder before the next [`Self::poll`].
    pub fn draw(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        target: &wgpu::TextureView,
        target_extent: Extent,
        look: &Look,
    ) {
        self.blend = look.blend.clamp(0.0, 1.0);
        self.thickness = look.thickness;
        let layout = self.picture_layout(target_extent, look);
        let frame = self.shown().map(|stamp| stamp.id);
        self.chain.draw(encoder, target, layout, self.shown, frame);
    }

    /// What [`Self::draw`] would show on a target of `extent`, as sRGB bytes with alpha 255. Waits for the GPU.
    ///
    /// # Errors
    /// When the size is empty or too large for the GPU, or the picture cannot be read.
    pub fn read_picture(&mut self, extent: Extent, look: &Look) -> Result<image::RgbaImage, PipelineError> {
        let layout = self.picture_layout(extent, look);
        self.chain.read_picture(extent, layout, self.shown)
    }

    fn picture_layout(&self, target: Extent, look: &Look) -> PictureLayout {
        let surface = self.surface.now();
        let flow = self.shown.is_some_and(|index| self.slots[index].flow);
        let relief = if flow { surface.relief } else { Relief::default() };
        let relief = (relief, surface.brush.seed);
        let drift = self.shown.is_some_and(|index| self.slots[index].drift);
        let drift = drift.then_some(self.sizes.student);
        PictureLayout::new(self.sizes.shape.extent, self.sizes.crop, target, look, self.shown_painted(), relief, drift)
    }

    /// Whose frame is shown.
    pub fn shown(&self) -> Option<FrameStamp> {
        self.shown.and_then(|index| self.slots[index].stamp)
    }

    /// Whether the frame that is shown has been painted.
    pub fn shown_painted(&self) -> bool {
        self.shown.is_some_and(|index| self.slots[index].painted)
    }

    pub fn counts(&self) -> PipelineCounts {
        self.counts
    }

    /// The shape of frame that it takes.
    pub fn shape(&self) -> FrameShape {
        self.sizes.shape
    }

    /// The size at which the student paints.
    pub fn student_extent(&self) -> Option<Extent> {
        (self.painter.route() != Route::Untouched).then_some(self.sizes.student)
    }

    /// Width over height of the picture as it is shown: the frame's, or its crop's.
    pub fn picture_aspect(&self) -> f32 {
        self.sizes.crop.aspect()
    }

    /// The student's round trip, for its events. `None` in place.
    pub fn round_trip(&self) -> Option<&RoundTrip> {
        self.painter.round_trip()
    }

    /// Where that goes which the student paints on, and what is laid on its painting; it holds from the next frame on.
    pub fn surface(&self) -> &SurfaceSlot {
        &self.surface
    }

    /// Channels of the canvas that the student takes in; 0 where it takes none.
    pub fn canvas_channels(&self) -> usize {
        match self.round_trip() {
            Some(student) => student.canvas_channels(),
            None => self.sizes.canvas_channels as usize,
        }
    }

    /// The student in place, for another style of the same network. `None` on the round trip.
    pub fn in_place(&self) -> Option<&GpuStudent> {
        self.chain.student()
    }

    /// How steady the painting was of late where the camera's picture did not change: a mean over some forty frames, some
    /// frames old. `None` while too little of the picture is still, before there are two paintings, and without a student.
    pub fn stability(&self) -> Option<Stability> {
        self.steadiness.latest()
    }

    /// Share of the previous painting where nothing moves, 0..=1, for the next frame on. [`Self::draw`] sets it too.
    pub fn set_blend(&mut self, blend: f32) {
        self.blend = blend.clamp(0.0, 1.0);
    }

    /// The next frame has nothing to do with those before it: strokes lie as if it were the first.
    pub fn start_afresh(&mut self) {
        self.afresh = true;
        if let Some(student) = self.round_trip() {
            student.start_afresh();
        }
    }

    /// Puts more work on the student from the next frame on, to try out what becomes of it: on the GPU it paints each picture
    /// as many times over as take about that long, on the round trip its thread waits.
    pub fn set_burden(&mut self, burden: Burden) {
        self.chain.set_burden(burden);
        if let Some(student) = self.round_trip() {
            student.set_burden(burden);
        }
    }

    /// One frame from its bytes to its steadied painting in slot `index`. With `sent`, the frame goes on the round trip
    /// afterwards.
    ///
    /// A frame that only stands in until the round trip has painted it is not measured.
    fn run(
        &mut self,
        frame: &CameraFrame,
        index: usize,
        paint: Paint,
        painting: Option<&[[f32; 4]]>,
        sent: bool,
    ) -> Ticket {
        let stamp = frame.stamp();
        let painted_before = self.slots[1 - index].painted;
        let lays = paint != Paint::Nobody;
        let compared = lays && painted_before && self.steadiness.is_due(self.chain.can_compare());
        let cadenced = self.is_cadenced();
        let trip = if cadenced && sent { self.sights.send(stamp.id) } else { None };
        let surface = self.surface.now();
        let relief = lays && self.load_relief(&surface);
        let afresh = std::mem::take(&mut self.afresh);
        let follows = self.slots[1 - index].flow && !afresh;
        let canvas = surface.canvas.filter(|_| lays && self.sizes.canvas_channels > 0);
        if let Some(canvas) = &canvas {
            self.chain.load_canvas(canvas);
        }
        let sent = trip.is_some();
        let drift = lays && (relief || canvas.is_some());
        let wanted = Wanted { event: Event::Frame, paint, cadenced, sent, compared, canvas: canvas.is_some(), relief };
        let ticket = self.chain.run(&FrameJob {
            wanted,
            stamp,
            slot: index,
            trip: trip.unwrap_or(0),
            varying: Varying {
                blend: if painted_before { self.blend } else { 0.0 },
                brush: surface.brush,
                swirl: surface.relief.swirl,
                follows,
                continues: self.slots[1 - index].drift && !afresh,
            },
            bytes: Some(&frame.bytes()[..self.sizes.shape.min_bytes()]),
            painting,
            measured: lays || self.painter.route() != Route::RoundTrip,
        });
        if cadenced && paint == Paint::Student {
            self.sights.keep();
        }
        self.slots[index] = Slot { stamp: Some(stamp), painted: lays, flow: relief, drift };
        ticket
    }

    /// A painting that was away becomes the one that is carried along. Laid at once on the frame that is shown, if that has
    /// none yet. False when it is not known what its frame looked like.
    fn run_arrival(&mut self, frame: FrameStamp, pixels: &[[f32; 4]]) -> bool {
        let Some(trip) = self.sights.receive(frame.id) else { return false };
        let bare = self.shown.filter(|index| !self.slots[*index].painted);
        let paint = if bare.is_some() { Paint::Carried } else { Paint::Nobody };
        let surface = self.surface.now();
        let relief = bare.is_some() && self.load_relief(&surface);
        self.chain.run(&FrameJob {
            wanted: Wanted { event: Event::Arrival, paint, cadenced: true, relief, ..Wanted::SHOW },
            stamp: frame,
            slot: bare.unwrap_or(0),
            trip,
            varying: Varying { brush: surface.brush, swirl: surface.relief.swirl, ..Varying::default() },
            bytes: None,
            painting: Some(pixels),
            measured: false,
        });
        if let Some(index) = bare {
            (self.slots[index].painted, self.slots[index].flow) = (true, relief);
            self.fresh = self.slots[index].stamp;
        }
        true
    }

    /// Whether a relief is to be laid on paintings from now on; what it is made from is on the GPU then.
    fn load_relief(&mut self, surface: &Surface) -> bool {
        let Some(tables) = surface.tables.as_ref().filter(|_| self.thickness > 0.0 && !surface.relief.is_flat()) else {
            return false;
        };
        // Refused by the device, which is told elsewhere: the picture is shown without.
        self.chain.load_tables(tables).is_ok()
    }

    /// A cadence begins on the round trip while a painting is shown on its own frame: that one is carried on.
    fn keep_shown_painting(&mut self) {
        let Some(index) = self.shown.filter(|index| self.slots[*index].painted) else { return };
        let Some(stamp) = self.slots[index].stamp.filter(|_| self.painter.route() == Route::RoundTrip) else { return };
        self.chain.run(&FrameJob {
            wanted: Wanted { event: Event::Keep, cadenced: true, ..Wanted::SHOW },
            stamp,
            slot: index,
            trip: 0,
            varying: Varying::default(),
            bytes: None,
            painting: None,
            measured: false,
        });
        self.sights.keep();
    }

    fn is_cadenced(&self) -> bool {
        self.every > 1 && self.painter.route() != Route::Untouched
    }
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline")
            .field("shape", &self.sizes.shape)
            .field("student", &self.student_extent())
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}
