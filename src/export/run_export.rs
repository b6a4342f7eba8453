//! Everything that a run has to hand out, gathered in a moment and written at leisure: report, frames, trace.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use super::{Document, blocks, csv, save, trace, utc_for_names};
use crate::gpu::GpuCaps;
use crate::metrics::{FrameCost, Hitch, Meter, Report};
use crate::output::OutputError;
use crate::system::Reading;
use crate::units::Budget;

/// See the module's text. Owns what it needs, so that it can be written on another thread.
#[derive(Clone, Debug)]
pub struct RunExport {
    pub document: Document,
    budget: Budget,
    costs: Vec<FrameCost>,
    hitches: Vec<Hitch>,
    counters: Vec<(&'static str, Instant, f64)>,
}

/// What the report does not know by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances<'a> {
    /// Frames were taken when they were due.
    pub paced: bool,
    pub gpu: Option<&'a GpuCaps>,
    pub system: Reading,
    /// Frames presented before this are in the frames and the trace, and do not count for the report's stretches.
    pub since: Option<Instant>,
}

impl RunExport {
    /// Copies what it needs from `costs`, oldest first, and `meter`.
    pub fn new(report: Report, costs: Vec<FrameCost>, meter: &Meter, about: &Circumstances<'_>) -> Self {
        let first = costs.partition_point(|c| about.since.is_some_and(|since| c.presented < since));
        let blocks = match &costs[first..] {
            // The first one's rate is not known: what it came after does not count.
            [before, counted @ ..] => blocks(counted, before.presented),
            [] => Vec::new(),
        };
        let oldest = costs.first().map(|c| c.stamp.captured);
        Self {
            document: Document::new(report, about.paced, about.gpu, about.system, blocks),
            budget: meter.budget(),
            hitches: meter.hitches().filter(|h| oldest.is_some_and(|at| h.at >= at)).cloned().collect(),
            costs,
            counters: Vec::new(),
        }
    }

    /// Adds a track of numbers to the trace: values in order of time, each of which holds until the next.
    pub fn with_counter(mut self, name: &'static str, values: impl IntoIterator<Item = (Instant, f64)>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        if let Some(begin) = self.costs.first().map(|c| c.stamp.captured) {
            // The trace begins with what holds then.
            let over = values.partition_point(|(at, _)| *at <= begin).saturating_sub(1);
            values.drain(..over);
            if let Some((at, _)) = values.first_mut() {
                *at = begin.max(*at);
            }
        }
        self.counters.extend(values.into_iter().map(|(at, value)| (name, at, value)));
        self
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write_report(&self, path: &Path) -> Result<(), OutputError> {
        save(path, |out| {
            serde_json::to_writer_pretty(&mut *out, &self.document)?;
            out.write_all(b"\n")
        })
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<(), OutputError> {
        save(path, |out| csv::write(&self.costs, out))
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write_trace(&self, path: &Path) -> Result<(), OutputError> {
        let context = trace::Context {
            subject: &self.document.report.subject,
            budget: self.budget,
            hitches: self.hitches.iter().collect(),
            counters: self.counters.clone(),
        };
        save(path, |out| trace::write(&self.costs, &context, out))
    }

    /// Writes all three into `folder` under names of this moment that nothing there has. Returns the report's path.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_all(&self, folder: &Path) -> Result<PathBuf, OutputError> {
        let stamp = utc_for_names(SystemTime::now());
        let name = |n: u32, end: &str| {
            let again = if n == 0 { String::new() } else { format!("-{n}") };
            folder.join(format!("impasto-report-{stamp}{again}{end}"))
        };
        let ends = [".json", ".csv", ".trace.json"];
        // Two in one second; a folder with a hundred of them in one second has other worries.
        let n = (0..100).find(|&n| ends.iter().all(|end| !name(n, end).exists())).unwrap_or(0);
        let [report, csv, trace] = ends.map(|end| name(n, end));
        self.write_csv(&csv)?;
        self.write_trace(&trace)?;
        self.write_report(&report)?;
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::export::samples;
    use crate::metrics::{Counts, Subject};

    #[test]
    fn a_counter_begins_with_what_holds_when_the_trace_does() {
        let t0 = Instant::now() + Duration::from_secs(10);
        let mut meter = Meter::new(Budget::default());
        let report = Report::new(&mut meter, Subject::default(), Counts::default(), 1.0, true);
        let run_export = |costs| RunExport::new(report.clone(), costs, &meter, &Circumstances::default());
        let ms = |ms: u64| Duration::from_millis(ms);
        let rungs = [(t0 - ms(900), 0.0), (t0 - ms(500), 2.0), (t0 + ms(40), 1.0)];
        let some = run_export(samples::costs(t0, 4)).with_counter("rung", rungs);
        assert_eq!(some.counters, [("rung", t0, 2.0), ("rung", t0 + ms(40), 1.0)]);
        let late = run_export(samples::costs(t0, 4)).with_counter("rung", rungs[2..].to_vec());
        assert_eq!(late.counters, [("rung", t0 + ms(40), 1.0)]);
        assert_eq!(run_export(Vec::new()).with_counter("rung", rungs).counters.len(), 3);

        let file = tempfile::NamedTempFile::new().unwrap();
        some.write_trace(file.path()).unwrap();
        let trace: serde_json::Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap().iter().filter(|e| e["name"] == "rung");
        let told: Vec<_> = events.map(|e| (e["ts"].as_f64().unwrap(), e["args"]["rung"].as_f64().unwrap())).collect();
        assert_eq!(told, [(0.0, 2.0), (40e3, 1.0)]);
    }
}
