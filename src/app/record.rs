//! What the run leaves behind outside of the window: lines in the log, reports that are saved, what a crash report would
//! tell, and figures that are sent where the user turned that on.

use std::path::Path;
use std::time::Instant;

use crate::effect::{Style, Variant};
use crate::export::otlp::{Key, Telemetry};
use crate::export::{Circumstances, Endpoint, RunExport, crash};
use crate::gpu::GpuCaps;
use crate::metrics::{Counts, FrameCost, Meter, Report, Subject};
use crate::runtime::Catalog;
use crate::system::Reading;

pub(super) struct Record {
    started: Instant,
    /// The GPU that was opened last.
    gpu: Option<GpuCaps>,
    /// Only where the user turned it on.
    telemetry: Option<Telemetry>,
    /// Pictures, each counted once however often it was drawn.
    shown: u64,
    first_picture: Option<Instant>,
    first_painted: Option<Instant>,
    /// Counts and time when counting for the report began: with the first painted picture of what paints now.
    counting_since: Option<(Counts, Instant)>,
}

impl Record {
    /// Figures are sent to `endpoint`, if there is one.
    pub fn new(endpoint: Option<&Endpoint>, started: Instant) -> Self {
        Self {
            started,
            gpu: None,
            telemetry: endpoint.map(|to| Telemetry::start(to, Instant::now())),
            shown: 0,
            first_picture: None,
            first_painted: None,
            counting_since: None,
        }
    }

    /// Pictures that were shown, each counted once.
    pub fn shown(&self) -> u64 {
        self.shown
    }

    pub fn set_gpu(&mut self, caps: GpuCaps) {
        self.gpu = Some(caps);
    }

    /// Something else paints from now on.
    pub fn changed(&mut self, subject: &Subject, catalog: &Catalog) {
        let Subject { effect, variant, width, height, engine, why, .. } = subject;
        log::info!("{effect} {variant} {width}x{height} on {engine}: {why}");
        crash::paints(subject, models_of(catalog, subject));
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.switch(key_of(catalog, subject, self.gpu.as_ref()));
        }
        self.counting_since = None;
    }

    /// A picture that was not shown before is on its way to the display, painted or not.
    pub fn shows(&mut self, painted: bool, meter: &Meter, reading: &Reading, now: Instant) {
        crash::follow(meter);
        if let Some(telemetry) = &mut self.telemetry {
            telemetry.follow(meter, reading, now);
        }
        self.shown += 1;
        let since = now.saturating_duration_since(self.started).as_secs_f64() * 1e3;
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
                self.counting_since = Some((meter.counts(), now));
            }
        }
    }

    /// The figures of `meter` since what paints now, `subject`, began to; frames and trace of the last seconds.
    pub fn run_export(&self, meter: &mut Meter, subject: Subject, system: Reading, now: Instant) -> RunExport {
        let (before, since) = self.counting_since.unwrap_or((Counts::default(), self.started));
        let seconds = now.saturating_duration_since(since).as_secs_f64();
        let after_start = |at: Option<Instant>| at.map(|at| at.duration_since(self.started).as_secs_f64() * 1e3);
        let (first_picture_ms, first_painted_ms) = (after_start(self.first_picture), after_start(self.first_painted));
        let report = Report::new(meter, subject, before, seconds, true);
        let report = Report { first_picture_ms, first_painted_ms, ..report };
        let costs: Vec<FrameCost> = meter.history().copied().collect();
        let about = Circumstances { paced: true, gpu: self.gpu.as_ref(), system, since: Some(since) };
        RunExport::new(report, costs, meter, &about)
    }

    /// Sends the last figures, where they are sent at all. Waits a moment at most.
    pub fn end_telemetry(&mut self, meter: &Meter, reading: &Reading) {
        if let Some(telemetry) = self.telemetry.take() {
            telemetry.finish(meter, reading);
        }
    }
}

/// The network file that `subject` was painted with, for reports of crashes.
fn models_of(catalog: &Catalog, subject: &Subject) -> Vec<crash::Model> {
    let effect = catalog.known().and_then(|found| found.gallery.find(&subject.effect).ok());
    let variant = effect.as_ref().and_then(|effect| effect.variant(Some(&subject.variant)).ok());
    let model = |v: &Variant| crash::Model {
        file: v.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        sha256: v.sha256.clone(),
    };
    variant.map(model).into_iter().collect()
}

/// `subject` as far as it is told when figures are sent: nothing of the user's own has a name there.
fn key_of(catalog: &Catalog, subject: &Subject, gpu: Option<&GpuCaps>) -> Key {
    let file = Path::new(&subject.effect).extension().is_some_and(|e| e.eq_ignore_ascii_case("onnx"));
    let effect = catalog.known().filter(|_| !file).and_then(|found| found.gallery.find(&subject.effect).ok());
    let effect = match effect.map(|effect| effect.style) {
        Some(Style::Table(_)) => subject.effect.clone(),
        _ if subject.effect.is_empty() => String::new(),
        Some(Style::Own(_)) | None => "custom".to_owned(),
    };
    let device_class = match subject.engine.as_str() {
        "cpu" | "ort" => "cpu".to_owned(),
        _ => gpu.map(|gpu| gpu.kind.clone()).unwrap_or_default(),
    };
    Key { effect, variant: subject.variant.clone(), engine: subject.engine.clone(), device_class }
}
