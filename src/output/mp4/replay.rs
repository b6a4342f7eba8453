//! The last seconds of what the window shows, coded and kept in memory, for whoever wants them a moment later.
//!
//! A clip begins where decoding can, so that it is a little longer than [`LEAST`], and it lacks what is still being coded: up to
//! half a second.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Mp4Error;
use super::encoding::{Encoding, Shot};
use super::mux::{self, Fragment, Sink, TIMESCALE};
use super::recording::new_file;

/// What is kept at least, as soon as there is so much.
pub const LEAST: Duration = Duration::from_secs(10);
/// More is not kept, however long it lasts: some minutes of what encoders make of pictures of the largest size.
const MOST_BYTES: usize = 256 << 20;

/// How the keeping is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayState {
    /// What would be saved now.
    pub length: Duration,
    pub bytes: u64,
    /// It has ended, or is about to, because of this.
    pub failed: Option<String>,
}

/// Handle to the thread that codes and keeps. Dropping it forgets what was kept.
pub struct Replay {
    encoding: Encoding,
    ring: Arc<Mutex<Ring>>,
}

/// What comes before the pictures, and fragments, oldest first. The first one can be decoded.
#[derive(Debug, Default)]
struct Ring {
    head: Vec<u8>,
    /// Shared with clips that are being written: nothing is copied under the lock.
    fragments: VecDeque<Arc<Kept>>,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    key: bool,
    begin: u64,
    end: u64,
}

/// The ring as a clip's output.
struct IntoRing(Arc<Mutex<Ring>>);

impl Sink for IntoRing {
    fn head(&mut self, bytes: &[u8]) -> io::Result<()> {
        *lock(&self.0) = Ring { head: bytes.to_vec(), ..Ring::default() };
        Ok(())
    }

    fn fragment(&mut self, fragment: Fragment<'_>) -> io::Result<()> {
        lock(&self.0).push(fragment);
        Ok(())
    }
}

impl Ring {
    fn push(&mut self, Fragment { bytes, key, begin, end }: Fragment<'_>) {
        self.bytes += bytes.len();
        self.fragments.push_back(Arc::new(Kept { bytes: bytes.to_vec(), key, begin, end }));
        // What is older than the last place from which at least so much is left.
        let enough = |place: &Arc<Kept>| place.key && end.saturating_sub(place.begin) >= LEAST.as_secs() * TIMESCALE;
        let first = self.fragments.iter().rposition(enough).unwrap_or(0);
        self.forget(first);
        while self.bytes > MOST_BYTES && self.fragments.len() > 1 {
            let next =
                self.fragments.iter().skip(1).position(|kept| kept.key).map_or(self.fragments.len(), |at| at + 1);
            self.forget(next);
        }
    }

    /// The oldest of the fragments.
    fn forget(&mut self, count: usize) {
        self.bytes -= self.fragments.drain(..count).map(|kept| kept.bytes.len()).sum::<usize>();
    }

    fn length(&self) -> Duration {
        let ends = self.fragments.front().zip(self.fragments.back());
        Duration::from_secs_f64(ends.map_or(0, |(first, last)| last.end - first.begin) as f64 / TIMESCALE as f64)
    }
}

impl Replay {
    /// Begins to keep what is offered.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn begin() -> Result<Self, Mp4Error> {
        let ring = Arc::<Mutex<Ring>>::default();
        let encoding = Encoding::begin("replay", IntoRing(ring.clone()), |_, _| {})?;
        Ok(Self { encoding, ring })
    }

    /// Whether a picture would be taken at once: whoever makes them can save itself the trouble.
    pub fn wants_shot(&self) -> bool {
        self.encoding.wants_shot()
    }

    /// A buffer for the next picture: one that was coded already, if there is one.
    pub fn buffer(&self) -> Vec<u8> {
        self.encoding.buffer()
    }

    /// Takes a picture, in the place of one that still waits. Never waits itself.
    pub fn offer(&self, shot: Shot) {
        self.encoding.offer(shot);
    }

    pub fn state(&self) -> ReplayState {
        let failed = self.encoding.state().failed;
        let ring = lock(&self.ring);
        ReplayState { length: ring.length(), bytes: ring.bytes as u64, failed }
    }

    /// What is kept now, to be written: see [`Moments::save`].
    ///
    /// # Errors
    /// When there is no picture yet.
    pub fn moments(&self) -> Result<Moments, Mp4Error> {
        let ring = lock(&self.ring);
        let fragments: Vec<_> = ring.fragments.iter().cloned().collect();
        if fragments.is_empty() { Err(Mp4Error::Nothing) } else { Ok(Moments { head: ring.head.clone(), fragments }) }
    }
}

/// Some seconds of coded pictures.
pub struct Moments {
    head: Vec<u8>,
    fragments: Vec<Arc<Kept>>,
}

impl Moments {
    /// Writes them, from time zero, under a name in `folder` that nothing has: `impasto-0001.mp4` and so on. Waits for the
    /// disk.
    ///
    /// # Errors
    /// When the disk takes no more; then there is no file.
    pub fn save(&self, folder: &Path) -> Result<PathBuf, Mp4Error> {
        let (path, mut file) = new_file(folder)?;
        if let Err(error) = self.write(&mut file) {
            // It holds nothing that somebody else made.
            let _ = std::fs::remove_file(&path);
            return Err(Mp4Error::Write(error));
        }
        Ok(path)
    }

    fn write(&self, file: &mut File) -> io::Result<()> {
        let zero = self.fragments.first().map_or(0, |first| first.begin);
        file.write_all(&self.head)?;
        for kept in &self.fragments {
            let mut bytes = kept.bytes.clone();
            mux::begin_at(&mut bytes, kept.begin - zero);
            file.write_all(&bytes)?;
        }
        Ok(())
    }
}

fn lock(ring: &Mutex<Ring>) -> MutexGuard<'_, Ring> {
    // No code runs under this lock that could leave it half changed.
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::recording::tests::{decoded, ffmpeg_is_there, shot};
    use super::*;

    #[test]
    fn the_ring_keeps_ten_seconds_from_where_decoding_can_begin() {
        let mut ring = Ring::default();
        // Half a second each; one in four can be begun with.
        for i in 0..100_u64 {
            let (begin, end) = (i * TIMESCALE / 2, (i + 1) * TIMESCALE / 2);
            ring.push(Fragment { bytes: &[0; 100], key: i % 4 == 0, begin, end });
            let first = ring.fragments.front().unwrap();
            let length = ring.length().as_secs_f64();
            assert!(first.key && (i < 20 || (10.0..12.0).contains(&length)), "{i}: {length}");
            assert_eq!(ring.bytes, ring.fragments.len() * 100);
        }
    }

    #[test]
    fn what_does_not_fit_is_forgotten_from_its_beginning() {
        let mut ring = Ring::default();
        let large = vec![0; MOST_BYTES / 3];
        for i in 0..9_u64 {
            ring.push(Fragment { bytes: &large, key: i % 2 == 0, begin: i, end: i + 1 });
            assert!(ring.bytes <= MOST_BYTES);
            assert!(ring.fragments.front().is_none_or(|first| first.key));
        }
    }

    #[test]
    fn the_last_seconds_play_from_zero() {
        if ffmpeg_is_there().is_none() {
            return;
        }
        let replay = Replay::begin().unwrap();
        assert!(matches!(replay.moments(), Err(Mp4Error::Nothing)));
        let began = Instant::now();
        // 25 a second, so that these are 20 seconds.
        for index in 0..500 {
            while !replay.wants_shot() {
                assert_eq!(replay.state().failed, None);
                std::thread::sleep(Duration::from_millis(1));
            }
            replay.offer(shot(index, began));
        }
        while replay.encoding.state().pictures < 490 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let folder = tempfile::tempdir().unwrap();
        let path = replay.moments().unwrap().save(folder.path()).unwrap();
        assert_eq!(path.file_name().unwrap(), "impasto-0001.mp4");
        let (times, red) = decoded(&path);
        assert!(times[0] < 60 && (9_900..13_000).contains(times.last().unwrap()), "{:?}", (times[0], times.last()));
        let newest = red.len() as u64;
        assert_eq!(newest, times.len() as u64);
        // The pictures are the newest ones: each is told by its red.
        let expected = |from_end: u64| (((499 - from_end) * 11) % 256) as i32;
        let last = i32::from(*red.last().unwrap());
        assert!((0..30).any(|late| (last - expected(late)).abs() < 10), "{last}");
        // Saved again, it is another file.
        assert_eq!(replay.moments().unwrap().save(folder.path()).unwrap().file_name().unwrap(), "impasto-0002.mp4");
    }
}
