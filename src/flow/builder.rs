//! The thread that makes pipelines aside while the old one goes on painting.

use std::sync::mpsc;

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

/// Handle to the thread. It ends after the job that it is at when the handle is dropped.
pub(super) struct Builder {
    orders: mpsc::Sender<Order>,
    done: mpsc::Receiver<Done>,
}

impl Builder {
    /// `woken` is called on the thread after each result.
    pub fn spawn(workshop: Workshop, woken: impl Fn() + Send + 'static) -> Result<Self, Fault> {
        let (orders, inbox) = mpsc::channel();
        let (outbox, done) = mpsc::channel();
        std::thread::Builder::new()
            .name("builder".into())
            .spawn(move || run(&workshop, &inbox, &outbox, &woken))
            .map_err(|e| {
                Fault::failed(format!("The builder thread could not be started: {e}"), "Close other programs")
            })?;
        Ok(Self { orders, done })
    }

    pub fn build(&self, job: Job, bridge: bool) {
        // The thread lives as long as this handle, unless it panicked: then nothing new is built, and the old goes on.
        let _ = self.orders.send(Order::Build { job, bridge });
    }

    pub fn take_down(&self, pipeline: Pipeline) {
        let _ = self.orders.send(Order::TakeDown(Box::new(pipeline)));
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
