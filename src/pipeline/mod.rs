//! The way of a frame from the camera's bytes to a target.
//!
//! What happens to a frame is a list of passes ([`list`]), each of which says what it reads and writes ([`pass`],
//! [`product`]); what of the list runs for a frame is decided by pure code from what is wanted of it, and one of two back
//! ends ([`gpu`], [`cpu`]) executes that. `pass` tells how to add one; `listing` is the list as `impasto plan` prints it.
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

mod chain;
pub mod cpu;
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
mod still;
pub mod tap;

use std::time::Duration;

use chain::{Chain, Ticket};
use cpu::CpuChain;
use gpu::GpuChain;
use list::{Event, Paint, Route, Wanted};
pub use painter::Student;
use painter::{InPlace, Painter};
use pass::{OnGpu, Varying};
pub use present::{Fit, Look, PictureLayout, Placement};
use product::Sizes;
use sights::Sights;
use steadiness::Steadiness;
pub use still::PendingPicture;
use tap::Taps;

use crate::canvas::{Relief, Surface, SurfaceSlot};
use crate::clock::Clock;
use crate::frame::{CameraFrame, FrameShape};
use crate::gpu::{Done, Gpu, GpuError, Shader};
pub use crate::kernels::stability::Stability;
use crate::metrics::{Span, Stage};
use crate::nn::gpu::GpuStudent;
use crate::roundtrip::{RoundTrip, RoundTripEvent};
use crate::units::{Burden, Extent, FrameId, FrameStamp};

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
    #[error("the picture could not be read back: {0}; try again, or choose a smaller size")]
    Read(String),
    #[error("the student is not of the back end that is to run it; choose another --engine or --chain")]
    WrongChain,
    #[error("a thread could not be started: {0}; close other programs and try again")]
    Threads(std::io::Error),
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
    /// What is laid on the painting; flat where nothing is.
    relief: Relief,
    frame: Option<FrameInput<'a>>,
    /// A painting from another thread: rgb 0..1 and 1 for each pixel of the student.
    painting: Option<&'a [[f32; 4]]>,
    /// Whether it is measured.
    measured: bool,
    /// Where the frame will be shown, for a back end that composes before it draws.
    show: Option<(PictureLayout, Extent)>,
    /// For whom else it composes, and the window's look.
    taps: Option<(Taps, Look)>,
}

/// A frame for a back end.
enum FrameInput<'a> {
    /// Needed elsewhere too.
    Lent(&'a CameraFrame),
    /// To be kept as long as it is needed.
    Given(CameraFrame),
}

impl FrameInput<'_> {
    fn frame(&self) -> &CameraFrame {
        match self {
            Self::Lent(frame) => frame,
            Self::Given(frame) => frame,
        }
    }
}

impl FrameJob<'_> {
    /// The camera's bytes.
    fn bytes(&self) -> Option<&[u8]> {
        let frame = self.frame.as_ref()?.frame();
        Some(&frame.bytes()[..frame.shape().min_bytes()])
    }
}

/// Which back end runs the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChainKind {
    Gpu,
    Cpu,
}

impl ChainKind {
    /// As the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
        }
    }
}

/// What the user asked for: `--chain auto`, or one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChainWish {
    #[default]
    Auto,
    Only(ChainKind),
}

impl ChainWish {
    /// The back end beside such an adapter. A software adapter runs shaders on the very processor that the other back end
    /// uses directly. `on_gpu`: the network is painted by our engine on the GPU, in its own command buffer.
    pub fn choose(self, software: bool, on_gpu: bool) -> ChainKind {
        match self {
            Self::Only(kind) => kind,
            Self::Auto if software && !on_gpu => ChainKind::Cpu,
            Self::Auto => ChainKind::Gpu,
        }
    }
}

impl std::str::FromStr for ChainWish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "gpu" => Ok(Self::Only(ChainKind::Gpu)),
            "cpu" => Ok(Self::Only(ChainKind::Cpu)),
            _ => Err(format!("'{text}' is not a place to compose on: choose auto, gpu or cpu")),
        }
    }
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
    /// Its fate was counted already.
    counted: bool,
}

/// Everything between a camera's frame and a target. Made for one shape of frame, one student and one format of target; when
/// one of them changes, make a new one on another thread and swap.
pub struct Pipeline {
    sizes: Sizes,
    chain: Chain,
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
    /// The target and the look of the last drawing.
    view: Option<(Extent, Look)>,
    /// The frame whose drawing was measured last.
    drawn: Option<FrameId>,
    taps: Taps,
    clock: Clock,
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
        let (student, painter, sizes) = Self::parts(shape, student);
        let student = match student {
            Some(InPlace::Gpu(student)) => Some(student),
            Some(InPlace::Cpu(_)) => return Err(PipelineError::WrongChain),
            None => None,
        };
        let chain = GpuChain::new(gpu, sizes, painter.route(), student, target_format)?;
        Ok(Self::with(Chain::Gpu(chain), painter, sizes))
    }

    /// As [`Self::new`], with the list run on the CPU; `gpu` only shows the finished picture. `done` is called on another
    /// thread whenever [`Self::poll`] may find something new.
    ///
    /// # Errors
    /// When no thread can be started, the student is one of the GPU's, or the frame is larger than the GPU can show.
    pub fn on_cpu(
        gpu: &Gpu,
        shape: FrameShape,
        student: Student,
        target_format: wgpu::TextureFormat,
        done: impl Fn() + Send + 'static,
    ) -> Result<Self, PipelineError> {
        if shape.extent.is_empty() {
            return Err(PipelineError::Empty(shape.extent));
        }
        let (student, painter, sizes) = Self::parts(shape, student);
        let student = match student {
            Some(InPlace::Cpu(student)) => Some(student),
            Some(InPlace::Gpu(_)) => return Err(PipelineError::WrongChain),
            None => None,
        };
        let chain = CpuChain::new(gpu, sizes, student, target_format, done)?;
        Ok(Self::with(Chain::Cpu(chain), painter, sizes))
    }

    fn parts(shape: FrameShape, student: Student) -> (Option<InPlace>, Painter, Sizes) {
        let extent = student.extent();
        let (painter, mut in_place) = Painter::of(student);
        let trips = if painter.route() == Route::RoundTrip { TRIPS } else { 0 };
        let canvas_channels = in_place.as_mut().map_or(0, InPlace::canvas_channels);
        let sizes = Sizes { canvas_channels, ..Sizes::new(shape, extent, trips) };
        (in_place, painter, sizes)
    }

    fn with(chain: Chain, painter: Painter, sizes: Sizes) -> Self {
        Self {
            surface: painter.round_trip().map(|student| student.surface().clone()).unwrap_or_default(),
            thickness: Look::default().thickness,
            chain,
            sights: Sights::new(sizes.trips),
            sizes,
            painter,
            slots: [Slot::default(); 2],
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
            view: None,
            drawn: None,
            taps: Taps::default(),
            clock: Clock::default(),
        }
    }

    /// The clock that says when work begins and when a student is overdue; the system's before the first call.
    pub fn set_clock(&mut self, clock: Clock) {
        self.chain.set_clock(clock.clone());
        self.clock = clock;
    }

    /// Which back end runs the list.
    pub fn chain_kind(&self) -> ChainKind {
        match self.chain {
            Chain::Gpu(_) => ChainKind::Gpu,
            Chain::Cpu(_) => ChainKind::Cpu,
        }
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
        self.set_view(target_extent, look);
        let started = self.clock.now();
        let layout = self.picture_layout(target_extent, look);
        let shown = self.shown_frame();
        self.chain.draw(encoder, target, (layout, target_extent), shown);
        if let (Chain::Cpu(_), Some((_, stamp))) = (&self.chain, shown)
            && self.drawn != Some(stamp.id)
        {
            // The finished picture's way to the screen, once for each frame.
            self.drawn = Some(stamp.id);
            self.note(Span::cpu(stamp.id, Stage::Present, started, self.clock.now()));
        }
    }

    /// Where and how frames will be drawn, as far as it is known before [`Self::draw`] is called.
    pub fn set_view(&mut self, target: Extent, look: &Look) {
        self.blend = look.blend.clamp(0.0, 1.0);
        self.thickness = look.thickness;
        self.view = Some((target, *look));
    }

    /// What [`Self::draw`] would show on a target of `extent`. Does not wait for it.
    ///
    /// # Errors
    /// When the size is empty or too large for the GPU.
    pub fn picture(&mut self, extent: Extent, look: &Look) -> Result<PendingPicture, PipelineError> {
        let layout = self.picture_layout(extent, look);
        let shown = self.shown_frame();
        self.chain.picture((layout, extent), shown)
    }

    /// What [`Self::draw`] would show on a target of `extent`, as sRGB bytes with alpha 255. Waits for it.
    ///
    /// # Errors
    /// When the size is empty or too large for the GPU, or the picture cannot be read.
    pub fn read_picture(&mut self, extent: Extent, look: &Look) -> Result<image::RgbaImage, PipelineError> {
        self.picture(extent, look)?.wait()
    }

    /// Who gets every finished picture from now on, beside the window.
    pub fn set_taps(&mut self, taps: Taps) {
        self.taps = taps;
    }

    /// `done` is called from now on, on another thread, whenever [`Self::poll`] may find that a frame is done. Painters on
    /// threads of their own have their own waker.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn wake(&mut self, done: Done) -> Result<(), PipelineError> {
        self.chain.wake(done).map_err(PipelineError::Threads)
    }

    /// For whom else frames are composed, and the look of the window.
    fn tapped(&self) -> Option<(Taps, Look)> {
        (!self.taps.is_empty()).then(|| (self.taps.clone(), self.look()))
    }

    /// The look of the window, as it was drawn last.
    fn look(&self) -> Look {
        self.view.map_or_else(Look::default, |(_, look)| look)
    }

    /// The frame in that slot is shown from now on: it goes to whoever taps the pictures.
    fn tap(&mut self, slot: usize, stamp: FrameStamp) {
        if self.taps.is_empty() {
            return;
        }
        let (look, taps, of) = (self.look(), self.taps.clone(), self.slots[slot]);
        let (surface, Sizes { shape, crop, student, .. }) = (self.surface.now(), self.sizes);
        let relief = if of.flow { surface.relief } else { Relief::default() };
        self.chain.tap(&taps, slot, stamp, of.painted, |line| {
            let (look, extent) = (line.look(&look), line.wish.extent);
            let drift = of.drift.then_some(student);
            PictureLayout::new(shape.extent, crop, extent, &look, of.painted, (relief, surface.brush.seed), drift)
        });
    }

    fn picture_layout(&self, target: Extent, look: &Look) -> PictureLayout {
        self.layout_of(self.shown.map(|index| self.slots[index]).unwrap_or_default(), target, look)
    }

    /// How a frame of that slot is shown.
    fn layout_of(&self, slot: Slot, target: Extent, look: &Look) -> PictureLayout {
        let surface = self.surface.now();
        let relief = if slot.flow { surface.relief } else { Relief::default() };
        let drift = slot.drift.then_some(self.sizes.student);
        let Sizes { shape, crop, .. } = self.sizes;
        PictureLayout::new(shape.extent, crop, target, look, slot.painted, (relief, surface.brush.seed), drift)
    }

    /// How a frame will be shown that is to be in such a slot.
    fn show(&self, slot: Slot) -> Option<(PictureLayout, Extent)> {
        let (target, look) = self.view.as_ref()?;
        Some((self.layout_of(slot, *target, look), *target))
    }

    /// The slot of the frame that is shown, and whose frame it is.
    fn shown_frame(&self) -> Option<(usize, FrameStamp)> {
        let slot = self.shown?;
        Some((slot, self.slots[slot].stamp?))
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

    /// What happened to the student since the last call, wherever it paints.
    pub fn events(&self) -> Vec<RoundTripEvent> {
        match self.round_trip() {
            Some(student) => student.events(),
            None => self.chain.events(),
        }
    }

    /// The student in place on the GPU, for another style of the same network. `None` on the round trip.
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
        frame: FrameInput<'_>,
        index: usize,
        paint: Paint,
        painting: Option<&[[f32; 4]]>,
        sent: bool,
    ) -> Ticket {
        let stamp = frame.frame().stamp();
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
        let slot = Slot { stamp: Some(stamp), painted: lays, flow: relief, drift };
        let show = self.show(slot);
        let ticket = self.chain.run(FrameJob {
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
            relief: if relief { surface.relief } else { Relief::default() },
            frame: Some(frame),
            painting,
            measured: lays || self.painter.route() != Route::RoundTrip,
            show,
            taps: self.tapped(),
        });
        if cadenced && paint == Paint::Student {
            self.sights.keep();
        }
        self.slots[index] = slot;
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
        self.chain.run(FrameJob {
            wanted: Wanted { event: Event::Arrival, paint, cadenced: true, relief, ..Wanted::SHOW },
            stamp: frame,
            slot: bare.unwrap_or(0),
            trip,
            varying: Varying { brush: surface.brush, swirl: surface.relief.swirl, ..Varying::default() },
            relief: if relief { surface.relief } else { Relief::default() },
            frame: None,
            painting: Some(pixels),
            measured: false,
            // Drawing it again composes it again.
            show: None,
            taps: None,
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
        self.chain.load_tables(tables)
    }

    /// A cadence begins on the round trip while a painting is shown on its own frame: that one is carried on.
    fn keep_shown_painting(&mut self) {
        let Some(index) = self.shown.filter(|index| self.slots[*index].painted) else { return };
        let Some(stamp) = self.slots[index].stamp.filter(|_| self.painter.route() == Route::RoundTrip) else { return };
        self.chain.run(FrameJob {
            wanted: Wanted { event: Event::Keep, cadenced: true, ..Wanted::SHOW },
            stamp,
            slot: index,
            trip: 0,
            varying: Varying::default(),
            relief: Relief::default(),
            frame: None,
            painting: None,
            measured: false,
            show: None,
            taps: None,
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
