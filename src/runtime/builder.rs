//! The thread that makes pipelines, and other styles for them, aside while the old ones go on painting.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::build::{BuiltPipeline, EffectRequest, PipelineFactory};
use super::style_switch::Restylable;
use crate::autotune::Timing;
use crate::fault::Fault;
use crate::frame::FrameShape;
use crate::metrics::Subject;
use crate::pipeline::Pipeline;
use crate::units::Budget;
use crate::watch;

/// After a pipeline was made: the picture comes first.
const READY_AFTER: Duration = Duration::from_secs(1);
/// A style that was not changed for so long will stay, for now.
const SETTLED_AFTER: Duration = Duration::from_millis(400);
/// So long the first painting may be put off in order to choose well what paints it.
const FIRST_TIMING: Duration = Duration::from_millis(200);
/// Between two timings while there is a painting.
const NEXT_TIMING: Duration = Duration::from_millis(500);

/// No effect takes longer to prepare, on the slowest machine.
const MOST: Duration = Duration::from_secs(60);

/// What is to be made.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub request: EffectRequest,
    pub shape: FrameShape,
    /// Says where to begin; another one alone is no other job.
    pub budget: Budget,
}

impl PartialEq for Job {
    fn eq(&self, other: &Self) -> bool {
        (&self.request, self.shape) == (&other.request, other.shape)
    }
}

/// What paints now, for a job that may be another style of it.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// Whose: comes back with the result.
    pub pipeline: u64,
    pub restylable: Restylable,
}

enum Order {
    /// `bridge`: nothing is shown yet, so make something quick first.
    Build { job: Job, bridge: bool, from: Option<Box<Source>> },
    /// Taking a pipeline down frees much memory and takes time that the frame path does not have.
    TakeDown(Box<Pipeline>),
}

/// What came of a job.
pub(super) struct Done {
    pub job: Job,
    pub outcome: Outcome,
}

pub(super) enum Outcome {
    Built(Box<BuiltPipeline>),
    /// Only until the wished-for pipeline is ready.
    Bridge(Result<Box<BuiltPipeline>, Fault>),
    /// Another style is ready for the pipeline of that number.
    Restyled {
        pipeline: u64,
        subject: Subject,
    },
    Failed(Fault),
}

/// Work for when nothing is asked for.
enum Spare {
    /// Make ready for other styles.
    TakeRows(Job, Restylable),
    /// Give the style of now a faster network.
    Settle(Job, Restylable),
    /// Time an engine on a network.
    Time,
}

/// Handle to the thread. Dropping it waits until the thread has ended, after the job that it is at: a driver must not be
/// compiling while the program goes away.
pub(super) struct Builder {
    /// `None` only while dropping.
    orders: Option<mpsc::Sender<Order>>,
    done: mpsc::Receiver<Done>,
    /// What is being made is only another style.
    restyling: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Builder {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was printed when it happened; there is nothing else to learn.
            let _ = thread.join();
        }
    }
}

impl Builder {
    /// `woken` is called on the thread after each result.
    pub fn spawn(factory: PipelineFactory, woken: impl Fn() + Send + 'static) -> Result<Self, Fault> {
        let (orders, inbox) = mpsc::channel();
        let (outbox, done) = mpsc::channel();
        let restyling = Arc::new(AtomicBool::new(false));
        let bench = Bench { factory, restyling: restyling.clone(), outbox, woken };
        let thread = std::thread::Builder::new().name("builder".into()).spawn(move || bench.run(&inbox));
        let thread = thread.map_err(|e| {
            Fault::failed(format!("The builder thread could not be started: {e}"), "Close other programs")
        })?;
        Ok(Self { orders: Some(orders), done, restyling, thread: Some(thread) })
    }

    /// `from`: what paints now, unless another job that may restyle it is under way.
    pub fn build(&self, job: Job, bridge: bool, from: Option<Source>) {
        self.send(Order::Build { job, bridge, from: from.map(Box::new) });
    }

    pub fn take_down(&self, pipeline: Pipeline) {
        self.send(Order::TakeDown(Box::new(pipeline)));
    }

    /// Whether what is being made is another style, which takes no time to speak of.
    pub fn is_restyling(&self) -> bool {
        self.restyling.load(Ordering::Acquire)
    }

    fn send(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // The thread lives as long as this handle, unless it panicked: then nothing new is built, and the old goes on.
            let _ = orders.send(order);
        }
    }

    /// The next result, if there is one. Never waits.
    pub fn done(&self) -> Option<Done> {
        self.done.try_recv().ok()
    }
}

/// The thread's end.
struct Bench<F> {
    factory: PipelineFactory,
    restyling: Arc<AtomicBool>,
    outbox: mpsc::Sender<Done>,
    woken: F,
}

impl<F: Fn()> Bench<F> {
    fn run(&self, inbox: &mpsc::Receiver<Order>) {
        let mut spare: Option<Spare> = None;
        // Something may be left to be timed, once there is a painting.
        let (mut painted, mut untimed) = (false, true);
        loop {
            if spare.is_none() && painted && untimed {
                spare = Some(Spare::Time);
            }
            let order = match &spare {
                None => inbox.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
                Some(Spare::TakeRows(..)) => inbox.recv_timeout(READY_AFTER),
                Some(Spare::Settle(..)) => inbox.recv_timeout(SETTLED_AFTER),
                Some(Spare::Time) => inbox.recv_timeout(NEXT_TIMING),
            };
            let order = match order {
                Ok(order) => order,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let _busy = watch::busy("timing engines", MOST);
                    match spare.take() {
                        Some(Spare::Time) => untimed = self.time_one(),
                        Some(work) => self.work(work),
                        None => {}
                    }
                    continue;
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            // Only the newest request counts: whoever leafs through effects does not wait for all of them.
            let mut newest = None;
            for order in std::iter::once(order).chain(inbox.try_iter()) {
                match order {
                    Order::Build { job, bridge, from } => newest = Some((job, bridge, from)),
                    Order::TakeDown(pipeline) => drop(pipeline),
                }
            }
            let Some((job, bridge, from)) = newest else { continue };
            let _busy = watch::busy("preparing an effect", MOST);
            self.restyling.store(false, Ordering::Release);
            let timed = std::mem::replace(&mut painted, true);
            match self.make(job, bridge, from, timed) {
                Ok(left) => spare = left,
                // Nobody listens any more.
                Err(()) => return,
            }
        }
    }

    fn work(&self, spare: Spare) {
        match spare {
            Spare::TakeRows(job, of) => {
                if let Err(fault) = self.factory.take_rows(&job.request, &of) {
                    // The first other style will be built whole, and that tells what is wrong.
                    log::debug!("styles of {} cannot be exchanged: {fault}", job.request.effect.unwrap_or_default());
                }
            }
            Spare::Settle(job, of) => {
                let began = Instant::now();
                self.factory.settle(&job.request, job.shape, &of);
                log::debug!("style folded in after {:.1} ms", began.elapsed().as_secs_f64() * 1e3);
            }
            Spare::Time => {}
        }
    }

    /// One engine on one network, so that a request does not wait. Returns whether there may be more.
    fn time_one(&self) -> bool {
        let began = Cell::new(false);
        let all = self.factory.autotune(None, false, &|| began.replace(true), &log_timing);
        !all && !self.factory.gpu.is_lost()
    }

    /// `timed`: what paints this effect was timed, as far as there is time for it.
    fn make(&self, job: Job, bridge: bool, from: Option<Box<Source>>, timed: bool) -> Result<Option<Spare>, ()> {
        if let Some(Source { pipeline, restylable }) = from.map(|source| *source) {
            self.restyling.store(true, Ordering::Release);
            let began = Instant::now();
            if let Some(subject) = self.factory.restyle(&job.request, job.shape, &restylable) {
                log::debug!("{} prepared in {:.1} ms", subject.effect, began.elapsed().as_secs_f64() * 1e3);
                self.send(job.clone(), Outcome::Restyled { pipeline, subject })?;
                return Ok(restylable.settles().then_some(Spare::Settle(job, restylable)));
            }
            self.restyling.store(false, Ordering::Release);
        }
        if bridge {
            let built = self.factory.untouched(job.shape, "the effect is being prepared");
            self.send(job.clone(), Outcome::Bridge(built.map(Box::new)))?;
        }
        if !timed && let Ok(chosen) = self.factory.chosen(&job.request) {
            let began = Instant::now();
            self.factory.autotune(Some(&chosen.effect), true, &|| began.elapsed() > FIRST_TIMING, &log_timing);
        }
        match self.factory.build_within(&job.request, job.shape, job.budget) {
            Ok(built) => {
                let settles = built.restylable.clone().filter(Restylable::settles);
                self.send(job.clone(), Outcome::Built(Box::new(built)))?;
                Ok(settles.map(|of| Spare::TakeRows(job, of)))
            }
            Err(fault) => self.send(job, Outcome::Failed(fault)).map(|()| None),
        }
    }

    fn send(&self, job: Job, outcome: Outcome) -> Result<(), ()> {
        let sent = self.outbox.send(Done { job, outcome });
        (self.woken)();
        sent.map_err(|_| ())
    }
}

fn log_timing(timing: &Timing) {
    let Timing { engine, network, width, height, ms, note, .. } = timing;
    let ms = ms.map(|ms| format!("{ms:.1} ms"));
    let words: Vec<_> = ms.as_deref().into_iter().chain(note.as_deref()).collect();
    log::info!("{engine} {network} {width}x{height}: {}", words.join(", "));
}
