//! What runs while the window is open, apart from the window: frames of the [`Stream`] go into the [`Runtime`], [`Choices`]
//! become its requests, what goes wrong anywhere becomes [`Notices`], and what was shown goes on [`Record`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::choices::Choices;
use super::notices::{Notices, Origin, Topic};
use super::record::Record;
use super::stream::Stream;
use crate::cli::WindowArgs;
use crate::clock::Clock;
use crate::effect::Touch;
use crate::export::{RunExport, crash};
use crate::fault::Fault;
use crate::frame::FramePool;
use crate::gpu::Gpu;
use crate::inject::{Injected, Injector, What};
use crate::metrics::{Lap, Meter, Subject, Summary, WallCost};
use crate::nn::engines::EngineWish;
use crate::pipeline::{ChainWish, Look, PendingPicture};
use crate::quality::{self, Keep};
use crate::runtime::{
    Carryover, Catalog, EffectRequest, Found, LiveWall, PipelineFactory, Runtime, RuntimeEvent, WallPicture,
};
use crate::settings::Settings;
use crate::source::{SourceEvent, SourceSpec};
use crate::system::{Reading, Sensors};
use crate::ui::{SourceEntry, Wanted};
use crate::units::{Budget, Extent};

/// Called from any thread when there is something new.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// What [`Session::advance`] found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Advanced {
    /// There is a picture that was not drawn before, or something else to show.
    pub redraw: bool,
    /// Something is on its way on the GPU that nobody will wake us for: look again soon.
    pub poll_soon: bool,
    /// The GPU is to be lost now, because the user wants to see that.
    pub lose_gpu: bool,
}

pub struct Session {
    catalog: Arc<Catalog>,
    waker: Waker,
    clock: Clock,
    stream: Stream,
    runtime: Option<Runtime>,
    /// What the runtime draws with.
    gpu: Option<Gpu>,
    /// Of a runtime whose GPU was lost.
    carryover: Option<Carryover>,
    choices: Choices,
    notices: Notices,
    injector: Option<Injector>,
    chain: ChainWish,
    injected: Injected,
    budget: Budget,
    /// The effects that the lists are made of.
    told: Option<Arc<Found>>,
    summary: Option<(Summary, Instant)>,
    idle_meter: Meter,
    nobody: Subject,
    sensors: Sensors,
    record: Record,
    /// The pictures of all effects, while they are to be seen.
    wall: Option<LiveWall>,
    paints_under_wall: bool,
    /// Buffers for the frames that it paints.
    wall_pool: FramePool,
    /// The list of effects is another one than when that was asked last.
    new_effects: bool,
    /// Since when what is shown is the camera's own picture, or nothing.
    unpainted_since: Option<Instant>,
    /// Since when most frames are late although the engine or the size was chosen by hand, and whether that was said.
    slow_since: Option<Instant>,
    slow_told: bool,
    /// Nobody can see the window.
    hidden: bool,
    /// So long a picture that does not change is painted again and again: something of how it is painted changed.
    lively_until: Instant,
}

impl Session {
    /// How long the picture may be unpainted before that is said: a switch takes a moment.
    const UNPAINTED_FOR: Duration = Duration::from_millis(1200);
    /// How long a choice by hand may be too slow before it is offered to be undone.
    const SLOW_FOR: Duration = Duration::from_secs(6);

    /// How old the figures on screen may be: numbers that change faster cannot be read.
    const FIGURES_FOR: Duration = Duration::from_millis(250);

    /// After a change, so long frames of a picture that does not change are painted: until the painting is steady.
    const LIVELY: Duration = Duration::from_secs(3);

    /// Starts the source at once. What the command line leaves open is as in `settings`. Sources go by `clock`, and so must
    /// whoever says what time it is.
    pub fn start(
        args: &WindowArgs,
        settings: &Settings,
        catalog: Arc<Catalog>,
        waker: Waker,
        clock: Clock,
        started: Instant,
    ) -> Self {
        let injector = args.quality.inject.clone().map(|script| Injector::new(script, started));
        let source = args.source.clone().unwrap_or_default();
        let modes = settings.camera_modes.clone();
        let stream = Stream::start(source, modes, waker.clone(), clock.clone(), injector.as_ref());
        Self {
            catalog,
            waker,
            clock,
            stream,
            runtime: None,
            gpu: None,
            carryover: None,
            choices: Choices::new(args, settings),
            notices: Notices::default(),
            injector,
            chain: args.paint.chain.unwrap_or_default(),
            injected: Injected::default(),
            budget: Budget::default(),
            told: None,
            summary: None,
            idle_meter: Meter::new(Budget::default()),
            nobody: Subject::default(),
            sensors: Sensors::spawn(Sensors::EVERY),
            record: Record::new(settings.telemetry.destination(), started),
            wall: None,
            paints_under_wall: false,
            wall_pool: FramePool::default(),
            new_effects: false,
            unpainted_since: Some(started),
            slow_since: None,
            slow_told: false,
            hidden: false,
            lively_until: started + Self::LIVELY,
        }
    }

    /// The GPU is open: a runtime can be made for it. Replaces one on a GPU that was lost.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn attach(&mut self, gpu: Gpu, format: wgpu::TextureFormat) -> Result<(), Fault> {
        self.record.set_gpu(gpu.caps.as_ref().clone());
        self.gpu = Some(gpu.clone());
        let (catalog, waker) = (self.catalog.clone(), self.waker.clone());
        let factory = PipelineFactory { gpu, catalog, format, chain: self.chain, waker, clock: self.clock.clone() };
        let mut runtime = Runtime::new(factory, self.choices.request().clone(), self.budget)?;
        if let Some(carryover) = self.carryover.take() {
            runtime.resume(carryover);
        }
        runtime.set_keep(self.choices.keep());
        self.runtime = Some(runtime);
        self.notices.recovered(Origin::Gpu);
        Ok(())
    }

    /// The GPU is gone, and everything on it. Returns what is left: dropping it can take a moment.
    pub fn detach(&mut self) -> Option<Runtime> {
        self.summary = None;
        self.gpu = None;
        // What was wrong there is over with it.
        self.notices.recovered(Origin::Runtime);
        self.carryover = self.runtime.as_mut().map(Runtime::handover);
        self.runtime.take()
    }

    /// Takes what source, builder, painter and GPU have done since the last call. Never waits.
    pub fn advance(&mut self, now: Instant) -> Advanced {
        let mut redraw = self.hear_source(now);
        redraw |= self.learn_effects(now);
        let lose_gpu = self.inject(now);
        self.rest(now);
        let reading = self.system();
        let Some(runtime) = &mut self.runtime else { return Advanced { redraw, poll_soon: false, lose_gpu } };
        runtime.set_machine(reading.thermal, reading.saver);
        runtime.meter().set_throttled(reading.throttled);
        runtime.set_burden(self.injected.burden);
        let counts = self.stream.counts();
        runtime.captured(counts.put, counts.dropped, now);
        runtime.lost(self.stream.losses());
        if !self.choices.controls().frozen
            && let Some(frame) = self.stream.take()
        {
            if let Some(wall) = self.wall.as_ref().filter(|wall| wall.wants_frame()) {
                wall.offer(frame.copy_into(&self.wall_pool));
            }
            // The wall covers the picture, which waits meanwhile and leaves it the processor.
            if self.wall.is_none() || self.paints_under_wall {
                runtime.offer(frame, now);
            }
        }
        redraw |= runtime.poll(now).picture.is_some();
        let poll_soon = runtime.needs_polling();
        let events: Vec<_> = runtime.events().collect();
        for event in events {
            redraw = true;
            match event {
                RuntimeEvent::Changed(subject) => {
                    self.lively_until = now + Self::LIVELY;
                    self.record.changed(&subject, &self.catalog);
                    self.summary = None;
                }
                // Everything fails on a GPU that is gone. That it is gone is said once, by whoever opens another.
                RuntimeEvent::Fault(_) if self.gpu.as_ref().is_some_and(Gpu::look_whether_lost) => {}
                RuntimeEvent::Fault(fault) => self.notices.report(Origin::Runtime, fault, now),
                RuntimeEvent::Recovered => self.notices.recovered(Origin::Runtime),
            }
        }
        Advanced { redraw, poll_soon, lose_gpu }
    }

    /// Whether something paints, or shows the camera's picture, and asks the GPU for what is finished.
    pub fn is_painting(&self) -> bool {
        self.runtime.as_ref().is_some_and(|runtime| runtime.subject().is_some())
    }

    /// Nobody can see the window, or somebody can again.
    pub fn set_hidden(&mut self, hidden: bool, now: Instant) {
        if std::mem::replace(&mut self.hidden, hidden) != hidden {
            self.meter().pause();
            self.rest(now);
        }
    }

    /// Whether new pictures are wanted by nobody.
    pub fn is_resting(&self, now: Instant) -> bool {
        let untapped = self.runtime.as_ref().is_none_or(|runtime| runtime.taps().is_empty());
        let preparing = self.runtime.as_ref().is_none_or(Runtime::is_preparing);
        let dull = self.stream.is_still() && now >= self.lively_until && !preparing && self.wall.is_none();
        untapped && (self.choices.controls().frozen || self.hidden || dull)
    }

    /// Lets the source rest while nobody wants its pictures.
    fn rest(&mut self, now: Instant) {
        let resting = self.is_resting(now);
        self.stream.rest(resting);
    }

    /// Plays the faults that were asked for. True when the GPU is to be lost.
    fn inject(&mut self, now: Instant) -> bool {
        let Some(injector) = &mut self.injector else { return false };
        self.injected = injector.at(now);
        let begun: Vec<_> = std::iter::from_fn(|| injector.begun(now)).collect();
        for event in &begun {
            self.tell(Fault::notice(format!("On purpose: {event}"), ""), now);
        }
        if begun.iter().any(|event| event.what == What::Panic) {
            crash::provoke();
        }
        begun.iter().any(|event| event.what == What::GpuLoss)
    }

    fn hear_source(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(event) = self.stream.event() {
            any = true;
            match event {
                SourceEvent::Opened(info) => {
                    self.budget = info.budget();
                    self.choices.source_opened(self.stream.is_camera());
                    if let Some(runtime) = &mut self.runtime {
                        runtime.set_budget(self.budget);
                    }
                }
                SourceEvent::Fault(fault) => self.notices.report(Origin::Source, fault, now),
                SourceEvent::Recovered => self.notices.recovered(Origin::Source),
                SourceEvent::Ended => {
                    let what = format!("{} has no more pictures", self.stream.title());
                    self.notices.report(Origin::Source, Fault::notice(what, "Choose another source below"), now);
                }
            }
        }
        any
    }

    /// Once the catalog is known: the effects, and what is wrong with packs.
    fn learn_effects(&mut self, now: Instant) -> bool {
        let Some(found) = self.catalog.known() else { return false };
        if self.told.as_ref().is_some_and(|told| Arc::ptr_eq(told, &found)) {
            return false;
        }
        let first = self.told.replace(found.clone()).is_none();
        self.choices.set_effects(&found.gallery);
        self.new_effects = true;
        found.faults.iter().for_each(|f| self.notices.report(Origin::Runtime, f.clone(), now));
        if !first {
            let what = format!("The effects were read anew: {} are there", self.choices.effects().len());
            self.tell(Fault::notice(what, ""), now);
        }
        if let Some((request, why)) = self.choices.without_what_is_gone() {
            if let Some(why) = why {
                self.tell(why, now);
            }
            self.set_request(request);
        }
        true
    }

    /// Whether the list of effects is another one than at the last call.
    pub fn has_new_effects(&mut self) -> bool {
        std::mem::take(&mut self.new_effects)
    }

    /// The wall wants live pictures of these, or of none any more.
    /// `paints_on`: the picture itself is needed meanwhile.
    pub fn set_wall(&mut self, wanted: Option<Wanted<'_>>, paints_on: bool, now: Instant) {
        self.paints_under_wall = paints_on;
        let Some(wanted) = wanted else {
            if self.wall.take().is_some() {
                self.meter().pause();
            }
            return;
        };
        if self.wall.is_none() {
            let waker = self.waker.clone();
            match LiveWall::spawn(self.catalog.clone(), move || waker()) {
                Ok(wall) => self.wall = Some(wall),
                Err(fault) => return self.tell(fault, now),
            }
            self.meter().pause();
        }
        let name = |i: usize| self.choices.effects().get(i).map(|e| e.name.as_str());
        if let Some(wall) = &self.wall {
            wall.set_visible(wanted.visible.iter().filter_map(|&i| name(i)), wanted.first.and_then(name));
        }
    }

    /// Pictures that were painted for the wall since the last call.
    pub fn wall_pictures(&self) -> Vec<WallPicture> {
        self.wall.as_ref().map(LiveWall::take).unwrap_or_default()
    }

    /// What the wall costs; `None` while it is closed.
    pub fn wall_cost(&self) -> Option<WallCost> {
        self.wall.as_ref().map(LiveWall::cost)
    }

    /// What is chosen now, as far as it is worth remembering.
    pub fn chosen(&self) -> Settings {
        Settings { camera_modes: self.stream.modes().clone(), ..self.choices.settings() }
    }

    /// A message that nobody takes back: see [`Notices::tell`].
    pub fn tell(&mut self, fault: Fault, now: Instant) {
        self.notices.tell(fault, now);
    }

    /// The graphics device is gone; what that says is taken back when another is attached.
    pub fn tell_gpu_lost(&mut self, fault: Fault, now: Instant) {
        self.notices.report(Origin::Gpu, fault, now);
    }

    pub fn faults(&mut self, now: Instant) -> Vec<(Fault, u32)> {
        self.notices.current(now)
    }

    /// Brings the figures up to date if they are too old to show.
    pub fn refresh_summary(&mut self, now: Instant) {
        let old = self.summary.as_ref().is_none_or(|(_, at)| now.saturating_duration_since(*at) >= Self::FIGURES_FOR);
        if old {
            let summary = self.meter().summary(now);
            self.judge_choice(summary.over_budget, now);
            self.summary = Some((summary, now));
        }
    }

    /// Offers to undo a choice by hand that does not hold its budget: nothing else will.
    fn judge_choice(&mut self, over_budget: Option<f64>, now: Instant) {
        let request = self.choices.request();
        let (engine, size) = (request.engine != EngineWish::Auto, request.by_hand());
        let slow = (engine || size) && self.wall.is_none() && over_budget.is_some_and(|share| share > 0.5);
        if !slow {
            self.slow_since = None;
            return;
        }
        let since = *self.slow_since.get_or_insert(now);
        if now.saturating_duration_since(since) < Self::SLOW_FOR || std::mem::replace(&mut self.slow_told, true) {
            return;
        }
        let (what, remedy) = if engine {
            let what = format!("The engine {} was chosen by hand and is too slow here", request.engine);
            (what, "Press E until the engine is auto: the fastest one is chosen then")
        } else {
            let what = "The size of the network was chosen by hand and is too large for this machine".to_owned();
            (what, "Press V for another size, or K: then it is chosen for you")
        };
        self.tell(Fault::notice(what, remedy), now);
    }

    /// The figures, as of the last refresh.
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref().map(|(s, _)| s)
    }

    fn meter(&mut self) -> &mut Meter {
        match &mut self.runtime {
            Some(runtime) => runtime.meter(),
            None => &mut self.idle_meter,
        }
    }

    pub fn meter_ref(&self) -> &Meter {
        self.runtime.as_ref().map_or(&self.idle_meter, Runtime::meter_ref)
    }

    pub fn subject(&self) -> &Subject {
        self.runtime.as_ref().and_then(Runtime::subject).unwrap_or(&self.nobody)
    }

    /// What the machine's sensors said last.
    pub fn system(&self) -> Reading {
        self.injected.reading(self.sensors.latest())
    }

    /// What the governor does; `None` before there is a picture.
    pub fn governor(&self) -> Option<&quality::State> {
        self.runtime.as_ref().filter(|f| f.subject().is_some()).map(Runtime::governor)
    }

    /// Why the picture is not painted, and what to do about it; `None` while it is, and for a moment after it was.
    pub fn unpainted(&self, now: Instant) -> Option<Fault> {
        if self.choices.controls().strength == 0.0 {
            return Some(Fault::notice(
                "The strength is 0 %: this is the camera's own picture",
                "The key Up paints more",
            ));
        }
        self.unpainted_since.filter(|since| now.saturating_duration_since(*since) >= Self::UNPAINTED_FOR)?;
        let title = self.choices.title();
        let Some(subject) = self.runtime.as_ref().and_then(Runtime::subject) else {
            let what =
                if self.stream.is_open() { "The graphics device is being opened" } else { "Waiting for a picture" };
            return Some(Fault::notice(what, "Choose another source below if none comes"));
        };
        if self.preparing().is_some() {
            return Some(Fault::notice(
                format!("{title} is being prepared"),
                "Until then this is the camera's own picture",
            ));
        }
        let why = if subject.engine == "none" { subject.why.as_str() } else { "no painting came back" };
        Some(Fault::degraded(
            format!("{title} is not painted: {why}"),
            "Choose a smaller network (V), another engine (E), or end other programs",
        ))
    }

    /// Width over height of the picture that is shown.
    pub fn picture_aspect(&self) -> Option<f32> {
        self.runtime.as_ref().and_then(Runtime::picture_aspect)
    }

    /// What is being prepared, for people.
    pub fn preparing(&self) -> Option<&'static str> {
        self.runtime.as_ref().is_some_and(Runtime::is_preparing).then_some("preparing")
    }

    pub fn source_spec(&self) -> String {
        self.stream.spec().to_string()
    }

    /// The sources to choose from.
    pub fn sources(&self) -> &[SourceEntry] {
        self.stream.entries()
    }

    pub fn add_sources(&mut self, first: Vec<SourceEntry>) {
        self.stream.add_entries(first);
    }

    /// Id of the variant that was asked for, else of the one that paints.
    pub fn variant(&self) -> &str {
        self.choices.request().variant.as_deref().unwrap_or(&self.subject().variant)
    }

    pub fn choices(&self) -> &Choices {
        &self.choices
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    pub fn runtime(&mut self) -> Option<&mut Runtime> {
        self.runtime.as_mut()
    }

    /// The picture that was just drawn is on its way to the display.
    pub fn presented(&mut self, laps: &[Lap], now: Instant) {
        let Some(runtime) = &mut self.runtime else { return };
        let painted = runtime.pipeline().is_some_and(|p| p.shown_painted());
        self.unpainted_since = if painted { None } else { self.unpainted_since.or(Some(now)) };
        if runtime.presented(laps, now) {
            self.record.shows(painted, runtime.meter_ref(), &self.sensors.latest(), now);
        }
    }

    /// The figures of the run so far, since what paints now began to; frames and trace of the last seconds.
    pub fn run_export(&mut self, now: Instant) -> RunExport {
        let subject = Subject { source: self.stream.spec().to_string(), ..self.subject().clone() };
        let system = self.system();
        let rungs: Vec<_> = self.runtime.iter().flat_map(Runtime::rungs).collect();
        let meter = self.runtime.as_mut().map_or(&mut self.idle_meter, Runtime::meter);
        self.record.run_export(meter, subject, system, now).with_counter("rung", rungs)
    }

    /// Sends the last figures, where they are sent at all. Waits a moment at most.
    pub fn end_telemetry(&mut self) {
        let meter = self.runtime.as_ref().map_or(&self.idle_meter, Runtime::meter_ref);
        self.record.end_telemetry(meter, &self.sensors.latest());
    }

    /// Waits for the last frames and settles them: at the end of a run.
    pub fn finish(&mut self, now: Instant) {
        if let Some(runtime) = &mut self.runtime
            && let Err(fault) = runtime.finish(now)
        {
            log::warn!("{fault}");
        }
    }

    /// The user asked for something: for a while the picture is painted anew even where it does not change.
    pub fn enliven(&mut self, now: Instant) {
        self.lively_until = now + Self::LIVELY;
    }

    /// Paints with the effect of that index.
    pub fn choose_effect(&mut self, index: usize, now: Instant) {
        self.try_request(Ok(self.choices.with_effect(index)), now);
    }

    /// Paints with the effect `by` places after the chosen one.
    pub fn choose_effect_beside(&mut self, by: isize, now: Instant) {
        if let Some(index) = self.choices.effect_beside(by) {
            self.choose_effect(index, now);
        }
    }

    pub fn choose_variant(&mut self, id: String) {
        self.set_request(self.choices.with_variant(id));
    }

    pub fn choose_next_variant(&mut self) {
        if let Some(next) = self.choices.variant_after(self.variant()) {
            self.choose_variant(next);
        }
    }

    pub fn choose_engine(&mut self, engine: EngineWish) {
        self.set_request(EffectRequest { engine, ..self.choices.request().clone() });
    }

    pub fn choose_next_engine(&mut self, now: Instant) {
        let request = self.choices.with_next_engine();
        let next = request.engine;
        self.set_request(request);
        self.notices.tell_of(Topic::Engine, Fault::notice(format!("Engine: {next}"), ""), now);
    }

    /// 0..=1.
    pub fn set_strength(&mut self, strength: f32) {
        self.choices.set_strength(strength);
    }

    /// So many percent more or less of the painting.
    pub fn strengthen(&mut self, percent: i8) {
        self.set_strength(self.choices.controls().strength + f32::from(percent) / 100.0);
    }

    pub fn set_touch(&mut self, touch: Touch) {
        if let Some(request) = self.choices.set_touch(touch) {
            self.set_request(request);
        }
    }

    /// A second effect and its share, 0..=1; 0 ends the blend.
    pub fn blend(&mut self, other: usize, share: f32, now: Instant) {
        let with = (share > 0.0).then_some((other, share));
        self.try_request(self.choices.with_blend(with).map(Some), now);
    }

    /// A second effect, with the share that the blend has or would have at first.
    pub fn blend_with(&mut self, other: usize, now: Instant) {
        self.blend(other, self.choices.share(), now);
    }

    /// So many percent more or less of the second effect; the blend stays even at 0.
    pub fn blend_by(&mut self, percent: i8, now: Instant) {
        if let Some((_, other, share)) = self.choices.blend() {
            let share = (share + f32::from(percent) / 100.0).clamp(0.0, 1.0);
            self.try_request(self.choices.with_blend(Some((other, share))).map(Some), now);
        }
    }

    pub fn toggle_blend(&mut self, now: Instant) {
        self.try_request(self.choices.with_blend_toggled(), now);
    }

    /// What the governor is to keep.
    pub fn set_keep(&mut self, keep: Keep) {
        if let Some(request) = self.choices.set_keep(keep) {
            self.set_request(request);
        }
        if let Some(runtime) = &mut self.runtime {
            runtime.set_keep(keep);
        }
    }

    pub fn choose_next_keep(&mut self, now: Instant) {
        let next = self.choices.keep().next();
        let said = Fault::notice(format!("Keep: {}", next.name()), next.explanation());
        self.notices.tell_of(Topic::Keep, said, now);
        self.set_keep(next);
    }

    /// The effect of that index is a favourite from now on, or no longer.
    pub fn star(&mut self, index: usize) {
        self.choices.star(index);
    }

    pub fn toggle_mirror(&mut self) {
        self.choices.set_mirror(!self.choices.controls().mirror, self.stream.is_camera());
    }

    /// The line between before and after, as a share of the width.
    pub fn set_split(&mut self, at: Option<f32>) {
        self.choices.set_split(at);
    }

    pub fn toggle_split(&mut self) {
        self.set_split(if self.choices.controls().split.is_some() { None } else { Some(0.5) });
    }

    pub fn toggle_freeze(&mut self) {
        self.choices.set_frozen(!self.choices.controls().frozen);
        self.meter().pause();
    }

    fn set_request(&mut self, request: EffectRequest) {
        (self.slow_since, self.slow_told) = (None, false);
        self.notices.recovered(Origin::Runtime);
        self.choices.set_request(request.clone());
        if let Some(runtime) = &mut self.runtime {
            runtime.set_request(request);
        }
    }

    /// What a choice came to: a request, nothing, or why it cannot be had.
    fn try_request(&mut self, request: Result<Option<EffectRequest>, Fault>, now: Instant) {
        match request {
            Ok(Some(request)) => self.set_request(request),
            Ok(None) => {}
            Err(fault) => self.tell(fault, now),
        }
    }

    /// Another source, as `--source` names it.
    pub fn set_source(&mut self, text: &str, now: Instant) {
        let spec = match SourceSpec::parse(text) {
            Ok(spec) => spec,
            Err(what) => return self.tell(Fault::failed(what, ""), now),
        };
        self.stream.replace(spec, self.injector.as_ref());
        if let Some(pipeline) = self.runtime.as_mut().and_then(Runtime::pipeline) {
            pipeline.start_afresh();
        }
        self.meter().pause();
        self.notices.recovered(Origin::Source);
        self.choices.source_chosen();
    }

    /// What is looked at, as `--source` names it, once it is open.
    pub fn opened_source(&self) -> Option<String> {
        self.stream.is_open().then(|| self.stream.spec().to_string())
    }

    /// The number of the camera that is looked at.
    pub fn camera(&self) -> Option<u32> {
        self.stream.camera()
    }

    /// The mode that was chosen for the camera of that name.
    pub fn camera_mode(&self, name: &str) -> Option<String> {
        self.stream.modes().get(name).cloned()
    }

    /// Opens the camera again, in that mode; `None`: in the one that suits best.
    pub fn set_camera_mode(&mut self, name: &str, mode: Option<String>, now: Instant) {
        self.stream.set_mode(name, mode);
        let spec = self.stream.spec().to_string();
        self.set_source(&spec, now);
    }

    /// Files to choose from again.
    pub fn add_files<'a>(&mut self, specs: impl Iterator<Item = &'a str>) {
        specs.for_each(|spec| self.stream.add_file(spec));
    }

    /// The name of the graphics adapter; empty while none is open.
    pub fn adapter(&self) -> &str {
        self.gpu.as_ref().map_or("", |gpu| gpu.caps.name.as_str())
    }

    /// The picture as it is now, at the source's size, for saving. It is waited for elsewhere.
    ///
    /// # Errors
    /// When there is none yet, or it cannot be had at that size.
    pub fn still(&mut self) -> Result<PendingPicture, Fault> {
        self.picture(Look { split: None, ..self.choices.look() })
    }

    /// The camera's picture that [`Self::still`] is painted on.
    ///
    /// # Errors
    /// As there.
    pub fn original_still(&mut self) -> Result<PendingPicture, Fault> {
        self.picture(Look { split: None, strength: 0.0, ..self.choices.look() })
    }

    fn picture(&mut self, look: Look) -> Result<PendingPicture, Fault> {
        let pipeline = self.runtime.as_mut().and_then(Runtime::pipeline);
        let pipeline = pipeline.ok_or_else(|| Fault::notice("There is no picture yet", ""))?;
        let extent: Extent = pipeline.shape().extent;
        pipeline.picture(extent, &look).map_err(|e| Fault::failed(format!("The picture cannot be saved: {e}"), ""))
    }
}
