//! The thread that makes pipelines aside while the old one goes on painting.

use std::sync::mpsc;
use std::thread::JoinHandle;

use super::build::{Built, Wish, Workshop};
use crate::fault::Fault;
use crate::frame::FrameShape;
use crate::pipeline::Pipeline;

/// What is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub wish: Wish,
    pub shape: FrameShape,
}

enum Order {
    /// `bridge`: nothing is shown yet, so make something quick first.
    Build { job: Job, bridge: bool },
    /// Taking a pipeline down frees much memory and takes time that the frame path does not have.
    TakeDown(Box<Pipeline>),
}

/// What came of a job.
pub(super) struct Done {
    pub job: Job,
    pub result: Result<Box<Built>, Fault>,
    /// Only until the wished-for pipeline is ready.
    pub bridge: bool,
}

/// Handle to the thread. Dropping it waits until the thread has ended, after the job that it is at: a driver must not be
/// compiling while the program goes away.
pub(super) struct Builder {
    /// `None` only while dropping.
    orders: Option<mpsc::Sender<Order>>,
    done: mpsc::Receiver<Done>,
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
    pub fn spawn(workshop: Workshop, woken: impl Fn() + Send + 'static) -> Result<Self, Fault> {
        let (orders, inbox) = mpsc::channel();
        let (outbox, done) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("builder".into())
            .spawn(move || run(&workshop, &inbox, &outbox, &woken))
            .map_err(|e| {
                Fault::failed(format!("The builder thread could not be started: {e}"), "Close other programs")
            })?;
        Ok(Self { orders: Some(orders), done, thread: Some(thread) })
    }

    pub fn build(&self, job: Job, bridge: bool) {
        self.send(Order::Build { job, bridge });
    }

    pub fn take_down(&self, pipeline: Pipeline) {
        self.send(Order::TakeDown(Box::new(pipeline)));
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

fn run(workshop: &Workshop, inbox: &mpsc::Receiver<Order>, outbox: &mpsc::Sender<Done>, woken: &impl Fn()) {
    while let Ok(order) = inbox.recv() {
        // Only the newest wish counts: whoever leafs through effects does not wait for all of them.
        let mut newest = None;
        for order in std::iter::once(order).chain(inbox.try_iter()) {
            match order {
                Order::Build { job, bridge } => newest = Some((job, bridge)),
                Order::TakeDown(pipeline) => drop(pipeline),
            }
        }
        let Some((job, bridge)) = newest else { continue };
        let send = |result: Result<Built, Fault>, bridge| {
            let done = Done { job: job.clone(), result: result.map(Box::new), bridge };
            let sent = outbox.send(done).is_ok();
            woken();
            sent
        };
        if bridge && !send(workshop.untouched(job.shape, "the effect is being prepared"), true) {
            return;
        }
        if !send(workshop.build(&job.wish, job.shape), false) {
            return;
        }
    }
}
