//! The thread that runs the list, frame after frame, and composes the picture that is shown.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::presenter::{KEPT, LIVE, Presenter};
use super::store::{CpuFrame, CpuStore};
use super::tap::Tapped;
use super::{Finished, Show};
use crate::canvas::{Canvas, Surface};
use crate::clock::{Clock, Stopwatch};
use crate::fault::Fault;
use crate::frame::CameraFrame;
use crate::kernels::canvas::RestingCanvas;
use crate::kernels::prepare::Resize;
use crate::kernels::stability::Gathered;
use crate::metrics::{Span, Stage};
use crate::pipeline::list::{self, Wanted};
use crate::pipeline::pass::{OnCpu, Varying};
use crate::pipeline::present::Look;
use crate::pipeline::product::{DRIFT, IMAGE, PAINTED, Place, STABILITY, Sizes, Which};
use crate::pipeline::tap::Taps;
use crate::pool::Pool;
use crate::roundtrip::{Painter, RoundTripEvent};
use crate::units::{Burden, FrameStamp};
use crate::watch;

/// Spans, comparisons and events held for a reader that does not come.
const HELD: usize = 64;

/// No picture takes longer where all is well.
const MOST: Duration = Duration::from_secs(15);

/// One list of passes to be run.
pub(super) struct Task {
    pub number: u64,
    pub wanted: Wanted,
    pub stamp: FrameStamp,
    pub place: Place,
    pub varying: Varying,
    pub frame: Option<CameraFrame>,
    /// A painting from another thread; empty without one. The buffer goes round.
    pub painting: Vec<[f32; 4]>,
    /// What is painted on, and what is laid on the painting; flat where no relief is wanted.
    pub surface: Surface,
    pub measured: bool,
    /// For whom the picture is composed afterwards.
    pub show: Option<Show>,
    /// Who gets that picture; the screen when nobody is named.
    pub reply: Option<Reply>,
    /// Whoever taps the pictures, and the look of the window.
    pub taps: Option<(Taps, Look)>,
}

/// Takes a picture on the worker's thread.
pub(super) type Reply = Box<dyn FnOnce(Finished) + Send>;

/// Between the worker and the pipeline.
#[derive(Default)]
pub(super) struct Shared {
    inbox: Mutex<Inbox>,
    came: Condvar,
    pub outbox: Mutex<Outbox>,
    finished: Condvar,
    /// Number of the last task that is done.
    done: AtomicU64,
    /// Number of the last task whose student failed.
    unpainted: AtomicU64,
}

#[derive(Default)]
struct Inbox {
    tasks: VecDeque<Task>,
    burden: Burden,
    clock: Clock,
    closed: bool,
}

/// What the worker has to give.
pub(super) struct Outbox {
    pub pictures: Vec<Finished>,
    pub spans: Vec<Span>,
    pub comparisons: Vec<Gathered>,
    pub events: Vec<RoundTripEvent>,
    /// Buffers that go round.
    pub free: Vec<Finished>,
    pub paintings: Vec<Vec<[f32; 4]>>,
    /// The student broke down for good.
    pub broken: bool,
}

impl Default for Outbox {
    /// With room for all that is kept: nothing is allocated later.
    fn default() -> Self {
        Self {
            pictures: Vec::with_capacity(HELD),
            spans: Vec::with_capacity(HELD),
            comparisons: Vec::with_capacity(HELD),
            events: Vec::new(),
            free: Vec::with_capacity(HELD),
            paintings: Vec::with_capacity(HELD),
            broken: false,
        }
    }
}

impl Shared {
    pub fn send(&self, task: Task) {
        lock(&self.inbox).tasks.push_back(task);
        self.came.notify_one();
    }

    pub fn set_burden(&self, burden: Burden) {
        lock(&self.inbox).burden = burden;
    }

    /// By which spans begin.
    pub fn set_clock(&self, clock: Clock) {
        lock(&self.inbox).clock = clock;
    }

    pub fn close(&self) {
        lock(&self.inbox).closed = true;
        self.came.notify_one();
    }

    pub fn is_done(&self, number: u64) -> bool {
        self.done.load(Ordering::Acquire) >= number
    }

    /// Whether the student failed at that task.
    pub fn is_unpainted(&self, number: u64) -> bool {
        self.unpainted.load(Ordering::Acquire) == number
    }

    /// Waits until a task is done, or for `most`.
    pub fn wait(&self, number: u64, most: Duration) {
        let outbox = lock(&self.outbox);
        // What woke us is asked for by the caller.
        drop(self.finished.wait_timeout_while(outbox, most, |_| !self.is_done(number)));
    }

    fn next(&self) -> Option<(Task, Burden)> {
        let mut inbox = lock(&self.inbox);
        loop {
            if inbox.closed {
                return None;
            }
            if let Some(task) = inbox.tasks.pop_front() {
                return Some((task, inbox.burden));
            }
            inbox = self.came.wait(inbox).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The thread's own.
pub(super) struct Worker {
    pub shared: Arc<Shared>,
    store: CpuStore,
    pool: Pool,
    resize: Resize,
    student: Option<Box<dyn Painter>>,
    /// The student's last fault, which is said once.
    failing: Option<Fault>,
    presenter: Option<Presenter>,
    canvas: RestingCanvas,
    tapped: Tapped,
    burden: Burden,
}

impl Worker {
    pub fn new(shared: Arc<Shared>, sizes: Sizes, pool: Pool, student: Option<Box<dyn Painter>>) -> Self {
        Self {
            shared,
            store: CpuStore::new(sizes),
            pool,
            resize: Resize::new(sizes.shape.extent, sizes.crop, sizes.student),
            student,
            failing: None,
            presenter: None,
            canvas: RestingCanvas::default(),
            tapped: Tapped::default(),
            burden: Burden::NONE,
        }
    }

    /// Until the other end is gone. `done` is called after each task.
    pub fn run(mut self, done: &dyn Fn()) {
        while let Some((task, burden)) = self.shared.next() {
            self.burden = burden;
            let number = task.number;
            let _busy = watch::busy("composing a picture", MOST);
            // A panic must cost the effect, not the program.
            if catch_unwind(AssertUnwindSafe(|| self.task(task))).is_err() {
                self.break_down(number);
            }
            {
                let _outbox = lock(&self.shared.outbox);
                self.shared.done.store(number, Ordering::Release);
            }
            self.shared.finished.notify_all();
            done();
        }
    }

    fn break_down(&mut self, number: u64) {
        self.student = None;
        self.shared.unpainted.store(number, Ordering::Release);
        let mut outbox = lock(&self.shared.outbox);
        outbox.broken = true;
        push(
            &mut outbox.events,
            RoundTripEvent::Fault(Fault::failed(
                "The engine that paints stopped because of an error in the program",
                "The camera's picture is shown; choose the effect again, or another engine with --engine",
            )),
        );
    }

    fn task(&mut self, mut task: Task) {
        let shared = self.shared.clone();
        let clock = lock(&shared.inbox).clock.clone();
        let mut spans = Spans { open: None, stamp: task.stamp, shared: &shared, clock, on: task.measured };
        let mut painted = true;
        for (_, line) in list::passes(&task.wanted) {
            spans.enter(task.wanted.stage(line));
            match line.pass.cpu {
                OnCpu::Kernel(kernel) => {
                    let raw = task.frame.as_ref().map_or(&[][..], CameraFrame::bytes);
                    let at = (task.place, task.varying);
                    kernel(&mut CpuFrame::new(&mut self.store, line.pass, at, &self.pool, &self.resize, raw));
                }
                OnCpu::Copy => {
                    for (from, to) in line.pass.reads.iter().zip(line.pass.writes) {
                        self.store.copy(from, to, task.place);
                    }
                }
                // The camera's bytes are here; a painting is put where the list expects it.
                OnCpu::Upload if line.pass.writes.iter().any(|of| *of.product == *PAINTED.info) => {
                    self.store.fill(PAINTED, task.place, &task.painting);
                }
                OnCpu::Upload => {}
                OnCpu::Student => {
                    if let Some(student) = &mut self.student {
                        let canvas = task.surface.canvas.as_ref().filter(|_| task.wanted.canvas);
                        give(&self.store, student.as_mut(), task.place, canvas, &mut self.canvas);
                    }
                    painted = paint(&mut self.store, &mut self.student, &mut self.failing, &self.shared, self.burden)
                }
                // The student's canvas is made right into its memory; see `give`.
                OnCpu::Nothing => {}
                // When it is shown.
                OnCpu::Compose => {}
            }
        }
        if !painted {
            self.shared.unpainted.store(task.number, Ordering::Release);
        }
        if task.wanted.compared {
            let gathered = self.store.read(STABILITY, Which::Now, task.place).first().copied();
            push_all(&mut lock(&self.shared.outbox).comparisons, gathered);
        }
        if let Some(mut show) = task.show.take() {
            spans.enter(Stage::Compose);
            if !painted {
                show.layout = show.layout.without_painting();
            }
            let picture = self.compose(&task, show);
            match task.reply.take() {
                Some(reply) => reply(picture),
                None => lock(&self.shared.outbox).pictures.push(picture),
            }
        }
        spans.end();
        if let Some((taps, look)) = &task.taps {
            self.tapped.give(&self.store, &self.pool, taps, look, &task, painted);
        }
        let mut outbox = lock(&self.shared.outbox);
        if task.painting.capacity() > 0 {
            outbox.paintings.push(task.painting);
        }
    }

    /// The picture as `show` wants it, of the frame in the task's slot.
    fn compose(&mut self, task: &Task, show: Show) -> Finished {
        let sizes = *self.store.sizes();
        let (layout, target) = (show.layout, show.target);
        let mut still = None;
        let presenter = match &mut self.presenter {
            // A picture that somebody asked for is kept, and has nothing to do with the window's.
            _ if task.reply.is_some() => still.insert(Presenter::new(layout, target, &sizes, KEPT)),
            Some(presenter) => {
                presenter.set(layout, target);
                presenter
            }
            none => none.insert(Presenter::new(layout, target, &sizes, LIVE)),
        };
        let mut picture = lock(&self.shared.outbox).free.pop().unwrap_or_default();
        picture.pixels.resize(target.pixels() as usize, [0; 4]);
        (picture.show, picture.number, picture.stamp) = (show, task.number, Some(task.stamp));
        let (of, tables) = ((&self.store, task.place), task.surface.tables.as_deref());
        presenter.present(of, tables, &self.pool, show.blue_first, &mut picture.pixels);
        picture
    }
}

/// Gives the student what it is to see: the picture, and a canvas whose strokes go along with what moves in it.
fn give(
    store: &CpuStore,
    student: &mut dyn Painter,
    place: Place,
    canvas: Option<&Canvas>,
    resting: &mut RestingCanvas,
) {
    let extent = student.extent();
    let image = student.image_mut();
    let (red, rest) = image.split_at_mut(extent.pixels() as usize);
    let (green, blue) = rest.split_at_mut(extent.pixels() as usize);
    let planes = red.iter_mut().zip(green).zip(blue);
    for (((red, green), blue), pixel) in planes.zip(store.read(IMAGE, Which::Now, Place::default())) {
        [*red, *green, *blue, _] = *pixel;
    }
    if let Some(canvas) = canvas.filter(|_| !student.canvas_mut().is_empty()) {
        let drift = Some(store.read(DRIFT, Which::Now, place)).filter(|drift| !drift.is_empty());
        resting.put(canvas, extent, drift, student.canvas_mut());
    }
}

/// Has the student paint what it is to see. Returns whether it did.
fn paint(
    store: &mut CpuStore,
    student: &mut Option<Box<dyn Painter>>,
    failing: &mut Option<Fault>,
    shared: &Shared,
    burden: Burden,
) -> bool {
    let Some(student) = student else { return false };
    let began = Instant::now();
    let place = Place::default();
    let pixels = store.sizes().student.pixels() as usize;
    let painted = student.paint().map(|planes| {
        let (red, rest) = planes.split_at(pixels);
        let (green, blue) = rest.split_at(pixels);
        store.fill_with(PAINTED, place, red.iter().zip(green).zip(blue).map(|((r, g), b)| [*r, *g, *b, 1.0]));
    });
    if burden != Burden::NONE {
        std::thread::sleep(burden.on_top_of(began.elapsed()));
    }
    match painted {
        Ok(()) => {
            if failing.take().is_some() {
                push(&mut lock(&shared.outbox).events, RoundTripEvent::Recovered);
            }
            true
        }
        Err(fault) => {
            if failing.as_ref() != Some(&fault) {
                push(&mut lock(&shared.outbox).events, RoundTripEvent::Fault(fault.clone()));
                *failing = Some(fault);
            }
            false
        }
    }
}

/// The time of each stage, its passes together.
struct Spans<'a> {
    open: Option<(Stage, Stopwatch)>,
    stamp: FrameStamp,
    shared: &'a Shared,
    clock: Clock,
    on: bool,
}

impl Spans<'_> {
    fn enter(&mut self, stage: Stage) {
        if self.on && self.open.is_none_or(|(of, _)| of != stage) {
            self.end();
            self.open = Some((stage, self.clock.stopwatch()));
        }
    }

    fn end(&mut self) {
        if let Some((stage, stopwatch)) = self.open.take() {
            let (began, ended) = stopwatch.stop();
            push(&mut lock(&self.shared.outbox).spans, Span::cpu(self.stamp.id, stage, began, ended));
        }
    }
}

fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() < HELD {
        list.push(item);
    }
}

fn push_all<T>(list: &mut Vec<T>, items: impl IntoIterator<Item = T>) {
    items.into_iter().for_each(|item| push(list, item));
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code runs under these locks that could leave the data half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
