//! What one frame cost, settled: rows that add up to its total, and the pieces of time that the rows are made of.
//!
//! Times within a frame are offsets from its capture, on the CPU's monotonic clock. A piece that the GPU worked on was
//! stamped by the GPU and brought to that clock by whoever measured it (`gpu::clock`); where that was not possible its
//! duration is known and its place is not.

use std::time::{Duration, Instant};

use super::{Bottleneck, Stage, Units};
use crate::units::FrameStamp;

/// On whose time a piece of work was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Track {
    /// Threads of this program, measured on the CPU's clock.
    #[default]
    Cpu,
    /// The GPU's queue, measured by the GPU.
    Gpu,
}

impl Track {
    pub const COUNT: usize = 2;

    pub fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Gpu => "GPU",
        }
    }
}

/// From when to when, as offsets from the frame's capture. `begin <= end`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    pub begin: Duration,
    pub end: Duration,
    pub track: Track,
}

impl Mark {
    pub fn duration(&self) -> Duration {
        self.end.saturating_sub(self.begin)
    }
}

/// One uninterrupted piece of work for a frame. A stage can have several: composing has one between the network and the
/// picture, and another one where the picture is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    pub stage: Stage,
    pub track: Track,
    /// Offset from the capture; `None` where only the duration is known.
    pub begin: Option<Duration>,
    pub duration: Duration,
}

impl Piece {
    const NONE: Self = Self { stage: Stage::Wait, track: Track::Cpu, begin: None, duration: Duration::ZERO };

    /// `None` where only the duration is known.
    pub fn mark(&self) -> Option<Mark> {
        self.begin.map(|begin| Mark { begin, end: begin + self.duration, track: self.track })
    }
}

/// The pieces of one frame, in the order in which they were entered. A fixed number, so that accounts can be copied
/// without allocating; reads as a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces {
    list: [Piece; Self::MOST],
    len: usize,
}

impl Pieces {
    /// More are counted in their stage's row and have no place on the time line.
    pub const MOST: usize = 12;

    /// False when there is no room.
    pub fn push(&mut self, piece: Piece) -> bool {
        match self.list.get_mut(self.len) {
            Some(place) => {
                *place = piece;
                self.len += 1;
                true
            }
            None => false,
        }
    }

    /// By stage: from the beginning of its first piece to the end of its last one.
    pub fn marks(&self) -> [Option<Mark>; Stage::COUNT] {
        let mut marks = [None; Stage::COUNT];
        for piece in self.iter() {
            let Some(new) = piece.mark() else { continue };
            let hull: &mut Option<Mark> = &mut marks[piece.stage as usize];
            *hull = Some(hull.map_or(new, |old| Mark {
                begin: old.begin.min(new.begin),
                end: old.end.max(new.end),
                track: old.track,
            }));
        }
        marks
    }

    /// By stage: time in which another piece of the frame was worked on as well, and which belongs to that one. Of two
    /// pieces at one moment the GPU's counts, because the CPU's is then a wait for it or runs beside it; of two on one track
    /// the one that began last, because it interrupts the other.
    pub fn counted_elsewhere(&self) -> [Duration; Stage::COUNT] {
        let mut lost = [Duration::ZERO; Stage::COUNT];
        let mut edges = [Duration::ZERO; 2 * Self::MOST];
        let mut count = 0;
        for mark in self.iter().filter_map(Piece::mark) {
            edges[count] = mark.begin;
            edges[count + 1] = mark.end;
            count += 2;
        }
        let edges = &mut edges[..count];
        edges.sort_unstable();
        for pair in edges.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            if from == to {
                continue;
            }
            let mut owner: Option<(Track, Duration, usize)> = None;
            for (index, piece) in self.iter().enumerate() {
                let Some(mark) = piece.mark().filter(|m| m.begin <= from && m.end >= to) else { continue };
                let claim = (mark.track, mark.begin, index);
                let loser = match owner {
                    None => None,
                    Some(held) if (held.0 == Track::Gpu, held.1) > (claim.0 == Track::Gpu, claim.1) => Some(index),
                    Some(held) => Some(held.2),
                };
                if loser != Some(index) {
                    owner = Some(claim);
                }
                if let Some(loser) = loser {
                    lost[self[loser].stage as usize] += to - from;
                }
            }
        }
        lost
    }
}

impl Default for Pieces {
    fn default() -> Self {
        Self { list: [Piece::NONE; Self::MOST], len: 0 }
    }
}

impl std::ops::Deref for Pieces {
    type Target = [Piece];

    fn deref(&self) -> &[Piece] {
        &self.list[..self.len]
    }
}

/// How far a picture lies from the picture that was presented before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Between the two presentations: how long the picture before was seen.
    pub presented: Duration,
    /// Between the two captures.
    pub captured: Duration,
    /// Frames captured between the two that were not presented.
    pub skipped: u64,
}

/// What one frame cost, settled: the measured stages and `Wait` add up to `total`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FrameCost {
    pub stamp: FrameStamp,
    /// When the picture was handed to the display; without a window, when it was finished.
    pub presented: Instant,
    /// Indexed by `Stage as usize`. `None` where nothing measured the stage: shown as a dash, never as zero. A moment in
    /// which two stages were at work counts for one of them ([`Pieces::counted_elsewhere`]).
    pub stages: [Option<Duration>; Stage::COUNT],
    /// From capture to present, or to the end of the frame's last measured work where that is later (`overlap`).
    pub total: Duration,
    /// By how much `total` exceeds capture to present: GPU work that ran on after the picture was handed over.
    pub overlap: Duration,
    /// Indexed by `Stage as usize`: from the beginning of the stage's first piece to the end of its last one. `None` where
    /// only the duration is known, and for `Wait`, which is what lies between. Where a stage has several pieces, the time
    /// between them is not the stage's: draw `pieces`, not this.
    pub marks: [Option<Mark>; Stage::COUNT],
    pub pieces: Pieces,
    /// Since the picture before. `None` for the first, and after a pause.
    pub gap: Option<Gap>,
    /// Milliseconds charged to each unit, indexed by `Bottleneck as usize`; see `metrics::bottleneck`.
    pub units: Units,
    /// The unit that bounds the frame. `None` where nobody judged it.
    pub bottleneck: Option<Bottleneck>,
    /// Milliseconds by which the frame was ready after (+) or before (-) its deadline. The deadline is one budget after the
    /// frame was in our hands: when its successor comes. Ready is when all but handing it to the display was done, so that
    /// a display's refresh is nobody's lateness.
    pub overrun: f32,
}

impl FrameCost {
    /// A cost of which nothing but the rows is known.
    pub fn bare(stamp: FrameStamp, presented: Instant, stages: [Option<Duration>; Stage::COUNT]) -> Self {
        Self {
            stamp,
            presented,
            stages,
            total: stages.iter().flatten().sum(),
            overlap: Duration::ZERO,
            marks: [None; Stage::COUNT],
            pieces: Pieces::default(),
            gap: None,
            units: Units::default(),
            bottleneck: None,
            overrun: 0.0,
        }
    }

    /// Time spent in `stage`; `None` when not measured.
    pub fn stage(&self, stage: Stage) -> Option<Duration> {
        self.stages[stage as usize]
    }

    /// What the program itself did for the frame: the total without the camera's time and without waiting.
    pub fn work(&self) -> Duration {
        let idle = [Stage::Capture, Stage::Wait].iter().filter_map(|&s| self.stage(s)).sum();
        self.total.saturating_sub(idle)
    }

    /// How long the frame was in our hands: the total without the camera's time.
    pub fn in_hand(&self) -> Duration {
        self.total.saturating_sub(self.stage(Stage::Capture).unwrap_or_default())
    }

    /// Time that `stage` took on `track`, whatever went on beside it; `None` when not measured.
    pub fn spent(&self, stage: Stage, track: Track) -> Option<Duration> {
        let mut pieces = self.pieces.iter().filter(|p| p.stage == stage && p.track == track).peekable();
        pieces.peek()?;
        Some(pieces.map(|p| p.duration).sum())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn piece(stage: Stage, track: Track, begin: u32, end: u32) -> Piece {
        Piece { stage, track, begin: Some(MS * begin), duration: MS * (end - begin) }
    }

    fn pieces(list: &[Piece]) -> Pieces {
        let mut pieces = Pieces::default();
        assert!(list.iter().all(|p| pieces.push(*p)));
        pieces
    }

    #[test]
    fn a_stage_reaches_from_its_first_piece_to_its_last() {
        let pieces = pieces(&[
            piece(Stage::Compose, Track::Gpu, 12, 13),
            piece(Stage::Compose, Track::Gpu, 20, 24),
            Piece { begin: None, ..piece(Stage::Infer, Track::Gpu, 0, 5) },
        ]);
        let marks = pieces.marks();
        let hull = Mark { begin: MS * 12, end: MS * 24, track: Track::Gpu };
        assert_eq!(marks[Stage::Compose as usize], Some(hull));
        assert_eq!(marks[Stage::Infer as usize], None);
        assert_eq!(hull.duration(), MS * 12);
    }

    #[test]
    fn the_gpu_comes_before_the_cpu_and_the_inner_before_the_outer() {
        let both = pieces(&[piece(Stage::Present, Track::Cpu, 10, 40), piece(Stage::Compose, Track::Gpu, 15, 35)]);
        assert_eq!(both.counted_elsewhere()[Stage::Present as usize], MS * 20);
        assert_eq!(both.counted_elsewhere()[Stage::Compose as usize], Duration::ZERO);
        let nested = pieces(&[piece(Stage::Interface, Track::Cpu, 12, 14), piece(Stage::Present, Track::Cpu, 10, 20)]);
        assert_eq!(nested.counted_elsewhere()[Stage::Present as usize], MS * 2);
    }

    #[test]
    fn no_room_is_said() {
        let mut all = Pieces::default();
        for _ in 0..Pieces::MOST {
            assert!(all.push(piece(Stage::Infer, Track::Gpu, 0, 1)));
        }
        assert!(!all.push(piece(Stage::Infer, Track::Gpu, 0, 1)));
        assert_eq!(all.len(), Pieces::MOST);
    }

    proptest! {
        #[test]
        fn each_moment_counts_once(
            list in prop::collection::vec((0usize..Stage::COUNT, any::<bool>(), 0u32..60, 0u32..30), 0..=Pieces::MOST),
        ) {
            let list: Vec<_> = list
                .into_iter()
                .map(|(stage, gpu, begin, long)| {
                    piece(Stage::ALL[stage], if gpu { Track::Gpu } else { Track::Cpu }, begin, begin + long)
                })
                .collect();
            let pieces = pieces(&list);
            let worked: u32 = list.iter().map(|p| p.duration.as_millis() as u32).sum();
            let lost: u32 = pieces.counted_elsewhere().iter().map(|d| d.as_millis() as u32).sum();
            let covered = (0..100)
                .filter(|&ms| list.iter().filter_map(Piece::mark).any(|m| m.begin <= MS * ms && m.end > MS * ms))
                .count() as u32;
            prop_assert_eq!(worked - lost, covered);
        }
    }
}
