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

/// Folders that may hold what `cargo xtask setup --onnxruntime` fetched, best first: the platform's folder for caches, and, where the home
/// folder that the environment names does not exist, as for many services, that of the user's entry in the system's list.
pub fn caches() -> Vec<PathBuf> {
    let named = directories::BaseDirs::new().map(|base| base.cache_dir().join("impasto"));
    let listed = (!std::env::home_dir().is_some_and(|home| home.is_dir())).then(listed_home).flatten();
    named.into_iter().chain(listed.map(|home| home.join(".cache/impasto"))).collect()
}

/// The home folder in `/etc/passwd`.
#[cfg(target_os = "linux")]
fn listed_home() -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt as _;
    let user = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let list = std::fs::read_to_string("/etc/passwd").ok()?;
    // Name, password, user, group, comment, home, shell.
    let fields =
        list.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|f| f.get(2) == Some(&user.as_str()))?;
    fields.get(5).map(PathBuf::from).filter(|home| home.is_absolute())
}

#[cfg(not(target_os = "linux"))]
fn listed_home() -> Option<PathBuf> {
    None
}
