//! A recording of what the window shows: pictures in, at any rate; a file that plays whatever happens.
//!
//! Pictures are handed over without waiting ([`Recording::offer`]). The file has its own name from the beginning and is not taken
//! back when something fails: what is in it plays.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Mp4Error;
use super::encoding::{Encoding, EncodingState, Shot};

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
    encoding: Encoding,
    path: PathBuf,
}

impl Recording {
    /// Begins a recording under a name in `folder` that nothing has: `impasto-0001.mp4` and so on. The first picture says how large
    /// it is.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn begin(folder: &Path) -> Result<Self, Mp4Error> {
        let (path, file) = new_file(folder)?;
        let tidied = path.clone();
        let encoding = Encoding::begin("recording", file, move |bytes, complete| tidy(&tidied, bytes, complete))?;
        Ok(Self { encoding, path })
    }

    /// Whether a picture would be taken at once: whoever makes them can save itself the trouble.
    pub fn wants_shot(&self) -> bool {
        self.encoding.wants_shot()
    }

    /// A picture was not made because it would not have been taken.
    pub fn leave_out(&self) {
        self.encoding.leave_out();
    }

    /// Takes a picture, in the place of one that still waits. Never waits itself.
    pub fn offer(&self, shot: Shot) {
        self.encoding.offer(shot);
    }

    pub fn state(&self) -> RecordingState {
        let EncodingState { length, bytes, pictures, dropped, failed } = self.encoding.state();
        RecordingState { path: self.path.clone(), length, bytes, pictures, dropped, failed }
    }

    /// Ends the recording in good order. Waits for the encoder.
    ///
    /// # Errors
    /// What went wrong, if something did. What is in the file plays.
    pub fn finish(mut self) -> Result<RecordingState, Mp4Error> {
        let recorded = self.encoding.end();
        let state = self.state();
        recorded?;
        if state.pictures > 0 { Ok(state) } else { Err(Mp4Error::Nothing) }
    }
}

/// A file under a name in `folder` that nothing has.
///
/// # Errors
/// When it cannot be made.
pub(super) fn new_file(folder: &Path) -> Result<(PathBuf, File), Mp4Error> {
    let mut path = folder.join("impasto.mp4");
    let mut made = Err(std::io::ErrorKind::AlreadyExists.into());
    for number in 1..=9999 {
        path = folder.join(format!("impasto-{number:04}.mp4"));
        made = OpenOptions::new().write(true).create_new(true).open(&path);
        if !made.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::AlreadyExists) {
            break;
        }
    }
    Ok((path, made.map_err(Mp4Error::Write)?))
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
pub(super) mod tests {
    use std::process::Stdio;

    use std::time::Instant;

    use super::super::{Codec, Effort, Mp4};
    use super::*;
    use crate::ffmpeg;
    use crate::units::Extent;

    const EXTENT: Extent = Extent { width: 96, height: 64 };

    /// `None`, and a line, where there is no ffmpeg that encodes.
    pub fn ffmpeg_is_there() -> Option<()> {
        let there = Codec::find();
        if let Err(error) = &there {
            assert!(std::env::var_os("REQUIRE_GPU").is_none(), "{error}");
            println!("skipped: {error}");
        }
        there.ok().map(|_| ())
    }

    pub fn shot(index: u64, began: Instant) -> Shot {
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
    pub fn decoded(path: &Path) -> (Vec<u64>, Vec<u8>) {
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
