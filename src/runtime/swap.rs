//! Pipelines that are asked for, made aside, and put in the place of what paints without a gap.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::builder::{Done, Job, Outcome, Source};
use super::{BuiltPipeline, Restylable, Runtime, RuntimeEvent, Standing};
use crate::frame::FrameShape;
use crate::metrics::Subject;
use crate::pipeline::Pipeline;
use crate::units::FrameStamp;

/// A pipeline at work, and what it is.
pub(super) struct Running {
    /// Tells it from those before and after it.
    pub number: u64,
    pub pipeline: Pipeline,
    pub restylable: Option<Restylable>,
    pub subject: Arc<Subject>,
    pub shape: FrameShape,
    pub standing: Standing,
    pub by_hand: bool,
}

/// Made, but not yet what is shown.
pub(super) struct Next {
    pub running: Running,
    /// Since when frames go to it.
    pub since: Instant,
    /// Since when it has a picture of its own.
    pub good_since: Option<Instant>,
    /// The governor decided it: the user will not miss it if it does not come.
    pub governed: bool,
}

impl Runtime {
    /// A pipeline that gives no painting for so long takes over without one, so that its faults can be seen.
    const PATIENCE: Duration = Duration::from_secs(2);
    /// So long a new pipeline that has its first picture waits for the last ones of the old, so that none is lost. A student
    /// that needs longer is a reason to change.
    pub(super) const LAST_FRAMES: Duration = Duration::from_millis(100);

    /// Has the wished-for pipeline made, unless just that was asked for last, or something is being made: then this is
    /// called again when it is done.
    pub(super) fn ask(&mut self) {
        let Some(shape) = self.shape else { return };
        let job = Job { request: self.request.clone(), shape, budget: self.meter.budget() };
        if self.building || self.asked.as_ref() == Some(&job) {
            return;
        }
        let running = self.next.as_ref().map(|next| &next.running).or(self.current.as_ref());
        let from = running.and_then(|r| Some(Source { pipeline: r.number, restylable: r.restylable.clone()? }));
        self.asked = Some(job.clone());
        self.building = true;
        self.builder.build(job, self.current.is_none(), from);
    }

    /// The builder is done with a job.
    pub(super) fn take_done(&mut self, done: Done, now: Instant) {
        let Done { job, outcome } = done;
        let newest = self.request == job.request && self.shape == Some(job.shape);
        if let Outcome::Bridge(result) = outcome {
            match result {
                // A bridge serves whoever has nothing.
                Ok(built) if self.current.is_none() => {
                    let running = self.running(*built, job.shape, job.request.by_hand());
                    self.meter.switch(running.subject.clone());
                    self.current = Some(running);
                }
                Ok(built) => self.builder.take_down(built.pipeline),
                Err(fault) => self.events.push(RuntimeEvent::Fault(fault)),
            }
            return;
        }
        self.building = false;
        match outcome {
            Outcome::Built(built) if newest => {
                let running = self.running(*built, job.shape, job.request.by_hand());
                let governed = self.is_decided(&job.request);
                if let Some(old) = self.next.replace(Next { running, since: now, good_since: None, governed }) {
                    self.retire(old.running);
                }
            }
            // What is out of date is taken down again.
            Outcome::Built(built) => self.builder.take_down(built.pipeline),
            // Also when it is out of date: a slider that is being dragged always is.
            Outcome::Restyled { pipeline, subject } => {
                self.restyle(pipeline, subject);
                self.settle_standing(&job.request, now);
            }
            Outcome::Failed(fault) if newest => {
                if self.is_decided(&job.request) {
                    self.give_up_decision(now);
                }
                self.events.push(RuntimeEvent::Fault(fault));
            }
            Outcome::Failed(_) | Outcome::Bridge(_) => {}
        }
        self.ask();
    }

    /// Another style is ready for the pipeline of that number: the next frame has it.
    fn restyle(&mut self, number: u64, subject: Subject) {
        let shown = self.next.is_none();
        let next = self.next.as_mut().map(|next| &mut next.running);
        let Some(running) = next.into_iter().chain(&mut self.current).find(|r| r.number == number) else {
            // It went away meanwhile; the request has to be met by what came after it.
            self.asked = None;
            return;
        };
        if let Some(restylable) = &running.restylable {
            restylable.switch();
        }
        if *running.subject != subject {
            running.subject = Arc::new(subject);
            if shown {
                self.events.push(RuntimeEvent::Changed((*running.subject).clone()));
                self.meter.switch(running.subject.clone());
            }
        }
    }

    /// Puts the next pipeline in the place of the current one when it has a picture, and the current one no more to come.
    /// Returns that picture, if it was not shown before.
    pub(super) fn try_next(&mut self, now: Instant) -> Option<Option<FrameStamp>> {
        let next = self.next.as_mut()?;
        let pipeline = &mut next.running.pipeline;
        // Once it has its first picture it is not asked for more: each is to be seen.
        let first = if next.good_since.is_none() {
            let meter = &mut self.meter;
            pipeline.poll(&mut |span| meter.enter(span))
        } else {
            pipeline.shown()
        };
        let good = pipeline.shown().is_some() && (pipeline.shown_painted() || pipeline.student_extent().is_none());
        let since = good.then(|| *next.good_since.get_or_insert(now));
        let unfinished = self.current.as_ref().is_some_and(|current| !current.pipeline.is_idle());
        let ready = since.is_some_and(|at| !unfinished || now.saturating_duration_since(at) > Self::LAST_FRAMES);
        let late = !good && now.saturating_duration_since(next.since) > Self::PATIENCE;
        if late && next.governed && self.current.is_some() {
            // What the governor tried gives nothing: the picture that there is must not give way to that.
            if let Some(next) = self.next.take() {
                self.retire(next.running);
            }
            self.give_up_decision(now);
            return None;
        }
        if !(ready || late || self.current.is_none()) {
            return None;
        }
        let shown = first.or(pipeline.shown());
        self.swap(now);
        Some(shown)
    }

    /// Takes a pipeline in, and what there is to say about it.
    pub(super) fn running(&mut self, built: BuiltPipeline, shape: FrameShape, by_hand: bool) -> Running {
        self.events.extend(built.notices.into_iter().map(RuntimeEvent::Fault));
        self.numbers += 1;
        let mut pipeline = built.pipeline;
        pipeline.set_burden(self.burden);
        pipeline.set_taps(self.taps.clone());
        Running {
            number: self.numbers,
            pipeline,
            restylable: built.restylable,
            subject: Arc::new(built.subject),
            shape,
            standing: built.standing,
            by_hand,
        }
    }

    fn swap(&mut self, now: Instant) {
        let Some(Next { running, .. }) = self.next.take() else { return };
        self.events.push(RuntimeEvent::Recovered);
        self.events.push(RuntimeEvent::Changed((*running.subject).clone()));
        self.meter.switch(running.subject.clone());
        if let Some(old) = self.current.replace(running) {
            self.retire(old);
        }
        self.count(now);
        self.tell_governor(now);
    }

    /// Its counts stay, and it is taken down aside.
    pub(super) fn retire(&mut self, old: Running) {
        let counts = old.pipeline.counts();
        self.past.submitted += counts.submitted;
        self.past.processed += counts.processed;
        // What was still on its way will not be seen any more.
        self.past.dropped += counts.submitted - counts.processed;
        self.builder.take_down(old.pipeline);
    }
}
