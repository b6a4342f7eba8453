//! Everything that a run has to hand out, gathered in a moment and written at leisure: report, frames, trace.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use super::{Document, blocks, csv, filled, trace, utc_for_names};
use crate::gpu::GpuCaps;
use crate::metrics::{FrameCost, Hitch, Meter, Report};
use crate::output::{AtomicFile, OutputError};
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
        self.report_file(path)?.commit()
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write_csv(&self, path: &Path) -> Result<(), OutputError> {
        self.csv_file(path)?.commit()
    }

    /// # Errors
    /// When the file cannot be written.
    pub fn write_trace(&self, path: &Path) -> Result<(), OutputError> {
        self.trace_file(path)?.commit()
    }

    fn report_file(&self, path: &Path) -> Result<AtomicFile, OutputError> {
        filled(path, |out| {
            serde_json::to_writer_pretty(&mut *out, &self.document)?;
            out.write_all(b"\n")
        })
    }

    fn csv_file(&self, path: &Path) -> Result<AtomicFile, OutputError> {
        filled(path, |out| csv::write(&self.costs, out))
    }

    fn trace_file(&self, path: &Path) -> Result<AtomicFile, OutputError> {
        let context = trace::Context {
            subject: &self.document.report.subject,
            budget: self.budget,
            hitches: self.hitches.iter().collect(),
            counters: self.counters.clone(),
        };
        filled(path, |out| trace::write(&self.costs, &context, out))
    }

    /// Writes all three into `folder` under names of this moment that nothing there has. Returns the report's path.
    ///
    /// # Errors
    /// When one of them cannot be written: then none of them is there.
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
        let files = [self.csv_file(&csv)?, self.trace_file(&trace)?, self.report_file(&report)?];
        let mut there = Vec::with_capacity(files.len());
        for file in files {
            let path = file.destination().to_owned();
            if let Err(error) = file.commit() {
                for path in there {
                    // Nothing had these names; where one cannot be removed, the error tells enough.
                    let _ = std::fs::remove_file(path);
                }
                return Err(error);
            }
            there.push(path);
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn a_report_is_there_whole_or_not_at_all() {
        let mut meter = Meter::new(Budget::default());
        let report = Report::new(&mut meter, Subject::default(), Counts::default(), 1.0, true);
        let run_export = RunExport::new(report, Vec::new(), &meter, &Circumstances::default());
        let folder = tempfile::tempdir().unwrap();
        let there = || std::fs::read_dir(folder.path()).unwrap().count();
        let first = run_export.write_all(folder.path()).unwrap();
        assert!(first.exists() && there() == 3);
        // The disk is full as far as anybody can tell: the last of the three cannot be written.
        let missing = folder.path().join("not there");
        assert!(run_export.write_all(&missing).is_err());
        assert_eq!(there(), 3);
    }

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
