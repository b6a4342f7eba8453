//! Stills and reports: gathered on the event loop, written on a thread, and told of when they are there.

use std::path::{Path, PathBuf};
use std::time::Instant;

use directories::UserDirs;

use super::tap::{Sent, Takers, Tap, recorded_extent};
use super::{App, Wake};
use crate::cli::CliError;
use crate::fault::Fault;
use crate::output::{self, Recording, VirtualCamera};

impl App {
    /// Gathers the figures and writes them: report, frames and trace.
    pub(super) fn save_report(&mut self, now: Instant) {
        let run_export = self.session.run_export(now);
        self.save("report", now, move || Ok(run_export.write_all(&folder(UserDirs::document_dir, "Documents"))?));
    }

    /// Asks for the picture, and waits for it and writes it on a thread.
    pub(super) fn save_still(&mut self, now: Instant) {
        match self.session.still() {
            Ok(picture) => self.save("still", now, move || {
                Ok(output::save_new(&folder(UserDirs::picture_dir, "Pictures"), &picture.wait()?)?)
            }),
            Err(fault) => self.session.tell(fault, now),
        }
    }

    /// Begins a recording into the folder for videos, or ends the one that runs.
    pub(super) fn toggle_recording(&mut self, now: Instant) {
        if self.recording.is_some() {
            return self.end_recording(now);
        }
        match Recording::begin(&folder(UserDirs::video_dir, "Videos")) {
            Ok(recording) => {
                self.recording = Some(recording);
                self.title();
            }
            Err(error) => self.session.tell(Fault::failed(format!("Nothing is recorded: {error}"), ""), now),
        }
    }

    /// Ends the recording, if there is one, on a thread: the encoder may be behind.
    pub(super) fn end_recording(&mut self, now: Instant) {
        let Some(recording) = self.recording.take() else { return };
        self.title();
        self.save("recording", now, move || Ok(recording.finish()?.path));
    }

    /// Hands the pictures that came back to the recording, and looks whether it is still there.
    pub(super) fn bring_back(&mut self, now: Instant) {
        self.tap(now);
        if let Some(tap) = &mut self.tap {
            tap.drain(Takers {
                recording: self.recording.as_ref(),
                stream: self.stream.as_ref(),
                camera: self.sent.as_ref(),
            });
        }
        let Some(recording) = &self.recording else { return };
        let state = recording.state();
        if let Some(why) = state.failed {
            let what = format!("The recording ended: {why}");
            let remedy = if state.bytes > 0 {
                format!("What was recorded plays: {}", state.path.display())
            } else {
                String::new()
            };
            self.session.tell(Fault::failed(what, remedy), now);
            self.recording = None;
            self.title();
        }
    }

    /// Taps the pictures where somebody takes them, at the size of what is shown.
    pub(super) fn tap(&mut self, now: Instant) {
        if let Some(sent) = &mut self.sent
            && let Some(runtime) = self.session.runtime()
        {
            let taps = runtime.taps().clone();
            if let Err(fault) = sent.tap(&taps) {
                self.session.tell(fault, now);
            }
        }
        if !self.takers().exist() {
            self.tap = None;
            return;
        }
        let Some(runtime) = self.session.runtime() else { return };
        let Some(extent) = runtime.pipeline().map(|p| recorded_extent(p.shape().extent)) else { return };
        if self.tap.as_ref().is_some_and(|tap| tap.fits(extent)) {
            return;
        }
        let taps = runtime.taps().clone();
        // The old one ends before: it waits for what it still has to hand on.
        self.tap = None;
        match Tap::new(&taps, extent, self.waker.clone()) {
            Ok(tap) => self.tap = Some(tap),
            Err(fault) => self.session.tell(fault, now),
        }
    }

    /// Who takes the pictures.
    pub(super) fn takers(&self) -> Takers<'_> {
        Takers { recording: self.recording.as_ref(), stream: self.stream.as_ref(), camera: self.sent.as_ref() }
    }

    /// Begins to be a camera for other programs, or ends it.
    pub(super) fn toggle_camera(&mut self, now: Instant) {
        if self.sent.take().is_none() {
            match VirtualCamera::open(None) {
                Ok(camera) => self.send(camera, now),
                Err(error) => {
                    let what = format!("No virtual camera: {error}");
                    self.session.tell(Fault::failed(what, ""), now);
                }
            }
        }
        self.title();
    }

    /// Sends what is painted to `camera`, and says so.
    pub(super) fn send(&mut self, camera: VirtualCamera, now: Instant) {
        let path = camera.path().display().to_string();
        log::info!("the picture is sent to {path}");
        self.session.tell(Fault::notice(format!("Sent to the virtual camera {path}"), "C ends it"), now);
        self.sent = Some(Sent::new(camera));
    }

    /// The window's title says when something is recorded, or leaves the program.
    pub(super) fn title(&self) {
        if let Some(window) = &self.window {
            let takers = self.takers();
            window.set_title(match (takers.recording, takers.any()) {
                (Some(_), _) => "Impasto \u{25cf} recording",
                (None, true) => "Impasto \u{25cf} streaming",
                (None, false) => "Impasto",
            });
        }
    }

    fn save(&mut self, name: &str, now: Instant, write: impl FnOnce() -> Result<PathBuf, CliError> + Send + 'static) {
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

/// One of the user's folders, as the desktop names it, else that of its usual `name`, else the home folder, else the current one.
fn folder(of: impl FnOnce(&UserDirs) -> Option<&Path>, name: &str) -> PathBuf {
    let user = UserDirs::new();
    let named = user.as_ref().and_then(of).map(Path::to_owned);
    // A desktop that was never started has not said where its folders are.
    let home = user.as_ref().map(|user| user.home_dir().to_owned());
    let usual = home.as_ref().map(|home| home.join(name));
    let there = [named, usual, home].into_iter().flatten().find(|folder| folder.is_dir());
    there.unwrap_or_else(|| std::env::current_dir().unwrap_or_default())
}
