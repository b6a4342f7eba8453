//! The running chain: frames in, the newest painted picture out, and what it all cost.
//!
//! [`Flow`] is what the window, `bench` and `render` share. It hands frames to the pipeline that fits them, has a new
//! pipeline made aside when the source's shape or the user's wish changes, lets the old one go on painting until the new
//! one has a picture (another style of the same network needs no new one: it paints from the next frame on), and enters every span into the meter. Times come in as arguments. Knows neither windows nor where
//! frames come from. Nothing here blocks.

mod build;
mod builder;
mod restyle;
mod shelf;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use build::{Built, Wish, Workshop};
use builder::{Builder, Done, Job, Outcome, Source};
pub use restyle::Restylable;
pub use shelf::{Found, Shelf};

use crate::fault::Fault;
use crate::frame::{CameraFrame, FrameShape};
use crate::gpu::GpuClock;
use crate::metrics::{Lap, Meter, Span, Stage, Subject, Summary};
use crate::pipeline::{FlowCounts, Look, Pipeline};
use crate::roundtrip::RoundTripEvent;
use crate::units::{Budget, Extent, FrameStamp};

/// What happened, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum FlowEvent {
    /// Another pipeline paints from now on.
    Changed(Subject),
    /// Something went wrong, or is worth knowing.
    Fault(Fault),
    /// Painting works again: faults that [`Flow`] reported are over.
    Recovered,
}

/// What [`Flow::poll`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// A picture that was not there before is ready to be drawn.
    pub picture: Option<FrameStamp>,
    /// Whether the student painted the picture that [`Flow::draw`] would draw now.
    pub painted: bool,
}

struct Running {
    /// Tells it from those before and after it.
    number: u64,
    pipeline: Pipeline,
    restylable: Option<Restylable>,
    subject: Arc<Subject>,
    shape: FrameShape,
}

/// See the module's text.
pub struct Flow {
    builder: Builder,
    gpu_clock: Arc<GpuClock>,
    wish: Wish,
    shape: Option<FrameShape>,
    /// The newest job that was given out.
    asked: Option<Job>,
    /// Whether it is still being worked on. One at a time: the builder may be filling the weights that the pipeline
    /// switches to next.
    building: bool,
    /// Pipelines so far.
    numbers: u64,
    current: Option<Running>,
    /// Made, but without a picture of its own yet, and since when.
    next: Option<(Running, Instant)>,
    meter: Meter,
    /// Counts of pipelines that are gone.
    past: FlowCounts,
    /// Frames that came while no pipeline fitted them.
    homeless: u64,
    missed: u64,
    events: Vec<FlowEvent>,
}

impl Flow {
    /// A pipeline that gives no painting for so long takes over without one, so that its faults can be seen.
    const PATIENCE: Duration = Duration::from_secs(2);

    /// `woken` is called, on other threads, when [`Self::poll`] may find something new.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn new(workshop: Workshop, wish: Wish, budget: Budget) -> Result<Self, Fault> {
        let waker = workshop.waker.clone();
        Ok(Self {
            gpu_clock: workshop.gpu.clock.clone(),
            builder: Builder::spawn(workshop, move || waker())?,
            wish,
            shape: None,
            asked: None,
            building: false,
            numbers: 0,
            current: None,
            next: None,
            meter: Meter::new(budget),
            past: FlowCounts::default(),
            homeless: 0,
            missed: 0,
            events: Vec::new(),
        })
    }

    /// Begins with a pipeline that was made beforehand, for `shape`.
    pub fn start_with(&mut self, built: Built, shape: FrameShape) {
        self.shape = Some(shape);
        self.asked = Some(Job { wish: self.wish.clone(), shape });
        let running = self.running(built, shape);
        self.meter.switch(running.subject.clone());
        self.current = Some(running);
    }

    pub fn wish(&self) -> &Wish {
        &self.wish
    }

    /// What the user wants from now on. The picture changes when the pipeline for it is ready.
    pub fn set_wish(&mut self, wish: Wish) {
        if self.wish != wish {
            self.wish = wish;
            self.ask();
        }
    }

    /// Whether a pipeline is being made aside. Another style of the one that paints is none.
    pub fn is_preparing(&self) -> bool {
        self.building && !self.builder.is_restyling() || self.next.is_some()
    }

    /// Another source delivers from now on.
    pub fn set_budget(&mut self, budget: Budget) {
        self.meter.set_budget(budget);
    }

    /// The source delivered `captured` frames so far, of which `dropped` were replaced before this flow saw them.
    pub fn captured(&mut self, captured: u64, dropped: u64, now: Instant) {
        self.meter.captured(captured, now);
        self.missed = dropped;
    }

    /// A frame from the source. Taken, or dropped and counted; never queued beyond one.
    pub fn offer(&mut self, frame: CameraFrame, now: Instant) {
        let shape = frame.shape();
        if self.shape != Some(shape) {
            self.shape = Some(shape);
            self.ask();
        }
        let running = match (&mut self.next, &mut self.current) {
            (Some((next, _)), _) if next.shape == shape => next,
            (_, Some(current)) if current.shape == shape => current,
            _ => {
                self.homeless += 1;
                return;
            }
        };
        let stamp = frame.stamp();
        self.meter.open(stamp);
        self.meter.enter(Span::cpu(stamp.id, Stage::Capture, stamp.captured, frame.arrived().min(now)));
        running.pipeline.submit(frame);
    }

    /// Takes what other threads and the GPU have finished.
    pub fn poll(&mut self, now: Instant) -> Polled {
        while let Some(done) = self.builder.done() {
            self.take_done(done, now);
        }
        let mut swapped = None;
        if let Some((next, since)) = &mut self.next {
            let meter = &mut self.meter;
            let stamp = next.pipeline.poll(&mut |span| meter.enter(span));
            let good = next.pipeline.shown().is_some()
                && (next.pipeline.shown_painted() || next.pipeline.student_extent().is_none());
            let late = now.saturating_duration_since(*since) > Self::PATIENCE;
            if good || late || self.current.is_none() {
                swapped = Some(stamp.or(next.pipeline.shown()));
            }
        }
        if let Some(stamp) = swapped {
            self.swap();
            self.count(now);
            return Polled { picture: stamp, painted: self.painted() };
        }
        let Some(current) = &mut self.current else { return Polled::default() };
        let meter = &mut self.meter;
        let picture = current.pipeline.poll(&mut |span| meter.enter(span));
        meter.set_stability(current.pipeline.stability().map(|stability| stability.difference));
        self.hear_round_trip();
        self.count(now);
        Polled { picture, painted: self.painted() }
    }

    /// Records the drawing of the newest picture over the whole of `target`. Submit the encoder before the next poll.
    pub fn draw(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        target: &wgpu::TextureView,
        extent: Extent,
        look: &Look,
    ) -> bool {
        match &mut self.current {
            Some(current) => {
                current.pipeline.draw(encoder, target, extent, look);
                true
            }
            None => false,
        }
    }

    /// What was drawn was handed to the display. `laps` are the times spent on interface and handing over for this picture.
    /// Returns whether it was a picture that had not been presented before.
    pub fn presented(&mut self, laps: &[Lap], now: Instant) -> bool {
        let Some(stamp) = self.current.as_ref().and_then(|c| c.pipeline.shown()) else { return false };
        if !self.meter.present(stamp.id, now) {
            return false;
        }
        for lap in laps {
            self.meter.enter(Span::cpu(stamp.id, lap.stage, lap.begin, lap.end));
        }
        true
    }

    /// What the GPU spent on a frame outside of this flow: on the interface over its picture.
    pub fn enter(&mut self, span: Span) {
        self.meter.enter(span);
    }

    /// What happened since the last call.
    pub fn events(&mut self) -> std::vec::Drain<'_, FlowEvent> {
        self.events.drain(..)
    }

    /// The pipeline that paints now; `None` before the first one is made.
    pub fn pipeline(&mut self) -> Option<&mut Pipeline> {
        self.current.as_mut().map(|c| &mut c.pipeline)
    }

    /// Width over height of the picture that [`Self::draw`] draws.
    pub fn picture_aspect(&self) -> Option<f32> {
        self.current.as_ref().map(|c| c.pipeline.picture_aspect())
    }

    /// What paints now.
    pub fn subject(&self) -> Option<&Subject> {
        self.current.as_ref().map(|c| &*c.subject)
    }

    pub fn meter(&mut self) -> &mut Meter {
        &mut self.meter
    }

    pub fn meter_ref(&self) -> &Meter {
        &self.meter
    }

    pub fn summary(&mut self, now: Instant) -> Summary {
        self.meter.summary(now)
    }

    /// Frames taken in that are neither shown nor dropped yet, by the pipeline that takes frames now.
    pub fn open_frames(&self) -> u64 {
        let running = self.next.as_ref().map(|(next, _)| next).or(self.current.as_ref());
        running.map_or(0, |r| {
            let counts = r.pipeline.counts();
            counts.submitted.saturating_sub(counts.processed + counts.dropped)
        })
    }

    /// Waits until all frames are done, and settles every account: at the end of a run. Blocks.
    ///
    /// # Errors
    /// When the GPU was lost or the student is stuck.
    pub fn finish(&mut self, now: Instant) -> Result<(), Fault> {
        if let Some(current) = &mut self.current {
            let meter = &mut self.meter;
            current
                .pipeline
                .finish(&mut |span| meter.enter(span))
                .map_err(|e| Fault::failed(format!("The last frames could not be finished: {e}"), ""))?;
        }
        self.count(now);
        self.meter.finish();
        Ok(())
    }

    fn painted(&self) -> bool {
        self.current.as_ref().is_some_and(|c| c.pipeline.shown_painted())
    }

    /// Has the wished-for pipeline made, unless just that was asked for last, or something is being made: then this is
    /// called again when it is done.
    fn ask(&mut self) {
        let Some(shape) = self.shape else { return };
        let job = Job { wish: self.wish.clone(), shape };
        if self.building || self.asked.as_ref() == Some(&job) {
            return;
        }
        let running = self.next.as_ref().map(|(next, _)| next).or(self.current.as_ref());
        let from = running.and_then(|r| Some(Source { pipeline: r.number, restylable: r.restylable.clone()? }));
        self.asked = Some(job.clone());
        self.building = true;
        self.builder.build(job, self.current.is_none(), from);
    }

    fn take_done(&mut self, done: Done, now: Instant) {
        let Done { job, outcome } = done;
        let newest = self.wish == job.wish && self.shape == Some(job.shape);
        if let Outcome::Bridge(result) = outcome {
            match result {
                // A bridge serves whoever has nothing.
                Ok(built) if self.current.is_none() => {
                    let running = self.running(*built, job.shape);
                    self.meter.switch(running.subject.clone());
                    self.current = Some(running);
                }
                Ok(built) => self.builder.take_down(built.pipeline),
                Err(fault) => self.events.push(FlowEvent::Fault(fault)),
            }
            return;
        }
        self.building = false;
        match outcome {
            Outcome::Built(built) if newest => {
                let running = self.running(*built, job.shape);
                if let Some((old, _)) = self.next.replace((running, now)) {
                    self.retire(old);
                }
            }
            // What is out of date is taken down again.
            Outcome::Built(built) => self.builder.take_down(built.pipeline),
            // Also when it is out of date: a slider that is being dragged always is.
            Outcome::Restyled { pipeline, subject } => self.restyle(pipeline, subject),
            Outcome::Failed(fault) if newest => self.events.push(FlowEvent::Fault(fault)),
            Outcome::Failed(_) | Outcome::Bridge(_) => {}
        }
        self.ask();
    }

    /// Another style is ready for the pipeline of that number: the next frame has it.
    fn restyle(&mut self, number: u64, subject: Subject) {
        let shown = self.next.is_none();
        let next = self.next.as_mut().map(|(next, _)| next);
        let Some(running) = next.into_iter().chain(&mut self.current).find(|r| r.number == number) else {
            // It went away meanwhile; the wish has to be met by what came after it.
            self.asked = None;
            return;
        };
        if let Some(restylable) = &running.restylable {
            restylable.switch();
        }
        if *running.subject != subject {
            running.subject = Arc::new(subject);
            if shown {
                self.events.push(FlowEvent::Changed((*running.subject).clone()));
                self.meter.switch(running.subject.clone());
            }
        }
    }

    fn running(&mut self, built: Built, shape: FrameShape) -> Running {
        self.events.extend(built.notices.into_iter().map(FlowEvent::Fault));
        self.numbers += 1;
        Running {
            number: self.numbers,
            pipeline: built.pipeline,
            restylable: built.restylable,
            subject: Arc::new(built.subject),
            shape,
        }
    }

    fn swap(&mut self) {
        let Some((next, _)) = self.next.take() else { return };
        self.events.push(FlowEvent::Recovered);
        self.events.push(FlowEvent::Changed((*next.subject).clone()));
        self.meter.switch(next.subject.clone());
        if let Some(old) = self.current.replace(next) {
            self.retire(old);
        }
    }

    fn retire(&mut self, old: Running) {
        let counts = old.pipeline.counts();
        self.past.submitted += counts.submitted;
        self.past.processed += counts.processed;
        // What was still on its way will not be seen any more.
        self.past.dropped += counts.submitted - counts.processed;
        self.builder.take_down(old.pipeline);
    }

    fn hear_round_trip(&mut self) {
        let Some(student) = self.current.as_ref().and_then(|c| c.pipeline.round_trip()) else { return };
        for event in student.events() {
            self.events.push(match event {
                RoundTripEvent::Fault(fault) => FlowEvent::Fault(fault),
                RoundTripEvent::Recovered => FlowEvent::Recovered,
            });
        }
    }

    fn count(&mut self, now: Instant) {
        let mut processed = self.past.processed;
        let mut dropped = self.past.dropped + self.homeless + self.missed;
        for running in self.current.iter().chain(self.next.iter().map(|(next, _)| next)) {
            let counts = running.pipeline.counts();
            processed += counts.processed;
            dropped += counts.dropped;
        }
        self.meter.processed(processed, now);
        self.meter.dropped(dropped);
        self.meter.set_gpu_clock_within(self.gpu_clock.within());
    }
}
