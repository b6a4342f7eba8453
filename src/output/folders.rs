//! Where the program keeps files of its own on this machine: what the user chose, and what stays here.

use std::path::PathBuf;

/// Names one folder for both, for tests and for those who want it elsewhere.
pub const FOLDER_VARIABLE: &str = "IMPASTO_CONFIG";

/// The folder that holds the settings: [`FOLDER_VARIABLE`], else the platform's folder for settings. `None` where there is
/// neither, as for a user without a home: then nothing is remembered.
pub fn config_folder() -> Option<PathBuf> {
    named().or_else(|| directories::BaseDirs::new().map(|base| base.config_dir().join("impasto")))
}

/// The folder for what this machine alone keeps, such as crash reports: [`FOLDER_VARIABLE`], else the platform's folder for
/// local data.
pub fn local_folder() -> Option<PathBuf> {
    named().or_else(|| directories::BaseDirs::new().map(|base| base.data_local_dir().join("impasto")))
}

fn named() -> Option<PathBuf> {
    std::env::var_os(FOLDER_VARIABLE).filter(|v| !v.is_empty()).map(Into::into)
}
