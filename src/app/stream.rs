//! The source that is looked at: its thread, what is known of it, and counts that go on from one source to the next.
//! And the sources that there are to choose from.

use std::collections::BTreeMap;

use super::session::Waker;
use crate::clock::Clock;
use crate::frame::CameraFrame;
use crate::inject::Injector;
use crate::mailbox::MailboxCounts;
use crate::source::{Losses, Source, SourceEvent, SourceKind, SourceSpec, SourceThread, SourceWish, cameras};
use crate::ui::SourceEntry;

/// Frames of one source after the other, in one count.
pub(super) struct Stream {
    waker: Waker,
    /// How every source is opened: by one clock, with one count of ids.
    wish: SourceWish,
    thread: SourceThread,
    spec: SourceSpec,
    /// The source as it describes itself; empty until it is open.
    name: String,
    /// Whether the source that was opened last is a camera.
    camera: bool,
    /// Its number then.
    number: Option<u32>,
    /// Whether it is one picture that does not change.
    still: bool,
    resting: bool,
    /// Of the sources before this one.
    before: MailboxCounts,
    lost_before: Losses,
    entries: Vec<SourceEntry>,
}

impl Stream {
    /// Starts the source at once. `camera_modes`: the modes that were chosen, by the cameras' names. `injector` may make it
    /// stall.
    pub fn start(
        spec: SourceSpec,
        camera_modes: BTreeMap<String, String>,
        waker: Waker,
        clock: Clock,
        injector: Option<&Injector>,
    ) -> Self {
        let mut entries = vec![SourceEntry { spec: "demo".to_owned(), title: "Demo scene".to_owned() }];
        entries.splice(0..0, file_entry(&spec));
        let wish = SourceWish { clock, camera_modes, ..SourceWish::default() };
        let thread = spawn(&spec, &wish, &waker, injector);
        let before = MailboxCounts::default();
        let lost_before = Losses::default();
        Self {
            waker,
            wish,
            thread,
            spec,
            name: String::new(),
            camera: false,
            number: None,
            still: false,
            resting: false,
            before,
            lost_before,
            entries,
        }
    }

    /// Another source from now on. Ids and counts go on.
    pub fn replace(&mut self, spec: SourceSpec, injector: Option<&Injector>) {
        self.before = self.counts();
        self.lost_before = self.losses();
        let new = spawn(&spec, &self.wish, &self.waker, injector);
        let old = std::mem::replace(&mut self.thread, new);
        // Giving a camera back can take a second: not here.
        let closing = std::thread::Builder::new().name("source closing".into()).spawn(move || drop(old));
        if let Err(error) = closing {
            log::warn!("the old source was closed on the event loop: {error}");
        }
        self.spec = spec;
        (self.still, self.resting) = (false, false);
        self.name.clear();
    }

    /// The next thing that the source has to say, if there is one. What is known of the source follows it.
    pub fn event(&mut self) -> Option<SourceEvent> {
        let event = self.thread.events().next()?;
        if let SourceEvent::Opened(info) = &event {
            log::info!("source: {} ({})", info.name, info.detail);
            self.name.clone_from(&info.name);
            self.camera = info.kind == SourceKind::Camera;
            self.number = info.camera;
            self.still = info.is_still();
            if self.spec == SourceSpec::Auto && info.kind == SourceKind::Demo {
                self.spec = SourceSpec::Demo;
            }
        }
        Some(event)
    }

    /// Frames of all sources so far, and how many of them nobody took.
    pub fn counts(&self) -> MailboxCounts {
        let MailboxCounts { put, dropped } = self.thread.latest().counts();
        MailboxCounts { put: self.before.put + put, dropped: self.before.dropped + dropped }
    }

    /// What all sources so far had and did not deliver.
    pub fn losses(&self) -> Losses {
        self.lost_before + self.thread.losses()
    }

    /// The newest frame, if it was not taken before. Never waits.
    pub fn take(&self) -> Option<CameraFrame> {
        self.thread.latest().take()
    }

    pub fn spec(&self) -> &SourceSpec {
        &self.spec
    }

    /// What it is called in a sentence.
    pub fn title(&self) -> &str {
        if self.name.is_empty() { "The source" } else { &self.name }
    }

    /// Whether the source is open.
    pub fn is_open(&self) -> bool {
        !self.name.is_empty()
    }

    /// Whether the source that was opened last is a camera.
    pub fn is_camera(&self) -> bool {
        self.camera
    }

    /// Whether the source that was opened last is one picture that does not change.
    pub fn is_still(&self) -> bool {
        self.still
    }

    /// Fetches no more frames until told otherwise.
    pub fn rest(&mut self, resting: bool) {
        if std::mem::replace(&mut self.resting, resting) != resting {
            self.thread.rest(resting);
        }
    }

    /// The number of the camera that was opened last; `None` where it is none.
    pub fn camera(&self) -> Option<u32> {
        self.number.filter(|_| self.camera)
    }

    /// The modes that were chosen, by the cameras' names.
    pub fn modes(&self) -> &BTreeMap<String, String> {
        &self.wish.camera_modes
    }

    /// For when the camera of that name is opened next.
    pub fn set_mode(&mut self, name: &str, mode: Option<String>) {
        match mode {
            Some(mode) => drop(self.wish.camera_modes.insert(name.to_owned(), mode)),
            None => drop(self.wish.camera_modes.remove(name)),
        }
    }

    /// A file to choose again.
    pub fn add_file(&mut self, spec: &str) {
        let known = self.entries.iter().any(|entry| entry.spec == spec);
        if let Some(entry) = SourceSpec::parse(spec).ok().as_ref().and_then(file_entry).filter(|_| !known) {
            self.entries.push(entry);
        }
    }

    /// The sources to choose from.
    pub fn entries(&self) -> &[SourceEntry] {
        &self.entries
    }

    /// These can be chosen too, before all others.
    pub fn add_entries(&mut self, first: Vec<SourceEntry>) {
        self.entries.splice(0..0, first);
    }
}

/// A file among the sources.
fn file_entry(spec: &SourceSpec) -> Option<SourceEntry> {
    let SourceSpec::File(path) = spec else { return None };
    let title = path.file_name().map_or_else(|| spec.to_string(), |n| n.to_string_lossy().into_owned());
    Some(SourceEntry { spec: spec.to_string(), title })
}

fn spawn(spec: &SourceSpec, wish: &SourceWish, waker: &Waker, injector: Option<&Injector>) -> SourceThread {
    let waker = waker.clone();
    let (spec, wish) = (spec.clone(), wish.clone());
    match injector.and_then(Injector::stalling) {
        None => SourceThread::spawn(spec, wish, move || waker()),
        Some(stalling) => {
            let each = move |source, wish: &SourceWish| Box::new(stalling(source, wish)) as Box<dyn Source>;
            SourceThread::spawn_each(spec, wish, each, move || waker())
        }
    }
}

/// The cameras that are there. Asks the system, which can take a moment.
pub(super) fn list_cameras() -> Vec<SourceEntry> {
    let listed = cameras().unwrap_or_else(|error| {
        log::warn!("the cameras could not be listed: {error}");
        Vec::new()
    });
    listed.into_iter().map(|c| SourceEntry { spec: format!("camera:{}", c.index), title: c.name }).collect()
}
