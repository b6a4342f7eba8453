//! The back end that runs the list of passes on the CPU: on a thread of its own, with a pool for the rows of each picture.
//!
//! ```text
//! pipeline ──Task──▶ worker: the list's kernels ▶ the student ▶ compose ──Finished──▶ screen: upload, draw ──▶ window
//! ```
//!
//! The picture is composed at the size of its target, right after its frame was painted, as the target was when it was drawn
//! last. What the window does is then one upload and one copy. Where target or look changed since, the picture is composed
//! anew, and the old one is shown until then. Knows the list and the products; not when frames come nor which is shown.

mod presenter;
mod screen;
mod store;
mod tap;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use screen::Screen;
pub use store::{CpuFrame, CpuStore};
use worker::{Shared, Task, Worker, lock};

use super::list::Wanted;
use super::pass::Varying;
use super::present::PictureLayout;
use super::product::{Place, Sizes};
use super::{FrameInput, FrameJob, PipelineError};
use crate::canvas::{Brush, Canvas, Relief, Surface, Tables};
use crate::clock::Clock;
use crate::frame::FramePool;
use crate::gpu::Gpu;
use crate::kernels::stability::Gathered;
use crate::metrics::Span;
use crate::pool::Pool;
use crate::roundtrip::{Painter, RoundTripEvent};
use crate::system::physical_cores;
use crate::units::{Burden, Extent, FrameStamp};

/// More threads than the passes around a student have work for.
const MOST_THREADS: usize = 4;
/// Buffers for pictures that are kept: being composed, finished, shown, asked for.
const BUFFERS: usize = 4;

/// Where and how a picture is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Show {
    pub layout: PictureLayout,
    pub target: Extent,
    pub blue_first: bool,
}

/// A picture for a target.
#[derive(Debug)]
pub(super) struct Finished {
    pub show: Show,
    /// Of the task that it is from.
    pub number: u64,
    /// Whose frame it is.
    pub stamp: Option<FrameStamp>,
    pub pixels: Vec<[u8; 4]>,
}

impl Default for Finished {
    fn default() -> Self {
        let target = Extent::new(0, 0);
        let layout = bytemuck::Zeroable::zeroed();
        Self { show: Show { layout, target, blue_first: false }, number: 0, stamp: None, pixels: Vec::new() }
    }
}

/// See the module's text. Dropping it ends the thread after the task that it is at, without waiting for it.
pub(super) struct CpuChain {
    gpu: Gpu,
    shared: Arc<Shared>,
    /// Of the last task.
    number: u64,
    screen: Screen,
    /// What is shown.
    current: Option<Finished>,
    /// A task that composes the shown frame once more.
    asked: Option<u64>,
    refreshed: bool,
    canvas: Option<Canvas>,
    tables: Option<Arc<Tables>>,
    /// Copies of frames that somebody else needs too.
    frames: FramePool,
}

impl CpuChain {
    /// Starts the thread. `student` paints in place. `done` is called on it after each task.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn new(
        gpu: &Gpu,
        sizes: Sizes,
        student: Option<Box<dyn Painter>>,
        target_format: wgpu::TextureFormat,
        done: impl Fn() + Send + 'static,
    ) -> Result<Self, PipelineError> {
        let shared = Arc::<Shared>::default();
        let pool = Pool::new(physical_cores().get().min(MOST_THREADS)).map_err(PipelineError::Threads)?;
        let worker = Worker::new(shared.clone(), sizes, pool, student);
        let thread = std::thread::Builder::new().name("chain".into());
        thread.spawn(move || worker.run(&done)).map_err(PipelineError::Threads)?;
        Ok(Self {
            gpu: gpu.clone(),
            shared,
            number: 0,
            screen: Screen::new(gpu, target_format),
            current: None,
            asked: None,
            refreshed: false,
            canvas: None,
            tables: None,
            frames: FramePool::default(),
        })
    }

    pub fn is_lost(&self) -> bool {
        self.gpu.is_lost()
    }

    pub fn set_clock(&mut self, clock: Clock) {
        self.shared.set_clock(clock);
    }

    pub fn set_burden(&mut self, burden: Burden) {
        self.shared.set_burden(burden);
    }

    /// Whether the student, where it paints in place, still can.
    pub fn is_broken(&self) -> bool {
        lock(&self.shared.outbox).broken
    }

    pub fn events(&self) -> Vec<RoundTripEvent> {
        std::mem::take(&mut lock(&self.shared.outbox).events)
    }

    /// The canvas of the frames from here on.
    pub fn load_canvas(&mut self, canvas: &Canvas) {
        if self.canvas.as_ref() != Some(canvas) {
            self.canvas = Some(canvas.clone());
        }
    }

    /// What reliefs are made from, from here on.
    pub fn load_tables(&mut self, tables: &Arc<Tables>) {
        if self.tables.as_ref().is_none_or(|own| !Arc::ptr_eq(own, tables)) {
            self.tables = Some(tables.clone());
        }
    }

    /// What the next frames are painted on, and what is laid on their painting.
    fn surface(&self, relief: Relief, brush: Brush) -> Surface {
        Surface { canvas: self.canvas.clone(), brush, relief, tables: self.tables.clone() }
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn show(&self, (layout, target): (PictureLayout, Extent)) -> Show {
        Show { layout, target, blue_first: self.screen.blue_first() }
    }

    /// Hands a list of passes to the thread. Returns its number.
    pub fn run(&mut self, job: FrameJob<'_>) -> u64 {
        let number = self.next_number();
        let frame = job.frame.map(|frame| match frame {
            FrameInput::Given(frame) => frame,
            FrameInput::Lent(frame) => frame.copy_into(&self.frames),
        });
        let mut painting = Vec::new();
        if let Some(pixels) = job.painting {
            painting = lock(&self.shared.outbox).paintings.pop().unwrap_or_default();
            painting.clear();
            painting.extend_from_slice(pixels);
        }
        self.shared.send(Task {
            number,
            wanted: job.wanted,
            stamp: job.stamp,
            place: Place { slot: job.slot, trip: job.trip },
            varying: job.varying,
            frame,
            painting,
            surface: self.surface(job.relief, job.varying.brush),
            measured: job.measured,
            show: job.show.map(|show| self.show(show)),
            reply: None,
            taps: job.taps,
        });
        number
    }

    pub fn is_done(&self, number: u64) -> bool {
        self.shared.is_done(number)
    }

    /// Whether the student failed at that task.
    pub fn is_unpainted(&self, number: u64) -> bool {
        self.shared.is_unpainted(number)
    }

    /// What that task composed is what is shown from now on.
    pub fn landed(&mut self, number: u64) {
        let mut outbox = lock(&self.shared.outbox);
        let mut taken = None;
        while let Some(index) = outbox.pictures.iter().position(|picture| picture.number <= number) {
            let picture = outbox.pictures.swap_remove(index);
            let newer = taken.as_ref().is_none_or(|other: &Finished| other.number < picture.number);
            let old = if newer { taken.replace(picture) } else { Some(picture) };
            outbox.free.extend(old);
        }
        if let Some(picture) = taken {
            outbox.free.extend(self.current.replace(picture));
        }
        outbox.free.truncate(BUFFERS);
    }

    /// Takes in what the thread has done. Returns whether the shown frame looks another way than before.
    pub fn poll(&mut self) -> bool {
        self.screen.submitted();
        // What comes back is staging memory. An error here is a lost device, which `Gpu::is_lost` tells.
        let _ = self.gpu.device.poll(wgpu::PollType::Poll);
        if let Some(number) = self.asked.take_if(|number| self.shared.is_done(*number)) {
            self.landed(number);
            self.refreshed = true;
        }
        std::mem::take(&mut self.refreshed)
    }

    /// Waits a little for a task.
    pub fn wait(&self, number: u64) {
        self.shared.wait(number, Duration::from_millis(100));
    }

    pub fn drain_comparisons(&mut self, each: impl FnMut(Gathered)) {
        lock(&self.shared.outbox).comparisons.drain(..).for_each(each);
    }

    pub fn drain_spans(&mut self, each: &mut dyn FnMut(Span)) {
        lock(&self.shared.outbox).spans.drain(..).for_each(each);
    }

    /// Records the newest picture over the whole of `target`. Where it was composed for another target or look than
    /// `layout`, it is composed anew, and [`Self::poll`] tells when that is done. Without a frame, black.
    pub fn draw(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        target: &wgpu::TextureView,
        show: (PictureLayout, Extent),
        shown: Option<(usize, FrameStamp)>,
    ) {
        let show = self.show(show);
        if let Some((slot, stamp)) = shown {
            let fits = |picture: &Finished| picture.show == show && picture.stamp == Some(stamp);
            if !self.current.as_ref().is_some_and(fits) && self.asked.is_none() {
                self.asked = Some(self.compose(slot, stamp, show, None));
            }
        }
        let picture = self.current.as_ref().filter(|_| shown.is_some());
        self.screen.draw(encoder, target, picture);
    }

    /// Has the frame in that slot composed. Returns the task's number.
    fn compose(&mut self, slot: usize, stamp: FrameStamp, show: Show, reply: Option<worker::Reply>) -> u64 {
        let number = self.next_number();
        self.shared.send(Task {
            number,
            wanted: Wanted::SHOW,
            stamp,
            place: Place { slot, trip: 0 },
            varying: Varying::default(),
            frame: None,
            painting: Vec::new(),
            surface: self.surface(Relief::default(), Brush::default()),
            measured: false,
            show: Some(show),
            reply,
            taps: None,
        });
        number
    }

    /// The frame in that slot as it is shown on a target of that size, to whoever `take`s it, on another thread; black without
    /// one.
    ///
    /// # Errors
    /// When the size is empty.
    pub fn picture(
        &mut self,
        (layout, target): (PictureLayout, Extent),
        shown: Option<(usize, FrameStamp)>,
        take: impl FnOnce(Result<image::RgbaImage, PipelineError>) + Send + 'static,
    ) -> Result<(), PipelineError> {
        if target.is_empty() {
            return Err(PipelineError::Empty(target));
        }
        let Some((slot, stamp)) = shown else {
            take(Ok(image::RgbaImage::from_pixel(target.width, target.height, image::Rgba([0, 0, 0, 255]))));
            return Ok(());
        };
        let reply = Box::new(move |picture: Finished| {
            let Extent { width, height } = target;
            let image = image::RgbaImage::from_raw(width, height, picture.pixels.into_flattened());
            take(image.ok_or_else(|| PipelineError::Read(format!("{target} did not fill its own size"))));
        });
        self.compose(slot, stamp, Show { layout, target, blue_first: false }, Some(reply));
        Ok(())
    }
}

impl Drop for CpuChain {
    fn drop(&mut self) {
        self.shared.close();
    }
}
