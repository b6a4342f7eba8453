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
//! Nothing here blocks except [`Pipeline::finish`] and [`Pipeline::read_picture`], and after [`Pipeline::new`] no GPU object
//! is made but command encoders. Knows nothing of windows, of where frames come from, nor of how long they may take.

mod present;
mod read;
mod slots;
pub mod stages;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use present::{Fit, Look, PICTURE, PictureLayout, Placement};

use crate::frame::{CameraFrame, FrameShape};
use crate::gpu::{Gpu, GpuError, Measure, Shader, Timestamps, Uploader};
use crate::metrics::{Span, Stage};
use crate::nn::gpu::GpuStudent;
use crate::roundtrip::{Painted, RoundTrip};
use crate::twin::prepare::Crop;
use crate::units::{Extent, FrameId, FrameStamp};
use present::Present;
use slots::{Around, Slot, build_around, build_present, check_size};
use stages::Ingest;

/// The shaders of the chain, apart from the student's.
pub const SHADERS: &[Shader] = &[
    stages::YUV422,
    stages::YUV420,
    stages::RGB,
    stages::GRAY,
    stages::PREPARE,
    stages::STABILISE,
    stages::GAIN,
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

/// Who paints.
#[expect(clippy::large_enum_variant, reason = "there is one, moved once; a box would only add an allocation")]
pub enum Student {
    /// Our own engine, in the frame's command buffer.
    InPlace(GpuStudent),
    /// A thread that takes frames and gives back pairs of a frame and its painting.
    RoundTrip(RoundTrip),
    /// Nobody: the camera's picture is shown.
    Untouched,
}

impl Student {
    /// The size at which it paints; `None` when nobody does.
    pub fn extent(&self) -> Option<Extent> {
        match self {
            Self::InPlace(student) => Some(student.extent()),
            Self::RoundTrip(student) => Some(student.extent()),
            Self::Untouched => None,
        }
    }
}

/// What became of the frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct FlowCounts {
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
/// How long the round trip may owe a painting before the camera's own picture takes its place.
const STALE: Duration = Duration::from_secs(2);
/// How long [`Pipeline::finish`] waits for a student that gives nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// The student at work.
enum Work {
    InPlace {
        student: GpuStudent,
        around: Around,
    },
    RoundTrip {
        student: RoundTrip,
        around: Around,
        /// Where paintings arrive on the GPU.
        painted: wgpu::Buffer,
        upload: Uploader,
        /// Frames handed over whose fate is open, oldest first.
        open: VecDeque<FrameId>,
        /// Since when there has been such a frame and no painting came.
        owed_since: Instant,
    },
    Untouched,
}

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
    counts: FlowCounts,
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
        check_size(gpu, shape.extent)?;
        let student_extent = student.extent();
        let crop = student_extent.map_or(Crop::whole(shape.extent), |extent| Crop::fitting(shape.extent, extent));
        let ingest = Ingest::new(gpu, &shape)?;
        let frames = [0, 1].map(|_| stages::view(&stages::texture(gpu, "frame", shape.extent)));
        let surround = |extent, image: &wgpu::Buffer, painted: &wgpu::Buffer| {
            gpu.checked("the stages around the student", || build_around(gpu, crop, extent, image, painted, &frames))
        };
        let (work, [around_a, around_b]) = match student {
            Student::InPlace(student) => {
                let (around, slots) = surround(student.extent(), student.input(), student.output())?;
                (Work::InPlace { student, around }, slots.map(Some))
            }
            Student::RoundTrip(student) => {
                let extent = student.extent();
                let bytes = extent.pixels() * size_of::<[f32; 4]>() as u64;
                let image = stages::storage(gpu, "image", bytes);
                let painted = stages::storage(gpu, "painted", bytes);
                let (around, slots) = surround(extent, &image, &painted)?;
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
            counts: FlowCounts::default(),
            spans: Vec::with_capacity(PENDING),
        })
    }

    /// Takes a frame in. In place: to the GPU at once when none is in work, else it waits, in the place of an older one that
    /// waited. Round trip: offered to the thread, on the same terms. Never blocks.
    ///
    /// A frame of another shape than the pipeline was made for is dropped and counted.
    pub fn submit(&mut self, frame: CameraFrame) {
        self.counts.submitted += 1;
        if frame.shape() != self.shape {
            self.counts.dropped += 1;
            return;
        }
        if let Work::RoundTrip { student, open, owed_since, .. } = &mut self.work {
            if open.is_empty() {
                *owed_since = Instant::now();
            }
            if open.len() == PENDING {
                open.pop_front();
                self.counts.dropped += 1;
            }
            open.push_back(frame.stamp().id);
            let overdue = !student.is_alive() || owed_since.elapsed() > STALE;
            if overdue || !self.shown_painted() {
                self.show_unpainted(&frame);
            }
            if let Work::RoundTrip { student, .. } = &self.work {
                student.offer(frame);
            }
        } else if self.in_flight.is_some() {
            self.counts.dropped += u64::from(self.waiting.replace(frame).is_some());
        } else {
            self.launch(&frame);
        }
    }

    /// What happened since the last call: hands out spans (those of the GPU come some frames late) and returns the newest frame
    /// that became ready to show. Starts the frame that waited. Never blocks.
    ///
    /// Encoders given to [`Self::draw`] must have been submitted, or dropped together with the pipeline, before.
    pub fn poll(&mut self, spans: &mut dyn FnMut(Span)) -> Option<FrameStamp> {
        if let (Some(drawn), Some(times)) = (self.drawn.take(), &mut self.draw_times) {
            times.submitted(drawn);
        }
        // An error here is a lost device, which `Gpu::is_lost` tells.
        let _ = self.gpu.device.poll(wgpu::PollType::Poll);
        let ready = match &self.work {
            Work::RoundTrip { .. } => self.poll_round_trip(),
            Work::InPlace { .. } | Work::Untouched => self.poll_in_place(),
        };
        self.spans.drain(..).for_each(&mut *spans);
        if let Some(times) = &mut self.frame_times {
            times.drain(&mut |frame, region, duration| {
                spans(Span { frame, stage: REGIONS[region as usize], duration });
            });
        }
        if let Some(times) = &mut self.draw_times {
            times.drain(&mut |frame, _, duration| spans(Span { frame, stage: Stage::Compose, duration }));
        }
        ready.or(self.fresh.take())
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

    pub fn counts(&self) -> FlowCounts {
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

    /// Share of the previous painting where nothing moves, 0..=1, for the next frame on. [`Self::draw`] sets it too.
    pub fn set_blend(&mut self, blend: f32) {
        self.blend = blend.clamp(0.0, 1.0);
    }

    /// Whether no frame is in work or waiting.
    pub fn is_idle(&self) -> bool {
        let open = match &self.work {
            Work::RoundTrip { open, .. } => !open.is_empty(),
            _ => false,
        };
        self.in_flight.is_none() && self.waiting.is_none() && !open
    }

    /// Waits until every frame that was submitted is done or dropped, and every measurement handed out.
    ///
    /// # Errors
    /// When the GPU was lost, or the student gives nothing for half a minute.
    pub fn finish(&mut self, spans: &mut dyn FnMut(Span)) -> Result<Option<FrameStamp>, PipelineError> {
        let mut newest = None;
        let mut progress = Instant::now();
        loop {
            if let Some(stamp) = self.poll(spans) {
                newest = Some(stamp);
                progress = Instant::now();
            }
            let measuring =
                [&self.frame_times, &self.draw_times].into_iter().any(|t| t.as_ref().is_some_and(Timestamps::pending));
            if self.is_idle() && !measuring {
                return Ok(newest);
            }
            if self.gpu.is_lost() {
                return Err(GpuError::Lost("while waiting for the last frames".to_owned()).into());
            }
            let dead = self.round_trip().is_some_and(|student| !student.is_alive());
            if dead || progress.elapsed() > PATIENCE {
                return Err(PipelineError::Stalled(progress.elapsed()));
            }
            if self.in_flight.is_some() || measuring {
                let timeout = Some(Duration::from_millis(100));
                // A time-out or a lost device is seen on the next turn.
                let _ = self.gpu.device.poll(wgpu::PollType::Wait { submission_index: None, timeout });
            } else {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }

    /// The slot that is not shown.
    fn spare(&self) -> usize {
        self.shown.map_or(0, |shown| 1 - shown)
    }

    /// One frame from its bytes to its steadied painting, in one command buffer.
    fn launch(&mut self, frame: &CameraFrame) {
        let started = Instant::now();
        let stamp = frame.stamp();
        let index = self.spare();
        let follows_painting = self.slots[1 - index].painted;
        let mut encoder = self.gpu.device.create_command_encoder(&ENCODER);
        let measure = self.frame_times.as_mut().and_then(|times| times.begin(stamp.id));
        let mut recorder = Recorder { encoder: &mut encoder, times: &mut self.frame_times, measure: &measure };

        let bytes = &frame.bytes()[..self.shape.min_bytes()];
        self.upload.write(&self.gpu, recorder.encoder, self.ingest.raw(), bytes);
        let slot = &mut self.slots[index];
        {
            let mut pass = recorder.pass("prepare", PREPARE);
            self.ingest.record(&mut pass, &slot.ingest);
            if let (Work::InPlace { around, .. }, Some(bound)) = (&self.work, &slot.around) {
                around.prepare.record(&mut pass, &bound.prepare);
            }
        }
        if let (Work::InPlace { student, around }, Some(bound)) = (&mut self.work, &slot.around) {
            student.record(&mut recorder.pass("infer", INFER));
            around.compose.set_blend(&self.gpu, if follows_painting { self.blend } else { 0.0 });
            around.compose.record(&mut recorder.pass("compose", COMPOSE), &bound.compose);
            slot.painted = true;
        }
        slot.stamp = Some(stamp);
        let submission = self.submit_frame(encoder, measure);
        self.in_flight = Some(InFlight { slot: index, stamp, submission });
        self.note(stamp.id, Stage::Upload, started.elapsed());
    }

    /// The camera's picture alone, shown at once: what stands in while the round trip gives nothing.
    fn show_unpainted(&mut self, frame: &CameraFrame) {
        let index = self.spare();
        let mut encoder = self.gpu.device.create_command_encoder(&ENCODER);
        self.upload.write(&self.gpu, &mut encoder, self.ingest.raw(), &frame.bytes()[..self.shape.min_bytes()]);
        let slot = &mut self.slots[index];
        {
            let mut recorder = Recorder { encoder: &mut encoder, times: &mut None, measure: &None };
            self.ingest.record(&mut recorder.pass("ingest", PREPARE), &slot.ingest);
        }
        (slot.stamp, slot.painted) = (Some(frame.stamp()), false);
        self.submit_frame(encoder, None);
        (self.shown, self.fresh) = (Some(index), Some(frame.stamp()));
    }

    /// A frame and its painting from the round trip, shown at once: the queue keeps the order.
    fn deliver(&mut self, delivered: &Painted) {
        let started = Instant::now();
        let stamp = delivered.frame.stamp();
        let index = self.spare();
        let follows_painting = self.slots[1 - index].painted;
        let Work::RoundTrip { around, painted, upload, .. } = &mut self.work else { return };
        let mut encoder = self.gpu.device.create_command_encoder(&ENCODER);
        let measure = self.frame_times.as_mut().and_then(|times| times.begin(stamp.id));
        let mut recorder = Recorder { encoder: &mut encoder, times: &mut self.frame_times, measure: &measure };

        let bytes = &delivered.frame.bytes()[..self.shape.min_bytes()];
        self.upload.write(&self.gpu, recorder.encoder, self.ingest.raw(), bytes);
        upload.write(&self.gpu, recorder.encoder, painted, bytemuck::cast_slice(&delivered.pixels));
        around.compose.set_blend(&self.gpu, if follows_painting { self.blend } else { 0.0 });
        let slot = &mut self.slots[index];
        if let Some(bound) = &slot.around {
            let mut pass = recorder.pass("compose", COMPOSE);
            self.ingest.record(&mut pass, &slot.ingest);
            around.prepare.record(&mut pass, &bound.prepare);
            around.compose.record(&mut pass, &bound.compose);
        }
        (slot.stamp, slot.painted) = (Some(stamp), true);
        self.submit_frame(encoder, measure);
        if let Work::RoundTrip { upload, .. } = &mut self.work {
            upload.submitted();
        }
        self.shown = Some(index);
        self.note(stamp.id, Stage::Upload, started.elapsed());
        self.note(stamp.id, Stage::Prepare, delivered.prepare);
        self.note(stamp.id, Stage::Infer, delivered.infer);
    }

    fn submit_frame(&mut self, mut encoder: wgpu::CommandEncoder, measure: Option<Measure>) -> wgpu::SubmissionIndex {
        if let (Some(times), Some(measure)) = (&self.frame_times, &measure) {
            times.resolve(measure, &mut encoder);
        }
        let submission = self.gpu.queue.submit([encoder.finish()]);
        self.upload.submitted();
        if let (Some(times), Some(measure)) = (&mut self.frame_times, measure) {
            times.submitted(measure);
        }
        submission
    }

    fn poll_in_place(&mut self) -> Option<FrameStamp> {
        let InFlight { slot, stamp, submission } = self.in_flight.as_ref()?;
        let asked = wgpu::PollType::Wait { submission_index: Some(submission.clone()), timeout: Some(Duration::ZERO) };
        self.gpu.device.poll(asked).ok()?;
        let (slot, stamp) = (*slot, *stamp);
        self.in_flight = None;
        self.shown = Some(slot);
        self.counts.processed += 1;
        if let Some(frame) = self.waiting.take() {
            self.launch(&frame);
        }
        Some(stamp)
    }

    fn poll_round_trip(&mut self) -> Option<FrameStamp> {
        let Work::RoundTrip { student, open, owed_since, .. } = &mut self.work else { return None };
        let painted = student.take()?;
        *owed_since = Instant::now();
        let stamp = painted.frame.stamp();
        while open.front().is_some_and(|id| *id <= stamp.id) {
            let id = open.pop_front();
            self.counts.dropped += u64::from(id != Some(stamp.id));
        }
        self.counts.processed += 1;
        self.deliver(&painted);
        if let Work::RoundTrip { student, .. } = &self.work {
            student.recycle(painted);
        }
        Some(stamp)
    }

    fn note(&mut self, frame: FrameId, stage: Stage, duration: Duration) {
        if self.spans.len() < PENDING {
            self.spans.push(Span { frame, stage, duration });
        }
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
    times: &'a mut Option<Timestamps>,
    measure: &'a Option<Measure>,
}

impl Recorder<'_> {
    fn pass(&mut self, label: &'static str, region: u32) -> wgpu::ComputePass<'_> {
        let timestamp_writes = match (&mut self.times, self.measure) {
            (Some(times), Some(measure)) => Some(times.compute(measure, region)),
            _ => None,
        };
        self.encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(label), timestamp_writes })
    }
}
