//! Stills and reports: gathered on the event loop, written on a thread, and told of when they are there.

use std::path::PathBuf;
use std::time::Instant;

use image::RgbaImage;

use super::{App, Wake};
use crate::cli::CliError;
use crate::fault::Fault;
use crate::output;
use crate::pipeline::{PendingPicture, PipelineError};
use crate::ui::Kept;

impl App {
    /// Gathers the figures and writes them: report, frames and trace.
    pub(super) fn save_report(&mut self, now: Instant) {
        let (run_export, folder) = (self.session.run_export(now), self.preferences.place(Kept::Reports));
        self.save("report", now, move || Ok(run_export.write_all(&folder.path())?));
    }

    /// Asks for the picture, and waits for it and writes it on a thread.
    pub(super) fn save_still(&mut self, now: Instant) {
        match self.pending_still() {
            Ok(still) => self.save_pictures(vec![still], now),
            Err(fault) => self.session.tell(fault, now),
        }
    }

    /// Begins to count down to so many pictures, or ends that before its time.
    pub(super) fn begin_countdown(&mut self, pictures: u32, now: Instant) {
        self.strip.clear();
        self.countdown.toggle(pictures, now);
    }

    /// A picture that was counted down to, with so many to come after it: one alone, or on a strip with those before it.
    pub(super) fn take_still(&mut self, more: u32, now: Instant) {
        match self.pending_still() {
            Ok(still) => self.strip.push(still),
            Err(fault) => self.session.tell(fault, now),
        }
        if more == 0 && !self.strip.is_empty() {
            let strip = std::mem::take(&mut self.strip);
            self.save_pictures(strip, now);
        }
    }

    fn pending_still(&mut self) -> Result<PendingStill, Fault> {
        let painted = self.session.still()?;
        let original = self.stills.original_beside.then(|| self.session.original_still()).transpose()?;
        Ok(PendingStill { painted, original })
    }

    /// Waits for pictures, puts them on a strip where there are several, and writes them, on a thread.
    fn save_pictures(&mut self, stills: Vec<PendingStill>, now: Instant) {
        let (format, folder) = (self.stills.format, self.preferences.place(Kept::Pictures));
        self.save("still", now, move || {
            let mut pictures = stills.into_iter().map(PendingStill::wait).collect::<Result<Vec<_>, _>>()?;
            let picture = match pictures.len() {
                1 => pictures.remove(0),
                _ => output::strip(&pictures),
            };
            Ok(output::save_new(&folder.path(), &picture, format)?)
        });
    }

    /// Writes on a thread, and tells of it when it is done.
    pub(super) fn save(
        &mut self,
        name: &str,
        now: Instant,
        write: impl FnOnce() -> Result<PathBuf, CliError> + Send + 'static,
    ) {
        let proxy = self.proxy.clone();
        let writing = self.threads.start(name, move || {
            let saved = write().map_err(|e| crate::cli::describe(e.as_ref()).replace("error: ", ""));
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

/// A picture that is on its way, and the camera's own where it is to lie beside it.
pub(super) struct PendingStill {
    painted: PendingPicture,
    original: Option<PendingPicture>,
}

impl PendingStill {
    fn wait(self) -> Result<RgbaImage, PipelineError> {
        let original = self.original.map(PendingPicture::wait).transpose()?;
        let painted = self.painted.wait()?;
        Ok(original.map_or_else(|| painted.clone(), |original| output::beside(&original, &painted)))
    }
}
