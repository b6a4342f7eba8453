//! The back end that runs the list of passes on the GPU: a frame is one command buffer.
//!
//! Everything is made by [`GpuChain::new`]; afterwards no GPU object is made but command encoders. Passes of one stage that
//! follow one another share one compute pass, which is what is measured. Knows the list and the products; not when frames
//! come, which of them is shown, nor who paints.

mod bound;
mod present;
mod read;
mod store;
mod tap;

use std::time::Duration;

pub use bound::BoundPass;
pub(super) use present::{Present, PresentSource, TableTextures};
pub(super) use read::Coming;
pub use store::GpuStore;
use tap::Output;

use super::list::{self, LIST, Line, Route};
use super::load::Load;
use super::pass::OnGpu;
use super::present::PictureLayout;
use super::product::{
    CANVAS, CANVAS_FIELD, DRIFT, FLOW, FRAME, GAINS, IMAGE, Info, PAINTED, PAINTING, Place, RAW, STABILITY, Sizes, Use,
    Which,
};
use super::{FrameJob, PipelineError};
use crate::canvas::{Canvas, Tables};
use crate::frame::FrameShape;
use crate::gpu::{Belt, Done, Gpu, GpuError, Measure, Timestamps, Uploader, Waiter};
use crate::kernels::stability::Gathered;
use crate::metrics::{Span, Stage};
use crate::nn::gpu::GpuStudent;
use crate::units::{Burden, Extent, FrameId};

/// Frames whose time stamps may be on their way back at once.
const MEASURED: usize = 6;
/// Uploads on their way at once: copied from by the GPU, waiting for it, being written.
const UPLOADS: usize = 3;
/// Comparisons whose results may be on their way at once.
const COMPARISONS: usize = 3;

/// What of a frame's GPU time belongs to which stage, by region.
const REGIONS: [Stage; 3] = [Stage::Prepare, Stage::Infer, Stage::Compose];

const ENCODER: wgpu::CommandEncoderDescriptor<'_> = wgpu::CommandEncoderDescriptor { label: Some("frame") };

/// A frame on the GPU that may not be done yet.
pub(super) struct Ticket(wgpu::SubmissionIndex);

/// See the module's text.
pub(super) struct GpuChain {
    gpu: Gpu,
    store: GpuStore,
    /// By line of the list; `None` where it is no compute shader, or cannot be wanted.
    bound: Vec<Option<BoundPass>>,
    /// Where it paints in place.
    student: Option<GpuStudent>,
    /// Of what lies in the canvas's field now.
    canvas_seed: Option<u32>,
    /// Whether what reliefs are made from is there.
    tables_loaded: bool,
    load: Load,
    upload_raw: Uploader,
    upload_painted: Option<Uploader>,
    frame_times: Option<Timestamps>,
    draw_times: Option<Timestamps>,
    /// The measurement in the encoder that [`Self::draw`] was last given.
    drawn: Option<Measure>,
    /// The last frame whose drawing was measured.
    drawn_frame: Option<FrameId>,
    comparisons: Belt<()>,
    present: Present,
    /// For [`Self::picture`]; made when first needed.
    reader: Option<Present>,
    /// Waits for what was submitted, where somebody wants to know of it.
    waiter: Option<Waiter>,
    /// Called when a frame is done.
    woken: Option<Done>,
    /// One for each tap.
    outputs: Vec<Output>,
}

impl GpuChain {
    /// Compiles the kernels and makes all buffers and textures.
    ///
    /// # Errors
    /// When the frame is too large for the GPU, or the device refuses something.
    pub fn new(
        gpu: &Gpu,
        sizes: Sizes,
        route: Route,
        student: Option<GpuStudent>,
        target_format: wgpu::TextureFormat,
    ) -> Result<Self, PipelineError> {
        check_size(gpu, sizes.shape.extent)?;
        check_bytes(gpu, &sizes.shape)?;
        let mut store = GpuStore::new(gpu, sizes);
        if let Some(student) = &student {
            store.adopt(IMAGE, student.input());
            store.adopt(PAINTED, student.output());
            if let Some(canvas) = student.canvas() {
                store.adopt(CANVAS, canvas);
            }
        }
        let bound = gpu.checked("the chain", || {
            let mut bound = Vec::with_capacity(LIST.len());
            for (index, line) in LIST.iter().enumerate() {
                // What writes nothing at these sizes, as the canvas of a student that takes none, is not made.
                let idle = line.pass.writes.iter().any(|of| sizes.count(of.product.count) == 0);
                let possible = list::is_possible(index, route) && !(idle && route != Route::Untouched);
                if possible {
                    line.pass.reads.iter().chain(line.pass.writes).for_each(|of| {
                        if !is_of_student(of.product) || route != Route::Untouched {
                            store.make(of.product);
                        }
                    });
                }
                bound.push(if possible { BoundPass::new(gpu, &mut store, line.pass)? } else { None });
            }
            Ok(bound)
        })?;
        let painted_bytes = PAINTED.info.bytes(&sizes) as usize;
        Ok(Self {
            present: build_present(gpu, target_format, &store)?,
            upload_raw: Uploader::new(gpu, sizes.shape.min_bytes(), UPLOADS),
            upload_painted: (route == Route::RoundTrip).then(|| Uploader::new(gpu, painted_bytes, UPLOADS)),
            frame_times: Timestamps::new(gpu, REGIONS.len() as u32, MEASURED),
            draw_times: Timestamps::new(gpu, 1, MEASURED),
            comparisons: Belt::to_cpu(gpu, "stability", size_of::<Gathered>() as u64, COMPARISONS),
            gpu: gpu.clone(),
            store,
            bound,
            student,
            canvas_seed: None,
            tables_loaded: false,
            load: Load::default(),
            drawn: None,
            drawn_frame: None,
            reader: None,
            waiter: None,
            woken: None,
            outputs: Vec::new(),
        })
    }

    /// From now on `done` is called, on another thread, whenever a frame is done: nobody has to ask.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn wake(&mut self, done: Done) -> std::io::Result<()> {
        self.waiter = Some(Waiter::new(&self.gpu)?);
        self.woken = Some(done);
        Ok(())
    }

    /// Whether nobody is told when a frame is done.
    pub fn needs_polling(&self) -> bool {
        self.woken.is_none()
    }

    /// The student, where it paints in place.
    pub fn student(&self) -> Option<&GpuStudent> {
        self.student.as_ref()
    }

    pub fn is_lost(&self) -> bool {
        self.gpu.is_lost()
    }

    /// Puts more work on a student that paints in place.
    pub fn set_burden(&mut self, burden: Burden) {
        self.load.set(burden);
    }

    /// Puts the field of a canvas where it is sampled from, unless it is there. Other strengths and scales vary with each
    /// frame and cost nothing; another field is an upload of two megabytes.
    pub fn load_canvas(&mut self, canvas: &Canvas) {
        if self.canvas_seed == Some(canvas.brush.seed) {
            return;
        }
        if let Some(buffer) = self.store.buffer(CANVAS_FIELD.info, Which::Now, Place { slot: 0, trip: 0 }) {
            self.gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(canvas.field.places()));
        }
        self.canvas_seed = Some(canvas.brush.seed);
    }

    /// Puts what reliefs are made from where the last pass reads it, unless it is there.
    ///
    /// # Errors
    /// When the device refuses the textures.
    pub fn load_tables(&mut self, tables: &Tables) -> Result<(), GpuError> {
        if !std::mem::replace(&mut self.tables_loaded, true) {
            TableTextures::of(&self.gpu)?.fill(&self.gpu, tables);
        }
        Ok(())
    }

    /// Whether a comparison's result could be brought back.
    pub fn can_compare(&self) -> bool {
        self.comparisons.has_free()
    }

    /// Records what is wanted of a frame and hands it to the GPU.
    pub fn run(&mut self, job: &FrameJob<'_>) -> Ticket {
        let Self { gpu, store, bound, .. } = self;
        let place = Place { slot: job.slot, trip: job.trip };
        for (index, _) in list::passes(&job.wanted) {
            if let Some(bound) = &mut bound[index] {
                bound.vary(gpu, store, &job.varying);
            }
        }
        let mut encoder = gpu.device.create_command_encoder(&ENCODER);
        let measure = self.frame_times.as_mut().filter(|_| job.measured).and_then(|times| times.begin(job.stamp.id));
        let mut open: Option<(Stage, wgpu::ComputePass<'static>)> = None;
        for (index, line) in list::passes(&job.wanted) {
            match &line.pass.gpu {
                OnGpu::Dispatch(_) | OnGpu::Student => {
                    let stage = job.wanted.stage(line);
                    let same = open.take().filter(|(of, _)| *of == stage);
                    let (_, pass) = open.insert(same.unwrap_or_else(|| {
                        let pass = begin(gpu, &mut encoder, &mut self.frame_times, measure.as_ref(), stage);
                        (stage, pass)
                    }));
                    if let Some(bound) = &bound[index] {
                        bound.record(pass, job.slot);
                    } else if let Some(student) = &self.student {
                        for _ in 0..self.load.times_for(job.stamp.id) {
                            student.record(pass);
                        }
                    }
                }
                OnGpu::Copy => {
                    open = None;
                    copy(gpu, store, &mut encoder, line, place);
                }
                OnGpu::Upload => {
                    open = None;
                    let target = line.pass.writes.first().and_then(|of| store.buffer(of.product, of.which, place));
                    let of_raw = line.pass.writes.iter().any(|of| of.product == RAW.info);
                    match (target, job.bytes(), job.painting, &mut self.upload_painted) {
                        (Some(target), Some(bytes), _, _) if of_raw => {
                            self.upload_raw.write(gpu, &mut encoder, target, bytes);
                        }
                        (Some(target), _, Some(pixels), Some(upload)) if !of_raw => {
                            upload.write(gpu, &mut encoder, target, bytemuck::cast_slice(pixels));
                        }
                        _ => {}
                    }
                }
                // When it is shown.
                OnGpu::Draw => {}
            }
        }
        drop(open);
        if job.wanted.compared
            && let Some(result) = store.buffer(STABILITY.info, Which::Now, place)
            && let Some(ticket) = self.comparisons.take(())
        {
            let bytes = size_of::<Gathered>() as u64;
            encoder.copy_buffer_to_buffer(result, 0, self.comparisons.buffer(&ticket), 0, bytes);
            gpu.work.copied(bytes);
        }
        self.submit(encoder, measure)
    }

    fn submit(&mut self, mut encoder: wgpu::CommandEncoder, measure: Option<Measure>) -> Ticket {
        if let (Some(times), Some(measure)) = (&mut self.frame_times, &measure) {
            times.resolve(measure, &mut encoder);
        }
        let commands = encoder.finish();
        if let (Some(times), Some(measure)) = (&mut self.frame_times, &measure) {
            times.submitting(measure);
        }
        let submission = self.gpu.submit([commands]);
        self.upload_raw.submitted();
        if let Some(upload) = &mut self.upload_painted {
            upload.submitted();
        }
        self.comparisons.all_submitted();
        if let (Some(times), Some(measure)) = (&mut self.frame_times, measure) {
            times.submitted(measure);
        }
        if let (Some(waiter), Some(woken)) = (&self.waiter, &self.woken) {
            waiter.when_done(submission.clone(), woken.clone());
        }
        Ticket(submission)
    }

    /// Whether a frame is done. Never waits.
    pub fn is_done(&self, Ticket(submission): &Ticket) -> bool {
        let asked = wgpu::PollType::Wait { submission_index: Some(submission.clone()), timeout: Some(Duration::ZERO) };
        self.gpu.device.poll(asked).is_ok()
    }

    /// Takes in what the GPU has done. Encoders given to [`Self::draw`] must have been submitted, or dropped, before.
    pub fn poll(&mut self) {
        if let (Some(drawn), Some(times)) = (self.drawn.take(), &mut self.draw_times) {
            times.submitted(drawn);
        }
        // An error here is a lost device, which `Gpu::is_lost` tells.
        let _ = self.gpu.device.poll(wgpu::PollType::Poll);
    }

    /// Waits a little for what is on its way. A time-out or a lost device is seen by whoever looks.
    pub fn wait(&self) {
        let timeout = Some(Duration::from_millis(100));
        let _ = self.gpu.device.poll(wgpu::PollType::Wait { submission_index: None, timeout });
    }

    /// Hands out the comparisons of paintings that have come back.
    pub fn drain_comparisons(&mut self, mut each: impl FnMut(Gathered)) {
        self.comparisons.drain(|_, (), bytes| each(bytemuck::pod_read_unaligned(&bytes[..size_of::<Gathered>()])));
    }

    /// Hands out what was measured.
    pub fn drain_spans(&mut self, spans: &mut dyn FnMut(Span)) {
        if let Some(times) = &mut self.frame_times {
            times.drain(&mut |m| {
                let stage = REGIONS[m.region as usize];
                if stage == Stage::Infer {
                    self.load.measured(m.frame, m.duration);
                }
                spans(Span::gpu(m.frame, stage, m.begin, m.duration));
            });
        }
        if let Some(times) = &mut self.draw_times {
            times.drain(&mut |m| spans(Span::gpu(m.frame, Stage::Compose, m.begin, m.duration)));
        }
    }

    /// Whether a measurement is on its way.
    pub fn is_measuring(&self) -> bool {
        [&self.frame_times, &self.draw_times].into_iter().any(|t| t.as_ref().is_some_and(Timestamps::pending))
    }

    /// Records the last pass over the whole of `target`, for the frame in that slot; black without one. The first pass for
    /// each frame is measured. Submit the encoder before the next [`Self::poll`].
    pub fn draw(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        target: &wgpu::TextureView,
        layout: PictureLayout,
        slot: Option<usize>,
        frame: Option<FrameId>,
    ) {
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
        self.present.record(&self.gpu, encoder, target, slot, layout, writes);
        if let (Some(times), Some(measure)) = (&mut self.draw_times, measure) {
            times.resolve(&measure, encoder);
            self.drawn = Some(measure);
        }
    }
}

/// Begins a compute pass, measured where the adapter can and the frame is.
fn begin(
    gpu: &Gpu,
    encoder: &mut wgpu::CommandEncoder,
    times: &mut Option<Timestamps>,
    measure: Option<&Measure>,
    stage: Stage,
) -> wgpu::ComputePass<'static> {
    let region = REGIONS.iter().position(|of| *of == stage);
    let timestamp_writes = match (times, measure, region) {
        (Some(times), Some(measure), Some(region)) => Some(times.compute(measure, region as u32)),
        _ => None,
    };
    gpu.work.pass();
    let label = Some(stage.name());
    encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes }).forget_lifetime()
}

/// Records that what a pass reads be copied to what it writes.
fn copy(gpu: &Gpu, store: &GpuStore, encoder: &mut wgpu::CommandEncoder, line: &Line, place: Place) {
    for (from, to) in line.pass.reads.iter().zip(line.pass.writes) {
        let buffer = |of: &Use| store.buffer(of.product, of.which, place);
        if let (Some(from), Some(to)) = (buffer(from), buffer(to)) {
            encoder.copy_buffer_to_buffer(from, 0, to, 0, to.size());
            gpu.work.copied(to.size());
        }
    }
}

/// Whether a product is there only where somebody paints.
fn is_of_student(product: &Info) -> bool {
    [PAINTING.info, GAINS.info, FLOW.info, DRIFT.info].contains(&product)
}

/// What stands for painting and gains where nobody paints: one pixel of nothing.
pub(super) fn no_painting(gpu: &Gpu) -> Result<wgpu::TextureView, GpuError> {
    gpu.checked("no painting", || {
        let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("no painting"),
            size: wgpu::Extent3d { width: 1, height: 1, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: store::PICTURE_FORMAT,
            usage: wgpu::TextureUsages::TEXTURE_BINDING,
            view_formats: &[],
        });
        Ok(texture.create_view(&wgpu::TextureViewDescriptor::default()))
    })
}

/// The last pass for targets of `format`, over both slots.
fn build_present(gpu: &Gpu, format: wgpu::TextureFormat, store: &GpuStore) -> Result<Present, GpuError> {
    let none = no_painting(gpu)?;
    let source = |slot| {
        let view = |info: &Info| store.view(info, Which::Now, Place { slot, trip: 0 }).unwrap_or(&none);
        PresentSource {
            frame: view(FRAME.info),
            painting: view(PAINTING.info),
            gains: view(GAINS.info),
            flow: view(FLOW.info),
            drift: view(DRIFT.info),
        }
    };
    Present::new(gpu, format, &[source(0), source(1)], &TableTextures::of(gpu)?)
}

/// Whether the GPU takes a frame's bytes in one buffer.
fn check_bytes(gpu: &Gpu, shape: &FrameShape) -> Result<(), PipelineError> {
    let (bytes, limit) = (shape.min_bytes() as u64, gpu.caps.max_storage_binding_bytes);
    if bytes > limit { Err(PipelineError::TooManyBytes { extent: shape.extent, bytes, limit }) } else { Ok(()) }
}

/// Whether the GPU takes a picture of that size.
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
