//! A run in figures, as JSON: what `bench --json` prints and `--report` writes. Field names are a contract.

use super::{Counts, Meter, Quantiles, Stage};
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
    /// Frames in which the stage was measured.
    pub frames: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct FrameCounts {
    pub captured: u64,
    pub processed: u64,
    pub presented: u64,
    pub dropped: u64,
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
    /// Everything but capture, wait and infer.
    pub outside_infer_ms: f64,
    /// Stages that were measured, in order. Their `mean_ms` add up to `total_ms.mean` when measured in every frame.
    pub stages: Vec<StageReport>,
    /// Stages that this run could not measure or does not have.
    pub not_measured: Vec<&'static str>,
    pub budget_ms: f64,
    /// The stage with the largest mean, waiting apart.
    pub bottleneck: Option<&'static str>,
    /// Where capture times come from: `driver`, `dequeue` or `schedule`.
    pub clock: Option<crate::units::CaptureClock>,
    /// From the program's start to the first picture on screen, painted or not. `null` without a window.
    pub first_picture_ms: Option<f64>,
    /// From the program's start to the first painted picture on screen. `null` without a window.
    pub first_painted_ms: Option<f64>,
    /// Memory of the process that is in RAM, at the end. `null` where the system does not say.
    pub resident_bytes: Option<u64>,
}

impl Report {
    /// The counted part of a run: everything since the meter's last restart, which lasted `seconds`. `before` are the counts at
    /// its beginning.
    pub fn new(meter: &mut Meter, subject: Subject, before: Counts, seconds: f64, windowed: bool) -> Self {
        let counts = meter.counts();
        let rate = |now: u64, then: u64| if seconds > 0.0 { now.saturating_sub(then) as f64 / seconds } else { 0.0 };
        let run = meter.run();
        let measured = |s: Stage| run.stage(s).map(|q| (s, q));
        let stages: Vec<_> = Stage::ALL.into_iter().filter_map(measured).collect();
        let frames = run.total().map_or(0, |q| q.count).max(1) as f64;
        let share = |(s, q): &(Stage, Quantiles)| (*s, q.mean * q.count as f64 / frames);
        Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            subject,
            frames: FrameCounts {
                captured: counts.captured,
                processed: counts.processed,
                presented: if windowed { counts.presented } else { 0 },
                dropped: counts.dropped,
                warm_up: before.processed,
            },
            fps: Rates {
                source: (counts.captured > before.captured).then(|| rate(counts.captured, before.captured)),
                processed: rate(counts.processed, before.processed),
                presented: windowed.then(|| rate(counts.presented, before.presented)),
            },
            total_ms: run.total().map(Percentiles::from).unwrap_or_default(),
            infer_ms: run.stage(Stage::Infer).map(Percentiles::from),
            outside_infer_ms: stages
                .iter()
                .map(share)
                .filter(|(s, _)| !matches!(s, Stage::Capture | Stage::Wait | Stage::Infer))
                .map(|(_, mean)| mean)
                .sum(),
            bottleneck: stages
                .iter()
                .map(share)
                .filter(|(s, _)| *s != Stage::Wait)
                .max_by(|a, b| a.1.total_cmp(&b.1))
                .map(|(s, _)| s.name()),
            not_measured: Stage::ALL.into_iter().filter(|&s| run.stage(s).is_none()).map(Stage::name).collect(),
            stages: stages
                .iter()
                .map(|(stage, q)| StageReport {
                    name: stage.name(),
                    mean_ms: q.mean,
                    p50_ms: q.p50,
                    p95_ms: q.p95,
                    p99_ms: q.p99,
                    frames: q.count,
                })
                .collect(),
            budget_ms: meter.budget().ms(),
            clock: meter.clock(),
            first_picture_ms: None,
            first_painted_ms: None,
            resident_bytes: resident_bytes(),
        }
    }
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
