//! Stills and reports: gathered on the event loop, written on a thread, and told of when they are there.

use std::path::{Path, PathBuf};
use std::time::Instant;

use directories::UserDirs;

use super::{App, Wake};
use crate::fault::Fault;
use crate::output::{self, OutputError};

impl App {
    /// Gathers the figures and writes them: report, frames and trace.
    pub(super) fn save_report(&mut self, now: Instant) {
        let run_export = self.session.run_export(now);
        self.save("report", now, move || run_export.write_all(&folder(UserDirs::document_dir)));
    }

    /// Reads the picture and writes it.
    pub(super) fn save_still(&mut self, now: Instant) {
        match self.session.still() {
            Ok(picture) => {
                self.save("still", now, move || output::save_new(&folder(UserDirs::picture_dir), &picture));
            }
            Err(fault) => self.session.tell(fault, now),
        }
    }

    fn save(
        &mut self,
        name: &str,
        now: Instant,
        write: impl FnOnce() -> Result<PathBuf, OutputError> + Send + 'static,
    ) {
        let proxy = self.proxy.clone();
        let writing = self.threads.start(name, move || {
            let saved = write().map_err(|e| crate::cli::describe(&e).replace("error: ", ""));
            let _ = proxy.send_event(Wake::Saved(saved));
        });
        if let Err(fault) = writing {
            self.session.tell(fault, now);
        }
    }

    /// A file is there, or could not be written.
    pub(super) fn tell_saved(&mut self, saved: Result<PathBuf, String>, now: Instant) {
        let fault = match saved {
            Ok(path) => Fault::notice(format!("Saved {}", path.display()), ""),
            Err(what) => Fault::failed(format!("It was not saved: {what}"), ""),
        };
        self.session.tell(fault, now);
    }
}

/// One of the user's folders, else the current one.
fn folder(of: impl FnOnce(&UserDirs) -> Option<&Path>) -> PathBuf {
    let user = UserDirs::new();
    let folder = user.as_ref().and_then(of).filter(|p| p.is_dir());
    folder.map_or_else(|| std::env::current_dir().unwrap_or_default(), Path::to_owned)
}
