//! Which frame goes through the chain when, and which is shown: newest wins, at a cadence, on both routes. The chain itself
//! stands in [`super`].

use std::time::{Duration, Instant};

use super::list::{Paint, Route};
use super::painter::{Open, Painter};
use super::{FrameInput, InFlight, PENDING, Pipeline, PipelineError};
use crate::frame::CameraFrame;
use crate::gpu::GpuError;
use crate::metrics::{Span, Stage};
use crate::roundtrip::Painted;
use crate::units::{FrameId, FrameStamp};

/// How long the round trip may owe a painting before the camera's own picture takes its place.
const STALE: Duration = Duration::from_secs(2);
/// How long [`Pipeline::finish`] waits for a student that gives nothing.
const PATIENCE: Duration = Duration::from_secs(30);

impl Pipeline {
    /// The student paints every `every`th frame (0 counts as 1); on the frames between, the newest painting is moved along with
    /// the picture and laid on it, so that each frame is still shown, painted, and at the source's rate. Frames are counted as
    /// they are worked on: one that was dropped does not count. From the next frame on; cheap, makes nothing, and may be called
    /// at any time. 1 from the start.
    ///
    /// In place a frame between costs the motion and what is around the student, instead of the student. On the round trip, 1
    /// means that a painting is shown with its own frame, as late as it comes; from 2 on every frame is shown at once under
    /// the newest painting that there is, carried from its own frame to this one, and the thread is handed every `every`th. Spans
    /// of [`Stage::Prepare`] and [`Stage::Infer`] from the thread are then not entered: no frame waited for them.
    ///
    /// Until there is a painting to carry (the first one in place is painted at once, on the round trip it takes its time) the
    /// picture is what it was before the call, or the camera's. Without a student nothing changes.
    pub fn set_every(&mut self, every: u32) {
        let every = every.max(1);
        if every == self.every {
            return;
        }
        let begins = self.every == 1;
        self.every = every;
        if begins || every == 1 {
            self.sights.forget();
            self.since = u32::MAX;
        }
        if begins {
            self.keep_shown_painting();
        } else if every == 1
            && self.painter.route() == Route::RoundTrip
            && let Some(frame) = self.waiting.take()
        {
            self.offer(frame);
        }
    }

    /// How often the student paints; see [`Self::set_every`].
    pub fn every(&self) -> u32 {
        self.every
    }

    /// Takes a frame in. In place, or with a cadence: to the GPU at once when none is in work, else it waits, in the place of an
    /// older one that waited. Round trip: offered to the thread, on the same terms. Never blocks.
    ///
    /// A frame of another shape than the pipeline was made for is dropped and counted.
    pub fn submit(&mut self, frame: CameraFrame) {
        self.counts.submitted += 1;
        if frame.shape() != self.shape() {
            self.counts.dropped += 1;
        } else if self.painter.route() == Route::RoundTrip && self.every == 1 {
            self.offer(frame);
        } else if self.in_flight.is_some() {
            self.counts.dropped += u64::from(self.waiting.replace(frame).is_some());
        } else {
            self.launch(frame);
        }
    }

    /// What happened since the last call: hands out spans (those of the GPU come some frames late) and returns the newest frame
    /// that became ready to show. Starts the frame that waited. Never blocks.
    ///
    /// Encoders given to [`Self::draw`] must have been submitted, or dropped together with the pipeline, before.
    pub fn poll(&mut self, spans: &mut dyn FnMut(Span)) -> Option<FrameStamp> {
        let refreshed = self.chain.poll();
        let (steadiness, student) = (&mut self.steadiness, self.sizes.student);
        self.chain.drain_comparisons(|gathered| steadiness.enter(gathered, student));
        let landed = self.land();
        let ready = self.take_painting().or(landed);
        if self.in_flight.is_none()
            && let Some(frame) = self.waiting.take()
        {
            self.launch(frame);
        }
        self.spans.drain(..).for_each(&mut *spans);
        self.chain.drain_spans(spans);
        let fresh = self.fresh.take();
        ready.or(fresh).or_else(|| self.shown().filter(|_| refreshed))
    }

    /// Whether no frame is in work or waiting.
    pub fn is_idle(&self) -> bool {
        let open = match &self.painter {
            Painter::RoundTrip { open, .. } => !open.is_empty(),
            Painter::InPlace | Painter::Untouched => false,
        };
        self.in_flight.is_none() && self.waiting.is_none() && !open
    }

    /// Whether a frame is in work of whose end nobody is told: see [`Self::on_cpu`] and [`Self::wake`].
    pub fn needs_polling(&self) -> bool {
        self.chain.needs_polling() && self.in_flight.is_some()
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
            let measuring = self.chain.is_measuring();
            if self.is_idle() && !measuring {
                return Ok(newest);
            }
            if self.chain.is_lost() {
                return Err(GpuError::Lost("while waiting for the last frames".to_owned()).into());
            }
            let dead = self.round_trip().is_some_and(|student| !student.is_alive());
            if dead || progress.elapsed() > PATIENCE {
                return Err(PipelineError::Stalled(progress.elapsed()));
            }
            if self.in_flight.is_some() || measuring {
                self.chain.wait(self.in_flight.as_ref().map(|in_flight| &in_flight.ticket));
            } else {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }

    /// The slot that is not shown.
    fn spare(&self) -> usize {
        self.shown.map_or(0, |shown| 1 - shown)
    }

    /// Whether it is this frame's turn to be given to the student.
    fn is_due(&mut self) -> bool {
        let due = self.since >= self.every - 1;
        self.since = if due { 0 } else { self.since + 1 };
        due
    }

    /// A frame to the GPU; shown when that is done. With a cadence on the round trip, on to the thread as well.
    fn launch(&mut self, frame: CameraFrame) {
        let started = self.clock.now();
        let stamp = frame.stamp();
        let index = self.spare();
        let due = self.is_due();
        let overdue = self.is_overdue();
        let carried = |known: bool| if known { Paint::Carried } else { Paint::Nobody };
        let (paint, sent) = match &self.painter {
            Painter::InPlace if self.chain.is_broken() => (Paint::Nobody, false),
            Painter::InPlace if due => (Paint::Student, false),
            Painter::InPlace => (Paint::Carried, false),
            Painter::RoundTrip { student, .. } => {
                if overdue {
                    self.sights.forget();
                }
                (carried(self.sights.has_key()), due && student.is_alive())
            }
            Painter::Untouched => (Paint::Nobody, false),
        };
        let (ticket, frame) = if sent {
            (self.run(FrameInput::Lent(&frame), index, paint, None, sent), Some(frame))
        } else {
            (self.run(FrameInput::Given(frame), index, paint, None, sent), None)
        };
        self.in_flight = Some(InFlight { slot: index, stamp, ticket, counted: false });
        self.note(Span::cpu(stamp.id, Stage::Upload, started, self.clock.now()));
        if let Some(frame) = frame {
            self.hand_over(frame, paint == Paint::Carried);
        } else if paint == Paint::Nobody && self.painter.route() == Route::RoundTrip {
            self.counts.dropped += 1;
        }
    }

    /// Whether the frame in work is done; it is shown then.
    fn land(&mut self) -> Option<FrameStamp> {
        let chain = &self.chain;
        let landed = self.in_flight.take_if(|in_flight| chain.is_done(&in_flight.ticket))?;
        let InFlight { slot, stamp, ticket, counted } = landed;
        if self.chain.landed(&ticket) {
            self.slots[slot].painted = false;
        }
        self.shown = Some(slot);
        self.tap(slot, stamp);
        let bare = !self.slots[slot].painted && self.painter.route() == Route::RoundTrip;
        self.counts.processed += u64::from(!bare && !counted);
        Some(stamp)
    }

    /// A frame on the round trip, to be shown together with its painting.
    fn offer(&mut self, frame: CameraFrame) {
        let overdue = self.is_overdue();
        if (overdue || !self.shown_painted()) && self.in_flight.is_none() {
            self.show_unpainted(&frame);
        }
        self.hand_over(frame, false);
    }

    /// Whether the round trip gives nothing any more.
    fn is_overdue(&self) -> bool {
        let Painter::RoundTrip { student, open, owed_since } = &self.painter else { return false };
        !student.is_alive()
            || (!open.is_empty()
                && owed_since.is_some_and(|since| self.clock.now().saturating_duration_since(since) > STALE))
    }

    /// A frame to the thread. `counted`: it came out already, with a painting that was carried along.
    fn hand_over(&mut self, frame: CameraFrame, counted: bool) {
        let Painter::RoundTrip { student, open, owed_since } = &mut self.painter else { return };
        if open.is_empty() {
            *owed_since = Some(self.clock.now());
        }
        if open.len() == PENDING {
            let lost = open.pop_front();
            self.counts.dropped += u64::from(lost.is_some_and(|lost| !lost.counted));
        }
        open.push_back(Open { frame: frame.stamp().id, counted });
        student.offer(frame);
    }

    /// The camera's picture alone, shown at once: what stands in while the round trip gives nothing.
    fn show_unpainted(&mut self, frame: &CameraFrame) {
        let index = self.spare();
        let ticket = self.run(FrameInput::Lent(frame), index, Paint::Nobody, None, false);
        self.fresh = self.shown_now(InFlight { slot: index, stamp: frame.stamp(), ticket, counted: true });
    }

    /// A frame to be shown at once where what is drawn from here on shows it, else when it is done.
    fn shown_now(&mut self, frame: InFlight) -> Option<FrameStamp> {
        if self.chain.is_ordered() {
            self.shown = Some(frame.slot);
            self.tap(frame.slot, frame.stamp);
            return Some(frame.stamp);
        }
        self.in_flight = Some(frame);
        None
    }

    /// What came back from the round trip.
    fn take_painting(&mut self) -> Option<FrameStamp> {
        let cadenced = self.every > 1;
        let Painter::RoundTrip { student, .. } = &self.painter else { return None };
        // The frame in work has the slot that the painting, or the frame that it is carried to, would need.
        if self.in_flight.is_some() && !(cadenced && self.sights.has_key()) {
            return None;
        }
        let painted = student.take()?;
        let stamp = painted.frame.stamp();
        let counted = self.close(stamp.id);
        let stale = self.shown_painted() && self.shown().is_some_and(|shown| shown.id > stamp.id);
        let (shown, came_out) = if cadenced {
            let bare = !self.shown_painted();
            let known = self.run_arrival(stamp, &painted.pixels);
            (None, known && bare)
        } else if stale {
            (None, false)
        } else {
            (self.deliver(&painted), true)
        };
        match (counted, came_out) {
            (true, _) => {}
            (false, true) => self.counts.processed += 1,
            (false, false) => self.counts.dropped += 1,
        }
        if let Painter::RoundTrip { student, .. } = &self.painter {
            student.recycle(painted);
        }
        shown
    }

    /// The fate of `frame` and of all before it is known. Returns whether `frame` had been counted.
    fn close(&mut self, frame: FrameId) -> bool {
        let Painter::RoundTrip { open, owed_since, .. } = &mut self.painter else { return false };
        *owed_since = Some(self.clock.now());
        let mut counted = false;
        while let Some(first) = open.front().copied().filter(|first| first.frame <= frame) {
            open.pop_front();
            if first.frame == frame {
                counted = first.counted;
            } else {
                self.counts.dropped += u64::from(!first.counted);
            }
        }
        counted
    }

    /// A frame and its painting from the round trip, shown at once: the queue keeps the order.
    fn deliver(&mut self, delivered: &Painted) -> Option<FrameStamp> {
        let started = self.clock.now();
        let stamp = delivered.frame.stamp();
        let index = self.spare();
        let input = FrameInput::Lent(&delivered.frame);
        let ticket = self.run(input, index, Paint::Arrived, Some(&delivered.pixels), false);
        self.note(Span::cpu(stamp.id, Stage::Upload, started, self.clock.now()));
        let prepared = delivered.started + delivered.prepare;
        self.note(Span::cpu(stamp.id, Stage::Prepare, delivered.started, prepared));
        self.note(Span::cpu(stamp.id, Stage::Infer, prepared, prepared + delivered.infer));
        self.shown_now(InFlight { slot: index, stamp, ticket, counted: true })
    }

    pub(super) fn note(&mut self, span: Span) {
        if self.spans.len() < PENDING {
            self.spans.push(span);
        }
    }
}
