//! The report of a run as it is handed to somebody else: what was measured, on what machine, and how much it varied. Names
//! of folders, and with them of people, stay out.

use std::path::Path;
use std::time::SystemTime;

use serde::Serialize;

use super::{Block, utc};
use crate::gpu::GpuCaps;
use crate::metrics::Report;
use crate::system::Reading;

/// A [`Report`] with what one needs to make sense of it elsewhere. Fields are a contract, as the report's.
#[derive(Clone, Debug, Serialize)]
pub struct Document {
    #[serde(flatten)]
    pub report: Report,
    /// Whether frames were taken when they were due, not as fast as possible.
    pub paced: bool,
    /// When the report was made, UTC.
    pub made: String,
    pub machine: Machine,
    /// What the sensors said at the end of the run.
    pub system: Reading,
    /// Stretches of the run in order of time; of the last seconds of it where it was long.
    pub blocks: Vec<Block>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    pub os: &'static str,
    pub arch: &'static str,
    /// Processors that this program may use.
    pub cores: usize,
    pub gpu: Option<GpuCaps>,
}

impl Document {
    pub fn new(report: Report, paced: bool, gpu: Option<&GpuCaps>, system: Reading, blocks: Vec<Block>) -> Self {
        Self {
            report: nameless(report),
            paced,
            made: utc(SystemTime::now()),
            machine: Machine {
                os: std::env::consts::OS,
                arch: std::env::consts::ARCH,
                cores: std::thread::available_parallelism().map_or(1, usize::from),
                gpu: gpu.cloned(),
            },
            system,
            blocks,
        }
    }
}

/// Paths of sources and networks become the names of their files.
fn nameless(mut report: Report) -> Report {
    let subject = &mut report.subject;
    subject.source = file_name(&subject.source);
    subject.effect = file_name(&subject.effect);
    subject.why = without_home(&subject.why);
    for hitch in &mut report.hitches {
        hitch.effect = file_name(&hitch.effect);
    }
    for run in &mut report.runs {
        run.effect = file_name(&run.effect);
    }
    report
}

/// What follows the last separator of either kind.
fn file_name(text: &str) -> String {
    text.rsplit(['/', '\\']).next().unwrap_or(text).to_owned()
}

/// `~` for the user's folder, wherever it is named.
pub fn without_home(text: &str) -> String {
    let home = directories::BaseDirs::new().map(|base| base.home_dir().to_owned());
    match home.as_deref().and_then(Path::to_str).filter(|home| home.len() > 1) {
        Some(home) => text.replace(home, "~"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_stay_out() {
        assert_eq!(file_name("/home/anna/clips/cat.y4m"), "cat.y4m");
        assert_eq!(file_name(r"C:\Users\anna\cat.y4m"), "cat.y4m");
        assert_eq!(file_name("camera:1"), "camera:1");
        if let Some(base) = directories::BaseDirs::new() {
            let text = format!("found in {}/x", base.home_dir().display());
            assert_eq!(without_home(&text), "found in ~/x");
        }
    }
}
