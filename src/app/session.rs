//! What runs while the window is open, apart from the window: source, flow, choices, messages.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::keys::Command;
use crate::cli::{LookArgs, WindowArgs};
use crate::effect::{Blend, Share};
use crate::export::otlp::{Key, Telemetry};
use crate::export::{Circumstances, Handout, crash};
use crate::fault::{Fault, FaultBoard, Severity};
use crate::flow::{Flow, FlowEvent, Found, Legacy, Shelf, Wish, Workshop};
use crate::govern::{self, Keep};
use crate::gpu::{Gpu, GpuCaps};
use crate::inject::{Injected, Injector, What};
use crate::metrics::{Counts, FrameCost, Lap, Meter, Report, Subject, Summary};
use crate::nn::choose::EngineWish;
use crate::pipeline::Look;
use crate::settings::Settings;
use crate::source::{Source, SourceEvent, SourceKind, SourceSpec, SourceThread, SourceWish};
use crate::system::{Reading, Sensors};
use crate::ui::{Action, Controls, EffectEntry, SourceEntry};
use crate::units::{Budget, Extent, FrameId};

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

/// Who reported a fault: decides when it is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Source,
    Flow,
    Still,
}

pub struct Session {
    shelf: Arc<Shelf>,
    waker: Waker,
    source: SourceThread,
    spec: SourceSpec,
    /// The source as it describes itself.
    source_name: String,
    /// Frames of sources before this one: ids and counts go on.
    before_captured: u64,
    before_dropped: u64,
    flow: Option<Flow>,
    /// Of a flow whose GPU was lost.
    legacy: Option<Legacy>,
    wish: Wish,
    keep: Keep,
    injector: Option<Injector>,
    injected: Injected,
    budget: Budget,
    pub controls: Controls,
    mirror_by_hand: bool,
    /// Whether the user wants cameras mirrored, once said.
    camera_mirror: Option<bool>,
    from_camera: bool,
    /// The effect comes from the settings, and has not been found in the gallery yet.
    remembered: bool,
    steadiness: Option<f32>,
    /// What `B` brings back.
    last_blend: Option<Blend>,
    board: FaultBoard,
    origins: Vec<(Origin, Fault)>,
    pub effects: Vec<EffectEntry>,
    pub sources: Vec<SourceEntry>,
    /// The effects that the lists are made of.
    told: Option<Arc<Found>>,
    summary: Option<(Summary, Instant)>,
    idle_meter: Meter,
    nobody: Subject,
    sensors: Sensors,
    /// Only where the user turned it on.
    telemetry: Option<Telemetry>,
    /// The GPU that was opened last.
    gpu: Option<GpuCaps>,
    /// Counts and time when counting for the report began: with the first painted picture.
    counting_since: Option<(Counts, Instant)>,
    pub shown: u64,
    pub first_picture: Option<Instant>,
    pub first_painted: Option<Instant>,
}

impl Session {
    /// How old the figures on screen may be: numbers that change faster cannot be read.
    const FIGURES_FOR: Duration = Duration::from_millis(250);

    /// Starts the source at once.
    /// What the command line leaves open is as in `settings`.
    pub fn start(args: &WindowArgs, settings: &Settings, shelf: Arc<Shelf>, waker: Waker, started: Instant) -> Self {
        let spec = args.source.clone().unwrap_or_default();
        let LookArgs { strength, steadiness, split, mirror } = args.look;
        let strength = strength.or(settings.strength).unwrap_or(Look::default().strength);
        // A variant belongs to its effect, and a size to what was typed with it.
        let remembered = args.paint.effect.is_none();
        let effect = args.paint.effect.clone().or_else(|| settings.effect.clone());
        let variant = args.paint.variant.clone().or_else(|| settings.variant.clone().filter(|_| remembered));
        let injector = args.govern.inject.clone().map(|script| Injector::new(script, started));
        let source = Self::spawn_source(&spec, &waker, injector.as_ref());
        let mut sources = vec![SourceEntry { spec: "demo".to_owned(), title: "Demo scene".to_owned() }];
        if let SourceSpec::File(path) = &spec {
            let title = path.file_name().map_or_else(|| spec.to_string(), |n| n.to_string_lossy().into_owned());
            sources.insert(0, SourceEntry { spec: spec.to_string(), title });
        }
        Self {
            shelf,
            waker,
            source,
            spec,
            source_name: String::new(),
            before_captured: 0,
            before_dropped: 0,
            flow: None,
            legacy: None,
            keep: args.govern.keep.or(settings.keep).unwrap_or_default(),
            injector,
            injected: Injected::default(),
            wish: Wish {
                blend: args.paint.blend.clone(),
                effect,
                variant,
                engine: args.paint.engine.or(settings.engine).unwrap_or_default(),
                size: args.paint.size,
                rung: None,
            },
            budget: Budget::default(),
            controls: Controls { strength, mirror, split, frozen: false },
            mirror_by_hand: mirror,
            camera_mirror: settings.mirror,
            from_camera: false,
            remembered: remembered && settings.effect.is_some(),
            steadiness,
            last_blend: args.paint.blend.clone(),
            board: FaultBoard::default(),
            origins: Vec::new(),
            effects: Vec::new(),
            sources,
            told: None,
            summary: None,
            idle_meter: Meter::new(Budget::default()),
            nobody: Subject::default(),
            sensors: Sensors::spawn(Sensors::EVERY),
            telemetry: settings.telemetry.destination().map(|to| Telemetry::start(to, Instant::now())),
            gpu: None,
            counting_since: None,
            shown: 0,
            first_picture: None,
            first_painted: None,
        }
    }

    fn spawn_source(spec: &SourceSpec, waker: &Waker, injector: Option<&Injector>) -> SourceThread {
        let waker = waker.clone();
        let (spec, wish) = (spec.clone(), SourceWish::default());
        match injector.and_then(Injector::stalling) {
            None => SourceThread::spawn(spec, wish, move || waker()),
            Some(stalling) => {
                let each = move |source, stop| Box::new(stalling(source, stop)) as Box<dyn Source>;
                SourceThread::spawn_each(spec, wish, each, move || waker())
            }
        }
    }

    /// The GPU is open: a flow can be made for it. Replaces one on a GPU that was lost.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn attach(&mut self, gpu: Gpu, format: wgpu::TextureFormat) -> Result<(), Fault> {
        self.gpu = Some(gpu.caps.as_ref().clone());
        let workshop = Workshop { gpu, shelf: self.shelf.clone(), format, waker: self.waker.clone() };
        let mut flow = Flow::new(workshop, self.wish.clone(), self.budget)?;
        if let Some(legacy) = self.legacy.take() {
            flow.inherit(legacy);
        }
        flow.set_keep(self.keep);
        self.flow = Some(flow);
        Ok(())
    }

    /// The GPU is gone, and everything on it. Returns what is left: dropping it can take a moment.
    pub fn detach(&mut self) -> Option<Flow> {
        self.summary = None;
        self.legacy = self.flow.as_mut().map(Flow::bequeath);
        self.flow.take()
    }

    /// Takes what source, builder, painter and GPU have done since the last call. Never waits.
    pub fn advance(&mut self, now: Instant) -> Advanced {
        let mut redraw = self.hear_source(now);
        redraw |= self.learn_effects(now);
        let lose_gpu = self.inject(now);
        let Some(flow) = &mut self.flow else { return Advanced { redraw, poll_soon: false, lose_gpu } };
        flow.set_burden(self.injected.burden);
        let mailbox = self.source.latest().counts();
        flow.captured(self.before_captured + mailbox.put, self.before_dropped + mailbox.dropped, now);
        if !self.controls.frozen
            && let Some(frame) = self.source.latest().take()
        {
            let id = FrameId(self.before_captured + frame.stamp().id.0);
            flow.offer(frame.with_id(id), now);
        }
        redraw |= flow.poll(now).picture.is_some();
        let poll_soon = flow.open_frames() > 0;
        let events: Vec<_> = flow.events().collect();
        for event in events {
            redraw = true;
            match event {
                FlowEvent::Changed(subject) => {
                    log::info!(
                        "{} {} {}x{} on {}: {}",
                        subject.effect,
                        subject.variant,
                        subject.width,
                        subject.height,
                        subject.engine,
                        subject.why
                    );
                    crash::paints(&subject, models_of(&self.shelf, &subject));
                    if let Some(telemetry) = &mut self.telemetry {
                        telemetry.switch(key_of(&self.shelf, &subject, self.gpu.as_ref()));
                    }
                    self.counting_since = None;
                    self.summary = None;
                }
                FlowEvent::Fault(fault) => self.report(Origin::Flow, fault, now),
                FlowEvent::Recovered => self.recovered(Origin::Flow),
            }
        }
        Advanced { redraw, poll_soon, lose_gpu }
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
        let events: Vec<_> = self.source.events().collect();
        let any = !events.is_empty();
        for event in events {
            match event {
                SourceEvent::Opened(info) => {
                    log::info!("source: {} ({})", info.name, info.detail);
                    self.budget = info.budget();
                    self.source_name = info.name.clone();
                    self.from_camera = info.kind == SourceKind::Camera;
                    if !self.mirror_by_hand {
                        // People know themselves from mirrors; a clip is shown as it was made.
                        self.controls.mirror = self.from_camera && self.camera_mirror.unwrap_or(true);
                    }
                    if self.spec == SourceSpec::Auto && info.kind == SourceKind::Demo {
                        self.spec = SourceSpec::Demo;
                    }
                    if let Some(flow) = &mut self.flow {
                        flow.set_budget(self.budget);
                    }
                }
                SourceEvent::Fault(fault) => self.report(Origin::Source, fault, now),
                SourceEvent::Recovered => self.recovered(Origin::Source),
                SourceEvent::Ended => {
                    let what = format!("{} has no more pictures", self.source_title());
                    self.report(Origin::Source, Fault::notice(what, "Choose another source below"), now);
                }
            }
        }
        any
    }

    /// Once the shelf is known: the effects, and what is wrong with packs.
    fn learn_effects(&mut self, now: Instant) -> bool {
        let Some(found) = self.shelf.known() else { return false };
        if self.told.as_ref().is_some_and(|told| Arc::ptr_eq(told, &found)) {
            return false;
        }
        let first = self.told.replace(found.clone()).is_none();
        self.effects = found
            .gallery
            .effects()
            .iter()
            .map(|e| EffectEntry {
                name: e.name.clone(),
                title: e.title.clone(),
                variants: e.variants().iter().map(|v| v.id.clone()).collect(),
                kind: e.kind.title().to_owned(),
                network: if e.pack.styles.len() > 1 { e.pack.name.clone() } else { String::new() },
            })
            .collect();
        found.faults.iter().for_each(|f| self.report(Origin::Flow, f.clone(), now));
        if !first {
            let what = format!("The effects were read anew: {} are there", self.effects.len());
            self.report(Origin::Still, Fault::notice(what, ""), now);
        }
        if std::mem::take(&mut self.remembered) && !self.effects.is_empty() {
            self.forget_what_is_gone(now);
        }
        true
    }

    /// An effect or variant of the last time that is not installed any more gives way to the first one.
    fn forget_what_is_gone(&mut self, now: Instant) {
        let variant = self.wish.variant.clone();
        let known = self
            .effect()
            .and_then(|i| self.effects.get(i))
            .map(|e| variant.as_ref().is_none_or(|v| e.variants.iter().any(|known| known.eq_ignore_ascii_case(v))));
        let wish = match known {
            Some(true) => return,
            Some(false) => Wish { variant: None, ..self.wish.clone() },
            None => {
                let name = self.wish.effect.clone().unwrap_or_default();
                let what = format!("The effect '{name}' of the last time is not installed any more");
                self.tell(Fault::notice(what, "The first one paints"), now);
                Wish { effect: None, variant: None, ..self.wish.clone() }
            }
        };
        self.set_wish(wish);
    }

    /// What is chosen now, as far as it is worth remembering.
    pub fn chosen(&self) -> Settings {
        Settings {
            effect: self.wish.effect.clone(),
            variant: self.wish.variant.clone(),
            engine: Some(self.wish.engine),
            keep: Some(self.keep),
            mirror: self.camera_mirror,
            strength: Some(self.controls.strength),
            ..Settings::default()
        }
    }

    fn report(&mut self, origin: Origin, fault: Fault, now: Instant) {
        if !self.origins.iter().any(|(o, f)| *o == origin && *f == fault) {
            self.origins.push((origin, fault.clone()));
        }
        let (text, level) = match fault.severity {
            Severity::Notice => (fault.to_string(), log::Level::Info),
            Severity::Degraded | Severity::Failed => (fault.to_string(), log::Level::Warn),
        };
        if self.board.report(fault, now) {
            log::log!(level, "{text}");
        }
    }

    /// What `origin` reported is over.
    fn recovered(&mut self, origin: Origin) {
        let origins = std::mem::take(&mut self.origins);
        let (over, rest): (Vec<_>, Vec<_>) = origins.into_iter().partition(|(o, _)| *o == origin);
        self.board.clear(|fault| fault.severity != Severity::Notice && over.iter().any(|(_, f)| f == fault));
        self.origins = rest;
    }

    /// A message that is the user's doing, not a fault.
    pub fn tell(&mut self, fault: Fault, now: Instant) {
        self.report(Origin::Still, fault, now);
    }

    pub fn clear_faults(&mut self, gone: impl Fn(&Fault) -> bool) {
        self.board.clear(gone);
    }

    pub fn faults(&mut self, now: Instant) -> Vec<(Fault, u32)> {
        self.board.current(now).map(|(f, n)| (f.clone(), n)).collect()
    }

    /// Brings the figures up to date if they are too old to show.
    pub fn refresh_summary(&mut self, now: Instant) {
        let old = self.summary.as_ref().is_none_or(|(_, at)| now.saturating_duration_since(*at) >= Self::FIGURES_FOR);
        if old {
            let reading = self.system();
            if let Some(flow) = &mut self.flow {
                flow.set_machine(reading.thermal, reading.saver);
                flow.meter().set_throttled(reading.throttled);
            }
            let summary = self.meter().summary(now);
            self.summary = Some((summary, now));
        }
    }

    /// The figures, as of the last refresh.
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref().map(|(s, _)| s)
    }

    fn meter(&mut self) -> &mut Meter {
        match &mut self.flow {
            Some(flow) => flow.meter(),
            None => &mut self.idle_meter,
        }
    }

    pub fn meter_ref(&self) -> &Meter {
        self.flow.as_ref().map_or(&self.idle_meter, Flow::meter_ref)
    }

    pub fn subject(&self) -> &Subject {
        self.flow.as_ref().and_then(Flow::subject).unwrap_or(&self.nobody)
    }

    /// What the machine's sensors said last.
    pub fn system(&self) -> Reading {
        self.injected.reading(self.sensors.latest())
    }

    /// What the governor does; `None` before there is a picture.
    pub fn governor(&self) -> Option<&govern::State> {
        self.flow.as_ref().filter(|f| f.subject().is_some()).map(Flow::governor)
    }

    /// Width over height of the picture that is shown.
    pub fn picture_aspect(&self) -> Option<f32> {
        self.flow.as_ref().and_then(Flow::picture_aspect)
    }

    /// What is being prepared, for people.
    pub fn preparing(&self) -> Option<&'static str> {
        self.flow.as_ref().is_some_and(Flow::is_preparing).then_some("preparing")
    }

    pub fn source_spec(&self) -> String {
        self.spec.to_string()
    }

    fn source_title(&self) -> &str {
        if self.source_name.is_empty() { "The source" } else { &self.source_name }
    }

    /// Index of the effect that was asked for.
    pub fn effect(&self) -> Option<usize> {
        match &self.wish.effect {
            None => (!self.effects.is_empty()).then_some(0),
            Some(name) => self.index_of(name),
        }
    }

    /// The two effects that are blended, and the share of the second, 0..=1.
    pub fn blend(&self) -> Option<(usize, usize, f32)> {
        let blend = self.wish.blend.as_ref()?;
        Some((self.effect()?, self.index_of(&blend.other)?, blend.share.get()))
    }

    fn index_of(&self, name: &str) -> Option<usize> {
        self.effects
            .iter()
            .position(|e| e.name.eq_ignore_ascii_case(name) || e.title.to_lowercase() == name.to_lowercase())
    }

    /// Id of the variant that was asked for, else of the one that paints.
    pub fn variant(&self) -> &str {
        self.wish.variant.as_deref().unwrap_or(&self.subject().variant)
    }

    pub fn look(&self) -> Look {
        let Controls { strength, mirror, split, .. } = self.controls;
        let look = Look { strength, mirror, split, ..Look::default() };
        Look { blend: self.steadiness.unwrap_or(look.blend), ..look }
    }

    pub fn flow(&mut self) -> Option<&mut Flow> {
        self.flow.as_mut()
    }

    /// The picture that was just drawn is on its way to the display.
    pub fn presented(&mut self, laps: &[Lap], now: Instant, started: Instant) {
        let Some(flow) = &mut self.flow else { return };
        let painted = flow.pipeline().is_some_and(|p| p.shown_painted());
        if !flow.presented(laps, now) {
            return;
        }
        crash::follow(flow.meter_ref());
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.follow(flow.meter_ref(), &self.sensors.latest(), now);
        }
        self.shown += 1;
        let since = now.saturating_duration_since(started).as_secs_f64() * 1e3;
        if self.first_picture.is_none() {
            self.first_picture = Some(now);
            log::info!("first picture after {since:.0} ms");
        }
        if painted {
            if self.first_painted.is_none() {
                self.first_painted = Some(now);
                log::info!("first painted picture after {since:.0} ms");
            }
            if self.counting_since.is_none() {
                self.counting_since = Some((flow.meter().counts(), now));
            }
        }
    }

    /// The figures of the run so far, since what paints now began to; frames and trace of the last seconds.
    pub fn handout(&mut self, started: Instant, now: Instant) -> Handout {
        let mut subject = self.subject().clone();
        subject.source = self.spec.to_string();
        let (before, since) = self.counting_since.unwrap_or((Counts::default(), started));
        let seconds = now.saturating_duration_since(since).as_secs_f64();
        let after_start = |at: Option<Instant>| at.map(|at| at.duration_since(started).as_secs_f64() * 1e3);
        let (first_picture_ms, first_painted_ms) = (after_start(self.first_picture), after_start(self.first_painted));
        let report = Report::new(self.meter(), subject, before, seconds, true);
        let report = Report { first_picture_ms, first_painted_ms, ..report };
        let costs: Vec<FrameCost> = self.meter_ref().history().copied().collect();
        let about = Circumstances { paced: true, gpu: self.gpu.as_ref(), system: self.system(), since: Some(since) };
        Handout::new(report, costs, self.meter_ref(), &about)
    }

    /// Sends the last figures, where they are sent at all. Waits a moment at most.
    pub fn end_telemetry(&mut self) {
        if let Some(telemetry) = self.telemetry.take() {
            telemetry.finish(self.meter_ref(), &self.sensors.latest());
        }
    }

    /// Waits for the last frames and settles them: at the end of a run.
    pub fn finish(&mut self, now: Instant) {
        if let Some(flow) = &mut self.flow
            && let Err(fault) = flow.finish(now)
        {
            log::warn!("{fault}");
        }
    }

    /// Does what a key asks for, as far as it is not the window's business.
    pub fn command(&mut self, command: Command, now: Instant) {
        let count = self.effects.len();
        match command {
            Command::Effect(i) => self.act(Action::Effect(i), now),
            Command::Leaf(by) if count > 0 => {
                let here = self.effect().unwrap_or(0) as isize;
                self.act(Action::Effect((here + by).rem_euclid(count as isize) as usize), now);
            }
            Command::Variant => {
                let Some(effect) = self.effect().and_then(|i| self.effects.get(i)) else { return };
                let here = effect.variants.iter().position(|v| v.eq_ignore_ascii_case(self.variant())).unwrap_or(0);
                if let Some(next) = effect.variants.get((here + 1) % effect.variants.len().max(1)) {
                    self.act(Action::Variant(next.clone()), now);
                }
            }
            Command::Engine => {
                let next = match self.wish.engine {
                    EngineWish::Auto => EngineWish::Wgpu,
                    EngineWish::Wgpu => EngineWish::Ort,
                    EngineWish::Ort => EngineWish::Auto,
                };
                let wish = Wish { engine: next, ..self.wish.clone() };
                self.set_wish(wish);
                self.tell(Fault::notice(format!("Engine: {next}"), ""), now);
            }
            Command::Second(i) => {
                let share = self.wish.blend.as_ref().map_or(Share::HALF, |b| b.share);
                self.act(Action::Blend { other: i, share: share.get() }, now);
            }
            Command::Share(by) => {
                if let Some((_, other, share)) = self.blend() {
                    self.set_blend(Some((other, (share + f32::from(by) / 100.0).clamp(0.0, 1.0))), now);
                }
            }
            Command::Blend => self.toggle_blend(now),
            Command::Keep => {
                let next = self.keep.next();
                self.tell(Fault::notice(format!("Keep: {next}"), next.explanation()), now);
                self.act(Action::Keep(next), now);
            }
            Command::Mirror => self.act(Action::Mirror(!self.controls.mirror), now),
            Command::Split => {
                let split = if self.controls.split.is_some() { None } else { Some(0.5) };
                self.act(Action::Split(split), now);
            }
            Command::Strength(by) => self.act(Action::Strength(self.controls.strength + f32::from(by) / 100.0), now),
            Command::Freeze => self.act(Action::Freeze(!self.controls.frozen), now),
            _ => {}
        }
    }

    /// Does what the interface asks for, as far as it is not the window's business.
    pub fn act(&mut self, action: Action, now: Instant) {
        match action {
            Action::Effect(i) => {
                let Some(effect) = self.effects.get(i) else { return };
                // A blend stays where it can: with another effect of the same network, and not with itself.
                let stays = |(_, other, _): &(usize, usize, f32)| {
                    *other != i && self.effects.get(*other).is_some_and(|o| o.network == effect.network)
                };
                let blend = self.wish.blend.clone().filter(|_| self.blend().as_ref().is_some_and(stays));
                let wish = Wish { effect: Some(effect.name.clone()), blend, ..self.wish.clone() };
                self.set_wish(wish);
            }
            Action::Variant(id) => {
                let wish = Wish { variant: Some(id), size: None, ..self.wish.clone() };
                self.set_wish(wish);
            }
            Action::Source(text) => self.set_source(&text, now),
            Action::Strength(strength) => self.controls.strength = (strength * 100.0).round().clamp(0.0, 100.0) / 100.0,
            Action::Mirror(on) => {
                self.controls.mirror = on;
                self.mirror_by_hand = true;
                if self.from_camera {
                    self.camera_mirror = Some(on);
                }
            }
            Action::Split(at) => self.controls.split = at,
            Action::Freeze(on) => {
                self.controls.frozen = on;
                self.meter().pause();
            }
            Action::Level(_) | Action::Still | Action::Fullscreen => {}
            Action::Blend { other, share } => self.set_blend((share > 0.0).then_some((other, share)), now),
            Action::Keep(keep) => {
                self.keep = keep;
                // What was chosen by hand goes on only where nothing is to be changed.
                if keep != Keep::Fixed && self.wish.by_hand() {
                    self.set_wish(Wish { variant: None, size: None, ..self.wish.clone() });
                }
                if let Some(flow) = &mut self.flow {
                    flow.set_keep(keep);
                }
            }
            Action::SaveReport => {}
        }
    }

    fn set_wish(&mut self, wish: Wish) {
        self.recovered(Origin::Flow);
        self.wish = wish.clone();
        if let Some(flow) = &mut self.flow {
            flow.set_wish(wish);
        }
    }

    /// Blends the effect that was asked for with the one of that index, or with none.
    fn set_blend(&mut self, with: Option<(usize, f32)>, now: Instant) {
        let here = self.effect().and_then(|i| self.effects.get(i));
        let blend = match with.and_then(|(i, share)| Some((self.effects.get(i)?, share))) {
            None => None,
            Some((other, _)) if here.is_none_or(|here| here.network != other.network || here.name == other.name) => {
                let here = here.map_or("The effect", |e| e.title.as_str());
                let what = format!("{here} cannot be blended with {}", other.title);
                return self.tell(Fault::notice(what, "Choose two effects of one pack"), now);
            }
            Some((other, share)) => Some(Blend { other: other.name.clone(), share: Share::new(share) }),
        };
        if let Some(blend) = blend.as_ref().or(self.wish.blend.as_ref()) {
            self.last_blend = Some(blend.clone());
        }
        let wish = Wish { blend, ..self.wish.clone() };
        self.set_wish(wish);
    }

    /// Off, or back to what it was; the first time half of the next effect.
    fn toggle_blend(&mut self, now: Instant) {
        if self.wish.blend.is_some() {
            return self.set_blend(None, now);
        }
        let Some(here) = self.effect() else { return };
        let fits = |i: usize| i != here && self.effects[i].network == self.effects[here].network;
        let last = self.last_blend.as_ref().and_then(|b| Some((self.index_of(&b.other)?, b.share.get().max(0.05))));
        let next = || (1..self.effects.len()).map(|by| (here + by) % self.effects.len()).find(|i| fits(*i));
        match last.filter(|(i, _)| fits(*i)).or_else(|| Some((next()?, Share::HALF.get()))) {
            Some(with) => self.set_blend(Some(with), now),
            None => self.tell(Fault::notice("This effect has no partner to blend with", "Choose another effect"), now),
        }
    }

    fn set_source(&mut self, text: &str, now: Instant) {
        let spec = match SourceSpec::parse(text) {
            Ok(spec) => spec,
            Err(what) => return self.tell(Fault::failed(what, ""), now),
        };
        let mailbox = self.source.latest().counts();
        self.before_captured += mailbox.put;
        self.before_dropped += mailbox.dropped;
        let new = Self::spawn_source(&spec, &self.waker, self.injector.as_ref());
        let old = std::mem::replace(&mut self.source, new);
        // Giving a camera back can take a second: not here.
        let closing = std::thread::Builder::new().name("source closing".into()).spawn(move || drop(old));
        if let Err(error) = closing {
            log::warn!("the old source was closed on the event loop: {error}");
        }
        self.meter().pause();
        self.recovered(Origin::Source);
        self.spec = spec;
        self.source_name.clear();
        self.mirror_by_hand = false;
        self.controls.frozen = false;
    }

    /// The picture as it is now, at the source's size, for saving. Waits for the GPU.
    ///
    /// # Errors
    /// When there is none yet, or it cannot be read.
    pub fn still(&mut self) -> Result<image::RgbaImage, Fault> {
        let look = Look { split: None, ..self.look() };
        let pipeline = self.flow.as_mut().and_then(Flow::pipeline);
        let pipeline = pipeline.ok_or_else(|| Fault::notice("There is no picture yet", ""))?;
        let extent: Extent = pipeline.shape().extent;
        pipeline.read_picture(extent, &look).map_err(|e| Fault::failed(format!("The picture cannot be saved: {e}"), ""))
    }
}

/// The network file that `subject` was painted with, for reports of crashes.
fn models_of(shelf: &Shelf, subject: &Subject) -> Vec<crash::Model> {
    let effect = shelf.known().and_then(|found| found.gallery.find(&subject.effect).ok());
    let variant = effect.as_ref().and_then(|effect| effect.variant(Some(&subject.variant)).ok());
    let model = |v: &crate::effect::Variant| crash::Model {
        file: v.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        sha256: v.sha256.clone(),
    };
    variant.map(model).into_iter().collect()
}

/// `subject` as far as it is told when figures are sent: nothing of the user's own has a name there.
fn key_of(shelf: &Shelf, subject: &Subject, gpu: Option<&GpuCaps>) -> Key {
    let file = std::path::Path::new(&subject.effect).extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"));
    let effect = shelf.known().filter(|_| !file).and_then(|found| found.gallery.find(&subject.effect).ok());
    let effect = match effect.map(|effect| effect.style) {
        Some(crate::effect::Style::Table(_)) => subject.effect.clone(),
        _ if subject.effect.is_empty() => String::new(),
        Some(crate::effect::Style::Own(_)) | None => "custom".to_owned(),
    };
    let device_class = match subject.engine.as_str() {
        "ort" => "cpu".to_owned(),
        _ => gpu.map(|gpu| gpu.kind.clone()).unwrap_or_default(),
    };
    Key { effect, variant: subject.variant.clone(), engine: subject.engine.clone(), device_class }
}
