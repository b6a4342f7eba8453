//! Who takes the picture beside the window: a recording, the last ten seconds, a stream, a virtual camera. Begun and ended here, tapped by
//! [`super::tap`]; the window's title says so for as long as it lasts.

use std::path::Path;
use std::time::Instant;

use super::App;
use super::tap::{Sent, Takers, Tap, recorded_extent};
use crate::cli::AUTO;
use crate::fault::Fault;
use crate::output::{Recording, Replay, VirtualCamera};
use crate::ui::Kept;

/// The virtual camera of that name, or the first that is free.
///
/// # Errors
/// When there is none, or it cannot be had.
pub(super) fn open_camera(device: &Path) -> Result<VirtualCamera, Fault> {
    let named = (device != Path::new(AUTO)).then_some(device);
    VirtualCamera::open(named).map_err(|error| Fault::failed(format!("No virtual camera: {error}"), ""))
}

impl App {
    /// Begins a recording into the folder for videos, or ends the one that runs.
    pub(super) fn toggle_recording(&mut self, now: Instant) {
        if self.recording.is_some() {
            return self.end_recording(now);
        }
        match Recording::begin(&self.preferences.place(Kept::Recordings).path()) {
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
                replay: self.replay.as_ref(),
                stream: self.stream.as_ref(),
                camera: self.sent.as_ref(),
            });
        }
        if let Some(why) = self.replay.as_ref().and_then(|replay| replay.state().failed) {
            let what = format!("The last ten seconds are not kept: {why}");
            self.session.tell(Fault::failed(what, ""), now);
            self.replay = None;
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
        Takers {
            recording: self.recording.as_ref(),
            replay: self.replay.as_ref(),
            stream: self.stream.as_ref(),
            camera: self.sent.as_ref(),
        }
    }

    /// Keeps the last ten seconds from now on, or forgets them.
    pub(super) fn toggle_replay(&mut self, now: Instant) {
        if self.replay.is_none() {
            return self.begin_replay(now);
        }
        self.forget_replay();
    }

    /// Keeps nothing any more. The encoder's end is waited for on a thread.
    fn forget_replay(&mut self) {
        if let Some(replay) = self.replay.take() {
            self.threads.attempt("replay closing", move || drop(replay));
        }
    }

    fn begin_replay(&mut self, now: Instant) {
        match Replay::begin() {
            Ok(replay) => {
                let what = "The last ten seconds are kept in memory from now on";
                self.session.tell(Fault::notice(what, "L saves them, X forgets them"), now);
                self.replay = Some(replay);
            }
            Err(error) => self.session.tell(Fault::failed(format!("Nothing is kept: {error}"), ""), now),
        }
    }

    /// Writes the last ten seconds into the folder for videos; begins to keep them where that was not done yet.
    pub(super) fn save_replay(&mut self, now: Instant) {
        let Some(replay) = &self.replay else { return self.begin_replay(now) };
        match replay.moments() {
            Ok(moments) => {
                let folder = self.preferences.place(Kept::Recordings);
                self.save("replay", now, move || Ok(moments.save(&folder.path())?));
            }
            Err(_) => self.session.tell(Fault::notice("There is nothing to save yet", ""), now),
        }
    }

    /// Records, keeps, sends and serves nothing any more.
    pub(super) fn stop_all(&mut self, now: Instant) {
        let any = self.takers().any();
        self.end_recording(now);
        self.forget_replay();
        (self.sent, self.stream) = (None, None);
        self.title();
        let what = if any { "Nothing is recorded or sent any more" } else { "Nothing was recorded or sent" };
        self.session.tell(Fault::notice(what, ""), now);
    }

    /// Begins to be a camera for other programs, or ends it.
    pub(super) fn toggle_camera(&mut self, now: Instant) {
        if self.sent.take().is_none() {
            match open_camera(Path::new(AUTO)) {
                Ok(camera) => self.send(camera, now),
                Err(fault) => self.session.tell(fault, now),
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
            window.set_title(match (takers.recording, takers.leave()) {
                (Some(_), _) => "Impasto \u{25cf} recording",
                (None, true) => "Impasto \u{25cf} streaming",
                (None, false) => "Impasto",
            });
        }
    }
}
