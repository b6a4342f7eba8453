//! A run in figures, as JSON: what `bench --json` prints and `--report` writes. Field names are a contract.

use super::{Bottleneck, Counts, Hitch, HitchKind, Meter, Quantiles, RunStats, Stage};
use crate::units::Extent;

/// The report's `schema`. Fields may be added under it; none changes its meaning or goes.
pub const SCHEMA: &str = "impasto.bench/1";

/// Milliseconds over the counted frames of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Percentiles {
    pub mean: f64,
    pub p50: f64,
    pub p95: f64,
    pub p99: f64,
    pub worst: f64,
}

impl From<Quantiles> for Percentiles {
    fn from(q: Quantiles) -> Self {
        Self { mean: q.mean, p50: q.p50, p95: q.p95, p99: q.p99, worst: q.worst }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct StageReport {
    pub name: &'static str,
    pub mean_ms: f64,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub worst_ms: f64,
    /// Frames in which the stage was measured.
    pub frames: u64,
    /// The mean over all counted frames, one in which the stage was not measured counting as zero: these add up to
    /// `total_ms.mean`.
    pub per_frame_ms: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct FrameCounts {
    pub captured: u64,
    pub processed: u64,
    pub presented: u64,
    pub dropped: u64,
    /// Pictures handed to the display that had been shown before.
    pub repeated: u64,
    /// What the source had and did not deliver: lost by the driver, damaged, or passed over because its time had gone by.
    pub lost: u64,
    pub damaged: u64,
    pub skipped: u64,
    /// Of the processed ones, those before counting began.
    pub warm_up: u64,
}

/// Frames per second over the counted part of the run; `None` where there was no such thing (no window: none presented).
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Rates {
    pub source: Option<f64>,
    pub processed: f64,
    pub presented: Option<f64>,
}

/// What was measured: filled in by whoever ran it.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Subject {
    pub effect: String,
    pub variant: String,
    /// `wgpu` or `ort`; `none` when the picture went through untouched.
    pub engine: String,
    /// What does everything around the network: `gpu` or `cpu`.
    pub chain: String,
    pub device: String,
    /// Why this engine on this device.
    pub why: String,
    /// The student's input and output; 0 when the picture went through untouched.
    pub width: u32,
    pub height: u32,
    pub source: String,
    /// The source's pictures.
    pub source_extent: Extent,
}

/// How much of the time a unit is to blame for.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct UnitReport {
    pub unit: Bottleneck,
    /// Share of the frames that it bounds, 0..=1.
    pub share: f64,
    /// Mean milliseconds charged to it; these add up to `total_ms.mean`.
    pub charged_ms: f64,
}

/// The overlay's own cost.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct InterfaceReport {
    /// CPU and GPU together, of the frames in which it was measured.
    pub mean_ms: f64,
    /// The GPU's part; `null` where it was not measured.
    pub gpu_ms: Option<f64>,
    /// As a share of the budget; 0.01 is one percent.
    pub share_of_budget: f64,
}

/// A frame that stood out.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct HitchReport {
    pub frame: u64,
    pub kind: HitchKind,
    pub took_ms: f64,
    pub median_ms: f64,
    pub cause: Bottleneck,
    pub effect: String,
    pub variant: String,
    pub engine: String,
    pub width: u32,
    pub height: u32,
    pub throttled: Option<bool>,
    /// Seconds before the report was made.
    pub ago_s: f64,
}

impl HitchReport {
    fn new(hitch: &Hitch, now: std::time::Instant) -> Self {
        Self {
            frame: hitch.cost.stamp.id.0,
            kind: hitch.kind,
            took_ms: hitch.took.as_secs_f64() * 1e3,
            median_ms: hitch.median.as_secs_f64() * 1e3,
            cause: hitch.cause,
            effect: hitch.subject.effect.clone(),
            variant: hitch.subject.variant.clone(),
            engine: hitch.subject.engine.clone(),
            width: hitch.subject.width,
            height: hitch.subject.height,
            throttled: hitch.throttled,
            ago_s: now.saturating_duration_since(hitch.at).as_secs_f64(),
        }
    }
}

/// One thing that painted during the run, apart from the others.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct RunReport {
    pub effect: String,
    pub variant: String,
    pub engine: String,
    pub width: u32,
    pub height: u32,
    pub frames: u64,
    pub total_ms: Percentiles,
    pub work_ms: Percentiles,
    pub infer_ms: Option<Percentiles>,
    pub over_budget: f64,
}

impl RunReport {
    fn new(subject: &Subject, stats: &RunStats) -> Self {
        Self {
            effect: subject.effect.clone(),
            variant: subject.variant.clone(),
            engine: subject.engine.clone(),
            width: subject.width,
            height: subject.height,
            frames: stats.frames(),
            total_ms: stats.total().map(Percentiles::from).unwrap_or_default(),
            work_ms: stats.work().map(Percentiles::from).unwrap_or_default(),
            infer_ms: stats.stage(Stage::Infer).map(Percentiles::from),
            over_budget: share(stats.over_budget(), stats.frames()),
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole > 0 { part as f64 / whole as f64 } else { 0.0 }
}

/// One object, complete in itself.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Report {
    pub schema: &'static str,
    pub version: &'static str,
    #[serde(flatten)]
    pub subject: Subject,
    pub frames: FrameCounts,
    pub fps: Rates,
    /// From capture to present; without a window, to the finished picture.
    pub total_ms: Percentiles,
    /// `null` when nothing was inferred.
    pub infer_ms: Option<Percentiles>,
    /// The total without capture and wait: what the budget is compared with.
    pub work_ms: Percentiles,
    /// Everything but capture, wait and infer.
    pub outside_infer_ms: f64,
    /// Stages that were measured, in order. Their `mean_ms` add up to `total_ms.mean` when measured in every frame.
    pub stages: Vec<StageReport>,
    /// Stages that this run could not measure or does not have.
    pub not_measured: Vec<&'static str>,
    pub budget_ms: f64,
    /// Share of the counted frames whose work exceeded the budget, 0..=1.
    pub over_budget: f64,
    /// Signed: by how much frames were ready after (+) or before (-) their deadlines, which are one budget after each was in
    /// the program's hands. Says little where frames are taken as fast as possible: one then always waits for another.
    pub overrun_ms: Percentiles,
    /// The stage with the largest mean, waiting apart.
    pub bottleneck: Option<&'static str>,
    /// The unit that bounds most frames: what would have to get faster for frames to get faster.
    pub bound_by: Option<Bottleneck>,
    /// Units that bound a frame or were charged for time, the largest charge first.
    pub units: Vec<UnitReport>,
    /// Between pictures that were presented one after the other; `null` before the second.
    pub interval_ms: Option<Percentiles>,
    /// The standard deviation of the intervals over the last seconds.
    pub jitter_ms: Option<f64>,
    /// The rates that 99 of 100, and 999 of 1000 pictures kept to; `null` with fewer pictures than that.
    pub low_1_fps: Option<f64>,
    pub low_01_fps: Option<f64>,
    /// `null` without a window.
    pub interface: Option<InterfaceReport>,
    /// Mean difference, of 255, of successive paintings where the camera's picture did not change; `null` where not measured.
    pub stability: Option<f32>,
    /// Frames that stood out since the program's start, warm-up included.
    pub hitch_count: u64,
    /// The newest of them, oldest first.
    pub hitches: Vec<HitchReport>,
    /// Each thing that painted during the run, apart from the others: effect, engine, variant, size.
    pub runs: Vec<RunReport>,
    /// Where capture times come from: `driver`, `dequeue` or `schedule`.
    pub clock: Option<crate::units::CaptureClock>,
    /// How far the GPU's times may lie from their true place among the CPU's, in microseconds. Durations on the GPU are not
    /// affected. `null` where they could not be placed.
    pub gpu_clock_within_us: Option<f64>,
    /// From the program's start to the first picture on screen, painted or not. `null` without a window.
    pub first_picture_ms: Option<f64>,
    /// From the program's start to the first painted picture on screen. `null` without a window.
    pub first_painted_ms: Option<f64>,
    /// Memory of the process that is in RAM, at the end. `null` where the system does not say.
    pub resident_bytes: Option<u64>,
}

impl Report {
    /// The counted part of a run: everything that what paints now did since the meter's last restart. Rates are over the last
    /// `seconds`; `before` are the counts at their beginning.
    pub fn new(meter: &mut Meter, subject: Subject, before: Counts, seconds: f64, windowed: bool) -> Self {
        let now = std::time::Instant::now();
        let summary = meter.summary(now);
        let counts = summary.counts;
        let rate = |now: u64, then: u64| if seconds > 0.0 { now.saturating_sub(then) as f64 / seconds } else { 0.0 };
        let run = meter.run();
        let frames = run.frames();
        let percentiles = |q: Option<Quantiles>| q.map(Percentiles::from).unwrap_or_default();
        let stages: Vec<_> = Stage::ALL
            .into_iter()
            .filter_map(|stage| run.stage(stage).map(|q| stage_report(stage, q, frames)))
            .collect();
        let working = |s: &&StageReport| s.name != Stage::Capture.name() && s.name != Stage::Wait.name();
        let interface = run.stage(Stage::Interface).map(|q| InterfaceReport {
            mean_ms: q.mean,
            gpu_ms: run.interface_gpu().map(|q| q.mean),
            share_of_budget: q.mean / meter.budget().ms(),
        });
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            subject,
            frames: FrameCounts {
                captured: counts.captured,
                processed: counts.processed,
                presented: if windowed { counts.presented } else { 0 },
                dropped: counts.dropped,
                repeated: if windowed { counts.repeated } else { 0 },
                lost: counts.losses.lost,
                damaged: counts.losses.damaged,
                skipped: counts.losses.skipped,
                warm_up: before.processed,
            },
            fps: Rates {
                source: (counts.captured > before.captured).then(|| rate(counts.captured, before.captured)),
                processed: rate(counts.processed, before.processed),
                presented: windowed.then(|| rate(counts.presented, before.presented)),
            },
            total_ms: percentiles(run.total()),
            infer_ms: run.stage(Stage::Infer).map(Percentiles::from),
            work_ms: percentiles(run.work()),
            outside_infer_ms: stages
                .iter()
                .filter(working)
                .filter(|s| s.name != Stage::Infer.name())
                .map(|s| s.per_frame_ms)
                .sum(),
            not_measured: Stage::ALL.into_iter().filter(|&s| run.stage(s).is_none()).map(Stage::name).collect(),
            bottleneck: stages
                .iter()
                .filter(|s| s.name != Stage::Wait.name())
                .max_by(|a, b| a.per_frame_ms.total_cmp(&b.per_frame_ms))
                .map(|s| s.name),
            stages,
            budget_ms: meter.budget().ms(),
            over_budget: share(run.over_budget(), frames),
            overrun_ms: percentiles(run.overrun()),
            bound_by: Bottleneck::ALL
                .into_iter()
                .filter(|&unit| run.bounds()[unit as usize] > 0)
                .max_by_key(|&unit| run.bounds()[unit as usize]),
            units: unit_reports(run),
            interval_ms: run.intervals().map(Percentiles::from),
            jitter_ms: summary.jitter_ms,
            low_1_fps: summary.low_1_fps,
            low_01_fps: summary.low_01_fps,
            interface,
            stability: summary.stability,
            hitch_count: summary.hitches,
            hitches: meter.hitches().map(|hitch| HitchReport::new(hitch, now)).collect(),
            runs: meter.runs().map(|(subject, stats)| RunReport::new(subject, stats)).collect(),
            clock: summary.clock,
            gpu_clock_within_us: summary.gpu_clock_within.map(|within| within.as_secs_f64() * 1e6),
            first_picture_ms: None,
            first_painted_ms: None,
            resident_bytes: resident_bytes(),
        }
    }
}

fn stage_report(stage: Stage, q: Quantiles, frames: u64) -> StageReport {
    StageReport {
        name: stage.name(),
        mean_ms: q.mean,
        p50_ms: q.p50,
        p95_ms: q.p95,
        p99_ms: q.p99,
        worst_ms: q.worst,
        frames: q.count,
        per_frame_ms: q.mean * q.count as f64 / frames.max(1) as f64,
    }
}

/// Units that bound a frame or were charged for time, the largest charge first.
fn unit_reports(run: &RunStats) -> Vec<UnitReport> {
    let charged = run.units_ms().unwrap_or_default();
    let mut units: Vec<_> = Bottleneck::ALL
        .into_iter()
        .map(|unit| UnitReport {
            unit,
            share: share(run.bounds()[unit as usize], run.frames()),
            charged_ms: charged[unit as usize],
        })
        .filter(|u| u.share > 0.0 || u.charged_ms > 0.0)
        .collect();
    units.sort_by(|a, b| b.charged_ms.total_cmp(&a.charged_ms));
    units
}

/// Memory of this process that is in RAM; `None` where the system does not say.
pub fn resident_bytes() -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
        let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
        #[allow(unsafe_code, reason = "a call of the C library")]
        // SAFETY: sysconf reads a constant of the system and touches no memory of ours.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        Some(pages * u64::try_from(page).ok()?)
    }
    #[cfg(not(target_os = "linux"))]
    None
}
