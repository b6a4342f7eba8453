//! A recording of what the window shows: pictures in, at any rate; a file that plays whatever happens.
//!
//! Pictures are handed over without waiting ([`Recording::offer`]): one is being coded and one waits; a newer one replaces it, and
//! is counted. The file has its own name from the beginning and is not taken back when something fails: what is in it plays.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Codec, Effort, Mp4, Mp4Error, Progress};
use crate::mailbox::Latest;
use crate::units::Extent;

/// A picture to record.
#[derive(Debug)]
pub struct Shot {
    /// Red, green, blue, alpha, row by row from the top.
    pub rgba: Vec<u8>,
    pub extent: Extent,
    /// When its frame was captured.
    pub at: Instant,
}

/// How a recording is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordingState {
    pub path: PathBuf,
    /// Since the first picture.
    pub length: Duration,
    pub bytes: u64,
    /// Pictures in the file.
    pub pictures: u64,
    /// Pictures that came too fast for the encoder.
    pub dropped: u64,
    /// It has ended, or is about to, because of this.
    pub failed: Option<String>,
}

/// Handle to the thread that records. Dropping it ends the recording in good order, and waits for that.
pub struct Recording {
    shared: Arc<Shared>,
    path: PathBuf,
    thread: Option<JoinHandle<Result<(), Mp4Error>>>,
}

#[derive(Default)]
struct Shared {
    inbox: Latest<Shot>,
    /// Buffers that were coded, to be filled again.
    free: Mutex<Vec<Vec<u8>>>,
    /// No shot waits: another would be taken at once.
    hungry: AtomicBool,
    left_out: AtomicU64,
    /// It has an encoder.
    ready: AtomicBool,
    live: Mutex<Live>,
}

#[derive(Default)]
struct Live {
    progress: Option<Arc<Progress>>,
    began: Option<Instant>,
    last: Option<Instant>,
    failed: Option<String>,
}

/// How long to wait for a picture before looking whether the recording is over.
const IDLE: Duration = Duration::from_millis(100);

impl Recording {
    /// Begins a recording under a name in `folder` that nothing has: `impasto-0001.mp4` and so on. The first picture says how large
    /// it is.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn begin(folder: &Path) -> Result<Self, Mp4Error> {
        let mut path = folder.join("impasto.mp4");
        let mut made = Err(std::io::ErrorKind::AlreadyExists.into());
        for number in 1..=9999 {
            path = folder.join(format!("impasto-{number:04}.mp4"));
            made = OpenOptions::new().write(true).create_new(true).open(&path);
            if !made.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::AlreadyExists) {
                break;
            }
        }
        let file = made.map_err(Mp4Error::Write)?;
        let shared = Arc::<Shared>::default();
        let thread = {
            let (shared, path) = (shared.clone(), path.clone());
            super::thread("recording", move || {
                let recorded = shared.record(file);
                shared.inbox.close();
                let mut live = shared.live.lock().unwrap_or_else(PoisonError::into_inner);
                live.failed = recorded.as_ref().err().map(ToString::to_string);
                let bytes = live.progress.as_ref().map_or(0, |p| p.bytes());
                drop(live);
                tidy(&path, bytes, recorded.is_ok());
                recorded
            })?
        };
        Ok(Self { shared, path, thread: Some(thread) })
    }

    /// Whether a picture would be taken at once: whoever makes them can save itself the trouble.
    pub fn wants_shot(&self) -> bool {
        self.shared.hungry.load(Ordering::Acquire)
    }

    /// A picture was not made because it would not have been taken.
    pub fn leave_out(&self) {
        if self.shared.ready.load(Ordering::Acquire) {
            self.shared.left_out.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// A buffer for the next picture: one that was coded already, if there is one.
    pub fn buffer(&self) -> Vec<u8> {
        self.shared.free.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes a picture, in the place of one that still waits. Never waits itself.
    pub fn offer(&self, shot: Shot) {
        self.shared.hungry.store(false, Ordering::Release);
        if let Some(old) = self.shared.inbox.put(shot) {
            self.shared.give_back(old.rgba);
        }
    }

    pub fn state(&self) -> RecordingState {
        let live = self.shared.live.lock().unwrap_or_else(PoisonError::into_inner);
        let length =
            live.began.zip(live.last).map_or(Duration::ZERO, |(began, last)| last.saturating_duration_since(began));
        let progress = live.progress.as_ref();
        RecordingState {
            path: self.path.clone(),
            length,
            bytes: progress.map_or(0, |p| p.bytes()),
            pictures: progress.map_or(0, |p| p.pictures()),
            dropped: self.shared.inbox.counts().dropped + self.shared.left_out.load(Ordering::Acquire),
            failed: live.failed.clone(),
        }
    }

    /// Ends the recording in good order. Waits for the encoder.
    ///
    /// # Errors
    /// What went wrong, if something did. What is in the file plays.
    pub fn finish(mut self) -> Result<RecordingState, Mp4Error> {
        let recorded = self.end();
        let state = self.state();
        recorded?;
        if state.pictures > 0 { Ok(state) } else { Err(Mp4Error::Nothing) }
    }

    fn end(&mut self) -> Result<(), Mp4Error> {
        self.shared.inbox.close();
        let ended = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        ended.unwrap_or_else(|_| Err(Mp4Error::Encoder("the recording broke down".to_owned())))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Whoever wanted to know how it went has asked.
        let _ = self.end();
    }
}

impl Shared {
    fn give_back(&self, buffer: Vec<u8>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if free.len() < 3 {
            free.push(buffer);
        }
    }

    fn record(&self, file: std::fs::File) -> Result<(), Mp4Error> {
        // Looking for an encoder takes a moment the first time: the recording begins when it is there.
        Codec::find()?;
        self.ready.store(true, Ordering::Release);
        self.hungry.store(true, Ordering::Release);
        let mut file = Some(file);
        let mut clip: Option<(Mp4<std::fs::File>, Extent, Instant)> = None;
        let mut end = Duration::ZERO;
        loop {
            let shot = self.inbox.wait(IDLE);
            self.hungry.store(true, Ordering::Release);
            let Some(Shot { rgba, extent, at }) = shot else {
                if self.inbox.is_closed() {
                    break;
                }
                continue;
            };
            if let Some(file) = file.take() {
                let mp4 = Mp4::begin(file, extent, Effort::Live)?;
                let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
                (live.progress, live.began) = (Some(mp4.progress()), Some(at));
                clip = Some((mp4, extent, at));
            }
            let Some((mp4, first, began)) = &mut clip else { break };
            let time = at.saturating_duration_since(*began);
            if extent == *first {
                mp4.push(&rgba, time)?;
            } else if let Some(picture) = image::RgbaImage::from_raw(extent.width, extent.height, rgba.clone()) {
                // Another source: its pictures go into the size of the first, whole.
                let rgb = image::DynamicImage::from(picture).into_rgb8();
                let fitted = image::DynamicImage::from(crate::picture::on_black(rgb, *first)).into_rgba8();
                mp4.push(fitted.as_raw(), time)?;
            }
            end = time;
            self.live.lock().unwrap_or_else(PoisonError::into_inner).last = Some(at);
            self.give_back(rgba);
        }
        match clip {
            // The last picture is shown as long as those before it were on average.
            Some((mp4, ..)) => {
                let pictures = mp4.progress().pictures().max(1) as u32;
                mp4.finish(end + (end / pictures).clamp(Duration::from_millis(1), Duration::from_secs(1))).map(drop)
            }
            None => Ok(()),
        }
    }
}

/// A file without a picture is nothing to keep; one that could not be completed ends with its last whole fragment.
fn tidy(path: &Path, bytes: u64, complete: bool) {
    let tidied = match (bytes, complete) {
        (0, _) => std::fs::remove_file(path),
        (_, true) => Ok(()),
        (bytes, false) => OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(bytes)),
    };
    if let Err(error) = tidied {
        log::warn!("{} could not be tidied up: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;
    use crate::ffmpeg;

    const EXTENT: Extent = Extent { width: 96, height: 64 };

    /// `None`, and a line, where there is no ffmpeg that encodes.
    fn ffmpeg_is_there() -> Option<()> {
        let there = Codec::find();
        if let Err(error) = &there {
            assert!(std::env::var_os("REQUIRE_GPU").is_none(), "{error}");
            println!("skipped: {error}");
        }
        there.ok().map(|_| ())
    }

    fn shot(index: u64, began: Instant) -> Shot {
        let pixel = [(index * 11 % 256) as u8, 90, 200, 255];
        let rgba = pixel.repeat(EXTENT.pixels() as usize);
        // Every fifth picture comes late.
        let ms = index * 40 + if index.is_multiple_of(5) { 15 } else { 0 };
        Shot { rgba, extent: EXTENT, at: began + Duration::from_millis(ms) }
    }

    /// Hands over so many pictures, each when the one before was taken.
    fn record(recording: &Recording, count: u64) {
        let began = Instant::now();
        for index in 0..count {
            while !recording.wants_shot() {
                assert_eq!(recording.state().failed, None);
                std::thread::sleep(Duration::from_millis(1));
            }
            recording.offer(shot(index, began));
        }
    }

    /// Times of the pictures that a decoder gets out of a file, milliseconds, and the red of each first pixel.
    fn decoded(path: &Path) -> (Vec<u64>, Vec<u8>) {
        let probe =
            |args: &[&str]| ffmpeg::command("ffprobe").args(["-v", "error"]).args(args).arg(path).output().unwrap();
        let times = probe(&["-show_entries", "frame=pts_time", "-of", "csv=p=0"]);
        let times = String::from_utf8(times.stdout).unwrap();
        let times = times.lines().filter_map(|l| l.trim_end_matches(',').parse::<f64>().ok());
        let times = times.map(|s| (s * 1e3).round() as u64).collect();
        let mut command = ffmpeg::command("ffmpeg");
        command.args(["-v", "error", "-i"]).arg(path).args([
            "-vf",
            "scale=in_range=tv,crop=1:1:40:40",
            "-fps_mode",
            "passthrough",
        ]);
        command.args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]);
        let pixels = command.stderr(Stdio::null()).output().unwrap().stdout;
        (times, pixels.chunks(3).map(|p| p[0]).collect())
    }

    #[test]
    fn every_picture_has_its_own_time_and_colour() {
        if ffmpeg_is_there().is_none() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let recording = Recording::begin(folder.path()).unwrap();
        record(&recording, 40);
        let state = recording.finish().unwrap();
        assert_eq!((state.pictures, state.dropped, state.failed), (40, 0, None));
        assert_eq!(state.path.file_name().unwrap(), "impasto-0001.mp4");
        assert_eq!(state.bytes, std::fs::metadata(&state.path).unwrap().len());
        let (times, red) = decoded(&state.path);
        // The first one came 15 ms late, and the clip begins with it.
        let expected: Vec<u64> =
            (0..40).map(|i: u64| if i == 0 { 0 } else { i * 40 - if i.is_multiple_of(5) { 0 } else { 15 } }).collect();
        assert_eq!(times, expected);
        for (i, red) in red.iter().enumerate() {
            assert!(red.abs_diff((i * 11 % 256) as u8) < 10, "{i}: {red}");
        }
    }

    #[test]
    fn what_is_in_the_file_plays_however_it_ends() {
        if ffmpeg_is_there().is_none() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let recording = Recording::begin(folder.path()).unwrap();
        record(&recording, 100);
        while recording.state().pictures < 90 {
            std::thread::sleep(Duration::from_millis(5));
        }
        // What is left when the program is killed now.
        let killed = folder.path().join("killed.mp4");
        std::fs::copy(folder.path().join("impasto-0001.mp4"), &killed).unwrap();
        let (times, _) = decoded(&killed);
        assert!(times.len() >= 70, "{} of at least 90 pictures", times.len());
        drop(recording);
        // And when that happens while a fragment is being written.
        let whole = std::fs::read(folder.path().join("impasto-0001.mp4")).unwrap();
        std::fs::write(&killed, &whole[..whole.len() - 30]).unwrap();
        assert!(decoded(&killed).0.len() >= 80);
    }

    /// A disk with room for so many bytes.
    struct Full(std::fs::File, usize);

    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.1 = self.1.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            self.0.write_all(bytes).map(|()| bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_is_called_a_full_disk_and_what_fitted_plays() {
        if ffmpeg_is_there().is_none() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let file = Full(std::fs::File::create(&path).unwrap(), 400_000);
        let mut clip = Mp4::begin(file, EXTENT, Effort::Live).unwrap();
        let began = Instant::now();
        let failed = (0..4000).find_map(|i| {
            let mut noisy = shot(i, began);
            noisy.rgba.iter_mut().enumerate().for_each(|(at, v)| *v ^= (at as u64 * (i + 7) % 97) as u8);
            clip.push(&noisy.rgba, Duration::from_millis(40 * i)).err()
        });
        let error = failed.expect("400 kB hold no 4000 pictures");
        assert!(matches!(&error, Mp4Error::Write(e) if e.kind() == std::io::ErrorKind::StorageFull), "{error}");
        assert!(!decoded(&path).0.is_empty());
    }

    #[test]
    fn a_recording_without_a_picture_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        drop(Recording::begin(folder.path()).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
