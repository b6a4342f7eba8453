//! `impasto bench`: what a frame costs here, without a window.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::{BenchArgs, CliError, Common, print, print_json};
use crate::clock::Clock;
use crate::effect::{Touch, models_dirs};
use crate::export::compare::THRESHOLD;
use crate::export::{Circumstances, RunExport, crash};
use crate::fault::Fault;
use crate::frame::{CameraFrame, FramePool};
use crate::gpu::Gpu;
use crate::inject::{Injector, What};
use crate::metrics::{Counts, FrameCost, Meter, Report, Stage};
use crate::output::{self, OutputError};
use crate::pipeline::Look;
use crate::quality::Keep;
use crate::runtime::{Catalog, EffectRequest, PipelineFactory, Runtime, RuntimeEvent};
use crate::signals;
use crate::source::{Pacing, Source, SourceError, SourceEvent, SourceInfo, SourceKind, SourceThread, SourceWish};
use crate::system::Sensors;
use crate::terminal::{self, say};
use crate::units::{Extent, FrameId, FrameStamp};

/// A bench in which nothing gets done for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Said when the device is gone.
const GPU_LOST: &str = "the GPU was lost; everything on it is made anew";

/// The pictures are drawn into this: what a window would show, minus the interface.
/// Frames of the demo scene that are drawn beforehand: a second of it.
const DRAWN: usize = 30;
const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// How frames come: when they are due, from a thread; or whenever there is room for one.
enum Feed {
    Paced(SourceThread),
    /// `drawn`: frames of the demo scene, which are drawn before anything is measured and shown in turns; else none.
    Free {
        source: Box<dyn Source>,
        pool: FramePool,
        taken: u64,
        drawn: Vec<CameraFrame>,
    },
}

pub fn run(args: &BenchArgs, common: &Common) -> Result<(), CliError> {
    if let Some(files) = &args.compare {
        let threshold = args.threshold.map_or(THRESHOLD, f64::from);
        return super::compare::run(files, threshold, args.anyway, args.json);
    }
    if args.roofline {
        return super::roofline::run(args, common);
    }
    match measure(args, common) {
        // Whatever a source or a network said because it was stopped.
        Err(error) if signals::received().is_some() && !error.is::<OutputError>() => {
            Err("stopped before a frame was counted".into())
        }
        measured => measured,
    }
}

fn measure(args: &BenchArgs, common: &Common) -> Result<(), CliError> {
    // The loop below looks for it.
    signals::listen(|| {});
    // What would fail in the end should fail at the beginning.
    for path in [&args.csv, &args.trace].into_iter().flatten() {
        output::check_writable(path)?;
    }
    // From here on: how busy the machine is while it measures.
    let sensors = Sensors::spawn(Sensors::EVERY);
    let catalog = Catalog::new(models_dirs(common.models.as_deref()));
    let mut injector = args.quality.inject.clone().map(|script| Injector::new(script, Instant::now()));
    let wanted = args.paint.gpu(None, args.quality.keep);
    let mut gpu = Gpu::headless_as(&wanted)?;
    let (bell, rung) = mpsc::sync_channel::<()>(1);
    let waker: Arc<dyn Fn() + Send + Sync> = Arc::new(move || {
        // Rung already, or nobody listens any more: both are fine.
        let _ = bell.try_send(());
    });
    let mut feed = Feed::open(args, injector.as_ref(), waker.clone())?;
    let factory = PipelineFactory {
        gpu: gpu.clone(),
        catalog,
        format: FORMAT,
        chain: args.paint.chain.unwrap_or_default(),
        waker,
        clock: Clock::default(),
    };
    let touch = args.paint.touch(Touch::default());
    let request = EffectRequest {
        effect: args.paint.effect.clone(),
        blend: args.paint.blend.clone(),
        variant: args.paint.variant.clone(),
        engine: args.paint.engine.unwrap_or_default(),
        size: args.paint.size,
        rung: None,
        touch: touch.on_canvas(),
    };
    let (first, info) = feed.first(&rung)?;
    let shape = first.shape();
    // The frame that told the shape is thrown away: its age is that of the pipeline's compilation.
    drop(first);
    let built = factory.build(&request, shape)?;
    crash::paints(&built.subject, Vec::new());
    let keep = args.quality.keep.unwrap_or(Keep::Fixed);
    let mut runtime = Runtime::new(factory.clone(), request.clone(), info.budget())?;
    runtime.start_with(built, shape, Instant::now());
    runtime.set_keep(keep);
    runtime.meter().set_paced(args.paced);
    let mut target = Target::new(&gpu, args.picture);

    let mut counted = Counted::default();
    let mut began: Option<(Counts, Instant)> = None;
    let mut progress = Instant::now();
    loop {
        let now = Instant::now();
        if let Some(injector) = &mut injector {
            let injected = injector.at(now);
            runtime.set_burden(injected.burden);
            let reading = injected.reading(sensors.latest());
            runtime.set_machine(reading.thermal, reading.saver);
            while let Some(event) = injector.begun(now) {
                say(format_args!("on purpose: {event}"));
                match event.what {
                    What::GpuLoss => gpu.lose(),
                    What::Panic => crash::provoke(),
                    _ => {}
                }
            }
        }
        if gpu.is_lost() {
            say(GPU_LOST);
            if let Some(report) = crash::device_lost(GPU_LOST) {
                say(format_args!("a report was written to {}; it is sent nowhere", report.display()));
            }
            let carryover = runtime.handover();
            drop(runtime);
            gpu = Gpu::headless_as(&wanted)?;
            let factory = PipelineFactory { gpu: gpu.clone(), ..factory.clone() };
            let built = factory.build(&request, shape)?;
            runtime = Runtime::new(factory, request.clone(), info.budget())?;
            runtime.resume(carryover);
            runtime.start_with(built, shape, Instant::now());
            runtime.set_keep(keep);
            target = Target::new(&gpu, args.picture);
        }
        feed.give(&mut runtime, now)?;
        let polled = runtime.poll(now);
        for event in runtime.events() {
            match event {
                RuntimeEvent::Fault(fault) => return Err(fault.into()),
                RuntimeEvent::Changed(_) | RuntimeEvent::Recovered => {}
            }
        }
        if polled.picture.is_some() {
            progress = now;
            target.draw(&gpu, &mut runtime, &Look::default().touched(touch));
            if polled.painted || !runtime.governor().rung.painted {
                runtime.presented(&[], Instant::now());
                counted.take(runtime.meter());
            }
        }
        let processed = runtime.meter().counts().processed;
        match began {
            None if polled.painted && processed >= args.warm_up => {
                runtime.meter().restart();
                counted.begin();
                began = Some((runtime.meter().counts(), Instant::now()));
            }
            Some((before, _)) if processed >= before.processed + args.frames => break,
            Some((before, _)) if signals::received().is_some() => {
                let counted = terminal::counted(processed.saturating_sub(before.processed), "frame");
                say(format_args!("stopped after {counted} of {}; what was measured until then:", args.frames));
                break;
            }
            None if signals::received().is_some() => return Err("stopped before a frame was counted".into()),
            _ => {}
        }
        if progress.elapsed() > PATIENCE {
            return Err(Fault::failed(
                format!("No frame was painted for {} s", PATIENCE.as_secs()),
                "Try a smaller --variant or --size, or another --engine",
            )
            .into());
        }
        if polled.picture.is_none() {
            // Whoever finishes something rings; the GPU does not, so look again soon.
            let most = if runtime.needs_polling() { Duration::from_micros(300) } else { Duration::from_millis(20) };
            let _ = rung.recv_timeout(most);
        }
    }
    let (before, since) = began.unwrap_or((Counts::default(), progress));
    let seconds = since.elapsed().as_secs_f64();
    runtime.finish(Instant::now())?;
    let mut subject = runtime.subject().cloned().unwrap_or_default();
    subject.source = args.source.to_string();
    counted.take(runtime.meter());
    let report = Report::new(runtime.meter(), subject, before, seconds, false);
    let about = Circumstances { paced: args.paced, gpu: Some(&gpu.caps), system: sensors.latest(), since: Some(since) };
    let run_export =
        RunExport::new(report, counted.costs, runtime.meter(), &about).with_counter("rung", runtime.rungs());
    if let Some(path) = &args.csv {
        run_export.write_csv(path)?;
    }
    if let Some(path) = &args.trace {
        run_export.write_trace(path)?;
    }
    let document = &run_export.document;
    if args.json { print_json(document) } else { print(&table(&document.report, args)) }
}

/// The frames that count, as they settle.
#[derive(Default)]
struct Counted {
    costs: Vec<FrameCost>,
    newest: Option<FrameId>,
    on: bool,
}

impl Counted {
    /// What settles from now on counts.
    fn begin(&mut self) {
        self.on = true;
    }

    /// Takes what settled since the last call.
    fn take(&mut self, meter: &Meter) {
        let history = meter.history();
        let new = meter.history().rev().take_while(|c| Some(c.stamp.id) != self.newest).count();
        self.newest = meter.history().next_back().map(|c| c.stamp.id);
        crash::follow(meter);
        if self.on {
            let old = history.len() - new;
            self.costs.extend(history.skip(old));
        }
    }
}

impl Feed {
    fn open(
        args: &BenchArgs,
        injector: Option<&Injector>,
        waker: Arc<dyn Fn() + Send + Sync>,
    ) -> Result<Self, CliError> {
        let stalling = injector.and_then(Injector::stalling);
        let request = SourceWish {
            max_extent: Some(args.picture),
            pacing: if args.paced { Pacing::RealTime } else { Pacing::Free },
            ..SourceWish::default()
        };
        if args.paced {
            let each = move |source, wish: &SourceWish| match &stalling {
                Some(stalling) => Box::new(stalling(source, wish)) as Box<dyn Source>,
                None => source,
            };
            return Ok(Self::Paced(SourceThread::spawn_each(args.source.clone(), request, each, move || waker())));
        }
        let stop = request.stop.clone();
        signals::listen(move || stop.set());
        let mut source = crate::source::open(&args.source, &request).map_err(|e| e.fault())?;
        if let Some(stalling) = &stalling {
            source = Box::new(stalling(source, &request));
        }
        Ok(Self::Free { source, pool: FramePool::default(), taken: 0, drawn: Vec::new() })
    }

    /// Waits for the first frame.
    fn first(&mut self, rung: &mpsc::Receiver<()>) -> Result<(CameraFrame, SourceInfo), CliError> {
        match self {
            Self::Free { source, pool, drawn, .. } => {
                let frame = source.next(pool).map_err(|e| e.fault())?;
                if source.info().kind == SourceKind::Demo {
                    for _ in 0..DRAWN {
                        drawn.push(source.next(pool).map_err(|e| e.fault())?);
                    }
                }
                Ok((frame, source.info().clone()))
            }
            Self::Paced(thread) => {
                let mut info = None;
                let began = Instant::now();
                while began.elapsed() < PATIENCE && signals::received().is_none() {
                    for event in thread.events() {
                        match event {
                            SourceEvent::Opened(opened) => info = Some(opened),
                            SourceEvent::Fault(fault) if fault.severity == crate::fault::Severity::Failed => {
                                return Err(fault.into());
                            }
                            SourceEvent::Fault(fault) => say(fault),
                            SourceEvent::Recovered => {}
                            SourceEvent::Ended => return Err("the source ended before its first frame".into()),
                        }
                    }
                    if let (Some(info), Some(frame)) = (info.clone(), thread.latest().take()) {
                        return Ok((frame, info));
                    }
                    let _ = rung.recv_timeout(Duration::from_millis(20));
                }
                Err(Fault::failed("The source gave no frame", "Choose another --source").into())
            }
        }
    }

    /// Hands over what there is: paced, the newest frame; else the next one as long as one is in work and one waits.
    fn give(&mut self, runtime: &mut Runtime, now: Instant) -> Result<(), CliError> {
        match self {
            Self::Paced(thread) => {
                let mailbox = thread.latest().counts();
                runtime.captured(mailbox.put, mailbox.dropped, now);
                runtime.lost(thread.losses());
                if let Some(frame) = thread.latest().take() {
                    runtime.offer(frame, now);
                }
            }
            Self::Free { source, pool, taken, drawn } => {
                while runtime.open_frames() < 2 {
                    if !drawn.is_empty() {
                        *taken += 1;
                        let (frame, now) = (&drawn[*taken as usize % drawn.len()], Instant::now());
                        let stamp = FrameStamp { id: FrameId(*taken), captured: now, ..frame.stamp() };
                        let frame = frame.copy_into(pool).with_stamp(stamp);
                        runtime.captured(*taken, 0, now);
                        runtime.offer(frame, now);
                        continue;
                    }
                    let frame = match source.next(pool) {
                        Ok(frame) => frame,
                        // A signal stopped it: the bench ends.
                        Err(SourceError::Stopped) => return Ok(()),
                        Err(SourceError::Ended) => {
                            return Err("the source ended before the bench; give fewer --frames".into());
                        }
                        Err(error) if error.recovery() == crate::source::Recovery::Continue => continue,
                        Err(error) => return Err(error.fault().into()),
                    };
                    *taken += 1;
                    let now = Instant::now();
                    runtime.captured(*taken, 0, now);
                    runtime.offer(frame, now);
                }
            }
        }
        Ok(())
    }
}

/// Where the picture is put together, in place of a window.
struct Target {
    view: wgpu::TextureView,
    extent: Extent,
}

impl Target {
    fn new(gpu: &Gpu, extent: Extent) -> Self {
        let limit = gpu.device.limits().max_texture_dimension_2d;
        let extent = Extent::new(extent.width.min(limit), extent.height.min(limit));
        let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("bench"),
            size: wgpu::Extent3d { width: extent.width, height: extent.height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: FORMAT,
            usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        Self { view: texture.create_view(&wgpu::TextureViewDescriptor::default()), extent }
    }

    fn draw(&mut self, gpu: &Gpu, runtime: &mut Runtime, look: &Look) {
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("bench") });
        runtime.draw(&mut encoder, &self.view, self.extent, look);
        gpu.submit([encoder.finish()]);
    }
}

fn table(report: &Report, args: &BenchArgs) -> String {
    let subject = &report.subject;
    let mut text = format!(
        "{} {} {}x{} with {} on {}\n{}\nsource {} at {}, {}\n\n{:<12}{:>9}{:>9}{:>9}{:>9}\n",
        subject.effect,
        subject.variant,
        subject.width,
        subject.height,
        subject.engine,
        subject.device,
        subject.why,
        subject.source,
        subject.source_extent,
        if args.paced { "frames taken when due" } else { "frames taken as fast as they are painted" },
        "ms a frame",
        "mean",
        "p50",
        "p95",
        "p99"
    );
    for stage in Stage::ALL {
        match report.stages.iter().find(|s| s.name == stage.name()) {
            Some(s) => text.push_str(&format!(
                "{:<12}{:>9.2}{:>9.2}{:>9.2}{:>9.2}\n",
                s.name, s.mean_ms, s.p50_ms, s.p95_ms, s.p99_ms
            )),
            None => text.push_str(&format!("{:<12}{:>9}{:>9}{:>9}{:>9}\n", stage.name(), "-", "-", "-", "-")),
        }
    }
    let total = &report.total_ms;
    text.push_str(&format!(
        "{:<12}{:>9.2}{:>9.2}{:>9.2}{:>9.2}\n\n",
        "total", total.mean, total.p50, total.p95, total.p99
    ));
    let frames = &report.frames;
    text.push_str(&format!(
        "{:.1} frames/s processed; {:.2} ms a frame outside the network; budget {:.1} ms\n{} captured, {} processed ({} of them to warm up), {} dropped\n",
        report.fps.processed, report.outside_infer_ms, report.budget_ms, frames.captured, frames.processed, frames.warm_up, frames.dropped
    ));
    text
}
