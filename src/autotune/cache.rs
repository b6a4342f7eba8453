//! Timings on disc, one file for all machines that this user's folder serves.

use std::path::PathBuf;

use super::{Machine, Timings};
use crate::output;

/// The file's `schema`. One of another schema is timed anew.
pub const SCHEMA: &str = "impasto.autotune/1";
const FILE: &str = "autotune.json";
/// Larger files were not written by this program.
const MOST_BYTES: u64 = 1 << 20;
/// Machines kept: a laptop with and without its dock, and drivers before an update.
const MOST_MACHINES: usize = 8;

#[derive(serde::Serialize, serde::Deserialize)]
struct File {
    schema: String,
    /// The newest last.
    machines: Vec<Timings>,
}

/// Where timings are kept.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// In `folder`, which is made when something is to be kept.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// In `$IMPASTO_CACHE`, else in the user's cache folder; `None` where the system has no such thing.
    pub fn of_user() -> Option<Self> {
        let named = std::env::var_os("IMPASTO_CACHE").filter(|v| !v.is_empty()).map(PathBuf::from);
        let folder = named.or_else(|| Some(directories::BaseDirs::new()?.cache_dir().join("impasto")));
        folder.map(Self::new)
    }

    /// What is known of this machine, and, when nothing is, the reason: one clause.
    pub fn load(&self, machine: &Machine) -> (Timings, Option<String>) {
        let none = |why: String| (Timings::new(machine.clone()), Some(why));
        match self.read() {
            Err(why) => none(why),
            Ok(file) => match file.machines.into_iter().rev().find(|c| c.machine == *machine) {
                Some(known) => (known, None),
                None => {
                    none("the device, its driver, ONNX Runtime or this program is another one than before".to_owned())
                }
            },
        }
    }

    fn read(&self) -> Result<File, String> {
        let path = self.folder.join(FILE);
        let size = match std::fs::metadata(&path) {
            Ok(meta) => meta.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err("nothing was timed before".to_owned());
            }
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        };
        if size > MOST_BYTES {
            return Err(format!("{} is {size} bytes, and at most {MOST_BYTES} are accepted", path.display()));
        }
        let text = std::fs::read(&path).map_err(|e| format!("{} cannot be read: {e}", path.display()))?;
        let file: File = serde_json::from_slice(&text).map_err(|e| format!("{} is damaged: {e}", path.display()))?;
        if file.schema != SCHEMA {
            return Err(format!("{} is of another version ({})", path.display(), file.schema));
        }
        let sound = |c: &Timings| c.timings.iter().all(|t| t.ms.is_none_or(|ms| ms.is_finite() && ms > 0.0));
        if !file.machines.iter().all(sound) {
            return Err(format!("{} is damaged: a time is none", path.display()));
        }
        Ok(file)
    }

    /// Keeps it for the next start.
    ///
    /// # Errors
    /// When the file cannot be written; says what and why.
    pub fn save(&self, timings: &Timings) -> Result<(), String> {
        let mut machines = self.read().map(|file| file.machines).unwrap_or_default();
        machines.retain(|known| known.machine != timings.machine);
        machines.push(timings.clone());
        let extra = machines.len().saturating_sub(MOST_MACHINES);
        machines.drain(..extra);
        let file = File { schema: SCHEMA.to_owned(), machines };
        let mut text = serde_json::to_string_pretty(&file).map_err(|e| e.to_string())?;
        text.push('\n');
        let path = self.folder.join(FILE);
        let write = || {
            std::fs::create_dir_all(&self.folder)?;
            output::write_whole(&path, text.as_bytes()).map_err(std::io::Error::other)
        };
        write().map_err(|e| format!("{} cannot be written: {e}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autotune::Timing;
    use crate::nn::engines::Engine;

    fn machine(driver: &str) -> Machine {
        Machine { device: "Radeon (vulkan)".into(), driver: driver.into(), threads: 4, ..Machine::default() }
    }

    fn timed(driver: &str, ms: f64) -> Timings {
        let mut all = Timings::new(machine(driver));
        all.put(Timing {
            engine: Engine::Wgpu,
            model: "ab12".into(),
            pixels: 61_440,
            network: "paintings s".into(),
            width: 320,
            height: 192,
            ms: Some(ms),
            runs: 5,
            note: None,
        });
        all
    }

    #[test]
    fn what_was_timed_is_there_again_for_that_machine_alone() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("deep"));
        let (empty, why) = cache.load(&machine("1"));
        assert!(empty.timings.is_empty() && why.unwrap().contains("nothing was timed before"));
        cache.save(&timed("1", 3.0)).unwrap();
        cache.save(&timed("2", 4.0)).unwrap();
        cache.save(&timed("1", 5.0)).unwrap();
        assert_eq!(cache.load(&machine("1")), (timed("1", 5.0), None));
        assert_eq!(cache.load(&machine("2")), (timed("2", 4.0), None));
        assert!(cache.load(&machine("3")).1.unwrap().contains("another one than before"));
        for driver in 10..30 {
            cache.save(&timed(&driver.to_string(), 1.0)).unwrap();
        }
        assert!(cache.load(&machine("1")).1.is_some(), "old machines are forgotten");
    }

    #[test]
    fn a_damaged_file_is_timed_anew_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().to_owned());
        cache.save(&timed("1", 3.0)).unwrap();
        let path = folder.path().join(FILE);
        let good = std::fs::read_to_string(&path).unwrap();
        for (bad, part) in [
            (good[..good.len() / 2].to_owned(), "is damaged"),
            (good.replace("autotune/1", "autotune/9"), "another version"),
            (good.replace("3.0", "-3.0"), "a time is none"),
            (String::new(), "is damaged"),
            ("x".repeat(2 << 20), "at most"),
        ] {
            std::fs::write(&path, bad).unwrap();
            let (none, why) = cache.load(&machine("1"));
            assert!(none.timings.is_empty());
            assert!(why.as_ref().unwrap().contains(part), "{why:?}");
            cache.save(&timed("1", 4.0)).unwrap();
            assert_eq!(cache.load(&machine("1")).0, timed("1", 4.0));
        }
    }
}
