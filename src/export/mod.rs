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
use std::time::{Duration, SystemTime};

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
    let [year, month, day, hour, minute, second] = civil(at);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A moment as it stands in names of files: `20261122-210509`, UTC.
pub fn utc_for_names(at: SystemTime) -> String {
    let [year, month, day, hour, minute, second] = civil(at);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

/// Year, month, day, hour, minute, second; the days by Howard Hinnant's `civil_from_days`. Moments before 1970 are its
/// beginning.
fn civil(at: SystemTime) -> [u64; 6] {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let of_day = seconds % 86_400;
    [year, month, day, of_day / 3600, of_day / 60 % 60, of_day % 60]
}

#[cfg(test)]
mod tests {
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
