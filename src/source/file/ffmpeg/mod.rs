//! Everything else, through the programs ffmpeg and ffprobe where they are installed.
//!
//! ffprobe says what there is. ffmpeg runs as a child that writes raw pictures with their own time stamps ([`nut`]) into a
//! pipe. A thread reads the pipe, so that a child that hangs holds nobody up; two pictures wait at most. The child is
//! killed when the clip is dropped.

mod filter;
mod nut;
mod probe;
mod program;

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::still::{Decoded, STILL_INTERVAL, Still, Wanted};
use super::{check_size, clip_info, fitted};
use crate::frame::{FrameBytes, FramePool};
use crate::picture::laid_on;
use crate::source::{Clip, ClipInfo, Picture, SourceError, SourceWish, Stop, Timeline};
use filter::{Conversion, Layout};
use nut::Demuxer;
use probe::{Probe, probe};
pub(super) use program::installed;
use program::{Abilities, Program, said_of};

/// When neither the file nor its pictures say how long one is shown.
const UNKNOWN_INTERVAL: Duration = Duration::from_millis(40);
/// A file that is shorter than it says by more than this, and by more than two pictures, was cut off.
const MISSING: Duration = Duration::from_millis(250);
/// The beginning of what ffmpeg says, in bytes; the rest is not kept.
const MOST_SAID: u64 = 4000;

/// What a file turned out to hold.
pub(super) enum Opened {
    Still(Still),
    Clip(Ffmpeg),
}

/// Opens whatever ffmpeg reads.
///
/// # Errors
/// When there is no ffmpeg, or it finds no picture.
pub(super) fn open(path: &Path, wish: &SourceWish) -> Result<Opened, SourceError> {
    let plan = Plan::new(path, Wanted::of(wish))?;
    if plan.probe.is_still() {
        let name = format!("{}, through ffmpeg,", plan.probe.codec);
        return Ok(Opened::Still(Still::new(path, &name, plan.first_picture()?, wish)));
    }
    Ffmpeg::play(plan, wish).map(Opened::Clip)
}

/// The first picture of a file.
///
/// # Errors
/// As [`open`].
pub(super) fn decode(path: &Path, wanted: Wanted) -> Result<Decoded, SourceError> {
    let mut plan = Plan::new(path, wanted)?;
    if !plan.probe.is_still() {
        plan = plan.of_one_picture(wanted)?;
    }
    plan.first_picture()
}

/// How a file is asked for: the same in each pass.
struct Plan {
    path: PathBuf,
    probe: Probe,
    conversion: Conversion,
    ground: [u8; 3],
    abilities: &'static Abilities,
}

impl Plan {
    fn new(path: &Path, wanted: Wanted) -> Result<Self, SourceError> {
        let abilities = Abilities::get().ok_or_else(|| SourceError::NeedsFfmpeg { path: path.into() })?;
        Self::of(path, probe(path)?, wanted, abilities)
    }

    fn of_one_picture(self, wanted: Wanted) -> Result<Self, SourceError> {
        let probe = Probe { pictures: Some(1), ..self.probe };
        Self::of(&self.path, probe, wanted, self.abilities)
    }

    fn of(path: &Path, probe: Probe, wanted: Wanted, abilities: &'static Abilities) -> Result<Self, SourceError> {
        check_size(path, probe.shown)?;
        let mut extent = fitted(probe.shown, wanted.max);
        if extent != probe.shown {
            // What is scaled down anyway keeps the layout that takes less room.
            extent.width = (extent.width / 2 * 2).max(2);
            extent.height = (extent.height / 2 * 2).max(2);
        }
        let conversion = Conversion::new(&probe, extent, abilities);
        if conversion.pale {
            log::warn!(
                "{} is HDR, and this ffmpeg ({}) lacks the filter zscale, which converts it: its colours are pale",
                path.display(),
                abilities.version
            );
        }
        Ok(Self { path: path.into(), probe, conversion, ground: wanted.ground, abilities })
    }

    fn start(&self) -> Result<Child, SourceError> {
        let mut command = Program::Ffmpeg.command();
        command.args(["-nostdin", "-v", "error"]);
        if self.probe.hidden_alpha && self.abilities.libvpx {
            command.args(["-c:v", if self.probe.codec == "vp8" { "libvpx" } else { "libvpx-vp9" }]);
        }
        command.arg("-i").arg(Program::input(&self.path));
        command.arg("-map").arg(format!("0:{}", self.probe.index)).args(["-vf", &self.conversion.filter]);
        if self.probe.is_still() {
            command.args(["-frames:v", "1"]);
        }
        // Every picture once, with the time that the file gives it.
        command.args([self.abilities.passthrough(), "passthrough", "-enc_time_base", &self.probe.time_base]);
        command.args(["-c:v", "rawvideo", "-f", "nut", "-write_index", "0", "-"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().map_err(|error| Program::unstartable(&self.path, &error))
    }

    fn first_picture(&self) -> Result<Decoded, SourceError> {
        let mut child = self.start()?;
        let said = child.stderr.take().map(listen);
        let mut picture = None;
        let read = match child.stdout.take() {
            Some(output) => self.read(output, &mut |raw, _| {
                picture = Some(std::mem::take(raw));
                false
            }),
            None => Ok(()),
        };
        // It may have more to say, which nobody wants to hear.
        let _ = child.kill();
        let _ = child.wait();
        let said = said.and_then(heard);
        let Some(raw) = picture else {
            let said = said.or(read.err()).unwrap_or_else(|| "it gives no picture".to_owned());
            return Err(SourceError::Ffmpeg { path: self.path.clone(), said });
        };
        let rgb = if self.conversion.format == Layout::Rgba { laid_on(self.ground, &raw) } else { raw };
        Ok(Decoded { extent: self.conversion.extent, rgb, damage: said.map(|said| format!("ffmpeg says: {said}")) })
    }

    /// Hands each picture and its time to `take`, as ffmpeg writes them, until that returns false or the stream ends.
    fn read(&self, output: impl Read, take: &mut dyn FnMut(&mut Vec<u8>, Duration) -> bool) -> Result<(), String> {
        let mut demuxer = Demuxer::open(BufReader::with_capacity(1 << 16, output))?;
        if demuxer.extent != self.conversion.extent {
            return Err(format!("is {} where {} was asked for", demuxer.extent, self.conversion.extent));
        }
        let need = self.conversion.picture_bytes();
        let mut raw = Vec::new();
        while let Some(next) = demuxer.next()? {
            if next.bytes != need {
                return Err(format!("has a picture of {} bytes where {need} belong", next.bytes));
            }
            raw.resize(need, 0);
            demuxer.read(&mut raw)?;
            if !take(&mut raw, demuxer.time_of(next.pts)) {
                break;
            }
        }
        Ok(())
    }
}

/// Collects what a child says on a thread, so that it never waits for a reader.
fn listen(mut errors: ChildStderr) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = errors.by_ref().take(MOST_SAID).read_to_end(&mut said);
        let _ = std::io::copy(&mut errors, &mut std::io::sink());
        said
    })
}

fn heard(said: JoinHandle<Vec<u8>>) -> Option<String> {
    said_of(&said.join().ok()?)
}

/// From the reading thread.
enum Message {
    Picture(FrameBytes, Duration),
    /// The file is over, and why if that is too early. If the clip loops, its first picture follows.
    End(Option<String>),
    Failed(SourceError),
}

/// A clip that ffmpeg plays.
pub(super) struct Ffmpeg {
    path: PathBuf,
    info: ClipInfo,
    messages: Option<mpsc::Receiver<Message>>,
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
    stop: Stop,
    /// This pass is over.
    ended: bool,
}

#[derive(Default)]
struct Shared {
    child: Mutex<Option<Child>>,
    quit: AtomicBool,
}

impl Shared {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        // An Option cannot be left half changed.
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) {
        self.quit.store(true, Ordering::SeqCst);
        if let Some(child) = self.child().as_mut() {
            // Fails only when it has ended already.
            let _ = child.kill();
        }
    }
}

impl Ffmpeg {
    /// A file that yields nothing for this long will not.
    const PATIENCE: Duration = Duration::from_secs(15);
    const SLICE: Duration = Duration::from_millis(40);

    fn play(plan: Plan, wish: &SourceWish) -> Result<Self, SourceError> {
        let (path, shape, probe) = (plan.path.clone(), plan.conversion.shape(), &plan.probe);
        let interval = probe.interval.unwrap_or(UNKNOWN_INTERVAL);
        let times = match probe.rate {
            Some(rate) => format!("at {} fps", (rate.fps() * 100.0).round() / 100.0),
            None => "at its own times".to_owned(),
        };
        let detail = format!("{} {} {times}, through ffmpeg", probe.codec, shape.extent);
        let mut info = clip_info(&path, detail, shape, interval);
        let estimated = probe.length.map(|length| (length.as_secs_f64() / interval.as_secs_f64().max(1e-6)) as u64);
        info.source.timeline =
            Some(Timeline { rate: probe.rate, pictures: probe.pictures.or(estimated), length: probe.length });
        let shared = Arc::new(Shared::default());
        let (sender, messages) = mpsc::sync_channel(2);
        let job =
            Job { plan, interval, looping: wish.looping, shared: shared.clone(), sender, pool: FramePool::default() };
        let reader = std::thread::Builder::new()
            .name("ffmpeg".into())
            .spawn(move || job.run())
            .map_err(|source| SourceError::Unopenable { path: path.clone(), source })?;
        let (messages, reader, stop) = (Some(messages), Some(reader), wish.stop.clone());
        Ok(Self { path, info, messages, shared, reader, stop, ended: false })
    }

    fn receive(&self) -> Result<Message, SourceError> {
        let failed = |said: String| SourceError::Ffmpeg { path: self.path.clone(), said };
        let began = Instant::now();
        let Some(messages) = &self.messages else { return Err(SourceError::Ended) };
        loop {
            match messages.recv_timeout(Self::SLICE) {
                Ok(message) => return Ok(message),
                Err(mpsc::RecvTimeoutError::Disconnected) => return Err(failed("it ended unexpectedly".into())),
                Err(mpsc::RecvTimeoutError::Timeout) if self.stop.is_set() => return Err(SourceError::Stopped),
                Err(mpsc::RecvTimeoutError::Timeout) if began.elapsed() > Self::PATIENCE => {
                    return Err(failed(format!("no picture within {} s", Self::PATIENCE.as_secs())));
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn next(&mut self) -> Result<Option<(FrameBytes, Duration)>, SourceError> {
        if self.ended {
            return Ok(None);
        }
        match self.receive()? {
            Message::Picture(bytes, shown_for) => Ok(Some((bytes, shown_for))),
            Message::End(cut) => {
                self.ended = true;
                match cut {
                    Some(what) => Err(SourceError::CutShort { path: self.path.clone(), what }),
                    None => Ok(None),
                }
            }
            Message::Failed(error) => Err(error),
        }
    }
}

impl Clip for Ffmpeg {
    fn info(&self) -> &ClipInfo {
        &self.info
    }

    fn read(&mut self, _pool: &FramePool) -> Result<Option<Picture>, SourceError> {
        let shape = self.info.source.shape;
        Ok(self.next()?.map(|(bytes, shown_for)| Picture { shape, bytes, shown_for }))
    }

    fn skip(&mut self) -> Result<Option<Duration>, SourceError> {
        Ok(self.next()?.map(|(_, shown_for)| shown_for))
    }

    /// The reading thread has begun the next pass by itself.
    fn rewind(&mut self) -> Result<(), SourceError> {
        self.ended = false;
        Ok(())
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        self.shared.kill();
        // The thread may be waiting for room in the channel.
        self.messages = None;
        if let Some(reader) = self.reader.take() {
            // It cannot panic on purpose; nothing is to be learned from the result.
            let _ = reader.join();
        }
    }
}

/// The reading thread's work.
struct Job {
    plan: Plan,
    /// How long a picture is shown where nothing says it.
    interval: Duration,
    looping: bool,
    shared: Arc<Shared>,
    sender: mpsc::SyncSender<Message>,
    pool: FramePool,
}

/// What became of a pass.
struct Passed {
    pictures: u64,
    /// When the last one began.
    last: Duration,
    /// Why the stream ended, if not as it should.
    broke: Option<String>,
    /// Nobody listens any more.
    deserted: bool,
    /// The last picture, while it is the only one.
    only: Option<Vec<u8>>,
}

impl Job {
    fn run(&self) {
        while !self.shared.quit.load(Ordering::SeqCst) {
            let sent = match self.pass() {
                Ok((Passed { deserted: true, .. }, _)) => return,
                Ok((Passed { only: Some(only), .. }, cut)) => {
                    let _ = self.repeat(&only, cut);
                    return;
                }
                Ok((_, cut)) => self.sender.send(Message::End(cut)),
                Err(error) => self.sender.send(Message::Failed(error)).and(Err(mpsc::SendError(Message::End(None)))),
            };
            // Nobody listens when the clip was dropped: that is how it ends then.
            if sent.is_err() || !self.looping {
                return;
            }
        }
    }

    /// A file of one picture: there is no need to ask ffmpeg for it again and again.
    fn repeat(&self, only: &[u8], cut: Option<String>) -> Result<(), mpsc::SendError<Message>> {
        self.sender.send(Message::End(cut))?;
        if !self.looping {
            return Ok(());
        }
        loop {
            let mut bytes = self.pool.take(only.len());
            bytes.copy_from_slice(only);
            self.sender.send(Message::Picture(bytes, STILL_INTERVAL))?;
            self.sender.send(Message::End(None))?;
        }
    }

    /// Plays the file once. Beside what became of it, why it ended too early, if it did.
    fn pass(&self) -> Result<(Passed, Option<String>), SourceError> {
        let mut child = self.plan.start()?;
        let output = child.stdout.take();
        let said = child.stderr.take().map(listen);
        *self.shared.child() = Some(child);
        if self.shared.quit.load(Ordering::SeqCst) {
            // The clip was dropped before it could see the child.
            self.shared.kill();
        }
        let mut passed = self.play(output);
        let status = self.end_child(passed.deserted || passed.broke.is_some());
        let said = said.and_then(heard);
        if passed.pictures == 0 && !passed.deserted {
            let said = said.or(passed.broke).unwrap_or_else(|| "it gives no pictures".to_owned());
            return Err(SourceError::Ffmpeg { path: self.plan.path.clone(), said });
        }
        // Killed, it has no status of its own.
        let failed = status.and_then(|status| status.code()).is_some_and(|code| code != 0);
        let at = passed.last.as_secs_f32();
        let cut = match (passed.broke.take(), said) {
            (Some(_), Some(said)) => Some(said),
            (Some(broke), None) => Some(format!("the stream {broke}")),
            (None, Some(said)) if failed || self.is_short(&passed) => Some(said),
            (None, Some(said)) => {
                log::warn!("{}: ffmpeg says: {said}", self.plan.path.display());
                None
            }
            (None, None) => failed.then(|| "ffmpeg failed".to_owned()),
        };
        Ok((passed, cut.map(|why| format!("it breaks off at {at:.1} s ({why})"))))
    }

    /// Waits for the child, which has nothing more to do; not for ever.
    fn end_child(&self, at_once: bool) -> Option<ExitStatus> {
        let began = Instant::now();
        loop {
            let mut child = self.shared.child();
            let running = child.as_mut()?;
            if let Ok(Some(status)) = running.try_wait() {
                *child = None;
                return Some(status);
            }
            if at_once || began.elapsed() > Ffmpeg::PATIENCE {
                let _ = running.kill();
                let status = running.wait().ok();
                *child = None;
                return status;
            }
            drop(child);
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Whether there are fewer pictures than the file says. Files are not exact about it: it means something where ffmpeg has
    /// complained as well.
    fn is_short(&self, passed: &Passed) -> bool {
        let Probe { pictures, length, .. } = &self.plan.probe;
        let by_count = pictures.is_some_and(|n| passed.pictures + n / 50 + 2 < n);
        by_count || length.is_some_and(|length| passed.last + self.interval * 2 + MISSING < length)
    }

    fn play(&self, output: Option<impl Read>) -> Passed {
        let mut passed = Passed { pictures: 0, last: Duration::ZERO, broke: None, deserted: false, only: None };
        let Some(output) = output else { return passed };
        // How long a picture is shown is known when the next one is there.
        let mut waiting: Option<(FrameBytes, Duration)> = None;
        let mut gap = self.interval;
        let outcome = self.plan.read(output, &mut |raw, time| {
            let mut bytes = self.pool.take(self.plan.conversion.shape().min_bytes());
            match self.plan.conversion.format {
                Layout::Rgba => bytes.copy_from_slice(&laid_on(self.plan.ground, raw)),
                Layout::Nv12 | Layout::Rgb => bytes.copy_from_slice(raw),
            }
            passed.pictures += 1;
            passed.only = (passed.pictures == 1).then(|| bytes.to_vec());
            // Stamps that run backwards are those of a damaged file: such a picture is passed over at once.
            let time = time.max(passed.last);
            passed.last = time;
            match waiting.replace((bytes, time)) {
                None => true,
                Some((bytes, began)) => {
                    gap = time - began;
                    passed.deserted = self.sender.send(Message::Picture(bytes, gap)).is_err();
                    !passed.deserted
                }
            }
        });
        passed.broke = outcome.err();
        if let (Some((bytes, began)), false) = (waiting, passed.deserted) {
            // To the end of the file, or as long as the one before.
            let end = self.plan.probe.length.and_then(|length| length.checked_sub(began));
            let last = end.filter(|last| !last.is_zero() && *last <= gap * 2).unwrap_or(gap);
            passed.deserted = self.sender.send(Message::Picture(bytes, last)).is_err();
        }
        passed
    }
}
