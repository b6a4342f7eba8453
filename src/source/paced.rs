//! Gives clips a clock: what is read or drawn becomes a source that runs in real time, passes over what is late, begins
//! again at its end, and never queues.
//!
//! A [`Clip`] knows pictures and how long each is shown, nothing of the wall clock; [`Paced`] knows the wall clock and
//! nothing of pictures.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Losses, Pacing, Source, SourceError, SourceInfo, SourceWish};
use crate::frame::{CameraFrame, FrameBytes, FramePool, FrameShape};
use crate::units::{CaptureClock, FrameStamp};

/// One picture of a clip.
#[derive(Debug)]
pub struct Picture {
    pub shape: FrameShape,
    pub bytes: FrameBytes,
    /// Until the next one is due.
    pub shown_for: Duration,
}

/// What the clip says of itself before its first picture is read. `clock` of the source's info is always the schedule.
#[derive(Clone, Debug)]
pub struct ClipInfo {
    pub source: SourceInfo,
    /// For messages; `None` when nothing is read from disc.
    pub path: Option<PathBuf>,
}

/// Pictures in order, without a clock.
pub trait Clip: Send {
    fn info(&self) -> &ClipInfo;

    /// The next picture, or `None` at the end.
    ///
    /// # Errors
    /// When the file is damaged or cannot be read further. [`SourceError::CutShort`] comes in place of the end, once; after
    /// [`SourceError::LeftOut`] and [`SourceError::Incomplete`] it goes on with the next picture.
    fn read(&mut self, pool: &FramePool) -> Result<Option<Picture>, SourceError>;

    /// Passes over the next picture as cheaply as possible and returns how long it would have been shown.
    ///
    /// # Errors
    /// As [`Self::read`].
    fn skip(&mut self) -> Result<Option<Duration>, SourceError>;

    /// Goes back to the first picture.
    ///
    /// # Errors
    /// When the file cannot be opened again.
    fn rewind(&mut self) -> Result<(), SourceError>;
}

/// A clip with a clock.
pub struct Paced<C> {
    clip: C,
    wish: SourceWish,
    /// When the picture at `position` zero was due.
    start: Option<Instant>,
    /// Media time of the next picture, all passes together.
    position: Duration,
    skipped: u64,
    /// Pictures delivered or passed over in this pass.
    in_pass: u64,
    /// The clip has said that it is not whole.
    told_cut: bool,
}

impl<C: Clip> Paced<C> {
    /// Later than this, time that was lost stays lost: the machine slept, or the disc is slow.
    const RESYNC: Duration = Duration::from_secs(1);
    /// Pictures passed over before one is delivered in any case.
    const SKIP_AT_ONCE: u32 = 4;
    /// A picture is shown at least this long, whatever the file says.
    const SHORTEST: Duration = Duration::from_millis(1);

    pub fn new(clip: C, wish: &SourceWish) -> Self {
        Self {
            clip,
            wish: wish.clone(),
            start: None,
            position: Duration::ZERO,
            skipped: 0,
            in_pass: 0,
            told_cut: false,
        }
    }

    /// Goes back to the first picture if the clip loops and had one.
    fn wrap(&mut self) -> Result<(), SourceError> {
        if self.in_pass == 0 {
            let path = self.clip.info().path.clone().unwrap_or_default();
            return Err(SourceError::Empty { path });
        }
        if !self.wish.looping {
            return Err(SourceError::Ended);
        }
        self.in_pass = 0;
        self.clip.rewind()
    }

    /// The end of the clip, said once if it comes too early.
    fn cut_short(&mut self, error: SourceError) -> Result<(), SourceError> {
        if std::mem::replace(&mut self.told_cut, true) { Ok(()) } else { Err(error) }
    }

    fn advance(&mut self, shown_for: Duration) {
        // A clip that is written elsewhere keeps its times to the nanosecond.
        let least = if self.wish.pacing == Pacing::Offline { Duration::ZERO } else { Self::SHORTEST };
        self.position = self.position.saturating_add(shown_for.max(least));
        self.in_pass += 1;
    }

    /// Passes over the pictures whose time has gone by.
    fn catch_up(&mut self, start: Instant) -> Result<(), SourceError> {
        let interval = self.clip.info().source.interval.max(Self::SHORTEST);
        let clock = self.wish.clock.clone();
        let late = |start: Instant, position: Duration| clock.now().saturating_duration_since(start + position);
        let before = late(start, self.position);
        if before >= Self::RESYNC {
            self.start = Some(start + before);
            return Ok(());
        }
        let mut passed = 0;
        while passed < Self::SKIP_AT_ONCE && late(start, self.position) >= interval {
            match self.clip.skip() {
                Ok(Some(shown_for)) => {
                    self.advance(shown_for);
                    self.skipped += 1;
                    passed += 1;
                }
                Ok(None) => self.wrap()?,
                Err(error @ SourceError::CutShort { .. }) => self.cut_short(error)?,
                Err(error) => return Err(error),
            }
        }
        let after = late(start, self.position);
        if passed == Self::SKIP_AT_ONCE && after >= before {
            // Passing over gains nothing: reading is slower than real time. Play slowly rather than hardly at all.
            self.start = Some(start + after);
        }
        Ok(())
    }
}

impl<C: Clip> Source for Paced<C> {
    fn info(&self) -> &SourceInfo {
        &self.clip.info().source
    }

    fn next(&mut self, pool: &FramePool) -> Result<CameraFrame, SourceError> {
        if self.wish.stop.is_set() {
            return Err(SourceError::Stopped);
        }
        if let (Pacing::RealTime, Some(start)) = (self.wish.pacing, self.start) {
            self.catch_up(start)?;
        }
        let picture = loop {
            match self.clip.read(pool) {
                Ok(Some(picture)) => break picture,
                Ok(None) => self.wrap()?,
                Err(error @ SourceError::CutShort { .. }) => self.cut_short(error)?,
                Err(error) => return Err(error),
            }
        };
        // The clock starts when the first picture is there, so that opening and decoding it cost the clip no time.
        let start = *self.start.get_or_insert_with(|| self.wish.clock.now());
        let due = start + self.position;
        let captured = match self.wish.pacing {
            Pacing::RealTime => {
                if self.wish.clock.sleep_until(due, &self.wish.stop) {
                    return Err(SourceError::Stopped);
                }
                due
            }
            Pacing::Free => self.wish.clock.now(),
            Pacing::Offline => due,
        };
        self.advance(picture.shown_for);
        let stamp = FrameStamp { id: self.wish.ids.give(), captured, clock: CaptureClock::Schedule };
        CameraFrame::new(picture.shape, stamp, picture.bytes)
            .map(|frame| frame.arrived_at(self.wish.clock.now()))
            .map_err(|source| SourceError::Frame { name: self.clip.info().source.name.clone(), source })
    }

    fn next_due(&self) -> Option<Instant> {
        Some(self.start? + self.position)
    }

    fn losses(&self) -> Losses {
        Losses { skipped: self.skipped, ..Losses::default() }
    }
}
