//! The running chain: frames in, the newest painted picture out, and what it all cost.
//!
//! [`Runtime`] is what the window, `bench` and `render` share. It hands frames to the pipeline that fits them, has a new
//! pipeline made aside when the source's shape or the user's request changes, lets the old one go on painting until the new
//! one has a picture (another style of the same network needs no new one: it paints from the next frame on), and enters
//! every span into the meter. Times come in as arguments. Knows neither windows nor where frames come from. Nothing here
//! blocks.

mod autotune;
mod build;
mod builder;
mod catalog;
mod quality;
mod style_switch;
mod swap;
mod wall;

use std::sync::Arc;
use std::time::Instant;

pub use autotune::network;
pub use build::{BuiltPipeline, EffectRequest, PipelineFactory, Standing};
use builder::{Builder, Job};
pub use catalog::{Catalog, Found};
use quality::QualityControl;
pub use style_switch::{ResolvedEffect, Restylable};
use swap::{Next, Running};
pub use wall::{LiveWall, WallPicture};

use crate::fault::Fault;
use crate::frame::{CameraFrame, FrameShape, Losses};
use crate::gpu::GpuClock;
use crate::metrics::{Lap, Meter, Span, Stage, Subject, Summary};
use crate::pipeline::tap::Taps;
use crate::pipeline::{Look, Pipeline, PipelineCounts};
use crate::quality::{Keep, State};
use crate::roundtrip::RoundTripEvent;
use crate::system::Thermal;
use crate::units::{Budget, Burden, Extent, FrameStamp};

/// What happened, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum RuntimeEvent {
    /// Another pipeline paints from now on.
    Changed(Subject),
    /// Something went wrong, or is worth knowing.
    Fault(Fault),
    /// Painting works again: faults that [`Runtime`] reported are over.
    Recovered,
}

/// What [`Runtime::poll`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// A picture that was not there before is ready to be drawn.
    pub picture: Option<FrameStamp>,
    /// Whether the student painted the picture that [`Runtime::draw`] would draw now.
    pub painted: bool,
}

/// See the module's text.
pub struct Runtime {
    builder: Builder,
    gpu_clock: Arc<GpuClock>,
    request: EffectRequest,
    shape: Option<FrameShape>,
    /// The newest job that was given out.
    asked: Option<Job>,
    /// Whether it is still being worked on. One at a time: the builder may be filling the weights that the pipeline
    /// switches to next.
    building: bool,
    /// Pipelines so far.
    numbers: u64,
    current: Option<Running>,
    next: Option<Next>,
    quality: QualityControl,
    /// Since when a change of cadence waits for the frames that are on their way.
    cadence_since: Option<Instant>,
    /// Something beside the picture took the processor: frames since are no measure.
    disturbed: bool,
    /// Frames that were offered.
    offered: u64,
    meter: Meter,
    /// Counts of pipelines that are gone.
    past: PipelineCounts,
    /// Frames that came while no pipeline fitted them.
    unmatched: u64,
    missed: u64,
    burden: Burden,
    catalog: Arc<Catalog>,
    events: Vec<RuntimeEvent>,
    /// The target and the look of the last drawing.
    view: Option<(Extent, Look)>,
    taps: Taps,
}

/// What outlives a runtime whose GPU was lost.
pub struct Carryover {
    meter: Meter,
    past: PipelineCounts,
    unmatched: u64,
    offered: u64,
    taps: Taps,
}

impl Runtime {
    /// `woken` is called, on other threads, when [`Self::poll`] may find something new.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn new(factory: PipelineFactory, request: EffectRequest, budget: Budget) -> Result<Self, Fault> {
        let waker = factory.waker.clone();
        let catalog = factory.catalog.clone();
        Ok(Self {
            gpu_clock: factory.gpu.clock.clone(),
            builder: Builder::spawn(factory, move || waker())?,
            request,
            shape: None,
            asked: None,
            building: false,
            numbers: 0,
            current: None,
            next: None,
            quality: QualityControl::new(Keep::Fixed, budget),
            cadence_since: None,
            disturbed: false,
            offered: 0,
            meter: Meter::new(budget),
            past: PipelineCounts::default(),
            unmatched: 0,
            missed: 0,
            burden: Burden::NONE,
            catalog,
            events: Vec::new(),
            view: None,
            taps: Taps::default(),
        })
    }

    /// Goes on counting where another runtime ended.
    pub fn resume(&mut self, carryover: Carryover) {
        let budget = self.meter.budget();
        let Carryover { meter, past, unmatched, offered, taps } = carryover;
        (self.meter, self.past, self.unmatched, self.offered, self.taps) = (meter, past, unmatched, offered, taps);
        self.meter.set_budget(budget);
        self.meter.pause();
    }

    /// Hands over figures and counts, and counts the frames that were still on their way as dropped.
    pub fn handover(&mut self) -> Carryover {
        for running in self.next.take().map(|next| next.running).into_iter().chain(self.current.take()) {
            self.retire(running);
        }
        let budget = self.meter.budget();
        let meter = std::mem::replace(&mut self.meter, Meter::new(budget));
        let taps = self.taps.clone();
        Carryover { meter, past: self.past, unmatched: self.unmatched, offered: self.offered, taps }
    }

    /// Puts more work on whatever paints, to try out what becomes of it.
    pub fn set_burden(&mut self, burden: Burden) {
        if self.burden != burden {
            self.burden = burden;
            for running in self.current.iter_mut().chain(self.next.iter_mut().map(|next| &mut next.running)) {
                running.pipeline.set_burden(burden);
            }
        }
    }

    /// Begins with a pipeline that was made beforehand, for `shape`.
    pub fn start_with(&mut self, built: BuiltPipeline, shape: FrameShape, now: Instant) {
        self.shape = Some(shape);
        self.asked = Some(Job { request: self.request.clone(), shape, budget: self.meter.budget() });
        let running = self.running(built, shape, self.request.by_hand());
        self.meter.switch(running.subject.clone());
        self.current = Some(running);
        self.tell_governor(now);
    }

    pub fn request(&self) -> &EffectRequest {
        &self.request
    }

    /// What the user wants from now on. The picture changes when the pipeline for it is ready. How it is painted stays the
    /// governor's to say, unless the network or its size is chosen by hand.
    pub fn set_request(&mut self, request: EffectRequest) {
        let rung = request.rung.clone().or_else(|| self.request.rung.clone()).filter(|_| !request.by_hand());
        let request = EffectRequest { rung, ..request };
        if self.request != request {
            self.request = request;
            self.ask();
        }
    }

    /// What is kept from now on; [`Keep::Fixed`] before the first call. A choice by hand is over when the request has none.
    pub fn set_keep(&mut self, keep: Keep) {
        self.quality.set_keep(keep);
        if self.request.by_hand()
            && let Some(current) = &self.current
        {
            self.quality.hold(current.standing.index);
        }
    }

    /// How the machine is, for the governor.
    pub fn set_machine(&mut self, thermal: Option<Thermal>, saver: Option<bool>) {
        self.quality.set_machine(thermal, saver);
    }

    /// What governs, and why it is as it is.
    pub fn governor(&self) -> &State {
        self.quality.state()
    }

    /// What is kept.
    pub fn keep(&self) -> Keep {
        self.quality.keep()
    }

    /// Whether a pipeline is being made aside. Another style of the one that paints is none.
    pub fn is_preparing(&self) -> bool {
        self.building && !self.builder.is_restyling() || self.next.is_some()
    }

    /// Whether the builder is at work: what comes of it takes real time, not frames.
    pub fn is_building(&self) -> bool {
        self.building
    }

    /// Another source delivers from now on.
    pub fn set_budget(&mut self, budget: Budget) {
        self.meter.set_budget(budget);
        self.quality.set_budget(budget);
    }

    /// The source delivered `captured` frames so far, of which `dropped` were replaced before this runtime saw them.
    pub fn captured(&mut self, captured: u64, dropped: u64, now: Instant) {
        self.meter.captured(captured, now);
        self.missed = dropped;
    }

    /// What the source had by now and did not deliver.
    pub fn lost(&mut self, losses: Losses) {
        self.meter.lost(losses);
    }

    /// A frame from the source. Taken, or dropped and counted; never queued beyond one.
    pub fn offer(&mut self, frame: CameraFrame, now: Instant) {
        let shape = frame.shape();
        if self.shape != Some(shape) {
            self.shape = Some(shape);
            self.ask();
        }
        self.offered += 1;
        let running = match (&mut self.next, &mut self.current) {
            (Some(next), _) if next.running.shape == shape => &mut next.running,
            (_, Some(current)) if current.shape == shape => current,
            _ => {
                self.unmatched += 1;
                return;
            }
        };
        if let Some((extent, look)) = &self.view {
            running.pipeline.set_view(*extent, look);
        }
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
        let swapped = self.try_next(now);
        let meter = &mut self.meter;
        let Some(current) = &mut self.current else { return Polled::default() };
        let picture = match swapped {
            Some(first) => first,
            None => current.pipeline.poll(&mut |span| meter.enter(span)),
        };
        meter.set_stability(current.pipeline.stability().map(|stability| stability.difference));
        self.hear_round_trip();
        self.count(now);
        self.govern(now);
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
        self.view = Some((extent, *look));
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

    /// What the GPU spent on a frame outside of this runtime: on the interface over its picture.
    pub fn enter(&mut self, span: Span) {
        self.meter.enter(span);
    }

    /// What happened since the last call.
    pub fn events(&mut self) -> std::vec::Drain<'_, RuntimeEvent> {
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
        let running = self.next.as_ref().map(|next| &next.running).or(self.current.as_ref());
        running.map_or(0, |r| {
            let counts = r.pipeline.counts();
            counts.submitted.saturating_sub(counts.processed + counts.dropped)
        })
    }

    /// Where whoever wants every finished picture registers: recordings, virtual cameras, streams. Taps stay when pipelines
    /// change, and when the GPU is lost.
    pub fn taps(&self) -> &Taps {
        &self.taps
    }

    /// Whether something is under way of whose end nobody is told: [`Self::poll`] must be called again soon.
    pub fn needs_polling(&self) -> bool {
        let next = self.next.as_ref().map(|next| &next.running);
        self.current.iter().chain(next).any(|running| running.pipeline.needs_polling())
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

    fn hear_round_trip(&mut self) {
        let Some(current) = &self.current else { return };
        for event in current.pipeline.events() {
            self.events.push(match event {
                RoundTripEvent::Fault(fault) => RuntimeEvent::Fault(fault),
                RoundTripEvent::Recovered => RuntimeEvent::Recovered,
            });
        }
    }

    fn count(&mut self, now: Instant) {
        let mut processed = self.past.processed;
        let mut dropped = self.past.dropped + self.unmatched + self.missed;
        for running in self.current.iter().chain(self.next.iter().map(|next| &next.running)) {
            let counts = running.pipeline.counts();
            processed += counts.processed;
            dropped += counts.dropped;
        }
        self.meter.processed(processed, now);
        self.meter.dropped(dropped);
        self.meter.set_gpu_clock_within(self.gpu_clock.within());
    }
}
