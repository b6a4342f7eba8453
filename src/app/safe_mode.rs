//! Safe mode: a graphics driver that took the program down twice before there was a picture is passed over the third time.

use std::path::PathBuf;

use crate::fault::Fault;
use crate::folders;

/// Starts that end before the first picture before the driver is passed over.
const PATIENCE: u32 = 2;
/// Holds their number while a start is under way, and after one that did not come to its end.
const FILE: &str = "unfinished-starts";

/// One start of the window, from `main` to the first picture.
///
/// Whatever ends in an orderly way, with an error or a panic too, ends the attempt: only a process that dies leaves its mark.
#[derive(Debug)]
pub struct Attempt {
    mark: Option<PathBuf>,
    /// Starts before this one that died, one after the other.
    died: u32,
}

impl Attempt {
    /// Leaves the mark, in the folder for what this machine alone keeps.
    pub fn begin() -> Self {
        Self::marked(folders::local_folder())
    }

    fn marked(folder: Option<PathBuf>) -> Self {
        let mark = folder.map(|folder| folder.join(FILE));
        let died: u32 =
            mark.as_ref().and_then(|mark| std::fs::read_to_string(mark).ok()?.trim().parse().ok()).unwrap_or(0);
        let mark = mark.filter(|mark| {
            // Where nothing can be written, nothing is remembered, and every start is the first.
            mark.parent().is_some_and(|folder| std::fs::create_dir_all(folder).is_ok())
                && std::fs::write(mark, died.saturating_add(1).to_string()).is_ok()
        });
        Self { mark, died }
    }

    /// Whether the graphics driver is passed over.
    pub fn is_safe(&self) -> bool {
        self.died >= PATIENCE
    }

    /// What has to stand in the environment, before there is a thread, so that the driver is not even loaded.
    pub fn environment(&self) -> &'static [(&'static str, &'static str)] {
        let linux = cfg!(target_os = "linux");
        if self.is_safe() && linux {
            &[("VK_LOADER_DRIVERS_SELECT", "*lvp*"), ("LIBGL_ALWAYS_SOFTWARE", "1")]
        } else {
            &[]
        }
    }

    /// What the user is told.
    pub fn notice(&self) -> Option<Fault> {
        self.is_safe().then(|| {
            Fault::notice(
                "Twice the program broke down before there was a picture, so the graphics driver is passed over: everything \
                 runs on the processor",
                "The next start tries it again; a newer driver may help",
            )
        })
    }

    /// There is a picture, or an orderly end.
    pub fn succeeded(&mut self) {
        if let Some(mark) = self.mark.take() {
            // If it stays, the next start is counted once too often.
            let _ = std::fs::remove_file(mark);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.succeeded();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As when the process dies.
    fn dies(attempt: Attempt) {
        let _attempt = std::mem::ManuallyDrop::new(attempt);
    }

    #[test]
    fn the_third_start_is_safe_and_the_fourth_tries_again() {
        let folder = tempfile::tempdir().unwrap();
        let start = || Attempt::marked(Some(folder.path().join("deeper")));
        for _ in 0..PATIENCE {
            let attempt = start();
            assert!(!attempt.is_safe() && attempt.environment().is_empty() && attempt.notice().is_none());
            dies(attempt);
        }
        let mut third = start();
        assert!(third.is_safe() && third.notice().is_some());
        assert_eq!(third.environment().is_empty(), !cfg!(target_os = "linux"));
        third.succeeded();
        dies(third);
        assert!(!start().is_safe());
    }

    #[test]
    fn an_orderly_end_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let start = || Attempt::marked(Some(folder.path().to_owned()));
        dies(start());
        drop(start());
        dies(start());
        assert!(!start().is_safe());
    }

    #[test]
    fn what_cannot_be_written_or_read_is_a_first_start() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "nonsense").unwrap();
        assert!(!Attempt::marked(Some(folder.path().to_owned())).is_safe());
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(Attempt::marked(Some(file)).mark.is_none());
        assert!(!Attempt::marked(None).is_safe());
    }
}
