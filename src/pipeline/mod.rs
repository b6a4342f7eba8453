//! The way of a frame on the GPU, from the camera's bytes to a target texture, whole and in order.
//!
//! ```text
//! CameraFrame ──upload──▶ raw ──ingest/*──▶ frame ──ingest/prepare──▶ image, guide ──student──▶ painted
//!                                             │                            │                       │
//!                                             │       compose/stabilise ◀──┴── previous ◀──────────┘
//!                                             │       compose/gain ──▶ painting, gains
//!                                             └─────── present/picture ◀────┘ ──▶ target
//! ```
//!
//! Two slots take turns: one holds the frame that is shown together with its own painting, the other the frame in work. A
//! painting is therefore never laid over another frame, and the slot that is shown *is* the previous frame that the
//! temporal blend needs. All colours are the camera's own coded R'G'B' (sRGB curve) from end to end.
//!
//! With a cadence ([`Pipeline::set_every`]) the student paints only some of the frames. On the others the newest painting,
//! moved along with the picture, stands in for what it would have painted, and everything else is the same:
//!
//! ```text
//! guide ──motion/pyramid──▶ levels ──motion/search──▶ field ──motion/carry──▶ carried ──compose──▶
//!          guide and levels of the painted frame ──┴── newest painting ──┘
//! ```
//!
//! On some frames `stability/*` compares painting and guide with those of the frame before: see [`Pipeline::stability`].
//!
//! This file shows the chain of one frame, whole; `routes` decides which frame goes through it when, and what is shown.
//! Nothing here blocks except [`Pipeline::finish`] and [`Pipeline::read_picture`], and after [`Pipeline::new`] no GPU object
//! is made but command encoders. Knows nothing of windows, of where frames come from, nor of how long they may take.

mod load;
pub mod motion;
mod present;
mod read;
mod routes;
mod slots;
pub mod stability;
pub mod stages;
mod student;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use present::{Fit, Look, PICTURE, PictureLayout, Placement};

use crate::frame::{CameraFrame, FrameShape};
use crate::gpu::{Gpu, GpuError, GpuWork, Measure, Shader, Timestamps, Uploader};
use crate::kernels::prepare::Crop;
pub use crate::kernels::stability::Stability;
use crate::metrics::{Span, Stage};
use crate::nn::gpu::GpuStudent;
use crate::roundtrip::RoundTrip;
use crate::units::{Burden, Extent, FrameId, FrameStamp};
use load::Load;
use present::Present;
use slots::{Slot, build_around, build_present, check_size};
use stages::Ingest;
pub use student::Student;
use student::{Open, PaintSource, Work};

/// The shaders of the chain, apart from the student's.
pub const SHADERS: &[Shader] = &[
    stages::YUV422,
    stages::YUV420,
    stages::RGB,
    stages::GRAY,
    stages::PREPARE,
    stages::STABILISE,
    stages::GAIN,
    motion::PYRAMID,
    motion::SEARCH,
    motion::CARRY,
    stability::COMPARE,
    stability::GATHER,
    PICTURE,
];

/// Why a pipeline could not be made, or a picture not be read.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    #[error(transparent)]
    Gpu(#[from] GpuError),
    #[error("a picture of {extent} is larger than this GPU takes ({limit} pixels a side); choose a smaller size")]
    TooLarge { extent: Extent, limit: u32 },
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

/// What of a frame's GPU time belongs to which stage, by region.
const REGIONS: [Stage; 3] = [Stage::Prepare, Stage::Infer, Stage::Compose];
const PREPARE: u32 = 0;
const INFER: u32 = 1;
const COMPOSE: u32 = 2;

/// Frames whose time stamps may be on their way back at once.
const MEASURED: usize = 6;
/// Uploads on their way at once: copied from by the GPU, waiting for it, being written.
const UPLOADS: usize = 3;
/// Room for spans between two polls, and for frames on the round trip whose fate is open.
const PENDING: usize = 64;
/// Frames on the round trip at once: being painted, waiting for it, painted and not yet fetched.
const TRIPS: usize = 3;

struct InFlight {
    slot: usize,
    stamp: FrameStamp,
    submission: wgpu::SubmissionIndex,
}

/// Everything on the GPU between a camera's frame and a target. Made for one shape of frame, one student and one format of
/// target; when one of them changes, make a new one on another thread and swap.
pub struct Pipeline {
    gpu: Gpu,
    shape: FrameShape,
    crop: Crop,
    student_extent: Option<Extent>,
    work: Work,
    ingest: Ingest,
    slots: [Slot; 2],
    present: Present,
    /// For [`Pipeline::read_picture`]; made when first needed.
    reader: Option<Present>,
    upload: Uploader,
    frame_times: Option<Timestamps>,
    draw_times: Option<Timestamps>,
    /// The measurement in the encoder that [`Pipeline::draw`] was last given.
    drawn: Option<Measure>,
    /// The last frame whose drawing was measured.
    drawn_frame: Option<FrameId>,
    in_flight: Option<InFlight>,
    waiting: Option<CameraFrame>,
    shown: Option<usize>,
    /// Became shown without a poll.
    fresh: Option<FrameStamp>,
    blend: f32,
    /// See [`Pipeline::set_every`].
    every: u32,
    /// Frames since the one that the student was last given.
    since: u32,
    counts: PipelineCounts,
    spans: Vec<Span>,
    load: Load,
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
        check_size(gpu, shape.extent)?;
        let student_extent = student.extent();
        let crop = student_extent.map_or(Crop::whole(shape.extent), |extent| Crop::fitting(shape.extent, extent));
        let ingest = Ingest::new(gpu, &shape)?;
        let frames = [0, 1].map(|_| stages::view(&stages::texture(gpu, "frame", shape.extent)));
        let surround = |extent, image: &wgpu::Buffer, painted: &wgpu::Buffer, trips| {
            gpu.checked("the stages around the student", || {
                build_around(gpu, crop, extent, image, painted, &frames, trips)
            })
        };
        let (work, [around_a, around_b]) = match student {
            Student::InPlace(student) => {
                let (around, slots) = surround(student.extent(), student.input(), student.output(), 0)?;
                (Work::InPlace { student, around }, slots.map(Some))
            }
            Student::RoundTrip(student) => {
                let extent = student.extent();
                let bytes = extent.pixels() * size_of::<[f32; 4]>() as u64;
                let image = stages::storage(gpu, "image", bytes);
                let painted = stages::storage(gpu, "painted", bytes);
                let (around, slots) = surround(extent, &image, &painted, TRIPS)?;
                let upload = Uploader::new(gpu, bytes as usize, UPLOADS);
                let open = VecDeque::with_capacity(PENDING);
                let owed_since = Instant::now();
                (Work::RoundTrip { student, around, painted, upload, open, owed_since }, slots.map(Some))
            }
            Student::Untouched => (Work::Untouched, [None, None]),
        };
        let [frame_a, frame_b] = frames;
        let slot = |frame, around| -> Result<Slot, GpuError> {
            Ok(Slot { ingest: ingest.bind(gpu, &frame)?, frame, around, stamp: None, painted: false })
        };
        let slots = [slot(frame_a, around_a)?, slot(frame_b, around_b)?];
        Ok(Self {
            present: build_present(gpu, target_format, &slots)?,
            upload: Uploader::new(gpu, shape.min_bytes(), UPLOADS),
            frame_times: Timestamps::new(gpu, REGIONS.len() as u32, MEASURED),
            draw_times: Timestamps::new(gpu, 1, MEASURED),
            gpu: gpu.clone(),
            shape,
            crop,
            student_extent,
            work,
            ingest,
            slots,
            reader: None,
            drawn: None,
            drawn_frame: None,
            in_flight: None,
            waiting: None,
            shown: None,
            fresh: None,
            blend: Look::default().blend,
            every: 1,
            since: u32::MAX,
            counts: PipelineCounts::default(),
            spans: Vec::with_capacity(PENDING),
            load: Load::default(),
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
        let slot = self.shown.map(|index| &self.slots[index]);
        let painted = slot.is_some_and(|slot| slot.painted);
        let layout = PictureLayout::new(self.shape.extent, self.crop, target_extent, look, painted);
        let frame = slot.and_then(|slot| slot.stamp).map(|stamp| stamp.id);
        let mut measure = None;
        if let (Some(times), Some(frame), None) = (&mut self.draw_times, frame, &self.drawn)
            && self.drawn_frame != Some(frame)
        {
            measure = times.begin(frame);
            self.drawn_frame = Some(frame);
        }
        let writes = match (&mut self.draw_times, &measure) {
            (Some(times), Some(measure)) => Some(times.render(measure, 0)),
            _ => None,
        };
        self.present.record(&self.gpu, encoder, target, self.shown, layout, writes);
        if let (Some(times), Some(measure)) = (&self.draw_times, measure) {
            times.resolve(&measure, encoder);
            self.drawn = Some(measure);
        }
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
        self.shape
    }

    /// The size at which the student paints.
    pub fn student_extent(&self) -> Option<Extent> {
        self.student_extent
    }

    /// Width over height of the picture as it is shown: the frame's, or its crop's.
    pub fn picture_aspect(&self) -> f32 {
        self.crop.aspect()
    }

    /// The student's round trip, for its events. `None` in place.
    pub fn round_trip(&self) -> Option<&RoundTrip> {
        match &self.work {
            Work::RoundTrip { student, .. } => Some(student),
            _ => None,
        }
    }

    /// The student in place, for another style of the same network. `None` on the round trip.
    pub fn in_place(&self) -> Option<&GpuStudent> {
        match &self.work {
            Work::InPlace { student, .. } => Some(student),
            _ => None,
        }
    }

    /// How steady the painting was of late where the camera's picture did not change: a mean over some forty frames, some
    /// frames old. `None` while too little of the picture is still, before there are two paintings, and without a student.
    pub fn stability(&self) -> Option<Stability> {
        match &self.work {
            Work::InPlace { around, .. } | Work::RoundTrip { around, .. } => around.steadiness.latest(),
            Work::Untouched => None,
        }
    }

    /// Share of the previous painting where nothing moves, 0..=1, for the next frame on. [`Self::draw`] sets it too.
    pub fn set_blend(&mut self, blend: f32) {
        self.blend = blend.clamp(0.0, 1.0);
    }

    /// Puts more work on the student from the next frame on, to try out what becomes of it: on the GPU it paints each picture
    /// as many times over as take about that long, on the round trip its thread waits.
    pub fn set_burden(&mut self, burden: Burden) {
        self.load.set(burden);
        if let Some(student) = self.round_trip() {
            student.set_burden(burden);
        }
    }

    /// The chain: one frame from its bytes to its steadied painting in slot `index`, in one command buffer. With `sent`, the
    /// frame goes on the round trip afterwards.
    ///
    /// A frame that only stands in until the round trip has painted it is not measured.
    fn run(&mut self, frame: &CameraFrame, index: usize, source: PaintSource<'_>, sent: bool) -> wgpu::SubmissionIndex {
        let stamp = frame.stamp();
        let cadenced = self.every > 1;
        let follows_painting = self.slots[1 - index].painted;
        let slot = &mut self.slots[index];
        let mut encoder = self.gpu.device.create_command_encoder(&ENCODER);
        let stands_in = matches!((source, &self.work), (PaintSource::Nobody, Work::RoundTrip { .. }));
        let times = self.frame_times.as_mut().filter(|_| !stands_in);
        let measure = times.and_then(|times| times.begin(stamp.id));
        let work = &self.gpu.work;
        let mut recorder = Recorder { encoder: &mut encoder, work, times: &mut self.frame_times, measure: &measure };

        let bytes = &frame.bytes()[..self.shape.min_bytes()];
        self.upload.write(&self.gpu, recorder.encoder, self.ingest.raw(), bytes);
        if let (Work::RoundTrip { painted, upload, .. }, PaintSource::Arrived(pixels)) = (&mut self.work, source) {
            upload.write(&self.gpu, recorder.encoder, painted, bytemuck::cast_slice(pixels));
        }
        let (student, around) = match &mut self.work {
            Work::InPlace { student, around } => (Some(student), Some(around)),
            Work::RoundTrip { around, .. } => (None, Some(around)),
            Work::Untouched => (None, None),
        };
        let mut around = around.zip(slot.around.as_ref());
        let follows = follows_painting && !matches!(source, PaintSource::Nobody);
        let compared = follows && around.as_mut().is_some_and(|(around, _)| around.steadiness.is_due());
        // A painting that arrives was prepared and painted aside, on the thread's clock: what is done here counts as laying it on.
        let arrived = matches!(source, PaintSource::Arrived(_));
        {
            let mut pass = recorder.pass("prepare", if arrived { COMPOSE } else { PREPARE });
            self.ingest.record(&mut pass, &slot.ingest);
            if let Some((around, bound)) = &around
                && (cadenced || !stands_in)
            {
                around.prepare.record(&mut pass, &bound.prepare);
            }
            if let (Some((around, bound)), true) = (&around, arrived) {
                around.compose.record(&mut pass, &bound.compose);
                if compared {
                    around.steadiness.record(&mut pass, index);
                }
            }
        }
        if let (Some(student), PaintSource::Student) = (student, source) {
            let mut pass = recorder.pass("infer", INFER);
            for _ in 0..self.load.times_for(stamp.id) {
                student.record(&mut pass);
            }
        }
        if let Some((around, bound)) = around {
            around.compose.set_blend(&self.gpu, if follows_painting { self.blend } else { 0.0 });
            if !arrived && (cadenced || !stands_in) {
                let mut pass = recorder.pass("compose", COMPOSE);
                if cadenced {
                    around.motion.record_look(&mut pass, index);
                }
                match source {
                    PaintSource::Student => around.compose.record(&mut pass, &bound.compose),
                    PaintSource::Carried => {
                        around.motion.record_carry(&mut pass, index);
                        around.compose.record(&mut pass, &bound.compose_carried);
                    }
                    PaintSource::Arrived(_) | PaintSource::Nobody => {}
                }
                if compared {
                    around.steadiness.record(&mut pass, index);
                }
            }
            if compared {
                around.steadiness.fetch(recorder.encoder);
            }
            if cadenced && matches!(source, PaintSource::Student) {
                around.motion.remember(recorder.encoder, index);
            }
            if cadenced && sent {
                around.motion.send(recorder.encoder, index, stamp.id);
            }
        }
        slot.stamp = Some(stamp);
        slot.painted = !matches!(source, PaintSource::Nobody);
        self.submit_frame(encoder, measure)
    }

    /// A painting that was away becomes the one that is carried along. Laid at once on the frame that is shown, if that has
    /// none yet. False when it is not known what its frame looked like.
    fn run_arrival(&mut self, frame: FrameId, pixels: &[[f32; 4]]) -> bool {
        let Work::RoundTrip { around, painted, upload, .. } = &mut self.work else { return false };
        let mut encoder = self.gpu.device.create_command_encoder(&ENCODER);
        if !around.motion.receive(&mut encoder, frame) {
            return false;
        }
        upload.write(&self.gpu, &mut encoder, painted, bytemuck::cast_slice(pixels));
        let bare = self.shown.filter(|index| !self.slots[*index].painted);
        if let Some(index) = bare
            && let Some(bound) = &self.slots[index].around
        {
            around.compose.set_blend(&self.gpu, 0.0);
            let work = &self.gpu.work;
            let mut recorder = Recorder { encoder: &mut encoder, work, times: &mut None, measure: &None };
            let mut pass = recorder.pass("compose", COMPOSE);
            around.motion.record_look(&mut pass, index);
            around.motion.record_carry(&mut pass, index);
            around.compose.record(&mut pass, &bound.compose_carried);
            drop(pass);
            self.slots[index].painted = true;
            self.fresh = self.slots[index].stamp;
        }
        self.submit_frame(encoder, None);
        true
    }

    /// A cadence begins on the round trip while a painting is shown on its own frame: that one is carried on.
    fn keep_shown_painting(&mut self) {
        let Work::RoundTrip { around, .. } = &mut self.work else { return };
        let Some(index) = self.shown.filter(|index| self.slots[*index].painted) else { return };
        let mut encoder = self.gpu.device.create_command_encoder(&ENCODER);
        let work = &self.gpu.work;
        let mut recorder = Recorder { encoder: &mut encoder, work, times: &mut None, measure: &None };
        around.motion.record_look(&mut recorder.pass("motion", COMPOSE), index);
        around.motion.remember(&mut encoder, index);
        self.submit_frame(encoder, None);
    }

    fn submit_frame(&mut self, mut encoder: wgpu::CommandEncoder, measure: Option<Measure>) -> wgpu::SubmissionIndex {
        if let (Some(times), Some(measure)) = (&self.frame_times, &measure) {
            times.resolve(measure, &mut encoder);
        }
        let commands = encoder.finish();
        if let (Some(times), Some(measure)) = (&mut self.frame_times, &measure) {
            times.submitting(measure);
        }
        let submission = self.gpu.submit([commands]);
        self.upload.submitted();
        if let Work::RoundTrip { upload, .. } = &mut self.work {
            upload.submitted();
        }
        if let Work::InPlace { around, .. } | Work::RoundTrip { around, .. } = &mut self.work {
            around.steadiness.submitted();
        }
        if let (Some(times), Some(measure)) = (&mut self.frame_times, measure) {
            times.submitted(measure);
        }
        submission
    }
}

impl std::fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pipeline")
            .field("shape", &self.shape)
            .field("student", &self.student_extent)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

const ENCODER: wgpu::CommandEncoderDescriptor<'_> = wgpu::CommandEncoderDescriptor { label: Some("frame") };

/// Passes of one frame, measured where the adapter can.
struct Recorder<'a> {
    encoder: &'a mut wgpu::CommandEncoder,
    work: &'a GpuWork,
    times: &'a mut Option<Timestamps>,
    measure: &'a Option<Measure>,
}

impl Recorder<'_> {
    fn pass(&mut self, label: &'static str, region: u32) -> wgpu::ComputePass<'_> {
        self.work.pass();
        let timestamp_writes = match (&mut self.times, self.measure) {
            (Some(times), Some(measure)) => Some(times.compute(measure, region)),
            _ => None,
        };
        self.encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(label), timestamp_writes })
    }
}
