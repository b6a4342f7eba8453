//! Reports of crashes: written to a folder of this machine, announced at the next start, sent nowhere.
//!
//! While the program runs, a black box holds what a report needs: what paints and with which network, what the sensors said,
//! and the frames of the last ten seconds. It is one fixed piece of memory; noting a frame allocates nothing. A panic on any
//! thread, and a GPU that is lost, write it out as JSON: a whole file or none. Whoever panics may hold the black box itself:
//! the report then says that it was busy, instead of waiting for a thread that will never let go. Making a backtrace
//! allocates, which nothing here can help; a process that is out of memory leaves no report.
//!
//! Reports hold no frames, no names of folders and nothing about the user but the machine's parts.

use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, TryLockError};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::{utc, utc_for_names, without_home};
use crate::fault::Fault;
use crate::metrics::{Bottleneck, FrameCost, Meter, Stage, Subject};
use crate::output::AtomicFile;
use crate::system::Reading;
use crate::terminal::say;
use crate::units::FrameId;

pub const SCHEMA: &str = "impasto.crash/1";
/// How far back the frames reach.
const HISTORY: Duration = Duration::from_secs(10);
/// Frames held at most: ten seconds at 100 Hz.
const MOST_FRAMES: usize = 1024;
/// Reports kept in the folder; older ones are deleted.
const MOST_REPORTS: usize = 10;
/// Reports of one run: what panics again and again says the same each time.
const MOST_OF_A_RUN: u32 = 3;
/// Memory for a report, taken beforehand: more than one has ever needed.
const ROOM: usize = 512 * 1024;
pub(super) const PREFIX: &str = "crash-";
/// How the name of a report ends that has not been announced yet.
pub(super) const NEW: &str = ".new.json";

static BLACK_BOX: OnceLock<BlackBox> = OnceLock::new();

struct BlackBox {
    folder: PathBuf,
    started: Instant,
    written: AtomicU32,
    state: Mutex<State>,
}

struct State {
    frames: Box<[Frame]>,
    /// Where the next frame goes; the oldest is there once the ring is full.
    next: usize,
    newest: Option<FrameId>,
    subject: Subject,
    /// Names of network files and their SHA-256 sums.
    models: Vec<Model>,
    reading: Reading,
    room: Vec<u8>,
}

/// One frame, as small as it can be.
#[derive(Clone, Copy)]
struct Frame {
    id: u64,
    presented: Option<Instant>,
    total_ms: f32,
    overrun_ms: f32,
    bound_by: Option<Bottleneck>,
    /// Not a number where not measured.
    stages_ms: [f32; Stage::COUNT],
}

impl Frame {
    const NONE: Self = Self {
        id: 0,
        presented: None,
        total_ms: 0.0,
        overrun_ms: 0.0,
        bound_by: None,
        stages_ms: [f32::NAN; Stage::COUNT],
    };

    fn new(cost: &FrameCost) -> Self {
        let ms = |d: Duration| d.as_secs_f32() * 1e3;
        Self {
            id: cost.stamp.id.0,
            presented: Some(cost.presented),
            total_ms: ms(cost.total),
            overrun_ms: cost.overrun,
            bound_by: cost.bottleneck,
            stages_ms: Stage::ALL.map(|stage| cost.stage(stage).map_or(f32::NAN, ms)),
        }
    }
}

/// A network file that the painting came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Model {
    pub file: String,
    pub sha256: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Panic,
    DeviceLost,
    Hang,
}

#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    version: &'static str,
    kind: Kind,
    made: &'a str,
    running_s: f64,
    message: &'a str,
    /// File, line and column.
    location: Option<&'a str>,
    thread: Option<&'a str>,
    os: &'static str,
    arch: &'static str,
    /// `null` when the black box was busy.
    #[serde(flatten)]
    held: Option<Held<'a>>,
    backtrace: Option<&'a str>,
}

#[derive(Serialize)]
struct Held<'a> {
    effect: &'a str,
    variant: &'a str,
    engine: &'a str,
    device: &'a str,
    student: [u32; 2],
    models: &'a [Model],
    system: Reading,
    /// Oldest first. `before_s` is how long before the report the frame was presented.
    frames: Frames<'a>,
}

struct Frames<'a> {
    ring: &'a [Frame],
    next: usize,
    now: Instant,
}

#[derive(Serialize)]
struct Row {
    frame: u64,
    before_s: f32,
    total_ms: f32,
    overrun_ms: f32,
    bound_by: Option<Bottleneck>,
    #[serde(flatten)]
    stages: Stages,
}

/// `null` where not measured.
struct Stages([f32; Stage::COUNT]);

impl Serialize for Stages {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Stage::ALL.iter().map(|s| (s.name(), Some(self.0[*s as usize]).filter(|v| !v.is_nan()))))
    }
}

impl Serialize for Frames<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (newer, older) = self.ring.split_at(self.next.min(self.ring.len()));
        serializer.collect_seq(older.iter().chain(newer).filter_map(|frame| {
            let before = self.now.saturating_duration_since(frame.presented?);
            (before <= HISTORY).then_some(Row {
                frame: frame.id,
                before_s: before.as_secs_f32(),
                total_ms: frame.total_ms,
                overrun_ms: frame.overrun_ms,
                bound_by: frame.bound_by,
                stages: Stages(frame.stages_ms),
            })
        }))
    }
}

/// Makes panics on any thread leave a report in `folder`, beside what they did before; on Linux crashes of native code too.
/// Once per process; without a folder, and the second time, nothing changes.
pub fn install(folder: Option<PathBuf>) {
    let Some(folder) = folder else { return };
    let state = State {
        frames: vec![Frame::NONE; MOST_FRAMES].into_boxed_slice(),
        next: 0,
        newest: None,
        subject: Subject::default(),
        models: Vec::new(),
        reading: Reading::default(),
        room: Vec::with_capacity(ROOM),
    };
    #[cfg(target_os = "linux")]
    super::native_crash::install(&folder);
    let black_box = BlackBox { folder, started: Instant::now(), written: AtomicU32::new(0), state: Mutex::new(state) };
    if BLACK_BOX.set(black_box).is_err() {
        return;
    }
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        if let Some(path) = panicked(panic) {
            // Whoever reads the panic's message in a terminal finds the report there too.
            say(format_args!("a report was written to {}; it is sent nowhere", path.display()));
        }
    }));
}

/// Where reports of crashes are kept on this machine.
pub fn folder() -> Option<PathBuf> {
    crate::folders::local_folder().map(|local| local.join("crashes"))
}

/// Notes the frames that `meter` settled since the last call. Allocates nothing, and waits for nobody.
pub fn follow(meter: &Meter) {
    with_state(|state| {
        let newest = state.newest;
        let new = meter.history().rev().take_while(|c| Some(c.stamp.id) != newest).count();
        state.newest = meter.history().next_back().map(|c| c.stamp.id);
        for cost in meter.history().skip(meter.history().len() - new) {
            state.frames[state.next] = Frame::new(cost);
            state.next = (state.next + 1) % state.frames.len();
        }
    });
}

/// What paints from now on, and with which networks.
pub fn paints(subject: &Subject, models: Vec<Model>) {
    let subject = subject.clone();
    with_state(move |state| {
        state.subject = subject;
        state.models = models;
    });
}

/// What the sensors said last.
pub fn sensed(reading: &Reading) {
    with_state(|state| state.reading = *reading);
}

/// What paints, for a report of native code; nothing where the black box is busy or there is none.
#[cfg(target_os = "linux")]
pub(super) fn with_subject(use_it: impl FnOnce(&Subject)) {
    with_state(|state| use_it(&state.subject));
}

fn with_state(change: impl FnOnce(&mut State)) {
    // Busy means that a report is being written: what comes now is not in it.
    if let Some(mut state) = BLACK_BOX.get().and_then(|b| b.state.try_lock().ok()) {
        change(&mut state);
    }
}

/// The GPU was taken away: writes a report. Waits for the disk. Returns the report's path.
pub fn device_lost(message: &str) -> Option<PathBuf> {
    let thread = std::thread::current();
    BLACK_BOX.get()?.write(Kind::DeviceLost, message, None, thread.name(), None)
}

/// A thread hangs, as `message` says: writes a report. Waits for the disk. Returns the report's path.
pub fn hang(message: &str, thread: &str) -> Option<PathBuf> {
    BLACK_BOX.get()?.write(Kind::Hang, message, None, Some(thread), None)
}

fn panicked(panic: &PanicHookInfo<'_>) -> Option<PathBuf> {
    let black_box = BLACK_BOX.get()?;
    let message = panic.payload_as_str().unwrap_or("(a panic without a message)");
    let location = panic.location().map(ToString::to_string);
    let backtrace = std::backtrace::Backtrace::force_capture().to_string();
    let thread = std::thread::current();
    black_box.write(Kind::Panic, message, location.as_deref(), thread.name(), Some(&backtrace))
}

impl BlackBox {
    fn write(
        &self,
        kind: Kind,
        message: &str,
        location: Option<&str>,
        thread: Option<&str>,
        backtrace: Option<&str>,
    ) -> Option<PathBuf> {
        let number = self.written.fetch_add(1, Ordering::AcqRel);
        if number >= MOST_OF_A_RUN {
            return None;
        }
        let now = Instant::now();
        let at = SystemTime::now();
        let made = utc(at);
        let message = without_home(message);
        let backtrace = backtrace.map(without_home);
        let mut report = Report {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            kind,
            made: &made,
            running_s: now.saturating_duration_since(self.started).as_secs_f64(),
            message: &message,
            location,
            thread,
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            held: None,
            backtrace: backtrace.as_deref(),
        };
        let mut state = match self.state.try_lock() {
            Ok(state) => Some(state),
            // A half-made note is better than none.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        let mut room = state.as_mut().map(|s| std::mem::take(&mut s.room)).unwrap_or_default();
        report.held = state.as_deref().map(|state| Held {
            effect: &state.subject.effect,
            variant: &state.subject.variant,
            engine: &state.subject.engine,
            device: &state.subject.device,
            student: [state.subject.width, state.subject.height],
            models: &state.models,
            system: state.reading,
            frames: Frames { ring: &state.frames, next: state.next, now },
        });
        room.clear();
        serde_json::to_writer(&mut room, &report).ok()?;
        room.push(b'\n');
        let name = format!("{PREFIX}{}-{}-{number}{NEW}", utc_for_names(at), std::process::id());
        let path = self.folder.join(name);
        let saved = save(&path, &room);
        if let Some(mut state) = state {
            state.room = room;
        }
        saved.ok()?;
        prune(&self.folder);
        Some(path)
    }
}

fn save(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = AtomicFile::new(path).map_err(std::io::Error::other)?;
    file.write_all(bytes)?;
    file.commit().map_err(std::io::Error::other)
}

/// The reports in `folder`, oldest first: their names begin with the moment.
pub fn reports(folder: &Path) -> Vec<PathBuf> {
    let Ok(listing) = std::fs::read_dir(folder) else { return Vec::new() };
    let ours = |p: &PathBuf| {
        p.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with(PREFIX) && n.ends_with(".json"))
    };
    let mut found: Vec<PathBuf> = listing.filter_map(Result::ok).map(|e| e.path()).filter(ours).collect();
    found.sort();
    found
}

fn prune(folder: &Path) {
    let found = reports(folder);
    for old in &found[..found.len().saturating_sub(MOST_REPORTS)] {
        // What cannot be deleted stays: the next report tries again.
        let _ = std::fs::remove_file(old);
    }
}

/// What earlier runs left and nobody was told yet, in one message. From now on it counts as told.
pub fn announce(folder: &Path) -> Option<Fault> {
    #[derive(Deserialize)]
    struct Told {
        message: String,
        kind: String,
    }
    let new: Vec<PathBuf> = reports(folder).into_iter().filter(|p| p.to_string_lossy().ends_with(NEW)).collect();
    let mut newest = None;
    for path in &new {
        let told = path
            .with_file_name(path.file_name().map(|n| n.to_string_lossy().replace(NEW, ".json")).unwrap_or_default());
        newest = Some(if std::fs::rename(path, &told).is_ok() { told } else { path.clone() });
    }
    let path = newest?;
    let told = std::fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Told>(&bytes).ok());
    let what = match &told {
        Some(told) if told.kind == "device_lost" => "The GPU was lost the last time".to_owned(),
        Some(told) if told.kind == "hang" => format!("Impasto hung the last time: {}", told.message),
        Some(told) => {
            let line = told.message.lines().next().unwrap_or_default();
            let short: String = line.chars().take(160).collect();
            format!("Impasto broke down the last time: {short}")
        }
        None => "Impasto broke down the last time".to_owned(),
    };
    let others = if new.len() > 1 { format!(" ({} reports)", new.len()) } else { String::new() };
    let remedy =
        format!("A report is in {}; it was sent nowhere. Attach it if you tell the developers", path.display());
    Some(Fault::notice(format!("{what}{others}"), remedy))
}

/// Breaks down on purpose, for trying out what happens then: `--inject panic@3s`.
#[allow(clippy::panic, reason = "that is what it is for")]
pub fn provoke() -> ! {
    panic!("provoked by --inject, to try out crash reports")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::samples;

    fn black_box(folder: &Path) -> BlackBox {
        let state = State {
            frames: vec![Frame::NONE; 8].into_boxed_slice(),
            next: 0,
            newest: None,
            subject: Subject { effect: "ink".to_owned(), device: "a GPU".to_owned(), ..Subject::default() },
            models: vec![Model { file: "m.onnx".to_owned(), sha256: "ab".to_owned() }],
            reading: Reading { temperature_c: Some(71.0), ..Reading::default() },
            room: Vec::new(),
        };
        let (started, written) = (Instant::now(), AtomicU32::new(0));
        BlackBox { folder: folder.to_owned(), started, written, state: Mutex::new(state) }
    }

    fn note(black_box: &BlackBox, costs: &[FrameCost]) {
        let mut state = black_box.state.lock().unwrap();
        for cost in costs {
            let next = state.next;
            state.frames[next] = Frame::new(cost);
            state.next = (next + 1) % state.frames.len();
        }
    }

    fn read(path: &Path) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn a_report_holds_what_was_known() {
        let folder = tempfile::tempdir().unwrap();
        let black_box = black_box(&folder.path().join("made/here"));
        note(&black_box, &samples::costs(Instant::now(), 11));
        let path =
            black_box.write(Kind::Panic, "it broke", Some("a.rs:1:2"), Some("painter"), Some("0: main")).unwrap();
        let report = read(&path);
        assert_eq!((&report["schema"], &report["kind"]), (&SCHEMA.into(), &"panic".into()));
        assert_eq!((&report["message"], &report["thread"]), (&"it broke".into(), &"painter".into()));
        assert_eq!((&report["device"], &report["models"][0]["sha256"]), (&"a GPU".into(), &"ab".into()));
        assert_eq!(report["system"]["temperature_c"], 71.0);
        let frames = report["frames"].as_array().unwrap();
        let ids: Vec<u64> = frames.iter().map(|f| f["frame"].as_u64().unwrap()).collect();
        assert_eq!(ids, (3..11).collect::<Vec<_>>(), "the newest that fit, oldest first");
        assert_eq!((frames[0]["infer"].as_f64(), &frames[0]["compose"]), (Some(12.0), &serde_json::Value::Null));
    }

    #[test]
    fn a_busy_black_box_does_not_stop_the_report() {
        let folder = tempfile::tempdir().unwrap();
        let black_box = black_box(folder.path());
        let held = black_box.state.lock().unwrap();
        let path = black_box.write(Kind::Panic, "while noting", None, None, None).unwrap();
        drop(held);
        let report = read(&path);
        assert_eq!(report["message"], "while noting");
        assert!(report.get("frames").is_none());
    }

    #[test]
    fn one_run_writes_few_and_the_folder_keeps_few() {
        let folder = tempfile::tempdir().unwrap();
        for _ in 0..2 * MOST_REPORTS {
            let black_box = black_box(folder.path());
            let written = (0..10).filter_map(|_| black_box.write(Kind::DeviceLost, "x", None, None, None)).count();
            assert_eq!(written, MOST_OF_A_RUN as usize);
        }
        assert!(reports(folder.path()).len() <= MOST_REPORTS);
        assert!(!reports(folder.path()).is_empty());
    }

    #[test]
    fn a_report_is_announced_once() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(announce(folder.path()), None);
        assert_eq!(announce(&folder.path().join("not there")), None);
        let path = black_box(folder.path()).write(Kind::Panic, "it broke\nin two lines", None, None, None).unwrap();
        let told = announce(folder.path()).unwrap();
        assert_eq!(told.what, "Impasto broke down the last time: it broke");
        let kept = reports(folder.path());
        assert!(told.remedy.contains(kept[0].to_str().unwrap()) && !path.exists(), "{told}");
        assert_eq!(announce(folder.path()), None);
        std::fs::write(folder.path().join("crash-garbage.new.json"), b"{").unwrap();
        assert_eq!(announce(folder.path()).unwrap().what, "Impasto broke down the last time");
    }
}
