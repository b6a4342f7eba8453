//! What leaves the program for other tools, only when asked: reports to share, files that spreadsheets and trace viewers
//! open, and, where the user turned it on, figures to an address of the user's. Reports of crashes leave nothing but the
//! process: they stay on this machine.
//!
//! Everything here works on settled figures of [`crate::metrics`] and never on frames. Knows nothing of windows.

mod blocks;
pub mod compare;
pub mod crash;
pub mod csv;
mod document;
mod endpoint;
#[cfg(target_os = "linux")]
mod native_crash;
pub mod otlp;
mod run_export;
#[cfg(test)]
mod samples;
pub mod trace;

use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

pub use blocks::{Block, StageMean, blocks};
pub use document::{Document, Machine, without_home};
pub use endpoint::Endpoint;
pub use run_export::{Circumstances, RunExport};

use crate::output::{AtomicFile, OutputError};

/// Writes a file that appears whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn save(path: &Path, fill: impl FnOnce(&mut AtomicFile) -> std::io::Result<()>) -> Result<(), OutputError> {
    filled(path, fill)?.commit()
}

/// A file that is complete but not yet in its place.
fn filled(path: &Path, fill: impl FnOnce(&mut AtomicFile) -> std::io::Result<()>) -> Result<AtomicFile, OutputError> {
    let mut file = AtomicFile::new(path)?;
    fill(&mut file).and_then(|()| file.flush()).map_err(|e| OutputError::write(path, e))?;
    Ok(file)
}

/// A moment as `2026-11-22T21:05:09Z`.
pub fn utc(at: SystemTime) -> String {
    moment(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A moment as it stands in names of files: `20261122-210509`, UTC.
pub fn utc_for_names(at: SystemTime) -> String {
    moment(at).strftime("%Y%m%d-%H%M%S").to_string()
}

/// What no calendar holds is its beginning.
fn moment(at: SystemTime) -> jiff::Timestamp {
    jiff::Timestamp::try_from(at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_are_dates() {
        let at = |seconds| utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(at(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(at(1_795_381_509), "2026-11-22T21:05:09Z");
        assert_eq!(at(4_102_444_800), "2100-01-01T00:00:00Z");
        assert_eq!(utc_for_names(SystemTime::UNIX_EPOCH), "19700101-000000");
    }
}
